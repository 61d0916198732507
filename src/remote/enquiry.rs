//! Questions about single requests, as one VM asks them: what is under way, and what was answered.
//!
//! A [`document`](super::document) is fetched because its time has come. A question is asked because
//! a request waits for its answer, and its key says what it is about, so that two requests with one
//! question are one call. The question is not the request's own: it goes on when the request has
//! gone away, and its answer serves whoever asks next.
//!
//! Whoever can send requests can have questions asked. So both halves are bounded: calls under way
//! by their number, answers by their number and by the memory that they take. What was learnt first
//! is forgotten first; it is no loss but of a call.

use super::call::{CallId, CallIds};
use crate::time::Monotonic;
use std::collections::HashMap;
use std::hash::Hash;

/// The questions of one VM, by what they are about.
#[derive(Debug)]
pub struct Enquiries<K, V> {
    limits: Limits,
    under_way: HashMap<CallId, K>,
    /// The same the other way round, since it is asked for each request that waits.
    asked: HashMap<K, CallId>,
    answers: HashMap<K, Learnt<V>>,
    /// What all answers take.
    bytes: usize,
}

/// How much there may be of questions and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way.
    pub under_way: usize,
    /// Answers that are remembered.
    pub answers: usize,
    /// The bytes that these take together.
    pub bytes: usize,
}

/// An answer, and when it was learnt.
#[derive(Debug)]
struct Learnt<V> {
    value: V,
    at: Monotonic,
    bytes: usize,
}

