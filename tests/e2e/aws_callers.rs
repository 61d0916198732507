//! Callers with AWS credentials in a real Envoy: both algorithms, headers, access log, keys that
//! rotate; and the clients of `envoy/AWS-CALLERS.md`, run against a stub of STS.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::bootstrap::{KEYS_CLUSTER, Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::curve;
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{SUB, TestKey, Token, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::markdown::{Block, Page};
use crate::harness::upstream::Upstream;

const ISSUER: &str = "https://a1d2b0fd-1177-4468-9351-2fe000000723.tokens.sts.global.api.aws";
const BILLING: &str = "arn:aws:iam::123456789012:role/billing";
const REPORTS: &str = "arn:aws:iam::123456789012:role/reports";
/// Where the key server has the account's keys.
const KEYS: &str = "aws";

/// A configuration with a user pool and an account.
fn configuration() -> Value {
    with(
        document(&[POOL]),
        &[
            (
                "aws_accounts",
                json!([{
                    "account": "123456789012",
                    "issuer": ISSUER,
                    "audiences": ["https://api.example.com"],
                    "jwks": {"cluster": KEYS_CLUSTER, "uri": format!("http://keys/{KEYS}/.well-known/jwks.json")},
                }]),
            ),
            (
                "rules",
                json!([{"match": {"path": "/billing"}, "require": {"principals": [BILLING]}}]),
            ),
            ("default", json!("authenticated")),
            (
                "claim_headers",
                json!([{"header": "x-cognito-sub", "claim": "sub"}]),
            ),
            ("payload_header", json!("x-payload")),
            (
                "principal_headers",
                json!([{"header": "x-aws-principal", "claim": "sub"}]),
            ),
            ("log_identity", json!(true)),
        ],
    )
}

fn key_set(rsa: &TestKey) -> Value {
    let mut jwk = rsa.jwk();
    jwk["kid"] = json!("RSA_0");
    jwk.as_object_mut().unwrap().remove("alg");
    json!({"keys": [jwk, curve::jwk()]})
}

/// A token as STS makes it.
fn token(sub: &str, algorithm: &str, rsa: &TestKey) -> String {
    let kid = match algorithm {
        "ES384" => "EC384_0",
        _ => "RSA_0",
    };
    let claims = json!({
        "iss": ISSUER, "sub": sub, "aud": "https://api.example.com",
        "iat": now() - 10, "exp": now() + 290, "jti": "0c2d8e3a-0000-4aaa-8bbb-cccccccccccc",
        "https://sts.amazonaws.com/": {"aws_account": "123456789012", "principal_id": sub},
    });
    let header = json!({"kid": kid, "typ": "JWT", "alg": algorithm});
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = match algorithm {
        "ES384" => curve::sign(signed.as_bytes()),
        _ => rsa.sign(signed.as_bytes()),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

struct World {
    keys: KeyServer,
    upstream: Upstream,
    envoy: EnvoyUnderTest,
}

impl World {
    fn start() -> Self {
        let keys = KeyServer::start();
        let upstream = Upstream::start();
        keys.publish(POOL, &[TestKey::first()]);
        keys.answer(KEYS, Answer::Document(key_set(TestKey::second())));
        let setup = Setup::new(&keys, &upstream).workers(1);
        let envoy = EnvoyUnderTest::start(&setup.listener(Listener::new(MAIN, configuration())));
        Self {
            keys,
            upstream,
            envoy,
        }
    }

    /// The status, the reason, and what the upstream and the access log are told of the caller.
    #[track_caller]
    fn get(&self, path: &str, token: &str) -> (u16, Value, Value, [Option<String>; 3]) {
        let request = Request::get(path)
            .bearer(token)
            .header("x-aws-principal", "spoofed")
            .header("x-cognito-sub", "spoofed");
        let response = request.send(self.envoy.main());
        let line = self.envoy.access_log(request.case());
        let told = match &self.upstream.seen(request.case())[..] {
            [seen] => {
                ["x-aws-principal", "x-cognito-sub", "x-payload"].map(|name| seen.value(name))
            }
            _ => [None, None, None],
        };
        (
            response.status,
            line["reason"].clone(),
            json!([line["principal"], line["sub"]]),
            told,
        )
    }
}

#[test]
fn a_role_calls_and_another_does_not() {
    let world = World::start();
    let key = TestKey::second();
    for algorithm in ["RS256", "ES384"] {
        let (status, _, log, told) = world.get("/billing", &token(BILLING, algorithm, key));
        assert_eq!(status, 200, "{algorithm}");
        assert_eq!(log, json!([BILLING, null]));
        assert_eq!(told, [Some(BILLING.to_owned()), None, None]);
        let (status, reason, ..) = world.get("/billing", &token(REPORTS, algorithm, key));
        assert_eq!((status, reason), (403, json!("wrong_principal")));
        let (status, reason, ..) = world.get("/orders", &token(BILLING, algorithm, key));
        assert_eq!((status, reason), (401, json!("unknown_issuer")));
    }
    let user = Token::access(POOL).mint();
    let (status, reason, ..) = world.get("/billing", &user);
    assert_eq!((status, reason), (401, json!("unknown_issuer")));
    let (status, _, log, told) = world.get("/orders", &user);
    assert_eq!((status, log), (200, json!([null, SUB])));
    assert_eq!(told[..2], [None, Some(SUB.to_owned())]);
    assert!(told[2].is_some());
    let log = world.envoy.log();
    let line = "user pools: 1, rules: 1, signatures verified by the host, AWS accounts: 1, ES384 by the host";
    assert!(log.contains(line), "{log}");
    world.envoy.await_metric("issuer.jwks_keys.123456789012", 2);
}

/// A key that the account has withdrawn verifies nothing more, and a new one is found.
#[test]
fn an_accounts_keys_rotate() {
    let world = World::start();
    let old = token(BILLING, "RS256", TestKey::second());
    assert_eq!(world.get("/billing", &old).0, 200);
    // Under another name, so that a token of it makes the set be asked for.
    let mut set = key_set(TestKey::third());
    set["keys"][0]["kid"] = json!("RSA_1");
    world.keys.answer(KEYS, Answer::Document(set));
    let header = json!({"kid": "RSA_1", "typ": "JWT", "alg": "RS256"});
    let template = token(BILLING, "RS256", TestKey::third());
    let payload = template.split('.').nth(1).unwrap();
    let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(TestKey::third().sign(signed.as_bytes()));
    let new = format!("{signed}.{signature}");
    assert_eq!(world.get("/billing", &new).0, 200);
    let (status, reason, ..) = world.get("/billing", &old);
    // The set does not have it, and was asked for since.
    assert!(
        (status, &reason) == (401, &json!("unknown_key"))
            || (status, &reason) == (503, &json!("keys_unavailable")),
        "{status} {reason}"
    );
}

/// The clients' snippets of the page, by their languages.
fn client(language: &str) -> String {
    let page = Page::read("envoy/AWS-CALLERS.md");
    let snippet = page.blocks.iter().find_map(|block| match block {
        Block::Snippet(snippet)
            if block.marker() == Some("client") && snippet.language == language =>
        {
            Some(snippet.text.clone())
        }
        Block::Snippet(_) | Block::Table(_) => None,
    });
    snippet.unwrap_or_else(|| panic!("no client in {language}"))
}

/// Answers one call of `GetWebIdentityToken` with this token, and tells what was asked.
fn sts(token: String) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (asked, question) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = Vec::new();
        let mut bytes = [0; 4096];
        // The body is a form that ends in one of its members, whatever their order.
        while !["SigningAlgorithm", "DurationSeconds", "Audience", "Action"]
            .iter()
            .all(|name| String::from_utf8_lossy(&request).contains(name))
        {
            match stream.read(&mut bytes).expect("a request") {
                0 => break,
                count => request.extend_from_slice(&bytes[..count]),
            }
        }
        asked
            .send(String::from_utf8_lossy(&request).into_owned())
            .expect("a test");
        let body = format!(
            "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetWebIdentityTokenResult><WebIdentityToken>{token}</WebIdentityToken>\
             <Expiration>2030-01-01T00:00:00Z</Expiration></GetWebIdentityTokenResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetWebIdentityTokenResponse>"
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream
            .write_all([head, body].concat().as_bytes())
            .expect("an answer");
    });
    (port, question)
}

#[test]
fn the_pages_clients_get_a_token_that_opens_the_door() {
    let world = World::start();
    let minted = token(BILLING, "RS256", TestKey::second());

    let (port, question) = sts(minted.clone());
    let moto = std::env::var("MOTO_SERVER").expect("MOTO_SERVER names moto_server");
    let python = Path::new(&moto).with_file_name("python");
    let script = format!("{}\nprint(token)\n", client("python"));
    let output = Command::new(python)
        .args(["-c", &script])
        .env("AWS_ENDPOINT_URL_STS", format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .output()
        .expect("Python");
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(
        printed,
        minted,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let asked = question.recv().expect("a question");
    for part in [
        "Action=GetWebIdentityToken",
        "SigningAlgorithm=RS256",
        "DurationSeconds=300",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!(world.get("/billing", &printed).0, 200);

    // The command of the shell's client by a stand-in, which takes the arguments that AWS's takes.
    let directory = world.envoy.directory().join("bin");
    std::fs::create_dir_all(&directory).expect("a directory");
    let aws = directory.join("aws");
    let wanted = "sts get-web-identity-token --region us-east-1 --audience https://api.example.com \
                  --signing-algorithm RS256 --duration-seconds 300 --query WebIdentityToken --output text";
    let stand_in = format!("#!/bin/sh\n[ \"$*\" = '{wanted}' ] || exit 9\necho {minted}\n");
    std::fs::write(&aws, stand_in).expect("a file");
    std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let path = format!(
        "{}:{}",
        directory.display(),
        std::env::var("PATH").expect("PATH")
    );
    let output = Command::new("sh")
        .args(["-ec", &format!("{}\necho \"$token\"", client("sh"))])
        .env("PATH", path)
        .output()
        .expect("a shell");
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(
        printed,
        minted,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let script = client("javascript");
    for part in [
        "GetWebIdentityTokenCommand",
        "SigningAlgorithm: 'RS256'",
        "Audience: [",
    ] {
        assert!(script.contains(part), "{script}");
    }
}
