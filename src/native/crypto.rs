//! Signatures, by `ring`.
//!
//! It takes a public key as it stands inside a `SubjectPublicKeyInfo`, which begins with bytes that
//! are the same for all keys of a kind but for lengths (RFC 8017, A.1.1; RFC 5480, 2).

use cognito_authorizer::signature::{HostAnswer, HostVerifier};
use ring::signature::{
    ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

/// The library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Library;

impl HostVerifier for Library {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        ask(&RSA_PKCS1_2048_8192_SHA256, spki, message, signature)
    }

    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        ask(&ECDSA_P384_SHA384_ASN1, spki, message, signature)
    }
}

fn ask(
    algorithm: &'static dyn VerificationAlgorithm,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> HostAnswer {
    let Some(key) = public_key(spki) else {
        return HostAnswer::None;
    };
    match UnparsedPublicKey::new(algorithm, key).verify(message, signature) {
        Ok(()) => HostAnswer::Valid,
        Err(_) => HostAnswer::Invalid,
    }
}

/// The `subjectPublicKey` of a `SubjectPublicKeyInfo`: behind an algorithm, in a bit string without
/// unused bits.
fn public_key(spki: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let (info, []) = element(spki, SEQUENCE)? else {
        return None;
    };
    let (_algorithm, rest) = element(info, SEQUENCE)?;
    let (bits, []) = element(rest, BIT_STRING)? else {
        return None;
    };
    bits.strip_prefix(&[0])
}

/// The content of the first DER element, if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        short @ ..=0x7f => (usize::from(*short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Wycheproof's signatures, as all verifiers of the project are asked about them.
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "../../tests/harness/published.rs"]
mod published;

#[cfg(test)]
mod tests {
    use super::published::{SETS, on_curve, published};
    use super::*;
    use cognito_authorizer::es384::{self, Es384};
    use cognito_authorizer::rs256::{PublicKey, Rs256};
    use cognito_authorizer::signature::Signature;
    use std::rc::Rc;

    /// What the library says of a signature must be what it was published with.
    fn assert_verdict(name: &str, answer: HostAnswer, genuine: bool) {
        let expected = match genuine {
            true => HostAnswer::Valid,
            false => HostAnswer::Invalid,
        };
        assert_eq!(answer, expected, "{name}");
    }

    /// And of a genuine one with a bit that is wrong, no.
    #[test]
    fn published_signatures_get_the_verdicts_they_are_published_with() {
        let library = Rs256::host_if_proven(Rc::new(Library));
        assert!(library.is_host(), "the library does not prove itself");
        for (set, count) in SETS {
            let signatures = published(set);
            assert_eq!(signatures.len(), count, "{set:?}");
            for mut one in signatures {
                let key = PublicKey::new(&one.modulus, &one.exponent).unwrap();
                let ask = |signature: &[u8]| Library.verify(key.spki(), &one.message, signature);
                assert_verdict(&one.name, ask(&one.signature), one.genuine);
                if one.genuine
                    && let Some(last) = one.signature.last_mut()
                {
                    *last ^= 1;
                    assert_verdict(&one.name, ask(&one.signature), false);
                }
            }
        }
    }

    #[test]
    fn published_signatures_on_the_curve_get_their_verdicts() {
        let library = Es384::host_if_proven(Rc::new(Library));
        assert!(library.is_supported(), "the library does not prove itself");
        let mut wrong = Vec::new();
        for one in on_curve() {
            let (x, y) = one.point.split_at(48);
            let key = es384::PublicKey::new(x, y).unwrap();
            if library.verify(&key, &one.message, &Signature::new(one.signature)) != one.genuine {
                wrong.push(one.name);
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_key_stands_behind_its_algorithm() {
        let spki = [0x30, 8, 0x30, 2, 5, 0, 3, 2, 0, 7];
        assert_eq!(public_key(&spki), Some(&[7][..]));
        // Unused bits; a byte behind it; other tags; cut anywhere.
        for (index, byte) in [(8, 1), (0, 0x31), (2, 0x31), (6, 4), (7, 1), (1, 9)] {
            let mut other = spki;
            other[index] = byte;
            assert_eq!(public_key(&other), None, "{index} {byte}");
        }
        for length in 0..spki.len() {
            assert_eq!(public_key(&spki[..length]), None, "{length}");
        }
    }

    #[test]
    fn lengths_have_a_short_and_two_long_forms() {
        for length in [0, 1, 127, 128, 255, 256, 65_535_usize] {
            let mut bytes = vec![3];
            match length {
                0..128 => bytes.push(u8::try_from(length).unwrap_or_default()),
                128..256 => bytes.extend([0x81, u8::try_from(length).unwrap_or_default()]),
                _ => {
                    bytes.push(0x82);
                    bytes.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
                }
            }
            bytes.extend(vec![1; length]);
            bytes.push(9);
            let (content, rest) = element(&bytes, 3).unwrap_or_default();
            assert_eq!((content.len(), rest), (length, &[9][..]), "{length}");
        }
        assert_eq!(element(&[3, 0x83, 0, 0, 1, 7], 3), None);
    }
}
