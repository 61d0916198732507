//! From the events of the YAML parser to trees with places. JSON is YAML, but for surrogate pairs
//! in escapes: such a text is read as JSON, and only its whole has a place.

use super::places::{Place, Places, item, member};
use super::scalar::Dialect;
use super::source::{Position, Source, Span};
use super::{Document, Unreadable};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Deeper than any document of the field; a guard of the stack.
const MAX_DEPTH: usize = 128;

/// An alias repeats what may hold aliases: without a limit a kilobyte could stand for terabytes.
const MAX_PARTS: usize = 2_000_000;

/// The documents of a file.
pub(super) fn read(source: &Source, dialect: Dialect) -> Result<Vec<Document>, Unreadable> {
    let text = source.text();
    let yaml = documents(text, dialect);
    match yaml {
        Err(_) if text.trim_ascii_start().starts_with(['{', '[']) => {
            // Of two errors the one that knows names of members twice, and places, says more.
            let value = cognito_authorizer::json::value(text.as_bytes());
            value.map_or(yaml, |value| {
                Ok(vec![Document::unplaced(value, Span::default())])
            })
        }
        _ => yaml,
    }
}

/// Reads as libyaml's family and Envoy do where YAML 1.2 is stricter.
fn documents(text: &str, dialect: Dialect) -> Result<Vec<Document>, Unreadable> {
    /// Each costs another reading of the file. No file seen has more than a few.
    const MAX_INDENTED: usize = 64;
    let mut indented = Indented {
        text: Cow::Borrowed(text),
        added: BTreeMap::new(),
    };
    for _ in 0..MAX_INDENTED {
        match parsed(&indented, dialect) {
            Err(error) if error.text == OUTDENTED => {
                if indented.indent_scalar(error.span.start).is_none() {
                    return Err(error);
                }
            }
            read => return read,
        }
    }
    parsed(&indented, dialect)
}

/// The parser's word for a quoted text that goes on in a line indented no more than its member.
/// Strictly it is invalid (YAML 1.2, section 7.3.3); tools that wrap long lines write it.
const OUTDENTED: &str = "invalid indentation in quoted scalar";

/// A text in which the lines of such scalars are indented. White space there has no meaning: lines
/// are folded.
struct Indented<'a> {
    text: Cow<'a, str>,
    /// How many spaces were added to the beginning of a line.
    added: BTreeMap<usize, usize>,
}

impl Indented<'_> {
    fn added(&self, line: usize) -> usize {
        self.added.get(&line).copied().unwrap_or_default()
    }

    /// Indents the lines of the scalar that begins here; none if it has no end.
    fn indent_scalar(&mut self, start: Position) -> Option<()> {
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

fn parsed(text: &Indented<'_>, dialect: Dialect) -> Result<Vec<Document>, Unreadable> {
    let mut reader = Reader::new(text, dialect);
    let mut documents = Vec::new();
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                reader.places = Places::default();
                reader.anchors.clear();
                let next = reader.next()?;
                let value = reader.node(next, "", None, 0)?;
                if !value.is_null() {
                    let places = std::mem::take(&mut reader.places);
                    documents.push(Document { value, places });
                }
            }
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            _ => return Err(unreadable(span, "found content outside a document")),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a Indented<'a>,
    dialect: Dialect,
    places: Places,
    anchors: BTreeMap<usize, Value>,
    parts: usize,
}

type Spanned<'a> = (Event<'a>, Span);

impl<'a> Reader<'a> {
    fn new(text: &'a Indented<'a>, dialect: Dialect) -> Self {
        Self {
            dialect,
            parser: Parser::new_from_str(&text.text),
            text,
            places: Places::default(),
            anchors: BTreeMap::new(),
            parts: 0,
        }
    }

