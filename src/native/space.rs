//! What all threads of the process know: the place of proxy-wasm's shared data.
//!
//! It is read without a lock, as one map that is replaced whole by whoever writes. There is little in
//! it, and little is written: an entry or two for each document that is fetched, and those of
//! confirmations.

use arc_swap::ArcSwap;
use cognito_authorizer::remote::space::{Conflict, SharedSpace, Version};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

type Entries = HashMap<Box<str>, Arc<Entry>>;

static ENTRIES: LazyLock<ArcSwap<Entries>> = LazyLock::new(ArcSwap::default);
static WRITTEN: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    version: u32,
}

/// The one space of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space;

impl Space {
    /// Grows with everything that is written.
    pub(crate) fn written() -> u64 {
        WRITTEN.load(Ordering::Acquire)
    }
}

impl SharedSpace for Space {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        match ENTRIES.load().get(name) {
            Some(entry) => (Some(entry.bytes.clone()), Version::Is(entry.version)),
            None => (None, Version::Absent),
        }
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        loop {
            let before = ENTRIES.load_full();
            let current = before.get(name).map(|entry| entry.version);
            if !version.fits(current) {
                return Err(Conflict);
            }
            let entry = Entry {
                bytes: value.to_vec(),
                version: current.unwrap_or_default().wrapping_add(1),
            };
            let mut entries = Entries::clone(&before);
            entries.insert(name.into(), Arc::new(entry));
            let found = ENTRIES.compare_and_swap(&before, Arc::new(entries));
            if Arc::ptr_eq(&found, &before) {
                WRITTEN.fetch_add(1, Ordering::Release);
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn an_entry_is_written_if_its_version_is_still_the_one_that_was_read() {
        let name = "space.versions";
        let (bytes, absent) = Space.read(name);
        assert_eq!((bytes, absent), (None, Version::Absent));
        let before = Space::written();
        assert_eq!(Space.write(name, b"1", absent), Ok(()));
        assert!(Space::written() > before);
        assert_eq!(Space.write(name, b"2", absent), Err(Conflict));
        let (bytes, first) = Space.read(name);
        assert_eq!(bytes.as_deref(), Some(&b"1"[..]));
        assert_eq!(Space.write(name, b"2", first), Ok(()));
        assert_eq!(Space.write(name, b"3", first), Err(Conflict));
        assert_eq!(Space.write(name, b"3", Version::Any), Ok(()));
    }

    #[test]
    fn of_many_threads_that_write_at_once_none_is_lost() {
        let name = "space.threads";
        let add = || {
            for _ in 0..50 {
                loop {
                    let (bytes, version) = Space.read(name);
                    let mut bytes = bytes.unwrap_or_default();
                    bytes.push(b'x');
                    if Space.write(name, &bytes, version).is_ok() {
                        break;
                    }
                }
            }
        };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(add)).collect();
        for thread in threads {
            assert!(thread.join().is_ok());
        }
        assert_eq!(Space.read(name).0.map(|bytes| bytes.len()), Some(200));
    }
}
