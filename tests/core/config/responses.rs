//! `responses`.

use crate::config::{accepted, case};
use serde_json::{Value, json};

#[test]
fn responses_are_changed_by_kind() {
    let change = |change: Value| json!({"/responses": {"unauthorized": change}});
    let one = |refused: Value, problem: &str, twin: Value| {
        case(
            change(refused),
            &format!("responses.unauthorized{problem}"),
            change(twin),
        );
    };
    case(
        json!({"/responses": {"access_token": {}}}),
        "responses.access_token: found an unknown field; expected style, unauthorized, expired_token, access_denied, authorizer_failure, authorizer_configuration_error, bad_request",
        json!({"/responses": {"style": "api_gateway", "access_denied": {"status": 404}}}),
    );
    case(
        json!({"/responses": {"unauthorised": {}}}),
        "responses.unauthorised: found an unknown field; did you mean unauthorized?",
        json!({"/responses": {"unauthorized": {}}}),
    );
    case(
        json!({"/responses": []}),
        "responses: found an empty list; expected an object with style and the replies to change",
        json!({"/responses": {}}),
    );
    one(
        json!(401),
        ": found 401; expected an object with status, headers or body",
        json!({"status": 401}),
    );
    one(
        json!({"code": 401}),
        ".code: found an unknown field; expected status, headers, body, navigation",
        json!({"status": 401}),
    );
    for (wrong, twin) in [(299, 300), (600, 599), (200, 302)] {
        one(
            json!({"status": wrong}),
            &format!(".status: found {wrong}; expected a status from 300 to 599"),
            json!({"status": twin}),
        );
    }
    one(
        json!({"status": 401.5}),
        ".status: found 401.5; expected a status from 300 to 599",
        json!({"status": 401.0}),
    );
    one(
        json!({"status": "401"}),
        ".status: found \"401\"; expected a status from 300 to 599",
        json!({"status": 401}),
    );
    let header = |name: &str, value: Value| json!({"headers": {name: value}});
    one(
        json!({"headers": ["location"]}),
        ".headers: found a list; expected an object of header names and values",
        header("location", json!("/sign-in")),
    );
    one(
        header("retry-after", json!(5)),
        ".headers.retry-after: found 5; expected a text, or an empty one to remove the header; quote it",
        header("retry-after", json!("5")),
    );
    one(
        header("x-a", json!("a\nb")),
        ".headers.x-a: the value has control characters; expected visible characters and spaces",
        header("x-a", json!("")),
    );
    one(
        header(":status", json!("200")),
        ".headers[\":status\"]: found \":status\"; expected a header that is not Envoy's own to write",
        header("content-type", json!("text/html")),
    );
    one(
        header("content-length", json!("0")),
        ".headers.content-length: found \"content-length\"; expected a header that is not Envoy's own to write",
        header("cache-control", json!("no-store")),
    );
    one(
        json!({"headers": {"Location": "/a", "location": "/b"}}),
        ".headers.location: found the header \"Location\" in other letters; expected each header once",
        json!({"headers": {"Location": "/a"}}),
    );
    one(
        json!({"body": {"message": "no"}}),
        ".body: found an object; expected a text",
        json!({"body": "{\"message\":\"no\"}"}),
    );
    one(
        json!({"status": 304, "body": "x"}),
        ".body: found a body beside status 304; expected none, for a reply of that status has none",
        json!({"status": 303, "body": "x"}),
    );
    one(
        header("location", json!("/login?from=$context.identity.sourceIp")),
        ".headers.location: found $context.identity.sourceIp; expected $context.error.message, $context.error.messageString, $context.error.responseType, $context.requestId, $context.requestUri or $context.path",
        header("location", json!("/login?id=$context.requestId&price=$5")),
    );
    one(
        json!({"body": "$context.identity.sourceIp"}),
        ".body: found $context.identity.sourceIp; expected $context.error.message, $context.error.messageString, $context.error.responseType, $context.requestId, $context.requestUri or $context.path",
        json!({"body": "$context.requestId"}),
    );
    let policy = accepted(json!({"/responses": {
        "unauthorized": {"status": 300}, "expired_token": {"status": 301}, "access_denied": {"status": 302},
        "authorizer_failure": {"status": 303}, "bad_request": {"status": 304},
    }}));
    let responses = &policy.responses;
    let statuses = [
        &responses.unauthorized,
        &responses.expired_token,
        &responses.access_denied,
        &responses.authorizer_failure,
        &responses.bad_request,
    ];
    assert_eq!(
        statuses.map(|kind| kind.status),
        [Some(300), Some(301), Some(302), Some(303), Some(304)]
    );
}

#[test]
fn a_page_has_a_reply_of_its_own() {
    let change = |change: Value| json!({"/responses": {"unauthorized": {"navigation": change}}});
    let one = |refused: Value, problem: &str, twin: Value| {
        let path = "responses.unauthorized.navigation";
        case(change(refused), &format!("{path}{problem}"), change(twin));
    };
    one(
        json!(302),
        ": found 302; expected an object with status, headers or body",
        json!({"status": 302}),
    );
    one(
        json!({"navigation": {}}),
        ".navigation: found an unknown field; expected status, headers, body",
        json!({}),
    );
    one(
        json!({"status": 200}),
        ".status: found 200; expected a status from 300 to 599",
        json!({"status": 303}),
    );
    one(
        json!({"headers": {"location": "/login?to=$context.uri"}}),
        ".headers.location: found $context.uri; expected $context.error.message, $context.error.messageString, $context.error.responseType, $context.requestId, $context.requestUri or $context.path",
        json!({"headers": {"location": "/login?to=$context.requestUri&p=$context.path"}}),
    );
    one(
        json!({"headers": {"location": "/a\nb"}}),
        ".headers.location: the value has control characters; expected visible characters and spaces",
        json!({"headers": {"location": "/ab"}}),
    );
    one(
        json!({"status": 304, "body": "x"}),
        ".body: found a body beside status 304; expected none, for a reply of that status has none",
        json!({"status": 303, "body": "x"}),
    );
    // Without a status of its own it has that of the usual reply.
    let around = |status: u16, navigation: Value| json!({"/responses": {"unauthorized": {"status": status, "navigation": navigation}}});
    let inherited = "responses.unauthorized.navigation.body: found a body beside status 304; expected none, for a reply of that status has none";
    for twin in [
        around(304, json!({"status": 302, "body": "x"})),
        around(303, json!({"body": "x"})),
        around(304, json!({"headers": {"x-a": "b"}})),
    ] {
        case(around(304, json!({"body": "x"})), inherited, twin);
    }
    // Whatever else is wrong with the usual reply.
    let mut faulty = around(304, json!({"body": "x"}));
    faulty["/responses"]["unauthorized"]["headers"] = json!([]);
    case(
        faulty,
        &format!(
            "responses.unauthorized.headers: found an empty list; expected an object of header names and values\n{inherited}"
        ),
        around(304, json!({})),
    );
}
