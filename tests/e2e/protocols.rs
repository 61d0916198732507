//! The verdict over every protocol that Envoy speaks to clients, and what the refused are told there.

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::Token;
use crate::harness::table::{INVALID, Table, difference};
use crate::harness::upstream::{GREETING, Upstream};
use crate::replies::{DOWN, api_gateway_style_and_overrides, assert_reply, document, keys, styles};

#[test]
fn every_protocol_gets_its_verdict_and_every_style_its_reply() {
    let (keys, upstream) = (keys(), Upstream::start());
    let passing = with(document(), &[("cors_preflight", json!("pass"))]);
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new(MAIN, document()))
        .listener(Listener::new("passing", passing));
    let setup = styles().into_iter().fold(setup, Setup::listener);
    let envoy = EnvoyUnderTest::start(&setup);
    let mut requests = over_http2(&envoy, &upstream);
    requests += grpc(&envoy);
    requests += head_and_upgrade(&envoy);
    requests += browsers(&envoy, &upstream);
    requests += api_gateway_style_and_overrides(&envoy);
    envoy.finish(requests);
}

fn over_http2(envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let at = envoy.main();
    let token = format!("Bearer {}", Token::id(POOL).mint());
    let admitted = [
        ("authorization", token.as_bytes()),
        ("x-case", b"h2-admitted"),
    ];
    let answer = http2::send(
        at,
        "POST",
        "/x",
        &admitted,
        b"a body",
        &[("x-trailer", "last")],
    );
    assert_eq!(
        (answer.response.status, answer.response.body.as_str()),
        (200, GREETING)
    );
    let seen = upstream.seen("h2-admitted");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].body, b"a body");
    assert_eq!(
        seen[0].trailers,
        [("x-trailer".to_owned(), b"last".to_vec())]
    );
    let answer = http2::send(at, "GET", "/x", &[], b"", &[]);
    assert_eq!(difference(&answer.response, "missing_token"), None);
    // Two fields stay two fields in HTTP/2.
    let twice = [
        ("authorization", token.as_bytes()),
        ("authorization", token.as_bytes()),
    ];
    let answer = http2::send(at, "GET", "/x", &twice, b"", &[]);
    assert_eq!(difference(&answer.response, "multiple_tokens"), None);
    let refused = [
        ("authorization", &b"Bearer x.y.z"[..]),
        ("x-case", b"h2-refused"),
    ];
    let answer = http2::send(
        at,
        "POST",
        "/x",
        &refused,
        b"a body",
        &[("x-trailer", "last")],
    );
    assert_eq!(difference(&answer.response, "malformed_token"), None);
    assert!(upstream.seen("h2-refused").is_empty());
    4
}

/// A gRPC client looks for its status in `grpc-status`; Envoy translates the reply.
fn grpc(envoy: &EnvoyUnderTest) -> usize {
    const UNAUTHENTICATED: &str = "16";
    const PERMISSION_DENIED: &str = "7";
    const UNAVAILABLE: &str = "14";
    let grpc = ("content-type", &b"application/grpc"[..]);
    let send = |path: &str, token: &str| {
        let value = format!("Bearer {token}");
        let headers = [
            grpc,
            ("te", b"trailers"),
            ("authorization", value.as_bytes()),
        ];
        http2::send(envoy.main(), "POST", path, &headers, b"\0\0\0\0\0", &[])
    };
    let valid = Token::id(POOL).mint();
    for (path, token, status) in [
        ("/pkg.Service/Method", "x".to_owned(), UNAUTHENTICATED),
        ("/closed", valid, PERMISSION_DENIED),
        ("/pkg.Service/Method", Token::id(DOWN).mint(), UNAVAILABLE),
    ] {
        let answer = send(path, &token);
        assert_eq!(answer.response.status, 200, "{path}");
        assert_eq!(answer.field("grpc-status"), Some(status), "{path}");
        assert_eq!(
            answer.field("content-type"),
            Some("application/grpc"),
            "{path}"
        );
        // Envoy escapes the message; whatever it says, it is the same as over HTTP.
        assert!(
            answer
                .field("grpc-message")
                .is_some_and(|text| text.contains("message"))
        );
    }
    3
}

fn head_and_upgrade(envoy: &EnvoyUnderTest) -> usize {
    let token = Token::id(POOL).mint();
    let response = Request::new("HEAD", "/guarded").send(envoy.main());
    let headers = [
        ("www-authenticate", Some("Bearer")),
        ("content-type", Some("application/json")),
    ];
    assert_reply(&response, 401, "", &headers);
    let response = Request::new("HEAD", "/guarded")
        .bearer(&token)
        .send(envoy.main());
    assert_reply(&response, 200, "", &[("www-authenticate", None)]);
    let upgrade = Request::get("/socket")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13");
    let response = upgrade.clone().bearer("x.y.z").send(envoy.main());
    assert_reply(
        &response,
        401,
        r#"{"message":"Unauthorized"}"#,
        &[("www-authenticate", Some(INVALID))],
    );
    let mut socket = upgrade.bearer(&token).open(envoy.main());
    assert_eq!(socket.next_response().status, 101);
    socket.write(b"over the socket");
    assert_eq!(socket.read(15), b"over the socket");
    4
}

/// The CORS filter stands before ours: it answers what it allows, and adds its headers to refusals.
fn browsers(envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let allowed = "http://localhost:3000";
    let before = envoy.metric("denied.missing_token");
    let response = Request::get("/guarded")
        .header("origin", allowed)
        .send(envoy.main());
    assert_eq!(difference(&response, "missing_token"), None);
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some(allowed)
    );
    // What the table counts begins behind it.
    envoy.await_metric("denied.missing_token", before + 1);
    let preflight = |path: &str| {
        Request::new("OPTIONS", path)
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "GET")
    };
    let mut table = Table::new(envoy, upstream);
    table.refused(
        MAIN,
        "preflight needs a token",
        &preflight("/guarded"),
        "missing_token",
    );
    table.anonymous("passing", "preflight passes", &preflight("/guarded"));
    table.anonymous("passing", "preflight of scopes", &preflight("/scoped"));
    table.refused(
        "passing",
        "not through nobody",
        &preflight("/closed"),
        "denied_by_rule",
    );
    let plain = Request::new("OPTIONS", "/guarded");
    table.refused(
        "passing",
        "OPTIONS that is no preflight",
        &plain,
        "missing_token",
    );
    let partly = plain.header("origin", "https://elsewhere.example");
    table.refused(
        "passing",
        "OPTIONS without a method",
        &partly,
        "missing_token",
    );
    let get = Request::get("/guarded")
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "GET");
    table.refused("passing", "a GET is no preflight", &get, "missing_token");
    table.done() + 1
}
