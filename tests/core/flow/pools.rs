//! The issuers of the scripts, two user pools and an AWS account: their configuration, their tokens,
//! and the key sets they publish.

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
/// The AWS account, with a key server too, and its number.
pub(crate) const ACCOUNT: (&str, &str) = ("c", "123456789012");
/// Who issues the account's tokens.
const STS: &str = "https://a1d2b0fd-1177-4468-9351-2fe000000723.tokens.sts.global.api.aws";
/// A role of the account.
pub(crate) const ROLE: &str = "role/billing";

/// The names of all issuers, and of their clusters.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    POOLS.iter().map(|(name, _)| *name).chain([ACCOUNT.0])
}

/// A configuration of the issuers with these names. The account's callers are admitted to the path
/// of its name.
pub(crate) fn document(issuers: &[&str], jwks: &Value) -> Value {
    let keys = |name: &str| {
        let mut jwks = jwks.clone();
        jwks["cluster"] = json!(name);
        jwks
    };
    let pools = POOLS
        .iter()
        .filter(|(name, _)| issuers.contains(name))
        .map(|(name, id)| json!({"user_pool_id": id, "client_ids": ["web"], "jwks": keys(name)}));
    let mut document = json!({"user_pools": pools.collect::<Vec<_>>(), "token": {"use": "access"}});
    let (name, number) = ACCOUNT;
    if issuers.contains(&name) {
        if document["user_pools"] == json!([]) {
            document = json!({});
        }
        document["aws_accounts"] = json!([
            {"account": number, "issuer": STS, "audiences": ["api"], "jwks": keys(name)},
        ]);
        let path = format!("/{name}");
        document["rules"] = json!([{"match": {"path": path}, "require": {"principals": "any"}}]);
        document["default"] = json!("authenticated");
    }
    document
}

/// A document as a policy.
pub(crate) fn policy(document: &Value) -> Rc<Policy> {
    Rc::new(config::parse(document.to_string().as_bytes()).unwrap())
}

/// A token of an issuer that names this key, and is signed by it if it is a test's; every other `kid`
/// comes with a signature by nobody. It says when it was made if the `kid` is followed by `@` and a
/// second of the script. What follows a `~` is its `sub`.
///
/// A pool's is valid whatever the wall clock says, and of a user who signed in when the script began.
/// The account's was made ten seconds before that unless it says otherwise, for an hour.
fn token(issuer: &str, kid: &str) -> String {
    let (kid, sub) = kid.split_once('~').unwrap_or((kid, ""));
    let (kid, issued_at) = kid.split_once('@').unwrap_or((kid, ""));
    let header = json!({"alg": "RS256", "kid": kid}).to_string();
    let wall = |second: f64| WALL + BEGIN.as_secs_f64() + second;
    let issued_at = issued_at.parse::<f64>().ok().map(wall);
    let claims = match POOLS.iter().find(|(name, _)| *name == issuer) {
        Some((_, id)) => {
            let mut claims = json!({"iss": issuer_of(id), "client_id": "web", "token_use": "access", "exp": 1_u64 << 50});
            if let Some(issued_at) = issued_at {
                claims["iat"] = json!(issued_at);
            }
            if !sub.is_empty() {
                claims["sub"] = json!(sub);
                claims["auth_time"] = json!(wall(0.0));
            }
            claims
        }
        None => {
            assert_eq!(issuer, ACCOUNT.0);
            let issued_at = issued_at.unwrap_or_else(|| wall(-10.0));
            let sub = if sub.is_empty() { ROLE } else { sub };
            json!({"iss": STS, "sub": arn(sub), "aud": "api", "iat": issued_at, "exp": issued_at + 3600.0,
                "https://sts.amazonaws.com/": {"aws_account": ACCOUNT.1}})
        }
    };
    let (header, claims) = (header.into_bytes(), claims.to_string().into_bytes());
    match key(kid) {
        Some(key) => signed(&header, &claims, key),
        None => compact(&header, &claims, &[1; 256]),
    }
}

/// A role or user of the account.
pub(crate) fn arn(resource: &str) -> String {
    format!("arn:aws:iam::{}:{resource}", ACCOUNT.1)
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
pub(crate) fn minted(issuer: &'static str, kid: &str) -> String {
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
        .get(&(issuer, kid))
        .cloned()
        .unwrap_or_else(|| token(issuer, kid))
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

/// A deny list of users of pool `a` who were signed out after the script began, and of the account's
/// roles whose tokens made until then are worth nothing more.
pub(crate) fn deny_list(written_at: f64, subs: &[String]) -> Vec<u8> {
    let begin = WALL + BEGIN.as_secs_f64();
    let entries = |subs: Vec<String>| -> serde_json::Map<_, _> {
        let out = |sub| (sub, json!(begin + 1.0));
        subs.into_iter().map(out).collect()
    };
    let (roles, users): (Vec<_>, Vec<_>) = subs
        .iter()
        .cloned()
        .partition(|sub| sub.starts_with("role/"));
    let roles = roles.iter().map(|role| arn(role)).collect();
    let pools = json!({
        POOLS[0].1: {"signed_in_before": entries(users)},
        ACCOUNT.1: {"issued_before": entries(roles)},
    });
    json!({"version": 1, "written_at": begin + written_at, "pools": pools})
        .to_string()
        .into_bytes()
}
