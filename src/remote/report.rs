//! What is to be told about a call that has ended: a line for the log, and what counters add.

use std::fmt;

/// What is to be told about a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The kind of document, [`Content::KIND`](super::document::Content::KIND), or of questions.
    pub kind: &'static str,
    /// What is counted, if anything is.
    pub counted: Option<Counted>,
    /// How loud it is told.
    pub level: Level,
    text: String,
}

/// What the counters of a kind of document, or of questions, add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A fetch that brought a usable document, or an answer that says yes.
    Success,
    /// A fetch that found the document at hand to be the newest.
    Unchanged,
    /// An answer that says no.
    Refused,
    /// An attempt that brought none, or neither.
    Failure,
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A detail of what goes on.
    Debug,
    /// All is well again.
    Info,
    /// Something needs an operator.
    Warning,
}

impl Report {
    /// A line about a detail of what goes on.
    #[must_use]
    pub const fn debug(kind: &'static str, counted: Option<Counted>, text: String) -> Self {
        let level = Level::Debug;
        Self {
            kind,
            counted,
            level,
            text,
        }
    }

    /// A line that says that all is well.
    #[must_use]
    pub const fn info(kind: &'static str, counted: Option<Counted>, text: String) -> Self {
        let level = Level::Info;
        Self {
            kind,
            counted,
            level,
            text,
        }
    }

    /// A line that says what needs an operator.
    #[must_use]
    pub const fn warning(kind: &'static str, counted: Option<Counted>, text: String) -> Self {
        let level = Level::Warning;
        Self {
            kind,
            counted,
            level,
            text,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
