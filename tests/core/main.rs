//! The core without a host, asked thousands of questions: no Envoy, no module, no network. `make quick`
//! runs all but the long ones.

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

mod abuse;
mod authorizer;
mod config;
mod decisions;
mod flow;
mod layers;
mod native;
mod paths;
mod readers;
mod rfc;
mod signatures;
