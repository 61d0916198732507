//! Requests that Envoy sends again: an internal redirect meets the filter a second time, and is judged
//! anew; a retry does not, and is the request that was judged.

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, patient, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{SUB, TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::table::difference;
use crate::harness::upstream::{BUSY, Seen, Upstream};

const ROUTE: &str = "route_config.virtual_hosts.0.routes.0.route";
const OVERRIDE: &str = "x-http-method-override";

/// A pool of its own for requests that are retried.
const RETRIED: &str = "us-east-1_Retried01";

const KNOWN: Option<&str> = Some(SUB);

fn rules() -> Value {
    let rules = json!([
        {"match": {"prefix": "/moved/anyone"}, "allow": "anyone"},
        {"match": {"prefix": "/moved/valid"}},
        {"match": {"prefix": "/open"}, "allow": "anyone"},
        {"match": {"prefix": "/closed"}, "allow": "nobody"},
        {"match": {"prefix": "/admin"}, "require": {"groups": ["admin"]}},
        {"match": {"path": "/own", "methods": ["DELETE"]}, "allow": "nobody"},
    ]);
    let claims = json!([{"header": "x-sub", "claim": "sub"}]);
    let timeout = ("user_pools.0.jwks.timeout", json!("30s"));
    with(ruled(rules), &[("claim_headers", claims), timeout])
}

/// A listener that follows redirects, and asks again if the upstream is busy.
fn persistent(name: &str, document: Value) -> Listener {
    let redirects = format!("{ROUTE}.internal_redirect_policy");
    let retries = format!("{ROUTE}.retry_policy");
    Listener::new(name, document)
        .manager(leak(redirects), json!({"max_internal_redirects": 2}))
        .manager(leak(retries), json!({"retry_on": "5xx", "num_retries": 3}))
}

fn leak(path: String) -> &'static str {
    Box::leak(path.into_boxed_str())
}

struct Case<'a> {
    what: &'a str,
    path: &'a str,
    listener: &'a str,
    token: Option<&'a str>,
    /// The reason for which the second pass is refused.
    refused: Option<&'a str>,
    /// `x-sub`, as each request at the upstream had it.
    subjects: &'a [Option<&'a str>],
}

#[test]
fn what_envoy_sends_again_is_judged_as_often_as_it_comes() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [POOL, RETRIED] {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let taken = with(rules(), &[("token.forward", json!(false))]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(persistent(MAIN, rules()))
            .listener(persistent("taken", taken))
            .listener(retrying()),
    );
    let requests = a_redirected_request_waits_for_keys(&envoy, &keys, &upstream)
        + retries_carry_what_was_decided_once(&envoy, &keys, &upstream)
        + an_internal_redirect_is_judged_anew(&envoy, &upstream);
    // Every pass is a request of its own, to Envoy as to the filter.
    let seen = || envoy.statistic("http.ingress.downstream_rq_total");
    let sum = || envoy.decisions().values().sum::<u64>();
    eventually("all counted", || (sum() == seen()).then_some(()));
    envoy.finish(requests);
}

fn an_internal_redirect_is_judged_anew(envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let token = Token::id(POOL).mint();
    let token = Some(token.as_str());
    let case = |what, path, token, refused, subjects| Case {
        what,
        path,
        listener: MAIN,
        token,
        refused,
        subjects,
    };
    let mut cases = vec![
        case(
            "open to guarded, nobody",
            "/moved/anyone/guarded",
            None,
            Some("missing_token"),
            &[None],
        ),
        case(
            "open to guarded, known",
            "/moved/anyone/guarded",
            token,
            None,
            &[None, KNOWN],
        ),
        case(
            "guarded to guarded",
            "/moved/valid/guarded",
            token,
            None,
            &[KNOWN, KNOWN],
        ),
        case(
            "guarded to open",
            "/moved/valid/open",
            token,
            None,
            &[KNOWN, None],
        ),
        case(
            "guarded to admin",
            "/moved/valid/admin",
            token,
            Some("insufficient_group"),
            &[KNOWN],
        ),
        case(
            "guarded to closed",
            "/moved/valid/closed",
            token,
            Some("denied_by_rule"),
            &[KNOWN],
        ),
        case(
            "guarded to unsafe",
            "/moved/valid/openSLASHb",
            token,
            Some("unsafe_path"),
            &[KNOWN],
        ),
        case(
            "open to open",
            "/moved/anyone/open",
            None,
            None,
            &[None, None],
        ),
        case(
            "twice",
            "/moved/valid/moved/valid/guarded",
            token,
            None,
            &[KNOWN, KNOWN, KNOWN],
        ),
    ];
    // The first pass takes the token out of the request that the second pass gets.
    let taken = |what, path, refused, subjects| Case {
        listener: "taken",
        ..case(what, path, token, refused, subjects)
    };
    cases.push(taken(
        "its token taken",
        "/moved/valid/guarded",
        Some("missing_token"),
        &[KNOWN],
    ));
    cases.push(taken(
        "also where it is open",
        "/moved/anyone/guarded",
        Some("missing_token"),
        &[None],
    ));
    cases.push(taken(
        "none needed",
        "/moved/valid/open",
        None,
        &[KNOWN, None],
    ));
    let judged = |case| judged(case, envoy, upstream);
    cases.iter().map(judged).sum()
}

