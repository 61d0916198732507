//! The same filter as a dynamic module of Envoy: what it does, in safe Rust.
//!
//! The crate beside this one, `abi`, is what Envoy loads. It knows pointers and little else: it makes
//! an [`envoy::Stream`] of each request and an [`envoy::Configuration`] of each configuration, and
//! calls a [`Filter`] and a [`Plugin`] here. All `unsafe` is there.
//!
//! # Who runs where
//!
//! ```text
//!  main thread     leader   one gate for each configuration: makes calls for all, serves no request,
//!     ▲   │                 and alone tells Envoy of statistics
//!   post  bell
//!     │   ▼
//!  worker threads  worker   one gate for each configuration and thread: judges requests, and asks
//!                           authorizers in their names
//!
//!  a thread of     alarm    rings when a tick is due, since the ABI has no timer for filters
//!  its own
//! ```
//!
//! A gate is never shared, so nothing that a request does on its way takes a lock: it looks at one
//! atomic flag, which says whether something is to be read first, and adds to counters that no other
//! thread writes. A request that has to wait may lock what only its own thread and the alarm know.
//!
//! What one thread has fetched, all read from [`space`], which takes the place of the shared data of
//! proxy-wasm.

pub mod envoy;

mod alarm;
mod call;
mod clock;
mod crypto;
mod exchange;
mod leader;
mod number;
mod seat;
mod space;
mod worker;

pub use exchange::{Filter, Onward};
pub use leader::Plugin;
