//! One request, as the host sees it: its headers, its body, its end.

use super::stream::Phase;
use super::worker::Worker;
use crate::request::Rest;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::Cell;
use std::rc::Rc;

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
            Phase::Undecided | Phase::Held | Phase::Answered => Action::Pause,
        }
    }
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "provoke")]
        {
            super::provoke::trap_if_asked();
            if super::provoke::verify_if_asked() {
                return Action::Pause;
            }
        }
        // Without a configuration there is no worker, and then no request passes.
        if let Some(worker) = &self.worker {
            let rest = match end_of_stream {
                true => Rest::Nothing,
                false => Rest::Something,
            };
            worker.admit(self.context, rest, &self.phase);
        }
        self.action()
    }

    /// Envoy hands over the body while the headers are paused if the plugin is configured with
    /// `allow_on_headers_stop_iteration`: it too waits for the verdict.
    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        self.action()
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if let Some(worker) = &self.worker
            && self.phase.get() != Phase::Answered
        {
            worker.clean_trailers();
        }
        self.action()
    }
}

impl Drop for Exchange {
    /// The host deletes a request's context whatever became of it.
    fn drop(&mut self) {
        let Some(worker) = &self.worker else { return };
        match self.phase.get() {
            Phase::Held => worker.abandon(self.context),
            Phase::Forwarded => worker.finished(self.context),
            Phase::Undecided | Phase::Answered => {}
        }
    }
}
