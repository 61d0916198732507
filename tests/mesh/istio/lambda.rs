//! A Lambda authorizer at a gateway: `envoy/istio/lambda.yaml`.

use crate::istio::Mesh;
use crate::lambda::{Lambda, decides, is_out_of_reach};

/// The call is signed by the proxy, with the credentials of its own environment, and goes to nobody but
/// the named server.
#[test]
fn functions_are_called_through_the_mesh() {
    let lambda = Lambda::start();
    let mesh = Mesh::start();
    mesh.apply_leading("lambda.yaml", lambda.endpoint());
    let mut plugin = mesh.plugin("gateway.yaml");
    let mut apply = |function: &str| {
        let cluster = "outbound|443||lambda.us-east-1.internal";
        plugin["spec"]["pluginConfig"] = lambda.configuration(function, cluster);
        mesh.apply(&plugin);
    };
    apply("locked");
    let gateway = mesh.start_gateway_with(&lambda.credentials());
    is_out_of_reach(&gateway);
    apply("policy");
    decides(&gateway);
}
