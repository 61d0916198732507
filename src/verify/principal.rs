//! Tokens of AWS accounts (`sts:GetWebIdentityToken`): for this service, and of a named principal.
//!
//! Such a token is a bearer token, which AWS cannot revoke: it is of use wherever its audience is
//! wanted until it expires. So an audience is always asked for, and a rule must name principals.

use super::{Demand, alternatives, times};
use crate::claims::{Claim, Claims};
use crate::policy::{Account, Policy};
use crate::principal::Principal;
use crate::refusal::Reason;
use crate::rules::requirement::{AnyOf, Callers};
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use std::time::Duration;

/// The longest that a token lives: `DurationSeconds` of `GetWebIdentityToken` is 60 to 3600. One
/// that is to live longer was not made by STS.
pub(super) const MAX_LIFE: Duration = Duration::from_secs(3600);

/// The steps that need no key.
pub(super) fn admit(
    claims: &Claims,
    account: &Account,
    demand: &Demand<'_>,
    seen: &mut impl Observer,
) -> Result<(), Reason> {
    seen.saw(Step::Issuer, Ok(()));
    let times_fit = claims
        .issued_at()
        .zip(claims.expires())
        .filter(|(issued, expires)| *expires <= issued.plus(MAX_LIFE));
    let formed = times_fit
        .zip(principal(claims))
        .ok_or(Reason::MalformedToken);
    seen.step(Step::Caller, formed)?;
    times(claims, demand, seen)?;
    let oldest = too_old_after(claims, account, demand.policy);
    let young = oldest.is_some_and(|oldest| demand.now <= oldest);
    seen.check(Step::TokenAge, young, Reason::TokenExpired)?;
    // Where no principal is named the issuer is as unknown as if it were not configured: to add an
    // account opens nothing.
    let named = |callers: &Callers| match callers {
        Callers::Users(_) => Err(Reason::UnknownIssuer),
        Callers::Principals(_) | Callers::OfAlternatives => Ok(()),
    };
    let named = named(&demand.requirement.callers)
        .and_then(|()| alternatives::admit(demand.requirement, named))
        .is_ok();
    seen.check(Step::Named, named, Reason::UnknownIssuer)?;
    let wanted = is_for(claims, &account.audiences);
    seen.check(Step::AccountAudience, wanted, Reason::WrongAudience)
}

/// After when a token is older than wanted.
pub(super) fn too_old_after(
    claims: &Claims,
    account: &Account,
    policy: &Policy,
) -> Option<Timestamp> {
    let oldest = claims.issued_at()?.plus(account.max_token_age);
    Some(oldest.plus(policy.token.clock_skew))
}

/// What is asked of the account's word before the rule's claims.
pub(super) fn conditions(
    claims: &Claims,
    account: &Account,
    demand: &Demand<'_>,
    seen: &mut impl Observer,
) -> Result<(), Reason> {
    let otherwise = Reason::WrongPrincipal;
    // Whoever could make one of these say something else than the others has made a token that
    // STS does not make; all must name the account that the configuration names.
    let caller = principal(claims).filter(|caller| {
        caller.partition() == account.partition
            && caller.account() == account.number
            && claims.sts("aws_account") == Some(account.number.as_str())
            && (!claims.has_sts("principal_id") || claims.sts("principal_id") == Some(caller.arn()))
    });
    let caller = seen.step(Step::Account, caller.ok_or(otherwise))?;
    if account.organization != AnyOf::Unrestricted {
        let organization = claims.sts("org_id");
        let wanted = organization.is_some_and(|found| account.organization.admits(found));
        seen.check(Step::Organization, wanted, otherwise)?;
    }
    // Where alternatives name them, each has its own.
    if demand.requirement.callers == Callers::OfAlternatives {
        return Ok(());
    }
    let wanted = is_wanted(caller, &demand.requirement.callers);
    seen.check(Step::Principal, wanted, otherwise)
}

/// Whether the token's principal is one of those that an alternative names.
pub(super) fn is_among(claims: &Claims, callers: &Callers) -> bool {
    principal(claims).is_some_and(|caller| is_wanted(caller, callers))
}

fn is_wanted(caller: Principal<'_>, callers: &Callers) -> bool {
    match callers {
        Callers::Users(_) | Callers::OfAlternatives => false,
        Callers::Principals(AnyOf::Unrestricted) => true,
        Callers::Principals(AnyOf::Only(wanted)) => {
            wanted.iter().any(|pattern| pattern.admits(caller))
        }
    }
}

/// The role or user in `sub`.
fn principal(claims: &Claims) -> Option<Principal<'_>> {
    claims.subject().and_then(Principal::new)
}

/// Whether one of the token's audiences is wanted: a string, or of an array the strings.
fn is_for(claims: &Claims, wanted: &[String]) -> bool {
    let is_wanted = |audience: &str| wanted.iter().any(|one| one == audience);
    match claims.audience() {
        Some(Claim::Text(audience)) => is_wanted(audience),
        Some(audience @ Claim::Other(_)) => audience
            .elements()
            .is_some_and(|all| all.iter().filter_map(|one| one.as_str()).any(is_wanted)),
        None => false,
    }
}
