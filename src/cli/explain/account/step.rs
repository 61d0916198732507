//! The steps of a decision.

use cognito_authorizer::reject::Reason;
use serde_json::Value;

/// A step, by what it looks at; in the order in which the gate takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Can the path and the authority be read in two ways?
    Path,
    /// Could the upstream act on another method?
    Method,
    /// The rule that the request is under.
    Rule,
    /// A cross-origin preflight that passes without a token.
    Preflight,
    /// Exactly one token, in the configured places.
    Token,
    /// Its length.
    Size,
    /// Three parts of base64url.
    Form,
    /// The first part.
    Header,
    /// The second part.
    Payload,
    /// `iss`, and the pools that the rule admits.
    Issuer,
    /// `exp`.
    Expiry,
    /// `nbf` and `iat`.
    Start,
    /// `token_use`.
    TokenUse,
    /// The app client.
    Client,
    /// The key that the token names.
    Key,
    /// The signature.
    Signature,
    /// `token.aud_pattern`.
    Audience,
    /// The rule's `scopes`.
    Scopes,
    /// The rule's `groups`.
    Groups,
    /// One of the rule's `claims`.
    Claim,
    /// The rule's `max_auth_age`.
    AuthAge,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 21] = [
        Self::Path,
        Self::Method,
        Self::Rule,
        Self::Preflight,
        Self::Token,
        Self::Size,
        Self::Form,
        Self::Header,
        Self::Payload,
        Self::Issuer,
        Self::Expiry,
        Self::Start,
        Self::TokenUse,
        Self::Client,
        Self::Key,
        Self::Signature,
        Self::Audience,
        Self::Scopes,
        Self::Groups,
        Self::Claim,
        Self::AuthAge,
    ];
    /// The one after which nothing is left to ask.
    pub(crate) const LAST: Self = Self::AuthAge;

    /// Whether the step needs the issuer's keys.
    pub(super) const fn needs_keys(self) -> bool {
        matches!(self, Self::Key | Self::Signature)
    }

    /// The stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Rule => "rule",
            Self::Preflight => "preflight",
            Self::Token => "token",
            Self::Size => "size",
            Self::Form => "form",
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Issuer => "issuer",
            Self::Expiry => "expiry",
            Self::Start => "start",
            Self::TokenUse => "token_use",
            Self::Client => "client",
            Self::Audience => "audience",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Scopes => "scopes",
            Self::Groups => "groups",
            Self::Claim => "claim",
            Self::AuthAge => "auth_age",
        }
    }

    /// The step at which a reason arises; a malformed token may be noticed at several, and the
    /// first of them stands for it.
    pub(super) const fn of(reason: Reason) -> Self {
        match reason {
            Reason::UnsafePath => Self::Path,
            Reason::UnsafeMethod => Self::Method,
            Reason::DeniedByRule => Self::Rule,
            Reason::MissingToken | Reason::MultipleTokens => Self::Token,
            Reason::TokenTooLarge => Self::Size,
            Reason::MalformedToken => Self::Form,
            Reason::UnsupportedAlgorithm => Self::Header,
            Reason::UnknownIssuer => Self::Issuer,
            Reason::TokenExpired => Self::Expiry,
            Reason::TokenNotYetValid => Self::Start,
            Reason::WrongTokenUse => Self::TokenUse,
            Reason::WrongClient => Self::Client,
            Reason::WrongAudience => Self::Audience,
            Reason::UnknownKey | Reason::KeysUnavailable => Self::Key,
            Reason::InvalidSignature => Self::Signature,
            Reason::InsufficientScope => Self::Scopes,
            Reason::InsufficientGroup => Self::Groups,
            Reason::ClaimMismatch => Self::Claim,
            Reason::StaleAuthentication => Self::AuthAge,
        }
    }

    /// The steps at which a token may turn out to be malformed.
    pub(super) const MALFORMED: [Self; 4] = [Self::Form, Self::Header, Self::Payload, Self::Expiry];
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds.
    Passed,
    /// It does not, and the request is refused.
    Failed(Reason),
    /// Nobody wants it to hold.
    NotAsked,
    /// It could not be told for want of keys.
    NotChecked,
    /// The decision was made before.
    NotReached,
}

impl State {
    /// The stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotAsked => "not_asked",
            Self::NotChecked => "not_checked",
            Self::NotReached => "not_reached",
        }
    }
}

/// A step, with how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What it looks at.
    pub(crate) kind: Kind,
    /// How it ended.
    pub(crate) state: State,
    /// What there is to say about it, in one line; empty if it was not reached.
    pub(crate) text: String,
    /// What was found; null if nothing was, or nobody looked.
    pub(crate) found: Value,
    /// What was wanted; null if nothing in particular.
    pub(crate) wanted: Value,
}

impl Step {
    pub(super) fn new(kind: Kind, state: State, finding: Finding) -> Self {
        match state {
            State::Passed | State::Failed(_) | State::NotAsked | State::NotChecked => Self {
                kind,
                state,
                text: finding.text,
                found: finding.found,
                wanted: finding.wanted,
            },
            State::NotReached => Self::unseen(kind, state),
        }
    }

    pub(super) const fn unseen(kind: Kind, state: State) -> Self {
        Self {
            kind,
            state,
            text: String::new(),
            found: Value::Null,
            wanted: Value::Null,
        }
    }
}

/// What the facts say about a step, before the gate's verdict is laid beside them.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    sense: Sense,
    text: String,
    found: Value,
    wanted: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Holds,
    Fails,
    NotAsked,
}

impl Finding {
    const fn new(sense: Sense, text: String) -> Self {
        Self {
            sense,
            text,
            found: Value::Null,
            wanted: Value::Null,
        }
    }

    pub(super) fn holds(text: impl Into<String>) -> Self {
        Self::new(Sense::Holds, text.into())
    }

    pub(super) fn failing(text: impl Into<String>) -> Self {
        Self::new(Sense::Fails, text.into())
    }

    pub(super) fn not_asked(text: impl Into<String>) -> Self {
        Self::new(Sense::NotAsked, text.into())
    }

    /// One of two texts.
    pub(super) fn either(holds: bool, good: impl Into<String>, bad: impl Into<String>) -> Self {
        match holds {
            true => Self::holds(good),
            false => Self::failing(bad),
        }
    }

    pub(super) fn found(mut self, found: impl Into<Value>) -> Self {
        self.found = found.into();
        self
    }

    pub(super) fn wanted(mut self, wanted: impl Into<Value>) -> Self {
        self.wanted = wanted.into();
        self
    }

    pub(super) fn fails(&self) -> bool {
        self.sense == Sense::Fails
    }

    pub(super) fn is_asked(&self) -> bool {
        self.sense != Sense::NotAsked
    }
}
