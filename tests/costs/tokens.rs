//! What places full of separators cost, and tokens at their limits.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{CLIENT, TestKey, Token, compact};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// Requests of each kind.
const REQUESTS: usize = 1_000;
/// Envoy takes 60 KiB of headers.
const BYTES: usize = 50_000;

/// Fifty kilobytes of cookies or query, of whatever takes longest to look at, are looked at in less time
/// than two never-seen tokens take: over what Envoy itself needs for such a request.
#[test]
fn places_full_of_separators_cost_less_than_two_tokens() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let document = document(&[POOL]);
    let everywhere =
        json!([{"header": "authorization"}, {"query": "access_token"}, {"cookie": "access_token"}]);
    let places = with(document.clone(), &[("token.from", everywhere)]);
    let stripping = with(places.clone(), &[("token.forward", json!(false))]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .listener(Listener::new("header", document))
            .listener(Listener::new("places", places))
            .listener(Listener::new("stripping", stripping)),
    );
    let mut sent = 0;
    let mut cost = |listener: &str, requests: &[http::Request<()>], status: u16| {
        sent += requests.len();
        cost(envoy.at(listener), &envoy, requests, status)
    };
    let acceptance = cost("places", &each(never_seen), 200);
    // What was dearest to see in cookies and in a query, of all that `abuse::work` counts; the last two
    // have a token beside them, for what is taken off is looked at again.
    let mut dearest = Duration::ZERO;
    for (begin, piece) in [
        ("", "access_tokeX=1 "),
        ("", "%61ccess_tokeX=1&"),
        ("", "+&"),
        ("access_token=x", "b;"),
        ("access_token=x", "b&"),
    ] {
        let separator = if piece.contains('&') { "&" } else { ";" };
        let text = format!("{begin}{separator}{}", piece.repeat(BYTES / piece.len()));
        let lines: Vec<_> = text.as_bytes().chunks(2_500).collect();
        let cookies: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        let request = match piece.contains('&') || piece == ";" {
            true => http2::request(&format!("/x?{text}"), &[]),
            false => http2::request("/x", &cookies),
        };
        let requests = vec![request; 8];
        let listener = if begin.is_empty() {
            "places"
        } else {
            "stripping"
        };
        let taken = over_envoys_own(&requests, listener, &mut cost);
        eprintln!("{begin}{piece:?}: {taken:?}; an acceptance {acceptance:?}");
        dearest = dearest.max(taken);
    }
    assert!(
        dearest < acceptance * 2,
        "{dearest:?} against {acceptance:?}"
    );
    envoy.finish(sent);
}

/// The same of Amplify's cookies, whose names have a client and a user in them.
#[test]
fn names_of_amplifys_cookies_cost_less_than_two_tokens() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let document = document(&[POOL]);
    let from = json!([{"header": "authorization"}, {"amplify_cookies": "access"}]);
    let amplify = with(document.clone(), &[("token.from", from)]);
    let stripping = with(amplify.clone(), &[("token.forward", json!(false))]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .listener(Listener::new("header", document))
            .listener(Listener::new("amplify", amplify))
            .listener(Listener::new("stripping", stripping)),
    );
    let mut sent = 0;
    let mut cost = |listener: &str, requests: &[http::Request<()>], status: u16| {
        sent += requests.len();
        cost(envoy.at(listener), &envoy, requests, status)
    };
    let acceptance = cost("amplify", &each(never_seen), 200);
    let mut dearest = Duration::ZERO;
    let family = format!("CognitoIdentityServiceProvider.{CLIENT}.");
    for (begin, piece) in [
        ("CognitoIdentityServiceProvider.", "."),
        (
            "CognitoIdentityServiceProvider.",
            "CognitoIdentityServiceProvider.,",
        ),
        ("CognitoIdentityServiceProvider.", &format!("{CLIENT}.")),
        (&family, ".accessToken"),
        (&family, ".accessTokens"),
    ] {
        // In one name, in as much of it as is looked at to its end, and in many.
        for (length, lines) in [(BYTES, 1), (25_000, 1), (2_500, BYTES / 2_500)] {
            let room = length - begin.len() - "=x".len();
            let line = format!("{begin}{}=x", piece.repeat(room / piece.len()));
            let request = http2::request("/x", &vec![("cookie", line.as_bytes()); lines]);
            let requests = vec![request; 8];
            for listener in ["amplify", "stripping"] {
                let taken = over_envoys_own(&requests, listener, &mut cost);
                eprintln!("{begin}{piece:?}, {length}: {taken:?}; an acceptance {acceptance:?}");
                dearest = dearest.max(taken);
            }
        }
    }
    assert!(
        dearest < acceptance * 2,
        "{dearest:?} against {acceptance:?}"
    );
    envoy.finish(sent);
}

