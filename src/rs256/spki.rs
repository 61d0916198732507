//! An RSA public key as DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1; RFC 8017, appendix
//! A.1.1).
//!
//! Written out here because the crates that the crypto library brings for it add 25 kB to the
//! module. Nothing is parsed, and the tests compare every length class with what they write.

/// `rsaEncryption` (1.2.840.113549.1.1.1) and its parameters, NULL.
const ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// The key with this modulus and exponent, big-endian and without leading zeros.
pub(super) fn encode(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    // No bit of the last byte is unused.
    let key = element(BIT_STRING, &[&[0], key.as_slice()].concat());
    element(SEQUENCE, &[&ALGORITHM, key.as_slice()].concat())
}

/// A positive INTEGER: a first bit that is set would make it negative, so a zero stands before it.
fn integer(number: &[u8]) -> Vec<u8> {
    match number.first() {
        Some(first) if first & 0x80 == 0 => element(INTEGER, number),
        _ => element(INTEGER, &[&[0], number].concat()),
    }
}

/// Tag, length and contents (X.690, section 8.1.3): lengths from 128 bytes on are written with
/// the number of their own bytes first.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut length = contents.len().to_be_bytes().to_vec();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let significant = length.split_off(zeros.min(length.len().saturating_sub(1)));
    let mut bytes = vec![tag];
    match significant.as_slice() {
        [short] if *short < 0x80 => bytes.push(*short),
        long => {
            bytes.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(long);
        }
    }
    bytes.extend_from_slice(contents);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::pkcs8::EncodePublicKey;
    use rsa::{BoxedUint, PublicKey};

    #[test]
    fn keys_are_encoded_as_the_library_does() {
        for bits in [2048, 2047, 2056, 3072, 4095, 4096] {
            for exponent in [&[3][..], &[1, 0, 1], &[0x80, 1], &[0xff, 0xff, 0xff, 0xff]] {
                let mut modulus = vec![0xff; bits / 8 + usize::from(bits % 8 > 0)];
                modulus[0] >>= (8 - bits % 8) % 8;
                let key = PublicKey::new_unchecked(
                    BoxedUint::from_be_slice_vartime(&modulus),
                    BoxedUint::from_be_slice_vartime(exponent),
                );
                let expected = key.to_public_key_der().unwrap().into_vec();
                assert_eq!(encode(&modulus, exponent), expected, "{bits} {exponent:?}");
            }
        }
    }

    #[test]
    fn short_lengths_take_one_byte() {
        assert_eq!(element(INTEGER, &[1]), [2, 1, 1]);
        assert_eq!(element(INTEGER, &[]), [2, 0]);
        assert_eq!(element(INTEGER, &[0; 127])[..2], [2, 127]);
        assert_eq!(element(INTEGER, &[0; 128])[..3], [2, 0x81, 128]);
        assert_eq!(element(INTEGER, &[0; 256])[..4], [2, 0x82, 1, 0]);
    }
}
