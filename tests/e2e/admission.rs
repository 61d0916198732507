//! Who is let in: every reason that lies in the token, with its reply, and the accepted twin beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::bootstrap::{Listener, Setup};
use crate::client::Request;
use crate::document::{OTHER_CLIENT, POOL, ruled, with};
use crate::envoy::EnvoyUnderTest;
use crate::issuer::{CLIENT, TestKey, Token, compact, issuer_of, now, signed};
use crate::keyserver::KeyServer;
use crate::table::Table;
use crate::upstream::Upstream;

/// Past the default `clock_skew` of 60 s, and short of it.
const BEYOND_SKEW: i64 = 90;
const WITHIN_SKEW: i64 = 30;

const MAX_BYTES: usize = 4096;

fn bearer(token: &str) -> Request {
    Request::get("/guarded").bearer(token)
}

/// The token with its payload text changed, and signed as changed.
fn rewritten(token: &Token, from: &str, to: &str) -> String {
    let payload = String::from_utf8(token.payload_bytes()).expect("text");
    assert!(payload.contains(from), "{payload} has no {from}");
    let payload = payload.replacen(from, to, 1);
    signed(&token.header_bytes(), payload.as_bytes(), TestKey::first())
}

/// The compact token with one of its parts replaced.
fn with_part(token: &str, index: usize, part: &str) -> String {
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
        Setup::new(&keys, &upstream)
            .listener(Listener::new("struct", document.clone()))
            .listener(Listener::text("text", &document))
            .listener(Listener::new("audience", audience)),
    );
    let mut table = Table::new(&envoy, &upstream);
    for listener in ["struct", "text"] {
        shape(&mut table, listener);
        header(&mut table, listener);
        times(&mut table, listener);
        issuer_and_use(&mut table, listener);
        client(&mut table, listener);
        signature(&mut table, listener);
    }
    audience_pattern(&mut table, "audience");
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
        ("an empty signature", with_part(&good, 2, "")),
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

fn times(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let now = now();
    let expired = id.clone().claim("exp", now - BEYOND_SKEW);
    table.refused(at, "expired", &bearer(&expired.mint()), "token_expired");
    let late = id.clone().claim("exp", now - WITHIN_SKEW);
    table.accepted(at, "expired within the skew", &bearer(&late.mint()));
    for claim in ["nbf", "iat"] {
        let early = id.clone().claim(claim, now + BEYOND_SKEW);
        table.refused(at, claim, &bearer(&early.mint()), "token_not_yet_valid");
        let early = id.clone().claim(claim, now + WITHIN_SKEW);
        table.accepted(
            at,
            &format!("{claim} within the skew"),
            &bearer(&early.mint()),
        );
    }
    let without = id.clone().without("iat");
    table.accepted(at, "no iat", &bearer(&without.mint()));
    let fraction = rewritten(&id, &format!("\"iat\":{now}"), &format!("\"iat\":{now}.5"));
    table.accepted(at, "a fraction of a second", &bearer(&fraction));
    for value in [
        "\"1\"",
        "null",
        "-1",
        "9007199254740994",
        "1e400",
        "true",
        "[1]",
    ] {
        for claim in ["exp", "nbf", "iat"] {
            let token = id.clone().without(claim);
            let token = rewritten(&token, "{", &format!("{{\"{claim}\":{value},"));
            table.refused(
                at,
                &format!("{claim}: {value}"),
                &bearer(&token),
                "malformed_token",
            );
        }
    }
    let eternal = rewritten(
        &id.clone().without("exp"),
        "{",
        "{\"exp\":9007199254740992,",
    );
    table.accepted(at, "exp at the end of time", &bearer(&eternal));
    let forever = id.without("exp");
    let response = bearer(&forever.mint());
    table.refused(at, "no exp", &response, "malformed_token");
}

fn issuer_and_use(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let ours = issuer_of(POOL);
    for issuer in [
        issuer_of("us-east-1_Foreign01"),
        format!("{ours}/"),
        format!("{ours}?"),
        ours.replace("https", "http"),
        ours.replace("us-east-1_", "US-EAST-1_"),
        ours.replace("cognito-idp", "issuer-cognito-idp"),
        String::new(),
    ] {
        // Another pool's token, with a kid of ours and signed by our key: the issuer alone decides.
        let token = id.clone().claim("iss", issuer.clone()).mint();
        table.refused(
            at,
            &format!("iss {issuer}"),
            &bearer(&token),
            "unknown_issuer",
        );
    }
    let list = id.clone().claim("iss", json!([ours])).mint();
    table.refused(at, "iss in a list", &bearer(&list), "unknown_issuer");
    let none = id.clone().without("iss").mint();
    table.refused(at, "no iss", &bearer(&none), "unknown_issuer");
    for token_use in ["refresh", "ID", ""] {
        let token = id.clone().claim("token_use", token_use).mint();
        table.refused(
            at,
            &format!("token_use {token_use}"),
            &bearer(&token),
            "wrong_token_use",
        );
    }
    let none = id.clone().without("token_use").mint();
    table.refused(at, "no token_use", &bearer(&none), "wrong_token_use");
    let narrow = |token: &Token| Request::get("/access").bearer(&token.mint());
    table.refused(
        at,
        "an id token for an access rule",
        &narrow(&id),
        "wrong_token_use",
    );
    table.accepted(at, "an access token for it", &narrow(&Token::access(POOL)));
}

