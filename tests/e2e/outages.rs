//! Outages of the key endpoint: the last good keys serve on, and the endpoint is not hammered.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::faults::{closed_port, faults, hasty_pool};
use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::document::{pool, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;
use crate::keys::{ask, ask_with};

/// The lines that the module logged about the keys of a pool, without those for developers.
fn changes(envoy: &EnvoyUnderTest, pool: &str) -> usize {
    let log = envoy.log();
    let about = |line: &&str| {
        let told = ["[info]", "[warning]", "[error]"];
        line.contains(pool) && told.iter().any(|level| line.contains(level))
    };
    log.lines().filter(about).count()
}

#[test]
fn the_last_good_keys_outlive_every_fault() {
    let faults = faults();
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for (id, _) in &faults {
        keys.publish(id, &[TestKey::first()]);
    }
    // Only of silence nothing is known before the time is over.
    let pools = faults.iter().map(|(id, answer)| match answer {
        Answer::Silence => hasty_pool(id),
        _ => pool(id),
    });
    let pools: Vec<_> = pools.collect();
    let document = json!({"user_pools": pools, "token": {"use": "any"}});
    let setup = Setup::new(&keys, &upstream).listener(Listener::new(MAIN, document));
    let envoy = EnvoyUnderTest::start(&setup);
    let at = envoy.main();
    let requests = Cell::new(0);
    let sends = || requests.set(requests.get() + 1);
    let known_keys_serve = || {
        for (id, _) in &faults {
            sends();
            assert_eq!(ask(id).send(at).status, 200, "{id}");
        }
    };
    known_keys_serve();
    for (id, _) in &faults {
        eventually(id, || (changes(&envoy, id) == 1).then_some(()));
    }

    // A key that nobody knows asks for the set, which from now on cannot be had.
    for (id, answer) in &faults {
        keys.answer(id, answer.clone());
    }
    let unknown = |id: &str| ask_with(id, TestKey::third());
    let waiting: Vec<_> = faults.iter().map(|(id, _)| unknown(id).open(at)).collect();
    known_keys_serve();
    for ((id, _), pending) in faults.iter().zip(waiting) {
        let found = difference(&pending.response(), "keys_unavailable");
        assert_eq!(found, None, "{id}");
        // A silent endpoint fails a moment after the request's own time has run out.
        eventually(id, || (changes(&envoy, id) == 2).then_some(()));
    }
    known_keys_serve();

    // The first try, and two again by themselves, each later than the one before.
    for (id, _) in &faults {
        eventually(id, || (keys.fetches(id) >= 4).then_some(()));
        let times = keys.fetch_times(id);
        let pause = |from: usize| times[from + 1].duration_since(times[from]);
        let seconds = Duration::from_secs;
        assert!(pause(1) >= seconds(1), "{id}: {:?}", pause(1));
        assert!(pause(2) >= seconds(2), "{id}: {:?}", pause(2));
        // Time-out, back-off and jitter, and half a second for a busy machine.
        assert!(pause(2) < Duration::from_millis(3600), "{id}: {times:?}");
    }
    known_keys_serve();
    for (id, _) in &faults {
        assert_eq!(changes(&envoy, id), 2, "{id}: a failure is logged once");
    }

    // The endpoint is back, with a new key: it is noticed without anybody's asking.
    for (id, _) in &faults {
        keys.publish(id, &[TestKey::first(), TestKey::third()]);
    }
    for (id, _) in &faults {
        eventually(id, || {
            sends();
            (unknown(id).send(at).status == 200).then_some(())
        });
        // One worker may serve with the new keys before the other has said that it fetched them.
        eventually(id, || (changes(&envoy, id) == 3).then_some(()));
    }
    let fetches: usize = faults.iter().map(|(id, _)| keys.fetches(id)).sum();
    let metrics = envoy.metrics();
    let (succeeded, failed) = (metrics["jwks_fetch.success"], metrics["jwks_fetch.failure"]);
    assert_eq!(succeeded, u64::try_from(2 * faults.len()).expect("a few"));
    assert_eq!(succeeded + failed, u64::try_from(fetches).expect("a few"));
    envoy.finish(requests.get() + faults.len());
}

/// Clusters come by CDS, perhaps after the listener, and hosts come and go.
#[test]
fn a_cluster_that_arrives_late_is_noticed_at_once() {
    let (late, empty, refused) = (
        "us-east-1_Late00001",
        "us-east-1_Empty0001",
        "us-east-1_Refused01",
    );
    let pools = [late, empty, refused];
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for id in pools {
        keys.publish(id, &[TestKey::first()]);
    }
    // Whoever waits is still there at the try that follows, as late as this may have begun.
    let through = |id: &str| {
        let changes = [("jwks.cluster", json!(id)), ("jwks.timeout", json!("30s"))];
        with(pool(id), &changes)
    };
    let document = json!({
        "user_pools": pools.map(through),
        "token": {"use": "any"},
    });
    let port = closed_port();
    let setup = Setup::new(&keys, &upstream).dynamic();
    let setup = setup.listener(Listener::new(MAIN, document));
    let gone = setup.clone().empty_cluster(empty).cluster(refused, port);
    let here = setup.cluster(late, keys.port()).cluster(empty, keys.port());
    let here = here.cluster(refused, port);
    let envoy = EnvoyUnderTest::start(&gone);
    let at = envoy.main();
    let waiting = pools.map(|id| ask(id).open(at));
    envoy.await_metric("held_now", 3);
    let began = Instant::now();
    let server = KeyServer::start_at(port);
    server.publish(refused, &[TestKey::first()]);
    here.update_clusters(&envoy);
    for (id, pending) in pools.into_iter().zip(waiting) {
        assert_eq!(pending.response().status, 200, "{id}");
        if id != refused {
            let took = began.elapsed();
            assert!(took < Duration::from_secs(2), "{id}: {took:?}");
        }
    }
    let mut requests = pools.len();
    let fetched = |log: &str, id: &str| {
        let lines = log.lines().filter(|line| line.contains("[info]"));
        lines.filter(|line| line.contains(id)).count()
    };
    for id in pools {
        eventually(id, || (fetched(&envoy.log(), id) == 1).then_some(()));
    }
    // Whether a cluster that came late has been a warning by then depends on how late it came.
    let before = pools.map(|id| changes(&envoy, id));

    // They go again: what is known serves on, what is not known is not refused for good.
    gone.update_clusters(&envoy);
    drop(server);
    for id in pools {
        let response = ask_with(id, TestKey::third()).send(at);
        assert_eq!(difference(&response, "keys_unavailable"), None, "{id}");
        assert_eq!(ask(id).send(at).status, 200, "{id}");
        requests += 2;
    }
    let server = KeyServer::start_at(port);
    for (id, server) in [(late, &keys), (empty, &keys), (refused, &server)] {
        server.publish(id, &[TestKey::first(), TestKey::third()]);
    }
    here.update_clusters(&envoy);
    for (id, before) in pools.into_iter().zip(before) {
        eventually(id, || {
            requests += 1;
            let response = ask_with(id, TestKey::third()).send(at);
            (response.status == 200).then_some(())
        });
        eventually(id, || (changes(&envoy, id) == before + 2).then_some(()));
    }
    envoy.finish(requests);
}
