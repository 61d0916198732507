//! One request.

use super::root::Worker;
use crate::bearer::Request;
use crate::gate::{Caller, Forward, Outcome, Reads};
use crate::header::HeaderEdit;
use crate::policy::{Identity, RouteChoice};
use crate::reply::Refusal;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No verdict; nothing of the request may reach the upstream.
    Undecided,
    /// No verdict, and on the waiting list.
    Held,
    /// Goes on to the upstream.
    Forwarded,
    /// Answered here.
    Refused,
}

/// A request, from its headers to its end.
#[derive(Debug)]
pub(super) struct Exchange {
    context: u32,
    worker: Option<Rc<Worker>>,
    phase: Rc<Cell<Phase>>,
}

impl Exchange {
    pub(super) fn new(context: u32, worker: Option<Rc<Worker>>) -> Self {
        Self {
            context,
            worker,
            phase: Rc::new(Cell::new(Phase::Undecided)),
        }
    }

    fn action(&self) -> Action {
        match self.phase.get() {
            Phase::Forwarded => Action::Continue,
            Phase::Undecided | Phase::Held | Phase::Refused => Action::Pause,
        }
    }
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        #[cfg(feature = "provoke")]
        {
            super::provoke::trap_if_asked();
            if super::provoke::verify_if_asked() {
                return Action::Pause;
            }
        }
        // Without a configuration there is no worker, and then nobody gets in.
        if let Some(worker) = &self.worker {
            worker.admit(self.context, &self.phase);
        }
        self.action()
    }

    /// Envoy hands over the body while the headers are paused if the plugin is configured with
    /// `allow_on_headers_stop_iteration`: it too waits for the verdict.
    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        self.action()
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.action()
    }
}

impl Drop for Exchange {
    /// The host deletes a request's context whatever became of it.
    fn drop(&mut self) {
        if self.phase.get() == Phase::Held
            && let Some(worker) = &self.worker
        {
            worker.abandon(self.context);
        }
    }
}

/// The headers that a decision looks at, as bytes.
pub(super) fn request(reads: &Reads) -> Request {
    let map = MapType::HttpRequestHeaders;
    Request::new(match reads {
        Reads::Named(names) => names
            .iter()
            .filter_map(|name| {
                let value = hostcalls::get_map_value_bytes(map, name).ok()??;
                Some((Cow::Borrowed(*name), value))
            })
            .collect(),
        Reads::Everything => hostcalls::get_map_bytes(map)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (Cow::Owned(name), value))
            .collect(),
    })
}

/// Carries out an outcome on the request whose context is in effect. Returns what has become of it.
pub(super) fn carry_out(worker: &Worker, outcome: &Outcome) -> Phase {
    match outcome {
        Outcome::Forward(forward) => {
            self::forward(worker, forward);
            Phase::Forwarded
        }
        Outcome::Refuse(refusal) => {
            refuse(worker, refusal);
            Phase::Refused
        }
        Outcome::Hold(_) => Phase::Undecided,
    }
}

fn forward(worker: &Worker, forward: &Forward) {
    let map = MapType::HttpRequestHeaders;
    for edit in &forward.edits {
        // The host refuses no edit of a request that is still here; were it to, the request
        // would go on as it is, and the SDK would rather end the VM.
        let _ = match edit {
            HeaderEdit::Remove(name) => hostcalls::remove_map_value(map, name),
            HeaderEdit::Set(name, value) => hostcalls::set_map_value_bytes(map, name, Some(value)),
        };
    }
    for (name, value) in forward.caller.headers().iter() {
        let _ = hostcalls::set_map_value_bytes(map, name, value.map(str::as_bytes));
    }
    let policy = worker.policy();
    match &forward.caller {
        Caller::Anonymous(_) => worker.metrics.anonymous(),
        Caller::Known(remembered) => {
            worker.metrics.allowed();
            if policy.identity == Identity::Publish {
                let verified = &remembered.verified;
                publish("cognito.sub", verified.claims().subject());
                publish("cognito.client_id", verified.client(&policy));
            }
        }
    }
    if policy.route == RouteChoice::Anew {
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
    }
}

fn refuse(worker: &Worker, refusal: &Refusal) {
    let reason = refusal.reason();
    worker.metrics.denied(reason);
    log::debug!("refused: {}", reason.code());
    publish("cognito.reason", Some(reason.code()));
    let responses = &worker.policy().responses;
    let request_id = responses
        .wants_request_id(refusal)
        .then(|| hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, "x-request-id"))
        .and_then(Result::ok)
        .flatten();
    let reply = responses.reply(refusal, request_id.as_deref());
    let headers = reply
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let _ = hostcalls::send_http_response(
        u32::from(reply.status),
        headers,
        Some(reply.body.as_bytes()),
    );
}

/// Filter state for access logs, where a control character could begin a line of its own.
fn publish(name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| crate::header::is_header_value(value)) {
        let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
    }
}
