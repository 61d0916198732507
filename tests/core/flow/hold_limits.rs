//! How long requests are held, to the nanosecond, and when the next tick is wanted: a gate alone.

use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::{Effects, Gate, Now};
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::refusal::Refusal;
use cognito_authorizer::remote::call::CallId;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::flow::pools::{document, key_set, minted, policy};
use crate::harness::space::Space;

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// The default.
const TIMEOUT: Duration = Duration::from_secs(5);

fn at(since_start: Duration) -> Now {
    Now {
        wall: Timestamp::from_seconds(1_700_000_000.0).unwrap(),
        monotonic: Monotonic::new(Duration::from_secs(1000) + since_start),
    }
}

fn request(kid: &str) -> Request {
    let value = format!("Bearer {}", minted("a", kid)).into_bytes();
    Request::new(vec![("authorization".into(), value)])
}

struct Worker {
    gate: Gate,
    space: Space,
    asked: u32,
}

impl Worker {
    fn new(jwks: &Value) -> Self {
        let policy = policy(&document(&["a"], jwks));
        Self {
            gate: Gate::new(Rc::clone(&policy), Rs256::module(), Entropy::new(1)),
            space: Space::default(),
            asked: 0,
        }
    }

    /// What is decided about a request before anybody is asked.
    fn decide(&mut self, kid: &str, now: Duration) -> String {
        match self.gate.decide(&request(kid), at(now).wall).0 {
            Decision::Verdict(verdict) => told(&verdict),
            Decision::Hold(_) => "held".into(),
        }
    }

    /// A request: what it gets at once, or `None` if it is held.
    fn ask(&mut self, kid: &str, now: Duration) -> Option<String> {
        self.asked += 1;
        match self.gate.decide(&request(kid), at(now).wall).0 {
            Decision::Verdict(verdict) => Some(told(&verdict)),
            Decision::Hold(candidate) => self
                .gate
                .hold(self.asked, candidate, at(now), &self.space)
                .map(|verdict| told(&verdict)),
        }
    }

    fn tick(&mut self, now: Duration) -> Effects {
        self.gate.tick(at(now), &self.space)
    }

    /// The verdicts of a tick that begins no fetch.
    #[track_caller]
    fn verdicts(&mut self, now: Duration) -> Vec<String> {
        let effects = self.tick(now);
        assert_eq!(effects.calls, []);
        effects.verdicts.iter().map(|(_, one)| told(one)).collect()
    }

    #[track_caller]
    fn begin(&mut self, now: Duration) -> CallId {
        self.tick(now).calls.pop().expect("a fetch that is due").0
    }

    fn answer(&mut self, fetch: CallId, now: Duration, answer: &Answer) -> Vec<String> {
        let effects = self.gate.answered(fetch, answer, at(now), &self.space);
        effects.verdicts.iter().map(|(_, one)| told(one)).collect()
    }

    fn next_tick(&self, now: Duration) -> Duration {
        self.gate.next_tick(at(now).monotonic)
    }
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Forward(_) => "allowed".into(),
        Verdict::Answer(_) => "answered".into(),
        Verdict::Refuse(Refusal::KeysUnavailable(after)) => format!("unavailable {after:?}"),
        Verdict::Refuse(refusal) => refusal.reason().code().into(),
    }
}

fn keys(names: &[&str]) -> Answer {
    Answer::response(200, Some(key_set(names)))
}

#[test]
fn a_request_is_held_for_its_timeout_and_no_longer() {
    let mut worker = Worker::new(&json!({}));
    worker.begin(Duration::ZERO);
    assert_eq!(worker.ask("k1", Duration::ZERO), None);
    assert!(worker.verdicts(TIMEOUT - NANOSECOND).is_empty());
    assert_eq!(worker.verdicts(TIMEOUT), ["unavailable 0ns"]);
    assert!(worker.verdicts(TIMEOUT).is_empty());
}

