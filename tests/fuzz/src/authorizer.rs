//! Lambda authorizers: what a function answers with, whatever it is, and policies judged a second
//! time from IAM's grammar.

use std::collections::BTreeSet;
use std::net::IpAddr;

use arbitrary::{Result, Unstructured};
use cognito_authorizer::authorizer::answer::{Answer, AnswerType, NoAnswer, Reply, Terms, Verdict};
use cognito_authorizer::authorizer::api::Api;
use cognito_authorizer::authorizer::event::Format;
use cognito_authorizer::authorizer::method_arn::MethodArn;
use cognito_authorizer::authorizer::policy_document::{Denied, PolicyDocument};
use serde_json::{Value, json};

use super::naive::{self, Letters, Says};
use super::upstream::{self, STEPS, Step};

const FORMATS: [Format; 4] = [Format::Token, Format::Rest, Format::Http1, Format::Http2];
const SENT: [&str; 3] = ["a", "tenantId", "principalId"];

fn api() -> Api {
    Api {
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
        api_id: "a".to_owned(),
        stage: "p".to_owned(),
        stage_variables: [].into(),
    }
}

const API: &str = "arn:aws:execute-api:us-east-1:123456789012:a/p";

fn source() -> IpAddr {
    IpAddr::from([192, 0, 2, 7])
}

fn has_control(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(char::is_control),
        Value::Array(values) => values.iter().any(has_control),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains(char::is_control) || has_control(value)),
        _ => false,
    }
}

/// Whether ours and the other evaluator agree about a request as it stands; another reading of it may be
/// denied, or among what an Allow leaves out.
fn agree(found: std::result::Result<(), Denied>, expected: Says, policy: &Value) -> bool {
    match (found, expected) {
        (Err(Denied::Implicitly), Says::Allowed) => naive::leaves_out(policy),
        (Ok(()), Says::Allowed)
        | (Err(Denied::Implicitly), Says::ImplicitDeny)
        | (Err(Denied::Explicitly | Denied::TooCostly), _) => true,
        (Ok(()) | Err(Denied::Implicitly), _) => false,
    }
}

/// Whatever a function answers: only what means one thing to every reader is an answer, and it
/// means what it says.
pub fn authorizer_answer(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let format = FORMATS[usize::from(choice & 3)];
    let terms = Terms {
        format,
        answer: match (format, choice & 4) {
            (Format::Http2, 0) => AnswerType::Simple,
            _ => AnswerType::Policy,
        },
        sent: &SENT,
    };
    let function_error = (choice & 8 != 0).then_some(&b"Unhandled"[..]);
    let reply = Reply {
        status: 200,
        function_error,
        body,
    };
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let answer = match Answer::read(&reply, &terms) {
        Ok(answer) => answer,
        Err(NoAnswer::Unauthorized) => {
            let value = value.expect("an answer is JSON");
            assert!(function_error.is_some() && value["errorMessage"] == "Unauthorized");
            return;
        }
        Err(NoAnswer::Failed(_)) => return,
        Err(NoAnswer::Unavailable(_)) => panic!("the status is 200"),
    };
    assert_eq!(function_error, None);
    let value = value.expect("an answer is JSON");
    assert_eq!(duplicate(body), None);
    for key in SENT {
        assert!(!answer.get(key).is_some_and(has_control));
    }
    for arn in ["/", "/admin", "/orders/7"] {
        let arn = MethodArn::new(&api(), b"GET", arn.as_bytes()).expect("an ARN");
        let found = answer.judge(&arn, Some(source()));
        let expected = match answer.verdict() {
            Verdict::Simple(_) if value["isAuthorized"] == true => Says::Allowed,
            Verdict::Simple(_) => Says::ImplicitDeny,
            Verdict::Policy(_) => naive::says(
                &value["policyDocument"],
                arn.as_str(),
                source(),
                Letters::Caseless,
            ),
        };
        let policy = &value["policyDocument"];
        assert!(agree(found, expected, policy), "{found:?} {expected:?}");
    }
    // What is remembered is not much more than what was sent.
    assert!(answer.bytes() < 2_000 + 64 * body.len());
}

