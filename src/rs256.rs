//! RS256 (RFC 7518, section 3.3): the only file that names the crypto crate.
//!
//! Two verifiers stand behind one type: the host's, where it has proved itself, and the module's
//! own. Both are asked the same question about the same bytes, and only an outright yes counts.

mod spki;

pub use crate::signature::{HostAnswer, HostVerifier, Signature};
use jwt_compact::Algorithm;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Pkcs1v15Sign};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;

/// An RSA key that may verify signatures.
pub struct PublicKey {
    key: rsa::PublicKey,
    /// How the digest of a message is padded.
    scheme: Pkcs1v15Sign,
    modulus_bytes: usize,
    spki: Vec<u8>,
}

/// Why a key may not verify signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKey {
    /// The modulus has not 2048 to 4096 bits.
    ModulusSize,
    /// The modulus is even: no product of two large primes.
    EvenModulus,
    /// The exponent is not odd, or not within 3 to 2^32.
    Exponent,
    /// The crypto library refuses the key.
    Refused,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ModulusSize => "the modulus is too short or too long; expected 2048 to 4096 bits",
            Self::EvenModulus => "the modulus is even; expected a product of two large primes",
            Self::Exponent => "the exponent is out of range; expected an odd number from 3 to 2^32",
            Self::Refused => "the key was refused; expected an RSA public key",
        })
    }
}

impl PublicKey {
    /// NIST SP 800-131A: shorter RSA keys are no longer acceptable.
    pub const MIN_MODULUS_BITS: u32 = 2048;
    /// The cost of a verification grows with the square of the modulus; Cognito uses 2048 bits.
    pub const MAX_MODULUS_BITS: usize = 4096;
    /// Likewise the exponent: anything larger is a way to make verification slow.
    pub const MAX_EXPONENT: u64 = 1 << 32;

    /// Accepts a big-endian modulus and exponent; leading zero bytes are tolerated.
    ///
    /// # Errors
    /// See [`InvalidKey`].
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, InvalidKey> {
        const EXPONENT_BYTES: usize = 8;
        let exponent = without_leading_zeros(exponent);
        if exponent.len() > EXPONENT_BYTES {
            return Err(InvalidKey::Exponent);
        }
        let value = exponent
            .iter()
            .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        if !(3..=Self::MAX_EXPONENT).contains(&value) || value & 1 == 0 {
            return Err(InvalidKey::Exponent);
        }
        let modulus = without_leading_zeros(modulus);
        // Before the bytes become a number: a hostile length must not cost anything.
        if modulus.len().saturating_mul(8) > Self::MAX_MODULUS_BITS {
            return Err(InvalidKey::ModulusSize);
        }
        if modulus.last().is_none_or(|last| last & 1 == 0) {
            return Err(InvalidKey::EvenModulus);
        }
        let spki = spki::encode(modulus, exponent);
        let modulus = BoxedUint::from_be_slice_vartime(modulus);
        if modulus.bit_width() < Self::MIN_MODULUS_BITS {
            return Err(InvalidKey::ModulusSize);
        }
        let key = rsa::PublicKey::new(modulus, BoxedUint::from(value))
            .map_err(|_| InvalidKey::Refused)?;
        Ok(Self {
            modulus_bytes: key.size(),
            key,
            scheme: Pkcs1v15Sign::new::<Sha256>(),
            spki,
        })
    }

    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1), as a host wants it.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RSA {} bytes", self.modulus_bytes)
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// RS256, by the host or by the module.
#[derive(Clone)]
pub struct Rs256 {
    host: Option<Rc<dyn HostVerifier>>,
}

impl Rs256 {
    /// Verification inside the module.
    #[must_use]
    pub const fn module() -> Self {
        Self { host: None }
    }

    /// Verification by the host, if it proves that it tells a good signature from a bad one;
    /// inside the module otherwise.
    #[must_use]
    pub fn host_if_proven(host: Rc<dyn HostVerifier>) -> Self {
        let proven = PROOF.holds(&*host);
        Self {
            host: proven.then_some(host),
        }
    }

    /// Whether the host verifies.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.host.is_some()
    }
}

/// For tests of the back ends in their host.
#[cfg(feature = "provoke")]
impl Rs256 {
    /// The verdict on a signature.
    #[must_use]
    pub fn accepts(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        self.verify_signature(&Signature::new(signature.to_vec()), key, message)
    }
}

impl fmt::Debug for Rs256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_host() { "host" } else { "module" })
    }
}

impl Algorithm for Rs256 {
    /// There is none: this filter verifies only.
    type SigningKey = Infallible;
    type VerifyingKey = PublicKey;
    type Signature = Signature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("RS256")
    }

    fn sign(&self, signing_key: &Infallible, _message: &[u8]) -> Self::Signature {
        match *signing_key {}
    }

    fn verify_signature(&self, signature: &Signature, key: &PublicKey, message: &[u8]) -> bool {
        // RFC 8017, section 8.2.2, step 1. Asked here, so that no back end is trusted with it.
        if signature.bytes().len() != key.modulus_bytes {
            return false;
        }
        let answer = self.host.as_ref().map_or(HostAnswer::None, |host| {
            host.verify(&key.spki, message, signature.bytes())
        });
        match answer {
            HostAnswer::Valid => true,
            HostAnswer::Invalid => false,
            // Not through the crate's `Verifier`, whose boxed error knows how to print all of DER.
            HostAnswer::None => {
                let digest = Sha256::digest(message);
                let scheme = key.scheme.clone();
                key.key.verify(scheme, &digest, signature.bytes()).is_ok()
            }
        }
    }
}

/// A signature that is known to be good, and the key that made it.
struct Proof {
    spki: &'static [u8],
    message: &'static [u8],
    signature: &'static [u8],
}

/// Made once with a key that was thrown away.
const PROOF: Proof = Proof {
    spki: include_bytes!("rs256/proof.spki"),
    message: b"cognito-authorizer",
    signature: include_bytes!("rs256/proof.signature"),
};

impl Proof {
    /// Whether the verifier accepts the good signature, and refuses it over other bytes and with
    /// one bit changed. A host that says yes to everything fails the second and third question.
    fn holds(&self, host: &dyn HostVerifier) -> bool {
        let mut forged = self.signature.to_vec();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        host.verify(self.spki, self.message, self.signature) == HostAnswer::Valid
            && host.verify(self.spki, b"cognito-authoriser", self.signature) == HostAnswer::Invalid
            && host.verify(self.spki, self.message, &forged) == HostAnswer::Invalid
    }
}

#[cfg(test)]
mod tests;
