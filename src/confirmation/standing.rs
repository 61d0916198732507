//! What is known of a token: when its pool last stood by it, and what has been learnt since.

use crate::remote::slots::{Key, Record};
use crate::time::Monotonic;
use std::time::Duration;

/// For how long a refusal is remembered. A revoked token in a loop costs six questions a minute, and
/// a user who was disabled by mistake is back within this time.
pub const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long after an answer that said nothing the question may be asked again.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The longest that a question is under way: the longest time-out, and a lease's grace.
const LONGEST_QUESTION: Duration = Duration::from_secs(12);

/// What is known of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When its pool last stood by it; a refusal is the end of that.
    pub confirmed_at: Option<Monotonic>,
    /// What has been learnt since.
    pub since: Since,
}

/// What has been learnt of a token since its last confirmation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// Nothing.
    #[default]
    Nothing,
    /// Its pool no longer stands by it.
    Refused(Monotonic),
    /// The last question was not answered, or not with yes or no.
    Unanswered(Monotonic),
    /// A question is under way.
    Asked {
        /// The VM that asks, by a random number.
        by: u64,
        /// When any other VM may ask.
        until: Monotonic,
    },
}

/// What a rule learns of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The pool stands by it, or did so recently enough.
    Good,
    /// It does not.
    Bad,
    /// It cannot be known now, but perhaps after this time.
    Unknown(Duration),
    /// It has to be asked, or is being asked.
    Open,
}

/// How long confirmations serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// In any case.
    pub within: Duration,
    /// While asking fails.
    pub grace: Duration,
}

impl Standing {
    /// What a rule learns of the token.
    #[must_use]
    pub fn word(&self, terms: Terms, now: Monotonic) -> Word {
        match self.since {
            Since::Refused(at) if at.lasts(REFUSED_FOR, now) => Word::Bad,
            Since::Nothing | Since::Refused(_) | Since::Unanswered(_) | Since::Asked { .. }
                if self.is_confirmed(terms.within, now) =>
            {
                Word::Good
            }
            Since::Unanswered(at) if at.lasts(ASK_AGAIN, now) => self.last_word(terms, now),
            Since::Nothing | Since::Refused(_) | Since::Unanswered(_) | Since::Asked { .. } => {
                Word::Open
            }
        }
    }

    /// The same where an answer is no longer waited for.
    #[must_use]
    pub fn last_word(&self, terms: Terms, now: Monotonic) -> Word {
        match self.is_confirmed(terms.within.max(terms.grace), now) {
            true => Word::Good,
            false => Word::Unknown(ASK_AGAIN),
        }
    }

    fn is_confirmed(&self, span: Duration, now: Monotonic) -> bool {
        self.confirmed_at.is_some_and(|at| at.lasts(span, now))
    }

    /// Whether a VM is asking.
    #[must_use]
    pub fn is_asked(&self, now: Monotonic) -> bool {
        match self.since {
            Since::Asked { until, .. } => now < until && until <= now.after(LONGEST_QUESTION),
            Since::Nothing | Since::Refused(_) | Since::Unanswered(_) => false,
        }
    }

    /// Reads what a VM has written.
    #[must_use]
    pub fn of(record: Record) -> Self {
        let [confirmed_at, tag] = record.words;
        let at = record.keep;
        Self {
            confirmed_at: (confirmed_at != NEVER)
                .then(|| Monotonic::from_nanoseconds(confirmed_at)),
            since: match tag {
                NOTHING => Since::Nothing,
                REFUSED => Since::Refused(at),
                UNANSWERED => Since::Unanswered(at),
                by => Since::Asked { by, until: at },
            },
        }
    }

    /// As other VMs read it.
    #[must_use]
    pub fn record(&self, key: Key) -> Record {
        let confirmed_at = self.confirmed_at;
        // Of least use is what was learnt first; a question under way is kept until its end.
        let (keep, tag) = match self.since {
            Since::Nothing => (confirmed_at.unwrap_or_default(), NOTHING),
            Since::Refused(at) => (at, REFUSED),
            Since::Unanswered(at) => (at, UNANSWERED),
            Since::Asked { by, until } => (until, by.max(FIRST_VM)),
        };
        Record {
            key,
            keep,
            words: [confirmed_at.map_or(NEVER, Monotonic::nanoseconds), tag],
        }
    }
}

