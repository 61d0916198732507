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

use crate::claims::{Claim, Claims, TokenUse};
use crate::jwks::KeySet;
use crate::policy::{AudiencePolicy, Policy, Pool, PoolIndex};
use crate::reject::Reason;
use crate::rs256::Rs256;
use crate::rules::requirement::{AnyOf, Requirement};
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

/// The longest `aud` that `token.aud_pattern` may match. An app client's id has 26 characters, the URL
/// of an API some more.
pub const MAX_AUDIENCE_BYTES: usize = 256;

/// Why a token that would be admitted is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// The key set has no key of this name; a newer one may have.
    UnknownKey,
    /// The signature is not the key's.
    InvalidSignature,
}

impl<'a> Admitted<'a> {
    /// Checks everything that needs no key: issuer, times, token use, app client.
    ///
    /// # Errors
    /// The first check that fails, in this order.
    pub fn new(
        token: UntrustedToken<'a>,
        policy: &Policy,
        requirement: &Requirement,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let claims = token.unverified_claims();
        let (pool, _) = claims
            .issuer()
            .and_then(|issuer| policy.pools.by_issuer(issuer))
            .ok_or(Reason::UnknownIssuer)?;
        admit(claims, pool, policy, requirement, now)?;
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
    pub fn verify(self, keys: &KeySet, algorithm: &Rs256) -> Result<Verified, Unverified> {
        let key = keys
            .get(self.token.unverified_key_id())
            .ok_or(Unverified::UnknownKey)?;
        if !algorithm.verify_signature(self.token.signature(), key, self.token.signing_input()) {
            return Err(Unverified::InvalidSignature);
        }
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
    pub fn readmit(
        &self,
        policy: &Policy,
        requirement: &Requirement,
        now: Timestamp,
    ) -> Result<(), Reason> {
        admit(&self.claims, self.pool, policy, requirement, now)
    }

    /// Asks whether `aud` is what `token.aud_pattern` wants. What a pattern costs is its author's to
    /// choose, so it is matched only against what a user pool has signed.
    ///
    /// # Errors
    /// [`Reason::WrongAudience`].
    pub fn check_audience(&self, policy: &Policy, requirement: &Requirement) -> Result<(), Reason> {
        let AudiencePolicy::Matching(pattern) = &policy.token.audience else {
            return Ok(());
        };
        let fits = policy.pools.get(self.pool).is_some_and(|pool| {
            audience_fits(&self.claims, pool, requirement, |audience| {
                audience.len() <= MAX_AUDIENCE_BYTES && pattern.is_match(audience)
            })
        });
        if fits {
            Ok(())
        } else {
            Err(Reason::WrongAudience)
        }
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

    /// The app client that the token was admitted for.
    #[must_use]
    pub fn client(&self, policy: &Policy) -> Option<&str> {
        let pool = policy.pools.get(self.pool)?;
        self.claims
            .clients(self.claims.token_use()?)
            .find(|client| pool.clients.admits(client))
    }
}

fn admit(
    claims: &Claims,
    pool: PoolIndex,
    policy: &Policy,
    requirement: &Requirement,
    now: Timestamp,
) -> Result<(), Reason> {
    let pool = policy
        .pools
        .get(pool)
        .filter(|pool| requirement.pools.admits(&pool.id))
        .ok_or(Reason::UnknownIssuer)?;
    let skew = policy.token.clock_skew;
    // A token that never expires was not made by Cognito: it is malformed, not expired.
    let expires = claims.expires().ok_or(Reason::MalformedToken)?;
    if now >= expires.plus(skew) {
        return Err(Reason::TokenExpired);
    }
    let begins = [claims.not_before(), claims.issued_at()];
    if begins
        .into_iter()
        .flatten()
        .any(|begin| begin > now.plus(skew))
    {
        return Err(Reason::TokenNotYetValid);
    }
    let token_use = claims
        .token_use()
        .filter(|token_use| policy.token.token_use.admits(*token_use))
        .filter(|token_use| requirement.token_use.admits(*token_use))
        .ok_or(Reason::WrongTokenUse)?;
    if !client_fits(claims, token_use, pool, requirement) {
        return Err(Reason::WrongClient);
    }
    Ok(())
}

fn client_fits(
    claims: &Claims,
    token_use: TokenUse,
    pool: &Pool,
    requirement: &Requirement,
) -> bool {
    let waived =
        pool.clients == crate::policy::Clients::Any && requirement.clients == AnyOf::Unrestricted;
    waived
        || claims
            .clients(token_use)
            .any(|client| is_wanted(client, pool, requirement))
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
        Some(Claim::Other(Value::Array(audiences))) => audiences
            .iter()
            .filter_map(Value::as_str)
            .any(|audience| is_wanted(audience, pool, requirement) && matches(audience)),
        Some(Claim::Other(_)) | None => false,
    }
}

fn is_wanted(client: &str, pool: &Pool, requirement: &Requirement) -> bool {
    pool.clients.admits(client) && requirement.clients.admits(client)
}
