//! The authorizer at the sidecar of a service: `envoy/istio/sidecar.yaml`.

use serde_json::json;

use crate::harness::client::Request;
use crate::harness::issuer::SUB;
use crate::harness::process::free_ports;
use crate::istio::{Mesh, Pod, SHOP, reader};

/// What comes in is checked. What the service itself sends is not, as long as the plugin says so.
#[test]
fn what_comes_in_is_checked_and_what_goes_out_is_not() {
    let mesh = Mesh::start();
    for file in ["keys.yaml", "headers.yaml", "sidecar.yaml"] {
        mesh.apply_shipped(file);
    }
    let [inward, outward] = free_ports();
    // The other service is the same server under another name.
    mesh.apply(&json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "stock", "namespace": SHOP},
        "spec": {
            "hosts": ["stock.shop.internal"],
            "location": "MESH_EXTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": outward, "name": "http", "protocol": "HTTP"}],
            "endpoints": [{"address": "127.0.0.1", "ports": {"http": mesh.upstream.port()}}],
        },
    }));
    // Without iptables a sidecar has ports of its own.
    mesh.apply(&json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "orders", "namespace": SHOP},
        "spec": {
            "workloadSelector": {"labels": {"app": "orders"}},
            "ingress": [{
                "port": {"number": inward, "name": "http", "protocol": "HTTP"},
                "bind": "127.0.0.1",
                "captureMode": "NONE",
                "defaultEndpoint": format!("127.0.0.1:{}", mesh.upstream.port()),
            }],
            "egress": [{
                "port": {"number": outward, "name": "http", "protocol": "HTTP"},
                "bind": "127.0.0.1",
                "captureMode": "NONE",
                "hosts": ["shop/*"],
            }, {
                // Whatever a Sidecar leaves out, the keys must not be among it.
                "port": {"number": 0, "name": "http-keys", "protocol": "HTTP"},
                "bind": format!("unix://@keys-{outward}"),
                "hosts": ["istio-system/cognito-keys.us-east-1.internal"],
            }],
        },
    }));
    let sidecar = Pod::orders().start(&mesh);
    let (inward, outward) = (
        sidecar.at(&format!("127.0.0.1_{inward}")),
        sidecar.at(&format!("127.0.0.1_{outward}")),
    );
    let valid = reader().mint();
    let admitted = Request::get("/orders/7")
        .bearer(&valid)
        .header("x-cognito-sub", "me");
    for (what, request, status) in [
        ("a token", admitted.clone(), 200),
        ("no token", Request::get("/orders/7"), 401),
        (
            "a scope that reads",
            Request::new("PUT", "/orders/7").bearer(&valid),
            403,
        ),
        ("a probe", Request::get("/health"), 200),
    ] {
        assert_eq!(request.send(inward).status, status, "{what}");
    }
    let seen = &mesh.upstream.seen(admitted.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    let underscore = Request::get("/health").header("x_cognito_sub", "me");
    assert_eq!(underscore.send(inward).status, 400);

    let sent = Request::get("/orders/7").host("stock.shop.internal");
    assert_eq!(sent.send(outward).status, 200, "what the service sends");
    // A service may send what it likes.
    let underscore = underscore.host("stock.shop.internal");
    assert_eq!(underscore.send(outward).status, 200);
    // The twin that the file's comment warns of.
    let mut plugin = mesh.plugin("sidecar.yaml");
    plugin["spec"]
        .as_object_mut()
        .expect("a spec")
        .remove("match");
    mesh.apply(&plugin);
    crate::harness::process::eventually("what the service sends to be refused", || {
        (sent.send(outward).status == 401).then_some(())
    });
}
