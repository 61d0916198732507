//! What an attack costs a real Envoy, beside an acceptance of a token that was never seen.
//!
//! Processor time is measured, which wants the machine for itself: `make costs`. What the core itself
//! may do for a request is counted, wherever it runs (`tests/core/abuse`).

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

mod paths;
mod tokens;
