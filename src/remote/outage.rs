//! What has been told of a service that is asked again and again: one line when it begins to fail,
//! and one when it is well, whatever the number of calls and of VMs.
//!
//! Of many calls in a second some may fail and some may not. So a service counts as failing until
//! none has failed for `QUIET`, and another cause, or another status, is told only after that time as
//! well. The entry is the format of this space, and then three numbers of 64 bits: when a failure was
//! last told, and which, and when the last call failed.

use super::failure::Sort;
use super::space::{EntryNames, FORMAT, SharedSpace};
use crate::time::Monotonic;
use std::cell::Cell;
use std::time::Duration;

/// A service of which no call has failed for this long is well again.
const QUIET: Duration = Duration::from_secs(10);
/// A failure that lasts is told again after this time, as that of a fetch is.
const REMINDER: Duration = super::schedule::REMINDER;

/// How often a VM whose calls are answered looks whether an outage is over: the entry need not be read
/// for each answer.
const LOOK: Duration = Duration::from_secs(1);

/// What has been told of a service, to all VMs of the process.
#[derive(Debug)]
pub struct Outage {
    name: String,
    /// When this VM looked last.
    looked: Cell<Option<Monotonic>>,
}

/// Whether there is something new to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is as it was.
    Old,
    /// It is not.
    New,
}

/// The entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    at: Monotonic,
    cause: u64,
    failed_at: Monotonic,
}

impl Outage {
    /// The state of a service that is asked for this kind of answers, which `parts` describe.
    #[must_use]
    pub fn new(kind: &str, parts: &[&str]) -> Self {
        Self {
            name: EntryNames::new(kind, parts).record,
            looked: Cell::default(),
        }
    }

    /// A call has failed; `None` if it could not even be made, for there had been too many.
    pub fn failed(&self, sort: Option<Sort>, now: Monotonic, space: &dyn SharedSpace) -> News {
        let cause = sort.map_or(u64::MAX, Sort::number);
        let (bytes, version) = space.read(&self.name);
        let told = bytes.and_then(|bytes| decode(&bytes));
        let is_news = told.is_none_or(|told| {
            let lasts = |span| told.at.lasts(span, now);
            !lasts(REMINDER) || told.cause != cause && !lasts(QUIET)
        });
        let after = match told {
            Some(told) if !is_news => Told {
                failed_at: now,
                ..told
            },
            Some(_) | None => Told {
                at: now,
                cause,
                failed_at: now,
            },
        };
        // Another VM was faster, and tells it.
        match space.write(&self.name, &encode(after), version) {
            Ok(()) if is_news => News::New,
            Ok(()) | Err(_) => News::Old,
        }
    }

    /// A call has been answered.
    pub fn answered(&self, now: Monotonic, space: &dyn SharedSpace) -> News {
        if self.looked.get().is_some_and(|at| now.since(at) < LOOK) {
            return News::Old;
        }
        self.looked.set(Some(now));
        let (bytes, version) = space.read(&self.name);
        let told = bytes.and_then(|bytes| decode(&bytes));
        let is_well = told.is_some_and(|told| now.since(told.failed_at) >= QUIET);
        // An empty entry is that of a service that is well.
        match is_well && space.write(&self.name, &[], version).is_ok() {
            true => News::New,
            false => News::Old,
        }
    }
}

