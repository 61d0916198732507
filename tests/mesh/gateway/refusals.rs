//! What Envoy Gateway itself refuses, and what is served meanwhile.

use serde_json::json;

use crate::gateway::edge::PATIENCE;
use crate::gateway::{Edge, Site, policy, reader};
use crate::harness::client::Request;
use crate::harness::process::eventually_within;

const POLICY: (&str, &str) = ("EnvoyExtensionPolicy", "cognito-authorizer");

/// An image that cannot be fetched closes the routes.
#[test]
fn an_image_that_is_not_there_lets_nobody_in() {
    let site = Site::start();
    let mut policies = site.shipped();
    let edge = Edge::deciding(&site, &policies);
    let good = policies.clone();
    let valid = Request::get("/orders").bearer(&reader().mint());
    assert_eq!(edge.send(&valid).status, 200);
    let (name, _) = site.image.0.split_once('@').expect("an image by digest");
    let absent = format!("{name}@sha256:{}", "0".repeat(64));
    policy(&mut policies)["spec"]["wasm"][0]["code"]["image"]["url"] = json!(absent);
    edge.apply(&policies);
    let answer = edge.await_answer(&valid, 500);
    assert_eq!(answer.body, "");
    assert_eq!(edge.send(&Request::get("/health")).status, 500);
    let (reason, message) = edge.await_condition(POLICY, "Accepted", "False");
    assert_eq!(reason, "Invalid");
    assert!(message.contains("could not fetch"), "{message}");
    edge.apply(&good);
    edge.await_answer(&valid, 200);
}

/// A patch that Envoy would refuse is not given to it.
#[test]
fn without_the_patch_there_are_no_keys() {
    let site = Site::start();
    let mut policies = site.shipped();
    policies.retain(|policy| policy["kind"] != "EnvoyPatchPolicy");
    let edge = Edge::start(&site, &policies);
    edge.await_answer(&Request::get("/health"), 200);
    let valid = Request::get("/orders").bearer(&reader().mint());
    assert_eq!(edge.send(&valid).status, 503);
    eventually_within(PATIENCE, "a line about the cluster", || {
        let log = edge.envoy.log();
        let said = log.contains("cluster \"cognito_us_east_1\"");
        said.then_some(())
    });
    edge.apply(&site.shipped());
    edge.await_answer(&valid, 200);
}
