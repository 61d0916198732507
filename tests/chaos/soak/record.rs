//! What the clients saw, held against what they were owed.

use std::collections::BTreeMap;
use std::fmt;

use super::clients::Errand;
use super::errands::{KINDS, Owed};
use crate::harness::client::Response;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::table::difference;
use crate::harness::upstream::{GREETING, Upstream};

/// Answers, by the kind of the request and what it got.
#[derive(Default)]
pub(super) struct Record {
    answers: BTreeMap<(&'static str, &'static str), usize>,
    broken: Vec<String>,
    /// Requests whose answer nobody waited for.
    pub(super) left: usize,
    /// Requests sent again because the connection was closed instead of an answer.
    pub(super) sent_again: usize,
}

impl Record {
    /// Notes an answer. While an endpoint fails, an unknown key may not be known to be one.
    pub(super) fn note(&mut self, errand: &Errand, response: &Response, failing: bool) {
        let kind = errand.kind;
        let passed = || (response.status, response.body.as_str()) == (200, GREETING);
        let excused = failing && kind.name == "unknown_key";
        let got = match kind.owed {
            Owed::Pass => passed().then_some("passed"),
            Owed::Refusal if difference(response, kind.name).is_none() => Some(kind.name),
            Owed::Refusal => {
                let unavailable = excused && difference(response, "keys_unavailable").is_none();
                unavailable.then_some("keys_unavailable")
            }
        };
        match got {
            Some(got) => *self.answers.entry((kind.name, got)).or_default() += 1,
            None => self.broken.push(format!("{}: {response:?}", kind.name)),
        }
    }

    /// Adds what another client saw.
    pub(super) fn merge(&mut self, other: Self) {
        for (key, count) in other.answers {
            *self.answers.entry(key).or_default() += count;
        }
        self.broken.extend(other.broken);
        self.left += other.left;
        self.sent_again += other.sent_again;
    }

    fn of(&self, name: &str) -> u64 {
        let same = self.answers.iter().filter(|((kind, _), _)| *kind == name);
        let count: usize = same.map(|(_, count)| *count).sum();
        u64::try_from(count).expect("a number of requests")
    }

    /// Asserts that every answer was the promised one, that Envoy counted them all, and that the
    /// upstream saw what was let in and nothing else.
    #[track_caller]
    pub(super) fn assert_kept(&self, envoy: &EnvoyUnderTest, upstream: &Upstream) {
        let some = self.broken.get(..self.broken.len().min(10));
        assert!(self.broken.is_empty(), "broken promises: {some:#?}");
        assert_eq!(
            self.sent_again, 0,
            "connections closed instead of an answer"
        );
        for kind in KINDS {
            assert!(self.of(kind.name) > 0, "no request was {}", kind.name);
            if kind.owed == Owed::Refusal && !kind.is_left() {
                let counted = envoy.metric(&format!("denied.{}", kind.name));
                assert_eq!(counted, self.of(kind.name), "denied.{}", kind.name);
            }
        }
        let anonymous = envoy.metric("anonymous");
        assert_eq!(anonymous, self.of("open") + self.of("optional"));
        let passed = self.of("known") + self.of("new") + self.of("partner") + anonymous;
        let (seen, let_in) = (upstream.total(), envoy.metric("allowed") + anonymous);
        let seen = u64::try_from(seen).expect("a number of requests");
        // Of those who left, some left before their request went on.
        assert!(
            (passed..=let_in).contains(&seen),
            "{passed} passed, {seen} at the upstream, {let_in} let in"
        );
        let metrics = [
            "held",
            "cancelled",
            "token_cache.hit",
            "token_cache.miss",
            "authorizer.partners.called",
            "authorizer.partners.remembered",
            "authorizer.partners.failed",
        ];
        for metric in metrics {
            assert!(envoy.metric(metric) > 0, "{metric}");
        }
        assert_eq!(envoy.metric("authorizer_in_flight"), 0);
    }
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "answers, by kind and outcome:")?;
        for ((kind, got), count) in &self.answers {
            write!(formatter, "\n  {kind:24} {got:24} {count:8}")?;
        }
        write!(formatter, "\n  left before their answer: {}", self.left)
    }
}
