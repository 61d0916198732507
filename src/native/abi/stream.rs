//! A request in Envoy.

use crate::call;
use crate::raw::{self, Buffer, FilterPointer, Header, SchedulerPointer};
use cognito_authorizer::host::stream::{Hidden, Part};
use cognito_authorizer::remote::call::{Call, NotSent};
use cognito_authorizer::request::Attribute;
use cognito_authorizer_native::envoy::{Bell, Stream};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

/// A request, until its end.
///
/// It stays on the thread on which it was made: the pointer inside is neither `Send` nor `Sync`.
#[derive(Debug)]
pub(crate) struct Request(Cell<Option<NonNull<raw::Opaque>>>);

const fn kind(part: Part) -> u32 {
    match part {
        Part::Headers => raw::REQUEST_HEADERS,
        Part::Trailers => raw::REQUEST_TRAILERS,
    }
}

impl Request {
    /// # Safety
    /// The filter lives until [`Request::end`] is called, and this is its thread.
    pub(crate) const unsafe fn new(filter: FilterPointer) -> Self {
        Self(Cell::new(NonNull::new(filter)))
    }

    /// Forgets the filter.
    pub(crate) fn end(&self) {
        self.0.set(None);
    }

    /// The filter, if the request has not ended.
    fn filter(&self) -> Option<FilterPointer> {
        self.0.get().map(NonNull::as_ptr)
    }

    /// The first value of a header, as Envoy shows it until the next callback.
    fn look(filter: FilterPointer, part: Part, name: &str) -> Option<Buffer> {
        let name = Buffer::of(name.as_bytes());
        let mut value = Buffer::NONE;
        // SAFETY: the filter lives; name and value do until the call returns.
        let found = unsafe {
            raw::envoy_dynamic_module_callback_http_get_header(
                filter,
                kind(part),
                name,
                &raw mut value,
                0,
                null_mut(),
            )
        };
        (found && !value.ptr.is_null()).then_some(value)
    }

    fn set(&self, part: Part, name: &str, value: Buffer) {
        if let Some(filter) = self.filter() {
            let name = Buffer::of(name.as_bytes());
            // SAFETY: the filter lives; name and value do until the call returns.
            // A header that Envoy does not set it would not set for anybody.
            let _ = unsafe {
                raw::envoy_dynamic_module_callback_http_set_header(filter, kind(part), name, value)
            };
        }
    }
}

/// Whose the dynamic metadata is.
const NAMESPACE: &str = "cognito";

impl Stream for Request {
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Hidden> {
        #[cfg(test)]
        crate::fake::fail_if_wanted();
        let filter = self.filter().ok_or(Hidden)?;
        let value = Self::look(filter, Part::Headers, name);
        // SAFETY: Envoy's, and nothing has been called since.
        Ok(value.map(|value| unsafe { value.copy() }))
    }

    fn all(&self, part: Part) -> Result<Vec<(String, Vec<u8>)>, Hidden> {
        #[cfg(test)]
        crate::fake::fail_if_wanted();
        let filter = self.filter().ok_or(Hidden)?;
        // SAFETY: the filter lives.
        let length =
            unsafe { raw::envoy_dynamic_module_callback_http_get_headers_size(filter, kind(part)) };
        let mut headers = vec![Header::NONE; length];
        // SAFETY: the filter lives, and there is room for all: nothing has been called since that
        // adds one.
        let shown = unsafe {
            raw::envoy_dynamic_module_callback_http_get_headers(
                filter,
                kind(part),
                headers.as_mut_ptr(),
            )
        };
        if !shown {
            return Err(Hidden);
        }
        let copies = headers.into_iter().map(|header| {
            // SAFETY: Envoy's, and nothing has been called since.
            let name = unsafe { header.key.copy() };
            // SAFETY: as above.
            let value = unsafe { header.value.copy() };
            // Envoy lets no other name in.
            let name = String::from_utf8(name).map_err(|_| Hidden)?;
            Ok((name, value))
        });
        copies.collect()
    }

    fn set_header(&self, name: &str, value: &[u8]) {
        self.set(Part::Headers, name, Buffer::of(value));
    }

    fn add_header(&self, name: &str, value: &[u8]) {
        if let Some(filter) = self.filter() {
            let (name, value) = (Buffer::of(name.as_bytes()), Buffer::of(value));
            let kind = kind(Part::Headers);
            // SAFETY: the filter lives; name and value do until the call returns.
            // A header that Envoy does not add it would not add for anybody.
            let _ = unsafe {
                raw::envoy_dynamic_module_callback_http_add_header(filter, kind, name, value)
            };
        }
    }

    fn remove(&self, part: Part, name: &str) -> bool {
        let filter = self.filter();
        let found = filter.is_some_and(|filter| Self::look(filter, part, name).is_some());
        if found {
            self.set(part, name, Buffer::NONE);
        }
        found
    }

