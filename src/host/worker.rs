//! One configuration in one VM: its gate, its clock, its requests, and what it asks of the host.

use super::clock::{self, MonotonicClock};
use super::crypto::Host;
use super::metrics::Metrics;
use super::space::Shared;
use super::wire;
use crate::gate::{Decision, Gate, Progress, Verdict};
use crate::jwks::KeySet;
use crate::keyring::{Answer, Entropy, Fetch, FetchOutcome};
use crate::policy::{KeyEndpoint, KeySource, Policy, SignaturePolicy};
use crate::request::Rest;
use crate::rs256::Rs256;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

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

/// What requests and root share. No borrow of a cell outlives the statement that takes it: a host
/// call may call back.
#[derive(Debug)]
pub(super) struct Worker {
    context: u32,
    gate: RefCell<Gate>,
    metrics: Metrics,
    clock: MonotonicClock,
    held: RefCell<HashMap<u32, Rc<Cell<Phase>>>>,
    fetches: RefCell<HashMap<u32, Fetch>>,
    tick_period: Cell<Duration>,
}

impl Worker {
    /// Nothing is fetched and no lease is taken here: the host configures a short-lived VM first,
    /// and what that one begins nobody would finish.
    pub(super) fn new(context: u32, policy: Policy) -> Self {
        let algorithm = match policy.signature {
            SignaturePolicy::Auto => Rs256::host_if_proven(Rc::new(Host)),
            SignaturePolicy::Module => Rs256::module(),
        };
        let clock = MonotonicClock::new();
        // The standard library seeds its hashers at random; that is all the entropy needed here.
        let entropy = Entropy::new(RandomState::new().build_hasher().finish());
        let mut gate = Gate::new(Rc::new(policy), algorithm, entropy);
        gate.start(clock.read(), &Shared);
        let worker = Self {
            context,
            gate: RefCell::new(gate),
            metrics: Metrics::define(),
            clock,
            held: RefCell::default(),
            fetches: RefCell::default(),
            tick_period: Cell::default(),
        };
        worker.tick_every(Gate::PROMPT_TICK);
        worker
    }

    pub(super) fn policy(&self) -> Rc<Policy> {
        Rc::clone(self.gate.borrow().policy())
    }

    pub(super) fn announce(&self) {
        let policy = self.policy();
        log::info!(
            "cognito-authorizer {}: user pools: {}, rules: {}, signatures verified by the {}",
            env!("CARGO_PKG_VERSION"),
            policy.pools.len(),
            policy.rules.len(),
            match self.gate.borrow().verifies_by_host() {
                true => "host",
                false => "module",
            },
        );
    }

    /// Decides about the request whose headers the host has just handed over.
    pub(super) fn admit(&self, context: u32, rest: Rest, phase: &Rc<Cell<Phase>>) {
        let request = wire::request(self.gate.borrow().reads(), rest);
        let (decision, cache_use) = self.gate.borrow_mut().decide(&request, clock::wall());
        self.metrics.cache(cache_use);
        let verdict = match decision {
            Decision::Verdict(verdict) => verdict,
            Decision::Hold(candidate) => {
                let now = self.clock.both();
                let mut gate = self.gate.borrow_mut();
                match gate.hold(context, candidate, now, &Shared) {
                    Some(verdict) => verdict,
                    None => {
                        phase.set(Phase::Held);
                        self.tick_every(gate.next_tick(now.monotonic));
                        self.held.borrow_mut().insert(context, Rc::clone(phase));
                        self.metrics.held();
                        return;
                    }
                }
            }
        };
        phase.set(self.carry_out(&verdict));
    }

    /// Carries out a verdict on the request whose context is in effect. Returns what has become of it.
    fn carry_out(&self, verdict: &Verdict) -> Phase {
        wire::carry_out(&self.metrics, &self.policy(), verdict);
        match verdict {
            Verdict::Forward(_) => Phase::Forwarded,
            Verdict::Refuse(_) => Phase::Refused,
        }
    }

    /// Gives up what other VMs would wait for: the configuration is being replaced.
    pub(super) fn retire(&self) {
        self.gate.borrow_mut().retire(&Shared);
    }

    /// Trailers have come, after a verdict or before it: what was promised of headers holds for them.
    pub(super) fn clean_trailers(&self) {
        wire::clean_trailers(&self.policy());
    }