/// Sends the request and returns how often it was judged.
fn judged(case: &Case<'_>, envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let what = case.what;
    let mut request = Request::new("POST", case.path)
        .header("x-sub", "spoofed")
        .header(OVERRIDE, "DELETE");
    if let Some(token) = case.token {
        request = request.bearer(token);
    }
    let response = request.send(envoy.at(case.listener));
    match case.refused {
        Some(reason) => assert_eq!(difference(&response, reason), None, "{what}"),
        None => assert_eq!(response.status, 200, "{what}: {response:?}"),
    }
    let seen = upstream.seen(request.case());
    let subjects: Vec<_> = seen.iter().map(|seen| seen.value("x-sub")).collect();
    let subjects: Vec<_> = subjects.iter().map(Option::as_deref).collect();
    assert_eq!(subjects, case.subjects, "{what}");
    for seen in &seen {
        assert_eq!(seen.value(OVERRIDE), None, "{what}");
        let forwards = case.listener == MAIN && case.token.is_some();
        assert_eq!(seen.value("authorization").is_some(), forwards, "{what}");
    }
    seen.len() + usize::from(case.refused.is_some())
}

/// The second pass may have to wait for keys that the first had no need of.
fn a_redirected_request_waits_for_keys(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let request = |token: Token| Request::get("/moved/anyone/guarded").bearer(&token.mint());
    let good = request(Token::id(POOL));
    let forged = request(
        Token::id(POOL)
            .signed_by(TestKey::second())
            .header("kid", TestKey::first().kid()),
    );
    let staying = [good.open(envoy.main()), forged.open(envoy.main())];
    let leaving = good.open(envoy.main());
    envoy.await_metric("held_now", 3);
    assert_eq!(
        upstream.seen(forged.case()).len(),
        1,
        "the first pass alone"
    );
    drop(leaving);
    envoy.await_metric("cancelled", 1);
    keys.release(POOL);
    let statuses = staying.map(|pending| pending.response().status);
    assert_eq!(statuses, [200, 401]);
    assert_eq!(upstream.seen(forged.case()).len(), 1);
    6
}

fn retrying() -> Listener {
    let claims = json!([{"header": "x-sub", "claim": "sub"}]);
    let document = with(
        patient(&[RETRIED]),
        &[("claim_headers", claims), ("token.forward", json!(false))],
    );
    persistent("retrying", document)
}

/// A retry is no new request: one decision, and every attempt looks the same.
fn retries_carry_what_was_decided_once(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let send = || {
        let request = Request::new("POST", BUSY).bearer(&Token::id(RETRIED).mint());
        let request = request.header("x-sub", "spoofed").body(b"again and again");
        (request.clone(), request.open(envoy.at("retrying")))
    };
    let held = send();
    envoy.await_metric("held_now", 1);
    keys.release(RETRIED);
    let is_whole = |seen: &Seen| {
        let told = (seen.value("x-sub"), seen.value("authorization"));
        told == (Some(SUB.to_owned()), None) && seen.body == b"again and again"
    };
    for (request, pending) in [held, send()] {
        assert_eq!(pending.response().status, 200);
        let seen = upstream.seen(request.case());
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(is_whole), "{seen:?}");
    }
    2
}
