//! Signatures that cost nothing: a host that verifies what only it can have signed.
//!
//! A token is signed thousands of times a second, so the decision's signatures are digests under a
//! secret. Whether RSA is verified as it should be is the question of `signature`, not of `decision`.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::rs256::{HostAnswer, HostVerifier, PublicKey, Rs256};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};

use super::issuer::TestKey;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signer {
    First,
    Second,
    /// The other pool's key, under a name that the first pool's set has too.
    Third,
    /// Nobody's key.
    Stranger,
}

impl Signer {
    pub(crate) const ALL: [Self; 4] = [Self::First, Self::Second, Self::Third, Self::Stranger];

    /// The published key; the stranger's is published nowhere.
    fn key(self) -> Option<&'static TestKey> {
        match self {
            Self::First => Some(TestKey::first()),
            Self::Second => Some(TestKey::second()),
            Self::Third => Some(TestKey::third()),
            Self::Stranger => None,
        }
    }

    /// The key as a member of a key set.
    pub(crate) fn jwk(self, kid: &str) -> serde_json::Value {
        let mut jwk = self.key().expect("a published key").jwk();
        jwk["kid"] = kid.into();
        jwk
    }

    fn spki(self) -> Vec<u8> {
        let Some(key) = self.key() else {
            return Vec::new();
        };
        let jwk = key.jwk();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        PublicKey::new(&number("n"), &number("e"))
            .unwrap()
            .spki()
            .to_vec()
    }
}

/// As long as a signature by a key of 2048 bits.
const BYTES: usize = 256;

/// Signs, and verifies as a host would.
pub(crate) struct Notary {
    published: Vec<(Signer, Vec<u8>)>,
}

impl Notary {
    fn new() -> Self {
        let published = Signer::ALL.map(|signer| (signer, signer.spki()));
        Self {
            published: published.to_vec(),
        }
    }

    /// The signature over `message`.
    pub(crate) fn sign(signer: Signer, message: &[u8]) -> Vec<u8> {
        let secret = format!("{signer:?} signs");
        let digest = Sha256::digest([secret.as_bytes(), message].concat());
        digest.iter().copied().cycle().take(BYTES).collect()
    }

    /// RS256 by a notary, which has proved itself.
    pub(crate) fn rs256() -> Rs256 {
        let proven = Rs256::host_if_proven(Rc::new(Self::new()));
        assert!(proven.is_host());
        proven
    }
}

impl HostVerifier for Notary {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let known = self
            .published
            .iter()
            .find(|(_, published)| published == spki);
        let valid = match known {
            Some((signer, _)) => signature == Self::sign(*signer, message),
            // The proof that is asked of every host is genuine.
            None => {
                let key = rsa::PublicKey::from_public_key_der(spki).expect("a key");
                let signature = Signature::try_from(signature).expect("a signature");
                VerifyingKey::<Sha256>::new(key)
                    .verify(message, &signature)
                    .is_ok()
            }
        };
        if valid {
            HostAnswer::Valid
        } else {
            HostAnswer::Invalid
        }
    }
}
