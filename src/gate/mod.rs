//! The filter without a host: requests and answers in, verdicts and calls out.
//!
//! The way of a request is [`Gate::decide`]: rule, token, claims, key, signature, the rule's
//! conditions; the first that fails is the reason. A request whose keys are missing is held
//! ([`Gate::hold`]) until a tick or an answer brings its verdict.
//!
//! Ticks and answers have [`Effects`], which the host carries out: verdicts on held requests, calls to be
//! made, and what is to be told. The host needs to know nothing else of them: it sends each call and
//! hands its answer back under the call's number.

mod waiting;

use crate::decision::{CacheUse, Candidate, Decider, Decision, Verdict};
use crate::facts::Need;
use crate::keyring::Keyring;
use crate::policy::{Policy, PoolIndex, Preflight};
use crate::refusal::Refusal;
use crate::reject::Reason;
use crate::remote::call::{Answer, Call, CallId, CallIds};
use crate::remote::document::Prospect;
use crate::remote::report::Report;
use crate::remote::schedule::Entropy;
use crate::remote::space::SharedSpace;
use crate::request::Request;
use crate::rs256::Rs256;
use crate::step::Observer;
pub use crate::time::Now;
use crate::time::{Monotonic, Timestamp};
use std::rc::Rc;
use std::time::Duration;
use waiting::{Held, Waiting};

/// The names of the headers that a decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// These, each of which a look-up by name shows in full.
    Named(Vec<&'static str>),
    /// All: a second line of a header could hide from a look-up by name.
    Everything,
}

/// What a tick or an answer brought about, to be carried out by the host.
#[derive(Debug, Default)]
pub struct Effects {
    /// Verdicts on held requests, by the host's number for each.
    pub verdicts: Vec<(u32, Verdict)>,
    /// Calls to be made, by the gate's number for each.
    pub calls: Vec<(CallId, Call)>,
    /// What is to be told.
    pub reports: Vec<Report>,
}

/// The filter of one worker, for one configuration.
#[derive(Debug)]
pub struct Gate {
    decider: Decider,
    keyring: Keyring,
    calls: CallIds,
    waiting: Waiting,
    reads: Reads,
}

impl Gate {
    /// While something is awaited: others' keys are noticed, and deadlines kept, within this time.
    pub const BUSY_TICK: Duration = Duration::from_millis(20);
    /// Otherwise: a key that left the set is gone from every worker well within a second.
    pub const IDLE_TICK: Duration = Duration::from_millis(250);
    /// The shortest period: a fetch is due, and can only be begun in a tick.
    pub const PROMPT_TICK: Duration = Duration::from_millis(1);

