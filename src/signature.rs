//! The words of signatures: which algorithms there are, and what a host's verifier is asked.

use jwt_compact::AlgorithmSignature;
use std::borrow::Cow;

/// A signature algorithm (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: every user pool's, and an AWS account's if the caller says so.
    Rs256,
    /// ECDSA over P-384 with SHA-384: an AWS account's if the caller says so.
    Es384,
}

impl Algorithm {
    /// The word in a token's header, and in a JWK.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es384 => "ES384",
        }
    }
}

/// The algorithms that a token may name at all.
///
/// For one issuer it is not the token that chooses between them: the kind of the key must fit
/// (RFC 8725, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithms {
    /// With one there is nothing to confuse it with.
    #[default]
    Rs256,
    /// Where there are AWS accounts, and a host that verifies ES384.
    Rs256AndEs384,
}

impl Algorithms {
    /// The algorithm of this name, compared as text.
    #[must_use]
    pub fn named(self, name: &str) -> Option<Algorithm> {
        let known: &[Algorithm] = match self {
            Self::Rs256 => &[Algorithm::Rs256],
            Self::Rs256AndEs384 => &[Algorithm::Rs256, Algorithm::Es384],
        };
        known.iter().copied().find(|known| known.name() == name)
    }
}

/// The bytes of a signature; any bytes.
#[derive(Debug)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Takes the bytes over.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AlgorithmSignature for Signature {
    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

/// What a host's verifier says. Anything it says unclearly is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAnswer {
    /// The signature is the key's over these bytes.
    Valid,
    /// It is not.
    Invalid,
    /// The host could not or would not say.
    None,
}

/// A verifier that the host offers. Keys are DER `SubjectPublicKeyInfo`.
pub trait HostVerifier {
    /// Asks whether `signature` is the RSASSA-PKCS1-v1_5 of the key in `spki` over `message`, with
    /// SHA-256.
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer;

    /// The same of ECDSA with SHA-384, whose signature is DER (RFC 3279, section 2.2.3). Hosts that
    /// know RSA alone have no answer.
    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let _ = (spki, message, signature);
        HostAnswer::None
    }
}
