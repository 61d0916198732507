//! The headers that are the filter's own: under other names, in trailers, in `connection`, and on a
//! request that only looks like a preflight.

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup, UNDERSCORES};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{SUB, TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;

/// Names that CGI, PHP or lighttpd hand to a program as `x-cognito-sub`.
const ALIASES: [&str; 5] = [
    "x.cognito.sub",
    "x_cognito_sub",
    "x!cognito~sub",
    "X-Cognito.Sub",
    "x|cognito^sub",
];

const TRAILERS: [(&str, &str); 7] = [
    ("x-cognito-sub", "evil"),
    ("x-cognito-claims", "e30"),
    ("x.cognito.sub", "evil"),
    ("authorization", "Bearer evil"),
    ("x-original-url", "/closed"),
    ("x-http-method-override", "DELETE"),
    ("x-checksum", "kept"),
];

fn rules() -> Value {
    ruled(json!([
        {"match": {"path": "/open", "methods": ["GET", "POST"]}, "allow": "anyone"},
        {"match": {"path": "/closed"}, "allow": "nobody"},
        {"match": {"path": "/optional"}, "allow": "optional"},
    ]))
}

fn claiming(document: Value) -> Value {
    let claims = json!([{"header": "x-cognito-sub", "claim": "sub"}]);
    with(
        document,
        &[
            ("claim_headers", claims),
            ("payload_header", json!("x-cognito-claims")),
        ],
    )
}

fn preflight() -> Request {
    Request::new("OPTIONS", "/guarded")
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "GET")
}

/// Aliases are taken off by the listeners [`MAIN`] and `twice`, which has two filters, and not by `kept`.
#[test]
fn the_filters_own_headers_are_its_own() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let trailers = http2::Trailers::start();
    let stripping = with(claiming(rules()), &[("cors_preflight", json!("pass"))]);
    let kept = with(stripping.clone(), &[("header_aliases", json!("keep"))]);
    let listener = |name: &str, document| {
        Listener::new(name, document)
            .manager(UNDERSCORES, json!("ALLOW"))
            .routed_by("x-to", "http2", "http2")
    };
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .http2_cluster("http2", trailers.port())
            .listener(listener(MAIN, stripping.clone()))
            .listener(listener("kept", kept))
            .listener(listener("twice", stripping).then(claiming(rules())))
            .listener(holding("stops", true))
            .listener(holding("buffers", false)),
    );
    let requests = trailers_of_a_held_request_are_taken_off(&envoy, &keys, &trailers)
        + aliases_reach_no_upstream(&envoy, &upstream)
        + trailers_named_like_the_filters_own_are_taken_off(&envoy, &upstream, &trailers)
        + an_upgrade_keeps_the_claim_headers(&envoy, &upstream)
        + a_preflight_ends_with_its_headers(&envoy, &upstream);
    envoy.finish(requests);
}

fn aliases_reach_no_upstream(envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let token = Token::id(POOL).mint();
    let spoofed = |request: Request| {
        ALIASES
            .iter()
            .chain(&["x.cognito.subs", "x-cognito-sub"])
            .fold(request, |request, name| request.header(name, "evil"))
    };
    let mut table = Table::new(envoy, upstream);
    for (at, kept) in [(MAIN, 0), ("kept", 1)] {
        let requests = [
            ("a token", spoofed(Request::get("/guarded")).bearer(&token)),
            ("an open path", spoofed(Request::get("/open"))),
            ("no token", spoofed(Request::get("/optional"))),
            ("a preflight", spoofed(preflight())),
        ];
        for (what, request) in requests {
            let known = what == "a token";
            let seen = match known {
                true => table.accepted(at, what, &request),
                false => table.anonymous(at, what, &request),
            };
            let Some(seen) = seen else { continue };
            for alias in ALIASES {
                let values = seen.values(&alias.to_ascii_lowercase());
                table.same(&format!("{at}: {what}: {alias}"), values.len(), kept);
            }
            let sub = known.then(|| SUB.to_owned());
            table.same(
                what,
                seen.values("x-cognito-sub"),
                sub.into_iter().collect(),
            );
            table.same(what, seen.values("x.cognito.subs"), vec!["evil".to_owned()]);
        }
    }
    let requests = table.done();
    let request = spoofed(Request::get("/guarded")).bearer(&token);
    assert_eq!(request.send(envoy.at("twice")).status, 200);
    let seen = upstream.seen(request.case());
    assert_eq!(seen[0].values("x-cognito-sub"), [SUB]);
    for alias in ALIASES {
        assert_eq!(
            seen[0].values(&alias.to_ascii_lowercase()),
            [""; 0],
            "{alias}"
        );
    }
    // Each of two filters decides.
    requests + 2
}

