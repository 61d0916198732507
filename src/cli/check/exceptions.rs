//! Warnings that a comment says are meant so.

use super::finding::{self, Finding, Severity};
use crate::document::{Position, Source, Span};
use cognito_authorizer::config::nearest;

/// What stands before the names of warnings in a comment.
const ALLOW: &str = "# check: allow ";

/// The words after it on a line, and where they stand, in bytes.
fn allowed(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let (before, words) = line.split_once(ALLOW).unwrap_or((line, ""));
    let mut next = before.len().saturating_add(ALLOW.len());
    let words = words.split([' ', ',', '\t']).map(move |word| {
        let at = next;
        next = next.saturating_add(word.len()).saturating_add(1);
        (at, word)
    });
    words.filter(|(_, word)| !word.is_empty())
}

/// Comments that allow what there is not: the first word is a name, and others are that look like
/// one. The rest may be the reason.
pub(super) fn unknown(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known = finding::ALL.iter();
    let known = known.filter(|code| code.severity == Severity::Warning);
    let known: Vec<_> = known.map(|code| code.name).collect();
    for (number, line) in (1..).zip(source.text().lines()) {
        for (word, (at, name)) in allowed(line).enumerate() {
            let meant = nearest(name, &known);
            if known.contains(&name) || word > 0 && meant.is_none() {
                continue;
            }
            let place = |bytes: usize| Position {
                line: number,
                column: line
                    .get(..bytes)
                    .map_or(0, |before| before.chars().count())
                    .saturating_add(1),
            };
            let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
            findings.push(Finding {
                code: &finding::UNKNOWN_NAME,
                path: String::new(),
                span: Span {
                    start: place(at),
                    end: place(at.saturating_add(name.len())),
                },
                text: format!("no warning is called {name:?}{meant}"),
                advice: finding::UNKNOWN_NAME.help,
            });
        }
    }
    findings
}

/// Whether a comment says that a warning is meant so.
pub(super) fn silence(source: &Source, finding: &Finding) -> bool {
    let line = finding.span.start.line;
    let says = |line: &str| allowed(line).any(|(_, name)| name == finding.code.name);
    let before = source.line(line.saturating_sub(1));
    finding.code.severity == Severity::Warning
        && (says(source.line(line))
            || line > 1 && before.trim_start().starts_with('#') && says(before))
}
