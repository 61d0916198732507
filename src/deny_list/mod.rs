//! The deny list: tokens that are no longer honoured although their signature and times are good.
//!
//! Signing out, disabling or deleting a user changes nothing about a token that was issued before.
//! The list says what has been revoked since, in five kinds of entries, each under its user pool,
//! or the number of its AWS account: a `sub` means nothing outside of these.
//!
//! A list is kept as records of 16 bytes in their order, so that 100,000 entries are 1.6 MB for
//! each worker, and one VM can read and sort the document for all. Twelve bytes are of a digest: 96
//! bits, of which no two entries of a list that a person could write will ever agree, and whoever
//! writes the list can lock out anybody without looking for two that do.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | `written_at`, little-endian |
//! | then, each 16 bytes | the first twelve of SHA-256 over pool, kind and value; the entry's time, in seconds, big-endian |

mod document;

pub use document::{Flaw, InvalidDenyList};

use crate::claims::Claims;
use crate::time::Timestamp;
use sha2::digest::Update;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Entries, found by what a token says of itself.
#[derive(Debug)]
pub struct DenyList {
    /// In the form in which VMs hand it on; see the top of this file.
    bytes: Vec<u8>,
}

/// What an entry looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user's sign-ins, refreshed tokens included: `sub` and `auth_time`.
    SignedInBefore,
    /// The user's tokens: `sub` and `iat`.
    IssuedBefore,
    /// The app client's tokens: the client and `iat`.
    Clients,
    /// One sign-in: `origin_jti`.
    OriginJti,
    /// One token: `jti`.
    Jti,
}

impl Kind {
    /// Every kind, in the order of the manual.
    pub const ALL: [Self; 5] = [
        Self::SignedInBefore,
        Self::IssuedBefore,
        Self::Clients,
        Self::OriginJti,
        Self::Jti,
    ];

    /// Their names in the document, in the same order.
    const NAMES: [&str; 5] = [
        "signed_in_before",
        "issued_before",
        "clients",
        "origin_jti",
        "jti",
    ];

    /// The name in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        let [signed_in_before, issued_before, clients, origin_jti, jti] = Self::NAMES;
        match self {
            Self::SignedInBefore => signed_in_before,
            Self::IssuedBefore => issued_before,
            Self::Clients => clients,
            Self::OriginJti => origin_jti,
            Self::Jti => jti,
        }
    }

    /// A byte that no UTF-8 text has: no pool and value can be taken for others.
    const fn mark(self) -> u8 {
        match self {
            Self::SignedInBefore => 0xf8,
            Self::IssuedBefore => 0xf9,
            Self::Clients => 0xfa,
            Self::OriginJti => 0xfb,
            Self::Jti => 0xfc,
        }
    }
}

/// What a token was looked up by, and what was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookedUp<'a> {
    /// What the entry would look at.
    pub kind: Kind,
    /// The id that the token has there.
    pub value: &'a str,
    /// The token's time that is compared with the entry's.
    pub time: Option<Timestamp>,
    before: Option<u32>,
}

impl LookedUp<'_> {
    /// Whether there is an entry.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.before.is_some()
    }

    /// The entry's time; none for all tokens, however late.
    #[must_use]
    pub fn before(&self) -> Option<Timestamp> {
        let before = self.before.filter(|before| *before < FOR_EVER)?;
        Some(Timestamp::since_epoch(Duration::from_secs(before.into())))
    }

    /// Whether the entry voids the token.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.before.is_some_and(|before| {
            let earlier = |time: Timestamp| time.seconds() < f64::from(before);
            before >= FOR_EVER || self.time.is_none_or(earlier)
        })
    }
}

/// Times from here on stand for all tokens, however late.
const FOR_EVER: u32 = u32::MAX - 1;

/// An entry, before its pool and kind are known.
const RECORD: usize = 16;
/// `written_at`.
const HEAD: usize = 8;

/// The digest of all entries of one kind in one pool, as far as they agree: each entry then costs
/// one block of SHA-256.
fn namespace(pool: &str, kind: Kind) -> Sha256 {
    const BLOCK: usize = 64;
    let used = pool.len().saturating_add(1).checked_rem(BLOCK);
    let padding = BLOCK.saturating_sub(used.unwrap_or_default());
    Sha256::new()
        .chain(pool)
        .chain([kind.mark()])
        .chain([0; BLOCK].get(..padding).unwrap_or_default())
}

