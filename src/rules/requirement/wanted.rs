//! Values that claims are compared with.

use crate::header::HeaderName;
use crate::rules::index::Variables;
use crate::rules::path::fold;

/// A value that a claim may be wanted to have, or not to have.
///
/// Compared as text: Cognito writes the numbers and booleans of custom attributes as strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedValue {
    /// This text.
    Literal(String),
    /// What the request has in place of this variable of the rule's template or hosts.
    /// So that a path can belong to its user. The configuration holds the name to the match.
    Variable(String),
    /// What the request has in this header.
    Header(HeaderName),
}

impl WantedValue {
    /// The text for one request. None if it has none, or if upstreams might not agree about what it
    /// is: that is equal to nothing, and what must not be equal to it fails all the same.
    #[must_use]
    pub fn text<'a>(&'a self, variables: &'a Variables) -> Option<&'a str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Variable(name) => variables.get(name),
            Self::Header(name) => variables.header(name),
        }
    }

    /// Whether an upstream may take its text for this one. What stands in a path or a host is the same to
    /// many in another letter case.
    pub(super) fn may_be(&self, text: &str, other: &str) -> bool {
        match self {
            Self::Literal(_) | Self::Header(_) => text == other,
            Self::Variable(_) => text == other || fold(text) == fold(other),
        }
    }
}
