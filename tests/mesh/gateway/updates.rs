//! Changes while requests come in.

use serde_json::{Value, json};

use crate::desk::checked;
use crate::gateway::edge::policy_of_a_route;
use crate::gateway::{Edge, policy};
use crate::harness::client::Request;
use crate::harness::process::eventually_within;
use crate::stage::{PATIENCE, POOL, Stage, reader};

const POLICY: (&str, &str) = ("EnvoyExtensionPolicy", "cognito-authorizer");

/// Nor does one that the filter refuses. Envoy Gateway cannot know of that: it says that all is well.
#[test]
fn an_update_refuses_nobody() {
    let stage = Stage::start();
    let mut policies = stage.policies();
    let edge = Edge::deciding(&policies);
    let good = policies.clone();
    let probe = Request::get("/new").bearer(&reader().mint());
    assert_eq!(edge.send(&probe).status, 403);
    let served = edge.under_load(|| {
        let configuration = &mut policy(&mut policies)["spec"]["wasm"][0]["config"];
        let rules = configuration["rules"].as_array_mut().expect("rules");
        rules.insert(
            0,
            json!({"match": {"prefix": "/new"}, "require": {"scopes": ["orders/read"]}}),
        );
        edge.apply(&policies);
        edge.await_status(&probe, 200);

        let mut refused = good.clone();
        policy(&mut refused)["spec"]["wasm"][0]["config"]["defualt"] = json!("authenticated");
        edge.apply(&refused);
        eventually_within(PATIENCE, "the configuration to be refused", || {
            let log = edge.envoy.log();
            let told = [
                "defualt: found an unknown field",
                "Envoy rejected the last update",
            ];
            told.iter().all(|line| log.contains(line)).then_some(())
        });
        edge.await_condition(POLICY, "Accepted", "True");
        assert_eq!(edge.send(&probe).status, 200, "the old one serves");
        // The next good one is taken.
        edge.apply(&good);
        edge.await_status(&probe, 403);
    });
    assert!(served > 20, "{served}");
    assert_eq!(stage.keys.fetches(POOL), 1, "keys stay");
}

/// A proxy that never had a good one, such as one that was started since.
#[test]
fn a_refused_configuration_at_the_start_lets_nobody_in() {
    let stage = Stage::start();
    let mut policies = stage.policies();
    let good = policies.clone();
    policy(&mut policies)["spec"]["wasm"][0]["config"]["defualt"] = json!("authenticated");
    let edge = Edge::start(&policies);
    let valid = Request::get("/orders").bearer(&reader().mint());
    edge.await_status(&valid, 503);
    assert_eq!(edge.send(&Request::get("/health")).status, 503);
    edge.await_condition(POLICY, "Accepted", "True");
    edge.apply(&good);
    edge.await_status(&valid, 200);
}

/// An external processor that is asked about nothing.
fn processor() -> Value {
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "orders"});
    json!({"extProc": [{"backendRefs": [reference], "failOpen": true}]})
}

/// The most specific policy alone counts, unless it says that it is to be merged: whoever may write
/// policies for a route takes the authorizer away from it, and knows nothing of it.
#[test]
fn a_policy_of_a_route_replaces_the_authorizer() {
    let stage = Stage::start();
    let mut policies = stage.policies();
    let edge = Edge::deciding(&policies);
    let stranger = Request::get("/orders").header("x-cognito-sub", "somebody-else");
    assert_eq!(edge.send(&stranger).status, 401);
    policies.push(policy_of_a_route("orders", processor()));
    edge.apply(&policies);
    edge.await_status(&stranger, 200);
    let seen = stage.upstream.seen(stranger.case());
    let forged = seen[0].value("x-cognito-sub");
    assert_eq!(forged.as_deref(), Some("somebody-else"));
    let (reason, message) = edge.await_condition(POLICY, "Overridden", "True");
    assert_eq!(reason, "Overridden");
    assert!(message.contains("default/orders"), "{message}");
    let (_, said) = checked("policies.json", &edge.printed(&policies));
    let warning = format!("Overridden is True: {message}");
    assert!(said.contains(&warning), "{said}");
}

#[test]
fn a_policy_of_a_route_that_is_merged_leaves_the_authorizer() {
    let stage = Stage::start();
    let mut policies = stage.policies();
    policies.push(policy_of_a_route("orders", processor()));
    let edge = Edge::start(&policies);
    let stranger = Request::get("/orders").header("x-cognito-sub", "somebody-else");
    edge.await_status(&stranger, 200);
    policies.last_mut().expect("a policy")["spec"]["mergeType"] = json!("StrategicMerge");
    edge.apply(&policies);
    edge.await_status(&stranger, 401);
}
