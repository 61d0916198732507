//! The host's own verifier: Envoy's foreign function `verify_signature`, which is BoringSSL.

use crate::signature::{HostAnswer, HostVerifier};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use proxy_wasm::hostcalls;

/// `VerifySignatureArguments` of Envoy's
/// `source/extensions/common/wasm/ext/verify_signature.proto`: the name of the hash function, the
/// public key, the signature and the text, in this order. They are written into one buffer without
/// a message in between, which would copy all of them again.
fn arguments(hash: &str, spki: &[u8], signature: &[u8], message: &[u8]) -> Vec<u8> {
    const FRAMING: usize = 32;
    let fields = [hash.as_bytes(), spki, signature, message];
    let bytes = fields
        .iter()
        .map(|field| field.len())
        .fold(FRAMING, usize::saturating_add);
    let mut arguments = Vec::with_capacity(bytes);
    for (tag, field) in (1..).zip(fields) {
        encode_key(tag, WireType::LengthDelimited, &mut arguments);
        encode_varint(
            u64::try_from(field.len()).unwrap_or(u64::MAX),
            &mut arguments,
        );
        arguments.extend_from_slice(field);
    }
    arguments
}

/// `VerifySignatureResult` of the same file.
#[derive(Message)]
struct Answer {
    #[prost(bool, tag = "1")]
    valid: bool,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Host;

impl HostVerifier for Host {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        ask("sha256", spki, message, signature)
    }

    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        ask("sha384", spki, message, signature)
    }
}

/// The call succeeds for a bad signature too: only the answer's first field is a yes. A field that
/// says `valid` beside one that says what went wrong is no answer.
fn ask(hash: &str, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
    let arguments = arguments(hash, spki, signature, message);
    let answer = hostcalls::call_foreign_function("verify_signature", Some(&arguments))
        .ok()
        .flatten()
        .and_then(|bytes| Answer::decode(bytes.as_slice()).ok());
    match answer {
        Some(Answer { valid: true, error }) if error.is_empty() => HostAnswer::Valid,
        Some(Answer { valid: false, .. }) => HostAnswer::Invalid,
        Some(Answer { valid: true, .. }) | None => HostAnswer::None,
    }
}
