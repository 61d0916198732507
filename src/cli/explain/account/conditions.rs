//! The steps in which a rule's conditions are asked of the verified claims.

use super::facts::Facts;
use super::moment::{apart, instant, span};
use super::safe::{cut, one_of, quoted};
use super::step::Finding;
use cognito_authorizer::claims::{ClaimPlace, TokenUse};
use cognito_authorizer::rules::requirement::{AnyOf, AuthAge, ClaimCondition, WantedValue};
use cognito_authorizer::step::Step;
use serde_json::{Value, json};

/// What is wanted is one value out of a list, beside what the token has.
fn one_wanted(facts: &Facts<'_>, step: Step, wanted: &[String], shown: &str) -> Finding {
    Finding::either(
        facts.passed(step),
        format!("{shown}; wanted is {}", one_of(wanted)),
        format!("{shown}; expected {}", one_of(wanted)),
    )
    .wanted(wanted.to_vec())
}

/// One of the wanted scopes is in `scope`.
pub(super) fn scopes(facts: &Facts<'_>) -> Finding {
    let wanted = facts
        .requirement()
        .map(|requirement| &requirement.conditions.scopes);
    let Some(AnyOf::Only(wanted)) = wanted else {
        return Finding::new("the rule asks for no scope");
    };
    let found = facts.claim("scope");
    let is_id = facts.ask(|claims| claims.token_use()).flatten() == Some(TokenUse::Id);
    let shown = match &found {
        Value::Null if is_id => "the token has no scope: id tokens have none".to_owned(),
        Value::Null => "the token has no scope".to_owned(),
        Value::String(scopes) => format!("scope is {}", quoted(scopes)),
        other => format!("scope is {}, which is no string", cut(&other.to_string())),
    };
    one_wanted(facts, Step::Scopes, wanted, &shown).found(found)
}

/// The user is in one of the wanted groups.
pub(super) fn groups(facts: &Facts<'_>) -> Finding {
    let wanted = facts
        .requirement()
        .map(|requirement| &requirement.conditions.groups);
    let Some(AnyOf::Only(wanted)) = wanted else {
        return Finding::new("the rule asks for no group");
    };
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
    one_wanted(facts, Step::Groups, wanted, &shown).found(found)
}

/// Every wanted claim has one of its values.
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

fn claim(facts: &Facts<'_>, condition: &ClaimCondition, holds: bool) -> Finding {
    let name = match &condition.place {
        ClaimPlace::Name(name) => name.clone(),
        ClaimPlace::Pointer { first, rest } => {
            format!("/{}{rest}", first.replace('~', "~0").replace('/', "~1"))
        }
    };
    let found = facts.ask(|claims| claims.get(&condition.place).map(Into::into));
    let found = found.flatten().unwrap_or_default();
    let values = condition.any_of.iter().map(|wanted| value(facts, wanted));
    let (values, said): (Vec<_>, Vec<_>) = values.unzip();
    let expected = match said.as_slice() {
        [one] => one.clone(),
        many => format!("one of {}", many.join(", ")),
    };
    let shown = match &found {
        Value::Null => format!("{name} is missing"),
        Value::Object(_) => format!("{name} is an object"),
        found => format!("{name} is {}", cut(&found.to_string())),
    };
    Finding::either(
        holds,
        format!("{shown}; wanted is {expected}"),
        format!("{shown}; expected {expected}"),
    )
    .found(json!({"claim": name, "value": found}))
    .wanted(json!({"claim": name, "any_of": values}))
}

/// A wanted value as it is for this request, and in words.
fn value(facts: &Facts<'_>, wanted: &WantedValue) -> (Value, String) {
    let name = match wanted {
        WantedValue::Literal(literal) => return (json!(literal), quoted(literal)),
        WantedValue::Variable(name) => name,
    };
    let variables = facts.choice.as_ref().map(|(_, variables)| variables);
    match variables.ok().and_then(|variables| variables.get(name)) {
        Some(value) => (
            json!(value),
            format!("{} ({{{name}}} of the path)", quoted(value)),
        ),
        None => {
            let said = format!("nothing ({{{name}}} of the path has \";parameters\")");
            (Value::Null, said)
        }
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
        facts.passed(Step::AuthAge),
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
