//! Local replies with their details, which the SDK leaves out: access logs show them as
//! `%RESPONSE_CODE_DETAILS%`, in the formats that people have.
#![cfg(target_arch = "wasm32")]

unsafe extern "C" {
    /// Function `proxy_send_local_response` of proxy-wasm's ABI 0.2.1. Texts are given by their
    /// beginnings and lengths, headers as [`map`] writes them; the result is 0, or says what is wrong.
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_length: usize,
        body: *const u8,
        body_length: usize,
        headers: *const u8,
        headers_length: usize,
        grpc_status: i32,
    ) -> i32;
}

/// The host makes of the status what gRPC clients expect.
const NO_GRPC_STATUS: i32 = -1;

/// Answers the request whose context is in effect. A host that refuses leaves it where it is, and it
/// does not go on.
pub fn send_local_response(status: u16, details: &str, headers: &[(&str, &str)], body: &str) {
    let headers = map(headers);
    // SAFETY: the host reads as many bytes as each length says, all of which live until it returns, and
    // keeps no pointer.
    let _ = unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    };
}

/// Headers as proxy-wasm has them: how many, then the lengths of each name and value, then the texts,
/// with a NUL behind each.
fn map(headers: &[(&str, &str)]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let texts = || headers.iter().flat_map(|(name, value)| [name, value]);
    let mut bytes = number(headers.len()).to_vec();
    texts().for_each(|text| bytes.extend(number(text.len())));
    for text in texts() {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}
