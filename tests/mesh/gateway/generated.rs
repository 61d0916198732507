//! What tools make of the shipped files.

use serde_json::json;

use crate::desk::{OWN_CLIENT, OWN_POOL, own, serves, written};
use crate::gateway::Edge;
use crate::harness::client::Request;
use crate::harness::issuer::{SUB, TestKey};
use crate::kustomize::rendered;
use crate::manifest::{of_kind, replace};
use crate::stage::{POOL, Stage};

#[test]
fn a_kustomization_puts_pool_client_and_image_everywhere() {
    let stage = Stage::start();
    let mut resources = rendered("gateway", OWN_POOL, OWN_CLIENT, &stage.image.0);
    stage.reach(of_kind(&mut resources, "EnvoyPatchPolicy"));
    resources.extend(stage.route());
    stage.keys.publish(OWN_POOL, &[TestKey::first()]);
    let edge = Edge::deciding(&resources);
    let with = |client: &str| {
        let token = own(client).claim("scope", "orders/read");
        Request::get("/orders").bearer(&token.mint())
    };
    let request = with(OWN_CLIENT);
    assert_eq!(edge.send(&request).status, 200);
    let seen = &stage.upstream.seen(request.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    assert_eq!(edge.send(&with("another")).status, 401);
    assert_eq!(stage.keys.fetches(OWN_POOL), 1);
    assert_eq!(stage.keys.fetches(POOL), 0);
    edge.finish(2);

    // A region has its endpoint in three places.
    let pool = "eu-central-1_Own123456";
    let mut elsewhere = rendered("gateway", pool, OWN_CLIENT, &stage.image.0);
    let text = json!(elsewhere).to_string();
    assert!(!text.contains("us-east-1"), "{text}");
    let endpoint = "cognito-idp.eu-central-1.amazonaws.com";
    let cluster = of_kind(&mut elsewhere, "EnvoyPatchPolicy").to_string();
    assert_eq!(cluster.matches(endpoint).count(), 3, "{cluster}");
}

/// Applied as it is, but for where the keys are.
#[test]
fn what_init_writes_serves() {
    let stage = Stage::start();
    stage.keys.publish(OWN_POOL, &[TestKey::first()]);
    let upstream = format!("127.0.0.1:{}", stage.upstream.port());
    let mut resources = written("gateway", &stage.image, &upstream);
    let patch = of_kind(&mut resources, "EnvoyPatchPolicy");
    let cluster = &mut patch["spec"]["jsonPatches"][0]["operation"]["value"];
    let socket =
        "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    replace(cluster, socket, &json!(443), json!(stage.endpoint.port()));
    let edge = Edge::deciding(&resources);
    serves(&edge);
}
