//! Compares a verdict with what a vector expects: the verdict, the reply, and what the upstream sees.

use cognito_authorizer::decision::{Caller, Candidate, Despite, Forward, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::header::HeaderEdit;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::remote::space::MemorySpace;
use cognito_authorizer::reply::Occasion;
use cognito_authorizer::request::Rest;
use cognito_authorizer::time::{Monotonic, Timestamp};

use crate::harness::vectors::{Expect, Vector, Vectors};

/// Stands in every claim header of every request: what a client sends there must not survive.
const SPOOFED: &str = "spoofed by the client";

/// The request, with a client's own claim headers in it, each twice.
pub(crate) fn headers(vector: &Vector, policy: &Policy) -> Vec<(String, Vec<u8>)> {
    let mut headers = vector.headers.clone();
    for name in policy.claim_headers.names() {
        for _ in 0..2 {
            headers.push((name.as_str().to_owned(), SPOOFED.into()));
        }
    }
    headers
}

/// The gate, once it has the deny list that its policy of this name asks for.
#[allow(dead_code)]
pub(crate) fn supplied(gate: Gate, vectors: &Vectors, name: &str) -> Gate {
    let now = Timestamp::from_seconds(vectors.now()).unwrap();
    supplied_with(gate, vectors.deny_list(name), now)
}

/// The gate, once it has this deny list if it asks for one.
pub(crate) fn supplied_with(mut gate: Gate, list: Option<Vec<u8>>, wall: Timestamp) -> Gate {
    let now = Now {
        wall,
        monotonic: Monotonic::default(),
    };
    let space = MemorySpace::default();
    for (id, _) in gate.tick(now, &space).calls {
        let answer = Answer::response(200, list.clone());
        gate.answered(id, &answer, now, &space);
    }
    gate
}

/// The verdict on a request that the gate holds, once its call has brought this.
pub(crate) fn answered(
    gate: &mut Gate,
    candidate: Candidate,
    answer: Option<&Answer>,
    now: Now,
) -> Verdict {
    let space = MemorySpace::default();
    if let Some(verdict) = gate.hold(1, candidate, now, &space) {
        return verdict;
    }
    let mut effects = gate.tick(now, &space);
    for (id, _) in effects.calls {
        let answer = answer.expect("a vector with an answer");
        let next = gate.answered(id, answer, now, &space);
        effects.verdicts.extend(next.verdicts);
    }
    effects.verdicts.pop().expect("a verdict").1
}

/// What follows headers that say how long the body is.
pub(crate) fn rest(headers: &[(String, Vec<u8>)]) -> Rest {
    let body = headers
        .iter()
        .any(|(name, value)| name == "content-length" && value.trim_ascii() != b"0");
    match body {
        true => Rest::Something,
        false => Rest::Nothing,
    }
}

/// The headers that the upstream receives.
fn forwarded(mut headers: Vec<(String, Vec<u8>)>, forward: &Forward) -> Vec<(String, Vec<u8>)> {
    let mut set = |name: &str, value: Option<&[u8]>| {
        headers.retain(|(present, _)| present != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_vec())));
    };
    for edit in &forward.edits {
        match edit {
            HeaderEdit::Remove(name) => set(name, None),
            HeaderEdit::Set(name, value) => set(name, Some(value)),
        }
    }
    let told = forward.caller.headers();
    let told = told.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    headers.extend(told);
    headers
}

/// What did not hold of a request that goes on, as vectors have it, and metrics.
pub(crate) fn despite(despite: Despite) -> String {
    match despite {
        Despite::Ignored(reason) => format!("ignored.{}", reason.code()),
        Despite::Reported(reason) => format!("reported.{}", reason.code()),
    }
}

/// What is wrong with the verdict, if anything is.
pub(crate) fn difference(vector: &Vector, policy: &Policy, verdict: &Verdict) -> Option<String> {
    let found = match verdict {
        Verdict::Refuse(refusal) => refusal.reason().code(),
        Verdict::Forward(Forward {
            caller: Caller::Anonymous,
            ..
        }) => "anonymous",
        Verdict::Forward(Forward {
            caller: Caller::Known(_) | Caller::Authorized(_),
            ..
        }) => "allowed",
        Verdict::Answer(_) => "answered",
    };
    let expected = match &vector.expect {
        Expect::Answered => "answered",
        Expect::Refused(reason) => reason,
        Expect::Forwarded(true, _) => "allowed",
        Expect::Forwarded(false, _) => "anonymous",
    };
    if found != expected {
        return Some(format!(
            "{}: expected {expected}, found {found}",
            vector.name
        ));
    }
    let despite = match verdict {
        Verdict::Forward(forward) => forward.despite.map(despite),
        Verdict::Refuse(_) | Verdict::Answer(_) => None,
    };
    if despite != vector.despite {
        let (expected, name) = (&vector.despite, &vector.name);
        return Some(format!("{name}: expected {expected:?}, found {despite:?}"));
    }
    let problem = match (verdict, &vector.expect) {
        (Verdict::Refuse(refusal), _) => promised(policy, refusal),
        (Verdict::Forward(forward), Expect::Forwarded(_, upstream)) => received(
            &forwarded(headers(vector, policy), forward),
            upstream,
            policy,
        ),
        _ => None,
    };
    problem.map(|problem| format!("{}: {problem}", vector.name))
}

