//! What a decision must know that no request brings: the keys of its issuer, what has been revoked,
//! and where a rule asks for it, whether the user pool still stands by the token.
//!
//! Beside tokens there is one more fact: what an authorizer answered about a request's identity.
//!
//! A fact is there, or there is a [`Need`] for it. A request that stopped at a need is held in the
//! need's [`Place`], and is decided again from its token on once the [`Outlook`] is that the fact
//! has changed: no step is resumed in its middle, so a request is decided at most once more
//! than its facts change.
//!
//! A decision borrows the facts and cannot change them. Whatever it lacks it can only name; the
//! gate tells the facts once per tick what is lacking, and sends the calls that this makes due.

use crate::authorization::{Authorizations, Counts, Enquiry, Outcome};
use crate::confirmation::standing::{ASK_AGAIN, Word};
use crate::confirmation::{Confirmations, Question, Subject};
use crate::keyring::{CurrentKeys, Keyring};
use crate::policy::{IssuerIndex, Policy, WhenStale};
use crate::refusal::{Reason, Refusal};
use crate::remote::call::{Answer, Call, CallId, CallIds};
use crate::remote::document::Prospect;
use crate::remote::report::Report;
use crate::remote::schedule::Entropy;
use crate::remote::slots::Key;
use crate::remote::space::SharedSpace;
use crate::revocation::Revocations;
use crate::rules::AuthorizerIndex;
use crate::time::{Monotonic, Now, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// A fact that a decision stopped for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// Any keys of its issuer.
    Keys(IssuerIndex),
    /// A key that the set of this generation does not have.
    NewerKeys {
        /// The token's issuer.
        issuer: IssuerIndex,
        /// The key set that does not have the key.
        generation: u64,
        /// When its bearer says that the token was made.
        /// Unverified: it chooses between two refusals, 401 and 503, and lets no request pass.
        issued_at: Option<Timestamp>,
    },
    /// Any deny list, for a token of this issuer.
    DenyList(IssuerIndex),
    /// The word of the token's user pool.
    Confirmation(Question),
    /// An authorizer's answer.
    Authorizer(Enquiry),
}

/// Whose fact is waited for. Of several, none takes all places from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A token's issuer.
    Issuer(IssuerIndex),
    /// An authorizer.
    Authorizer(AuthorizerIndex),
}

/// Where a request waits for its need. Each place has a limit of its own, so that a flood of one
/// kind takes no room from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// No key of the issuer has been fetched yet.
    ColdStart,
    /// The token names a key that the set does not have: a rotation, or a forgery.
    UnknownKey,
    /// No deny list has been fetched yet.
    NoDenyList,
    /// The user pool is asked about the token.
    Confirmation,
    /// An authorizer is asked.
    Authorizer,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 5] = [
        Self::ColdStart,
        Self::UnknownKey,
        Self::NoDenyList,
        Self::Confirmation,
        Self::Authorizer,
    ];
}

impl Need {
    /// Whose fact it is.
    #[must_use]
    pub const fn owner(self) -> Owner {
        match self {
            Self::Keys(issuer) | Self::NewerKeys { issuer, .. } | Self::DenyList(issuer) => {
                Owner::Issuer(issuer)
            }
            Self::Confirmation(question) => Owner::Issuer(question.subject.issuer),
            Self::Authorizer(enquiry) => Owner::Authorizer(enquiry.authorizer),
        }
    }

    /// The refusal for want of the fact, which may be there after this time.
    #[must_use]
    pub const fn refusal(self, after: Duration) -> Refusal {
        match self {
            Self::Keys(_) | Self::NewerKeys { .. } => Refusal::KeysUnavailable(after),
            Self::DenyList(_) | Self::Confirmation(_) => Refusal::RevocationUnknown(after),
            Self::Authorizer(enquiry) => {
                Refusal::Authorizer(enquiry.api, Authorizations::want(&enquiry))
            }
        }
    }

    /// Where a request with this need waits.
    #[must_use]
    pub const fn place(self) -> Place {
        match self {
            Self::Keys(_) => Place::ColdStart,
            Self::NewerKeys { .. } => Place::UnknownKey,
            Self::DenyList(_) => Place::NoDenyList,
            Self::Confirmation(_) => Place::Confirmation,
            Self::Authorizer(_) => Place::Authorizer,
        }
    }
}

