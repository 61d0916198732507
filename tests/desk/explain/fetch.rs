//! `--jwks URL`: the only thing that opens a connection, and what goes over it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Output;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::explain::tool;
use crate::harness::minting::Mint;

/// A key endpoint that answers once, and hands over what it was asked.
struct Endpoint {
    url: String,
    asked: JoinHandle<String>,
}

impl Endpoint {
    fn answering(answer: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut bytes = [0; 4096];
            while !request.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut bytes).expect("a request");
                assert!(count > 0, "the request ended early");
                request.extend_from_slice(&bytes[..count]);
            }
            stream.write_all(answer.as_bytes()).expect("it reads");
            String::from_utf8(request).expect("text")
        });
        Self { url, asked }
    }
}

fn token() -> String {
    let common: Value =
        serde_json::from_str(include_str!("../../vectors/decisions/common.json")).unwrap();
    let mint = Mint {
        now: 1_700_000_000.0,
        tokens: &common["tokens"],
    };
    String::from_utf8(mint.mint(&json!({}))).expect("text")
}

fn explain(jwks: &str, token: &str) -> Output {
    let fixed =
        "--config tests/desk/explain/files/api.yaml --now 1700000000 --path /things --token -";
    let arguments: Vec<_> = fixed.split(' ').chain(["--jwks", jwks]).collect();
    tool::explain(&arguments, token.as_bytes())
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[test]
fn keys_are_fetched_and_the_token_stays_here() {
    let keys = include_str!("files/jwks.json");
    let endpoint = Endpoint::answering(answer("200 OK", "", keys));
    let token = token();
    let output = explain(&endpoint.url, &token);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let asked = endpoint.asked.join().expect("a request");
    assert!(asked.starts_with("GET /keys.json HTTP/1.1\r\n"), "{asked}");
    for part in token.split('.') {
        assert!(!asked.contains(part), "{asked}");
    }
    assert!(
        !asked.to_ascii_lowercase().contains("authorization"),
        "{asked}"
    );
}

#[test]
fn another_answer_is_none() {
    let keys = include_str!("files/jwks.json");
    for (status, headers) in [
        ("404 Not Found", ""),
        ("500 Internal Server Error", ""),
        ("302 Found", "location: http://127.0.0.1:9/keys.json\r\n"),
    ] {
        let endpoint = Endpoint::answering(answer(status, headers, keys));
        let output = explain(&endpoint.url, &token());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let number = &status[..3];
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!(
                "error: {}: found status {number}; expected 200\n",
                endpoint.url
            )
        );
        endpoint.asked.join().expect("a request");
    }
}

#[test]
fn an_endless_answer_ends() {
    let body = format!("{{\"keys\": [{}]}}", " ".repeat(200_000));
    let endpoint = Endpoint::answering(answer("200 OK", "", &body));
    let output = explain(&endpoint.url, &token());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("the key set is too large; expected at most 150000 bytes"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    for jwks in [url.as_str(), "tests/desk/explain/files/nothing.json"] {
        let output = explain(jwks, &token());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.starts_with(&format!("error: {jwks}: ")), "{text}");
    }
}
