//! Whether a user pool still stands by a token: asked of the pool itself, by `GetUser`, for rules
//! with `confirmed_within`.
//!
//! A token says nothing of what became of its session since it was made. The pool knows, but can be
//! asked about a few tokens a second only, for a whole account. So a token is asked about once in
//! the rule's time for the whole process, and only when everything else about it holds.
//!
//! ```text
//!  decision ── word ──▶ this VM's memory ── too old ──▶ the token's slot, shared by all VMs
//!                                                          │ nothing recent, and no VM asks
//!                     GetUser ◀── taken by compare-and-swap ┘
//!                        └── confirmed, refused or neither ──▶ slot and memory
//! ```
//!
//! A remembered confirmation is found in the VM's own memory, without a call of the host's. A VM
//! that finds another's question in the slot waits for its answer, which it sees there at a tick. A
//! refusal ends all confirmations of the token at once where it arrives. The other VMs see, at
//! their next tick, that there has been one, and forget what they remember.
//!
//! Tokens leave this module in one place, the body of a call to the pool. Whatever else has to name
//! one, be it in shared data, has a digest of it.

mod answer;
pub mod standing;

use crate::policy::{Confirm, IssuerIndex, Issuers, Pool};
use crate::remote::call::{Answer, Call, CallId, CallIds, Endpoint, Reading};
use crate::remote::enquiry::{Enquiries, Limits};
pub use crate::remote::exception::{Exception, TYPE_HEADER};
use crate::remote::failure::Failure;
use crate::remote::outage::{News, Outage};
use crate::remote::rate::Rate;
use crate::remote::report::{Counted, Report};
use crate::remote::schedule::{Entropy, LEASE_GRACE};
use crate::remote::slots::{Changed, Key, Record, Slots};
use crate::remote::space::{EntryNames, SharedSpace, Version};
use crate::time::{Monotonic, written};
pub use answer::{Says, read};
use sha2::{Digest, Sha256};
use standing::{FIRST_VM, Since, Standing, Terms, Word};
use std::time::Duration;

/// In the names of shared entries.
const KIND: &str = "confirm";

/// The most questions that one VM has under way. As many requests wait for one at the most; the
/// other half is for questions whose requests have gone away.
const MAX_UNDER_WAY: usize = 256;

/// The most tokens whose standing one VM remembers; of others it reads the slot. It is 400 kB.
const MAX_REMEMBERED: usize = 4_096;

/// How much longer than the time-out of its question a request is held, so that it is the end of the
/// question that ends the wait.
const SLACK: Duration = Duration::from_millis(100);

/// A token, by its pool and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The pool whose word it is.
    pub issuer: IssuerIndex,
    /// The digest of the token.
    pub key: Key,
}

/// What a rule asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The token.
    pub subject: Subject,
    /// How old a confirmation may be.
    pub within: Duration,
}

/// All that one VM knows of tokens' standing, and what it asks.
#[derive(Debug)]
pub struct Confirmations {
    /// In the order of the configuration; `None` for a pool that is not asked.
    askers: Vec<Option<Asker>>,
    enquiries: Enquiries<Subject, Standing>,
    slots: Slots,
    /// The entry that changes with every refusal, and what it was when it was last read.
    refusals: String,
    seen: Option<Vec<u8>>,
    /// What is to be told at the next tick.
    reports: Vec<Report>,
    /// This VM's number in the slots.
    vm: u64,
    entropy: Entropy,
}

/// How one pool is asked.
#[derive(Debug)]
struct Asker {
    issuer: String,
    endpoint: Endpoint,
    grace: Duration,
    rate: Rate,
    outage: Outage,
    /// A digest that has begun with all but the token: what one endpoint confirms is no word of
    /// another's.
    named: Sha256,
}

