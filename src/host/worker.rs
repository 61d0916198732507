//! One configuration in one VM: its gate, its clock, its requests, and what it asks of the host.

use super::bell::Bell;
use super::clock::{self, MonotonicClock};
use super::crypto::Host;
use super::metrics::Metrics;
use super::number::{self, Number};
use super::space::Shared;
use super::start;
use super::stream::{self, Phase};
use super::wire::{self, InEffect};
use crate::decision::{Decision, Verdict};
use crate::gate::{Effects, Gate, Now};
use crate::policy::Policy;
use crate::refusal::Reason;
use crate::remote::call::{Answer, CallId, Reading};
use crate::remote::report::{Level, Report};
use crate::request::Rest;
use crate::time::Monotonic;
use proxy_wasm::hostcalls;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

thread_local! {
    /// Whether this VM has served a request. Plugins of one `vm_id` are one VM in each thread, so
    /// that one of them may be idle and its thread busy.
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

/// What requests and root share. No borrow of a cell outlives the statement that takes it: a host
/// call may call back.
#[derive(Debug)]
pub(super) struct Worker {
    context: u32,
    gate: RefCell<Gate>,
    metrics: Metrics<Number>,
    clock: MonotonicClock,
    held: RefCell<HashMap<u32, Rc<Cell<Phase>>>>,
    /// The calls under way, by the host's number for each.
    calls: RefCell<HashMap<u32, (CallId, Reading)>>,
    bell: Bell,
    tick_period: Cell<Duration>,
    ticked: Cell<bool>,
}

impl Worker {
    /// Nothing is fetched and no lease is taken here: the host configures a short-lived VM first,
    /// and no other would finish what that one begins.
    pub(super) fn new(context: u32, policy: Policy) -> Self {
        let clock = MonotonicClock::new();
        let metrics = Metrics::define(&policy, &Number::define);
        let gate = start::gate(policy, Rc::new(Host), clock.both(), &Shared);
        let worker = Self {
            context,
            gate: RefCell::new(gate),
            metrics,
            clock,
            held: RefCell::default(),
            calls: RefCell::default(),
            bell: Bell::default(),
            tick_period: Cell::default(),
            ticked: Cell::default(),
        };
        worker.tick_every(Gate::PROMPT_TICK);
        worker
    }

    pub(super) fn policy(&self) -> Rc<Policy> {
        Rc::clone(self.gate.borrow().policy())
    }

    pub(super) fn announce(&self) {
        let reports = start::announcement(&self.gate.borrow());
        reports.iter().for_each(|report| self.tell(report));
    }

    /// Decides about the request whose headers the host has just handed over.
    pub(super) fn admit(&self, context: u32, rest: Rest, phase: &Rc<Cell<Phase>>) {
        SERVES.set(true);
        // Whatever becomes of it is counted.
        self.tick_within(number::TOLD_WITHIN);
        let Ok(request) = stream::request(&InEffect, rest) else {
            phase.set(self.carry_out(context, &Verdict::refuse(Reason::UnsafePath)));
            return;
        };
        let wall = clock::wall();
        let (decision, cache_use) = self.gate.borrow_mut().decide(&request, wall);
        self.metrics.cache(cache_use);
        let verdict = match decision {
            Decision::Verdict(verdict) => verdict,
            Decision::Hold(candidate) => {
                let monotonic = self.clock.read();
                let now = Now { wall, monotonic };
                let held = self
                    .gate
                    .borrow_mut()
                    .hold(context, candidate, now, &Shared);
                match held {
                    Some(verdict) => verdict,
                    None => {
                        phase.set(Phase::Held);
                        let has_calls = self.gate.borrow().has_calls();
                        // When the root is called it sets its timer itself.
                        if !has_calls || !self.bell.ring() {
                            self.tick_within(self.next_tick(now.monotonic));
                        }
                        self.held.borrow_mut().insert(context, Rc::clone(phase));
                        self.metrics.held();
                        return;
                    }
                }
            }
        };
        phase.set(self.carry_out(context, &verdict));
    }

    /// Carries out a verdict on the request whose context is in effect. Returns what has become of
    /// it.
    fn carry_out(&self, context: u32, verdict: &Verdict) -> Phase {
        stream::carry_out(&InEffect, &self.metrics, &self.policy(), verdict);
        match verdict {
            Verdict::Forward(forward) => {
                self.gate.borrow_mut().goes_on(context, forward);
                Phase::Forwarded
            }
            Verdict::Refuse(_) | Verdict::Answer(_) => Phase::Answered,
        }
    }

    /// Gives up what other VMs would wait for: the configuration is being replaced.
    pub(super) fn retire(&self) {
        self.gate.borrow_mut().retire(&Shared);
        self.metrics.authorizers(&mut self.gate.borrow_mut());
        // Their answers will find nobody.
        self.metrics.in_flight(0);
        self.metrics.retired();
        number::tell();
    }

    /// Trailers have come, after a verdict or before it: what was promised of headers holds for
    /// them.
    pub(super) fn clean_trailers(&self) {
        stream::clean_trailers(&InEffect, &self.policy());
    }

    /// A request that went on has come to its end.
    pub(super) fn finished(&self, context: u32) {
        self.gate.borrow_mut().finished(context);
    }

    /// The client of a held request has gone.
    pub(super) fn abandon(&self, context: u32) {
        self.held.borrow_mut().remove(&context);
        if self.gate.borrow_mut().cancel(context) {
            self.metrics.cancelled();
            self.tick_within(number::TOLD_WITHIN);
        }
    }

    /// Whether the host lets this VM run, and does not only try it.
    pub(super) const fn has_ticked(&self) -> bool {
        self.ticked.get()
    }

    pub(super) fn tick(&self) {
        self.ticked.set(true);
        let now = self.clock.both();
        if SERVES.get() {
            self.gate.borrow_mut().serves();
        }
        self.bell.heard();
        let effects = self.gate.borrow_mut().tick(now, &Shared);
        self.bring_about(effects);
        self.metrics.gauges(&self.gate.borrow(), now, &Shared);
        number::tell();
        self.tick_every(self.next_tick(self.clock.read()));
        // The level may be changed while Envoy runs.
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
    }

    /// A request has asked for calls, and rung for them.
    pub(super) fn rung(&self) {
        self.bell.heard();
        let effects = self.gate.borrow_mut().begin_calls();
        self.bring_about(effects);
        self.tick_within(self.next_tick(self.clock.read()));
    }

    pub(super) fn answered(&self, token: u32, headers: usize, body: usize) {
        let Some((id, reading)) = self.calls.borrow_mut().remove(&token) else {
            return;
        };
        let answer = wire::answer(headers, body, reading);
        let now = self.clock.both();
        self.finish(id, &answer, now);
        self.tick_within(self.next_tick(now.monotonic));
    }

    fn finish(&self, id: CallId, answer: &Answer, now: Now) {
        let effects = self.gate.borrow_mut().answered(id, answer, now, &Shared);
        self.bring_about(effects);
    }

    /// Tells what is to be told, gives held requests their verdicts, cuts those whose token has
    /// ended, and makes calls.
    fn bring_about(&self, effects: Effects) {
        for report in &effects.reports {
            self.tell(report);
        }
        let is_elsewhere = !effects.verdicts.is_empty() || !effects.ended.is_empty();
        for (context, verdict) in effects.verdicts {
            let Some(phase) = self.held.borrow_mut().remove(&context) else {
                continue;
            };
            // Fails for a request that the host has forgotten.
            if hostcalls::set_effective_context(context).is_err() {
                phase.set(Phase::Answered);
                self.metrics.cancelled();
                continue;
            }
            self.metrics.no_longer_held();
            phase.set(self.carry_out(context, &verdict));
            if phase.get() == Phase::Forwarded {
                let _ = hostcalls::resume_http_request();
            }
        }
        for context in effects.ended {
            // Fails for a request that the host has forgotten.
            if hostcalls::set_effective_context(context).is_ok()
                && hostcalls::reset_http_request().is_ok()
            {
                self.metrics.closed();
            }
        }
        if is_elsewhere {
            let _ = hostcalls::set_effective_context(self.context);
        }
        for (id, call) in effects.calls {
            match wire::send(&call) {
                Ok(token) => {
                    self.calls.borrow_mut().insert(token, (id, call.reading));
                }
                Err(reason) => self.finish(id, &Answer::NotSent(reason), self.clock.both()),
            }
        }
        self.metrics.authorizers(&mut self.gate.borrow_mut());
    }

    fn tell(&self, report: &Report) {
        self.metrics.told(report);
        match report.level {
            Level::Debug => log::debug!("{report}"),
            Level::Info => log::info!("{report}"),
            Level::Warning => log::warn!("{report}"),
        }
    }

    /// When the gate has something to do, or the host something to be told.
    fn next_tick(&self, now: Monotonic) -> Duration {
        let period = self.gate.borrow().next_tick(now);
        match number::is_untold() {
            true => period.min(number::TOLD_WITHIN),
            false => period,
        }
    }

    /// Has the next tick come within this time. Where it would come sooner, it is left to that tick to
    /// lengthen the period: many requests that are held for a moment each would set the timer twice.
    fn tick_within(&self, period: Duration) {
        if period < self.tick_period.get() {
            self.tick_every(period);
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
