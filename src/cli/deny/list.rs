//! The document, to be changed. What is in it has been read by the filter's own reader before, and
//! is again after the change: nothing is written that the filter would not take.

use anyhow::Context as _;
use cognito_authorizer::deny_list::DenyList;
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// No access or id token lives longer than a day (Cognito's own bound), and no filter allows for
/// more skew than five minutes.
const TOKEN_LIFE: u64 = DAY.saturating_add(5 * 60);

/// What an entry is about: a member of a pool in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    SignedInBefore,
    IssuedBefore,
    Client,
    OriginJti,
    Jti,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::SignedInBefore,
        Self::IssuedBefore,
        Self::Client,
        Self::OriginJti,
        Self::Jti,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SignedInBefore => "signed_in_before",
            Self::IssuedBefore => "issued_before",
            Self::Client => "clients",
            Self::OriginJti => "origin_jti",
            Self::Jti => "jti",
        }
    }

    /// What is written for something that happened in this second. Tokens of the same second may
    /// have been made before or after: only the next one is certainly later. An id has its event.
    const fn time(self, second: u64) -> u64 {
        match self {
            Self::SignedInBefore | Self::IssuedBefore | Self::Client => second.saturating_add(1),
            Self::OriginJti | Self::Jti => second,
        }
    }

    /// How long after its time an entry may still find a token. A refresh keeps the time and the id
    /// of the sign-in, and makes tokens until the refresh token ends.
    fn life(self, refresh_days: u16) -> u64 {
        match self {
            Self::SignedInBefore | Self::OriginJti => DAY
                .saturating_mul(refresh_days.into())
                .saturating_add(TOKEN_LIFE),
            Self::IssuedBefore | Self::Client | Self::Jti => TOKEN_LIFE,
        }
    }
}

/// What a member holds.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    /// Ids with their times.
    Dated(BTreeMap<String, u64>),
    /// A list of ids.
    Undated(Vec<String>),
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::Dated(times) => times.len(),
            Self::Undated(ids) => ids.len(),
        }
    }
}

/// What became of an entry that was to be added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Added {
    /// It is there with this time.
    Since(Timestamp),
    /// It was there with a time that refuses more.
    Kept(Timestamp),
    /// It is in a list of ids.
    Undated,
}

/// A deny list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct List {
    written_at: u64,
    pools: BTreeMap<String, BTreeMap<Kind, Held>>,
}

impl List {
    /// Reads a document.
    ///
    /// # Errors
    /// Why the filter would not take it.
    pub(super) fn read(text: &[u8]) -> anyhow::Result<Self> {
        taken_by_the_filter(text)?;
        // What it took has this form; whatever has not would be lost in writing.
        let document: Value = serde_json::from_slice(text)?;
        let written_at = document.get("written_at").and_then(whole);
        let found = document.get("pools").and_then(Value::as_object);
        let mut list = Self {
            written_at: written_at.context("found no written_at")?,
            pools: BTreeMap::new(),
        };
        for (pool, members) in found.context("found no pools")? {
            let mut held = BTreeMap::new();
            for (name, value) in members.as_object().into_iter().flatten() {
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
                let kind = kind.with_context(|| format!("found {name:?} in {pool}"))?;
                let read = read_held(value).with_context(|| format!("{name} of {pool}"))?;
                held.insert(kind, read);
            }
            list.pools.insert(pool.clone(), held);
        }
        Ok(list)
    }

    /// When it was written.
    pub(super) fn written_at(&self) -> Timestamp {
        timestamp(self.written_at)
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        let members = self.pools.values().flat_map(BTreeMap::values);
        members.map(Held::len).sum()
    }

