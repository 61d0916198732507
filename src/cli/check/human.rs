//! Findings for people, with the lines that they are about.

use super::finding::{Finding, Severity};
use super::{Report, count};
use crate::document::{Position, Source, Span};
use crate::explain::safe::{safe, safe_line};
use crate::terminal;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::io::Write;
use std::ops::Range;

/// Lines around the one in question.
const CONTEXT: usize = 1;

/// The longest line, in bytes, that is shown as a whole. A configuration that a program wrote may be one
/// line, and a thousand findings in it are no thousand times that line.
const LONG: usize = 8192;

/// Bytes of a longer one on either side of a place: more than a terminal shows.
const SIDE: usize = 400;

/// Writes all findings, and a line that sums them up.
pub(super) fn write(reports: &[Report], out: &mut dyn Write) -> std::io::Result<()> {
    let renderer = if terminal::is_coloured() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    for report in reports {
        for finding in &report.findings {
            write_one(&report.source, finding, &renderer, out)?;
        }
    }
    let sum = |number: fn(&Report) -> usize| reports.iter().map(number).sum();
    let configurations = counted(sum(|report| report.configurations), "configuration");
    let checked = match (
        sum(|report| report.configurations),
        sum(|report| report.deny_lists),
    ) {
        (_, 0) => configurations,
        (0, lists) => counted(lists, "deny list"),
        (_, lists) => format!("{configurations}, {}", counted(lists, "deny list")),
    };
    let problems = count(reports, Severity::Problem);
    let warnings = count(reports, Severity::Warning);
    let found = match (problems, warnings) {
        (0, 0) => "nothing to report".to_owned(),
        (0, warnings) => counted(warnings, "warning"),
        (problems, 0) => counted(problems, "problem"),
        (problems, warnings) => {
            format!(
                "{}, {}",
                counted(problems, "problem"),
                counted(warnings, "warning")
            )
        }
    };
    writeln!(out, "{checked}: {found}")
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn write_one(
    source: &Source,
    finding: &Finding,
    renderer: &Renderer,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let level = match finding.code.severity {
        Severity::Problem => Level::ERROR.with_name("problem"),
        Severity::Warning => Level::WARNING,
    };
    // A problem's name would only repeat the word.
    let message = safe(&finding.message());
    let title = match finding.code.severity {
        Severity::Problem => level.primary_title(&message),
        Severity::Warning => level.primary_title(&message).id(finding.code.name),
    };
    let path = safe(source.name());
    let Position { line, column } = finding.span.start;
    let (text, first, range) = excerpt(source, finding.span);
    let snippet = Snippet::source(text)
        .line_start(first)
        .fold(false)
        .annotation(AnnotationKind::Primary.span(range));
    let mut group = match is_long(source, line) {
        false => title.element(snippet.path(path)),
        // Columns of the piece are not the line's.
        true => title
            .element(Origin::path(path).line(line).char_column(column))
            .element(snippet),
    };
    if !finding.advice.is_empty() {
        group = group.element(Level::HELP.message(finding.advice));
    }
    writeln!(out, "{}\n", renderer.render(&[group]))
}

fn is_long(source: &Source, line: usize) -> bool {
    source.line(line).len() > LONG
}

/// The lines around a place, the number of the first of them, and the place in them, in bytes.
fn excerpt(source: &Source, span: Span) -> (String, usize, Range<usize>) {
    let line = span.start.line;
    let first = line.saturating_sub(CONTEXT).max(1);
    let mut text = String::new();
    for number in first..line {
        let shown = source.line(number);
        text.push_str(&safe_line(piece(shown, 0..LONG)));
        text.push('\n');
    }
    // Only the first line of what is longer; all of it where only the beginning is known.
    let whole_line = Position {
        line,
        column: usize::MAX,
    };
    let one_line = span.end.line == line && span.end > span.start;
    let end = if one_line { span.end } else { whole_line };
    let bytes = source.bytes(Span { end, ..span });
    let line_start = source.byte(Position { line, column: 1 });
    let shown = source.line(line);
    let begins = bytes.start.saturating_sub(line_start);
    let ends = bytes.end.saturating_sub(line_start);
    let side = if is_long(source, line) { SIDE } else { LONG };
    let ends = ends.min(begins.saturating_add(side));
    text.push_str(&safe_line(piece(
        shown,
        begins.saturating_sub(side)..begins,
    )));
    let start = text.len();
    text.push_str(&safe_line(piece(shown, begins..ends)));
    let range = start..text.len();
    text.push_str(&safe_line(piece(shown, ends..ends.saturating_add(side))));
    text.push('\n');
    (text, first, range)
}

/// A piece of a line, from the character on in which it begins to before that in which it ends.
fn piece(line: &str, bytes: Range<usize>) -> &str {
    let boundary = |byte: usize| {
        let mut before = (0..=byte.min(line.len())).rev();
        before.find(|byte| line.is_char_boundary(*byte))
    };
    let (start, end) = (boundary(bytes.start), boundary(bytes.end));
    let range = start.unwrap_or_default()..end.unwrap_or_default();
    line.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(before: &str, after: &str) -> String {
        let source = Source::new("a", format!("first\n{before}[é]{after}\n"));
        let at = |text: &str| Position {
            line: 2,
            column: text.chars().count().saturating_add(1),
        };
        let span = Span {
            start: at(before),
            end: at(&format!("{before}[é]")),
        };
        let (text, first, range) = excerpt(&source, span);
        assert_eq!((first, text.get(range)), (1, Some("[é]")));
        text
    }

    #[test]
    fn a_line_is_shown_whole_unless_it_is_long() {
        assert_eq!(shows("é: ", " x"), "first\né: [é] x\n");
        let half = "é".repeat(LONG.saturating_sub(4) / 4);
        assert_eq!(shows(&half, &half), format!("first\n{half}[é]{half}\n"));
        let long = "é".repeat(LONG);
        let around = "é".repeat(SIDE / 2);
        assert_eq!(shows(&long, &long), format!("first\n{around}[é]{around}\n"));
    }
}
