//! The soak: a steady mixed load, with keys that rotate and endpoints that fail for a while. In the
//! end memory and CPU per request are what they were in the beginning, the counters add up, and
//! every answer was the promised one.
//!
//! `make soak` runs ten minutes of it (`MINUTES=60` an hour), `make test` ten seconds, which are too
//! short to compare anything.

mod clients;
mod errands;
mod figures;
mod http2;
mod record;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says, policy};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::seed::Seed;
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;
use crate::{alone, tell};
use clients::Stage;
use errands::{FLOODED, HOME, SILENT};
use figures::Figures;
use record::Record;

/// Remembered tokens per worker, and answers of the function: few, so that the caches are full before
/// memory is compared.
const CACHE_ENTRIES: usize = 512;

/// How long it lasts, how often keys rotate, and how often it is measured.
struct Pace {
    lasts: Duration,
    cycle: Duration,
    sample: Duration,
    compares: bool,
}

impl Pace {
    fn from_environment() -> Self {
        match std::env::var("SOAK") {
            Ok(minutes) => Self {
                lasts: Duration::from_secs(
                    60 * minutes.parse::<u64>().expect("a number of minutes"),
                ),
                cycle: Duration::from_secs(30),
                sample: Duration::from_secs(10),
                compares: true,
            },
            Err(_) => Self {
                lasts: Duration::from_secs(10),
                cycle: Duration::from_secs(10),
                sample: Duration::from_secs(2),
                compares: false,
            },
        }
    }
}

fn configuration() -> Value {
    let pools = [HOME, FLOODED, SILENT];
    let mut document = document(&pools);
    for number in 0..pools.len() {
        document["user_pools"][number]["jwks"]["timeout"] = json!("2s");
        document["user_pools"][number]["jwks"]["refresh_interval"] = json!("1m");
    }
    let rules = json!([
        {"match": {"path": "/open"}, "allow": "anyone"},
        {"match": {"path": "/optional"}, "allow": "optional"},
        {"match": {"path": "/closed"}, "allow": "nobody"},
        {"match": {"path": "/access"}, "require": {"token_use": "access"}},
        {"match": {"path": "/scoped"}, "require": {"scopes": ["api/write", "api/admin"], "pools": "any"}},
        {"match": {"path": "/grouped"}, "require": {"groups": ["admin"], "pools": "any"}},
        {"match": {"path": "/claimed"}, "require": {"claims": {"email": "x"}, "pools": "any"}},
        {"match": {"path": "/recent"}, "require": {"max_auth_age": "15m"}},
        {"match": {"path": "/partners"}, "authorizer": "partners"},
    ]);
    let authorizer = json!({
        "name": "partners",
        "type": "token",
        "function": "partners",
        "cluster": "lambda",
        "answer": "policy",
        "identity": [{"header": "authorization"}],
        "cache": {"ttl": "5m", "entries": CACHE_ENTRIES},
        "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"},
    });
    let changes = [
        ("rules", rules),
        ("authorizers", json!([authorizer])),
        (
            "context_headers",
            json!([{"header": "x-tenant", "key": "tenant"}]),
        ),
        ("default", json!("authenticated")),
        ("token.aud_pattern", json!("^4hq8.*$")),
        ("token.max_bytes", json!(4096)),
        ("token.cache_entries", json!(CACHE_ENTRIES)),
        (
            "claim_headers",
            json!([{"header": "x-user", "claim": "sub"}]),
        ),
    ];
    with(document, &changes)
}

