//! WebSockets whose token stands among their subprotocols: over HTTP/1.1, and over a stream of HTTP/2
//! (RFC 8441). The upstream echoes what it gets, and never sees the token.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{CASE, Request};
use crate::harness::document::{POOL, patient, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

const PROTOCOLS: &str = "sec-websocket-protocol";

fn document() -> Value {
    let from = json!([{"header": "authorization"}, {"websocket_protocol": {"after": "bearer"}}]);
    let rules = json!([
        {"match": {"prefix": "/open"}, "allow": "anyone"},
        {"match": {"prefix": "/optional"}, "allow": "optional"},
        {"match": {"prefix": "/reported"}, "require": {"groups": ["nobody"]}, "enforce": "report"},
    ]);
    with(
        patient(&[POOL]),
        &[
            ("token.from", from),
            ("rules", rules),
            ("default", json!("authenticated")),
            ("cors_preflight", json!("pass")),
            (
                "claim_headers",
                json!([{"header": "x-cognito-sub", "claim": "sub"}]),
            ),
        ],
    )
}

fn upgrade(path: &str, protocols: &str) -> Request {
    Request::get(path)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .header(PROTOCOLS, protocols)
}

fn listener() -> Listener {
    Listener::new(MAIN, document())
        .manager("http2_protocol_options", json!({"allow_connect": true}))
}

#[test]
fn the_upstream_sees_every_subprotocol_but_the_token() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let envoy = EnvoyUnderTest::start(&Setup::new(&keys, &upstream).listener(listener()));
    let mut requests = a_held_socket_loses_its_token_too(&envoy, &keys, &upstream);
    let token = Token::access(POOL).mint();
    let with_token = format!("bearer, {token}, chat.v2");
    for (path, known) in [
        ("/socket", true),
        ("/optional", true),
        ("/open", false),
        // It is said who asks, though the rule asks for another.
        ("/reported", true),
    ] {
        let request = upgrade(path, &with_token);
        let mut socket = request.open(envoy.main());
        assert_eq!(socket.next_response().status, 101, "{path}");
        socket.write(b"over HTTP/1.1");
        assert_eq!(socket.read(13), b"over HTTP/1.1");
        let seen = upstream.seen(request.case());
        assert_eq!(
            seen[0].value(PROTOCOLS).as_deref(),
            Some("bearer, chat.v2"),
            "{path}"
        );
        assert_eq!(seen[0].value("x-cognito-sub").is_some(), known, "{path}");
        requests += 1;
    }
    for (path, known) in [("/socket", true), ("/open", false)] {
        let case = format!("stream{}", path.replace('/', "-"));
        let echoed = over_http2(envoy.main(), path, &case, &with_token);
        assert_eq!(echoed, Ok(b"over HTTP/2".to_vec()), "{path}");
        let seen = upstream.seen(&case);
        assert_eq!(
            seen[0].value(PROTOCOLS).as_deref(),
            Some("bearer, chat.v2"),
            "{path}"
        );
        assert_eq!(seen[0].value("x-cognito-sub").is_some(), known, "{path}");
        requests += 1;
    }
    let refused = over_http2(envoy.main(), "/socket", "stream-refused", "bearer, x.y.z");
    assert_eq!(refused, Err(401));
    let refused = over_http2(envoy.main(), "/socket", "stream-none", "chat.v2");
    assert_eq!(refused, Err(401));
    assert!(upstream.seen("stream-refused").is_empty());
    assert_eq!(envoy.metric("denied.malformed_token"), 1);
    assert_eq!(envoy.metric("denied.missing_token"), 1);
    // A preflight brings neither the header nor what some take for it.
    let preflight = Request::new("OPTIONS", "/socket")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET")
        .header(PROTOCOLS, &with_token)
        .header("sec.websocket.protocol", &with_token);
    assert_eq!(preflight.send(envoy.main()).status, 200);
    let seen = upstream.seen(preflight.case());
    assert_eq!(seen[0].value(PROTOCOLS), None);
    assert_eq!(seen[0].value("sec.websocket.protocol"), None);
    envoy.finish(requests + 3);
}

/// A request that waits for keys loses its token all the same.
fn a_held_socket_loses_its_token_too(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let token = Token::access(POOL).mint();
    let request = upgrade("/socket", &format!("chat.v1, bearer, {token}"));
    let mut socket = request.open(envoy.main());
    envoy.await_metric("held_now", 1);
    assert!(upstream.seen(request.case()).is_empty());
    keys.release(POOL);
    assert_eq!(socket.next_response().status, 101);
    socket.write(b"after all");
    assert_eq!(socket.read(9), b"after all");
    let seen = upstream.seen(request.case());
    assert_eq!(seen[0].value(PROTOCOLS).as_deref(), Some("chat.v1, bearer"));
    1
}

/// A WebSocket over a stream: what comes back, or the status of a refusal.
fn over_http2(to: SocketAddr, path: &str, case: &str, protocols: &str) -> Result<Vec<u8>, u16> {
    const SENT: &[u8] = b"over HTTP/2";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(to)
            .await
            .expect("a listener");
        let (client, connection) = h2::client::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        // The settings that allow it come first.
        let mut client = client.ready().await?;
        while !client.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let mut request = http::Request::builder()
            .method("CONNECT")
            .uri(format!("http://localhost{path}"))
            .header("sec-websocket-version", "13")
            .header(PROTOCOLS, protocols)
            .header(CASE, case)
            .body(())
            .expect("a request");
        let protocol = h2::ext::Protocol::from_static("websocket");
        request.extensions_mut().insert(protocol);
        let (response, mut sender) = client.send_request(request, false)?;
        let (head, mut body) = response.await?.into_parts();
        if head.status != 200 {
            return Ok::<_, h2::Error>(Err(head.status.as_u16()));
        }
        sender.send_data(Bytes::from_static(SENT), false)?;
        let mut received = Vec::new();
        while received.len() < SENT.len() {
            let data = body.data().await.expect("an echo")?;
            received.extend_from_slice(&data);
        }
        driver.abort();
        Ok(Ok(received))
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), exchange).await })
        .expect("an answer in time")
        .expect("an answer")
}
