//! What the reader of configurations looks for in a place, in its own words: what the desk tool makes a
//! schema of. In the module nobody asks, and nothing is noted.

#![cfg_attr(not(feature = "cli"), allow(dead_code))]

use std::time::Duration;

/// One thing that is looked for in a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// An object with these members, of which others are refused.
    Object(Vec<String>),
    /// An object whose members have names of their own.
    Entries,
    /// A list.
    List(Least),
    /// A list that has elements, each once.
    Each,
    /// A text; an empty one may be refused.
    Text(Least),
    /// A text, a number or a boolean.
    Scalar,
    /// One of these words.
    Words(Vec<String>),
    /// `true` or `false`.
    Flag,
    /// A whole number from one to the other.
    Integer(usize, usize),
    /// A duration from one to the other.
    Duration(Duration, Duration),
}

/// How little will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Least {
    /// None at all.
    Nothing,
    /// One element, or one character.
    One,
}

/// A note of the reader about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// This member was looked for, and this is expected there.
    Member(String),
    /// It has to be there.
    Required,
    /// Its object was there.
    Read,
    /// This was looked for in its value.
    Wanted(Wanted),
}
