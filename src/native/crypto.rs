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

#[cfg(test)]
mod tests {
    use super::*;

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
