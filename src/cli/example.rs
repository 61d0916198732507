//! The files under `envoy/`, as patterns for what the tool writes: what people copy and what they
//! are given is one text, comments included, and every test of the one is a test of the other.

use crate::document::{Document, Source, Span};
use anyhow::Context as _;
use std::ops::Range;

/// What stands behind everything in an example that is about the example alone.
const MARK: &str = "# <--";

/// A file of YAML whose parts are changed by their paths, and which is otherwise kept to the letter.
pub(crate) struct Example {
    source: Source,
    documents: Vec<Document>,
    /// What stands instead of what, in bytes.
    edits: Vec<(Range<usize>, String)>,
}

impl Example {
    /// # Errors
    /// A text that is no YAML.
    pub(crate) fn new(text: impl Into<String>) -> anyhow::Result<Self> {
        let source = Source::new("example", text);
        let documents = Document::all(&source)?;
        Ok(Self {
            source,
            documents,
            edits: Vec::new(),
        })
    }

    /// Puts another value in the place of a plain one.
    ///
    /// # Errors
    /// Nothing plain is there.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> anyhow::Result<()> {
        let place = self
            .find(path, |document, path| document.places.plain(path))?
            .1;
        let place = self.source.byte(place.start)..self.source.byte(place.end);
        self.edits.push((place, value.to_owned()));
        Ok(())
    }

    /// Puts other lines in the place of an entry, and of the comments above it.
    ///
    /// # Errors
    /// Nothing is there.
    pub(crate) fn replace(&mut self, path: &str, lines: &str) -> anyhow::Result<()> {
        let (entry, indent) = self.entry(path)?;
        let start = self.comments(entry.start);
        self.edits
            .push((start..entry.end, indented(lines.trim_end(), indent)));
        Ok(())
    }

    /// Puts other lines in the place of an entry, below the comments above it.
    ///
    /// # Errors
    /// Nothing is there.
    pub(crate) fn put(&mut self, path: &str, lines: &str) -> anyhow::Result<()> {
        let (entry, indent) = self.entry(path)?;
        self.edits.push((entry, indented(lines.trim_end(), indent)));
        Ok(())
    }

    /// Takes out an entry, and the comments above it.
    ///
    /// # Errors
    /// Nothing is there.
    pub(crate) fn remove(&mut self, path: &str) -> anyhow::Result<()> {
        let (entry, indent) = self.entry(path)?;
        let text = self.source.text();
        let start = self.comments(entry.start);
        let line = text.get(..start).and_then(|before| before.rfind('\n'));
        let line = line.map_or(0, |end| end.saturating_add(1));
        let alone = text
            .get(line..start)
            .is_some_and(|before| before.trim().is_empty());
        let range = if alone {
            line..entry.end.saturating_add(1).min(text.len())
        } else {
            // What stands next takes its place behind the dash.
            let rest = text.get(entry.end..).unwrap_or_default();
            let gap = rest.len().saturating_sub(rest.trim_start().len());
            let next = entry.end.saturating_add(gap);
            anyhow::ensure!(
                column(text, next) == indent,
                "found nothing behind {path} in an example"
            );
            start..next
        };
        self.edits.push((range, String::new()));
        Ok(())
    }

    /// Puts another text before the first entry, instead of the comments there.
    ///
    /// # Errors
    /// There is no entry.
    pub(crate) fn head(&mut self, comments: &str) -> anyhow::Result<()> {
        let text = self.source.text();
        let lines = text.split_inclusive('\n');
        let above = lines.take_while(|line| line.trim().is_empty() || line.starts_with('#'));
        let at = above.map(str::len).fold(0, usize::saturating_add);
        anyhow::ensure!(at < text.len(), "found nothing but comments in an example");
        self.edits.push((0..at, comments.to_owned()));
        Ok(())
    }

    /// An entry alone, without the comments above it, as far left as can be.
    ///
    /// # Errors
    /// Nothing is there.
    pub(crate) fn part(&self, path: &str) -> anyhow::Result<String> {
        let (entry, indent) = self.entry(path)?;
        let text = self.source.text().get(entry).unwrap_or_default();
        let next = format!("\n{}", " ".repeat(indent));
        Ok(unmarked(&format!("{}\n", text.replace(&next, "\n"))))
    }

    /// The whole, with all that was changed.
    pub(crate) fn text(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut text = self.source.text().to_owned();
        for (range, with) in self.edits.iter().rev() {
            text.replace_range(range.clone(), with);
        }
        unmarked(&text)
    }

    fn find<T>(
        &self,
        path: &str,
        place: impl Fn(&Document, &str) -> Option<T>,
    ) -> anyhow::Result<(&Document, T)> {
        // The kind of a manifest before its path says which of several is meant.
        let (kind, path) = match path.split_once(':') {
            Some((kind, path)) => (Some(kind), path),
            None => (None, path),
        };
        let is_meant = |one: &&Document| match kind {
            Some(kind) => one.get("kind").is_some_and(|found| found == kind),
            None => true,
        };
        let document = self.documents.iter().find(is_meant);
        let place = document.and_then(|document| Some((document, place(document, path)?)));
        place.with_context(|| format!("found nothing at {path} in an example"))
    }

    /// The bytes of an entry, from its dash or name to the end of its last line, and how far to the
    /// right it begins.
    fn entry(&self, path: &str) -> anyhow::Result<(Range<usize>, usize)> {
        let (_, span) = self.find(path, |document, path| document.places.whole_of(path))?;
        let text = self.source.text();
        let mut start = self.source.byte(span.start);
        if path.ends_with(']')
            && text
                .get(..start)
                .is_some_and(|before| before.ends_with("- "))
        {
            start = start.saturating_sub(2);
        }
        Ok((start..self.end_of_line(span), column(text, start)))
    }

    fn end_of_line(&self, span: Span) -> usize {
        let line = self.source.line(span.end.line);
        let mut end = span.end;
        end.column = line.chars().count().saturating_add(1);
        self.source.byte(end)
    }

    /// Where the comments begin that stand above a place, if the place begins its line.
    fn comments(&self, at: usize) -> usize {
        let text = self.source.text();
        let mut start = at;
        loop {
            let before = text.get(..start).unwrap_or_default();
            let Some((lines, indent)) = before.rsplit_once('\n') else {
                return start;
            };
            let above = lines.rsplit('\n').next().unwrap_or_default();
            if !indent.trim().is_empty() || !above.trim_start().starts_with('#') {
                return start;
            }
            let above_starts = lines
                .len()
                .saturating_sub(above.len())
                .saturating_add(above.len().saturating_sub(above.trim_start().len()));
            start = above_starts;
        }
    }
}