/// A name that stands twice in one object, found by walking through the text once more.
fn duplicate(text: &[u8]) -> Option<String> {
    let mut objects: Vec<Option<BTreeSet<String>>> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'{' => objects.push(Some(BTreeSet::new())),
            b'[' => objects.push(None),
            b'}' | b']' => drop(objects.pop()),
            b'"' => {
                let begin = at;
                at += 1;
                while text[at] != b'"' {
                    at += 1 + usize::from(text[at] == b'\\');
                }
                let mut after = text[at + 1..]
                    .iter()
                    .filter(|byte| !byte.is_ascii_whitespace());
                let names = after.next() == Some(&b':');
                let name: String = serde_json::from_slice(&text[begin..=at]).expect("a text");
                if let (true, Some(Some(names))) = (names, objects.last_mut())
                    && !names.insert(name.clone())
                {
                    return Some(name);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

const PIECES: [&str; 16] = [
    "*", "?", "/", "a", "b", "A", "admin", "%2A", "é", "%C3%A9", "GET", "HEAD", "${x}", "ß", " ",
    "!",
];
const ACTIONS: [&str; 6] = [
    "execute-api:Invoke",
    "execute-api:*",
    "*",
    "s3:*",
    "EXECUTE-API:INV*",
    "?",
];
const RANGES: [&str; 6] = [
    "192.0.2.0/24",
    "192.0.2.7",
    "198.51.100.0/24",
    "::/0",
    "0.0.0.0/0",
    "x",
];
const NAMES: [&str; 15] = [
    "a", "b", "A", "admin", "Admin", "*", "%2a", "%C3%A9", "%61", "a%20b", "", "%3F", "a;b", "%23",
    "a%C3%9F",
];
const SEPARATORS: [&str; 6] = ["/", "/", "/", "%2F", "%5C", "//"];

fn list(
    input: &mut Unstructured<'_>,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<String>,
) -> Result<Value> {
    let length = input.int_in_range(0..=3)?;
    Ok(match length {
        0 => json!(one(input)?),
        length => {
            let texts: Result<Vec<_>> = (1..length).map(|_| one(input)).collect();
            json!(texts?)
        }
    })
}

fn resource(input: &mut Unstructured<'_>) -> Result<String> {
    let mut text = input
        .choose(&["", API, "arn:aws:execute-api:*"])?
        .to_string();
    for _ in 0..input.int_in_range(0..=7)? {
        text.push_str(input.choose(&PIECES)?);
    }
    Ok(text)
}

fn statement(input: &mut Unstructured<'_>) -> Result<Value> {
    let mut statement = json!({"Effect": input.choose(&["Allow", "Deny"])?});
    let name = *input.choose(&["Action", "Action", "NotAction"])?;
    statement[name] = list(input, |input| Ok(input.choose(&ACTIONS)?.to_string()))?;
    let name = *input.choose(&["Resource", "Resource", "NotResource"])?;
    statement[name] = list(input, resource)?;
    if input.ratio(1, 4)? {
        let operator = *input.choose(&["IpAddress", "NotIpAddress", "Bool"])?;
        let ranges = list(input, |input| Ok(input.choose(&RANGES)?.to_string()))?;
        statement["Condition"] = json!({operator: {"aws:SourceIp": ranges}});
    }
    Ok(statement)
}

fn path(input: &mut Unstructured<'_>) -> Result<String> {
    let mut path = String::new();
    for _ in 0..input.int_in_range(0..=4)? {
        path.push_str(input.choose(&SEPARATORS)?);
        path.push_str(input.choose(&NAMES)?);
    }
    Ok(format!("/{}", path.strip_prefix('/').unwrap_or(&path)))
}

/// What servers do one after the other, and some of it again after escapes are decoded.
fn in_order(steps: &mut [Step]) {
    let place = |step: &Step| match step {
        Step::StripParameters | Step::StripLastParameters | Step::StripParametersOfNames => 0,
        Step::TakeAuthorityOff => 1,
        Step::MergeSlashes => 2,
        Step::Decode => 3,
        Step::CutAtDelimiters => 4,
        _ => 5,
    };
    steps.sort_by_key(place);
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let mut statements = Vec::new();
    for _ in 0..=input.int_in_range(0..=3)? {
        statements.push(statement(input)?);
    }
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let read = PolicyDocument::read(&policy).expect("a policy");
    let method = *input.choose(&["GET", "HEAD", "POST"])?;
    let Ok(arn) = MethodArn::new(&api(), method.as_bytes(), path(input)?.as_bytes()) else {
        return Ok(());
    };
    let found = read.judge(&arn, Some(source()));
    let expected = naive::says(&policy, arn.as_str(), source(), Letters::Caseless);
    assert!(
        agree(found, expected, &policy),
        "{found:?} {expected:?} {arn:?} {policy}"
    );
    // What is denied as it stands is denied.
    if naive::says(&policy, arn.as_str(), source(), Letters::Exact) == Says::ExplicitDeny {
        assert!(found.is_err(), "{arn:?} {policy}");
    }
    if found.is_ok() {
        let mut steps = Vec::new();
        for _ in 0..input.int_in_range(0..=4)? {
            let step = *input.choose(&STEPS)?;
            // Of these, no path that has an ARN has anything to work on.
            if !matches!(step, Step::RemoveDots | Step::Trim | Step::CutAtNul) {
                steps.push(step);
            }
        }
        in_order(&mut steps);
        steps.dedup();
        let served = upstream::text(arn.path().as_bytes(), &steps);
        for method in [method, if method == "HEAD" { "GET" } else { method }] {
            let served = format!("{API}/{method}{served}");
            for letters in [Letters::Exact, Letters::Caseless] {
                let denied = naive::denies_by_name(&policy, &served, source(), letters);
                assert!(!denied, "{served} {steps:?} {arn:?} {policy}");
            }
        }
    }
    Ok(())
}

/// Two evaluators agree, and no server that reads a path in its own way serves what is denied.
pub fn authorizer_policy(data: &[u8]) {
    // An input that is too short asks nothing.
    let _ = check(&mut Unstructured::new(data));
}