fn client(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let access = Token::access(POOL);
    for (what, token) in [
        ("aud of a stranger", id.clone().claim("aud", "stranger")),
        (
            "aud: no client of ours",
            id.clone().claim("aud", json!(["a", "b"])),
        ),
        ("no aud", id.clone().without("aud")),
        (
            "an id token with client_id alone",
            id.clone().without("aud").claim("client_id", CLIENT),
        ),
        (
            "client_id of a stranger",
            access.clone().claim("client_id", "stranger"),
        ),
        ("no client_id", access.clone().without("client_id")),
        (
            "client_id in a list",
            access.clone().claim("client_id", json!([CLIENT])),
        ),
        (
            "an access token with aud alone",
            access.clone().without("client_id").claim("aud", CLIENT),
        ),
    ] {
        table.refused(at, what, &bearer(&token.mint()), "wrong_client");
    }
    let list = id.clone().claim("aud", json!(["a", CLIENT]));
    table.accepted(at, "aud: one client of ours", &bearer(&list.mint()));
    // A resource server that is bound to the token stands in `aud`: the client counts.
    let bound = access.claim("aud", "https://api.example.com");
    table.accepted(at, "an access token for an API", &bearer(&bound.mint()));
    let narrow = |token: &Token| Request::get("/other-client").bearer(&token.mint());
    table.refused(at, "not the rule's client", &narrow(&id), "wrong_client");
    table.accepted(
        at,
        "the rule's client",
        &narrow(&id.claim("aud", OTHER_CLIENT)),
    );
}

fn signature(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let good = id.mint();
    table.accepted(
        at,
        "the other key",
        &bearer(&id.clone().signed_by(TestKey::second()).mint()),
    );
    table.accepted(
        at,
        "4096 bits",
        &bearer(&id.clone().signed_by(TestKey::large()).mint()),
    );
    let unknown = id.clone().signed_by(TestKey::third()).mint();
    table.refused(
        at,
        "a key that is not published",
        &bearer(&unknown),
        "unknown_key",
    );
    // Published, but too small to be believed.
    let small = id.clone().signed_by(TestKey::small()).mint();
    table.refused(at, "1024 bits", &bearer(&small), "unknown_key");
    let forged = signed(&id.header_bytes(), &id.payload_bytes(), TestKey::third());
    table.refused(
        at,
        "another key under the kid",
        &bearer(&forged),
        "invalid_signature",
    );
    let crossed = id.clone().header("kid", TestKey::second().kid()).mint();
    table.refused(
        at,
        "one key under the other's kid",
        &bearer(&crossed),
        "invalid_signature",
    );
    let other = Token::access(POOL).mint();
    let stolen = with_part(&good, 2, other.rsplit('.').next().expect("a signature"));
    table.refused(
        at,
        "another token's signature",
        &bearer(&stolen),
        "invalid_signature",
    );
    let payload = id.clone().claim("sub", "somebody else").payload_bytes();
    let tampered = with_part(&good, 1, &URL_SAFE_NO_PAD.encode(payload));
    table.refused(
        at,
        "a changed payload",
        &bearer(&tampered),
        "invalid_signature",
    );
    for (what, signature) in [
        ("a short signature", vec![1; 255]),
        ("a long signature", vec![1; 257]),
        ("a signature of zeros", vec![0; 256]),
        ("a signature of 0xff", vec![0xff; 256]),
    ] {
        let token = compact(&id.header_bytes(), &id.payload_bytes(), &signature);
        table.refused(at, what, &bearer(&token), "invalid_signature");
    }
    // Cheap refusals come first: what the signature would say does not matter.
    let both = with_part(&id.clone().claim("aud", "stranger").mint(), 2, "AAAA");
    table.refused(
        at,
        "a stranger's with a bad signature",
        &bearer(&both),
        "wrong_client",
    );
}

fn audience_pattern(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    table.accepted(at, "aud that matches", &bearer(&id.mint()));
    let other = id.clone().claim("aud", OTHER_CLIENT);
    table.refused(
        at,
        "aud that does not match",
        &bearer(&other.mint()),
        "wrong_audience",
    );
    let access = Token::access(POOL);
    table.refused(at, "no aud", &bearer(&access.mint()), "wrong_audience");
    let bound = access.claim("aud", CLIENT);
    table.accepted(at, "an access token with aud", &bearer(&bound.mint()));
    // Of an array only the elements that are wanted clients count.
    let list = |second: &str| {
        id.clone()
            .claim("aud", json!(["4hq8stranger", second]))
            .mint()
    };
    table.refused(
        at,
        "only a stranger matches",
        &bearer(&list(OTHER_CLIENT)),
        "wrong_audience",
    );
    table.accepted(at, "a wanted client matches", &bearer(&list(CLIENT)));
}
