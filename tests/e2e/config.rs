//! Configurations that are refused, with every problem named, and both forms in which one arrives.

use serde_json::{Value, json};

use crate::bootstrap::{Configuration, KEYS_CLUSTER, Listener, MAIN, Setup};
use crate::client::Request;
use crate::document::{POOL, document, pool, ruled, with};
use crate::envoy::EnvoyUnderTest;
use crate::issuer::{SUB, TestKey, Token, issuer_of, key_set};
use crate::keyserver::{Answer, KeyServer};
use crate::table::Table;
use crate::upstream::Upstream;

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
        Setup::new(&keys, &upstream)
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
        table.accepted(at, "a boolean", &Request::get("/flag").bearer(&token));
        let late = id.clone().claim("exp", crate::issuer::now() - 90).mint();
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
        Setup::new(&keys, &upstream)
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

struct Refusals {
    keys: KeyServer,
    upstream: Upstream,
}

impl Refusals {
    /// Envoy refuses to start, and its log names every one of these.
    #[track_caller]
    fn expect(&self, what: &str, configuration: Configuration, named: &[&str]) {
        let listener = Listener::configured(MAIN, configuration);
        let log =
            EnvoyUnderTest::refused(&Setup::new(&self.keys, &self.upstream).listener(listener));
        let module: Vec<_> = log
            .lines()
            .filter(|line| !line.contains("server.cc"))
            .collect();
        let module = module.join("\n");
        for path in named {
            assert!(
                module.contains(path),
                "{what}: the log does not name {path}:\n{module}"
            );
        }
    }
}

/// A refused configuration never opens the door: Envoy does not even start, and says all there is to say.
#[test]
fn every_problem_of_a_configuration_is_reported_with_its_path() {
    let refusals = Refusals {
        keys: KeyServer::start(),
        upstream: Upstream::start(),
    };
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
    refusals.expect(
        "all at once, as text",
        Configuration::Text(bad.to_string()),
        &named,
    );
    refusals.expect(
        "all at once, as a Struct",
        Configuration::Struct(bad),
        &named,
    );
    refusals.expect("none", Configuration::Absent, &["user_pools"]);
    refusals.expect("empty text", Configuration::Text(String::new()), &[]);
    refusals.expect(
        "an empty Struct",
        Configuration::Struct(json!({})),
        &["user_pools", "token"],
    );
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
}

/// A fault of the network is no fault of the configuration: Envoy starts.
#[test]
fn a_key_server_that_is_down_at_start_is_no_configuration_error() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.answer(POOL, Answer::Reset);
    let setup = Setup::new(&keys, &upstream);
    let envoy = EnvoyUnderTest::start(setup.listener(Listener::new(MAIN, document(&[POOL]))));
    let mut table = Table::new(&envoy, &upstream);
    table.refused(MAIN, "no token", &Request::get("/x"), "missing_token");
    let requests = table.done();
    envoy.finish(requests);
}
