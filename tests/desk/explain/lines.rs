//! What stands in a line of a header, and how lines of one name are joined: the account says of every
//! request what becomes of it in a real Envoy.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::explain::tool;
use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{CLIENT, TestKey, Token, key_set};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

const POOL: &str = "us-east-1_AbCdEf123";

/// The path and the lines of a request, and the status that refuses it; `None` if nothing does. `TOKEN`
/// stands for a token of the organization `o1`.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    Option<u16>,
);

/// Only spaces and tabs are taken off the edges of a value.
const EDGES: &[Case] = &[
    ("/", &[("authorization", "Bearer TOKEN")], None),
    ("/", &[("authorization", " \tBearer TOKEN\t ")], None),
    ("/", &[("authorization", "Bearer TOKEN\u{a0}")], Some(401)),
    ("/", &[("authorization", "Bearer TOKEN\u{3000}")], Some(401)),
    ("/", &[("authorization", "\u{a0}Bearer TOKEN")], Some(401)),
    ("/", &[("cookie", "access_token=TOKEN\t")], None),
    ("/", &[("cookie", "access_token=TOKEN\u{a0}")], Some(401)),
    (
        "/of/o1",
        &[("authorization", "Bearer TOKEN"), ("x-org-id", "o1")],
        None,
    ),
    (
        "/of/o1",
        &[("authorization", "Bearer TOKEN"), ("x-org-id", "\to1")],
        None,
    ),
    (
        "/of/o1",
        &[("authorization", "Bearer TOKEN"), ("x-org-id", "o1\u{a0}")],
        Some(403),
    ),
    (
        "/of/o1",
        &[
            ("authorization", "Bearer TOKEN"),
            ("x-org-id", "\u{2003}o1"),
        ],
        Some(403),
    ),
];

/// A tab may stand within a value.
const TABS: &[Case] = &[
    ("/", &[("authorization", "Bearer  TOKEN")], None),
    ("/", &[("authorization", "Bearer \tTOKEN")], Some(401)),
    ("/", &[("authorization", "Bearer\tTOKEN")], Some(401)),
    ("/", &[("authorization", "Bearer TOKEN\tx")], Some(401)),
    ("/", &[("cookie", "a=b;\taccess_token=TOKEN")], None),
];

