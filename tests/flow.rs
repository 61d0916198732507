//! Keys in scripted time: tables of second, event, and all that happened up to then.

// The lints spare test functions, not the helpers beside them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "flow/change.rs"]
mod change;
#[path = "common/issuer.rs"]
mod issuer;
#[path = "flow/moments.rs"]
mod moments;
#[path = "flow/outage.rs"]
mod outage;
#[path = "flow/patience.rs"]
mod patience;
#[path = "flow/pools.rs"]
mod pools;
#[path = "flow/random.rs"]
mod random;
#[path = "flow/reads.rs"]
mod reads;
#[path = "flow/script.rs"]
mod script;
#[path = "flow/search.rs"]
mod search;
#[path = "common/seed.rs"]
mod seed;
#[path = "flow/sharing.rs"]
mod sharing;
#[path = "flow/space.rs"]
mod space;
#[path = "flow/start.rs"]
mod start;
#[path = "flow/telling.rs"]
mod telling;
#[path = "flow/world.rs"]
mod world;
