//! What the refused are told, over every protocol and in every style.

use serde_json::{Value, json};

use crate::bootstrap::{Listener, MAIN, Setup};
use crate::client::{Request, Response};
use crate::document::{POOL, pool, ruled, with};
use crate::envoy::EnvoyUnderTest;
use crate::http2;
use crate::issuer::{TestKey, Token, now};
use crate::keyserver::{Answer, KeyServer};
use crate::table::{INVALID, Table, difference};
use crate::upstream::{GREETING, Upstream};

const DOWN: &str = "us-east-1_Down00001";

fn rules() -> Value {
    json!([
        {"match": {"path": "/closed"}, "allow": "nobody"},
        {"match": {"path": "/open"}, "allow": "anyone"},
        {"match": {"path": "/scoped"}, "require": {"scopes": ["api/write"], "pools": "any"}},
        {"match": {"path": "/grouped"}, "require": {"groups": ["admin"], "pools": "any"}},
        {"match": {"path": "/fresh"}, "require": {"max_auth_age": "15m"}},
    ])
}

/// Two pools: one of them has no keys.
fn document() -> Value {
    let down = with(pool(DOWN), &[("jwks.timeout", json!("300ms"))]);
    with(ruled(rules()), &[("user_pools", json!([pool(POOL), down]))])
}

fn expired() -> String {
    Token::id(POOL).claim("exp", now() - 1000).mint()
}

fn keys() -> KeyServer {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.answer(DOWN, Answer::Status(500, json!({})));
    keys
}

#[track_caller]
fn assert_reply(response: &Response, status: u16, body: &str, headers: &[(&str, Option<&str>)]) {
    assert_eq!(
        (response.status, response.body.as_str()),
        (status, body),
        "{response:?}"
    );
    for (name, value) in headers {
        assert_eq!(response.header(name), *value, "{name} of {response:?}");
    }
}

/// What a REST API with a Cognito authorizer answers.
#[test]
fn api_gateway_style_and_overrides() {
    let (keys, upstream) = (keys(), Upstream::start());
    let style = |style: &str| json!({"style": style});
    let gateway = with(document(), &[("responses", style("api_gateway"))]);
    let overrides = json!({
        "unauthorized": {
            "status": 302,
            "headers": {"location": "https://login.example.com/", "www-authenticate": "",
                        "content-type": "text/html"},
            "body": "",
        },
        "expired_token": {
            "body": "{\"m\":$context.error.messageString,\"n\":\"$context.error.message\",\
                     \"t\":\"$context.error.responseType\",\"id\":\"$context.requestId\"}",
        },
        "access_denied": {"status": 404, "headers": {"x-why": "no"}},
        "authorizer_failure": {"status": 500},
        "bad_request": {"body": "no"},
    });
    let overridden = with(document(), &[("responses", overrides)]);
    let envoy = EnvoyUnderTest::start(
        Setup::new(&keys, &upstream)
            .listener(Listener::new("gateway", gateway))
            .listener(
                Listener::text("overridden", &overridden)
                    .raw_paths()
                    .trusted_request_ids(),
            ),
    );
    let valid = Token::id(POOL).mint();
    let get = |path: &str, token: &str| Request::get(path).bearer(token);
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    let denied = r#"{"Message":"User is not authorized to access this resource"}"#;
    let none: (&str, Option<&str>) = ("www-authenticate", None);
    let json: (&str, Option<&str>) = ("content-type", Some("application/json"));
    let kind = |kind| ("x-amzn-errortype", Some(kind));
    let is_401 = [none, json, kind("UnauthorizedException")];
    let is_403 = [none, json, kind("AccessDeniedException")];
    let at = envoy.at("gateway");
    assert_reply(
        &Request::get("/guarded").send(at),
        401,
        unauthorized,
        &is_401,
    );
    assert_reply(&get("/guarded", "x").send(at), 401, unauthorized, &is_401);
    let body = r#"{"message":"The incoming token has expired"}"#;
    assert_reply(&get("/guarded", &expired()).send(at), 401, body, &is_401);
    assert_reply(&get("/scoped", &valid).send(at), 401, unauthorized, &is_401);
    assert_reply(&get("/grouped", &valid).send(at), 403, denied, &is_403);
    assert_reply(&get("/closed", &valid).send(at), 403, denied, &is_403);
    let unavailable = [none, json, kind("ServiceUnavailableException")];
    let down = Token::id(DOWN).mint();
    let response = get("/guarded", &down).send(at);
    assert_reply(
        &response,
        503,
        r#"{"message":"Service Unavailable"}"#,
        &unavailable,
    );
    assert!(response.header("retry-after").is_some());
    assert_reply(
        &get("/guarded", &valid).send(at),
        200,
        GREETING,
        &[kind_absent()],
    );

    let at = envoy.at("overridden");
    let sign_in = [
        ("location", Some("https://login.example.com/")),
        none,
        ("content-type", Some("text/html")),
    ];
    assert_reply(&Request::get("/guarded").send(at), 302, "", &sign_in);
    let request = get("/guarded", &expired());
    let response = request.send(at);
    let id = envoy.access_log(request.case())["request_id"].clone();
    let body = json!({"m": "The incoming token has expired", "n": "The incoming token has expired",
                      "t": "EXPIRED_TOKEN", "id": id});
    assert_eq!(
        serde_json::from_str::<Value>(&response.body).expect("JSON"),
        body
    );
    assert_eq!(response.status, 401);
    // An id that could leave its string is left out.
    for id in ["a\",\"admin\":\"true", "\u{ff}", &"x".repeat(65)] {
        let response = get("/guarded", &expired())
            .header("x-request-id", id)
            .send(at);
        let body: Value = serde_json::from_str(&response.body).expect("JSON");
        assert_eq!(body["id"], "", "{id:?}");
    }
    let scope = Some(r#"Bearer error="insufficient_scope", scope="api/write""#);
    let forbidden = r#"{"message":"Forbidden"}"#;
    let why = [("x-why", Some("no")), ("www-authenticate", scope), json];
    assert_reply(&get("/scoped", &valid).send(at), 404, forbidden, &why);
    assert_reply(
        &get("/guarded", &down).send(at),
        500,
        r#"{"message":"Service Unavailable"}"#,
        &[json],
    );
    assert_reply(&get("/x//y", &valid).send(at), 400, "no", &[json]);
    envoy.finish(8 + 8);
}

const fn kind_absent() -> (&'static str, Option<&'static str>) {
    ("x-amzn-errortype", None)
}

#[test]
fn every_protocol_gets_its_verdict() {
    let (keys, upstream) = (keys(), Upstream::start());
    let setup = Setup::new(&keys, &upstream);
    let passing = with(document(), &[("cors_preflight", json!("pass"))]);
    let envoy = EnvoyUnderTest::start(
        setup
            .listener(Listener::new(MAIN, document()))
            .listener(Listener::new("passing", passing)),
    );
    let mut requests = over_http2(&envoy, &upstream);
    requests += grpc(&envoy);
    requests += head_and_upgrade(&envoy);
    requests += browsers(&envoy, &upstream);
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
    let response = Request::get("/guarded")
        .header("origin", allowed)
        .send(envoy.main());
    assert_eq!(difference(&response, "missing_token"), None);
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some(allowed)
    );
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
