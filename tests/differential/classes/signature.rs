//! What is not the signature of these bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;

use crate::class::Class;
use crate::class::Slot::{HeaderPart, PayloadPart, Signature};
use crate::classes::header::byte;
use crate::harness::issuer::TestKey;
use crate::token_builder::{Draft, Signer};

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    vec![
        Class::bad("signature-bit", &[Signature], |draft, seed| {
            let bit = seed.below(2048);
            signature(draft, move |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        }),
        Class::bad("signature-byte", &[Signature], |draft, seed| {
            let (at, other) = (seed.below(256), byte(seed) | 1);
            signature(draft, move |bytes| bytes[at] ^= other);
        }),
        Class::bad("signature-random", &[Signature], |draft, seed| {
            let random: Vec<u8> = (0..256).map(|_| byte(seed)).collect();
            signature(draft, move |bytes| *bytes = random);
        }),
        Class::bad("signature-cut", &[Signature], |draft, seed| {
            let length = 1 + seed.below(255);
            signature(draft, move |bytes| bytes.truncate(length));
        }),
        Class::bad("signature-cut-in-front", &[Signature], |draft, _| {
            signature(draft, |bytes| *bytes = bytes.split_off(1));
        }),
        Class::bad("signature-longer", &[Signature], |draft, seed| {
            let more = 1 + seed.below(50);
            signature(draft, move |bytes| bytes.resize(256 + more, 0));
        }),
        Class::bad("signature-zero-in-front", &[Signature], |draft, _| {
            signature(draft, |bytes| bytes.insert(0, 0));
        }),
        Class::bad("signature-empty", &[Signature], |draft, _| {
            draft.damage(|parts| parts[2].clear())
        }),
        Class::bad("signature-constant", &[Signature], |draft, seed| {
            let constant = *seed.choose(&[0, 1, 255]);
            signature(draft, move |bytes| bytes.fill(constant));
        }),
        // The same number to whoever forgets that it must be below the modulus.
        Class::bad("signature-plus-modulus", &[Signature], |draft, _| {
            signature(draft, |bytes| {
                let modulus = BigUint::from_bytes_be(&TestKey::first().modulus());
                *bytes = (BigUint::from_bytes_be(bytes) + modulus).to_bytes_be();
            });
        }),
        Class::bad("signature-of-a-stranger", &[Signature], |draft, _| {
            draft.signer = Signer::Key(TestKey::third());
        }),
        Class::bad("signature-of-another-hash", &[Signature], |draft, _| {
            draft.signer = Signer::Scheme("pkcs1-sha512");
        }),
        Class::bad("signature-without-its-hash", &[Signature], |draft, _| {
            draft.signer = Signer::Scheme("pkcs1-unprefixed");
        }),
        Class::bad("signature-of-another-scheme", &[Signature], |draft, _| {
            draft.signer = Signer::Scheme("pss-sha256");
        }),
        Class::bad("signature-of-other-claims", &[Signature], |draft, seed| {
            let text = format!("e30.{}", seed.below(1000));
            draft.damage(move |parts| {
                parts[2] = URL_SAFE_NO_PAD.encode(TestKey::first().sign(text.as_bytes()));
            });
        }),
        Class::bad("payload-changed-later", &[PayloadPart], |draft, _| {
            draft.damage(|parts| forge(&mut parts[1], b"wilhelmina", b"Wilhelmina"));
        }),
        Class::bad("header-changed-later", &[HeaderPart], |draft, _| {
            draft.damage(|parts| {
                let mut text = URL_SAFE_NO_PAD.decode(&parts[0]).unwrap_or_default();
                text.push(b' ');
                parts[0] = URL_SAFE_NO_PAD.encode(text);
            });
        }),
    ]
}

fn signature(draft: &mut Draft, change: impl FnOnce(&mut Vec<u8>) + Send + 'static) {
    draft.damage(|parts| {
        let mut bytes = URL_SAFE_NO_PAD.decode(&parts[2]).expect("a signature");
        change(&mut bytes);
        parts[2] = URL_SAFE_NO_PAD.encode(bytes);
    });
}

/// Changes the text of a part; where that is not to be found, its first byte.
fn forge(part: &mut String, from: &[u8], to: &[u8]) {
    let mut text = URL_SAFE_NO_PAD.decode(&*part).unwrap_or_default();
    match text.windows(from.len()).position(|window| window == from) {
        Some(at) => text[at..at + to.len()].copy_from_slice(to),
        None => text.insert(0, b' '),
    }
    *part = URL_SAFE_NO_PAD.encode(text);
}
