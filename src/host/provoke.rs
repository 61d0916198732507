//! What the tests alone may ask of a module: to fail, and to verify a signature. Not in any shipped
//! module: `tests/e2e/reload.rs` looks for the headers' names in the one that is.

use super::crypto::Host;
use crate::es384::{self, Es384};
use crate::rs256::{PublicKey, Rs256};
use crate::signature::{HostVerifier, Signature};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;
use std::rc::Rc;

/// Asks for the failure, with the value `1`.
const TRAP: &str = "x-provoke-trap";

/// Asks what both verifiers say: modulus, exponent, message and signature in base64url, with full
/// stops between them.
const VERIFY: &str = "x-provoke-verify";

/// The same of ES384, which the host alone verifies: both coordinates, message and signature.
const VERIFY_ES384: &str = "x-provoke-verify-es384";

fn asked(header: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, header).ok()?
}

/// Traps if the request asks for it. What the VM held in memory is lost, as in any real failure:
/// no destructor runs, and a lease is not given back.
pub(super) fn trap_if_asked() {
    if asked(TRAP).as_deref() == Some(b"1") {
        core::arch::wasm32::unreachable()
    }
}

/// Answers with the verdicts if the request asks for them, and says whether it did.
pub(super) fn verify_if_asked() -> bool {
    let verdicts = match (asked(VERIFY), asked(VERIFY_ES384)) {
        (Some(question), _) => verdicts(&question),
        (None, Some(question)) => verdict_es384(&question),
        (None, None) => return false,
    };
    let verdicts = verdicts.unwrap_or_else(|| "no question".to_owned());
    hostcalls::send_http_response(200, vec![], Some(verdicts.as_bytes())).is_ok()
}

/// What the filter says with the host's verifier, through the conversion of the signature.
fn verdict_es384(question: &[u8]) -> Option<String> {
    let mut parts = question
        .split(|byte| *byte == b'.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (x, y) = (parts.next()??, parts.next()??);
    let (message, signature) = (parts.next()??, parts.next()??);
    let es384 = Es384::host_if_proven(Rc::new(Host));
    if !es384.is_supported() {
        return Some("the host has not proved itself".to_owned());
    }
    let key = es384::PublicKey::new(&x, &y)?;
    let verdict = es384.verify(&key, &message, &Signature::new(signature));
    Some(verdict.to_string())
}

/// What the host says when asked outright, and the verdicts of the filter with the host's verifier
/// and with the module's.
fn verdicts(question: &[u8]) -> Option<String> {
    let mut parts = question
        .split(|byte| *byte == b'.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (modulus, exponent) = (parts.next()??, parts.next()??);
    let (message, signature) = (parts.next()??, parts.next()??);
    let key = match PublicKey::new(&modulus, &exponent) {
        Ok(key) => key,
        Err(refusal) => return Some(refusal.to_string()),
    };
    let outright = Host.verify(key.spki(), &message, &signature);
    let host = Rs256::host_if_proven(Rc::new(Host));
    if !host.is_host() {
        return Some("the host has not proved itself".to_owned());
    }
    let by_host = host.accepts(&key, &message, &signature);
    let by_module = Rs256::module().accepts(&key, &message, &signature);
    Some(format!("{outright:?} {by_host} {by_module}"))
}
