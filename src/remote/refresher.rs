//! When one document is fetched and by which VM, whatever is in it.
//!
//! All VMs decide by the same [`Record`], and a decision counts only once it is written: each step
//! reads the record, changes a copy, and writes it with the version that was read. A VM that loses
//! this race has decided nothing, and looks again at its next tick.
//!
//! A fetch has three such steps. [`Refresher::take_due`] writes a lease with a random name. The
//! answer ends it ([`Refresher::end_fetch`]): if the record's lease has another name by then, the
//! answer came too late and is thrown away, since it may be older than what is there. Then
//! [`Refresher::succeed`] or [`Refresher::fail`] writes the outcome, the time of the next fetch,
//! and what the outcome says about a demand. [`Refresher::release`] gives a lease back unused.
//!
//! This part knows nothing of the content but which fetch brought it, so that the module has it
//! once, however many kinds of documents there are.

use super::call::{CallId, CallIds, Endpoint};
use super::failure::Cause;
use super::record::{self, Demand, DemandOutcome, Lease, Record, Told};
use super::schedule::{
    COURTESY, DEMAND_WINDOW, Entropy, LEASE_GRACE, RECOVERY_DELAY, REMINDER, Refresh,
    SETTLING_START, SETTLING_TIME, back_off, refresh_delay, unsent_delay,
};
use super::space::{EntryNames, SharedSpace, Version};
use crate::time::Monotonic;
use std::time::Duration;

/// Where a document comes from, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is fetched.
    pub endpoint: Endpoint,
    /// How often, and how long it serves.
    pub refresh: Refresh,
}

/// What can be said of a document that is newer than the one at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It is here.
    Here,
    /// A fetch is under way that may bring it.
    Coming,
    /// A demand makes a fetch due.
    Open,
    /// The newest document has been asked for within the window, and is the one at hand.
    Settled,
    /// The newest document could not be had within the window.
    Unavailable,
}

/// How a document that has been fetched differs from the last fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The last fetch succeeded as well.
    Again,
    /// It is the first, or the first after failures.
    Recovered,
}

/// How loud a failure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Clusters may still be resolving: neither counted nor told.
    Settling,
    /// One of the tries between two attempts of the back-off: neither counted nor told.
    Retry,
    /// An attempt that failed like the last: counted.
    Repeated,
    /// News, or a reminder: counted and told.
    News,
}

/// The schedule of one document in one VM.
#[derive(Debug)]
pub(super) struct Refresher {
    source: Source,
    names: EntryNames,
    /// The record as last read.
    record: Record,
    /// The fetch of the content that this VM has loaded.
    loaded: Option<Monotonic>,
    /// The last fetch that found that content to be the newest.
    confirmed: Option<Monotonic>,
    /// The fetch of content that is not for this configuration.
    declined: Option<Monotonic>,
    /// The next fetch of the record, and when this VM first saw it set there.
    next_seen: (Monotonic, Monotonic),
    /// How long a renewal is left to other VMs.
    courtesy: Duration,
    /// Counts contents that differ.
    generation: u64,
    /// Whether the content may still serve: worked out at every tick, so that a request needs no
    /// clock for it.
    usable: bool,
    /// The generation to which a newer one is wanted. Set by every waiting request at every tick,
    /// and cleared once the tick has looked at it: a request that goes away leaves no wish behind.
    demanded: Option<u64>,
    /// Whether newer content has been demanded since the record was read.
    awaited: bool,
    /// This VM's own fetch that is under way, by the call that makes it.
    fetching: Option<(CallId, Lease)>,
}

/// What a fetch that succeeded has brought.
#[derive(Clone, Copy, Debug)]
pub(super) enum Brought<'a> {
    /// The news that the document at hand is the newest.
    Nothing,
    /// A document.
    Document {
        /// The form in which VMs hand it on.
        shared: &'a [u8],
        /// Its entity tag.
        tag: Option<&'a [u8]>,
        /// What it counts itself by.
        revision: u64,
    },
}

