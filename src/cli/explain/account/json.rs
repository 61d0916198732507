//! The account as JSON, for scripts. Members are added, never renamed or taken away.

use super::delivery::{Change, Verdict};
use super::safe::safe_json;
use super::{Account, RuleChosen, State, StepTaken, instant};
use cognito_authorizer::decision::Despite;
use cognito_authorizer::reply::Reply;
use serde_json::{Map, Value, json};

/// The account as one JSON object, indented, with a line break at its end.
pub(crate) fn json(account: &Account) -> String {
    let [method, authority, path] = &account.request;
    let mut object = json!({
        "now": {"seconds": account.now.seconds(), "text": instant(account.now)},
        "request": {"method": method, "authority": authority, "path": path},
        "rule": account.rule.as_ref().map(rule),
        "steps": account.steps.iter().map(step).collect::<Vec<_>>(),
        "notes": account.notes,
        "event": account.event,
    });
    let end = match &account.verdict {
        Verdict::Forwarded {
            caller,
            despite,
            upstream,
        } => json!({
            "verdict": "forwarded",
            "reason": despite.map(|despite| despite.reason().code()),
            "metric": match despite {
                None => (*caller).to_owned(),
                Some(Despite::Ignored(reason)) => format!("ignored.{}", reason.code()),
                Some(Despite::Reported(reason)) => format!("reported.{}", reason.code()),
            },
            "reply": null,
            "upstream": {
                "headers": lines(upstream.headers.iter()),
                "changes": upstream.changes.iter().map(change).collect::<Vec<_>>(),
            },
        }),
        Verdict::Unknown { .. } => json!({
            "verdict": "unknown",
            "reason": null,
            "metric": null,
            "reply": null,
            "upstream": null,
        }),
        Verdict::Refused { reason, reply, .. } => json!({
            "verdict": "refused",
            "reason": reason.code(),
            "metric": format!("denied.{}", reason.code()),
            "reply": replied(reply),
            "upstream": null,
        }),
        Verdict::Answered(reply) => json!({
            "verdict": "answered",
            "reason": null,
            "metric": "anonymous",
            "reply": replied(reply),
            "upstream": null,
        }),
    };
    if let (Value::Object(object), Value::Object(end)) = (&mut object, end) {
        object.extend(end);
        if let Verdict::Forwarded {
            despite: Some(Despite::Reported(_)),
            ..
        } = account.verdict
        {
            object.insert("enforced".to_owned(), false.into());
        }
    }
    let mut text = safe_json(&format!("{object:#}"));
    text.push('\n');
    text
}

fn replied(reply: &Reply) -> Value {
    json!({
        "status": reply.status,
        "headers": lines(reply.headers.iter()),
        "body": reply.body,
    })
}

fn rule(rule: &RuleChosen) -> Value {
    let variables = rule.variables.iter();
    let variables: Map<_, _> = variables
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    json!({
        "name": rule.name,
        "index": rule.index,
        "match": rule.matches,
        "variables": variables,
    })
}

fn step(step: &StepTaken) -> Value {
    let reason = match step.state {
        State::Failed(reason) => Some(reason.code()),
        State::Passed | State::NotAsked | State::NotChecked | State::NotReached => None,
    };
    json!({
        "step": step.step.name(),
        "state": step.state.name(),
        "reason": reason,
        "text": step.text,
        "found": step.found,
        "wanted": step.wanted,
    })
}

fn change(change: &Change) -> Value {
    json!({
        "header": change.name,
        "value": change.value,
        "sent": change.sent,
        "cause": change.cause.name(),
    })
}

fn lines<'a, T: AsRef<str> + 'a>(lines: impl Iterator<Item = &'a (T, T)>) -> Vec<Value> {
    let lines = lines.map(|(name, value)| json!({"name": name.as_ref(), "value": value.as_ref()}));
    lines.collect()
}
