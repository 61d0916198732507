//! `enforce: report` in scripted time: nothing is waited for, what lacks is asked for all the same, and
//! the next request may have it.

use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::config;
use cognito_authorizer::decision::{Caller, Decision, Despite, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::harness::issuer::{TestKey, Token, key_set, now};
use crate::harness::space::Space;

const POOL: &str = "us-east-1_Tests0001";

struct World {
    gate: Gate,
    space: Space,
    millis: u64,
}

impl World {
    fn new(changes: &Value) -> Self {
        let mut document = json!({
            "user_pools": [{"user_pool_id": POOL, "client_ids": "any", "jwks": {"cluster": "keys"}, "confirm": {"cluster": "pool"}}],
            "token": {"use": "access"},
            "enforce": "report",
            "rules": [{"match": {"prefix": "/pay"}, "require": {"confirmed_within": "60s"}}],
            "default": "authenticated",
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        let policy = config::parse(document.to_string().as_bytes());
        let policy = policy.unwrap_or_else(|problems| panic!("{problems}"));
        Self {
            gate: Gate::new(Rc::new(policy), Rs256::module(), Entropy::new(1)),
            space: Space::default(),
            millis: 1_000_000,
        }
    }

    fn both(&self) -> Now {
        Now {
            wall: Timestamp::from_seconds(f64::from(u32::try_from(now()).unwrap())).unwrap(),
            monotonic: Monotonic::new(Duration::from_millis(self.millis)),
        }
    }

    /// What becomes of a request: never a wait, never a refusal.
    fn ask(&mut self, path: &str, token: &str) -> String {
        let request = Request::new(vec![
            (":path".into(), path.into()),
            ("authorization".into(), format!("Bearer {token}").into()),
        ]);
        let wall = self.both().wall;
        match self.gate.decide(&request, wall).0 {
            Decision::Verdict(Verdict::Forward(forward)) => {
                match (forward.despite, forward.caller) {
                    (Some(Despite::Reported(reason)), Caller::Anonymous) => {
                        reason.code().to_owned()
                    }
                    (None, Caller::Known(_)) => "allowed".to_owned(),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// A tick; every call gets the answer of its cluster. The clusters that were called.
    fn tick(&mut self, answer: impl Fn(&str) -> Answer) -> Vec<String> {
        self.millis += 250;
        let both = self.both();
        let effects = self.gate.tick(both, &self.space);
        assert!(effects.verdicts.is_empty(), "nobody waits");
        let mut called = Vec::new();
        for (id, call) in effects.calls {
            let answer = answer(&call.cluster);
            let effects = self.gate.answered(id, &answer, both, &self.space);
            assert!(effects.verdicts.is_empty(), "nobody waits");
            called.push(call.cluster);
        }
        called
    }
}

fn keys(of: &[&TestKey]) -> Answer {
    Answer::response(200, Some(key_set(of).to_string().into_bytes()))
}

#[test]
fn keys_that_lack_are_asked_for_by_nobody_who_waits() {
    let mut world = World::new(&json!({}));
    let first = Token::access(POOL).mint();
    let second = Token::access(POOL).signed_by(TestKey::second()).mint();
    assert_eq!(world.ask("/x", &first), "keys_unavailable");
    let published = |_: &str| keys(&[TestKey::first()]);
    assert_eq!(world.tick(published), ["keys"]);
    assert_eq!(world.ask("/x", &first), "allowed");
    // Nobody asks for a new key, so that none is looked for.
    assert!(world.tick(published).is_empty());
    // However many ask, one fetch.
    for _ in 0..300 {
        assert_eq!(world.ask("/x", &second), "unknown_key");
    }
    assert_eq!(
        world.tick(|_| keys(&[TestKey::first(), TestKey::second()])),
        ["keys"]
    );
    assert_eq!(world.ask("/x", &second), "allowed");
    let third = Token::access(POOL).header("kid", "k9").mint();
    assert_eq!(world.ask("/x", &third), "unknown_key");
    assert!(world.tick(published).is_empty(), "one in ten seconds");
}

#[test]
fn the_pool_is_asked_for_the_next_request() {
    let mut world = World::new(&json!({}));
    let token = Token::access(POOL).mint();
    let answer = |cluster: &str| match cluster {
        "keys" => keys(&[TestKey::first()]),
        _ => Answer::response(200, Some(Vec::new())),
    };
    assert_eq!(world.tick(answer), ["keys"]);
    for _ in 0..3 {
        assert_eq!(world.ask("/pay", &token), "revocation_unknown");
    }
    assert_eq!(world.ask("/x", &token), "allowed");
    assert_eq!(world.tick(answer), ["pool"]);
    assert_eq!(world.ask("/pay", &token), "allowed");
    assert!(world.tick(answer).is_empty());
}

#[test]
fn a_list_that_is_not_there_is_as_its_word_says() {
    for (when_stale, told) in [("refuse", "revocation_unknown"), ("serve", "allowed")] {
        let list = json!({"cluster": "list", "uri": "https://lists.example.com/deny.json", "max_age": "1h", "when_stale": when_stale});
        let mut world = World::new(&json!({"deny_list": list}));
        let answer = |cluster: &str| match cluster {
            "keys" => keys(&[TestKey::first()]),
            _ => Answer::response(500, None),
        };
        assert_eq!(world.tick(answer), ["keys", "list"]);
        let token = Token::access(POOL).mint();
        assert_eq!(world.ask("/x", &token), told, "{when_stale}");
    }
}
