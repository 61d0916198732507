//! What the VMs of a process know in common about many things at once, in a fixed number of entries.
//!
//! Shared data has no way to delete an entry: one for each token would grow for ever. So there are
//! [`SLOTS`] of them, chosen by the first byte of a key, each with at most [`RECORDS`] records. In a
//! slot that is full a newcomer takes the place of the record that is of least use: that with the
//! earliest [`Record::keep`].
//!
//! A slot is the format of this space, and then its records of 40 bytes, in no order:
//!
//! | bytes | field |
//! |---|---|
//! | 0..16 | the key |
//! | 16..24 | `keep`, in nanoseconds of the process's monotonic clock |
//! | 24..40 | two numbers of 64 bits, little-endian, for the owner of the records |
//!
//! Bytes of any other shape are an empty slot.

use super::schedule::LONGEST_CALL;
use super::space::{EntryNames, FORMAT, SharedSpace};
use crate::time::Monotonic;
use sha2::{Digest, Sha256};

/// How many entries there are, for all configurations of the process together.
pub const SLOTS: usize = 256;
/// How many records a slot has: all together 650 kB.
pub const RECORDS: usize = 64;
/// How often a write is tried that other VMs are faster with. Each of theirs is done for good, so
/// that this many in a row are a crowd.
const TRIES: usize = 8;

/// What a record is about: the beginning of a digest, so that nothing can be read out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of a digest.
    #[must_use]
    pub fn of(digest: Sha256) -> Self {
        let digest: [u8; 32] = digest.finalize().into();
        // Half of it: two texts with one key would take 2^64 attempts to find.
        let [key, _] = digest.as_chunks::<16>().0 else {
            return Self::default();
        };
        Self(*key)
    }
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub key: Key,
    /// Of several, the one with the earliest leaves; none leaves for which this lies ahead.
    pub keep: Monotonic,
    /// The owner's own.
    pub words: [u64; 2],
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The record is what was wanted.
    Written(Record),
    /// Nothing was wanted; the record, if there is one, is as it was.
    Left(Option<Record>),
    /// The slot is full of records that must be kept.
    Full,
    /// Other VMs were faster, again and again.
    Contended,
}

/// The slots of one kind of records.
#[derive(Debug)]
pub struct Slots {
    prefix: String,
}

impl Slots {
    /// The slots of this kind.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self {
            prefix: EntryNames::new(kind, &[]).record,
        }
    }

    fn name(&self, key: Key) -> String {
        let [slot, ..] = key.0;
        format!("{}.{slot:02x}", self.prefix)
    }

    /// The record about this.
    #[must_use]
    pub fn read(&self, key: Key, space: &dyn SharedSpace) -> Option<Record> {
        let (bytes, _) = space.read(&self.name(key));
        let records = decode(&bytes?);
        records.into_iter().find(|record| record.key == key)
    }

    /// Changes the record about this into what `change` makes of it; it leaves it alone with
    /// `None`.
    pub fn change(
        &self,
        key: Key,
        now: Monotonic,
        space: &dyn SharedSpace,
        change: &dyn Fn(Option<Record>) -> Option<Record>,
    ) -> Changed {
        let name = self.name(key);
        for _ in 0..TRIES {
            let (bytes, version) = space.read(&name);
            let mut records = decode(&bytes.unwrap_or_default());
            let before = records.iter().find(|record| record.key == key).copied();
            let Some(after) = change(before) else {
                return Changed::Left(before);
            };
            // All of this key: another plugin may have written two, and the second would be read
            // again as soon as the first is gone.
            records.retain(|record| record.key != key);
            if records.len() >= RECORDS {
                let by_keep = || records.iter().map(|record| record.keep).enumerate();
                let oldest = by_keep().min_by_key(|(_, keep)| *keep);
                let oldest = oldest.filter(|(_, keep)| *keep <= now);
                // What another plugin has written would close the slot for good.
                let strange = by_keep().max_by_key(|(_, keep)| *keep);
                let strange = strange.filter(|(_, keep)| *keep > now.after(LONGEST_CALL));
                let Some((leaving, _)) = strange.or(oldest) else {
                    return Changed::Full;
                };
                records.swap_remove(leaving);
            }
            records.push(after);
            if space.write(&name, &encode(&records), version).is_ok() {
                return Changed::Written(after);
            }
        }
        Changed::Contended
    }
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = FORMAT.as_bytes().to_vec();
    for Record { key, keep, words } in records {
        let [first, second] = words;
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&keep.nanoseconds().to_le_bytes());
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&second.to_le_bytes());
    }
    bytes
}

