//! All pages, held against the product: every snippet is parsed, every request of a recipe is decided, every
//! table equals what it describes, every command and link leads somewhere.
//!
//! A comment before a snippet or a table says what it is (`<!-- rules -->`). [`KINDS`] has what it may say, and
//! who holds it to that; a snippet that says nothing is a command for a shell.

mod adopting;
mod aws_callers;
mod browser;
mod commands;
mod configurations;
mod dependencies;
mod fields;
mod lambda;
mod links;
mod mcp;
mod native;
mod parts;
mod pictures;
mod promises;
mod replies;
mod requests;
mod revocation;
mod security;
mod sentences;
mod start;

use std::collections::BTreeSet;

use crate::harness::markdown::{Block, Pages, Snippet, file};

enum Form {
    /// A snippet in one of these languages.
    Snippet(&'static [&'static str]),
    Table,
}

/// Who holds a kind to what it says.
enum Held {
    /// Each by itself, here: given the words of its comment that follow the kind's.
    Here(fn(&Snippet, &str)),
    /// A test in this file, which looks for the kind by its words.
    In(&'static str),
}

use Form::Table;
use Held::{Here, In};

const YAML: Form = Form::Snippet(&["yaml"]);
const JSON: Form = Form::Snippet(&["json"]);
const TEXT: Form = Form::Snippet(&["text"]);
const DATA: Form = Form::Snippet(&["yaml", "json"]);
const PROGRAM: Form = Form::Snippet(&["python", "javascript", "sh"]);

const PROMISES: Held = In("tests/product/pages/promises.rs");
const SECURITY: Held = In("tests/product/pages/security.rs");
const TOOL: Held = In("tests/desk/readme.rs");
const RECIPES: Held = In("tests/e2e/recipes.rs");

/// What a comment may call a snippet or a table: its first words, whatever follows them.
const KINDS: &[(&str, Form, Held)] = &[
    ("alerts", Table, PROMISES),
    ("annotation", YAML, In("tests/mesh/istio/gateway.rs")),
    ("answers", Table, In("tests/product/pages/replies.rs")),
    ("attacks", Table, SECURITY),
    ("causes", Table, PROMISES),
    // The language decides which test runs it: those of the page.
    ("client", PROGRAM, In("tests/e2e/aws_callers.rs")),
    ("configuration", DATA, Here(configurations::accepted)),
    ("console", Table, In("tests/browser/amplify.test.mjs")),
    ("crates", Table, In("tests/product/pages/dependencies.rs")),
    ("demo", TEXT, In("tests/product/pages/commands.rs")),
    ("deny list", JSON, Here(configurations::deny_list)),
    ("dependencies", Table, SECURITY),
    ("differs", Table, In("tests/product/pages/native.rs")),
    ("event", JSON, In("tests/product/pages/lambda.rs")),
    ("fields of", Table, In("tests/product/pages/fields.rs")),
    ("filter", YAML, RECIPES),
    ("filter of", YAML, In("tests/product/pages/parts.rs")),
    ("formats", Table, PROMISES),
    ("gateways", Table, In("tests/product/pages/commands.rs")),
    ("host calls", Table, In("tests/e2e/host_calls.rs")),
    ("judges", Table, SECURITY),
    ("list of rules", YAML, In("tests/product/pages/mcp.rs")),
    ("log lines", Table, PROMISES),
    ("meshes", Table, In("tests/product/pages/commands.rs")),
    ("metrics", Table, PROMISES),
    (
        "more requests",
        Table,
        In("tests/product/pages/requests.rs"),
    ),
    ("native filter", YAML, In("tests/product/pages/native.rs")),
    ("part of", YAML, Here(parts::part)),
    ("policy", JSON, Here(configurations::iam_policy)),
    (
        "problems",
        TEXT,
        In("tests/product/pages/configurations.rs"),
    ),
    ("reasons", Table, PROMISES),
    ("refusals", Table, In("tests/browser/amplify.test.mjs")),
    ("refused", YAML, In("tests/product/pages/configurations.rs")),
    ("replies", Table, In("tests/product/pages/replies.rs")),
    ("reply", TEXT, Here(replies::reads_so)),
    ("routes", YAML, In("tests/product/pages/requests.rs")),
    ("rules", YAML, In("tests/product/pages/requests.rs")),
    ("screen", TEXT, In("tests/desk/status.rs")),
    ("secret", YAML, RECIPES),
    ("server", PROGRAM, In("tests/mcp/server.py")),
    ("start error", TEXT, In("tests/product/pages/start.rs")),
    ("start errors", Table, In("tests/product/pages/start.rs")),
    ("statistics", TEXT, Here(adopting::statistics)),
    ("tool", Form::Snippet(&["console"]), TOOL),
    ("upstreams", Table, SECURITY),
    ("virtual host", YAML, In("tests/product/pages/mcp.rs")),
    ("warnings", Table, TOOL),
];

/// No snippet escapes, and no kind is there for nothing.
#[test]
fn every_snippet_is_held_to_what_it_says() {
    let pages = Pages::read();
    let mut seen = BTreeSet::new();
    for block in pages.all.iter().flat_map(|page| &page.blocks) {
        let place = block.place();
        let Some(marker) = block.marker() else {
            if let Block::Snippet(snippet) = block {
                assert_eq!(snippet.language, "sh", "{place}: what is this?");
            }
            continue;
        };
        let begins = |words: &str| {
            let rest = marker.strip_prefix(words)?;
            (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
        };
        // The longest wins: `filter of` is no `filter`.
        let kinds = KINDS
            .iter()
            .filter_map(|kind| Some((kind, begins(kind.0)?)));
        let kind = kinds.max_by_key(|((words, _, _), _)| words.len());
        let Some(((words, form, held), rest)) = kind else {
            panic!("{place}: nobody knows what {marker:?} is");
        };
        match (form, block) {
            (Table, Block::Table(_)) => {}
            (Form::Snippet(languages), Block::Snippet(snippet)) => {
                let language = snippet.language.as_str();
                assert!(languages.contains(&language), "{place}: {language}");
                if let Here(check) = held {
                    check(snippet, rest);
                }
            }
            _ => panic!("{place}: {marker:?} is of another form"),
        }
        seen.insert(*words);
    }
    let all: BTreeSet<_> = KINDS.iter().map(|(words, _, _)| *words).collect();
    assert_eq!(all.len(), KINDS.len());
    let unused: Vec<_> = all.difference(&seen).collect();
    assert!(unused.is_empty(), "{unused:?} are on no page");
}

/// Whoever is said to hold a kind looks for it.
#[test]
fn every_kind_is_looked_for() {
    for (words, _, held) in KINDS {
        if let In(path) = held {
            let source = file(path);
            let named = source.contains(&format!("\"{words}"));
            assert!(named, "{path} does not look for {words:?}");
        }
    }
}
