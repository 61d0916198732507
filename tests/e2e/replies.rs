//! What the refused are told, over every protocol and in every style.

use serde_json::{Value, json};

use crate::harness::bootstrap::Listener;
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, pool, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::upstream::GREETING;

/// A user pool whose key server fails.
pub(crate) const DOWN: &str = "us-east-1_Down00001";

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
pub(crate) fn document() -> Value {
    let down = with(pool(DOWN), &[("jwks.timeout", json!("300ms"))]);
    with(ruled(rules()), &[("user_pools", json!([pool(POOL), down]))])
}

fn expired() -> String {
    Token::id(POOL).claim("exp", now() - 1000).mint()
}

pub(crate) fn keys() -> KeyServer {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.answer(DOWN, Answer::Status(500, json!({})));
    keys
}

#[track_caller]
pub(crate) fn assert_reply(
    response: &Response,
    status: u16,
    body: &str,
    headers: &[(&str, Option<&str>)],
) {
    assert_eq!(
        (response.status, response.body.as_str()),
        (status, body),
        "{response:?}"
    );
    for (name, value) in headers {
        assert_eq!(response.header(name), *value, "{name} of {response:?}");
    }
}

/// Listeners that answer as API Gateway does, and as a configuration says.
pub(crate) fn styles() -> [Listener; 2] {
    let style = json!({"style": "api_gateway"});
    let gateway = with(document(), &[("responses", style)]);
    let overrides = json!({
        "unauthorized": {
            "status": 302,
            "headers": {"location": "https://login.example.com/", "www-authenticate": "",
                        "content-type": "text/html"},
            "body": "<p>sign in</p>",
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
    let overridden = Listener::text("overridden", &overridden);
    [
        Listener::new("gateway", gateway),
        overridden.raw_paths().trusted_request_ids(),
    ]
}

/// What a REST API with a Cognito authorizer answers, and what a configuration has in its place.
pub(crate) fn api_gateway_style_and_overrides(envoy: &EnvoyUnderTest) -> usize {
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
    assert_reply(
        &Request::get("/guarded").send(at),
        302,
        "<p>sign in</p>",
        &sign_in,
    );
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
    assert_reply(&get("/x/../y", &valid).send(at), 400, "no", &[json]);
    8 + 8
}

const fn kind_absent() -> (&'static str, Option<&'static str>) {
    ("x-amzn-errortype", None)
}
