//! The document: read in one pass, as strictly as a configuration.
//!
//! What a program writes has no slips of the pen: whatever is not understood may be an entry that
//! was meant to lock somebody out, so it is a failed fetch, and the list at hand stays. Errors name
//! a line and never what stands there, since ids of users end up in no log.

use super::{DenyList, FOR_EVER, HEAD, Kind, RECORD, digest, namespace};
use crate::json::{self, Name};
use crate::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
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
        let whole = Reader {
            entries: &mut entries,
            part: Part::List,
        };
        let read = json::read(document, whole);
        read.map_err(|error| InvalidDenyList::At {
            line: error.line(),
            flaw: entries.flaw.unwrap_or(Flaw::Shape),
        })?;
        // What is wrong with the whole is wrong from the first line on.
        let at = |flaw| InvalidDenyList::At { line: 1, flaw };
        let written_at = match (entries.version, entries.written_at) {
            (Some(1), Some(written_at)) if entries.has_pools => written_at,
            (Some(version), _) if version != 1 => return Err(at(Flaw::Version)),
            _ => return Err(at(Flaw::Missing)),
        };
        let records = entries.sorted().ok_or(at(Flaw::Duplicate))?;
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
    version: Option<u64>,
    written_at: Option<u64>,
    has_pools: bool,
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

/// A part of the document, and what has been read so far. One visitor for all parts, since each would
/// bring a reader of objects of its own into the module.
struct Reader<'a> {
    entries: &'a mut Entries,
    part: Part<'a>,
}

/// A part of the document.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// The whole.
    List,
    /// `pools`. A pool that no configuration knows counts as any, since the list may be another
    /// plugin's too.
    Pools,
    /// The entries of a pool, by kind.
    Pool(&'a str),
    /// The entries of a kind: values with their times, or a list of ids.
    Entries(&'a Sha256, Kind),
}

const VERSION: &str = "version";
const POOLS: &str = "pools";
const MEMBERS: [&str; 3] = [VERSION, "written_at", POOLS];

impl Part<'_> {
    /// The names of its members, each of which stands once; none if they are the document's own.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::List => &MEMBERS,
            Self::Pool(_) => &Kind::NAMES,
            Self::Pools | Self::Entries(..) => &[],
        }
    }
}

/// A whole number of seconds; none for anything else.
struct Whole;

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<u64>, D::Error> {
        Ok(match json::part(reader)? {
            json::Part::Other(Value::Number(number)) => number.as_u64().or_else(|| {
                // `1795900000.0` is a whole number too, and what some writers make of one.
                let number = number.as_f64().filter(|number| number.fract() == 0.0);
                let time = Timestamp::from_seconds(number?)?;
                Duration::try_from_secs_f64(time.seconds())
                    .ok()
                    .map(|time| time.as_secs())
            }),
            _ => None,
        })
    }
}

impl Kind {
    /// What is kept of a time.
    fn kept(self, time: u64) -> u32 {
        match self {
            // When an id was listed is for whoever prunes the list; the token is out for good.
            Self::OriginJti | Self::Jti => u32::MAX,
            Self::SignedInBefore | Self::IssuedBefore | Self::Clients => u32::try_from(time)
                .ok()
                .filter(|time| *time < FOR_EVER)
                .unwrap_or(u32::MAX),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a deny list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { entries, part } = self;
        let mut seen = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let names = part.names();
            if !names.is_empty() {
                if !names.contains(&&*name) {
                    return Err(entries.refuse(Flaw::UnknownMember));
                }
                if seen.contains(&name) {
                    return Err(entries.refuse(Flaw::Duplicate));
                }
                seen.push(name.clone());
            }
            let namespace;
            let part = match part {
                Part::List if name == POOLS => {
                    entries.has_pools = true;
                    Part::Pools
                }
                Part::List => {
                    let (member, flaw) = match &*name {
                        VERSION => (&mut entries.version, Flaw::Version),
                        _ => (&mut entries.written_at, Flaw::Time),
                    };
                    *member = members.next_value_seed(Whole)?;
                    if member.is_none() {
                        return Err(entries.refuse(flaw));
                    }
                    continue;
                }
                Part::Pools => {
                    entries.pools.push(digest(Sha256::new(), &name));
                    Part::Pool(&name)
                }
                Part::Pool(pool) => {
                    let mut kinds = Kind::ALL.into_iter();
                    let Some(kind) = kinds.find(|kind| kind.name() == name) else {
                        return Err(entries.refuse(Flaw::UnknownMember));
                    };
                    namespace = self::namespace(pool, kind);
                    Part::Entries(&namespace, kind)
                }
                Part::Entries(namespace, kind) => {
                    let Some(time) = members.next_value_seed(Whole)? else {
                        return Err(entries.refuse(Flaw::Time));
                    };
                    entries.add(namespace, &name, kind.kept(time))?;
                    continue;
                }
            };
            members.next_value_seed(Reader {
                entries: &mut *entries,
                part,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<(), A::Error> {
        let Part::Entries(namespace, Kind::OriginJti | Kind::Jti) = self.part else {
            return Err(self.entries.refuse(Flaw::Shape));
        };
        while let Some(id) = ids.next_element_seed(Name)? {
            self.entries.add(namespace, &id, LISTED)?;
        }
        Ok(())
    }
}
