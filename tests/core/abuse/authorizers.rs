//! Authorizers behind the gate: what is remembered of one request opens no other, no identity gets
//! another's answer, and no answer outlives its time, in whatever order things happen.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use cognito_authorizer::config;
use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::header::HeaderEdit;
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::remote::call::CallId;
use cognito_authorizer::request::{Peer, Request};
use cognito_authorizer::rs256::Rs256;
use serde_json::{Value, json};

use crate::abuse::now;
use crate::authorizer::naive::{self, Letters, Says};
use crate::authorizer::policies::{random_policy, random_request, random_steps};
use crate::harness::seed::Seed;
use crate::harness::space::Space;
use crate::paths::upstream;

const TTL: u64 = 60_000;
const API: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod";

fn policy(ttl: &str) -> Rc<Policy> {
    let document = json!({
        "authorizers": [{
            "name": "partners",
            "type": "request",
            "format": "rest",
            "function": "partner-auth",
            "cluster": "lambda",
            "answer": "policy",
            "identity": [{"header": "x-key"}],
            "cache": {"ttl": ttl},
            "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"},
        }],
        "rules": [{"match": {"template": "/orders/{id}"}, "authorizer": "partners"}],
        "default": {"authorizer": "partners"},
        "context_headers": [{"header": "x-principal", "key": "principalId"}],
    });
    Rc::new(config::parse(document.to_string().as_bytes()).expect("a configuration"))
}

fn gate(ttl: &str) -> Gate {
    Gate::new(policy(ttl), Rs256::module(), Entropy::new(3))
}

fn request(method: &str, path: &str, key: &str) -> Request {
    let headers = [
        (":method", method),
        (":path", path),
        (":authority", "api.example.com"),
        ("x-key", key),
    ];
    let headers = headers.map(|(name, value)| (name.into(), value.as_bytes().to_vec()));
    Request::new(headers.to_vec()).sent_by(Peer {
        address: b"192.0.2.7:4711".to_vec(),
        protocol: "HTTP/1.1".to_owned(),
    })
}

fn answered(status: u16, body: &str) -> Answer {
    Answer::Response {
        status,
        headers: Vec::new(),
        body: Some(body.as_bytes().to_vec()),
    }
}

/// Nothing where it passes.
fn reason(verdict: &Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Forward(_) => None,
        Verdict::Refuse(refusal) => Some(refusal.reason()),
        Verdict::Answer(_) => panic!("nothing is answered here"),
    }
}

/// What the upstream is told of who calls.
fn principal(verdict: &Verdict) -> Option<String> {
    let Verdict::Forward(forward) = verdict else {
        return None;
    };
    let mut headers = forward.caller.headers();
    headers.find_map(|(name, value)| (**name == *"x-principal").then(|| value.to_owned()))
}

/// The request's call is answered by this, and with it the request. `None` if it needs no call.
fn ask(gate: &mut Gate, request: &Request, at: u64, answer: &Answer) -> (Verdict, Option<Value>) {
    let space = Space::default();
    let candidate = match gate.decide(request, now(at).wall).0 {
        Decision::Verdict(verdict) => return (verdict, None),
        Decision::Hold(candidate) => candidate,
    };
    assert!(
        gate.hold(1, candidate, now(at), &space).is_none(),
        "there is room"
    );
    let mut calls = gate.tick(now(at), &space).calls;
    let (id, call) = calls.pop().expect("a call");
    assert!(calls.is_empty());
    let event = serde_json::from_slice(&call.body).expect("an event");
    let mut verdicts = gate.answered(id, answer, now(at), &space).verdicts;
    verdicts.extend(gate.tick(now(at), &space).verdicts);
    let (context, verdict) = verdicts.pop().expect("a verdict");
    assert!(verdicts.is_empty() && context == 1);
    (verdict, Some(event))
}

