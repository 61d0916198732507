//! What stands under `envoy/istio` and `envoy/gateway`, read by real control planes and served by an
//! Envoy that takes its configuration from them.
//!
//! `make test-mesh` builds the control planes and sets what the tests need: `MESH_CONTROL_PLANE` and
//! `MESH_TOOLS` name folders with programs, `ENVOY` and `COGNITO_AUTHORIZER_WASM` the proxy and the
//! module.

// Neither half uses all that both share.
#![allow(dead_code)]
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

mod endpoint;
mod manifest;
mod program;
mod registry;

mod gateway;
mod istio;
