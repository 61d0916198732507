//! A failure of the VM on request, for the tests of what follows one. Not in any shipped module:
//! `tests/e2e/reload.rs` looks for the header's name in the one that is.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

/// Asks for the failure, with the value `1`.
const HEADER: &str = "x-provoke-trap";

/// Traps if the request asks for it. What the VM held in memory is lost, as in any real failure:
/// no destructor runs, and a lease is not given back.
pub(super) fn trap_if_asked() {
    let asked = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, HEADER);
    if asked.is_ok_and(|value| value.as_deref() == Some(b"1")) {
        core::arch::wasm32::unreachable()
    }
}
