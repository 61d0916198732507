//! `enforce: report`, `invalid_token: ignore`, `issuer: both` and many user pools, in a real Envoy.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, pool, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::{EVENTS, Upstream};

/// The whole of it beside `authorization`: a claim header, and a forged one.
fn asking(token: &str) -> Request {
    Request::get("/guarded")
        .bearer(token)
        .header("x-sub", "forged")
}

/// While no key server answers, nobody waits and nobody is refused; what comes of it is told, and once
/// the keys are there, tokens count.
#[test]
fn what_is_reported_is_never_delayed() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let reporting = with(
        document(&[POOL]),
        &[
            ("enforce", json!("report")),
            (
                "claim_headers",
                json!([{"header": "x-sub", "claim": "sub"}]),
            ),
        ],
    );
    let setup = Setup::new(&keys, &upstream).listener(Listener::new(MAIN, reporting));
    let envoy = EnvoyUnderTest::start(&setup);
    let token = Token::access(POOL).claim("sub", "alice").mint();
    // Well below the five seconds for which a request may wait for keys.
    let prompt = Duration::from_secs(2);
    let mut sent = 0;
    let body = Request::new("POST", "/guarded")
        .bearer(&token)
        .body(&[b'x'; 100_000]);
    for request in [asking(&token), body] {
        let (case, began) = (request.case().to_owned(), Instant::now());
        assert_eq!(request.send(envoy.main()).status, 200);
        assert!(began.elapsed() < prompt, "it waited");
        let [seen] = &upstream.seen(&case)[..] else {
            panic!("it did not reach the upstream once");
        };
        assert!(seen.values("x-sub").is_empty(), "a forged header went on");
        let line = envoy.access_log(&case);
        assert_eq!(line["reason"], "keys_unavailable");
        assert_eq!(line["enforced"], "no");
        sent += 1;
    }
    assert_eq!(envoy.metric("reported.keys_unavailable"), sent);
    assert_eq!(envoy.metric("held"), 0);
    envoy.await_metric("reporting", 1);
    let told = envoy.log();
    let lines = told.matches("not enforced (enforce: report): everything");
    assert_eq!(lines.count(), 1, "once at the start, whatever the workers");
    // A kid that the set does not have is not waited for, and looked for all the same.
    keys.release(POOL);
    envoy.await_metric("jwks_keys", 1);
    eventually("the worker has the keys", || {
        let request = asking(&token);
        let case = request.case().to_owned();
        assert_eq!(request.send(envoy.main()).status, 200);
        sent += 1;
        (upstream.seen(&case)[0].values("x-sub") == ["alice"]).then_some(())
    });
    keys.publish(POOL, &[TestKey::first(), TestKey::second()]);
    let rotated = Token::access(POOL).signed_by(TestKey::second()).mint();
    // The other worker may not have noticed the first keys yet.
    eventually("a worker that has keys misses the kid", || {
        let (request, began) = (asking(&rotated), Instant::now());
        let case = request.case().to_owned();
        assert_eq!(request.send(envoy.main()).status, 200);
        assert!(began.elapsed() < prompt, "it waited");
        sent += 1;
        (envoy.access_log(&case)["reason"] == "unknown_key").then_some(())
    });
    envoy.await_metric("jwks_keys", 2);
    assert_eq!(envoy.metric("reported.unknown_key"), 1);
    let total = usize::try_from(sent).expect("a few");
    envoy.finish(total);
}

/// A plugin with a `vm_id` of its own hears nothing of the doors of others, and does not say that all
/// are closed. What comes back is said again.
#[test]
fn an_open_door_is_told_whatever_else_there_is() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let reporting = with(document(&[POOL]), &[("enforce", json!("report"))]);
    let setup = |first: &Value| {
        Setup::new(&keys, &upstream)
            .listener(Listener::new(MAIN, first.clone()).vm_id("one"))
            .listener(Listener::new("closed", document(&[POOL])).vm_id("other"))
            .dynamic()
    };
    let envoy = EnvoyUnderTest::start(&setup(&reporting));
    envoy.await_metric("reporting", 1);
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(envoy.metric("reporting"), 1);
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = || {
        envoy
            .log()
            .matches("not enforced (enforce: report)")
            .count()
    };
    assert_eq!(told(), 1);
    // The listener that is replaced has to be drained first.
    envoy.update(&setup(&document(&[POOL])));
    envoy.await_metric("reporting", 0);
    envoy.update(&setup(&reporting));
    envoy.await_metric("reporting", 1);
    assert_eq!(told(), 2);
    envoy.finish(0);
}

