//! The steps that only an AWS principal's token has.

use super::facts::Facts;
use super::moment::{apart, instant, span};
use super::safe::{cut, one_of};
use super::step::Finding;
use cognito_authorizer::claims::STS;
use cognito_authorizer::policy::Account;
use cognito_authorizer::rules::requirement::{AnyOf, Callers};
use cognito_authorizer::step::Step;
use serde_json::{Value, json};

/// A finding about the token's AWS account; of a user's token there is nothing to find.
fn of_account(facts: &Facts<'_>, find: impl FnOnce(&Account) -> Finding) -> Finding {
    match facts.account() {
        Some(account) => find(account),
        None => Finding::new("the token is no AWS principal's"),
    }
}

/// What STS says under this name; null if nothing.
fn sts(facts: &Facts<'_>, name: &str) -> Value {
    facts.claim(STS).get(name).cloned().unwrap_or_default()
}

fn shown(name: &str, found: &Value) -> String {
    match found {
        Value::Null => format!("{name} is missing"),
        found => format!("{name} is {}", cut(&found.to_string())),
    }
}

/// What every token of STS has: `iat`, a life of at most an hour, and an ARN in `sub`.
pub(super) fn caller(facts: &Facts<'_>) -> Finding {
    of_account(facts, |_| {
        let sub = facts.claim("sub");
        let said = shown("sub", &sub);
        let times = facts.ask(|claims| claims.issued_at().zip(claims.expires()));
        let life = match times.flatten() {
            None => "a token of STS has iat and exp".to_owned(),
            Some((issued, expires)) => format!("made for {}", span(apart(expires, issued))),
        };
        Finding::either(
            facts.passed(Step::Caller),
            format!("{said}; {life}"),
            format!(
                "{said}; {life}; expected the ARN of a role or user, iat, and a life of at most 1 h"
            ),
        )
        .found(json!({"sub": sub, "iat": facts.claim("iat"), "exp": facts.claim("exp")}))
    })
}

/// `now <= iat + max_token_age + skew`.
pub(super) fn token_age(facts: &Facts<'_>) -> Finding {
    of_account(facts, |account| {
        let Some(issued) = facts.ask(|claims| claims.issued_at()).flatten() else {
            return Finding::new("iat is missing");
        };
        let allowed = span(account.max_token_age);
        let age = format!(
            "made {} ago, at {}",
            span(apart(issued, facts.now)),
            instant(issued)
        );
        Finding::either(
            facts.passed(Step::TokenAge),
            format!("{age}; max_token_age is {allowed}"),
            format!("{age}; expected at most {allowed} (max_token_age)"),
        )
        .found(facts.claim("iat"))
        .wanted(json!({"max_token_age": account.max_token_age.as_secs_f64()}))
    })
}

/// The rule names AWS principals.
pub(super) fn named(facts: &Facts<'_>) -> Finding {
    of_account(facts, |_| {
        Finding::either(
            facts.passed(Step::Named),
            "the rule names AWS principals",
            "the rule names no AWS principals (require.principals), and admits none",
        )
    })
}

/// One of the token's audiences is wanted.
pub(super) fn audience(facts: &Facts<'_>) -> Finding {
    of_account(facts, |account| {
        let found = facts.claim("aud");
        let said = shown("aud", &found);
        Finding::either(
            facts.passed(Step::AccountAudience),
            said.clone(),
            format!("{said}; expected {}", one_of(&account.audiences)),
        )
        .found(found)
        .wanted(account.audiences.clone())
    })
}

/// Every part of the token names the one account.
pub(super) fn account(facts: &Facts<'_>) -> Finding {
    of_account(facts, |account| {
        let (sub, number) = (facts.claim("sub"), sts(facts, "aws_account"));
        let id = sts(facts, "principal_id");
        let said = format!("{}, {}", shown("sub", &sub), shown("aws_account", &number));
        let wanted = format!("arn:{}:iam::{}:", account.partition, account.number);
        let id_too = match &id {
            Value::Null => "",
            id if *id == sub => "",
            _ => ", and principal_id is another than sub",
        };
        Finding::either(
            facts.passed(Step::Account),
            said.clone(),
            format!("{said}{id_too}; expected {wanted} and the same account"),
        )
        .found(json!({"sub": sub, "aws_account": number, "principal_id": id}))
        .wanted(json!({"account": account.number, "partition": account.partition}))
    })
}

/// The account is in the wanted organization.
pub(super) fn organization(facts: &Facts<'_>) -> Finding {
    of_account(facts, |account| {
        let AnyOf::Only(wanted) = &account.organization else {
            return Finding::new("organization is not set");
        };
        let found = sts(facts, "org_id");
        let said = shown("org_id", &found);
        Finding::either(
            facts.passed(Step::Organization),
            said.clone(),
            format!("{said}; expected {} (organization)", one_of(wanted)),
        )
        .found(found)
        .wanted(wanted.clone())
    })
}

/// The principal is one of the rule's.
pub(super) fn principal(facts: &Facts<'_>) -> Finding {
    of_account(facts, |_| {
        let found = facts.claim("sub");
        let said = shown("sub", &found);
        let callers = facts.requirement().map(|requirement| &requirement.callers);
        let Some(Callers::Principals(AnyOf::Only(wanted))) = callers else {
            return Finding::new(format!("{said}; any principal of the account is admitted"))
                .found(found);
        };
        let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        Finding::either(
            facts.passed(Step::Principal),
            format!("{said}; wanted is {}", one_of(&wanted)),
            format!("{said}; expected {}", one_of(&wanted)),
        )
        .found(found)
        .wanted(wanted)
    })
}
