//! The verifier: a pure function of a token, the policy, the keys and the time.
//!
//! ```text
//! UntrustedToken --admit--> Admitted --verify--> Verified
//!   what is claimed           fits, if true        is true
//! ```
//!
//! Each step takes the former's proof, and nothing else makes one, so that no path through the
//! code can reach an upstream with claims that were not checked in full.
//!
//! ```compile_fail
//! # fn claims() -> cognito_authorizer::claims::Claims { unimplemented!() }
//! // The fields are private: only `Admitted::verify` makes one.
//! let forged = cognito_authorizer::verify::Verified { claims: claims() };
//! ```

use crate::claims::{Claim, Claims};
use crate::jwks::KeySet;
use crate::policy::{AudiencePolicy, Brake, Policy, Pool, PoolIndex};
use crate::refusal::{Reason, Refusal};
use crate::rs256::Rs256;
use crate::rules::index::Variables;
use crate::rules::requirement::{AnyOf, Requirement};
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use crate::token::{Header, UntrustedToken};
use jwt_compact::Algorithm;
use serde_json::Value;

/// A token whose claims would be admitted, if they were true.
#[derive(Debug)]
pub struct Admitted<'a> {
    token: UntrustedToken<'a>,
    pool: PoolIndex,
}

/// A token whose claims are the user pool's word.
#[derive(Debug)]
pub struct Verified {
    claims: Claims,
    pool: PoolIndex,
}

/// The most of `aud` that `token.aud_pattern` is matched against: of one text, or of all the wanted
/// clients in a list. An app client's id has 26 characters, the URL of an API some more.
pub const MAX_AUDIENCE_BYTES: usize = 256;

/// Why a token that would be admitted is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// The key set has no key of this name; a newer one may have.
    UnknownKey,
    /// The signature is not the key's.
    InvalidSignature,
}

/// All that is asked of a token under one rule, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// What is asked of every token.
    pub policy: &'a Policy,
    /// What the rule asks besides.
    pub requirement: &'a Requirement,
    /// What the variables of the rule's template stand for.
    pub variables: &'a Variables,
    /// The wall clock.
    pub now: Timestamp,
}

impl<'a> Admitted<'a> {
    /// Checks everything that needs no key: issuer, times, token use, app client.
    ///
    /// # Errors
    /// The first check that fails, in this order.
    pub fn new(
        token: UntrustedToken<'a>,
        demand: &Demand<'_>,
        seen: &mut impl Observer,
    ) -> Result<Self, Reason> {
        let claims = token.unverified_claims();
        let pool = claims
            .issuer()
            .and_then(|issuer| demand.policy.pools.by_issuer(issuer))
            .map(|(pool, _)| pool);
        let pool = admit(claims, pool, demand, seen)?;
        Ok(Self { token, pool })
    }

    /// The user pool whose keys must verify the token.
    #[must_use]
    pub const fn pool(&self) -> PoolIndex {
        self.pool
    }

    /// The token's first part.
    #[must_use]
    pub const fn header(&self) -> &Header<'a> {
        self.token.header()
    }

    /// The token's second part.
    #[must_use]
    pub const fn payload(&self) -> &'a str {
        self.token.payload()
    }

    /// When its bearer says that the token was made.
    #[must_use]
    pub const fn unverified_issued_at(&self) -> Option<Timestamp> {
        self.token.unverified_claims().issued_at()
    }

    /// Verifies the signature with the key that the token names, out of its own issuer's set.
    ///
    /// # Errors
    /// See [`Unverified`].
    pub fn verify(
        self,
        keys: &KeySet,
        algorithm: &Rs256,
        seen: &mut impl Observer,
    ) -> Result<Verified, Unverified> {
        // A key that is not there may be in a newer set: that is no end of the step yet.
        let key = keys
            .get(self.token.unverified_key_id())
            .ok_or(Unverified::UnknownKey)?;
        seen.saw(Step::Key, Ok(()));
        let genuine =
            algorithm.verify_signature(self.token.signature(), key, self.token.signing_input());
        seen.check(Step::Signature, genuine, Reason::InvalidSignature)
            .map_err(|_| Unverified::InvalidSignature)?;
        Ok(Verified {
            pool: self.pool,
            claims: self.token.into_claims(),
        })
    }
}

