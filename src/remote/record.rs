//! What the VMs of a process know in common of one document.
//!
//! Three entries a document: the [`Record`], small and read at every tick, says how the document is
//! and which VM is fetching it; the content stands beside it and is read when the record says it is
//! new, and its entity tag before a fetch that may find it unchanged. Bytes of any other shape count
//! as absent.
//!
//! A record is `cognito-authorizer/3` and then thirteen numbers of 64 bits, little-endian. Moments
//! are nanoseconds of the process's monotonic clock; `u64::MAX` stands for none.
//!
//! | bytes | field |
//! |---|---|
//! | 0..20 | the format |
//! | 20..28 | `fetched_at` |
//! | 28..36 | `lease.holder`; means nothing without `lease.until` |
//! | 36..44 | `lease.until` |
//! | 44..52 | `failing_since` |
//! | 52..60 | `failures`, at most 2^32 - 1 |
//! | 60..68 | `next_fetch_at` |
//! | 68..76 | `attempt_at` |
//! | 76..84 | `demand.at` |
//! | 84..92 | `demand.outcome`: 0 pending, 1 answered, 2 failed; 0 without `demand.at` |
//! | 92..100 | `told.at` |
//! | 100..108 | `told.cause`: the cause's position in `Cause::ALL`; 0 without `told.at` |
//! | 108..116 | `content_at` |
//! | 116..124 | `revision` |
//!
//! Content is one such number, the `content_at` of the record that announces it, and then the
//! document, in the form in which VMs hand it on; its entity tag likewise.

use super::failure::Cause;
use super::schedule::LONGEST_CALL;
use super::space::FORMAT;
use crate::time::Monotonic;

/// How a document is, and which VM is fetching it; the same for all VMs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When the last fetch succeeded.
    pub fetched_at: Option<Monotonic>,
    /// Which fetch brought the content, that tells one content from the next; those since have
    /// found it unchanged.
    pub content_at: Option<Monotonic>,
    /// What the document counts itself by, if it does: see
    /// [`Content::revision`](super::document::Content::revision).
    pub revision: u64,
    /// The right to fetch, while a VM has it.
    pub lease: Option<Lease>,
    /// Since when fetches have failed without a break, or could not even be sent.
    pub failing_since: Option<Monotonic>,
    /// How many attempts of the back-off have failed since the last fetch that succeeded.
    pub failures: u32,
    /// The earliest time of the next fetch.
    pub next_fetch_at: Monotonic,
    /// When the back-off has its next attempt. What is tried before, since it could not even be
    /// sent, is counted with the last one.
    pub attempt_at: Monotonic,
    /// The last fetch on demand.
    pub demand: Option<Demand>,
    /// What was last told of the failure that lasts.
    pub told: Option<Told>,
}

/// The right to fetch, which its holder may not live to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// A random number that names the holder's attempt.
    pub holder: u64,
    /// When any other VM may take it.
    pub until: Monotonic,
}

/// A fetch on demand: requests wait for a newer document than there is. There is one such in ten
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// When it was begun.
    pub at: Monotonic,
    /// How it ended.
    pub outcome: DemandOutcome,
}

/// How a fetch on demand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemandOutcome {
    /// Not yet.
    Pending,
    /// With a document.
    Answered,
    /// Without.
    Failed,
}

/// A failure that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Monotonic,
    /// What it was.
    pub cause: Cause,
}

impl Record {
    /// Whether a VM is fetching. A lease that ends later than any fetch is nobody's: no VM would fetch
    /// while it lasts.
    #[must_use]
    pub fn is_leased(&self, now: Monotonic) -> bool {
        let until = self.lease.map(|lease| lease.until);
        until.is_some_and(|until| now < until && until <= now.after(LONGEST_CALL))
    }

    /// The record as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = FORMAT.as_bytes().to_vec();
        let outcome = match self.demand.map(|demand| demand.outcome) {
            None | Some(DemandOutcome::Pending) => 0,
            Some(DemandOutcome::Answered) => 1,
            Some(DemandOutcome::Failed) => 2,
        };
        let cause = self.told.and_then(|told| {
            let position = Cause::ALL.iter().position(|cause| *cause == told.cause)?;
            u64::try_from(position).ok()
        });
        for number in [
            nanoseconds(self.fetched_at),
            self.lease.map_or(0, |lease| lease.holder),
            nanoseconds(self.lease.map(|lease| lease.until)),
            nanoseconds(self.failing_since),
            u64::from(self.failures),
            self.next_fetch_at.nanoseconds(),
            self.attempt_at.nanoseconds(),
            nanoseconds(self.demand.map(|demand| demand.at)),
            outcome,
            nanoseconds(self.told.map(|told| told.at)),
            cause.unwrap_or(0),
            nanoseconds(self.content_at),
            self.revision,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// Reads a record; `None` for bytes of any other shape.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let fields = bytes.strip_prefix(FORMAT.as_bytes())?;
        let (fields, []) = fields.as_chunks::<8>() else {
            return None;
        };
        let fields: [[u8; 8]; 13] = fields.try_into().ok()?;
        let [
            fetched_at,
            holder,
            until,
            failing_since,
            failures,
            next_fetch_at,
            attempt_at,
            demand_at,
            demand_outcome,
            told_at,
            told_cause,
            content_at,
            revision,
        ] = fields.map(u64::from_le_bytes);
        let outcome = match demand_outcome {
            0 => DemandOutcome::Pending,
            1 => DemandOutcome::Answered,
            2 => DemandOutcome::Failed,
            _ => return None,
        };
        let cause = *Cause::ALL.get(usize::try_from(told_cause).ok()?)?;
        Some(Self {
            fetched_at: moment(fetched_at),
            content_at: moment(content_at),
            revision,
            lease: moment(until).map(|until| Lease { holder, until }),
            failing_since: moment(failing_since),
            failures: u32::try_from(failures).ok()?,
            next_fetch_at: moment(next_fetch_at)?,
            attempt_at: moment(attempt_at)?,
            demand: moment(demand_at).map(|at| Demand { at, outcome }),
            told: moment(told_at).map(|at| Told { at, cause }),
        })
    }
}

