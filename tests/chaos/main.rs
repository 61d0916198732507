//! Disorder under load: rotation, outages, slow answers, floods and configuration updates, all at
//! once and at random, in front of a real Envoy with four workers. What the contract promises must
//! hold at every moment of it.
//!
//! `make chaos` (`CHAOS=full`) runs it for two minutes, as long with lists that fail and tokens that are
//! revoked and with a function that fails, then the whole flood, the whole crowd and all resets. In short
//! (`CHAOS=short`) it is 20 s, 20 s and 12 s, and a part of the rest.
//! The seed is printed; `CHAOS_SEED` throws the same dice again, though threads run as they like.

// A test fails by panicking, and its sums are small; outside `#[test]` functions the lints do not know.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../harness/mod.rs"]
mod harness;

mod crowd;
mod disorder;
mod endpoint;
mod flood;
mod functions;
mod invariants;
mod load;
mod report;
mod request;
mod resets;
mod revocation;
mod soak;
mod updates;
mod world;

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard};

/// Whether this is `make chaos`.
fn is_full() -> bool {
    std::env::var("CHAOS").is_ok_and(|value| value == "full")
}

/// The tests measure times: none may run beside another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // Whether another has failed is not this one's business.
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Tells whoever runs the tests, not only of failures.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
