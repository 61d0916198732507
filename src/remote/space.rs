//! The space that all VMs of one `vm_id` share, and the names under which a document lies there.
//!
//! Plugins of other makers may use the same space: names are digests, and bytes that are not ours
//! are treated as absent. Entries outlive an update of the configuration.

use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Data shared between VMs, with compare-and-swap.
pub trait SharedSpace {
    /// The entry's bytes, and its version.
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version);
    /// Writes the entry if its version is still this one.
    ///
    /// # Errors
    /// Another VM was faster.
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

impl Version {
    /// Whether an entry of this version may be overwritten; `None` if there is none.
    #[must_use]
    pub fn fits(self, current: Option<u32>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::Is(version) => current == Some(version),
        }
    }
}

/// Another VM wrote first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

/// Changes whenever the layout of an entry does: versions of the filter that differ in it may run
/// side by side during an update.
pub(super) const FORMAT: &str = "cognito-authorizer/3";

/// The names of a document's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryNames {
    /// Of the [`Record`](super::record::Record).
    pub record: String,
    /// Of the content.
    pub content: String,
    /// Of the content's entity tag.
    pub tag: String,
    /// Of what the plugins that decline the content have told of it.
    pub declined: String,
}

impl EntryNames {
    /// The names for one kind of document that comes from one source, which its parts describe.
    /// Another kind or part gives other names: no document is ever read as one of another kind, and
    /// no configuration is served what it did not ask for.
    #[must_use]
    pub fn new(kind: &str, parts: &[&str]) -> Self {
        let mut source = Vec::new();
        for part in [FORMAT, kind].iter().chain(parts) {
            // Length first: no two lists of parts give the same bytes. In 64 bits, so that names
            // are the same wherever they are computed.
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            source.extend(length.to_le_bytes());
            source.extend(part.as_bytes());
        }
        let name = digest(&source);
        Self {
            record: format!("cognito-authorizer.{name}.record"),
            content: format!("cognito-authorizer.{name}.content"),
            tag: format!("cognito-authorizer.{name}.tag"),
            declined: format!("cognito-authorizer.{name}.declined"),
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

/// A space in memory, which behaves as Envoy's: for the desk tool, and for tests.
#[derive(Debug, Default)]
pub struct MemorySpace(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl MemorySpace {
    /// The names of all entries.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }
}

impl SharedSpace for MemorySpace {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        match self.0.borrow().get(name) {
            Some((bytes, version)) => (Some(bytes.clone()), Version::Is(*version)),
            None => (None, Version::Absent),
        }
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        let mut entries = self.0.borrow_mut();
        let current = entries.get(name).map(|(_, version)| *version);
        if !version.fits(current) {
            return Err(Conflict);
        }
        let next = current.unwrap_or_default().wrapping_add(1);
        entries.insert(name.to_owned(), (value.to_vec(), next));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let names = [
            EntryNames::new("jwks", &["i", "u", "c"]),
            EntryNames::new("list", &["i", "u", "c"]),
            EntryNames::new("jwks", &["j", "u", "c"]),
            EntryNames::new("jwks", &["i", "v", "c"]),
            EntryNames::new("jwks", &["i", "u", "d"]),
            EntryNames::new("jwks", &["iu", "", "c"]),
            EntryNames::new("jwksi", &["u", "c"]),
        ];
        let distinct: std::collections::BTreeSet<_> =
            names.iter().map(|names| &names.record).collect();
        assert_eq!(distinct.len(), names.len());
        assert_ne!(names[0].record, names[0].content);
        assert_eq!(names[0], EntryNames::new("jwks", &["i", "u", "c"]));
    }

    #[test]
    fn an_entry_is_written_if_its_version_is_still_the_one_that_was_read() {
        let space = MemorySpace::default();
        let (bytes, absent) = space.read("a");
        assert_eq!((bytes, absent), (None, Version::Absent));
        assert_eq!(space.write("a", b"1", absent), Ok(()));
        assert_eq!(space.write("a", b"2", absent), Err(Conflict));
        let (bytes, first) = space.read("a");
        assert_eq!(bytes.as_deref(), Some(&b"1"[..]));
        assert_eq!(space.write("a", b"2", first), Ok(()));
        assert_eq!(space.write("a", b"3", first), Err(Conflict));
        assert_eq!(space.write("a", b"3", Version::Any), Ok(()));
        assert_eq!(space.names(), ["a"]);
    }
}
