//! What the rules of the examples make of requests; `envoy/istio/gateway.yaml` and
//! `envoy/gateway/authorizer.yaml` have the same.

use crate::front::Front;
use crate::harness::client::{Request, Response};
use crate::harness::issuer::{SUB, Token};
use crate::stage::{ORIGIN, POOL, Stage, reader};

/// Requests get what the rules say; how many the filter has decided is returned.
#[track_caller]
pub(crate) fn hold(stage: &Stage, front: &Front) -> usize {
    let valid = reader().mint();
    let guarded = Request::get("/orders/7")
        .bearer(&valid)
        .header("x-cognito-sub", "somebody-else");
    assert_eq!(front.send(&guarded).status, 200);
    let seen = &stage.upstream.seen(guarded.case())[0];
    for (header, value) in [
        ("x-cognito-sub", SUB),
        ("x-cognito-username", "wilhelmina"),
        ("x-cognito-groups", "readers"),
    ] {
        assert_eq!(seen.value(header).as_deref(), Some(value), "{header}");
    }
    let open = Request::get("/health").header("x-cognito-sub", "somebody-else");
    assert_eq!(front.send(&open).status, 200);
    let seen = &stage.upstream.seen(open.case())[0];
    assert_eq!(seen.value("x-cognito-sub"), None);

    let id = Token::id(POOL).mint();
    let stranger = Token::access("us-east-1_Another12").mint();
    let damaged = valid.replace('.', ".A");
    let orders = || Request::get("/orders");
    let refusals = [
        (orders(), 401, "missing_token"),
        (orders().bearer(&id), 401, "wrong_token_use"),
        (orders().bearer(&stranger), 401, "unknown_issuer"),
        (orders().bearer(&damaged), 401, "malformed_token"),
        (
            Request::new("POST", "/orders").bearer(&valid),
            403,
            "insufficient_scope",
        ),
        (
            Request::get("/admin").bearer(&valid),
            403,
            "insufficient_group",
        ),
        (
            Request::get("/elsewhere").bearer(&valid),
            403,
            "denied_by_rule",
        ),
    ];
    for (request, status, reason) in &refusals {
        assert_eq!(front.send(request).status, *status, "{reason}");
        assert!(stage.upstream.seen(request.case()).is_empty(), "{reason}");
        // Both control planes have their proxies tell of the filter without being asked to.
        front.envoy.await_metric(&format!("denied.{reason}"), 1);
    }
    // Envoy's own refusal, before any filter.
    let underscore = orders().bearer(&valid).header("x_cognito_sub", SUB);
    assert_eq!(front.send(&underscore).status, 400);
    assert!(stage.upstream.seen(underscore.case()).is_empty());
    assert_eq!(stage.keys.fetches(POOL), 1, "one VM of all fetches");
    2 + refusals.len()
}

/// A header of CORS, as a browser reads it.
fn said(answer: &Response, name: &str) -> String {
    let name = format!("access-control-{name}");
    let values = answer.headers.iter().filter(|(header, _)| *header == name);
    // Two values would be as good as none to a browser.
    let values: Vec<_> = values.map(|(_, value)| value.replace(' ', "")).collect();
    values.join(" and ")
}

/// A browser's preflight passes, and its script reads refusals; how many requests the filter has decided
/// is returned.
#[track_caller]
pub(crate) fn answer_browsers(front: &Front) -> usize {
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization");
    let answer = front.await_status(&preflight, 200);
    for (name, value) in [
        ("allow-origin", ORIGIN),
        ("allow-methods", "GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("allow-headers", "authorization,content-type"),
        ("max-age", "600"),
    ] {
        assert_eq!(said(&answer, name), value, "{name}");
    }
    let valid = reader().mint();
    let requests = [
        (Request::get("/orders").bearer(&valid), 200),
        (Request::get("/orders"), 401),
        (Request::new("PUT", "/orders").bearer(&valid), 403),
    ];
    for (request, status) in &requests {
        let answer = front.send(&request.clone().header("origin", ORIGIN));
        assert_eq!(answer.status, *status);
        assert_eq!(said(&answer, "allow-origin"), ORIGIN, "{status}");
        let exposed = said(&answer, "expose-headers");
        assert_eq!(exposed, "www-authenticate,retry-after", "{status}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.is_some(), *status != 200, "{status}");
        // Another origin is told nothing that a browser would give to its script.
        let elsewhere = request
            .clone()
            .header("origin", "https://elsewhere.example");
        let other = front.send(&elsewhere);
        assert_eq!(other.status, *status);
        assert_eq!(said(&other, "allow-origin"), "", "{status}");
    }
    2 * requests.len()
}
