//! The steps in which a rule's conditions are asked of the verified claims.

use super::facts::Facts;
use super::moment::{apart, instant, span};
use super::safe::{cut, quoted};
use super::step::Finding;
use cognito_authorizer::claims::{Claims, Found, ReadAs, TokenUse};
use cognito_authorizer::rules::requirement::{
    AuthAge, ClaimCondition, Conditions, Listed, Presence, WantedValue,
};
use cognito_authorizer::step::Step;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What is wanted of a list, beside what the token has.
fn listed(facts: &Facts<'_>, holds: bool, wanted: &Listed, shown: &str) -> Finding {
    let (values, said) = lists(facts, wanted);
    let values = match (values.get("any"), values.len()) {
        // The short form, as it is written.
        (Some(any), 1) => any.clone(),
        _ => Value::Object(values),
    };
    let said = said.join(" and ");
    Finding::either(
        holds,
        format!("{shown}; wanted is {said}"),
        format!("{shown}; expected {said}"),
    )
    .wanted(values)
}

/// The three lists of a condition, as they are for this request and in words.
fn lists(facts: &Facts<'_>, wanted: &Listed) -> (Map<String, Value>, Vec<String>) {
    let (mut all, mut said) = (Map::new(), Vec::new());
    for (name, values) in [
        ("any", &wanted.any),
        ("all", &wanted.all),
        ("none", &wanted.none),
    ] {
        if values.is_empty() {
            continue;
        }
        let (values, words): (Vec<_>, Vec<_>) =
            values.iter().map(|wanted| value(facts, wanted)).unzip();
        said.push(match (name, words.as_slice()) {
            ("any" | "all", [one]) => one.clone(),
            ("any", many) => format!("one of {}", many.join(", ")),
            ("all", many) => format!("all of {}", many.join(", ")),
            (_, many) => format!("none of {}", many.join(", ")),
        });
        all.insert(name.to_owned(), values.into());
    }
    (all, said)
}

/// The wanted scopes are in `scope`.
pub(super) fn scopes(facts: &Facts<'_>) -> Finding {
    let conditions = facts.requirement().map(|it| &it.conditions);
    match conditions.filter(|conditions| conditions.scopes.is_given()) {
        Some(conditions) => scopes_of(facts, conditions, facts.passed(Step::Scopes)),
        None => Finding::new("the rule asks for no scope"),
    }
}

pub(super) fn scopes_of(facts: &Facts<'_>, conditions: &Conditions, holds: bool) -> Finding {
    let found = facts.claim("scope");
    let is_id = facts.ask(|claims| claims.token_use()).flatten() == Some(TokenUse::Id);
    let shown = match &found {
        Value::Null if is_id => "the token has no scope: id tokens have none".to_owned(),
        Value::Null => "the token has no scope".to_owned(),
        Value::String(scopes) => format!("scope is {}", quoted(scopes)),
        other => format!("scope is {}, which is no string", cut(&other.to_string())),
    };
    listed(facts, holds, &conditions.scopes, &shown).found(found)
}

/// The user is in the wanted groups.
pub(super) fn groups(facts: &Facts<'_>) -> Finding {
    let conditions = facts.requirement().map(|it| &it.conditions);
    match conditions.filter(|conditions| conditions.groups.is_given()) {
        Some(conditions) => groups_of(facts, conditions, facts.passed(Step::Groups)),
        None => Finding::new("the rule asks for no group"),
    }
}

pub(super) fn groups_of(facts: &Facts<'_>, conditions: &Conditions, holds: bool) -> Finding {
    let found = facts.claim("cognito:groups");
    let shown = match &found {
        Value::Null => "the token has no cognito:groups: the user is in no group".to_owned(),
        Value::Array(all) if all.iter().all(Value::is_string) => {
            format!("cognito:groups is {}", cut(&found.to_string()))
        }
        other => format!(
            "cognito:groups is {}, which is no array of strings",
            cut(&other.to_string())
        ),
    };
    listed(facts, holds, &conditions.groups, &shown).found(found)
}

/// Every wanted claim is as it is wanted.
pub(super) fn claims(facts: &Facts<'_>) -> Vec<Finding> {
    let wanted = facts
        .requirement()
        .map(|requirement| &*requirement.conditions.claims);
    match wanted.unwrap_or_default() {
        [] => vec![Finding::new("the rule asks for no claim")],
        wanted => {
            let ended = facts.simulation.record.at(Step::Claim);
            let ended = ended
                .map(|ended| ended.is_ok())
                .chain(std::iter::repeat(false));
            let each = wanted.iter().zip(ended);
            each.map(|(condition, holds)| claim(facts, condition, holds))
                .collect()
        }
    }
}

/// One wanted claim.
pub(super) fn claim(facts: &Facts<'_>, condition: &ClaimCondition, holds: bool) -> Finding {
    let name = condition.place.to_string();
    let (found, shown) = facts
        .ask(|claims| looked(claims, condition))
        .unwrap_or_default();
    let (mut wanted, said) = matchers(facts, condition);
    let expected = said.join(" and ");
    let shown = format!("{name} {shown}");
    wanted.insert("claim".to_owned(), name.clone().into());
    Finding::either(
        holds,
        format!("{shown}; wanted is {expected}"),
        format!("{shown}; expected {expected}"),
    )
    .found(json!({"claim": name, "value": found}))
    .wanted(wanted)
}

