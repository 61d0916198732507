//! Keys: fetched once for all, waited for, never guessed at.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bootstrap::{Listener, MAIN, Setup};
use crate::client::{Pending, Request};
use crate::document::{POOL, document, pool, with};
use crate::envoy::{EnvoyUnderTest, eventually};
use crate::issuer::{TestKey, Token, compact, key_set, signed};
use crate::keyserver::{Answer, KeyServer};
use crate::table::{Table, difference};
use crate::upstream::Upstream;

fn ask(pool: &str) -> Request {
    Request::get("/guarded").bearer(&Token::id(pool).mint())
}

fn ask_with(pool: &str, key: &'static TestKey) -> Request {
    Request::get("/guarded").bearer(&Token::id(pool).signed_by(key).mint())
}

/// A token of the right issuer under a `kid` that nobody has published.
fn ask_with_random_kid(pool: &str, number: usize) -> Request {
    let token = Token::id(pool).header("kid", format!("made-up-{number}"));
    // The signature is never looked at: minting a genuine one would only take time.
    let token = compact(&token.header_bytes(), &token.payload_bytes(), &[0; 256]);
    Request::get("/guarded").bearer(&token)
}

/// The upstream hears of a held request only after the verdict, and then of all of it.
#[test]
fn requests_wait_for_keys_whole_and_unseen() {
    let pools = ["us-east-1_Stops0001", "us-east-1_Buffers01"];
    let listeners = ["stops", "buffers"];
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for id in pools {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let envoy = EnvoyUnderTest::start(
        Setup::new(&keys, &upstream)
            .listener(Listener::new("stops", document(&[pools[0]])).stop_iteration(true))
            .listener(Listener::new("buffers", document(&[pools[1]])).stop_iteration(false)),
    );
    let mut waiting: Vec<(Request, Pending, &str, bool)> = Vec::new();
    for (id, listener) in pools.into_iter().zip(listeners) {
        let at = envoy.at(listener);
        let token = Token::id(id).mint();
        let genuine = Token::id(id);
        let forged = signed(
            &genuine.header_bytes(),
            &genuine.payload_bytes(),
            TestKey::third(),
        );
        let post = |path: &str| Request::new("POST", path);
        let get = ask(id);
        waiting.push((get.clone(), get.open(at), "", true));
        let body = post("/body").bearer(&token).body(b"held body");
        waiting.push((body.clone(), body.open(at), "held body", true));
        let chunked = post("/chunked").bearer(&token);
        let chunked = chunked.chunked(&["held ", "in ", "chunks"], &[("x-trailer", "last")]);
        waiting.push((chunked.clone(), chunked.open(at), "held in chunks", true));
        let slow = post("/slow").bearer(&token).body(b"slow body");
        waiting.push((slow.clone(), slow.open_head(at), "slow body", true));
        let refused = post("/refused").bearer(&forged).body(b"never");
        waiting.push((refused.clone(), refused.open(at), "", false));
        let chunked = post("/refused")
            .bearer(&forged)
            .chunked(&["never"], &[("x-trailer", "never")]);
        waiting.push((chunked.clone(), chunked.open(at), "", false));
        // What needs no key does not wait for one.
        let response = Request::get("/guarded").send(at);
        assert_eq!(difference(&response, "missing_token"), None);
    }
    let held = u64::try_from(waiting.len()).expect("a few");
    envoy.await_metric("held_now", held);
    for (request, pending, body, _) in &mut waiting {
        if String::from_utf8_lossy(&request.head_bytes()).starts_with("POST /slow") {
            pending.write(body.as_bytes());
        }
    }
    // Longer than it took the upstream to see them where bodies slipped through.
    thread::sleep(Duration::from_millis(500));
    for (request, ..) in &waiting {
        let seen = upstream.seen(request.case());
        assert!(seen.is_empty(), "seen before the verdict: {seen:?}");
    }
    for id in pools {
        keys.release(id);
    }
    let requests = waiting.len() + listeners.len();
    for (request, pending, body, admitted) in waiting {
        let response = pending.response();
        let seen = upstream.seen(request.case());
        if !admitted {
            assert_eq!(difference(&response, "invalid_signature"), None);
            assert!(seen.is_empty(), "refused, yet seen: {seen:?}");
            continue;
        }
        assert_eq!(response.status, 200, "{response:?}");
        let [seen] = seen.as_slice() else {
            panic!("expected one request at the upstream, found {seen:?}")
        };
        assert!(seen.complete);
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        if seen.path == "/chunked" {
            assert_eq!(seen.trailers, [("x-trailer".to_owned(), b"last".to_vec())]);
        }
    }
    assert_eq!(envoy.metric("held"), held);
    for id in pools {
        assert_eq!(keys.fetches(id), 1, "one fetch of {id}");
    }
    envoy.finish(requests);
}

#[test]
fn a_client_that_leaves_while_waiting_leaves_nothing_behind() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let setup = Setup::new(&keys, &upstream);
    let envoy = EnvoyUnderTest::start(setup.listener(Listener::new(MAIN, document(&[POOL]))));
    let staying = ask(POOL).open(envoy.main());
    let body = ask(POOL).body(b"x");
    let leaving: Vec<_> = (0..5)
        .flat_map(|_| [ask(POOL).open(envoy.main()), body.open(envoy.main())])
        .collect();
    envoy.await_metric("held_now", 11);
    drop(leaving);
    envoy.await_metric("cancelled", 10);
    envoy.await_metric("held_now", 1);
    keys.release(POOL);
    assert_eq!(staying.response().status, 200);
    assert_eq!(ask(POOL).send(envoy.main()).status, 200);
    assert!(
        upstream.seen(body.case()).is_empty(),
        "whoever left is not served"
    );
    envoy.finish(12);
}