impl Verified {
    /// Asks again what time and the rule decide: a token that was verified once expires, and
    /// another rule may want another kind.
    ///
    /// # Errors
    /// The first check that fails, in the order of [`Admitted::new`].
    pub fn readmit(&self, demand: &Demand<'_>, seen: &mut impl Observer) -> Result<(), Reason> {
        admit(&self.claims, Some(self.pool), demand, seen).map(|_| ())
    }

    /// Checks what is asked of the user pool's word alone.
    ///
    /// # Errors
    /// See [`conditions`].
    pub fn satisfies<O: Observer, E: From<Refusal>>(
        &self,
        demand: &Demand<'_>,
        seen: &mut O,
        listed: impl FnOnce(&Pool, &mut O) -> Result<(), E>,
    ) -> Result<(), E> {
        conditions(&self.claims, self.pool, demand, seen, listed)
    }

    /// What the user pool says about the bearer.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The user pool.
    #[must_use]
    pub const fn pool(&self) -> PoolIndex {
        self.pool
    }

    /// From when on the token is expired.
    #[must_use]
    pub fn ends(&self, policy: &Policy) -> Option<Timestamp> {
        ends(&self.claims, policy)
    }

    /// The app client that the token was admitted for.
    #[must_use]
    pub fn client(&self, policy: &Policy) -> Option<&str> {
        let pool = policy.pools.get(self.pool)?;
        self.claims
            .clients(self.claims.token_use()?)
            .find(|client| pool.clients.admits(client))
    }
}

/// The steps after the signature: `token.aud_pattern`, then whether the token has been revoked, then
/// the rule's scopes, groups, claims and age of the sign-in, and whether its user pool can be asked
/// to confirm the token, if it has to be. Whether it is `listed` as revoked is
/// for the caller to find out in its turn.
///
/// Claims that are not verified may be put to it too, to learn what would become of them if they
/// were true; only [`Verified::satisfies`] lets a request pass.
///
/// # Errors
/// The first condition that does not hold.
pub fn conditions<O: Observer, E: From<Refusal>>(
    claims: &Claims,
    pool: PoolIndex,
    demand: &Demand<'_>,
    seen: &mut O,
    listed: impl FnOnce(&Pool, &mut O) -> Result<(), E>,
) -> Result<(), E> {
    let Demand {
        policy,
        requirement,
        variables,
        now,
    } = *demand;
    // What a pattern costs is its author's to choose, so it is matched only against what a user
    // pool has signed.
    let plain = |reason| E::from(Refusal::Plain(reason));
    // Not reached: a token of no pool is not admitted. If it were, it would be refused.
    let pool = policy.pools.get(pool);
    let pool = pool.ok_or(Reason::UnknownIssuer).map_err(plain)?;
    if let AudiencePolicy::Matching(pattern) = &policy.token.audience {
        let fits = audience_fits(claims, pool, requirement, |audience| {
            audience.len() <= MAX_AUDIENCE_BYTES && pattern.is_match(audience)
        });
        seen.check(Step::Audience, fits, Reason::WrongAudience)
            .map_err(plain)?;
    }
    braked(claims, pool, seen).map_err(plain)?;
    listed(pool, seen)?;
    let skew = policy.token.clock_skew;
    requirement
        .conditions
        .check(claims, variables, now, skew, seen)?;
    requirement.confirmation.check(claims, seen)?;
    Ok(())
}

