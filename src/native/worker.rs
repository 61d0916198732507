//! One configuration on one thread that serves: its gate, and the requests that the gate holds or
//! watches.

use crate::alarm::Ordered;
use crate::call;
use crate::clock;
use crate::envoy::Response;
use crate::exchange::Exchange;
use crate::leader::{Post, Shared, gate, print};
use crate::number::{Ledger, Number};
use crate::seat::Seat;
use crate::space::Space;
use cognito_authorizer::config;
use cognito_authorizer::decision::{Caller, Decision, Verdict};
use cognito_authorizer::gate::{Demand, Effects, Gate};
use cognito_authorizer::host::metrics::Metrics;
use cognito_authorizer::host::stream::{self, Phase};
use cognito_authorizer::policy::{AtExpiry, Policy};
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::remote::call::{Answer, Call, CallId};
use cognito_authorizer::request::Rest;
use cognito_authorizer::time::Now;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The answer to a call that the main thread has made for this one.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: CallId,
    pub(crate) answer: Answer,
    /// When it came, which may have been long before it is read.
    pub(crate) at: Now,
}

thread_local! {
    static WORKERS: RefCell<Vec<Rc<Worker>>> = const { RefCell::new(Vec::new()) };
}

/// No borrow of a cell outlives the statement that takes it: a call into Envoy may call back.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    seat: Arc<Seat<Letter>>,
    gate: RefCell<Gate>,
    metrics: Metrics<Number>,
    /// Those that are held, and those that are cut when their token ends.
    watched: RefCell<HashMap<u32, Rc<Exchange>>>,
    /// Whose event the bell is.
    bell: Cell<Option<u32>>,
    ordered: Ordered,
    requests: Cell<u32>,
}

impl Worker {
    /// This thread's worker of a configuration. None if the configuration is not one, which the main
    /// thread would have said.
    pub(crate) fn of(shared: &Arc<Shared>) -> Option<Rc<Self>> {
        let known = WORKERS.with_borrow(|workers| {
            let mut workers = workers.iter();
            let known = workers.find(|worker| worker.shared.number == shared.number);
            known.map(Rc::clone)
        });
        known.or_else(|| {
            let worker = Rc::new(Self::new(shared)?);
            WORKERS.with_borrow_mut(|workers| {
                workers.retain(|worker| !worker.shared.has_ended());
                workers.push(Rc::clone(&worker));
            });
            Some(worker)
        })
    }

    fn new(shared: &Arc<Shared>) -> Option<Self> {
        let policy = config::parse(&shared.document).ok()?;
        let ledger = Ledger::default();
        let metrics = Metrics::define(&policy, &|_, _| ledger.number());
        let seat = Arc::default();
        shared.join(&seat, ledger.into_sums());
        Some(Self {
            shared: Arc::clone(shared),
            seat,
            gate: RefCell::new(gate(policy)),
            metrics,
            watched: RefCell::default(),
            bell: Cell::default(),
            ordered: Ordered::default(),
            requests: Cell::default(),
        })
    }

    pub(crate) fn policy(&self) -> Rc<Policy> {
        Rc::clone(self.gate.borrow().policy())
    }

    /// A number that no watched request has.
    pub(crate) fn next_context(&self) -> u32 {
        loop {
            let context = self.requests.get().wrapping_add(1);
            self.requests.set(context);
            if !self.watched.borrow().contains_key(&context) {
                return context;
            }
        }
    }

    /// Decides about a request whose headers have come.
    pub(crate) fn admit(&self, exchange: &Rc<Exchange>, rest: Rest) {
        self.shared.count();
        if self.seat.take_due() {
            self.catch_up();
        }
        let request = stream::request(&**exchange, rest);
        let Ok(request) = request else {
            self.carry_out(exchange, &Verdict::refuse(Reason::UnsafePath));
            return;
        };
        let (decision, cache_use) = self.gate.borrow_mut().decide(&request, clock::wall());
        self.metrics.cache(cache_use);
        let verdict = match decision {
            Decision::Verdict(verdict) => verdict,
            Decision::Hold(candidate) => {
                let context = exchange.context;
                let now = clock::both();
                let held = self.gate.borrow_mut().hold(context, candidate, now, &Space);
                match held {
                    Some(verdict) => verdict,
                    None => {
                        exchange.phase.set(Phase::Held);
                        self.metrics.held();
                        self.watch(exchange);
                        let calls = self.gate.borrow_mut().begin_calls().calls;
                        if calls.is_empty() {
                            // Not here: what is due may concern other requests, and Envoy is in
                            // the midst of this one.
                            self.seat.ring();
                            return;
                        }
                        for (id, call) in calls {
                            self.send(exchange, id, call);
                        }
                        self.metrics.authorizers(&mut self.gate.borrow_mut());
                        self.ring_in_time();
                        return;
                    }
                }
            }
        };
        self.carry_out(exchange, &verdict);
        self.watch_its_end(exchange, &verdict);
        if self.gate.borrow().has_wishes() {
            let demands = self.gate.borrow_mut().wishes(clock::both(), &Space);
            self.demand(demands);
        }
    }

    fn demand(&self, demands: Vec<Demand>) {
        for demand in demands {
            self.shared.desk.post(Post::Demand(demand));
        }
    }

    /// Reads what others have done since. Where requests are watched the bell has rung as well, and
    /// all that is due is done then.
    fn catch_up(&self) {
        match self.bell.get() {
            None => self.run(),
            Some(_) => self.gate.borrow_mut().start(clock::both(), &Space),
        }
    }