#[test]
fn a_request_whose_key_is_searched_is_held_for_its_timeout_and_no_longer() {
    let mut worker = Worker::new(&json!({}));
    let fetch = worker.begin(Duration::ZERO);
    worker.answer(fetch, Duration::ZERO, &keys(&["k1"]));
    let asked = 60 * SECOND;
    assert_eq!(worker.ask("k3", asked), None);
    worker.begin(asked);
    let later = asked + SECOND;
    assert_eq!(worker.ask("k3", later), None);
    assert!(worker.verdicts(asked + TIMEOUT - NANOSECOND).is_empty());
    // The fetch is late, and may still bring the key: the next request waits for it.
    assert_eq!(worker.verdicts(asked + TIMEOUT), ["unavailable 0ns"]);
    assert!(worker.verdicts(later + TIMEOUT - NANOSECOND).is_empty());
}

#[test]
fn nobody_waits_for_a_fetch_that_begins_too_late() {
    for (failures, late) in [(3, false), (4, true)] {
        let mut worker = Worker::new(&json!({"timeout": "5s"}));
        let mut now = Duration::ZERO;
        for _ in 0..failures {
            while worker.next_tick(now) != Gate::PROMPT_TICK {
                now += Duration::from_millis(10);
            }
            let fetch = worker.begin(now);
            worker.answer(fetch, now, &Answer::NoResponse);
        }
        // After the third failure the next fetch is 4 to 5 s away, after the fourth 8 to 10 s.
        let told = worker.ask("k1", now);
        assert_eq!(told.is_some(), late, "{told:?}");
    }
}

#[test]
fn ticks_are_as_frequent_as_what_is_awaited_needs() {
    let mut worker = Worker::new(&json!({"max_stale": "1h"}));
    assert_eq!(worker.next_tick(Duration::ZERO), Gate::PROMPT_TICK);
    let fetch = worker.begin(Duration::ZERO);
    // Others may bring the keys.
    assert_eq!(worker.next_tick(Duration::ZERO), Gate::BUSY_TICK);
    worker.answer(fetch, Duration::ZERO, &keys(&["k1"]));
    assert_eq!(worker.next_tick(Duration::ZERO), Gate::IDLE_TICK);
    // A search, before anybody begins it and afterwards.
    let now = 60 * SECOND;
    assert_eq!(worker.ask("k3", now), None);
    assert_eq!(worker.next_tick(now), Gate::PROMPT_TICK);
    let fetch = worker.begin(now);
    assert_eq!(worker.next_tick(now), Gate::BUSY_TICK);
    assert_eq!(worker.answer(fetch, now, &keys(&["k1"])), ["unknown_key"]);
    assert_eq!(worker.next_tick(now), Gate::IDLE_TICK);
}

/// A pool whose endpoint is out of reach costs ticks only when its next fetch is near.
#[test]
fn a_back_off_is_waited_for_at_ease() {
    let mut worker = Worker::new(&json!({}));
    let fetch = worker.begin(Duration::ZERO);
    worker.answer(fetch, Duration::ZERO, &Answer::NoResponse);
    // The next one is 1 to 1.25 s away.
    let pool = worker.gate.policy().issuers.iter().next().unwrap().0;
    let next = worker
        .gate
        .keyring()
        .keys_expected_in(pool, at(Duration::ZERO).monotonic);
    let near = next - Gate::IDLE_TICK;
    assert_eq!(worker.next_tick(near), Gate::IDLE_TICK);
    assert_eq!(worker.next_tick(near + NANOSECOND), Gate::BUSY_TICK);
    assert_eq!(worker.next_tick(next), Gate::PROMPT_TICK);
    // A request that waits is looked after all the while.
    assert_eq!(worker.ask("k1", SECOND / 10), None);
    assert_eq!(worker.next_tick(SECOND / 10), Gate::BUSY_TICK);
}

