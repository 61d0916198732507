//! Why a request is refused: the stable codes that metrics, filter state and logs carry, and what
//! the client is told to do better.

use std::time::Duration;

/// The reason for a refusal.
///
/// The codes are part of the product: dashboards and alerts name them. Which of several reasons a
/// request is given is decided by the order of the checks, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// None of the configured places holds a token.
    MissingToken,
    /// The configured places hold more than one token, even if all are equal.
    MultipleTokens,
    /// Not a JWS in compact serialisation with strict JSON in it, or a time that is no number.
    MalformedToken,
    /// Longer than `token.max_bytes`.
    TokenTooLarge,
    /// The header's `alg` is not `RS256`, or of an AWS account's token not `ES384` either.
    UnsupportedAlgorithm,
    /// `iss` is none of the configured issuers, or not one that the rule admits.
    UnknownIssuer,
    /// `exp` lies in the past by more than the allowed skew.
    TokenExpired,
    /// `nbf` or `iat` lies in the future by more than the allowed skew.
    TokenNotYetValid,
    /// `token_use` is not the wanted one.
    WrongTokenUse,
    /// The app client is not one of those wanted.
    WrongClient,
    /// `aud` does not match `token.aud_pattern`, or is none of an AWS account's `audiences`.
    WrongAudience,
    /// The issuer's key set has no key with the token's `kid`.
    UnknownKey,
    /// The signature is not the named key's over these bytes.
    InvalidSignature,
    /// The token has been revoked: by a deny list, by the time of its issue or its sign-in, or by the
    /// word of its user pool.
    TokenRevoked,
    /// Whether the token has been revoked is not to be told at the moment.
    RevocationUnknown,
    /// `scope` has not the wanted scopes.
    InsufficientScope,
    /// `cognito:groups` has not the wanted groups.
    InsufficientGroup,
    /// A wanted claim has another value, or is absent.
    ClaimMismatch,
    /// The user signed in longer ago than the rule allows (RFC 9470).
    StaleAuthentication,
    /// The rule lets no request pass.
    DeniedByRule,
    /// The path or authority could be read as another one by the upstream, or the host shows neither.
    UnsafePath,
    /// The upstream could act on another method than the rules saw.
    UnsafeMethod,
    /// The AWS principal is none of those that the rule names, or not of the account or the
    /// organization that its token's issuer is configured with.
    WrongPrincipal,
    /// The issuer's keys are not to be had at the moment.
    KeysUnavailable,
    /// What tells an authorizer its callers apart is not there, is there twice, or has not the
    /// configured form.
    MissingIdentity,
    /// The authorizer knows no such caller.
    AuthorizerUnauthorized,
    /// The authorizer's answer does not let the request pass.
    AuthorizerDenied,
    /// The authorizer failed, or its answer is none.
    AuthorizerFailed,
    /// The authorizer could not be asked.
    AuthorizerUnavailable,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 29] = [
        Self::MissingToken,
        Self::MultipleTokens,
        Self::MalformedToken,
        Self::TokenTooLarge,
        Self::UnsupportedAlgorithm,
        Self::UnknownIssuer,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::WrongTokenUse,
        Self::WrongClient,
        Self::WrongAudience,
        Self::UnknownKey,
        Self::InvalidSignature,
        Self::TokenRevoked,
        Self::RevocationUnknown,
        Self::InsufficientScope,
        Self::InsufficientGroup,
        Self::ClaimMismatch,
        Self::StaleAuthentication,
        Self::DeniedByRule,
        Self::UnsafePath,
        Self::UnsafeMethod,
        Self::WrongPrincipal,
        Self::KeysUnavailable,
        Self::MissingIdentity,
        Self::AuthorizerUnauthorized,
        Self::AuthorizerDenied,
        Self::AuthorizerFailed,
        Self::AuthorizerUnavailable,
    ];

    /// The stable code, as metrics, filter state and logs show it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MultipleTokens => "multiple_tokens",
            Self::MalformedToken => "malformed_token",
            Self::TokenTooLarge => "token_too_large",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::UnknownIssuer => "unknown_issuer",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::WrongTokenUse => "wrong_token_use",
            Self::WrongClient => "wrong_client",
            Self::WrongAudience => "wrong_audience",
            Self::UnknownKey => "unknown_key",
            Self::InvalidSignature => "invalid_signature",
            Self::TokenRevoked => "token_revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientGroup => "insufficient_group",
            Self::ClaimMismatch => "claim_mismatch",
            Self::StaleAuthentication => "stale_authentication",
            Self::DeniedByRule => "denied_by_rule",
            Self::UnsafePath => "unsafe_path",
            Self::UnsafeMethod => "unsafe_method",
            Self::WrongPrincipal => "wrong_principal",
            Self::KeysUnavailable => "keys_unavailable",
            Self::MissingIdentity => "missing_identity",
            Self::AuthorizerUnauthorized => "authorizer_unauthorized",
            Self::AuthorizerDenied => "authorizer_denied",
            Self::AuthorizerFailed => "authorizer_failed",
            Self::AuthorizerUnavailable => "authorizer_unavailable",
        }
    }

    /// Whether the token is to blame, and another one would have passed: it is not valid.
    ///
    /// Several tokens are not one that is not valid, and of one whose keys, or whose standing, are
    /// not to be had nothing is known.
    #[must_use]
    pub const fn blames_token(self) -> bool {
        matches!(
            self,
            Self::MalformedToken
                | Self::TokenTooLarge
                | Self::UnsupportedAlgorithm
                | Self::UnknownIssuer
                | Self::TokenExpired
                | Self::TokenNotYetValid
                | Self::WrongTokenUse
                | Self::WrongClient
                | Self::WrongAudience
                | Self::UnknownKey
                | Self::InvalidSignature
                | Self::TokenRevoked
        )
    }

    /// Whether it is about the bearer of a token for which all holds: the rule asks for another.
    #[must_use]
    pub const fn blames_bearer(self) -> bool {
        matches!(
            self,
            Self::InsufficientScope
                | Self::InsufficientGroup
                | Self::ClaimMismatch
                | Self::StaleAuthentication
        )
    }
}

