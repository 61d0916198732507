//! Verified tokens, remembered by a worker.
//!
//! Only accepted tokens enter, so that garbage fills no cache. A client that has many
//! tokens minted could still flood it: S3-FIFO lets a newcomer push out only newcomers until it
//! has been asked for again, and the hot ones stay.

use crate::claim_headers::HeaderValues;
use crate::remote::slots::Key;
use crate::verify::Verified;
use quick_cache::unsync::Cache;
use quick_cache::{Equivalent, Weighter};
use std::cell::{Cell, OnceCell};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// A verified token, and all that forwarding its next request takes.
#[derive(Debug)]
pub struct Remembered {
    /// The proof that it was verified.
    pub verified: Verified,
    /// What the upstream is told.
    pub headers: HeaderValues,
    /// The generation of the key set that verified it; it counts for nothing under another.
    pub generation: u64,
    /// The generation of the deny list that does not name it; it is looked up again in another.
    pub clear_under: Cell<Option<u64>>,
    /// Its name among the tokens that pools are asked about, once that was needed: to make a digest
    /// takes longer than all else about a remembered token.
    pub name: OnceCell<Key>,
}

/// Verified tokens by their exact bytes.
pub struct TokenCache(Option<Cache<Compact, Rc<Remembered>, ByBytes>>);

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = self.0.as_ref().map_or(0, Cache::len);
        write!(formatter, "{entries} tokens")
    }
}

impl TokenCache {
    /// What one of `cache_entries` stands for: a token of 1 to 2 kB, its claims and headers. A
    /// larger one counts as several, which bounds the bytes together with the entries.
    pub const ENTRY_BYTES: usize = 4096;

    /// A cache for so many tokens of the usual size; 0 remembers nothing.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let weight = u64::try_from(entries).unwrap_or(u64::MAX);
        Self((entries > 0).then(|| Cache::with_weighter(entries, weight, ByBytes)))
    }

    /// What is remembered of exactly this token.
    #[must_use]
    pub fn get(&self, compact: &[u8]) -> Option<&Rc<Remembered>> {
        self.0.as_ref()?.get(&Bytes(compact))
    }

    /// Remembers an accepted token.
    pub fn insert(&mut self, compact: &[u8], remembered: Rc<Remembered>) {
        if let Some(cache) = &mut self.0 {
            cache.insert(Compact(compact.into()), remembered);
        }
    }

    /// Forgets a token whose key is gone.
    pub fn remove(&mut self, compact: &[u8]) {
        if let Some(cache) = &mut self.0 {
            cache.remove(&Bytes(compact));
        }
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether anything may be remembered at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// A token's bytes. Equality is of all of them; the hash looks at the end only, which is the
/// signature's, and only the user pool could make two of those collide.
#[derive(PartialEq, Eq)]
struct Compact(Box<[u8]>);

struct Bytes<'a>(&'a [u8]);

const HASHED_BYTES: usize = 32;

fn hash_end<H: Hasher>(compact: &[u8], state: &mut H) {
    let end = compact.len().saturating_sub(HASHED_BYTES);
    state.write(compact.get(end..).unwrap_or_default());
}

impl Hash for Compact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_end(&self.0, state);
    }
}

impl Hash for Bytes<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_end(self.0, state);
    }
}

impl Equivalent<Compact> for Bytes<'_> {
    fn equivalent(&self, key: &Compact) -> bool {
        same(self.0, &key.0)
    }
}

/// Whether two tokens are equal, eight bytes at a time: the C library in the module compares them
/// one by one, which would take half of what a remembered token costs.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (one, one_rest) = one.as_chunks::<8>();
    let (other, other_rest) = other.as_chunks::<8>();
    let mut words = one.iter().zip(other);
    one.len() == other.len()
        && one_rest == other_rest
        && words.all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Compact, Rc<Remembered>> for ByBytes {
    fn weight(&self, compact: &Compact, remembered: &Rc<Remembered>) -> u64 {
        let bytes = compact
            .0
            .len()
            .saturating_add(remembered.verified.claims().bytes())
            .saturating_add(remembered.headers.bytes());
        u64::try_from(bytes.div_ceil(TokenCache::ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}
