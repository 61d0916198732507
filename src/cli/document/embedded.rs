//! A document in a text of another: JSON in a block scalar of YAML keeps its own places.

use super::source::{Position, Source, Span};
use super::{Dialect, Document, Unreadable};

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
        dialect: Dialect,
    ) -> Result<Self, Unreadable> {
        let whole = self.places.at(path);
        let read = Self::only_in(&Source::new(source.name(), text), dialect);
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
                twice: document
                    .twice
                    .into_iter()
                    .map(|(path, Span { start, end })| {
                        let span = Span {
                            start: to_file(start),
                            end: to_file(end),
                        };
                        (path, span)
                    })
                    .collect(),
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
    // The parser places a block scalar at its first line with something in it; a text of one line
    // stands where it begins.
    let (begins, indent) = [start.line.saturating_sub(within), start.line]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `a.b` stands in the file that holds this text as `config`.
    #[track_caller]
    fn stands(file: &str, expected: (usize, usize)) {
        let source = Source::new("a.yaml", file);
        let document = Document::only(&source).unwrap();
        let text = document
            .get("config")
            .and_then(serde_json::Value::as_str)
            .unwrap();
        let embedded = document
            .embedded(&source, "config", text, Dialect::Json)
            .unwrap();
        let start = embedded.places.at("a.b").start;
        assert_eq!((start.line, start.column), expected, "{file}");
    }

    #[test]
    fn a_block_keeps_its_places() {
        stands(
            "x: 1\nconfig: |\n  {\n    \"a\": {\"b\": 1}\n  }\n",
            (4, 16),
        );
        stands("config: |-\n\n  {\"a\":\n     {\"b\": 1}}\n", (4, 12));
        stands("config: | # why\n      {\"a\": {\"b\": 1}}\n", (2, 19));
    }

    #[test]
    fn elsewhere_the_whole_stands_for_its_parts() {
        stands("config: '{\"a\": {\"b\": 1}}'\n", (1, 9));
        stands("{\"config\": \"{\\\"a\\\": {\\\"b\\\": 1}}\"}", (1, 12));
        stands("config: >\n  {\"a\":\n  {\"b\": 1}}\n", (2, 3));
    }

    #[test]
    fn what_cannot_be_read_is_shown_in_the_file() {
        let source = Source::new("a.yaml", "config: |\n  {\n  \"a\": 1,\n  \"a\": 2}\n");
        let document = Document::only(&source).unwrap();
        let text = document
            .get("config")
            .and_then(serde_json::Value::as_str)
            .unwrap();
        let error = document
            .embedded(&source, "config", text, Dialect::Json)
            .unwrap_err();
        let Position { line, column } = error.span.start;
        assert_eq!((line, column), (4, 3));
    }
}