fn encode(told: Told) -> Vec<u8> {
    let mut bytes = FORMAT.as_bytes().to_vec();
    for number in [
        told.at.nanoseconds(),
        told.cause,
        told.failed_at.nanoseconds(),
    ] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// Reads an entry; `None` for bytes of any other shape.
fn decode(bytes: &[u8]) -> Option<Told> {
    let numbers = bytes.strip_prefix(FORMAT.as_bytes())?;
    let ([at, cause, failed_at], []) = numbers.as_chunks::<8>() else {
        return None;
    };
    let moment = |bytes| Monotonic::from_nanoseconds(u64::from_le_bytes(bytes));
    Some(Told {
        at: moment(*at),
        cause: u64::from_le_bytes(*cause),
        failed_at: moment(*failed_at),
    })
}

#[cfg(test)]
mod tests {
    use super::super::failure::Cause;
    use super::super::space::MemorySpace;
    use super::*;
    use News::{New, Old};

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_once() {
        let space = MemorySpace::default();
        let [one, other] = [(); 2].map(|()| Outage::new("k", &["a"]));
        let sort = |cause, status| Some(Sort { cause, status });
        let slow = sort(Cause::TimedOut, None);
        let status = sort(Cause::Status, Some(403));
        let other_status = sort(Cause::Status, Some(404));
        assert_eq!(one.answered(at(0), &space), Old);
        for (second, cause, news) in [
            (1, slow, New),
            (2, slow, Old),
            // Some calls fail in one way, and some in another.
            (3, status, Old),
            (10, status, Old),
            (11, status, New),
            (12, status, Old),
            (13, other_status, Old),
            (21, other_status, New),
            (22, other_status, Old),
            (23, None, Old),
            (31, None, New),
            (32, None, Old),
            (630, None, Old),
            (631, None, New),
        ] {
            assert_eq!(other.failed(cause, at(second), &space), news, "{second}");
        }
        for (second, news) in [(632, Old), (640, Old), (641, New), (642, Old), (700, Old)] {
            assert_eq!(one.answered(at(second), &space), news, "{second}");
        }
        assert_eq!(one.failed(slow, at(701), &space), New);
        // It is the last failure that counts, not the one that was told.
        assert_eq!(other.failed(slow, at(708), &space), Old);
        assert_eq!(one.answered(at(717), &space), Old);
        assert_eq!(one.answered(at(718), &space), New);
        assert_eq!(Outage::new("k", &["b"]).failed(slow, at(701), &space), New);
    }

    #[test]
    fn what_was_told_far_ahead_was_not_told() {
        for (ahead, news) in [(1, Old), (2, New), (3600, New)] {
            let (space, outage) = (MemorySpace::default(), Outage::new("k", &[]));
            assert_eq!(outage.failed(None, at(100 + ahead), &space), New);
            assert_eq!(outage.failed(None, at(100), &space), news, "{ahead}");
            assert_eq!(outage.failed(None, at(101), &space), Old, "{ahead}");
        }
    }

    #[test]
    fn of_many_answers_one_in_a_second_looks_whether_all_is_well() {
        let space = MemorySpace::default();
        let outage = Outage::new("k", &["a"]);
        let at = |millis| Monotonic::new(Duration::from_millis(millis));
        assert_eq!(outage.failed(None, at(1_000), &space), New);
        for (millis, news) in [(10_900, Old), (11_000, Old), (11_899, Old), (11_900, New)] {
            assert_eq!(outage.answered(at(millis), &space), news, "{millis}");
        }
    }

    #[test]
    fn what_another_vm_tells_is_told_once() {
        struct Busy(MemorySpace);
        impl SharedSpace for Busy {
            fn read(&self, name: &str) -> (Option<Vec<u8>>, super::super::space::Version) {
                self.0.read(name)
            }
            fn write(
                &self,
                _: &str,
                _: &[u8],
                _: super::super::space::Version,
            ) -> Result<(), super::super::space::Conflict> {
                Err(super::super::space::Conflict)
            }
        }
        let outage = Outage::new("k", &[]);
        let space = MemorySpace::default();
        assert_eq!(outage.failed(None, at(1), &space), New);
        let busy = Busy(space);
        assert_eq!(outage.answered(at(100), &busy), Old);
        assert_eq!(outage.failed(None, at(700), &busy), Old);
    }

    #[test]
    fn bytes_of_another_shape_tell_nothing() {
        let told = Told {
            at: at(1),
            cause: 2,
            failed_at: at(3),
        };
        let good = encode(told);
        assert_eq!(decode(&good), Some(told));
        for length in 0..good.len() {
            assert_eq!(decode(&good[..length]), None);
        }
        assert_eq!(decode(&[good.as_slice(), &[0; 8]].concat()), None);
    }
}
