//! Callers with AWS credentials in a real Envoy: both algorithms, headers, access log, keys that
//! rotate, what Envoy's own `jwt_authn` says of the same tokens; and the clients of `envoy/AWS-CALLERS.md`, run against a stub of STS.

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
const AUDIENCE: &str = "https://api.example.com";
/// The listener with Envoy's own filter.
const NATIVE: &str = "native";
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
                    "audiences": [AUDIENCE],
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

/// The claims of a token as STS makes it.
fn claims(sub: &str) -> Value {
    json!({
        "iss": ISSUER, "sub": sub, "aud": AUDIENCE,
        "iat": now() - 10, "exp": now() + 290, "jti": "0c2d8e3a-0000-4aaa-8bbb-cccccccccccc",
        "https://sts.amazonaws.com/": {"aws_account": "123456789012", "principal_id": sub},
    })
}

/// A token of these claims, under the algorithm's `kid`, with what was done to its signature.
fn signed(claims: &Value, algorithm: &str, rsa: &TestKey, damage: Damage) -> String {
    let kid = match algorithm {
        "ES384" => "EC384_0",
        _ => "RSA_0",
    };
    signed_under(kid, claims, algorithm, rsa, damage)
}

fn signed_under(
    kid: &str,
    claims: &Value,
    algorithm: &str,
    rsa: &TestKey,
    damage: Damage,
) -> String {
    let header = json!({"kid": kid, "typ": "JWT", "alg": algorithm});
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(claims));
    let mut signature = match algorithm {
        "ES384" => curve::sign(signed.as_bytes()),
        _ => rsa.sign(signed.as_bytes()),
    };
    damage(&mut signature);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn token(sub: &str, algorithm: &str, rsa: &TestKey) -> String {
    signed(&claims(sub), algorithm, rsa, |_| {})
}

/// Envoy's own filter, for the account's tokens.
fn native() -> Value {
    let provider = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "clock_skew_seconds": 60,
        "require_expiration": true,
        "local_jwks": {"inline_string": key_set(TestKey::second()).to_string()},
    });
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"aws": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "aws"}}],
        },
    })
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
        let envoy = EnvoyUnderTest::start(
            &setup
                .listener(Listener::new(MAIN, configuration()))
                .listener(Listener::new(NATIVE, configuration()).instead(native())),
        );
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
fn callers_with_aws_credentials_are_known_by_their_roles() {
    let world = World::start();
    a_role_calls_and_another_does_not(&world);
    envoys_own_filter_says_the_same_of_signatures_and_times(&world);
    the_pages_clients_get_a_token_that_opens_the_door(&world);
    // What follows it has other keys.
    an_accounts_keys_rotate(&world);
}

fn a_role_calls_and_another_does_not(world: &World) {
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
fn an_accounts_keys_rotate(world: &World) {
    let old = token(BILLING, "RS256", TestKey::second());
    assert_eq!(world.get("/billing", &old).0, 200);
    // Under another name, so that a token of it makes the set be asked for.
    let mut set = key_set(TestKey::third());
    set["keys"][0]["kid"] = json!("RSA_1");
    world.keys.answer(KEYS, Answer::Document(set));
    let new = signed_under("RSA_1", &claims(BILLING), "RS256", TestKey::third(), |_| {});
    assert_eq!(world.get("/billing", &new).0, 200);
    // The set that was fetched for it does not have the old key, and was answered after the old token
    // was made: there is nothing to wait for.
    let (status, reason, ..) = world.get("/billing", &old);
    assert_eq!((status, reason), (401, json!("unknown_key")));
}

/// Members of a token in seconds from now, what the filter says of it (nothing if it passes), and what
/// Envoy's own says. Borders keep a distance of seconds, since the two read their clocks one after the
/// other.
type Times = (&'static [(&'static str, i64)], Option<&'static str>, u16);

const TIMES: [Times; 10] = [
    (&[], None, 200),
    (&[("iat", -330), ("exp", -30)], None, 200),
    (&[("iat", -370), ("exp", -70)], Some("token_expired"), 401),
    (
        &[("iat", -90_000), ("exp", -86_400)],
        Some("token_expired"),
        401,
    ),
    (&[("nbf", -10)], None, 200),
    (&[("nbf", 45)], None, 200),
    (&[("nbf", 300)], Some("token_not_yet_valid"), 401),
    (&[("iat", 45)], None, 200),
    // Envoy's looks neither at `iat` nor at how long a token lives.
    (
        &[("iat", 300), ("exp", 600)],
        Some("token_not_yet_valid"),
        200,
    ),
    (&[("exp", 3591)], Some("malformed_token"), 200),
];

/// Something done to the bytes of a signature.
type Damage = fn(&mut Vec<u8>);

/// What makes a signature none, in the way that its name says.
const DAMAGE: [(&str, Damage); 7] = [
    ("first bit", |bytes| bytes[0] ^= 0x80),
    ("last bit", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ("halves", |bytes| {
        let half = bytes.len() / 2;
        bytes.rotate_left(half);
    }),
    ("nothing but zeros", |bytes| bytes.fill(0)),
    ("a byte too few", |bytes| bytes.truncate(bytes.len() - 1)),
    ("a byte too many", |bytes| bytes.push(0)),
    ("a zero in front", |bytes| bytes.insert(0, 0)),
];

/// Of signatures and times both say the same, but for three things that the filter alone refuses.
fn envoys_own_filter_says_the_same_of_signatures_and_times(world: &World) {
    let key = TestKey::second();
    // The second time it is remembered, if it was good.
    let judged = |what: &str, token: &str, reason: Option<&str>, native: u16| {
        let expected = if reason.is_some() { 401 } else { 200 };
        for _ in 0..2 {
            let (status, found, ..) = world.get("/billing", token);
            assert_eq!((status, found.as_str()), (expected, reason), "{what}");
        }
        let request = Request::get("/billing").bearer(token);
        let status = request.send(world.envoy.at(NATIVE)).status;
        assert_eq!(status, native, "jwt_authn, {what}");
    };
    let invalid = Some("invalid_signature");
    for algorithm in ["RS256", "ES384"] {
        for (times, reason, native) in TIMES {
            let mut claims = claims(BILLING);
            for (name, seconds) in times {
                claims[*name] = json!(now() + seconds);
            }
            let token = signed(&claims, algorithm, key, |_| {});
            judged(&format!("{algorithm} {times:?}"), &token, reason, native);
        }
        for (name, damage) in DAMAGE {
            let token = signed(&claims(BILLING), algorithm, key, damage);
            // An ES384 signature has 96 bytes (RFC 7518, section 3.4); Envoy's cuts it in halves, and
            // leaves a last odd byte out.
            let native = match (algorithm, name) {
                ("ES384", "a byte too many") => 200,
                _ => 401,
            };
            judged(&format!("{algorithm} {name}"), &token, invalid, native);
        }
        // The signature of one token under the claims of another.
        let [mine, other] = [BILLING, REPORTS].map(|sub| token(sub, algorithm, key));
        let (claims, _) = mine.rsplit_once('.').expect("three parts");
        let (_, signature) = other.rsplit_once('.').expect("three parts");
        judged(algorithm, &format!("{claims}.{signature}"), invalid, 401);
    }
    let stranger = token(BILLING, "RS256", TestKey::third());
    judged("another key", &stranger, invalid, 401);
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

fn the_pages_clients_get_a_token_that_opens_the_door(world: &World) {
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