    fn attribute(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let filter = self.filter()?;
        let attribute = match attribute {
            Attribute::Protocol => raw::REQUEST_PROTOCOL,
            Attribute::SourceAddress => raw::SOURCE_ADDRESS,
        };
        let mut value = Buffer::NONE;
        // SAFETY: the filter lives; the value does until the call returns.
        let found = unsafe {
            raw::envoy_dynamic_module_callback_http_filter_get_attribute_string(
                filter,
                attribute,
                &raw mut value,
            )
        };
        // SAFETY: Envoy's, and nothing has been called since.
        found.then(|| unsafe { value.copy() })
    }

    fn send(&self, status: u16, headers: &[(&str, &[u8])], body: &[u8], details: &str) {
        let Some(filter) = self.filter() else { return };
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| Header::of(name.as_bytes(), value))
            .collect();
        let (body, details) = (Buffer::of(body), Buffer::of(details.as_bytes()));
        // SAFETY: the filter lives when this is called, and is not touched afterwards; headers, body
        // and details live until it returns.
        unsafe {
            raw::envoy_dynamic_module_callback_http_send_response(
                filter,
                u32::from(status),
                headers.as_ptr(),
                headers.len(),
                body,
                details,
            );
        }
    }

    fn go_on(&self) {
        if let Some(filter) = self.filter() {
            // SAFETY: the filter lives when this is called, and is not touched afterwards.
            unsafe { raw::envoy_dynamic_module_callback_http_filter_continue_decoding(filter) };
        }
    }

    fn reset(&self, details: &str) {
        if let Some(filter) = self.filter() {
            let details = Buffer::of(details.as_bytes());
            // SAFETY: the filter lives when this is called, and is not touched afterwards; details
            // live until it returns.
            unsafe {
                raw::envoy_dynamic_module_callback_http_filter_reset_stream(
                    filter,
                    raw::LOCAL_RESET,
                    details,
                );
            }
        }
    }

    fn publish(&self, name: &str, value: &[u8]) {
        if let Some(filter) = self.filter() {
            let (name, value) = (Buffer::of(name.as_bytes()), Buffer::of(value));
            // SAFETY: the filter lives; name and value do until the call returns.
            let _ = unsafe {
                raw::envoy_dynamic_module_callback_http_set_filter_state_bytes(filter, name, value)
            };
        }
    }

    fn describe(&self, name: &str, value: &str) {
        if let Some(filter) = self.filter() {
            let [space, name, value] =
                [NAMESPACE, name, value].map(|text| Buffer::of(text.as_bytes()));
            let describe = raw::envoy_dynamic_module_callback_http_set_dynamic_metadata_string;
            // SAFETY: the filter lives; the texts do until the call returns.
            unsafe { describe(filter, space, name, value) };
        }
    }

    fn describe_also(&self, name: &str, value: &str) {
        if let Some(filter) = self.filter() {
            let [space, name, value] =
                [NAMESPACE, name, value].map(|text| Buffer::of(text.as_bytes()));
            let add = raw::envoy_dynamic_module_callback_http_add_dynamic_metadata_list_string;
            // SAFETY: the filter lives; the texts do until the call returns.
            let _ = unsafe { add(filter, space, name, value) };
        }
    }

    fn choose_route_anew(&self) {
        if let Some(filter) = self.filter() {
            // SAFETY: the filter lives.
            unsafe { raw::envoy_dynamic_module_callback_http_clear_route_cache(filter) };
        }
    }

    fn call(&self, call: &Call) -> Result<u64, NotSent> {
        let filter = self.filter().ok_or(NotSent::Refused)?;
        let make = raw::envoy_dynamic_module_callback_http_filter_http_callout;
        // SAFETY: the filter lives.
        unsafe { call::make(make, filter, call) }
    }

    fn bell(&self) -> Option<Box<dyn Bell>> {
        let filter = self.filter()?;
        // SAFETY: the filter lives.
        let scheduler =
            unsafe { raw::envoy_dynamic_module_callback_http_filter_scheduler_new(filter) };
        if scheduler.is_null() {
            return None;
        }
        Some(Box::new(ThreadBell(scheduler)))
    }
}

/// Rings on the thread of a request.
#[derive(Debug)]
struct ThreadBell(SchedulerPointer);

// SAFETY: Envoy's scheduler may be used and deleted on any thread.
unsafe impl Send for ThreadBell {}

impl Bell for ThreadBell {
    fn ring(&self) {
        // SAFETY: it is deleted in `drop` only. A bell is hung where it is taken down when the
        // request ends, and with it before the event loop ends.
        unsafe { raw::envoy_dynamic_module_callback_http_filter_scheduler_commit(self.0, 0) };
    }
}

impl Drop for ThreadBell {
    fn drop(&mut self) {
        // SAFETY: made by `scheduler_new`, and not used any more.
        unsafe { raw::envoy_dynamic_module_callback_http_filter_scheduler_delete(self.0) };
    }
}
