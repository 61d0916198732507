//! What HTTP allows and few expect: tunnels, upgrades, `Expect`, trailers, and heads as long as Envoy
//! takes them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, patient, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::table::difference;
use crate::harness::upstream::{GREETING, Upstream};
use crate::keys::ask;

/// Pools whose keys are held back, for one scene each.
const SLOW: [&str; 2] = ["us-east-1_Slow00001", "us-east-1_Slow00002"];
const ROUTES: &str = "route_config.virtual_hosts.0.routes";

/// A listener that makes tunnels to the upstream, and still is the filter's.
fn tunnelling(name: &str, document: Value) -> Listener {
    let to_upstream = json!({
        "cluster": "upstream",
        "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
    });
    let routes = json!([
        {"match": {"connect_matcher": {}}, "route": to_upstream},
        {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
    ]);
    let upgrades = json!([{"upgrade_type": "CONNECT"}, {"upgrade_type": "websocket"}]);
    Listener::new(name, document)
        .manager(ROUTES, routes)
        .manager("upgrade_configs", upgrades)
}

fn connect(token: Option<&str>) -> Request {
    let request = Request::new("CONNECT", "localhost:80").host("localhost:80");
    match token {
        Some(token) => request.bearer(token),
        None => request,
    }
}

#[test]
fn unusual_requests_are_judged_like_others() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in SLOW.into_iter().chain([POOL]) {
        keys.publish(id, &[TestKey::first()]);
    }
    for id in SLOW {
        keys.hold(id);
    }
    let plain = patient(&[POOL, SLOW[0], SLOW[1]]);
    let rules = json!([{"match": {"prefix": "/open"}, "allow": "anyone"}]);
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new(MAIN, plain.clone()))
        .listener(tunnelling("tunnels", plain))
        .listener(tunnelling("ruled", ruled(rules)))
        .listener(roomy("roomy"));
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = tunnels_and_upgrades_wait_for_their_verdict(&envoy, &keys, &upstream)
        + whoever_asks_before_sending_a_body_gets_the_verdict(&envoy, &keys, &upstream)
        + framing_is_envoys_and_what_passes_it_is_judged_once(&envoy)
        + the_longest_head_is_read_and_a_longer_one_refused(envoy.at("roomy"));
    envoy.finish(requests);
}

/// No byte of a tunnel or of what follows an upgrade goes on before the verdict.
fn tunnels_and_upgrades_wait_for_their_verdict(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let to = envoy.at("tunnels");
    let (known, slow) = (Token::id(POOL).mint(), Token::id(SLOW[0]).mint());
    let inner = Request::get("/inside").header("x-inner", "1");
    let seen = || upstream.seen(inner.case()).len();

    let refused = connect(None).open(to).response();
    assert_eq!(difference(&refused, "missing_token"), None);
    // Where rules look at paths, a request without one cannot be judged.
    let unsafe_path = connect(Some(&known)).open(envoy.at("ruled")).response();
    assert_eq!(difference(&unsafe_path, "unsafe_path"), None);
    let mut impatient = connect(None).open(to);
    impatient.write(&inner.head_bytes());
    assert_eq!(impatient.response().status, 401);
    assert_eq!(seen(), 0, "nothing of a refused tunnel");

    let mut held = connect(Some(&slow)).open_head(to);
    held.write(&inner.head_bytes());
    let socket = Request::get("/socket")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .bearer(&slow);
    let mut upgraded = socket.open(to);
    upgraded.write(b"early");
    let leaving = [connect(Some(&slow)).open(to), socket.open(to)];
    envoy.await_metric("held_now", 4);
    drop(leaving);
    envoy.await_metric("cancelled", 2);
    assert_eq!(
        (seen(), upstream.total()),
        (0, 0),
        "nothing before the verdict"
    );
    let mut tunnel = connect(Some(&known)).open_head(to);
    assert_eq!(tunnel.head().status, 200);
    tunnel.write(&inner.head_bytes());
    assert_eq!(tunnel.next_response().body, GREETING);

    keys.release(SLOW[0]);
    assert_eq!(upgraded.next_response().status, 101);
    assert_eq!(upgraded.read(5), b"early");
    assert_eq!(held.head().status, 200);
    assert_eq!(held.next_response().body, GREETING);
    assert_eq!(seen(), 2);
    8
}

/// `Expect: 100-continue` is answered by Envoy; the final answer is the filter's.
fn whoever_asks_before_sending_a_body_gets_the_verdict(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let expecting = |request: Request| {
        request
            .header("expect", "100-continue")
            .header("content-length", "4")
    };
    let (good, held) = (expecting(ask(POOL)), expecting(ask(SLOW[1])));
    let refused = expecting(Request::new("POST", "/x"));
    let mut waiting = held.open_head(envoy.main());
    envoy.await_metric("held_now", 1);
    let mut answers = Vec::new();
    for request in [&good, &refused] {
        let mut pending = request.open_head(envoy.main());
        let mut response = pending.next_response();
        if response.status == 100 {
            pending.write(b"body");
            response = pending.next_response();
        }
        answers.push(response);
    }
    assert_eq!(answers[0].status, 200);
    assert_eq!(difference(&answers[1], "missing_token"), None);
    waiting.write(b"body");
    keys.release(SLOW[1]);
    let mut response = waiting.next_response();
    if response.status == 100 {
        response = waiting.next_response();
    }
    assert_eq!(response.status, 200);
    for request in [&good, &held] {
        assert_eq!(upstream.seen(request.case())[0].body, b"body");
    }
    assert!(upstream.seen(refused.case()).is_empty());
    3
}