/// One answer, and many requests that are judged by it without a call.
#[test]
fn what_is_remembered_of_one_request_opens_no_other() {
    let source: IpAddr = IpAddr::from([192, 0, 2, 7]);
    let mut random = Seed::from_variable("AUTHORIZERS_SEED");
    let (mut passed, mut denied) = (0, 0);
    for number in 0..600 {
        let mut gate = gate("60s");
        let key = format!("key {number}");
        let mut policy = random_policy(&mut random);
        let (method, path) = random_request(&mut random);
        // The function shows what it was shown, as most do.
        let is_echo = random.below(3) == 0;
        let Ok(first) = upstream_arn(method, &path) else {
            continue;
        };
        if is_echo {
            let statement =
                json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": first});
            policy = json!({"Statement": [statement]});
        }
        let body = json!({"principalId": key, "policyDocument": policy}).to_string();
        let (verdict, event) = ask(
            &mut gate,
            &request(method, &path, &key),
            10,
            &answered(200, &body),
        );
        if event.is_none() {
            assert!(
                reason(&verdict).is_some(),
                "nothing passes unasked: {method} {path}"
            );
            continue;
        }
        let event = event.unwrap();
        assert_eq!(event["methodArn"], first, "{method} {path}");
        assert!(!event["methodArn"].as_str().unwrap().contains(['*', '?']));
        assert!(!event["path"].as_str().unwrap().contains(['*', '?']));
        if is_echo {
            assert_eq!(reason(&verdict), None, "{method} {path}");
        }
        for _ in 0..12 {
            let (method, path) = random_request(&mut random);
            let request = request(method, &path, &key);
            let Decision::Verdict(verdict) = gate.decide(&request, now(20).wall).0 else {
                panic!("what is remembered needs no call: {method} {path}");
            };
            let Some(arn) = upstream_arn(method, &path).ok() else {
                assert!(reason(&verdict).is_some(), "{method} {path}");
                continue;
            };
            let context = format!("{method} {path} under {policy}");
            if let Some(reason) = reason(&verdict) {
                denied += 1;
                assert!(
                    matches!(reason, Reason::AuthorizerDenied | Reason::UnsafePath),
                    "{reason:?}: {context}"
                );
                continue;
            }
            passed += 1;
            assert_eq!(principal(&verdict).as_deref(), Some(&*key));
            assert!(!is_echo || arn == first, "{first} opened {context}");
            assert_eq!(
                naive::says(&policy, &arn, source, Letters::Exact),
                Says::Allowed,
                "{context}"
            );
            for _ in 0..6 {
                let served = upstream::text(path.as_bytes(), &random_steps(&mut random));
                let served = format!("{API}/{method}{served}");
                for letters in [Letters::Exact, Letters::Caseless] {
                    let said = naive::denies_by_name(&policy, &served, source, letters);
                    assert!(!said, "{served}: {context}");
                }
            }
        }
    }
    println!("{passed} passed, {denied} denied");
    assert!(passed > 200 && denied > 1_000);
}

/// The ARN of a request, taken from the documentation: the path with its unreserved characters
/// decoded, without query. `Err` if the filter takes it for unsafe.
fn upstream_arn(method: &str, path: &str) -> Result<String, ()> {
    use cognito_authorizer::rules::path::RequestPath;
    let parsed = RequestPath::parse(path.as_bytes()).map_err(|_| ())?;
    Ok(format!(
        "{API}/{method}{}",
        parsed.literal().replace('*', "%2A")
    ))
}

/// What a function does with one of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Allow,
    Deny,
    Unauthorized,
    Breaks,
    Forbidden,
    Silent,
    Garbage,
}

const PLANS: [Plan; 10] = [
    Plan::Allow,
    Plan::Allow,
    Plan::Allow,
    Plan::Deny,
    Plan::Deny,
    Plan::Unauthorized,
    Plan::Breaks,
    Plan::Forbidden,
    Plan::Silent,
    Plan::Garbage,
];

impl Plan {
    fn answer(self, key: &str) -> Answer {
        let policy = |effect: &str| {
            let statement = json!({"Effect": effect, "Action": "*", "Resource": "*"});
            json!({"principalId": key, "policyDocument": {"Statement": [statement]}}).to_string()
        };
        let failed = |message: &str| Answer::Response {
            status: 200,
            headers: vec![("x-amz-function-error", b"Unhandled".to_vec())],
            body: Some(json!({"errorMessage": message}).to_string().into_bytes()),
        };
        match self {
            Self::Allow => answered(200, &policy("Allow")),
            Self::Deny => answered(200, &policy("Deny")),
            Self::Unauthorized => failed("Unauthorized"),
            Self::Breaks => failed("Unauthorised"),
            Self::Forbidden => answered(403, &policy("Allow")),
            Self::Silent => Answer::NoResponse,
            Self::Garbage => answered(200, &policy("allow")),
        }
    }

