//! Lambda authorizers: the call on the wire, what becomes of every answer, and what is bounded.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::closed_port;
use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says, policy};
use crate::harness::host::Host;
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::{Seen, Upstream};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:partner-auth:live";

type Changes = Vec<(&'static str, Value)>;

/// Partners below `/partners`, tokens below `/tokens`, anyone at `/open`. The authorizer has this name,
/// and so has the cluster of its function.
fn guarded(name: &str, changes: &[(&str, Value)]) -> Value {
    let authorizer = json!({
        "name": name,
        "type": "token",
        "function": ARN,
        "cluster": name,
        "answer": "policy",
        "identity": [{"header": "Authorization"}],
        "cache": {"ttl": "5m"},
        "api": {
            "region": "us-east-1",
            "account_id": "123456789012",
            "api_id": "a1b2c3d4e5",
            "stage": "prod",
        },
    });
    let document = with(
        document(&[POOL]),
        &[
            ("authorizers", json!([authorizer])),
            (
                "rules",
                json!([
                    {"match": {"prefix": "/partners"}, "authorizer": name},
                    {"match": {"prefix": "/tokens"}},
                    {"match": {"path": "/open"}, "allow": "anyone"},
                ]),
            ),
            ("default", json!("nobody")),
            (
                "context_headers",
                json!([
                    {"header": "x-tenant", "key": "tenantId"},
                    {"header": "x-principal", "key": "principalId"},
                ]),
            ),
        ],
    );
    with(document, changes)
}

/// A listener, and the function that is asked there: listener, cluster, authorizer and its metrics have
/// one name.
struct Scene<'a> {
    name: &'static str,
    function: &'a Function,
    envoy: &'a EnvoyUnderTest,
    upstream: &'a Upstream,
}

impl Scene<'_> {
    fn at(&self) -> SocketAddr {
        self.envoy.at(self.name)
    }

    fn send(&self, request: &Request) -> Response {
        request.send(self.at())
    }

    fn get(&self, identity: &str) -> Response {
        self.send(&partner(identity))
    }

    /// What the upstream saw of a request that it got once.
    #[track_caller]
    fn seen(&self, request: &Request) -> Seen {
        let mut seen = self.upstream.seen(request.case());
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }

    /// The name of one of the authorizer's metrics.
    fn metric(&self, name: &str) -> String {
        format!("authorizer.{}.{name}", self.name)
    }

    fn counted(&self, name: &str) -> u64 {
        self.envoy.metric(&self.metric(name))
    }
}

