//! What a browser is told that would show a page, and what its scripts are told of the same URL.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::http2;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

fn document() -> Value {
    let rules = json!([{"match": {"prefix": "/closed"}, "allow": "nobody"}]);
    let sign_in = |location: &str| {
        json!({"navigation": {
            "status": 302,
            "headers": {"location": location, "www-authenticate": "", "content-type": ""},
            "body": "",
        }})
    };
    let responses = json!({
        "unauthorized": sign_in("https://app.example.com/login?to=$context.requestUri"),
    });
    with(ruled(rules), &[("responses", responses)])
}

fn location(response: &Response) -> Option<&str> {
    (response.status == 302)
        .then(|| response.header("location"))
        .flatten()
}

#[test]
fn a_browser_is_sent_to_sign_in() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let places = json!([{"header": "authorization"}, {"query": "access_token"}]);
    let in_query = with(document(), &[("token.from", places)]);
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new(MAIN, document()).raw_paths())
        .listener(Listener::new("query", in_query));
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = a_held_page_is_sent_to_sign_in(&envoy, &keys)
        + pages_are_sent_to_sign_in_and_scripts_get_their_401(envoy.main())
        + a_token_in_the_query_stays_behind(envoy.at("query"));
    envoy.finish(requests);
}

fn pages_are_sent_to_sign_in_and_scripts_get_their_401(at: SocketAddr) -> usize {
    let expired = format!(
        "Bearer {}",
        Token::id(POOL).claim("exp", now() - 1000).mint()
    );
    let to = "https://app.example.com/login?to=http%3A%2F%2Flocalhost%2Freports%2F7%3Fy%3D2%26z";
    let mut requests = 0;
    for (lines, expected) in [
        (&[("sec-fetch-mode", "navigate")][..], Some(to)),
        (&[("accept", HTML)], Some(to)),
        (
            &[
                ("sec-fetch-mode", "navigate"),
                ("authorization", "Bearer x"),
            ],
            Some(to),
        ),
        (
            &[("sec-fetch-mode", "navigate"), ("authorization", &expired)],
            Some(to),
        ),
        (&[("sec-fetch-mode", "cors"), ("accept", HTML)], None),
        (&[("accept", "application/json")], None),
        (&[], None),
    ] {
        let path = "/reports/7?y=2&z";
        let one = lines
            .iter()
            .fold(Request::get(path), |request, (name, value)| {
                request.header(name, value)
            });
        let headers: Vec<(&str, &[u8])> = lines
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let two = http2::send(at, "GET", path, &headers, b"", &[]).response;
        for response in [one.send(at), two] {
            assert_eq!(location(&response), expected, "{lines:?} {response:?}");
            requests += 1;
            match expected {
                Some(_) => {
                    assert_eq!(response.header("cache-control"), Some("no-store"));
                    assert_eq!(response.header("vary"), Some("sec-fetch-mode, accept"));
                    assert_eq!(response.header("www-authenticate"), None);
                    assert_eq!(response.body, "");
                }
                None => assert_eq!(response.status, 401, "{response:?}"),
            }
        }
    }
    // What no sign-in would open is told as ever, and so is what is too long to come back to.
    let page = |path: &str| Request::get(path).header("sec-fetch-mode", "navigate");
    assert_eq!(page("/closed").send(at).status, 403);
    let long = format!("/{}", "a".repeat(8200));
    let response = page(&long).send(at);
    assert_ne!(response.status, 302);
    // The page itself, once signed in.
    let token = Token::id(POOL).mint();
    assert_eq!(page("/reports/7").bearer(&token).send(at).status, 200);
    requests + 3
}

/// A token in the query is not sent along: neither into the login page's logs, nor back, where it would
/// be a second one.
fn a_token_in_the_query_stays_behind(at: SocketAddr) -> usize {
    let expired = Token::id(POOL).claim("exp", now() - 1000).mint();
    let to = "https://app.example.com/login?to=http%3A%2F%2Flocalhost%2Freports%3Fy%3D2";
    for path in [
        format!("/reports?access_token={expired}&y=2"),
        format!("/reports?y=2&%61ccess_token={expired}"),
        "/reports?y=2".to_owned(),
    ] {
        let page = Request::get(&path).header("sec-fetch-mode", "navigate");
        let response = page.send(at);
        assert_eq!(location(&response), Some(to), "{path}");
    }
    3
}

/// A page that waits for keys is sent to sign in all the same, if its token is not good.
fn a_held_page_is_sent_to_sign_in(envoy: &EnvoyUnderTest, keys: &KeyServer) -> usize {
    let token = Token::id(POOL).signed_by(TestKey::second());
    let token = token.header("kid", TestKey::first().kid()).mint();
    let page = Request::get("/reports").header("sec-fetch-mode", "navigate");
    let pending = page.bearer(&token).open(envoy.main());
    envoy.await_metric("held_now", 1);
    keys.release(POOL);
    assert_eq!(
        location(&pending.response()),
        Some("https://app.example.com/login?to=http%3A%2F%2Flocalhost%2Freports")
    );
    1
}
