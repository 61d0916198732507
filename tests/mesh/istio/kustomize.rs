//! `envoy/istio/kustomization.yaml`: three values make all the files somebody's own.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::client::Request;
use crate::harness::issuer::{TestKey, Token};
use crate::istio::{Mesh, PLACEHOLDER, Pod};
use crate::manifest::{of_kind, parse};
use crate::program::{folder, output, tool};

/// What `kubectl kustomize` makes of the folder, once these values stand in it.
#[track_caller]
fn rendered(pool: &str, client: &str, image: &str) -> Vec<Value> {
    let directory = folder("kustomize");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/istio");
    for entry in std::fs::read_dir(from).expect("envoy/istio") {
        let path = entry.expect("a file").path();
        let to = directory.join(path.file_name().expect("a name"));
        std::fs::copy(path, to).expect("a writable directory");
    }
    let file = directory.join("kustomization.yaml");
    let mut text = std::fs::read_to_string(&file).expect("a file");
    for (from, to) in [
        ("pool=us-east-1_AbCdEf123", format!("pool={pool}")),
        (
            "client=4hq8abcd0123456789abcdefgh",
            format!("client={client}"),
        ),
        (&format!("image={PLACEHOLDER}"), format!("image={image}")),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, &to);
    }
    std::fs::write(&file, text).expect("a writable directory");
    let rendered = parse(&output(tool("kustomize").arg("build").arg(&directory)));
    let _ = std::fs::remove_dir_all(directory);
    rendered
}

/// Nothing of the example's pool, client, region or image is left.
#[test]
fn every_name_follows_from_three_values() {
    let resources = rendered(
        "eu-central-1_Own123456",
        "1h57kf5cown",
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
        (
            "/0/spec/pluginConfig/user_pools/0/client_ids/0",
            "1h57kf5cown",
        ),
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
    const OWN: &str = "us-east-1_Own123456";
    let mesh = Mesh::start();
    mesh.keys.publish(OWN, &[TestKey::first()]);
    let mut resources = rendered(OWN, "1h57kf5cown", PLACEHOLDER);
    of_kind(&mut resources, "WasmPlugin");
    for mut resource in resources {
        mesh.adapt(&mut resource);
        mesh.apply(&resource);
    }
    let gateway = mesh.start_gateway(&Pod::gateway());
    let own = |client: &str| {
        let token = Token::access(OWN).claim("scope", "orders/read");
        Request::get("/orders").bearer(&token.claim("client_id", client).mint())
    };
    assert_eq!(gateway.send(&own("1h57kf5cown")).status, 200);
    assert_eq!(gateway.send(&own("another")).status, 401);
    gateway.envoy.finish(2);
}
