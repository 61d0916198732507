//! Key sets (RFC 7517): lenient about the set, strict about each key.
//!
//! One key that the filter cannot use must not cost the others: a pool that adds a key of a new
//! kind goes on working. What is used of a pool's set, however, is exactly an RSA key for RS256; of
//! an AWS account's, a P-384 key for ES384 besides.

use crate::json;
use crate::signature::Algorithm;
use crate::{es384, rs256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::fmt;
use std::rc::Rc;

/// The usable keys of one issuer, each `kid` once.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<(String, Key)>,
    skipped: usize,
}

/// A key that may verify signatures.
#[derive(Clone, Debug)]
pub enum Key {
    /// For RS256.
    Rsa(Rc<rs256::PublicKey>),
    /// For ES384.
    P384(Rc<es384::PublicKey>),
}

impl Key {
    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        match self {
            Self::Rsa(key) => key.spki(),
            Self::P384(key) => key.spki(),
        }
    }
}

/// Which kinds of key an issuer signs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKinds {
    /// A user pool's.
    #[default]
    Rsa,
    /// An AWS account's.
    RsaAndP384,
}

/// Why a document is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKeySet {
    /// Longer than [`KeySet::MAX_BYTES`].
    TooLarge,
    /// Not JSON, or not an object with an array `keys`.
    Malformed,
    /// More than [`KeySet::MAX_KEYS`] keys.
    TooManyKeys,
    /// Not one key of these kinds.
    NoUsableKey(KeyKinds),
}

impl fmt::Display for InvalidKeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLarge => "the key set is too large; expected at most 150000 bytes",
            Self::Malformed => r#"found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#,
            Self::TooManyKeys => "the key set has too many keys; expected at most 100",
            Self::NoUsableKey(KeyKinds::Rsa) => {
                "the key set has no usable key; expected an RSA key of 2048 to 4096 bits with a kid, for RS256 signatures"
            }
            Self::NoUsableKey(KeyKinds::RsaAndP384) => {
                "the key set has no usable key; expected an RSA key of 2048 to 4096 bits or one on P-384, with a kid, for RS256 or ES384 signatures"
            }
        })
    }
}

impl KeySet {
    /// Cognito's key sets have two keys and 1 kB; this leaves room for a hundred of 4096 bits.
    pub const MAX_BYTES: usize = 150_000;
    /// A user pool has two keys, and four while they change.
    pub const MAX_KEYS: usize = 100;

    /// Reads a user pool's key set. Keys that cannot verify RS256 are skipped, and of two with the
    /// same `kid` the first counts.
    ///
    /// # Errors
    /// See [`InvalidKeySet`].
    pub fn parse(document: &[u8]) -> Result<Self, InvalidKeySet> {
        Self::of_kinds(document, KeyKinds::Rsa)
    }

    /// The same with keys of other kinds.
    ///
    /// # Errors
    /// See [`InvalidKeySet`].
    pub fn of_kinds(document: &[u8], kinds: KeyKinds) -> Result<Self, InvalidKeySet> {
        if document.len() > Self::MAX_BYTES {
            return Err(InvalidKeySet::TooLarge);
        }
        let document = json::key_set(document).map_err(|_| InvalidKeySet::Malformed)?;
        let entries = document
            .as_object()
            .filter(|members| !members.contains_key(json::NUMBER_MEMBER))
            .and_then(|members| members.get("keys")?.as_array())
            .ok_or(InvalidKeySet::Malformed)?;
        if entries.len() > Self::MAX_KEYS {
            return Err(InvalidKeySet::TooManyKeys);
        }
        let mut set = Self {
            keys: Vec::new(),
            skipped: 0,
        };
        for entry in entries {
            match usable(entry, kinds) {
                Some((kid, key)) if set.get(&kid).is_none() => set.keys.push((kid, key)),
                _ => set.skipped = set.skipped.saturating_add(1),
            }
        }
        if set.is_empty() {
            return Err(InvalidKeySet::NoUsableKey(kinds));
        }
        Ok(set)
    }

    /// The key with this `kid`.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.keys
            .iter()
            .find(|(known, _)| known == kid)
            .map(|(_, key)| key)
    }

    /// The names of the usable keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(kid, _)| kid.as_str())
    }

    /// How many usable keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none; a parsed set always has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many entries were skipped.
    #[must_use]
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// Whether both sets have the same keys under the same names, in whatever order.
    #[must_use]
    pub fn same_keys(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .keys
                .iter()
                .all(|(kid, key)| other.get(kid).is_some_and(|twin| twin.spki() == key.spki()))
    }
}

/// A JWK as a key of a kind that is wanted, if it is one (RFC 7517, section 4; RFC 7518, sections
/// 6.2 and 6.3).
fn usable(entry: &Value, kinds: KeyKinds) -> Option<(String, Key)> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    // Absent is fine, anything else must be the one word.
    let absent_or = |name: &str, word: &str| {
        entry
            .get(name)
            .is_none_or(|value| value.as_str() == Some(word))
    };
    if json::has_number_member(entry) || !absent_or("use", "sig") {
        return None;
    }
    let kid = text("kid").filter(|kid| !kid.is_empty())?;
    let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let key = match text("kty")? {
        "RSA" if absent_or("alg", Algorithm::Rs256.name()) => {
            let key = rs256::PublicKey::new(&number("n")?, &number("e")?).ok()?;
            Key::Rsa(Rc::new(key))
        }
        "EC" if kinds == KeyKinds::RsaAndP384
            && text("crv") == Some("P-384")
            && absent_or("alg", Algorithm::Es384.name()) =>
        {
            let key = es384::PublicKey::new(&number("x")?, &number("y")?)?;
            Key::P384(Rc::new(key))
        }
        _ => return None,
    };
    Some((kid.to_owned(), key))
}

#[cfg(test)]
mod tests;
