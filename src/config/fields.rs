//! The members of an object whose names are known: one line per field.

use super::asked::Note;
use super::duration::Bounds;
use super::field::{Field, Words};
use super::place::{item, member};
use super::problem::{Parsed, Report, Reported};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The members of an object.
pub(super) struct Fields<'doc> {
    path: String,
    members: &'doc Map<String, Value>,
    report: &'doc Report,
}

impl<'doc> Fields<'doc> {
    /// The members of the object at this path.
    pub(super) const fn new(
        path: String,
        members: &'doc Map<String, Value>,
        report: &'doc Report,
    ) -> Self {
        Self {
            path,
            members,
            report,
        }
    }

    /// A field that must be there.
    pub(super) fn required(&self, name: &str, expected: impl Into<Words>) -> Parsed<Field<'doc>> {
        let expected = expected.into();
        self.report
            .asks(|| member(&self.path, name), || Note::Required);
        match self.optional(name, expected.clone()) {
            Some(field) => Ok(field),
            None => Err(self.refuse_at(name, format_args!("missing; expected {expected}"))),
        }
    }

    /// A field that may be absent. `null` is not absence: it is what YAML makes of a name whose
    /// value was forgotten.
    pub(super) fn optional(&self, name: &str, expected: impl Into<Words>) -> Option<Field<'doc>> {
        let expected = expected.into();
        self.report.asks(
            || member(&self.path, name),
            || Note::Member(expected.to_string()),
        );
        self.members
            .get(name)
            .map(|value| Field::new(member(&self.path, name), value, expected, self.report))
    }

    /// What stands there, unread.
    pub(super) fn value(&self, name: &str) -> Option<&'doc Value> {
        self.members.get(name)
    }

    /// Whether the field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Whether the field is there, and no empty list.
    pub(super) fn has_some(&self, name: &str) -> bool {
        let value = self.members.get(name);
        value.is_some_and(|value| value.as_array().is_none_or(|entries| !entries.is_empty()))
    }

    /// Whether there is no field at all.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Which of these are there.
    pub(super) fn present<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        names
            .iter()
            .copied()
            .filter(|name| self.has(name))
            .collect()
    }

    /// Reports a problem with the object.
    pub(super) fn refuse(&self, text: impl Display) -> Reported {
        self.report.add(&self.path, text)
    }

    /// Reports a problem with a member, there or not.
    pub(super) fn refuse_at(&self, name: &str, text: impl Display) -> Reported {
        self.report.add(&member(&self.path, name), text)
    }

    /// Reports a problem with an element of a member.
    pub(super) fn refuse_item(&self, name: &str, position: usize, text: impl Display) -> Reported {
        self.report
            .add(&item(&member(&self.path, name), position), text)
    }

    /// Reports a problem with a place further down, named from the document's top.
    pub(super) fn refuse_below(&self, path: &str, text: impl Display) -> Reported {
        self.report.add(path, text)
    }

    /// One of a few words, or the default.
    pub(super) fn word<T: Copy + Default>(
        &self,
        name: &str,
        expected: &'static str,
        words: &[(&str, T)],
    ) -> Parsed<T> {
        self.optional(name, expected)
            .map_or(Ok(T::default()), |field| field.word(words))
    }

    /// What `true` or `false` stands for, or the default.
    pub(super) fn flag<T: Default>(&self, name: &str, meaning: impl Fn(bool) -> T) -> Parsed<T> {
        self.optional(name, "true or false")
            .map_or(Ok(T::default()), |field| field.flag().map(meaning))
    }

    /// A whole number within a range, or the default.
    pub(super) fn integer(
        &self,
        name: &str,
        range: &RangeInclusive<usize>,
        default: usize,
    ) -> Parsed<usize> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.optional(name, expected)
            .map_or(Ok(default), |field| field.integer(range))
    }

    /// A duration within bounds, or the default.
    pub(super) fn duration(
        &self,
        name: &str,
        bounds: Bounds,
        default: Duration,
    ) -> Parsed<Duration> {
        self.optional(name, format!("a duration {bounds}"))
            .map_or(Ok(default), |field| field.duration(bounds))
    }
}
