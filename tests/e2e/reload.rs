//! What follows a failure of a VM, with `failure_policy: FAIL_RELOAD` as in the example.
//!
//! No request makes the shipped module fail, as far as anybody knows. So these tests run another
//! build of it, with the feature `provoke`: there a request can ask for a trap.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::KeyServer;
use crate::harness::process::{eventually, module};
use crate::harness::upstream::Upstream;
use crate::keys::{ask, ask_with};
use crate::verifiers::VERIFY;

const TRAP: &str = "x-provoke-trap";
const WORKERS: usize = 2;
/// The pool whose fetch a failure interrupts.
const FETCHED: &str = "us-east-1_Fetched001";

#[test]
fn the_shipped_module_cannot_be_provoked() {
    let module = std::fs::read(module()).expect("the module");
    for header in [TRAP, VERIFY] {
        let mut places = module.windows(header.len());
        let found = places.any(|bytes| bytes == header.as_bytes());
        assert!(!found, "the shipped module was built with a test's feature");
    }
}

/// The threads whose VM has failed since the log had this length.
fn failed(envoy: &EnvoyUnderTest, since: usize) -> BTreeSet<String> {
    let log = envoy.log();
    let lines = log.get(since..).unwrap_or_default().lines();
    // [time][thread][level][component] ...
    lines
        .filter(|line| line.contains("proxy_on_request_headers failed"))
        .filter_map(|line| Some(line.split(']').nth(1)?.to_owned()))
        .collect()
}

/// Lets the VM of every worker fail that serves this listener.
#[track_caller]
fn trap_every_worker(envoy: &EnvoyUnderTest, listener: &str, upstream: &Upstream) {
    let since = envoy.log().len();
    eventually("every worker to have failed", || {
        let request = Request::get("/guarded").header(TRAP, "1");
        let response = request.send(envoy.at(listener));
        assert!(response.status >= 500, "{response:?}");
        assert!(upstream.seen(request.case()).is_empty(), "it was let in");
        (failed(envoy, since).len() == WORKERS).then_some(())
    });
}

fn volley(envoy: &EnvoyUnderTest, listener: &str, request: &Request) -> Vec<u16> {
    let waiting: Vec<_> = (0..20).map(|_| request.open(envoy.at(listener))).collect();
    let statuses = waiting.into_iter().map(|pending| pending.response().status);
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// A listener with VMs of its own.
fn apart(name: &'static str, document: Value) -> Listener {
    Listener::new(name, document).vm_id(name)
}

#[test]
fn whoever_had_a_vm_that_failed_has_another() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [POOL, FETCHED] {
        keys.publish(id, &[TestKey::first()]);
    }
    let hasty = ("user_pools.0.jwks.timeout", json!("1s"));
    let setup = Setup::new(&keys, &upstream)
        .provoked()
        .workers(2)
        .listener(Listener::new(MAIN, document(&[POOL])))
        .listener(apart("bystander", document(&[POOL])))
        .listener(apart("fetching", with(document(&[FETCHED]), &[hasty])));
    let mut envoy = EnvoyUnderTest::start(&setup);
    envoy.expect_traps();
    a_worker_serves_again_after_its_vm_failed(&envoy, &keys, &upstream);
    a_failure_in_the_middle_of_a_fetch_delays_keys_no_longer_than_the_lease(
        &envoy, &keys, &upstream,
    );
}

fn a_worker_serves_again_after_its_vm_failed(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) {
    for listener in [MAIN, "bystander"] {
        assert_eq!(volley(envoy, listener, &ask(POOL)), [200]);
    }
    assert_eq!(keys.fetches(POOL), 2, "once for each vm_id");
    // The keys outlive the failure: a fetch from now on would be waited for in vain.
    keys.hold(POOL);
    for _ in 0..2 {
        trap_every_worker(envoy, MAIN, upstream);
        assert_eq!(volley(envoy, "bystander", &ask(POOL)), [200]);
        eventually("the workers to serve again", || {
            let statuses = volley(envoy, MAIN, &ask(POOL));
            let refused = statuses.iter().all(|status| [200, 503].contains(status));
            assert!(refused, "neither served nor refused: {statuses:?}");
            (statuses == [200]).then_some(())
        });
        // They refuse again, too.
        let forged = Request::get("/guarded").bearer("a.b.c");
        assert_eq!(volley(envoy, MAIN, &forged), [401]);
    }
    assert_eq!(keys.fetches(POOL), 2, "none after a failure");
    assert_eq!(envoy.metric("held_now"), 0);
}

/// Whoever fetched may be gone: nobody gives its lease back, it expires.
fn a_failure_in_the_middle_of_a_fetch_delays_keys_no_longer_than_the_lease(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) {
    assert_eq!(volley(envoy, "fetching", &ask(FETCHED)), [200]);
    // A worker asks for a key that nobody knows, and fails while it waits for the answer.
    keys.publish(FETCHED, &[TestKey::first(), TestKey::second()]);
    keys.hold(FETCHED);
    let new = ask_with(FETCHED, TestKey::second());
    let held = ask_with(FETCHED, TestKey::second());
    let waiting = held.open(envoy.at("fetching"));
    eventually("the fetch", || (keys.fetches(FETCHED) == 2).then_some(()));
    let began = Instant::now();
    trap_every_worker(envoy, "fetching", upstream);
    keys.release(FETCHED);
    eventually("the workers to know the new key", || {
        (volley(envoy, "fetching", &new) == [200]).then_some(())
    });
    // The ten seconds between fetches for unknown keys, or those of the lease: not both.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(13), "{took:?}");
    assert_eq!(volley(envoy, "fetching", &ask(FETCHED)), [200]);
    // Envoy leaves whoever the failed VM held without an answer; at least it does not let them in.
    assert!(upstream.seen(held.case()).is_empty());
    drop(waiting);
}
