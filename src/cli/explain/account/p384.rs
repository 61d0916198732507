//! ES384 at the desk. The filter leaves it to its host, and this is one.

use cognito_authorizer::es384::Es384;
use cognito_authorizer::policy::{Policy, SignaturePolicy};
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::signature::{HostAnswer, HostVerifier};
use cognito_authorizer::verifiers::Verifiers;
use ring::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use std::rc::Rc;

/// An uncompressed point of P-384: what ring takes for a key, and a `SubjectPublicKeyInfo` ends in.
const POINT: usize = 97;

struct Desk;

impl HostVerifier for Desk {
    /// RS256 is the module's own here.
    fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
        HostAnswer::None
    }

    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let Some((_, point)) = spki
            .len()
            .checked_sub(POINT)
            .and_then(|begin| spki.split_at_checked(begin))
        else {
            return HostAnswer::None;
        };
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
        match key.verify(message, signature) {
            Ok(()) => HostAnswer::Valid,
            Err(_) => HostAnswer::Invalid,
        }
    }
}

/// What signatures are verified by, as in an Envoy that offers ES384.
pub(super) fn verifiers(policy: &Policy) -> Verifiers {
    match policy.signature {
        SignaturePolicy::Module => Rs256::module().into(),
        SignaturePolicy::Auto => {
            Verifiers::new(Rs256::module(), Es384::host_if_proven(Rc::new(Desk)))
        }
    }
}