    const fn is_remembered(self) -> bool {
        matches!(self, Self::Allow | Self::Deny)
    }

    const fn reason(self) -> Option<Reason> {
        match self {
            Self::Allow => None,
            Self::Deny => Some(Reason::AuthorizerDenied),
            Self::Unauthorized => Some(Reason::AuthorizerUnauthorized),
            Self::Breaks | Self::Garbage => Some(Reason::AuthorizerFailed),
            Self::Forbidden | Self::Silent => Some(Reason::AuthorizerUnavailable),
        }
    }
}

struct Flight {
    id: CallId,
    key: String,
    plan: Plan,
}

/// Requests, answers, leaving clients and passing time in any order: each request gets what the
/// function said of its own key, in a call that had not ended before it came, or not longer ago
/// than answers are remembered.
#[test]
fn no_identity_gets_anothers_answer_or_an_old_one() {
    let mut random = Seed::from_variable("AUTHORIZERS_SEED");
    let (mut remembered, mut waited, mut refused) = (0, 0, 0);
    for (ttl, lives) in [("60s", TTL), ("0s", 0)] {
        for _ in 0..40 {
            let mut gate = gate(ttl);
            let space = Space::default();
            let mut time = 1_000;
            let mut flights: Vec<Flight> = Vec::new();
            // What the function last said of a key, and when.
            let mut said: BTreeMap<String, (u64, Plan)> = BTreeMap::new();
            let mut waiting: BTreeMap<u32, String> = BTreeMap::new();
            let mut number = 0;
            for _ in 0..250 {
                let mut verdicts = Vec::new();
                match random.below(10) {
                    0..5 => {
                        number += 1;
                        let key = format!("k{}", random.below(4));
                        let path = random.pick(&["/orders/1", "/orders/2", "/x"]);
                        let request = request("GET", path, &key);
                        match gate.decide(&request, now(time).wall).0 {
                            Decision::Verdict(verdict) => {
                                let (when, plan) = said[&key];
                                assert!(
                                    plan.is_remembered() && time - when < lives,
                                    "{key}: {plan:?}"
                                );
                                assert_eq!(reason(&verdict), plan.reason(), "{key}");
                                assert!(plan != Plan::Allow || principal(&verdict) == Some(key));
                                remembered += 1;
                            }
                            Decision::Hold(candidate) => {
                                let fresh = said.get(&key).is_some_and(|(when, plan)| {
                                    plan.is_remembered() && time - when < lives
                                });
                                assert!(!fresh, "{key} is asked about although it is remembered");
                                let verdict = gate.hold(number, candidate, now(time), &space);
                                assert!(verdict.is_none(), "there is room");
                                waiting.insert(number, key);
                            }
                        }
                    }
                    5..8 if !flights.is_empty() => {
                        let Flight { id, key, plan } =
                            flights.swap_remove(random.below(flights.len()));
                        let effects = gate.answered(id, &plan.answer(&key), now(time), &space);
                        verdicts = effects.verdicts;
                        assert!(effects.calls.is_empty());
                        if plan.is_remembered() {
                            said.insert(key.clone(), (time, plan));
                        }
                        for (context, verdict) in &verdicts {
                            let own = waiting.remove(context).expect("it waits");
                            assert_eq!(own, key, "an answer about another key");
                            assert_eq!(reason(verdict), plan.reason(), "{key}");
                            assert!(plan != Plan::Allow || principal(verdict) == Some(own));
                            waited += 1;
                            refused += usize::from(plan != Plan::Allow);
                        }
                        verdicts.clear();
                    }
                    8 if !waiting.is_empty() => {
                        let gone = *waiting.keys().nth(random.below(waiting.len())).unwrap();
                        assert!(gate.cancel(gone));
                        waiting.remove(&gone);
                    }
                    // Not so long that a call would time out.
                    _ => time += [1, 20, 100][random.below(3)],
                }
                if random.below(60) == 0 && flights.is_empty() && waiting.is_empty() {
                    time += random.below(2 * TTL as usize) as u64;
                }
                let effects = gate.tick(now(time), &space);
                for (id, call) in effects.calls {
                    let event: Value = serde_json::from_slice(&call.body).expect("an event");
                    let key = event["headers"]["X-Key"]
                        .as_str()
                        .expect("a key")
                        .to_owned();
                    let shares = flights.iter().any(|flight| flight.key == key);
                    assert!(!shares || lives == 0, "two calls about {key}");
                    let plan = random.pick(&PLANS);
                    flights.push(Flight { id, key, plan });
                }
                verdicts.extend(effects.verdicts);
                // Only time could decide otherwise, and it passes slowly.
                for (context, verdict) in verdicts {
                    assert_eq!(reason(&verdict), Some(Reason::AuthorizerUnavailable));
                    assert!(waiting.remove(&context).is_some());
                }
                assert_eq!(gate.authorizers_in_flight(), flights.len());
            }
            // Nobody waits for ever; a tick gives so many verdicts.
            for _ in 0..100 {
                for (context, verdict) in gate.tick(now(time + 40_000), &space).verdicts {
                    assert_eq!(reason(&verdict), Some(Reason::AuthorizerUnavailable));
                    waiting.remove(&context);
                }
            }
            assert!(waiting.is_empty(), "{waiting:?}");
        }
    }
    println!("{remembered} remembered, {waited} waited, {refused} of them refused");
    assert!(remembered > 1_000 && waited > 1_000 && refused > 300);
}

