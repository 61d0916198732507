//! The authorizer at a gateway, as `envoy/istio` has it.

use serde_json::json;

use crate::endpoint::OTHER_NAME;
use crate::harness::client::Request;
use crate::harness::issuer::{SUB, Token};
use crate::harness::markdown::Pages;
use crate::istio::api::Api;
use crate::istio::istiod::Istiod;
use crate::istio::{Mesh, POOL, Pod, reader};
use crate::manifest::shipped;

/// The name that Istio gives to the key cluster, as its statistics have it.
const KEYS: &str = "cluster.outbound|443||cognito-keys.us-east-1.internal;";

/// A gateway's pod with the annotation of the page, without which nothing is told of the key cluster.
fn annotated() -> Pod {
    const NAME: &str = "proxy.istio.io/config";
    let pages = Pages::read();
    let (snippet, _) = pages.marked("annotation").next().expect("an annotation");
    let annotation = snippet.value();
    let value = annotation[NAME].as_str().expect("a text of YAML");
    Pod::gateway().annotated(NAME, value)
}

/// The files as they are, with all their placeholders.
#[test]
fn istiod_admits_every_file() {
    let api = Api::start();
    let istiod = Istiod::start(&api);
    for file in [
        "keys.yaml",
        "headers.yaml",
        "gateway.yaml",
        "sidecar.yaml",
        "cors.yaml",
        "cors-policy.yaml",
        "lambda.yaml",
    ] {
        for resource in shipped(&format!("istio/{file}")) {
            assert_eq!(istiod.objection(&resource), None, "{file}");
        }
    }
    // It does look.
    let mut plugin = shipped("istio/gateway.yaml").remove(0);
    plugin["spec"]["phase"] = json!("AUTHEN");
    assert!(istiod.objection(&plugin).is_some());
}

#[test]
fn requests_get_what_the_rules_say() {
    let (mesh, gateway) = Mesh::with_gateway();
    let valid = reader().mint();
    let guarded = Request::get("/orders/7")
        .bearer(&valid)
        .header("x-cognito-sub", "somebody-else");
    assert_eq!(gateway.send(&guarded).status, 200);
    let seen = &mesh.upstream.seen(guarded.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    assert_eq!(
        seen.value("x-cognito-username").as_deref(),
        Some("wilhelmina")
    );
    assert_eq!(seen.value("x-cognito-groups").as_deref(), Some("readers"));

    let open = Request::get("/health").header("x-cognito-sub", "somebody-else");
    assert_eq!(gateway.send(&open).status, 200);
    assert_eq!(
        mesh.upstream.seen(open.case())[0].value("x-cognito-sub"),
        None
    );

    let id = Token::id(POOL).mint();
    let stranger = Token::access("us-east-1_Another12").mint();
    for (what, request, status) in [
        ("no token", Request::get("/orders"), 401),
        ("an id token", Request::get("/orders").bearer(&id), 401),
        (
            "another pool's",
            Request::get("/orders").bearer(&stranger),
            401,
        ),
        (
            "a scope that reads",
            Request::new("POST", "/orders").bearer(&valid),
            403,
        ),
        ("no group", Request::get("/admin").bearer(&valid), 403),
        ("no rule", Request::get("/elsewhere").bearer(&valid), 403),
    ] {
        assert_eq!(gateway.send(&request).status, status, "{what}");
        assert!(mesh.upstream.seen(request.case()).is_empty(), "{what}");
    }
    assert_eq!(mesh.keys.fetches(POOL), 1, "one fetch for all workers");
    // Envoy's own refusal, before any filter.
    let underscore = Request::get("/orders")
        .bearer(&valid)
        .header("x_cognito_sub", "me");
    assert_eq!(gateway.send(&underscore).status, 400);
    // Istio's proxies tell of the filter without being asked to.
    gateway.envoy.finish(8);
}

/// The page says which statistics have to be asked for.
#[test]
fn the_key_cluster_is_told_of_when_asked_for() {
    let mesh = Mesh::start();
    for file in ["keys.yaml", "gateway.yaml"] {
        mesh.apply_shipped(file);
    }
    for (pod, told) in [(Pod::gateway(), false), (annotated(), true)] {
        let gateway = mesh.start_gateway(&pod);
        let request = Request::get("/orders").bearer(&reader().mint());
        assert_eq!(gateway.send(&request).status, 200);
        let handshakes = gateway.envoy.statistic(&format!("{KEYS}.ssl.handshake"));
        assert_eq!(handshakes > 0, told, "{handshakes}");
        assert_eq!(gateway.envoy.metric("jwks_fetch.success"), 1);
        gateway.envoy.finish(1);
    }
}

/// The server publishes the very key that signed the token; only its certificate is for another name.
#[test]
fn keys_come_from_nobody_but_the_named_server() {
    let mesh = Mesh::with_certificate(OTHER_NAME);
    for file in ["keys.yaml", "gateway.yaml"] {
        mesh.apply_shipped(file);
    }
    let gateway = mesh.start_gateway(&annotated());
    let request = Request::get("/orders").bearer(&reader().mint());
    let answer = gateway.send(&request);
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert!(mesh.upstream.seen(request.case()).is_empty());
    assert!(
        gateway
            .envoy
            .statistic(&format!("{KEYS}.ssl.fail_verify_san"))
            > 0
    );
    assert_eq!(mesh.keys.fetches(POOL), 0);
    gateway.envoy.finish(1);
}

/// A module that cannot be fetched lets nobody in: Istio's agent puts a filter there that refuses.
#[test]
fn a_missing_image_lets_nobody_in() {
    let mesh = Mesh::start();
    mesh.apply_shipped("keys.yaml");
    let mut plugin = mesh.plugin("gateway.yaml");
    let url = plugin["spec"]["url"].as_str().expect("a URL");
    let (repository, _) = url.split_once('@').expect("a digest");
    let missing = format!("{repository}@sha256:{}", "0".repeat(64));
    plugin["spec"]["url"] = json!(missing);
    mesh.apply(&plugin);
    let gateway = mesh.start_gateway(&Pod::gateway());
    let health = Request::get("/health");
    assert_eq!(gateway.send(&health).status, 403);
    assert!(mesh.upstream.seen(health.case()).is_empty());
    // The twin: the image that there is.
    mesh.apply_shipped("gateway.yaml");
    gateway.await_status(&health, 200);
}
