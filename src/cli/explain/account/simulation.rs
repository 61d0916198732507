//! The decision itself, made by the gate as it is made in Envoy, with keys from the desk.

use cognito_authorizer::gate::{Decision, Gate, Now, Verdict};
use cognito_authorizer::keyring::shared::{Conflict, SharedSpace, Version};
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::reject::Reason;
use cognito_authorizer::reply::Refusal;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What is asked: what becomes of this request?
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The request's headers, pseudo-headers among them, names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The wall clock.
    pub(crate) now: Timestamp,
    /// The key set that the issuer's endpoint would answer with, if one was given.
    pub(crate) keys: Option<Vec<u8>>,
}

/// The gate after it has decided, and what it decided.
pub(super) struct Simulation {
    /// It still has the keys by which it decided.
    pub(super) gate: Gate,
    /// With keys that are there, or were awaited in vain.
    pub(super) verdict: Verdict,
    keys_given: bool,
}

/// The number under which the one request is held.
const CONTEXT: u32 = 1;

impl Simulation {
    /// Asks a gate whose pools were fetched before the request came, as in an Envoy that is up.
    pub(super) fn run(policy: &Rc<Policy>, request: &Request, question: &Question) -> Self {
        // Nobody else fetches at the same time: that retries are jittered makes no difference.
        let gate = Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(0));
        let space = Desk::default();
        let mut clock = Monotonic::default();
        let mut simulation = Self {
            gate,
            verdict: Verdict::Refuse(Refusal::Plain(Reason::KeysUnavailable)),
            keys_given: question.keys.is_some(),
        };
        let at = |monotonic| Now {
            wall: question.now,
            monotonic,
        };
        simulation.gate.start(clock, &space);
        simulation.turn(at(clock), &space, question.keys.as_deref());
        let (decision, _) = simulation.gate.decide(request, question.now);
        let verdict = match decision {
            Decision::Verdict(verdict) => Some(verdict),
            Decision::Hold(candidate) => {
                simulation.gate.hold(CONTEXT, candidate, at(clock), &space)
            }
        };
        if let Some(verdict) = verdict {
            simulation.verdict = verdict;
            return simulation;
        }
        // The gate gives up within the pool's time-out, and this clock runs as fast as it likes.
        loop {
            clock = clock.after(simulation.gate.next_tick(clock));
            if let Some(verdict) = simulation.turn(at(clock), &space, question.keys.as_deref()) {
                simulation.verdict = verdict;
                return simulation;
            }
        }
    }

    /// One tick, with an answer for every fetch that it wants made.
    fn turn(&mut self, now: Now, space: &Desk, keys: Option<&[u8]>) -> Option<Verdict> {
        let mut progress = self.gate.tick(now, space);
        for fetch in progress.fetches {
            let answer = match keys {
                Some(keys) => Answer::Response {
                    status: 200,
                    body: Some(keys.to_vec()),
                },
                None => Answer::NoResponse,
            };
            let (_, next) = self.gate.answered(fetch, &answer, now, space);
            progress.verdicts.extend(next.verdicts);
        }
        progress.verdicts.pop().map(|(_, verdict)| verdict)
    }

    /// Whether the decision ended for want of keys, because none were given. A token that is newer
    /// than a given set is refused as in Envoy, where its key may be on the way.
    pub(super) fn lacks_keys(&self) -> bool {
        match &self.verdict {
            Verdict::Refuse(refusal) => {
                !self.keys_given && refusal.reason() == Reason::KeysUnavailable
            }
            Verdict::Forward(_) => false,
        }
    }
}

/// What Envoy keeps for its VMs. At a desk there is one.
#[derive(Debug, Default)]
struct Desk(RefCell<HashMap<String, (Vec<u8>, u32)>>);

impl SharedSpace for Desk {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        match self.0.borrow().get(name) {
            Some((bytes, version)) => (Some(bytes.clone()), Version::Is(*version)),
            None => (None, Version::Absent),
        }
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        let mut entries = self.0.borrow_mut();
        let current = entries.get(name).map(|(_, version)| *version);
        let fits = match version {
            Version::Any => true,
            Version::Absent => current.is_none(),
            Version::Is(version) => current == Some(version),
        };
        if !fits {
            return Err(Conflict);
        }
        let next = current.unwrap_or_default().wrapping_add(1);
        entries.insert(name.to_owned(), (value.to_vec(), next));
        Ok(())
    }
}
