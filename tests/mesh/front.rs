//! A proxy that serves what a control plane has for it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::client::{Request, Response};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::eventually_within;
use crate::stage::{HOST, PATIENCE, reader};

/// The proxy, and where it takes requests.
pub(crate) struct Front {
    pub(crate) envoy: EnvoyUnderTest,
    at: SocketAddr,
}

/// Ends the load, also when what goes on meanwhile fails: a scope waits for its threads.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Front {
    pub(crate) fn new(envoy: EnvoyUnderTest, at: SocketAddr) -> Self {
        Self { envoy, at }
    }

    /// Sends a request for the host of the examples.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Response {
        request.clone().host(HOST).send(self.at)
    }

    /// Waits until a request is answered with this status.
    #[track_caller]
    pub(crate) fn await_status(&self, request: &Request, status: u16) -> Response {
        let what = format!("a request to be answered {status}");
        eventually_within(PATIENCE, &what, || {
            let answer = self.send(request);
            (answer.status == status).then_some(answer)
        })
    }

    /// Sends one good request after the other until `change` has returned: all are served, and how many
    /// there were is returned.
    #[track_caller]
    pub(crate) fn under_load(&self, change: impl FnOnce()) -> usize {
        let done = AtomicBool::new(false);
        let request = Request::get("/orders/7").bearer(&reader().mint());
        thread::scope(|scope| {
            let ending = Ending(&done);
            let load = scope.spawn(|| {
                let mut answers = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    answers.push(self.send(&request));
                    // The rest is for those who change something.
                    thread::sleep(Duration::from_millis(2));
                }
                answers
            });
            change();
            drop(ending);
            let mut answers = load.join().expect("no request without an answer");
            let sent = answers.len();
            answers.retain(|answer| answer.status != 200);
            let refused = answers.len();
            assert_eq!(refused, 0, "of {sent}, such as {:?}", answers.first());
            sent
        })
    }

    /// Stops the proxy: every one of `requests` was decided once.
    #[track_caller]
    pub(crate) fn finish(self, requests: usize) {
        self.envoy.finish(requests);
    }
}