impl Confirmations {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(issuers: &Issuers, mut entropy: Entropy) -> Self {
        let askers = issuers.pools().iter().map(|pool| {
            let confirm = pool.confirm.as_ref()?;
            Some(Asker::new(pool, confirm))
        });
        Self {
            askers: askers.collect(),
            enquiries: Enquiries::new(Limits {
                under_way: MAX_UNDER_WAY,
                answers: MAX_REMEMBERED,
                bytes: MAX_REMEMBERED.saturating_mul(WEIGHT),
            }),
            slots: Slots::new(KIND),
            refusals: EntryNames::new("confirm-refusals", &[]).record,
            seen: None,
            reports: Vec::new(),
            vm: entropy.next().max(FIRST_VM),
            entropy,
        }
    }

    fn asker(&self, pool: IssuerIndex) -> Option<&Asker> {
        self.askers.get(pool.position())?.as_ref()
    }

    /// What a token is called here.
    #[must_use]
    pub fn key(&self, pool: IssuerIndex, compact: &[u8]) -> Key {
        self.asker(pool)
            .map_or_else(Key::default, |asker| asker.key(compact))
    }

    fn terms(&self, question: Question) -> Terms {
        let asker = self.asker(question.subject.issuer);
        Terms {
            within: question.within,
            grace: asker.map_or(Duration::ZERO, |asker| asker.grace),
        }
    }

    fn standing(&self, subject: Subject) -> Standing {
        self.enquiries
            .answer(&subject)
            .map_or_else(Standing::default, |(standing, _)| *standing)
    }

    /// What this VM knows.
    #[must_use]
    pub fn word(&self, question: Question, now: Monotonic) -> Word {
        let standing = self.standing(question.subject);
        standing.word(self.terms(question), now)
    }

    /// The same where an answer is no longer waited for.
    #[must_use]
    pub fn last_word(&self, question: Question, now: Monotonic) -> Word {
        match self.word(question, now) {
            Word::Open => {
                let standing = self.standing(question.subject);
                standing.last_word(self.terms(question), now)
            }
            known => known,
        }
    }

    /// How long a request may wait for an answer.
    #[must_use]
    pub fn wait_limit(&self, pool: IssuerIndex) -> Duration {
        let timeout = self.asker(pool).map(|asker| asker.endpoint.timeout);
        timeout.map_or(Duration::ZERO, |timeout| timeout.saturating_add(SLACK))
    }

    /// Whether the next tick would ask, or look whether another VM has asked.
    #[must_use]
    pub fn wants_a_call(&self, question: Question, now: Monotonic) -> bool {
        let subject = question.subject;
        self.word(question, now) == Word::Open
            && !self.enquiries.is_asked(&subject)
            && !self.standing(subject).is_asked(now)
    }

    /// Looks whether another VM has learnt that a token is refused. What this VM remembers of it, or
    /// of any other, may be outdated then.
    pub fn sync(&mut self, space: &dyn SharedSpace) {
        if self.askers.iter().all(Option::is_none) {
            return;
        }
        let (refusals, _) = space.read(&self.refusals);
        if self.seen != refusals {
            self.enquiries.forget_answers();
            self.seen = refusals;
        }
    }

    /// Reads what other VMs know of a token, unless this VM knows enough.
    pub fn look(&mut self, question: Question, now: Monotonic, space: &dyn SharedSpace) {
        let subject = question.subject;
        if self.word(question, now) == Word::Open
            && !self.enquiries.is_asked(&subject)
            && let Some(record) = self.slots.read(subject.key, space)
        {
            self.learn(subject, Standing::of(record), now);
        }
    }

    fn learn(&mut self, subject: Subject, standing: Standing, now: Monotonic) {
        self.enquiries.learn(subject, standing, WEIGHT, now);
    }

