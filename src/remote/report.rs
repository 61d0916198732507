//! What is to be told about a call that has ended: a line for the log, and what counters add.

use std::fmt;

/// What is to be told about a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What is counted, if anything is.
    pub counted: Option<Counted>,
    /// How loud it is told.
    pub level: Level,
    text: String,
}

/// What counters add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A fetch that brought usable keys, or found those at hand to be the newest.
    KeysFetched,
    /// An attempt that did not.
    KeysFailed,
    /// A fetch that brought a usable deny list.
    DenyListFetched,
    /// A fetch that found the one at hand to be the newest.
    DenyListUnchanged,
    /// An attempt that did neither.
    DenyListFailed,
    /// A user pool that stands by a token.
    Confirmed,
    /// One that does not.
    NotConfirmed,
    /// One that has said neither.
    Unconfirmed,
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
    pub const fn debug(counted: Option<Counted>, text: String) -> Self {
        Self {
            counted,
            level: Level::Debug,
            text,
        }
    }

    /// A line that says that all is well.
    #[must_use]
    pub const fn info(counted: Option<Counted>, text: String) -> Self {
        Self {
            counted,
            level: Level::Info,
            text,
        }
    }

    /// A line that says what needs an operator.
    #[must_use]
    pub const fn warning(counted: Option<Counted>, text: String) -> Self {
        Self {
            counted,
            level: Level::Warning,
            text,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