/// The pool's emergency brake. Both times are AWS's own, so no skew is allowed for; a token without
/// the one that is asked for cannot show that it is newer.
fn braked(claims: &Claims, pool: &Pool, seen: &mut impl Observer) -> Result<(), Reason> {
    let Brake {
        issued_after,
        signed_in_after,
    } = pool.brake;
    for (step, earliest, time) in [
        (Step::IssuedAfter, issued_after, claims.issued_at()),
        (
            Step::SignedInAfter,
            signed_in_after,
            claims.authenticated_at(),
        ),
    ] {
        if let Some(earliest) = earliest {
            let holds = time.is_some_and(|time| time >= earliest);
            seen.check(step, holds, Reason::TokenRevoked)?;
        }
    }
    Ok(())
}

/// From when on a token with these claims is expired: clocks may differ by the skew.
fn ends(claims: &Claims, policy: &Policy) -> Option<Timestamp> {
    let expires = claims.expires()?;
    Some(expires.plus(policy.token.clock_skew))
}

/// The steps that need no key. `pool` is the one whose issuer the token names, if there is one.
fn admit(
    claims: &Claims,
    pool: Option<PoolIndex>,
    demand: &Demand<'_>,
    seen: &mut impl Observer,
) -> Result<PoolIndex, Reason> {
    let Demand {
        policy,
        requirement,
        now,
        ..
    } = *demand;
    let issuer = pool
        .and_then(|index| Some((index, policy.pools.get(index)?)))
        .filter(|(_, pool)| requirement.narrows.pools.admits(&pool.id))
        .ok_or(Reason::UnknownIssuer);
    let (index, pool) = seen.step(Step::Issuer, issuer)?;
    let skew = policy.token.clock_skew;
    // A token that never expires was not made by Cognito: it is malformed, not expired.
    let lasts = match ends(claims, policy) {
        Some(ends) if now < ends => Ok(()),
        Some(_) => Err(Reason::TokenExpired),
        None => Err(Reason::MalformedToken),
    };
    seen.step(Step::Expiry, lasts)?;
    let begins = [claims.not_before(), claims.issued_at()];
    if begins.iter().any(Option::is_some) {
        let mut begins = begins.into_iter().flatten();
        let begun = begins.all(|begin| begin <= now.plus(skew));
        seen.check(Step::Start, begun, Reason::TokenNotYetValid)?;
    }
    let token_use = claims
        .token_use()
        .filter(|token_use| policy.token.token_use.admits(*token_use))
        .filter(|token_use| requirement.narrows.token_use.admits(*token_use))
        .ok_or(Reason::WrongTokenUse);
    let token_use = seen.step(Step::TokenUse, token_use)?;
    let of_both = [&pool.clients, &requirement.narrows.clients];
    let waived = of_both
        .iter()
        .all(|clients| **clients == AnyOf::Unrestricted);
    if !waived {
        let mut clients = claims.clients(token_use);
        let wanted = clients.any(|client| is_wanted(client, pool, requirement));
        seen.check(Step::Client, wanted, Reason::WrongClient)?;
    }
    Ok(index)
}

/// A string must match whole. Of an array only wanted clients are looked at: another service's
/// audience beside them must neither help nor hurt.
fn audience_fits(
    claims: &Claims,
    pool: &Pool,
    requirement: &Requirement,
    matches: impl Fn(&str) -> bool,
) -> bool {
    match claims.audience() {
        Some(Claim::Text(audience)) => matches(audience),
        Some(Claim::Other(Value::Array(audiences))) => {
            // All together have the length of one: a token of 16 kB holds dozens of such texts.
            let mut left = MAX_AUDIENCE_BYTES;
            let mut wanted = audiences
                .iter()
                .filter_map(Value::as_str)
                .filter(|audience| is_wanted(audience, pool, requirement));
            wanted.any(|audience| {
                // An empty one takes its time as well.
                match left.checked_sub(audience.len().max(1)) {
                    Some(rest) => {
                        left = rest;
                        matches(audience)
                    }
                    None => {
                        left = 0;
                        false
                    }
                }
            })
        }
        Some(Claim::Other(_)) | None => false,
    }
}

fn is_wanted(client: &str, pool: &Pool, requirement: &Requirement) -> bool {
    pool.clients.admits(client) && requirement.narrows.clients.admits(client)
}
