//! The steps of a rule that asks an authorizer.

use super::facts::Facts;
use super::safe::{cut, quoted};
use super::simulation::{Ending, Simulation};
use super::step::Finding;
use super::{Question, Secrets, span};
use cognito_authorizer::authorizer::answer::{
    Answer, AnswerType, FUNCTION_ERROR_HEADER, NoAnswer, Reply, Terms,
};
use cognito_authorizer::authorizer::identity::{ContextVariable, IdentitySource};
use cognito_authorizer::authorizer::method_arn::MethodArn;
use cognito_authorizer::authorizer::policy_document::Denied;
use cognito_authorizer::authorizer::source::source_ip;
use cognito_authorizer::policy::{Authorizer, IdentityPattern};
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::remote::call;
use cognito_authorizer::rules::Access;
use cognito_authorizer::step::Step;
use serde_json::{Value, json};

/// The authorizer can be told of the request.
pub(super) fn event(facts: &Facts<'_>) -> Finding {
    let Some(authorizer) = asked(facts) else {
        return nobody();
    };
    let arn = arn(facts, authorizer);
    let last = facts.simulation.record.at(Step::Event).last();
    Finding::new(match (&arn, last) {
        (Some(arn), _) => format!(
            "to {} it is {}",
            quoted(&authorizer.name),
            cut(arn.as_str())
        ),
        (None, Some(Err(Reason::UnsafeMethod))) => {
            "the method has no ARN: it is none of HTTP's own".to_owned()
        }
        (None, _) => "the path has no ARN: it can be read in two ways, or is too long".to_owned(),
    })
    .found(arn.map_or(Value::Null, |arn| json!(arn.as_str())))
}

/// What the authorizer tells its callers apart by is there.
pub(super) fn identity(facts: &Facts<'_>) -> Finding {
    let Some(authorizer) = asked(facts) else {
        return nobody();
    };
    let sources = authorizer
        .settings
        .identity
        .iter()
        .map(|source| match source {
            IdentitySource::Header(header) => format!("header {}", header.spelled),
            IdentitySource::Query(name) => format!("query parameter {name}"),
            IdentitySource::Context(variable) => match variable {
                ContextVariable::Path => "the path",
                ContextVariable::Method => "the method",
                ContextVariable::Route => "the route",
                ContextVariable::SourceIp => "the client's address",
            }
            .to_owned(),
        });
    let sources: Vec<_> = sources.collect();
    let all = sources.join(", ");
    let text = match facts.simulation.record.at(Step::Identity).last() {
        Some(Ok(())) if sources.is_empty() => {
            "callers are not told apart: every request is asked about".to_owned()
        }
        Some(Ok(())) => format!("there is {}", cut(&all)),
        _ => {
            let form = match authorizer.pattern {
                IdentityPattern::Any => "",
                IdentityPattern::Matching(_) => ", and as `pattern` has it",
            };
            format!(
                "expected {}, each once and not empty{form}: nobody is asked",
                cut(&all)
            )
        }
    };
    Finding::new(text).wanted(sources)
}

/// The authorizer's answer lets the request pass.
pub(super) fn answer(facts: &Facts<'_>) -> Finding {
    let Some(authorizer) = asked(facts) else {
        return nobody();
    };
    if lacks_answer(facts.simulation) {
        return Finding::new(format!(
            "Envoy asks {} through the cluster {}; from here nobody is asked",
            cut(&authorizer.endpoint.uri),
            cut(&authorizer.endpoint.cluster)
        ));
    }
    let Some(says) = facts.simulation.says() else {
        return Finding::new("the authorizer's answer, judged for this request");
    };
    let name = quoted(&authorizer.name);
    let read = read(authorizer, says);
    let text = match (&read, arn(facts, authorizer)) {
        (Err(NoAnswer::Unauthorized), _) => {
            format!("{name} failed with the message Unauthorized, which is its word on the caller")
        }
        (Err(NoAnswer::Failed(fault)), _) => format!("{name}: {fault}"),
        (Err(NoAnswer::Unavailable(0)), _) => format!("{name} did not answer"),
        (Err(NoAnswer::Unavailable(status)), _) => {
            format!("the call of {name} was answered with status {status}")
        }
        (Ok(_), None) => format!("{name} cannot be told of the request"),
        (Ok(answer), Some(arn)) => {
            let peer = source_ip(&facts.request.source_address());
            match (answer.judge(&arn, peer), authorizer.answer) {
                // Only what goes into headers is left.
                (Ok(()), _) if failed(facts) => {
                    format!("{name}: a context value for a header cannot stand in one")
                }
                (Ok(()), AnswerType::Policy) => {
                    format!("a statement of {name} allows {}", cut(arn.as_str()))
                }
                (Ok(()), AnswerType::Simple) => format!("{name} says isAuthorized: true"),
                (Err(_), AnswerType::Simple) => format!("{name} says isAuthorized: false"),
                (Err(Denied::Explicitly), _) => {
                    format!("a statement of {name} denies {}", cut(arn.as_str()))
                }
                (Err(Denied::Implicitly), _) => {
                    format!("no statement of {name} allows {}", cut(arn.as_str()))
                }
                (Err(Denied::TooCostly), _) => {
                    format!("the policy of {name} costs too much to judge")
                }
            }
        }
    };
    Finding::new(text)
}

