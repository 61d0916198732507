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
use super::refresher::Refresher;
pub use super::refresher::{Fetched, Notice, Prospect, Source};
use super::schedule::Entropy;
use super::space::{EntryNames, SharedSpace};
use crate::time::Monotonic;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// What a document holds.
pub trait Content: Sized {
    /// The kind, in metrics and in the names of entries: no document is read as one of another
    /// kind.
    const KIND: &'static str;
    /// The longest document that is read.
    const MAX_BYTES: usize;
    /// What can be wrong with one.
    type Invalid: fmt::Display;
    /// How one plugin reads it: two may read the same document differently.
    type Reading: Copy + fmt::Debug;

    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(bytes: &[u8], reading: Self::Reading) -> Result<Self, Self::Invalid>;
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
    reading: C::Reading,
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
    /// Without.
    Failed(Failure<E>, Notice),
}

impl<C: Content> Document<C> {
    /// A document of which nothing is known yet. `parts` tell its source from all others.
    #[must_use]
    pub fn new(source: Source, parts: &[&str], reading: C::Reading) -> Self {
        let names = EntryNames::new(C::KIND, parts);
        Self {
            refresher: Refresher::new(source, names),
            content: None,
            reading,
        }
    }

    /// Where it comes from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        self.refresher.source()
    }

    /// Reads what the other VMs did. New content replaces the old whole.
    pub fn sync(&mut self, now: Monotonic, space: &dyn SharedSpace) {
        if let Some((bytes, fetched_at)) = self.refresher.sync(space)
            && let Some(document) = record::decode_content(&bytes, fetched_at)
            && let Ok(content) = C::parse(document, self.reading)
        {
            self.load(content, fetched_at);
        }
        self.refresher.look_at_age(now);
    }

    fn load(&mut self, content: C, fetched_at: Monotonic) {
        let known = self.content.as_ref();
        let same = known.is_some_and(|known| known.same_as(&content));
        self.refresher.loaded(fetched_at, same);
        self.content = Some(Rc::new(content));
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
        Some((id, self.source().endpoint.get(C::MAX_BYTES)))
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
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<Ended<C::Invalid>> {
        let ended = self.end(answer, now, space, entropy);
        self.sync(now, space);
        ended
    }

    fn end(
        &mut self,
        answer: &Answer,
        now: Monotonic,
        space: &dyn SharedSpace,
        entropy: &mut Entropy,
    ) -> Option<Ended<C::Invalid>> {
        let record = self.refresher.end_fetch(space)?;
        let parsed = Failure::of(answer, C::too_large)
            .and_then(|bytes| Ok((bytes, C::parse(bytes, self.reading).map_err(Failure::Invalid)?)));
        match parsed {
            Ok((bytes, content)) => {
                let fetched = self.refresher.succeed(record, bytes, now, space, entropy)?;
                self.load(content, now);
                Some(Ended::Fetched(fetched))
            }
            Err(failure) => {
                let cause = failure.cause();
                let notice = self.refresher.fail(record, cause, now, space, entropy)?;
                Some(Ended::Failed(failure, notice))
            }
        }
    }

    /// Gives back a lease whose answer no VM will be there to take.
    pub fn release(&mut self, space: &dyn SharedSpace) {
        self.refresher.release(space);
    }
}