/// What stands in a claim's place, and what can be said of it.
fn looked(claims: &Claims, condition: &ClaimCondition) -> (Value, String) {
    let one: Value = claims
        .get(&condition.place)
        .map(Into::into)
        .unwrap_or_default();
    let plain = |value: &Value| cut(&value.to_string());
    match claims.look(&condition.place, condition.read_as) {
        Found::Absent if one.is_null() => (one, "is missing".to_owned()),
        Found::Absent => {
            let said = format!("is {}, which is as if it were missing", plain(&one));
            (one, said)
        }
        Found::Object => (one, "is an object".to_owned()),
        Found::Scalar(_) => {
            let said = format!("is {}", plain(&one));
            (one, said)
        }
        Found::List(elements) => {
            let list = Value::Array(elements.into_owned());
            let said = match (condition.read_as, &one) {
                (
                    read_as @ (ReadAs::Json | ReadAs::Comma | ReadAs::Space | ReadAs::Brackets),
                    Value::String(text),
                ) => {
                    format!(
                        "is {}, read as {}: {}",
                        quoted(text),
                        form(read_as),
                        plain(&list)
                    )
                }
                _ => format!("is {}", plain(&list)),
            };
            (list, said)
        }
        Found::Misshapen if one.is_null() => (
            one,
            "leads into something that has no such parts".to_owned(),
        ),
        Found::Misshapen => {
            let said = format!(
                "is {}, which cannot be read as {}",
                plain(&one),
                form(condition.read_as)
            );
            (one, said)
        }
    }
}

const fn form(read_as: ReadAs) -> &'static str {
    match read_as {
        ReadAs::Text => "text",
        ReadAs::Json => "json",
        ReadAs::Comma => "comma",
        ReadAs::Space => "space",
        ReadAs::Brackets => "brackets",
    }
}

/// What is asked of a claim, as it is for this request and in words.
fn matchers(facts: &Facts<'_>, condition: &ClaimCondition) -> (Map<String, Value>, Vec<String>) {
    let (mut all, mut said) = lists(facts, &condition.listed);
    if let Some(any) = all.remove("any") {
        all.insert("any_of".to_owned(), any);
    }
    let regex = condition.regex.as_ref();
    for (name, words, wanted) in [
        ("prefix", "what begins with", condition.prefix.as_str()),
        ("suffix", "what ends in", condition.suffix.as_str()),
        ("regex", "what matches", regex.map_or("", |it| it.as_str())),
    ] {
        if !wanted.is_empty() {
            said.push(format!("{words} {}", quoted(wanted)));
            all.insert(name.to_owned(), wanted.into());
        }
    }
    match condition.presence {
        Presence::Any => {}
        Presence::Present => {
            said.push("some value".to_owned());
            all.insert("present".to_owned(), true.into());
        }
        Presence::Absent => {
            said.push("no value".to_owned());
            all.insert("present".to_owned(), false.into());
        }
    }
    (all, said)
}

/// A wanted value as it is for this request, and in words.
fn value(facts: &Facts<'_>, wanted: &WantedValue) -> (Value, String) {
    let variables = facts.choice.as_ref().map(|(_, variables)| variables).ok();
    let found = variables.and_then(|variables| wanted.text(variables));
    let (place, without) = match wanted {
        WantedValue::Literal(literal) => return (json!(literal), quoted(literal)),
        WantedValue::Variable(name) => (
            format!("{{{name}}} of the {}", facts.side_of(name)),
            "has \";parameters\"",
        ),
        WantedValue::Header(name) => (
            format!("{{header.{}}}", name.as_str()),
            "is not there once, as one value",
        ),
    };
    match found {
        Some(value) => (json!(value), format!("{} ({place})", quoted(value))),
        None => (Value::Null, format!("nothing ({place} {without})")),
    }
}

/// The user signed in recently enough.
pub(super) fn auth_age(facts: &Facts<'_>) -> Finding {
    let wanted = facts
        .requirement()
        .map(|requirement| requirement.conditions.max_auth_age);
    let Some(AuthAge::AtMost(age)) = wanted else {
        return Finding::new("the rule does not ask when the user signed in");
    };
    auth_age_of(facts, age, facts.passed(Step::AuthAge))
}

pub(super) fn auth_age_of(facts: &Facts<'_>, age: Duration, holds: bool) -> Finding {
    let (now, skew) = (facts.now, facts.policy.token.clock_skew);
    let shown = match facts.ask(|claims| claims.authenticated_at()).flatten() {
        None => "auth_time is missing".to_owned(),
        Some(at) if at > now => format!(
            "the sign-in is {} ahead, at {}",
            span(apart(at, now)),
            instant(at)
        ),
        Some(at) => format!(
            "the user signed in {} ago, at {}",
            span(apart(at, now)),
            instant(at)
        ),
    };
    Finding::either(
        holds,
        format!("{shown}; at most {} ago is wanted", span(age)),
        format!(
            "{shown}; expected at most {} ago; the clock skew allows {} more",
            span(age),
            span(skew)
        ),
    )
    .found(facts.claim("auth_time"))
    .wanted(json!({"max_auth_age": age.as_secs_f64(), "clock_skew": skew.as_secs_f64()}))
}
