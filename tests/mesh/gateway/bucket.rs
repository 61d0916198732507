//! A deny list: `envoy/gateway/deny-list.yaml`.

use crate::bucket::{Bucket, credentials, deny_lists, is_out_of_reach, is_read};
use crate::gateway::{Edge, leading, policy};
use crate::stage::Stage;

#[test]
fn a_deny_list_is_fetched_through_the_gateway() {
    let bucket = Bucket::start();
    let stage = Stage::start();
    let [list, locked] = deny_lists("deny_list");
    let mut resources = stage.policies();
    resources.push(leading("deny-list.yaml", bucket.endpoint()));
    policy(&mut resources)["spec"]["wasm"][0]["config"]["deny_list"] = locked;
    let edge = Edge::with_environment(&resources, &credentials());
    edge.await_condition(("EnvoyPatchPolicy", "deny-list"), "Programmed", "True");
    is_out_of_reach(&edge);
    policy(&mut resources)["spec"]["wasm"][0]["config"]["deny_list"] = list;
    edge.apply(&resources);
    is_read(&edge);
}
