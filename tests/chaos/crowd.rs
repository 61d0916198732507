//! More clients than there are places: so many wait, and all others hear at once that they cannot.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::patient;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;
use crate::{alone, is_full, tell};

/// Places of a worker for requests that wait for keys.
const PLACES: usize = 1024;
/// File descriptors that each process needs beside its connections.
const OTHERS: u64 = 300;
/// What memory may be above that after half of the rounds, in per cent. It grows in steps of some
/// 25 MB, which come when they come.
const GROWTH: u64 = 15;

/// Lets this process, and Envoy after it, open that many connections, in and out.
fn raise_limit(connections: usize) {
    let needed = u64::try_from(connections).expect("a small number") + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let hard = maximum.map_or("none".to_owned(), |limit| limit.to_string());
    tell(&format!(
        "{needed} open files are needed; the hard limit is {hard}"
    ));
    if current.is_some_and(|limit| limit < needed) {
        let raised = Rlimit {
            current: Some(needed),
            maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("a hard limit that is high enough");
    }
}

/// 10,000 connections at a cold start: on each worker exactly 1024 requests wait, and are served once
/// the keys are there; the others get 503 while those still wait. A place that gets free is taken.
#[test]
fn of_ten_thousand_connections_as_many_wait_as_there_are_places() {
    let _alone = alone();
    let (connections, workers, rounds) = if is_full() {
        (10_000, 2, 8)
    } else {
        (2_000, 1, 1)
    };
    raise_limit(connections + workers * PLACES);
    let (keys, upstream) = (KeyServer::start(), Upstream::forgetful());
    let pools: Vec<_> = (0..rounds)
        .map(|round| format!("us-east-1_Crowd0000{round}"))
        .collect();
    for id in &pools {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let ids: Vec<_> = pools.iter().map(String::as_str).collect();
    let setup = Setup::new(&keys, &upstream).workers(u32::try_from(workers).expect("a few"));
    let envoy = EnvoyUnderTest::start(&setup.listener(Listener::new(MAIN, patient(&ids))));
    let places = workers * PLACES;
    let count = |number: usize| u64::try_from(number).expect("a small number");
    let mut resident = Vec::new();
    for (round, id) in pools.iter().enumerate() {
        let request = Request::get("/guarded").bearer(&Token::id(id).mint());
        let crowd: Vec<_> = (0..connections)
            .map(|_| request.open(envoy.main()))
            .collect();
        let refused = connections - places;
        envoy.await_metric("denied.keys_unavailable", count((round + 1) * refused));
        assert_eq!(envoy.metric("held_now"), count(places), "they wait still");
        // The first to come is one of those who wait. Its place is free for one more.
        let mut crowd = crowd.into_iter();
        drop(crowd.next());
        envoy.await_metric("cancelled", count(round + 1));
        let last = if workers == 1 {
            Some(request.open(envoy.main()))
        } else {
            None
        };
        if last.is_some() {
            envoy.await_metric("held_now", count(places));
        }
        let held = places - 1 + usize::from(last.is_some());
        keys.release(id);
        let (mut served, mut unavailable) = (0, 0);
        for response in crowd.chain(last).map(Pending::response) {
            match response.status {
                200 => served += 1,
                _ => {
                    assert_eq!(difference(&response, "keys_unavailable"), None);
                    unavailable += 1;
                }
            }
        }
        assert_eq!((served, unavailable), (held, refused));
        // The last rounds may begin after the first fetch of their pool has given up.
        let fetches = keys.fetches(id);
        assert!((1..=4).contains(&fetches), "{fetches} fetches of {id}");
        resident.push(envoy.usage().resident);
    }
    let mib: Vec<_> = resident.iter().map(|resident| resident / 1024).collect();
    tell(&format!(
        "of {connections} connections {places} waited, on {workers} workers; memory after each round, \
         in MiB: {mib:?}"
    ));
    let (first, last) = (resident[rounds / 2], resident[rounds - 1]);
    assert!(
        last <= first + first * GROWTH / 100,
        "memory grew: {mib:?} MiB"
    );
    let last = usize::from(workers == 1);
    envoy.finish(rounds * (connections + last));
}

/// A flood of tokens for a pool whose endpoint is silent: none of them can be verified, and all of them
/// wait; but not in the way of another pool's cold start.
#[test]
fn a_flood_for_one_pool_leaves_places_to_another() {
    const FLOOD: usize = 1100;
    const COLD: usize = 200;
    let _alone = alone();
    raise_limit(FLOOD + COLD + PLACES);
    let (keys, upstream) = (KeyServer::start(), Upstream::forgetful());
    let pools = ["us-east-1_CrowdFlood", "us-east-1_CrowdCold0"];
    for id in pools {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let listener = Listener::new(MAIN, patient(&pools));
    let envoy = EnvoyUnderTest::start(&Setup::new(&keys, &upstream).workers(1).listener(listener));
    let [flooded, cold] = pools.map(|id| Request::get("/guarded").bearer(&Token::id(id).mint()));
    let flood: Vec<_> = (0..FLOOD).map(|_| flooded.open(envoy.main())).collect();
    let count = |number: usize| u64::try_from(number).expect("a small number");
    envoy.await_metric("denied.keys_unavailable", count(FLOOD - PLACES));
    let waiting: Vec<_> = (0..COLD).map(|_| cold.open(envoy.main())).collect();
    envoy.await_metric("denied.keys_unavailable", count(FLOOD - PLACES + COLD));
    assert_eq!(envoy.metric("held_now"), count(PLACES));
    keys.release(pools[1]);
    for pending in waiting {
        assert_eq!(pending.response().status, 200);
    }
    drop(flood);
    envoy.await_metric("cancelled", count(PLACES - COLD));
    envoy.finish(FLOOD + COLD);
}