/// What is played at a listener of its own. It returns how many requests it has sent.
type Play = fn(&Scene<'_>) -> usize;

/// Every scene, with what its configuration differs in.
fn scenes() -> Vec<(&'static str, Changes, Play)> {
    let one = |path: &'static str, value: Value| vec![(path, value)];
    let of_request = |format: &str, identity: Value| {
        vec![
            ("authorizers.0.type", json!("request")),
            ("authorizers.0.format", json!(format)),
            ("authorizers.0.identity", identity),
        ]
    };
    let of_format = |format: &str| {
        of_request(
            format,
            json!([{"header": "X-API-Key"}, {"query": "tenant"}]),
        )
    };
    let mut simple = of_format("2.0");
    simple.push(("authorizers.0.answer", json!("simple")));
    let style = ("responses", json!({"style": "api_gateway"}));
    let mut of_http_api = of_request("1.0", json!([{"header": "Authorization"}]));
    of_http_api.push(style.clone());
    let mut taken = of_request("rest", json!([{"header": "X-API-Key"}, {"query": "key"}]));
    taken.push(("token.forward", json!(false)));
    taken.push(("cors_preflight", json!("pass")));
    vec![
        (
            "called",
            vec![],
            the_function_is_called_as_api_gateway_calls_it,
        ),
        ("told-rest", of_format("rest"), |scene| {
            the_whole_request_is_told(scene, "rest")
        }),
        ("told-1.0", of_format("1.0"), |scene| {
            the_whole_request_is_told(scene, "1.0")
        }),
        ("told-2.0", simple, |scene| {
            the_whole_request_is_told(scene, "2.0")
        }),
        (
            "answers",
            one("authorizers.0.timeout", json!("3s")),
            every_answer_has_an_end,
        ),
        (
            "refusing",
            one("authorizers.0.cluster", json!("closed")),
            a_function_that_is_not_reached_opens_nothing,
        ),
        (
            "unknown",
            one("authorizers.0.cluster", json!("nowhere")),
            a_function_that_is_not_reached_opens_nothing,
        ),
        (
            "pattern",
            one(
                "authorizers.0.pattern",
                json!("Bearer [-A-Za-z0-9._~+/]+=*"),
            ),
            identity_and_pattern_come_before_any_call,
        ),
        (
            "remembering",
            one("authorizers.0.cache.ttl", json!("5m")),
            |scene| one_call_for_each_identity(scene, 1),
        ),
        (
            "forgetting",
            one("authorizers.0.cache.ttl", json!("0s")),
            |scene| one_call_for_each_identity(scene, 20),
        ),
        (
            "slow",
            one("authorizers.0.timeout", json!("30s")),
            a_slow_function_is_nobody_elses_trouble,
        ),
        (
            "left",
            one("authorizers.0.timeout", json!("30s")),
            a_client_that_leaves_changes_nothing,
        ),
        ("http2", vec![], http2_clients_too),
        ("replies-rest", vec![style], replies_are_those_of_rest_apis),
        ("replies-1.0", of_http_api, replies_are_those_of_http_apis),
        ("taken", taken, identities_stay_here_if_they_are_to),
    ]
}

#[test]
fn functions_say_who_may_enter() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let scenes: Vec<_> = scenes()
        .into_iter()
        .map(|scene| (scene, allowing()))
        .collect();
    let updated = allowing();
    let setup = Setup::new(&keys, &upstream)
        .workers(1)
        .dynamic()
        .cluster("closed", closed_port())
        .cluster("updated", updated.port());
    let setup = scenes
        .iter()
        .fold(setup, |setup, ((name, changes, _), function)| {
            setup
                .cluster(name, function.port())
                .listener(Listener::new(name, guarded(name, changes)))
        });
    let setup = |ttl: &str| {
        let document = guarded("updated", &[("authorizers.0.cache.ttl", json!(ttl))]);
        setup.clone().listener(Listener::new("updated", document))
    };
    let envoy = EnvoyUnderTest::start(&setup("5m"));
    let mut requests = 0;
    for ((name, _, play), function) in &scenes {
        println!("{name}");
        requests += play(&Scene {
            name,
            function,
            envoy: &envoy,
            upstream: &upstream,
        });
    }
    let update = || envoy.update(&setup("4m"));
    requests += an_update_forgets_what_is_remembered(envoy.at("updated"), &updated, update);
    envoy.finish(requests);
}

/// A function that lets everybody in of whom nothing else is said.
fn allowing() -> Function {
    let function = Function::start();
    function.says_of_all_others(allow_all());
    function
}

fn allow_all() -> Says {
    Says::Answer(policy("Allow", "*", json!({"tenantId": "t1"})))
}

fn partner(identity: &str) -> Request {
    Request::get("/partners/1").header("authorization", identity)
}

