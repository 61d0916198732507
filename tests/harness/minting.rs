//! Makes the tokens that the vectors describe: a header and claims, spelled, signed and damaged as told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::time::Timestamp;
use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::{pkcs1v15, pss};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha512};

use crate::harness::curve;
use crate::harness::issuer::TestKey;

/// What every token of a file of vectors is made from.
pub(crate) struct Mint<'a> {
    /// The time that `$now` counts from.
    pub(crate) now: f64,
    /// The tokens to begin with.
    pub(crate) tokens: &'a Value,
}

const PARTS: [&str; 3] = ["header", "claims", "signature"];

impl Mint<'_> {
    /// The compact token.
    pub(crate) fn mint(&self, token: &Value) -> Vec<u8> {
        match &token["text"] {
            Value::Null => {}
            Value::String(text) => return latin1(text),
            repeated => {
                let times = usize::try_from(repeated["times"].as_u64().unwrap()).unwrap();
                return latin1(&repeated["repeat"].as_str().unwrap().repeat(times));
            }
        }
        let Some(wanted) = token["pad_to"].as_u64() else {
            return latin1(&self.assemble(token, 0));
        };
        // Base64 grows by one or two characters a byte: not every length can be had.
        let wanted = usize::try_from(wanted).unwrap();
        let unsigned = |pad: usize| self.spelled(token, pad).join(".").len();
        let signature = 1 + 342;
        let least = (wanted - signature - unsigned(0)) * 3 / 4 - 16;
        let pad = (least..least + 20).find(|pad| unsigned(*pad) + signature == wanted);
        latin1(&self.assemble(
            token,
            pad.unwrap_or_else(|| panic!("no token has {wanted} bytes")),
        ))
    }

    /// The first two parts, before anybody signs them.
    fn spelled(&self, token: &Value, pad: usize) -> Vec<String> {
        let base = &self.tokens[token["base"].as_str().unwrap_or("access")];
        let object = |part: &str, set: &str, without: &str| {
            let mut object = base[part].as_object().unwrap().clone();
            let set = token[set].as_object().into_iter().flatten();
            object.extend(set.map(|(name, value)| (name.clone(), value.clone())));
            for name in token[without].as_array().into_iter().flatten() {
                object.remove(name.as_str().unwrap());
            }
            object
        };
        let header = match token["header_text"].as_str() {
            Some(text) => latin1(text),
            None => self
                .json(object("header", "header", "without_header"))
                .into_bytes(),
        };
        let mut claims = object("claims", "claims", "without");
        if pad > 0 {
            claims.insert("pad".to_owned(), "x".repeat(pad).into());
        }
        let mut payload = match token["payload_text"].as_str() {
            Some(text) => latin1(text),
            None => self.json(claims).replace('/', "\\/").into_bytes(),
        };
        if let Some(text) = token["append_payload"].as_str() {
            assert_eq!(payload.pop(), Some(b'}'));
            payload.extend(latin1(text));
            payload.push(b'}');
        }
        payload.extend(latin1(token["after_payload"].as_str().unwrap_or_default()));
        let mut parts = vec![
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload),
        ];
        damage(&mut parts, &token["respell"]);
        parts
    }

    fn assemble(&self, token: &Value, pad: usize) -> String {
        let mut parts = self.spelled(token, pad);
        let base = &self.tokens[token["base"].as_str().unwrap_or("access")];
        let sign = match &token["sign"] {
            Value::Null => &base["sign"],
            sign => sign,
        };
        let over = &sign["over"];
        let text = if over["payload_alone"] == true {
            parts[1].clone()
        } else if over.is_object() {
            self.spelled(over, 0).join(".")
        } else {
            parts.join(".")
        };
        let key = key(sign["key"].as_str().unwrap_or("first"));
        let scheme = sign["scheme"].as_str().unwrap_or("pkcs1-sha256");
        parts.push(URL_SAFE_NO_PAD.encode(signature(key, scheme, text.as_bytes())));
        damage(&mut parts, &token["damage"]);
        parts.join(".")
    }

    fn json(&self, object: Map<String, Value>) -> String {
        expanded(&Value::Object(object), self.now).to_string()
    }
}

/// A test key by its name.
pub(crate) fn key(name: &str) -> &'static TestKey {
    match name {
        "first" => TestKey::first(),
        "second" => TestKey::second(),
        "third" => TestKey::third(),
        "large" => TestKey::large(),
        "small" => TestKey::small(),
        other => panic!("no test key is called {other}"),
    }
}

/// The value with `$now` and `$jwk` put in.
pub(crate) fn expanded(value: &Value, now: f64) -> Value {
    match value {
        Value::Object(members) => {
            if let Some(offset) = members.get("$now") {
                let time = now + offset.as_f64().unwrap();
                let whole = format!("{time}").parse().unwrap();
                return Value::Number(whole);
            }
            if let Some(offset) = members.get("$utc") {
                let time = Timestamp::from_seconds(now + offset.as_f64().unwrap());
                return Value::String(time.unwrap().utc());
            }
            if let Some(name) = members.get("$jwk") {
                let mut jwk = match name.as_str().unwrap() {
                    "curve" => curve::jwk(),
                    name => key(name).jwk(),
                };
                let jwk_members = jwk.as_object_mut().unwrap();
                for (name, value) in members.iter().filter(|(name, _)| *name != "$jwk") {
                    match value {
                        Value::Null => drop(jwk_members.remove(name)),
                        value => drop(jwk_members.insert(name.clone(), value.clone())),
                    }
                }
                return jwk;
            }
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), expanded(value, now)))
                    .collect(),
            )
        }
        Value::Array(elements) => elements
            .iter()
            .map(|element| expanded(element, now))
            .collect(),
        scalar => scalar.clone(),
    }
}

