//! A refusal: its reason, with what the client is told to do better.

use crate::reject::Reason;
use std::time::Duration;

/// A refusal, with what the client needs to know to do better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A refusal that the reason says all about.
    Plain(Reason),
    /// One of these scopes would have sufficed (RFC 6750, section 3.1).
    InsufficientScope(Vec<String>),
    /// A sign-in no older than this would have sufficed (RFC 9470, section 3).
    StaleAuthentication(Duration),
    /// The keys may be there after this time.
    KeysUnavailable(Duration),
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Plain(reason) => *reason,
            Self::InsufficientScope(_) => Reason::InsufficientScope,
            Self::StaleAuthentication(_) => Reason::StaleAuthentication,
            Self::KeysUnavailable(_) => Reason::KeysUnavailable,
        }
    }
}
