//! Browsers in front of a gateway: `envoy/istio/cors.yaml` and `envoy/istio/cors-policy.yaml`.

use crate::harness::client::Request;
use crate::istio::{Mesh, Pod};
use crate::manifest::{of_kind, shipped};
use crate::rules;
use crate::stage::ORIGIN;

/// Istio's own CORS filter stands behind the authorizer; the inserted one before it, by the same name,
/// and both read the policy of the route.
#[test]
fn preflights_pass_and_refusals_are_readable() {
    let (mesh, gateway) = Mesh::with_gateway();
    // Without the file, it is as the page says.
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH");
    assert_eq!(gateway.send(&preflight).status, 401);
    let answer = gateway.send(&Request::get("/orders").header("origin", ORIGIN));
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!((answer.status, allowed), (401, None));
    let mut resources = shipped("istio/cors.yaml");
    mesh.apply(of_kind(&mut resources, "EnvoyFilter"));
    rules::answer_browsers(&gateway);
}

/// A policy for all routes of a gateway, whoever writes them.
#[test]
fn routes_without_a_policy_of_their_own_have_the_gateways() {
    let mesh = Mesh::start();
    for file in ["keys.yaml", "gateway.yaml", "cors-policy.yaml"] {
        mesh.apply_shipped(file);
    }
    let mut resources = shipped("istio/cors.yaml");
    mesh.apply(of_kind(&mut resources, "EnvoyFilter"));
    let route = of_kind(&mut resources, "VirtualService");
    let policy = route["spec"]["http"][0].as_object_mut().expect("a route");
    policy.remove("corsPolicy").expect("a policy");
    let gateway = mesh.start_gateway_for(route, &Pod::gateway());
    let decided = rules::answer_browsers(&gateway);
    gateway.finish(decided);
}
