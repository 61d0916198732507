//! Protected resources (RFC 9728), as an OAuth client meets them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token, issuer_of, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// What the clients of the tests call it: the resource may have another name.
const HOST: &str = "localhost";
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
const URL: &str = "https://api.example.com/.well-known/oauth-protected-resource/mcp";

fn document() -> Value {
    let rules = json!([
        {"match": {"prefix": "/mcp/fresh"}, "require": {"max_auth_age": "15m"}},
        {"match": {"prefix": "/mcp/plain"}},
        {"match": {"prefix": "/mcp/either"}, "require": {"any_of": [{"scopes": ["mcp/admin"]}, {"groups": ["admin"]}]}},
        {"match": {"prefix": "/mcp"}, "require": {"scopes": ["mcp/read", "mcp/write"]}},
    ]);
    with(
        ruled(rules),
        &[
            ("default", json!("nobody")),
            (
                "protected_resources",
                json!([{
                    "match": {"prefix": "/mcp", "hosts": [HOST]},
                    "resource": "https://api.example.com/mcp",
                    "authorization_servers": ["pools"],
                    "scopes_supported": ["mcp/read", "mcp/write"],
                }]),
            ),
        ],
    )
}

/// The same over HTTP/1.1 and HTTP/2.
fn both(to: SocketAddr, method: &str, path: &str, lines: &[(&str, &str)]) -> [Response; 2] {
    let one = lines.iter().fold(
        Request::new(method, path).host(HOST),
        |request, (name, value)| request.header(name, value),
    );
    let mut headers: Vec<(&str, &[u8])> = Vec::new();
    headers.extend(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
    let two = http2::send(to, method, path, &headers, b"", &[]).response;
    [one.send(to), two]
}

#[test]
fn a_client_finds_its_way_from_the_refusal_to_the_metadata() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let gateway = with(
        document(),
        &[("responses", json!({"style": "api_gateway"}))],
    );
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(Listener::new(MAIN, document()))
            .listener(Listener::new("gateway", gateway)),
    );
    let held = a_held_request_is_told_the_same(&envoy, &keys);
    let before = envoy.metrics();
    let at = envoy.main();
    let refused = |path: &str, lines: &[(&str, &str)], expected: &str| {
        for response in both(at, "GET", path, lines) {
            let status = match expected.contains("insufficient_scope") {
                true => 403,
                false => 401,
            };
            assert_eq!(response.status, status, "{path} {response:?}");
            assert_eq!(
                response.header("www-authenticate"),
                Some(expected),
                "{path}"
            );
        }
    };
    let hint = format!(r#"resource_metadata="{URL}""#);
    let scope = r#"scope="mcp/read mcp/write""#;
    refused("/mcp", &[], &format!("Bearer {hint}, {scope}"));
    refused("/mcp/plain", &[], &format!("Bearer {hint}"));
    refused(
        "/mcp/either",
        &[],
        &format!(r#"Bearer {hint}, scope="mcp/admin""#),
    );
    let bearer = |token: &str| format!("Bearer {token}");
    let invalid = r#"Bearer error="invalid_token", error_description="the token is"#;
    refused(
        "/mcp",
        &[("authorization", "Bearer x")],
        &format!("{invalid} not valid\", {hint}, {scope}"),
    );
    let expired = bearer(&Token::access(POOL).claim("exp", now() - 1000).mint());
    refused(
        "/mcp",
        &[("authorization", &expired)],
        &format!(
            r#"Bearer error="invalid_token", error_description="the token has expired", {hint}, {scope}"#
        ),
    );
    let plain = bearer(&Token::access(POOL).mint());
    refused(
        "/mcp",
        &[("authorization", &plain)],
        &format!(r#"Bearer error="insufficient_scope", {scope}, {hint}"#),
    );
    let old = bearer(&Token::access(POOL).claim("auth_time", now() - 3600).mint());
    refused(
        "/mcp/fresh",
        &[("authorization", &old)],
        &format!(r#"Bearer error="insufficient_user_authentication", max_age="900", {hint}"#),
    );
    let document = json!({
        "resource": "https://api.example.com/mcp",
        "authorization_servers": [issuer_of(POOL)],
        "scopes_supported": ["mcp/read", "mcp/write"],
    });
    for method in ["GET", "HEAD"] {
        for response in both(at, method, METADATA, &[]) {
            assert_eq!(response.status, 200, "{response:?}");
            for (name, value) in [
                ("content-type", "application/json"),
                ("access-control-allow-origin", "*"),
                ("cache-control", "max-age=300"),
            ] {
                assert_eq!(response.header(name), Some(value), "{method} {name}");
            }
            assert_eq!(response.header("www-authenticate"), None);
            if method == "GET" {
                let found: Value = serde_json::from_str(&response.body).expect("JSON");
                assert_eq!(found, document);
            } else {
                assert_eq!(response.body, "");
            }
        }
    }
    let asks = [
        ("origin", "https://inspector.example.com"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "mcp-protocol-version"),
    ];
    for response in both(at, "OPTIONS", METADATA, &asks) {
        assert_eq!((response.status, response.body.as_str()), (204, ""));
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
            ("access-control-allow-headers", "*"),
        ] {
            assert_eq!(response.header(name), Some(value), "{name}");
        }
    }
    // By other methods, and under other hosts, the rules decide.
    for response in both(at, "POST", METADATA, &[]) {
        assert_eq!(response.status, 403, "{response:?}");
    }
    let elsewhere = Request::get(METADATA).host("other.example.com").send(at);
    assert_eq!(elsewhere.status, 403);
    let elsewhere = Request::get("/mcp").host("other.example.com").send(at);
    assert_eq!(elsewhere.header("www-authenticate"), Some("Bearer"));
    // No challenge in this style; the metadata is there all the same.
    let at = envoy.at("gateway");
    let unnamed = Request::get("/mcp").host(HOST).send(at);
    assert_eq!(unnamed.header("www-authenticate"), None);
    let answered = Request::get(METADATA).host(HOST).send(at);
    assert_eq!(answered.status, 200);
    let more = envoy.more_than(&before);
    assert_eq!(more.get("anonymous"), Some(&7));
    assert_eq!(more.get("denied.denied_by_rule"), Some(&3));
    assert_eq!(more.get("denied.missing_token"), Some(&8));
    envoy.finish(26 + held);
}

/// A request that waits for keys has its challenge when they come, and is no token.
fn a_held_request_is_told_the_same(envoy: &EnvoyUnderTest, keys: &KeyServer) -> usize {
    let token = Token::access(POOL).mint();
    let held = Request::get("/mcp").host(HOST).bearer(&token);
    let pending = held.open(envoy.main());
    envoy.await_metric("held_now", 1);
    // What is answered without a token does not wait.
    let answered = Request::get(METADATA).host(HOST).send(envoy.main());
    assert_eq!(answered.status, 200);
    keys.release(POOL);
    let response = pending.response();
    assert_eq!(response.status, 403, "{response:?}");
    let expected = format!(
        r#"Bearer error="insufficient_scope", scope="mcp/read mcp/write", resource_metadata="{URL}""#
    );
    assert_eq!(response.header("www-authenticate"), Some(&*expected));
    2
}
