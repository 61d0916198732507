//! The steps about what a token is for: issuer, times, token use and app client before its
//! signature, and audience after it.

use super::facts::Facts;
use super::moment::{apart, instant, span};
use super::safe::{cut, one_of};
use super::step::Finding;
use cognito_authorizer::claims::TokenUse;
use cognito_authorizer::policy::{AudiencePolicy, Issuer, Pool};
use cognito_authorizer::pool::UserPool;
use cognito_authorizer::rules::requirement::{AnyOf, Callers, Narrowing, WantedUse};
use cognito_authorizer::signature::Algorithm;
use cognito_authorizer::step::Step;
use cognito_authorizer::verify::MAX_AUDIENCE_BYTES;
use serde_json::{Value, json};
use std::time::Duration;

/// `iss` is one of the configured issuers, and one that the rule admits.
pub(super) fn issuer(facts: &Facts<'_>) -> Finding {
    let callers = facts.requirement().map(|requirement| &requirement.callers);
    let admitted = |issuer: &Issuer<'_>| match (issuer, callers) {
        (Issuer::Pool(pool), Some(Callers::Users(users))) => users.pools.admits(&pool.id),
        (Issuer::Account(_), Some(Callers::Principals(_))) => true,
        (Issuer::Pool(_) | Issuer::Account(_), _) => false,
    };
    let issuers = facts.policy.issuers.iter().map(|(_, issuer)| issuer);
    let wanted: Vec<_> = issuers
        .filter(admitted)
        .flat_map(|issuer| [Some(issuer.iss()), issuer.second_iss()])
        .flatten()
        .map(str::to_owned)
        .collect();
    let found = facts.claim("iss");
    let shown = match &found {
        Value::Null => "iss is missing".to_owned(),
        found => cut(&found.to_string()),
    };
    let algorithm = facts.parsed().map(|token| token.unverified_algorithm());
    let place = facts.place().unwrap_or_default();
    let finding = match facts.issuer() {
        Some(issuer) if facts.passed(Step::Issuer) => {
            Finding::new(format!("{shown} is {place}, {}", issuer.id()))
        }
        Some(Issuer::Pool(pool)) if algorithm == Some(Algorithm::Es384) => Finding::new(format!(
            "{shown} is the user pool {}, which does not sign with ES384",
            pool.id.as_str()
        )),
        Some(Issuer::Pool(pool)) if matches!(callers, Some(Callers::Principals(_))) => {
            Finding::new(format!(
                "{shown} is the user pool {}, but the rule is for AWS principals (require.principals)",
                pool.id.as_str()
            ))
        }
        Some(issuer) => Finding::new(format!(
            "{shown} is the user pool {}, which the rule does not admit (require.pools)",
            issuer.id()
        )),
        None => {
            let hint = found.as_str().and_then(|issuer| other_form(facts, issuer));
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            Finding::new(format!("{shown}; expected {}{hint}", one_of(&wanted)))
        }
    };
    finding.found(found).wanted(wanted)
}

/// The same pool under its other name: the mistake that is nearly right.
fn other_form(facts: &Facts<'_>, issuer: &str) -> Option<String> {
    let slash = "a slash at its end is one too many";
    let without = issuer.strip_suffix('/');
    if facts
        .policy
        .issuers
        .accounts()
        .iter()
        .any(|it| Some(&*it.issuer) == without)
    {
        return Some(slash.to_owned());
    }
    let pools = facts.policy.issuers.pools().iter().enumerate();
    pools.into_iter().find_map(|(position, pool)| {
        let setting = |word| {
            format!(
                "it is the {word} issuer of user_pools[{position}], which is configured with another (issuer)"
            )
        };
        let user_pool = UserPool::in_region(pool.id.clone(), &pool.region);
        if issuer == user_pool.original_issuer() {
            Some(setting("original"))
        } else if issuer == user_pool.updated_issuer() {
            Some(setting("updated"))
        } else if without == Some(pool.issuer.as_str()) {
            Some(slash.to_owned())
        } else {
            None
        }
    })
}

fn skew(facts: &Facts<'_>) -> Duration {
    facts.policy.token.clock_skew
}

/// `now < exp + skew`.
pub(super) fn expiry(facts: &Facts<'_>) -> Finding {
    let now = facts.now;
    let Some(expires) = facts.ask(|claims| claims.expires()).flatten() else {
        return Finding::new("exp is missing; expected a time: a token of Cognito expires");
    };
    let (length, at) = (span(apart(expires, now)), instant(expires));
    let allowed = span(skew(facts));
    let finding = if now < expires {
        Finding::new(format!("valid for {length}, until {at}"))
    } else if facts.passed(Step::Expiry) {
        Finding::new(format!(
            "expired {length} ago, at {at}, which the clock skew of {allowed} allows"
        ))
    } else {
        Finding::new(format!(
            "expired {length} ago, at {at}; the clock skew allows {allowed}"
        ))
    };
    finding
        .found(facts.claim("exp"))
        .wanted(json!({"after": now.seconds(), "clock_skew": skew(facts).as_secs_f64()}))
}