/// Framing that two readers could understand in two ways is Envoy's to refuse, before any filter; what
/// it lets through is judged once.
fn framing_is_envoys_and_what_passes_it_is_judged_once(envoy: &EnvoyUnderTest) -> usize {
    let decided = || envoy.decisions().values().sum::<u64>();
    let before = decided();
    let post = || Request::new("POST", "/x").bearer(&Token::id(POOL).mint());
    let sent = |request: &Request, rest: &[u8]| {
        let mut pending = request.open_head(envoy.main());
        pending.write(rest);
        pending.answer_if_open().map(|response| response.status)
    };
    let chunks = b"2\r\nab\r\n0\r\n\r\n";
    let both = post()
        .header("transfer-encoding", "chunked")
        .header("content-length", "2");
    assert_eq!(sent(&both, chunks), Some(400), "two lengths");
    let unknown = post().header("transfer-encoding", "gzip, chunked");
    assert_eq!(sent(&unknown, chunks), Some(501), "another coding");
    let twice = post()
        .header("content-length", "2")
        .header("content-length", "3");
    assert_eq!(sent(&twice, b"ab"), Some(400), "two contents");
    let none = ask(POOL).header("transfer-encoding", "chunked");
    assert_eq!(sent(&none, b"zz\r\n"), Some(400), "no chunk at all");
    for name in [&b"x-\xff"[..], b"x y", b"x(y)"] {
        let request = ask(POOL).header(name, "1");
        assert_eq!(sent(&request, b""), Some(400), "{name:?}");
    }
    for host in [&b"\xff.example.com"[..], b"a b", b"a\x01b"] {
        let bytes = ask(POOL).head_bytes();
        let text = b"localhost\r\n";
        let at = bytes
            .windows(text.len())
            .position(|part| part == text)
            .expect("a host");
        let rest = &bytes[at + text.len() - 2..];
        let mut pending = crate::harness::client::Pending::connect(envoy.main());
        pending.write(&[&bytes[..at], host, rest].concat());
        let status = pending.answer_if_open().map(|response| response.status);
        assert_eq!(status, Some(400), "{host:?}");
    }
    // The first chunk of this one was let in before the second turned out to be none.
    let broken = sent(
        &post().header("transfer-encoding", "chunked"),
        b"2\r\nab\r\nzz\r\n",
    );
    assert_eq!(broken, Some(400));
    let trailers = post().header("te", "trailers, deflate;q=0.5").chunked(
        &["ab"],
        &[("authorization", "Bearer x.y.z"), ("x-trailer", "1")],
    );
    assert_eq!(
        trailers.send(envoy.main()).status,
        200,
        "trailers are no headers"
    );
    let anonymous = Request::new("POST", "/x").chunked(
        &["ab"],
        &[(
            "authorization",
            &format!("Bearer {}", Token::id(POOL).mint()),
        )],
    );
    let refused = anonymous.send(envoy.main());
    assert_eq!(
        difference(&refused, "missing_token"),
        None,
        "a token in the trailers"
    );
    eventually("all decisions", || (decided() >= before + 4).then_some(()));
    4
}

/// A listener that takes tokens of any length.
fn roomy(name: &str) -> Listener {
    let places = json!([{"header": "authorization"}, {"cookie": "access_token"}, {"query": "t"}]);
    let changes = [
        ("token.from", places),
        ("token.max_bytes", json!(65536)),
        ("token.forward", json!(false)),
    ];
    Listener::new(name, with(document(&[POOL]), &changes))
}

/// As long a head as Envoy takes (60 KiB, 100 headers), read whole by the filter; a longer one is
/// Envoy's to refuse.
fn the_longest_head_is_read_and_a_longer_one_refused(to: SocketAddr) -> usize {
    let token = Token::id(POOL).mint();
    let padded = |size: usize| {
        let long = Token::id(POOL).claim("padding", "x".repeat(size));
        Request::get("/x").bearer(&long.mint())
    };
    let many = |mut request: Request, count: usize, size: usize| {
        for number in 0..count {
            request = request.header(format!("x-{number}"), "\u{e9}".repeat(size / 2));
        }
        request
    };
    let with_cookie = |size: usize| {
        let pairs = format!("a={}; access_token={token}", "y".repeat(size));
        Request::get("/x").header("cookie", pairs)
    };
    let mut requests = 0;
    for (what, request, statuses) in [
        ("a long token", padded(40_000), vec![200]),
        ("a longer one than fits", padded(46_000), vec![431]),
        ("many headers", many(ask(POOL), 90, 600), vec![200]),
        ("too many", many(ask(POOL), 110, 10), vec![431, 400]),
        ("too long", many(ask(POOL), 60, 1100), vec![431]),
        ("a long cookie", with_cookie(58_000), vec![200]),
        (
            "a long query",
            Request::get(&format!("/x?t={token}&{}", "&".repeat(50_000))),
            vec![200],
        ),
    ] {
        let mut pending = request.open(to);
        let status = pending
            .answer_if_open()
            .map_or(431, |response| response.status);
        assert!(statuses.contains(&status), "{what}: {status}");
        requests += usize::from(status == 200);
    }
    let bearer = format!("Bearer {token}");
    let long = "z".repeat(7000);
    let names: Vec<_> = (0..8).map(|number| format!("x-{number}")).collect();
    let mut headers: Vec<(&str, &[u8])> = vec![("authorization", bearer.as_bytes())];
    headers.extend(names.iter().map(|name| (name.as_str(), long.as_bytes())));
    let answer = http2::send(to, "GET", "/x", &headers, b"", &[]);
    assert_eq!(answer.response.status, 200, "over HTTP/2");
    requests + 1
}