/// A pool of its own for issuers of both forms.
const TWOFOLD: &str = "us-east-1_Twofold01";

#[test]
fn modes_do_what_they_say() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [POOL, TWOFOLD] {
        keys.publish(id, &[TestKey::first()]);
    }
    let close = |rules| {
        with(
            document(&[POOL]),
            &[
                ("token.clock_skew", json!("0s")),
                ("token.at_expiry", json!("close")),
                ("rules", rules),
                ("default", json!("authenticated")),
            ],
        )
    };
    let report = json!([{"match": {"path": EVENTS}, "enforce": "report"}]);
    let ignore =
        json!([{"match": {"path": "/page"}, "allow": "optional", "invalid_token": "ignore"}]);
    let ignoring = with(
        document(&[POOL]),
        &[("rules", ignore), ("default", json!("nobody"))],
    );
    let both = with(
        document(&[TWOFOLD]),
        &[("user_pools.0.issuer", json!("both"))],
    );
    let mut replica = both.clone();
    let pool = replica["user_pools"][0].as_object_mut().expect("a pool");
    pool.remove("user_pool_id");
    let arn = format!("arn:aws:cognito-idp:us-west-2:123456789012:userpool/{TWOFOLD}");
    pool.insert("user_pool_arn".to_owned(), json!(arn));
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new("ignoring", ignoring))
        .listener(Listener::new("reported", close(report)))
        .listener(Listener::new("enforced", close(json!([]))))
        .listener(Listener::new("both", both))
        .listener(Listener::new("replica", replica));
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = a_token_that_was_waited_for_can_be_ignored(&envoy, &upstream)
        + what_is_reported_is_not_cut(&envoy)
        + both_issuers_share_one_fetch(&envoy, &keys);
    envoy.finish(requests);
}

/// A token that waits for its key, and is not valid, goes on as none.
fn a_token_that_was_waited_for_can_be_ignored(
    envoy: &EnvoyUnderTest,
    upstream: &Upstream,
) -> usize {
    for token in [
        Token::access(POOL).signed_by(TestKey::second()).mint(),
        Token::access(POOL).claim("exp", now() - 3600).mint(),
        "undefined".to_owned(),
    ] {
        let request = Request::get("/page").bearer(&token);
        let case = request.case().to_owned();
        assert_eq!(request.send(envoy.at("ignoring")).status, 200);
        assert!(upstream.seen(&case)[0].values("authorization").is_empty());
        assert!(envoy.access_log(&case)["reason"].is_null());
    }
    let counted = ["unknown_key", "token_expired", "malformed_token"];
    for reason in counted {
        assert_eq!(envoy.metric(&format!("ignored.{reason}")), 1, "{reason}");
        assert_eq!(envoy.metric(&format!("denied.{reason}")), 0, "{reason}");
    }
    assert_eq!(envoy.metric("anonymous"), 3);
    3
}

