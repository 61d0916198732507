//! Tokens of user pools: for the right app client, of the right use.

use super::{Demand, times};
use crate::claims::{Claim, Claims};
use crate::policy::{AudiencePolicy, Brake, Pool};
use crate::refusal::Reason;
use crate::rules::requirement::{AnyOf, Narrowing};
use crate::step::{Observer, Step};
use serde_json::Value;

/// The most of `aud` that `token.aud_pattern` is matched against: of one text, or of all the wanted
/// clients in a list. An app client's id has 26 characters, the URL of an API some more.
pub const MAX_AUDIENCE_BYTES: usize = 256;

/// The steps that need no key.
pub(super) fn admit(
    claims: &Claims,
    pool: &Pool,
    demand: &Demand<'_>,
    seen: &mut impl Observer,
) -> Result<(), Reason> {
    let Demand {
        policy,
        requirement,
        ..
    } = *demand;
    // A rule for AWS principals admits no user.
    let users = requirement.callers.users();
    let narrows = users
        .filter(|narrows| narrows.pools.admits(&pool.id))
        .ok_or(Reason::UnknownIssuer);
    let narrows = seen.step(Step::Issuer, narrows)?;
    times(claims, demand, seen)?;
    let token_use = claims
        .token_use()
        .filter(|token_use| policy.token.token_use.admits(*token_use))
        .filter(|token_use| narrows.token_use.admits(*token_use))
        .ok_or(Reason::WrongTokenUse);
    let token_use = seen.step(Step::TokenUse, token_use)?;
    let of_both = [&pool.clients, &narrows.clients];
    let waived = of_both
        .iter()
        .all(|clients| **clients == AnyOf::Unrestricted);
    if !waived {
        let mut clients = claims.clients(token_use);
        let wanted = clients.any(|client| is_wanted(client, pool, narrows));
        seen.check(Step::Client, wanted, Reason::WrongClient)?;
    }
    Ok(())
}

/// `token.aud_pattern`.
pub(super) fn audience(
    claims: &Claims,
    pool: &Pool,
    demand: &Demand<'_>,
    seen: &mut impl Observer,
) -> Result<(), Reason> {
    // What a pattern costs is its author's to choose, so it is matched only against what a user
    // pool has signed.
    if let AudiencePolicy::Matching(pattern) = &demand.policy.token.audience {
        let narrows = demand.requirement.callers.users();
        let fits = narrows.is_some_and(|narrows| {
            audience_fits(claims, pool, narrows, |audience| {
                audience.len() <= MAX_AUDIENCE_BYTES && pattern.is_match(audience)
            })
        });
        seen.check(Step::Audience, fits, Reason::WrongAudience)?;
    }
    Ok(())
}

/// The pool's emergency brake. Both times are AWS's own, so no skew is allowed for; a token without
/// the one that is asked for cannot show that it is newer.
pub(super) fn brake(claims: &Claims, pool: &Pool, seen: &mut impl Observer) -> Result<(), Reason> {
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

/// The app client that a token was admitted for.
pub(super) fn client<'a>(claims: &'a Claims, pool: &Pool) -> Option<&'a str> {
    claims
        .clients(claims.token_use()?)
        .find(|client| pool.clients.admits(*client))
}

/// A string must match whole. Of an array only wanted clients are looked at: another service's
/// audience beside them must neither help nor hurt.
fn audience_fits(
    claims: &Claims,
    pool: &Pool,
    narrows: &Narrowing,
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
                .filter(|audience| is_wanted(audience, pool, narrows));
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

fn is_wanted(client: &str, pool: &Pool, narrows: &Narrowing) -> bool {
    pool.clients.admits(client) && narrows.clients.admits(client)
}