/// The records of a slot; none if it has any other shape.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<Record> {
    let read = || {
        let bytes = bytes.strip_prefix(FORMAT.as_bytes())?;
        let (records, []) = bytes.as_chunks::<40>() else {
            return None;
        };
        (records.len() <= RECORDS).then_some(records)
    };
    let records = read().unwrap_or_default().iter();
    records.filter_map(record).collect()
}

fn record(bytes: &[u8; 40]) -> Option<Record> {
    let (key, numbers) = bytes.split_first_chunk::<16>()?;
    let [keep, first, second] = numbers.as_chunks::<8>().0 else {
        return None;
    };
    Some(Record {
        key: Key(*key),
        keep: Monotonic::from_nanoseconds(u64::from_le_bytes(*keep)),
        words: [*first, *second].map(u64::from_le_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::super::space::{Conflict, MemorySpace, Version};
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    /// A key in the slot 7.
    fn key(number: u8) -> Key {
        let mut key = [number; 16];
        key[0] = 7;
        Key(key)
    }

    fn record(number: u8, keep: u64) -> Record {
        Record {
            key: key(number),
            keep: at(keep),
            words: [u64::from(number), u64::MAX],
        }
    }

    fn put(space: &dyn SharedSpace, one: Record, now: u64) -> Changed {
        Slots::new("kind").change(one.key, at(now), space, &|_| Some(one))
    }

    #[test]
    fn a_key_is_the_first_half_of_its_digest() {
        let key = Key::of(Sha256::new_with_prefix(b"abc"));
        // FIPS 180-2, appendix B.1.
        assert_eq!(key.0[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(key.0[12..], [0x5d, 0xae, 0x22, 0x23]);
    }

    #[test]
    fn a_record_comes_back_as_it_was_from_the_slot_of_its_key() {
        let (space, slots) = (MemorySpace::default(), Slots::new("kind"));
        assert_eq!(slots.read(key(1), &space), None);
        assert_eq!(put(&space, record(1, 5), 9), Changed::Written(record(1, 5)));
        put(&space, record(2, 6), 9);
        assert_eq!(slots.read(key(1), &space), Some(record(1, 5)));
        assert_eq!(slots.read(key(2), &space), Some(record(2, 6)));
        assert_eq!(slots.read(key(3), &space), None);
        let names = space.names();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].ends_with(".07"), "{names:?}");
        assert_eq!(Slots::new("other").read(key(1), &space), None);
    }

    #[test]
    fn a_change_sees_the_record_before_it() {
        let (space, slots) = (MemorySpace::default(), Slots::new("kind"));
        let left = slots.change(key(1), at(1), &space, &|before| {
            assert_eq!(before, None);
            None
        });
        assert_eq!(left, Changed::Left(None));
        assert!(space.names().is_empty());
        put(&space, record(1, 5), 9);
        put(&space, record(2, 5), 9);
        let left = slots.change(key(1), at(1), &space, &|_| None);
        assert_eq!(left, Changed::Left(Some(record(1, 5))));
        let later = record(1, 8);
        let written = slots.change(key(1), at(1), &space, &|before| {
            assert_eq!(before, Some(record(1, 5)));
            Some(later)
        });
        assert_eq!(written, Changed::Written(later));
        let (bytes, _) = space.read(&slots.name(key(1)));
        assert_eq!(decode(&bytes.unwrap()), [record(2, 5), later]);
    }

    #[test]
    fn in_a_full_slot_the_record_of_least_use_makes_room() {
        let (space, slots) = (MemorySpace::default(), Slots::new("kind"));
        for number in 0..64 {
            // The last has the earliest.
            put(&space, record(number, 100 - u64::from(number)), 200);
        }
        let there = |number| slots.read(key(number), &space).is_some();
        assert!((0..64).all(there));
        assert_eq!(
            put(&space, record(99, 101), 200),
            Changed::Written(record(99, 101))
        );
        assert!(there(99) && !there(63) && (0..63).all(there));
        // One that is there already needs no room.
        put(&space, record(0, 102), 200);
        assert!((0..63).all(there));
        // What is kept until 38 or later leaves at 38, and no sooner.
        assert_eq!(put(&space, record(98, 1), 37), Changed::Full);
        assert!(there(62) && !there(98));
        assert_eq!(
            put(&space, record(98, 1), 38),
            Changed::Written(record(98, 1))
        );
        assert!(!there(62) && there(98));
    }

    #[test]
    fn a_slot_that_another_plugin_has_filled_is_open_to_us() {
        let far = |number| record(number, 1000);
        let space = MemorySpace::default();
        let name = Slots::new("kind").name(key(1));
        let fill = |records: &[Record]| space.write(&name, &encode(records), Version::Any).unwrap();
        let most: Vec<_> = (1..).take(RECORDS).map(far).collect();
        fill(&most);
        // Two minutes before, it may be a call of ours.
        assert_eq!(put(&space, record(100, 880), 880), Changed::Full);
        let own = record(100, 879);
        assert_eq!(put(&space, own, 879), Changed::Written(own));
        // A token that stands there twice is written over both times.
        fill(&[record(1, 5), record(2, 5), record(1, 6)]);
        let own = record(1, 7);
        assert_eq!(put(&space, own, 7), Changed::Written(own));
        assert_eq!(Slots::new("kind").read(key(1), &space), Some(own));
        assert_eq!(decode(&space.read(&name).0.unwrap()).len(), 2);
    }

    #[test]
    fn a_slot_has_at_most_64_records_and_its_format() {
        let records: Vec<_> = (0..65).map(|number| record(number, 1)).collect();
        let bytes = encode(&records[..64]);
        assert_eq!(decode(&bytes), records[..64]);
        assert_eq!(bytes.len(), FORMAT.len() + 64 * 40);
        assert_eq!(decode(&encode(&records)), []);
        let one = encode(&records[..1]);
        assert_eq!(decode(&one), records[..1]);
        for length in (0..one.len()).chain([one.len() + 1]) {
            let mut other = bytes.clone();
            other.truncate(length);
            assert_eq!(decode(&other), [], "{length}");
        }
        assert_eq!(decode(b"hello"), []);
    }

    /// The table at the top of this file.
    #[test]
    fn each_field_stands_where_the_table_says() {
        let one = Record {
            key: key(9),
            keep: at(1),
            words: [2, 3],
        };
        let bytes = encode(&[one]);
        let bytes = &bytes[FORMAT.len()..];
        assert_eq!(bytes[..16], key(9).0);
        assert_eq!(bytes[16..24], 1_000_000_000_u64.to_le_bytes());
        assert_eq!(bytes[24..32], 2_u64.to_le_bytes());
        assert_eq!(bytes[32..], 3_u64.to_le_bytes());
    }

    #[test]
    fn a_write_that_comes_too_late_is_made_again_with_what_the_other_wrote() {
        /// Another VM is faster, so many times.
        struct Busy(MemorySpace, Cell<usize>);
        impl SharedSpace for Busy {
            fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
                self.0.read(name)
            }
            fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
                if self.1.get() > 0 {
                    self.1.set(self.1.get() - 1);
                    self.0.write(name, &encode(&[record(1, 5)]), Version::Any)?;
                }
                self.0.write(name, value, version)
            }
        }
        let busy = |times| Busy(MemorySpace::default(), Cell::new(times));
        let space = busy(TRIES - 1);
        assert_eq!(put(&space, record(2, 6), 9), Changed::Written(record(2, 6)));
        let slots = Slots::new("kind");
        assert_eq!(slots.read(key(1), &space), Some(record(1, 5)));
        assert_eq!(slots.read(key(2), &space), Some(record(2, 6)));
        assert_eq!(put(&busy(TRIES), record(2, 6), 9), Changed::Contended);
    }
}
