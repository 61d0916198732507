//! When keys are fetched, who fetches them, and how long they serve. No I/O, no clock.
//!
//! Every VM of the process runs the same code over the same [`SharedSpace`]. Whoever finds a fetch
//! due and the lease free takes it by compare-and-swap, and dispatches; all others see the record
//! change at their next tick. So there is one fetch per issuer and process, whatever the number
//! of workers, and no VM is special: the one on the main thread may fetch like any other.
//!
//! ```text
//!             due, lease free                 answered, keys usable
//!   idle ───────────────────────▶ fetching ───────────────────────▶ idle, new keys for all
//!    ▲                               │ failed: old keys serve on, back-off
//!    └───────────────────────────────┘ lease expired: anybody may take over
//! ```

mod schedule;
pub mod shared;

use crate::jwks::{InvalidKeySet, KeySet};
use crate::policy::{KeyEndpoint, KeySource, PoolIndex, Pools};
use crate::time::Monotonic;
pub use schedule::Entropy;
use schedule::{
    KID_WINDOW, LEASE_GRACE, RECOVERY_DELAY, SETTLING_TIME, UNDISPATCHED, back_off, refresh_delay,
    usable_until,
};
use shared::{EntryNames, KidFetch, KidOutcome, Lease, Record, SharedSpace, Version};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// The key sets of all pools, as one VM sees them.
#[derive(Debug)]
pub struct Keyring {
    sources: Vec<Source>,
    entropy: Entropy,
}

/// One pool's keys.
#[derive(Debug)]
enum Source {
    Inline(Rc<KeySet>),
    Fetched(Box<Fetched>),
}

#[derive(Debug)]
struct Fetched {
    pool: PoolIndex,
    endpoint: KeyEndpoint,
    names: EntryNames,
    /// The record as last read.
    record: Record,
    keys: Option<Loaded>,
    /// Counts key sets with different contents.
    generation: u64,
    /// Whether the last good keys may still serve; worked out at every tick, so that a request
    /// needs no clock for it.
    usable: bool,
    /// Whether a request waits for a `kid` that nobody knows.
    kid_wanted: bool,
    /// Our own fetch that is under way.
    fetching: Option<Lease>,
}

#[derive(Debug)]
struct Loaded {
    set: Rc<KeySet>,
    fetched_at: Monotonic,
}

/// Keys that may verify, and which generation they are.
#[derive(Clone, Debug)]
pub struct CurrentKeys {
    /// The keys.
    pub set: Rc<KeySet>,
    /// Grows whenever a set with other contents takes the place of the last.
    pub generation: u64,
}

/// What a request with a `kid` that is in no set can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KidPrognosis {
    /// Wait: a fetch is under way or about to be.
    Wait,
    /// The newest set has been asked for within the window, and is here.
    Settled,
    /// The newest set could not be had within the window.
    Unavailable,
}

/// A fetch that this VM is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Whose keys are to be fetched.
    pub pool: PoolIndex,
    /// The lease under which it is made.
    holder: u64,
}

/// How a fetch ended.
#[derive(Debug)]
pub enum Answer {
    /// A complete response.
    Response {
        /// The status; 0 if it was none.
        status: u16,
        /// The body, or `None` if it is longer than a key set may be.
        body: Option<Vec<u8>>,
    },
    /// Reset or timed out before there was one.
    NoResponse,
    /// Never sent: no such cluster, or no host in it.
    NotSent,
}

/// Why a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// Another status than 200; redirects are not followed.
    Status(u16),
    /// Not a usable key set.
    KeySet(InvalidKeySet),
    /// Reset or timed out.
    NoResponse,
    /// No such cluster, or no host in it.
    NotSent,
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(
                formatter,
                "the key endpoint answered {status}; expected 200"
            ),
            Self::KeySet(invalid) => invalid.fmt(formatter),
            Self::NoResponse => formatter.write_str("the key endpoint gave no answer"),
            Self::NotSent => formatter
                .write_str("the request could not be sent; expected a cluster with a host in it"),
        }
    }
}

