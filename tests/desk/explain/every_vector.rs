//! Every decision vector is explained, and the account ends as the vector demands: the same that
//! the gate decides, and a real Envoy with the filter in it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cognito_authorizer::config;
use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::reply::Reply;
use cognito_authorizer::request::Request;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::explain::account::{self, Account, Paint, Question, Secrets, State};
use crate::harness::curve::verifiers;
use crate::harness::outcome::{answered, difference, headers, none_wrong, rest, supplied_with};
use crate::harness::vectors::{Expect, Vector, Vectors};
use cognito_authorizer::step::Step;

pub(crate) fn policy(document: &Value) -> Rc<Policy> {
    let policy = config::parse(document.to_string().as_bytes());
    Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}\n{document}")))
}

/// The vectors' policies by their names, each read once: hundreds of vectors share one.
pub(crate) fn policies() -> BTreeMap<&'static str, (Rc<Policy>, Value)> {
    let vectors = Vectors::get();
    let names: BTreeSet<_> = vectors.all.iter().map(|one| one.policy.as_str()).collect();
    let documents = names.into_iter().map(|name| (name, vectors.policy(name)));
    documents
        .map(|(name, document)| (name, (policy(&document), document)))
        .collect()
}

pub(crate) fn question(vector: &Vector, policy: &Policy, keys: Option<Vec<u8>>) -> Question {
    Question {
        headers: headers(vector, policy),
        now: Timestamp::from_seconds(vector.now).unwrap(),
        keys,
        deny_list: Vectors::get().deny_list(&vector.policy),
        answers: policy
            .authorizers
            .iter()
            .filter_map(|one| Some((one.name.clone(), vector.answer.clone()?)))
            .collect(),
        source_ip: None,
    }
}

#[test]
fn every_vector_is_explained_as_it_is_decided() {
    let vectors = Vectors::get();
    let mut wrong = Vec::new();
    let mut failed_at: BTreeMap<&str, usize> = BTreeMap::new();
    let policies = policies();
    for vector in &vectors.all {
        let (policy, document) = &policies[vector.policy.as_str()];
        let question = question(vector, policy, None);
        let account = Account::of(policy, document, &question);
        let mut fail = |why: String| wrong.push(format!("{}: {why}", vector.name));
        let written = account::json(&account);
        let json: Value = serde_json::from_str(&written).expect("JSON");
        if let Some(why) = wrong_end(vector, policy, &question, &json) {
            fail(why);
        }
        if let Some(why) = wrong_steps(&json, &account) {
            fail(why);
        }
        // No step is puzzled by the verdict.
        if !account.notes.is_empty() {
            fail(format!("{:?}", account.notes));
        }
        let text = account::human(&account, Paint::Plain);
        if let Some(leak) = leak(policy, &question, &[&written, &text]) {
            fail(leak);
        }
        for step in json["steps"].as_array().unwrap() {
            if step["state"] == "failed" {
                let name = Step::ALL.iter().find(|kind| step["step"] == kind.name());
                *failed_at.entry(name.unwrap().name()).or_default() += 1;
            }
        }
    }
    none_wrong(&wrong);
    // Every step that can fail did.
    let never: Vec<_> = Step::ALL
        .iter()
        .map(|step| step.name())
        .filter(|name| !failed_at.contains_key(name) && *name != "preflight")
        .collect();
    assert!(never.is_empty(), "no vector fails at {never:?}");
}