/// `nbf <= now + skew` and `iat <= now + skew`.
pub(super) fn start(facts: &Facts<'_>) -> Finding {
    let now = facts.now;
    let times = facts.ask(|claims| [("nbf", claims.not_before()), ("iat", claims.issued_at())]);
    let times = times.unwrap_or_default();
    let late = now.plus(skew(facts));
    let mut said = Vec::new();
    for (name, time) in times {
        let Some(time) = time else { continue };
        let (length, at) = (span(apart(time, now)), instant(time));
        let ahead = format!("{name} is {length} ahead, at {at}");
        said.push(if time > late {
            format!("{ahead}; the clock skew allows {}", span(skew(facts)))
        } else if time > now {
            format!(
                "{ahead}, which the clock skew of {} allows",
                span(skew(facts))
            )
        } else {
            match name {
                "iat" => format!("issued {length} ago"),
                _ => format!("{name} was {length} ago"),
            }
        });
    }
    if said.is_empty() {
        return Finding::new("the token names no time before which it is not valid");
    }
    Finding::new(said.join("; "))
        .found(json!({"nbf": facts.claim("nbf"), "iat": facts.claim("iat")}))
        .wanted(json!({"not_after": now.seconds(), "clock_skew": skew(facts).as_secs_f64()}))
}

/// `token_use` is one of the two, and the wanted one.
pub(super) fn token_use(facts: &Facts<'_>) -> Finding {
    if facts.account().is_some() {
        return Finding::new("of an AWS principal's token there is one use");
    }
    let found = facts.claim("token_use");
    let everywhere = facts.policy.token.token_use;
    let here = facts
        .requirement()
        .and_then(|requirement| requirement.callers.users())
        .map_or(WantedUse::Any, |users| users.token_use);
    let wanted: Vec<_> = [TokenUse::Id, TokenUse::Access]
        .into_iter()
        .filter(|one| everywhere.admits(*one) && here.admits(*one))
        .map(name)
        .collect();
    let who = match (everywhere, here) {
        (_, WantedUse::Only(_)) => "the rule",
        _ => "token.use",
    };
    let expected = format!("{who} wants {}", wanted.join(" or "));
    let shown = match &found {
        Value::Null => "missing".to_owned(),
        found => cut(&found.to_string()),
    };
    Finding::either(
        facts.passed(Step::TokenUse),
        format!("{shown}; {expected}"),
        format!("{shown}, but {expected}"),
    )
    .found(found)
    .wanted(wanted)
}

const fn name(token_use: TokenUse) -> &'static str {
    match token_use {
        TokenUse::Id => "id",
        TokenUse::Access => "access",
    }
}

/// The app client is one of the pool's and one of the rule's.
pub(super) fn client(facts: &Facts<'_>) -> Finding {
    let users = facts.requirement().and_then(|it| it.callers.users());
    let (Some(pool), Some(users)) = (facts.pool(), users) else {
        return Finding::new("an AWS principal has none");
    };
    let token_use = facts.ask(|claims| claims.token_use()).flatten();
    let member = match token_use {
        Some(TokenUse::Access) => "client_id",
        Some(TokenUse::Id) | None => "aud",
    };
    let found = facts.claim(member);
    let wanted = wanted_clients(pool, users);
    let shown = match &found {
        Value::Null => format!("{member} is missing"),
        found => format!("{member} is {}", cut(&found.to_string())),
    };
    let Some(wanted) = wanted else {
        return Finding::new(format!("{shown}; tokens of any app client are admitted"))
            .found(found);
    };
    Finding::either(
        facts.passed(Step::Client),
        shown.clone(),
        format!("{shown}; expected {}", one_of(&wanted)),
    )
    .found(found)
    .wanted(wanted)
}

/// The clients that both the pool and the rule admit; `None` if all are.
fn wanted_clients(pool: &Pool, users: &Narrowing) -> Option<Vec<String>> {
    let narrowed = &users.clients;
    match (&pool.clients, narrowed) {
        (AnyOf::Unrestricted, AnyOf::Unrestricted) => None,
        (AnyOf::Only(all), _) => {
            let admitted = all.iter().filter(|one| narrowed.admits(one.as_str()));
            Some(admitted.cloned().collect())
        }
        (AnyOf::Unrestricted, AnyOf::Only(all)) => Some(all.clone()),
    }
}

/// `aud` matches `token.aud_pattern`.
pub(super) fn audience(facts: &Facts<'_>) -> Finding {
    if facts.account().is_some() {
        return Finding::new("token.aud_pattern is for users' tokens");
    }
    if matches!(facts.policy.token.audience, AudiencePolicy::Any) {
        return Finding::new("token.aud_pattern is not set");
    }
    let found = facts.claim("aud");
    // As it is written: the core puts anchors around it.
    let written = facts
        .document
        .get("token")
        .and_then(|token| token.get("aud_pattern"));
    let written = written.cloned().unwrap_or_default();
    let expected = cut(written.as_str().unwrap_or_default());
    let shown = match &found {
        Value::Null => "aud is missing".to_owned(),
        found => format!("aud is {}", cut(&found.to_string())),
    };
    let limit = match &found {
        Value::String(audience) if audience.len() > MAX_AUDIENCE_BYTES => {
            format!("; at most {MAX_AUDIENCE_BYTES} bytes are looked at")
        }
        _ => String::new(),
    };
    Finding::either(
        facts.passed(Step::Audience),
        format!("{shown}, which {expected} matches"),
        format!("{shown}; expected what {expected} matches whole (token.aud_pattern){limit}"),
    )
    .found(found)
    .wanted(written)
}
