//! Envoy's ABI of dynamic modules, as far as the filter needs it.
//!
//! [`raw`] declares what Envoy offers, each with its contract; [`hooks`] defines what Envoy calls;
//! [`stream`] and [`configuration`] are what the filter sees of both, and safe. There is no other
//! `unsafe` in the project.
//!
//! # What makes it sound
//!
//! - A pointer of Envoy's is used between the hooks that begin and end what it points to, and on the
//!   thread that these hooks are called on. [`stream::Request`] forgets its pointer in the hook that
//!   ends it, and then does nothing.
//! - Bytes of Envoy's are copied before the callback returns that showed them: nothing borrows from
//!   Envoy but the answer to a call, and that only within its hook.
//! - Envoy calls back while it is called: a reply runs the filter's own hooks for the response, and may
//!   end the request. So no hook has a unique reference to anything, and each keeps alive what it
//!   works on.
//! - A panic ends in the hook ([`hooks`]): it would be undefined if it went on into Envoy.

mod call;
mod configuration;
#[cfg(test)]
mod fake;
mod hooks;
mod log;
mod raw;
mod stream;
#[cfg(test)]
mod tests;
mod version;
