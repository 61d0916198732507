//! Who is let in: every reason that lies in the token, with its reply, and the accepted twin beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{OTHER_CLIENT, POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, compact, signed};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;
use crate::{claimed, signatures};

const MAX_BYTES: usize = 4096;

pub(crate) fn bearer(token: &str) -> Request {
    Request::get("/guarded").bearer(token)
}

/// The token with its payload text changed, and signed as changed.
pub(crate) fn rewritten(token: &Token, from: &str, to: &str) -> String {
    let payload = String::from_utf8(token.payload_bytes()).expect("text");
    assert!(payload.contains(from), "{payload} has no {from}");
    let payload = payload.replacen(from, to, 1);
    signed(&token.header_bytes(), payload.as_bytes(), TestKey::first())
}

/// The compact token with one of its parts replaced.
pub(crate) fn with_part(token: &str, index: usize, part: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    parts[index] = part;
    parts.join(".")
}

/// The same bytes to a lenient decoder: the last character of a 256-byte signature has four bits to
/// spare, and a strict one wants zeros there (RFC 4648, section 3.5).
fn with_left_over_bits(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    let successor = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        "w" => "x",
        _ => panic!("{last} is not the end of 256 bytes"),
    };
    format!("{rest}{successor}")
}

/// Both forms of configuration must mean the same: the whole table runs through each.
#[test]
fn tokens_are_refused_for_one_reason_and_their_twins_accepted() {
    let keys = KeyServer::start();
    keys.publish(
        POOL,
        &[
            TestKey::first(),
            TestKey::second(),
            TestKey::large(),
            TestKey::small(),
        ],
    );
    let upstream = Upstream::start();
    let document = ruled(json!([
        {"match": {"path": "/access"}, "require": {"token_use": "access"}},
        {"match": {"path": "/other-client"}, "require": {"clients": [OTHER_CLIENT]}},
    ]));
    let document = with(document, &[("token.max_bytes", json!(MAX_BYTES))]);
    let audience = with(
        document.clone(),
        &[("token.aud_pattern", json!("^4hq8.*$"))],
    );
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(Listener::new("struct", document.clone()))
            .listener(Listener::text("text", &document))
            .listener(Listener::new("audience", audience)),
    );
    let mut table = Table::new(&envoy, &upstream);
    for listener in ["struct", "text"] {
        shape(&mut table, listener);
        header(&mut table, listener);
        claimed::times(&mut table, listener);
        claimed::issuer_and_use(&mut table, listener);
        claimed::client(&mut table, listener);
        signatures::signature(&mut table, listener);
    }
    claimed::audience_pattern(&mut table, "audience");
    let requests = table.done();
    envoy.finish(requests);
}

fn shape(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let good = id.mint();
    table.accepted(at, "an id token", &bearer(&good));
    table.accepted(at, "an access token", &bearer(&Token::access(POOL).mint()));
    table.refused(at, "no token", &Request::get("/guarded"), "missing_token");
    for (what, token) in [
        ("one part", "abc".to_owned()),
        (
            "two parts",
            good.rsplit_once('.').expect("three parts").0.to_owned(),
        ),
        ("four parts", format!("{good}.abc")),
        ("padding", format!("{good}==")),
        ("standard base64", with_part(&good, 0, "+/+/")),
        ("bits left over", with_left_over_bits(&good)),
        ("a broken length", with_part(&good, 0, "e30xx")),
        ("a JWE's five parts", format!("{good}.a.b")),
    ] {
        table.refused(at, what, &bearer(&token), "malformed_token");
    }
    for (what, payload) in [
        ("payload: an array", "[]"),
        ("payload: no JSON", "exp"),
        ("payload: empty", ""),
        ("payload: text after it", "{} {}"),
        ("payload: a comma too many", "{\"iss\":1,}"),
    ] {
        let token = signed(&id.header_bytes(), payload.as_bytes(), TestKey::first());
        table.refused(at, what, &bearer(&token), "malformed_token");
    }
    let latin1 = rewritten(&id, "wilhelmina", "w\u{fffd}");
    let bytes = URL_SAFE_NO_PAD
        .decode(latin1.split('.').nth(1).expect("a payload"))
        .expect("base64");
    let position = bytes
        .windows(3)
        .position(|window| window == "\u{fffd}".as_bytes());
    let mut bytes = bytes;
    bytes[position.expect("the mark")] = 0xff;
    let token = signed(&id.header_bytes(), &bytes, TestKey::first());
    table.refused(at, "payload: not UTF-8", &bearer(&token), "malformed_token");
    for name in ["iss", "exp", "email"] {
        let token = rewritten(&id, "{", &format!("{{\"{name}\":1,"));
        table.refused(
            at,
            &format!("{name} twice"),
            &bearer(&token),
            "malformed_token",
        );
    }
    let nested = rewritten(&id, "{", "{\"address\":{\"a\":1,\"b\":2},");
    table.accepted(at, "an object among the claims", &bearer(&nested));
    // Escaped differently, yet the same name.
    let token = rewritten(&id, "{", "{\"\\u0065xp\":1,");
    table.refused(
        at,
        "exp twice, once escaped",
        &bearer(&token),
        "malformed_token",
    );
    too_large(table, at);
}