/// What a finished fetch changed, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// Keys were fetched, as before.
    Succeeded,
    /// Keys were fetched, after failures or for the first time.
    Recovered {
        /// How many usable keys there are.
        keys: usize,
        /// How many entries of the set were skipped.
        skipped: usize,
    },
    /// No keys, for the first time since they were last fetched.
    BeganToFail(FetchFailure),
    /// No keys, again.
    StillFails(FetchFailure),
    /// Somebody else had taken over: the answer came after the lease had expired.
    Superseded,
}

impl Keyring {
    /// A keyring for these pools, without any key but inline ones.
    #[must_use]
    pub fn new(pools: &Pools, entropy: Entropy) -> Self {
        let sources = pools
            .iter()
            .map(|(index, pool)| match &pool.keys {
                KeySource::Inline(set) => Source::Inline(Rc::clone(set)),
                KeySource::Fetched(endpoint) => Source::Fetched(Box::new(Fetched {
                    pool: index,
                    names: EntryNames::new(&pool.issuer, endpoint),
                    endpoint: endpoint.clone(),
                    record: Record::default(),
                    keys: None,
                    generation: 0,
                    usable: false,
                    kid_wanted: false,
                    fetching: None,
                })),
            })
            .collect();
        Self { sources, entropy }
    }

    /// The keys that may verify a pool's tokens now, if there are any.
    #[must_use]
    pub fn keys(&self, pool: PoolIndex) -> Option<CurrentKeys> {
        match self.sources.get(pool.position())? {
            Source::Inline(set) => Some(CurrentKeys {
                set: Rc::clone(set),
                generation: 0,
            }),
            Source::Fetched(fetched) => fetched.current(),
        }
    }

    /// The generation of the keys that may verify now, for remembered tokens.
    #[must_use]
    pub fn generation(&self, pool: PoolIndex) -> Option<u64> {
        match self.sources.get(pool.position())? {
            Source::Inline(_) => Some(0),
            Source::Fetched(fetched) => fetched
                .keys
                .as_ref()
                .filter(|_| fetched.usable)
                .map(|_| fetched.generation),
        }
    }

    /// Reads what the other VMs did. Called at every tick, and before a verdict that depends on
    /// having seen the newest set.
    pub fn sync(&mut self, now: Monotonic, space: &dyn SharedSpace) {
        for fetched in self.fetched() {
            fetched.sync(now, space);
        }
    }

    /// Reads what the other VMs did about one pool.
    pub fn sync_pool(&mut self, pool: PoolIndex, now: Monotonic, space: &dyn SharedSpace) {
        if let Some(Source::Fetched(fetched)) = self.sources.get_mut(pool.position()) {
            fetched.sync(now, space);
        }
    }

    /// Takes the lease of every issuer whose fetch is due, and says what to fetch.
    pub fn take_due(&mut self, now: Monotonic, space: &dyn SharedSpace) -> Vec<Fetch> {
        let mut due = Vec::new();
        for source in &mut self.sources {
            let Source::Fetched(fetched) = source else {
                continue;
            };
            if let Some(holder) = fetched.take_if_due(now, space, &mut self.entropy) {
                due.push(Fetch {
                    pool: fetched.pool,
                    holder,
                });
            }
            // Who still waits says so again; a wish must not outlive the one who had it.
            fetched.kid_wanted = false;
        }
        due
    }

    /// What a request with an unknown `kid` can do; makes a fetch due if one may help.
    pub fn unknown_kid(&mut self, pool: PoolIndex, now: Monotonic) -> KidPrognosis {
        match self.sources.get_mut(pool.position()) {
            Some(Source::Fetched(fetched)) => fetched.unknown_kid(now),
            // Inline keys are all there will ever be.
            Some(Source::Inline(_)) | None => KidPrognosis::Settled,
        }
    }

