//! What becomes of requests, with the files as they are shipped.

use crate::endpoint::OTHER_NAME;
use crate::gateway::{Edge, ORIGIN, POOL, Site, reader};
use crate::harness::client::{Request, Response};
use crate::harness::issuer::{SUB, Token};

#[test]
fn requests_get_what_the_rules_say() {
    let site = Site::start();
    let edge = Edge::deciding(&site, &site.shipped());
    for resource in [
        ("EnvoyExtensionPolicy", "cognito-authorizer"),
        ("ClientTrafficPolicy", "cognito-authorizer"),
        ("EnvoyPatchPolicy", "cognito-keys"),
        ("SecurityPolicy", "cors"),
    ] {
        edge.await_condition(resource, "Accepted", "True");
    }
    let keys = ("EnvoyPatchPolicy", "cognito-keys");
    edge.await_condition(keys, "Programmed", "True");
    assert_eq!(site.keys.fetches(POOL), 1, "one VM of all fetches");

    let valid = reader().mint();
    let guarded = Request::get("/orders/7")
        .bearer(&valid)
        .header("x-cognito-sub", "somebody-else");
    assert_eq!(edge.send(&guarded).status, 200);
    let seen = &site.upstream.seen(guarded.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    assert_eq!(
        seen.value("x-cognito-username").as_deref(),
        Some("wilhelmina")
    );
    assert_eq!(seen.value("x-cognito-groups").as_deref(), Some("readers"));

    let open = Request::get("/health").header("x-cognito-sub", "somebody-else");
    assert_eq!(edge.send(&open).status, 200);
    let seen = &site.upstream.seen(open.case())[0];
    assert_eq!(seen.value("x-cognito-sub"), None);

    let id = Token::id(POOL).mint();
    let forged = valid.replace('.', ".A");
    for (what, request, status, metric) in [
        (
            "no token",
            Request::get("/orders"),
            401,
            "denied.missing_token",
        ),
        (
            "an id token",
            Request::get("/orders").bearer(&id),
            401,
            "denied.wrong_token_use",
        ),
        (
            "a damaged token",
            Request::get("/orders").bearer(&forged),
            401,
            "denied.malformed_token",
        ),
        (
            "a scope that reads",
            Request::new("POST", "/orders").bearer(&valid),
            403,
            "denied.insufficient_scope",
        ),
        (
            "no group",
            Request::get("/admin").bearer(&valid),
            403,
            "denied.insufficient_group",
        ),
        (
            "no rule",
            Request::get("/elsewhere").bearer(&valid),
            403,
            "denied.denied_by_rule",
        ),
    ] {
        assert_eq!(edge.send(&request).status, status, "{what}");
        assert!(site.upstream.seen(request.case()).is_empty(), "{what}");
        // Envoy Gateway has all statistics of its proxies exported unless it is told which.
        edge.envoy.await_metric(metric, 1);
    }
    // What ClientTrafficPolicy refuses does not get so far.
    for (what, request) in [
        (
            "a claim header with underscores",
            Request::get("/orders")
                .bearer(&valid)
                .header("x_cognito_sub", SUB),
        ),
        (
            "an escaped slash",
            Request::get("/orders%2f7").bearer(&valid),
        ),
    ] {
        assert_eq!(edge.send(&request).status, 400, "{what}");
        assert!(site.upstream.seen(request.case()).is_empty(), "{what}");
    }
    edge.envoy.finish(8);
}

/// Envoy Gateway has its CORS filter before all modules.
#[test]
fn browsers_are_answered() {
    let site = Site::start();
    let edge = Edge::deciding(&site, &site.shipped());
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization");
    let answer = edge.send(&preflight);
    assert_eq!(answer.status, 200);
    let said = |answer: &Response, name: &str| {
        let value = answer.header(&format!("access-control-{name}"));
        value.unwrap_or_default().replace(' ', "")
    };
    assert_eq!(said(&answer, "allow-origin"), ORIGIN);
    assert_eq!(
        said(&answer, "allow-methods"),
        "GET,HEAD,POST,PUT,PATCH,DELETE"
    );
    assert_eq!(said(&answer, "allow-headers"), "authorization,content-type");
    assert_eq!(said(&answer, "max-age"), "600");

    let valid = reader().mint();
    for (request, status) in [
        (Request::get("/orders").bearer(&valid), 200),
        (Request::get("/orders"), 401),
        (Request::new("PUT", "/orders").bearer(&valid), 403),
    ] {
        let answer = edge.send(&request.clone().header("origin", ORIGIN));
        assert_eq!(answer.status, status);
        assert_eq!(said(&answer, "allow-origin"), ORIGIN, "{status}");
        let exposed = said(&answer, "expose-headers");
        assert_eq!(exposed, "www-authenticate,retry-after", "{status}");
        assert_eq!(
            answer.header("www-authenticate").is_some(),
            status != 200,
            "{status}"
        );
        // Another origin is told nothing that a browser would give to its script.
        let other = edge.send(&request.header("origin", "https://elsewhere.example.net"));
        assert_eq!(other.status, status);
        assert_eq!(said(&other, "allow-origin"), "", "{status}");
    }
    edge.envoy.finish(6);
}

/// The certificate of the key endpoint is for another name, though by the authority that is trusted.
#[test]
fn keys_of_another_server_are_not_believed() {
    let site = Site::with_certificate(OTHER_NAME);
    let edge = Edge::start(&site, &site.shipped());
    // The twin, with the genuine certificate, is above.
    let request = Request::get("/orders").bearer(&reader().mint());
    edge.await_answer(&Request::get("/health"), 200);
    let mut sent = 1;
    crate::harness::process::eventually("a failed fetch", || {
        sent += 1;
        assert_eq!(edge.send(&request).status, 503);
        (edge.envoy.metric("jwks_fetch.failure") > 0).then_some(())
    });
    assert_eq!(site.keys.fetches(POOL), 0);
    let refused = edge
        .envoy
        .statistic("cluster.cognito_us_east_1.ssl.fail_verify_san");
    assert!(refused > 0);
    assert_eq!(edge.send(&Request::get("/orders")).status, 401);
}
