//! Tokens of user pools: for the right app client, of the right use.

use super::{Demand, alternatives, times};
use crate::claims::{Claim, Claims, TokenUse};
use crate::policy::{AudiencePolicy, Brake, Pool};
use crate::refusal::Reason;
use crate::rules::requirement::{AnyOf, Callers, Narrowing};
use crate::step::{Observer, Step};
use serde_json::Value;

/// The most of `aud` that `token.aud_pattern` is matched against: of one text, or of all the wanted
/// clients in a list. An app client's id has 26 characters, the URL of an API some more.
pub const MAX_AUDIENCE_BYTES: usize = 256;

/// The most audiences of a token: Cognito writes one. Each may be compared with every app client of a
/// pool, and of a rule's alternatives, before anybody knows who wrote them.
pub const MAX_AUDIENCES: usize = 64;

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
    // Told apart now, and refused in its turn: an alternative has no order of its own.
    let refused = match claims.clients(TokenUse::Id).nth(MAX_AUDIENCES) {
        Some(_) => Some(Reason::WrongClient),
        None => alternatives::admit(requirement, |callers| fits(callers, claims, pool)).err(),
    };
    let narrows = users
        .filter(|narrows| narrows.pools.admits(&pool.id))
        .filter(|_| refused != Some(Reason::UnknownIssuer))
        .ok_or(Reason::UnknownIssuer);
    let narrows = seen.step(Step::Issuer, narrows)?;
    times(claims, demand, seen)?;
    let token_use = claims
        .token_use()
        .filter(|token_use| policy.token.token_use.admits(*token_use))
        .filter(|token_use| narrows.token_use.admits(*token_use))
        .filter(|_| refused != Some(Reason::WrongTokenUse))
        .ok_or(Reason::WrongTokenUse);
    let token_use = seen.step(Step::TokenUse, token_use)?;
    let waived = [&pool.clients, &narrows.clients]
        .iter()
        .all(|clients| **clients == AnyOf::Unrestricted);
    if !waived || refused.is_some() {
        let mut clients = claims.clients(token_use);
        let wanted = refused.is_none() && clients.any(|client| is_wanted(client, pool, narrows));
        seen.check(Step::Client, wanted, Reason::WrongClient)?;
    }
    Ok(())
}

/// Whether an alternative is for a user's token at all.
///
/// # Errors
/// What the first of its narrowings that does not fit would be refused for.
pub(super) fn fits(callers: &Callers, claims: &Claims, pool: &Pool) -> Result<(), Reason> {
    let users = callers.users();
    let narrows = users
        .filter(|narrows| narrows.pools.admits(&pool.id))
        .ok_or(Reason::UnknownIssuer)?;
    let token_use = claims
        .token_use()
        .filter(|token_use| narrows.token_use.admits(*token_use))
        .ok_or(Reason::WrongTokenUse)?;
    let mut clients = claims.clients(token_use);
    let is_for_it = narrows.clients == AnyOf::Unrestricted
        || clients.any(|client| is_wanted(client, pool, narrows));
    is_for_it.then_some(()).ok_or(Reason::WrongClient)
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
            let alternatives = &demand.requirement.any_of;
            let is_wanted = |client: &str| {
                is_wanted(client, pool, narrows)
                    && (alternatives.is_empty()
                        || alternatives.iter().any(|one| {
                            let users = one.callers.users();
                            fits(&one.callers, claims, pool).is_ok()
                                && users.is_some_and(|users| users.clients.admits(client))
                        }))
            };
            audience_fits(claims, is_wanted, |audience| {
                audience.len() <= MAX_AUDIENCE_BYTES && pattern.matches(audience)
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
    is_wanted: impl Fn(&str) -> bool,
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
                .filter(|audience| is_wanted(audience));
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
    // A rule names few; a pool may have a thousand, and a stranger's token as many audiences.
    narrows.clients.admits(client) && pool.clients.admits(client)
}
