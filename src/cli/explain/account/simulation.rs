//! The decision itself, made by the gate as it is made in Envoy, with keys from the desk.

use cognito_authorizer::gate::{Decision, Gate, Now, Verdict};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::reject::Reason;
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::remote::schedule::Entropy;
use cognito_authorizer::remote::space::MemorySpace;
use cognito_authorizer::reply::Refusal;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
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
        let space = MemorySpace::default();
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
    fn turn(&mut self, now: Now, space: &MemorySpace, keys: Option<&[u8]>) -> Option<Verdict> {
        let mut effects = self.gate.tick(now, space);
        for (id, _) in effects.calls {
            let answer = match keys {
                Some(keys) => Answer::Response {
                    status: 200,
                    body: Some(keys.to_vec()),
                },
                None => Answer::NoResponse,
            };
            let next = self.gate.answered(id, &answer, now, space);
            effects.verdicts.extend(next.verdicts);
        }
        effects.verdicts.pop().map(|(_, verdict)| verdict)
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
