//! The decision itself, made by the gate as it is made in Envoy, with keys from the desk.

use super::Question;
use super::inquiry::Inquiry;
use cognito_authorizer::gate::{Decision, Gate, Now, Verdict};
use cognito_authorizer::keyring::shared::{Conflict, SharedSpace, Version};
use cognito_authorizer::keyring::{Answer, Entropy, FetchFailure, FetchOutcome};
use cognito_authorizer::policy::{KeySource, Policy};
use cognito_authorizer::reject::Reason;
use cognito_authorizer::reply::Refusal;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::Monotonic;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The gate after it has decided, and what it decided.
pub(super) struct Hearing {
    /// It still has the keys by which it decided.
    pub(super) gate: Gate,
    /// With keys that are there, or were awaited in vain.
    pub(super) verdict: Verdict,
    /// Why the given key set could not be used.
    unusable: Option<FetchFailure>,
    keys_given: bool,
}

/// The number under which the one request is held.
const CONTEXT: u32 = 1;

impl Hearing {
    /// Asks a gate whose pools were fetched before the request came, as in an Envoy that is up.
    pub(super) fn hold(policy: &Rc<Policy>, request: &Request, question: &Question) -> Self {
        // Nobody else fetches at the same time: that retries are jittered makes no difference.
        let gate = Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(0));
        let space = Desk::default();
        let mut clock = Monotonic::default();
        let mut hearing = Self {
            gate,
            verdict: Verdict::Refuse(Refusal::Plain(Reason::KeysUnavailable)),
            unusable: None,
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
            let (fetched, next) = self.gate.answered(fetch, &answer, now, space);
            if let FetchOutcome::BeganToFail(failure) | FetchOutcome::StillFails(failure) = fetched
            {
                self.unusable = Some(failure);
            }
            progress.verdicts.extend(next.verdicts);
        }
        progress.verdicts.pop().map(|(_, verdict)| verdict)
    }

    /// What is wrong with the key set that was given, if the gate would have none of it.
    pub(super) const fn unusable(&self) -> Option<FetchFailure> {
        match self.keys_given {
            true => self.unusable,
            false => None,
        }
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
            && let Some(KeySource::Fetched(endpoint)) = inquiry.pool().map(|pool| &pool.keys)
        {
            notes.push(format!(
                "the signature was not checked, for want of keys; give them with --jwks FILE, or --jwks {}",
                endpoint.uri
            ));
        }
        notes
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
