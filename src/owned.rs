//! The headers that are the filter's own: what a client writes there reaches no upstream.
//!
//! They are the claim headers, the places of tokens, and the headers by which a client could name
//! another method, host or path than the one that the rules saw. The upstream may know a header by
//! more than one name: CGI (RFC 3875, section 4.1.18) hands headers over as variables, and PHP,
//! lighttpd and others turn more than the hyphen into `_` on the way. So the filter owns every name
//! that folds to one of its own, in headers, in trailers, and in what `connection` lists.

use crate::header::{HeaderEdit, HeaderName, folds_alike};
use crate::request::Request;
use std::rc::Rc;

/// By these a client names another method to frameworks that listen.
pub const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// By these a client names another host; proxies write them for upstreams that believe them.
pub const HOST_OVERRIDES: [&str; 4] =
    ["x-forwarded-host", "x-original-host", "x-host", "forwarded"];

/// By these a client names another path: what a rewriting proxy says of the path before.
pub const PATH_OVERRIDES: [&str; 2] = ["x-original-url", "x-rewrite-url"];

/// Credentials that no browser sends with a preflight (Fetch standard, "CORS-preflight fetch").
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

/// What becomes of headers that name another method, host or path than the rules saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Override {
    /// Taken off every request as soon as something decides by what they override.
    #[default]
    Strip,
    /// Left alone.
    Keep,
}

/// What becomes of headers whose names only fold to one of the filter's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderAliases {
    /// Taken off.
    #[default]
    Strip,
    /// Left alone, for upstreams that tell such names apart.
    Keep,
}

/// What a header of the filter's own is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tells the upstream of a claim: set from a verified token, or absent.
    Claim,
    /// Could name another method than the rules saw.
    Method,
    /// Could name another host.
    Host,
    /// Could name another path.
    Path,
    /// May hold a token: the header itself stays, its aliases do not.
    Token,
    /// Is compared with a claim: the header itself stays, its aliases do not.
    Bound,
    /// Left alone but on a preflight, which passes without it.
    Preflight,
}

/// The headers that are the filter's own.
#[derive(Debug, Default)]
pub struct OwnedHeaders {
    names: Vec<(HeaderName, Purpose)>,
    /// A bit for each length that a name has: most headers of a request have none of them.
    lengths: u128,
    aliases: HeaderAliases,
}

impl OwnedHeaders {
    /// Collects names. Of two purposes of one name the first counts.
    #[must_use]
    pub fn new(names: Vec<(HeaderName, Purpose)>, aliases: HeaderAliases) -> Self {
        let mut owned = Self {
            aliases,
            ..Self::default()
        };
        for (name, purpose) in names {
            if owned.names.iter().all(|(known, _)| *known != name) {
                owned.lengths |= length_bit(name.as_str().as_bytes());
                owned.names.push((name, purpose));
            }
        }
        owned
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether some server takes a header of this name for another, which is the filter's own.
    #[must_use]
    pub fn is_alias(&self, name: &str) -> bool {
        self.find(name.as_bytes())
            .is_some_and(|(known, _)| known.as_str() != name)
    }

    /// Whether the filter alone may write a header of this name.
    #[must_use]
    pub fn owns(&self, name: &[u8]) -> bool {
        self.find(name)
            .is_some_and(|(_, purpose)| purpose != Purpose::Preflight)
    }

    /// What a request loses: nothing that is not there.
    pub fn found_in(&self, request: &Request) -> impl Iterator<Item = HeaderEdit> {
        self.take(request, |purpose, is_alias| match purpose {
            Purpose::Token | Purpose::Bound => is_alias,
            Purpose::Claim | Purpose::Method | Purpose::Host | Purpose::Path => true,
            Purpose::Preflight => false,
        })
    }

    fn take(
        &self,
        request: &Request,
        taken: impl Fn(Purpose, bool) -> bool,
    ) -> impl Iterator<Item = HeaderEdit> {
        let names = request.names().filter(move |name| {
            self.find(name.as_bytes())
                .is_some_and(|(known, purpose)| taken(purpose, known.as_str() != *name))
        });
        names.map(|name| HeaderEdit::Remove(Rc::from(name)))
    }

    /// What a preflight loses besides: whatever could be a token, or name another method.
    pub fn on_preflight(&self, request: &Request) -> Vec<HeaderEdit> {
        let lost = |purpose| matches!(purpose, Purpose::Token | Purpose::Preflight);
        let names = self.names.iter().filter(|(_, purpose)| lost(*purpose));
        names
            .map(|(name, _)| HeaderEdit::Remove(name.into()))
            .chain(self.take(request, |purpose, is_alias| lost(purpose) && is_alias))
            .collect()
    }

    /// `connection` without the names that are the filter's own; `None` if it has none of them.
    ///
    /// Envoy keeps this header on upgrades, and the next proxy takes off whatever it names (RFC
    /// 9110, section 7.6.1): the claim headers too.
    #[must_use]
    pub fn connection(&self, request: &Request) -> Option<HeaderEdit> {
        let options = || {
            let lines = request.all("connection");
            lines.flat_map(|line| line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
        };
        if !options().any(|option| self.owns(option)) {
            return None;
        }
        let kept: Vec<_> = options().filter(|option| !self.owns(option)).collect();
        Some(HeaderEdit::Set(
            Rc::from("connection"),
            kept.join(&b", "[..]),
        ))
    }

    fn find(&self, name: &[u8]) -> Option<(&HeaderName, Purpose)> {
        // `:path` is no alias of `_path`: pseudo-headers are no headers to CGI.
        if self.lengths & length_bit(name) == 0 || name.first() == Some(&b':') {
            return None;
        }
        let is_own = |own: &[u8]| match self.aliases {
            HeaderAliases::Strip => folds_alike(name, own),
            HeaderAliases::Keep => name.eq_ignore_ascii_case(own),
        };
        let mut names = self.names.iter();
        let (own, purpose) = names.find(|(own, _)| is_own(own.as_str().as_bytes()))?;
        Some((own, *purpose))
    }
}

/// The headers that a preflight may not bring.
pub fn preflight_headers() -> impl Iterator<Item = &'static str> {
    METHOD_OVERRIDES.into_iter().chain(CREDENTIALS)
}

/// The last bit stands for all lengths that have none of their own.
fn length_bit(name: &[u8]) -> u128 {
    let last = u128::BITS.saturating_sub(1);
    let length = u32::try_from(name.len()).map_or(last, |length| length.min(last));
    1_u128.checked_shl(length).unwrap_or_default()
}

#[cfg(test)]
mod tests;
