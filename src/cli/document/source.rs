//! The text of a file, and places in it as editors count them.

use anyhow::Context;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// More than any configuration or API definition has; a file of it is still read in no time.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
}

impl Default for Position {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

/// A piece of a file: from its first character up to, not including, `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: Position,
    pub(crate) end: Position,
}

/// A file: its name as it was given, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    name: String,
    text: String,
    /// Whether the file begins with a byte order mark, which is no part of the text.
    is_marked: bool,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Source {
    /// A text that is already there.
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        // Some editors begin files with it; it is no part of what the file says.
        let (text, is_marked) = match text.strip_prefix('\u{feff}') {
            Some(rest) => (rest.to_owned(), true),
            None => (text, false),
        };
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)));
        Self {
            name: name.into(),
            text,
            is_marked,
            lines,
        }
    }

    /// Reads a file, or what comes in for `-`.
    ///
    /// # Errors
    /// What cannot be opened, is no UTF-8, or is larger than any configuration.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        let limit = MAX_BYTES.saturating_add(1);
        let (name, read) = if path == Path::new("-") {
            let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
            ("<stdin>".to_owned(), read)
        } else {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).with_context(|| name.clone())?;
            (name, file.take(limit).read_to_end(&mut bytes))
        };
        read.with_context(|| name.clone())?;
        anyhow::ensure!(
            u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_BYTES),
            "{name}: found more than {MAX_BYTES} bytes; expected a smaller file"
        );
        let text = String::from_utf8(bytes)
            .map_err(|_| anyhow::anyhow!("{name}: found bytes that are not UTF-8"))?;
        Ok(Self::new(name, text))
    }

    /// The name of the file as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it begins with a byte order mark, which readers of JSON do not take.
    pub(crate) fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// All of it, but for the byte order mark.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A line, from 1, without its end; empty where there is none.
    pub(crate) fn line(&self, number: usize) -> &str {
        let start = self.lines.get(number.saturating_sub(1));
        let start = start.copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Where a place is, in bytes.
    pub(crate) fn byte(&self, position: Position) -> usize {
        let start = self.lines.get(position.line.saturating_sub(1));
        let start = start.copied().unwrap_or(self.text.len());
        let line = self.line(position.line);
        let within = line.char_indices().nth(position.column.saturating_sub(1));
        start.saturating_add(within.map_or(line.len(), |(at, _)| at))
    }

    /// A piece in bytes, for renderers that count so; never empty unless its line ends there.
    pub(crate) fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start);
        let end = self.byte(span.end);
        let rest = self.text.get(start..).unwrap_or_default();
        let next = rest.chars().next().filter(|next| *next != '\n');
        start..end.max(start.saturating_add(next.map_or(0, char::len_utf8)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    #[test]
    fn lines_and_columns_are_those_of_an_editor() {
        let source = Source::new("a", "\u{feff}äb\r\n\ncd");
        assert_eq!(source.line(1), "äb");
        assert_eq!(source.line(2), "");
        assert_eq!(source.line(3), "cd");
        assert_eq!(source.line(4), "");
        assert_eq!(source.byte(position(1, 2)), 2);
        assert_eq!(source.byte(position(3, 2)), 7);
        // Past the end of a line, and of the file.
        assert_eq!(source.byte(position(1, 9)), 3);
        assert_eq!(source.byte(position(9, 9)), 8);
    }

    #[test]
    fn a_piece_has_at_least_one_character() {
        let source = Source::new("a", "äb\ncd");
        let span = |start, end| source.bytes(Span { start, end });
        assert_eq!(span(position(1, 1), position(1, 1)), 0..2);
        assert_eq!(span(position(1, 2), position(2, 2)), 2..5);
        assert_eq!(span(position(1, 3), position(1, 3)), 3..3);
    }
}