/// What lasts goes on under report, though its token has ended.
fn what_is_reported_is_not_cut(envoy: &EnvoyUnderTest) -> usize {
    for listener in ["reported", "enforced"] {
        let warm = Request::get("/x").bearer(&Token::id(POOL).mint());
        assert_eq!(warm.send(envoy.at(listener)).status, 200);
    }
    // Both are open by then, also on a busy machine.
    let end = now() + 4;
    let token = Token::id(POOL).claim("exp", end).mint();
    let open = |listener: &str| {
        let mut pending = Request::get(EVENTS).bearer(&token).open(envoy.at(listener));
        assert_eq!(pending.head().status, 200);
        pending
    };
    let (mut reported, mut enforced) = (open("reported"), open("enforced"));
    let end = UNIX_EPOCH + Duration::from_secs(end.unsigned_abs());
    assert!(
        enforced.is_cut_before(end + Duration::from_secs(2)),
        "goes on"
    );
    let soon = SystemTime::now() + Duration::from_millis(100);
    assert!(!reported.is_cut_before(soon), "a reported stream was cut");
    assert_eq!(envoy.metric("closed"), 1);
    drop(reported);
    4
}

/// Tokens of either form, one fetch, one pair of gauges; a replica has its own region's endpoint.
fn both_issuers_share_one_fetch(envoy: &EnvoyUnderTest, keys: &KeyServer) -> usize {
    let iss = |host: &str| format!("https://{host}.amazonaws.com/{TWOFOLD}");
    let here = iss("cognito-idp.us-east-1");
    let there = iss("cognito-idp.us-west-2");
    let updated = iss("issuer-cognito-idp.us-east-1");
    let foreign = iss("issuer-cognito-idp.us-west-2");
    let mut sent = 0;
    for (listener, iss, status) in [
        ("both", &here, 200),
        ("both", &updated, 200),
        ("both", &there, 401),
        ("both", &foreign, 401),
        ("replica", &there, 200),
        ("replica", &updated, 200),
        ("replica", &here, 401),
        ("replica", &foreign, 401),
    ] {
        let token = Token::access(TWOFOLD).claim("iss", iss.as_str()).mint();
        let response = Request::get("/x").bearer(&token).send(envoy.at(listener));
        assert_eq!(response.status, status, "{listener} {iss}");
        sent += 1;
    }
    // The key server knows the pool by its id: one fetch for each configuration.
    assert_eq!(keys.fetches(TWOFOLD), 2);
    let gauges = envoy.metrics();
    let of_issuers = gauges
        .keys()
        .filter(|name| name.starts_with("issuer.jwks_keys.") && name.ends_with(TWOFOLD));
    assert_eq!(of_issuers.count(), 1);
    sent
}

/// A thousand pools on one key server: all are fetched, once each, a few at a time, and no request of a
/// pool that has its keys stands still for the others.
#[test]
fn a_thousand_user_pools_are_served() {
    const POOLS: usize = 1000;
    let name = |number: usize| format!("us-east-1_Many{number:04}");
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let mut all = document(&[]);
    all["user_pools"] = (0..POOLS).map(|number| pool(&name(number))).collect();
    for number in 0..POOLS {
        keys.publish(&name(number), &[TestKey::first()]);
    }
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new(MAIN, all))
        .workers(1);
    let began = Instant::now();
    let envoy = EnvoyUnderTest::start(&setup);
    // Some are asked for while the rest are fetched.
    for number in [0, 999, 500] {
        let token = Token::access(&name(number)).mint();
        let response = Request::get("/x").bearer(&token).send(envoy.main());
        assert_eq!(response.status, 200, "{number}");
    }
    let pools = u64::try_from(POOLS).expect("a number");
    eventually("all keys are there", || {
        (envoy.metric("jwks_keys") == pools).then_some(())
    });
    println!(
        "{POOLS} pools fetched {:?} after the start",
        began.elapsed()
    );
    let mut longest = Duration::ZERO;
    let mut sent = 3;
    for number in (0..POOLS).step_by(50) {
        let token = Token::access(&name(number)).mint();
        let began = Instant::now();
        let response = Request::get("/x").bearer(&token).send(envoy.main());
        longest = longest.max(began.elapsed());
        assert_eq!(response.status, 200, "{number}");
        sent += 1;
    }
    println!("the slowest of {sent} requests took {longest:?}");
    let fetched: usize = (0..POOLS).map(|number| keys.fetches(&name(number))).sum();
    assert_eq!(fetched, POOLS, "each once");
    envoy.finish(sent);
}
