//! Gates of one process of which one alone makes calls for all.
//!
//! A VM of proxy-wasm makes its own calls, so every gate there is as good as any other. A thread that
//! serves requests natively cannot: the answer would find the request gone that it belonged to. There
//! one gate *leads*, on a thread that serves nothing. The others *follow*: at their ticks they say
//! what their requests lack, and read from the shared space what the leader has learnt.
//!
//! What an authorizer answers is about a request of one gate, and so are these calls: the host makes
//! them wherever it can, and brings their answers back.

use super::{Effects, Gate};
use crate::facts::{Facts, Need};
use crate::remote::space::SharedSpace;
use crate::time::{Monotonic, Now};
use std::time::Duration;

/// What a request of a following gate lacks.
#[derive(Clone, Debug)]
pub struct Demand {
    need: Need,
    /// The token that it is about.
    compact: Vec<u8>,
    /// When the key set was answered that does not have the key.
    answered_at: Option<Monotonic>,
}

/// What is to be demanded for this need, if nobody has begun to see to it.
fn demand(
    facts: &mut Facts,
    need: Need,
    compact: &[u8],
    now: Now,
    space: &dyn SharedSpace,
) -> Option<Demand> {
    facts.sync_need(need, now, space);
    if !facts.wants_a_call(need, now.monotonic) {
        return None;
    }
    let answered_at = match need {
        Need::NewerKeys { issuer, .. } => facts.keyring().answered_at(issuer),
        _ => None,
    };
    Some(Demand {
        need,
        compact: compact.to_vec(),
        answered_at,
    })
}

impl Gate {
    /// The tick of a gate that follows.
    pub fn follow(&mut self, now: Now, space: &dyn SharedSpace) -> (Effects, Vec<Demand>) {
        self.facts.look_at_clocks(now);
        self.facts.sync(now, space);
        let waiting = &self.waiting;
        self.facts.keep_outcomes(|call| waiting.awaits(call));
        let wishes = self.wishes.take();
        let lacked = self.waiting.demands().chain(wishes.iter());
        let mut demands: Vec<Demand> = Vec::new();
        for (need, compact) in lacked {
            // Of many requests that lack the same, one says so.
            if demands.iter().all(|demand| demand.need != need) {
                demands.extend(demand(&mut self.facts, need, compact, now, space));
            }
        }
        let effects = Effects {
            verdicts: self.verdicts(now),
            ended: self.ended(now.wall),
            calls: self.facts.begin_calls(),
            reports: self.facts.take_reports(),
        };
        (effects, demands)
    }

    /// What requests have lacked since the last tick that were not delayed for it. A host that has
    /// no ticks between requests tells of it at once, or the next request would lack it as well.
    pub fn wishes(&mut self, now: Now, space: &dyn SharedSpace) -> Vec<Demand> {
        let news = self.wishes.news();
        let demands =
            news.filter_map(|(need, compact)| demand(&mut self.facts, need, compact, now, space));
        demands.collect()
    }

    /// Whether there is anything that [`Gate::wishes`] would tell of.
    #[must_use]
    pub const fn has_wishes(&self) -> bool {
        self.wishes.has_news()
    }

    /// When the next tick of a gate that follows is wanted.
    #[must_use]
    pub fn next_follow(&self) -> Duration {
        if self.waiting.has_backlog() || self.open.has_backlog() || self.facts.has_calls() {
            Self::PROMPT_TICK
        } else if !self.waiting.is_empty() {
            Self::BUSY_TICK
        } else {
            Self::IDLE_TICK
        }
    }

    /// Takes over what a following gate lacks, until the next tick. One of an outdated key set has
    /// only to read the newer one.
    pub fn demand(&mut self, demand: Demand) {
        let need = match demand.need {
            Need::NewerKeys { issuer, .. } => {
                let keyring = self.facts.keyring();
                let Some(generation) = keyring.generation(issuer) else {
                    return;
                };
                if keyring.answered_at(issuer) > demand.answered_at {
                    return;
                }
                Need::NewerKeys {
                    issuer,
                    generation,
                    issued_at: None,
                }
            }
            need => need,
        };
        self.wishes.take_over(need, demand.compact);
    }
}