impl<K: Copy + Eq + Hash, V> Enquiries<K, V> {
    /// No question yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            under_way: HashMap::new(),
            asked: HashMap::new(),
            answers: HashMap::new(),
            bytes: 0,
        }
    }

    /// What was last learnt about this, and when.
    #[must_use]
    pub fn answer(&self, key: &K) -> Option<(&V, Monotonic)> {
        let learnt = self.answers.get(key)?;
        Some((&learnt.value, learnt.at))
    }

    /// Whether a call about this is under way.
    #[must_use]
    pub fn is_asked(&self, key: &K) -> bool {
        self.asked.contains_key(key)
    }

    /// The call about this that is under way.
    #[must_use]
    pub fn call(&self, key: &K) -> Option<CallId> {
        self.asked.get(key).copied()
    }

    /// How many calls are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether another call may begin.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.under_way.len() < self.limits.under_way
    }

    /// Begins a call; `None` if one about this is under way, or as many as may be.
    pub fn open(&mut self, key: K, ids: &mut CallIds) -> Option<CallId> {
        if self.is_asked(&key) || !self.has_room() {
            return None;
        }
        let id = ids.next();
        self.under_way.insert(id, key);
        self.asked.insert(key, id);
        Some(id)
    }

    /// Ends a call, and says what it was about; `None` if it was none of these.
    pub fn close(&mut self, id: CallId) -> Option<K> {
        let key = self.under_way.remove(&id)?;
        self.asked.remove(&key);
        Some(key)
    }

    /// Ends all calls, since no answer will find this VM.
    pub fn close_all(&mut self) -> impl Iterator<Item = K> {
        self.asked.clear();
        std::mem::take(&mut self.under_way).into_values()
    }

    /// Remembers an answer that takes so many bytes, in place of any other about this. One that is
    /// larger than all together may be is not remembered.
    pub fn learn(&mut self, key: K, value: V, bytes: usize, now: Monotonic) {
        self.forget(&key);
        if bytes > self.limits.bytes {
            return;
        }
        let room = |this: &Self| {
            this.answers.len() < this.limits.answers
                && this.bytes.saturating_add(bytes) <= this.limits.bytes
        };
        while !room(self) {
            if self.answers.is_empty() {
                return;
            }
            self.forget_oldest();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let at = now;
        self.answers.insert(key, Learnt { value, at, bytes });
    }

    fn forget(&mut self, key: &K) {
        if let Some(learnt) = self.answers.remove(key) {
            self.bytes = self.bytes.saturating_sub(learnt.bytes);
        }
    }

    /// Forgets what was learnt in the first eighth of the time: all are looked at, so that one by one
    /// a full memory would cost this for every answer.
    fn forget_oldest(&mut self) {
        let times = || self.answers.values().map(|learnt| learnt.at);
        let (oldest, newest) = (times().min(), times().max());
        let span = newest.unwrap_or_default().since(oldest.unwrap_or_default());
        let until = oldest
            .unwrap_or_default()
            .after(span.checked_div(8).unwrap_or_default());
        let mut bytes = self.bytes;
        self.answers.retain(|_, learnt| {
            let stays = learnt.at > until;
            if !stays {
                bytes = bytes.saturating_sub(learnt.bytes);
            }
            stays
        });
        self.bytes = bytes;
    }

    /// Forgets all answers. Calls under way go on.
    pub fn forget_answers(&mut self) {
        self.answers.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    fn enquiries(under_way: usize, answers: usize, bytes: usize) -> Enquiries<u8, &'static str> {
        Enquiries::new(Limits {
            under_way,
            answers,
            bytes,
        })
    }

    fn known(enquiries: &Enquiries<u8, &'static str>) -> Vec<u8> {
        (0..=u8::MAX)
            .filter(|key| enquiries.answer(key).is_some())
            .collect()
    }

    #[test]
    fn one_question_is_one_call_until_it_ends() {
        let (mut enquiries, mut ids) = (enquiries(9, 9, 9), CallIds::default());
        let first = enquiries.open(1, &mut ids).unwrap();
        assert!(enquiries.is_asked(&1) && !enquiries.is_asked(&2));
        assert_eq!(enquiries.open(1, &mut ids), None);
        let second = enquiries.open(2, &mut ids).unwrap();
        assert_eq!(enquiries.close(first), Some(1));
        assert_eq!(enquiries.close(first), None);
        assert!(!enquiries.is_asked(&1) && enquiries.is_asked(&2));
        let again = enquiries.open(1, &mut ids).unwrap();
        assert_ne!(again, first);
        assert_eq!(enquiries.close(second), Some(2));
        assert_eq!(enquiries.close(again), Some(1));
    }

    #[test]
    fn calls_under_way_are_bounded() {
        let (mut enquiries, mut ids) = (enquiries(2, 9, 9), CallIds::default());
        let first = enquiries.open(1, &mut ids).unwrap();
        assert!(enquiries.has_room());
        enquiries.open(2, &mut ids).unwrap();
        assert!(!enquiries.has_room());
        assert_eq!(enquiries.open(3, &mut ids), None);
        enquiries.close(first);
        assert!(enquiries.has_room());
        assert!(enquiries.open(3, &mut ids).is_some());
    }

    #[test]
    fn calls_that_are_given_up_are_named() {
        let (mut enquiries, mut ids) = (enquiries(9, 9, 9), CallIds::default());
        let first = enquiries.open(1, &mut ids).unwrap();
        enquiries.open(2, &mut ids).unwrap();
        enquiries.learn(3, "three", 1, at(1));
        let mut given_up: Vec<_> = enquiries.close_all().collect();
        given_up.sort_unstable();
        assert_eq!(given_up, [1, 2]);
        assert_eq!(enquiries.close(first), None);
        assert!(!enquiries.is_asked(&1) && !enquiries.is_asked(&2));
        assert_eq!(known(&enquiries), [3]);
    }

    #[test]
    fn an_answer_takes_the_place_of_the_last() {
        let mut enquiries = enquiries(9, 2, 9);
        assert_eq!(enquiries.answer(&1), None);
        enquiries.learn(1, "one", 8, at(1));
        assert_eq!(enquiries.answer(&1), Some((&"one", at(1))));
        // Its bytes are given back first, or there would be no room for it.
        enquiries.learn(1, "other", 9, at(2));
        assert_eq!(enquiries.answer(&1), Some((&"other", at(2))));
        enquiries.forget_answers();
        assert!(known(&enquiries).is_empty());
        enquiries.learn(2, "two", 9, at(3));
        assert_eq!(known(&enquiries), [2]);
    }

    #[test]
    fn the_oldest_answers_make_room() {
        let mut enquiries = enquiries(9, 3, 10);
        for (key, seconds) in [(1, 2), (2, 1), (3, 3)] {
            enquiries.learn(key, "", 3, at(seconds));
        }
        assert_eq!(known(&enquiries), [1, 2, 3]);
        // One too many.
        enquiries.learn(4, "", 1, at(4));
        assert_eq!(known(&enquiries), [1, 3, 4]);
        // Seven bytes of ten are taken, and two answers have to go for four.
        enquiries.learn(5, "", 7, at(5));
        assert_eq!(known(&enquiries), [4, 5]);
        enquiries.learn(6, "", 2, at(6));
        assert_eq!(known(&enquiries), [4, 5, 6]);
        // Larger than all together: it is not kept, nor is what it says is outdated.
        enquiries.learn(5, "", 11, at(7));
        assert_eq!(known(&enquiries), [4, 6]);
        enquiries.learn(7, "", 10, at(8));
        assert_eq!(known(&enquiries), [7]);
    }

    #[test]
    fn a_full_memory_is_looked_through_once_for_many_answers() {
        let mut enquiries = enquiries(9, 80, 80);
        for key in 0..80 {
            enquiries.learn(key, "", 1, at(u64::from(key)));
        }
        // Nine of them were learnt in the first eighth of 79 seconds.
        enquiries.learn(80, "", 1, at(80));
        assert_eq!(known(&enquiries), (10..81).collect::<Vec<_>>());
        // Those of one moment go together.
        let mut enquiries = self::enquiries(9, 3, 3);
        for key in 0..3 {
            enquiries.learn(key, "", 1, at(1));
        }
        enquiries.learn(3, "", 1, at(1));
        assert_eq!(known(&enquiries), [3]);
    }
}