    /// Takes in the answer to a fetch.
    pub fn answered(
        &mut self,
        fetch: Fetch,
        answer: &Answer,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> FetchOutcome {
        match self.sources.get_mut(fetch.pool.position()) {
            Some(Source::Fetched(fetched)) => {
                let outcome = fetched.answered(fetch.holder, answer, now, space, &mut self.entropy);
                fetched.sync(now, space);
                outcome
            }
            Some(Source::Inline(_)) | None => FetchOutcome::Superseded,
        }
    }

    /// Gives back the leases of fetches whose answer nobody will be there to take.
    pub fn release(&mut self, space: &dyn SharedSpace) {
        for fetched in self.fetched() {
            fetched.release(space);
        }
    }

    /// When the newest key set was answered, to any VM; never for keys that are not fetched.
    #[must_use]
    pub fn answered_at(&self, pool: PoolIndex) -> Option<Monotonic> {
        match self.sources.get(pool.position())? {
            Source::Inline(_) => None,
            Source::Fetched(fetched) => fetched.record.fetched_at,
        }
    }

    /// How long until a fetch may bring keys: zero while one is under way.
    #[must_use]
    pub fn keys_expected_in(&self, pool: PoolIndex, now: Monotonic) -> Duration {
        match self.sources.get(pool.position()) {
            Some(Source::Fetched(fetched)) if !fetched.record.is_leased(now) => {
                fetched.scheduled().since(now)
            }
            _ => Duration::ZERO,
        }
    }

    /// How long until an unknown `kid` may be asked for again.
    #[must_use]
    pub fn kid_expected_in(&self, pool: PoolIndex, now: Monotonic) -> Duration {
        match self.sources.get(pool.position()) {
            Some(Source::Fetched(fetched)) => {
                fetched.kid_window(now).map_or(Duration::ZERO, |fetch| {
                    fetch.at.after(KID_WINDOW).since(now)
                })
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether a fetch is due that nobody has begun.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        self.sources.iter().any(|source| match source {
            Source::Inline(_) => false,
            Source::Fetched(fetched) => fetched.due(now).is_some(),
        })
    }

    /// Whether every pool has keys that may verify.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| match source {
            Source::Inline(_) => true,
            Source::Fetched(fetched) => fetched.usable,
        })
    }

    /// How many keys may verify, over all pools.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.sources
            .iter()
            .map(|source| match source {
                Source::Inline(set) => set.len(),
                Source::Fetched(fetched) => fetched.current().map_or(0, |keys| keys.set.len()),
            })
            .fold(0, usize::saturating_add)
    }

    /// The age of the oldest fetched set.
    #[must_use]
    pub fn oldest_age(&self, now: Monotonic) -> Option<Duration> {
        self.sources
            .iter()
            .filter_map(|source| match source {
                Source::Inline(_) => None,
                Source::Fetched(fetched) => Some(now.since(fetched.keys.as_ref()?.fetched_at)),
            })
            .max()
    }

    fn fetched(&mut self) -> impl Iterator<Item = &mut Fetched> {
        self.sources.iter_mut().filter_map(|source| match source {
            Source::Inline(_) => None,
            Source::Fetched(fetched) => Some(&mut **fetched),
        })
    }
}

impl Fetched {
    fn current(&self) -> Option<CurrentKeys> {
        let loaded = self.keys.as_ref().filter(|_| self.usable)?;
        Some(CurrentKeys {
            set: Rc::clone(&loaded.set),
            generation: self.generation,
        })
    }

    /// Bytes that are no record, another plugin's for instance, count as a record that was never
    /// written; the version is kept, so that our own can take their place.
    fn read_record(&mut self, space: &dyn SharedSpace) -> Version {
        let (bytes, version) = space.read(&self.names.record);
        self.record = bytes
            .and_then(|bytes| Record::decode(&bytes))
            .unwrap_or_default();
        version
    }

