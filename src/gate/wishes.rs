//! What requests have lacked that were not delayed for it. They are gone; those that come after them
//! may have it.

use crate::decision::Candidate;
use crate::facts::Need;

/// The needs of the requests since the last tick, each once, with the token that it is about.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    all: Vec<(Need, Vec<u8>)>,
    /// How many of them have been told of before the tick.
    told: usize,
}

impl Wishes {
    /// As many as wait for a new key where requests wait; more is a flood.
    const MOST: usize = 128;

    pub(super) fn add(&mut self, candidate: &Candidate) {
        let need = match candidate.need() {
            // One fetch serves all tokens of the issuer.
            Need::NewerKeys {
                issuer, generation, ..
            } => Need::NewerKeys {
                issuer,
                generation,
                issued_at: None,
            },
            need => need,
        };
        if self.takes(need) {
            self.all.push((need, candidate.compact().to_vec()));
        }
    }

    /// The same of a request that another gate has.
    pub(super) fn take_over(&mut self, need: Need, compact: Vec<u8>) {
        if self.takes(need) {
            self.all.push((need, compact));
        }
    }

    fn takes(&self, need: Need) -> bool {
        self.all.len() < Self::MOST && self.all.iter().all(|(known, _)| *known != need)
    }

    /// Whether there are some that have not been told of.
    pub(super) const fn has_news(&self) -> bool {
        self.told < self.all.len()
    }

    /// Those; all have been told of then.
    pub(super) fn news(&mut self) -> impl Iterator<Item = (Need, &[u8])> {
        let told = std::mem::replace(&mut self.told, self.all.len());
        self.iter().skip(told)
    }

    /// All of them; none is left.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Need, &[u8])> {
        self.all.iter().map(|(need, compact)| (*need, &compact[..]))
    }
}
