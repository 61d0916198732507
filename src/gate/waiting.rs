//! Requests that wait for a fact: bounded in number, none longer than its limit, and no issuer at the
//! expense of another.
//!
//! Before its signature is verified a token costs an attacker nothing, and whether it is genuine is
//! what the keys are awaited for. So requests are not told apart by what they claim, but only by
//! the issuer that they name, and what is bounded is bounded for each worker: workers share nothing
//! but keys.

use crate::decision::Candidate;
use crate::facts::{Need, Place};
use crate::remote::call::CallId;
use crate::time::Monotonic;

/// A held request.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) candidate: Candidate,
    pub(super) until: Deadline,
}

/// Until when a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    At(Monotonic),
    /// It had to make room for another, holds no place, and is answered at the next tick.
    Displaced,
}

impl Deadline {
    pub(super) fn has_passed(self, now: Monotonic) -> bool {
        match self {
            Self::At(deadline) => now >= deadline,
            Self::Displaced => true,
        }
    }

    /// Whichever comes first.
    pub(super) fn at_latest(self, other: Monotonic) -> Self {
        match self {
            Self::At(deadline) => Self::At(deadline.min(other)),
            Self::Displaced => Self::Displaced,
        }
    }
}

impl Held {
    const fn need(&self) -> Need {
        self.candidate.need()
    }

    fn is_in(&self, place: Place) -> bool {
        self.need().place() == place
    }
}

/// All held requests of a worker by the host's numbers.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// In the order in which they came to their places.
    held: Vec<(u32, Held)>,
    /// Apart from the others, since they hold no place.
    displaced: Vec<(u32, Held)>,
    /// How many of `held` there are in each place.
    taken: [usize; Place::ALL.len()],
    /// Whether the last batch was a full one, and the next tick should come at once.
    backlog: bool,
}

impl Place {
    /// How many requests of one worker it takes.
    ///
    /// A limit for each, since one flood must not close the other place: random `kid`s are sent at
    /// a time when keys are there, and a cold start comes when they are not.
    const fn limit(self) -> usize {
        match self {
            // What a worker can hold through a cold start. With all others, at 16 kB a token: 25
            // MB.
            Self::ColdStart => 1024,
            // A rotation reaches a worker as a few requests at once; more is a flood.
            Self::UnknownKey => 128,
            // As at a cold start, which it is.
            Self::NoDenyList => 1024,
            // Few rules ask for it, and few tokens need it at one time.
            Self::Confirmation => 128,
            // As at a cold start: after an update of the configuration nothing is remembered.
            Self::Authorizer => 1024,
        }
    }
}

impl Waiting {
    /// How many may be displaced between two ticks: four batches of verdicts.
    const MAX_DISPLACED: usize = 256;
    /// Verdicts given at one go: with signatures verified in the module, 64 take 40 ms, and a
    /// worker does nothing else meanwhile.
    const BATCH: usize = 64;

    /// By a count that is kept, not by looking through the list: in a flood it is asked for every
    /// request.
    pub(super) fn has_room(&self, need: Need) -> bool {
        let place = need.place();
        let taken = Place::ALL.iter().zip(self.taken);
        let mut taken = taken.filter(|(one, _)| **one == place);
        taken.next().is_some_and(|(_, taken)| taken < place.limit())
    }