/// `u64::MAX` for none.
fn nanoseconds(moment: Option<Monotonic>) -> u64 {
    moment.map_or(u64::MAX, Monotonic::nanoseconds)
}

fn moment(nanoseconds: u64) -> Option<Monotonic> {
    (nanoseconds != u64::MAX).then(|| Monotonic::from_nanoseconds(nanoseconds))
}

/// Content, or its entity tag, as bytes.
#[must_use]
pub fn encode_content(content_at: Monotonic, document: &[u8]) -> Vec<u8> {
    let time = content_at.nanoseconds().to_le_bytes();
    // A deny list has megabytes: no second allocation for it.
    let mut bytes = Vec::with_capacity(time.len().saturating_add(document.len()));
    bytes.extend_from_slice(&time);
    bytes.extend_from_slice(document);
    bytes
}

/// The document that the fetch of this time brought; `None` for any other.
#[must_use]
pub fn decode_content(bytes: &[u8], content_at: Monotonic) -> Option<&[u8]> {
    bytes.strip_prefix(&content_at.nanoseconds().to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    fn full(outcome: DemandOutcome, cause: Cause) -> Record {
        Record {
            fetched_at: Some(at(1)),
            content_at: Some(at(8)),
            revision: 9,
            lease: Some(Lease {
                holder: 7,
                until: at(2),
            }),
            failing_since: Some(at(3)),
            failures: 3,
            next_fetch_at: at(4),
            attempt_at: at(5),
            demand: Some(Demand { at: at(6), outcome }),
            told: Some(Told { at: at(7), cause }),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let outcomes = [
            DemandOutcome::Pending,
            DemandOutcome::Answered,
            DemandOutcome::Failed,
        ];
        let records = outcomes
            .iter()
            .flat_map(|outcome| Cause::ALL.map(|cause| full(*outcome, cause)));
        for record in records.chain([Record::default()]) {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    /// The table at the top of this file.
    #[test]
    fn each_field_stands_where_the_table_says() {
        let bytes = full(DemandOutcome::Failed, Cause::Invalid).encode();
        assert_eq!(bytes.len(), 124);
        let second = 1_000_000_000;
        for (at, number) in [
            (20, second),
            (28, 7),
            (36, 2 * second),
            (44, 3 * second),
            (52, 3),
            (60, 4 * second),
            (68, 5 * second),
            (76, 6 * second),
            (84, 2),
            (92, 7 * second),
            (100, 8),
            (108, 8 * second),
            (116, 9),
        ] {
            assert_eq!(bytes[at..at + 8], u64::to_le_bytes(number), "{at}");
        }
    }

    #[test]
    fn bytes_of_another_shape_are_no_record() {
        let good = Record::default().encode();
        for length in 0..good.len() {
            assert_eq!(Record::decode(&good[..length]), None);
        }
        assert_eq!(Record::decode(&[good.as_slice(), &[0; 8]].concat()), None);
        // An outcome and a cause that there are not, failures beyond 32 bits, and no time to fetch.
        for (at, byte) in [(84, 3), (100, 9), (56, 1)] {
            let mut other = good.clone();
            other[at] = byte;
            assert_eq!(Record::decode(&other), None, "{at}");
        }
        for at in [60, 68] {
            let mut other = good.clone();
            other[at..at + 8].fill(0xff);
            assert_eq!(Record::decode(&other), None, "{at}");
        }
        assert_eq!(Record::decode(b"hello"), None);
    }

    #[test]
    fn a_lease_holds_until_its_end() {
        let record = Record {
            lease: Some(Lease {
                holder: 7,
                until: at(122),
            }),
            ..Record::default()
        };
        assert!(
            !record.is_leased(at(1)),
            "further ahead than any fetch takes"
        );
        assert!(record.is_leased(at(2)) && record.is_leased(at(121)));
        assert!(!record.is_leased(at(122)));
        assert!(!Record::default().is_leased(at(1)));
    }

    #[test]
    fn content_belongs_to_one_record() {
        let bytes = encode_content(at(1), b"document");
        assert_eq!(decode_content(&bytes, at(1)), Some(&b"document"[..]));
        assert_eq!(decode_content(&bytes, at(2)), None);
        assert_eq!(decode_content(&bytes[..7], at(1)), None);
    }
}
