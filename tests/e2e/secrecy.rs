//! What a stranger cannot learn from answers, nor write into logs.

use serde_json::json;

use crate::admission::with_part;
use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, compact, now, signed};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// All that a client gets but the time: status, every header line in its order, body.
fn answer(response: &Response) -> String {
    let headers = response.headers.iter().filter(|(name, _)| name != "date");
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!(
        "{}\n{}\n\n{}",
        response.status,
        headers.join("\n"),
        response.body
    )
}

/// The answers are the same, to the byte.
#[track_caller]
fn alike(envoy: &EnvoyUnderTest, requests: &[(&str, Request)]) -> usize {
    let [(first, like), ..] = requests else {
        panic!("nothing to compare")
    };
    let expected = answer(&like.send(envoy.main()));
    for (what, request) in requests {
        let found = answer(&request.send(envoy.main()));
        assert_eq!(found, expected, "{what} is told apart from {first}");
    }
    requests.len() + 1
}

/// No answer says whether a pool, an app client, a key, a user, a group or a claim exists: whatever is
/// wrong with a token, the answer is one and the same, and so it is for whatever a rule misses.
#[test]
fn no_answer_tells_what_exists() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first(), TestKey::second()]);
    let rules = json!([
        {"match": {"path": "/closed"}, "allow": "nobody"},
        {"match": {"path": "/admin"}, "require": {"groups": ["admin"]}},
        {"match": {"path": "/nothing"}, "require": {"groups": ["never-created"]}},
        {"match": {"template": "/users/{user}"}, "require": {"claims": {"sub": "{user}"}}},
        {"match": {"path": "/access"}, "require": {"token_use": "access"}},
    ]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream).listener(Listener::new(MAIN, ruled(rules))),
    );
    let id = || Token::id(POOL);
    let good = id().mint();
    let get = |path: &str, token: &str| Request::get(path).bearer(token);
    let guarded = |token: String| get("/guarded", &token);
    let forged = signed(
        &id().header_bytes(),
        &id().payload_bytes(),
        TestKey::third(),
    );
    let unsigned = compact(
        &id().header("alg", "none").header_bytes(),
        &id().payload_bytes(),
        b"",
    );
    // Made before the keys were answered: a kid that is younger than they are might be a new key's.
    let stranger = || id().claim("iat", now() - 100).header("kid", "stranger");
    // The first unknown kid may wait for a fetch; for the rest of its window it does not.
    assert_eq!(guarded(stranger().mint()).send(envoy.main()).status, 401);
    let mut requests = 1;
    requests += alike(
        &envoy,
        &[
            ("a bad signature", guarded(forged)),
            (
                "an unknown key",
                guarded(
                    id().claim("iat", now() - 100)
                        .signed_by(TestKey::third())
                        .mint(),
                ),
            ),
            ("a kid that nobody has", guarded(stranger().mint())),
            (
                "a kid of another key",
                guarded(id().header("kid", TestKey::second().kid()).mint()),
            ),
            (
                "a pool that is not ours",
                guarded(Token::id("us-east-1_Other0001").mint()),
            ),
            (
                "an issuer that is none",
                guarded(id().claim("iss", "x").mint()),
            ),
            (
                "another client",
                guarded(id().claim("aud", "stranger").mint()),
            ),
            ("no client", guarded(id().without("aud").mint())),
            (
                "another use",
                guarded(id().claim("token_use", "refresh").mint()),
            ),
            ("another use than the rule's", get("/access", &good)),
            (
                "not yet valid",
                guarded(id().claim("nbf", now() + 1000).mint()),
            ),
            ("no expiry", guarded(id().without("exp").mint())),
            ("another algorithm", guarded(unsigned)),
            (
                "an extension",
                guarded(id().header("crit", json!(["x"])).mint()),
            ),
            ("another payload", guarded(with_part(&good, 1, "e30"))),
            ("no token at all", guarded("x".to_owned())),
            (
                "two tokens",
                get("/guarded", &good).header("authorization", format!("Bearer {good}")),
            ),
            ("too large a token", guarded("x".repeat(20_000))),
        ],
    );
    let of = |token: Token, path: &str| get(path, &token.mint());
    requests += alike(
        &envoy,
        &[
            ("a group of others", of(id(), "/admin")),
            ("a group that was never created", of(id(), "/nothing")),
            ("no group", of(id().without("cognito:groups"), "/admin")),
            (
                "groups of another shape",
                of(id().claim("cognito:groups", "admin"), "/admin"),
            ),
            (
                "another user",
                of(id(), "/users/7d9e0a1b-aaaa-4bbb-8ccc-0123456789ab"),
            ),
            ("a user who does not exist", of(id(), "/users/nobody")),
            ("no user", of(id().without("sub"), "/users/nobody")),
            ("a closed place", of(id(), "/closed")),
            ("a closed place, without a token", Request::get("/closed")),
            ("a closed place, with a bad one", get("/closed", "x")),
        ],
    );
    // An expired token is told that it is, and nothing else, whatever else is wrong with it.
    let expired = || id().claim("exp", now() - 1000);
    requests += alike(
        &envoy,
        &[
            ("expired", guarded(expired().mint())),
            (
                "and forged",
                guarded(with_part(&expired().mint(), 2, "AAAA")),
            ),
            (
                "and of no key",
                guarded(expired().header("kid", "stranger").mint()),
            ),
            (
                "and of no client",
                guarded(expired().claim("aud", "stranger").mint()),
            ),
        ],
    );
    assert_eq!(get("/guarded", &good).send(envoy.main()).status, 200);
    envoy.finish(requests + 1);
}

