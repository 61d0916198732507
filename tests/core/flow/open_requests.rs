//! When a request that goes on with a token is cut: a gate alone, with keys in its configuration.

use std::time::Duration;

use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::flow::pools::{POOLS, policy};
use crate::harness::issuer::{TestKey, issuer_of, key_set, signed};
use crate::harness::space::Space;

/// Just before the seconds of the tests begin.
const EPOCH: f64 = 1_700_000_000.0;

struct Worker {
    gate: Gate,
    space: Space,
}

impl Worker {
    fn new(at_expiry: &str, clock_skew: &str) -> Self {
        let document = json!({
            "user_pools": [{
                "user_pool_id": POOLS[0].1,
                "client_ids": ["web"],
                "jwks": {"inline": key_set(&[TestKey::first()])},
            }],
            "token": {"use": "access", "at_expiry": at_expiry, "clock_skew": clock_skew},
            "rules": [
                {"match": {"path": "/open"}, "allow": "anyone"},
                {"match": {"path": "/optional"}, "allow": "optional"},
            ],
            "default": "authenticated",
        });
        Self {
            gate: Gate::new(policy(&document), Rs256::module(), Entropy::new(1)),
            space: Space::default(),
        }
    }

    /// A request that goes on, with a token that says it ends in this second, or without.
    fn goes_on(&mut self, context: u32, path: &str, expires: Option<f64>) {
        let mut headers = vec![(":path".into(), path.as_bytes().to_vec())];
        if let Some(second) = expires {
            let value = format!("Bearer {}", token(second)).into_bytes();
            headers.push(("authorization".into(), value));
        }
        let (decision, _) = self.gate.decide(&Request::new(headers), at(0.0).wall);
        let Decision::Verdict(Verdict::Forward(forward)) = decision else {
            panic!("{context} {path} is not let through")
        };
        self.gate.goes_on(context, &forward);
    }

    fn cut(&mut self, second: f64) -> Vec<u32> {
        self.gate.tick(at(second), &self.space).ended
    }
}

fn at(second: f64) -> Now {
    Now {
        wall: Timestamp::from_seconds(EPOCH + second).unwrap(),
        monotonic: Monotonic::new(Duration::from_secs_f64(1000.0 + second)),
    }
}

fn token(expires: f64) -> String {
    let header = json!({"alg": "RS256", "kid": TestKey::first().kid()});
    let claims: Value = json!({
        "iss": issuer_of(POOLS[0].1),
        "client_id": "web",
        "token_use": "access",
        "exp": EPOCH + expires,
    });
    let (header, claims) = (header.to_string(), claims.to_string());
    signed(header.as_bytes(), claims.as_bytes(), TestKey::first())
}

/// Not a moment sooner than the token would be refused, the skew of clocks included.
#[test]
fn a_request_is_open_for_just_as_long_as_its_token_would_be_accepted() {
    let mut worker = Worker::new("close", "5s");
    worker.goes_on(1, "/x", Some(10.0));
    worker.goes_on(2, "/optional", Some(10.25));
    worker.goes_on(3, "/optional", None);
    worker.goes_on(4, "/open", Some(10.0));
    worker.goes_on(5, "/x", Some(3600.0));
    for (second, cut) in [
        (14.99, vec![]),
        (15.0, vec![1]),
        (15.2, vec![]),
        (15.25, vec![2]),
        (3604.9, vec![]),
        (3605.1, vec![5]),
        (1e9, vec![]),
    ] {
        assert_eq!(worker.cut(second), cut, "{second}");
    }
}

#[test]
fn nothing_is_cut_unless_it_is_asked_for() {
    let mut worker = Worker::new("keep", "5s");
    worker.goes_on(1, "/x", Some(10.0));
    assert_eq!(worker.cut(1e9), [0_u32; 0]);
}

#[test]
fn what_has_come_to_its_end_is_not_cut() {
    let mut worker = Worker::new("close", "0s");
    worker.goes_on(1, "/x", Some(10.0));
    worker.goes_on(2, "/x", Some(10.0));
    worker.gate.finished(1);
    assert_eq!(worker.cut(10.0), [2]);
}

/// While more are to be cut than one tick cuts, the next tick comes at once.
#[test]
fn a_crowd_keeps_the_ticks_coming() {
    let mut worker = Worker::new("close", "0s");
    for context in 0..100 {
        worker.goes_on(context, "/x", Some(10.0));
    }
    assert_eq!(worker.gate.next_tick(at(9.9).monotonic), Gate::IDLE_TICK);
    assert_eq!(worker.cut(10.0).len(), 64);
    assert_eq!(worker.gate.next_tick(at(10.0).monotonic), Gate::PROMPT_TICK);
    assert_eq!(worker.cut(10.0).len(), 36);
    assert_eq!(worker.gate.next_tick(at(10.0).monotonic), Gate::IDLE_TICK);
}
