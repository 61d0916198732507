//! The steps that ask whether a token has been revoked.

use super::facts::Facts;
use super::moment::{apart, instant, span};
use super::step::Finding;
use cognito_authorizer::claims::Claims;
use cognito_authorizer::policy::Brake;
use cognito_authorizer::step::Step;
use cognito_authorizer::time::Timestamp;

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
    let Some(list) = facts.simulation.gate.revocations() else {
        return Finding::new("there is no deny_list in the configuration");
    };
    let reasons = facts.simulation.record.at(Step::DenyList).last();
    let entries = list.entries();
    Finding::new(match reasons {
        Some(Ok(())) => format!("none of the list's entries ({entries}) names the token"),
        Some(Err(reason)) if reason.code() == "token_revoked" => {
            format!("one of the list's entries ({entries}) names the token")
        }
        Some(Err(_)) => "the list is too old to say (deny_list.when_stale: refuse)".to_owned(),
        None => "there is no list to look the token up in".to_owned(),
    })
}
