//! ES384 (RFC 7518, section 3.4), which the host alone verifies.
//!
//! An AWS account signs with RSA or with P-384, as the caller asks. A curve in the module would be a
//! third of its size for what a caller can do without; the host has one. Where it does not prove
//! that it verifies, a token under ES384 is one of an unsupported algorithm.
//!
//! A JWS has the numbers of a signature side by side, and a host wants them in DER. What is passed
//! on has the right form and the right range whatever the host makes of other forms.

use crate::signature::{HostAnswer, HostVerifier, Signature};
use std::fmt;
use std::rc::Rc;

/// How many bytes a number of the curve has.
const NUMBER: usize = 48;

/// Everything of a P-384 key's `SubjectPublicKeyInfo` (RFC 5480, section 2) before the two
/// coordinates: `id-ecPublicKey`, `secp384r1`, and the mark of an uncompressed point.
const SPKI_BEGINS: [u8; 24] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];

/// The order of the group of P-384 (NIST SP 800-186, section 3.2.1.4).
const ORDER: [u8; NUMBER] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// A P-384 key that may verify signatures. That its point lies on the curve is for the host to say.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
}

impl PublicKey {
    /// Accepts the two coordinates, each of exactly 48 bytes (RFC 7518, section 6.2.1.2).
    #[must_use]
    pub fn new(x: &[u8], y: &[u8]) -> Option<Self> {
        (x.len() == NUMBER && y.len() == NUMBER).then(|| Self {
            spki: [&SPKI_BEGINS, x, y].concat(),
        })
    }

    /// The key as DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("P-384")
    }
}

/// ES384 by the host, or not at all.
#[derive(Clone, Default)]
pub struct Es384 {
    host: Option<Rc<dyn HostVerifier>>,
}

impl Es384 {
    /// No ES384.
    #[must_use]
    pub const fn unsupported() -> Self {
        Self { host: None }
    }

    /// Verification by the host, if it proves that it tells a good signature from bad ones.
    #[must_use]
    pub fn host_if_proven(host: Rc<dyn HostVerifier>) -> Self {
        let proven = is_proven(&*host);
        Self {
            host: proven.then_some(host),
        }
    }

    /// Whether signatures are verified.
    #[must_use]
    pub const fn is_supported(&self) -> bool {
        self.host.is_some()
    }

    /// Whether the signature, as a JWS has it, is the key's over the message. An unclear answer is
    /// a no: nothing in the module could be asked instead.
    #[must_use]
    pub fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let Some((host, der)) = self.host.as_ref().zip(der(signature.bytes())) else {
            return false;
        };
        host.verify_es384(key.spki(), message, &der) == HostAnswer::Valid
    }
}

impl fmt::Debug for Es384 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.is_supported() {
            true => "host",
            false => "unsupported",
        })
    }
}

/// A signature of JWS, `r` and `s` of 48 bytes each (RFC 7518, section 3.4), as DER
/// (RFC 3279, section 2.2.3). `None` for any other length, and for numbers that no signer writes:
/// zero under a careless verifier is everybody's signature (CVE-2022-21449).
#[must_use]
pub fn der(signature: &[u8]) -> Option<Vec<u8>> {
    const SEQUENCE: u8 = 0x30;
    let (r, s) = signature.split_at_checked(NUMBER)?;
    if s.len() != NUMBER {
        return None;
    }
    let contents = [integer(r)?, integer(s)?].concat();
    // Two integers of at most 51 bytes: one byte of length is enough (X.690, section 8.1.3.4).
    let length = u8::try_from(contents.len()).ok()?;
    Some([&[SEQUENCE, length], contents.as_slice()].concat())
}

/// A number from 1 to the order of the group, as a positive INTEGER without needless zeros.
fn integer(number: &[u8]) -> Option<Vec<u8>> {
    const INTEGER: u8 = 0x02;
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..)?;
    let first = *digits.first()?;
    // Big-endian numbers of one length compare as their bytes do.
    if number >= ORDER.as_slice() {
        return None;
    }
    // A first bit that is set would make it negative.
    let sign: &[u8] = if first & 0x80 == 0 { &[] } else { &[0] };
    let length = u8::try_from(sign.len().saturating_add(digits.len())).ok()?;
    Some([&[INTEGER, length], sign, digits].concat())
}

/// A key that was thrown away, and what it signed.
const POINT: &[u8; 96] = include_bytes!("es384/proof.point");
const MESSAGE: &[u8] = b"cognito-authorizer";
const SIGNATURE: &[u8; 96] = include_bytes!("es384/proof.signature");

/// Whether a host accepts the good signature, and refuses it over another message and with one bit
/// of it changed. A host that says yes to everything fails the second and the third question.
fn is_proven(host: &dyn HostVerifier) -> bool {
    let (x, y) = POINT.split_at(NUMBER);
    let Some(key) = PublicKey::new(x, y) else {
        return false;
    };
    let mut forged = *SIGNATURE;
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let answer = |message: &[u8], signature: &[u8]| {
        der(signature).map(|signature| host.verify_es384(key.spki(), message, &signature))
    };
    answer(MESSAGE, SIGNATURE) == Some(HostAnswer::Valid)
        && answer(b"cognito-authoriser", SIGNATURE) == Some(HostAnswer::Invalid)
        && answer(MESSAGE, &forged) == Some(HostAnswer::Invalid)
}

#[cfg(test)]
mod tests;
