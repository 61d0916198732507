//! The step in which a rule's alternatives are asked.

use super::conditions;
use super::facts::Facts;
use super::step::Finding;
use cognito_authorizer::policy::Issuer;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::rules::requirement::{Alternative, Circumstances};
use cognito_authorizer::step::Step;
use cognito_authorizer::verify;
use serde_json::{Value, json};

/// One of them holds, or why each does not.
pub(super) fn alternatives(facts: &Facts<'_>) -> Finding {
    let any_of = facts.requirement().map(|requirement| &*requirement.any_of);
    let any_of = any_of.unwrap_or_default();
    if any_of.is_empty() {
        return Finding::new("the rule has no alternatives");
    }
    let Some(issuer) = facts.issuer() else {
        return Finding::new("the token is no configured issuer's");
    };
    let each = any_of.iter().map(|one| ended(facts, one, issuer));
    let each: Vec<Ended> = each.collect();
    let said = each.iter().enumerate().map(|(at, ended)| match ended {
        Ended::Holds => format!("any_of[{at}] holds"),
        Ended::NotForIt => format!("any_of[{at}] is for other tokens"),
        Ended::Fails(code, text) => format!("any_of[{at}]: {code}, {text}"),
    });
    let said: Vec<_> = said.collect();
    let found = each.iter().map(|ended| match ended {
        Ended::Holds => json!("holds"),
        Ended::NotForIt => Value::Null,
        Ended::Fails(code, _) => json!(code),
    });
    let holds = each.iter().position(|ended| matches!(ended, Ended::Holds));
    let text = match holds.filter(|_| facts.passed(Step::Alternatives)) {
        Some(at) => format!("any_of[{at}] holds"),
        None => said.join("; "),
    };
    Finding::new(text).found(found.collect::<Vec<_>>())
}

enum Ended {
    Holds,
    NotForIt,
    Fails(&'static str, String),
}

fn ended(facts: &Facts<'_>, one: &Alternative, issuer: Issuer<'_>) -> Ended {
    let Ok((_, variables)) = &facts.choice else {
        return Ended::NotForIt;
    };
    let circumstances = Circumstances {
        variables,
        now: facts.now,
        clock_skew: facts.policy.token.clock_skew,
    };
    let asked = facts.ask(|claims| {
        let is_for_it = verify::is_for(&one.callers, claims, issuer);
        is_for_it.then(|| verify::alternative(one, claims, issuer, &circumstances))
    });
    match asked.flatten() {
        None => Ended::NotForIt,
        Some(Ok(())) => Ended::Holds,
        Some(Err(refusal)) => {
            let code = refusal.reason().code();
            Ended::Fails(code, why(facts, one, &refusal))
        }
    }
}

/// What was found and what was expected where an alternative fails.
fn why(facts: &Facts<'_>, one: &Alternative, refusal: &Refusal) -> String {
    let finding = match refusal {
        Refusal::InsufficientScope(_) if one.conditions.scopes.is_given() => {
            conditions::scopes_of(facts, &one.conditions, false)
        }
        Refusal::InsufficientScope(_) => {
            Finding::new("the user pool cannot be asked about a token without its scope")
        }
        Refusal::StaleAuthentication(age) => conditions::auth_age_of(facts, *age, false),
        Refusal::Plain(Reason::InsufficientGroup) => {
            conditions::groups_of(facts, &one.conditions, false)
        }
        Refusal::Plain(Reason::ClaimMismatch) => {
            let variables = facts.choice.as_ref().map(|(_, variables)| variables).ok();
            let failed = one.conditions.claims.iter().find(|condition| {
                let holds = |variables| facts.ask(|claims| condition.holds(claims, variables));
                variables.and_then(holds) != Some(true)
            });
            match failed {
                Some(condition) => conditions::claim(facts, condition, false),
                None => Finding::new("a claim is another"),
            }
        }
        Refusal::Plain(_)
        | Refusal::KeysUnavailable(_)
        | Refusal::RevocationUnknown(_)
        | Refusal::Authorizer(..) => Finding::new("the caller is another than those that it names"),
    };
    finding.into_text()
}