    /// Asks about a token, if it has to be asked about and this VM may. Where it may not, the answer
    /// is unknown for as long as after an answer that said nothing.
    pub fn ask(
        &mut self,
        question: Question,
        compact: &[u8],
        now: Monotonic,
        space: &dyn SharedSpace,
        ids: &mut CallIds,
    ) -> Option<(CallId, Call)> {
        let subject = question.subject;
        self.look(question, now, space);
        // Another VM's question is this one's as well. Asked once more where the rate is used up:
        // whoever has used it up for this token has left its mark before.
        if !self.wants_a_call(question, now) {
            return None;
        }
        let asker = self.asker(subject.issuer)?;
        if !asker.rate.is_open(now, space) {
            self.look(question, now, space);
            if self.wants_a_call(question, now) {
                self.too_fast(subject, now, space);
            }
            return None;
        }
        if !self.enquiries.has_room() {
            self.unanswered(subject, now);
            return None;
        }
        let (terms, by) = (self.terms(question), self.vm);
        let timeout = asker.endpoint.timeout;
        let until = now.after(timeout).after(LEASE_GRACE);
        let changed = self.slots.change(subject.key, now, space, &|before| {
            let standing = known(before);
            let is_open = standing.word(terms, now) == Word::Open && !standing.is_asked(now);
            is_open.then(|| {
                let since = Since::Asked { by, until };
                Standing { since, ..standing }.record(subject.key)
            })
        });
        match changed {
            Changed::Written(record) | Changed::Left(Some(record)) => {
                self.learn(subject, Standing::of(record), now);
            }
            Changed::Full => self.unanswered(subject, now),
            // At the next tick.
            Changed::Left(None) | Changed::Contended => {}
        }
        if !matches!(changed, Changed::Written(_)) {
            return None;
        }
        // The mark first, then the rate: see above. Another VM may have been faster with both.
        let asker = self.asker(subject.issuer);
        let taken = asker.is_some_and(|asker| asker.rate.take(now, space));
        if !taken {
            self.settle(subject, None, now, space);
            self.too_fast(subject, now, space);
            return None;
        }
        let call = self.asker(subject.issuer)?.call(compact);
        self.enquiries.open(subject, ids).map(|id| (id, call))
    }

    /// There have been enough questions in this second.
    fn too_fast(&mut self, subject: Subject, now: Monotonic, space: &dyn SharedSpace) {
        self.unanswered(subject, now);
        let report = self
            .asker(subject.issuer)
            .map(|asker| asker.failed(None, now, space));
        self.reports.extend(report);
    }

    /// What is to be told of questions that could not be put.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// For this VM the question is answered with nothing.
    fn unanswered(&mut self, subject: Subject, now: Monotonic) {
        let since = Since::Unanswered(now);
        let standing = Standing {
            since,
            ..self.standing(subject)
        };
        self.learn(subject, standing, now);
    }

    /// Takes in the answer to a call. `None` if it was none of these.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &Answer,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Option<Report> {
        let subject = self.enquiries.close(id)?;
        let says = read(answer);
        self.settle(subject, Some(&says), now, space);
        let asker = self.asker(subject.issuer)?;
        Some(match says {
            Says::Confirmed => asker.answered(Counted::Confirmed, now, space),
            Says::Refused => asker.answered(Counted::NotConfirmed, now, space),
            Says::Nothing(failure) => asker.failed(Some(&failure), now, space),
        })
    }

    /// Writes down what has become of this VM's question; with `None` it was never asked.
    fn settle(
        &mut self,
        subject: Subject,
        says: Option<&Says>,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) {
        let by = self.vm;
        let after = |before: Option<Record>| {
            let standing = known(before);
            let is_own = matches!(standing.since, Since::Asked { by: other, .. } if other == by);
            let (confirmed_at, since) = match says {
                // Whenever it was asked: what was revoked stays so.
                Some(Says::Refused) => (None, Since::Refused(now)),
                // The lease has ended, and another VM knows more.
                _ if !is_own && before.is_some() => return None,
                Some(Says::Confirmed) => (Some(now), Since::Nothing),
                Some(Says::Nothing(_)) | None => (standing.confirmed_at, Since::Unanswered(now)),
            };
            let standing = Standing {
                confirmed_at,
                since,
            };
            Some(standing.record(subject.key))
        };
        let record = match self.slots.change(subject.key, now, space, &after) {
            Changed::Written(record) | Changed::Left(Some(record)) => Some(record),
            // No other VM will read it, but this one knows.
            Changed::Left(None) | Changed::Full | Changed::Contended => {
                let own = Some(self.standing(subject).record(subject.key));
                after(own)
            }
        };
        if let Some(record) = record {
            self.learn(subject, Standing::of(record), now);
        }
        if says == Some(&Says::Refused) {
            // Behind the record, so that who sees this will read that. A number at random is
            // another than the last, whichever VM wrote that.
            let news = self.entropy.next().to_le_bytes();
            let _ = space.write(&self.refusals, &news, Version::Any);
        }
    }

    /// Gives up the questions under way, whose answers will find no VM to take them.
    pub fn release(&mut self, space: &dyn SharedSpace) {
        let by = self.vm;
        for subject in self.enquiries.close_all() {
            self.slots
                .change(subject.key, Monotonic::default(), space, &|before| {
                    let standing = known(before);
                    let is_own =
                        matches!(standing.since, Since::Asked { by: other, .. } if other == by);
                    let since = Since::Nothing;
                    is_own.then(|| Standing { since, ..standing }.record(subject.key))
                });
        }
    }
}

