//! Findings for people, with the lines that they are about.

use super::finding::{Finding, Severity};
use super::{Report, count};
use crate::document::{Position, Source, Span};
use crate::explain::safe::{safe, safe_line};
use crate::terminal;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::io::Write;
use std::ops::Range;

/// Lines around the one in question.
const CONTEXT: usize = 1;

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
    let (text, first, range) = excerpt(source, finding.span);
    let snippet = Snippet::source(text)
        .path(safe(source.name()))
        .line_start(first)
        .fold(false)
        .annotation(AnnotationKind::Primary.span(range));
    let mut group = title.element(snippet);
    if !finding.advice.is_empty() {
        group = group.element(Level::HELP.message(finding.advice));
    }
    writeln!(out, "{}\n", renderer.render(&[group]))
}

/// The lines around a place, the number of the first of them, and the place in them, in bytes.
fn excerpt(source: &Source, span: Span) -> (String, usize, Range<usize>) {
    let line = span.start.line;
    let first = line.saturating_sub(CONTEXT).max(1);
    let mut text = String::new();
    let mut start = 0;
    for number in first..=line {
        start = text.len();
        text.push_str(&safe_line(source.line(number)));
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
    let within = |byte: usize| {
        let before = shown.get(..byte.saturating_sub(line_start));
        start.saturating_add(safe_line(before.unwrap_or(shown)).len())
    };
    let range = within(bytes.start)..within(bytes.end);
    (text, first, range)
}
