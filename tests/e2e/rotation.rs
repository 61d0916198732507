//! Keys that come and go, and key names that never existed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, compact, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::table::{Table, difference};
use crate::harness::upstream::Upstream;
use crate::keys::{ask, ask_with};

/// A token of the right issuer under a `kid` that nobody has published.
fn ask_with_random_kid(pool: &str, number: usize) -> Request {
    // Made before the answer that has no such key: what may have been made since is not settled by it.
    let token = Token::id(pool)
        .header("kid", format!("made-up-{number}"))
        .claim("iat", now() - 60);
    // The signature is never looked at: minting a genuine one would only take time.
    let token = compact(&token.header_bytes(), &token.payload_bytes(), &[0; 256]);
    Request::get("/guarded").bearer(&token)
}

/// Tokens under a `kid` that the known keys do not have.
#[test]
fn an_unknown_kid_costs_one_fetch_in_ten_seconds() {
    let window = "us-east-1_Window001";
    let failing = "us-east-1_Failing01";
    let flooded = "us-east-1_Flooded01";
    let crowded = "us-east-1_Crowded01";
    let pools = [window, failing, flooded, crowded];
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for id in pools {
        keys.publish(id, &[TestKey::first()]);
    }
    let setup = Setup::new(&keys, &upstream);
    let envoy = EnvoyUnderTest::start(&setup.listener(Listener::text(MAIN, &document(&pools))));
    let at = envoy.main();
    let mut table = Table::new(&envoy, &upstream);
    for id in pools {
        table.accepted(MAIN, id, &ask(id));
        assert_eq!(keys.fetches(id), 1);
    }
    // One refetch, which the first request waits for; after that, no more for ten seconds.
    table.refused(
        MAIN,
        "an unknown kid",
        &ask_with(window, TestKey::third()),
        "unknown_key",
    );
    assert_eq!(keys.fetches(window), 2);
    keys.publish(window, &[TestKey::first(), TestKey::third()]);
    let others = unknown_kids_are_told_at_once(&envoy, &upstream, window);
    table.others_have_asked();
    let since = Token::id(window)
        .header("kid", "made-since")
        .claim("iat", now() + 30);
    let since = compact(&since.header_bytes(), &since.payload_bytes(), &[0; 256]);
    let since = Request::get("/guarded").bearer(&since);
    table.refused(
        MAIN,
        "a kid made since the answer",
        &since,
        "keys_unavailable",
    );
    assert_eq!(keys.fetches(window), 2);
    table.accepted(MAIN, "a known kid meanwhile", &ask(window));

    // The key server fails: no verdict about the token is possible, and others keep their keys.
    keys.answer(failing, Answer::Status(500, json!({})));
    table.refused(
        MAIN,
        "the refetch fails",
        &ask_with(failing, TestKey::third()),
        "keys_unavailable",
    );
    table.accepted(MAIN, "the last good keys stay", &ask(failing));
    let mut requests = others + table.done();

    let mut number = 1000;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let flood: Vec<_> = (0..40)
            .map(|_| {
                number += 1;
                ask_with_random_kid(flooded, number).open(at)
            })
            .collect();
        requests += flood.len();
        for pending in flood {
            assert_eq!(difference(&pending.response(), "unknown_key"), None);
        }
    }
    assert_eq!(
        keys.fetches(flooded),
        2,
        "a flood of random kids is one fetch"
    );
    requests += crowd(&envoy, &keys, crowded);
    envoy.finish(requests);
}