/// The 96 bits by which an entry is found.
fn digest(namespace: Sha256, value: &str) -> u128 {
    let digest: [u8; 32] = namespace.chain(value).finalize().into();
    digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_be_bytes(*bytes) >> 32)
}

impl DenyList {
    /// The most entries that any configuration takes. A day of 100,000 sign-outs at tokens of an
    /// hour has 4,000 at a time.
    pub const MAX_ENTRIES: usize = 200_000;
    /// What Envoy hands over of an answer; 200,000 entries take some 12 MB.
    pub const MAX_BYTES: usize = 32 * 1024 * 1024;
    /// How far `written_at` may lie ahead: as far as clocks may differ.
    pub const MAX_AHEAD: Duration = Duration::from_secs(300);

    /// Reads the form in which VMs hand it on: whole records, in their order.
    #[must_use]
    pub fn from_shared(bytes: &[u8]) -> Option<Self> {
        let (records, []) = bytes.get(HEAD..)?.as_chunks::<RECORD>() else {
            return None;
        };
        // Found by bisection: in any other order an entry could hide.
        let ordered = records
            .iter()
            .is_sorted_by_key(|record| u128::from_be_bytes(*record));
        (ordered && records.len() <= Self::MAX_ENTRIES).then(|| Self {
            bytes: bytes.to_vec(),
        })
    }

    /// The form in which VMs hand it on.
    #[must_use]
    pub fn shared(&self) -> &[u8] {
        &self.bytes
    }

    /// When it was written.
    #[must_use]
    pub fn written_at(&self) -> Timestamp {
        Timestamp::since_epoch(Duration::from_secs(self.revision()))
    }

    /// `written_at` in seconds, by which lists are told to be newer.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.bytes
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records().len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it has the same entries.
    #[must_use]
    pub fn same_entries(&self, other: &Self) -> bool {
        self.bytes.get(HEAD..) == other.bytes.get(HEAD..)
    }

    fn records(&self) -> &[[u8; RECORD]] {
        let records = self.bytes.get(HEAD..).unwrap_or_default();
        records.as_chunks().0
    }

    /// Whether an entry names a token of this pool. All that apply count, whichever is the
    /// strictest; a token without the claim that an entry looks at cannot show that it is newer.
    #[must_use]
    pub fn names(&self, pool: &str, claims: &Claims) -> bool {
        self.look_up(pool, claims).any(|one| one.is_revoked())
    }

    /// All that a token of this pool is looked up by, and what there is.
    pub fn look_up<'a>(
        &'a self,
        pool: &'a str,
        claims: &'a Claims,
    ) -> impl Iterator<Item = LookedUp<'a>> {
        let (sub, issued) = (claims.subject(), claims.issued_at());
        let clients = claims.token_use().into_iter();
        let clients = clients.flat_map(|of| claims.clients(of));
        // Nothing is compared with the time of the first two.
        let single = [
            (Kind::Jti, claims.token_id(), None),
            (Kind::OriginJti, claims.origin_id(), None),
            (Kind::SignedInBefore, sub, claims.authenticated_at()),
            (Kind::IssuedBefore, sub, issued),
        ];
        let clients = clients.map(move |client| (Kind::Clients, Some(client), issued));
        let all = single.into_iter().chain(clients);
        all.filter_map(move |(kind, value, time)| {
            let value = value?;
            let before = self.find(digest(namespace(pool, kind), value));
            Some(LookedUp {
                kind,
                value,
                time,
                before,
            })
        })
    }

    /// The time of an entry.
    fn find(&self, digest: u128) -> Option<u32> {
        let records = self.records();
        let key = |record: &[u8; RECORD]| u128::from_be_bytes(*record) >> 32;
        let at = records.partition_point(|record| key(record) < digest);
        let record = records.get(at).filter(|record| key(record) == digest)?;
        record.last_chunk().map(|time| u32::from_be_bytes(*time))
    }
}

#[cfg(test)]
mod tests;