/// What a request still waits for, of what the configuration lets it go on without: in the order of
/// the steps, since one that has done without the list has yet to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Patience {
    /// For all of it.
    Waits,
    /// No longer for the first deny list.
    OverForList,
    /// For nothing.
    Over,
}

impl Patience {
    /// What is left of it when this need has been waited for in vain.
    pub(crate) fn without(self, need: Need) -> Self {
        self.max(match need {
            Need::Keys(_) | Need::NewerKeys { .. } | Need::Authorizer(_) => Self::Waits,
            Need::DenyList(_) => Self::OverForList,
            Need::Confirmation(_) => Self::Over,
        })
    }
}

/// What can be said of a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The fact is another than the one that the decision stopped at.
    Changed,
    /// It may come: the request waits.
    Open,
    /// It will not come, and that is the token's fault.
    /// The newest set has been seen, and the key is not in it: 401.
    Settled(Reason),
    /// It cannot be had now, but may be after this time.
    /// 503: the token may be good, and a client that throws it away for a 401 signs in again for
    /// nothing.
    Unavailable(Duration),
}

/// All facts, as one VM sees them, with the calls by which they are asked for.
#[derive(Debug)]
pub(crate) struct Facts {
    keyring: Keyring,
    /// None without a deny list. Boxed, since most configurations have none.
    revocations: Option<Box<Revocations>>,
    confirmations: Confirmations,
    /// None without authorizers.
    authorizations: Option<Box<Authorizations>>,
    /// Both clocks when they were last read together.
    clocks: Option<Now>,
    /// One sequence for all facts, so that an answer has one owner.
    calls: CallIds,
}

impl Facts {
    pub(crate) fn new(policy: &Rc<Policy>, entropy: Entropy) -> Self {
        let asks = !policy.authorizers.is_empty();
        let list = policy.deny_list.as_ref();
        let list = list.map(|list| Revocations::new(list, entropy.clone()));
        Self {
            confirmations: Confirmations::new(&policy.issuers, entropy.clone()),
            keyring: Keyring::new(&policy.issuers, entropy),
            revocations: list.map(Box::new),
            authorizations: asks.then(|| Box::new(Authorizations::new(policy))),
            clocks: None,
            calls: CallIds::default(),
        }
    }

