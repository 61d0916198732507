//! What the core itself takes for a decision, and how often it asks for memory: that number does not
//! depend on the machine. `cargo bench --bench decisions`

#![allow(clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../harness/issuer.rs"]
mod issuer;

use cognito_authorizer::config;
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::{HostAnswer, HostVerifier, Rs256};
use cognito_authorizer::time::Timestamp;
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
        "rules": [
            {"match": {"path": "/open"}, "allow": "anyone"},
            {"match": {"template": "/users/{id}"}, "require": {"claims": {"sub": "{id}"}}},
        ],
        "default": "nobody",
    });
    let policy = config::parse(document.to_string().as_bytes()).expect("a configuration");
    let algorithm = Rs256::host_if_proven(Rc::new(Believes::default()));
    assert!(algorithm.is_host(), "it proves itself");
    Gate::new(Rc::new(policy), algorithm, Entropy::new(1))
}

fn decide(bencher: Bencher, mut gate: Gate, path: &str, token: Option<&str>) {
    let seconds = u32::try_from(now()).expect("before the year 2106");
    let now = Timestamp::from_seconds(seconds.into()).expect("a time");
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
    let request = Request::new(headers);
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