/// A moment that never was.
const NEVER: u64 = u64::MAX;
const NOTHING: u64 = 0;
const REFUSED: u64 = 1;
const UNANSWERED: u64 = 2;
/// All other numbers name a VM that asks.
pub const FIRST_VM: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(1000)).after(Duration::from_millis(millis))
    }

    fn terms(within: u64, grace: u64) -> Terms {
        Terms {
            within: Duration::from_secs(within),
            grace: Duration::from_secs(grace),
        }
    }

    fn standing(confirmed_at: Option<u64>, since: Since) -> Standing {
        Standing {
            confirmed_at: confirmed_at.map(at),
            since,
        }
    }

    const UNKNOWN: Word = Word::Unknown(ASK_AGAIN);

    #[test]
    fn a_confirmation_lasts_for_the_rules_time() {
        let asked = Since::Asked {
            by: 9,
            until: at(9_000),
        };
        for since in [Since::Nothing, Since::Unanswered(at(3_000)), asked] {
            let standing = standing(Some(0), since);
            assert_eq!(standing.word(terms(5, 0), at(4_999)), Word::Good);
            assert_eq!(standing.word(terms(5, 0), at(5_000)), Word::Open);
            assert_eq!(standing.word(terms(6, 0), at(5_000)), Word::Good);
        }
        assert_eq!(Standing::default().word(terms(5, 0), at(0)), Word::Open);
    }

    #[test]
    fn a_refusal_lasts_for_ten_seconds_and_leaves_nothing() {
        let refused = standing(None, Since::Refused(at(0)));
        assert_eq!(refused.word(terms(60, 3600), at(9_999)), Word::Bad);
        assert_eq!(refused.word(terms(60, 3600), at(10_000)), Word::Open);
        assert_eq!(refused.last_word(terms(60, 3600), at(10_000)), UNKNOWN);
        // It goes before any confirmation, should both be there.
        let both = standing(Some(0), Since::Refused(at(0)));
        assert_eq!(both.word(terms(60, 0), at(9_999)), Word::Bad);
    }

    #[test]
    fn an_answer_that_says_nothing_is_waited_out_for_a_second() {
        let unanswered = |confirmed_at| standing(confirmed_at, Since::Unanswered(at(7_000)));
        assert_eq!(unanswered(None).word(terms(5, 60), at(7_999)), UNKNOWN);
        assert_eq!(unanswered(None).word(terms(5, 60), at(8_000)), Word::Open);
        // Within its grace it serves on, and is asked about again after a second.
        let graced = unanswered(Some(0));
        assert_eq!(graced.word(terms(5, 0), at(7_999)), UNKNOWN);
        assert_eq!(graced.word(terms(5, 7), at(7_000)), UNKNOWN);
        assert_eq!(graced.word(terms(5, 8), at(7_999)), Word::Good);
        assert_eq!(graced.word(terms(5, 60), at(8_000)), Word::Open);
    }

    #[test]
    fn the_last_word_is_that_of_the_last_confirmation() {
        let asked = Since::Asked {
            by: 9,
            until: at(90_000),
        };
        for since in [Since::Nothing, asked, Since::Unanswered(at(0))] {
            let standing = standing(Some(0), since);
            for (within, grace, millis, word) in [
                (5, 0, 4_999, Word::Good),
                (5, 0, 5_000, UNKNOWN),
                (5, 9, 8_999, Word::Good),
                (5, 9, 9_000, UNKNOWN),
                // Grace is counted from the confirmation: less than the rule's time is none.
                (5, 1, 4_999, Word::Good),
            ] {
                assert_eq!(standing.last_word(terms(within, grace), at(millis)), word);
            }
        }
        assert_eq!(Standing::default().last_word(terms(5, 9), at(0)), UNKNOWN);
    }

    #[test]
    fn a_question_is_under_way_until_its_lease_ends() {
        let asked = |until| standing(None, Since::Asked { by: 9, until });
        assert!(asked(at(1)).is_asked(at(0)));
        assert!(!asked(at(1)).is_asked(at(1)));
        // No VM of this filter would ask for so long: it would keep all others from asking.
        assert!(asked(at(12_000)).is_asked(at(0)));
        assert!(!asked(at(12_001)).is_asked(at(0)));
        for since in [
            Since::Nothing,
            Since::Refused(at(9)),
            Since::Unanswered(at(9)),
        ] {
            assert!(!standing(Some(0), since).is_asked(at(0)));
        }
    }

    #[test]
    fn what_lies_far_ahead_was_never_said() {
        let ahead = |millis| standing(Some(millis), Since::Nothing).word(terms(60, 0), at(0));
        assert_eq!(ahead(1_000), Word::Good);
        assert_eq!(ahead(1_001), Word::Open);
        let refused = standing(None, Since::Refused(at(1_001)));
        assert_eq!(refused.word(terms(60, 0), at(0)), Word::Open);
    }

    #[test]
    fn a_standing_comes_back_as_it_was() {
        let asked = |by| Since::Asked { by, until: at(7) };
        for since in [
            Since::Nothing,
            Since::Refused(at(5)),
            Since::Unanswered(at(6)),
            asked(3),
            asked(u64::MAX),
        ] {
            for confirmed_at in [None, Some(4)] {
                let standing = standing(confirmed_at, since);
                assert_eq!(Standing::of(standing.record(Key::default())), standing);
            }
        }
        // No VM has the number of a word.
        let record = standing(None, asked(1)).record(Key::default());
        assert_eq!(Standing::of(record), standing(None, asked(3)));
    }

    #[test]
    fn what_was_learnt_first_is_of_least_use() {
        let keep = |since| standing(Some(4), since).record(Key::default()).keep;
        assert_eq!(keep(Since::Nothing), at(4));
        assert_eq!(keep(Since::Refused(at(5))), at(5));
        assert_eq!(keep(Since::Unanswered(at(6))), at(6));
        let until = at(7);
        assert_eq!(keep(Since::Asked { by: 9, until }), until);
        assert_eq!(
            Standing::default().record(Key::default()).keep,
            Monotonic::default()
        );
    }
}
