//! Requests that wait for keys: bounded in number, none longer than its pool's time-out, and no pool
//! at the expense of another.

use super::Candidate;
use crate::policy::PoolIndex;
use crate::time::{Monotonic, Timestamp};
use std::time::Duration;

/// What a held request lacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Need {
    /// Any keys of its issuer.
    Keys(PoolIndex),
    /// A key that the set of this generation does not have.
    Kid {
        pool: PoolIndex,
        generation: u64,
        /// When its bearer says that the token was made.
        issued_at: Option<Timestamp>,
    },
}

impl Need {
    pub(super) const fn pool(self) -> PoolIndex {
        match self {
            Self::Keys(pool) | Self::Kid { pool, .. } => pool,
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
        matches!(self.candidate.need, Need::Kid { .. })
    }
}

/// All held requests of a worker by the host's numbers, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Vec<(u32, Held)>,
    /// How many of them lack a single key. They have places of their own, so that random kids
    /// cannot take those of a cold start.
    for_kids: usize,
    /// Those who had to make room: they hold no place, and are answered at the next tick.
    displaced: Vec<(u32, Held)>,
    backlog: bool,
}

impl Waiting {
    /// What a worker can hold through a cold start. With those for kids and the displaced, at 16 kB a
    /// token: 23 MB.
    const MAX_FOR_KEYS: usize = 1024;
    /// A rotation reaches a worker as a few requests at once; more is a flood.
    const MAX_FOR_KIDS: usize = 128;
    /// Who may be displaced between two ticks: four batches of verdicts.
    const MAX_DISPLACED: usize = 256;
    /// Verdicts given at one go: with signatures verified in the module, 64 take 40 ms, and a
    /// worker does nothing else meanwhile.
    const BATCH: usize = 64;

    pub(super) fn has_room(&self, need: Need) -> bool {
        match need {
            Need::Keys(_) => self.held.len().saturating_sub(self.for_kids) < Self::MAX_FOR_KEYS,
            Need::Kid { .. } => self.for_kids < Self::MAX_FOR_KIDS,
        }
    }

    /// Whether there is a place. If there is none, the newest request of the pool that has most makes
    /// room, as long as the newcomer's pool has fewer: nobody can verify yet whose tokens these are,
    /// and a flood of forged ones for one pool must not keep those of another out.
    pub(super) fn make_room(&mut self, need: Need) -> bool {
        if self.has_room(need) {
            return true;
        }
        if self.displaced.len() >= Self::MAX_DISPLACED {
            return false;
        }
        let lacks_a_kid = matches!(need, Need::Kid { .. });
        // A list, since there are few pools, and a map would make the module larger by a hundredth.
        let mut places = vec![(need.pool(), 0_usize)];
        for (_, held) in &self.held {
            if held.lacks_a_kid() != lacks_a_kid {
                continue;
            }
            let pool = held.candidate.need.pool();
            match places.iter_mut().find(|(known, _)| *known == pool) {
                Some((_, places)) => *places = places.saturating_add(1),
                None => places.push((pool, 1)),
            }
        }
        let own = places.first().map_or(0, |(_, places)| *places);
        let Some((crowded, most)) = places.into_iter().max_by_key(|(_, places)| *places) else {
            return false;
        };
        if most <= own.saturating_add(1) {
            return false;
        }
        let is_of_crowd = |(_, held): &(u32, Held)| {
            held.lacks_a_kid() == lacks_a_kid && held.candidate.need.pool() == crowded
        };
        let Some(newest) = self.held.iter().rposition(is_of_crowd) else {
            return false;
        };
        let (context, mut held) = self.held.remove(newest);
        held.deadline = Monotonic::new(Duration::ZERO);
        self.displaced.push((context, held));
        self.count_kids();
        self.backlog = true;
        true
    }

    pub(super) fn add(&mut self, context: u32, held: Held) {
        self.remove(context);
        if held.lacks_a_kid() {
            self.for_kids = self.for_kids.saturating_add(1);
        }
        self.held.push((context, held));
    }

    pub(super) fn remove(&mut self, context: u32) -> bool {
        let count = |waiting: &Self| waiting.held.len().saturating_add(waiting.displaced.len());
        let before = count(self);
        self.held.retain(|(other, _)| *other != context);
        self.displaced.retain(|(other, _)| *other != context);
        self.count_kids();
        count(self) < before
    }

    /// Takes out requests that may have a verdict, first those displaced, then the oldest, and a
    /// batch at the most.
    pub(super) fn take_ready(&mut self, mut ready: impl FnMut(&Held) -> bool) -> Vec<(u32, Held)> {
        let displaced = self.displaced.len().min(Self::BATCH);
        let mut taken: Vec<_> = self.displaced.drain(..displaced).collect();
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
        self.held.is_empty() && self.displaced.is_empty()
    }
}
