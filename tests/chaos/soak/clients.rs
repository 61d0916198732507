//! Who sends what, and how fast.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use super::errands::{FLOODED, HOME, Kind, Tokens, kid, signer};
use super::http2;
use super::record::Record;
use crate::harness::client::Request;
use crate::harness::document::with;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::seed::Seed;
use crate::load::Line;

/// Clients that are answered at once, and how often each asks.
const PROMPT: usize = 4;
const PROMPT_PAUSE: Duration = Duration::from_millis(7);
/// Clients that may have to wait: they would hold up the others.
const PATIENT: usize = 4;
const PATIENT_PAUSE: Duration = Duration::from_millis(100);
/// The one that never waits for an answer.
const LEAVING_PAUSE: Duration = Duration::from_millis(50);
/// After an outage it takes this long until an unknown key is an unknown key again: the next try,
/// and the ten seconds between two such fetches.
const RECOVERS: Duration = Duration::from_secs(20);

/// What all clients share.
pub(super) struct Stage {
    tokens: RwLock<Tokens>,
    number: AtomicUsize,
    failing: RwLock<Option<Instant>>,
    retired: AtomicUsize,
    pub(super) stop: AtomicBool,
}

/// A request, and what it is.
pub(super) struct Errand {
    pub(super) kind: Kind,
    pub(super) tokens: Vec<Arc<str>>,
}

impl Errand {
    pub(super) fn request(&self) -> Request {
        let request = Request::get(self.kind.path);
        let tokens = self.tokens.iter();
        tokens.fold(request, |request, token| request.bearer(token))
    }
}

impl Stage {
    /// Publishes the first keys.
    pub(super) fn new(keys: &KeyServer) -> Self {
        // Number 0 has retired before anybody came.
        let number = 2;
        let stage = Self {
            tokens: RwLock::new(Tokens::mint(number)),
            number: AtomicUsize::new(number),
            failing: RwLock::new(None),
            retired: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        };
        stage.publish(keys);
        stage
    }

    fn publish(&self, keys: &KeyServer) {
        let number = self.number.load(Ordering::Relaxed);
        let named = [number, number - 1]
            .map(|number| with(signer(number).jwk(), &[("kid", json!(kid(number)))]));
        keys.answer(HOME, Answer::Document(json!({"keys": named})));
        keys.publish(FLOODED, &[TestKey::first()]);
    }

    /// A new key signs from now on; the one before serves on, the one before that has gone.
    pub(super) fn rotate(&self, keys: &KeyServer) {
        let tokens = Tokens::mint(self.number.fetch_add(1, Ordering::Relaxed) + 1);
        self.publish(keys);
        *self.tokens.write().expect("no thread panics") = tokens;
    }

    /// A token of the key that went last, older than any answer without that key.
    pub(super) fn retired(&self) -> String {
        let gone = self.number.load(Ordering::Relaxed) - 2;
        let token = Token::id(HOME).signed_by(signer(gone));
        let token = token.header("kid", kid(gone));
        token.claim("iat", now() - 3600).mint()
    }

    /// One more of them was refused.
    pub(super) fn note_retired(&self) {
        self.retired.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begins_to_fail(&self) {
        *self.failing.write().expect("no thread panics") = Some(Instant::now());
    }

    /// The endpoints answer again.
    pub(super) fn restore(&self, keys: &KeyServer) {
        self.begins_to_fail();
        self.publish(keys);
    }

    /// Whether an endpoint may count as failing.
    pub(super) fn is_failing(&self, sent: Instant) -> bool {
        let failing = *self.failing.read().expect("no thread panics");
        failing.is_some_and(|at| sent < at + RECOVERS)
    }

    /// Something to send.
    pub(super) fn errand(&self, seed: &mut Seed, among: impl Fn(&Kind) -> bool) -> Errand {
        let kind = Kind::any(seed, among);
        let tokens = self.tokens.read().expect("no thread panics");
        let tokens = match tokens.of(&kind, seed) {
            Some(tokens) => tokens,
            None => {
                let (token, made_up) = tokens.fresh(&kind, seed);
                drop(tokens);
                vec![Arc::from(made_up.unwrap_or_else(|| token.mint()))]
            }
        };
        Errand { kind, tokens }
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Starts all clients.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    stage: &'scope Stage,
    to: SocketAddr,
    seed: &mut Seed,
) -> Vec<ScopedJoinHandle<'scope, Record>> {
    let mut clients = Vec::new();
    for number in 0..PROMPT + PATIENT {
        let seed = seed.fork();
        let waits = number >= PROMPT;
        clients.push(scope.spawn(move || asks(stage, to, seed, waits)));
    }
    let seeds = [seed.fork(), seed.fork()];
    let [leaving, other] = seeds;
    clients.push(scope.spawn(move || leaves(stage, to, leaving)));
    clients.push(scope.spawn(move || http2::asks(stage, to, other)));
    clients
}

/// Waits for the moment, and says when the next one is; whoever is late does not catch up.
pub(super) fn next_turn(due: Instant, pause: Duration) -> (Duration, Instant) {
    let now = Instant::now();
    (due.saturating_duration_since(now), due.max(now) + pause)
}

fn asks(stage: &Stage, to: SocketAddr, mut seed: Seed, waits: bool) -> Record {
    let pause = if waits { PATIENT_PAUSE } else { PROMPT_PAUSE };
    let mut record = Record::default();
    let mut line = Line::new(to);
    let mut due = Instant::now();
    while !stage.is_over() {
        let (wait, next) = next_turn(due, pause);
        due = next;
        thread::sleep(wait);
        let errand = stage.errand(&mut seed, |kind| kind.waits == waits);
        let sent = Instant::now();
        let response = line.send(&errand.request());
        record.note(&errand, &response, stage.is_failing(sent));
    }
    record.sent_again = line.sent_again;
    record
}

/// Sends, and leaves: at once, or while the request is held.
fn leaves(stage: &Stage, to: SocketAddr, mut seed: Seed) -> Record {
    let mut record = Record::default();
    let mut due = Instant::now();
    while !stage.is_over() {
        let (wait, next) = next_turn(due, LEAVING_PAUSE);
        due = next;
        thread::sleep(wait);
        let errand = stage.errand(&mut seed, Kind::is_left);
        let pending = errand.request().open(to);
        thread::sleep(seed.between(0, 30));
        drop(pending);
        record.left += 1;
    }
    record
}
