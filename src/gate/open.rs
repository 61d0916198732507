//! Requests that have gone on with a token and are open still: an upload, a download, a stream of
//! events, a WebSocket.
//!
//! A verdict is given once, when a request begins, and a request may last longer than its token.
//! Under `at_expiry: close` each is cut when its token ends. A tick before the next of these ends
//! looks at no request, and any other at all of them, which takes some 10 ns for each.

use crate::time::Timestamp;
use std::collections::HashMap;

/// The open requests of a worker by the host's numbers.
///
/// They are as many as the host has open: its limits for connections and streams bound them.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// With the end of the token of each.
    requests: HashMap<u32, Timestamp>,
    /// No token ends before.
    next_end: Option<Timestamp>,
    /// Whether more have ended than the last tick has cut.
    backlog: bool,
}

impl Open {
    /// Cut at one go: Envoy ends a stream with all its filters and its log line in some 20 us.
    const BATCH: usize = 64;

    /// Takes in a request that goes on with a token until this end.
    pub(super) fn add(&mut self, context: u32, ends: Timestamp) {
        self.requests.insert(context, ends);
        self.next_end = Some(self.next_end.map_or(ends, |next| next.min(ends)));
    }

    /// Forgets one that has ended by itself.
    pub(super) fn remove(&mut self, context: u32) {
        self.requests.remove(&context);
    }

    /// Takes out those whose token has ended, as many as are cut at one go.
    pub(super) fn take_ended(&mut self, now: Timestamp) -> Vec<u32> {
        self.backlog = false;
        if self.next_end.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let all = self.requests.iter();
        let ended = all.filter(|(_, ends)| **ends <= now);
        let ended: Vec<_> = ended
            .map(|(context, _)| *context)
            .take(Self::BATCH)
            .collect();
        for context in &ended {
            self.requests.remove(context);
        }
        self.next_end = self.requests.values().min().copied();
        self.backlog = self.next_end.is_some_and(|next| next <= now);
        ended
    }

    /// Whether the next tick has something to do at once.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u32) -> Timestamp {
        Timestamp::from_seconds(f64::from(seconds)).unwrap()
    }

    /// What is cut in each second, of requests with these ends.
    fn cut(open: &mut Open, seconds: std::ops::RangeInclusive<u32>) -> Vec<Vec<u32>> {
        let cut = seconds.map(|now| {
            let mut cut = open.take_ended(second(now));
            cut.sort_unstable();
            cut
        });
        cut.collect()
    }

    #[test]
    fn each_is_cut_at_its_end_and_once() {
        let mut open = Open::default();
        for (context, end) in [(7, 3), (5, 2), (9, 2), (6, 5)] {
            open.add(context, second(end));
        }
        assert_eq!(
            cut(&mut open, 1..=6),
            [vec![], vec![5, 9], vec![7], vec![], vec![6], vec![]]
        );
        assert!(open.requests.is_empty());
    }

    #[test]
    fn one_that_has_ended_by_itself_is_not_cut() {
        let mut open = Open::default();
        for context in 1..4 {
            open.add(context, second(2));
        }
        open.remove(2);
        open.remove(2);
        open.remove(8);
        assert_eq!(cut(&mut open, 2..=2), [[1, 3]]);
    }

    /// The host may use a number again.
    #[test]
    fn the_last_word_about_a_number_counts() {
        let mut open = Open::default();
        open.add(1, second(2));
        open.add(1, second(4));
        assert_eq!(
            cut(&mut open, 1..=5),
            [vec![], vec![], vec![], vec![1], vec![]]
        );
    }

    #[test]
    fn a_crowd_is_cut_in_batches() {
        let mut open = Open::default();
        for context in 0..200 {
            open.add(context, second(1));
        }
        for left in [136, 72, 8] {
            assert_eq!(open.take_ended(second(1)).len(), 64);
            assert_eq!(open.requests.len(), left);
            assert!(open.has_backlog());
        }
        assert_eq!(open.take_ended(second(1)).len(), 8);
        assert!(!open.has_backlog());
    }
}
