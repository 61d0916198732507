//! The only folder that names the SDK: Envoy's callbacks in, host calls out, and no decisions.
//!
//! There are two hosts, Envoy's Wasm runtime and its dynamic modules. What is read of a request, how a
//! verdict is carried out, and what is counted is the same for both ([`start`], [`stream`], [`metrics`]); all
//! else here is for the first, and the second is a crate of its own in `src/native`.
//!
//! Of the SDK only functions of `proxy_wasm::hostcalls` that take and give bytes are called. The
//! `String` forms of the header functions panic on a byte that is not UTF-8: one such request would
//! take the worker down. A status that the host has no reason to return ends the VM in all of them, and
//! with it the request, which does not go on.

pub mod metrics;
pub mod start;
pub mod stream;

#[cfg(target_arch = "wasm32")]
mod bell;
#[cfg(target_arch = "wasm32")]
mod clock;
#[cfg(target_arch = "wasm32")]
mod crypto;
#[cfg(target_arch = "wasm32")]
mod exchange;
#[cfg(target_arch = "wasm32")]
mod number;
#[cfg(all(target_arch = "wasm32", feature = "provoke"))]
mod provoke;
#[cfg(target_arch = "wasm32")]
mod root;
#[cfg(target_arch = "wasm32")]
mod space;
#[cfg(target_arch = "wasm32")]
mod wire;
#[cfg(target_arch = "wasm32")]
mod worker;
