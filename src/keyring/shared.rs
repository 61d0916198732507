//! The space that all VMs of one `vm_id` share, and what the filter keeps there.
//!
//! Two entries an issuer: the [`Record`], small and read at every tick, says how the keys are and
//! who is fetching; the key set stands beside it and is read when the record says it is new. Both
//! outlive a configuration update. Their names are digests, since plugins of other makers may use
//! the same space; bytes that are not ours are treated as absent.

use crate::jwks::KeySet;
use crate::policy::KeyEndpoint;
use crate::time::Monotonic;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Data shared between VMs, with compare-and-swap.
pub trait SharedSpace {
    /// The entry's bytes, and its version.
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version);
    /// Writes the entry if its version is still this one.
    ///
    /// # Errors
    /// Somebody else was faster.
    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict>;
}

/// The version of an entry, as compare-and-swap wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// There is no such entry yet.
    Absent,
    /// This one.
    Is(u32),
    /// Whatever it is: the entry is overwritten.
    Any,
}

/// Somebody else wrote first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

/// The names of an issuer's two entries.
#[derive(Clone, Debug)]
pub struct EntryNames {
    /// Of the [`Record`].
    pub record: String,
    /// Of the key set.
    pub keys: String,
}

impl EntryNames {
    /// The names for one issuer whose keys come from one place. Another issuer, URI or cluster
    /// gives other names, so that no configuration is served keys that it did not ask for.
    #[must_use]
    pub fn new(issuer: &str, endpoint: &KeyEndpoint) -> Self {
        let mut source = Vec::new();
        for part in [FORMAT, issuer, &endpoint.uri, &endpoint.cluster] {
            // Length first: no two lists of parts give the same bytes. In 64 bits, so that names are
            // the same wherever they are computed.
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            source.extend(length.to_le_bytes());
            source.extend(part.as_bytes());
        }
        let name = digest(&source);
        Self {
            record: format!("cognito-authorizer.{name}.record"),
            keys: format!("cognito-authorizer.{name}.keys"),
        }
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

/// Changes whenever the layout of an entry does: versions of the filter that differ in it may run
/// side by side during an update.
const FORMAT: &str = "cognito-authorizer/1";

/// How an issuer's keys are, and who is fetching them; the same for all VMs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When the last fetch succeeded; tells one key set from the next.
    pub fetched_at: Option<Monotonic>,
    /// Until when somebody is fetching.
    pub lease: Option<Lease>,
    /// Whether the last fetch failed, or could not even be sent.
    pub failing: bool,
    /// How many fetches that were sent have failed since the last that succeeded.
    pub failures: u32,
    /// The earliest time of the next fetch.
    pub next_fetch_at: Monotonic,
    /// The last fetch for an unknown `kid`.
    pub kid_fetch: Option<KidFetch>,
}

/// The right to fetch, which its holder may not live to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// A random number that names the holder's attempt.
    pub holder: u64,
    /// When anybody else may take it.
    pub until: Monotonic,
}

/// A fetch for an unknown `kid`: there is one such in ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KidFetch {
    /// When it was begun.
    pub at: Monotonic,
    /// How it ended.
    pub outcome: KidOutcome,
}

/// How a fetch for an unknown `kid` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KidOutcome {
    /// Not yet.
    Pending,
    /// With a key set.
    Answered,
    /// Without.
    Failed,
}

impl Record {
    /// Whether somebody is fetching.
    #[must_use]
    pub fn is_leased(&self, now: Monotonic) -> bool {
        self.lease.is_some_and(|lease| now < lease.until)
    }

