//! A Lambda authorizer in disorder: its function fails at random, changes its mind about callers, and
//! the configuration is updated meanwhile.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cognito_authorizer::remote::call::Answer;
use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says, policy};
use crate::harness::keyserver::KeyServer;
use crate::harness::seed::Seed;
use crate::harness::upstream::Upstream;
use crate::load::Line;
use crate::{alone, is_full, tell};

const CLIENTS: usize = 6;
/// Callers, of which every third never gets in.
const CALLERS: usize = 24;
/// `cache.ttl` and `timeout` of the authorizer.
const TTL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(1);
/// A busy machine's.
const SLACK: Duration = Duration::from_millis(500);

/// What is true of the function at each moment.
struct Facts {
    /// Since when it answers as it should, if it does.
    healthy: Option<Instant>,
    /// Since when it no longer lets a caller in.
    closed: Vec<Option<Instant>>,
    passed: usize,
    refused: usize,
    failed: usize,
    requests: usize,
    sent_again: usize,
    broken: Vec<String>,
}

fn key(caller: usize) -> String {
    format!("caller-{caller}")
}

fn is_guest(caller: usize) -> bool {
    !caller.is_multiple_of(3)
}

fn listener(variant: usize) -> Listener {
    let authorizer = json!({
        "name": "function",
        "type": "token",
        "function": "partners",
        "cluster": "lambda",
        "timeout": "1s",
        "answer": "policy",
        "identity": [{"header": "x-key"}],
        "cache": {"ttl": "1s", "entries": 4096 + variant},
        "api": {
            "region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod",
        },
    });
    let document = json!({
        "authorizers": [authorizer],
        "default": {"authorizer": "function"},
        "rules": [{"match": {"path": "/open"}, "allow": "anyone"}],
    });
    Listener::new(MAIN, document)
}

/// What the function says of a caller while it is well.
fn word(caller: usize, closed: bool) -> Says {
    let effect = if is_guest(caller) && !closed {
        "Allow"
    } else {
        "Deny"
    };
    Says::Answer(policy(effect, "*", json!({"tenantId": "north"})))
}

fn fault(seed: &mut Seed) -> Says {
    let allow = policy("Allow", "*", json!({}));
    let text = |value: Value| value.to_string().into_bytes();
    seed.pick(&[
        Says::Error("no such table"),
        Says::Exception(403, "AccessDeniedException"),
        Says::Exception(404, "ResourceNotFoundException"),
        Says::Exception(429, "TooManyRequestsException"),
        Says::Exception(500, "ServiceException"),
        // Others than a function's own answer never let anybody in, whatever they say.
        Says::Response(Answer::response(202, Some(text(allow.clone())))),
        Says::Response(Answer::response(503, Some(text(allow)))),
        Says::Bytes(br#"{"policyDocument":{"Statement":[{"Effect":"Allow"}]}"#.to_vec()),
        Says::Bytes(b"\x1f\x8b\x08\0\0".to_vec()),
        Says::Answer(json!({"isAuthorized": true})),
        Says::Endless,
        Says::Garbage,
        Says::Nothing,
    ])
}

/// All that trouble is made with.
struct Stage<'a> {
    facts: &'a Mutex<Facts>,
    function: &'a Function,
    envoy: &'a EnvoyUnderTest,
    setup: &'a Setup,
    fails: Option<Instant>,
    outages: usize,
    updates: usize,
}

impl Stage<'_> {
    fn trouble(&mut self, seed: &mut Seed) {
        match seed.below(8) {
            0..4 if self.fails.is_none() => {
                self.facts.lock().expect("no panic").healthy = None;
                for caller in 0..CALLERS {
                    self.function.says(&key(caller), fault(seed));
                }
                // Some answers come in time, and some do not.
                self.function.delay(seed.between(0, 1300));
                self.fails = Some(Instant::now() + seed.between(300, 2000));
                self.outages += 1;
            }
            4 | 5 => {
                let caller = seed.below(CALLERS);
                let mut facts = self.facts.lock().expect("no panic");
                // Some stay.
                if caller.is_multiple_of(2) && facts.closed[caller].is_none() {
                    if self.fails.is_none() {
                        self.function.says(&key(caller), word(caller, true));
                    }
                    facts.closed[caller] = Some(Instant::now());
                }
            }
            6 => {
                self.updates += 1;
                let listener = listener(self.updates % 2);
                self.envoy.update(&self.setup.clone().listener(listener));
            }
            _ => {}
        }
    }

    fn heal(&mut self, all: bool) {
        let now = Instant::now();
        if self.fails.take_if(|until| all || *until <= now).is_some() {
            self.function.delay(Duration::ZERO);
            let mut facts = self.facts.lock().expect("no panic");
            for caller in 0..CALLERS {
                let closed = facts.closed[caller].is_some();
                self.function.says(&key(caller), word(caller, closed));
            }
            facts.healthy = Some(Instant::now());
        }
    }
}

