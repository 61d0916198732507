//! What users are given beside the module's behaviour: pages, configurations, dashboards, alerts, the
//! image, and the module as a file.
//!
//! `make test` sets what the tests need: `ENVOY` names a program and `COGNITO_AUTHORIZER_WASM` the module.

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

mod deploy;
mod module;
mod pages;
mod workflows;
