//! The desk tool's output, to the letter: command lines and what they print, each folder for one
//! command. `TRYCMD=overwrite` writes what is printed now; read the difference before it is kept.

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

mod deny;
mod envoy;
mod explain;
mod hostile;
mod import;
mod init;
mod pages;
mod pictures;
mod readme;
mod reason;
mod sarif;
mod schema;
mod serve;
mod status;
mod token;

#[test]
fn command_lines() {
    let cases = trycmd::TestCases::new();
    // The same at every width and in every environment.
    cases.env("NO_COLOR", "1").env("COLUMNS", "100");
    cases
        .case("tests/desk/*.trycmd")
        .case("tests/desk/*/*.trycmd");
}
