//! Browsers in front of a gateway: `envoy/istio/cors.yaml`.

use crate::harness::client::Request;
use crate::istio::{Mesh, reader};
use crate::manifest::{of_kind, shipped};

const ORIGIN: &str = "https://app.example.com";
const ALLOWED: &str = "access-control-allow-origin";

/// Istio's own CORS filter stands behind the authorizer; the inserted one before it, by the same name,
/// and both read the policy of the route.
#[test]
fn preflights_pass_and_refusals_are_readable() {
    let (mesh, gateway) = Mesh::with_gateway();
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH");
    let refused = Request::get("/orders").header("origin", ORIGIN);
    // Without the file, it is as the page says.
    assert_eq!(gateway.send(&preflight).status, 401);
    let answer = gateway.send(&refused);
    assert_eq!((answer.status, answer.header(ALLOWED)), (401, None));

    let mut resources = shipped("istio/cors.yaml");
    mesh.apply(of_kind(&mut resources, "EnvoyFilter"));
    gateway.await_status(&preflight, 200);
    let answer = gateway.send(&preflight);
    assert_eq!(answer.header(ALLOWED), Some(ORIGIN));
    let methods = answer.header("access-control-allow-methods");
    assert!(
        methods.is_some_and(|methods| methods.contains("PATCH")),
        "{answer:?}"
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));

    let valid = reader().mint();
    for (request, status) in [
        (Request::get("/orders"), 401),
        (Request::new("PUT", "/orders").bearer(&valid), 403),
        (Request::get("/orders").bearer(&valid), 200),
    ] {
        let answer = gateway.send(&request.header("origin", ORIGIN));
        assert_eq!(answer.status, status);
        let origins = answer.headers.iter().filter(|(name, _)| name == ALLOWED);
        let origins: Vec<_> = origins.map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            origins,
            [ORIGIN],
            "{status}: once, though there are two filters"
        );
        let exposed = answer.header("access-control-expose-headers");
        assert_eq!(exposed, Some("www-authenticate,retry-after"));
    }
    let stranger = Request::get("/orders").header("origin", "https://elsewhere.example");
    assert_eq!(gateway.send(&stranger).header(ALLOWED), None);
}