/// An empty line joins nothing, and lines of other headers stay apart.
const JOINED: &[Case] = &[
    (
        "/",
        &[("authorization", "Bearer TOKEN"), ("authorization", "")],
        None,
    ),
    (
        "/",
        &[("authorization", ""), ("authorization", "Bearer TOKEN")],
        None,
    ),
    (
        "/",
        &[
            ("authorization", ""),
            ("authorization", "Bearer TOKEN"),
            ("authorization", ""),
        ],
        None,
    ),
    (
        "/",
        &[("authorization", "Bearer TOKEN"), ("authorization", "\t")],
        None,
    ),
    (
        "/",
        &[("authorization", "Bearer TOKEN"), ("authorization", ",")],
        Some(401),
    ),
    (
        "/",
        &[
            ("authorization", "Bearer TOKEN"),
            ("authorization", ""),
            ("authorization", "x"),
        ],
        Some(401),
    ),
    (
        "/",
        &[
            ("authorization", "Bearer TOKEN"),
            ("authorization", "Bearer TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[("authorization", ""), ("authorization", "")],
        Some(401),
    ),
    (
        "/optional",
        &[("authorization", "Bearer TOKEN"), ("authorization", "")],
        None,
    ),
    (
        "/optional",
        &[("authorization", ""), ("authorization", "Bearer TOKEN")],
        None,
    ),
    (
        "/optional",
        &[
            ("authorization", "Bearer TOKEN"),
            ("authorization", "Bearer TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[("cookie", "access_token=TOKEN"), ("cookie", "")],
        None,
    ),
    (
        "/",
        &[("cookie", ""), ("cookie", "access_token=TOKEN")],
        None,
    ),
    (
        "/",
        &[
            ("cookie", "access_token=TOKEN"),
            ("cookie", "access_token=TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[("cookie", "access_token="), ("cookie", "TOKEN")],
        Some(401),
    ),
];

/// A WebSocket's handshake is one if `connection` says so.
const UPGRADES: &[Case] = &[
    (
        "/",
        &[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        None,
    ),
    (
        "/",
        &[
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
            ("connection", "keep-alive,\tUPGRADE"),
        ],
        None,
    ),
    (
        "/",
        &[
            ("connection", "keep-alive"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        None,
    ),
    (
        "/",
        &[
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[
            ("connection", "keep-alive"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[
            ("connection", "upgrades"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[
            ("connection", "keep-alive Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[
            ("connection", "Upgrade"),
            ("upgrade", "H2C"),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        Some(401),
    ),
    (
        "/",
        &[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("upgrade", ""),
            ("sec-websocket-protocol", "bearer, TOKEN"),
        ],
        None,
    ),
];

fn configuration() -> Value {
    json!({
        "user_pools": [{
            "user_pool_id": POOL,
            "client_ids": [CLIENT],
            "jwks": {"inline": key_set(&[TestKey::first()])},
        }],
        "token": {"use": "access", "from": [
            {"header": "authorization"},
            {"cookie": "access_token"},
            {"websocket_protocol": {"after": "bearer"}},
        ]},
        "rules": [
            {"match": {"prefix": "/optional"}, "allow": "optional"},
            {"match": {"prefix": "/of"}, "require": {"claims": {"org": "{header.x-org-id}"}}},
        ],
        "default": "authenticated",
    })
}

/// The configuration in a file of this name.
fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, configuration().to_string()).expect("a writable target directory");
    path.display().to_string()
}

fn token() -> String {
    let token = Token::access(POOL).claim("client_id", CLIENT);
    token.claim("org", "o1").mint()
}

/// The status that refuses the request, as the account has it.
fn explained(file: &str, path: &str, lines: &[(&str, String)]) -> Option<u64> {
    let mut arguments = ["--config", file, "--path", path, "--format", "json"]
        .map(str::to_owned)
        .to_vec();
    for (name, value) in lines {
        arguments.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    let output = tool::explain(&arguments, b"");
    let account: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    match account["verdict"].as_str() {
        Some("forwarded") => None,
        _ => Some(account["reply"]["status"].as_u64().expect("a status")),
    }
}

#[test]
fn lines_are_what_they_are_to_envoy() {
    let file = file("explain-lines.json");
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let listener = Listener::new(MAIN, configuration());
    let envoy = EnvoyUnderTest::start(&Setup::new(&keys, &upstream).listener(listener));
    let token = token();
    let cases: Vec<&Case> = [EDGES, TABS, JOINED, UPGRADES]
        .into_iter()
        .flatten()
        .collect();
    for (path, lines, expected) in &cases {
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| (*name, value.replace("TOKEN", &token)))
            .collect();
        let request = lines
            .iter()
            .fold(Request::get(path), |request, (name, value)| {
                request.header(name, value)
            });
        let status = request.open(envoy.main()).next_response().status;
        let shown = format!("{lines:?}").replace(&token, "TOKEN");
        let refused = upstream.seen(request.case()).is_empty();
        assert_eq!(refused.then_some(status), *expected, "Envoy, {shown}");
        let said = explained(&file, path, &lines);
        assert_eq!(said, expected.map(u64::from), "explain, {shown}");
    }
    envoy.finish(cases.len());
}

/// What a shell or an editor leaves around a token is no part of it; what only looks so is.
#[test]
fn a_token_loses_what_ascii_knows_as_white_space() {
    let file = file("explain-edges.json");
    let arguments = ["--config", &file, "--path", "/", "--token"];
    let token = token();
    for (before, after, status) in [
        ("", "", 0),
        ("\n \t", "\t \r\n", 0),
        ("Bearer ", "\n", 0),
        ("Bearer \t", "", 1),
        ("\u{a0}", "", 1),
        ("", "\u{a0}", 1),
        ("", "\u{3000}\n", 1),
    ] {
        let text = format!("{before}{token}{after}");
        for (given, input) in [("-", text.as_str()), (&text, "")] {
            let output = tool::explain(&[&arguments[..], &[given]].concat(), input.as_bytes());
            let shown = text.replace(&token, "TOKEN");
            assert_eq!(output.status.code(), Some(status), "{shown:?}: {output:?}");
        }
    }
}
