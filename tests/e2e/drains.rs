//! Listeners that drain, go, or change their filter while requests are held, and an Envoy that makes
//! room for its successor.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, patient, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::KeyServer;
use crate::harness::process::{eventually, free_ports, module};
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;
use crate::keys::ask;

/// Pools whose keys are held back until Envoy drains, each in another way.
const DRAINED: [&str; 3] = [
    "us-east-1_Drains0001",
    "us-east-1_Drains0002",
    "us-east-1_Drains0003",
];
/// Its endpoint never answers.
const SILENT: &str = "us-east-1_Silent0001";

fn held(envoy: &EnvoyUnderTest, listener: &str, pool: &str) -> Vec<Pending> {
    (0..4).map(|_| ask(pool).open(envoy.at(listener))).collect()
}

/// Requests that a listener holds when it goes get their verdict: keys that come, or 503 in time.
#[test]
fn a_listener_that_goes_leaves_nobody_without_an_answer() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [POOL, SILENT] {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let hasty = with(
        patient(&[POOL, SILENT]),
        // Until then all of them have to be there.
        &[("user_pools.1.jwks.timeout", json!("6s"))],
    );
    let setup = Setup::new(&keys, &upstream).dynamic();
    let staying = setup.listener(Listener::new("stays", patient(&[POOL])));
    let both = staying.clone().listener(Listener::new("goes", hasty));
    let envoy = EnvoyUnderTest::start(&both);
    let known = held(&envoy, "goes", POOL);
    let silent = held(&envoy, "goes", SILENT);
    let others = held(&envoy, "stays", POOL);
    let leaving = held(&envoy, "goes", POOL);
    envoy.await_metric("held_now", 16);
    staying.remove_listener(&envoy);
    drop(leaving);
    envoy.await_metric("cancelled", 4);
    for pending in silent {
        assert_eq!(difference(&pending.response(), "keys_unavailable"), None);
    }
    keys.release(POOL);
    for pending in known.into_iter().chain(others) {
        assert_eq!(pending.response().status, 200);
    }
    assert_eq!(ask(POOL).send(envoy.at("stays")).status, 200);
    assert_eq!(keys.fetches(POOL), 1);
    envoy.finish(17);
}

/// A filter that comes by itself (ECDS) changes under requests that are held, and a bad one changes
/// nothing.
#[test]
fn a_filter_that_is_discovered_changes_under_held_requests() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let setup = Setup::new(&keys, &upstream);
    let filter = |document: Value| {
        let listener = Listener::new(MAIN, document).discovered();
        setup.clone().listener(listener)
    };
    let closed = |rules: Value| {
        let rules = ("rules", rules);
        with(
            patient(&[POOL]),
            &[rules, ("default", json!("authenticated"))],
        )
    };
    let envoy = EnvoyUnderTest::start(&filter(patient(&[POOL])));
    let discovered = |counter: &str| {
        let all = envoy.statistics("extension_config_discovery.http_filter.");
        let ours = all.iter().filter(|(name, _)| name.ends_with(counter));
        ours.map(|(_, value)| *value).sum::<u64>()
    };
    let replace = |document: Value, counter: &str| {
        let before = discovered(counter);
        filter(document).republish(envoy.directory(), &module());
        eventually(counter, || (discovered(counter) > before).then_some(()));
    };
    let before = held(&envoy, MAIN, POOL);
    envoy.await_metric("held_now", 4);
    let guarded = json!([{"match": {"path": "/guarded"}, "allow": "nobody"}]);
    replace(closed(guarded), "config_reload");
    assert_eq!(
        ask(POOL).send(envoy.main()).status,
        403,
        "the new rules are in force"
    );
    // Neither does a bad one open the door, nor does it let go of those who wait.
    replace(closed(json!("none")), "config_fail");
    assert_eq!(
        ask(POOL).send(envoy.main()).status,
        403,
        "the last good rules serve on"
    );
    let open = json!([{"match": {"path": "/other"}, "allow": "nobody"}]);
    replace(closed(open), "config_reload");
    let after = held(&envoy, MAIN, POOL);
    envoy.await_metric("held_now", 8);
    keys.release(POOL);
    for pending in before.into_iter().chain(after) {
        assert_eq!(pending.response().status, 200);
    }
    // The fetch of a filter that goes may go with it.
    let fetches = keys.fetches(POOL);
    assert!((1..=3).contains(&fetches), "{fetches} fetches");
    envoy.finish(10);
}

