//! An issuer of the tests' own: it says what Cognito says, and also what Cognito never would.
//!
//! An emulator signs only well-formed tokens. Everything adversarial (a header of any shape, payload
//! bytes that are not JSON, a signature over something else) is minted here, with keys under `tests/keys`.

// Each test target includes this file and uses a part of it.
#![allow(dead_code)]

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use num_bigint::BigUint;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The app client of every token that does not ask for another one.
pub(crate) const CLIENT: &str = "4hq8abcd0123456789abcdefgh";
/// The user of every token that does not ask for another one.
pub(crate) const SUB: &str = "6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab";
/// The address in every id token: recognisable, so that a log can be searched for it.
pub(crate) const EMAIL: &str = "wilhelmina.private@example.org";

/// A signing key of the tests, with the `kid` under which it is published.
pub(crate) struct TestKey {
    kid: String,
    private: rsa::PrivateKey,
}

impl TestKey {
    fn load(pem: &str) -> Self {
        let private = rsa::PrivateKey::from_pkcs8_pem(pem).expect("a PEM file under tests/keys");
        // Cognito's kid is the standard base64 of 32 bytes: with `+`, `/` and a final `=`.
        let kid = STANDARD.encode(Sha256::digest(private.n_bytes()));
        Self { kid, private }
    }

    /// The key that signs unless a test says otherwise.
    pub(crate) fn first() -> &'static Self {
        static KEY: OnceLock<TestKey> = OnceLock::new();
        KEY.get_or_init(|| Self::load(include_str!("../keys/rsa2048_1.pem")))
    }

    /// Cognito publishes two keys: id and access tokens name different ones.
    pub(crate) fn second() -> &'static Self {
        static KEY: OnceLock<TestKey> = OnceLock::new();
        KEY.get_or_init(|| Self::load(include_str!("../keys/rsa2048_2.pem")))
    }

    /// A key that comes by rotation, or that belongs to someone else.
    pub(crate) fn third() -> &'static Self {
        static KEY: OnceLock<TestKey> = OnceLock::new();
        KEY.get_or_init(|| Self::load(include_str!("../keys/rsa2048_3.pem")))
    }

    /// 4096 bits: the largest that a key set may hold.
    pub(crate) fn large() -> &'static Self {
        static KEY: OnceLock<TestKey> = OnceLock::new();
        KEY.get_or_init(|| Self::load(include_str!("../keys/rsa4096.pem")))
    }

    /// 1024 bits: too small to be used.
    pub(crate) fn small() -> &'static Self {
        static KEY: OnceLock<TestKey> = OnceLock::new();
        KEY.get_or_init(|| Self::load(include_str!("../keys/rsa1024.pem")))
    }

    /// With the exponent 3, under which a careless verifier takes signatures that nobody made.
    pub(crate) fn low_exponent() -> &'static Self {
        static KEY: OnceLock<TestKey> = OnceLock::new();
        KEY.get_or_init(|| Self::load(include_str!("../keys/rsa2048_e3.pem")))
    }

    /// The name under which the key is published.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The key as a member of a key set, as Cognito writes it.
    pub(crate) fn jwk(&self) -> Value {
        json!({
            "alg": "RS256",
            "e": URL_SAFE_NO_PAD.encode(self.private.e_bytes()),
            "kid": self.kid,
            "kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(self.private.n_bytes()),
            "use": "sig",
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `text`.
    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        SigningKey::<Sha256>::new(self.private.clone())
            .sign(text)
            .to_vec()
    }

    /// The private operation on any number below the modulus: the signature whose padding is `block`.
    pub(crate) fn sign_block(&self, block: &[u8]) -> Vec<u8> {
        let number = BigUint::from_bytes_be;
        let raised = number(block).modpow(
            &number(&self.private.d().to_be_bytes()),
            &number(&self.modulus()),
        );
        let bytes = raised.to_bytes_be();
        let zeros = self.modulus().len() - bytes.len();
        [vec![0; zeros], bytes].concat()
    }

    /// The public exponent.
    pub(crate) fn exponent(&self) -> Vec<u8> {
        self.private.e_bytes().into_vec()
    }

    /// The modulus: what an attacker knows of a key, and may offer as an HMAC secret.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.private.n_bytes().into_vec()
    }
}

