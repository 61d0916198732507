//! What tests of all kinds stand on: an issuer with its keys, vectors, and real processes on the loopback.
//! No test program uses all of it.

#![allow(dead_code)]

pub(crate) mod block;
pub(crate) mod bootstrap;
pub(crate) mod client;
pub(crate) mod curve;
pub(crate) mod document;
pub(crate) mod envoy;
pub(crate) mod function;
pub(crate) mod host;
pub(crate) mod http2;
pub(crate) mod issuer;
pub(crate) mod keyserver;
pub(crate) mod listener;
pub(crate) mod markdown;
pub(crate) mod ministack;
pub(crate) mod minting;
pub(crate) mod outcome;
pub(crate) mod poolserver;
pub(crate) mod process;
pub(crate) mod published;
pub(crate) mod schema;
pub(crate) mod seed;
pub(crate) mod serving;
pub(crate) mod space;
pub(crate) mod table;
pub(crate) mod upstream;
pub(crate) mod vectors;
