//! The recipes that need more than the filter: each snippet, as it stands there, in a real
//! Envoy.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, document, pool, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{CLIENT, SUB, TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::markdown::Pages;
use crate::harness::upstream::Upstream;

/// The only snippet that is marked so and has `word` in it.
#[track_caller]
fn recipe(marker: &str, word: &str) -> Value {
    let pages = Pages::read();
    let mut found = pages
        .marked(marker)
        .filter(|(snippet, _)| snippet.text.contains(word));
    let (snippet, _) = found
        .next()
        .unwrap_or_else(|| panic!("no {marker} with {word}"));
    assert!(found.next().is_none(), "two {marker} with {word}");
    snippet.value()
}

/// The rules of a recipe, for the pool of the tests.
#[track_caller]
fn rules(word: &str) -> Value {
    with(
        recipe("rules", word),
        &[("user_pools", json!([pool(POOL)]))],
    )
}

/// Each recipe has a listener.
#[test]
fn recipes_do_what_they_say() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let token = Token::access(POOL).claim("scope", "openid").mint();
    let grpc_web = || recipe("filter grpc_web", "GrpcWeb");
    let plain = |name: &str| Listener::new(name, document(&[POOL]));
    let setup = Setup::new(&keys, &upstream)
        .cluster("cognito_sign_in", token_endpoint(&token))
        .listener(plain("sign-in").before(sign_in()))
        .listener(limited("limited"))
        .listener(plain("grpc-web").before(grpc_web()))
        .listener(plain("grpc-web-behind").behind(grpc_web()))
        .listener(Listener::new("bound", rules("claims: {aud:")))
        .listener(Listener::new("balanced", rules("x-amzn-oidc-accesstoken")))
        .listener(Listener::new("stale", rules("set-cookie")));
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = envoy_signs_in(envoy.at("sign-in"), &token, &upstream)
        + requests_of_a_user_are_limited(envoy.at("limited"))
        + grpc_web_gets_a_status(["grpc-web", "grpc-web-behind"].map(|name| envoy.at(name)))
        + a_resource_is_bound(envoy.at("bound"))
        + a_load_balancer_signs_in(envoy.at("balanced"), &upstream)
        + a_stale_cookie_is_deleted(envoy.at("stale"));
    envoy.finish(requests);
}

/// The cookies of a browser.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn keep(&mut self, response: &Response) {
        let lines = response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        for (_, line) in lines {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value");
            if rest.to_ascii_lowercase().contains("max-age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn send(&mut self, path: &str, to: SocketAddr) -> (Request, Response) {
        let cookies = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let mut request = Request::get(path);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        let response = request.send(to);
        self.keep(&response);
        (request, response)
    }
}

/// A token endpoint that answers the first code exchange with this token; it ends with the test.
fn token_endpoint(token: &str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let answer = json!({
        "access_token": token,
        "id_token": Token::id(POOL).mint(),
        "refresh_token": "opaque",
        "expires_in": 3600,
        "token_type": "Bearer",
    });
    let body = answer.to_string();
    thread::spawn(move || {
        let (stream, _) = listener.accept().ok()?;
        exchange(stream, &body)
    });
    port
}

fn exchange(stream: TcpStream, body: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut form = vec![0; length];
    reader.read_exact(&mut form).ok()?;
    let form = String::from_utf8(form).ok()?;
    let right = form.contains("grant_type=authorization_code") && form.contains("code=a-code");
    let status = if right { "200 OK" } else { "400 Bad Request" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    reader.get_mut().write_all(head.as_bytes()).ok()
}

/// Envoy's filter that signs in, its secrets in files of the tests.
fn sign_in() -> Value {
    let mut filter = recipe("filter oauth2", "OAuth2").to_string();
    for (snippet, place) in Pages::read().marked("secret ") {
        let name = place.rsplit('/').next().expect("a name");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, snippet.value().to_string()).expect("a writable directory");
        assert!(filter.contains(place), "{place}");
        filter = filter.replace(place, &file.display().to_string());
    }
    serde_json::from_str(&filter).expect("JSON")
}

