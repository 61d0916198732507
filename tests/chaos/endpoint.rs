//! The place where one user pool's keys are fetched, and the listener that needs them.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN};
use crate::harness::document::{pool, with};
use crate::harness::issuer::{TestKey, key_set};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::world::World;

/// Longer than the slowest answer of a healthy endpoint takes.
const TIMEOUT: &str = "3s";

/// How a pool's key endpoint is.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    /// The set that it publishes while it is well.
    pub(crate) set: Value,
    /// Until when it fails.
    pub(crate) fails: Option<Instant>,
    /// Until when it is slow.
    pub(crate) slow: Option<Instant>,
    pub(crate) outages: usize,
}

impl Endpoint {
    /// Every way in which it can fail.
    pub(crate) fn faults(&self) -> Vec<Answer> {
        let good = self.set.clone();
        let stranger = key_set(&[TestKey::small()]);
        vec![
            Answer::Status(500, good.clone()),
            Answer::Status(404, good.clone()),
            Answer::Redirect("/elsewhere".to_owned()),
            Answer::Bytes(b"<html>".to_vec()),
            Answer::Truncated(good.clone()),
            Answer::Document(with(good, &[("pad", json!("x".repeat(200_000)))])),
            Answer::Document(stranger),
            Answer::Reset,
            Answer::Silence,
        ]
    }

    /// A new pool whose endpoint cannot be reached yet.
    pub(crate) fn found(world: &World, keys: &KeyServer, number: usize) -> Self {
        let id = format!("us-east-1_Chaos00{number:02}");
        world.found(&id);
        keys.answer(&id, Answer::Reset);
        Self {
            id,
            set: Value::Null,
            fails: Some(Instant::now()),
            slow: None,
            outages: 1,
        }
    }
}

/// The listener with these pools; `variant` changes what is around the filter, or in its
/// configuration.
pub(crate) fn listener(pools: &[Endpoint], variant: usize) -> Listener {
    let pools = pools.iter().map(|endpoint| {
        let refresh = ("jwks.refresh_interval", json!("1m"));
        with(
            pool(&endpoint.id),
            &[("jwks.timeout", json!(TIMEOUT)), refresh],
        )
    });
    let preflight = ["require_token", "pass"][variant / 2 % 2];
    let document = json!({
        "user_pools": pools.collect::<Vec<_>>(),
        "token": {"use": "any"},
        "cors_preflight": preflight,
    });
    let listener = Listener::new(MAIN, document);
    match variant % 2 {
        0 => listener,
        _ => listener.raw_paths(),
    }
}
