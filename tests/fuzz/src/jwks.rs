//! A key set, read a second time from the documentation.

use cognito_authorizer::jwks::{InvalidKeySet, KeyKinds, KeySet};
use num_bigint::BigUint;
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::Value;

use super::base64url;

/// So that inputs stay short, `~` stands for most of a modulus of 2048 bits.
fn written_out(data: &[u8]) -> Vec<u8> {
    let mut document = Vec::new();
    for byte in data {
        match byte {
            b'~' => document.extend([b'q'; 340]),
            other => document.push(*other),
        }
    }
    document
}

struct Key {
    kid: String,
    modulus: BigUint,
    exponent: BigUint,
}

fn usable(entry: &Value) -> Option<Key> {
    let or_absent = |name: &str, word: &str| match entry.get(name) {
        None => true,
        Some(value) => value == word,
    };
    let number = |name: &str| {
        let text = entry.get(name)?.as_str()?;
        Some(BigUint::from_bytes_be(&base64url::decode(text.as_bytes())?))
    };
    let right = entry.get("kty")? == "RSA" && or_absent("use", "sig") && or_absent("alg", "RS256");
    let kid = entry.get("kid")?.as_str()?;
    let (modulus, exponent) = (number("n")?, number("e")?);
    let one = BigUint::from(1_u8);
    let odd = |number: &BigUint| number % 2_u8 == one;
    let fits = (2048..=4096).contains(&modulus.bits())
        && odd(&modulus)
        && odd(&exponent)
        && exponent >= BigUint::from(3_u8)
        && exponent <= BigUint::from(1_u64 << 32);
    (right && !kid.is_empty() && fits).then(|| Key {
        kid: kid.to_owned(),
        modulus,
        exponent,
    })
}

fn read(document: &[u8]) -> Result<(Vec<Key>, usize), InvalidKeySet> {
    if document.len() > 150_000 {
        return Err(InvalidKeySet::TooLarge);
    }
    let document: Value = serde_json::from_slice(document).map_err(|_| InvalidKeySet::Malformed)?;
    let entries = match document.get("keys") {
        Some(Value::Array(entries)) => entries,
        _ => return Err(InvalidKeySet::Malformed),
    };
    if entries.len() > 100 {
        return Err(InvalidKeySet::TooManyKeys);
    }
    let mut keys: Vec<Key> = Vec::new();
    for key in entries.iter().filter_map(usable) {
        if keys.iter().all(|known| known.kid != key.kid) {
            keys.push(key);
        }
    }
    match keys.len() {
        0 => Err(InvalidKeySet::NoUsableKey(KeyKinds::Rsa)),
        some => Ok((keys, entries.len() - some)),
    }
}

/// The usable keys, and no others, are found under their names.
pub fn jwks(data: &[u8]) {
    let document = written_out(data);
    match (KeySet::parse(&document), read(&document)) {
        (Ok(found), Ok((keys, skipped))) => {
            assert_eq!((found.len(), found.skipped()), (keys.len(), skipped));
            assert!(found.same_keys(&found));
            for key in keys {
                let spki = found.get(&key.kid).expect(&key.kid).spki();
                let read = PublicKey::from_public_key_der(spki).expect("DER");
                let number = |bytes: Box<[u8]>| BigUint::from_bytes_be(&bytes);
                assert_eq!(number(read.n_bytes()), key.modulus);
                assert_eq!(number(read.e_bytes()), key.exponent);
            }
        }
        (Err(found), Err(expected)) => assert_eq!(found, expected),
        (found, expected) => panic!("found {found:?}, expected {:?}", expected.map(drop)),
    }
}