/// The key set that publishes `keys`.
pub(crate) fn key_set(keys: &[&TestKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    i64::try_from(elapsed.as_secs()).expect("a clock before the year 292277026596")
}

/// The issuer (`original` form) of a user pool.
pub(crate) fn issuer_of(pool: &str) -> String {
    let region = pool.split('_').next().unwrap_or_default();
    format!("https://cognito-idp.{region}.amazonaws.com/{pool}")
}

/// Where the key set of a user pool is read.
pub(crate) fn keys_path(pool: &str) -> String {
    format!("/{pool}/.well-known/jwks.json")
}

/// Any three segments, encoded; nothing about them is looked at.
pub(crate) fn compact(header: &[u8], payload: &[u8], signature: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{}",
        encode(header),
        encode(payload),
        encode(signature)
    )
}

/// Any header and payload bytes under a genuine signature.
pub(crate) fn signed(header: &[u8], payload: &[u8], key: &TestKey) -> String {
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// A token under construction: valid, until a test changes one thing.
#[derive(Clone)]
pub(crate) struct Token {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    key: &'static TestKey,
}

impl Token {
    /// An id token with the claims of a signed-in user, in Cognito's order.
    pub(crate) fn id(pool: &str) -> Self {
        let now = now();
        Self::of(json!({
            "sub": SUB,
            "cognito:groups": ["readers"],
            "email_verified": true,
            "iss": issuer_of(pool),
            "cognito:username": "wilhelmina",
            "origin_jti": "3a0f6b1e-1111-4222-8333-444444444444",
            "aud": CLIENT,
            "event_id": "5b1c7d2f-5555-4666-8777-888888888888",
            "token_use": "id",
            "auth_time": now,
            "exp": now + 3600,
            "iat": now,
            "jti": "7c2d8e3a-9999-4aaa-8bbb-cccccccccccc",
            "email": EMAIL,
        }))
    }

    /// An access token of the same user: no `aud`, the client in a claim of its own.
    pub(crate) fn access(pool: &str) -> Self {
        let now = now();
        Self::of(json!({
            "sub": SUB,
            "cognito:groups": ["readers"],
            "iss": issuer_of(pool),
            "client_id": CLIENT,
            "origin_jti": "3a0f6b1e-1111-4222-8333-444444444444",
            "event_id": "5b1c7d2f-5555-4666-8777-888888888888",
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            "auth_time": now,
            "exp": now + 3600,
            "iat": now,
            "jti": "8d3e9f4b-dddd-4eee-8fff-000000000000",
            "username": "wilhelmina",
        }))
    }

    fn of(payload: Value) -> Self {
        let Value::Object(payload) = payload else {
            panic!("claims are an object")
        };
        // Cognito writes no `typ`.
        Self {
            header: Map::new(),
            payload,
            key: TestKey::first(),
        }
        .signed_by(TestKey::first())
    }

    /// Signs with `key`, under its own `kid`.
    pub(crate) fn signed_by(mut self, key: &'static TestKey) -> Self {
        self.key = key;
        self.header("kid", key.kid()).header("alg", "RS256")
    }

    /// Sets a member of the header and leaves the signing key as it is.
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a member out of the header.
    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets a claim.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a claim out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.payload.remove(name);
        self
    }

    /// The header as it is signed.
    pub(crate) fn header_bytes(&self) -> Vec<u8> {
        Value::Object(self.header.clone()).to_string().into_bytes()
    }

    /// The payload as it is signed. Cognito escapes the slash, which JSON allows and few writers do.
    pub(crate) fn payload_bytes(&self) -> Vec<u8> {
        Value::Object(self.payload.clone())
            .to_string()
            .replace('/', "\\/")
            .into_bytes()
    }

    /// The compact token.
    pub(crate) fn mint(&self) -> String {
        signed(&self.header_bytes(), &self.payload_bytes(), self.key)
    }
}