#[test]
fn verdicts_come_in_batches_of_64() {
    for (requests, batches) in [
        (63, vec![63]),
        (64, vec![64, 0]),
        (65, vec![64, 1]),
        (130, vec![64, 64, 2]),
    ] {
        let mut worker = Worker::new(&json!({}));
        let fetch = worker.begin(Duration::ZERO);
        for _ in 0..requests {
            assert_eq!(worker.ask("k1", Duration::ZERO), None);
        }
        let mut given = vec![worker.answer(fetch, SECOND, &keys(&["k1"])).len()];
        // Whether any are left is known only once a batch was not full.
        while worker.next_tick(SECOND) == Gate::PROMPT_TICK && given.len() < 5 {
            given.push(worker.verdicts(SECOND).len());
        }
        assert_eq!(given, batches);
        assert_eq!(worker.next_tick(SECOND), Gate::IDLE_TICK);
    }
}

#[test]
fn a_request_that_is_asked_about_twice_has_one_place() {
    let mut worker = Worker::new(&json!({}));
    worker.begin(Duration::ZERO);
    assert_eq!(worker.ask("k1", Duration::ZERO), None);
    worker.asked = 0;
    assert_eq!(worker.ask("k1", Duration::ZERO), None);
    assert_eq!(worker.verdicts(TIMEOUT).len(), 1);
    assert!(!worker.gate.cancel(1));
}

#[test]
fn a_key_that_a_refresh_brings_ends_the_search_for_it() {
    let mut worker = Worker::new(&json!({}));
    let fetch = worker.begin(Duration::ZERO);
    worker.answer(fetch, Duration::ZERO, &keys(&["k1"]));
    let now = 900 * SECOND;
    let refresh = worker.begin(now);
    assert_eq!(worker.ask("k3", now), None);
    assert!(worker.verdicts(now).is_empty());
    let told = worker.answer(refresh, now, &keys(&["k1", "k3"]));
    assert_eq!(told, ["allowed"]);
}

/// Nobody is held for a moment only because the configuration has changed.
#[test]
fn a_gate_starts_with_the_keys_that_others_have_fetched() {
    let mut worker = Worker::new(&json!({}));
    let fetch = worker.begin(Duration::ZERO);
    worker.answer(fetch, Duration::ZERO, &keys(&["k1"]));
    let policy = Rc::clone(worker.gate.policy());
    let new = || Gate::new(Rc::clone(&policy), Rs256::module(), Entropy::new(2));
    worker.gate = new();
    let now = at(SECOND);
    worker.gate.start(now, &worker.space);
    assert_eq!(worker.decide("k1", SECOND), "allowed");
    worker.gate = new();
    assert_eq!(worker.decide("k1", SECOND), "held");
    // Without a tick either: before it is held, what others have done is looked at once more.
    assert_eq!(worker.ask("k1", SECOND).as_deref(), Some("allowed"));
}

#[test]
fn who_goes_away_frees_a_place_of_its_own_kind() {
    let mut worker = Worker::new(&json!({}));
    let fetch = worker.begin(Duration::ZERO);
    worker.answer(fetch, Duration::ZERO, &keys(&["k1"]));
    let now = 60 * SECOND;
    for _ in 0..128 {
        assert_eq!(worker.ask("new", now), None);
    }
    assert!(worker.ask("new", now).is_some());
    assert!(worker.gate.cancel(7));
    assert!(!worker.gate.cancel(7));
    assert!(!worker.gate.cancel(5000));
    assert_eq!(worker.ask("new", now), None);
    assert!(worker.ask("new", now).is_some());
}

/// A demand lasts no longer than the request that makes it.
#[test]
fn a_request_that_goes_away_demands_no_fetch() {
    for (stays, fetches) in [(true, 1), (false, 0)] {
        let mut worker = Worker::new(&json!({}));
        let fetch = worker.begin(Duration::ZERO);
        worker.answer(fetch, Duration::ZERO, &keys(&["k1"]));
        let now = 60 * SECOND;
        assert_eq!(worker.ask("k3", now), None);
        if !stays {
            assert!(worker.gate.cancel(worker.asked));
            assert_eq!(worker.next_tick(now), Gate::IDLE_TICK);
        }
        assert_eq!(worker.tick(now).calls.len(), fetches, "{stays}");
    }
}
