//! Configurations that are refused, with every problem named, and both forms in which one arrives.

use serde_json::{Value, json};

use crate::harness::bootstrap::{KEYS_CLUSTER, Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, pool, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{SUB, TestKey, Token, issuer_of, key_set};
use crate::harness::keyserver::KeyServer;
use crate::harness::listener::Configuration;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;

/// Every option at once, each with an effect that a request can see.
fn everything() -> Value {
    let mut pool = pool(POOL);
    pool["jwks"] = json!({
        "cluster": KEYS_CLUSTER,
        "uri": format!("{}/.well-known/jwks.json", issuer_of(POOL)),
        "timeout": "2500ms",
        "refresh_interval": "15m",
        "max_stale": "forever",
    });
    json!({
        "user_pools": [pool],
        "token": {
            "use": "any",
            "from": [{"header": "authorization"}, {"query": "access_token"}],
            "clock_skew": "2m",
            "max_bytes": 5000,
            "forward": false,
            "cache_entries": 10,
        },
        "rules": [
            {"match": {"path": "/open"}, "allow": "anyone"},
            {"match": {"prefix": "/level"}, "require": {"claims": {"custom:level": 3}}},
            {"match": {"path": "/flag"}, "require": {"claims": {"email_verified": true}}},
            {"match": {"path": "/fresh"}, "require": {"max_auth_age": "15m"}},
        ],
        "default": "authenticated",
        "path_case": "sensitive",
        "method_override": "keep",
        "claim_headers": [{"header": "x-sub", "claim": "sub"}],
        "payload_header": "x-payload",
        "cors_preflight": "pass",
        "log_identity": true,
        "clear_route_cache": true,
        "signature": "module",
        "responses": {"access_denied": {"status": 404, "body": "nothing here"}},
    })
}

/// A Struct's numbers are doubles and its bytes are protobuf; JSON text is neither. Both mean the same.
#[test]
fn a_struct_and_its_text_mean_the_same() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    let everything = everything();
    let pretty = serde_json::to_string_pretty(&everything).expect("JSON");
    // A leading newline is also the first byte of a serialized Struct.
    let pretty = Configuration::Text(format!("\n{pretty}\n"));
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(Listener::new("struct", everything.clone()))
            .listener(Listener::text("text", &everything))
            .listener(Listener::configured("pretty", pretty)),
    );
    let mut table = Table::new(&envoy, &upstream);
    let mut statuses = Vec::new();
    for at in ["struct", "text", "pretty"] {
        let id = Token::id(POOL);
        let token = id.mint();
        table.anonymous(at, "open", &Request::get("/open"));
        table.refused(at, "path_case", &Request::get("/OPEN"), "missing_token");
        let request = Request::get(&format!("/x?access_token={token}"));
        if let Some(seen) = table.accepted(at, "query", &request) {
            table.same("token.forward", seen.path.as_str(), "/x");
            table.same("claim_headers", seen.values("x-sub"), vec![SUB.to_owned()]);
            table.same("payload_header", seen.values("x-payload").len(), 1);
            let line = envoy.access_log(request.case());
            table.same("log_identity", line["sub"].as_str(), Some(SUB));
        }
        let level = |level: Value| {
            Request::get("/level").bearer(&id.clone().claim("custom:level", level).mint())
        };
        table.accepted(
            at,
            "a number in the rule, text in the token",
            &level(json!("3")),
        );
        table.accepted(at, "a number in both", &level(json!(3)));
        statuses.push(level(json!("3.0")).send(envoy.at(at)));
        table.others_have_asked();
        table.accepted(at, "a boolean", &Request::get("/flag").bearer(&token));
        let late = id
            .clone()
            .claim("exp", crate::harness::issuer::now() - 90)
            .mint();
        table.accepted(at, "clock_skew", &Request::get("/x").bearer(&late));
        let long = id.claim("pad", "x".repeat(5000)).mint();
        table.refused(
            at,
            "max_bytes",
            &Request::get("/x").bearer(&long),
            "token_too_large",
        );
        let kept = Request::get("/open").header("x-http-method-override", "PUT");
        let seen = table.anonymous(at, "method_override", &kept);
        let values = seen.map(|seen| seen.values("x-http-method-override"));
        table.same("method_override", values, Some(vec!["PUT".to_owned()]));
    }
    for response in &statuses {
        table.same(
            "responses",
            (response.status, response.body.as_str()),
            (404, "nothing here"),
        );
    }
    let requests = table.done();
    assert_eq!(envoy.metric("signature_host"), 0, "signature: module");
    assert_eq!(keys.fetches(POOL), 1, "three filters share one fetch");
    envoy.finish(requests + statuses.len());
}

/// Keys in the configuration: nothing is fetched, and nothing is waited for.
#[test]
fn keys_may_stand_in_the_configuration() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    let set = key_set(&[TestKey::first()]);
    let inline = |inline: Value| {
        with(
            document(&[POOL]),
            &[("user_pools.0.jwks", json!({"inline": inline}))],
        )
    };
    let updated = with(
        document(&[POOL]),
        &[
            ("user_pools.0.issuer", json!("updated")),
            ("user_pools.0.jwks", json!({"inline": set})),
        ],
    );
    let mut by_arn = inline(set.clone());
    let pool = by_arn["user_pools"][0].as_object_mut().expect("an object");
    pool.remove("user_pool_id");
    let arn = format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{POOL}");
    pool.insert("user_pool_arn".to_owned(), json!(arn));
    let text = json!(set.to_string());
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(Listener::new("object", inline(set)))
            .listener(Listener::text("text", &inline(text)))
            .listener(Listener::new("arn", by_arn))
            .listener(Listener::new("updated", updated)),
    );
    let mut table = Table::new(&envoy, &upstream);
    let ask = |token: &Token| Request::get("/x").bearer(&token.mint());
    let id = Token::id(POOL);
    for at in ["object", "text", "arn"] {
        table.accepted(at, at, &ask(&id));
        table.refused(
            at,
            at,
            &ask(&id.clone().signed_by(TestKey::second())),
            "unknown_key",
        );
    }
    let newer = issuer_of(POOL).replace("cognito-idp", "issuer-cognito-idp");
    table.refused(
        "updated",
        "the original issuer",
        &ask(&id),
        "unknown_issuer",
    );
    table.accepted(
        "updated",
        "the updated issuer",
        &ask(&id.claim("iss", newer)),
    );
    let requests = table.done();
    assert_eq!(keys.fetches(POOL), 0);
    envoy.finish(requests);
}
