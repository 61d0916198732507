//! The order of the checks, as data, and how a decision can be watched.
//!
//! A decision takes its steps from the first to the last and stops at the first that fails, so the
//! reason of a refusal says how far the request came: the contract promises this order, and cheap
//! steps stand before dear ones. For more than the reason there is an [`Observer`]. In Envoy it is
//! `()`, of which nothing is left after inlining; the desk tool's records every step, and tells it.

use crate::refusal::Reason;

/// A step, by what it looks at; in the order in which a decision takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Can the path and the authority be read in two ways?
    Path,
    /// Could the upstream act on another method?
    Method,
    /// The rule that the request is under.
    Rule,
    /// A cross-origin preflight that passes without a token.
    Preflight,
    /// Can the authorizer's rule tell the authorizer of it?
    Event,
    /// What the authorizer tells its callers apart by.
    Identity,
    /// The authorizer's answer, judged for this request.
    Authorizer,
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
    /// What every AWS account's token has: `iat`, a life of at most an hour, and an ARN in `sub`.
    Caller,
    /// `exp`.
    Expiry,
    /// `nbf` and `iat`.
    Start,
    /// `aws_accounts[].max_token_age`.
    TokenAge,
    /// Whether the rule names AWS principals at all.
    Named,
    /// `token_use`.
    TokenUse,
    /// The app client.
    Client,
    /// `aws_accounts[].audiences`.
    AccountAudience,
    /// The key that the token names.
    Key,
    /// The signature.
    Signature,
    /// `token.aud_pattern`, matched only against what a user pool has signed.
    Audience,
    /// `user_pools[].issued_after`.
    IssuedAfter,
    /// `user_pools[].signed_in_after`.
    SignedInAfter,
    /// The deny list.
    DenyList,
    /// The AWS account in which the caller is, as all parts of the token have it.
    Account,
    /// `aws_accounts[].organization`.
    Organization,
    /// The rule's `principals`.
    Principal,
    /// The rule's `scopes`.
    Scopes,
    /// The rule's `groups`.
    Groups,
    /// One of the rule's `claims`, each of which is a step of its own.
    Claim,
    /// The rule's `max_auth_age`.
    AuthAge,
    /// The rule's `any_of`: of several alternatives one.
    Alternatives,
    /// The rule's `confirmed_within`: the user pool itself is asked, of nothing but what holds
    /// otherwise.
    Confirmed,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 36] = [
        Self::Path,
        Self::Method,
        Self::Rule,
        Self::Preflight,
        Self::Event,
        Self::Identity,
        Self::Authorizer,
        Self::Token,
        Self::Size,
        Self::Form,
        Self::Header,
        Self::Payload,
        Self::Issuer,
        Self::Caller,
        Self::Expiry,
        Self::Start,
        Self::TokenAge,
        Self::Named,
        Self::TokenUse,
        Self::Client,
        Self::AccountAudience,
        Self::Key,
        Self::Signature,
        Self::Audience,
        Self::IssuedAfter,
        Self::SignedInAfter,
        Self::DenyList,
        Self::Account,
        Self::Organization,
        Self::Principal,
        Self::Scopes,
        Self::Groups,
        Self::Claim,
        Self::AuthAge,
        Self::Alternatives,
        Self::Confirmed,
    ];

    /// The stable name, in the output of the desk tool.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Rule => "rule",
            Self::Preflight => "preflight",
            Self::Event => "event",
            Self::Identity => "identity",
            Self::Authorizer => "authorizer",
            Self::Token => "token",
            Self::Size => "size",
            Self::Form => "form",
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Issuer => "issuer",
            Self::Caller => "caller",
            Self::Expiry => "expiry",
            Self::Start => "start",
            Self::TokenAge => "token_age",
            Self::Named => "named",
            Self::TokenUse => "token_use",
            Self::Client => "client",
            Self::AccountAudience => "aud",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::IssuedAfter => "issued_after",
            Self::SignedInAfter => "signed_in_after",
            Self::DenyList => "deny_list",
            Self::Account => "account",
            Self::Organization => "organization",
            Self::Principal => "principal",
            Self::Scopes => "scopes",
            Self::Groups => "groups",
            Self::Claim => "claim",
            Self::AuthAge => "auth_age",
            Self::Alternatives => "any_of",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Sees each step that a decision takes, and how it ended. What the configuration does not ask for
/// is no step: it is not seen.
pub trait Observer {
    /// A step has been taken.
    fn saw(&mut self, step: Step, ended: Result<(), Reason>);

    /// Takes a step: its result is seen, and comes back for `?`.
    ///
    /// # Errors
    /// The result's own.
    #[inline]
    fn step<T>(&mut self, step: Step, result: Result<T, Reason>) -> Result<T, Reason> {
        self.saw(step, result.as_ref().map(|_| ()).map_err(|reason| *reason));
        result
    }

    /// Takes a step that holds or does not.
    ///
    /// # Errors
    /// `otherwise`, if it does not hold.
    #[inline]
    fn check(&mut self, step: Step, holds: bool, otherwise: Reason) -> Result<(), Reason> {
        self.step(step, holds.then_some(()).ok_or(otherwise))
    }
}

/// Nothing watches.
impl Observer for () {
    #[inline]
    fn saw(&mut self, _: Step, _: Result<(), Reason>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_stand_in_their_order_each_with_a_name() {
        assert!(Step::ALL.is_sorted());
        let names: std::collections::BTreeSet<_> = Step::ALL.iter().map(|s| s.name()).collect();
        assert_eq!(names.len(), Step::ALL.len());
    }

    #[test]
    fn a_result_is_seen_and_comes_back() {
        struct Seen(Vec<(Step, Result<(), Reason>)>);
        impl Observer for Seen {
            fn saw(&mut self, step: Step, ended: Result<(), Reason>) {
                self.0.push((step, ended));
            }
        }
        let mut seen = Seen(Vec::new());
        assert_eq!(seen.step(Step::Size, Ok(7)), Ok(7));
        let failed = seen.step::<()>(Step::Expiry, Err(Reason::TokenExpired));
        assert_eq!(failed, Err(Reason::TokenExpired));
        assert_eq!(
            seen.0,
            [
                (Step::Size, Ok(())),
                (Step::Expiry, Err(Reason::TokenExpired))
            ]
        );
    }
}
