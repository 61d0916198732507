//! The decision itself, made by the gate as it is made in Envoy, with keys from the desk.

use super::Question;
use super::inquiry::Inquiry;
use cognito_authorizer::gate::{Decision, Gate, Now, Verdict};
use cognito_authorizer::jwks::{InvalidKeySet, KeySet};
use cognito_authorizer::policy::{KeySource, Policy};
use cognito_authorizer::reject::Reason;
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::remote::schedule::Entropy;
use cognito_authorizer::remote::space::MemorySpace;
use cognito_authorizer::reply::Refusal;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::Monotonic;
use std::rc::Rc;

/// The gate after it has decided, and what it decided.
pub(super) struct Hearing {
    /// It still has the keys by which it decided.
    pub(super) gate: Gate,
    /// With keys that are there, or were awaited in vain.
    pub(super) verdict: Verdict,
    /// Why the given key set could not be used.
    unusable: Option<InvalidKeySet>,
    keys_given: bool,
}

/// The number under which the one request is held.
const CONTEXT: u32 = 1;

impl Hearing {
    /// Asks a gate whose pools were fetched before the request came, as in an Envoy that is up.
    pub(super) fn hold(policy: &Rc<Policy>, request: &Request, question: &Question) -> Self {
        // Nobody else fetches at the same time: that retries are jittered makes no difference.
        let gate = Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(0));
        let space = MemorySpace::default();
        let mut clock = Monotonic::default();
        let mut hearing = Self {
            gate,
            verdict: Verdict::Refuse(Refusal::Plain(Reason::KeysUnavailable)),
            unusable: question
                .keys
                .as_deref()
                .and_then(|keys| KeySet::parse(keys).err()),
            keys_given: question.keys.is_some(),
        };
        let at = |monotonic| Now {
            wall: question.now,
            monotonic,
        };
        hearing.gate.start(clock, &space);
        hearing.turn(at(clock), &space, question.keys.as_deref());
        let (decision, _) = hearing.gate.decide(request, question.now);
        let verdict = match decision {
            Decision::Verdict(verdict) => Some(verdict),
            Decision::Hold(candidate) => hearing.gate.hold(CONTEXT, candidate, at(clock), &space),
        };
        if let Some(verdict) = verdict {
            hearing.verdict = verdict;
            return hearing;
        }
        // The gate gives up within the pool's time-out, and this clock runs as fast as it likes.
        loop {
            clock = clock.after(hearing.gate.next_tick(clock));
            if let Some(verdict) = hearing.turn(at(clock), &space, question.keys.as_deref()) {
                hearing.verdict = verdict;
                return hearing;
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

    /// What is wrong with the key set that was given, if the gate would have none of it.
    pub(super) const fn unusable(&self) -> Option<InvalidKeySet> {
        self.unusable
    }

    /// What the one who asks should know about the keys.
    pub(super) fn notes(&self, policy: &Policy, inquiry: &Inquiry<'_>) -> Vec<String> {
        let mut notes = Vec::new();
        let fetches = |pool: &KeySource| matches!(pool, KeySource::Fetched(_));
        if self.keys_given && !policy.pools.iter().any(|(_, pool)| fetches(&pool.keys)) {
            notes.push(
                "--jwks was not used: every pool of the configuration has its keys inline"
                    .to_owned(),
            );
        }
        let unavailable = match &self.verdict {
            Verdict::Refuse(refusal) => refusal.reason() == Reason::KeysUnavailable,
            Verdict::Forward(_) => false,
        };
        if unavailable
            && !self.keys_given
            && let Some(KeySource::Fetched(source)) = inquiry.pool().map(|pool| &pool.keys)
        {
            notes.push(format!(
                "the signature was not checked, for want of keys; give them with --jwks FILE, or --jwks {}",
                source.endpoint.uri
            ));
        }
        notes
    }
}
