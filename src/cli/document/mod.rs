//! Files as people write them, YAML or JSON, with the place of everything that they say.
//!
//! A [`Source`] is the text, a [`Document`] one tree in it (YAML has several in a file, between
//! `---`), and [`Places`] knows where in the text a path such as `user_pools[0].client_ids`
//! stands. The paths are those that the filter itself names in its problems.

mod embedded;
mod places;
mod reader;
mod scalar;
mod source;

pub(crate) use places::{Places, below, item, member};
pub(crate) use scalar::Dialect;
pub(crate) use source::{Position, Source, Span};

use serde_json::Value;
use std::fmt;

/// One tree of a file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// What it says.
    pub(crate) value: Value,
    /// Where it says it.
    pub(crate) places: Places,
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Where reading ended.
    pub(crate) span: Span,
    /// What was found there.
    pub(crate) text: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.span.start;
        write!(formatter, "line {line}, column {column}: {}", self.text)
    }
}

impl std::error::Error for Unreadable {}

impl Document {
    /// Every document of a file, in order; an empty one (as after a trailing `---`) is left out.
    ///
    /// # Errors
    /// The first place at which the text is no YAML and no JSON, or says one thing twice.
    pub(crate) fn all(source: &Source) -> Result<Vec<Self>, Unreadable> {
        Self::all_in(source, Dialect::Kubernetes)
    }

    /// As [`Document::all`], with plain scalars as this reader takes them.
    ///
    /// # Errors
    /// As [`Document::all`].
    pub(crate) fn all_in(source: &Source, dialect: Dialect) -> Result<Vec<Self>, Unreadable> {
        reader::read(source, dialect)
    }

    /// A document of which only the whole can be shown.
    pub(crate) fn unplaced(value: Value, whole: Span) -> Self {
        Self {
            value,
            places: Places::whole(whole),
        }
    }

    /// The only document of a file.
    ///
    /// # Errors
    /// As [`Document::all`], and for a file with none or with several of them.
    pub(crate) fn only(source: &Source) -> Result<Self, Unreadable> {
        Self::only_in(source, Dialect::Kubernetes)
    }

    fn only_in(source: &Source, dialect: Dialect) -> Result<Self, Unreadable> {
        let mut documents = Self::all_in(source, dialect)?.into_iter();
        let (first, second) = (documents.next(), documents.next());
        match (first, second) {
            (Some(document), None) => Ok(document),
            (None, _) => Err(Unreadable {
                span: Span::default(),
                text: "found nothing; expected a document".to_owned(),
            }),
            (_, Some(second)) => Err(Unreadable {
                span: second.places.at(""),
                text: "found a second document; expected one".to_owned(),
            }),
        }
    }

    /// What stands at a path such as `spec.pluginConfig` or `listeners[0].name`; the whole at "".
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        places::get(&self.value, path)
    }

    /// What stands at a path, as a document of its own; nothing at all where nothing stands.
    pub(crate) fn part(&self, path: &str) -> Self {
        Self {
            value: self.get(path).cloned().unwrap_or_default(),
            places: self.places.within(path),
        }
    }
}
