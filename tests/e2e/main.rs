//! End to end: the built module in a real Envoy, between real clients, upstreams and key servers.
//!
//! `make test` sets what the tests need: `ENVOY` and `MOTO_SERVER` name programs, and
//! `COGNITO_AUTHORIZER_WASM` the module. What is missing fails; nothing is skipped.
//!
//! Each test starts Envoys of its own, on free ports. An Envoy leaves only after it has shown that no
//! VM of it failed and that every request was decided exactly once. `E2E_KEEP=1` keeps its files.

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

mod admission;
mod authorizers;
mod aws_callers;
mod bytes;
mod causes;
mod claim_headers;
mod claimed;
mod config;
mod confirmation;
mod deny_list;
mod disconnects;
mod drains;
mod every_vector;
mod faults;
mod filters;
mod held;
mod host_calls;
// The desk tool writes the configurations of these.
#[cfg(feature = "cli")]
mod imported;
mod internal_redirects;
mod keys;
mod lambda;
mod modes;
mod moto;
mod navigation;
mod operations;
mod outages;
mod own_headers;
mod path_table;
mod paths;
mod protocols;
mod recipes;
mod refusals;
mod reload;
mod replies;
mod resources;
mod rotation;
mod rules;
mod secrecy;
mod signatures;
mod sockets;
mod sources;
mod strangers;
mod streams;
mod unusual_http;
mod verifiers;
