//! README.md, SECURITY.md and DEPENDENCIES.md, held against the product: every snippet is parsed, every request of a
//! recipe is decided, every table equals what it describes, every command and link leads somewhere.
//!
//! A comment before a snippet or table says what it is (`<!-- rules -->`); one without is refused.

mod commands;
mod configurations;
mod dependencies;
mod fields;
mod lambda;
mod parts;
mod promises;
mod requests;
mod revocation;
mod security;

use crate::harness::markdown::{Block, Page};

/// What a comment may call a snippet or table; each is somebody's to check.
const MARKERS: [&str; 23] = [
    "alerts",
    "causes",
    "configuration",
    "configuration minimum",
    "demo",
    "deny list",
    "fields of",
    "filter",
    "filter of",
    "formats",
    "log lines",
    "metrics",
    "more requests",
    "part of",
    "reasons",
    "refused",
    "replies",
    "reply",
    "routes",
    "rules",
    "secret",
    "tool",
    "warnings",
];

/// No snippet escapes: each has a marker, or is a command, or follows what it belongs to.
#[test]
fn every_snippet_is_checked_by_somebody() {
    let page = Page::readme();
    let mut before = None;
    for block in &page.blocks {
        let marker = block.marker();
        let known = MARKERS.iter().any(|known| {
            let marker = marker.unwrap_or_default();
            marker == *known || marker.starts_with(&format!("{known} "))
        });
        let belongs = match block {
            Block::Snippet(snippet) if snippet.language == "sh" => marker.is_none(),
            // The problems of what was refused.
            Block::Snippet(snippet) if snippet.language == "text" => {
                known || before == Some("refused")
            }
            Block::Snippet(_) => known,
            Block::Table(_) => known || marker.is_none(),
        };
        assert!(belongs, "line {}: what is this? {marker:?}", block.line());
        before = marker;
    }
}
