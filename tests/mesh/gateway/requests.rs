//! What becomes of requests, with the files as they are shipped.

use crate::desk::finds_nothing_wrong;
use crate::endpoint::OTHER_NAME;
use crate::gateway::Edge;
use crate::harness::client::Request;
use crate::harness::process::eventually;
use crate::rules;
use crate::stage::{POOL, Stage, reader};

#[test]
fn requests_get_what_the_rules_say() {
    let stage = Stage::start();
    let policies = stage.policies();
    let edge = Edge::deciding(&policies);
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
    finds_nothing_wrong("policies.json", &edge.printed(&policies));
    // As `egctl config envoy-proxy all` prints it.
    let dump = edge.envoy.admin("/config_dump?include_eds");
    let dump = format!(r#"{{"envoy-gateway-system": {{"envoy-default-eg": {dump}}}}}"#);
    finds_nothing_wrong("dump.json", &dump);

    let decided = rules::hold(&stage, &edge);
    // What ClientTrafficPolicy refuses does not get so far.
    let escaped = Request::get("/orders%2f7").bearer(&reader().mint());
    assert_eq!(edge.send(&escaped).status, 400);
    assert!(stage.upstream.seen(escaped.case()).is_empty());
    // Envoy Gateway has its CORS filter before all modules.
    let decided = decided + rules::answer_browsers(&edge);
    edge.finish(decided);
}

/// The certificate of the key endpoint is for another name, though by the authority that is trusted.
#[test]
fn keys_of_another_server_are_not_believed() {
    let stage = Stage::with_certificate(OTHER_NAME);
    let edge = Edge::start(&stage.policies());
    // The twin, with the genuine certificate, is above.
    let request = Request::get("/orders").bearer(&reader().mint());
    edge.await_status(&Request::get("/health"), 200);
    let mut sent = 1;
    eventually("a failed fetch", || {
        sent += 1;
        assert_eq!(edge.send(&request).status, 503);
        (edge.envoy.metric("jwks_fetch.failure") > 0).then_some(())
    });
    assert_eq!(stage.keys.fetches(POOL), 0);
    let refused = edge
        .envoy
        .statistic("cluster.cognito_us_east_1.ssl.fail_verify_san");
    assert!(refused > 0);
    assert_eq!(edge.send(&Request::get("/orders")).status, 401);
}
