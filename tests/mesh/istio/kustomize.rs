//! `envoy/istio/kustomization.yaml`: three values make all the files somebody's own.

use serde_json::json;

use crate::desk::{OWN_CLIENT, OWN_POOL, own};
use crate::harness::client::Request;
use crate::harness::issuer::TestKey;
use crate::istio::{Mesh, Pod};
use crate::kustomize::rendered;
use crate::stage::IMAGE;

/// Nothing of the example's pool, client, region or image is left.
#[test]
fn every_name_follows_from_three_values() {
    let resources = rendered(
        "istio",
        "eu-central-1_Own123456",
        OWN_CLIENT,
        "oci://own.example/a@sha256:00",
    );
    let text = json!(resources).to_string();
    for left in [
        "us-east-1",
        "us_east_1",
        "AbCdEf123",
        "4hq8",
        "registry.example.com",
    ] {
        assert!(!text.contains(left), "{left} is left:\n{text}");
    }
    let kinds: Vec<_> = resources.iter().map(|resource| &resource["kind"]).collect();
    assert_eq!(
        kinds,
        [
            "WasmPlugin",
            "DestinationRule",
            "ServiceEntry",
            "EnvoyFilter"
        ]
    );
    for (pointer, expected) in [
        (
            "/0/spec/pluginConfig/user_pools/0/user_pool_id",
            "eu-central-1_Own123456",
        ),
        ("/0/spec/pluginConfig/user_pools/0/client_ids/0", OWN_CLIENT),
        (
            "/0/spec/pluginConfig/user_pools/0/jwks/cluster",
            "outbound|443||cognito-keys.eu-central-1.internal",
        ),
        ("/0/spec/url", "oci://own.example/a@sha256:00"),
        ("/1/metadata/name", "cognito-keys.eu-central-1"),
        ("/1/spec/host", "cognito-keys.eu-central-1.internal"),
        (
            "/1/spec/trafficPolicy/tls/sni",
            "cognito-idp.eu-central-1.amazonaws.com",
        ),
        (
            "/1/spec/trafficPolicy/tls/subjectAltNames/0",
            "cognito-idp.eu-central-1.amazonaws.com",
        ),
        ("/2/spec/hosts/0", "cognito-keys.eu-central-1.internal"),
        (
            "/2/spec/endpoints/0/address",
            "cognito-idp.eu-central-1.amazonaws.com",
        ),
    ] {
        assert_eq!(
            json!(resources).pointer(pointer),
            Some(&json!(expected)),
            "{pointer}"
        );
    }
}

/// istiod is given what kustomize made.
#[test]
fn what_is_rendered_serves() {
    let mesh = Mesh::start();
    mesh.keys.publish(OWN_POOL, &[TestKey::first()]);
    let image = format!("oci://{IMAGE}");
    for mut resource in rendered("istio", OWN_POOL, OWN_CLIENT, &image) {
        mesh.adapt(&mut resource);
        mesh.apply(&resource);
    }
    let gateway = mesh.start_gateway(&Pod::gateway());
    let with = |client: &str| {
        let token = own(client).claim("scope", "orders/read");
        Request::get("/orders").bearer(&token.mint())
    };
    assert_eq!(gateway.send(&with(OWN_CLIENT)).status, 200);
    assert_eq!(gateway.send(&with("another")).status, 401);
    gateway.finish(2);
}
