//! What the core itself takes for a decision, and how often it asks for memory: that number does not
//! depend on the machine. `cargo bench --bench decisions`

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

#[path = "../harness/issuer.rs"]
mod issuer;

use cognito_authorizer::config;
use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::remote::space::MemorySpace;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::{HostAnswer, HostVerifier, Rs256};
use cognito_authorizer::time::{Monotonic, Timestamp};
use divan::{AllocProfiler, Bencher, black_box};
use issuer::{CLIENT, TestKey, Token, key_set, now};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

#[global_allocator]
static MEMORY: AllocProfiler = AllocProfiler::system();

const POOL: &str = "us-east-1_AbCdEf123";

fn main() {
    divan::main();
}

/// A host whose verifier costs nothing, and that proves itself first: what is left is the core's part.
#[derive(Default)]
struct Believes(Cell<usize>);

impl HostVerifier for Believes {
    fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
        // The proof: a good signature, one of another message, and another one.
        match self.0.replace(self.0.get().saturating_add(1)) {
            1 | 2 => HostAnswer::Invalid,
            _ => HostAnswer::Valid,
        }
    }
}

fn gate(cache_entries: u32) -> Gate {
    let headers = ["sub", "username", "client_id", "scope"]
        .map(|claim| json!({"header": format!("x-{claim}").replace('_', "-"), "claim": claim}));
    let document = json!({
        "user_pools": [{
            "user_pool_id": POOL,
            "client_ids": [CLIENT],
            "jwks": {"inline": key_set(&[TestKey::first(), TestKey::second()])},
        }],
        "token": {"use": "access", "cache_entries": cache_entries},
        "claim_headers": headers,
        "authorizers": [{
            "name": "partners",
            "type": "token",
            "function": "arn:aws:lambda:us-east-1:123456789012:function:partner-auth:live",
            "cluster": "lambda",
            "answer": "policy",
            "identity": [{"header": "authorization"}],
            "cache": {"ttl": "0s"},
            "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"},
        }],
        "rules": [
            {"match": {"path": "/open"}, "allow": "anyone"},
            {"match": {"path": "/partners"}, "authorizer": "partners"},
            {"match": {"template": "/users/{id}"}, "require": {"claims": {"sub": "{id}"}}},
        ],
        "default": "nobody",
    });
    let policy = config::parse(document.to_string().as_bytes()).expect("a configuration");
    let algorithm = Rs256::host_if_proven(Rc::new(Believes::default()));
    assert!(algorithm.is_host(), "it proves itself");
    Gate::new(Rc::new(policy), algorithm, Entropy::new(1))
}

fn time() -> Timestamp {
    let seconds = u32::try_from(now()).expect("before the year 2106");
    Timestamp::from_seconds(seconds.into()).expect("a time")
}

fn request(path: &str, token: Option<&str>) -> Request {
    let mut headers = vec![
        (":path".into(), path.as_bytes().to_vec()),
        (":method".into(), b"GET".to_vec()),
        (":authority".into(), b"api.example.com".to_vec()),
    ];
    if let Some(token) = token {
        headers.push((
            "authorization".into(),
            format!("Bearer {token}").into_bytes(),
        ));
    }
    Request::new(headers)
}

fn decide(bencher: Bencher, mut gate: Gate, path: &str, token: Option<&str>) {
    let (request, now) = (request(path, token), time());
    bencher.bench_local(|| gate.decide(black_box(&request), now));
}

#[divan::bench]
fn a_token_seen_before(bencher: Bencher) {
    let path = format!("/users/{}", issuer::SUB);
    decide(bencher, gate(100), &path, Some(&Token::access(POOL).mint()));
}

#[divan::bench]
fn a_token_verified_anew(bencher: Bencher) {
    let path = format!("/users/{}", issuer::SUB);
    decide(bencher, gate(0), &path, Some(&Token::access(POOL).mint()));
}

#[divan::bench]
fn a_rule_for_anyone(bencher: Bencher) {
    decide(bencher, gate(100), "/open", None);
}

#[divan::bench]
fn no_token_refused(bencher: Bencher) {
    decide(bencher, gate(100), "/users/42", None);
}

#[divan::bench]
fn garbage_refused(bencher: Bencher) {
    decide(bencher, gate(100), "/users/42", Some("garbage"));
}

/// All that a request costs which waits for an authorizer: it is held, its call begins, the answer comes.
#[divan::bench]
fn an_authorizer_asked(bencher: Bencher) {
    let (mut gate, space) = (gate(100), MemorySpace::default());
    let request = request("/partners", Some("partner"));
    let now = Now {
        wall: time(),
        monotonic: Monotonic::default(),
    };
    let allow = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
    let body = json!({
        "principalId": "partner",
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow]},
        "context": {"tenantId": "north"},
    });
    let answer = Answer::Response {
        status: 200,
        headers: Vec::new(),
        body: Some(body.to_string().into_bytes()),
    };
    bencher.bench_local(|| {
        let Decision::Hold(candidate) = gate.decide(black_box(&request), now.wall).0 else {
            panic!("nothing is remembered");
        };
        assert!(gate.hold(1, candidate, now, &space).is_none());
        let calls = gate.begin_calls().calls;
        let (id, _) = calls.first().expect("a call");
        let effects = gate.answered(*id, &answer, now, &space);
        let verdict = effects.verdicts.first().map(|(_, verdict)| verdict);
        assert!(matches!(verdict, Some(Verdict::Forward(_))));
    });
}
