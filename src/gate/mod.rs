//! The filter without a host: requests and answers in, verdicts and calls out.
//!
//! The way of a request is [`Gate::decide`]: rule, token, claims, key, signature, the rule's
//! conditions; the first that fails is the reason. A request whose keys are missing is held
//! ([`Gate::hold`]) until a tick or an answer brings its verdict.
//!
//! Ticks and answers have [`Effects`], which the host carries out: verdicts on held requests, calls
//! to be made, and what is to be told. The host needs to know nothing else of them: it sends each
//! call and hands its answer back under the call's number.
//!
//! # Waiting
//!
//! A VM of proxy-wasm runs only in callbacks, and no VM can wake another. So whatever other VMs
//! have done is seen at a tick, and a held request pays the period of the tick beside the fetch:
//! [`Gate::next_tick`] shortens it while anything is awaited. Every tick goes the same way. The
//! facts are read anew; the needs of the waiting requests become demands; the calls that are due
//! begin; and each request whose fact has changed, or never will, gets its verdict. An answer does
//! the last of these at once, without waiting for the tick. Nor does a call to an authorizer, whose
//! request pays for every millisecond: where the host can call its root at once, it begins the calls
//! that were asked for ([`Gate::begin_calls`]), and the tick finds none.
//!
//! What goes on with a token may last longer than the token. Where the policy says so, every tick
//! names the requests whose token has ended since, and the host resets them.
//!
//! What a client can make grow is bounded by the waiting list: a held request is its token and a
//! few numbers, and its body stays with the client until the verdict.

mod doors;
mod follow;
mod open;
mod waiting;
mod wishes;

use crate::authorization::Counts;
use crate::decision::{CacheUse, Caller, Candidate, Decider, Decision, Forward, Verdict};
use crate::facts::{Facts, Need, Outlook};
use crate::keyring::Keyring;
use crate::policy::{AtExpiry, Policy};
use crate::refusal::Reason;
use crate::remote::call::{Answer, Call, CallId};
use crate::remote::report::Report;
use crate::remote::schedule::Entropy;
use crate::remote::space::SharedSpace;
use crate::request::Request;
use crate::revocation::Revocations;
use crate::signature::Algorithms;
use crate::step::{Observer, Step};
pub use crate::time::Now;
use crate::time::{Monotonic, Timestamp};
use crate::verifiers::Verifiers;
use doors::Doors;
pub use follow::Demand;
use open::Open;
use std::rc::Rc;
use std::time::Duration;
use waiting::{Deadline, Held, Waiting};
use wishes::Wishes;

/// What a tick or an answer brought about, to be carried out by the host.
#[derive(Debug, Default)]
pub struct Effects {
    /// Verdicts on held requests, by the host's number for each.
    pub verdicts: Vec<(u32, Verdict)>,
    /// Open requests whose token has ended, by the host's number for each: they are cut.
    pub ended: Vec<u32>,
    /// Calls to be made, by the gate's number for each.
    pub calls: Vec<(CallId, Call)>,
    /// What is to be told.
    ///
    /// No line or counter is written by the core: the host prints them, and tests read them.
    pub reports: Vec<Report>,
}

/// The filter of one worker, for one configuration.
#[derive(Debug)]
pub struct Gate {
    decider: Decider,
    facts: Facts,
    waiting: Waiting,
    wishes: Wishes,
    open: Open,
    doors: Doors,
}

impl Gate {
    /// While something is awaited: others' keys are noticed, and deadlines kept, within this time.
    ///
    /// A fetch takes tens of milliseconds, so that this adds little to the wait of a request.
    pub const BUSY_TICK: Duration = Duration::from_millis(20);
    /// Otherwise: a key that left the set is gone from every worker well within a second.
    pub const IDLE_TICK: Duration = Duration::from_millis(250);
    /// The shortest period: a fetch is due, and can only be begun in a tick.
    ///
    /// Envoy counts periods in milliseconds, and 0 would switch its timer off.
    pub const PROMPT_TICK: Duration = Duration::from_millis(1);

