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
//! # fn issuer() -> cognito_authorizer::policy::IssuerIndex { unimplemented!() }
//! # fn bearer() -> cognito_authorizer::verify::Bearer { unimplemented!() }
//! // The fields are private: only `Admitted::verify` makes one.
//! let forged = cognito_authorizer::verify::Verified { issuer: issuer(), bearer: bearer() };
//! ```
//!
//! The issuer decides whose token it is: a user pool's is a user's (`user`), an AWS account's an
//! AWS principal's (`principal`). They have their times and their signature in common. What a token
//! says about its own kind is never looked at, and from here on the two are of different types.

mod alternatives;
mod principal;
mod user;

use crate::claims::{Claims, PrincipalClaims, UserClaims};
use crate::jwks::KeySet;
use crate::policy::{Issuer, IssuerIndex, Policy};
use crate::refusal::{Reason, Refusal};
use crate::rules::index::Variables;
use crate::rules::requirement::{Alternative, Callers, Circumstances, Confirmation, Requirement};
use crate::signature::Algorithm;
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use crate::token::{Header, UntrustedToken};
use crate::verifiers::Verifiers;
pub use user::{MAX_AUDIENCE_BYTES, MAX_AUDIENCES};

/// A token whose claims would be admitted, if they were true.
#[derive(Debug)]
pub struct Admitted<'a> {
    token: UntrustedToken<'a>,
    issuer: IssuerIndex,
    kind: Kind,
}

/// Of whom an issuer's tokens speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Principal,
}

/// A token whose claims are its issuer's word.
#[derive(Debug)]
pub struct Verified {
    issuer: IssuerIndex,
    bearer: Bearer,
}

/// Of whom a verified token speaks.
#[derive(Debug)]
pub enum Bearer {
    /// A user or an app client of a user pool.
    User(UserClaims),
    /// A role or a user of an AWS account.
    Principal(PrincipalClaims),
}

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
    /// Checks everything that needs no key: issuer, times, and what the token is for.
    ///
    /// # Errors
    /// The first check that fails, in this order.
    pub fn new(
        token: UntrustedToken<'a>,
        demand: &Demand<'_>,
        seen: &mut impl Observer,
    ) -> Result<Self, Reason> {
        let claims = token.unverified_claims();
        let issuers = &demand.policy.issuers;
        let index = claims.issuer().and_then(|iss| issuers.by_iss(iss));
        let found = index.and_then(|index| Some((index, issuers.get(index)?)));
        // A user pool signs with RS256 alone, and so does whoever is no issuer at all.
        let is_account = matches!(found, Some((_, Issuer::Account(_))));
        let found = match token.unverified_algorithm() {
            Algorithm::Es384 if !is_account => Err(Reason::UnsupportedAlgorithm),
            Algorithm::Es384 | Algorithm::Rs256 => found.ok_or(Reason::UnknownIssuer),
        };
        let (index, issuer) = match found {
            Ok(found) => found,
            Err(reason) => return seen.step(Step::Issuer, Err(reason)),
        };
        let kind = admit(claims, issuer, demand, seen)?;
        Ok(Self {
            token,
            issuer: index,
            kind,
        })
    }

    /// The issuer whose keys must verify the token.
    #[must_use]
    pub const fn issuer(&self) -> IssuerIndex {
        self.issuer
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
        verifiers: &Verifiers,
        seen: &mut impl Observer,
    ) -> Result<Verified, Unverified> {
        // A key that is not there may be in a newer set: that is no end of the step yet.
        let key = keys
            .get(self.token.unverified_key_id())
            .ok_or(Unverified::UnknownKey)?;
        seen.saw(Step::Key, Ok(()));
        let genuine = verifiers.verify(
            self.token.unverified_algorithm(),
            key,
            self.token.signing_input(),
            self.token.signature(),
        );
        seen.check(Step::Signature, genuine, Reason::InvalidSignature)
            .map_err(|_| Unverified::InvalidSignature)?;
        let claims = self.token.into_claims();
        Ok(Verified {
            issuer: self.issuer,
            bearer: match self.kind {
                Kind::User => Bearer::User(UserClaims::verified(claims)),
                Kind::Principal => Bearer::Principal(PrincipalClaims::verified(claims)),
            },
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
        let issuer = demand.policy.issuers.get(self.issuer);
        let Some(issuer) = issuer else {
            // Not reached: issuers change only with the configuration, and that begins with an
            // empty cache.
            return seen.step(Step::Issuer, Err(Reason::UnknownIssuer));
        };
        admit(self.claims(), issuer, demand, seen).map(|_| ())
    }

    /// Checks what is asked of the issuer's word alone.
    ///
    /// # Errors
    /// See [`conditions`].
    pub fn satisfies<O: Observer, E: From<Refusal>>(
        &self,
        demand: &Demand<'_>,
        seen: &mut O,
        listed: impl FnOnce(&str, &mut O) -> Result<(), E>,
    ) -> Result<Confirmation, E> {
        conditions(self.claims(), self.issuer, demand, seen, listed)
    }

    /// What the issuer says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        match &self.bearer {
            Bearer::User(user) => user.claims(),
            Bearer::Principal(principal) => principal.claims(),
        }
    }

    /// Of whom it says so.
    #[must_use]
    pub const fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// The issuer.
    #[must_use]
    pub const fn issuer(&self) -> IssuerIndex {
        self.issuer
    }

    /// From when on the token is expired; of an AWS principal's also by its age.
    #[must_use]
    pub fn ends(&self, policy: &Policy) -> Option<Timestamp> {
        let ends = ends(self.claims(), policy)?;
        let Some(Issuer::Account(account)) = policy.issuers.get(self.issuer) else {
            return Some(ends);
        };
        let old = principal::too_old_after(self.claims(), account, policy)?;
        Some(old.min(ends))
    }

    /// The app client that a user's token was admitted for.
    #[must_use]
    pub fn client(&self, policy: &Policy) -> Option<&str> {
        match (&self.bearer, policy.issuers.get(self.issuer)?) {
            (Bearer::User(user), Issuer::Pool(pool)) => user::client(user.claims(), pool),
            _ => None,
        }
    }
}

