//! The host's own verifier: Envoy's foreign function `verify_signature`, which is BoringSSL.

use crate::rs256::{HostAnswer, HostVerifier};
use prost::Message;
use proxy_wasm::hostcalls;

/// `VerifySignatureArguments` of Envoy's `source/extensions/common/wasm/ext/verify_signature.proto`.
#[derive(Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes, tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes, tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes, tag = "4")]
    text: Vec<u8>,
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
    /// The call succeeds for a bad signature too: only the answer's first field is a yes. A field
    /// that says `valid` beside one that says what went wrong is no answer.
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let arguments = Arguments {
            hash_function: "sha256".to_owned(),
            public_key: spki.to_vec(),
            signature: signature.to_vec(),
            text: message.to_vec(),
        };
        let answer =
            hostcalls::call_foreign_function("verify_signature", Some(&arguments.encode_to_vec()))
                .ok()
                .flatten()
                .and_then(|bytes| Answer::decode(bytes.as_slice()).ok());
        match answer {
            Some(Answer { valid: true, error }) if error.is_empty() => HostAnswer::Valid,
            Some(Answer { valid: false, .. }) => HostAnswer::Invalid,
            Some(Answer { valid: true, .. }) | None => HostAnswer::None,
        }
    }
}
