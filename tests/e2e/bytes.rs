//! Header bytes that are no text.

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

/// One byte that is not UTF-8 must not cost a worker its VM: with one worker it would be all of them.
#[test]
fn bytes_that_are_no_text_disturb_nobody() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    let from = json!([
        {"header": "authorization"},
        {"header": "x-token"},
        {"query": "access_token"},
        {"cookie": "access_token"},
    ]);
    let members = [
        ("token.from", from),
        ("token.forward", json!(false)),
        (
            "claim_headers",
            json!([{"header": "x-sub", "claim": "sub"}]),
        ),
        ("cors_preflight", json!("pass")),
    ];
    let rules = json!([
        {"match": {"path": "/open", "methods": ["GET"], "hosts": ["localhost"]}, "allow": "anyone"},
    ]);
    let document = with(ruled(rules), &members);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream).workers(1).listener(
            Listener::new(MAIN, document)
                .raw_paths()
                .trusted_request_ids(),
        ),
    );
    let token = Token::id(POOL).mint();
    let mut admitted = 0;
    for bytes in [
        &b"\xff"[..],
        b"\xc3\x28",
        b"a\x80b",
        b"\xed\xa0\x80",
        b"Bearer \xff.\xff.\xff",
    ] {
        for name in [
            "authorization",
            "x-token",
            "cookie",
            "x-sub",
            "x-anything",
            "x-request-id",
            "user-agent",
            "origin",
            "access-control-request-method",
            "x-http-method-override",
            "content-type",
            "referer",
        ] {
            for method in ["GET", "OPTIONS"] {
                let request = Request::new(method, "/guarded").header(name, bytes);
                let status = request.send(envoy.main()).status;
                assert!(
                    [200, 400, 401].contains(&status),
                    "{name}: {bytes:?} got {status}"
                );
            }
            let beside = Request::get("/guarded").bearer(&token).header(name, bytes);
            let status = beside.send(envoy.main()).status;
            assert!(
                [200, 400, 401].contains(&status),
                "{name}: {bytes:?} got {status}"
            );
            admitted += usize::from(status == 200);
        }
        let mut cookie = b"a=".to_vec();
        cookie.extend_from_slice(bytes);
        cookie.extend_from_slice(format!("; access_token={token}").as_bytes());
        let request = Request::get("/guarded").header("cookie", cookie);
        assert_eq!(
            request.send(envoy.main()).status,
            200,
            "a cookie beside {bytes:?}"
        );
        let mut target = b"/guarded?a=".to_vec();
        target.extend_from_slice(bytes);
        let request = Request::new("GET", target).bearer(&token);
        let status = request.send(envoy.main()).status;
        assert!(
            [200, 400].contains(&status),
            "a query with {bytes:?} got {status}"
        );
        let mut host = bytes.to_vec();
        host.extend_from_slice(b".example.com");
        let request = Request::get("/guarded")
            .bearer(&token)
            .header("x-forwarded-host", host);
        assert_eq!(request.send(envoy.main()).status, 200);
    }
    assert!(
        admitted > 30,
        "only {admitted} requests beside such a header were let in"
    );
    let last = Request::get("/guarded").bearer(&token).send(envoy.main());
    assert_eq!(last.status, 200, "the worker still serves");
}
