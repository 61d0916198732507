//! What operators are given: configurations, dashboards, alerts and the image, each checked by the
//! program that will read it, or by what that program is known to ask for.
//!
//! `make test` sets what the tests need: `ENVOY` names a program and `COGNITO_AUTHORIZER_WASM` the
//! module. `make test-formats` adds the checkers that are no part of this crate.

// A part of these serves the tests of `make test-formats` alone.
#[cfg_attr(not(feature = "promtool"), allow(dead_code))]
mod bootstrap;
pub(crate) mod files;
#[cfg_attr(not(feature = "promtool"), allow(dead_code))]
mod stack;

#[cfg(feature = "promtool")]
mod alerts;
mod configurations;
mod demo;
mod image;
mod kubernetes;
mod lambda;
mod metrics;
mod production;
#[cfg_attr(not(feature = "promtool"), allow(dead_code))]
mod revocation;
