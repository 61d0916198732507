//! One configuration in one VM: its gate, its ticks and its fetches.

use super::clock::{self, MonotonicClock};
use super::crypto::Host;
use super::http::{self, Exchange, Phase};
use super::metrics::Metrics;
use super::space::Shared;
use crate::config;
use crate::gate::{Gate, Progress};
use crate::jwks::KeySet;
use crate::keyring::shared::{SharedSpace, digest};
use crate::keyring::{Answer, Entropy, Fetch, FetchOutcome};
use crate::policy::{KeyEndpoint, KeySource, Policy, SignaturePolicy};
use crate::rs256::Rs256;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

/// The root context: the host calls it, the [`Worker`] behind it does the work.
#[derive(Debug)]
pub(super) struct Root {
    context: u32,
    worker: Option<Rc<Worker>>,
}

/// What requests and root share. No borrow of a cell outlives the statement that takes it: a host
/// call may call back.
#[derive(Debug)]
pub(super) struct Worker {
    context: u32,
    gate: RefCell<Gate>,
    pub(super) metrics: Metrics,
    clock: MonotonicClock,
    held: RefCell<HashMap<u32, Rc<Cell<Phase>>>>,
    fetches: RefCell<HashMap<u32, Fetch>>,
    tick_period: Cell<Duration>,
}

impl Root {
    pub(super) const fn new(context: u32) -> Self {
        Self {
            context,
            worker: None,
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        if let Some(worker) = &self.worker {
            worker.answered(token, headers, body);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let document = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
            .ok()
            .flatten()
            .unwrap_or_default();
        match config::parse(&document) {
            Ok(policy) => {
                let worker = Worker::new(self.context, policy);
                if is_news(&document) {
                    worker.announce();
                }
                self.worker = Some(Rc::new(worker));
                true
            }
            Err(problems) => {
                for problem in problems.iter() {
                    log::error!("cognito-authorizer: {problem}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &self.worker {
            worker.tick();
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange::new(context, self.worker.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Drop for Root {
    /// The host deletes the root when its configuration is replaced.
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.gate.borrow_mut().retire(&Shared);
        }
    }
}

impl Worker {
    /// Nothing is fetched and no lease is taken here: the host configures a short-lived VM first,
    /// and what that one begins nobody would finish.
    fn new(context: u32, policy: Policy) -> Self {
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

    fn announce(&self) {
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
    pub(super) fn admit(&self, context: u32, phase: &Rc<Cell<Phase>>) {
        use crate::gate::Outcome;
        let request = http::request(self.gate.borrow().reads());
        let (outcome, cache_use) = self.gate.borrow_mut().decide(&request, clock::wall());
        self.metrics.cache(cache_use);
        let outcome = match outcome {
            Outcome::Hold(candidate) => {
                let now = self.clock.both();
                let mut gate = self.gate.borrow_mut();
                match gate.hold(context, candidate, now, &Shared) {
                    Some(outcome) => outcome,
                    None => {
                        phase.set(Phase::Held);
                        self.tick_every(gate.next_tick(now.monotonic));
                        self.held.borrow_mut().insert(context, Rc::clone(phase));
                        self.metrics.held();
                        return;
                    }
                }
            }
            decided => decided,
        };
        phase.set(http::carry_out(self, &outcome));
    }

    /// The client of a held request has gone.
    pub(super) fn abandon(&self, context: u32) {
        self.held.borrow_mut().remove(&context);
        if self.gate.borrow_mut().cancel(context) {
            self.metrics.cancelled();
        }
    }

    fn tick(&self) {
        let now = self.clock.both();
        let progress = self.gate.borrow_mut().tick(now, &Shared);
        self.carry_on(progress);
        self.metrics.gauges(&self.gate.borrow(), now.monotonic);
        // The level may be changed while Envoy runs.
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
    }

    fn answered(&self, token: u32, headers: usize, body: usize) {
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
        for (context, outcome) in progress.verdicts {
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
            phase.set(http::carry_out(self, &outcome));
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

/// Whether no VM has told of this configuration: every worker has a VM of its own, and all of them
/// are configured alike. The last few are remembered, which is more than one Envoy uses at a time.
fn is_news(document: &[u8]) -> bool {
    const NAME: &str = "cognito-authorizer.told";
    const REMEMBERED: usize = 16;
    let (told, version) = Shared.read(NAME);
    let mut told: Vec<u8> = told.unwrap_or_default();
    let news = digest(document).into_bytes();
    if told.chunks(news.len()).any(|known| known == news) {
        return false;
    }
    told.splice(..0, news.iter().copied());
    told.truncate(news.len().saturating_mul(REMEMBERED));
    Shared.write(NAME, &told, version).is_ok()
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
