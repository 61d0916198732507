//! What an attack costs Envoy, beside an acceptance of a token that was never seen.

use std::time::Duration;

use serde_json::json;

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// Requests of each kind: a processor's time is counted in hundredths of a second.
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
    let fresh: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let token = Token::access(POOL).claim("jti", number).mint();
            http2::request(
                "/x",
                &[("authorization", format!("Bearer {token}").as_bytes())],
            )
        })
        .collect();
    let mut sent = 0;
    let mut cost = |listener: &str, requests: &[http::Request<()>], status: u16| {
        let before = envoy.usage().cpu.expect("Linux");
        let statuses = http2::send_all(envoy.at(listener), requests);
        assert!(
            statuses.iter().all(|found| *found == status),
            "{statuses:?}"
        );
        sent += requests.len();
        let spent = envoy.usage().cpu.expect("Linux") - before;
        spent / u32::try_from(requests.len()).expect("a small number")
    };
    let acceptance = cost("places", &fresh, 200);
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
        let requests = vec![request; REQUESTS / 4];
        let listener = if begin.is_empty() {
            "places"
        } else {
            "stripping"
        };
        let (alone, looked_at) = (
            cost("header", &requests, 401),
            cost(listener, &requests, 401),
        );
        let taken = looked_at.saturating_sub(alone);
        eprintln!("{begin}{piece:?}: {taken:?} over {alone:?}; an acceptance {acceptance:?}");
        dearest = dearest.max(taken);
    }
    assert!(
        dearest < acceptance * 2,
        "{dearest:?} against {acceptance:?}"
    );
    envoy.finish(sent);
}