    pub(crate) const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What has been revoked, if the configuration asks.
    pub(crate) fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_deref()
    }

    /// Takes note that this VM serves requests.
    pub(crate) fn serves(&mut self) {
        if let Some(revocations) = &mut self.revocations {
            revocations.serves();
        }
    }

    /// Whether a request that could not get this goes on without it.
    pub(crate) fn waives(&self, need: Need) -> bool {
        let serves = |list: &Revocations| list.when_stale() == WhenStale::Serve;
        match need {
            Need::Keys(_) | Need::NewerKeys { .. } | Need::Authorizer(_) => false,
            Need::DenyList(_) => self.revocations().is_some_and(serves),
            // For some time after the last confirmation, which the decision looks at.
            Need::Confirmation(_) => true,
        }
    }

    /// The keys that may verify an issuer's tokens now.
    pub(crate) fn keys(&self, issuer: IssuerIndex) -> Result<CurrentKeys, Need> {
        self.keyring.keys(issuer).ok_or(Need::Keys(issuer))
    }

    /// Whether what was verified by keys of this generation is verified still.
    pub(crate) fn hold_keys(&self, issuer: IssuerIndex, generation: u64) -> bool {
        self.keyring.generation(issuer) == Some(generation)
    }

    /// Both clocks have been read.
    pub(crate) const fn look_at_clocks(&mut self, now: Now) {
        self.clocks = Some(now);
    }

    /// The monotonic clock, by the one that was read. For a request only the wall clock is read:
    /// each reading is a call of the host's, and how long ago the last tick was is the same on both.
    /// `None` if the wall clock has been set back since, or there has been no tick yet.
    fn monotonic(&self, wall: Timestamp) -> Option<Monotonic> {
        let last = self.clocks?;
        let elapsed = wall.seconds() - last.wall.seconds();
        let elapsed = Duration::try_from_secs_f64(elapsed).ok()?;
        Some(last.monotonic.after(elapsed))
    }

    /// What a token of this issuer is called where pools are asked.
    pub(crate) fn name(&self, issuer: IssuerIndex, compact: &[u8]) -> Key {
        self.confirmations.key(issuer, compact)
    }

    /// Whether the token's issuer stands by it.
    pub(crate) fn confirmed(&self, question: Question, now: Timestamp, patience: Patience) -> Word {
        let now = self.monotonic(now);
        match (now, patience) {
            (Some(now), Patience::Waits | Patience::OverForList) => {
                self.confirmations.word(question, now)
            }
            (Some(now), Patience::Over) => self.confirmations.last_word(question, now),
            // The gate reads both clocks, and asks again.
            (None, Patience::Waits | Patience::OverForList) => Word::Open,
            (None, Patience::Over) => Word::Unknown(ASK_AGAIN),
        }
    }

    /// What an authorizer has answered, if it is known.
    pub(crate) fn authorization(&self, enquiry: &Enquiry, now: Timestamp) -> Option<Outcome> {
        let authorizations = self.authorizations.as_ref()?;
        // Without it the gate reads both clocks, and asks again.
        let outcome = authorizations.outcome(enquiry, self.monotonic(now)?)?;
        authorizations.count_remembered(enquiry);
        Some(outcome)
    }

    /// Whether a call would begin for a request, which has to bring an event then.
    pub(crate) fn wants_event(&self, enquiry: &Enquiry) -> bool {
        let authorizations = self.authorizations.as_ref();
        authorizations.is_some_and(|one| one.wants_event(enquiry))
    }

    /// Whether a request may wait for this: there is no bound that keeps it from asking.
    pub(crate) fn may_wait(&self, need: Need) -> bool {
        match need {
            Need::Keys(_) | Need::NewerKeys { .. } | Need::DenyList(_) | Need::Confirmation(_) => {
                true
            }
            Need::Authorizer(enquiry) => {
                let authorizations = self.authorizations.as_ref();
                authorizations.is_some_and(|one| one.can_be_asked(&enquiry))
            }
        }
    }

    /// Has a request ask an authorizer by this event, or wait for what another has asked.
    pub(crate) fn ask(&mut self, enquiry: Enquiry, event: Vec<u8>) -> Option<Enquiry> {
        let authorizations = self.authorizations.as_mut()?;
        authorizations.ask(enquiry, event, &mut self.calls)
    }

    /// Whether calls to authorizers can begin.
    pub(crate) fn has_calls(&self) -> bool {
        let authorizations = self.authorizations.as_ref();
        authorizations.is_some_and(|one| one.is_due())
    }

    /// The calls to authorizers, which begin now.
    pub(crate) fn begin_calls(&mut self) -> Vec<(CallId, Call)> {
        let authorizations = self.authorizations.as_mut();
        authorizations.map_or_else(Vec::new, |one| one.take_calls())
    }

    /// Forgets what a call has brought, since no request waits for it.
    pub(crate) fn forget_outcome(&mut self, call: CallId) {
        if let Some(authorizations) = &mut self.authorizations {
            authorizations.forget_settled(call);
        }
    }

    /// Forgets what calls have brought for requests that wait, but for these.
    pub(crate) fn keep_outcomes(&mut self, is_awaited: impl Fn(CallId) -> bool) {
        if let Some(authorizations) = &mut self.authorizations {
            authorizations.keep_settled(is_awaited);
        }
    }

    /// What is to be counted of each authorizer.
    pub(crate) fn take_counts(&mut self) -> impl Iterator<Item = Counts> {
        let authorizations = self.authorizations.as_mut();
        authorizations.into_iter().flat_map(|one| one.take_counts())
    }

    /// How many calls to authorizers are under way.
    pub(crate) fn authorizers_in_flight(&self) -> usize {
        let authorizations = self.authorizations.as_ref();
        authorizations.map_or(0, |one| one.under_way())
    }

    /// What can be said of a need now. Changes nothing.
    ///
    /// Keys that are missing stay an open question until the request has waited its time: an endpoint
    /// that is down says nothing about a token. A `kid` that is missing can be settled: by the answer to
    /// a search for newer keys, be it one that another request began some seconds before.
    pub(crate) fn outlook(&self, need: Need, now: Now) -> Outlook {
        let (issuer, generation, issued_at) = match need {
            Need::Keys(issuer) => {
                return match self.keyring.generation(issuer) {
                    Some(_) => Outlook::Changed,
                    None => Outlook::Open,
                };
            }
            Need::NewerKeys {
                issuer,
                generation,
                issued_at,
            } => (issuer, generation, issued_at),
            Need::DenyList(_) => {
                return match self.revocations().is_some_and(Revocations::is_loaded) {
                    true => Outlook::Changed,
                    false => Outlook::Open,
                };
            }
            Need::Confirmation(question) => {
                return match self.confirmations.word(question, now.monotonic) {
                    Word::Open => Outlook::Open,
                    Word::Good | Word::Bad | Word::Unknown(_) => Outlook::Changed,
                };
            }
            Need::Authorizer(enquiry) => {
                let authorizations = self.authorizations.as_ref();
                let known = authorizations.and_then(|one| one.outcome(&enquiry, now.monotonic));
                return match known {
                    Some(_) => Outlook::Changed,
                    None => Outlook::Open,
                };
            }
        };
        // There are keys, and the wanted one is not among them.
        match self.keyring.prospect(issuer, generation, now.monotonic) {
            Prospect::Here => Outlook::Changed,
            Prospect::Coming | Prospect::Open => Outlook::Open,
            // The endpoint could not know yet of a key that has been made since.
            Prospect::Settled if !self.is_newer_than_keys(issuer, issued_at, now) => {
                Outlook::Settled(Reason::UnknownKey)
            }
            Prospect::Settled | Prospect::Unavailable => {
                Outlook::Unavailable(self.expected_in(need, now.monotonic))
            }
        }
    }

    /// Whether a token says that it was made after the newest key set was answered. The two clocks
    /// meet here: how long ago the answer was is the same on both.
    fn is_newer_than_keys(
        &self,
        issuer: IssuerIndex,
        issued_at: Option<Timestamp>,
        now: Now,
    ) -> bool {
        let answered_at = self.keyring.answered_at(issuer);
        issued_at
            .zip(answered_at)
            .is_some_and(|(issued, answered)| issued.plus(now.monotonic.since(answered)) > now.wall)
    }

    /// How long until a need may be met.
    pub(crate) fn expected_in(&self, need: Need, now: Monotonic) -> Duration {
        let keys = |issuer| self.keyring.keys_expected_in(issuer, now);
        match need {
            Need::Keys(issuer) => keys(issuer),
            Need::NewerKeys { issuer, .. } => {
                self.keyring.demand_open_in(issuer, now).min(keys(issuer))
            }
            Need::DenyList(_) => {
                let list = self.revocations();
                list.map_or(Duration::ZERO, |list| list.expected_in(now))
            }
            Need::Confirmation(_) | Need::Authorizer(_) => ASK_AGAIN,
        }
    }

    /// How long a request may wait for a need; not at all if nothing can come in that time.
    pub(crate) fn wait_limit(&self, need: Need, policy: &Policy, now: Monotonic) -> Duration {
        let limit = match need {
            Need::Keys(issuer) | Need::NewerKeys { issuer, .. } => {
                let issuer = policy.issuers.get(issuer);
                issuer.map(|issuer| issuer.keys().wait_limit())
            }
            Need::DenyList(_) => self.revocations().map(Revocations::wait_limit),
            Need::Confirmation(question) => {
                Some(self.confirmations.wait_limit(question.subject.issuer))
            }
            Need::Authorizer(enquiry) => {
                let authorizations = self.authorizations.as_ref();
                authorizations.map(|one| one.wait_limit(&enquiry))
            }
        };
        let limit = limit.unwrap_or_default();
        match need {
            // In an outage the next attempt lies behind the back-off: 503 at once instead of after
            // the time-out.
            Need::Keys(_) | Need::DenyList(_) if self.expected_in(need, now) >= limit => {
                Duration::ZERO
            }
            Need::Keys(_)
            | Need::NewerKeys { .. }
            | Need::DenyList(_)
            | Need::Confirmation(_)
            | Need::Authorizer(_) => limit,
        }
    }

    /// Whether a request that waits for this would have a call made in the next tick.
    pub(crate) fn wants_a_call(&self, need: Need, now: Monotonic) -> bool {
        match need {
            // What is missing altogether is due without being demanded, and a call to an authorizer as
            // soon as a request waits for it.
            Need::Keys(_) | Need::DenyList(_) | Need::Authorizer(_) => false,
            Need::NewerKeys {
                issuer, generation, ..
            } => self.keyring.prospect(issuer, generation, now) == Prospect::Open,
            Need::Confirmation(question) => self.confirmations.wants_a_call(question, now),
        }
    }

    /// Reads what the other VMs have done.
    pub(crate) fn sync(&mut self, now: Now, space: &dyn SharedSpace) {
        self.keyring.sync(now.monotonic, space);
        if let Some(revocations) = &mut self.revocations {
            revocations.sync(now, space);
        }
        self.confirmations.sync(space);
    }

    /// Reads what the other VMs have done about one need.
    pub(crate) fn sync_need(&mut self, need: Need, now: Now, space: &dyn SharedSpace) {
        match (need, &mut self.revocations) {
            (Need::Keys(issuer) | Need::NewerKeys { issuer, .. }, _) => {
                self.keyring.sync_issuer(issuer, now.monotonic, space);
            }
            (Need::DenyList(_), Some(revocations)) => revocations.sync(now, space),
            (Need::DenyList(_), None) | (Need::Authorizer(_), _) => {}
            (Need::Confirmation(question), _) => {
                self.confirmations.look(question, now.monotonic, space);
            }
        }
    }

    /// The calls that are due, by what requests wait for, each with its token. A demand lasts until
    /// the calls that it makes due have been begun: see [`crate::remote::document`].
    pub(crate) fn take_calls<'a>(
        &mut self,
        needs: impl Iterator<Item = (Need, &'a [u8])>,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Vec<(CallId, Call)> {
        let mut calls = Vec::new();
        // Each token once, however many requests bring it.
        let mut seen: Vec<Subject> = Vec::new();
        for (need, compact) in needs {
            match need {
                // They are due without being demanded.
                Need::Keys(_) | Need::DenyList(_) | Need::Authorizer(_) => {}
                Need::NewerKeys {
                    issuer, generation, ..
                } => self.keyring.demand_newer(issuer, generation),
                Need::Confirmation(question) if seen.contains(&question.subject) => {}
                Need::Confirmation(question) => {
                    seen.push(question.subject);
                    let ids = &mut self.calls;
                    calls.extend(self.confirmations.ask(question, compact, now, space, ids));
                }
            }
        }
        calls.extend(self.keyring.take_due(now, space, &mut self.calls));
        if let Some(revocations) = &mut self.revocations {
            calls.extend(revocations.take_due(now, space, &mut self.calls));
        }
        calls.extend(self.begin_calls());
        calls
    }

    /// What is to be told beside what became of this VM's own calls.
    pub(crate) fn take_reports(&mut self) -> Vec<Report> {
        let list = self.revocations.as_mut();
        let mut reports = list.map_or_else(Vec::new, |list| list.take_reports());
        reports.extend(self.confirmations.take_reports());
        if let Some(authorizations) = &mut self.authorizations {
            reports.extend(authorizations.take_reports());
        }
        reports
    }

    /// Takes in the answer to a call.
    pub(crate) fn answered(
        &mut self,
        id: CallId,
        answer: &Answer,
        now: Now,
        space: &dyn SharedSpace,
    ) -> Option<Report> {
        let report = self.keyring.answered(id, answer, now, space);
        let report = report.or_else(|| {
            let revocations = self.revocations.as_mut()?;
            revocations.answered(id, answer, now, space)
        });
        let report = report.or_else(|| {
            self.confirmations
                .answered(id, answer, now.monotonic, space)
        });
        report.or_else(|| {
            let authorizations = self.authorizations.as_mut()?;
            authorizations.answered(id, answer, now.monotonic, space)
        })
    }

    /// Gives back the leases for which other VMs would wait.
    pub(crate) fn release(&mut self, space: &dyn SharedSpace) {
        self.keyring.release(space);
        if let Some(revocations) = &mut self.revocations {
            revocations.release(space);
        }
        self.confirmations.release(space);
    }

    /// Whether a call is due that no VM has begun.
    pub(crate) fn is_due(&self, now: Monotonic) -> bool {
        let list = self.revocations();
        self.keyring.is_due(now) || list.is_some_and(|list| list.is_due(now)) || self.has_calls()
    }

    /// Whether a fact is missing that may come within this time.
    pub(crate) fn lacks_any(&self, within: Duration, now: Monotonic) -> bool {
        let lacks = |list: &Revocations| !list.is_loaded() && list.expected_in(now) < within;
        self.keyring.lacks_keys(within, now) || self.revocations().is_some_and(lacks)
    }
}
