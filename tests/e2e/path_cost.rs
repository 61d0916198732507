//! What a path may cost: a stranger sends the most expensive ones, without a token.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document, ruled};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says};
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// The longest path that is looked at.
const LONGEST: usize = 8192;
/// Processor time is counted in hundredths of a second: enough requests that they do not matter.
const REQUESTS: usize = 1_000;
const TOKENS: usize = 500;

/// `begin`, and `again` as often as it fits before `end`.
fn path(begin: &str, again: &str, end: &str) -> String {
    path_of(LONGEST, begin, again, end)
}

fn path_of(length: usize, begin: &str, again: &str, end: &str) -> String {
    let times = (length - begin.len() - end.len()) / again.len();
    format!("{begin}{}{end}", again.repeat(times))
}

/// The processor time of Envoy for each of these requests, sent one after the other.
fn cost(envoy: &EnvoyUnderTest, listener: &str, requests: &[Vec<u8>], times: usize) -> Duration {
    let mut connection = Pending::connect(envoy.at(listener));
    let before = envoy.usage().cpu.expect("/proc");
    for _ in 0..times {
        for request in requests {
            connection.write(request);
            connection.next_response();
        }
    }
    let spent = envoy.usage().cpu.expect("/proc") - before;
    spent / u32::try_from(requests.len() * times).expect("a small number")
}

/// A policy at its limits: as many resources as an answer has room for, each as long as one may be,
/// in statements that allow nothing and deny nothing, so that all are held against every reading.
fn longest_policy() -> Value {
    // It begins as every ARN, and what follows its `*` begins at each `a` and fails late.
    let begin = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/*";
    let resources: Vec<String> = (0..470)
        .map(|number| format!("{begin}{}?{number}", "a".repeat(512 - begin.len() - 5)))
        .collect();
    let (some, others) = resources.split_at(resources.len() / 2);
    let statement = |effect: &str, resources: &[String]| json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resources});
    json!({
        "principalId": "p",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [statement("Deny", some), statement("Allow", others)],
        },
    })
}

/// As above, where an authorizer's remembered policy is judged for the path: no ARN is longer than 1,600
/// bytes, but each of its readings is held against the whole policy.
#[test]
fn no_path_costs_more_before_a_policy_at_its_limits() {
    let (keys, function, upstream) = (KeyServer::start(), Function::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    function.says_of_all_others(Says::Answer(longest_policy()));
    let authorizer = json!({
        "name": "longest",
        "type": "token",
        "function": "partners",
        "cluster": "lambda",
        "answer": "policy",
        "identity": [{"header": "x-key"}],
        "cache": {"ttl": "1h"},
        "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"},
    });
    let judged = json!({"authorizers": [authorizer], "default": {"authorizer": "longest"}});
    let patient = |name, document| {
        Listener::new(name, document)
            .raw_paths()
            .manager("stream_error_on_invalid_http_message", json!(true))
    };
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .cluster("lambda", function.port())
            .listener(patient("judged", judged))
            .listener(patient("bare", document(&[POOL]))),
    );
    let tokens: Vec<_> = (0..TOKENS)
        .map(|n| {
            let token = Token::access(POOL).claim("jti", n).mint();
            Request::get("/x").bearer(&token).head_bytes()
        })
        .collect();
    Request::get("/x")
        .bearer(&Token::access(POOL).mint())
        .send(envoy.at("bare"));
    let accepted = cost(&envoy, "bare", &tokens, 1);
    let caller = |path: &str| Request::get(path).header("x-key", "k");
    assert_eq!(caller("/x").send(envoy.at("judged")).status, 403);
    let mut wrong = Vec::new();
    for (path, expected) in [
        (path_of(1_500, "/", "a", ""), 403),
        (path_of(1_500, "/", "aaaaaaab", ""), 403),
        (path_of(8_000, "/", "a", ""), 500),
        (path_of(1_500, "", "/", "x"), 403),
        (path_of(1_400, "/", "a%2F", "b"), 400),
        (path_of(1_400, "/", "a%5Cb%2F", ""), 400),
        (path_of(1_400, "/", "a%3Fb%23", ""), 400),
        (path_of(1_400, "/", "%C4%B0", "a"), 400),
        (path_of(1_400, "/", "A;a", ""), 400),
    ] {
        let status = caller(&path).send(envoy.at("judged")).status;
        let request = [caller(&path).head_bytes()];
        let with = cost(&envoy, "judged", &request, REQUESTS / 4);
        let without = cost(&envoy, "bare", &request, REQUESTS / 4);
        let shown: String = path.chars().take(24).collect();
        let line = format!(
            "{shown}: {status}, {with:?}, {without:?} without a policy, a token {accepted:?}"
        );
        eprintln!("{line}");
        if with.saturating_sub(without) > 2 * accepted || status != expected {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(function.invocations().len(), 1, "the answer is remembered");
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
    ] {
        let request = [Request::get(&path).head_bytes()];
        let with = cost(&envoy, "ruled", &request, REQUESTS);
        let without = cost(&envoy, "bare", &request, REQUESTS);
        let shown: String = path.chars().take(24).collect();
        let line = format!("{shown}: {with:?}, {without:?} without rules, a token {accepted:?}");
        eprintln!("{line}");
        if with.saturating_sub(without) > 2 * accepted {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
