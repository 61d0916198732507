//! Requests that wait for keys: bounded in number, and none longer than its pool's time-out.

use super::Candidate;
use crate::policy::PoolIndex;
use crate::time::Monotonic;

/// What a held request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Any keys of its issuer.
    Keys(PoolIndex),
    /// A key that the set of this generation does not have.
    Kid(PoolIndex, u64),
}

impl Need {
    pub(super) const fn pool(self) -> PoolIndex {
        match self {
            Self::Keys(pool) | Self::Kid(pool, _) => pool,
        }
    }
}

/// A held request.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) candidate: Candidate,
    pub(super) deadline: Monotonic,
}

impl Held {
    const fn lacks_a_kid(&self) -> bool {
        matches!(self.candidate.need, Need::Kid(..))
    }
}

/// All held requests of a worker by the host's numbers, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Vec<(u32, Held)>,
    /// How many of them lack a single key. They have places of their own, so that random kids
    /// cannot take those of a cold start.
    for_kids: usize,
    backlog: bool,
}

impl Waiting {
    /// What a worker can hold through a cold start: at 16 kB a token, 16 MB.
    const MAX_FOR_KEYS: usize = 1024;
    /// A rotation reaches a worker as a few requests at once; more is a flood.
    const MAX_FOR_KIDS: usize = 128;
    /// Verdicts given at one go: with signatures verified in the module, 64 take 40 ms, and a
    /// worker does nothing else meanwhile.
    const BATCH: usize = 64;

    pub(super) fn has_room(&self, need: Need) -> bool {
        match need {
            Need::Keys(_) => self.held.len().saturating_sub(self.for_kids) < Self::MAX_FOR_KEYS,
            Need::Kid(..) => self.for_kids < Self::MAX_FOR_KIDS,
        }
    }

    pub(super) fn add(&mut self, context: u32, held: Held) {
        self.remove(context);
        if held.lacks_a_kid() {
            self.for_kids = self.for_kids.saturating_add(1);
        }
        self.held.push((context, held));
    }

    pub(super) fn remove(&mut self, context: u32) -> bool {
        let held = self.held.len();
        self.held.retain(|(other, _)| *other != context);
        self.count_kids();
        self.held.len() < held
    }

    /// Takes out requests that may have a verdict, oldest first, and a batch at the most.
    pub(super) fn take_ready(&mut self, mut ready: impl FnMut(&Held) -> bool) -> Vec<(u32, Held)> {
        let mut taken = Vec::new();
        let mut left = Vec::with_capacity(self.held.len());
        for (context, held) in std::mem::take(&mut self.held) {
            if taken.len() < Self::BATCH && ready(&held) {
                taken.push((context, held));
            } else {
                left.push((context, held));
            }
        }
        self.backlog = taken.len() == Self::BATCH;
        self.held = left;
        self.count_kids();
        taken
    }

    fn count_kids(&mut self) {
        self.for_kids = self
            .held
            .iter()
            .filter(|(_, held)| held.lacks_a_kid())
            .count();
    }

    /// Whether the last batch may have left some that are ready.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
