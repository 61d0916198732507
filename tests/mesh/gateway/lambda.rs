//! A Lambda authorizer: `envoy/gateway/lambda.yaml`.

use crate::gateway::{Edge, leading, policy};
use crate::lambda::{Lambda, decides, is_out_of_reach};
use crate::stage::Stage;

/// The call is signed by the proxy, with the credentials of its own environment, and goes to nobody but
/// the named server.
#[test]
fn functions_are_called_through_the_gateway() {
    let lambda = Lambda::start();
    let stage = Stage::start();
    let mut resources = stage.policies();
    resources.push(leading("lambda.yaml", lambda.endpoint()));
    let mut with = |function: &str| {
        let configuration = lambda.configuration(function, "lambda_us_east_1");
        policy(&mut resources)["spec"]["wasm"][0]["config"] = configuration;
        resources.clone()
    };
    let edge = Edge::with_environment(&with("locked"), &lambda.credentials());
    edge.await_condition(("EnvoyPatchPolicy", "lambda"), "Programmed", "True");
    is_out_of_reach(&edge);
    edge.apply(&with("policy"));
    decides(&edge);
}
