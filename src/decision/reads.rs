//! Which headers a decision looks at.
//!
//! Each look-up by name is a call out of the module, and reading all headers is one that copies
//! them all: a remembered token costs a few microseconds altogether, so that both are felt.

use crate::owned::Override;
use crate::policy::{Policy, Preflight};
use crate::request::Rest;

/// The names of the headers that a decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderReads {
    /// These, each of which a look-up by name shows in full.
    Named {
        /// Of every request.
        always: Vec<&'static str>,
        /// Besides, of a request that does not end with its headers.
        unless_ended: Vec<&'static str>,
    },
    /// All: a second line of a header could hide from a look-up by name.
    Everything,
}

impl HeaderReads {
    /// The names to look up of a request that this follows; `None` if all headers are read.
    #[must_use]
    pub fn names(&self, rest: Rest) -> Option<impl Iterator<Item = &'static str>> {
        let Self::Named {
            always,
            unless_ended,
        } = self
        else {
            return None;
        };
        let unless_ended = match rest {
            Rest::Nothing => &[][..],
            Rest::Something => unless_ended,
        };
        Some(always.iter().chain(unless_ended).copied())
    }

    /// Path, method and authority are read only if something depends on them: each costs a call.
    pub(super) fn of(policy: &Policy) -> Self {
        let Policy {
            token,
            preflight,
            owned,
            ..
        } = policy;
        // A token may stand in a second line of its header, and a name of the filter's own in any
        // spelling: a look-up by name shows neither.
        // An authorizer is told of all headers.
        if token.sources.needs_every_header()
            || owned.needs_every_header()
            || owned.has_bound()
            || policy.rules.asks_authorizers()
        {
            return Self::Everything;
        }
        // What makes a preflight is told by these two headers and the method.
        let preflights = *preflight == Preflight::Pass;
        let methods = policy.decides_by_methods();
        // `_method` in the query is another word for the method: the path is read for its sake.
        let parameters = methods && policy.method_override == Override::Strip;
        // What is not named here is absent to the decision: it is not asked for twice.
        let mut always = Vec::new();
        let mut read = |name, wanted: bool| {
            if wanted {
                always.push(name);
            }
        };
        // Of several lines of this one Envoy makes one, with commas between them, so that a look-up by
        // name misses none.
        read("authorization", token.sources.reads_authorization());
        read(
            ":path",
            policy.decides_by_paths() || token.sources.reads_query() || parameters,
        );
        // Metadata is answered to some methods alone.
        read(":method", methods || !policy.resources.is_empty());
        read(":authority", policy.decides_by_hosts());
        read("origin", preflights);
        read("access-control-request-method", preflights);
        // It may name claim headers, for the next proxy to take off. Envoy passes it on with
        // upgrades alone, and what is to be upgraded does not end with its headers: other requests
        // without a body are spared the look-up.
        let unless_ended = match owned.is_empty() {
            true => Vec::new(),
            false => vec!["connection"],
        };
        Self::Named {
            always,
            unless_ended,
        }
    }
}