/// Twenty kids that nobody knows, all at one time: one after the other, each looked up in the metrics,
/// they could take longer than what they are asked about.
fn unknown_kids_are_told_at_once(envoy: &EnvoyUnderTest, upstream: &Upstream, id: &str) -> usize {
    const KIDS: usize = 20;
    let before = envoy.decisions();
    let requests: Vec<_> = (0..KIDS)
        .map(|number| ask_with_random_kid(id, number))
        .collect();
    let waiting: Vec<_> = requests
        .iter()
        .map(|request| request.open(envoy.main()))
        .collect();
    for pending in waiting {
        assert_eq!(difference(&pending.response(), "unknown_key"), None);
    }
    for request in &requests {
        let line = envoy.access_log(request.case());
        assert_eq!(line["reason"], "unknown_key");
        assert!(upstream.seen(request.case()).is_empty());
    }
    let mut more = envoy.decisions();
    more.retain(|name, count| {
        *count -= before.get(name).copied().unwrap_or(0);
        *count > 0
    });
    let expected = ("denied.unknown_key".to_owned(), 20);
    assert_eq!(more, BTreeMap::from([expected]));
    KIDS
}

/// Unknown kids wait in a place of their own; when it is full the rest are told at once, and tokens
/// of known keys do not wait at all.
fn crowd(envoy: &EnvoyUnderTest, keys: &KeyServer, id: &str) -> usize {
    const PLACES: usize = 128;
    const WORKERS: usize = 2;
    const SURPLUS: usize = 40;
    let total = PLACES * WORKERS + SURPLUS;
    keys.hold(id);
    let before = envoy.metric("denied.keys_unavailable");
    let waiting: Vec<_> = (0..total)
        .map(|number| ask_with_random_kid(id, number).open(envoy.main()))
        .collect();
    let all = before + u64::try_from(total).expect("a few");
    eventually("each to be held or refused", || {
        let refused = envoy.metric("denied.keys_unavailable");
        (refused + envoy.metric("held_now") == all).then_some(())
    });
    let began = Instant::now();
    assert_eq!(
        ask(id).send(envoy.main()).status,
        200,
        "a known kid does not wait"
    );
    assert!(began.elapsed() < Duration::from_secs(2));
    keys.release(id);
    let mut unavailable = 0;
    for pending in waiting {
        let response = pending.response();
        if response.status == 503 {
            assert_eq!(difference(&response, "keys_unavailable"), None);
            unavailable += 1;
        } else {
            assert_eq!(difference(&response, "unknown_key"), None);
        }
    }
    assert!(unavailable >= SURPLUS, "{unavailable} were refused at once");
    total + 1
}

#[test]
fn rotation_brings_new_keys_at_once_and_old_ones_to_an_end() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    let setup = Setup::new(&keys, &upstream).workers(4);
    let envoy = EnvoyUnderTest::start(&setup.listener(Listener::new(MAIN, document(&[POOL]))));
    let at = envoy.main();
    let mut requests = 0;
    let mut volley = |request: &Request| {
        const SIZE: usize = 40;
        requests += SIZE;
        let waiting: Vec<_> = (0..SIZE).map(|_| request.open(at)).collect();
        let statuses = waiting.into_iter().map(|pending| pending.response().status);
        let mut statuses: Vec<_> = statuses.collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    };
    // Every worker gets to know the token, and remembers it.
    let (old, new) = (ask(POOL), ask_with(POOL, TestKey::second()));
    assert_eq!(volley(&old), [200]);
    assert_eq!(volley(&old), [200]);
    assert!(envoy.metric("token_cache.hit") > 0);
    keys.publish(POOL, &[TestKey::second()]);
    // Only one worker is asked for the new key: the others have to notice by themselves.
    let status = new.send(at).status;
    assert_eq!(status, 200, "the new key works within one request");
    assert_eq!(keys.fetches(POOL), 2);
    let replaced = Instant::now();
    eventually("the old key to be gone everywhere", || {
        let asked = replaced.elapsed();
        let gone = volley(&old) == [401];
        // Whoever asks a second after the new set is there, is refused by every worker.
        let in_time = gone || asked < Duration::from_secs(1);
        assert!(in_time, "the old key lived on for {asked:?}");
        gone.then_some(())
    });
    assert_eq!(volley(&new), [200]);
    assert_eq!(keys.fetches(POOL), 2);
    envoy.finish(requests + 1);
}
