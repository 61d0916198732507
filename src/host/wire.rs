//! What of a request is read, how a verdict is carried out on it, and how a call is made.

use super::metrics::Metrics;
use crate::decision::{Caller, Despite, Forward, HeaderReads, Verdict};
use crate::header::HeaderEdit;
use crate::policy::{Identity, Policy, RouteChoice};
use crate::refusal::Refusal;
use crate::remote::call::{Answer, Call, NotSent, RESPONSE_MARKS};
use crate::reply::Reply;
use crate::request::{Peer, Request, Rest};
use crate::verify::Bearer;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};
use std::borrow::Cow;

/// The headers that a decision looks at, as bytes.
///
/// # Errors
/// The host does not show them. What it does not show is not taken for absent: the request would be
/// another one to the rules than to the upstream.
pub(super) fn request(reads: &HeaderReads, rest: Rest) -> Result<Request, Status> {
    let map = MapType::HttpRequestHeaders;
    let headers = match reads.names(rest) {
        Some(names) => {
            let found = names.filter_map(|name| {
                let value = hostcalls::get_map_value_bytes(map, name).transpose()?;
                Some(value.map(|value| (Cow::Borrowed(name), value)))
            });
            found.collect::<Result<_, _>>()?
        }
        None => hostcalls::get_map_bytes(map)?
            .into_iter()
            .map(|(name, value)| (Cow::Owned(name), value))
            .collect(),
    };
    let request = Request::new(headers).followed_by(rest);
    Ok(request.asking_for_peer(peer))
}

/// Who sent the request whose context is in effect. What the host does not tell is not known.
fn peer() -> Peer {
    let property = |path: [&str; 2]| hostcalls::get_property(path.into()).ok().flatten();
    let protocol = property(["request", "protocol"]).map(String::from_utf8);
    Peer {
        address: property(["source", "address"]).unwrap_or_default(),
        protocol: protocol.and_then(Result::ok).unwrap_or_default(),
    }
}

/// Takes the filter's own names off the trailers, which servers may merge into the headers (RFC
/// 9110, section 6.5.1).
pub(super) fn clean_trailers(policy: &Policy) {
    let map = MapType::HttpRequestTrailers;
    for (name, _) in hostcalls::get_map_bytes(map).unwrap_or_default() {
        if policy.owned.owns(name.as_bytes()) {
            let _ = hostcalls::remove_map_value(map, &name);
        }
    }
}

/// Carries out a verdict on the request whose context is in effect.
pub(super) fn carry_out(metrics: &Metrics, policy: &Policy, verdict: &Verdict) {
    match verdict {
        Verdict::Forward(forward) => self::forward(metrics, policy, forward),
        Verdict::Refuse(refusal) => refuse(metrics, policy, refusal),
        Verdict::Answer(reply) => {
            metrics.anonymous();
            send_reply(reply);
        }
    }
}

fn forward(metrics: &Metrics, policy: &Policy, forward: &Forward) {
    let map = MapType::HttpRequestHeaders;
    for edit in &forward.edits {
        // The host refuses no edit of a request that is still here. If it ever did, the request
        // would go on as it is; the SDK's own methods would end the VM instead.
        let _ = match edit {
            HeaderEdit::Remove(name) => hostcalls::remove_map_value(map, name),
            HeaderEdit::Set(name, value) => hostcalls::set_map_value_bytes(map, name, Some(value)),
        };
    }
    for (name, value) in forward.caller.headers().iter() {
        let _ = hostcalls::set_map_value_bytes(map, name, value.map(str::as_bytes));
    }
    match &forward.caller {
        Caller::Anonymous(_) => metrics.anonymous(),
        Caller::Authorized(_) => metrics.allowed(),
        Caller::Known(remembered) => {
            metrics.allowed();
            if policy.identity == Identity::Publish {
                let verified = &remembered.verified;
                match verified.bearer() {
                    Bearer::User(user) => {
                        publish("cognito.sub", user.claims().subject());
                        publish("cognito.client_id", verified.client(policy));
                    }
                    Bearer::Principal(principal) => publish("cognito.principal", principal.arn()),
                }
            }
        }
    }
    match forward.despite {
        None => {}
        Some(Despite::Ignored(reason)) => {
            metrics.ignored(reason);
            log::debug!("ignored a token: {}", reason.code());
        }
        Some(Despite::Reported(reason)) => {
            metrics.reported(reason);
            log::debug!("reported: {}", reason.code());
            publish("cognito.reason", Some(reason.code()));
            publish("cognito.enforced", Some("no"));
        }
    }
    if policy.route == RouteChoice::Anew {
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
    }
}

fn refuse(metrics: &Metrics, policy: &Policy, refusal: &Refusal) {
    let reason = refusal.reason();
    metrics.denied(reason);
    log::debug!("refused: {}", reason.code());
    publish("cognito.reason", Some(reason.code()));
    // A refused request costs no look at its headers unless the reply repeats something of them.
    let request = policy
        .reply_depends_on_request(refusal)
        .then(|| request(&HeaderReads::Everything, Rest::Nothing).ok())
        .flatten()
        .unwrap_or_default();
    send_reply(&policy.reply(&request, refusal));
}

fn send_reply(reply: &Reply) {
    let headers = reply
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let body = Some(reply.body.as_bytes()).filter(|body| !body.is_empty());
    let _ = hostcalls::send_http_response(u32::from(reply.status), headers, body);
}

/// Filter state for access logs, where a control character could begin a line of its own.
fn publish(name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| crate::header::is_header_value(value)) {
        let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
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
/// `body` says how much is read of the body under a status.
pub(super) fn answer(
    headers: usize,
    names: &[&'static str],
    body: impl Fn(u16) -> Option<usize>,
) -> Answer {
    if headers == 0 {
        return Answer::NoResponse;
    }
    let header = |name| {
        hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name)
            .ok()
            .flatten()
    };
    let status = header(":status")
        .and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok())
        .unwrap_or_default();
    let body = body(status)
        .map(|length| hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, length))
        .map(|body| body.ok().flatten().unwrap_or_default());
    let marked = || RESPONSE_MARKS.iter().any(|name| header(name).is_some());
    let looked_at = names.iter();
    let looked_at = looked_at.filter_map(|name| Some((*name, header(name)?)));
    Answer::received(status, marked, looked_at.collect(), body)
}
