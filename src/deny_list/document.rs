//! The document: read in one pass, as strictly as a configuration.
//!
//! What a program writes has no slips of the pen: whatever is not understood may be an entry that
//! was meant to lock somebody out, so it is a failed fetch, and the list at hand stays. Errors name
//! a line and never what stands there, since ids of users end up in no log.

use super::{DenyList, FOR_EVER, HEAD, Kind, RECORD, digest, namespace};
use crate::json::Name;
use crate::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

/// Why a document is no deny list, or none to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidDenyList {
    /// Longer than [`DenyList::MAX_BYTES`].
    TooLarge,
    /// Something is wrong with it there.
    At {
        /// The line, from 1.
        line: usize,
        /// What.
        flaw: Flaw,
    },
    /// More entries than the configuration takes.
    TooManyEntries {
        /// How many.
        found: usize,
        /// How many it takes.
        limit: usize,
    },
    /// `written_at` lies before that of the list at hand.
    Older,
    /// `written_at` lies ahead by more than [`DenyList::MAX_AHEAD`].
    Ahead,
}

/// What can be wrong at one place of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No JSON, or of another shape.
    Shape,
    /// A member that no list has.
    UnknownMember,
    /// A name that stands twice.
    Duplicate,
    /// Not all of `version`, `written_at` and `pools`.
    Missing,
    /// Another `version`.
    Version,
    /// A time that is no whole number of seconds.
    Time,
    /// More than [`DenyList::MAX_ENTRIES`].
    TooMany,
}

impl fmt::Display for InvalidDenyList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => {
                formatter.write_str("the deny list is too large; expected at most 32 MiB")
            }
            Self::At { line, flaw } => write!(formatter, "found {flaw} (line {line})"),
            Self::TooManyEntries { found, limit } => write!(
                formatter,
                "the deny list has {found} entries; expected at most {limit} (deny_list.max_entries)"
            ),
            Self::Older => formatter.write_str(
                "written_at lies before that of the list at hand; expected one that never falls",
            ),
            Self::Ahead => formatter
                .write_str("written_at lies ahead; expected at most 5 minutes more than now"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shape => {
                r#"no deny list; expected {"version": 1, "written_at": seconds, "pools": {…}}"#
            }
            Self::UnknownMember => "an unknown member; expected those of version 1 alone",
            Self::Duplicate => "a name that stands twice in one object; expected each once",
            Self::Missing => "a deny list without version, written_at or pools; expected all three",
            Self::Version => "another version; expected 1",
            Self::Time => "a time that is no whole number of seconds; expected one",
            Self::TooMany => "more than 200000 entries; expected fewer",
        })
    }
}

impl DenyList {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(document: &[u8]) -> Result<Self, InvalidDenyList> {
        if document.len() > Self::MAX_BYTES {
            return Err(InvalidDenyList::TooLarge);
        }
        let mut entries = Entries::default();
        let mut reader = serde_json::Deserializer::from_slice(document);
        let read = List(&mut entries)
            .deserialize(&mut reader)
            .and_then(|written_at| reader.end().map(|()| written_at));
        let written_at = read.map_err(|error| InvalidDenyList::At {
            line: error.line(),
            flaw: entries.flaw.unwrap_or(Flaw::Shape),
        })?;
        let last = InvalidDenyList::At {
            line: 1,
            flaw: Flaw::Duplicate,
        };
        let records = entries.sorted().ok_or(last)?;
        let size = records.len().saturating_mul(RECORD).saturating_add(HEAD);
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(written_at.to_le_bytes());
        for record in records {
            bytes.extend(record.to_be_bytes());
        }
        Ok(Self { bytes })
    }

    /// Whether it may take the place of one that was written then.
    ///
    /// # Errors
    /// [`InvalidDenyList::Older`]: an old list that is played back would give tokens back to
    /// those who lost them; [`InvalidDenyList::Ahead`]: no later list could replace it.
    pub fn succeeds(&self, written_at: u64, now: Timestamp) -> Result<(), InvalidDenyList> {
        let latest = now.plus(Self::MAX_AHEAD);
        if self.revision() < written_at {
            Err(InvalidDenyList::Older)
        } else if self.written_at() > latest {
            Err(InvalidDenyList::Ahead)
        } else {
            Ok(())
        }
    }
}

/// All entries, in the order of the document, and what was wrong.
#[derive(Default)]
struct Entries {
    /// Of each 96 bits of digest, and 32 of time.
    records: Vec<u128>,
    /// The names of the pools.
    pools: Vec<u128>,
    flaw: Option<Flaw>,
}

/// The time of an id that stands in a list, where it may stand twice.
const LISTED: u32 = FOR_EVER;

impl Entries {
    /// Notes what is wrong, since the error that stops the reader would quote the document.
    fn refuse<E: Error>(&mut self, flaw: Flaw) -> E {
        self.flaw = Some(flaw);
        E::custom("")
    }