    /// The client of a held request has gone.
    pub(super) fn abandon(&self, context: u32) {
        self.held.borrow_mut().remove(&context);
        if self.gate.borrow_mut().cancel(context) {
            self.metrics.cancelled();
        }
    }

    pub(super) fn tick(&self) {
        let now = self.clock.both();
        let progress = self.gate.borrow_mut().tick(now, &Shared);
        self.carry_on(progress);
        self.metrics.gauges(&self.gate.borrow(), now.monotonic);
        // The level may be changed while Envoy runs.
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
    }

    pub(super) fn answered(&self, token: u32, headers: usize, body: usize) {
        let Some(fetch) = self.fetches.borrow_mut().remove(&token) else {
            return;
        };
        self.finish(fetch, &answer(headers, body));
    }

    fn finish(&self, fetch: Fetch, answer: &Answer) {
        let now = self.clock.both();
        let (outcome, progress) = self.gate.borrow_mut().answered(fetch, answer, now, &Shared);
        self.report(fetch, outcome);
        self.carry_on(progress);
    }

    /// Sends what is to be fetched, and wakes those who have a verdict.
    fn carry_on(&self, progress: Progress) {
        for (context, verdict) in progress.verdicts {
            let Some(phase) = self.held.borrow_mut().remove(&context) else {
                continue;
            };
            // Fails for a request that the host has forgotten.
            if hostcalls::set_effective_context(context).is_err() {
                phase.set(Phase::Refused);
                self.metrics.cancelled();
                continue;
            }
            self.metrics.no_longer_held();
            phase.set(self.carry_out(&verdict));
            if phase.get() == Phase::Forwarded {
                let _ = hostcalls::resume_http_request();
            }
        }
        let _ = hostcalls::set_effective_context(self.context);
        for fetch in progress.fetches {
            match self.send(fetch) {
                Some(token) => drop(self.fetches.borrow_mut().insert(token, fetch)),
                None => self.finish(fetch, &Answer::NotSent),
            }
        }
        let next = self.gate.borrow().next_tick(self.clock.read());
        self.tick_every(next);
    }

    fn send(&self, fetch: Fetch) -> Option<u32> {
        let policy = self.policy();
        let pool = policy.pools.get(fetch.pool)?;
        let KeySource::Fetched(endpoint) = &pool.keys else {
            return None;
        };
        let KeyEndpoint {
            cluster,
            scheme,
            authority,
            path,
            timeout,
            ..
        } = endpoint;
        let headers = vec![
            (":method", "GET"),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
            ("accept", "application/json"),
        ];
        hostcalls::dispatch_http_call(cluster, headers, None, vec![], *timeout).ok()
    }

    /// One line for each change of state, so that an outage does not fill a disk.
    fn report(&self, fetch: Fetch, outcome: FetchOutcome) {
        let policy = self.policy();
        let pool = policy
            .pools
            .get(fetch.pool)
            .map_or("", |pool| pool.issuer.as_str());
        match outcome {
            FetchOutcome::Superseded => {}
            FetchOutcome::Succeeded => self.metrics.fetched(),
            FetchOutcome::Recovered { keys, skipped } => {
                self.metrics.fetched();
                log::info!("keys of {pool}: {keys} fetched, {skipped} entries skipped");
            }
            FetchOutcome::BeganToFail(failure) => {
                self.metrics.fetch_failed();
                log::warn!(
                    "keys of {pool}: {failure}; the last good ones serve on, if there are any"
                );
            }
            FetchOutcome::StillFails(failure) => {
                self.metrics.fetch_failed();
                log::debug!("keys of {pool}: {failure}");
            }
        }
    }

    /// Sets the host's timer only when its period changes: setting it anew starts it anew, and a
    /// busy worker would put its own tick off for ever.
    fn tick_every(&self, period: Duration) {
        if self.tick_period.replace(period) != period {
            let _ = hostcalls::set_tick_period(period);
        }
    }
}

/// Reads the answer to a fetch. Without headers there was none, and asking for one would panic.
fn answer(headers: usize, body: usize) -> Answer {
    if headers == 0 {
        return Answer::NoResponse;
    }
    let status = hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, ":status")
        .ok()
        .flatten()
        .and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok())
        .unwrap_or_default();
    let body = (body <= KeySet::MAX_BYTES)
        .then(|| hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body))
        .map(|body| body.ok().flatten().unwrap_or_default());
    Answer::Response { status, body }
}
