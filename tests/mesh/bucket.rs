//! A deny list in a bucket, behind a control plane's `deny-list.yaml`.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::front::Front;
use crate::harness::client::Request;
use crate::harness::issuer::{SUB, now};
use crate::harness::serving::{Received, Serving, receive};
use crate::manifest::shipped;
use crate::stage::{POOL, beside, reader};

/// Who may read it.
const KEY: &str = "AKIDOFTHEGATEWAY0000";

/// A private bucket with a list that signs one user out. Whoever may read it may not read others.
pub(crate) struct Bucket {
    endpoint: Endpoint,
    _serving: Serving,
}

impl Bucket {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let entries = json!({POOL: {"signed_in_before": {SUB: now() + 86_400}}});
        let list = json!({"version": 1, "written_at": now(), "pools": entries}).to_string();
        let serving = Serving::start(move |stream| answer(stream, &list));
        Self {
            endpoint: Endpoint::with_certificate(serving.port(), &beside("tls/aws.crt")),
            _serving: serving,
        }
    }

    /// The port on which it speaks TLS, with a certificate of this authority.
    pub(crate) fn endpoint(&self) -> (u16, PathBuf) {
        (self.endpoint.port(), beside("tls/authority.crt"))
    }
}

/// The proxy's credentials.
pub(crate) fn credentials() -> [(&'static str, String); 2] {
    let secret = "example-secret".to_owned();
    [
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ]
}

/// The shipped configuration's `deny_list`, fetched through this cluster, and one that may not be read.
#[track_caller]
pub(crate) fn deny_lists(cluster: &str) -> [Value; 2] {
    let mut list = shipped("revocation/authorizer.yaml").remove(0)["deny_list"].take();
    list["cluster"] = json!(cluster);
    let mut locked = list.clone();
    let uri = list["uri"].as_str().expect("a URI");
    locked["uri"] = json!(uri.replace("/deny.json", "/locked.json"));
    assert_ne!(locked, list);
    [list, locked]
}

fn answer(mut stream: &TcpStream, list: &str) -> Option<()> {
    let (status, body) = match is_allowed(&receive(stream)?) {
        true => ("200 OK", list),
        false => ("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).ok()
}

/// As S3 sees it, but for the signature's bytes, which the deployment tests hold against AWS's own.
fn is_allowed(received: &Received) -> bool {
    let header = |wanted: &str| {
        let found = received.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let authorization = header("authorization");
    received.line.starts_with("GET /deny.json ")
        && header("host") == "example-bucket.s3.us-east-1.amazonaws.com"
        && authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))
        && authorization.contains("/us-east-1/s3/aws4_request")
}

/// Whoever is on the list is out, and nobody else, once the front has heard of it.
#[track_caller]
pub(crate) fn is_read(front: &Front) {
    let with = |sub: &str| Request::get("/orders").bearer(&reader().claim("sub", sub).mint());
    front.await_status(&with("somebody-else"), 200);
    assert_eq!(front.send(&with(SUB)).status, 401);
    front.envoy.await_metric("denied.token_revoked", 1);
}

/// Nobody can tell who is out.
#[track_caller]
pub(crate) fn is_out_of_reach(front: &Front) {
    let request = Request::get("/orders").bearer(&reader().claim("sub", "somebody-else").mint());
    assert_eq!(front.send(&request).status, 503);
    front.envoy.await_metric("denied.revocation_unknown", 1);
    assert_eq!(front.send(&Request::get("/health")).status, 200);
}
