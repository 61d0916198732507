//! The steps that ask whether a token has been revoked.

use super::facts::Facts;
use super::moment::{apart, instant, span};
use super::safe::{cut, quoted};
use super::simulation::Ending;
use super::step::Finding;
use cognito_authorizer::claims::Claims;
use cognito_authorizer::deny_list::{Kind, LookedUp};
use cognito_authorizer::policy::Brake;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::rules::requirement::{ASKING_SCOPE, Confirmation};
use cognito_authorizer::step::Step;
use cognito_authorizer::time::Timestamp;
use serde_json::json;
use std::time::Duration;

/// `iat` is not earlier than `user_pools[].issued_after`.
pub(super) fn issued_after(facts: &Facts<'_>) -> Finding {
    let earliest = brake(facts).issued_after;
    not_earlier(facts, "issued_after", "iat", earliest, Claims::issued_at)
}

/// `auth_time` is not earlier than `user_pools[].signed_in_after`.
pub(super) fn signed_in_after(facts: &Facts<'_>) -> Finding {
    let earliest = brake(facts).signed_in_after;
    let time = Claims::authenticated_at;
    not_earlier(facts, "signed_in_after", "auth_time", earliest, time)
}

fn brake(facts: &Facts<'_>) -> Brake {
    facts.pool().map(|pool| pool.brake).unwrap_or_default()
}

fn not_earlier(
    facts: &Facts<'_>,
    setting: &str,
    claim: &str,
    earliest: Option<Timestamp>,
    time: impl Fn(&Claims) -> Option<Timestamp>,
) -> Finding {
    let Some(earliest) = earliest else {
        return Finding::new(format!("{setting} of the user pool is not set"));
    };
    let at = instant(earliest);
    let text = match facts.ask(time).flatten() {
        None => format!("{claim} is missing; expected {at} or later ({setting})"),
        Some(time) if time < earliest => format!(
            "{claim} is {}, {} too early: the user pool voids tokens from before {at} ({setting})",
            instant(time),
            span(apart(time, earliest))
        ),
        Some(time) => format!("{claim} is {}, not before {at}", instant(time)),
    };
    Finding::new(text)
        .found(facts.claim(claim))
        .wanted(earliest.seconds())
}

/// No entry of the deny list names the token.
pub(super) fn deny_list(facts: &Facts<'_>) -> Finding {
    let (Some(list), Some(configured)) =
        (facts.simulation.gate.revocations(), &facts.policy.deny_list)
    else {
        return Finding::new("there is no deny_list in the configuration");
    };
    if matches!(&facts.simulation.ending, Ending::Unsettled(lacks, _) if lacks.deny_list) {
        let endpoint = &configured.source.endpoint;
        return Finding::new(format!(
            "no list at hand; Envoy fetches it from {} through the cluster {}",
            cut(&endpoint.uri),
            cut(&endpoint.cluster)
        ));
    }
    let Some(list) = list.list() else {
        return Finding::new("there is no list that Envoy would use");
    };
    let pool = facts.issuer().map_or("", |issuer| issuer.id());
    let asked = facts.ask(|claims| {
        let all = list.look_up(pool, claims);
        let names: Vec<_> = all.map(|one| (name(&one), entry(&one))).collect();
        names
    });
    let (mut names, entries): (Vec<_>, Vec<_>) = asked.into_iter().flatten().unzip();
    names.dedup();
    let entries: Vec<_> = entries.into_iter().flatten().collect();
    let written = instant(list.written_at());
    let of = match list.len() {
        1 => format!("the list of {written} with one entry"),
        many => format!("the list of {written} with {many} entries"),
    };
    let last = facts.simulation.record.at(Step::DenyList).last();
    let text = match last {
        Some(Err(Reason::RevocationUnknown)) => format!(
            "{of} is {} old: too old to say (deny_list.max_age, deny_list.when_stale)",
            span(apart(facts.now, list.written_at()))
        ),
        _ if entries.is_empty() => format!("{of} has none of {}", names.join(", ")),
        _ => format!("{of} has {}", entries.join("; ")),
    };
    Finding::new(text).found(entries).wanted(names)
}

/// What a token is looked up by.
fn name(one: &LookedUp<'_>) -> String {
    let claim = match one.kind {
        Kind::SignedInBefore | Kind::IssuedBefore => "sub",
        Kind::Clients => "client",
        Kind::OriginJti => "origin_jti",
        Kind::Jti => "jti",
    };
    format!("{claim} {}", quoted(one.value))
}

/// What there is of it, beside the token's own time.
fn entry(one: &LookedUp<'_>) -> Option<String> {
    let claim = match one.kind {
        _ if !one.is_listed() => return None,
        Kind::OriginJti | Kind::Jti => return Some(name(one)),
        Kind::SignedInBefore => "auth_time",
        Kind::IssuedBefore | Kind::Clients => "iat",
    };
    let before = one.before().map_or_else(|| "any time".to_owned(), instant);
    let time = match one.time {
        Some(time) => format!("is {}", instant(time)),
        None => "is missing".to_owned(),
    };
    let (kind, id) = (one.kind.name(), quoted(one.value));
    Some(format!("{kind} {before} for {id}, whose {claim} {time}"))
}

/// How old a confirmation may be, if the rule wants one.
fn within(facts: &Facts<'_>) -> Option<Duration> {
    match facts.requirement()?.confirmation {
        Confirmation::Waived => None,
        Confirmation::Within(within) => Some(within),
    }
}

/// The user pool stands by the token.
pub(super) fn confirmed(facts: &Facts<'_>) -> Finding {
    let Some(within) = within(facts) else {
        return Finding::new("the rule does not ask the user pool");
    };
    let wanted = json!({"confirmed_within": within.as_secs_f64()});
    let may_be_asked = facts
        .ask(|claims| claims.scopes().any(|scope| scope == ASKING_SCOPE))
        .unwrap_or_default();
    if !may_be_asked {
        let text = format!(
            "the token has no scope {}: the user pool cannot be asked about it",
            quoted(ASKING_SCOPE)
        );
        return Finding::new(text)
            .found(facts.claim("scope"))
            .wanted(wanted);
    }
    let confirm = facts.pool().and_then(|pool| pool.confirm.as_ref());
    let text = confirm.map_or_else(String::new, |confirm| {
        let Endpoint { uri, cluster, .. } = &confirm.endpoint;
        format!(
            "Envoy asks {} through the cluster {}, unless that was less than {} ago; from here a token is sent nowhere",
            cut(uri),
            cut(cluster),
            span(within)
        )
    });
    Finding::new(text).wanted(wanted)
}
