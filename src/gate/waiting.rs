//! Requests that wait: bounded in number, none longer than its pool's time-out, and no pool at the
//! expense of another.

use super::Candidate;
use crate::policy::PoolIndex;
use crate::time::{Monotonic, Timestamp};

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

    const fn place(self) -> Place {
        match self {
            Self::Keys(_) => Place::ColdStart,
            Self::Kid { .. } => Place::UnknownKey,
        }
    }
}

/// Where requests wait. Each place has a limit of its own, so that random kids cannot fill that of a
/// cold start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Until there are keys at all.
    ColdStart,
    /// Until there is a newer key set.
    UnknownKey,
}

impl Place {
    /// How many requests of a worker it holds. With those that are displaced, at 16 kB a token: 23 MB.
    const fn limit(self) -> usize {
        match self {
            Self::ColdStart => 1024,
            // A rotation reaches a worker as a few requests at once; more is a flood.
            Self::UnknownKey => 128,
        }
    }
}

/// How long a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Until then.
    Deadline(Monotonic),
    /// No longer: it had to make room for another.
    Displaced,
}

impl Until {
    pub(super) fn is_over(self, now: Monotonic) -> bool {
        match self {
            Self::Deadline(deadline) => now >= deadline,
            Self::Displaced => true,
        }
    }
}

/// A held request.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) candidate: Candidate,
    pub(super) until: Until,
}

impl Held {
    fn is_in(&self, place: Place) -> bool {
        self.candidate.need.place() == place
    }
}

/// All held requests of a worker by the host's numbers, in the order in which they came to their place.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Vec<(u32, Held)>,
    /// How many of them wait in [`Place::UnknownKey`]; the others wait in [`Place::ColdStart`].
    for_kids: usize,
    /// Requests that had to make room: they hold no place, and are answered at the next tick.
    displaced: Vec<(u32, Held)>,
    backlog: bool,
}

impl Waiting {
    /// How many may be displaced between two ticks: four batches of verdicts.
    const MAX_DISPLACED: usize = 256;
    /// Verdicts given at one go: with signatures verified in the module, 64 take 40 ms, and a
    /// worker does nothing else meanwhile.
    const BATCH: usize = 64;

    pub(super) fn has_room(&self, need: Need) -> bool {
        let place = need.place();
        let taken = match place {
            Place::ColdStart => self.held.len().saturating_sub(self.for_kids),
            Place::UnknownKey => self.for_kids,
        };
        taken < place.limit()
    }

    /// Whether there is a place. If there is none, the newest request of the pool that has most makes
    /// room, as long as the newcomer's pool has fewer: without keys it cannot be told whose tokens these
    /// are, and a flood of forged ones for one pool must not keep those of another out.
    pub(super) fn make_room(&mut self, need: Need) -> bool {
        if self.has_room(need) {
            return true;
        }
        if self.displaced.len() >= Self::MAX_DISPLACED {
            return false;
        }
        let place = need.place();
        // A list, since there are few pools, and a map would make the module larger by a hundredth.
        let mut places = vec![(need.pool(), 0_usize)];
        for (_, held) in self.held.iter().filter(|(_, held)| held.is_in(place)) {
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
        let is_of_crowd =
            |(_, held): &(u32, Held)| held.is_in(place) && held.candidate.need.pool() == crowded;
        let Some(newest) = self.held.iter().rposition(is_of_crowd) else {
            return false;
        };
        let (context, mut held) = self.held.remove(newest);
        held.until = Until::Displaced;
        self.displaced.push((context, held));
        self.count_kids();
        self.backlog = true;
        true
    }

    pub(super) fn add(&mut self, context: u32, held: Held) {
        self.remove(context);
        if held.is_in(Place::UnknownKey) {
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

    /// Takes out requests that may have a verdict, first those displaced, then those that came first,
    /// and a batch at the most.
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

    /// The pools and generations to which a newer key set is waited for, each as often as there are
    /// requests. Nothing is looked through while there are none.
    pub(super) fn demands(&self) -> impl Iterator<Item = (PoolIndex, u64)> {
        let held = match self.for_kids {
            0 => &[],
            _ => self.held.as_slice(),
        };
        held.iter()
            .filter_map(|(_, held)| match held.candidate.need {
                Need::Keys(_) => None,
                Need::Kid {
                    pool, generation, ..
                } => Some((pool, generation)),
            })
    }

    fn count_kids(&mut self) {
        let kids = |(_, held): &&(u32, Held)| held.is_in(Place::UnknownKey);
        self.for_kids = self.held.iter().filter(kids).count();
    }

    /// Whether the last batch may have left some that are ready.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.displaced.is_empty()
    }
}
