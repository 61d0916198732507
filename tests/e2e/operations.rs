//! What operators see, and what they must never see.

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::host::Host;
use crate::harness::issuer::{CLIENT, EMAIL, SUB, TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::listener::Configuration;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;

#[test]
fn metrics_filter_state_and_logs() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first(), TestKey::second()]);
    let rules = json!([
        {"match": {"path": "/open"}, "allow": "anyone"},
        {"match": {"path": "/grouped"}, "require": {"groups": ["admin"]}},
        {"match": {"path": "/claimed"}, "require": {"claims": {"email": "x"}}},
    ]);
    let plain = with(
        ruled(rules),
        &[(
            "claim_headers",
            json!([{"header": "x-email", "claim": "email"}]),
        )],
    );
    let known = with(plain.clone(), &[("log_identity", json!(true))]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .talkative()
            .listener(Listener::new(MAIN, plain))
            .listener(Listener::text("known", &known))
            .listener(Listener::configured("example", Configuration::Example)),
    );
    let mut table = Table::new(&envoy, &upstream);
    let id = Token::id(POOL);
    let access = Token::access(POOL);
    let valid = id.mint();
    let get = |token: &str| Request::get("/guarded").bearer(token);
    table.anonymous(MAIN, "an open place", &Request::get("/open").bearer(&valid));

    let hits = |envoy: &EnvoyUnderTest| {
        (
            envoy.metric("token_cache.hit"),
            envoy.metric("token_cache.miss"),
        )
    };
    let before = hits(&envoy);
    table.accepted(MAIN, "a new token", &get(&valid));
    let first = hits(&envoy);
    table.same("a new token", first, (before.0, before.1 + 1));
    table.accepted(MAIN, "the same again", &get(&valid));
    table.same("the same again", hits(&envoy), (first.0 + 1, first.1));
    // The gauges about keys follow at a tick.
    envoy.await_metric("jwks_keys", 2);
    for (metric, value) in [
        ("held_now", 0),
        ("signature_host", 1),
        ("jwks_fetch.success", 1),
    ] {
        table.same(metric, envoy.metric(metric), value);
    }
    let age = envoy.metrics().get("jwks_age_seconds").copied();
    table.same("the age of the keys", age.is_some_and(|age| age < 60), true);

    let mut secrets = vec![
        valid.clone(),
        SUB.to_owned(),
        EMAIL.to_owned(),
        "wilhelmina".to_owned(),
    ];
    let foreign = signed_by_a_stranger(&id);
    let secret = |token: Token| token.claim("secret", "classified-value").mint();
    for (what, token, path, reason) in [
        (
            "expired",
            secret(id.clone().claim("exp", 1)),
            "/guarded",
            "token_expired",
        ),
        ("foreign", foreign, "/guarded", "invalid_signature"),
        (
            "unknown",
            secret(id.clone().signed_by(TestKey::third())),
            "/guarded",
            "unknown_key",
        ),
        (
            "issuer",
            secret(id.clone().claim("iss", "classified-issuer")),
            "/guarded",
            "unknown_issuer",
        ),
        (
            "client",
            secret(id.clone().claim("aud", "classified-client")),
            "/guarded",
            "wrong_client",
        ),
        (
            "use",
            secret(id.clone().claim("token_use", "classified-use")),
            "/guarded",
            "wrong_token_use",
        ),
        (
            "group",
            secret(id.clone()),
            "/grouped",
            "insufficient_group",
        ),
        ("claim", secret(id.clone()), "/claimed", "claim_mismatch"),
        (
            "malformed",
            format!("{valid}~"),
            "/guarded",
            "malformed_token",
        ),
    ] {
        table.refused(MAIN, what, &Request::get(path).bearer(&token), reason);
        table.refused("known", what, &Request::get(path).bearer(&token), reason);
        secrets.push(token);
    }
    identities(&mut table, &envoy, &id, &access);
    let decisions = envoy.decisions();
    assert_eq!(decisions.get("anonymous"), Some(&1));
    the_example_configuration_is_accepted(&mut table);
    let requests = table.done();
    let log = envoy.log();
    let start = concat!("cognito-authorizer ", env!("CARGO_PKG_VERSION"), ": ");
    let told = log.lines().filter(|line| line.contains(start)).count();
    assert_eq!(told, 3, "one line for each configuration, not for each VM");
    for secret in &secrets {
        for part in secret.split('.').filter(|part| part.len() > 8) {
            assert!(!log.contains(part), "the log holds {part}");
        }
    }
    assert!(!log.contains("classified"), "the log holds a claim");
    envoy.finish(requests);
}

fn signed_by_a_stranger(token: &Token) -> String {
    crate::harness::issuer::signed(
        &token.header_bytes(),
        &token.payload_bytes(),
        TestKey::third(),
    )
}

/// Who it was stands in the access log only where the configuration says so.
fn identities(table: &mut Table<'_>, envoy: &EnvoyUnderTest, id: &Token, access: &Token) {
    for (listener, token, expected) in [
        (MAIN, id, (None, None)),
        ("known", id, (Some(SUB), Some(CLIENT))),
        ("known", access, (Some(SUB), Some(CLIENT))),
        (
            "known",
            &id.clone().claim("sub", "a\nb"),
            (None, Some(CLIENT)),
        ),
    ] {
        let request = Request::get("/guarded").bearer(&token.mint());
        table.accepted(listener, "an identity", &request);
        let line = envoy.access_log(request.case());
        let found = (line["sub"].as_str(), line["client_id"].as_str());
        table.same("an identity", found, expected);
        table.same("no reason", line["reason"].as_str(), None);
        // The dynamic module shows it to Envoy's own filters as well.
        let shown = &line["metadata"];
        let expected = match Host::of_tests() {
            Host::Wasm => (None, None),
            Host::Native => expected,
        };
        let found = (shown["sub"].as_str(), shown["client_id"].as_str());
        table.same("dynamic metadata", found, expected);
        let groups = expected.1.map_or(json!(null), |_| json!(["readers"]));
        table.same("a list", &shown["groups"], &groups);
    }
}

/// The file that users copy is accepted as it is.
fn the_example_configuration_is_accepted(table: &mut Table<'_>) {
    table.anonymous("example", "its open place", &Request::get("/health"));
    table.refused(
        "example",
        "its guarded place",
        &Request::get("/"),
        "missing_token",
    );
}
