//! End to end: the built module in a real Envoy, between real clients, upstreams and key servers.
//!
//! `make test` sets what the tests need: `ENVOY` and `MOTO_SERVER` name programs, and
//! `COGNITO_AUTHORIZER_WASM` the module. What is missing fails; nothing is skipped.
//!
//! Each test starts Envoys of its own, on free ports. An Envoy leaves only after it has shown that no
//! VM of it failed and that every request was decided exactly once. `E2E_KEEP=1` keeps its files.

// A test fails by panicking, and its sums are small; outside `#[test]` functions the lints do not know.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used)]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

#[path = "../signatures/block.rs"]
mod block;
#[path = "../common/issuer.rs"]
mod issuer;
#[allow(clippy::unwrap_used)]
#[path = "../decisions/minting.rs"]
mod minting;
// What compares outcomes, and says how vectors differ, is for the tests of the vectors themselves.
#[allow(dead_code)]
#[path = "../decisions/outcome.rs"]
mod outcome;
#[path = "../signatures/published.rs"]
mod published;
#[allow(clippy::unwrap_used, dead_code)]
#[path = "../decisions/vectors.rs"]
mod vectors;

// The harness, parts of which serve other test programs alone.
mod bootstrap;
#[allow(dead_code)]
mod client;
mod document;
mod envoy;
mod http2;
mod keyserver;
mod listener;
#[path = "../readme/markdown.rs"]
#[allow(dead_code, clippy::string_slice)]
mod markdown;
#[allow(dead_code)]
mod process;
mod table;
#[allow(dead_code)]
mod upstream;

mod admission;
mod bytes;
mod causes;
mod claim_headers;
mod claimed;
mod config;
mod costs;
mod drains;
mod every_vector;
mod faults;
mod filters;
mod held;
// The desk tool writes the configurations of these.
#[cfg(feature = "cli")]
mod imported;
mod keys;
mod leaving;
mod moto;
mod oddities;
mod operations;
mod outages;
mod own_headers;
mod path_cost;
mod path_table;
mod paths;
mod protocols;
mod recipes;
mod refusals;
mod reload;
mod replies;
mod rotation;
mod rules;
mod secrecy;
#[path = "../common/seed.rs"]
mod seed;
mod signatures;
mod sources;
mod strangers;
mod twice;
mod verifiers;
