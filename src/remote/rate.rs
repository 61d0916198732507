//! How many calls the VMs of a process begin in a second, all together.
//!
//! The moments of the last second's calls stand in one entry of shared data, which every VM reads
//! before it begins one: in no second there are more calls than the rate says, wherever it begins.
//! An entry is the format of this space, and then those moments, as nanoseconds in 64 bits.

use super::space::{EntryNames, FORMAT, SharedSpace, Version};
use crate::time::Monotonic;
use std::time::Duration;

/// The most calls in a second that a rate can allow: the entry is copied for each.
pub const MAX_PER_SECOND: usize = 1_000;
const SECOND: Duration = Duration::from_secs(1);
/// How often a write is tried that other VMs are faster with.
const TRIES: usize = 8;

/// A rate that the VMs of a process keep together.
#[derive(Debug)]
pub struct Rate {
    name: String,
    per_second: usize,
}

impl Rate {
    /// A rate for calls of this kind to what `parts` describe.
    #[must_use]
    pub fn new(kind: &str, parts: &[&str], per_second: usize) -> Self {
        Self {
            name: EntryNames::new(kind, parts).record,
            per_second,
        }
    }

    /// How many calls in a second it allows.
    #[must_use]
    pub const fn per_second(&self) -> usize {
        self.per_second
    }

    /// Whether a call may begin now.
    #[must_use]
    pub fn is_open(&self, now: Monotonic, space: &dyn SharedSpace) -> bool {
        let (bytes, _) = space.read(&self.name);
        self.allows(&recent(bytes.as_deref(), now))
    }

    /// Begins a call; refuses if there have been enough in the last second.
    #[must_use]
    pub fn take(&self, now: Monotonic, space: &dyn SharedSpace) -> bool {
        for _ in 0..TRIES {
            let (bytes, version) = space.read(&self.name);
            let mut begun = recent(bytes.as_deref(), now);
            if !self.allows(&begun) {
                return false;
            }
            begun.push(now.nanoseconds());
            if self.write(&begun, version, space) {
                return true;
            }
        }
        false
    }

    const fn allows(&self, begun: &[u64]) -> bool {
        begun.len() < self.per_second
    }

    fn write(&self, begun: &[u64], version: Version, space: &dyn SharedSpace) -> bool {
        let mut bytes = FORMAT.as_bytes().to_vec();
        bytes.extend(begun.iter().flat_map(|moment| moment.to_le_bytes()));
        space.write(&self.name, &bytes, version).is_ok()
    }
}

/// The calls of the last second. Bytes of another shape are none, and so is what lies ahead by more
/// than VMs differ in: it would close the rate for good.
#[must_use]
pub fn recent(bytes: Option<&[u8]>, now: Monotonic) -> Vec<u64> {
    let begun = bytes.and_then(|bytes| bytes.strip_prefix(FORMAT.as_bytes()));
    let (begun, []) = begun.unwrap_or_default().as_chunks::<8>() else {
        return Vec::new();
    };
    let begun = begun.iter().map(|moment| u64::from_le_bytes(*moment));
    let is_recent = |moment: &u64| {
        let moment = Monotonic::from_nanoseconds(*moment);
        now < moment.after(SECOND) && moment < now.after(SECOND)
    };
    begun.filter(is_recent).take(MAX_PER_SECOND).collect()
}

#[cfg(test)]
mod tests {
    use super::super::space::{Conflict, MemorySpace};
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(1000)).after(Duration::from_millis(millis))
    }

    #[test]
    fn in_no_second_there_are_more_calls_than_the_rate_says() {
        let space = MemorySpace::default();
        let (rate, other) = (Rate::new("k", &["a"], 3), Rate::new("k", &["b"], 3));
        assert_eq!(rate.per_second(), 3);
        let taken = |millis| {
            let open = rate.is_open(at(millis), &space);
            assert_eq!(rate.take(at(millis), &space), open, "{millis}");
            open
        };
        let taken: Vec<_> = [0, 500, 900, 901, 999, 1000, 1001, 1499, 1500, 1900, 2000]
            .into_iter()
            .filter(|millis| taken(*millis))
            .collect();
        assert_eq!(taken, [0, 500, 900, 1000, 1500, 1900, 2000]);
        assert!(other.take(at(2000), &space));
    }

    #[test]
    fn a_rate_is_kept_by_all_vms_together() {
        let space = MemorySpace::default();
        let [one, other] = [(); 2].map(|()| Rate::new("k", &[], 2));
        assert!(one.take(at(0), &space));
        assert!(other.take(at(0), &space));
        assert!(!one.is_open(at(0), &space) && !other.take(at(0), &space));
    }

    #[test]
    fn what_others_wrote_closes_no_rate_for_good() {
        let (space, rate) = (MemorySpace::default(), Rate::new("k", &[], 1));
        let put = |moments: &[u64]| rate.write(moments, Version::Any, &space);
        for bytes in [&b"hello"[..], b"", &[FORMAT.as_bytes(), &[1]].concat()] {
            space.write(&rate.name, bytes, Version::Any).unwrap();
            assert!(rate.is_open(at(0), &space), "{bytes:?}");
        }
        // An hour ahead, or a second.
        for ahead in [3600, 1] {
            put(&[at(0).after(Duration::from_secs(ahead)).nanoseconds()]);
            assert!(rate.is_open(at(0), &space), "{ahead}");
        }
        // Another VM has read its clock a little later.
        put(&[at(999).nanoseconds()]);
        assert!(!rate.is_open(at(0), &space));
    }

    #[test]
    fn a_call_that_cannot_be_counted_does_not_begin() {
        struct Busy(MemorySpace, std::cell::Cell<usize>);
        impl SharedSpace for Busy {
            fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
                self.0.read(name)
            }
            fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
                match self.1.get() {
                    0 => self.0.write(name, value, version),
                    left => {
                        self.1.set(left - 1);
                        Err(Conflict)
                    }
                }
            }
        }
        let busy = |times: usize| Busy(MemorySpace::default(), times.into());
        let rate = Rate::new("k", &[], 1);
        assert!(rate.take(at(0), &busy(TRIES - 1)));
        assert!(!rate.take(at(0), &busy(TRIES)));
    }

    #[test]
    fn no_more_is_read_than_a_rate_can_count() {
        let (space, rate) = (MemorySpace::default(), Rate::new("k", &[], 1000));
        rate.write(&vec![at(0).nanoseconds(); 1001], Version::Any, &space);
        let (bytes, _) = space.read(&rate.name);
        assert_eq!(recent(bytes.as_deref(), at(0)).len(), 1000);
        assert!(!rate.is_open(at(0), &space));
    }
}
