//! Configurations that Envoy must not take, neither when it starts nor later, and what its log says
//! about each.

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, pool, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::keyserver::KeyServer;
use crate::harness::listener::Configuration;
use crate::harness::process::{eventually, module};
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;

/// An Envoy that serves, and is sent what it must refuse.
struct Refusals {
    setup: Setup,
    envoy: EnvoyUnderTest,
    requests: usize,
}

impl Refusals {
    fn start(setup: Setup) -> Self {
        let open = ruled(json!([{"match": {"path": "/open"}, "allow": "anyone"}]));
        let setup = setup.dynamic();
        let serving = setup.clone().listener(Listener::new(MAIN, open));
        Self {
            setup,
            envoy: EnvoyUnderTest::start(&serving),
            requests: 0,
        }
    }

    /// Envoy refuses this as an update, its log names every one of these, and what it had serves on.
    #[track_caller]
    fn expect(&mut self, what: &str, configuration: Configuration, named: &[&str]) {
        let rejected = || self.envoy.statistic("listener_manager.lds.update_rejected");
        let (before, since) = (rejected(), self.envoy.log().len());
        let listener = Listener::configured(MAIN, configuration);
        let update = self.setup.clone().listener(listener);
        update.republish(self.envoy.directory(), &module());
        eventually(what, || (rejected() > before).then_some(()));
        assert_named(what, &self.envoy.log()[since..], named);
        let open = Request::get("/open").send(self.envoy.main());
        assert_eq!(open.status, 200, "{what}");
        let guarded = Request::get("/guarded").send(self.envoy.main());
        assert_eq!(difference(&guarded, "missing_token"), None, "{what}");
        self.requests += 2;
    }
}

/// What is not Envoy's own summary names every one of these.
#[track_caller]
fn assert_named(what: &str, log: &str, named: &[&str]) {
    let lines = log.lines().filter(|line| !line.contains("server.cc"));
    let module = lines.collect::<Vec<_>>().join("\n");
    for path in named {
        assert!(
            module.contains(path),
            "{what}: the log does not name {path}:\n{module}"
        );
    }
}

/// A refused configuration never opens the door, and the log says all there is to say: Envoy does not
/// even start, and one that runs keeps what it has.
#[test]
fn every_problem_of_a_configuration_is_reported_with_its_path() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let setup = Setup::new(&keys, &upstream);
    let bad = json!({
        "user_pools": [
            {"user_pool_id": POOL, "jwks": {"cluster": "keys"}},
            {"user_pool_id": "nonsense", "client_ids": ["any"], "jwks": {"cluster": "keys", "timeout": "1ms"}},
            {"user_pool_id": "us-east-1_Abc", "user_pool_arn": "arn:aws:cognito-idp:us-east-1:1:userpool/x",
             "client_ids": [], "jwks": {}},
        ],
        "token": {"clock_skew": "1h", "max_bytes": 0},
        "rules": [
            {"match": {}, "allow": "anyone"},
            {"match": {"path": "/a", "prefix": "/b"}, "allow": "anyone"},
            {"match": {"path": "/a", "methods": ["get"]}, "allow": "anyone", "require": {"groups": ["x"]}},
            {"match": {"template": "/u/{id}"}, "require": {"claims": {"sub": "{other}"}}},
        ],
        "claim_headers": [{"header": "authorization", "claim": "sub"}],
        "colour": "blue",
    });
    let named = [
        "user_pools[0].client_ids: missing; expected a list of app client ids or \"any\"",
        "user_pools[1].user_pool_id",
        "user_pools[1].client_ids",
        "user_pools[1].jwks.timeout",
        "user_pools[2]",
        "user_pools[2].client_ids",
        "token.use",
        "token.clock_skew",
        "token.max_bytes",
        "rules[0].match",
        "rules[1].match",
        "rules[2].match.methods",
        "rules[3].require",
        "default",
        "claim_headers[0].header",
        "colour",
    ];
    let text = Configuration::Text(bad.to_string());
    let refused = setup.clone().listener(Listener::configured(MAIN, text));
    let log = EnvoyUnderTest::refused(&refused);
    assert_named("all at once, as text", &log, &named);
    // In an Envoy of its own: up to 1.37 Envoy does not ask again about a configuration that it has seen
    // refused, and this one is to it as one that is absent.
    Refusals::start(setup.clone()).expect(
        "an empty Struct",
        Configuration::Struct(json!({})),
        &["user_pools", "token"],
    );
    let mut refusals = Refusals::start(setup);
    refusals.expect(
        "all at once, as a Struct",
        Configuration::Struct(bad),
        &named,
    );
    refusals.expect("none", Configuration::Absent, &["user_pools"]);
    refusals.expect("empty text", Configuration::Text(String::new()), &[]);
    refusals.expect(
        "YAML text",
        Configuration::Text("user_pools:\n- a: b\n".to_owned()),
        &["YAML"],
    );
    let twice = document(&[POOL])
        .to_string()
        .replacen('{', "{\"token\":{\"use\":\"id\"},", 1);
    refusals.expect("a member twice", Configuration::Text(twice), &["token"]);
    // YAML reads these as numbers; the cure is a pair of quotes.
    let number = with(
        document(&[POOL]),
        &[("user_pools.0.client_ids", json!([12345]))],
    );
    refusals.expect(
        "an unquoted number",
        Configuration::Struct(number),
        &["user_pools[0].client_ids", "quote"],
    );
    let twice = document(&[POOL, POOL]);
    refusals.expect(
        "an issuer twice",
        Configuration::Struct(twice),
        &["user_pools[1]"],
    );
    let region = with(
        document(&[POOL]),
        &[("user_pools.0.user_pool_id", json!(null))],
    );
    refusals.expect("null", Configuration::Struct(region), &["user_pools[0]"]);
    let arn = json!({"user_pool_arn": "arn:aws-cn:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Abc",
                     "client_ids": ["x"], "jwks": {"cluster": "keys"}});
    let partition = with(document(&[POOL]), &[("user_pools.0", arn)]);
    refusals.expect(
        "an ARN of another partition",
        Configuration::Struct(partition),
        &["user_pools[0].user_pool_arn"],
    );
    let pools = with(
        ruled(json!([{"match": {"path": "/a"}, "require": {"groups": ["admin"]}}])),
        &[(
            "user_pools",
            json!([pool(POOL), pool("us-east-1_Second001")]),
        )],
    );
    refusals.expect(
        "a group of some pool",
        Configuration::Struct(pools),
        &["rules[0].require"],
    );
    let empty = with(
        document(&[POOL]),
        &[("user_pools.0.jwks", json!({"inline": {"keys": []}}))],
    );
    refusals.expect(
        "no usable key",
        Configuration::Struct(empty),
        &["user_pools[0].jwks.inline"],
    );
    // The twin of them all: what is good is taken still.
    let closed = with(document(&[POOL]), &[("default", json!("nobody"))]);
    let good = refusals.setup.clone().listener(Listener::new(MAIN, closed));
    refusals.envoy.update(&good);
    eventually("the new configuration", || {
        refusals.requests += 1;
        let response = Request::get("/open").send(refusals.envoy.main());
        (response.status == 403).then_some(())
    });
    refusals.envoy.finish(refusals.requests);
}