fn too_large(table: &mut Table<'_>, at: &str) {
    let of = |pad: usize| Token::id(POOL).claim("pad", "x".repeat(pad)).mint();
    // Three bytes of payload are four of the token: one of the header evens out the rest.
    let length = of(0).len();
    let mut pad = (MAX_BYTES - length) / 4 * 3;
    while of(pad).len() <= MAX_BYTES {
        pad += 1;
    }
    table.accepted(at, "just short enough", &bearer(&of(pad - 1)));
    table.refused(at, "just too long", &bearer(&of(pad)), "token_too_large");
    let huge = "x".repeat(40_000);
    table.refused(at, "far too long", &bearer(&huge), "token_too_large");
}

fn header(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    for algorithm in [
        "none", "None", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256",
    ] {
        let token = id.clone().header("alg", algorithm).mint();
        table.refused(at, algorithm, &bearer(&token), "unsupported_algorithm");
    }
    let unsigned = compact(br#"{"alg":"none"}"#, &id.payload_bytes(), b"x");
    table.refused(
        at,
        "alg none, no kid",
        &bearer(&unsigned),
        "unsupported_algorithm",
    );
    // The public key as the secret of a MAC: any 32 bytes stand for it, the algorithm decides.
    let mac = &TestKey::first().modulus()[..32];
    let header = id.clone().header("alg", "HS256").header_bytes();
    let token = compact(&header, &id.payload_bytes(), mac);
    table.refused(
        at,
        "HS256 with a MAC",
        &bearer(&token),
        "unsupported_algorithm",
    );
    for (what, token) in [
        ("no kid", id.clone().without_header("kid")),
        ("kid: a number", id.clone().header("kid", 1)),
        ("crit", id.clone().header("crit", json!(["exp"]))),
    ] {
        table.refused(at, what, &bearer(&token.mint()), "malformed_token");
    }
    for (what, header) in [
        ("header: an array", "[]".to_owned()),
        ("header: no JSON", "RS256".to_owned()),
        ("alg twice", {
            let kid = TestKey::first().kid();
            format!(r#"{{"kid":"{kid}","alg":"RS256","alg":"RS256"}}"#)
        }),
    ] {
        let token = signed(header.as_bytes(), &id.payload_bytes(), TestKey::first());
        table.refused(at, what, &bearer(&token), "malformed_token");
    }
    // Material inside the token is not used, whatever it is: the published key decides.
    let jwk = TestKey::third().jwk();
    let own = id
        .clone()
        .header("jwk", jwk.clone())
        .header("jku", "http://127.0.0.1:1/");
    table.accepted(at, "a key in the header, unused", &bearer(&own.mint()));
    let own = signed(&own.header_bytes(), &own.payload_bytes(), TestKey::third());
    table.refused(
        at,
        "signed by the key in the header",
        &bearer(&own),
        "invalid_signature",
    );
    let typed = id.header("typ", "JWT");
    table.accepted(at, "typ", &bearer(&typed.mint()));
}
