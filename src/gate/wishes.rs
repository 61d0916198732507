//! What requests have lacked that were not delayed for it. They are gone; those that come after them
//! may have it.

use crate::decision::Candidate;
use crate::facts::Need;

/// The needs of the requests since the last tick, each once, with the token that it is about.
#[derive(Debug, Default)]
pub(super) struct Wishes(Vec<(Need, Vec<u8>)>);

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
            self.0.push((need, candidate.compact().to_vec()));
        }
    }

    /// The same of a request that another gate has.
    pub(super) fn take_over(&mut self, need: Need, compact: Vec<u8>) {
        if self.takes(need) {
            self.0.push((need, compact));
        }
    }

    fn takes(&self, need: Need) -> bool {
        self.0.len() < Self::MOST && self.0.iter().all(|(known, _)| *known != need)
    }

    /// All of them; none is left.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Need, &[u8])> {
        self.0.iter().map(|(need, compact)| (*need, &compact[..]))
    }
}
