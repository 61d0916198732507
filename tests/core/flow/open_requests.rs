//! When a request that goes on with a token is cut: a gate alone, with keys in its configuration.

use std::time::Duration;

use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::flow::pools::{self, ACCOUNT, POOLS, ROLE, document, minted, policy};
use crate::flow::world::{BEGIN, WALL};
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
        Self::with(json!({
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
        }))
    }

    fn with(document: Value) -> Self {
        Self {
            gate: Gate::new(policy(&document), Rs256::module(), Entropy::new(1)),
            space: Space::default(),
        }
    }

    /// A worker that closes, and has fetched a deny list without entries in second 0.
    fn with_a_deny_list() -> Self {
        let mut worker = Self::with(json!({
            "user_pools": [{
                "user_pool_id": POOLS[0].1,
                "client_ids": ["web"],
                "jwks": {"inline": key_set(&[TestKey::first()])},
            }],
            "token": {"use": "access", "at_expiry": "close", "clock_skew": "0s"},
            "deny_list": deny_list(),
        }));
        worker.fetch(0.0, &json!({}));
        worker
    }

    /// The tick of this second fetches a list with these entries of the pool. What is cut then.
    fn fetch(&mut self, second: f64, entries: &Value) -> Vec<u32> {
        self.fetch_list(second, &json!({POOLS[0].1: entries}))
    }

    /// The same with the entries of all pools and accounts.
    fn fetch_list(&mut self, second: f64, pools: &Value) -> Vec<u32> {
        let mut effects = self.gate.tick(at(second), &self.space);
        let (id, _) = effects.calls.pop().expect("a fetch that is due");
        let written_at = (EPOCH + second) as u64;
        let list = json!({"version": 1, "written_at": written_at, "pools": pools});
        let answer = Answer::Response {
            status: 200,
            body: Some(list.to_string().into_bytes()),
            headers: Vec::new(),
        };
        self.gate.answered(id, &answer, at(second), &self.space);
        effects.ended.extend(self.cut(second));
        effects.ended
    }

    /// A request that goes on, with a token that says it ends in this second, or without.
    fn goes_on(&mut self, context: u32, path: &str, expires: Option<f64>) {
        let token = expires.map(|second| token(second, "alice"));
        self.goes_on_with(context, path, token.as_deref());
    }

    fn goes_on_with(&mut self, context: u32, path: &str, token: Option<&str>) {
        let mut headers = vec![(":path".into(), path.as_bytes().to_vec())];
        if let Some(token) = token {
            let value = format!("Bearer {token}").into_bytes();
            headers.push(("authorization".into(), value));
        }
        let (decision, _) = self.gate.decide(&Request::new(headers), at(0.0).wall);
        let Decision::Verdict(Verdict::Forward(forward)) = decision else {
            panic!("{context} {path} is not let through")
        };
        self.gate.goes_on(context, &forward);
    }

    fn cut(&mut self, second: f64) -> Vec<u32> {
        let mut cut = self.gate.tick(at(second), &self.space).ended;
        cut.sort_unstable();
        cut
    }
}

fn deny_list() -> Value {
    json!({
        "cluster": "deny",
        "uri": "https://lists.example/deny.json",
        "refresh_interval": "5s",
        "max_age": "forever",
        "when_stale": "refuse",
    })
}

fn at(second: f64) -> Now {
    Now {
        wall: Timestamp::from_seconds(EPOCH + second).unwrap(),
        monotonic: Monotonic::new(Duration::from_secs_f64(1000.0 + second)),
    }
}