    fn next(&mut self) -> Result<Spanned<'a>, Unreadable> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let span = Span {
                    start: self.position(&span.start),
                    end: self.position(&span.end),
                };
                Ok((event, span))
            }
            Some(Err(error)) => {
                let start = self.position(error.marker());
                Err(unreadable(Span { start, end: start }, error.info()))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(
        &mut self,
        (event, span): Spanned<'a>,
        path: &str,
        key: Option<Span>,
        depth: usize,
    ) -> Result<Value, Unreadable> {
        if depth > MAX_DEPTH {
            let text = format!("found more than {MAX_DEPTH} levels; expected a flatter document");
            return Err(unreadable(span, text));
        }
        self.count(span, 1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.place(path, key, span, false);
                (self.dialect.meaning(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.place(path, key, span, true);
                (self.list(path, depth.saturating_add(1))?, anchor)
            }
            Event::MappingStart(anchor, _) => {
                self.place(path, key, span, true);
                (self.object(path, depth.saturating_add(1))?, anchor)
            }
            Event::Alias(anchor) => {
                // What an alias repeats is shown where it is repeated.
                self.place(path, key, span, false);
                let value =
                    self.anchors.get(&anchor).cloned().ok_or_else(|| {
                        unreadable(span, "found an alias within what it stands for")
                    })?;
                self.count(span, parts(&value))?;
                return Ok(value);
            }
            _ => return Err(unreadable(span, "found the end; expected a value")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Value, Unreadable> {
        let mut elements = Vec::new();
        loop {
            let next = self.next()?;
            if next.0 == Event::SequenceEnd {
                return Ok(Value::Array(elements));
            }
            let path = item(path, elements.len());
            elements.push(self.node(next, &path, None, depth)?);
        }
    }

    fn object(&mut self, path: &str, depth: usize) -> Result<Value, Unreadable> {
        let mut members = Map::new();
        let mut ignored = 0;
        let mut merged: Option<(Value, Span)> = None;
        loop {
            let (event, key) = self.next()?;
            let (name, style, tag) = match event {
                Event::MappingEnd => {
                    let (merged, at) = merged.unwrap_or_default();
                    for name in merge(&mut members, merged) {
                        self.place(&member(path, &name), Some(at), at, false);
                    }
                    return Ok(Value::Object(members));
                }
                Event::Scalar(name, style, _, tag) => (name.into_owned(), style, tag),
                _ => return Err(unreadable(key, "found a name that is no text")),
            };
            let plain = style == ScalarStyle::Plain;
            if self.dialect == Dialect::Envoy && tag.is_some_and(|tag| tag.suffix == "ignore") {
                // Envoy's own tag, for members that are there for their anchors.
                let path = format!("{path}.!ignore[{ignored}]");
                ignored = usize::saturating_add(ignored, 1);
                let next = self.next()?;
                self.node(next, &path, None, depth)?;
                continue;
            }
            // To Envoy it is a name like any other.
            if plain && name == "<<" && self.dialect == Dialect::Kubernetes && merged.is_none() {
                let next = self.next()?;
                let value = self.node(next, &member(path, &name), Some(key), depth)?;
                merged = Some((value, key));
                continue;
            }
            let path = member(path, &name);
            // Readers differ on which of the two holds.
            if members.contains_key(&name) {
                return Err(unreadable(
                    key,
                    format!("found {name:?} twice in one object"),
                ));
            }
            let next = self.next()?;
            let value = self.node(next, &path, Some(key), depth)?;
            members.insert(name, value);
        }
    }

    fn place(&mut self, path: &str, key: Option<Span>, value: Span, holds_more: bool) {
        let place = Place {
            key,
            value,
            holds_more,
        };
        self.places.insert(path.to_owned(), place);
    }

    /// A place in the file.
    fn position(&self, marker: &Marker) -> Position {
        let line = marker.line().max(1);
        let column = marker.col().saturating_sub(self.text.added(line));
        Position {
            line,
            column: column.saturating_add(1),
        }
    }

    fn count(&mut self, span: Span, parts: usize) -> Result<(), Unreadable> {
        self.parts = self.parts.saturating_add(parts);
        if self.parts > MAX_PARTS {
            let text = format!("found more than {MAX_PARTS} parts; expected fewer aliases");
            return Err(unreadable(span, text));
        }
        Ok(())
    }
}

/// Adds what `<<` stands for, one object or several, and says which members are new: an object's own
/// come before theirs, and those of the first before those of the others.
fn merge(members: &mut Map<String, Value>, merged: Value) -> Vec<String> {
    match merged {
        Value::Object(others) => {
            let new = others.into_iter().filter_map(|(name, value)| {
                let absent = !members.contains_key(&name);
                absent.then(|| {
                    members.insert(name.clone(), value);
                    name
                })
            });
            new.collect()
        }
        Value::Array(all) => {
            let new = all.into_iter().flat_map(|one| merge(members, one));
            new.collect()
        }
        _ => Vec::new(),
    }
}

/// How many values there are in a value. Depth is bounded where values are made.
fn parts(value: &Value) -> usize {
    let below: usize = match value {
        Value::Array(elements) => elements.iter().map(parts).fold(0, usize::saturating_add),
        Value::Object(members) => members.values().map(parts).fold(0, usize::saturating_add),
        _ => 0,
    };
    below.saturating_add(1)
}

fn unreadable(span: Span, text: impl Into<String>) -> Unreadable {
    Unreadable {
        span,
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::item;
    use serde_json::json;

    fn all(text: &str) -> Result<Vec<Document>, Unreadable> {
        read(&Source::new("a.yaml", text), Dialect::Kubernetes)
    }

    fn only(text: &str) -> Document {
        let mut documents = all(text).unwrap();
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    #[track_caller]
    fn refused(text: &str, at: (usize, usize), because: &str) {
        let error = all(text).unwrap_err();
        let Position { line, column } = error.span.start;
        assert_eq!((line, column, error.text.as_str()), (at.0, at.1, because));
    }

    #[track_caller]
    fn stands(document: &Document, path: &str, expected: (usize, usize)) {
        let start = document.places.at(path).start;
        assert_eq!((start.line, start.column), expected, "{path}");
    }

    #[test]
    fn everything_has_its_place() {
        let document = only("a:\n  - b: 1\n    ü: x\n  - [c, {d: e}]\nf: |\n  text\n");
        assert_eq!(
            document.value,
            json!({"a": [{"b": 1, "ü": "x"}, ["c", {"d": "e"}]], "f": "text\n"})
        );
        stands(&document, "a[0].b", (2, 8));
        stands(&document, "a[0][\"ü\"]", (3, 8));
        stands(&document, "a[1][1].d", (4, 13));
        // A list is shown by its name, an element by where it begins.
        stands(&document, "a", (1, 1));
        stands(&document, "a[0]", (2, 5));
        // What is missing, by what lacks it.
        stands(&document, "a[0].z.y[3]", (2, 5));
        stands(&document, "z", (1, 1));
        assert_eq!(document.places.key("a[0].b").start.column, 5);
        assert_eq!(document.get("a[1][1].d"), Some(&json!("e")));
        assert_eq!(document.get("a[1][2]"), None);
        assert_eq!(document.get("a[1]x"), None);
    }

    #[test]
    fn a_file_may_have_several_documents() {
        let documents = all("# first\na: 1\n---\n---\nb: 2\n...\n").unwrap();
        let values: Vec<_> = documents.iter().map(|one| one.value.clone()).collect();
        assert_eq!(values, [json!({"a": 1}), json!({"b": 2})]);
        stands(&documents[1], "b", (5, 4));
        assert_eq!(all("").unwrap().len(), 0);
    }

    #[test]
    fn json_is_read_with_places() {
        let document = only("{\n\t\"a\": [1, \"\\u00e9\\/\"]\n}\n");
        assert_eq!(document.value, json!({"a": [1, "é/"]}));
        stands(&document, "a[1]", (2, 11));
    }

    #[test]
    fn json_with_surrogate_pairs_is_read_without() {
        let document = only(r#"{"a": "\ud83d\ude00"}"#);
        assert_eq!(document.value, json!({"a": "😀"}));
        stands(&document, "a", (1, 1));
    }

    /// kubectl merges; Envoy 1.40 has a member of that name, and one tag for what it leaves out.
    #[test]
    fn merge_keys_and_tags_have_two_readers() {
        let text = "!ignore base: &base {a: 1, b: 2}\nc: {<<: *base, b: 3}\nd: {<<: [{a: 4}, *base]}\ne: {'<<': 5}\n";
        let document = only(text);
        let base = json!({"a": 1, "b": 2});
        assert_eq!(
            document.value,
            json!({"base": base, "c": {"a": 1, "b": 3}, "d": {"a": 4, "b": 2}, "e": {"<<": 5}})
        );
        // What is merged in is shown where it is merged in.
        stands(&document, "c.a", (2, 5));
        let documents = read(&Source::new("a.yaml", text), Dialect::Envoy).unwrap();
        assert_eq!(
            documents[0].value,
            json!({"c": {"<<": base, "b": 3}, "d": {"<<": [{"a": 4}, base]}, "e": {"<<": 5}})
        );
    }

    /// Each of these is read so by Envoy 1.40.
    #[test]
    fn quoted_texts_may_go_on_further_left() {
        let document =
            only("a:\n  b: \"edge\ngateways\"\n  c: 'it''s\n\n \"one'\nd: [\"x\ny\", z]\n");
        assert_eq!(
            document.value,
            json!({"a": {"b": "edge gateways", "c": "it's\n\"one"}, "d": ["x y", "z"]})
        );
        // What stands behind it in its last line, too, is where the file has it.
        stands(&document, "a.b", (2, 6));
        stands(&document, "d[1]", (8, 5));
        let escaped = only("a: \"x\\\"\ny\\\n z\"\n");
        assert_eq!(escaped.value, json!({"a": "x\" yz"}));
        refused(
            "a: \"x\ny\n",
            (1, 4),
            "invalid indentation in quoted scalar",
        );
    }

    #[test]
    fn numbers_are_kept_to_the_digit() {
        let document = only("[1.50, 123456789012345678901234567890]");
        assert_eq!(
            document.value.to_string(),
            "[1.50,123456789012345678901234567890]"
        );
    }

    #[test]
    fn names_stand_once() {
        refused(
            "a: 1\nb: 2\na: 3\n",
            (3, 1),
            "found \"a\" twice in one object",
        );
        refused(
            "{\"a\": 1, \"a\": 2}",
            (1, 10),
            "found \"a\" twice in one object",
        );
        refused("? [a]\n: 1\n", (1, 3), "found a name that is no text");
    }

    #[test]
    fn aliases_repeat_and_are_bounded() {
        let document = only("a: &x [1]\nb: *x\n");
        assert_eq!(document.value, json!({"a": [1], "b": [1]}));
        stands(&document, "b[0]", (2, 4));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            let aliases = vec![below; 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let error = all(&bomb).unwrap_err();
        assert_eq!(
            error.text,
            "found more than 2000000 parts; expected fewer aliases"
        );
        refused(
            "a: &x [*x]\n",
            (1, 8),
            "found an alias within what it stands for",
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(all(&nested(MAX_DEPTH)).unwrap().len(), 1);
        let error = all(&nested(MAX_DEPTH + 2)).unwrap_err();
        assert_eq!(
            error.text,
            "found more than 128 levels; expected a flatter document"
        );
        assert_eq!(item("", 0), "[0]");
    }
}