/// A header segment at its limit, under a forged signature, and an `aud` under an expression, in tokens of
/// which none was seen before: less than two acceptances, signature and Envoy's own share included.
#[test]
fn tokens_at_their_limits_cost_less_than_two_tokens() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let document = document(&[POOL]);
    // Whatever the alternatives, the expression reads on to the end, and then does not match.
    let pattern = json!("^([a-z0-9]+-?)*!$");
    let audience = with(
        document.clone(),
        &[
            ("user_pools.0.client_ids", json!("any")),
            ("token.aud_pattern", pattern),
        ],
    );
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(1)
            .listener(Listener::new(MAIN, document))
            .listener(Listener::new("audience", audience)),
    );
    let mut sent = 0;
    let mut cost = |listener: &str, tokens: Vec<http::Request<()>>, status: u16| {
        sent += tokens.len();
        cost(envoy.at(listener), &envoy, &tokens, status)
    };
    let acceptance = cost(MAIN, each(never_seen), 200);
    let mut dearest = Duration::ZERO;
    for (begin, piece, end) in [
        ("\"", "\\u0061", "\""),
        ("[", "1e9,", "0]"),
        ("{", "\"", ""),
    ] {
        let headers = each(|number| {
            let start = format!(
                r#"{{"alg":"RS256","kid":"{}","n":{number},"x":"#,
                TestKey::first().kid()
            );
            // Three quarters of the segment's characters.
            let room = 768 - start.len() - begin.len() - end.len() - 1;
            let filling = match piece {
                "\"" => members(room - 1) + "}",
                piece => piece.repeat(room / piece.len()),
            };
            let header = format!("{start}{begin}{filling}{end}}}");
            let payload = Token::access(POOL).payload_bytes();
            let token = compact(header.as_bytes(), &payload, &[7; 256]);
            assert!(
                (1_010..=1_024).contains(&token.find('.').unwrap()),
                "{header}"
            );
            bearer(&token)
        });
        let taken = cost(MAIN, headers, 401);
        eprintln!("header of {piece:?}: {taken:?}; an acceptance {acceptance:?}");
        dearest = dearest.max(taken);
    }
    for (what, audience) in [
        ("as long as it may be", json!("a".repeat(256))),
        ("many", json!(vec!["a".repeat(255); 8])),
    ] {
        let tokens = each(|number| {
            let token = Token::access(POOL).claim("jti", number);
            bearer(&token.claim("aud", audience.clone()).mint())
        });
        let taken = cost("audience", tokens, 401);
        eprintln!("aud {what}: {taken:?}; an acceptance {acceptance:?}");
        dearest = dearest.max(taken);
    }
    assert!(
        dearest < acceptance * 2,
        "{dearest:?} against {acceptance:?}"
    );
    envoy.finish(sent);
}

/// Members of an object, each with a name of its own, of this many characters at most.
fn members(room: usize) -> String {
    let mut members = "\"0\":0".to_owned();
    for number in 1.. {
        let next = format!(",\"{number}\":0");
        if members.len() + next.len() > room {
            break;
        }
        members.push_str(&next);
    }
    members
}

/// What each of these refused requests costs at a listener, over what it costs where a header alone is
/// looked at.
fn over_envoys_own(
    requests: &[http::Request<()>],
    listener: &str,
    mut cost: impl FnMut(&str, &[http::Request<()>], u16) -> Duration,
) -> Duration {
    // In turns, and the middle one of the differences: what is asked for is a small part of what Envoy
    // itself takes for so many bytes, and that differs by more from one time to the next.
    let mut differences: Vec<_> = (0..15)
        .map(|_| {
            let alone = cost("header", requests, 401);
            cost(listener, requests, 401).saturating_sub(alone)
        })
        .collect();
    differences.sort();
    differences[differences.len() / 2]
}

/// The processor time that each of these requests takes, all of which get this status.
fn cost(
    to: SocketAddr,
    envoy: &EnvoyUnderTest,
    requests: &[http::Request<()>],
    status: u16,
) -> Duration {
    let before = envoy.time_of_workers();
    let statuses = http2::send_all(to, requests);
    assert!(
        statuses.iter().all(|found| *found == status),
        "{statuses:?}"
    );
    let spent = envoy.time_of_workers() - before;
    spent / u32::try_from(requests.len()).expect("a small number")
}

/// As many requests as are counted, each made for its number.
fn each(request: impl Fn(usize) -> http::Request<()>) -> Vec<http::Request<()>> {
    (0..REQUESTS).map(request).collect()
}

fn never_seen(number: usize) -> http::Request<()> {
    bearer(&Token::access(POOL).claim("jti", number).mint())
}

fn bearer(token: &str) -> http::Request<()> {
    let value = format!("Bearer {token}");
    http2::request("/x", &[("authorization", value.as_bytes())])
}
