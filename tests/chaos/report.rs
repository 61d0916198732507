//! What came of it all, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::request::Owed;

/// What the clients saw.
#[derive(Default)]
pub(crate) struct Tally {
    verdicts: BTreeMap<(Owed, u16), usize>,
    prompt: Vec<Duration>,
    broken: Vec<String>,
    /// Connections that Envoy closed before it answered a request on them; the request was sent again.
    pub(crate) sent_again: usize,
}

impl Tally {
    /// Notes an answer, and how long it took.
    pub(crate) fn note(&mut self, owed: Owed, status: u16, took: Duration) {
        *self.verdicts.entry((owed, status)).or_default() += 1;
        if owed == Owed::Pass {
            self.prompt.push(took);
        }
    }

    /// Notes a broken promise.
    pub(crate) fn broken(&mut self, what: String) {
        self.broken.push(what);
    }

    /// Adds what another client saw.
    pub(crate) fn merge(&mut self, other: Self) {
        for (key, count) in other.verdicts {
            *self.verdicts.entry(key).or_default() += count;
        }
        self.prompt.extend(other.prompt);
        self.broken.extend(other.broken);
        self.sent_again += other.sent_again;
    }

    /// The number of answers.
    pub(crate) fn total(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// The number of answers with this status.
    pub(crate) fn with_status(&self, status: u16) -> usize {
        let counts = self.verdicts.iter();
        let same = counts.filter(|((_, found), _)| *found == status);
        same.map(|(_, count)| *count).sum()
    }

    /// The number of answers to requests that were owed this.
    pub(crate) fn owed(&self, owed: Owed) -> usize {
        let counts = self.verdicts.iter();
        let same = counts.filter(|((found, _), _)| *found == owed);
        same.map(|(_, count)| *count).sum()
    }

    /// The latency that this share of the prompt answers stayed below, in thousandths.
    pub(crate) fn quantile(&mut self, thousandths: usize) -> Duration {
        self.prompt.sort_unstable();
        let last = self.prompt.len().saturating_sub(1);
        let index = self.prompt.len() * thousandths / 1000;
        self.prompt
            .get(index.min(last))
            .copied()
            .unwrap_or_default()
    }

    /// Every promise that was broken.
    pub(crate) fn all_broken(&self) -> &[String] {
        &self.broken
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "requests: {}", self.total())?;
        for ((owed, status), count) in &self.verdicts {
            write!(formatter, "\n  owed {owed:?}, got {status}: {count}")?;
        }
        write!(formatter, "\n  sent again: {}", self.sent_again)
    }
}