/// What the one who asks should know about the authorizer.
pub(super) fn about(facts: &Facts<'_>, question: &Question) -> Vec<String> {
    let mut notes = Vec::new();
    let asked = asked(facts);
    for name in question.answers.keys() {
        if asked.is_none_or(|one| one.name != *name) {
            notes.push(format!(
                "--answer {name} was not used: the rule does not ask it"
            ));
        }
    }
    let Some(authorizer) = asked else {
        return notes;
    };
    if lacks_answer(facts.simulation) {
        notes.push(format!(
            "{} was not asked; give what it answers with --answer {}=FILE",
            quoted(&authorizer.name),
            authorizer.name
        ));
    }
    if repeats_itself(facts, authorizer) {
        notes.push(format!(
            "the answer allows the one method that was asked for, and is remembered for {}: requests of this \
             identity for anything else are refused as long (envoy/LAMBDA.md, the trap)",
            span(authorizer.memory.ttl)
        ));
    }
    notes
}

/// The event with which the authorizer would be asked, without what is secret in it.
pub(super) fn told(simulation: &Simulation, secrets: &Secrets) -> Option<Value> {
    let mut event = serde_json::from_slice(simulation.event.as_deref()?).ok()?;
    redact(&mut event, secrets);
    Some(event)
}

fn redact(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => *text = secrets.redact(text),
        Value::Array(elements) => elements.iter_mut().for_each(|one| redact(one, secrets)),
        Value::Object(members) => members.values_mut().for_each(|one| redact(one, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether an answer that is remembered allows nothing but what was asked for.
fn repeats_itself(facts: &Facts<'_>, authorizer: &Authorizer) -> bool {
    let (Some(says), Some(arn)) = (facts.simulation.says(), arn(facts, authorizer)) else {
        return false;
    };
    let call::Answer::Response {
        body: Some(body), ..
    } = says
    else {
        return false;
    };
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let listed = |value: Option<&Value>| match value {
        Some(Value::Array(all)) => all.clone(),
        one => one.cloned().into_iter().collect(),
    };
    let statements = listed(answer.pointer("/policyDocument/Statement")).into_iter();
    let allowed = statements.filter(|one| one.get("Effect") == Some(&json!("Allow")));
    let resources = allowed.flat_map(|one| listed(one.get("Resource")));
    let resources: Vec<_> = resources.collect();
    let by_path =
        |source: &IdentitySource| matches!(source, IdentitySource::Context(ContextVariable::Path));
    facts.passed(Step::Authorizer)
        && authorizer.answer == AnswerType::Policy
        && !authorizer.memory.ttl.is_zero()
        && !authorizer.settings.identity.iter().any(by_path)
        && !resources.is_empty()
        && resources.iter().all(|one| *one == arn.as_str())
}

/// The authorizer that the rule asks.
fn asked<'f>(facts: &'f Facts<'_>) -> Option<&'f Authorizer> {
    match facts.access()? {
        Access::Authorizer(index) => facts.policy.authorizers.get(index.0),
        _ => None,
    }
}

fn nobody() -> Finding {
    Finding::new("the rule asks no authorizer")
}

fn lacks_answer(simulation: &Simulation) -> bool {
    matches!(&simulation.ending, Ending::Unsettled(lacks, _) if lacks.answer)
}

fn failed(facts: &Facts<'_>) -> bool {
    let last = facts.simulation.record.at(Step::Authorizer).last();
    last == Some(Err(Reason::AuthorizerFailed))
}

fn arn(facts: &Facts<'_>, authorizer: &Authorizer) -> Option<MethodArn> {
    let method = facts.request.first(":method").unwrap_or_default();
    let path = facts.request.first(":path").unwrap_or_default();
    MethodArn::new(&authorizer.settings.api, method, path).ok()
}

fn read(authorizer: &Authorizer, says: &call::Answer) -> Result<Answer, NoAnswer> {
    let call::Answer::Response { status, body, .. } = says else {
        return Err(NoAnswer::Unavailable(0));
    };
    let reply = Reply {
        status: *status,
        function_error: says.header(FUNCTION_ERROR_HEADER),
        body: body.as_deref().unwrap_or_default(),
    };
    let terms = Terms {
        format: authorizer.settings.format,
        answer: authorizer.answer,
        sent: &[],
    };
    Answer::read(&reply, &terms)
}