/// The function behind `/partners`. What it says of partners is remembered, and what it says wrongly of
/// others is not.
fn function() -> Function {
    let function = Function::start();
    let allow = policy("Allow", "*", json!({"tenant": "north"}));
    function.says_of_all_others(Says::Answer(allow));
    let wrong = [
        ("authorizer_unauthorized", Says::Error("Unauthorized")),
        (
            "authorizer_denied",
            Says::Answer(policy("Deny", "*", json!({}))),
        ),
        (
            "authorizer_failed",
            Says::Answer(json!({"isAuthorized": true})),
        ),
        (
            "authorizer_unavailable",
            Says::Exception(503, "ServiceException"),
        ),
    ];
    for (caller, says) in wrong {
        function.says(&format!("Bearer {caller}"), says);
    }
    function
}

/// Memory and CPU per request in the end are as in the beginning.
#[test]
fn the_end_is_as_the_beginning() {
    let _alone = alone();
    let pace = Pace::from_environment();
    let mut seed = Seed::from_variable("CHAOS_SEED");
    let (keys, upstream) = (KeyServer::start(), Upstream::forgetful());
    let stage = Stage::new(&keys);
    keys.delay(FLOODED, Duration::from_millis(300));
    keys.hold(SILENT);
    // The log of so many requests would fill a disk, and is not the filter's doing.
    let listener = Listener::new(MAIN, configuration()).manager("access_log", json!([]));
    let function = function();
    let setup = Setup::new(&keys, &upstream).cluster("lambda", function.port());
    let envoy = EnvoyUnderTest::start(&setup.listener(listener));
    let (record, figures) = thread::scope(|scope| {
        let clients = clients::start(scope, &stage, envoy.main(), &mut seed);
        let ends = Ends(&stage);
        let figures = conduct(&stage, &keys, &envoy, &pace);
        drop(ends);
        let mut record = Record::default();
        for client in clients {
            record.merge(client.join().expect("a client"));
        }
        (record, figures)
    });
    tell(&record.to_string());
    let seen = || envoy.statistic("http.ingress.downstream_rq_total");
    let decided = || envoy.decisions().values().sum::<u64>();
    eventually("every request is decided", || {
        (envoy.metric("held_now") == 0 && decided() == seen()).then_some(())
    });
    record.assert_kept(&envoy, &upstream);
    let comparison = figures.comparison();
    tell(&format!("soak: {} requests, {comparison}", seen()));
    if pace.compares {
        comparison.assert_steady();
    }
    let requests = usize::try_from(seen()).expect("a number of requests");
    envoy.finish(requests);
}

/// Sends the clients home, also where an assertion has failed: they would be waited for.
struct Ends<'s>(&'s Stage);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Rotates keys, has endpoints fail, and measures, until the time is over.
fn conduct(stage: &Stage, keys: &KeyServer, envoy: &EnvoyUnderTest, pace: &Pace) -> Figures {
    let began = Instant::now();
    let mut figures = Figures::new(envoy);
    let mut cycles = 0;
    while began.elapsed() < pace.lasts {
        let start = began + pace.cycle * cycles;
        cycles += 1;
        let mut until = |percent: u32| {
            let end = start + pace.cycle * percent / 100;
            while Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now());
                thread::sleep(left.min(figures.due_in(pace.sample)));
                if figures.due_in(pace.sample).is_zero() {
                    figures.sample(envoy);
                }
            }
        };
        until(10);
        // New tokens wait for the fetch that they cause; those of the key that leaves are retired.
        stage.rotate(keys);
        until(40);
        let retired = Request::get("/guarded").bearer(&stage.retired());
        let response = retired.send(envoy.main());
        assert_eq!(difference(&response, "unknown_key"), None, "a retired key");
        stage.note_retired();
        until(50);
        stage.fail(keys, cycles % 2 == 0);
        until(75);
        stage.restore(keys);
        until(100);
    }
    figures
}

impl Stage {
    /// Both endpoints that answer stop doing so.
    fn fail(&self, keys: &KeyServer, silently: bool) {
        self.begins_to_fail();
        for pool in [HOME, FLOODED] {
            let fault = match silently {
                true => Answer::Silence,
                false => Answer::Reset,
            };
            keys.answer(pool, fault);
        }
    }
}