    /// Adds an entry for what happened at a time. One that is there already refuses no less after.
    pub(super) fn add(&mut self, pool: &str, kind: Kind, id: &str, at: Timestamp) -> Added {
        let time = kind.time(seconds(at));
        let members = self.pools.entry(pool.to_owned()).or_default();
        let held = members.entry(kind);
        match held.or_insert_with(|| Held::Dated(BTreeMap::new())) {
            // Ids without a time are never taken out; that is for its writer to change.
            Held::Undated(ids) => {
                if !ids.iter().any(|known| known == id) {
                    ids.push(id.to_owned());
                }
                Added::Undated
            }
            Held::Dated(times) => {
                let held = times.entry(id.to_owned()).or_insert(time);
                match *held > time {
                    true => Added::Kept(timestamp(*held)),
                    false => {
                        *held = time;
                        Added::Since(timestamp(time))
                    }
                }
            }
        }
    }

    /// Takes out what no token can outlive, and says how many entries that were. An id without a
    /// time stays.
    pub(super) fn prune(&mut self, now: Timestamp, refresh_days: u16) -> usize {
        let before = self.len();
        for members in self.pools.values_mut() {
            for (kind, held) in members.iter_mut() {
                if let Held::Dated(times) = held {
                    let life = kind.life(refresh_days);
                    times.retain(|_, time| time.saturating_add(life) >= seconds(now));
                }
            }
            members.retain(|_, held| held.len() > 0);
        }
        self.pools.retain(|_, members| !members.is_empty());
        before.saturating_sub(self.len())
    }

    /// Whether an id is on it.
    pub(super) fn has(&self, pool: &str, kind: Kind, id: &str) -> bool {
        let held = self.pools.get(pool).and_then(|members| members.get(&kind));
        held.is_some_and(|held| match held {
            Held::Dated(times) => times.contains_key(id),
            Held::Undated(ids) => ids.iter().any(|known| known == id),
        })
    }

    /// Dates it: to now, or to what it was, if that is later.
    pub(super) fn date(&mut self, now: Timestamp) {
        self.written_at = self.written_at.max(seconds(now));
    }

    /// The document.
    ///
    /// # Errors
    /// Why the filter would not take it.
    pub(super) fn write(&self) -> anyhow::Result<Vec<u8>> {
        let members = |members: &BTreeMap<Kind, Held>| -> Value {
            let members = members.iter().map(|(kind, held)| {
                let held = match held {
                    Held::Dated(times) => json!(times),
                    Held::Undated(ids) => json!(ids),
                };
                (kind.name().to_owned(), held)
            });
            Value::Object(members.collect())
        };
        let pools = self.pools.iter();
        let pools = pools.map(|(pool, held)| (pool.clone(), members(held)));
        let pools = Value::Object(pools.collect());
        // In the order in which people would look for it.
        let text = format!(
            "{{\"version\":1,\"written_at\":{},\"pools\":{pools}}}\n",
            self.written_at
        );
        let text = text.into_bytes();
        taken_by_the_filter(&text)?;
        Ok(text)
    }
}

fn read_held(value: &Value) -> Option<Held> {
    match value {
        Value::Object(times) => {
            let times = times.iter();
            let times = times.map(|(id, time)| Some((id.clone(), whole(time)?)));
            times.collect::<Option<_>>().map(Held::Dated)
        }
        Value::Array(ids) => {
            let ids = ids.iter().map(|id| Some(id.as_str()?.to_owned()));
            ids.collect::<Option<_>>().map(Held::Undated)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Asks the filter's own reader.
fn taken_by_the_filter(text: &[u8]) -> anyhow::Result<()> {
    DenyList::parse(text).map_or_else(|error| Err(anyhow::anyhow!("{error}")), |_| Ok(()))
}

/// A whole number of seconds: `1795900000.0` is one, too.
fn whole(value: &Value) -> Option<u64> {
    let exact = || {
        let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
        Some(seconds(Timestamp::from_seconds(number)?))
    };
    value.as_u64().or_else(exact)
}

/// Whole seconds: the one that has begun.
fn seconds(time: Timestamp) -> u64 {
    Duration::try_from_secs_f64(time.seconds())
        .unwrap_or_default()
        .as_secs()
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp::since_epoch(Duration::from_secs(seconds))
}