/// What an answer takes in memory, about.
const WEIGHT: usize = size_of::<(Subject, Standing)>();

fn known(record: Option<Record>) -> Standing {
    record.map_or_else(Standing::default, Standing::of)
}

impl Asker {
    fn new(pool: &Pool, confirm: &Confirm) -> Self {
        let Endpoint {
            cluster, authority, ..
        } = &confirm.endpoint;
        let parts = [&**cluster, authority, &pool.issuer];
        // A prefix of fixed length.
        let named = Sha256::new_with_prefix(EntryNames::new("confirm-token", &parts).record);
        Self {
            issuer: pool.issuer.clone(),
            rate: Rate::new("confirm-rate", &parts, confirm.max_per_second),
            outage: Outage::new("confirm-outage", &parts),
            endpoint: confirm.endpoint.clone(),
            grace: confirm.grace,
            named,
        }
    }

    fn key(&self, compact: &[u8]) -> Key {
        Key::of(self.named.clone().chain_update(compact))
    }

    /// `GetUser` of the user pools API: JSON 1.1, not signed. A token in compact serialisation has
    /// no character that JSON would escape.
    fn call(&self, compact: &[u8]) -> Call {
        let body = [br#"{"AccessToken":""#, compact, br#""}"#].concat();
        let headers = [
            (
                "x-amz-target",
                "AWSCognitoIdentityProviderService.GetUser".to_owned(),
            ),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
        ];
        let reading = Reading {
            max_body: answer::MAX_BYTES,
            headers: &[TYPE_HEADER],
            // The user's name and attributes.
            unread: Some(200),
        };
        self.endpoint.post(headers.into(), body, reading)
    }

    /// The pool has said yes or no.
    fn answered(&self, counted: Counted, now: Monotonic, space: &dyn SharedSpace) -> Report {
        let issuer = &self.issuer;
        match self.outage.answered(now, space) {
            News::New => Report::info(
                Some(counted),
                format!("confirmations of {issuer}: the user pool answers again"),
            ),
            News::Old => Report::debug(
                Some(counted),
                format!("confirmations of {issuer}: answered"),
            ),
        }
    }

    /// It has not, or could not be asked: as often as it may be it has been.
    fn failed(
        &self,
        failure: Option<&Failure<Exception>>,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Report {
        let Endpoint { cluster, .. } = &self.endpoint;
        let cause = match failure {
            Some(failure) => failure.at(&self.endpoint).to_string(),
            None => format!(
                "more than {} questions a second are wanted through cluster {cluster:?}",
                self.rate.per_second()
            ),
        };
        let outlook = match self.grace.is_zero() {
            true => "tokens that must be confirmed get 503".to_owned(),
            false => format!(
                "tokens serve for {} after their last confirmation, all others that must be confirmed get 503",
                written(self.grace)
            ),
        };
        let (issuer, counted) = (&self.issuer, Some(Counted::Unconfirmed));
        match self.outage.failed(failure.map(Failure::sort), now, space) {
            News::New => Report::warning(
                counted,
                format!("confirmations of {issuer}: {cause}; {outlook}"),
            ),
            News::Old => Report::debug(
                counted,
                format!("confirmations of {issuer}: {cause}; {outlook}"),
            ),
        }
    }
}
