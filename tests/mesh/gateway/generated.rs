//! What tools make of the shipped files.

use std::path::Path;

use serde_json::{Value, json};

use crate::gateway::{Edge, POOL, Site};
use crate::harness::client::Request;
use crate::harness::issuer::{SUB, TestKey, Token};
use crate::manifest::{of_kind, parse};
use crate::program::{folder, output, tool};

/// Another pool than the examples', in the region of the tests' certificate.
const OTHER_POOL: &str = "us-east-1_Kq7LmNp2x";
const OTHER_CLIENT: &str = "7lk3vn0pabcdefghij0123456789";

/// The shipped folder as `kubectl apply -k` renders it, with other values than the examples'.
#[track_caller]
fn rendered(pool: &str, client: &str, image: &str) -> Vec<Value> {
    let directory = folder("kustomization");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/gateway");
    for entry in std::fs::read_dir(source).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copy = directory.join(path.file_name().expect("a name"));
        std::fs::copy(&path, copy).expect("a writable directory");
    }
    let file = directory.join("kustomization.yaml");
    let mut text = std::fs::read_to_string(&file).expect("a kustomization");
    for (name, value) in [("pool", pool), ("client", client), ("image", image)] {
        let before = text.clone();
        let line = |line: &str| match line.trim_start().starts_with(&format!("- {name}=")) {
            true => format!("  - {name}={value}\n"),
            false => format!("{line}\n"),
        };
        text = before.lines().map(line).collect();
        assert_ne!(text, before, "no {name}");
    }
    std::fs::write(&file, text).expect("a writable directory");
    let rendered = output(tool("kustomize").arg("build").arg(&directory));
    let _ = std::fs::remove_dir_all(&directory);
    parse(&rendered)
}

#[test]
fn a_kustomization_puts_pool_client_and_image_everywhere() {
    let site = Site::start();
    let mut policies = rendered(OTHER_POOL, OTHER_CLIENT, &site.image.0);
    site.reach(of_kind(&mut policies, "EnvoyPatchPolicy"));
    site.keys.publish(OTHER_POOL, &[TestKey::second()]);
    let edge = Edge::deciding(&site, &policies);
    let token = || Token::access(OTHER_POOL).signed_by(TestKey::second());
    let own = token()
        .claim("client_id", OTHER_CLIENT)
        .claim("scope", "orders/read");
    let request = Request::get("/orders").bearer(&own.mint());
    assert_eq!(edge.send(&request).status, 200);
    let seen = &site.upstream.seen(request.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    let strangers = token().claim("scope", "orders/read").mint();
    let request = Request::get("/orders").bearer(&strangers);
    assert_eq!(edge.send(&request).status, 401);
    assert_eq!(site.keys.fetches(OTHER_POOL), 1);
    assert_eq!(site.keys.fetches(POOL), 0);
    edge.envoy.finish(2);

    // A region has its endpoint in three places.
    let mut elsewhere = rendered("eu-central-1_Kq7LmNp2x", OTHER_CLIENT, &site.image.0);
    let text = json!(elsewhere).to_string();
    assert!(!text.contains("us-east-1"), "{text}");
    let endpoint = "cognito-idp.eu-central-1.amazonaws.com";
    let cluster = of_kind(&mut elsewhere, "EnvoyPatchPolicy").to_string();
    assert_eq!(cluster.matches(endpoint).count(), 3, "{cluster}");
}
