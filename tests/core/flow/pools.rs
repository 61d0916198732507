//! The user pools of the scripts: their configuration, their tokens, and the key sets they publish.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;

use cognito_authorizer::config;
use cognito_authorizer::policy::Policy;
use serde_json::{Value, json};

use crate::flow::world::{BEGIN, WALL};
use crate::harness::issuer::{TestKey, compact, issuer_of, signed};

/// The two user pools, each with a key server of its own.
pub(crate) const POOLS: [(&str, &str); 2] =
    [("a", "us-east-1_AbCdEf123"), ("b", "eu-west-1_Other0002")];
/// A configuration of the pools with these names.
pub(crate) fn document(pools: &[&str], jwks: &Value) -> Value {
    let pools = POOLS
        .iter()
        .filter(|(name, _)| pools.contains(name))
        .map(|(name, id)| {
            let mut jwks = jwks.clone();
            jwks["cluster"] = json!(name);
            json!({"user_pool_id": id, "client_ids": ["web"], "jwks": jwks})
        });
    json!({"user_pools": pools.collect::<Vec<_>>(), "token": {"use": "access"}})
}

/// A document as a policy.
pub(crate) fn policy(document: &Value) -> Rc<Policy> {
    Rc::new(config::parse(document.to_string().as_bytes()).unwrap())
}

/// A token of a pool that names this key, and is signed by it if it is a test's; every other `kid`
/// comes with a signature by nobody. It is valid whatever the wall clock says, and says when it was made
/// if the `kid` is followed by `@` and a second of the script. What follows a `~` is its `sub`, of a user
/// who signed in when the script began.
fn token(pool: &str, kid: &str) -> String {
    let id = POOLS.iter().find(|(name, _)| *name == pool).unwrap().1;
    let (kid, sub) = kid.split_once('~').unwrap_or((kid, ""));
    let (kid, issued_at) = kid.split_once('@').unwrap_or((kid, ""));
    let header = json!({"alg": "RS256", "kid": kid}).to_string();
    let mut claims = json!({"iss": issuer_of(id), "client_id": "web", "token_use": "access", "exp": 1_u64 << 50});
    if let Ok(second) = issued_at.parse::<f64>() {
        claims["iat"] = json!(WALL + BEGIN.as_secs_f64() + second);
    }
    if !sub.is_empty() {
        claims["sub"] = json!(sub);
        claims["auth_time"] = json!(WALL + BEGIN.as_secs_f64());
    }
    let (header, claims) = (header.into_bytes(), claims.to_string().into_bytes());
    match key(kid) {
        Some(key) => signed(&header, &claims, key),
        None => compact(&header, &claims, &[1; 256]),
    }
}

fn key(kid: &str) -> Option<&'static TestKey> {
    match kid {
        "k1" => Some(TestKey::first()),
        "k2" => Some(TestKey::second()),
        "k3" => Some(TestKey::third()),
        _ => None,
    }
}

/// Tokens are minted once: signing takes longer than a day in here.
pub(crate) fn minted(pool: &'static str, kid: &str) -> String {
    static MINTED: OnceLock<BTreeMap<(&str, &str), String>> = OnceLock::new();
    let minted = MINTED.get_or_init(|| {
        let names = POOLS
            .iter()
            .flat_map(|(pool, _)| ["k1", "k2", "k3"].map(|kid| (*pool, kid)));
        names
            .map(|(pool, kid)| ((pool, kid), token(pool, kid)))
            .collect()
    });
    minted
        .get(&(pool, kid))
        .cloned()
        .unwrap_or_else(|| token(pool, kid))
}

/// The key set with the keys of these names; `k1=k3` is the third key under the first's name.
pub(crate) fn key_set(names: &[&str]) -> Vec<u8> {
    let keys = names.iter().map(|name| {
        let (kid, of) = name.split_once('=').unwrap_or((name, name));
        let mut jwk = key(of).unwrap().jwk();
        jwk["kid"] = json!(kid);
        jwk
    });
    json!({"keys": keys.collect::<Vec<_>>()})
        .to_string()
        .into_bytes()
}

/// A deny list of users who were signed out after the script began.
pub(crate) fn deny_list(written_at: f64, subs: &[String]) -> Vec<u8> {
    let out = |sub: &String| (sub.clone(), json!(WALL + BEGIN.as_secs_f64() + 1.0));
    let entries: serde_json::Map<_, _> = subs.iter().map(out).collect();
    let written_at = WALL + BEGIN.as_secs_f64() + written_at;
    json!({"version": 1, "written_at": written_at, "pools": {POOLS[0].1: {"signed_in_before": entries}}})
        .to_string()
        .into_bytes()
}