/// A whole sign-in: to the sign-in page, back with a code, and on with the token of the exchange.
fn envoy_signs_in(at: SocketAddr, token: &str, upstream: &Upstream) -> usize {
    let mut browser = Jar::default();
    let (_, response) = browser.send("/orders?page=2", at);
    assert_eq!(response.status, 302);
    let page = response
        .header("location")
        .expect("the sign-in page")
        .to_owned();
    let (host, query) = page.split_once('?').expect("a query");
    assert_eq!(
        host,
        "https://shop.auth.us-east-1.amazoncognito.com/oauth2/authorize"
    );
    assert!(query.contains(&format!("client_id={CLIENT}")), "{query}");
    let state = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("state="));
    let state = state.expect("a state");
    // Cognito's page would send the browser back with a code.
    let (_, response) = browser.send(&format!("/callback?code=a-code&state={state}"), at);
    assert_eq!(response.status, 302, "{response:?}");
    let back = response.header("location").expect("the page asked for");
    assert!(back.ends_with("/orders?page=2"), "{back}");
    let (request, response) = browser.send("/orders?page=2", at);
    assert_eq!(response.status, 200, "{response:?}");
    let seen = &upstream.seen(request.case())[0];
    assert_eq!(seen.value("authorization"), Some(format!("Bearer {token}")));

    // A program with a token of its own is not sent to a sign-in page, and is judged like others.
    let request = Request::get("/orders").bearer(token);
    assert_eq!(request.send(at).status, 200);
    let request = Request::get("/orders").bearer("garbage");
    assert_eq!(request.send(at).status, 401);
    // What Envoy's filter answers, ours never sees.
    3
}

fn limited(name: &str) -> Listener {
    let configuration = rules("x-cognito-sub, claim: sub}]");
    let limit = recipe("filter local_ratelimit", "LocalRateLimit");
    // Few enough for a test; the rest is as the page has it.
    let buckets = "typed_config.descriptors.0.token_bucket";
    let few = json!({"max_tokens": 2, "tokens_per_fill": 2, "fill_interval": "600s"});
    let limit = with(limit, &[(buckets, few)]);
    Listener::new(name, configuration).behind(limit)
}

fn requests_of_a_user_are_limited(at: SocketAddr) -> usize {
    let statuses = |sub: &str, count: usize| {
        let token = Token::access(POOL).claim("sub", sub).mint();
        let request = Request::get("/")
            .bearer(&token)
            .header("x-cognito-sub", "another");
        let statuses = (0..count).map(|_| request.send(at).status);
        statuses.collect::<Vec<_>>()
    };
    assert_eq!(statuses(SUB, 4), [200, 200, 429, 429]);
    assert_eq!(statuses("another-person", 3), [200, 200, 429]);
    // Without a token there is no user to count for: refused before the limit.
    assert_eq!(Request::get("/").send(at).status, 401);
    8
}

/// The order decides whether a browser's gRPC client learns its status.
fn grpc_web_gets_a_status([before, behind]: [SocketAddr; 2]) -> usize {
    let origin = "http://localhost:3000";
    let call = Request::new("POST", "/pkg.Service/Method")
        .header("origin", origin)
        .header("content-type", "application/grpc-web+proto")
        .header("x-grpc-web", "1")
        .body(b"\0\0\0\0\0");
    let answer = call.send(before);
    assert_eq!(answer.header("grpc-status"), Some("16"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    let answer = call.send(behind);
    assert_eq!((answer.status, answer.header("grpc-status")), (401, None));
    2
}

fn a_resource_is_bound(at: SocketAddr) -> usize {
    let resource = "https://api.example.com";
    for (audience, status) in [
        (json!(resource), 200),
        (json!(["https://other.example.com", resource]), 200),
        (json!("https://other.example.com"), 403),
        (Value::Null, 403),
    ] {
        let token = Token::access(POOL).claim("aud", audience.clone()).mint();
        let answer = Request::get("/").bearer(&token).send(at);
        assert_eq!(answer.status, status, "{audience}");
    }
    4
}

fn a_load_balancer_signs_in(at: SocketAddr, upstream: &Upstream) -> usize {
    let token = Token::access(POOL).mint();
    let request = Request::get("/").header("x-amzn-oidc-accesstoken", &token);
    assert_eq!(request.send(at).status, 200);
    let seen = &upstream.seen(request.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    // Nothing but the load balancer's header counts.
    let request = Request::get("/").bearer(&token);
    assert_eq!(request.send(at).status, 401);
    2
}

fn a_stale_cookie_is_deleted(at: SocketAddr) -> usize {
    let mut browser = Jar::default();
    let expired = Token::access(POOL).claim("exp", now() - 7200).mint();
    let stranger = Token::access(POOL).signed_by(TestKey::second()).mint();
    for stale in [expired, stranger] {
        browser.0.insert("access_token".to_owned(), stale);
        browser.0.insert("theme".to_owned(), "dark".to_owned());
        assert_eq!(browser.send("/shop", at).1.status, 401);
        // The browser has forgotten the one cookie and kept the other: the page opens.
        assert_eq!(browser.0.keys().collect::<Vec<_>>(), ["theme"]);
        assert_eq!(browser.send("/shop", at).1.status, 200);
    }
    let good = Token::access(POOL).mint();
    browser.0.insert("access_token".to_owned(), good);
    assert_eq!(browser.send("/shop", at).1.status, 200);
    assert!(browser.0.contains_key("access_token"), "a good one is kept");
    5
}
