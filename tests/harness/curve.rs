//! ES384: the P-384 key of the tests' own AWS account, and a host that verifies what it signs.

use std::rc::Rc;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::es384::Es384;
use cognito_authorizer::policy::{Policy, SignaturePolicy};
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::signature::{HostAnswer, HostVerifier};
use cognito_authorizer::verifiers::Verifiers;
use p384::ecdsa::signature::{Signer as _, Verifier as _};
use p384::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use p384::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use serde_json::{Value, json};

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        SigningKey::from_pkcs8_pem(include_str!("../keys/p384.pem")).expect("a P-384 key")
    })
}

/// The key as a member of an account's key set, as AWS writes it.
pub(crate) fn jwk() -> Value {
    let point = VerifyingKey::from(key()).to_sec1_point(false);
    let number = |number: Option<&p384::FieldBytes>| URL_SAFE_NO_PAD.encode(number.unwrap());
    json!({
        "alg": "ES384",
        "crv": "P-384",
        "kid": "EC384_0",
        "kty": "EC",
        "use": "sig",
        "x": number(point.x()),
        "y": number(point.y()),
    })
}

/// ECDSA with SHA-384, the same signature for the same text (RFC 6979), as a JWS has it.
pub(crate) fn sign(text: &[u8]) -> Vec<u8> {
    let signature: Signature = key().sign(text);
    signature.to_bytes().to_vec()
}

/// The same signature in DER, which is how TLS and Envoy write it, and no JWS does.
pub(crate) fn sign_in_der(text: &[u8]) -> Vec<u8> {
    let signature: DerSignature = key().sign(text);
    signature.as_bytes().to_vec()
}

/// A host that verifies ES384, and leaves RS256 to the module.
pub(crate) struct CurveHost;

impl HostVerifier for CurveHost {
    fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
        HostAnswer::None
    }

    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let Ok(key) = VerifyingKey::from_public_key_der(spki) else {
            return HostAnswer::None;
        };
        let genuine = DerSignature::from_bytes(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok());
        match genuine {
            true => HostAnswer::Valid,
            false => HostAnswer::Invalid,
        }
    }
}

/// What signatures are verified by where the host offers ES384 alone.
pub(crate) fn verifiers(policy: &Policy) -> Verifiers {
    match policy.signature {
        SignaturePolicy::Module => Rs256::module().into(),
        SignaturePolicy::Auto => with_es384(Rs256::module()),
    }
}

/// The same with another RS256.
pub(crate) fn with_es384(rs256: Rs256) -> Verifiers {
    // It proves itself once, and not for each of a thousand gates.
    thread_local! {
        static ES384: Es384 = Es384::host_if_proven(Rc::new(CurveHost));
    }
    let es384 = ES384.with(Es384::clone);
    assert!(es384.is_supported());
    Verifiers::new(rs256, es384)
}