/// A flood of identities: no more calls than are allowed, 503 for the rest, and those that are
/// under way get their answers.
#[test]
fn a_flood_of_identities_costs_as_many_calls_as_are_allowed() {
    let mut gate = gate("60s");
    let space = Space::default();
    let (mut held, mut full) = (0, 0);
    for number in 0..2_000 {
        let key = format!("k{number}");
        let Decision::Hold(candidate) = gate.decide(&request("GET", "/x", &key), now(1).wall).0
        else {
            panic!("nothing is known of {key}");
        };
        match gate.hold(number, candidate, now(1), &space) {
            None => held += 1,
            Some(verdict) => {
                assert_eq!(reason(&verdict), Some(Reason::AuthorizerUnavailable));
                full += 1;
            }
        }
    }
    assert_eq!((held, full), (256, 1_744));
    let calls = gate.tick(now(2), &space).calls;
    assert_eq!(calls.len(), 256);
    // Those that leave keep their calls: a function runs for each.
    for number in 0..2_000 {
        gate.cancel(number);
    }
    let Decision::Hold(candidate) = gate.decide(&request("GET", "/x", "new"), now(3).wall).0 else {
        panic!("nothing is known of it");
    };
    let verdict = gate.hold(1, candidate, now(3), &space).expect("no room");
    assert_eq!(reason(&verdict), Some(Reason::AuthorizerUnavailable));
    let (id, _) = calls[0];
    gate.answered(id, &Plan::Allow.answer("k0"), now(4), &space);
    // The one answer is remembered, though nobody waited, and there is room for one more call.
    let Decision::Verdict(verdict) = gate.decide(&request("GET", "/y", "k0"), now(5).wall).0 else {
        panic!("it is remembered");
    };
    assert_eq!(reason(&verdict), None);
    let Decision::Hold(candidate) = gate.decide(&request("GET", "/x", "new"), now(5).wall).0 else {
        panic!("nothing is known of it");
    };
    assert!(gate.hold(2, candidate, now(5), &space).is_none());
}

