//! The desk tool's output, to the letter: command lines and what they print, each folder for one
//! command. `TRYCMD=overwrite` writes what is printed now; read the difference before it is kept.

// The lints spare test functions, not the helpers beside them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod envoy;
mod hostile;
mod import;
mod pages;
mod readme;
mod sarif;

#[test]
fn command_lines() {
    let cases = trycmd::TestCases::new();
    // The same at every width and in every environment.
    cases.env("NO_COLOR", "1").env("COLUMNS", "100");
    cases
        .case("tests/cli/*.trycmd")
        .case("tests/cli/*/*.trycmd");
}
