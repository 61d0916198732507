//! Requests that are open still when their token ends: cut within two seconds, or left alone, as
//! `token.at_expiry` says.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::{eventually, module};
use crate::harness::upstream::{EVENTS, Upstream};

/// How long after its token's end a request may be open.
const PROMISED: Duration = Duration::from_secs(2);
/// How long the tokens last that end in a test. Whoever is to be open by then has a second less.
const LIFE: i64 = 3;

fn configured(at_expiry: Value) -> Value {
    let rules = json!([
        {"match": {"path": "/optional"}, "allow": "optional"},
        {"match": {"prefix": "/open"}, "allow": "anyone"},
    ]);
    let mut changes = vec![
        ("token.clock_skew", json!("0s")),
        ("rules", rules),
        ("default", json!("authenticated")),
    ];
    if at_expiry.is_string() {
        changes.push(("token.at_expiry", at_expiry));
    }
    with(document(&[POOL]), &changes)
}

/// Every kind of request that lasts.
fn kinds() -> [(&'static str, Request); 5] {
    let upgrade = |path| {
        Request::get(path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
    };
    let upload = |path| Request::new("POST", path).header("content-length", "1000");
    [
        ("events", Request::get(EVENTS)),
        ("WebSocket", upgrade("/socket")),
        ("WebSocket, token optional", upgrade("/optional")),
        ("upload", upload("/upload")),
        ("upload, token optional", upload("/optional")),
    ]
}

/// Opens one of each kind with this token.
fn open_all(envoy: &EnvoyUnderTest, listener: &str, token: &str) -> Vec<(&'static str, Pending)> {
    let open = |(kind, request): (&'static str, Request)| {
        let mut pending = request.bearer(token).open_head(envoy.at(listener));
        match kind.starts_with("upload") {
            true => pending.write(b"some of it"),
            false => assert!([101, 200].contains(&pending.head().status), "{kind}"),
        }
        (kind, pending)
    };
    kinds().into_iter().map(open).collect()
}

#[test]
fn what_is_open_when_its_token_ends_is_cut_where_it_should() {
    let (keys, upstream) = (KeyServer::start(), Upstream::forgetful());
    keys.publish(POOL, &[TestKey::first()]);
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new(MAIN, configured(json!("close"))))
        .listener(Listener::new("keep", configured(json!("keep"))))
        .listener(Listener::new("unsaid", configured(Value::Null)));
    let replaced = |document| {
        let listener = Listener::new("replaced", document).discovered();
        setup.clone().listener(listener)
    };
    let envoy = EnvoyUnderTest::start(&replaced(configured(json!("close"))));
    let requests = a_request_is_cut_when_its_token_ends_and_no_other_is(&envoy)
        + a_crowd_is_cut_in_time(&envoy)
        + streams_of_one_connection_end_each_for_itself(&envoy)
        + a_stream_is_cut_by_the_configuration_that_it_began_under(&envoy, &replaced);
    envoy.finish(requests);
}

/// Waits until so many more have been cut.
fn await_cut(envoy: &EnvoyUnderTest, before: &BTreeMap<String, u64>, count: usize) {
    let count = u64::try_from(count).expect("a few");
    eventually("all to be counted", || {
        let more = envoy.more_than(before);
        (more.get("closed") == Some(&count)).then_some(())
    });
}

fn a_request_is_cut_when_its_token_ends_and_no_other_is(envoy: &EnvoyUnderTest) -> usize {
    let before = envoy.metrics();
    let long = Token::id(POOL).mint();
    let mut requests = 0;
    // The keys are there before the clock runs.
    for listener in [MAIN, "keep", "unsaid"] {
        let request = Request::get("/x").bearer(&long);
        assert_eq!(request.send(envoy.at(listener)).status, 200);
        requests += 1;
    }
    let mut staying = open_all(envoy, MAIN, &long);
    let end = now() + LIFE;
    let short = Token::id(POOL).claim("exp", end).mint();
    let ending = open_all(envoy, MAIN, &short);
    for listener in ["keep", "unsaid"] {
        staying.extend(open_all(envoy, listener, &short));
    }
    let anonymous = Request::get(&format!("/open{EVENTS}")).bearer(&short);
    let mut anonymous = anonymous.open(envoy.main());
    assert_eq!(anonymous.head().status, 200);
    staying.push(("anonymous events", anonymous));
    requests += ending.len() + staying.len();

    let end = UNIX_EPOCH + Duration::from_secs(end.unsigned_abs());
    let cut = ending.len();
    for (kind, mut pending) in ending {
        assert!(pending.is_cut_before(end + PROMISED), "{kind} goes on");
        assert!(SystemTime::now() >= end, "{kind} was cut too early");
    }
    await_cut(envoy, &before, cut);
    for (kind, pending) in &mut staying {
        let soon = SystemTime::now() + Duration::from_millis(20);
        assert!(!pending.is_cut_before(soon), "{kind} was cut");
    }
    // Whoever comes with it now is told so.
    let late = Request::get("/x").bearer(&short).send(envoy.main());
    assert_eq!(late.status, 401);
    drop(staying);
    requests + 1
}

/// Requests that end by themselves are forgotten, and a crowd that ends in one second is cut in time.
fn a_crowd_is_cut_in_time(envoy: &EnvoyUnderTest) -> usize {
    const CROWD: usize = 500;
    let before = envoy.metrics();
    let end = now() + 2 * LIFE;
    let token = Token::id(POOL).claim("exp", end).mint();
    // Over few connections, since the clock runs.
    let request = Request::get("/x").bearer(&token).head_bytes();
    let mut connections = [(); 8].map(|()| Pending::connect(envoy.main()));
    let which = connections.len();
    for number in 0..CROWD {
        let connection = &mut connections[number % which];
        connection.write(&request);
        assert_eq!(connection.next_response().status, 200);
    }
    let upload = Request::new("POST", "/upload").header("content-length", "1000");
    let upload = upload.bearer(&token);
    let open: Vec<_> = (0..CROWD).map(|_| upload.open(envoy.main())).collect();
    let end = UNIX_EPOCH + Duration::from_secs(end.unsigned_abs());
    for mut pending in open {
        assert!(pending.is_cut_before(end + PROMISED), "one goes on");
    }
    assert!(SystemTime::now() >= end, "cut too early");
    await_cut(envoy, &before, CROWD);
    2 * CROWD
}

/// Streams of one connection have a token each, and end each with its own.
fn streams_of_one_connection_end_each_for_itself(envoy: &EnvoyUnderTest) -> usize {
    let before = envoy.metrics();
    let ends = now() + LIFE;
    let short = Token::id(POOL).claim("exp", ends).mint();
    let (short, long) = (
        format!("Bearer {short}"),
        format!("Bearer {}", Token::id(POOL).mint()),
    );
    let events = |token: &str| http2::request(EVENTS, &[("authorization", token.as_bytes())]);
    let requests = [events(&long), events(&short), events(&long)];
    let until = Duration::from_secs(LIFE.unsigned_abs()) + PROMISED;
    let ended = http2::ended_before(envoy.main(), &requests, until);
    assert_eq!(ended, [false, true, false]);
    assert_eq!(envoy.more_than(&before).get("closed"), Some(&1));
    3
}

/// The configuration under which a stream began cuts it, also when another has taken its place.
fn a_stream_is_cut_by_the_configuration_that_it_began_under(
    envoy: &EnvoyUnderTest,
    replaced: &impl Fn(Value) -> Setup,
) -> usize {
    let at = envoy.at("replaced");
    let end = now() + 2 * LIFE;
    let token = Token::id(POOL).claim("exp", end).mint();
    let mut ending = open_all(envoy, "replaced", &token);
    let closed = with(configured(json!("keep")), &[("default", json!("nobody"))]);
    replaced(closed).republish(envoy.directory(), &module());
    let mut asked = ending.len();
    eventually("the new configuration", || {
        asked += 1;
        let response = Request::get("/x").bearer(&token).send(at);
        (response.status == 403).then_some(())
    });
    let end = UNIX_EPOCH + Duration::from_secs(end.unsigned_abs());
    assert!(
        SystemTime::now() < end,
        "the token ended too early for the test"
    );
    for (kind, pending) in &mut ending {
        assert!(pending.is_cut_before(end + PROMISED), "{kind} goes on");
        assert!(SystemTime::now() >= end, "{kind} was cut too early");
    }
    asked
}
