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

use crate::cache::{Remembered, TokenCache};
use crate::claim_headers::HeaderValues;
use crate::header::HeaderEdit;
use crate::keyring::Keyring;
use crate::owned::Override;
use crate::policy::{Forwarding, Policy, PoolIndex, Preflight};
use crate::reject::Reason;
use crate::remote::call::{Answer, Call, CallId, CallIds};
use crate::remote::document::Prospect;
use crate::remote::report::Report;
use crate::remote::schedule::Entropy;
use crate::remote::space::SharedSpace;
use crate::reply::Refusal;
use crate::request::Request;
use crate::rs256::Rs256;
use crate::rules::index::Variables;
use crate::rules::{Access, Ruling};
pub use crate::time::Now;
use crate::time::{Monotonic, Timestamp};
use crate::token::{KnownHeaders, UntrustedToken};
use crate::verify::{Admitted, Unverified};
use std::rc::Rc;
use std::time::Duration;
use waiting::{Held, Need, Until, Waiting};

/// What is known about a request once its headers have been read.
#[derive(Debug)]
pub enum Decision {
    /// What becomes of it.
    Verdict(Verdict),
    /// Keys are missing; [`Gate::hold`] takes it.
    Hold(Candidate),
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on to the upstream.
    Forward(Forward),
    /// It is answered here.
    Refuse(Refusal),
}

/// A request on its way to the upstream.
#[derive(Debug)]
pub struct Forward {
    /// In whose name.
    pub caller: Caller,
    /// Changes to the request beside the claim headers.
    pub edits: Vec<HeaderEdit>,
}

/// In whose name a request goes on.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody's: the rule asked for no token.
    Anonymous(Rc<HeaderValues>),
    /// That of the bearer of a verified token.
    Known(Rc<Remembered>),
}

impl Caller {
    /// What the upstream is told.
    #[must_use]
    pub fn headers(&self) -> &HeaderValues {
        match self {
            Self::Anonymous(headers) => headers,
            Self::Known(remembered) => &remembered.headers,
        }
    }
}

/// What the cache had to do with a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// It was not asked.
    #[default]
    None,
    /// The token was remembered.
    Hit,
    /// It was not.
    Miss,
}