fn token(expires: f64, subject: &str) -> String {
    let header = json!({"alg": "RS256", "kid": TestKey::first().kid()});
    let claims: Value = json!({
        "iss": issuer_of(POOLS[0].1),
        "client_id": "web",
        "token_use": "access",
        "exp": EPOCH + expires,
        "iat": EPOCH - 10.0,
        "sub": subject,
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

/// A configuration of the AWS account, which closes; the path of its name is for its callers.
fn account(max_token_age: &str) -> Value {
    let mut document = document(&[ACCOUNT.0], &json!({}));
    let keys: Value = serde_json::from_slice(&pools::key_set(&["k1"])).unwrap();
    document["aws_accounts"][0]["jwks"] = json!({"inline": keys});
    document["aws_accounts"][0]["max_token_age"] = json!(max_token_age);
    document["token"] = json!({"at_expiry": "close", "clock_skew": "5s"});
    document
}

/// A role's token, made ten seconds before the seconds of the tests begin, for an hour.
fn role_token(role: &str) -> String {
    let issued_at = EPOCH - 10.0 - WALL - BEGIN.as_secs_f64();
    minted(ACCOUNT.0, &format!("k1@{issued_at}~{role}"))
}

/// An AWS principal's also ends when it is older than wanted; the twin lasts as long as its `exp`.
#[test]
fn a_request_of_an_aws_principal_ends_at_max_token_age() {
    for (age, end) in [("1m", 55.0), ("1h", 3595.0)] {
        let mut worker = Worker::with(account(age));
        worker.goes_on_with(1, "/c", Some(&role_token(ROLE)));
        assert_eq!(worker.cut(end - 0.01), [0_u32; 0], "{age}");
        assert_eq!(worker.cut(end), [1], "{age}");
    }
}

#[test]
fn a_request_of_a_revoked_aws_principal_is_cut() {
    let mut document = account("1h");
    document["deny_list"] = deny_list();
    let mut worker = Worker::with(document);
    worker.fetch_list(0.0, &json!({}));
    worker.goes_on_with(1, "/c", Some(&role_token(ROLE)));
    worker.goes_on_with(2, "/c", Some(&role_token("role/reports")));
    let entries = json!({"issued_before": {pools::arn(ROLE): EPOCH as u64}});
    // Of an account that is not configured.
    let another = json!({"123456789013": entries});
    assert_eq!(worker.fetch_list(10.0, &another), [0_u32; 0]);
    let named = json!({ACCOUNT.1: entries});
    assert_eq!(worker.fetch_list(20.0, &named), [1]);
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

/// The host may use a number again; the last word about it counts.
#[test]
fn a_number_that_is_used_again_is_another_request() {
    let mut worker = Worker::new("close", "0s");
    worker.goes_on(1, "/x", Some(10.0));
    worker.goes_on(1, "/x", Some(20.0));
    assert_eq!(worker.cut(10.0), [0_u32; 0]);
    assert_eq!(worker.cut(20.0), [1]);
    assert_eq!(worker.cut(20.0), [0_u32; 0]);
}

/// Whom a list names is cut, whatever the rule; all others go on, and so does who comes without a token.
#[test]
fn a_request_whose_token_is_revoked_is_cut() {
    let mut worker = Worker::with_a_deny_list();
    let (alice, bob) = (token(3600.0, "alice"), token(3600.0, "bob"));
    for (context, token) in [(1, &alice), (2, &bob), (3, &alice)] {
        worker.goes_on_with(context, "/x", Some(token));
    }
    let second = EPOCH as u64;
    let carol = json!({"issued_before": {"carol": second}});
    assert_eq!(worker.fetch(10.0, &carol), [0_u32; 0]);
    let alice = json!({"issued_before": {"carol": second, "alice": second}});
    assert_eq!(worker.fetch(20.0, &alice), [1, 3]);
    worker.gate.finished(2);
    let bob = json!({"issued_before": {"alice": second, "bob": second}});
    assert_eq!(worker.fetch(30.0, &bob), [0_u32; 0]);
}

/// A token that the list has cleared is not looked up again, and one that expires is cut as ever.
#[test]
fn tokens_expire_under_a_deny_list_too() {
    let mut worker = Worker::with_a_deny_list();
    worker.goes_on(1, "/x", Some(15.0));
    worker.goes_on(2, "/x", Some(25.0));
    assert_eq!(worker.fetch(14.0, &json!({"jti": ["x"]})), [0_u32; 0]);
    assert_eq!(worker.cut(15.0), [1]);
    let alice = json!({"signed_in_before": {"alice": 1}});
    assert_eq!(
        worker.fetch(24.0, &alice),
        [2],
        "without auth_time it cannot show that it is newer"
    );
}

/// 64 are cut at one go, and the rest is not forgotten.
#[test]
fn a_crowd_that_is_revoked_is_cut_in_batches() {
    let mut worker = Worker::with_a_deny_list();
    for context in 0..150 {
        let subject = format!("user-{}", context % 2);
        worker.goes_on_with(context, "/x", Some(&token(3600.0, &subject)));
    }
    let list = json!({"signed_in_before": {"user-1": 1}});
    assert_eq!(worker.fetch(10.0, &list).len(), 64);
    assert_eq!(worker.gate.next_tick(at(10.0).monotonic), Gate::PROMPT_TICK);
    assert_eq!(worker.cut(10.0).len(), 11);
    assert_eq!(worker.cut(10.0), [0_u32; 0]);
    assert_eq!(worker.gate.next_tick(at(10.0).monotonic), Gate::IDLE_TICK);
}