    /// Does what is due.
    pub(crate) fn run(&self) {
        self.shared.count();
        self.seat.take_due();
        for Letter { id, answer, at } in self.seat.take_letters() {
            self.finish(id, &answer, at);
        }
        let now = clock::both();
        let (effects, demands) = self.gate.borrow_mut().follow(now, &Space);
        self.demand(demands);
        self.bring_about(effects);
        self.ring_in_time();
    }

    /// Has this thread rung when the gate has something to do.
    fn ring_in_time(&self) {
        let next = self.gate.borrow().next_follow();
        self.ordered.ring_in(&self.seat, next);
    }

    /// Makes a call in the name of a request: it ends with that.
    fn send(&self, exchange: &Exchange, id: CallId, call: Call) {
        match exchange.stream.call(&call) {
            Ok(number) => {
                exchange.calls.borrow_mut().insert(number, (id, call));
            }
            Err(reason) => self.finish(id, &Answer::NotSent(reason), clock::both()),
        }
    }

    /// A call has its answer, or none.
    pub(crate) fn answered(
        &self,
        exchange: &Exchange,
        number: u64,
        response: Option<&dyn Response>,
    ) {
        let call = exchange.calls.borrow_mut().remove(&number);
        if let Some((id, call)) = call {
            self.shared.count();
            self.finish(id, &call::read(&call, response), clock::both());
            self.ring_in_time();
        }
    }

    fn finish(&self, id: CallId, answer: &Answer, at: Now) {
        let effects = self.gate.borrow_mut().answered(id, answer, at, &Space);
        self.bring_about(effects);
    }

    /// Has the main thread make a call, which ends with no request.
    fn hand_over(&self, id: CallId, call: Call) {
        let from = Arc::clone(&self.seat);
        self.shared.desk.post(Post::Call { from, id, call });
    }

    fn bring_about(&self, effects: Effects) {
        for report in &effects.reports {
            self.metrics.told(report);
            print(report);
        }
        for (context, verdict) in effects.verdicts {
            // Taken off once that has been done: what fails midway is held still, and refused.
            let held = self.watched.borrow().get(&context).map(Rc::clone);
            let Some(exchange) = held else { continue };
            self.carry_out(&exchange, &verdict);
            self.watched.borrow_mut().remove(&context);
            self.metrics.no_longer_held();
            self.watch_its_end(&exchange, &verdict);
            if exchange.phase.get() == Phase::Forwarded {
                exchange.stream.go_on();
            }
            self.find_bell();
        }
        for context in effects.ended {
            let open = self.watched.borrow_mut().remove(&context);
            if let Some(exchange) = open {
                self.metrics.closed();
                exchange.stream.reset("cognito.token_ended");
            }
            self.find_bell();
        }
        for (id, call) in effects.calls {
            self.hand_over(id, call);
        }
        self.metrics.authorizers(&mut self.gate.borrow_mut());
    }

    fn carry_out(&self, exchange: &Exchange, verdict: &Verdict) {
        stream::carry_out(exchange, &self.metrics, &self.policy(), verdict);
        exchange.settle_route();
        if let Verdict::Forward(_) = verdict {
            exchange.phase.set(Phase::Forwarded);
        }
    }

    /// Watches a request that goes on, where it is to be cut when its token ends.
    fn watch_its_end(&self, exchange: &Rc<Exchange>, verdict: &Verdict) {
        if let Verdict::Forward(forward) = verdict
            && let (AtExpiry::Close, Caller::Known(_)) = (forward.at_expiry, &forward.caller)
        {
            self.gate.borrow_mut().goes_on(exchange.context, forward);
            self.watch(exchange);
        }
    }

    /// Watches a request, until it ends.
    fn watch(&self, exchange: &Rc<Exchange>) {
        let context = exchange.context;
        self.watched
            .borrow_mut()
            .insert(context, Rc::clone(exchange));
        self.find_bell();
    }

    /// Sees to it that the bell is that of a watched request, if there is any.
    fn find_bell(&self) {
        let is_watched = |bell| self.watched.borrow().contains_key(&bell);
        if self.bell.get().is_some_and(is_watched) {
            return;
        }
        let bell = self
            .watched
            .borrow()
            .iter()
            .find_map(|(context, exchange)| {
                let bell = exchange.stream.bell()?;
                Some((*context, bell))
            });
        let (context, bell) = bell.unzip();
        if self.bell.replace(context) != context || bell.is_some() {
            self.seat.hang(bell);
            // What was rung for before must not wait for the next time.
            if context.is_some() {
                self.seat.ring();
            }
        }
    }

    /// Something of ours has failed: what would wait for it does not.
    pub(crate) fn refuse_held(&self) {
        let is_held = |_: &u32, exchange: &mut Rc<Exchange>| exchange.phase.get() == Phase::Held;
        let held: Vec<_> = self.watched.borrow_mut().extract_if(is_held).collect();
        for (context, exchange) in held {
            self.gate.borrow_mut().cancel(context);
            self.metrics.no_longer_held();
            exchange.refuse();
        }
        self.find_bell();
    }

    /// A request has come to its end. Its calls end with it, and are made again: others may wait for the
    /// answers, and whoever can leave must not be able to have more calls made than may be under way.
    pub(crate) fn end(&self, exchange: &Exchange) {
        for (id, call) in exchange.calls.take().into_values() {
            self.hand_over(id, call);
        }
        let context = exchange.context;
        let watched = self.watched.borrow_mut().remove(&context);
        if watched.is_none() {
            return;
        }
        match exchange.phase.get() {
            Phase::Held => {
                if self.gate.borrow_mut().cancel(context) {
                    self.shared.count();
                    self.metrics.cancelled();
                }
            }
            Phase::Forwarded => self.gate.borrow_mut().finished(context),
            Phase::Undecided | Phase::Answered => {}
        }
        self.find_bell();
    }
}
