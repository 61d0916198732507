//! Shared data as Envoy keeps it, and what can happen to it.

use std::cell::Cell;
use std::ops::Deref;

use cognito_authorizer::remote::space::{Conflict, MemorySpace, SharedSpace, Version};

/// The space.
#[derive(Debug, Default)]
pub(crate) struct Space {
    entries: MemorySpace,
    /// So many of the next conditional writes come too late: another VM was faster.
    pub(crate) races_lost: Cell<u32>,
}

impl Deref for Space {
    type Target = MemorySpace;

    fn deref(&self) -> &MemorySpace {
        &self.entries
    }
}

// Each test target that includes this file uses a part of it.
#[allow(dead_code)]
impl Space {
    /// What another plugin does that uses the same name.
    pub(crate) fn overwrite(&self, name: &str, bytes: &[u8]) {
        let _ = self.entries.write(name, bytes, Version::Any);
    }

    /// The entry's bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.read(name).0
    }
}

impl SharedSpace for Space {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        self.entries.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        if version != Version::Any && self.races_lost.get() > 0 {
            self.races_lost.set(self.races_lost.get() - 1);
            // The other writes what was there: its version is another all the same.
            self.overwrite(name, &self.bytes(name).unwrap_or_default());
        }
        self.entries.write(name, value, version)
    }
}
