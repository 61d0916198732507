//! One request, from its headers to its end.

use crate::envoy::{self, Level, Response, tell};
use crate::leader::Plugin;
use crate::worker::Worker;
use cognito_authorizer::host::stream::{self, Hidden, Part, Phase, details};
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::remote::call::{Call, CallId};
use cognito_authorizer::reply::Reply;
use cognito_authorizer::request::{Attribute, Rest};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::rc::Rc;

/// Whether Envoy goes on with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// It does.
    Continue,
    /// Not yet, or never.
    Stop,
}

/// A request's filter, as Envoy holds it.
#[derive(Debug)]
pub struct Filter {
    exchange: Rc<Exchange>,
    worker: Option<Rc<Worker>>,
}

/// What a filter and its worker share.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) context: u32,
    pub(crate) phase: Cell<Phase>,
    pub(crate) stream: Rc<dyn envoy::Stream>,
    /// The calls that are made in this request's name, by Envoy's number for each.
    pub(crate) calls: RefCell<BTreeMap<u64, (CallId, Call)>>,
    /// Whether a header is another than Envoy has chosen the route by.
    changed: Cell<bool>,
}

impl Exchange {
    /// Has the route chosen anew if a header has been changed. The Wasm runtime does so unasked, and
    /// rightly: a route that a client's own header has chosen, which is taken off, is the client's.
    pub(crate) fn settle_route(&self) {
        if self.changed.take() {
            self.stream.choose_route_anew();
        }
    }

    /// Refuses it without a verdict.
    pub(crate) fn refuse(&self) {
        if self.phase.replace(Phase::Answered) != Phase::Answered {
            self.answer(503, Vec::new(), b"", "cognito.failed");
        }
    }

    /// Answers the request here.
    ///
    /// Envoy turns a reply to gRPC into gRPC's form, and takes it for a success unless told otherwise.
    fn answer(&self, status: u16, mut headers: Vec<(&str, &[u8])>, body: &[u8], details: &str) {
        let kind = self.stream.header("content-type").ok().flatten();
        if kind.is_some_and(|kind| is_grpc(&kind))
            && headers.iter().all(|(name, _)| *name != GRPC_STATUS)
        {
            headers.push((GRPC_STATUS, grpc_status(status)));
        }
        // Before the reply: Envoy may have done with the request when that returns.
        self.phase.set(Phase::Answered);
        self.stream.send(status, &headers, body, details);
    }
}

const GRPC_STATUS: &str = "grpc-status";

/// As Envoy tells gRPC from other requests.
fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// The code for an HTTP status, by gRPC's own mapping, which Envoy follows too.
const fn grpc_status(status: u16) -> &'static [u8] {
    match status {
        400 => b"13",
        401 => b"16",
        403 => b"7",
        404 => b"12",
        429 | 502..=504 => b"14",
        _ => b"2",
    }
}

thread_local! {
    /// The request that is being decided, for whoever wants to know who sent it.
    static DECIDED: RefCell<Option<Rc<dyn envoy::Stream>>> = const { RefCell::new(None) };
}

impl Filter {
    /// The filter of a request that begins.
    pub fn new(plugin: &Plugin, stream: Rc<dyn envoy::Stream>) -> Self {
        let worker = Worker::of(&plugin.shared);
        let context = worker.as_ref().map_or(0, |worker| worker.next_context());
        let phase = Cell::new(Phase::Undecided);
        Self {
            exchange: Rc::new(Exchange {
                context,
                phase,
                stream,
                calls: RefCell::default(),
                changed: Cell::default(),
            }),
            worker,
        }
    }

    fn onward(&self) -> Onward {
        match self.exchange.phase.get() {
            Phase::Forwarded => Onward::Continue,
            Phase::Undecided | Phase::Held | Phase::Answered => Onward::Stop,
        }
    }

    /// The headers have come.
    pub fn on_headers(&self, end_of_stream: bool) -> Onward {
        let Some(worker) = &self.worker else {
            self.refuse();
            return Onward::Stop;
        };
        let rest = match end_of_stream {
            true => Rest::Nothing,
            false => Rest::Something,
        };
        DECIDED.set(Some(Rc::clone(&self.exchange.stream)));
        worker.admit(&self.exchange, rest);
        self.onward()
    }

    /// A part of the body has come.
    #[must_use]
    pub fn on_body(&self) -> Onward {
        self.onward()
    }

    /// The trailers have come, after a verdict or before it: what was promised of headers holds for
    /// them.
    pub fn on_trailers(&self) -> Onward {
        if let Some(worker) = &self.worker
            && self.exchange.phase.get() != Phase::Answered
        {
            stream::clean_trailers(&*self.exchange, &worker.policy());
        }
        self.onward()
    }

    /// The bell has been heard on this request's thread.
    pub fn on_woken(&self) {
        if let Some(worker) = &self.worker {
            worker.run();
        }
    }

    /// A call that was made in this request's name has its answer, or none.
    pub fn on_answer(&self, call: u64, response: Option<&dyn Response>) {
        if let Some(worker) = &self.worker {
            worker.answered(&self.exchange, call, response);
        }
    }

    /// The request has ended, whatever became of it.
    pub fn on_end(&self) {
        if let Some(worker) = &self.worker {
            worker.end(&self.exchange);
        }
    }

    /// Something of ours has failed: nothing more is decided, and nothing goes on.
    pub fn refuse(&self) {
        self.exchange.refuse();
    }

    /// The same of all requests that are held.
    pub fn refuse_held(&self) {
        if let Some(worker) = &self.worker {
            worker.refuse_held();
        }
    }
}

impl stream::Stream for Exchange {
    fn all(&self, part: Part) -> Result<Vec<(String, Vec<u8>)>, Hidden> {
        self.stream.all(part)
    }

    fn set_header(&self, name: &str, value: &[u8]) {
        self.stream.set_header(name, value);
        self.changed.set(true);
    }

    fn add_header(&self, name: &str, value: &[u8]) {
        self.stream.add_header(name, value);
        self.changed.set(true);
    }

    fn remove(&self, part: Part, name: &str) {
        if self.stream.remove(part, name) && part == Part::Headers {
            self.changed.set(true);
        }
    }

    fn attribute(attribute: Attribute) -> Option<Vec<u8>> {
        let stream = DECIDED.with_borrow(|stream| stream.as_ref().map(Rc::clone));
        stream?.attribute(attribute)
    }

    fn send(&self, reply: &Reply, reason: Option<Reason>) {
        let headers = reply.headers.iter();
        let headers = headers.map(|(name, value)| (&**name, value.as_bytes()));
        let headers = headers.collect();
        self.answer(
            reply.status,
            headers,
            reply.body.as_bytes(),
            &details(reason),
        );
    }

    fn publish(&self, name: &str, value: &str) {
        // As the Wasm host calls it, so that one access log fits both.
        self.stream
            .publish(&format!("wasm.{name}"), value.as_bytes());
    }

    /// In dynamic metadata, which RBAC, rate limits and access logs may ask.
    fn describe(&self, name: &str, value: &str) {
        self.stream.describe(name, value);
    }

    fn describe_all<'a>(&self, name: &str, values: impl Iterator<Item = &'a str>) {
        values.for_each(|value| self.stream.describe_also(name, value));
    }

    fn choose_route_anew(&self) {
        self.changed.set(true);
    }

    fn debug(&self, report: Arguments<'_>) {
        tell(Level::Debug, report);
    }
}