/// The longest entity tag that is kept; those of S3 have some forty characters.
const MAX_TAG: usize = 256;

/// Whether bytes may be an entity tag (RFC 9110, section 8.8.3), and of a length that is kept.
fn is_tag(bytes: &[u8]) -> bool {
    (1..=MAX_TAG).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// What makes a fetch due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// Its time has come.
    Schedule,
    /// A request waits for newer content.
    Demand,
}

impl Refresher {
    pub(super) fn new(source: Source, names: EntryNames) -> Self {
        Self {
            source,
            names,
            record: Record::default(),
            loaded: None,
            confirmed: None,
            declined: None,
            next_seen: Default::default(),
            courtesy: Duration::ZERO,
            generation: 0,
            usable: false,
            demanded: None,
            awaited: false,
            fetching: None,
        }
    }

    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    pub(super) const fn is_usable(&self) -> bool {
        self.usable
    }

    pub(super) const fn fetched_at(&self) -> Option<Monotonic> {
        self.record.fetched_at
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Reads what the other VMs did. Returns the bytes of content that is not loaded yet, and the
    /// fetch that brought it.
    pub(super) fn sync(&mut self, space: &dyn SharedSpace) -> Option<(Vec<u8>, Monotonic)> {
        self.read_record(space);
        self.awaited = false;
        let content_at = self.record.content_at.filter(|_| !self.knows_content())?;
        let (content, _) = space.read(&self.names.content);
        Some((content?, content_at))
    }

    /// Whether somebody waits for content, or for newer content than there was at the last look.
    pub(super) const fn is_awaited(&self) -> bool {
        self.awaited || !self.usable
    }

    /// Whether the content of the record has been looked at.
    fn knows_content(&self) -> bool {
        let content_at = self.record.content_at;
        content_at.is_some() && (self.loaded == content_at || self.declined == content_at)
    }

    /// Takes note that this fetch's content is loaded.
    pub(super) fn loaded(&mut self, content_at: Monotonic, same: bool) {
        if !same {
            self.generation = self.generation.saturating_add(1);
        }
        self.loaded = Some(content_at);
        self.confirmed = self.loaded;
        self.declined = None;
    }

    /// Takes note that this fetch's content is not for this configuration; what is loaded stays.
    /// `None` if another VM of the configuration has told of it already: `terms` are the same for
    /// all of these.
    pub(super) fn decline(
        &mut self,
        content_at: Monotonic,
        terms: usize,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Option<Notice> {
        let first = self.declined.replace(content_at).is_none();
        let name = format!("{}.{terms}", self.names.declined);
        let (told, version) = space.read(&name);
        let told = told.unwrap_or_default();
        if record::decode_content(&told, content_at).is_some() {
            return None;
        }
        // When it was last told, so that it is told again while it lasts.
        let last = told.last_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let seconds = now.since_origin().as_secs();
        let due = |last| !Monotonic::new(Duration::from_secs(last)).lasts(REMINDER, now);
        let news = first || last.is_none_or(due);
        let last = last.filter(|_| !news).unwrap_or(seconds);
        let told = record::encode_content(content_at, &last.to_le_bytes());
        space.write(&name, &told, version).ok()?;
        Some(match news {
            true => Notice::News,
            false => Notice::Repeated,
        })
    }

    /// Leaves renewals to VMs that serve no request, for a while.
    pub(super) const fn be_courteous(&mut self) {
        self.courtesy = COURTESY;
    }

    /// The entity tag of the content that is loaded, if that is the newest.
    pub(super) fn tag(&self, space: &dyn SharedSpace) -> Option<String> {
        let content_at = self
            .loaded
            .filter(|at| self.record.content_at == Some(*at))?;
        let (tag, _) = space.read(&self.names.tag);
        let tag = tag?;
        let tag = record::decode_content(&tag, content_at)?;
        // Any plugin of the `vm_id` may have written it, and it is to become a header.
        is_tag(tag).then(|| String::from_utf8_lossy(tag).into_owned())
    }

    /// What the newest document counts itself by.
    pub(super) const fn revision(&self) -> u64 {
        self.record.revision
    }

    /// Works out whether the content may still serve, and since when the next fetch is set.
    pub(super) fn look_at_age(&mut self, now: Monotonic) {
        if self.next_seen.0 != self.record.next_fetch_at {
            self.next_seen = (self.record.next_fetch_at, now);
        }
        if self.loaded.is_some() && self.loaded == self.record.content_at {
            self.confirmed = self.record.fetched_at.max(self.confirmed);
        }
        self.usable = self.loaded.is_some() && self.usable_until().is_none_or(|end| now < end);
    }

    /// When the content stops serving; `None` without content, or if it serves for ever.
    pub(super) fn usable_until(&self) -> Option<Monotonic> {
        let Source { endpoint, refresh } = &self.source;
        refresh.usable_until(self.confirmed?, endpoint.timeout)
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

    /// How old the content is, or how long it has been missing since `start`.
    pub(super) fn age(&self, start: Monotonic, now: Monotonic) -> Duration {
        let missing_since = || self.record.failing_since.map_or(start, |at| at.min(start));
        now.since(self.confirmed.unwrap_or_else(missing_since))
    }

    /// The fetch on demand that no other may follow yet: one that is under way, however long it
    /// takes, or was begun within the window.
    fn demand_window(&self, now: Monotonic) -> Option<Demand> {
        self.record.demand.filter(|demand| {
            let under_way = demand.outcome == DemandOutcome::Pending && self.record.is_leased(now);
            under_way || demand.at.lasts(DEMAND_WINDOW, now)
        })
    }

    /// A request waits for content newer than this generation. Of several, one that waits for what
    /// is here already demands nothing.
    pub(super) fn demand_newer(&mut self, generation: u64) {
        self.demanded = self.demanded.max(Some(generation));
        self.awaited = true;
    }

    /// What can be said of content newer than this generation. A set of the same contents is no
    /// newer one, though a fetch has brought it.
    pub(super) fn prospect(&self, generation: u64, now: Monotonic) -> Prospect {
        if !self.usable || self.generation != generation {
            return Prospect::Here;
        }
        match self.demand_window(now).map(|demand| demand.outcome) {
            None if self.is_taken(now) => Prospect::Coming,
            None => Prospect::Open,
            Some(DemandOutcome::Pending) if self.record.is_leased(now) => Prospect::Coming,
            // Its holder died: what it would have learnt is not known.
            Some(DemandOutcome::Pending | DemandOutcome::Failed) => Prospect::Unavailable,
            Some(DemandOutcome::Answered) => Prospect::Settled,
        }
    }

    /// How long until a fetch may bring content: zero while one is under way.
    pub(super) fn expected_in(&self, now: Monotonic) -> Duration {
        match self.record.is_leased(now) {
            true => Duration::ZERO,
            false => self.scheduled().since(now),
        }
    }

    /// How long until newer content may be demanded again.
    pub(super) fn demand_open_in(&self, now: Monotonic) -> Duration {
        self.demand_window(now).map_or(Duration::ZERO, |demand| {
            demand.at.after(DEMAND_WINDOW).since(now)
        })
    }

    /// When the next refresh is scheduled.
    fn scheduled(&self) -> Monotonic {
        match self.record.fetched_at {
            _ if self.record.failing_since.is_some() => self.next_attempt(),
            Some(at) if self.knows_content() => self
                .record
                .next_fetch_at
                // A shorter interval than the one with which the record was written holds at once.
                .min(at.after(self.source.refresh.interval)),
            // The record promises content that is not there: another plugin wrote over it.
            Some(at) => at.after(RECOVERY_DELAY),
            None => self.record.next_fetch_at,
        }
    }

    /// When the back-off allows the next fetch. The VM that failed has set it, and may be one of a
    /// configuration with a longer interval.
    fn next_attempt(&self) -> Monotonic {
        let Record { next_fetch_at, .. } = self.record;
        match self.next_seen {
            (seen, at) if seen == next_fetch_at => {
                next_fetch_at.min(at.after(self.source.refresh.interval))
            }
            // Set since the last look, so that nothing is known of when.
            _ => next_fetch_at,
        }
    }

    /// Whether a fetch is under way. This VM's own binds it even if the record has lost the lease,
    /// which another plugin may have written over.
    fn is_taken(&self, now: Monotonic) -> bool {
        let own = self.is_fetching(now);
        own || self.record.is_leased(now)
    }

    /// What makes a fetch due, if anything does. A demand does only where there is content that is
    /// not new enough; without any, the schedule brings it.
    fn due(&self, now: Monotonic) -> Option<Trigger> {
        if self.is_taken(now) {
            return None;
        }
        let demanded = self.demanded.is_some_and(|generation| {
            self.loaded.is_some()
                && self.generation == generation
                && self.demand_window(now).is_none()
        });
        if demanded {
            return Some(Trigger::Demand);
        }
        // What is missing altogether is waited for, and nobody's to leave to others.
        let courtesy = match self.loaded {
            Some(_) => self.courtesy,
            None => Duration::ZERO,
        };
        (now >= self.scheduled().after(courtesy)).then_some(Trigger::Schedule)
    }

    /// Whether a fetch is due that no VM has begun.
    pub(super) fn is_due(&self, now: Monotonic) -> bool {
        self.due(now).is_some()
    }

    /// Takes the lease if a fetch is due, and forgets what was demanded.
    pub(super) fn take_due(
        &mut self,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
        ids: &mut CallIds,
    ) -> Option<CallId> {
        let taken = self.take(now, space, entropy, ids);
        self.demanded = None;
        taken
    }

    /// Leaves what is due to a later tick. A demand is forgotten all the same: who waits says so anew.
    pub(super) const fn put_off(&mut self) {
        self.demanded = None;
    }

    /// Whether a fetch of this VM is under way.
    pub(super) fn is_fetching(&self, now: Monotonic) -> bool {
        self.fetching.is_some_and(|(_, lease)| now < lease.until)
    }

    fn take(
        &mut self,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
        ids: &mut CallIds,
    ) -> Option<CallId> {
        self.due(now)?;
        // Again with the newest record: only what is due by that one is taken.
        let version = self.read_record(space);
        let trigger = self.due(now)?;
        let lease = Lease {
            holder: entropy.next(),
            until: now.after(self.source.endpoint.timeout).after(LEASE_GRACE),
        };
        let mut record = self.record.clone();
        record.lease = Some(lease);
        if trigger == Trigger::Demand {
            record.demand = Some(Demand {
                at: now,
                outcome: DemandOutcome::Pending,
            });
        }
        self.write(record, version, space)?;
        let id = ids.next();
        self.fetching = Some((id, lease));
        Some(id)
    }

    /// Whether this call is the fetch of this VM that is under way.
    pub(super) fn is_fetched_by(&self, id: CallId) -> bool {
        self.fetching.is_some_and(|(own, _)| own == id)
    }

    /// Ends this VM's fetch. Returns the record without its lease, or `None` if another VM has
    /// taken over since: the answer came too late.
    pub(super) fn end_fetch(&mut self, space: &dyn SharedSpace) -> Option<(Record, Version)> {
        let (_, lease) = self.fetching.take()?;
        let version = self.read_record(space);
        let held = self.record.lease.map(|lease| lease.holder) == Some(lease.holder);
        let mut record = self.record.clone();
        record.lease = None;
        held.then_some((record, version))
    }

    /// Writes down a fetch that succeeded. `None` if another VM was faster.
    pub(super) fn succeed(
        &mut self,
        (mut record, version): (Record, Version),
        brought: Brought<'_>,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<Fetched> {
        let again = record.failing_since.is_none() && record.fetched_at.is_some();
        let fetched = match again && self.declined.is_none() {
            true => Fetched::Again,
            false => Fetched::Recovered,
        };
        record.fetched_at = Some(now);
        record.failing_since = None;
        record.failures = 0;
        record.told = None;
        record.next_fetch_at = now.after(refresh_delay(self.source.refresh.interval, entropy));
        settle(&mut record, DemandOutcome::Answered, now);
        // First the content, then the record that announces it.
        if let Brought::Document {
            shared,
            tag,
            revision,
        } = brought
        {
            record.content_at = Some(now);
            record.revision = revision;
            let content = record::encode_content(now, shared);
            space
                .write(&self.names.content, &content, Version::Any)
                .ok()?;
            // Without one, what stands there is that of an older document, and counts for nothing.
            if let Some(tag) = tag.filter(|tag| is_tag(tag)) {
                let tag = record::encode_content(now, tag);
                space.write(&self.names.tag, &tag, Version::Any).ok()?;
            }
        }
        self.write(record, version, space)?;
        Some(fetched)
    }

    /// Writes down a fetch that failed. `None` if another VM was faster.
    pub(super) fn fail(
        &mut self,
        (mut record, version): (Record, Version),
        cause: Cause,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<Notice> {
        let notice = self.note_failure(&mut record, cause, now, entropy);
        if notice == Notice::News {
            record.told = Some(Told { at: now, cause });
        }
        settle(&mut record, DemandOutcome::Failed, now);
        self.write(record, version, space)?;
        Some(notice)
    }

    /// Sets the next fetch after a failure, and says how loud it is told.
    ///
    /// A call that cannot be sent while there is no document yet is tried many times between two
    /// attempts of the back-off; only the attempts are counted and told.
    fn note_failure(
        &self,
        record: &mut Record,
        cause: Cause,
        now: Monotonic,
        entropy: &mut Entropy,
    ) -> Notice {
        let since = *record.failing_since.get_or_insert(now);
        let hasty = cause.is_unsent() && record.fetched_at.is_none();
        if hasty {
            record.next_fetch_at = now.after(unsent_delay(now.since(since)));
            if now.since(since) < SETTLING_START {
                return Notice::Settling;
            }
            if now < record.attempt_at {
                return Notice::Retry;
            }
        } else if !cause.is_unsent() && record.told.is_some_and(|told| told.cause.is_unsent()) {
            // The cluster has come: the back-off of the calls that are sent begins.
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        let interval = self.source.refresh.interval;
        record.attempt_at = now.after(back_off(record.failures, interval, entropy));
        if !hasty {
            record.next_fetch_at = record.attempt_at;
        }
        let news = record.told.is_none_or(|told| {
            let ended = |end| told.at < end && end <= now;
            told.cause != cause
                || !told.at.lasts(REMINDER, now)
                || self.usable_until().is_some_and(ended)
        });
        match news {
            true => Notice::News,
            false => Notice::Repeated,
        }
    }

    /// Gives back a lease whose answer no VM will be there to take.
    pub(super) fn release(&mut self, space: &dyn SharedSpace) {
        let Some((mut record, version)) = self.end_fetch(space) else {
            return;
        };
        // No VM has seen an outcome: the next demand may begin another fetch.
        record
            .demand
            .take_if(|demand| demand.outcome == DemandOutcome::Pending);
        // A VM that wrote in between knows better.
        let _ = self.write(record, version, space);
    }

    fn write(&mut self, record: Record, version: Version, space: &dyn SharedSpace) -> Option<()> {
        space
            .write(&self.names.record, &record.encode(), version)
            .ok()?;
        self.record = record;
        Some(())
    }
}

/// Writes down how a fetch on demand ended.
fn settle(record: &mut Record, outcome: DemandOutcome, now: Monotonic) {
    let Some(demand) = &mut record.demand else {
        return;
    };
    let pending = demand.outcome == DemandOutcome::Pending;
    // An answer that took most of the window opens another: every VM must have the time to notice
    // it before the next demand.
    if pending && now.since(demand.at).saturating_add(SETTLING_TIME) > DEMAND_WINDOW {
        demand.at = now;
    }
    // A document that came later than a failure answers the question as well.
    if pending || outcome == DemandOutcome::Answered {
        demand.outcome = outcome;
    }
}