fn the_function_is_called_as_api_gateway_calls_it(scene: &Scene<'_>) -> usize {
    let before = scene.envoy.metrics();
    let resource = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/partners/*";
    let answer = policy("Allow", resource, json!({"tenantId": "t 7", "other": 1}));
    scene.function.says("Bearer one", Says::Answer(answer));
    let request = partner("Bearer one")
        .header("x-tenant", "spoofed")
        .header("x-principal", "spoofed")
        .header("x.tenant", "spoofed")
        .header("x-original-url", "/admin");
    assert_eq!(scene.send(&request).status, 200);
    let seen = scene.seen(&request);
    assert_eq!(seen.values("x-tenant"), ["t 7"]);
    assert_eq!(seen.values("x-principal"), ["partner"]);
    for taken in ["x.tenant", "x-original-url"] {
        assert_eq!(seen.values(taken), [] as [&str; 0], "{taken}");
    }
    assert_eq!(seen.values("authorization"), ["Bearer one"]);
    let calls = scene.function.invocations();
    let [call] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!(
        call.line,
        format!("POST /2015-03-31/functions/{ARN}/invocations HTTP/1.1")
    );
    let header = |name: &str| {
        let found = call.headers.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| &**value).collect::<Vec<_>>()
    };
    assert_eq!(header("host"), ["lambda.us-east-1.amazonaws.com"]);
    assert_eq!(header("content-type"), ["application/json"]);
    assert_eq!(header("authorization"), [] as [&str; 0]);
    assert_eq!(
        call.event,
        json!({
            "type": "TOKEN",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/partners/1",
            "authorizationToken": "Bearer one",
        })
    );
    // Remembered, and judged anew.
    assert_eq!(scene.send(&partner("Bearer one")).status, 200);
    let deeper = Request::get("/partners/a/b").header("authorization", "Bearer one");
    assert_eq!(scene.send(&deeper).status, 200);
    let post = Request::new("POST", "/partners/1").header("authorization", "Bearer one");
    let refused = scene.send(&post);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body, r#"{"message":"Forbidden"}"#);
    assert_eq!(scene.function.invocations().len(), 1);
    // Nor does anything of it show where nobody is asked.
    let open = Request::get("/open")
        .header("x-tenant", "spoofed")
        .header("authorization", "Bearer one");
    assert_eq!(scene.send(&open).status, 200);
    assert_eq!(scene.seen(&open).values("x-tenant"), [] as [&str; 0]);
    let token = Token::access(POOL).mint();
    let own = Request::get("/tokens")
        .bearer(&token)
        .header("x-tenant", "spoofed");
    assert_eq!(scene.send(&own).status, 200);
    assert_eq!(scene.seen(&own).values("x-tenant"), [] as [&str; 0]);
    // A token of the pool is no identity of its own kind: the function is asked about it.
    assert_eq!(scene.get(&format!("Bearer {token}")).status, 200);
    scene.envoy.await_metric(&scene.metric("called"), 2);
    assert_eq!(scene.counted("remembered"), 3);
    assert_eq!(scene.counted("failed"), 0);
    scene.envoy.await_metric("authorizer_in_flight", 0);
    let more = scene.envoy.more_than(&before);
    assert_eq!(more.get("allowed"), Some(&5));
    assert_eq!(more.get("denied.authorizer_denied"), Some(&1));
    7
}

fn the_whole_request_is_told(scene: &Scene<'_>, format: &str) -> usize {
    let answer = match format {
        "2.0" => json!({"isAuthorized": true, "context": {"tenantId": ["a", "b,c"]}}),
        _ => policy("Allow", "*", json!({"tenantId": 7})),
    };
    scene.function.says_of_all_others(Says::Answer(answer));
    let request = Request::get("/partners/1?tenant=a%20b&tenant2=c")
        .header("x-api-key", "k1")
        .header("x-other", "o");
    assert_eq!(scene.send(&request).status, 200, "{format}");
    let calls = scene.function.invocations();
    let event = &calls[0].event;
    let (method, path, key, query) = match format {
        "2.0" => (
            &event["requestContext"]["http"]["method"],
            &event["rawPath"],
            &event["headers"]["x-api-key"],
            &event["queryStringParameters"]["tenant"],
        ),
        _ => (
            &event["httpMethod"],
            &event["path"],
            &event["headers"]["X-API-Key"],
            &event["queryStringParameters"]["tenant"],
        ),
    };
    assert_eq!(method, "GET");
    let with_stage = if format == "2.0" {
        "/prod/partners/1"
    } else {
        "/partners/1"
    };
    assert_eq!(path, with_stage);
    assert_eq!((key, query), (&json!("k1"), &json!("a b")));
    let address = match format {
        "2.0" => &event["requestContext"]["http"]["sourceIp"],
        _ => &event["requestContext"]["identity"]["sourceIp"],
    };
    assert_eq!(address, "127.0.0.1", "{event:#}");
    let protocol = match format {
        "2.0" => &event["requestContext"]["http"]["protocol"],
        _ => &event["requestContext"]["protocol"],
    };
    assert_eq!(protocol, "HTTP/1.1");
    let id = event["requestContext"]["requestId"]
        .as_str()
        .expect("an id");
    assert!(!id.is_empty());
    let tenant = if format == "2.0" { "a,b%2Cc" } else { "7" };
    assert_eq!(scene.seen(&request).values("x-tenant"), [tenant]);
    // Another value is another identity; without one nobody is asked.
    let other = Request::get("/partners/1?tenant=b").header("x-api-key", "k1");
    assert_eq!(scene.send(&other).status, 200);
    let twice = Request::get("/partners/1?tenant=b&tenant=b").header("x-api-key", "k1");
    assert_eq!(scene.send(&twice).status, 401);
    let without = Request::get("/partners/1").header("x-api-key", "k1");
    assert_eq!(scene.send(&without).status, 401);
    assert_eq!(scene.function.invocations().len(), 2);
    4
}

/// What each answer means: status, and reason.
fn every_answer_has_an_end(scene: &Scene<'_>) -> usize {
    let allow = policy("Allow", "*", json!({}));
    let mut nested = allow.clone();
    nested["context"] = json!({"a": {"b": 1}});
    let mut control = allow.clone();
    control["context"] = json!({"tenantId": "a\nb"});
    let large = [allow.to_string().into_bytes(), vec![b' '; 256 * 1024]].concat();
    let cases = [
        ("allow", Says::Answer(allow.clone()), 200, None),
        (
            "deny",
            Says::Answer(policy("Deny", "*", json!({}))),
            403,
            Some("authorizer_denied"),
        ),
        (
            "implicit",
            Says::Answer(policy("Allow", "arn:aws:s3:::x", json!({}))),
            403,
            Some("authorizer_denied"),
        ),
        (
            "unauthorized",
            Says::Error("Unauthorized"),
            401,
            Some("authorizer_unauthorized"),
        ),
        (
            "error",
            Says::Error("unauthorized"),
            500,
            Some("authorizer_failed"),
        ),
        (
            "empty",
            Says::Bytes(Vec::new()),
            500,
            Some("authorizer_failed"),
        ),
        (
            "no-json",
            Says::Bytes(b"yes".to_vec()),
            500,
            Some("authorizer_failed"),
        ),
        (
            "simple",
            Says::Answer(json!({"isAuthorized": true})),
            500,
            Some("authorizer_failed"),
        ),
        (
            "twice",
            Says::Bytes(
                br#"{"policyDocument":{"Statement":[]},"policyDocument":{"Statement":[]}}"#
                    .to_vec(),
            ),
            500,
            Some("authorizer_failed"),
        ),
        (
            "nested",
            Says::Answer(nested),
            500,
            Some("authorizer_failed"),
        ),
        (
            "control",
            Says::Answer(control),
            500,
            Some("authorizer_failed"),
        ),
        ("large", Says::Bytes(large), 500, Some("authorizer_failed")),
        (
            "huge",
            Says::Bytes(vec![b' '; 34 * 1024 * 1024]),
            503,
            Some("authorizer_unavailable"),
        ),
        (
            "endless",
            Says::Endless,
            503,
            Some("authorizer_unavailable"),
        ),
        (
            "garbage",
            Says::Garbage,
            503,
            Some("authorizer_unavailable"),
        ),
        (
            "nothing",
            Says::Nothing,
            503,
            Some("authorizer_unavailable"),
        ),
    ];
    let exceptions = [
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "TooManyRequestsException"),
        (500, "ServiceException"),
        (502, "EC2UnexpectedException"),
        (503, "ServiceUnavailableException"),
    ];
    let exceptions = exceptions.map(|(status, name)| {
        (
            name,
            Says::Exception(status, name),
            503,
            Some("authorizer_unavailable"),
        )
    });
    let mut failed = 0;
    let mut sent = 0;
    for (identity, says, status, reason) in cases.into_iter().chain(exceptions) {
        scene.function.says(identity, says);
        let request = partner(identity);
        let response = scene.send(&request);
        sent += 1;
        assert_eq!(response.status, status, "{identity}: {response:?}");
        let logged = scene.envoy.access_log(request.case());
        assert_eq!(logged["reason"].as_str(), reason, "{identity}");
        assert_eq!(
            response.header("retry-after").is_some(),
            status == 503,
            "{identity}"
        );
        assert_eq!(response.header("www-authenticate"), None);
        let body = match status {
            401 => r#"{"message":"Unauthorized"}"#,
            403 => r#"{"message":"Forbidden"}"#,
            500 => r#"{"message":"Internal Server Error"}"#,
            503 => r#"{"message":"Service Unavailable"}"#,
            _ => continue,
        };
        assert_eq!(response.body, body, "{identity}");
        failed += u64::from(status >= 500);
        // An answer is remembered, be it a refusal; a failure is not.
        scene.function.says(identity, allow_all());
        let again = scene.get(identity);
        sent += 1;
        let remembered = status == 403;
        assert_eq!(
            again.status,
            if remembered { 403 } else { 200 },
            "{identity}"
        );
    }
    // Lines of this header arrive as one, of whatever scheme.
    let twice = partner("Basic x").header("authorization", "Basic y");
    assert_eq!(scene.send(&twice).status, 401);
    let mut unknown = allow;
    unknown["policyDocument"]["Statement"][0]["Condition"] = json!({"Bool": {"aws:x": true}});
    for identity in ["one", "other"] {
        scene.function.says(identity, Says::Answer(unknown.clone()));
        assert_eq!(scene.get(identity).status, 403);
    }
    sent += 3;
    scene.envoy.await_metric(&scene.metric("failed"), failed);
    scene.envoy.await_metric("authorizer_in_flight", 0);
    // One line for a change of state, and never the event.
    let log = scene.envoy.log();
    assert!(log.contains("authorizer answers: "), "{log}");
    assert!(log.contains("requests that need its answer get 503"));
    assert!(!log.contains("authorizationToken"));
    assert_eq!(log.matches("that is not understood").count(), 1, "{log}");
    sent
}

fn a_function_that_is_not_reached_opens_nothing(scene: &Scene<'_>) -> usize {
    for _ in 0..3 {
        let response = scene.get("Bearer x");
        assert_eq!(response.status, 503, "{}", scene.name);
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    scene.envoy.await_metric(&scene.metric("failed"), 3);
    let about = format!("authorizer {}: ", scene.name);
    assert!(scene.envoy.log().contains(&about), "{about}");
    3
}

fn identity_and_pattern_come_before_any_call(scene: &Scene<'_>) -> usize {
    let refused = [
        Request::get("/partners/1"),
        partner(""),
        partner("Basic abc"),
        partner("Bearer a b"),
        partner("Bearer one").header("authorization", "Bearer two"),
        Request::get("/partners/1").header("authorization", b"Bearer \xff"),
    ];
    for request in &refused {
        let response = scene.send(request);
        assert_eq!(response.status, 401);
        assert_eq!(response.body, r#"{"message":"Unauthorized"}"#);
        assert_eq!(response.header("www-authenticate"), None);
        let logged = scene.envoy.access_log(request.case());
        assert_eq!(logged["reason"], "missing_identity");
    }
    assert_eq!(scene.get("Bearer one").status, 200);
    // What could be read in two ways, and what no ARN can name.
    for (method, path, reason) in [
        ("GET", "/partners/..%2f1", "unsafe_path"),
        ("PURGE", "/partners/1", "unsafe_method"),
        ("GET", "/partners/1?_method=DELETE", "unsafe_method"),
    ] {
        let request = Request::new(method, path).header("authorization", "Bearer one");
        assert_eq!(scene.send(&request).status, 400, "{method} {path}");
        let logged = scene.envoy.access_log(request.case());
        assert_eq!(logged["reason"], reason, "{method} {path}");
    }
    let long = format!("/partners/{}", "a".repeat(1600));
    let request = Request::get(&long).header("authorization", "Bearer one");
    assert_eq!(scene.send(&request).status, 400);
    assert_eq!(
        scene.envoy.access_log(request.case())["reason"],
        "unsafe_path"
    );
    assert_eq!(scene.function.invocations().len(), 1);
    11
}

/// Requests of one identity are one call, and each has a call of its own where nothing is
/// remembered.
fn one_call_for_each_identity(scene: &Scene<'_>, calls: usize) -> usize {
    scene.function.delay(Duration::from_millis(500));
    let pending: Vec<_> = (0..20)
        .map(|_| partner("Bearer one").open(scene.at()))
        .collect();
    for pending in pending {
        assert_eq!(pending.response().status, 200);
    }
    assert_eq!(scene.function.asked("Bearer one"), calls);
    scene.function.delay(Duration::ZERO);
    assert_eq!(scene.get("Bearer one").status, 200);
    let more = if calls > 1 { calls + 1 } else { calls };
    assert_eq!(scene.function.asked("Bearer one"), more);
    21
}

/// A slow function: no more calls than may be, and nothing else waits for it.
fn a_slow_function_is_nobody_elses_trouble(scene: &Scene<'_>) -> usize {
    let before = scene.envoy.metrics();
    assert_eq!(
        scene
            .send(&Request::get("/tokens").bearer(&Token::access(POOL).mint()))
            .status,
        200
    );
    scene.function.hold();
    let pending: Vec<_> = (0..260)
        .map(|number| partner(&format!("Bearer {number}")).open(scene.at()))
        .collect();
    let denied = "denied.authorizer_unavailable";
    eventually("the surplus to be refused", || {
        let more = scene.envoy.more_than(&before);
        (more.get(denied) == Some(&4)).then_some(())
    });
    let began = Instant::now();
    let other = Request::get("/tokens").bearer(&Token::access(POOL).mint());
    assert_eq!(scene.send(&other).status, 200);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(scene.envoy.metric("authorizer_in_flight"), 256);
    eventually("all calls to be under way", || {
        (scene.function.most_at_once() == 256).then_some(())
    });
    scene.function.release();
    let statuses: Vec<_> = pending
        .into_iter()
        .map(|pending| pending.response().status)
        .collect();
    let of = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((of(200), of(503)), (256, 4));
    assert_eq!(scene.function.most_at_once(), 256);
    scene.envoy.await_metric("authorizer_in_flight", 0);
    262
}

/// A client that goes away leaves its call, whose answer serves others. That of a dynamic module ends with
/// it, and is made once more.
fn a_client_that_leaves_changes_nothing(scene: &Scene<'_>) -> usize {
    let calls = match Host::of_tests() {
        Host::Wasm => 1,
        Host::Native => 2,
    };
    scene.function.hold();
    let asked = |identity: &str, calls| {
        eventually("the call", || {
            (scene.function.asked(identity) == calls).then_some(())
        });
    };
    let open = |identity| partner(identity).open(scene.at());
    let leaving = open("Bearer one");
    asked("Bearer one", 1);
    drop(leaving);
    scene.envoy.await_metric("cancelled", 1);
    assert_eq!(scene.envoy.metric("authorizer_in_flight"), 1);
    let coming = open("Bearer one");
    scene.envoy.await_metric("held_now", 1);
    asked("Bearer one", calls);
    scene.function.release();
    assert_eq!(coming.response().status, 200);
    assert_eq!(scene.function.asked("Bearer one"), calls);

    // Others wait for the same answer.
    scene.function.hold();
    let leaving = open("Bearer two");
    asked("Bearer two", 1);
    let staying = [open("Bearer two"), open("Bearer two")];
    scene.envoy.await_metric("held_now", 3);
    drop(leaving);
    scene.envoy.await_metric("cancelled", 2);
    asked("Bearer two", calls);
    scene.function.release();
    for staying in staying {
        assert_eq!(staying.response().status, 200);
    }
    assert_eq!(scene.function.asked("Bearer two"), calls);
    5
}

fn an_update_forgets_what_is_remembered(
    to: SocketAddr,
    function: &Function,
    update: impl Fn(),
) -> usize {
    let get = || partner("Bearer one").send(to).status;
    assert_eq!([get(), get()], [200, 200]);
    assert_eq!(function.asked("Bearer one"), 1);
    update();
    function.says("Bearer one", Says::Answer(policy("Deny", "*", json!({}))));
    assert_eq!(get(), 403);
    assert_eq!(function.asked("Bearer one"), 2);
    3
}

fn http2_clients_too(scene: &Scene<'_>) -> usize {
    let to = scene.at();
    let send = |identity: &[u8]| {
        let headers: [(&str, &[u8]); 2] = [("authorization", identity), ("x-tenant", b"spoofed")];
        http2::send(to, "GET", "/partners/1", &headers, b"", &[]).response
    };
    assert_eq!(send(b"Bearer one").status, 200);
    assert_eq!(send(b"Bearer one").status, 200);
    assert_eq!(send(b"").status, 401);
    scene
        .function
        .says("Bearer two", Says::Answer(policy("Deny", "*", json!({}))));
    assert_eq!(send(b"Bearer two").status, 403);
    // A body and trailers that come while the request is held.
    scene.function.delay(Duration::from_millis(300));
    let headers: [(&str, &[u8]); 1] = [("authorization", b"Bearer three")];
    let trailers = [("x-tenant", "spoofed"), ("x-kept", "k")];
    let posted = http2::send(to, "POST", "/partners/1", &headers, b"body", &trailers);
    assert_eq!(posted.response.status, 200);
    assert_eq!(scene.function.invocations().len(), 3);
    5
}

/// Without an identity, then of each of these: status, body and `x-amzn-errortype`.
type Replies = [(u16, &'static str, Option<&'static str>); 4];

fn replies_are_those_of_rest_apis(scene: &Scene<'_>) -> usize {
    let says = [
        Says::Answer(policy("Deny", "*", json!({}))),
        Says::Error("boom"),
        Says::Exception(403, "AccessDeniedException"),
    ];
    let replies = [
        (
            401,
            r#"{"message":"Unauthorized"}"#,
            Some("UnauthorizedException"),
        ),
        (
            403,
            r#"{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}"#,
            Some("AccessDeniedException"),
        ),
        (
            500,
            r#"{"message":null}"#,
            Some("AuthorizerConfigurationException"),
        ),
        (
            500,
            r#"{"message": "Internal server error"}"#,
            Some("AuthorizerConfigurationException"),
        ),
    ];
    replies_are(scene, says, replies)
}

fn replies_are_those_of_http_apis(scene: &Scene<'_>) -> usize {
    let says = [
        Says::Answer(policy("Deny", "*", json!({}))),
        Says::Error("Unauthorized"),
        Says::Exception(403, "AccessDeniedException"),
    ];
    let replies = [
        (401, r#"{"message":"Unauthorized"}"#, None),
        (403, r#"{"message":"Forbidden"}"#, None),
        (500, r#"{"message":"Internal Server Error"}"#, None),
        (500, r#"{"message":"Internal Server Error"}"#, None),
    ];
    replies_are(scene, says, replies)
}

/// The style of API Gateway, by the authorizer's format.
fn replies_are(scene: &Scene<'_>, says: [Says; 3], replies: Replies) -> usize {
    let asked = says.into_iter().enumerate().map(|(number, says)| {
        let identity = format!("Bearer {number}");
        scene.function.says(&identity, says);
        partner(&identity)
    });
    let requests = std::iter::once(Request::get("/partners/1")).chain(asked);
    for (request, (status, body, error_type)) in requests.zip(replies) {
        let response = scene.send(&request);
        assert_eq!((response.status, &*response.body), (status, body));
        assert_eq!(response.header("x-amzn-errortype"), error_type);
    }
    let long = format!("/partners/{}", "a".repeat(1600));
    let long = scene.send(&Request::get(&long).header("authorization", "Bearer x"));
    assert_eq!(long.status, 414);
    assert_eq!(long.body, r#"{"message":"Request URI too long"}"#);
    5
}

/// Identities are taken off where tokens are, and on preflights.
fn identities_stay_here_if_they_are_to(scene: &Scene<'_>) -> usize {
    let request = Request::get("/partners/1?a=1&key=k&b=2").header("x-api-key", "secret");
    assert_eq!(scene.send(&request).status, 200);
    let seen = scene.seen(&request);
    assert_eq!(seen.values("x-api-key"), [] as [&str; 0]);
    assert_eq!(seen.path, "/partners/1?a=1&b=2");
    let event = &scene.function.invocations()[0].event;
    assert_eq!(event["headers"]["X-API-Key"], "secret");
    assert_eq!(event["queryStringParameters"]["key"], "k");
    let preflight = Request::new("OPTIONS", "/partners/1?key=k")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "PUT")
        .header("x-api-key", "secret");
    assert_eq!(scene.send(&preflight).status, 200);
    let seen = scene.seen(&preflight);
    assert_eq!(seen.values("x-api-key"), [] as [&str; 0]);
    assert_eq!(seen.path, "/partners/1");
    assert_eq!(scene.function.invocations().len(), 1);
    2
}
