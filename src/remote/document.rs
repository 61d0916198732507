//! One document, as one VM sees it.
//!
//! A document is *due* when its schedule says so, or when a request demands a newer one. A VM that
//! takes the *lease* makes the fetch for all. A document that could not be replaced in time is
//! *stale*, and serves on for a while.
//!
//! # How a request demands a newer document
//!
//! A request that lacks something in the document at hand, such as a key, asks for the [`Prospect`]
//! of a newer one ([`Document::prospect`], which changes nothing) and waits if there is any. At
//! every tick the gate says for each waiting request [`Document::demand_newer`], then lets fetches
//! begin ([`Document::take_due`]), which forgets all demands. So a demand is exactly as old as the
//! tick, a request that has gone away demands nothing, and no other place sets or clears it.
//! Whether a demand makes a fetch due is decided there: not if the document has changed meanwhile,
//! not within ten seconds of the last fetch on demand, and not while any fetch is under way.

use super::call::{Answer, Call, CallId, CallIds};
use super::failure::Failure;
use super::record;
use super::refresher::{Brought, Refresher};
pub use super::refresher::{Fetched, Notice, Prospect, Source};
use super::schedule::Entropy;
use super::space::{EntryNames, SharedSpace};
use crate::time::{Monotonic, Now, Timestamp};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// What a document holds.
pub trait Content: Sized {
    /// The kind, in the names of entries: no document is read as one of another kind.
    const KIND: &'static str;
    /// The longest document that is read.
    const MAX_BYTES: usize;
    /// Whether it is large, so that its endpoint is asked for changes alone (RFC 9110, section 13),
    /// and its renewal is left to VMs that serve no request.
    const IS_LARGE: bool;
    /// What can be wrong with one.
    type Invalid: fmt::Display;
    /// How one plugin reads it: two may read the same document differently.
    type Reading: Copy + fmt::Debug;

    /// Reads a document as it was fetched.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(bytes: &[u8], reading: Self::Reading) -> Result<Self, Self::Invalid>;
    /// The form in which it is handed on to other VMs, which may be cheaper to read than the
    /// document that was fetched.
    fn shared<'a>(&'a self, document: &'a [u8]) -> &'a [u8] {
        document
    }
    /// Reads what another VM has handed on. Nothing there is to be believed that
    /// [`Content::parse`] would not believe: other plugins may write there.
    fn take_over(shared: &[u8], reading: Self::Reading) -> Option<Self> {
        Self::parse(shared, reading).ok()
    }
    /// What a document counts itself by; 0 for all if it does not.
    fn revision(&self) -> u64 {
        0
    }
    /// Whether one that was just fetched may take the place of one with this revision.
    ///
    /// # Errors
    /// Why not: the fetch has failed.
    fn succeeds(&self, _revision: u64, _now: Timestamp) -> Result<(), Self::Invalid> {
        Ok(())
    }
    /// Whether a configuration that takes so many entries takes this one.
    ///
    /// # Errors
    /// Why not: others may.
    fn fits(&self, _limit: usize) -> Result<(), Self::Invalid> {
        Ok(())
    }
    /// What is wrong with one that is longer than [`Content::MAX_BYTES`].
    fn too_large() -> Self::Invalid;
    /// Whether what was concluded from the other holds for this one too.
    fn same_as(&self, other: &Self) -> bool;
}

/// A document that is fetched, and may be shared by all VMs of the process.
#[derive(Debug)]
pub struct Document<C: Content> {
    refresher: Refresher,
    content: Option<Rc<C>>,
    /// How many entries the configuration takes.
    limit: usize,
    reading: C::Reading,
    /// What this VM's own fetch has asked for.
    asked_for: Asked,
}

/// What a fetch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// The document.
    Document,
    /// The document, if it is another than the one at hand.
    Change,
}

/// Content that may serve.
#[derive(Clone, Debug)]
pub struct Current<C> {
    /// The content.
    pub content: Rc<C>,
    /// Grows whenever other content takes its place.
    pub generation: u64,
}

/// How a fetch ended.
#[derive(Debug)]
pub enum Ended<E> {
    /// With a usable document, which is loaded.
    Fetched(Fetched),
    /// With the word that the document at hand is the newest.
    Unchanged(Fetched),
    /// Without, or with one that the configuration does not take.
    Failed(Failure<E>, Notice),
}