/// One character is one byte.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(character).expect("a character below U+0100"))
        .collect()
}

fn damage(parts: &mut Vec<String>, operations: &Value) {
    for operation in operations.as_array().into_iter().flatten() {
        let text = || operation["text"].as_str().unwrap();
        let number = |name: &str| usize::try_from(operation[name].as_u64().unwrap_or(0)).unwrap();
        let at = number("part");
        let bytes = || URL_SAFE_NO_PAD.decode(&parts[at]).expect(PARTS[at]);
        let before = parts.clone();
        match operation["op"].as_str().unwrap() {
            "prefix" => parts[at].insert_str(0, text()),
            "suffix" => parts[at].push_str(text()),
            "insert" => parts[at].insert_str(number("at"), text()),
            "replace" => parts[at] = text().to_owned(),
            "stray_bits" => {
                const ALPHABET: &str =
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let last = parts[at].pop().unwrap();
                let value = ALPHABET.find(last).unwrap();
                assert!(!(parts[at].len() + 1).is_multiple_of(4), "no unused bits");
                parts[at].push(char::from(ALPHABET.as_bytes()[value | 1]));
            }
            "standard_alphabet" => parts[at] = parts[at].replace('-', "+").replace('_', "/"),
            "drop_part" => drop(parts.remove(at)),
            "add_part" => parts.push(text().to_owned()),
            "flip" => {
                let mut bytes = bytes();
                bytes[number("bit") / 8] ^= 0x80 >> (number("bit") % 8);
                parts[at] = URL_SAFE_NO_PAD.encode(bytes);
            }
            "zero" => parts[at] = URL_SAFE_NO_PAD.encode(vec![0; bytes().len()]),
            "drop_bytes" => {
                let bytes = bytes();
                let kept = &bytes[number("first")..bytes.len() - number("last")];
                parts[at] = URL_SAFE_NO_PAD.encode(kept);
            }
            "add_bytes" => {
                let hex = |name: &str| match operation[name].as_str() {
                    Some(digits) => vec![u8::from_str_radix(digits, 16).unwrap()],
                    None => Vec::new(),
                };
                parts[at] = URL_SAFE_NO_PAD.encode([hex("before"), bytes(), hex("after")].concat());
            }
            "substitute" => {
                let old = String::from_utf8(bytes()).unwrap();
                let new = old.replace(
                    operation["old"].as_str().unwrap(),
                    operation["new"].as_str().unwrap(),
                );
                parts[at] = URL_SAFE_NO_PAD.encode(new);
            }
            other => panic!("no operation is called {other}"),
        }
        assert_ne!(*parts, before, "{operation} changes nothing");
    }
}

/// The bytes of a signature. Signing takes longer than all else in a test: each is made once, and
/// kept for the next run if `SIGNATURES` names a folder (`make mutants` has hundreds of runs).
pub(crate) fn signature(key: &TestKey, scheme: &str, text: &[u8]) -> Vec<u8> {
    static MADE: Mutex<Option<HashMap<Vec<u8>, Vec<u8>>>> = Mutex::new(None);
    let name = [key.kid().as_bytes(), scheme.as_bytes(), text].join(&0);
    let made = || {
        let mut made = MADE.lock().unwrap();
        made.get_or_insert_default().get(&name).cloned()
    };
    if let Some(signature) = made() {
        return signature;
    }
    let file = std::env::var_os("SIGNATURES")
        .map(|folder| Path::new(&folder).join(URL_SAFE_NO_PAD.encode(Sha256::digest(&name))));
    let kept = file.as_ref().and_then(|file| std::fs::read(file).ok());
    let signature = kept.unwrap_or_else(|| {
        let signature = sign(key, scheme, text);
        file.inspect(|file| std::fs::write(file, &signature).unwrap());
        signature
    });
    let mut made = MADE.lock().unwrap();
    made.get_or_insert_default().insert(name, signature.clone());
    signature
}

fn sign(key: &TestKey, scheme: &str, text: &[u8]) -> Vec<u8> {
    match scheme {
        "pkcs1-sha256" => key.sign(text),
        "pkcs1-sha512" => {
            let key = pkcs1v15::SigningKey::<Sha512>::new(first_private().clone());
            key.sign(text).to_vec()
        }
        "pkcs1-unprefixed" => {
            let key = pkcs1v15::SigningKey::<Sha256>::new_unprefixed(first_private().clone());
            key.sign(text).to_vec()
        }
        "pss-sha256" => {
            let key = pss::SigningKey::<Sha256>::new(first_private().clone());
            key.sign_with_rng(&mut Salt(1), text).to_vec()
        }
        "es384" => curve::sign(text),
        "es384-der" => curve::sign_in_der(text),
        "none" => Vec::new(),
        "hmac-modulus" => hmac(&key.modulus(), text),
        "hmac-jwk-n" => hmac(key.jwk()["n"].as_str().unwrap().as_bytes(), text),
        "hmac-empty" => hmac(b"", text),
        other => panic!("no scheme is called {other}"),
    }
}

fn first_private() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    let pem = include_str!("../keys/rsa2048_1.pem");
    KEY.get_or_init(|| PrivateKey::from_pkcs8_pem(pem).unwrap())
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = match key.len() {
        0..=BLOCK => key.to_vec(),
        _ => Sha256::digest(key).to_vec(),
    };
    block.resize(BLOCK, 0);
    let keyed = |mask: u8| block.iter().map(|byte| byte ^ mask).collect::<Vec<_>>();
    let inner = Sha256::digest([&keyed(0x36), text].concat());
    Sha256::digest([&keyed(0x5c), inner.as_slice()].concat()).to_vec()
}

/// A salt that is the same in every run.
struct Salt(u8);

impl TryRng for Salt {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.into())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.into())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Salt {}