/// The steps after the signature: of a user's token `token.aud_pattern`, whether it has been
/// revoked, then the rule's scopes, groups, claims and age of the sign-in; of an AWS principal's
/// whether it has been revoked, the account, the organization, the rule's principals, then its
/// claims. Last come the rule's alternatives. What remains to be asked is the user pool. Whether the
/// token is `listed` as revoked, under the issuer's id, is for the caller to find out in its turn.
///
/// Claims that are not verified may be put to it too, to learn what would become of them if they
/// were true; only [`Verified::satisfies`] lets a request pass.
///
/// # Errors
/// The first condition that does not hold.
pub fn conditions<O: Observer, E: From<Refusal>>(
    claims: &Claims,
    issuer: IssuerIndex,
    demand: &Demand<'_>,
    seen: &mut O,
    listed: impl FnOnce(&str, &mut O) -> Result<(), E>,
) -> Result<Confirmation, E> {
    let Demand {
        policy,
        requirement,
        variables,
        now,
    } = *demand;
    let plain = |reason| E::from(Refusal::Plain(reason));
    // Not reached: a token of no issuer is not admitted. If it were, it would be refused.
    let issuer = policy.issuers.get(issuer);
    let issuer = issuer.ok_or(Reason::UnknownIssuer).map_err(plain)?;
    match issuer {
        Issuer::Pool(pool) => {
            user::audience(claims, pool, demand, seen).map_err(plain)?;
            user::brake(claims, pool, seen).map_err(plain)?;
            listed(issuer.id(), seen)?;
        }
        Issuer::Account(account) => {
            listed(issuer.id(), seen)?;
            principal::conditions(claims, account, demand, seen).map_err(plain)?;
        }
    }
    let circumstances = Circumstances {
        variables,
        now,
        clock_skew: policy.token.clock_skew,
    };
    requirement.conditions.check(claims, &circumstances, seen)?;
    let mut confirmation = requirement.confirmation;
    if !requirement.any_of.is_empty() {
        let one = one_of(claims, issuer, requirement, &circumstances);
        seen.saw(
            Step::Alternatives,
            one.as_ref().map(|_| ()).map_err(Refusal::reason),
        );
        confirmation = confirmation.and(one?);
    }
    requirement.confirmation.check(claims, seen)?;
    Ok(confirmation)
}

/// The alternatives of a rule, put to a token that meets the rest.
fn one_of(
    claims: &Claims,
    issuer: Issuer<'_>,
    requirement: &Requirement,
    circumstances: &Circumstances<'_>,
) -> Result<Confirmation, Refusal> {
    let for_it = requirement.any_of.iter();
    let for_it = for_it.filter(|one| is_for(&one.callers, claims, issuer));
    alternatives::satisfied(for_it, |one| {
        alternative(one, claims, issuer, circumstances)
    })
}

/// Whether an alternative is for a token of this issuer at all, which was asked before its signature.
#[must_use]
pub fn is_for(callers: &Callers, claims: &Claims, issuer: Issuer<'_>) -> bool {
    match issuer {
        Issuer::Pool(pool) => user::fits(callers, claims, pool).is_ok(),
        Issuer::Account(_) => matches!(callers, Callers::Principals(_)),
    }
}

/// What an alternative asks of a token that it is for.
///
/// # Errors
/// The first condition that does not hold.
pub fn alternative(
    one: &Alternative,
    claims: &Claims,
    issuer: Issuer<'_>,
    circumstances: &Circumstances<'_>,
) -> Result<(), Refusal> {
    if let Issuer::Account(_) = issuer
        && !principal::is_among(claims, &one.callers)
    {
        return Err(Refusal::Plain(Reason::WrongPrincipal));
    }
    one.conditions.check(claims, circumstances, &mut ())?;
    one.confirmation.check(claims, &mut ())
}

/// The steps that need no key, from the issuer on.
fn admit(
    claims: &Claims,
    issuer: Issuer<'_>,
    demand: &Demand<'_>,
    seen: &mut impl Observer,
) -> Result<Kind, Reason> {
    match issuer {
        Issuer::Pool(pool) => {
            user::admit(claims, pool, demand, seen)?;
            Ok(Kind::User)
        }
        Issuer::Account(account) => {
            principal::admit(claims, account, demand, seen)?;
            Ok(Kind::Principal)
        }
    }
}

/// From when on a token with these claims is expired: clocks may differ by the skew.
fn ends(claims: &Claims, policy: &Policy) -> Option<Timestamp> {
    let expires = claims.expires()?;
    Some(expires.plus(policy.token.clock_skew))
}

/// `exp`, `nbf` and `iat`, whosever token it is.
fn times(claims: &Claims, demand: &Demand<'_>, seen: &mut impl Observer) -> Result<(), Reason> {
    let (now, skew) = (demand.now, demand.policy.token.clock_skew);
    // A token that never expires was not made by its issuer: it is malformed, not expired.
    let lasts = match ends(claims, demand.policy) {
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
    Ok(())
}
