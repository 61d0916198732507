//! A request, as far as its headers go.

pub mod cookies;
mod name;
pub mod query;

use crate::rules::index::Target;
use cookies::Crumb;
use query::Query;
use std::borrow::Cow;

/// The request's headers that the policy looks at, pseudo-headers among them.
///
/// Names are in lower case; a repeated header has several entries.
#[derive(Clone, Debug, Default)]
pub struct Request {
    headers: Vec<(Cow<'static, str>, Vec<u8>)>,
}

impl Request {
    /// Collects headers as the host hands them over.
    #[must_use]
    pub const fn new(headers: Vec<(Cow<'static, str>, Vec<u8>)>) -> Self {
        Self { headers }
    }

    /// The first value of a header.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Every value of a header.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(entry, _)| entry == name)
            .map(|(_, value)| value.as_slice())
    }

    /// What the rules look at.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        Target {
            path: self.first(":path"),
            method: self.first(":method"),
            authority: self.first(":authority"),
        }
    }

    /// Whether this is a preflight as a browser sends it: `OPTIONS` with both headers. Anything less
    /// is a request like any other.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        let says = |name: &str| self.first(name).is_some_and(|value| !value.is_empty());
        self.first(":method") == Some(b"OPTIONS")
            && says("origin")
            && says("access-control-request-method")
    }

    /// The query of the path, if it has one.
    #[must_use]
    pub fn query(&self) -> Option<Query<'_>> {
        Query::of(self.first(":path")?)
    }

    /// What stands between the semicolons of all `cookie` lines.
    pub fn crumbs(&self) -> impl Iterator<Item = Crumb<'_>> {
        self.all("cookie").flat_map(Crumb::of_line)
    }
}
