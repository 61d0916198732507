//! A token to send, and what it is owed.

use std::sync::Arc;
use std::time::Instant;

use crate::harness::issuer::{Token, compact, now};
use crate::harness::seed::Seed;

/// What a request is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owed {
    /// The upstream's answer, and promptly.
    Pass,
    /// The upstream's answer, a refusal, or 503: the key is too young or just leaving.
    Undecided,
    /// A refusal or 503.
    Refusal,
    /// 401: no key is needed to see what is wrong, or a list names it.
    Unauthorized,
    /// The upstream's answer, or 503: nothing is wrong with the token.
    NoRefusal,
    /// 503: nothing is wrong with the token, and it cannot be known.
    Unknown,
}

impl Owed {
    /// Whether this status is what is owed.
    pub(crate) fn is_met_by(self, status: u16) -> bool {
        match self {
            Self::Pass => status == 200,
            Self::Undecided => [200, 401, 503].contains(&status),
            Self::Refusal => [401, 503].contains(&status),
            Self::Unauthorized => status == 401,
            Self::NoRefusal => [200, 503].contains(&status),
            Self::Unknown => status == 503,
        }
    }
}

/// A token to send.
pub(crate) struct Errand {
    pub(crate) token: Option<Arc<str>>,
    /// What it is, for a report.
    pub(crate) what: &'static str,
    /// A connection that is older may still belong to a configuration without the pool.
    pub(crate) not_before: Option<Instant>,
    /// Its pool and the name of its key, if the verdict depends on them.
    pub(crate) key: Option<(usize, String)>,
    /// What it is owed, if they do not.
    pub(crate) owed: Owed,
}

impl Errand {
    /// A token that is owed the same at every moment.
    pub(crate) fn bad(what: &'static str, token: Option<String>, owed: Owed) -> Self {
        Self {
            token: token.map(Arc::from),
            what,
            not_before: None,
            key: None,
            owed,
        }
    }
}

/// The signature is never looked at: minting a genuine one would only take time.
pub(crate) fn unsigned(token: &Token) -> String {
    compact(&token.header_bytes(), &token.payload_bytes(), &[0; 256])
}

/// A token of this pool under a `kid` that nobody has published. It is older than any answer of the key
/// server, which therefore settles that it is forged.
pub(crate) fn random_kid(pool: &str, seed: &mut Seed) -> String {
    let kid = format!("made up {}{}", seed.below(1 << 30), seed.below(1 << 30));
    let token = Token::id(pool).header("kid", kid);
    unsigned(&token.claim("iat", now() - 3600))
}
