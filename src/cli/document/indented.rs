//! Quoted texts that go on further left than YAML allows, and that its readers take all the same.

use super::source::Position;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The parser's word for a quoted text that goes on in a line indented no more than its member.
/// Strictly it is invalid (YAML 1.2, section 7.3.3); tools that wrap long lines write it.
pub(super) const OUTDENTED: &str = "invalid indentation in quoted scalar";

/// A text in which the lines of such scalars are indented. White space there has no meaning: lines
/// are folded.
pub(super) struct Indented<'a> {
    text: Cow<'a, str>,
    /// How many spaces were added to the beginning of a line.
    added: BTreeMap<usize, usize>,
}

impl<'a> Indented<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            added: BTreeMap::new(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How many spaces a line has in excess.
    pub(super) fn added(&self, line: usize) -> usize {
        self.added.get(&line).copied().unwrap_or_default()
    }

    /// Indents the lines of the scalar that begins here; none if it has no end.
    pub(super) fn indent_scalar(&mut self, start: Position) -> Option<()> {
        let column = start.column.saturating_add(self.added(start.line));
        let first = self
            .text
            .split_inclusive('\n')
            .take(start.line.saturating_sub(1));
        let line: usize = first.map(str::len).sum();
        let rest = self.text.get(line..)?;
        let (within, _) = rest.char_indices().nth(column.saturating_sub(1))?;
        let begins = line.saturating_add(within);
        let scalar = self.text.get(begins..)?;
        let scalar = scalar.get(..end_of_quoted(scalar)?)?;
        let spaces = " ".repeat(column);
        let mut lines = scalar.split('\n');
        let mut written = lines.next()?.to_owned();
        for (number, line) in (start.line.saturating_add(1)..).zip(lines) {
            written.push('\n');
            written.push_str(&spaces);
            written.push_str(line);
            let added = self.added.entry(number).or_default();
            *added = added.saturating_add(column);
        }
        let ends = begins.saturating_add(scalar.len());
        let mut text = self.text.clone().into_owned();
        text.replace_range(begins..ends, &written);
        self.text = Cow::Owned(text);
        Some(())
    }
}

/// How long a quoted scalar is, in bytes, with its quotes.
fn end_of_quoted(text: &str) -> Option<usize> {
    let quote = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))?;
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        match character {
            '\\' if quote == '"' => {
                characters.next();
            }
            // Two of them stand for one.
            '\'' if quote == '\'' && next == Some('\'') => {
                characters.next();
            }
            _ if character == quote => return Some(at.saturating_add(1)),
            _ => {}
        }
    }
    None
}
