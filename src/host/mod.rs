//! The only folder that names the SDK: Envoy's callbacks in, host calls out, and no decisions.
//!
//! Of the SDK only functions of [`proxy_wasm::hostcalls`] that take and give bytes are called. Its
//! convenience methods unwrap what the host returns, and the `String` forms of the header
//! functions panic on a byte that is not UTF-8: one such request would take the worker down.

mod bell;
mod clock;
mod crypto;
mod exchange;
mod metrics;
#[cfg(feature = "provoke")]
mod provoke;
mod root;
mod space;
mod wire;
mod worker;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // The host filters again by its own level; the tick follows that one.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|context| Box::new(root::Root::new(context)));
}}