fn client(facts: &Mutex<Facts>, to: SocketAddr, mut seed: Seed, stop: &AtomicBool) {
    let mut line = Line::new(to);
    while !stop.load(Ordering::Relaxed) {
        let caller = seed.below(CALLERS);
        let sent = Instant::now();
        let was_healthy = facts.lock().expect("no panic").healthy;
        let request = Request::get("/orders").header("x-key", key(caller));
        let response = line.send(&request);
        let took = sent.elapsed();
        let mut facts = facts.lock().expect("no panic");
        let closed = facts.closed[caller];
        // Who asks for an answer in the last moment gets it a time-out later, and it serves for a TTL.
        let settled = |since: Instant| sent > since + TIMEOUT + TTL + SLACK;
        let may_pass = is_guest(caller) && !closed.is_some_and(settled);
        // An outage in between, or one whose calls are not over, may be felt.
        let healthy = was_healthy.filter(|_| facts.healthy == was_healthy);
        let is_well = healthy.is_some_and(|since| sent > since + TIMEOUT + SLACK);
        let must_pass = is_guest(caller) && closed.is_none() && is_well;
        let right = match response.status {
            200 => may_pass,
            403 => !must_pass,
            500 | 503 => !is_well,
            _ => false,
        };
        match response.status {
            200 => facts.passed += 1,
            403 => facts.refused += 1,
            _ => facts.failed += 1,
        }
        facts.requests += 1;
        if !right {
            let status = response.status;
            facts.broken.push(format!(
                "{}: {status} after {took:?}; closed {closed:?}, healthy {healthy:?}, sent {sent:?}",
                key(caller)
            ));
        }
        drop(facts);
        thread::sleep(seed.between(2, 20));
    }
    facts.lock().expect("no panic").sent_again += line.sent_again;
}

/// Nobody gets in whom the function did not let in a TTL ago, everybody does whom a well function lets
/// in, and calls stay within their bounds.
#[test]
fn nobody_gets_in_without_the_functions_word() {
    let _alone = alone();
    let lasts = Duration::from_secs(if is_full() { 100 } else { 12 });
    let mut seed = Seed::from_variable("CHAOS_SEED");
    let (keys, function, upstream) = (KeyServer::start(), Function::start(), Upstream::forgetful());
    for caller in 0..CALLERS {
        function.says(&key(caller), word(caller, false));
    }
    let facts = Mutex::new(Facts {
        healthy: Some(Instant::now()),
        closed: vec![None; CALLERS],
        passed: 0,
        refused: 0,
        failed: 0,
        requests: 0,
        sent_again: 0,
        broken: Vec::new(),
    });
    let setup = Setup::new(&keys, &upstream)
        .workers(4)
        .cluster("lambda", function.port())
        .dynamic();
    let envoy = EnvoyUnderTest::start(&setup.clone().listener(listener(0)));
    let to = envoy.main();
    let mut stage = Stage {
        facts: &facts,
        function: &function,
        envoy: &envoy,
        setup: &setup,
        fails: None,
        outages: 0,
        updates: 0,
    };
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let (seed, facts, stop) = (seed.fork(), &facts, &stop);
            scope.spawn(move || client(facts, to, seed, stop));
        }
        while began.elapsed() < lasts {
            thread::sleep(seed.between(100, 700));
            stage.heal(false);
            stage.trouble(&mut seed);
        }
        stage.heal(true);
        thread::sleep(TIMEOUT + TTL + SLACK + SLACK);
        stop.store(true, Ordering::Relaxed);
    });
    let (outages, updates) = (stage.outages, stage.updates);
    let facts = facts.into_inner().expect("no panic");
    tell(&format!(
        "{:.0?} of functions: {} passed, {} refused, {} failed; outages: {outages}, updates: {updates}, calls: {}",
        began.elapsed(),
        facts.passed,
        facts.refused,
        facts.failed,
        function.invocations().len(),
    ));
    assert!(facts.broken.is_empty(), "{}", facts.broken.join("\n"));
    // The test tested something.
    for count in [facts.passed, facts.refused, facts.failed] {
        assert!(count > 50, "{count}");
    }
    let decided: u64 = envoy.decisions().values().sum();
    let decided = usize::try_from(decided).expect("a number of requests");
    let again = facts.sent_again;
    assert!(
        (facts.requests..=facts.requests + again).contains(&decided),
        "{decided}"
    );
    assert_eq!(envoy.metric("authorizer_in_flight"), 0);
    envoy.finish(decided);
}