/// What is wrong with the end of an account, compared with the vector and with the gate itself.
fn wrong_end(
    vector: &Vector,
    policy: &Rc<Policy>,
    question: &Question,
    json: &Value,
) -> Option<String> {
    let (verdict, reason, metric) = match &vector.expect {
        Expect::Refused(reason) => ("refused", json!(reason), format!("denied.{reason}")),
        Expect::Answered => ("answered", Value::Null, "anonymous".to_owned()),
        Expect::Forwarded(true, _) => ("forwarded", Value::Null, "allowed".to_owned()),
        Expect::Forwarded(false, _) => ("forwarded", Value::Null, "anonymous".to_owned()),
    };
    let (reason, metric) = match vector
        .despite
        .as_deref()
        .and_then(|one| one.split_once('.'))
    {
        Some((mode, code)) => (json!(code), format!("{mode}.{code}")),
        None => (reason, metric),
    };
    let found = (&json["verdict"], &json["reason"], &json["metric"]);
    if found != (&json!(verdict), &reason, &json!(metric)) {
        return Some(format!("expected {metric}, found {found:?}"));
    }
    let verdict = decided(policy, question);
    if let Some(difference) = difference(vector, policy, &verdict) {
        return Some(difference);
    }
    match (&verdict, &vector.expect) {
        (Verdict::Refuse(refusal), _) => {
            wrong_reply(&policy.reply(&handed_over(question), refusal), json)
        }
        (Verdict::Answer(reply), _) => wrong_reply(reply, json),
        (_, Expect::Forwarded(_, upstream)) => wrong_headers(upstream, policy, question, json),
        _ => None,
    }
}

/// What the gate decides that is asked without any account, about the lines as Envoy hands them
/// over: those of `authorization` joined, but for empty ones, and no upgrade that `connection` does not
/// name.
pub(crate) fn decided(policy: &Rc<Policy>, question: &Question) -> Verdict {
    let gate = Gate::new(Rc::clone(policy), verifiers(policy), Entropy::new(1));
    let list = question.deny_list.clone();
    let mut gate = supplied_with(gate, list, question.now);
    match gate.decide(&handed_over(question), question.now).0 {
        Decision::Verdict(verdict) => verdict,
        // Only for want of a key that inline keys will never have.
        Decision::Hold(candidate) => {
            let now = Now {
                wall: question.now,
                monotonic: Monotonic::default(),
            };
            let answer = question.answers.values().next();
            answered(&mut gate, candidate, answer, now)
        }
    }
}

fn handed_over(question: &Question) -> Request {
    let (joined, others): (Vec<_>, Vec<_>) = question
        .headers
        .iter()
        .cloned()
        .partition(|(name, _)| name == "authorization");
    let is_there = !joined.is_empty();
    let lines = joined.into_iter().map(|(_, value)| value);
    let lines: Vec<_> = lines.filter(|value| !value.is_empty()).collect();
    let joined = is_there.then(|| ("authorization".to_owned(), lines.join(&b',')));
    let upgrades = others.iter().any(|(name, value)| {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        name == "connection" && value.split(',').any(|option| option.trim() == "upgrade")
    });
    let others = others.into_iter();
    let others = others.filter(|(name, _)| upgrades || name != "upgrade");
    let request = others.chain(joined);
    Request::new(request.map(|(name, value)| (name.into(), value)).collect())
        .followed_by(rest(&question.headers))
}

fn wrong_reply(reply: &Reply, json: &Value) -> Option<String> {
    let lines = reply.headers.iter();
    let lines: Vec<_> = lines
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let expected = json!({"status": reply.status, "headers": lines, "body": reply.body});
    (json["reply"] != expected || !json["upstream"].is_null())
        .then(|| format!("expected the reply {expected}, found {}", json["reply"]))
}