/// Lines of which all but the first are further to the right; nothing is that is empty.
fn indented(lines: &str, indent: usize) -> String {
    let next = format!("\n{}", " ".repeat(indent));
    let lines = lines.replace('\n', &next);
    lines.replace(&format!("{next}\n"), "\n\n")
}

/// How far to the right a place is, in bytes.
fn column(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    at.saturating_sub(line)
}

/// Without the marks of the example.
fn unmarked(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let (line, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |line| (line, "\n"));
        let line = line.strip_suffix(MARK).map_or(line, str::trim_end);
        format!("{line}{end}")
    });
    lines.collect()
}

/// A text as YAML that any reader takes for that text: plain where nobody could take it otherwise.
pub(crate) fn scalar(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "y"];
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte);
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) || text.len() < 2;
    match begins && text.bytes().all(plain) && !is_word {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# head
# of it

# about a
a: 1 # <--
b:
# about b0
- c: {d: x} # <--
  # about e
  e: y
- f: z

# about g
g:
  h: 2
";

    #[track_caller]
    fn changed(change: impl Fn(&mut Example) -> anyhow::Result<()>, from: &str, to: &str) {
        let mut example = Example::new(TEXT).unwrap();
        change(&mut example).unwrap();
        let expected = TEXT.replace(from, to).replace(" # <--", "");
        assert_eq!(example.text(), expected);
    }

    #[test]
    fn everything_else_is_kept() {
        changed(|_| Ok(()), "", "");
        changed(|one| one.set("b[0].c.d", "long"), "x", "long");
        changed(|one| one.set("g.h", "4"), "h: 2", "h: 4");
    }

    #[test]
    fn entries_go_with_the_comments_above_them() {
        changed(|one| one.remove("a"), "# about a\na: 1 # <--\n", "");
        changed(
            |one| one.remove("b[0]"),
            "# about b0\n- c: {d: x} # <--\n  # about e\n  e: y\n",
            "",
        );
        // What follows takes the place behind the dash.
        changed(
            |one| one.remove("b[0].c"),
            "- c: {d: x} # <--\n  # about e\n  e: y",
            "- # about e\n  e: y",
        );
        changed(|one| one.remove("b[0].e"), "  # about e\n  e: y\n", "");
        changed(|one| one.remove("b[1]"), "- f: z\n", "");
        changed(|one| one.remove("g"), "# about g\ng:\n  h: 2\n", "");
    }

    #[test]
    fn entries_are_replaced_where_they_stand() {
        changed(
            |one| one.replace("b[0].e", "# new\ni:\n- j\n"),
            "  # about e\n  e: y",
            "  # new\n  i:\n  - j",
        );
        changed(
            |one| one.replace("b[0].c", "k: 1"),
            "- c: {d: x} # <--",
            "- k: 1",
        );
        changed(
            |one| one.head("# new\n"),
            "# head\n# of it\n\n# about a\n",
            "# new\n",
        );
    }

    #[test]
    fn a_part_stands_alone() {
        let example = Example::new(TEXT).unwrap();
        assert_eq!(
            example.part("b[0]").unwrap(),
            "- c: {d: x}\n  # about e\n  e: y\n"
        );
        assert_eq!(example.part("g.h").unwrap(), "h: 2\n");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let mut example = Example::new(TEXT).unwrap();
        assert!(example.set("b", "1").is_err());
        assert!(example.set("x", "1").is_err());
        assert!(example.remove("b[2]").is_err());
        assert!(example.replace("Kind:a", "1").is_err());
        assert!(example.part("c").is_err());
    }

    #[test]
    fn texts_stay_texts() {
        for text in [
            "us-east-1_AbCdEf123",
            "/etc/envoy/a.wasm",
            "localhost",
            "a.example.com",
        ] {
            assert_eq!(scalar(text), text);
        }
        for text in [
            "127.0.0.1",
            "4e8",
            "no",
            "N",
            "a: b",
            "a #b",
            "",
            "~",
            "a\"b",
            "x|y",
        ] {
            assert_eq!(scalar(text), serde_json::Value::from(text).to_string());
        }
    }
}
