//! A deny list at a gateway: `envoy/istio/deny-list.yaml`.

use crate::bucket::{Bucket, credentials, deny_lists, is_out_of_reach, is_read};
use crate::istio::Mesh;

#[test]
fn a_deny_list_is_fetched_through_the_mesh() {
    let bucket = Bucket::start();
    let mesh = Mesh::start();
    mesh.apply_shipped("keys.yaml");
    mesh.apply_leading("deny-list.yaml", bucket.endpoint());
    let [list, locked] = deny_lists("outbound|443||deny-list.internal");
    let mut plugin = mesh.plugin("gateway.yaml");
    plugin["spec"]["pluginConfig"]["deny_list"] = locked;
    mesh.apply(&plugin);
    let gateway = mesh.start_gateway_with(&credentials());
    is_out_of_reach(&gateway);
    plugin["spec"]["pluginConfig"]["deny_list"] = list;
    mesh.apply(&plugin);
    is_read(&gateway);
}