/// What of the client's own would reach the upstream under a name that only the filter may write.
#[allow(dead_code)]
pub(crate) fn forged(vector: &Vector, policy: &Policy, verdict: &Verdict) -> Option<String> {
    let Verdict::Forward(forward) = verdict else {
        return None;
    };
    let forwarded = forwarded(headers(vector, policy), forward);
    let problem = received(&forwarded, &[], policy);
    problem.map(|problem| format!("{}: {problem}", vector.name))
}

/// Compares what the upstream receives with what was promised, and looks for what no client may say.
fn received(
    headers: &[(String, Vec<u8>)],
    upstream: &[(String, Option<Vec<u8>>)],
    policy: &Policy,
) -> Option<String> {
    let values = |name: &str| {
        let values = headers.iter().filter(|(present, _)| present == name);
        values
            .map(|(_, value)| value.as_slice())
            .collect::<Vec<_>>()
    };
    let shown = |values: &[&[u8]]| {
        let texts = values
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        texts.collect::<Vec<_>>()
    };
    for (name, expected) in upstream {
        let expected: Vec<&[u8]> = expected.as_deref().into_iter().collect();
        if values(name) != expected {
            return Some(format!(
                "{name}: expected {:?}, found {:?}",
                shown(&expected),
                shown(&values(name))
            ));
        }
    }
    policy.claim_headers.names().find_map(|name| {
        let values = values(name.as_str());
        let foreign = values.contains(&SPOOFED.as_bytes()) || values.len() > 1;
        foreign.then(|| {
            format!(
                "{}: the client's own value went through: {:?}",
                name.as_str(),
                shown(&values)
            )
        })
    })
}

/// Compares a reply with the table of the documentation: RFC 6750 style.
fn promised(policy: &Policy, refusal: &Refusal) -> Option<String> {
    let unauthorized = (401, r#"{"message":"Unauthorized"}"#);
    let forbidden = (403, r#"{"message":"Forbidden"}"#);
    let ((status, body), challenge) = match refusal.reason() {
        Reason::MissingToken => (unauthorized, Some("Bearer".to_owned())),
        Reason::TokenExpired => (
            (401, r#"{"message":"The incoming token has expired"}"#),
            Some(
                r#"Bearer error="invalid_token", error_description="the token has expired""#
                    .to_owned(),
            ),
        ),
        Reason::InsufficientScope => {
            let Refusal::InsufficientScope(scopes) = refusal else {
                return Some(format!("{refusal:?} names no scope"));
            };
            let scopes = match scopes.join(" ").as_str() {
                "" => String::new(),
                scopes => format!(r#", scope="{scopes}""#),
            };
            (
                forbidden,
                Some(format!(r#"Bearer error="insufficient_scope"{scopes}"#)),
            )
        }
        Reason::StaleAuthentication => (
            unauthorized,
            Some(r#"Bearer error="insufficient_user_authentication", max_age="900""#.to_owned()),
        ),
        Reason::InsufficientGroup
        | Reason::ClaimMismatch
        | Reason::DeniedByRule
        | Reason::WrongPrincipal
        | Reason::AuthorizerDenied => (forbidden, None),
        Reason::UnsafePath | Reason::UnsafeMethod => ((400, r#"{"message":"Bad Request"}"#), None),
        Reason::KeysUnavailable | Reason::RevocationUnknown | Reason::AuthorizerUnavailable => {
            ((503, r#"{"message":"Service Unavailable"}"#), None)
        }
        Reason::MissingIdentity | Reason::AuthorizerUnauthorized => (unauthorized, None),
        Reason::AuthorizerFailed => ((500, r#"{"message":"Internal Server Error"}"#), None),
        _ => (
            unauthorized,
            Some(
                r#"Bearer error="invalid_token", error_description="the token is not valid""#
                    .to_owned(),
            ),
        ),
    };
    let reply = policy.responses.reply(refusal, &Occasion::default());
    let header = |name: &str| {
        let found = reply.headers.iter().find(|(present, _)| present == name);
        found.map(|(_, value)| value.to_string())
    };
    let same = reply.status == status
        && reply.body == body
        && header("content-type").as_deref() == Some("application/json")
        && header("www-authenticate") == challenge;
    (!same).then(|| format!("the reply to {refusal:?} is {reply:?}"))
}

/// Fails with all that was not as it should be.
#[track_caller]
pub(crate) fn none_wrong(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