    /// A gate for a policy.
    #[must_use]
    pub fn new(policy: Rc<Policy>, verifiers: impl Into<Verifiers>, entropy: Entropy) -> Self {
        let secret = entropy.secret();
        Self {
            // No key is here yet. A configuration is accepted while the key endpoint is down: a
            // network fault is no fault of the configuration.
            facts: Facts::new(&policy, entropy),
            waiting: Waiting::default(),
            wishes: Wishes::default(),
            open: Open::default(),
            doors: Doors::of(&policy.rules),
            decider: Decider::new(policy, verifiers.into(), secret),
        }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Rc<Policy> {
        self.decider.policy()
    }

    /// The algorithms that a token may name.
    #[must_use]
    pub const fn algorithms(&self) -> Algorithms {
        self.decider.algorithms()
    }

    /// Whether the host verifies signatures.
    #[must_use]
    pub const fn verifies_by_host(&self) -> bool {
        self.decider.verifies_by_host()
    }

    /// The keys.
    #[must_use]
    pub const fn keyring(&self) -> &Keyring {
        self.facts.keyring()
    }

    /// What has been revoked, if the configuration asks.
    #[must_use]
    pub fn revocations(&self) -> Option<&Revocations> {
        self.facts.revocations()
    }

    /// What is told at the start of refusals that are not carried out, if there are any.
    #[must_use]
    pub fn not_enforced(&self) -> Option<Report> {
        self.doors.told()
    }

    /// Whether any configuration of the process only reports some refusal.
    pub fn reports_any(&self, now: Now, space: &dyn SharedSpace) -> bool {
        self.doors.any_open(now.monotonic, space)
    }

    /// Takes over what other VMs have fetched. A new configuration begins with the keys that the
    /// last one left.
    pub fn start(&mut self, now: Now, space: &dyn SharedSpace) {
        self.facts.sync(now, space);
    }

    /// Takes note that this VM serves requests, of whatever configuration: what costs much is left
    /// to VMs that do not.
    pub fn serves(&mut self) {
        self.facts.serves();
    }

    /// Decides about a request.
    pub fn decide(&mut self, request: &Request, now: Timestamp) -> (Decision, CacheUse) {
        self.decide_seen(request, now, &mut ())
    }

    /// The same, watched by an observer.
    ///
    /// The desk tool explains a verdict by watching it being given, so that its story cannot differ
    /// from what Envoy does. Here the observer is `()`, and compiles to nothing.
    pub fn decide_seen(
        &mut self,
        request: &Request,
        now: Timestamp,
        seen: &mut impl Observer,
    ) -> (Decision, CacheUse) {
        self.facts.serves();
        match self.decider.decide(request, &self.facts, now, seen) {
            (Decision::Hold(candidate), cache_use) if !candidate.waits() => {
                let verdict = self.go_without(candidate, seen);
                (Decision::Verdict(verdict), cache_use)
            }
            decided => decided,
        }
    }

    /// The verdict on a request that is not delayed whatever it lacks: by what is known at this
    /// moment. What it lacks is asked for, so that the next one may have it.
    fn go_without(&mut self, candidate: Candidate, seen: &mut impl Observer) -> Verdict {
        self.wishes.add(&candidate);
        let reason = match candidate.need() {
            Need::Keys(_) => Reason::KeysUnavailable,
            // The newest set may have it. To look there is to wait.
            Need::NewerKeys { .. } => {
                seen.saw(Step::Key, Err(Reason::UnknownKey));
                Reason::UnknownKey
            }
            Need::DenyList(_) | Need::Confirmation(_) => Reason::RevocationUnknown,
            // Not reached: what an authorizer says is always obeyed.
            Need::Authorizer(_) => Reason::AuthorizerUnavailable,
        };
        self.decider.conclude(candidate, reason.into())
    }

    /// Takes in a request that [`Gate::decide`] could not decide. It is held, and `None` returned,
    /// unless it can be decided now, or waiting is of no use, or there is no room.
    ///
    /// A request that no fetch could help in its time gets its 503 now: waiting would only tie up
    /// the client, and a place that another request could use.
    pub fn hold(
        &mut self,
        context: u32,
        candidate: Candidate,
        now: Now,
        space: &dyn SharedSpace,
    ) -> Option<Verdict> {
        self.facts.look_at_clocks(now);
        // Another VM may have fetched, or asked, since the last tick. To read one entry costs less
        // than to hold the request for a tick.
        self.facts.sync_need(candidate.need(), now, space);
        let mut candidate = match self.redecide(candidate, now) {
            Decision::Verdict(verdict) => return Some(verdict),
            Decision::Hold(candidate) => candidate,
        };
        let need = candidate.need();
        let limit = self.facts.wait_limit(need, self.policy(), now.monotonic);
        if limit.is_zero() || !self.facts.may_wait(need) || !self.waiting.make_room(need) {
            return self.unavailable(context, candidate, now);
        }
        // Only now: a call that nobody could wait for would be paid for nothing.
        if let Some((enquiry, event)) = candidate.take_event()
            && let Some(asked) = self.facts.ask(enquiry, event)
        {
            candidate.waits_for(asked);
        }
        self.wait(context, candidate, limit, now);
        None
    }

    /// Holds a request. The limit runs from its arrival, not from the fetch: however many fetches
    /// come and fail meanwhile, no request waits longer for one fact than one may take.
    fn wait(&mut self, context: u32, candidate: Candidate, limit: Duration, now: Now) {
        let until = Deadline::At(now.monotonic.after(limit));
        self.waiting.add(context, Held { candidate, until });
    }

    /// Takes in that a request goes on, so that it is cut when its token ends, if the policy says
    /// so.
    pub fn goes_on(&mut self, context: u32, forward: &Forward) {
        if let (AtExpiry::Close, Caller::Known(token)) = (forward.at_expiry, &forward.caller)
            && let Some(ends) = token.verified.ends(self.policy())
        {
            self.open.add(context, Rc::clone(token), ends);
        }
    }

    /// Forgets a request that went on, and has come to its end.
    pub fn finished(&mut self, context: u32) {
        self.open.remove(context);
    }

    /// Forgets a held request whose client has gone. Says whether it was held.
    ///
    /// Its stream is gone with it: a verdict that came later would find no request.
    pub fn cancel(&mut self, context: u32) -> bool {
        self.waiting.remove(context)
    }

    /// Whether calls have been asked for that can begin at once. They are the root's, as all calls
    /// are; a host that can have the root called need not wait for a tick.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.facts.has_calls()
    }

