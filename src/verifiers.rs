//! The verifiers of signatures, and which of them a key is for.

use crate::es384::Es384;
use crate::jwks::Key;
use crate::rs256::Rs256;
use crate::signature::{Algorithm, Algorithms, Signature};
use jwt_compact::Algorithm as _;

/// All that signatures are verified by.
#[derive(Clone, Debug)]
pub struct Verifiers {
    rs256: Rs256,
    es384: Es384,
}

impl From<Rs256> for Verifiers {
    /// RS256, and nothing else.
    fn from(rs256: Rs256) -> Self {
        Self::new(rs256, Es384::unsupported())
    }
}

impl Verifiers {
    /// These two.
    #[must_use]
    pub const fn new(rs256: Rs256, es384: Es384) -> Self {
        Self { rs256, es384 }
    }

    /// The algorithms that a token may name.
    #[must_use]
    pub const fn algorithms(&self) -> Algorithms {
        match self.es384.is_supported() {
            true => Algorithms::Rs256AndEs384,
            false => Algorithms::Rs256,
        }
    }

    /// Whether the host verifies RS256.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.rs256.is_host()
    }

    /// Whether the signature is the key's over the message under this algorithm. Under the
    /// algorithm of another kind of key it is not: the token has no say in what a key is for.
    #[must_use]
    pub fn verify(
        &self,
        algorithm: Algorithm,
        key: &Key,
        message: &[u8],
        signature: &Signature,
    ) -> bool {
        match (algorithm, key) {
            (Algorithm::Rs256, Key::Rsa(key)) => {
                self.rs256.verify_signature(signature, key, message)
            }
            (Algorithm::Es384, Key::P384(key)) => self.es384.verify(key, message, signature),
            (Algorithm::Rs256, Key::P384(_)) | (Algorithm::Es384, Key::Rsa(_)) => false,
        }
    }
}
