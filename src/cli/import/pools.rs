//! Whose tokens the configuration admits: what the authorizers that are carried over ask for.

use super::authorizer::{Authorizer, Clients, Profile, Says, Scheme, TokenPlace};
use super::configuration::Entry;
use super::definition::{Definition, Operation};
use super::part::Obstacle;
use super::security::{Access, Context, Decision};
use super::{Args, EXPORT};
use anyhow::{Context as _, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// The app clients of authorizers that name none.
pub(super) fn clients(args: &Args) -> Clients {
    match (args.any_client, args.client_ids.is_empty()) {
        (true, _) => Clients::Any,
        (false, true) => Clients::Undecided,
        (false, false) => Clients::Only(args.client_ids.iter().cloned().collect()),
    }
}

fn authorizer_of(scheme: &Scheme) -> Option<&Authorizer> {
    match &scheme.says {
        Says::Token(authorizer) => Some(authorizer),
        Says::ApiKey | Says::Signed(_) | Says::Lambda(_) | Says::Function(_) | Says::Other(_) => {
            None
        }
    }
}

/// The authorizer of this name.
pub(super) fn named<'s>(
    schemes: &'s BTreeMap<String, Scheme>,
    name: &str,
) -> anyhow::Result<&'s Authorizer> {
    let scheme = schemes.get(name);
    let authorizer = scheme.and_then(authorizer_of);
    authorizer.with_context(|| {
        let names: Vec<_> = schemes
            .iter()
            .filter(|(_, scheme)| authorizer_of(scheme).is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        format!("--authorizer {name}: expected one of {}", names.join(", "))
    })
}

/// The token place and pattern of most operations: a filter has one of each.
///
/// # Errors
/// There is no pool to be found.
pub(super) fn commonest(
    definition: &Definition<'_>,
    operations: &[Operation<'_>],
    context: &Context<'_>,
) -> anyhow::Result<Profile> {
    let mut counts: BTreeMap<&Profile, usize> = BTreeMap::new();
    let all = context.schemes.values().filter_map(authorizer_of);
    counts.extend(all.map(|authorizer| (&authorizer.profile, 0)));
    for operation in operations {
        if let Some(name) = context.decide(operation).authorizer {
            let authorizer = context.schemes.get(&name).and_then(authorizer_of);
            if let Some(count) = authorizer.and_then(|one| counts.get_mut(&one.profile)) {
                *count = count.saturating_add(1);
            }
        }
    }
    // Of equals the first: the same definition gives the same configuration.
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    if let Some((profile, _)) = most {
        return Ok(profile.clone());
    }
    // With nothing but closed doors, any place will do.
    let known = |one: &Scheme| !one.seen.pools.is_empty() || matches!(one.says, Says::Function(_));
    if context.signed.is_some() || context.schemes.values().any(known) {
        return Ok(Profile {
            from: TokenPlace::Header("authorization".to_owned()),
            aud_pattern: None,
        });
    }
    let mut found = Vec::new();
    // An API that has other authorizers alone has no pool that could be named.
    let mut unread = context.schemes.is_empty();
    for (name, scheme) in context.schemes {
        let text = match &scheme.says {
            Says::Other(obstacle) => {
                unread |= obstacle.advice.is_some();
                obstacle.to_string()
            }
            Says::Signed(obstacle) | Says::Lambda(obstacle) => obstacle.to_string(),
            Says::Function(_) => "a Lambda authorizer".to_owned(),
            Says::Token(_) | Says::ApiKey => "API keys".to_owned(),
        };
        found.push(format!("\n{name}: {text}"));
    }
    match definition.schemes() {
        Err(obstacle) => found.push(format!("\n{}: {obstacle}", obstacle.place)),
        Ok(_) => found.extend(
            definition
                .misplaced_schemes()
                .map(|text| format!("\n{text}")),
        ),
    }
    if unread {
        let option = "--user-pool SCHEME=ID says which pool a scheme means";
        found.push(format!("\n{option}. {EXPORT}"));
    }
    bail!(
        "found no user pool that can be read, and so nothing that this filter could check{}",
        found.concat()
    )
}

/// The user pools whose tokens some rule takes; if none does, those that any authorizer names.
pub(super) fn pools(
    schemes: &BTreeMap<String, Scheme>,
    profile: &Profile,
    decisions: &[Decision],
    args: &Args,
) -> anyhow::Result<BTreeMap<String, Entry>> {
    let taken = decisions
        .iter()
        .filter(|decision| matches!(decision.access, Access::Require(_)))
        .filter_map(|decision| decision.authorizer.as_ref());
    let mut taken: BTreeSet<&String> = taken.collect();
    if taken.is_empty() {
        taken.extend(schemes.keys());
    }
    let of_profile = |name: &String| {
        let authorizer = schemes.get(name).and_then(authorizer_of);
        authorizer.filter(|one| one.profile == *profile)
    };
    let known = taken.iter().filter_map(|name| {
        let authorizer = of_profile(name)?;
        Some((*name, &authorizer.pools, &authorizer.clients))
    });
    let mut known: Vec<_> = known.collect();
    if known.is_empty() {
        let seen = schemes
            .iter()
            .filter(|(_, scheme)| !scheme.seen.pools.is_empty());
        known.extend(seen.map(|(name, scheme)| (name, &scheme.seen.pools, &scheme.seen.clients)));
    }
    let mut pools: BTreeMap<String, Entry> = BTreeMap::new();
    let mut undecided = Vec::new();
    for (name, named, clients) in known {
        if *clients == Clients::Undecided {
            undecided.push(name.as_str());
        }
        for pool in named {
            let cluster = || format!("cognito_{}", pool.region.replace('-', "_"));
            let entry = pools
                .entry(pool.id.as_str().to_owned())
                .or_insert_with(|| Entry {
                    pool: pool.clone(),
                    clients: clients.clone(),
                    cluster: args.cluster.clone().unwrap_or_else(cluster),
                    origin: Vec::new(),
                });
            entry.clients = entry.clients.and(clients);
            if entry.origin.last() != Some(name) {
                entry.origin.push(name.clone());
            }
        }
    }
    ensure!(
        undecided.is_empty(),
        "authorizer {}: names no app clients, and so takes tokens of every app client of its user \
         pool; say whose are meant with --client-ids ID,..., or keep it so with --any-client",
        undecided.join(", ")
    );
    Ok(pools)
}

/// Closes what wants a pool's other issuer: rules choose by pool, and take both or none.
pub(super) fn one_issuer(
    decision: &mut Decision,
    schemes: &BTreeMap<String, Scheme>,
    pools: &BTreeMap<String, Entry>,
) {
    let name = decision.authorizer.as_ref();
    if let Some(scheme) = name.and_then(|name| schemes.get(name)) {
        let named = authorizer_of(scheme).into_iter().flat_map(|one| &one.pools);
        let other = named.filter(|pool| {
            let entry = pools.get(pool.id.as_str());
            entry.is_some_and(|Entry { pool: known, .. }| {
                (known.issuer, &known.region) != (pool.issuer, &pool.region)
            })
        });
        for pool in other {
            decision.access = Access::Nobody;
            decision.obstacles.push(Obstacle {
                place: scheme.place.clone(),
                text: format!(
                    "another issuer of user pool {} than another authorizer's",
                    pool.id.as_str()
                ),
                advice: None,
            });
        }
    }
}