    fn sync(&mut self, now: Monotonic, space: &dyn SharedSpace) {
        self.read_record(space);
        if self.kid_window(now).is_some() {
            // Somebody else asked for it. Who still waits afterwards will say so again.
            self.kid_wanted = false;
        }
        if let Some(fetched_at) = self.record.fetched_at
            && !self.has_loaded(fetched_at)
            && let Some(set) = space
                .read(&self.names.keys)
                .0
                .and_then(|bytes| shared::decode_keys(&bytes, fetched_at))
        {
            self.load(set, fetched_at);
        }
        self.usable = self.keys.as_ref().is_some_and(|keys| {
            usable_until(keys.fetched_at, &self.endpoint).is_none_or(|end| now < end)
        });
    }

    fn has_loaded(&self, fetched_at: Monotonic) -> bool {
        self.keys
            .as_ref()
            .is_some_and(|keys| keys.fetched_at == fetched_at)
    }

    /// The new set replaces the old whole. Remembered tokens outlive a set with the same contents.
    fn load(&mut self, set: KeySet, fetched_at: Monotonic) {
        let same = self
            .keys
            .as_ref()
            .is_some_and(|keys| keys.set.same_keys(&set));
        if !same {
            self.generation = self.generation.saturating_add(1);
        }
        self.keys = Some(Loaded {
            set: Rc::new(set),
            fetched_at,
        });
        // It may be the answer to the wish, whoever fetched it and why.
        self.kid_wanted = false;
    }

    /// The fetch for an unknown `kid` that no other may follow yet: one that is under way, however
    /// long it takes, or was begun within the window.
    fn kid_window(&self, now: Monotonic) -> Option<KidFetch> {
        self.record.kid_fetch.filter(|fetch| {
            let under_way = fetch.outcome == KidOutcome::Pending && self.record.is_leased(now);
            under_way || now.since(fetch.at) < KID_WINDOW
        })
    }

    fn unknown_kid(&mut self, now: Monotonic) -> KidPrognosis {
        match self.kid_window(now).map(|fetch| fetch.outcome) {
            None => {
                self.kid_wanted = true;
                KidPrognosis::Wait
            }
            Some(KidOutcome::Pending) if self.record.is_leased(now) => KidPrognosis::Wait,
            // Its holder died: what it would have learnt is not known.
            Some(KidOutcome::Pending | KidOutcome::Failed) => KidPrognosis::Unavailable,
            Some(KidOutcome::Answered) => KidPrognosis::Settled,
        }
    }

    /// When the next fetch is to be made that nobody has asked for.
    fn scheduled(&self) -> Monotonic {
        match self.record.fetched_at {
            Some(at) if !self.record.failing && self.has_loaded(at) => self
                .record
                .next_fetch_at
                // A shorter interval than the one with which the record was written holds at once.
                .min(at.after(self.endpoint.refresh_interval)),
            // The record promises keys that are not there: somebody else wrote over them.
            Some(at) if !self.record.failing => at.after(RECOVERY_DELAY),
            Some(_) | None => self.record.next_fetch_at,
        }
    }

    /// What makes a fetch due, if anything does.
    fn due(&self, now: Monotonic) -> Option<Trigger> {
        if self.record.is_leased(now) || self.fetching.is_some_and(|lease| now < lease.until) {
            return None;
        }
        if self.kid_wanted && self.keys.is_some() && self.kid_window(now).is_none() {
            return Some(Trigger::UnknownKid);
        }
        (now >= self.scheduled()).then_some(Trigger::Schedule)
    }

