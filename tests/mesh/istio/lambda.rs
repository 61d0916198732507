//! A Lambda authorizer at a gateway: `envoy/istio/lambda.yaml`.

use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::harness::client::Request;
use crate::harness::ministack::{ACCOUNT, Ministack, REGION};
use crate::istio::{Mesh, Pod, beside, trust};
use crate::manifest::{replace, shipped};

const CLUSTER: &str = "outbound|443||lambda.us-east-1.internal";

/// The call is signed by the proxy, with the credentials of its own environment, and goes to nobody but
/// the named server.
#[test]
fn functions_are_called_through_the_mesh() {
    let lambda = Ministack::start();
    let account = lambda.furnish(json!({
        "functions": {"policy": "policy.js"},
        "callers": {"gateway": ["policy"], "stranger": []},
    }));
    let mesh = Mesh::start();
    let endpoint = Endpoint::with_certificate(lambda.address().port(), &beside("tls/lambda.crt"));
    for mut resource in shipped("istio/lambda.yaml") {
        match resource["kind"].as_str() {
            Some("ServiceEntry") => {
                let genuine = json!([{"address": "lambda.us-east-1.amazonaws.com"}]);
                let here = [json!({"address": "127.0.0.1", "ports": {"https": endpoint.port()}})];
                replace(&mut resource, "/spec/endpoints", &genuine, json!(here));
            }
            Some("DestinationRule") => trust(&mut resource, &beside("tls/authority.crt")),
            _ => {}
        }
        mesh.apply(&resource);
    }
    let mut plugin = mesh.plugin("gateway.yaml");
    plugin["spec"]["pluginConfig"] = configuration(&account.function("policy"));
    mesh.apply(&plugin);
    for (caller, status) in [("gateway", 200), ("stranger", 503)] {
        let credentials = account.caller(caller);
        let pod = Pod::gateway()
            .environment("AWS_ACCESS_KEY_ID", &credentials.key)
            .environment("AWS_SECRET_ACCESS_KEY", &credentials.secret);
        let gateway = mesh.start_gateway(&pod);
        let allowed = Request::get("/orders/1").header("authorization", "Bearer reader");
        assert_eq!(gateway.send(&allowed).status, status, "{caller}");
        if status == 200 {
            for (path, token, status) in [
                ("/orders/1", None, 401),
                ("/orders/secret", Some("Bearer reader"), 403),
                ("/orders/1", Some("Bearer nobody"), 403),
                ("/open", None, 200),
            ] {
                let request = Request::get(path);
                let request = match token {
                    Some(token) => request.header("authorization", token),
                    None => request,
                };
                assert_eq!(gateway.send(&request).status, status, "{path} {token:?}");
            }
        }
    }
}

fn configuration(function: &str) -> Value {
    json!({
        "authorizers": [{
            "name": "partners",
            "type": "token",
            "function": function,
            "cluster": CLUSTER,
            "answer": "policy",
            "identity": [{"header": "Authorization"}],
            "cache": {"ttl": "300s", "entries": 100},
            "api": {
                "region": REGION, "account_id": ACCOUNT, "api_id": "a1b2c3d4e5", "stage": "prod",
            },
        }],
        "default": {"authorizer": "partners"},
        "rules": [{"match": {"path": "/open"}, "allow": "anyone"}],
    })
}
