//! `explain`: its account of every decision vector, and its output to the letter.

// The lints spare test functions, not the helpers beside them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

// The command without its arguments.
#[allow(dead_code, unused_imports)]
#[path = "../../src/cli/explain/account/mod.rs"]
mod account;

#[path = "../common/issuer.rs"]
mod issuer;
#[path = "../decisions/minting.rs"]
mod minting;
#[path = "../decisions/outcome.rs"]
mod outcome;
// What says how vectors differ is for the tests of the vectors themselves.
#[allow(dead_code)]
#[path = "../decisions/vectors.rs"]
mod vectors;

mod cases;
mod every_vector;
mod fetch;
mod golden;
mod random;
#[path = "../common/seed.rs"]
mod seed;
mod tool;