    /// The record as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = FORMAT.as_bytes().to_vec();
        let mut number = |number: u64| bytes.extend(number.to_le_bytes());
        let (holder, until) = self
            .lease
            .map_or((0, None), |lease| (lease.holder, Some(lease.until)));
        number(nanoseconds(self.fetched_at));
        number(holder);
        number(nanoseconds(until));
        number(u64::from(self.failing));
        number(u64::from(self.failures));
        number(nanoseconds(Some(self.next_fetch_at)));
        number(nanoseconds(self.kid_fetch.map(|fetch| fetch.at)));
        number(match self.kid_fetch.map(|fetch| fetch.outcome) {
            None | Some(KidOutcome::Pending) => 0,
            Some(KidOutcome::Answered) => 1,
            Some(KidOutcome::Failed) => 2,
        });
        bytes
    }

    /// Reads a record; `None` for bytes of any other shape.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        const FIELDS: usize = 8;
        let fields = bytes.strip_prefix(FORMAT.as_bytes())?;
        let (fields, []) = fields.as_chunks::<8>() else {
            return None;
        };
        let numbers: [u64; FIELDS] = fields
            .iter()
            .map(|field| u64::from_le_bytes(*field))
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let [
            fetched_at,
            holder,
            until,
            failing,
            failures,
            next_fetch_at,
            kid_at,
            kid_outcome,
        ] = numbers;
        let outcome = match kid_outcome {
            0 => KidOutcome::Pending,
            1 => KidOutcome::Answered,
            2 => KidOutcome::Failed,
            _ => return None,
        };
        Some(Self {
            fetched_at: moment(fetched_at),
            lease: moment(until).map(|until| Lease { holder, until }),
            failing: match failing {
                0 => false,
                1 => true,
                _ => return None,
            },
            failures: u32::try_from(failures).ok()?,
            next_fetch_at: moment(next_fetch_at)?,
            kid_fetch: moment(kid_at).map(|at| KidFetch { at, outcome }),
        })
    }
}

/// A moment as nanoseconds, `u64::MAX` for none; a process would have to run for 584 years.
fn nanoseconds(moment: Option<Monotonic>) -> u64 {
    moment.map_or(u64::MAX, |moment| {
        u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
    })
}

fn moment(nanoseconds: u64) -> Option<Monotonic> {
    (nanoseconds != u64::MAX).then(|| Monotonic::new(Duration::from_nanos(nanoseconds)))
}

/// A key set as bytes: the record's time stamp, then the document as it was fetched. It is read
/// with the same strictness wherever it comes from.
#[must_use]
pub fn encode_keys(fetched_at: Monotonic, document: &[u8]) -> Vec<u8> {
    let mut bytes = nanoseconds(Some(fetched_at)).to_le_bytes().to_vec();
    bytes.extend_from_slice(document);
    bytes
}

/// Reads the key set of the fetch that succeeded at this time; `None` for any other.
#[must_use]
pub fn decode_keys(bytes: &[u8], fetched_at: Monotonic) -> Option<KeySet> {
    let document = bytes.strip_prefix(&nanoseconds(Some(fetched_at)).to_le_bytes())?;
    KeySet::parse(document).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let full = Record {
            fetched_at: Some(at(1)),
            lease: Some(Lease {
                holder: 7,
                until: at(2),
            }),
            failing: true,
            failures: 3,
            next_fetch_at: at(4),
            kid_fetch: Some(KidFetch {
                at: at(5),
                outcome: KidOutcome::Failed,
            }),
        };
        for record in [Record::default(), full] {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn bytes_of_another_shape_are_no_record() {
        let good = Record::default().encode();
        for length in 0..good.len() {
            assert_eq!(Record::decode(&good[..length]), None);
        }
        assert_eq!(Record::decode(&[good.as_slice(), &[0; 8]].concat()), None);
        let mut other = good;
        *other.last_mut().unwrap() = 1;
        assert_eq!(Record::decode(&other), None);
        assert_eq!(Record::decode(b"hello"), None);
    }

    #[test]
    fn a_lease_holds_until_its_end() {
        let record = Record {
            lease: Some(Lease {
                holder: 7,
                until: at(2),
            }),
            ..Record::default()
        };
        assert!(record.is_leased(at(1)));
        assert!(!record.is_leased(at(2)));
        assert!(!Record::default().is_leased(at(1)));
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn a_digest_is_sha_256_in_hexadecimal() {
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn every_part_of_the_source_changes_the_names() {
        let endpoint = |uri: &str, cluster: &str| KeyEndpoint {
            cluster: cluster.into(),
            uri: uri.into(),
            scheme: String::new(),
            authority: String::new(),
            path: String::new(),
            timeout: Duration::ZERO,
            refresh_interval: Duration::ZERO,
            max_stale: crate::policy::MaxStale::Forever,
        };
        let names = [
            EntryNames::new("i", &endpoint("u", "c")),
            EntryNames::new("j", &endpoint("u", "c")),
            EntryNames::new("i", &endpoint("v", "c")),
            EntryNames::new("i", &endpoint("u", "d")),
            EntryNames::new("iu", &endpoint("", "c")),
        ];
        let distinct: std::collections::BTreeSet<_> =
            names.iter().map(|names| &names.record).collect();
        assert_eq!(distinct.len(), names.len());
        assert_ne!(names[0].record, names[0].keys);
        assert_eq!(
            names[0].record,
            EntryNames::new("i", &endpoint("u", "c")).record
        );
    }
}