/// Nothing that a client writes stands in Envoy's log on the filter's account, though the filter logs
/// all it ever would: no line can be forged, no terminal commanded.
#[test]
fn nobody_writes_into_the_log() {
    const MARK: &str = "FORGED-ENTRY";
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    let hostile = [
        format!("x\r\n[2026-01-01 00:00:00.000][1][critical][wasm] {MARK}"),
        format!("\u{1b}]0;{MARK}\u{7}\u{1b}[2J\u{1b}[31m{MARK}"),
        format!("{MARK}\u{85}\u{2028}{MARK}\u{202e}"),
        format!("{MARK}{{}}%s%n${{jndi:ldap://x/{MARK}}}"),
        format!("{MARK}\0{MARK}"),
    ];
    let from = json!([
        {"header": "authorization"}, {"header": "x-token"},
        {"query": "access_token"}, {"cookie": "access_token"},
    ]);
    let rules = json!([
        {"match": {"template": "/users/{user}"}, "require": {"claims": {"sub": "{user}"}}},
        {"match": {"path": "/grouped"}, "require": {"groups": ["admin"]}},
    ]);
    let rules = with(rules, &[("0.match", json!({"template": "/users/{user}"}))]);
    let claims = json!([{"header": "x-email", "claim": "email"}]);
    let document = with(
        ruled(rules),
        &[
            ("token.from", from),
            ("claim_headers", claims),
            ("log_identity", json!(true)),
            ("cors_preflight", json!("pass")),
        ],
    );
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .talkative()
            .listener(
                Listener::new(MAIN, document)
                    .raw_paths()
                    .trusted_request_ids(),
            ),
    );
    let mut heard = 0;
    let mut send = |request: Request| {
        let status = request.send(envoy.main()).status;
        heard += usize::from(status != 431);
        status
    };
    for text in &hostile {
        // In a token: as a key's name, an issuer, a client, a user, a group, a claim's name.
        let id = || Token::id(POOL);
        for token in [
            id().header("kid", text.as_str()),
            id().header("alg", text.as_str()),
            id().header(text, 1),
            id().claim("iss", text.as_str()),
            id().claim("aud", text.as_str()),
            id().claim("token_use", text.as_str()),
            id().claim("exp", text.as_str()),
            id().claim(text, 1),
            id().claim("sub", text.as_str()),
            id().claim("email", text.as_str()),
            id().claim("cognito:groups", vec![text.as_str()]),
        ] {
            let token = token.mint();
            for path in ["/guarded", "/grouped", "/users/x"] {
                send(Request::get(path).bearer(&token));
            }
        }
        // Without one: Envoy itself refuses some of these bytes, and answers 400.
        let good = id().mint();
        let raw: Vec<u8> = text
            .bytes()
            .filter(|byte| !b"\r\n\0".contains(byte))
            .collect();
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for name in [
            "authorization",
            "x-token",
            "x-email",
            "x-request-id",
            "user-agent",
            "origin",
            "access-control-request-method",
            "x-http-method-override",
            "referer",
        ] {
            send(Request::get("/guarded").header(name, &raw));
            send(Request::new("OPTIONS", "/guarded").header(name, &raw));
        }
        send(
            Request::get("/guarded").header("cookie", [b"access_token=", raw.as_slice()].concat()),
        );
        send(Request::get(&format!("/guarded?access_token={encoded}")));
        send(Request::get(&format!("/users/{encoded}")).bearer(&good));
        send(Request::get(&format!("/{encoded}/../x")).bearer(&good));
        let visible: String = text.chars().filter(char::is_ascii_graphic).collect();
        send(Request::get(&format!("/users/{visible}")).bearer(&good));
        send(Request::get("/guarded").host(&visible).bearer(&good));
    }
    let last = Request::get("/guarded").bearer(&Token::id(POOL).mint());
    assert_eq!(send(last), 200);
    assert!(heard > 250, "{heard} requests");
    assert!(envoy.metric("denied.malformed_token") > 0);
    let log = envoy.log();
    let refused = log
        .lines()
        .filter(|line| line.contains("refused: "))
        .count();
    assert!(refused > 100, "the filter has logged {refused} refusals");
    for line in log.lines() {
        assert!(!line.contains(MARK), "{line:?}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
        // A refusal's line ends with its reason, which is one of the filter's own words.
        if let Some((_, reason)) = line.split_once("refused: ") {
            let own = reason
                .chars()
                .all(|character| character.is_ascii_lowercase() || character == '_');
            assert!(own, "{line:?}");
        }
    }
}
