//! Envoy's shared data, one space for all VMs of a `vm_id`.

use crate::remote::space::{Conflict, SharedSpace, Version};
use proxy_wasm::hostcalls;

#[derive(Clone, Copy, Debug)]
pub(super) struct Shared;

impl SharedSpace for Shared {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        match hostcalls::get_shared_data(name) {
            Ok((value, Some(version))) => (value, Version::Is(version)),
            Ok((None, None)) | Err(_) => (None, Version::Absent),
            Ok((value, None)) => (value, Version::Any),
        }
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        let version = match version {
            Version::Is(version) => Some(version),
            // No entry ever has this version: if there is one, the host refuses.
            Version::Absent => Some(u32::MAX),
            Version::Any => None,
        };
        hostcalls::set_shared_data(name, Some(value), version).map_err(|_| Conflict)
    }
}
