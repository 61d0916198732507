//! Configurations of the filter: the least that is accepted, to which each test adds its own.

use serde_json::{Value, json};

use crate::harness::bootstrap::KEYS_CLUSTER;
use crate::harness::issuer::CLIENT;

/// The user pool of tests that need only one.
pub(crate) const POOL: &str = "us-east-1_Tests0001";
/// A second app client that the configurations admit.
pub(crate) const OTHER_CLIENT: &str = "7zzother0123456789abcdefgh";

/// A user pool whose keys come from the key server.
pub(crate) fn pool(id: &str) -> Value {
    json!({
        "user_pool_id": id,
        "client_ids": [CLIENT, OTHER_CLIENT],
        "jwks": {"cluster": KEYS_CLUSTER},
    })
}

/// The least that is accepted, for these user pools.
pub(crate) fn document(pools: &[&str]) -> Value {
    let pools: Vec<_> = pools.iter().map(|id| pool(id)).collect();
    json!({"user_pools": pools, "token": {"use": "any"}})
}

/// The same, and whoever needs a key waits longer than any step of a test takes on a busy machine.
pub(crate) fn patient(pools: &[&str]) -> Value {
    let all = 0..pools.len();
    all.fold(document(pools), |mut document, number| {
        document["user_pools"][number]["jwks"]["timeout"] = json!("30s");
        document
    })
}

/// The least that is accepted, with `rules`, and `default: authenticated`.
pub(crate) fn ruled(rules: Value) -> Value {
    with(
        document(&[POOL]),
        &[("rules", rules), ("default", json!("authenticated"))],
    )
}

/// The document with these members added or replaced, each at a path of names and indices.
#[track_caller]
pub(crate) fn with(mut document: Value, changes: &[(&str, Value)]) -> Value {
    for (path, value) in changes {
        let mut place = &mut document;
        for step in path.split('.') {
            place = match step.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[step],
            };
        }
        *place = value.clone();
    }
    document
}