    /// A gate for a policy.
    #[must_use]
    pub fn new(policy: Rc<Policy>, algorithm: Rs256, entropy: Entropy) -> Self {
        Self {
            keyring: Keyring::new(&policy.pools, entropy),
            calls: CallIds::default(),
            waiting: Waiting::default(),
            reads: Reads::of(&policy),
            decider: Decider::new(policy, algorithm),
        }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Rc<Policy> {
        self.decider.policy()
    }

    /// Whether the host verifies signatures.
    #[must_use]
    pub const fn verifies_by_host(&self) -> bool {
        self.decider.verifies_by_host()
    }

    /// The keys.
    #[must_use]
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What of a request [`Gate::decide`] looks at.
    #[must_use]
    pub const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Takes over what other VMs have fetched. A new configuration begins with the keys that the
    /// last one left.
    pub fn start(&mut self, now: Monotonic, space: &dyn SharedSpace) {
        self.keyring.sync(now, space);
    }

    /// Decides about a request.
    pub fn decide(&mut self, request: &Request, now: Timestamp) -> (Decision, CacheUse) {
        self.decide_seen(request, now, &mut ())
    }

    /// The same, watched by an observer.
    pub fn decide_seen(
        &mut self,
        request: &Request,
        now: Timestamp,
        seen: &mut impl Observer,
    ) -> (Decision, CacheUse) {
        self.decider.decide(request, &self.keyring, now, seen)
    }

    /// Takes in a request that [`Gate::decide`] could not decide. It is held, and `None` returned,
    /// unless it can be decided now, or waiting is of no use, or there is no room.
    pub fn hold(
        &mut self,
        context: u32,
        candidate: Candidate,
        now: Now,
        space: &dyn SharedSpace,
    ) -> Option<Verdict> {
        let pool = candidate.need.pool();
        // Another VM may have fetched since the last tick.
        self.keyring.sync_pool(pool, now.monotonic, space);
        let candidate = match self.redecide(candidate, now) {
            Redecided::Verdict(verdict) => return Some(verdict),
            Redecided::Waits(candidate) => candidate,
        };
        let wait_limit = self
            .policy()
            .pools
            .get(pool)
            .map_or(Duration::ZERO, |pool| pool.keys.wait_limit());
        let in_vain = matches!(candidate.need, Need::Keys(_))
            && self.keyring.keys_expected_in(pool, now.monotonic) >= wait_limit;
        if in_vain || !self.waiting.make_room(candidate.need) {
            return Some(self.unavailable(candidate.need, now.monotonic));
        }
        let deadline = now.monotonic.after(wait_limit);
        self.waiting.add(
            context,
            Held {
                candidate,
                deadline,
            },
        );
        None
    }

    /// Forgets a held request whose client has gone. Says whether it was held.
    pub fn cancel(&mut self, context: u32) -> bool {
        self.waiting.remove(context)
    }

    /// Does what is due: begins fetches, and gives verdicts on held requests.
    pub fn tick(&mut self, now: Now, space: &dyn SharedSpace) -> Effects {
        self.keyring.sync(now.monotonic, space);
        // A demand lasts until the fetches that are due have been begun: see `remote::document`.
        for need in self.waiting.needs_of_a_kid() {
            if let Need::NewerKeys {
                pool, generation, ..
            } = need
            {
                self.keyring.demand_newer(pool, generation);
            }
        }
        let calls = self.keyring.take_due(now.monotonic, space, &mut self.calls);
        Effects {
            verdicts: self.verdicts(now),
            calls,
            reports: Vec::new(),
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
        let report = self.keyring.answered(id, answer, now, space);
        Effects {
            verdicts: self.verdicts(now),
            calls: Vec::new(),
            reports: report.into_iter().collect(),
        }
    }

    /// When the next tick is wanted.
    #[must_use]
    pub fn next_tick(&self, now: Monotonic) -> Duration {
        let demands = || {
            self.waiting.needs_of_a_kid().any(|need| match need {
                Need::Keys(_) => false,
                Need::NewerKeys {
                    pool, generation, ..
                } => self.keyring.prospect(pool, generation, now) == Prospect::Open,
            })
        };
        if self.keyring.is_due(now) || self.waiting.has_backlog() || demands() {
            Self::PROMPT_TICK
        } else if !self.waiting.is_empty() || !self.keyring.is_complete() {
            Self::BUSY_TICK
        } else {
            Self::IDLE_TICK
        }
    }

    /// Gives back the leases for which other VMs would wait.
    pub fn retire(&mut self, space: &dyn SharedSpace) {
        self.keyring.release(space);
    }

    fn verdicts(&mut self, now: Now) -> Vec<(u32, Verdict)> {
        let keyring = &self.keyring;
        let ready = self.waiting.take_ready(|held| {
            now.monotonic >= held.deadline
                || match held.candidate.need {
                    Need::Keys(pool) => keyring.generation(pool).is_some(),
                    // A newer set, or the end of the search for one.
                    Need::NewerKeys {
                        pool, generation, ..
                    } => match keyring.prospect(pool, generation, now.monotonic) {
                        Prospect::Coming | Prospect::Open => false,
                        Prospect::Here | Prospect::Settled | Prospect::Unavailable => true,
                    },
                }
        });
        let mut verdicts = Vec::new();
        for (
            context,
            Held {
                candidate,
                deadline,
            },
        ) in ready
        {
            match self.redecide(candidate, now) {
                Redecided::Verdict(verdict) => verdicts.push((context, verdict)),
                // Its key may still come: it changes places, if there is one.
                Redecided::Waits(candidate)
                    if now.monotonic < deadline && self.waiting.has_room(candidate.need) =>
                {
                    self.waiting.add(
                        context,
                        Held {
                            candidate,
                            deadline,
                        },
                    );
                }
                Redecided::Waits(candidate) => {
                    verdicts.push((context, self.unavailable(candidate.need, now.monotonic)));
                }
            }
        }
        verdicts
    }

    /// Judges a request again if there are other keys than it was judged by.
    fn redecide(&mut self, mut candidate: Candidate, now: Now) -> Redecided {
        let newer = match candidate.need {
            Need::Keys(pool) => self.keyring.generation(pool).is_some(),
            Need::NewerKeys {
                pool, generation, ..
            } => self.keyring.generation(pool) != Some(generation),
        };
        if newer {
            candidate = match self.decider.redecide(candidate, &self.keyring, now.wall) {
                Decision::Verdict(verdict) => return Redecided::Verdict(verdict),
                Decision::Hold(candidate) => candidate,
            };
        }
        let Need::NewerKeys {
            pool,
            generation,
            issued_at,
        } = candidate.need
        else {
            return Redecided::Waits(candidate);
        };
        match self.keyring.prospect(pool, generation, now.monotonic) {
            Prospect::Here | Prospect::Coming | Prospect::Open => Redecided::Waits(candidate),
            // The endpoint could not know yet of a key that has been made since.
            Prospect::Settled if self.is_newer_than_keys(pool, issued_at, now) => {
                Redecided::Verdict(self.unavailable(candidate.need, now.monotonic))
            }
            Prospect::Settled => Redecided::Verdict(Verdict::refuse(Reason::UnknownKey)),
            Prospect::Unavailable => {
                Redecided::Verdict(self.unavailable(candidate.need, now.monotonic))
            }
        }
    }

    /// Whether a token says that it was made after the newest key set was answered. The two clocks meet
    /// here: how long ago the answer was is the same on both.
    fn is_newer_than_keys(&self, pool: PoolIndex, issued_at: Option<Timestamp>, now: Now) -> bool {
        let answered_at = self.keyring.answered_at(pool);
        issued_at
            .zip(answered_at)
            .is_some_and(|(issued, answered)| issued.plus(now.monotonic.since(answered)) > now.wall)
    }

    /// The refusal of a request whose need could not be met, and when it may be.
    fn unavailable(&self, need: Need, now: Monotonic) -> Verdict {
        let scheduled = self.keyring.keys_expected_in(need.pool(), now);
        let after = match need {
            Need::Keys(_) => scheduled,
            Need::NewerKeys { pool, .. } => self.keyring.demand_open_in(pool, now).min(scheduled),
        };
        Verdict::Refuse(Refusal::KeysUnavailable(after))
    }
}

/// What became of a held request that was decided again.
enum Redecided {
    Verdict(Verdict),
    Waits(Candidate),
}

impl Reads {
    /// Path, method and authority are read only if something depends on them: each costs a call.
    fn of(policy: &Policy) -> Self {
        let Policy {
            token,
            rules,
            preflight,
            ..
        } = policy;
        if token.sources.needs_every_header() {
            return Self::Everything;
        }
        let preflights = *preflight == Preflight::Pass;
        let mut names = Vec::new();
        let mut read = |name, wanted: bool| {
            if wanted {
                names.push(name);
            }
        };
        read("authorization", token.sources.reads_authorization());
        read(
            ":path",
            rules.looks_at_paths() || token.sources.reads_query(),
        );
        read(":method", rules.looks_at_methods() || preflights);
        read(":authority", rules.looks_at_hosts());
        read("origin", preflights);
        read("access-control-request-method", preflights);
        Self::Named(names)
    }
}