fn texts(trailers: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("text");
    let trailers = trailers.iter();
    trailers
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// What is left of [`TRAILERS`].
fn harmless() -> Vec<(String, String)> {
    vec![("x-checksum".to_owned(), "kept".to_owned())]
}

fn trailers_named_like_the_filters_own_are_taken_off(
    envoy: &EnvoyUnderTest,
    upstream: &Upstream,
    trailers: &http2::Trailers,
) -> usize {
    let before = trailers.seen().len();
    let token = format!("Bearer {}", Token::id(POOL).mint());
    let send = |at: &str, path: &str, case: &str, more: &[(&str, &[u8])]| {
        let headers = [&[("x-case", case.as_bytes())], more].concat();
        let answer = http2::send(envoy.at(at), "POST", path, &headers, b"body", &TRAILERS);
        assert_eq!(answer.response.status, 200, "{case}");
    };
    let bearer = ("authorization", token.as_bytes());
    send(MAIN, "/open", "open", &[]);
    send(MAIN, "/guarded", "guarded", &[bearer]);
    for case in ["open", "guarded"] {
        assert_eq!(
            texts(&upstream.seen(case)[0].trailers),
            harmless(),
            "{case}"
        );
    }
    let to = ("x-to", &b"http2"[..]);
    send(MAIN, "/open", "open-http2", &[to]);
    send(MAIN, "/guarded", "guarded-http2", &[to, bearer]);
    assert_eq!(trailers.seen()[before..], [harmless(), harmless()]);
    // Aliases alone are kept.
    send("kept", "/open", "kept", &[]);
    let mut left = texts(&upstream.seen("kept")[0].trailers);
    left.sort();
    let alias = ("x.cognito.sub".to_owned(), "evil".to_owned());
    assert_eq!(left, [harmless(), vec![alias]].concat());
    // HTTP/1.
    let chunked = Request::new("POST", "/open").chunked(&["body"], &TRAILERS);
    assert_eq!(chunked.send(envoy.main()).status, 200);
    let seen = upstream.seen(chunked.case());
    assert_eq!(texts(&seen[0].trailers), harmless());
    6
}

/// A listener whose requests wait for keys for as long as they must.
fn holding(name: &'static str, stops: bool) -> Listener {
    let timeout = ("user_pools.0.jwks.timeout", json!("30s"));
    Listener::new(name, with(claiming(rules()), &[timeout]))
        .stop_iteration(stops)
        .vm_id(name)
        .routed_by("x-to", "http2", "http2")
}

/// Trailers come before the verdict as well.
fn trailers_of_a_held_request_are_taken_off(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    trailers: &http2::Trailers,
) -> usize {
    let token = format!("Bearer {}", Token::id(POOL).mint());
    std::thread::scope(|scope| {
        let sent: Vec<_> = ["stops", "buffers"]
            .map(|name| {
                let (at, token) = (envoy.at(name), token.as_bytes());
                scope.spawn(move || {
                    let headers = [("x-to", &b"http2"[..]), ("authorization", token)];
                    http2::send(at, "POST", "/x", &headers, b"body", &TRAILERS)
                })
            })
            .into();
        envoy.await_metric("held", 2);
        assert!(trailers.seen().is_empty());
        keys.release(POOL);
        for answer in sent {
            assert_eq!(answer.join().expect("an answer").response.status, 200);
        }
    });
    assert_eq!(trailers.seen(), [harmless(), harmless()]);
    2
}

/// The next proxy takes off whatever `connection` names.
fn an_upgrade_keeps_the_claim_headers(envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let token = Token::id(POOL).mint();
    let mut requests = 0;
    for (at, connection, expected) in [
        (
            MAIN,
            "Upgrade, X-Cognito-Sub, x-harmless, x.cognito.claims",
            "Upgrade, x-harmless",
        ),
        (MAIN, "x-cognito-claims,upgrade,authorization", "upgrade"),
        (MAIN, "Upgrade,x-harmless", "Upgrade,x-harmless"),
        (
            "kept",
            "upgrade, x-cognito-sub, x.cognito.sub",
            "upgrade, x.cognito.sub",
        ),
    ] {
        let upgrade = Request::get("/socket")
            .header("connection", connection)
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
            .bearer(&token);
        // Nothing more is to come of the second, and still it does not end with its headers.
        for upgrade in [upgrade.clone(), upgrade.header("content-length", "0")] {
            let mut socket = upgrade.open(envoy.at(at));
            assert_eq!(socket.next_response().status, 101, "{connection}");
            let seen = upstream.seen(upgrade.case());
            assert_eq!(seen[0].values("connection"), [expected]);
            assert_eq!(seen[0].values("x-cognito-sub"), [SUB]);
            socket.write(b"over the socket");
            assert_eq!(socket.read(15), b"over the socket");
            requests += 1;
        }
    }
    // It is not even looked for elsewhere: of other requests Envoy takes it off before any filter.
    for request in [
        Request::get("/guarded"),
        Request::get("/guarded").body(b"abc"),
    ] {
        let request = request.header("connection", "x-cognito-sub").bearer(&token);
        assert_eq!(request.send(envoy.at("kept")).status, 200);
        let seen = upstream.seen(request.case());
        assert_eq!(seen[0].values("connection"), [""; 0]);
        assert_eq!(seen[0].values("x-cognito-sub"), [SUB]);
        requests += 1;
    }
    requests
}

/// Whatever has a body is a request like any other, however Envoy learns of it.
fn a_preflight_ends_with_its_headers(envoy: &EnvoyUnderTest, upstream: &Upstream) -> usize {
    let mut table = Table::new(envoy, upstream);
    let credentials = || {
        preflight()
            .header("cookie", "session=1")
            .header("x-http-method-override", "DELETE")
            .bearer("x.y.z")
    };
    for (what, request) in [
        ("no body", credentials()),
        ("a body of no bytes", credentials().body(b"")),
    ] {
        let Some(seen) = table.anonymous(MAIN, what, &request) else {
            continue;
        };
        for name in ["authorization", "cookie", "x-http-method-override"] {
            table.same(what, seen.values(name), Vec::new());
        }
    }
    for (what, request) in [
        ("a body", preflight().body(b"abc")),
        ("a chunked body", preflight().chunked(&["abc"], &[])),
        ("a chunked body of no bytes", preflight().chunked(&[], &[])),
    ] {
        table.refused(MAIN, what, &request, "missing_token");
    }
    let requests = table.done();
    let headers = [
        ("origin", &b"https://elsewhere.example"[..]),
        ("access-control-request-method", b"GET"),
    ];
    let send = |body: &[u8], trailers: &[(&str, &str)]| {
        let answer = http2::send(
            envoy.main(),
            "OPTIONS",
            "/guarded",
            &headers,
            body,
            trailers,
        );
        answer.response.status
    };
    assert_eq!(send(b"", &[]), 200);
    assert_eq!(send(b"abc", &[]), 401);
    assert_eq!(send(b"", &[("x-checksum", "1")]), 401);
    requests + 3
}