/// Every way in which keys cannot be had: 503, never 401; others are not disturbed; all of them heal.
#[test]
fn keys_that_cannot_be_had_are_nobodys_fault() {
    let good = key_set(&[TestKey::first()]);
    let many: Vec<Value> = (0..101)
        .map(|number| {
            with(
                TestKey::first().jwk(),
                &[("kid", json!(format!("k{number}")))],
            )
        })
        .collect();
    let padded = |size: usize| with(good.clone(), &[("pad", json!("x".repeat(size)))]);
    // A status other than 200 is no answer, even where it comes with a body that looks right.
    let faults = [
        ("us-east-1_Status500", Answer::Status(500, good.clone())),
        ("us-east-1_Status404", Answer::Status(404, good.clone())),
        ("us-east-1_Status203", Answer::Status(203, good.clone())),
        (
            "us-east-1_Redirects",
            Answer::Redirect("/elsewhere".to_owned()),
        ),
        (
            "us-east-1_Garbage01",
            Answer::Bytes(b"<html>\xff\xfe</html>".to_vec()),
        ),
        (
            "us-east-1_NotASet01",
            Answer::Document(json!({"keys": "none"})),
        ),
        ("us-east-1_NoKeys001", Answer::Document(json!({"keys": []}))),
        (
            "us-east-1_TooSmall1",
            Answer::Document(key_set(&[TestKey::small()])),
        ),
        (
            "us-east-1_TooMany01",
            Answer::Document(json!({"keys": many})),
        ),
        ("us-east-1_TooLarge1", Answer::Document(padded(150_000))),
        ("us-east-1_Truncated", Answer::Truncated(good.clone())),
        ("us-east-1_Resets001", Answer::Reset),
        ("us-east-1_Silent001", Answer::Silence),
    ];
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for (id, answer) in &faults {
        keys.answer(id, answer.clone());
    }
    let (mixed, large) = ("us-east-1_Mixed0001", "us-east-1_Large0001");
    keys.answer(mixed, Answer::Document(mixed_set()));
    keys.answer(large, Answer::Document(padded(140_000)));
    let (nowhere, refusing) = ("us-east-1_Nowhere01", "us-east-1_Refusing1");
    let soon = |pool: Value| with(pool, &[("jwks.timeout", json!("600ms"))]);
    let mut pools: Vec<_> = faults.iter().map(|(id, _)| soon(pool(id))).collect();
    pools.push(with(
        soon(pool(nowhere)),
        &[("jwks.cluster", json!("no_such_cluster"))],
    ));
    pools.push(with(
        soon(pool(refusing)),
        &[("jwks.cluster", json!("refusing"))],
    ));
    pools.extend([pool(mixed), pool(large)]);
    let document = json!({"user_pools": pools, "token": {"use": "any"}});
    let envoy = EnvoyUnderTest::start(
        Setup::new(&keys, &upstream)
            .cluster("refusing", closed_port())
            .listener(Listener::text(MAIN, &document)),
    );
    let broken: Vec<_> = faults
        .iter()
        .map(|(id, _)| *id)
        .chain([nowhere, refusing])
        .collect();
    let began = Instant::now();
    let waiting: Vec<_> = broken
        .iter()
        .map(|id| (*id, ask(id).open(envoy.main())))
        .collect();
    for id in [mixed, large] {
        assert_eq!(
            ask(id).send(envoy.main()).status,
            200,
            "{id} is not disturbed"
        );
    }
    // The mixed set names a key of each kind: only the good one counts.
    for key in [TestKey::second(), TestKey::third(), TestKey::small()] {
        let response = ask_with(mixed, key).send(envoy.main());
        assert_eq!(response.status, 401, "{response:?}");
    }
    for (id, pending) in waiting {
        let found = difference(&pending.response(), "keys_unavailable");
        assert_eq!(found, None, "{id}");
    }
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(3),
        "they wait no longer than jwks.timeout: {took:?}"
    );
    let mut requests = broken.len() + 5;
    for (id, _) in &faults {
        keys.publish(id, &[TestKey::first()]);
    }
    for (id, _) in &faults {
        eventually(id, || {
            requests += 1;
            (ask(id).send(envoy.main()).status == 200).then_some(())
        });
    }
    for id in [nowhere, refusing] {
        let response = ask(id).send(envoy.main());
        assert_eq!(difference(&response, "keys_unavailable"), None, "{id}");
        requests += 1;
    }
    let successes = u64::try_from(faults.len() + 2).expect("a few");
    assert!(envoy.metric("jwks_fetch.success") >= successes);
    assert!(envoy.metric("jwks_fetch.failure") >= successes - 2);
    let log = envoy.log();
    let warnings = log.lines().filter(|line| {
        line.contains("us-east-1_Status500")
            && (line.contains("[warning]") || line.contains("[error]"))
    });
    assert_eq!(
        warnings.count(),
        1,
        "a failure is logged once, not at every attempt"
    );
    envoy.finish(requests);
}