/// Asks for a document only if it is another (RFC 9110, section 13.1.2), and what the answer is
/// then.
const IF_NONE_MATCH: &str = "if-none-match";
const ENTITY_TAG: &str = "etag";
const NOT_MODIFIED: u16 = 304;

impl<C: Content> Document<C> {
    /// A document of which nothing is known yet. `parts` tell its source from all others; at most
    /// `limit` entries are taken.
    #[must_use]
    pub fn new(source: Source, parts: &[&str], limit: usize, reading: C::Reading) -> Self {
        let names = EntryNames::new(C::KIND, parts);
        Self {
            refresher: Refresher::new(source, names),
            content: None,
            limit,
            reading,
            asked_for: Asked::Document,
        }
    }

    /// Takes note that this VM serves requests.
    pub const fn serves(&mut self) {
        if C::IS_LARGE {
            self.refresher.be_courteous();
        }
    }

    /// Where it comes from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        self.refresher.source()
    }

    /// Reads what the other VMs did. New content replaces the old whole. Returns what is to be told
    /// of content that the configuration does not take.
    pub fn sync(&mut self, now: Monotonic, space: &dyn SharedSpace) -> Option<Ended<C::Invalid>> {
        let mut ended = None;
        if let Some((bytes, content_at)) = self.refresher.sync(space)
            && let Some(shared) = record::decode_content(&bytes, content_at)
            && let Some(content) = C::take_over(shared, self.reading)
            && content.revision() >= self.revision()
        {
            ended = self.load(content, content_at, now, space);
        }
        self.refresher.look_at_age(now);
        ended
    }

    /// Whether it makes a difference what the other VMs did: somebody waits for content, or a fetch
    /// would begin.
    #[must_use]
    pub fn wants_a_look(&self, now: Monotonic) -> bool {
        self.refresher.is_awaited() || self.refresher.is_due(now)
    }

    /// Works out anew whether the content may still serve.
    pub fn look_at_age(&mut self, now: Monotonic) {
        self.refresher.look_at_age(now);
    }

    /// What the content at hand counts itself by.
    fn revision(&self) -> u64 {
        self.content
            .as_ref()
            .map_or(0, |content| content.revision())
    }

    fn load(
        &mut self,
        content: C,
        content_at: Monotonic,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Option<Ended<C::Invalid>> {
        if let Err(invalid) = content.fits(self.limit) {
            let notice = self.refresher.decline(content_at, self.limit, now, space)?;
            return Some(Ended::Failed(Failure::Invalid(invalid), notice));
        }
        let known = self.content.as_ref();
        let same = known.is_some_and(|known| known.same_as(&content));
        self.refresher.loaded(content_at, same);
        self.content = Some(Rc::new(content));
        None
    }

    /// The content, if it may serve.
    #[must_use]
    pub fn current(&self) -> Option<Current<C>> {
        let content = self
            .content
            .as_ref()
            .filter(|_| self.refresher.is_usable())?;
        Some(Current {
            content: Rc::clone(content),
            generation: self.refresher.generation(),
        })
    }

    /// The content at hand, which may be too old to serve, and its generation.
    #[must_use]
    pub fn at_hand(&self) -> Option<(&C, u64)> {
        let content = self.content.as_deref()?;
        Some((content, self.refresher.generation()))
    }

    /// The generation of the content that may serve.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.is_usable().then(|| self.refresher.generation())
    }

    /// Whether there is content that may serve.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.refresher.is_usable()
    }

    /// When the content at hand stops serving; `None` without content, or if it serves for ever.
    #[must_use]
    pub fn usable_until(&self) -> Option<Monotonic> {
        self.refresher.usable_until()
    }

    /// Whether there is content at hand, which may be too old to serve.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.content.is_some()
    }

    /// When the newest document was fetched, by any VM.
    #[must_use]
    pub const fn fetched_at(&self) -> Option<Monotonic> {
        self.refresher.fetched_at()
    }

    /// How old the content is, or how long it has been missing since `start`.
    #[must_use]
    pub fn age(&self, start: Monotonic, now: Monotonic) -> Duration {
        self.refresher.age(start, now)
    }

    /// Demands content newer than this generation until the next [`Document::take_due`].
    pub fn demand_newer(&mut self, generation: u64) {
        self.refresher.demand_newer(generation);
    }

    /// What can be said of content newer than this generation.
    #[must_use]
    pub fn prospect(&self, generation: u64, now: Monotonic) -> Prospect {
        self.refresher.prospect(generation, now)
    }

    /// How long until a fetch may bring content: zero while one is under way.
    #[must_use]
    pub fn expected_in(&self, now: Monotonic) -> Duration {
        self.refresher.expected_in(now)
    }

    /// How long until newer content may be demanded again.
    #[must_use]
    pub fn demand_open_in(&self, now: Monotonic) -> Duration {
        self.refresher.demand_open_in(now)
    }

    /// Whether a fetch is due that no VM has begun.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        self.refresher.is_due(now)
    }

    /// Takes the lease if a fetch is due, and says how it is made. Forgets all demands.
    pub fn take_due(
        &mut self,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
        ids: &mut CallIds,
    ) -> Option<(CallId, Call)> {
        let id = self.refresher.take_due(now, space, entropy, ids)?;
        let mut call = self.source().endpoint.get(C::MAX_BYTES);
        self.asked_for = Asked::Document;
        if C::IS_LARGE {
            call.reading.headers = &[ENTITY_TAG];
            if let Some(tag) = self.refresher.tag(space) {
                call.headers.push((IF_NONE_MATCH, tag));
                self.asked_for = Asked::Change;
            }
        }
        Some((id, call))
    }

    /// Leaves what is due to a later tick.
    pub const fn put_off(&mut self) {
        self.refresher.put_off();
    }

    /// Whether a fetch of this VM is under way.
    #[must_use]
    pub fn is_fetching(&self, now: Monotonic) -> bool {
        self.refresher.is_fetching(now)
    }

    /// Whether this call is this VM's own fetch of the document.
    #[must_use]
    pub fn is_fetched_by(&self, id: CallId) -> bool {
        self.refresher.is_fetched_by(id)
    }

    /// Takes in the answer to this VM's fetch. `None` if it came too late: another VM had taken
    /// over, or was faster.
    pub fn answered(
        &mut self,
        answer: &Answer,
        now: Now,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<Ended<C::Invalid>> {
        let ended = self.end(answer, now, space, entropy);
        let of_others = self.sync(now.monotonic, space);
        ended.or(of_others)
    }

    fn end(
        &mut self,
        answer: &Answer,
        now: Now,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<Ended<C::Invalid>> {
        let record = self.refresher.end_fetch(space)?;
        let at = now.monotonic;
        if let (
            Asked::Change,
            Answer::Response {
                status: NOT_MODIFIED,
                ..
            },
        ) = (self.asked_for, answer)
        {
            let brought = Brought::Nothing;
            let fetched = self
                .refresher
                .succeed(record, brought, at, space, entropy)?;
            return Some(Ended::Unchanged(fetched));
        }
        match self.read(answer, now.wall) {
            Ok((bytes, content)) => {
                let brought = Brought::Document {
                    shared: content.shared(bytes),
                    tag: answer.header(ENTITY_TAG),
                    revision: content.revision(),
                };
                let fetched = self
                    .refresher
                    .succeed(record, brought, at, space, entropy)?;
                let declined = self.load(content, at, at, space);
                Some(declined.unwrap_or(Ended::Fetched(fetched)))
            }
            Err(failure) => {
                let cause = failure.cause();
                let notice = self.refresher.fail(record, cause, at, space, entropy)?;
                Some(Ended::Failed(failure, notice))
            }
        }
    }

    /// The document in an answer, if it may take the place of the one at hand, here and in the
    /// other VMs.
    fn read<'a>(
        &self,
        answer: &'a Answer,
        now: Timestamp,
    ) -> Result<(&'a [u8], C), Failure<C::Invalid>> {
        let bytes = Failure::of(answer, C::too_large)?;
        let content = C::parse(bytes, self.reading).map_err(Failure::Invalid)?;
        let newest = self.refresher.revision().max(self.revision());
        content.succeeds(newest, now).map_err(Failure::Invalid)?;
        Ok((bytes, content))
    }

    /// Gives back a lease whose answer no VM will be there to take.
    pub fn release(&mut self, space: &dyn SharedSpace) {
        self.refresher.release(space);
    }
}