/// Whatever has an authorizer decides by method and path, though no rule looks at either: what could
/// change them behind the filter is refused, or taken off.
#[test]
fn nothing_behind_the_filter_sees_another_method_or_path() {
    let document = json!({
        "authorizers": [{
            "name": "all",
            "type": "request",
            "format": "rest",
            "function": "partner-auth",
            "cluster": "lambda",
            "answer": "policy",
            "identity": [{"header": "x-key"}],
            "cache": {"ttl": "60s"},
            "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a", "stage": "$default"},
        }],
        "default": {"authorizer": "all"},
    });
    let policy = config::parse(document.to_string().as_bytes()).expect("a configuration");
    let mut gate = Gate::new(Rc::new(policy), Rs256::module(), Entropy::new(3));
    let (verdict, event) = ask(
        &mut gate,
        &request("GET", "/a", "k"),
        1,
        &Plan::Allow.answer("k"),
    );
    assert_eq!(reason(&verdict), None);
    assert_eq!(
        event.unwrap()["methodArn"],
        "arn:aws:execute-api:us-east-1:123456789012:a/$default/GET/a"
    );
    for (method, path, expected) in [
        ("GET", "/a", None),
        ("get", "/a", Some(Reason::UnsafeMethod)),
        ("PURGE", "/a", Some(Reason::UnsafeMethod)),
        ("*", "/a", Some(Reason::UnsafeMethod)),
        ("POST", "/a?_method=DELETE", Some(Reason::UnsafeMethod)),
        ("POST", "/a?method=DELETE", None),
        ("GET", "/a/../b", Some(Reason::UnsafePath)),
        ("GET", "/a/..;x/b", Some(Reason::UnsafePath)),
        ("GET", "/a%00", Some(Reason::UnsafePath)),
        ("GET", "/a%2561", Some(Reason::UnsafePath)),
        ("GET", "*", Some(Reason::UnsafePath)),
        ("GET", "", Some(Reason::UnsafePath)),
        ("GET", "/%61", None),
    ] {
        let Decision::Verdict(verdict) = gate.decide(&request(method, path, "k"), now(2).wall).0
        else {
            panic!("it is remembered: {method} {path}");
        };
        assert_eq!(reason(&verdict), expected, "{method} {path}");
    }
    let overrides = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    ];
    let mut headers = vec![
        (":method".into(), b"POST".to_vec()),
        (":path".into(), b"/a".to_vec()),
        (":authority".into(), b"api.example.com".to_vec()),
        ("x-key".into(), b"k".to_vec()),
    ];
    headers.extend(overrides.map(|name| (name.into(), b"DELETE".to_vec())));
    let Decision::Verdict(Verdict::Forward(forward)) =
        gate.decide(&Request::new(headers), now(2).wall).0
    else {
        panic!("it is remembered");
    };
    for name in overrides {
        let removed = HeaderEdit::Remove(Rc::from(name));
        assert!(forward.edits.contains(&removed), "{name} goes on");
    }
}

/// An identity that one reader alone would find is none, and asks nobody.
#[test]
fn a_second_identity_asks_nobody() {
    let mut gate = gate("60s");
    let twice = |first: &str, second: &str| {
        let mut headers = vec![
            (":method".into(), b"GET".to_vec()),
            (":path".into(), b"/x".to_vec()),
            (":authority".into(), b"api.example.com".to_vec()),
        ];
        headers.push(("x-key".into(), first.as_bytes().to_vec()));
        headers.push(("x-key".into(), second.as_bytes().to_vec()));
        Request::new(headers)
    };
    let (verdict, _) = ask(
        &mut gate,
        &request("GET", "/x", "good"),
        1,
        &Plan::Allow.answer("good"),
    );
    assert_eq!(reason(&verdict), None);
    for request in [
        twice("good", "evil"),
        twice("evil", "good"),
        twice("good", "good"),
        twice("good", ""),
        request("GET", "/x", ""),
        request("GET", "/x", "\t"),
    ] {
        let Decision::Verdict(verdict) = gate.decide(&request, now(2).wall).0 else {
            panic!("nobody is asked: {request:?}");
        };
        assert_eq!(
            reason(&verdict),
            Some(Reason::MissingIdentity),
            "{request:?}"
        );
    }
}

/// A path with more readings than can be held against a remembered Deny is refused as where rules are
/// chosen; the same path passes where nothing is denied.
#[test]
fn a_path_that_is_costly_to_judge_is_unsafe() {
    let path = format!("/x/{}", "%2F%5C;a//b".repeat(60));
    for (effect, expected) in [("Deny", Some(Reason::UnsafePath)), ("Allow", None)] {
        let mut gate = gate("60s");
        let other =
            json!({"Effect": effect, "Action": "*", "Resource": format!("{API}/GET/other")});
        let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let body = json!({"policyDocument": {"Statement": [other, allow]}}).to_string();
        let answer = answered(200, &body);
        let (verdict, _) = ask(&mut gate, &request("GET", "/x", "k"), 1, &answer);
        assert_eq!(reason(&verdict), None, "{effect}");
        let Decision::Verdict(verdict) = gate.decide(&request("GET", &path, "k"), now(2).wall).0
        else {
            panic!("it is remembered");
        };
        assert_eq!(reason(&verdict), expected, "{effect}");
    }
}