    fn add<E: Error>(&mut self, namespace: &Sha256, value: &str, time: u32) -> Result<(), E> {
        if self.records.len() >= DenyList::MAX_ENTRIES {
            return Err(self.refuse(Flaw::TooMany));
        }
        let digest = digest(namespace.clone(), value);
        self.records.push(digest << 32 | u128::from(time));
        Ok(())
    }

    /// The records in their order, if no name stands twice.
    fn sorted(self) -> Option<Vec<u128>> {
        let sorted = |list: Vec<u128>| BinaryHeap::from(list).into_sorted_vec();
        let distinct = sorted(self.pools).is_sorted_by(|one, next| one < next);
        let records = sorted(self.records);
        let listed = |record: &u128| record & u128::from(u32::MAX) == u128::from(LISTED);
        let each_once = records
            .is_sorted_by(|one, next| one >> 32 < next >> 32 || (one == next && listed(one)));
        (distinct && each_once).then_some(records)
    }
}

/// The document as a whole; what comes of it is `written_at`.
struct List<'a>(&'a mut Entries);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<u64, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a deny list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let Self(entries) = self;
        let (mut version, mut written_at, mut pools) = (None, None, None);
        while let Some(name) = members.next_key_seed(Name)? {
            let twice = match &*name {
                "version" => version
                    .replace(members.next_value_seed(Whole(entries, Flaw::Version))?)
                    .is_some(),
                "written_at" => written_at
                    .replace(members.next_value_seed(Whole(entries, Flaw::Time))?)
                    .is_some(),
                "pools" => pools
                    .replace(members.next_value_seed(Pools(entries))?)
                    .is_some(),
                _ => return Err(entries.refuse(Flaw::UnknownMember)),
            };
            if twice {
                return Err(entries.refuse(Flaw::Duplicate));
            }
        }
        match (version, written_at, pools) {
            (Some(1), Some(written_at), Some(())) => Ok(written_at),
            (Some(version), _, _) if version != 1 => Err(entries.refuse(Flaw::Version)),
            _ => Err(entries.refuse(Flaw::Missing)),
        }
    }
}

/// A whole number, or this is wrong with it.
struct Whole<'a>(&'a mut Entries, Flaw);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<u64, D::Error> {
        let Self(entries, flaw) = self;
        let read = reader.deserialize_u64(Number);
        read.map_err(|_| entries.refuse(flaw))
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    /// `1795900000.0` is a whole number too, and what some writers make of one.
    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        let whole = Timestamp::from_seconds(number).filter(|_| number.fract() == 0.0);
        let seconds = whole.and_then(|time| Duration::try_from_secs_f64(time.seconds()).ok());
        seconds
            .map(|seconds| seconds.as_secs())
            .ok_or_else(|| E::custom(""))
    }
}

/// `pools`: entries by user pool. One that no configuration knows counts as any, since the list may
/// be another plugin's too.
struct Pools<'a>(&'a mut Entries);

impl<'de> DeserializeSeed<'de> for Pools<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pools<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("user pools")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(entries) = self;
        while let Some(pool) = members.next_key_seed(Name)? {
            entries.pools.push(digest(Sha256::new(), &pool));
            members.next_value_seed(OfPool(entries, &pool))?;
        }
        Ok(())
    }
}

/// The entries of one pool, by kind.
struct OfPool<'a>(&'a mut Entries, &'a str);

impl<'de> DeserializeSeed<'de> for OfPool<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfPool<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the entries of a user pool")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(entries, pool) = self;
        let mut seen = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
                return Err(entries.refuse(Flaw::UnknownMember));
            };
            if seen.contains(&kind) {
                return Err(entries.refuse(Flaw::Duplicate));
            }
            seen.push(kind);
            members.next_value_seed(OfKind {
                entries,
                namespace: &namespace(pool, kind),
                kind,
            })?;
        }
        Ok(())
    }
}

/// The entries of one kind: values with their times, or a list of ids.
struct OfKind<'a> {
    entries: &'a mut Entries,
    namespace: &'a Sha256,
    kind: Kind,
}

impl<'de> DeserializeSeed<'de> for OfKind<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        match self.kind {
            Kind::OriginJti | Kind::Jti => reader.deserialize_any(self),
            Kind::SignedInBefore | Kind::IssuedBefore | Kind::Clients => {
                reader.deserialize_map(self)
            }
        }
    }
}

impl<'de> Visitor<'de> for OfKind<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self {
            entries,
            namespace,
            kind,
        } = self;
        while let Some(value) = members.next_key_seed(Name)? {
            let time = members.next_value_seed(Whole(entries, Flaw::Time))?;
            let time = match kind {
                // When an id was listed is for whoever prunes the list; the token is out for good.
                Kind::OriginJti | Kind::Jti => u32::MAX,
                Kind::SignedInBefore | Kind::IssuedBefore | Kind::Clients => u32::try_from(time)
                    .ok()
                    .filter(|time| *time < FOR_EVER)
                    .unwrap_or(u32::MAX),
            };
            entries.add(namespace, &value, time)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<(), A::Error> {
        while let Some(id) = ids.next_element_seed(Name)? {
            self.entries.add(self.namespace, &id, LISTED)?;
        }
        Ok(())
    }
}
