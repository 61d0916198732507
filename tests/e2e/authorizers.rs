//! Lambda authorizers: the call on the wire, what becomes of every answer, and what is bounded.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says, policy};
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::{Seen, Upstream};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:partner-auth:live";

fn authorizer(changes: &[(&str, Value)]) -> Value {
    let authorizer = json!({
        "name": "partners",
        "type": "token",
        "function": ARN,
        "cluster": "lambda",
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
    with(authorizer, changes)
}

/// Partners below `/partners`, tokens below `/tokens`, anyone at `/open`.
fn guarded(authorizer: Value) -> Value {
    with(
        document(&[POOL]),
        &[
            ("authorizers", json!([authorizer])),
            (
                "rules",
                json!([
                    {"match": {"prefix": "/partners"}, "authorizer": "partners"},
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
    )
}

struct World {
    function: Function,
    envoy: EnvoyUnderTest,
    upstream: Upstream,
    keys: KeyServer,
}

fn setup(function: &Function, keys: &KeyServer, upstream: &Upstream, document: Value) -> Setup {
    Setup::new(keys, upstream)
        .cluster("lambda", function.port())
        .dynamic()
        .listener(Listener::new(MAIN, document))
}

impl World {
    fn start(workers: u32, document: Value) -> Self {
        let (function, keys, upstream) = (Function::start(), KeyServer::start(), Upstream::start());
        keys.publish(POOL, &[TestKey::first()]);
        let setup = setup(&function, &keys, &upstream, document).workers(workers);
        function.says_of_all_others(allow_all());
        Self {
            envoy: EnvoyUnderTest::start(&setup),
            function,
            upstream,
            keys,
        }
    }

    fn send(&self, request: &Request) -> Response {
        request.send(self.envoy.main())
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

    fn counted(&self, name: &str) -> u64 {
        self.envoy.metric(&format!("authorizer.partners.{name}"))
    }
}

fn allow_all() -> Says {
    Says::Answer(policy("Allow", "*", json!({"tenantId": "t1"})))
}

fn partner(identity: &str) -> Request {
    Request::get("/partners/1").header("authorization", identity)
}

#[test]
fn the_function_is_called_as_api_gateway_calls_it() {
    let world = World::start(1, guarded(authorizer(&[])));
    let resource = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/partners/*";
    let answer = policy("Allow", resource, json!({"tenantId": "t 7", "other": 1}));
    world.function.says("Bearer one", Says::Answer(answer));
    let request = partner("Bearer one")
        .header("x-tenant", "spoofed")
        .header("x-principal", "spoofed")
        .header("x.tenant", "spoofed")
        .header("x-original-url", "/admin");
    assert_eq!(world.send(&request).status, 200);
    let seen = world.seen(&request);
    assert_eq!(seen.values("x-tenant"), ["t 7"]);
    assert_eq!(seen.values("x-principal"), ["partner"]);
    for taken in ["x.tenant", "x-original-url"] {
        assert_eq!(seen.values(taken), [] as [&str; 0], "{taken}");
    }
    assert_eq!(seen.values("authorization"), ["Bearer one"]);
    let calls = world.function.invocations();
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
    assert_eq!(world.send(&partner("Bearer one")).status, 200);
    let deeper = Request::get("/partners/a/b").header("authorization", "Bearer one");
    assert_eq!(world.send(&deeper).status, 200);
    let post = Request::new("POST", "/partners/1").header("authorization", "Bearer one");
    let refused = world.send(&post);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body, r#"{"message":"Forbidden"}"#);
    assert_eq!(world.function.invocations().len(), 1);
    // Nor does anything of it show where nobody is asked.
    let open = Request::get("/open")
        .header("x-tenant", "spoofed")
        .header("authorization", "Bearer one");
    assert_eq!(world.send(&open).status, 200);
    assert_eq!(world.seen(&open).values("x-tenant"), [] as [&str; 0]);
    let token = Token::access(POOL).mint();
    let own = Request::get("/tokens")
        .bearer(&token)
        .header("x-tenant", "spoofed");
    assert_eq!(world.send(&own).status, 200);
    assert_eq!(world.seen(&own).values("x-tenant"), [] as [&str; 0]);
    // A token of the pool is no identity of its own kind: the function is asked about it.
    assert_eq!(world.get(&format!("Bearer {token}")).status, 200);
    world.envoy.await_metric("authorizer.partners.called", 2);
    assert_eq!(world.counted("remembered"), 3);
    assert_eq!(world.counted("failed"), 0);
    world.envoy.await_metric("authorizer_in_flight", 0);
    assert_eq!(world.envoy.metric("allowed"), 5);
    assert_eq!(world.envoy.metric("denied.authorizer_denied"), 1);
    world.envoy.finish(7);
}

#[test]
fn the_whole_request_is_told_in_each_format() {
    for (format, answer) in [
        ("rest", policy("Allow", "*", json!({"tenantId": 7}))),
        ("1.0", policy("Allow", "*", json!({"tenantId": 7}))),
        (
            "2.0",
            json!({"isAuthorized": true, "context": {"tenantId": ["a", "b,c"]}}),
        ),
    ] {
        let kind = if format == "2.0" { "simple" } else { "policy" };
        let changes = [
            ("type", json!("request")),
            ("format", json!(format)),
            ("answer", json!(kind)),
            (
                "identity",
                json!([{"header": "X-API-Key"}, {"query": "tenant"}]),
            ),
        ];
        let world = World::start(1, guarded(authorizer(&changes)));
        world.function.says_of_all_others(Says::Answer(answer));
        let request = Request::get("/partners/1?tenant=a%20b&tenant2=c")
            .header("x-api-key", "k1")
            .header("x-other", "o");
        assert_eq!(world.send(&request).status, 200, "{format}");
        let calls = world.function.invocations();
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
        assert_eq!(world.seen(&request).values("x-tenant"), [tenant]);
        // Another value is another identity; without one nobody is asked.
        let other = Request::get("/partners/1?tenant=b").header("x-api-key", "k1");
        assert_eq!(world.send(&other).status, 200);
        let twice = Request::get("/partners/1?tenant=b&tenant=b").header("x-api-key", "k1");
        assert_eq!(world.send(&twice).status, 401);
        let without = Request::get("/partners/1").header("x-api-key", "k1");
        assert_eq!(world.send(&without).status, 401);
        assert_eq!(world.function.invocations().len(), 2);
        world.envoy.finish(4);
    }
}

/// What each answer means: status, and reason.
#[test]
fn every_answer_has_an_end() {
    let world = World::start(1, guarded(authorizer(&[("timeout", json!("1s"))])));
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
        world.function.says(identity, says);
        let request = partner(identity);
        let response = world.send(&request);
        sent += 1;
        assert_eq!(response.status, status, "{identity}: {response:?}");
        let logged = world.envoy.access_log(request.case());
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
        world.function.says(identity, allow_all());
        let again = world.get(identity);
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
    assert_eq!(world.send(&twice).status, 401);
    let mut unknown = allow;
    unknown["policyDocument"]["Statement"][0]["Condition"] = json!({"Bool": {"aws:x": true}});
    for identity in ["one", "other"] {
        world.function.says(identity, Says::Answer(unknown.clone()));
        assert_eq!(world.get(identity).status, 403);
    }
    sent += 3;
    world
        .envoy
        .await_metric("authorizer.partners.failed", failed);
    world.envoy.await_metric("authorizer_in_flight", 0);
    // One line for a change of state, and never the event.
    let log = world.envoy.log();
    assert!(log.contains("authorizer partners: "), "{log}");
    assert!(log.contains("requests that need its answer get 503"));
    assert!(!log.contains("authorizationToken"));
    assert_eq!(log.matches("that is not understood").count(), 1, "{log}");
    world.envoy.finish(sent);
}

#[test]
fn a_function_that_is_not_reached_opens_nothing() {
    let function = Function::start();
    let port = function.port();
    drop(function);
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    for (cluster, expected) in [("lambda", 503), ("unknown", 503)] {
        let document = guarded(authorizer(&[("cluster", json!(cluster))]));
        let setup = Setup::new(&keys, &upstream)
            .workers(1)
            .cluster("lambda", port)
            .listener(Listener::new(MAIN, document));
        let envoy = EnvoyUnderTest::start(&setup);
        for _ in 0..3 {
            let response = partner("Bearer x").send(envoy.main());
            assert_eq!(response.status, expected, "{cluster}");
            assert_eq!(response.header("retry-after"), Some("1"));
        }
        envoy.await_metric("authorizer.partners.failed", 3);
        assert!(envoy.log().contains("authorizer partners: "));
        envoy.finish(3);
    }
}

#[test]
fn identity_and_pattern_come_before_any_call() {
    let pattern = "Bearer [-A-Za-z0-9._~+/]+=*";
    let world = World::start(1, guarded(authorizer(&[("pattern", json!(pattern))])));
    let refused = [
        Request::get("/partners/1"),
        partner(""),
        partner("Basic abc"),
        partner("Bearer a b"),
        partner("Bearer one").header("authorization", "Bearer two"),
        Request::get("/partners/1").header("authorization", b"Bearer \xff"),
    ];
    for request in &refused {
        let response = world.send(request);
        assert_eq!(response.status, 401);
        assert_eq!(response.body, r#"{"message":"Unauthorized"}"#);
        assert_eq!(response.header("www-authenticate"), None);
        let logged = world.envoy.access_log(request.case());
        assert_eq!(logged["reason"], "missing_identity");
    }
    assert_eq!(world.get("Bearer one").status, 200);
    // What could be read in two ways, and what no ARN can name.
    for (method, path, reason) in [
        ("GET", "/partners/..%2f1", "unsafe_path"),
        ("PURGE", "/partners/1", "unsafe_method"),
        ("GET", "/partners/1?_method=DELETE", "unsafe_method"),
    ] {
        let request = Request::new(method, path).header("authorization", "Bearer one");
        assert_eq!(world.send(&request).status, 400, "{method} {path}");
        let logged = world.envoy.access_log(request.case());
        assert_eq!(logged["reason"], reason, "{method} {path}");
    }
    let long = format!("/partners/{}", "a".repeat(1600));
    let request = Request::get(&long).header("authorization", "Bearer one");
    assert_eq!(world.send(&request).status, 400);
    assert_eq!(
        world.envoy.access_log(request.case())["reason"],
        "unsafe_path"
    );
    assert_eq!(world.function.invocations().len(), 1);
    world.envoy.finish(11);
}

/// Requests of one identity are one call, and each has a call of its own where nothing is
/// remembered.
#[test]
fn one_call_for_each_identity_and_worker() {
    for (ttl, calls) in [("5m", 1), ("0s", 20)] {
        let cache = json!({"ttl": ttl});
        let world = World::start(1, guarded(authorizer(&[("cache", cache)])));
        world.function.delay(Duration::from_millis(500));
        let pending: Vec<_> = (0..20)
            .map(|_| partner("Bearer one").open(world.envoy.main()))
            .collect();
        for pending in pending {
            assert_eq!(pending.response().status, 200);
        }
        assert_eq!(world.function.asked("Bearer one"), calls, "{ttl}");
        world.function.delay(Duration::ZERO);
        assert_eq!(world.get("Bearer one").status, 200);
        let more = if ttl == "0s" { calls + 1 } else { calls };
        assert_eq!(world.function.asked("Bearer one"), more, "{ttl}");
        world.envoy.finish(21);
    }
}

/// A slow function: no more calls than may be, and nothing else waits for it.
#[test]
fn a_slow_function_is_nobody_elses_trouble() {
    let world = World::start(1, guarded(authorizer(&[("timeout", json!("30s"))])));
    assert_eq!(
        world
            .send(&Request::get("/tokens").bearer(&Token::access(POOL).mint()))
            .status,
        200
    );
    world.function.delay(Duration::from_secs(3));
    let pending: Vec<_> = (0..260)
        .map(|number| partner(&format!("Bearer {number}")).open(world.envoy.main()))
        .collect();
    world.envoy.await_metric("denied.authorizer_unavailable", 4);
    let began = Instant::now();
    let other = Request::get("/tokens").bearer(&Token::access(POOL).mint());
    assert_eq!(world.send(&other).status, 200);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(world.envoy.metric("authorizer_in_flight"), 256);
    let statuses: Vec<_> = pending
        .into_iter()
        .map(|pending| pending.response().status)
        .collect();
    let of = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((of(200), of(503)), (256, 4));
    assert_eq!(world.function.most_at_once(), 256);
    world.envoy.await_metric("authorizer_in_flight", 0);
    world.envoy.finish(262);
}

/// A client that goes away leaves its call, whose answer serves the next.
#[test]
fn a_client_that_leaves_changes_nothing() {
    let world = World::start(1, guarded(authorizer(&[])));
    world.function.delay(Duration::from_secs(1));
    let pending = partner("Bearer one").open(world.envoy.main());
    eventually("the call", || {
        (world.function.asked("Bearer one") == 1).then_some(())
    });
    drop(pending);
    world.envoy.await_metric("cancelled", 1);
    assert_eq!(world.envoy.metric("authorizer_in_flight"), 1);
    assert_eq!(world.get("Bearer one").status, 200);
    assert_eq!(world.function.asked("Bearer one"), 1);
    world.envoy.finish(2);
}

#[test]
fn an_update_forgets_what_is_remembered() {
    let world = World::start(1, guarded(authorizer(&[])));
    assert_eq!(world.get("Bearer one").status, 200);
    assert_eq!(world.get("Bearer one").status, 200);
    assert_eq!(world.function.asked("Bearer one"), 1);
    let changed = guarded(authorizer(&[("cache.ttl", json!("4m"))]));
    let changed = setup(&world.function, &world.keys, &world.upstream, changed).workers(1);
    world.envoy.update(&changed);
    world
        .function
        .says("Bearer one", Says::Answer(policy("Deny", "*", json!({}))));
    assert_eq!(world.get("Bearer one").status, 403);
    assert_eq!(world.function.asked("Bearer one"), 2);
    world.envoy.finish(3);
}

#[test]
fn http2_clients_too() {
    let world = World::start(1, guarded(authorizer(&[])));
    let to = world.envoy.main();
    let send = |identity: &[u8]| {
        let headers: [(&str, &[u8]); 2] = [("authorization", identity), ("x-tenant", b"spoofed")];
        http2::send(to, "GET", "/partners/1", &headers, b"", &[]).response
    };
    assert_eq!(send(b"Bearer one").status, 200);
    assert_eq!(send(b"Bearer one").status, 200);
    assert_eq!(send(b"").status, 401);
    world
        .function
        .says("Bearer two", Says::Answer(policy("Deny", "*", json!({}))));
    assert_eq!(send(b"Bearer two").status, 403);
    // A body and trailers that come while the request is held.
    world.function.delay(Duration::from_millis(300));
    let headers: [(&str, &[u8]); 1] = [("authorization", b"Bearer three")];
    let trailers = [("x-tenant", "spoofed"), ("x-kept", "k")];
    let posted = http2::send(to, "POST", "/partners/1", &headers, b"body", &trailers);
    assert_eq!(posted.response.status, 200);
    assert_eq!(world.function.invocations().len(), 3);
    thread::sleep(Duration::ZERO);
    world.envoy.finish(5);
}

/// The style of API Gateway, by the authorizer's format.
#[test]
fn replies_are_api_gateways_own() {
    for (format, cases) in [
        (
            None,
            [
                (
                    None,
                    401,
                    r#"{"message":"Unauthorized"}"#,
                    Some("UnauthorizedException"),
                ),
                (
                    Some(Says::Answer(policy("Deny", "*", json!({})))),
                    403,
                    r#"{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}"#,
                    Some("AccessDeniedException"),
                ),
                (
                    Some(Says::Error("boom")),
                    500,
                    r#"{"message":null}"#,
                    Some("AuthorizerConfigurationException"),
                ),
                (
                    Some(Says::Exception(403, "AccessDeniedException")),
                    500,
                    r#"{"message": "Internal server error"}"#,
                    Some("AuthorizerConfigurationException"),
                ),
            ],
        ),
        (
            Some("1.0"),
            [
                (None, 401, r#"{"message":"Unauthorized"}"#, None),
                (
                    Some(Says::Answer(policy("Deny", "*", json!({})))),
                    403,
                    r#"{"message":"Forbidden"}"#,
                    None,
                ),
                (
                    Some(Says::Error("Unauthorized")),
                    500,
                    r#"{"message":"Internal Server Error"}"#,
                    None,
                ),
                (
                    Some(Says::Exception(403, "AccessDeniedException")),
                    500,
                    r#"{"message":"Internal Server Error"}"#,
                    None,
                ),
            ],
        ),
    ] {
        let mut one = authorizer(&[]);
        if let Some(format) = format {
            one = with(
                one,
                &[("type", json!("request")), ("format", json!(format))],
            );
        }
        let document = with(
            guarded(one),
            &[("responses", json!({"style": "api_gateway"}))],
        );
        let world = World::start(1, document);
        for (number, (says, status, body, error_type)) in cases.into_iter().enumerate() {
            let identity = format!("Bearer {number}");
            let request = match says {
                None => Request::get("/partners/1"),
                Some(says) => {
                    world.function.says(&identity, says);
                    partner(&identity)
                }
            };
            let response = world.send(&request);
            assert_eq!((response.status, &*response.body), (status, body));
            assert_eq!(response.header("x-amzn-errortype"), error_type);
        }
        let long = format!("/partners/{}", "a".repeat(1600));
        let long = world.send(&Request::get(&long).header("authorization", "Bearer x"));
        assert_eq!(long.status, 414);
        assert_eq!(long.body, r#"{"message":"Request URI too long"}"#);
        world.envoy.finish(5);
    }
}

/// Identities are taken off where tokens are, and on preflights.
#[test]
fn identities_stay_here_if_they_are_to() {
    let changes = [
        ("type", json!("request")),
        ("format", json!("rest")),
        (
            "identity",
            json!([{"header": "X-API-Key"}, {"query": "key"}]),
        ),
    ];
    let document = with(
        guarded(authorizer(&changes)),
        &[
            ("token.forward", json!(false)),
            ("cors_preflight", json!("pass")),
        ],
    );
    let world = World::start(1, document);
    let request = Request::get("/partners/1?a=1&key=k&b=2").header("x-api-key", "secret");
    assert_eq!(world.send(&request).status, 200);
    let seen = world.seen(&request);
    assert_eq!(seen.values("x-api-key"), [] as [&str; 0]);
    assert_eq!(seen.path, "/partners/1?a=1&b=2");
    let event = &world.function.invocations()[0].event;
    assert_eq!(event["headers"]["X-API-Key"], "secret");
    assert_eq!(event["queryStringParameters"]["key"], "k");
    let preflight = Request::new("OPTIONS", "/partners/1?key=k")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "PUT")
        .header("x-api-key", "secret");
    assert_eq!(world.send(&preflight).status, 200);
    let seen = world.seen(&preflight);
    assert_eq!(seen.values("x-api-key"), [] as [&str; 0]);
    assert_eq!(seen.path, "/partners/1");
    assert_eq!(world.function.invocations().len(), 1);
    world.envoy.finish(2);
}