    /// Begins these, and does nothing else of a tick.
    pub fn begin_calls(&mut self) -> Effects {
        Effects {
            calls: self.facts.begin_calls(),
            ..Effects::default()
        }
    }

    /// Does what is due: begins calls, and gives verdicts on held requests.
    pub fn tick(&mut self, now: Now, space: &dyn SharedSpace) -> Effects {
        self.facts.look_at_clocks(now);
        self.facts.sync(now, space);
        let waiting = &self.waiting;
        self.facts.keep_outcomes(|call| waiting.awaits(call));
        // Said anew at each tick by those that wait: a request that has gone away demands nothing.
        let wishes = self.wishes.take();
        let demands = self.waiting.demands().chain(wishes.iter());
        let calls = self.facts.take_calls(demands, now.monotonic, space);
        Effects {
            // Also when nothing was fetched here: the keys may be another VM's, or a deadline may
            // have passed.
            verdicts: self.verdicts(now),
            ended: self.ended(now.wall),
            calls,
            reports: {
                let mut reports = self.facts.take_reports();
                reports.extend(self.doors.remind(now.monotonic, space));
                reports
            },
        }
    }

    /// Takes in the answer to a call.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &Answer,
        now: Now,
        space: &dyn SharedSpace,
    ) -> Effects {
        self.facts.look_at_clocks(now);
        let report = self.facts.answered(id, answer, now, space);
        let verdicts = self.verdicts(now);
        if !self.waiting.awaits(id) {
            self.facts.forget_outcome(id);
        }
        Effects {
            verdicts,
            ended: Vec::new(),
            // A failed call is not repeated here: back-off decides, and is asked at the next tick.
            calls: Vec::new(),
            reports: report
                .into_iter()
                .chain(self.facts.take_reports())
                .collect(),
        }
    }

    /// When the next tick is wanted.
    #[must_use]
    pub fn next_tick(&self, now: Monotonic) -> Duration {
        let wants_a_call = |(need, _)| self.facts.wants_a_call(need, now);
        // Something can be done at once: a fetch can begin, or a batch go on.
        if self.facts.is_due(now)
            || self.waiting.has_backlog()
            || self.open.has_backlog()
            || self.waiting.demands().any(wants_a_call)
        {
            Self::PROMPT_TICK
        // Without any waiting request as well: where the first keys are noticed at once, the first
        // request need not wait for them.
        } else if !self.waiting.is_empty() || self.facts.lacks_any(Self::IDLE_TICK, now) {
            Self::BUSY_TICK
        } else {
            Self::IDLE_TICK
        }
    }

    /// Gives back the leases for which other VMs would wait.
    ///
    /// An update of the configuration ends filters in the midst of a fetch. A lease whose answer
    /// will find no filter keeps all other VMs from fetching until it runs out.
    pub fn retire(&mut self, space: &dyn SharedSpace) {
        self.facts.release(space);
    }

    /// The open requests whose token has ended.
    fn ended(&mut self, now: Timestamp) -> Vec<u32> {
        let policy = self.decider.policy();
        self.open.take_ended(policy, self.facts.revocations(), now)
    }

    /// The verdicts that can be given on held requests.
    fn verdicts(&mut self, now: Now) -> Vec<(u32, Verdict)> {
        let facts = &self.facts;
        let ready = self.waiting.take_ready(|held| {
            held.until.has_passed(now.monotonic)
                || facts.outlook(held.candidate.need(), now) != Outlook::Open
        });
        // A signature of each is verified below, so the batch is bounded, and other requests are
        // served between two batches.
        let mut verdicts = Vec::new();
        for (context, Held { candidate, until }) in ready {
            match self.redecide(candidate, now) {
                Decision::Verdict(verdict) => verdicts.push((context, verdict)),
                // What it needs now may still come: keys are there, but its own is not among them.
                // It changes places, if there is room, and keeps its deadline.
                Decision::Hold(candidate) => {
                    // For the new need it waits no longer than for that alone.
                    let need = candidate.need();
                    let limit = self.facts.wait_limit(need, self.policy(), now.monotonic);
                    let until = until.at_latest(now.monotonic.after(limit));
                    if !until.has_passed(now.monotonic) && self.waiting.has_room(need) {
                        self.waiting.add(context, Held { candidate, until });
                    } else if let Some(verdict) = self.unavailable(context, candidate, now) {
                        verdicts.push((context, verdict));
                    }
                }
            }
        }
        verdicts
    }

    /// What is to be counted of each authorizer since this was last asked.
    pub fn take_authorizer_counts(&mut self) -> impl Iterator<Item = Counts> {
        self.facts.take_counts()
    }

    /// How many calls to authorizers are under way.
    #[must_use]
    pub fn authorizers_in_flight(&self) -> usize {
        self.facts.authorizers_in_flight()
    }

    /// Decides about a held request again, if the fact that it stopped at has changed or never
    /// will.
    fn redecide(&mut self, mut candidate: Candidate, now: Now) -> Decision {
        if self.facts.outlook(candidate.need(), now) == Outlook::Changed {
            // From the token on, with the time of now: what expired while it waited is refused.
            candidate = match self.decider.redecide(candidate, &self.facts, now.wall) {
                Decision::Verdict(verdict) => return Decision::Verdict(verdict),
                Decision::Hold(candidate) => candidate,
            };
        }
        // The need may be another one by now, so it is asked about once more. A change that has
        // come since then is the next tick's.
        match self.facts.outlook(candidate.need(), now) {
            Outlook::Changed | Outlook::Open => Decision::Hold(candidate),
            Outlook::Settled(reason) => {
                Decision::Verdict(self.decider.conclude(candidate, reason.into()))
            }
            Outlook::Unavailable(after) => {
                let refusal = candidate.need().refusal(after);
                Decision::Verdict(self.decider.conclude(candidate, refusal))
            }
        }
    }

    /// The verdict on a request whose need could not be met: a refusal that says when it may be,
    /// unless the configuration lets the request go on without. Then it may lack another fact,
    /// which it has not waited for yet: it is held for that, and `None` returned.
    fn unavailable(&mut self, context: u32, mut candidate: Candidate, now: Now) -> Option<Verdict> {
        let waived = candidate.need();
        if self.facts.waives(waived) {
            candidate.waive();
            candidate = match self.decider.redecide(candidate, &self.facts, now.wall) {
                Decision::Verdict(verdict) => return Some(verdict),
                Decision::Hold(candidate) => candidate,
            };
            let need = candidate.need();
            let limit = self.facts.wait_limit(need, self.policy(), now.monotonic);
            if need.place() != waived.place() && !limit.is_zero() && self.waiting.has_room(need) {
                self.wait(context, candidate, limit, now);
                return None;
            }
        }
        // The client reads it as `retry-after`. To come back earlier would be of no use.
        let after = self.facts.expected_in(candidate.need(), now.monotonic);
        let refusal = candidate.need().refusal(after);
        Some(self.decider.conclude(candidate, refusal))
    }
}
