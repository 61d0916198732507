//! What operators are given: configurations, dashboards, alerts and the image, each checked by the
//! program that will read it, or by what that program is known to ask for.
//!
//! `make test` sets what the tests need: `ENVOY` names a program and `COGNITO_AUTHORIZER_WASM` the
//! module. `make test-formats` adds the checkers that are no part of this crate.

// A test fails by panicking, and its sums are small; outside `#[test]` functions the lints do not know.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used)]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

#[path = "../common/issuer.rs"]
mod issuer;

// The harness of the end-to-end tests, of which only a part is needed here.
#[path = "../e2e/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../e2e/envoy.rs"]
#[allow(dead_code)]
mod envoy;
#[path = "../e2e/keyserver.rs"]
#[allow(dead_code)]
mod keyserver;
#[path = "../e2e/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../e2e/upstream.rs"]
#[allow(dead_code)]
mod upstream;

// A part of these serves the tests of `make test-formats` alone.
#[cfg_attr(not(feature = "promtool"), allow(dead_code))]
mod bootstrap;
mod files;
#[cfg_attr(not(feature = "promtool"), allow(dead_code))]
mod stack;

#[cfg(feature = "promtool")]
mod alerts;
mod configurations;
mod demo;
mod image;
mod kubernetes;
mod metrics;
mod production;
