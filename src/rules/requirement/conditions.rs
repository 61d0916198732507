//! What claims must say.

use super::listed::{Elements, Listed};
use super::matcher::ClaimCondition;
use super::wanted::WantedValue;
use crate::claims::{Claim, Claims};
use crate::refusal::{Reason, Refusal};
use crate::rules::index::Variables;
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// What the claims must say: all of it. What is not given holds for every token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Scopes that the token must have, and must not have.
    pub scopes: Listed,
    /// Groups that the user must be in, and must not be in.
    pub groups: Listed,
    /// Claims and what each must be.
    pub claims: Vec<ClaimCondition>,
    /// How long ago the user may have signed in.
    ///
    /// By `auth_time`: a refreshed token keeps the time of the sign-in.
    pub max_auth_age: AuthAge,
}

/// How long ago the user may have signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthAge {
    /// However long ago.
    #[default]
    Any,
    /// Within this time, plus the allowed clock skew.
    AtMost(Duration),
}

/// When conditions are asked, and about which request.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// What the request has in place of the rule's variables.
    pub variables: &'a Variables,
    /// The wall clock.
    pub now: Timestamp,
    /// By how much clocks may differ.
    pub clock_skew: Duration,
}

impl Conditions {
    /// Checks scopes, groups, claims and age of the sign-in, in this order.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub fn check(
        &self,
        claims: &Claims,
        circumstances: &Circumstances<'_>,
        seen: &mut impl Observer,
    ) -> Result<(), Refusal> {
        let Circumstances {
            variables,
            now,
            clock_skew,
        } = *circumstances;
        if self.scopes.is_given() {
            let has = self.scopes_hold(claims, variables);
            seen.check(Step::Scopes, has, Reason::InsufficientScope)
                .map_err(|_| Refusal::InsufficientScope(self.lacking_scopes(variables)))?;
        }
        if self.groups.is_given() {
            let is_member = self.groups_hold(claims, variables);
            seen.check(Step::Groups, is_member, Reason::InsufficientGroup)
                .map_err(Refusal::Plain)?;
        }
        for wanted in &self.claims {
            let fits = wanted.holds(claims, variables);
            seen.check(Step::Claim, fits, Reason::ClaimMismatch)
                .map_err(Refusal::Plain)?;
        }
        if let AuthAge::AtMost(age) = self.max_auth_age {
            // Nor may it lie in the future: a clock that was wrong once would make a sign-in fresh
            // for years.
            let fresh = claims.authenticated_at().is_some_and(|at| {
                now <= at.plus(age).plus(clock_skew) && at <= now.plus(clock_skew)
            });
            seen.check(Step::AuthAge, fresh, Reason::StaleAuthentication)
                .map_err(|_| Refusal::StaleAuthentication(age))?;
        }
        Ok(())
    }

    /// Whole scopes: `orders/write-all` is not `orders/write`.
    fn scopes_hold(&self, claims: &Claims, variables: &Variables) -> bool {
        match claims.scope() {
            None => self.scopes.holds_for_nothing(variables),
            Some(Claim::Text(scopes)) => self.scopes.holds(Elements::Scopes(scopes), variables),
            Some(Claim::Other(_)) => false,
        }
    }

    /// Of an array of nothing but strings.
    fn groups_hold(&self, claims: &Claims, variables: &Variables) -> bool {
        match claims.groups() {
            None => self.groups.holds_for_nothing(variables),
            Some(groups) => groups.elements().is_some_and(|groups| {
                groups.iter().all(Value::is_string)
                    && self.groups.holds(Elements::Array(groups), variables)
            }),
        }
    }

    /// What the client is told that it lacks. Some of it the request itself may have named: a quote
    /// would end the text that it is told in.
    fn lacking_scopes(&self, variables: &Variables) -> Vec<String> {
        let wanted = self.scopes.all.iter().chain(&self.scopes.any);
        wanted
            .filter_map(|wanted| wanted.text(variables))
            .filter(|scope| is_scope(scope))
            .map(str::to_owned)
            .collect()
    }

    /// The scopes that it wants, whatever the request.
    pub(super) fn wanted_scopes(&self) -> impl Iterator<Item = &str> {
        let wanted = self.scopes.all.iter().chain(&self.scopes.any);
        wanted.filter_map(|wanted| match wanted {
            WantedValue::Literal(scope) => Some(scope.as_str()),
            WantedValue::Variable(_) | WantedValue::Header(_) => None,
        })
    }

    /// Every value with which a claim is compared.
    pub fn values(&self) -> impl Iterator<Item = &WantedValue> {
        let claims = self.claims.iter().flat_map(ClaimCondition::values);
        self.scopes
            .values()
            .chain(self.groups.values())
            .chain(claims)
    }
}

/// Whether a text can be a scope: visible ASCII but `"` and `\` (RFC 6749, section 3.3).
#[must_use]
pub fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !text.is_empty() && text.bytes().all(allowed)
}