    fn take_if_due(
        &mut self,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<u64> {
        self.due(now)?;
        // Again with the newest record: only what is due by that one is taken.
        let version = self.read_record(space);
        let trigger = self.due(now)?;
        let lease = Lease {
            holder: entropy.next(),
            until: now.after(self.endpoint.timeout).after(LEASE_GRACE),
        };
        let mut record = self.record.clone();
        record.lease = Some(lease);
        if trigger == Trigger::UnknownKid {
            record.kid_fetch = Some(KidFetch {
                at: now,
                outcome: KidOutcome::Pending,
            });
        }
        space
            .write(&self.names.record, &record.encode(), version)
            .ok()?;
        self.record = record;
        self.fetching = Some(lease);
        Some(lease.holder)
    }

    fn answered(
        &mut self,
        holder: u64,
        answer: &Answer,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> FetchOutcome {
        if self.fetching.is_some_and(|lease| lease.holder == holder) {
            self.fetching = None;
        }
        let version = self.read_record(space);
        let mut record = self.record.clone();
        if record.lease.map(|lease| lease.holder) != Some(holder) {
            return FetchOutcome::Superseded;
        }
        record.lease = None;
        let settle_kid = |record: &mut Record, outcome| {
            let Some(fetch) = &mut record.kid_fetch else {
                return;
            };
            // An answer that took most of the window opens another: every VM must have the time to
            // notice it before somebody asks again.
            if fetch.outcome == KidOutcome::Pending
                && now.since(fetch.at).saturating_add(SETTLING_TIME) > KID_WINDOW
            {
                fetch.at = now;
            }
            // Keys that came later than a failure answer the question as well.
            if fetch.outcome == KidOutcome::Pending || outcome == KidOutcome::Answered {
                fetch.outcome = outcome;
            }
        };
        let outcome = match key_set(answer) {
            Ok((document, set)) => {
                let outcome = if record.failing || record.fetched_at.is_none() {
                    FetchOutcome::Recovered {
                        keys: set.len(),
                        skipped: set.skipped(),
                    }
                } else {
                    FetchOutcome::Succeeded
                };
                record.fetched_at = Some(now);
                record.failing = false;
                record.failures = 0;
                record.next_fetch_at =
                    now.after(refresh_delay(self.endpoint.refresh_interval, entropy));
                settle_kid(&mut record, KidOutcome::Answered);
                // First the keys, then the record that announces them.
                let keys = shared::encode_keys(now, document);
                if space.write(&self.names.keys, &keys, Version::Any).is_err() {
                    return FetchOutcome::Superseded;
                }
                outcome
            }
            Err(failure) => {
                let outcome = if record.failing {
                    FetchOutcome::StillFails(failure)
                } else {
                    FetchOutcome::BeganToFail(failure)
                };
                record.failing = true;
                record.next_fetch_at = now.after(match failure {
                    FetchFailure::NotSent if record.fetched_at.is_none() => UNDISPATCHED,
                    _ => {
                        record.failures = record.failures.saturating_add(1);
                        back_off(record.failures, entropy)
                    }
                });
                settle_kid(&mut record, KidOutcome::Failed);
                outcome
            }
        };
        match space.write(&self.names.record, &record.encode(), version) {
            Ok(()) => outcome,
            Err(_) => FetchOutcome::Superseded,
        }
    }

    fn release(&mut self, space: &dyn SharedSpace) {
        let Some(lease) = self.fetching.take() else {
            return;
        };
        let version = self.read_record(space);
        if self.record.lease.map(|lease| lease.holder) == Some(lease.holder) {
            self.record.lease = None;
            // Nobody has been told anything: the next unknown kid may ask again.
            self.record
                .kid_fetch
                .take_if(|fetch| fetch.outcome == KidOutcome::Pending);
            // Whoever wrote in between knows better.
            let _ = space.write(&self.names.record, &self.record.encode(), version);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Schedule,
    UnknownKid,
}

fn key_set(answer: &Answer) -> Result<(&[u8], KeySet), FetchFailure> {
    match answer {
        Answer::Response {
            status: 200,
            body: Some(body),
        } => match KeySet::parse(body) {
            Ok(set) => Ok((body, set)),
            Err(invalid) => Err(FetchFailure::KeySet(invalid)),
        },
        Answer::Response {
            status: 200,
            body: None,
        } => Err(FetchFailure::KeySet(InvalidKeySet::TooLarge)),
        Answer::Response { status, .. } => Err(FetchFailure::Status(*status)),
        Answer::NoResponse => Err(FetchFailure::NoResponse),
        Answer::NotSent => Err(FetchFailure::NotSent),
    }
}