/// One good key among everything that a key set may hold besides.
fn mixed_set() -> Value {
    let second = TestKey::second().jwk();
    let third = TestKey::third().jwk();
    json!({"keys": [
        "not a key",
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "ec", "alg": "ES256"},
        {"kty": "RSA", "kid": "no modulus", "e": "AQAB"},
        with(second, &[("use", json!("enc"))]),
        with(third, &[("alg", json!("RS512"))]),
        TestKey::small().jwk(),
        TestKey::first().jwk(),
        // The first of a kid wins.
        with(TestKey::third().jwk(), &[("kid", json!(TestKey::first().kid()))]),
    ]})
}

fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn four_workers_and_four_hundred_cold_requests_are_one_fetch() {
    const REQUESTS: usize = 400;
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.delay(POOL, Duration::from_secs(1));
    let setup = Setup::new(&keys, &upstream).workers(4);
    let envoy = EnvoyUnderTest::start(setup.listener(Listener::new(MAIN, document(&[POOL]))));
    let token = Token::id(POOL).mint();
    let waiting: Vec<_> = (0..REQUESTS)
        .map(|_| Request::get("/guarded").bearer(&token).open(envoy.main()))
        .collect();
    for pending in waiting {
        assert_eq!(pending.response().status, 200);
    }
    assert_eq!(keys.fetches(POOL), 1);
    envoy.finish(REQUESTS);
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
    let envoy = EnvoyUnderTest::start(setup.listener(Listener::text(MAIN, &document(&pools))));
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
    for number in 0..20 {
        let request = ask_with_random_kid(window, number);
        table.refused(MAIN, "another unknown kid", &request, "unknown_key");
    }
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
    let mut requests = table.done();

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
    let envoy = EnvoyUnderTest::start(setup.listener(Listener::new(MAIN, document(&[POOL]))));
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
    assert_eq!(volley(&new), [200], "the new key works within one request");
    assert_eq!(keys.fetches(POOL), 2);
    let replaced = Instant::now();
    eventually("the old key to be gone everywhere", || {
        (volley(&old) == [401]).then_some(())
    });
    let took = replaced.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "the old key lived on for {took:?}"
    );
    assert_eq!(volley(&new), [200]);
    assert_eq!(keys.fetches(POOL), 2);
    envoy.finish(requests);
}

/// Keys outlive a change of configuration: nobody waits, nobody is refused, nothing is fetched.
#[test]
fn a_configuration_update_keeps_the_keys() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    let setup = Setup::new(&keys, &upstream).dynamic();
    let changed = with(document(&[POOL]), &[("cors_preflight", json!("pass"))]);
    let before = setup
        .clone()
        .listener(Listener::new(MAIN, document(&[POOL])));
    let after = setup.listener(Listener::new(MAIN, changed));
    let envoy = EnvoyUnderTest::start(before);
    let at = envoy.main();
    assert_eq!(ask(POOL).send(at).status, 200);
    // A fetch from now on would be waited for in vain.
    keys.hold(POOL);
    let token = Token::id(POOL).mint();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let statuses = thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut statuses = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                statuses.push(Request::get("/guarded").bearer(&token).send(at).status);
            }
            statuses
        });
        envoy.update(&after);
        let preflight = || {
            let request = Request::new("OPTIONS", "/guarded")
                .header("origin", "https://elsewhere.example")
                .header("access-control-request-method", "GET");
            request.send(at).status
        };
        eventually("the new configuration to be in force", || {
            (preflight() == 200).then_some(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        busy.join().expect("the busy client")
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(ask(POOL).send(at).status, 200);
    assert_eq!(keys.fetches(POOL), 1);
}
