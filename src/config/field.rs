//! A place in the document: its path, its value, and the words for what is wrong with it.
//!
//! Readers of the same object are all asked before the first `?`, so that every problem is found.

use super::asked::{Least, Note, Wanted};
use super::duration::{self, Bounds};
use super::fields::Fields;
use super::nearest::nearest;
use super::place::{MAX_QUOTED, WHOLE, item, member, quoted};
use super::problem::{Parsed, Report, Reported};
use crate::json;
use crate::rules::requirement::AnyOf;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What is expected in a place, in words.
pub(super) type Words = Cow<'static, str>;

/// One value, and what is expected of it.
pub(super) struct Field<'doc> {
    path: String,
    value: &'doc Value,
    expected: Words,
    report: &'doc Report,
}

/// Reads every one before the first refusal counts.
pub(super) fn all<T>(read: impl Iterator<Item = Parsed<T>>) -> Parsed<Vec<T>> {
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

impl<'doc> Field<'doc> {
    /// A value and what is expected of it.
    pub(super) const fn new(
        path: String,
        value: &'doc Value,
        expected: Words,
        report: &'doc Report,
    ) -> Self {
        Self {
            path,
            value,
            expected,
            report,
        }
    }

    /// The document as a whole.
    pub(super) fn whole(value: &'doc Value, report: &'doc Report) -> Self {
        Self {
            path: WHOLE.to_owned(),
            value,
            expected: "an object with user_pools and token".into(),
            report,
        }
    }

    /// Reports a problem with this place.
    pub(super) fn refuse(&self, text: impl Display) -> Reported {
        self.report.add(&self.path, text)
    }

    /// Reports that something else stands here.
    pub(super) fn wrong(&self) -> Reported {
        let hint = match self.value {
            Value::Null => "; give it a value or leave it out",
            _ => "",
        };
        self.refuse(format_args!(
            "found {}; expected {}{hint}",
            self.found(),
            self.expected
        ))
    }

    fn found(&self) -> String {
        match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string().chars().take(MAX_QUOTED).collect(),
            Value::String(text) => quoted(text),
            Value::Array(elements) if elements.is_empty() => "an empty list".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        }
    }

    /// Notes what is looked for here.
    fn wants(&self, wanted: impl FnOnce() -> Wanted) {
        self.report
            .asks(|| self.path.clone(), || Note::Wanted(wanted()));
    }

    /// The value as it is.
    pub(super) const fn value(&self) -> &'doc Value {
        self.value
    }

    /// The value as it is, of which a text, a number or a boolean is looked for.
    pub(super) fn scalar(&self) -> &'doc Value {
        self.wants(|| Wanted::Scalar);
        self.value
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The text here, if it is one, without a word if it is none.
    pub(super) fn as_text(&self) -> Option<&'doc str> {
        self.value.as_str()
    }

    /// Whether this word stands here, where something else may stand, too.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.wants(|| Wanted::Words(vec![word.to_owned()]));
        self.as_text() == Some(word)
    }

    /// A text, possibly empty.
    pub(super) fn any_text(&self) -> Parsed<&'doc str> {
        self.wants(|| Wanted::Text(Least::Nothing));
        self.string()
    }

    fn string(&self) -> Parsed<&'doc str> {
        match self.value {
            Value::String(text) => Ok(text),
            // YAML makes 1234 a number and `on` a boolean.
            Value::Number(_) | Value::Bool(_) => Err(self.refuse(format_args!(
                "found {}; expected {}; quote it",
                self.found(),
                self.expected
            ))),
            _ => Err(self.wrong()),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Parsed<&'doc str> {
        self.wants(|| Wanted::Text(Least::One));
        let text = self.string()?;
        if text.is_empty() {
            return Err(self.wrong());
        }
        Ok(text)
    }

    /// A text that `read` makes something of; its error says what was found and expected.
    pub(super) fn parsed<T, E: Display>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Parsed<T> {
        read(self.any_text()?).map_err(|error| self.refuse(error))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Parsed<T> {
        self.wants(|| {
            let words = words.iter().map(|(word, _)| (*word).to_owned());
            Wanted::Words(words.collect())
        });
        let text = self.string()?;
        let known = words.iter().find(|(word, _)| *word == text);
        known
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| self.wrong())
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Parsed<bool> {
        self.wants(|| Wanted::Flag);
        self.value.as_bool().ok_or_else(|| self.wrong())
    }

    /// A whole number within a range.
    pub(super) fn integer(&self, range: &RangeInclusive<usize>) -> Parsed<usize> {
        self.wants(|| Wanted::Integer(*range.start(), *range.end()));
        let number = self
            .value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.wrong())
    }

    /// A duration within bounds.
    pub(super) fn duration(&self, bounds: Bounds) -> Parsed<Duration> {
        self.wants(|| Wanted::Duration(bounds.min, bounds.max));
        if let Value::Number(_) = self.value {
            return Err(self.refuse(format_args!(
                "found {}; expected {}; quote it with a unit, such as \"5s\"",
                self.found(),
                self.expected
            )));
        }
        let duration = duration::read(self.string()?);
        match duration {
            None => Err(self.refuse(format_args!(
                "found {}; expected {}, as a number and ms, s, m or h",
                self.found(),
                self.expected
            ))),
            Some(duration) if bounds.contain(duration) => Ok(duration),
            Some(_) => Err(self.wrong()),
        }
    }

    /// The elements of a list, possibly none.
    pub(super) fn list(&self, expected: &'static str) -> Parsed<Vec<Field<'doc>>> {
        self.wants(|| Wanted::List(Least::Nothing));
        self.elements(expected)
    }

    fn elements(&self, expected: &'static str) -> Parsed<Vec<Field<'doc>>> {
        let Value::Array(elements) = self.value else {
            return Err(self.wrong());
        };
        let elements = elements.iter().enumerate().map(|(position, value)| Field {
            path: item(&self.path, position),
            value,
            expected: expected.into(),
            report: self.report,
        });
        Ok(elements.collect())
    }

    /// The elements of a list that has some.
    pub(super) fn items(&self, expected: &'static str) -> Parsed<Vec<Field<'doc>>> {
        self.wants(|| Wanted::List(Least::One));
        self.some(expected)
    }

    fn some(&self, expected: &'static str) -> Parsed<Vec<Field<'doc>>> {
        let items = self.elements(expected)?;
        if items.is_empty() {
            return Err(self.wrong());
        }
        Ok(items)
    }

    /// The elements of a list that has some, each once: a second one is a slip of the pen, and
    /// perhaps meant to be another.
    pub(super) fn each<T>(
        &self,
        expected: &'static str,
        read: impl Fn(&Field<'doc>) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        self.wants(|| Wanted::Each);
        let items = self.some(expected)?;
        all(items.iter().enumerate().map(|(position, item)| {
            match seen.insert(json::text(item.value), position) {
                None => read(item),
                Some(earlier) => Err(item.refuse(format_args!(
                    "found {} as in {}[{earlier}]; expected each once",
                    item.found(),
                    self.path
                ))),
            }
        }))
    }

    /// The word `any`, or a list. A list with the word in it would let no token in, and looks as if
    /// it let every one in.
    pub(super) fn any_or_each<T>(
        &self,
        expected: &'static str,
        read: impl Fn(&Field<'doc>) -> Parsed<T>,
    ) -> Parsed<AnyOf<T>> {
        if self.is_word(ANY) {
            return Ok(AnyOf::Unrestricted);
        }
        let read = |item: &Field<'doc>| match item.as_text() {
            Some(ANY) => Err(item.refuse("found \"any\" in a list; expected the bare word any")),
            _ => read(item),
        };
        self.each(expected, read).map(AnyOf::Only)
    }

    /// The members of an object that may have these; others are refused.
    pub(super) fn fields(&self, known: &[&str]) -> Parsed<Fields<'doc>> {
        self.wants(|| Wanted::Object(known.iter().map(|name| (*name).to_owned()).collect()));
        let Value::Object(members) = self.value else {
            return Err(self.wrong());
        };
        self.report.asks(|| self.path.clone(), || Note::Read);
        for name in members
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            let text = match nearest(name, known) {
                Some(near) => format!("found an unknown field; did you mean {near}?"),
                None => format!("found an unknown field; expected {}", known.join(", ")),
            };
            self.report.add(&member(&self.path, name), text);
        }
        Ok(Fields::new(self.path.clone(), members, self.report))
    }

    /// The members of an object whose names are the document's own.
    pub(super) fn entries(&self, expected: &'static str) -> Parsed<Vec<(&'doc str, Field<'doc>)>> {
        self.wants(|| Wanted::Entries);
        let Value::Object(members) = self.value else {
            return Err(self.wrong());
        };
        let entries = members.iter().map(|(name, value)| {
            let field = Field {
                path: member(&self.path, name),
                value,
                expected: expected.into(),
                report: self.report,
            };
            (name.as_str(), field)
        });
        Ok(entries.collect())
    }
}

/// The word that waives a check.
const ANY: &str = "any";
