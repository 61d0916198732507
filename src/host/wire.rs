//! One request and one call, as the SDK's functions reach them.

use super::stream::{Hidden, Part, Stream, details};
use crate::refusal::Reason;
use crate::remote::call::{Answer, Call, NotSent, Reading};
use crate::reply::Reply;
use crate::request::Attribute;
use cognito_authorizer_host_abi::send_local_response;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};
use std::fmt;

/// The request whose context is in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct InEffect;

const fn map(part: Part) -> MapType {
    match part {
        Part::Headers => MapType::HttpRequestHeaders,
        Part::Trailers => MapType::HttpRequestTrailers,
    }
}

impl Stream for InEffect {
    fn all(&self, part: Part) -> Result<Vec<(String, Vec<u8>)>, Hidden> {
        hostcalls::get_map_bytes(map(part)).map_err(|_| Hidden)
    }

    fn set_header(&self, name: &str, value: &[u8]) {
        // The host refuses no edit of a request that is still here. If it ever did, the SDK would end
        // the VM, and the request would not go on as it is.
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value));
    }

    fn add_header(&self, name: &str, value: &[u8]) {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpRequestHeaders, name, value);
    }

    fn remove(&self, part: Part, name: &str) {
        let _ = hostcalls::remove_map_value(map(part), name);
    }

    fn attribute(attribute: Attribute) -> Option<Vec<u8>> {
        let path = match attribute {
            Attribute::SourceAddress => ["source", "address"],
            Attribute::Protocol => ["request", "protocol"],
        };
        hostcalls::get_property(path.into()).ok().flatten()
    }

    fn send(&self, reply: &Reply, reason: Option<Reason>) {
        let headers = reply.headers.iter();
        let headers: Vec<_> = headers.map(|(name, value)| (&**name, &**value)).collect();
        send_local_response(reply.status, &details(reason), &headers, &reply.body);
    }

    fn publish(&self, name: &str, value: &str) {
        let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
    }

    fn choose_route_anew(&self) {
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
    }

    fn debug(&self, report: fmt::Arguments<'_>) {
        log::debug!("{report}");
    }
}

/// Makes a call. Returns the host's number for it.
pub(super) fn send(call: &Call) -> Result<u32, NotSent> {
    let mut headers = vec![
        (":method", call.method),
        (":scheme", &*call.scheme),
        (":authority", &*call.authority),
        (":path", &*call.path),
    ];
    headers.extend(call.headers.iter().map(|(name, value)| (*name, &**value)));
    let body = Some(&*call.body).filter(|body| !body.is_empty());
    hostcalls::dispatch_http_call(&call.cluster, headers, body, vec![], call.timeout).map_err(
        |status| match status {
            Status::BadArgument => NotSent::UnknownCluster,
            Status::InternalFailure => NotSent::NoHosts,
            _ => NotSent::Refused,
        },
    )
}

/// Reads the answer to a call. Without headers there was none, and asking for one would panic.
pub(super) fn answer(headers: usize, body: usize, reading: Reading) -> Answer {
    if headers == 0 {
        return Answer::NoResponse;
    }
    let header = |name: &str| {
        hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name)
            .ok()
            .flatten()
    };
    let read = || hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body);
    reading.read(header, body, || read().ok().flatten().unwrap_or_default())
}
