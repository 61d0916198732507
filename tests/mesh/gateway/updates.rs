//! Changes while requests come in.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::gateway::edge::{PATIENCE, policy_of_a_route};
use crate::gateway::{Edge, HOST, Site, policy, reader};
use crate::harness::client::Request;
use crate::harness::process::eventually_within;

const POLICY: (&str, &str) = ("EnvoyExtensionPolicy", "cognito-authorizer");

struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends one good request after the other while `work` goes on, and returns how many; all are served.
#[track_caller]
fn served_meanwhile(at: SocketAddr, work: impl FnOnce()) -> usize {
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let valid = reader().mint();
    thread::scope(|scope| {
        // Also when the work fails: a scope waits for its threads.
        let stopping = Stopping(&stop);
        let sender = scope.spawn(|| {
            let mut refused = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = Request::get("/orders").host(HOST).bearer(&valid).send(at);
                match answer.status {
                    200 => served.fetch_add(1, Ordering::Relaxed),
                    _ => {
                        refused.push(answer);
                        0
                    }
                };
                thread::sleep(Duration::from_millis(2));
            }
            refused
        });
        work();
        drop(stopping);
        let refused = sender.join().expect("a thread that ends");
        assert!(
            refused.is_empty(),
            "{} refused, such as {:?}",
            refused.len(),
            refused[0]
        );
    });
    served.into_inner()
}

#[test]
fn an_update_refuses_nobody() {
    let site = Site::start();
    let mut policies = site.shipped();
    let edge = Edge::deciding(&site, &policies);
    let probe = Request::get("/new").bearer(&reader().mint());
    assert_eq!(edge.send(&probe).status, 403);
    let served = served_meanwhile(edge.at, || {
        for round in 0..6 {
            let open = round % 2 == 0;
            let rule = json!({"match": {"prefix": "/new"}, "require": {"scopes": ["orders/read"]}});
            let rules = &mut policy(&mut policies)["spec"]["wasm"][0]["config"]["rules"];
            let rules = rules.as_array_mut().expect("rules");
            match open {
                true => rules.insert(0, rule),
                false => {
                    rules.remove(0);
                }
            }
            edge.apply(&policies);
            edge.await_answer(&probe, if open { 200 } else { 403 });
        }
    });
    assert!(served > 20, "{served}");
    assert_eq!(site.keys.fetches(crate::gateway::POOL), 1, "keys stay");
}

/// Envoy Gateway cannot know that the filter refuses a configuration: it says that all is well.
#[test]
fn a_refused_configuration_keeps_the_old_one() {
    let site = Site::start();
    let mut policies = site.shipped();
    let edge = Edge::deciding(&site, &policies);
    let good = policies.clone();
    let probe = Request::get("/new").bearer(&reader().mint());
    assert_eq!(edge.send(&probe).status, 403);
    policy(&mut policies)["spec"]["wasm"][0]["config"]["defualt"] = json!("authenticated");
    let served = served_meanwhile(edge.at, || {
        edge.apply(&policies);
        eventually_within(PATIENCE, "the configuration to be refused", || {
            let log = edge.envoy.log();
            let told = [
                "defualt: found an unknown field",
                "Envoy rejected the last update",
            ];
            told.iter().all(|line| log.contains(line)).then_some(())
        });
        edge.await_condition(POLICY, "Accepted", "True");
        // The next good one is taken.
        let mut policies = good.clone();
        let rule = json!({"match": {"prefix": "/new"}, "require": {"scopes": ["orders/read"]}});
        let rules = &mut policy(&mut policies)["spec"]["wasm"][0]["config"]["rules"];
        rules.as_array_mut().expect("rules").insert(0, rule);
        edge.apply(&policies);
        edge.await_answer(&probe, 200);
    });
    assert!(served > 5, "{served}");
}

/// A proxy that never had a good one, such as one that was started since.
#[test]
fn a_refused_configuration_at_the_start_lets_nobody_in() {
    let site = Site::start();
    let mut policies = site.shipped();
    let good = policies.clone();
    policy(&mut policies)["spec"]["wasm"][0]["config"]["defualt"] = json!("authenticated");
    let edge = Edge::start(&site, &policies);
    let valid = Request::get("/orders").bearer(&reader().mint());
    edge.await_answer(&valid, 503);
    assert_eq!(edge.send(&Request::get("/health")).status, 503);
    edge.await_condition(POLICY, "Accepted", "True");
    edge.apply(&good);
    edge.await_answer(&valid, 200);
}

/// The most specific policy alone counts, unless it says that it is to be merged: whoever may write
/// policies for a route takes the authorizer away from it, and knows nothing of it.
#[test]
fn a_policy_of_a_route_replaces_the_authorizer() {
    let site = Site::start();
    let mut policies = site.shipped();
    let edge = Edge::deciding(&site, &policies);
    let stranger = Request::get("/orders").header("x-cognito-sub", "somebody-else");
    assert_eq!(edge.send(&stranger).status, 401);
    // An external processor that is asked about nothing.
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "orders"});
    let processor = json!({"extProc": [{"backendRefs": [reference], "failOpen": true}]});
    policies.push(policy_of_a_route("orders", processor));
    edge.apply(&policies);
    edge.await_answer(&stranger, 200);
    let seen = site.upstream.seen(stranger.case());
    let forged = seen[0].value("x-cognito-sub");
    assert_eq!(forged.as_deref(), Some("somebody-else"));
    let (reason, message) = edge.await_condition(POLICY, "Overridden", "True");
    assert_eq!(reason, "Overridden");
    assert!(message.contains("default/orders"), "{message}");

    policies.last_mut().expect("a policy")["spec"]["mergeType"] = json!("StrategicMerge");
    edge.apply(&policies);
    edge.await_answer(&stranger, 401);
}
