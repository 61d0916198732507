//! Clients that keep asking, on connections that live for a while.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::client::{Pending, Request, Response};
use crate::harness::seed::Seed;
use crate::report::Tally;
use crate::world::World;

/// Requests on one connection: what a browser or a pool of connections does to a proxy.
const PER_CONNECTION: usize = 32;

/// A client's connection, opened anew when it has to be.
pub(crate) struct Line {
    to: SocketAddr,
    open: Option<(Pending, Instant, usize)>,
    /// Requests sent again because the connection was closed instead of an answer.
    pub(crate) sent_again: usize,
}

impl Line {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self {
            to,
            open: None,
            sent_again: 0,
        }
    }

    /// Closes the connection if it was opened before this moment.
    pub(crate) fn reopen_if_older(&mut self, than: Instant) {
        self.open.take_if(|(_, opened, _)| *opened < than);
    }

    /// When the connection that will be used next was opened.
    pub(crate) fn opened(&self) -> Option<Instant> {
        self.open.as_ref().map(|(_, opened, _)| *opened)
    }

    /// Sends the request and waits for the answer. A connection that has served requests may be
    /// closed at any time (RFC 9112, section 9.3.1); then the request is sent again on a new one.
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        if let Some((mut connection, opened, used)) = self.open.take() {
            connection.write(&request.head_bytes());
            if let Some(response) = connection.answer_if_open() {
                self.keep(connection, opened, used + 1, &response);
                return response;
            }
            self.sent_again += 1;
        }
        let opened = Instant::now();
        let mut connection = request.open(self.to);
        let response = connection.next_response();
        self.keep(connection, opened, 1, &response);
        response
    }

    fn keep(&mut self, connection: Pending, opened: Instant, used: usize, response: &Response) {
        let closes = response.header("connection") == Some("close");
        if !closes && used < PER_CONNECTION {
            self.open = Some((connection, opened, used));
        }
    }
}

/// Asks for this and that until it is told to stop.
pub(crate) fn client(world: &World, to: SocketAddr, mut seed: Seed, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut line = Line::new(to);
    while !stop.load(Ordering::Relaxed) {
        let errand = world.errand(&mut seed);
        if let Some(moment) = errand.not_before {
            line.reopen_if_older(moment);
        }
        let mut request = Request::get("/guarded");
        if let Some(token) = &errand.token {
            request = request.bearer(token);
        }
        let sent = Instant::now();
        let response = line.send(&request);
        let took = sent.elapsed();
        let owed = world.settle(&errand, sent, response.status);
        tally.note(owed, response.status, took);
        if !owed.is_met_by(response.status) {
            let what = errand.what;
            tally.broken(format!(
                "{what}: owed {owed:?} after {took:?}; found {response:?}"
            ));
        }
        thread::sleep(seed.between(4, 24));
    }
    tally.sent_again = line.sent_again;
    tally
}

/// Sends `count` of these requests, evenly over this time. Returns each status, and how long the
/// answer took.
pub(crate) fn paced(
    to: SocketAddr,
    count: usize,
    over: Duration,
    mut next: impl FnMut() -> Request,
) -> Vec<(u16, Duration)> {
    let began = Instant::now();
    let mut line = Line::new(to);
    (0..count)
        .map(|number| {
            let share = u32::try_from(number).expect("a small number");
            let all = u32::try_from(count).expect("a small number");
            let due = began + over * share / all;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let request = next();
            let sent = Instant::now();
            (line.send(&request).status, sent.elapsed())
        })
        .collect()
}
