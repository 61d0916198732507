//! `explain`: its account of every decision vector, and its output to the letter.

// The command without its arguments.
#[allow(dead_code, unused_imports)]
#[path = "../../src/cli/explain/account/mod.rs"]
mod account;

// What says how vectors differ is for the tests of the vectors themselves.

mod cases;
mod every_vector;
mod fetch;
mod golden;
mod lines;
mod random;
mod tool;
