//! Wanted and unwanted values of a list.

use super::wanted::WantedValue;
use crate::claims::Claim;
use crate::rules::index::Variables;
use serde_json::Value;

/// Which elements a list must have, and which it must not have. What is empty asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// One of these must be there.
    pub any: Vec<WantedValue>,
    /// Each of these must be there.
    pub all: Vec<WantedValue>,
    /// None of these may be there.
    pub none: Vec<WantedValue>,
}

/// What a list consists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elements<'a> {
    /// One text.
    One(&'a str),
    /// An array's.
    Array(&'a [Value]),
    /// Scopes, as `scope` lists them between spaces (RFC 6749, section 3.3).
    Scopes(&'a str),
}

impl Elements<'_> {
    /// Whether some element is such a one. What is neither text, number nor boolean is put to the test
    /// as `None`.
    pub(super) fn any(self, mut is_one: impl FnMut(Option<&str>) -> bool) -> bool {
        match self {
            Self::One(text) => is_one(Some(text)),
            Self::Array(values) => values
                .iter()
                .any(|value| is_one(Claim::from(value).scalar_text().as_deref())),
            Self::Scopes(text) => text
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .any(|scope| is_one(Some(scope))),
        }
    }
}

impl Listed {
    /// Whether it asks for anything.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        !(self.any.is_empty() && self.all.is_empty() && self.none.is_empty())
    }

    /// Every value that is compared.
    pub fn values(&self) -> impl Iterator<Item = &WantedValue> {
        self.any.iter().chain(&self.all).chain(&self.none)
    }

    /// Whether it holds for a list.
    pub(super) fn holds(&self, elements: Elements<'_>, variables: &Variables) -> bool {
        let has = |wanted: &WantedValue| {
            let text = wanted.text(variables);
            text.is_some_and(|text| elements.any(|element| element == Some(text)))
        };
        // What is no text may be read as one by somebody: where something must not be there, only
        // what can be compared passes.
        let lacks = |unwanted: &WantedValue| {
            let text = unwanted.text(variables);
            text.is_some_and(|text| {
                !elements.any(|it| it.is_none_or(|element| unwanted.may_be(text, element)))
            })
        };
        (self.any.is_empty() || self.any.iter().any(has))
            && self.all.iter().all(has)
            && self.none.iter().all(lacks)
    }

    /// Whether it holds where there is no list. A value that the request was to have, and has not, lets
    /// nothing pass here either.
    pub(super) fn holds_for_nothing(&self, variables: &Variables) -> bool {
        let known = |unwanted: &WantedValue| unwanted.text(variables).is_some();
        self.any.is_empty() && self.all.is_empty() && self.none.iter().all(known)
    }
}