fn wrong_headers(
    expected: &[(String, Option<Vec<u8>>)],
    policy: &Policy,
    question: &Question,
    json: &Value,
) -> Option<String> {
    let secrets = Secrets::of(&question.headers);
    let lines = json["upstream"]["headers"].as_array().expect("headers");
    let values = |name: &str| {
        let lines = lines.iter().filter(|line| line["name"] == name);
        let values = lines.map(|line| line["value"].as_str().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    for (name, value) in expected {
        let expected = value
            .iter()
            .map(|value| secrets.redact(&account::text(value)));
        let expected: Vec<_> = expected.collect();
        if values(name) != expected {
            return Some(format!(
                "{name}: expected {expected:?}, found {:?}",
                values(name)
            ));
        }
    }
    policy.claim_headers.names().find_map(|name| {
        let values = values(name.as_str());
        let foreign = values.len() > 1 || values.iter().any(|value| value.contains("spoofed"));
        foreign.then(|| format!("{}: {values:?}", name.as_str()))
    })
}

/// What is wrong with the steps: all in their order; one failed, with the reason of the verdict,
/// or none; none reached after it.
pub(crate) fn wrong_steps(json: &Value, account: &Account) -> Option<String> {
    let kinds: Vec<_> = account.steps.iter().map(|step| step.step).collect();
    let mut once = kinds.clone();
    once.dedup();
    if once != Step::ALL || !kinds.is_sorted() {
        return Some(format!("the steps are {kinds:?}"));
    }
    let steps = json["steps"].as_array().expect("steps");
    let failed: Vec<_> = steps
        .iter()
        .filter(|step| step["state"] == "failed")
        .map(|step| step["reason"].clone())
        .collect();
    let expected: Vec<_> = [&json["reason"]]
        .into_iter()
        .filter(|reason| reason.is_string())
        .cloned()
        .collect();
    if failed != expected {
        return Some(format!(
            "failed steps: {failed:?}, reason {}",
            json["reason"]
        ));
    }
    let states = || account.steps.iter().map(|step| step.state);
    let taken = |state| {
        matches!(
            state,
            State::Passed | State::Failed(_) | State::NotAsked | State::NotChecked
        )
    };
    let after = states().skip_while(|state| taken(*state));
    let late: Vec<_> = after.filter(|state| taken(*state)).collect();
    if !late.is_empty() {
        return Some(format!("{late:?} after a step that was not reached"));
    }
    let silent = account.steps.iter().find(|step| {
        matches!(step.state, State::Passed | State::Failed(_)) && step.text.is_empty()
    });
    silent.map(|step| format!("the step {} says nothing", step.step.name()))
}

/// A signature that is shown, or a character that a terminal would obey.
pub(crate) fn leak(policy: &Policy, question: &Question, outputs: &[&str]) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = question.headers.iter().cloned();
    let request = Request::new(headers.map(|(name, value)| (name.into(), value)).collect());
    let token = policy.token.sources.extract(&request).ok().flatten();
    let values = question.headers.iter().map(|(_, value)| text(value));
    let mut tokens: Vec<_> = token.iter().map(|token| text(token)).collect();
    for value in values {
        let words = value.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        tokens.extend(
            words
                .filter(|word| word.starts_with("ey"))
                .map(str::to_owned),
        );
    }
    for token in tokens {
        let signature = token.splitn(3, '.').nth(2).unwrap_or_default();
        let long = signature.len() > 20;
        if long && outputs.iter().any(|output| output.contains(signature)) {
            return Some(format!("shows the signature {signature}"));
        }
    }
    let obeyed = |character: char| character.is_control() && character != '\n';
    let obeyed = outputs.iter().any(|output| output.contains(obeyed));
    obeyed.then(|| "shows control characters".to_owned())
}

/// The same with keys that come from the desk, for a configuration that fetches them.
#[test]
fn given_keys_decide_as_fetched_ones() {
    let vectors = Vectors::get();
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut fetching = BTreeMap::new();
    for vector in &vectors.all {
        let kind = match vector.things.get("token.base").map(String::as_str) {
            Some("\"role\"") => "aws_accounts",
            _ => "user_pools",
        };
        let read = fetching.entry((vector.policy.as_str(), kind));
        let read = read.or_insert_with(|| {
            let mut document = vectors.policy(&vector.policy);
            let issuers = document.get_mut(kind).and_then(Value::as_array_mut);
            let [issuer] = issuers?.as_mut_slice() else {
                return None;
            };
            let keys = issuer["jwks"]["inline"].to_string().into_bytes();
            issuer["jwks"] = json!({"cluster": "keys"});
            Some((policy(&document), document, keys))
        });
        let Some((policy, document, keys)) = read else {
            continue;
        };
        let given = question(vector, policy, Some(keys.clone()));
        let account = Account::of(policy, document, &given);
        let json: Value = serde_json::from_str(&account::json(&account)).expect("JSON");
        if let Expect::Refused(reason) = &vector.expect
            && json["reason"] != *reason
        {
            wrong.push(format!(
                "{}: {reason}, found {}",
                vector.name, json["reason"]
            ));
        }
        if let Expect::Forwarded(..) = &vector.expect
            && json["verdict"] != "forwarded"
        {
            wrong.push(format!("{}: found {}", vector.name, json["reason"]));
        }
        wrong.extend(wrong_steps(&json, &account));
        let json_with = json;
        // Without the keys the rest is asked all the same, and what hangs on them is not known.
        let without = Account::of(policy, document, &question(vector, policy, None));
        let json: Value = serde_json::from_str(&account::json(&without)).expect("JSON");
        let state = |json: &Value, name: &str| {
            let steps = json["steps"].as_array().unwrap();
            let step = steps.iter().find(|step| step["step"] == name).unwrap();
            step["state"].clone()
        };
        let by_keys = account.steps.iter().any(|step| {
            step.step == Step::Key && matches!(step.state, State::Passed | State::Failed(_))
        });
        wrong.extend(wrong_steps(&json, &without));
        if by_keys {
            let unchecked = ["key", "signature"].map(|step| state(&json, step));
            let reason = match &vector.expect {
                Expect::Refused(reason) if !by_the_signature(reason) => json!(reason),
                Expect::Forwarded(..) if vector.despite.is_some() => {
                    // What would be ignored hangs on the signature; so does a reported kid.
                    match json["verdict"] == "forwarded" {
                        true => json["reason"].clone(),
                        false => Value::Null,
                    }
                }
                Expect::Forwarded(..) | Expect::Answered => Value::Null,
                // What a bad signature hides may be anything.
                Expect::Refused(_) => json["reason"].clone(),
            };
            let verdict = match (reason.is_null(), &vector.expect) {
                (true, _) => "unknown",
                (false, Expect::Forwarded(..) | Expect::Answered) => "forwarded",
                (false, Expect::Refused(_)) => "refused",
            };
            let found = (&json["verdict"], &json["reason"], &unchecked);
            let expected = (
                &json!(verdict),
                &reason,
                &["not_checked", "not_checked"].map(Value::from),
            );
            if found != expected {
                wrong.push(format!("{}: without keys {found:?}", vector.name));
            }
        } else if json["reason"] != json_with["reason"] || json["verdict"] == "unknown" {
            wrong.push(format!("{}: without keys {}", vector.name, json["verdict"]));
        }
        if by_keys && !without.notes.iter().any(|note| note.contains("--jwks")) {
            wrong.push(format!("{}: no hint: {:?}", vector.name, without.notes));
        }
        asked += 1;
    }
    none_wrong(&wrong);
    assert!(asked > 500, "{asked} asked");
}

fn by_the_signature(reason: &str) -> bool {
    ["unknown_key", "invalid_signature"].contains(&reason)
}

/// Colours are all that a terminal gets besides.
#[test]
fn colours_change_nothing_but_the_looks() {
    let vectors = Vectors::get();
    let policies = policies();
    for vector in vectors.all.iter().step_by(10) {
        let (policy, document) = &policies[vector.policy.as_str()];
        let account = Account::of(policy, document, &question(vector, policy, None));
        let coloured = account::human(&account, Paint::Colours);
        assert!(coloured.contains("\u{1b}["), "{}", vector.name);
        let mut plain = String::new();
        for (position, piece) in coloured.split("\u{1b}[").enumerate() {
            let (codes, rest) = piece.split_once('m').unwrap_or(("", piece));
            let is_code = codes
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b';');
            assert!(position == 0 || is_code, "{codes:?}");
            plain.push_str(if position == 0 { piece } else { rest });
        }
        assert_eq!(
            plain,
            account::human(&account, Paint::Plain),
            "{}",
            vector.name
        );
    }
}
