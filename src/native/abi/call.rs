//! A call through one of Envoy's clusters, made for a configuration or in the name of a request.

use crate::raw::{self, Buffer, Header, Opaque};
use cognito_authorizer::remote::call::{Call, NotSent};
use cognito_authorizer_native::envoy::Response;

/// Envoy's function for a configuration, or that for a request.
type Make =
    unsafe extern "C" fn(*mut Opaque, *mut u64, Buffer, *const Header, usize, Buffer, u64) -> u32;

/// Makes a call, and returns Envoy's number for it.
///
/// # Safety
/// The pointer is what this function makes calls for; it lives, and this is its thread.
pub(crate) unsafe fn make(make: Make, of: *mut Opaque, call: &Call) -> Result<u64, NotSent> {
    let own = [
        (":method", call.method),
        (":scheme", &*call.scheme),
        (":authority", &*call.authority),
        (":path", &*call.path),
    ];
    let others = call.headers.iter().map(|(name, value)| (*name, &**value));
    let headers: Vec<_> = own
        .into_iter()
        .chain(others)
        .map(|(name, value)| Header::of(name.as_bytes(), value.as_bytes()))
        .collect();
    let timeout = u64::try_from(call.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut id = 0;
    // SAFETY: the caller's promise, and all buffers are the call's, which lives until this returns; so
    // do the headers and the number.
    let result = unsafe {
        make(
            of,
            &raw mut id,
            Buffer::of(call.cluster.as_bytes()),
            headers.as_ptr(),
            headers.len(),
            Buffer::of(&call.body),
            timeout,
        )
    };
    match result {
        raw::CALL_SENT => Ok(id),
        raw::NO_CLUSTER => Err(NotSent::UnknownCluster),
        raw::NO_REQUEST => Err(NotSent::NoHosts),
        _ => Err(NotSent::Refused),
    }
}

/// The answer to a call, within its hook.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) headers: &'a [Header],
    pub(crate) body: &'a [Buffer],
}

impl Answered<'_> {
    /// It, if Envoy has got a whole one.
    pub(crate) fn complete(&self, result: u32) -> Option<&dyn Response> {
        (result == raw::CALL_ANSWERED && !self.headers.is_empty()).then_some(self)
    }

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: Envoy's buffers, which hold until the hook returns; the value does not leave it.
        self.body.iter().map(|chunk| unsafe { chunk.show() })
    }
}

impl Response for Answered<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find_map(|header| {
            // SAFETY: as above.
            let key = unsafe { header.key.show() };
            // SAFETY: as above.
            (key == name.as_bytes()).then(|| unsafe { header.value.show() })
        })
    }

    fn body_length(&self) -> usize {
        self.chunks()
            .map(<[u8]>::len)
            .fold(0, usize::saturating_add)
    }

    fn body(&self) -> Vec<u8> {
        self.chunks().flatten().copied().collect()
    }
}
