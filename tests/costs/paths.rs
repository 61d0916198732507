//! What a path may cost: a stranger sends the most expensive ones, without a token.

use std::time::Duration;

use serde_json::json;

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document, ruled};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// The longest path that is looked at.
const LONGEST: usize = 8192;
/// Of each path.
const REQUESTS: usize = 200;
const TOKENS: usize = 500;

/// `begin`, and `again` as often as it fits before `end`.
fn path(begin: &str, again: &str, end: &str) -> String {
    let times = (LONGEST - begin.len() - end.len()) / again.len();
    format!("{begin}{}{end}", again.repeat(times))
}

/// The processor time of Envoy for each of these requests, sent one after the other.
fn cost(envoy: &EnvoyUnderTest, listener: &str, requests: &[Vec<u8>], times: usize) -> Duration {
    let mut connection = Pending::connect(envoy.at(listener));
    let before = envoy.time_of_workers();
    for _ in 0..times {
        for request in requests {
            connection.write(request);
            connection.next_response();
        }
    }
    let spent = envoy.time_of_workers() - before;
    spent / u32::try_from(requests.len() * times).expect("a small number")
}

#[test]
fn no_path_costs_more_than_two_tokens() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let rules = json!([
        {"match": {"path": "/health"}, "allow": "anyone"},
        {"match": {"prefix": "/Admin"}, "require": {"groups": ["admin"]}},
        {"match": {"regex": "/v[0-9]+/docs/[^/]+"}, "allow": "nobody"},
        {"match": {"regex": "/v[0-9]+/[a-z|]+/[^/]+/x"}, "allow": "nobody"},
        {"match": {"regex": "/v[0-9]+/docs/(?:[^/]+/)*end"}, "allow": "nobody"},
        {"match": {"regex": "/v1/.*[A-Z].*/last"}, "allow": "nobody"},
        // One that makes no table.
        {"match": {"regex": "/v1/docs\\b.*/slow"}, "allow": "nobody"},
        {"match": {"template": "/{a}/{b}/{c}/{d}"}},
        {"match": {"template": "/{a}/A/{c+}"}},
        {"match": {"template": "/v1/{b}/{c}"}},
    ]);
    // None of them gets beyond its second letter.
    let many = (0..100).map(|n| json!({"match": {"regex": format!("/orders/[0-9]+/items/{n}")}}));
    // Envoy would else close the connection after a 400.
    let patient = |name, document| {
        Listener::new(name, document)
            .raw_paths()
            .manager("stream_error_on_invalid_http_message", json!(true))
    };
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .listener(patient("ruled", ruled(rules)))
            .listener(patient("expressions", ruled(many.collect())))
            .listener(patient("bare", document(&[POOL]))),
    );
    let tokens: Vec<_> = (0..TOKENS)
        .map(|n| {
            let token = Token::access(POOL).claim("jti", n).mint();
            Request::get("/x").bearer(&token).head_bytes()
        })
        .collect();
    // The keys are there from now on.
    Request::get("/x")
        .bearer(&Token::access(POOL).mint())
        .send(envoy.at("bare"));
    let accepted = cost(&envoy, "bare", &tokens, 1);
    let mut wrong = Vec::new();
    for path in [
        path("/", "a", ""),
        path("/v1/docs/", "a", ""),
        path("/v1/docs/", "%7CA;", "/;x"),
        path("/v1/docs/", "%7CA", ";/;x"),
        path("/v1/docs/", "%C3%89", ""),
        path("/v1/docs/", "%C4%B0", "/last"),
        path("/v1/docs", "/A;a", ";x"),
        path("", "/A;", ";x"),
        path("", "/a", "/"),
        path("/v1/docs/", "%2F", ""),
        path("/v1/docs/", "a%2F", "/end"),
        path("/v1/docs/", "a%5Cb%2F", "A/last"),
        path("", "/", "x"),
        path("/v1/docs/", "a%3Fb%23", ""),
        path("/v1", "/a;b%2Fc%3F", ""),
        path("/%C4%B0", "//;%2F%5C", ""),
        path("/", "a/", ""),
        // Short ones of many readings.
        format!(
            "//h/{}//h/%C3%89%3Fz/;b/%3Bqy;b;x//yAz/%3Bz/",
            "x".repeat(60)
        ),
        format!("//h/{}//h/%C3%89%3Fz/;by;//yAz/%3Bz/", "x".repeat(120)),
    ] {
        let request = [Request::get(&path).head_bytes()];
        let without = cost(&envoy, "bare", &request, REQUESTS);
        let shown: String = path.chars().take(24).collect();
        for rules in ["ruled", "expressions"] {
            let with = cost(&envoy, rules, &request, REQUESTS);
            let line = format!(
                "{shown}: {with:?} {rules}, {without:?} without rules, a token {accepted:?}"
            );
            eprintln!("{line}");
            if with.saturating_sub(without) > 2 * accepted {
                wrong.push(line);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
