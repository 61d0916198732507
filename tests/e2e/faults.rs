//! Keys that cannot be had: 503 and never 401, nobody else disturbed, and healed without a restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, pool, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, key_set, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::{eventually, free_ports};
use crate::harness::table::{Table, difference};
use crate::harness::upstream::Upstream;
use crate::keys::ask;

/// Every answer that brings no keys, and the pool that gets it.
pub(crate) fn faults() -> Vec<(&'static str, Answer)> {
    let good = key_set(&[TestKey::first()]);
    let many: Vec<Value> = (0..101)
        .map(|number| {
            with(
                TestKey::first().jwk(),
                &[("kid", json!(format!("k{number}")))],
            )
        })
        .collect();
    let mut cut = good.to_string().into_bytes();
    cut.truncate(cut.len() / 2);
    let html = b"<html>\xff\xfe</html>".to_vec();
    let small = key_set(&[TestKey::small()]);
    vec![
        // A status other than 200 is no answer, even with a body that looks right.
        ("us-east-1_Status500", Answer::Status(500, good.clone())),
        ("us-east-1_Status404", Answer::Status(404, good.clone())),
        ("us-east-1_Status203", Answer::Status(203, good.clone())),
        ("us-east-1_Redirects", Answer::Redirect("/x".to_owned())),
        ("us-east-1_Garbage01", Answer::Bytes(html)),
        ("us-east-1_CutJson01", Answer::Bytes(cut)),
        ("us-east-1_NotASet01", Answer::Document(json!({"keys": 1}))),
        ("us-east-1_NoKeys001", Answer::Document(json!({"keys": []}))),
        ("us-east-1_TooSmall1", Answer::Document(small)),
        (
            "us-east-1_TooMany01",
            Answer::Document(json!({"keys": many})),
        ),
        ("us-east-1_TooLarge1", Answer::Document(padded(150_000))),
        ("us-east-1_200kB0001", Answer::Document(padded(200_000))),
        ("us-east-1_Truncated", Answer::Truncated(good)),
        ("us-east-1_Resets001", Answer::Reset),
        ("us-east-1_Silent001", Answer::Silence),
    ]
}

/// A good key set that is longer than it need be by this many bytes.
fn padded(size: usize) -> Value {
    let good = key_set(&[TestKey::first()]);
    with(good, &[("pad", json!("x".repeat(size)))])
}

/// A user pool that gives up soon.
pub(crate) fn hasty_pool(id: &str) -> Value {
    with(pool(id), &[("jwks.timeout", json!("600ms"))])
}

/// Every way in which keys cannot be had: 503, never 401; others are not disturbed; all of them heal.
/// A fault of the network is no fault of the configuration: Envoy starts, and answers whoever needs no
/// key.
#[test]
fn keys_that_cannot_be_had_are_nobodys_fault() {
    let faults = faults();
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for (id, answer) in &faults {
        keys.answer(id, answer.clone());
    }
    let (mixed, large) = ("us-east-1_Mixed0001", "us-east-1_Large0001");
    keys.answer(mixed, Answer::Document(mixed_set()));
    keys.answer(large, Answer::Document(padded(140_000)));
    let (nowhere, refusing) = ("us-east-1_Nowhere01", "us-east-1_Refusing1");
    let mut pools: Vec<_> = faults.iter().map(|(id, _)| hasty_pool(id)).collect();
    for (id, cluster) in [(nowhere, "no_such_cluster"), (refusing, "refusing")] {
        pools.push(with(hasty_pool(id), &[("jwks.cluster", json!(cluster))]));
    }
    pools.extend([pool(mixed), pool(large)]);
    let pools = json!({"user_pools": pools, "token": {"use": "any"}});
    keys.answer(POOL, Answer::Reset);
    let down = document(&[POOL]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .cluster("refusing", closed_port())
            .listener(Listener::text(MAIN, &pools))
            .listener(Listener::new("down", down)),
    );
    let broken: Vec<_> = faults
        .iter()
        .map(|(id, _)| *id)
        .chain([nowhere, refusing])
        .collect();
    let mut table = Table::new(&envoy, &upstream);
    table.refused("down", "no token", &Request::get("/x"), "missing_token");
    let refused = table.done();
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
        // Made before the set was asked for: of a key that is younger nothing is known in its next second.
        let token = Token::id(mixed).signed_by(key).claim("iat", now() - 60);
        let request = Request::get("/guarded").bearer(&token.mint());
        let response = request.send(envoy.main());
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
    let mut requests = broken.len() + 5 + refused;
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

/// A port at which nobody listens, unless the test does.
pub(crate) fn closed_port() -> u16 {
    let [port] = free_ports();
    port
}