#[test]
fn thirty_listeners_fetch_once_and_drain_with_an_answer() {
    let names: Vec<_> = (0..30).map(|number| format!("number-{number}")).collect();
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in DRAINED.into_iter().chain([POOL]) {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let listeners = names
        .iter()
        .map(|name| Listener::new(name, patient(&[POOL])));
    let setup = Setup::new(&keys, &upstream).listener(Listener::new(MAIN, patient(&DRAINED)));
    let envoy = EnvoyUnderTest::start(&listeners.fold(setup, Setup::listener));
    let requests = thirty_listeners_fetch_once(&names, &envoy, &keys)
        + draining_leaves_nobody_without_an_answer(&envoy, &keys);
    envoy.finish(requests);
}

/// Thirty listeners with one filter are one filter: one fetch, and nobody waits longer for it.
fn thirty_listeners_fetch_once(
    names: &[String],
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
) -> usize {
    let waiting: Vec<_> = names
        .iter()
        .flat_map(|name| held(envoy, name, POOL))
        .collect();
    envoy.await_metric("held_now", 120);
    keys.release(POOL);
    for pending in waiting {
        assert_eq!(pending.response().status, 200);
    }
    for name in names {
        let response = Request::get("/guarded").send(envoy.at(name));
        assert_eq!(difference(&response, "missing_token"), None, "{name}");
    }
    assert_eq!(keys.fetches(POOL), 1);
    let told = envoy.log().matches("user pools: 1").count();
    assert_eq!(told, 1, "the start is told once");
    150
}

/// Whoever is held when Envoy begins to drain gets an answer. A failed health check also tells
/// everybody to come back elsewhere; listeners that drain do so bit by bit.
fn draining_leaves_nobody_without_an_answer(envoy: &EnvoyUnderTest, keys: &KeyServer) -> usize {
    let waiting = DRAINED.map(|id| held(envoy, MAIN, id));
    envoy.await_metric("held_now", 12);
    let orders = [
        ("/healthcheck/fail", 4),
        ("/drain_listeners?graceful", 0),
        ("/drain_listeners", 0),
    ];
    for ((id, (order, least)), waiting) in DRAINED.into_iter().zip(orders).zip(waiting) {
        envoy.order(order);
        keys.release(id);
        let mut last = 0;
        for pending in waiting {
            let response = pending.response();
            assert_eq!(response.status, 200, "{order}: {response:?}");
            last += usize::from(response.header("connection") == Some("close"));
        }
        assert!(last >= least, "{order}: {last} were told to leave");
        envoy.order("/healthcheck/ok");
    }
    12
}

/// A hot restart: requests that the old process holds get their answer from it, new ones are the new
/// one's, nobody is refused, and the new one's counters hold those of both.
#[test]
fn a_hot_restart_loses_nobody() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [POOL, SILENT] {
        keys.publish(id, &[TestKey::first()]);
    }
    keys.hold(SILENT);
    let listener = Listener::new(MAIN, patient(&[POOL, SILENT]));
    let [port] = free_ports();
    let setup = Setup::new(&keys, &upstream).listener(listener.port(port));
    let arguments = ["--use-dynamic-base-id", "--base-id-path", &base_file()];
    let old = EnvoyUnderTest::start_as(&setup.clone().flushes_every("299s"), &arguments);
    let base = std::fs::read_to_string(base_file()).expect("the id of the shared memory");
    let to = old.main();
    let waiting_at_old: Vec<_> = (0..4).map(|_| ask(SILENT).open(to)).collect();
    old.await_metric("held_now", 4);
    let stop = AtomicBool::new(false);
    let (new, statuses, waiting_at_new) = thread::scope(|scope| {
        let busy = scope.spawn(|| busy(to, &stop));
        let arguments = [
            "--base-id",
            base.trim(),
            "--restart-epoch",
            "1",
            // Until then those who wait at both have to be counted, and answered.
            "--parent-shutdown-time-s",
            "8",
        ];
        let setup = setup.flushes_every("0.1s");
        let new = EnvoyUnderTest::start_as(&setup, &arguments);
        let waiting: Vec<_> = (0..4).map(|_| ask(SILENT).open(to)).collect();
        // Gauges are those of both processes, too.
        new.await_metric("held_now", 8);
        new.await_metric("signature_host", 2);
        keys.release(SILENT);
        stop.store(true, Ordering::Relaxed);
        (new, busy.join().expect("the busy client"), waiting)
    });
    for pending in waiting_at_old.into_iter().chain(waiting_at_new) {
        assert_eq!(pending.response().status, 200);
    }
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let requests = statuses.len() + 8;
    let requests = u64::try_from(requests).expect("a number of requests");
    eventually("the counters of both", || {
        (new.decisions().values().sum::<u64>() == requests).then_some(())
    });
    old.leave();
    assert_eq!(ask(POOL).send(to).status, 200);
    for id in [POOL, SILENT] {
        assert_eq!(keys.fetches(id), 2, "once for each process");
    }
    new.finish(statuses.len() + 9);
    // Envoy leaves it behind.
    let _ = std::fs::remove_file(format!("/dev/shm/envoy_shared_memory_{}0", base.trim()));
    let _ = std::fs::remove_file(base_file());
}

/// Asks until it is told to stop.
fn busy(to: SocketAddr, stop: &AtomicBool) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        statuses.push(ask(POOL).send(to).status);
    }
    statuses
}

fn base_file() -> String {
    let name = format!("base-id-{}", std::process::id());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.display().to_string()
}