/// A request that may pass once the keys are there: all that is left of it.
#[derive(Debug)]
pub struct Candidate {
    compact: Vec<u8>,
    ruling: Ruling,
    variables: Variables,
    edits: Vec<HeaderEdit>,
    need: Need,
}

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
    policy: Rc<Policy>,
    algorithm: Rs256,
    keyring: Keyring,
    calls: CallIds,
    cache: TokenCache,
    known_headers: KnownHeaders,
    waiting: Waiting,
    anonymous_headers: Rc<HeaderValues>,
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
        let reads = Reads::of(&policy);
        Self {
            keyring: Keyring::new(&policy.pools, entropy),
            calls: CallIds::default(),
            cache: TokenCache::new(policy.token.cache_entries),
            known_headers: KnownHeaders::default(),
            waiting: Waiting::default(),
            anonymous_headers: Rc::new(match reads {
                // Those that are there are among the edits.
                Reads::Everything => HeaderValues::default(),
                Reads::Named(_) => policy.claim_headers.anonymous_headers(),
            }),
            reads,
            policy,
            algorithm,
        }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Rc<Policy> {
        &self.policy
    }

    /// Whether the host verifies signatures.
    #[must_use]
    pub const fn verifies_by_host(&self) -> bool {
        self.algorithm.is_host()
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
        let policy = Rc::clone(&self.policy);
        let Ok((ruling, variables)) = policy.rules.choose(&request.target()) else {
            return refused(Reason::UnsafePath);
        };
        if policy.check_method(request).is_err() {
            return refused(Reason::UnsafeMethod);
        }
        let access = policy.rules.access(ruling);
        match access {
            Access::Anyone => return self.anonymous(request, self.edits(request)),
            Access::Nobody => return refused(Reason::DeniedByRule),
            Access::Optional | Access::Require(_) => {}
        }
        let mut edits = self.edits(request);
        if policy.preflight == Preflight::Pass && request.is_preflight() {
            edits.extend(policy.token.sources.strip(request));
            edits.extend(policy.owned.on_preflight(request));
            return self.anonymous(request, edits);
        }
        let compact = match policy.token.sources.extract(request) {
            Ok(Some(compact)) => compact,
            Ok(None) if matches!(access, Access::Optional) => {
                return self.anonymous(request, edits);
            }
            Ok(None) => return refused(Reason::MissingToken),
            Err(reason) => return refused(reason),
        };
        let (judgement, cache_use) = self.judge(&compact, ruling, &variables, now);
        let decision = match judgement {
            Judgement::Passed(remembered) => Decision::Verdict(Verdict::Forward(Forward {
                caller: Caller::Known(remembered),
                edits,
            })),
            Judgement::Refused(refusal) => Decision::Verdict(Verdict::Refuse(refusal)),
            Judgement::Needs(need) => Decision::Hold(Candidate {
                compact: compact.into_owned(),
                ruling,
                variables,
                edits,
                need,
            }),
        };
        (decision, cache_use)
    }

    /// Everything about a token that is not about where it stood.
    fn judge(
        &mut self,
        compact: &[u8],
        ruling: Ruling,
        variables: &Variables,
        now: Timestamp,
    ) -> (Judgement, CacheUse) {
        let policy = Rc::clone(&self.policy);
        let Some(requirement) = policy.rules.requirement(ruling) else {
            return (Judgement::refused(Reason::DeniedByRule), CacheUse::None);
        };
        if compact.len() > policy.token.max_bytes {
            return (Judgement::refused(Reason::TokenTooLarge), CacheUse::None);
        }
        let satisfied = |remembered: &Remembered| {
            let verified = &remembered.verified;
            verified
                .check_audience(&policy, requirement)
                .map_err(Judgement::refused)?;
            requirement
                .check(verified.claims(), variables, now, policy.token.clock_skew)
                .map_err(|unsatisfied| Judgement::Refused(Refusal::from(unsatisfied)))
        };
        if let Some(remembered) = self.cache.get(compact) {
            let pool = remembered.verified.pool();
            if self.keyring.generation(pool) == Some(remembered.generation) {
                let judgement = remembered
                    .verified
                    .readmit(&policy, requirement, now)
                    .map_err(Judgement::refused)
                    .and_then(|()| satisfied(remembered))
                    .map_or_else(
                        |refused| refused,
                        |()| Judgement::Passed(Rc::clone(remembered)),
                    );
                return (judgement, CacheUse::Hit);
            }
            self.cache.remove(compact);
        }
        let cache_use = match self.cache.is_on() {
            true => CacheUse::Miss,
            false => CacheUse::None,
        };
        let verified = UntrustedToken::parse(compact, &self.known_headers)
            .and_then(|token| Admitted::new(token, &policy, requirement, now))
            .map_err(Judgement::refused)
            .and_then(|admitted| self.verify(admitted));
        let judgement = match verified {
            Ok(remembered) => match satisfied(&remembered) {
                Ok(()) => {
                    self.cache.insert(compact, Rc::clone(&remembered));
                    Judgement::Passed(remembered)
                }
                Err(refused) => refused,
            },
            Err(judgement) => judgement,
        };
        (judgement, cache_use)
    }

    fn verify(&mut self, admitted: Admitted<'_>) -> Result<Rc<Remembered>, Judgement> {
        let pool = admitted.pool();
        let payload = admitted.payload();
        let issued_at = admitted.unverified_issued_at();
        let header = admitted.header().clone();
        let keys = self
            .keyring
            .keys(pool)
            .ok_or(Judgement::Needs(Need::Keys(pool)))?;
        let verified = admitted
            .verify(&keys.set, &self.algorithm)
            .map_err(|unverified| match unverified {
                Unverified::InvalidSignature => Judgement::refused(Reason::InvalidSignature),
                Unverified::UnknownKey => Judgement::Needs(Need::Kid {
                    pool,
                    generation: keys.generation,
                    issued_at,
                }),
            })?;
        self.known_headers.remember(&header);
        Ok(Rc::new(Remembered {
            headers: self.policy.claim_headers.render(verified.claims(), payload),
            generation: keys.generation,
            verified,
        }))
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
            .policy
            .pools
            .get(pool)
            .map_or(Duration::ZERO, |pool| pool.keys.wait_limit());
        let in_vain = matches!(candidate.need, Need::Keys(_))
            && self.keyring.keys_expected_in(pool, now.monotonic) >= wait_limit;
        if in_vain || !self.waiting.make_room(candidate.need) {
            return Some(self.unavailable(candidate.need, now.monotonic));
        }
        let until = Until::Deadline(now.monotonic.after(wait_limit));
        self.waiting.add(context, Held { candidate, until });
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
        for (pool, generation) in self.waiting.demands() {
            self.keyring.demand_newer(pool, generation);
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
        let may_be_met =
            |(pool, generation)| self.keyring.prospect(pool, generation, now) == Prospect::Open;
        if self.keyring.is_due(now)
            || self.waiting.has_backlog()
            || self.waiting.demands().any(may_be_met)
        {
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
            held.until.is_over(now.monotonic)
                || match held.candidate.need {
                    Need::Keys(pool) => keyring.generation(pool).is_some(),
                    // A newer set, or the end of the search for one.
                    Need::Kid {
                        pool, generation, ..
                    } => match keyring.prospect(pool, generation, now.monotonic) {
                        Prospect::Coming | Prospect::Open => false,
                        Prospect::Here | Prospect::Settled | Prospect::Unavailable => true,
                    },
                }
        });
        let mut verdicts = Vec::new();
        for (context, Held { candidate, until }) in ready {
            match self.redecide(candidate, now) {
                Redecided::Verdict(verdict) => verdicts.push((context, verdict)),
                // Its key may still come: it changes places, if there is one.
                Redecided::Waits(candidate)
                    if !until.is_over(now.monotonic) && self.waiting.has_room(candidate.need) =>
                {
                    self.waiting.add(context, Held { candidate, until });
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
            Need::Kid {
                pool, generation, ..
            } => self.keyring.generation(pool) != Some(generation),
        };
        if newer {
            let Candidate {
                compact,
                ruling,
                variables,
                ..
            } = &candidate;
            match self.judge(compact, *ruling, variables, now.wall).0 {
                Judgement::Passed(remembered) => {
                    return Redecided::Verdict(Verdict::Forward(Forward {
                        caller: Caller::Known(remembered),
                        edits: candidate.edits,
                    }));
                }
                Judgement::Refused(refusal) => return Redecided::Verdict(Verdict::Refuse(refusal)),
                Judgement::Needs(need) => candidate.need = need,
            }
        }
        let Need::Kid {
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
            Prospect::Settled => {
                Redecided::Verdict(Verdict::Refuse(Refusal::Plain(Reason::UnknownKey)))
            }
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
            Need::Kid { pool, .. } => self.keyring.demand_open_in(pool, now).min(scheduled),
        };
        Verdict::Refuse(Refusal::KeysUnavailable(after))
    }

    fn anonymous(&self, request: &Request, mut edits: Vec<HeaderEdit>) -> (Decision, CacheUse) {
        if self.reads == Reads::Everything {
            edits.extend(self.policy.owned.claims_in(request));
        }
        let verdict = Verdict::Forward(Forward {
            caller: Caller::Anonymous(Rc::clone(&self.anonymous_headers)),
            edits,
        });
        (Decision::Verdict(verdict), CacheUse::None)
    }

    /// What every forwarded request loses, whatever rule it is under.
    fn edits(&self, request: &Request) -> Vec<HeaderEdit> {
        let owned = &self.policy.owned;
        let mut edits: Vec<_> = match self.reads {
            Reads::Everything => owned.found_in(request).collect(),
            Reads::Named(_) => owned.by_name().collect(),
        };
        edits.extend(owned.connection(request));
        if self.policy.token.forwarding == Forwarding::Strip {
            edits.extend(self.policy.token.sources.strip(request));
        }
        edits
    }
}

/// What is found out about a token.
enum Judgement {
    Passed(Rc<Remembered>),
    Refused(Refusal),
    Needs(Need),
}

impl Judgement {
    const fn refused(reason: Reason) -> Self {
        Self::Refused(Refusal::Plain(reason))
    }
}

/// What became of a candidate that was looked at again.
enum Redecided {
    Verdict(Verdict),
    Waits(Candidate),
}

fn refused(reason: Reason) -> (Decision, CacheUse) {
    let verdict = Verdict::Refuse(Refusal::Plain(reason));
    (Decision::Verdict(verdict), CacheUse::None)
}

impl Reads {
    /// Path, method and authority are read only if something depends on them: each costs a call.
    fn of(policy: &Policy) -> Self {
        let Policy {
            token,
            rules,
            preflight,
            owned,
            ..
        } = policy;
        if token.sources.needs_every_header() || owned.needs_every_header() {
            return Self::Everything;
        }
        let preflights = *preflight == Preflight::Pass;
        let methods = policy.decides_by_methods();
        let parameters = methods && policy.method_override == Override::Strip;
        let mut names = Vec::new();
        let mut read = |name, wanted: bool| {
            if wanted {
                names.push(name);
            }
        };
        read("authorization", token.sources.reads_authorization());
        read(
            ":path",
            rules.looks_at_paths() || token.sources.reads_query() || parameters,
        );
        read(":method", methods);
        read(":authority", rules.looks_at_hosts());
        read("origin", preflights);
        read("access-control-request-method", preflights);
        read("connection", !owned.is_empty());
        Self::Named(names)
    }
}