/// A refusal, with what the client needs to know to do better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A refusal that the reason says all about.
    Plain(Reason),
    /// These scopes are what the rule wants (RFC 6750, section 3.1).
    InsufficientScope(Vec<String>),
    /// A sign-in no older than this would have sufficed (RFC 9470, section 3).
    StaleAuthentication(Duration),
    /// The keys may be there after this time.
    KeysUnavailable(Duration),
    /// After this time it may be known what has been revoked.
    RevocationUnknown(Duration),
    /// An authorizer for this kind of API stands in the way.
    Authorizer(ApiKind, AuthorizerCause),
}

/// For which of API Gateway's two kinds of API an authorizer is. Their replies differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKind {
    /// A REST API.
    Rest,
    /// An HTTP API.
    Http,
}

/// How an authorizer, or the want of one, stands in a request's way. API Gateway answers some in
/// words of their own that have one reason here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizerCause {
    /// The request's ARN would be longer than API Gateway has them.
    UriTooLong,
    /// No identity, and so no call.
    MissingIdentity,
    /// The function says so by its error.
    Unauthorized,
    /// No statement allows the request.
    Denied,
    /// A statement denies it.
    ExplicitlyDenied,
    /// The function ended with an error.
    FunctionFailed,
    /// The answer cannot be used.
    InvalidAnswer,
    /// There was no answer in time. To ask again is of use after this time.
    TimedOut(Duration),
    /// There was none at all, or one of Lambda's own, or no place to wait for one.
    Unreachable(Duration),
}

impl AuthorizerCause {
    /// The stable reason.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::UriTooLong => Reason::UnsafePath,
            Self::MissingIdentity => Reason::MissingIdentity,
            Self::Unauthorized => Reason::AuthorizerUnauthorized,
            Self::Denied | Self::ExplicitlyDenied => Reason::AuthorizerDenied,
            Self::FunctionFailed | Self::InvalidAnswer => Reason::AuthorizerFailed,
            Self::TimedOut(_) | Self::Unreachable(_) => Reason::AuthorizerUnavailable,
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Plain(reason)
    }
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
            Self::RevocationUnknown(_) => Reason::RevocationUnknown,
            Self::Authorizer(_, cause) => cause.reason(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|code| {
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }));
    }
}
