//! A document in a text of another: JSON in a block scalar of YAML keeps its own places.

use super::source::{Position, Source};
use super::{Document, Unreadable};

impl Document {
    /// The document that the text at a path is.
    ///
    /// In a literal block (`|`) each part of it has its own place in the file. Elsewhere escapes
    /// and folding stand between the text and the file, and all of it has the place of the whole.
    ///
    /// # Errors
    /// As [`Document::only`], with the place in the file.
    pub(crate) fn embedded(
        &self,
        source: &Source,
        path: &str,
        text: &str,
    ) -> Result<Self, Unreadable> {
        let whole = self.places.at(path);
        let read = Self::only(&Source::new(source.name(), text));
        let Some(to_file) = literal(source, self.places.at(path).start, text) else {
            return match read {
                Ok(document) => Ok(Self::unplaced(document.value, whole)),
                Err(error) => Err(Unreadable {
                    span: whole,
                    ..error
                }),
            };
        };
        match read {
            Ok(document) => Ok(Self {
                value: document.value,
                places: document.places.moved(to_file),
            }),
            Err(mut error) => {
                error.span.start = to_file(error.span.start);
                error.span.end = to_file(error.span.end);
                Err(error)
            }
        }
    }
}

/// From places in a text to those in the file, if the text stands there line for line.
fn literal(
    source: &Source,
    start: Position,
    text: &str,
) -> Option<impl Fn(Position) -> Position + use<>> {
    let mut lines = text.lines().enumerate();
    let (within, first) = lines.find(|(_, line)| !line.trim().is_empty())?;
    // The parser places a block scalar at its indicator, or where its content begins.
    let (begins, indent) = [start.line, start.line.saturating_add(1)]
        .into_iter()
        .find_map(|line| {
            let shown = source.line(line.saturating_add(within));
            let indent = shown.strip_suffix(first)?;
            indent
                .chars()
                .all(|c| c == ' ')
                .then_some((line, indent.len()))
        })?;
    // A plain text of one line ends its line, too; blocks are indented below what holds them.
    let same = |(at, line): (usize, &str)| {
        let shown = source.line(begins.saturating_add(at));
        shown.get(indent..).unwrap_or_default() == line
    };
    text.lines()
        .enumerate()
        .all(same)
        .then_some(move |position: Position| Position {
            line: position.line.saturating_sub(1).saturating_add(begins),
            column: position.column.saturating_add(indent),
        })
}
