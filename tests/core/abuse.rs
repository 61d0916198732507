//! What an attacker can make the filter do: spend work, remember a lie, believe bytes of a
//! stranger. Without a host, so that each question is asked thousands of times.

mod authorizers;
mod memory;
mod paths;
mod poison;
mod strangers;
mod work;

use crate::harness::issuer;
use std::rc::Rc;
use std::time::Duration;

use crate::harness::issuer::{CLIENT, TestKey, key_set};
use cognito_authorizer::config;
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

/// The user pool of all these tests.
const POOL: &str = "us-east-1_AbCdEf123";

/// The least configuration, with its keys inline or from a cluster.
fn policy(jwks: Value) -> Rc<Policy> {
    let document = json!({
        "user_pools": [{"user_pool_id": POOL, "client_ids": [CLIENT], "jwks": jwks}],
        "token": {"use": "any"},
        "claim_headers": [
            {"header": "x-sub", "claim": "sub"},
            {"header": "x-groups", "claim": "cognito:groups"},
        ],
    });
    Rc::new(config::parse(document.to_string().as_bytes()).expect("a configuration"))
}

/// A gate that has its keys, and this verifier.
fn gate(algorithm: Rs256) -> Gate {
    let inline = json!({"inline": key_set(&[TestKey::first(), TestKey::second()])});
    Gate::new(policy(inline), algorithm, Entropy::new(1))
}

/// A request with this token.
fn bearer(token: impl AsRef<[u8]>) -> Request {
    let value = [b"Bearer ", token.as_ref()].concat();
    Request::new(vec![("authorization".into(), value)])
}

/// Now, so many milliseconds after the process has begun.
fn now(milliseconds: u64) -> Now {
    let seconds = f64::from(u32::try_from(issuer::now()).expect("before the year 2106"));
    Now {
        wall: Timestamp::from_seconds(seconds).expect("a time"),
        monotonic: Monotonic::new(Duration::from_millis(milliseconds)),
    }
}
