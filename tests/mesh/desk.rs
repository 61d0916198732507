//! The desk tool, before and after a control plane: what `init` writes for it, and what `check` says of
//! what it prints.

use std::process::Command;

use serde_json::Value;

use crate::endpoint::authority;
use crate::front::Front;
use crate::harness::client::Request;
use crate::harness::issuer::{CLIENT, Token};
use crate::manifest::parse;
use crate::program::{folder, output};
use crate::registry::Image;
use crate::stage::POOL;

/// A pool, an app client of it and an origin that are none of the examples', in the region of the
/// tests' certificate.
pub(crate) const OWN_POOL: &str = "us-east-1_Own123456";
pub(crate) const OWN_CLIENT: &str = "1h57kf5cown";
const OWN_ORIGIN: &str = "https://app.own.example";

fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
}

/// What `init` writes for a control plane, which fetches `image` and has `upstream` served.
#[track_caller]
pub(crate) fn written(proxy: &str, image: &Image, upstream: &str) -> Vec<Value> {
    let directory = folder("init");
    output(
        tool()
            .args(["init", "--for", proxy, "--pool", OWN_POOL])
            .args(["--client", OWN_CLIENT, "--origin", OWN_ORIGIN])
            .args(["--image", &image.0, "--upstream", upstream])
            .arg("--trusted-ca")
            .arg(authority())
            .arg("--output")
            .arg(&directory),
    );
    let mut resources = Vec::new();
    for entry in std::fs::read_dir(&directory).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a file");
        resources.extend(parse(&text));
    }
    let _ = std::fs::remove_dir_all(directory);
    resources
}

/// A token of the pool that `init` was given, for an app client.
pub(crate) fn own(client: &str) -> Token {
    Token::access(OWN_POOL).claim("client_id", client)
}

/// A front serves what `init` has written; how many requests the filter has decided is returned.
#[track_caller]
pub(crate) fn serves(front: &Front) -> usize {
    let preflight = Request::new("OPTIONS", "/")
        .header("origin", OWN_ORIGIN)
        .header("access-control-request-method", "PUT");
    let allowed = "access-control-allow-origin";
    let answer = front.send(&preflight);
    let seen = (answer.status, answer.header(allowed));
    assert_eq!(seen, (200, Some(OWN_ORIGIN)));
    let with = |client: &str| Request::get("/").bearer(&own(client).mint());
    let requests = [
        (with(OWN_CLIENT), 200),
        (with("another"), 401),
        (Request::get("/"), 401),
    ];
    for (request, status) in &requests {
        let answer = front.send(&request.clone().header("origin", OWN_ORIGIN));
        let seen = (answer.status, answer.header(allowed));
        assert_eq!(seen, (*status, Some(OWN_ORIGIN)));
    }
    requests.len()
}

/// What `check` says of a text of this name, with its exit status.
#[track_caller]
pub(crate) fn checked(name: &str, text: &str) -> (Option<i32>, String) {
    let directory = folder("check");
    let file = directory.join(name);
    std::fs::write(&file, text).expect("a writable directory");
    let output = tool()
        .arg("check")
        .arg(file)
        .output()
        .expect("the desk tool");
    let _ = std::fs::remove_dir_all(directory);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

/// `check` finds the examples' configuration in what somebody prints of a proxy. Their pool and app client
/// are placeholders; nothing else is worth a word.
#[track_caller]
pub(crate) fn finds_nothing_wrong(name: &str, text: &str) {
    let (code, said) = checked(name, text);
    assert_eq!(code, Some(0), "{name}: {said}");
    assert!(
        said.contains(POOL) && said.contains(CLIENT),
        "{name}: {said}"
    );
}
