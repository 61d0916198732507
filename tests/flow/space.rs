//! Shared data as Envoy keeps it: versioned entries, one space for all VMs of a process.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use cognito_authorizer::keyring::shared::{Conflict, SharedSpace, Version};

/// The space.
#[derive(Debug, Default)]
pub(crate) struct Space {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    /// So many of the next conditional writes come too late: somebody else was faster.
    pub(crate) races_lost: Cell<u32>,
}

// Each test target that includes this file uses a part of it.
#[allow(dead_code)]
impl Space {
    /// The names of all entries.
    pub(crate) fn names(&self) -> Vec<String> {
        self.entries.borrow().keys().cloned().collect()
    }

    /// What another plugin does that uses the same name.
    pub(crate) fn overwrite(&self, name: &str, bytes: &[u8]) {
        let _ = self.write(name, bytes, Version::Any);
    }

    /// The entry's bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.read(name).0
    }
}

impl SharedSpace for Space {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        match self.entries.borrow().get(name) {
            Some((bytes, version)) => (Some(bytes.clone()), Version::Is(*version)),
            None => (None, Version::Absent),
        }
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        let mut entries = self.entries.borrow_mut();
        if version != Version::Any && self.races_lost.get() > 0 {
            self.races_lost.set(self.races_lost.get() - 1);
            entries.entry(name.to_owned()).or_default().1 += 1;
        }
        let current = entries.get(name).map(|(_, version)| *version);
        let fits = match version {
            Version::Any => true,
            Version::Absent => current.is_none(),
            Version::Is(version) => current == Some(version),
        };
        if !fits {
            return Err(Conflict);
        }
        let next = current.unwrap_or_default() + 1;
        entries.insert(name.to_owned(), (value.to_vec(), next));
        Ok(())
    }
}