    /// Whether there is room. If there is none, the newest request of the issuer or authorizer that
    /// has most makes room, as long as the newcomer's has fewer: before its signature is verified no
    /// token can be told from a forged one, and a flood for one issuer must not keep those of another
    /// out.
    pub(super) fn make_room(&mut self, need: Need) -> bool {
        if self.has_room(need) {
            return true;
        }
        // A displaced request still takes memory until it is answered: without a limit, a flood
        // between two ticks would have no end.
        if self.displaced.len() >= Self::MAX_DISPLACED {
            return false;
        }
        let place = need.place();
        // Sorted, since there may be as many issuers as places, and counting through a list of them
        // would take the square of that, for every request of a flood.
        let held = self.held.iter().filter(|(_, held)| held.is_in(place));
        let mut owners: Vec<_> = held.map(|(_, held)| held.need().owner()).collect();
        owners.sort_unstable();
        let own = owners
            .iter()
            .filter(|owner| **owner == need.owner())
            .count();
        let crowds = owners.chunk_by(PartialEq::eq);
        let crowds = crowds.filter_map(|crowd| Some((*crowd.first()?, crowd.len())));
        let Some((crowded, most)) = crowds.max_by_key(|(_, held)| *held) else {
            return false;
        };
        // With a difference of one, the two would only change roles, and displace each other
        // without end.
        if most <= own.saturating_add(1) {
            return false;
        }
        let is_of_crowd =
            |(_, held): &(u32, Held)| held.is_in(place) && held.need().owner() == crowded;
        // The newest: the older ones have waited longer, and their answer is nearer.
        let Some(newest) = self.held.iter().rposition(is_of_crowd) else {
            return false;
        };
        let (context, mut held) = self.held.remove(newest);
        // It is not answered here, within another request's callback, but at the next tick, as
        // every held request is.
        held.until = Deadline::Displaced;
        self.displaced.push((context, held));
        self.count();
        self.backlog = true;
        true
    }

    /// One entry for each number, so that no request gets two verdicts.
    pub(super) fn add(&mut self, context: u32, held: Held) {
        self.remove(context);
        for (place, taken) in Place::ALL.iter().zip(&mut self.taken) {
            if held.is_in(*place) {
                *taken = taken.saturating_add(1);
            }
        }
        self.held.push((context, held));
    }

    pub(super) fn remove(&mut self, context: u32) -> bool {
        // Asked at the end of each stream, most of which have never waited: two lists, most often
        // empty.
        let others = |(other, _): &(u32, Held)| *other != context;
        let was_here = !self.held.iter().all(others) || !self.displaced.iter().all(others);
        if was_here {
            self.held.retain(others);
            self.displaced.retain(others);
            self.count();
        }
        was_here
    }

    /// Takes out requests that may have a verdict: first the displaced, then those that came first,
    /// and a batch at the most.
    pub(super) fn take_ready(&mut self, ready: impl Fn(&Held) -> bool) -> Vec<(u32, Held)> {
        // Their time is over, and each that is answered gives its memory back.
        let displaced = self.displaced.len().min(Self::BATCH);
        let mut taken: Vec<_> = self.displaced.drain(..displaced).collect();
        // One pass, in order: removing from the middle of the list, one by one, would cost the
        // square of it.
        let room = Self::BATCH.saturating_sub(taken.len());
        let found = self.held.extract_if(.., |(_, held)| ready(held));
        taken.extend(found.take(room));
        self.backlog = taken.len() == Self::BATCH;
        self.count();
        taken
    }

    /// Whether the end of this call is waited for.
    pub(super) fn awaits(&self, call: CallId) -> bool {
        let held = self.held.iter().chain(&self.displaced);
        let mut needs = held.map(|(_, held)| held.need());
        needs.any(|need| matches!(need, Need::Authorizer(enquiry) if enquiry.call == Some(call)))
    }

    /// What requests wait for, as far as it must be demanded, each with its token: keys that are
    /// missing altogether are fetched without that.
    pub(super) fn demands(&self) -> impl Iterator<Item = (Need, &[u8])> {
        self.held
            .iter()
            .filter(|(_, held)| !held.is_in(Place::ColdStart))
            .map(|(_, held)| (held.need(), held.candidate.compact()))
    }

    /// Counted anew where entries leave, since one count that went wrong would close a place for
    /// good.
    fn count(&mut self) {
        self.taken = Place::ALL.map(|place| match self.held.as_slice() {
            // After most answers nobody is left.
            [] => 0,
            held => held.iter().filter(|(_, held)| held.is_in(place)).count(),
        });
    }

    /// Whether the last batch may have left some that are ready.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.displaced.is_empty()
    }
}
