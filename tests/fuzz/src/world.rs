//! The configurations under which `decision` decides, each as a document and as a model of it.

use std::rc::Rc;

use cognito_authorizer::config;
use cognito_authorizer::policy::Policy;
use serde_json::{Value, json};

use super::notary::Signer;

pub(crate) const POOLS: [&str; 2] = ["us-east-1_AbCdEf123", "eu-west-1_Other0002"];
pub(crate) const ISSUERS: [&str; 2] = [
    "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123",
    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other0002",
];

/// A configuration, and what it says.
pub(crate) struct World {
    pub(crate) policy: Rc<Policy>,
    /// How many of the two pools there are.
    pub(crate) pools: usize,
    /// The app clients of each pool; nothing is `any`.
    pub(crate) clients: [&'static [&'static str]; 2],
    pub(crate) token_use: Option<&'static str>,
    pub(crate) skew: f64,
    pub(crate) max_bytes: usize,
    /// Paths of requests, and what the rule for each asks.
    pub(crate) paths: Vec<(&'static str, Access)>,
    pub(crate) every_place: bool,
    pub(crate) leniency: Leniency,
}

/// What becomes of refusals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Leniency {
    /// They are carried out.
    None,
    /// Where no token would do, one that is not valid is as none.
    Ignores,
    /// They are only reported.
    Reports,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Access {
    Anyone,
    Optional,
    Nobody,
    Require(Asked),
}

/// What a rule asks for beyond a valid token; nothing is asked where a part is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) token_use: Option<&'static str>,
    pub(crate) pool: Option<usize>,
    pub(crate) client: Option<&'static str>,
    pub(crate) scope: Option<&'static str>,
    pub(crate) group: Option<&'static str>,
    /// A group that the user may not be in.
    pub(crate) unwanted_group: Option<&'static str>,
    /// A scope, or a group.
    pub(crate) either: Option<(&'static str, &'static str)>,
    pub(crate) username: Option<&'static str>,
    pub(crate) fresh: Option<f64>,
}

/// The keys of each pool: both have one called `k1`.
pub(crate) const KEYS: [&[(&str, Signer)]; 2] = [
    &[("k1", Signer::First), ("k2", Signer::Second)],
    &[("k1", Signer::Third)],
];

fn pool(at: usize, clients: Value) -> Value {
    let keys: Vec<_> = KEYS[at]
        .iter()
        .map(|(kid, signer)| signer.jwk(kid))
        .collect();
    json!({
        "user_pool_id": POOLS[at],
        "client_ids": clients,
        "jwks": {"inline": {"keys": keys}},
    })
}

fn policy(mut document: Value) -> Rc<Policy> {
    document["payload_header"] = "x-payload".into();
    document["claim_headers"] = json!([{"header": "x-sub", "claim": "sub"}]);
    let policy = config::parse(document.to_string().as_bytes());
    Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}")))
}

impl World {
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::plain(),
            Self::ruled(Leniency::None),
            Self::strict(),
            Self::ruled(Leniency::Ignores),
            Self::ruled(Leniency::Reports),
        ]
    }

    fn plain() -> Self {
        Self {
            policy: policy(json!({
                "user_pools": [pool(0, json!(["web", "mobile"]))],
                "token": {"use": "any", "cache_entries": 4},
            })),
            pools: 1,
            clients: [&["web", "mobile"], &[]],
            token_use: None,
            skew: 60.0,
            max_bytes: 16_384,
            paths: vec![("/", Access::Require(Asked::default()))],
            every_place: false,
            leniency: Leniency::None,
        }
    }

    fn ruled(leniency: Leniency) -> Self {
        let any = Asked::default();
        let (invalid_token, enforce) = match leniency {
            Leniency::None => ("refuse", "all"),
            Leniency::Ignores => ("ignore", "all"),
            Leniency::Reports => ("refuse", "report"),
        };
        let paths = vec![
            ("/open", Access::Anyone),
            ("/optional", Access::Optional),
            ("/closed", Access::Nobody),
            ("/none/of/them", Access::Nobody),
            (
                "/access",
                Access::Require(Asked {
                    token_use: Some("access"),
                    ..any
                }),
            ),
            (
                "/scope",
                Access::Require(Asked {
                    scope: Some("api/write"),
                    pool: Some(0),
                    ..any
                }),
            ),
            (
                "/group",
                Access::Require(Asked {
                    group: Some("a,b"),
                    ..any
                }),
            ),
            (
                "/users/ann",
                Access::Require(Asked {
                    username: Some("ann"),
                    ..any
                }),
            ),
            (
                "/users/a%20b",
                Access::Require(Asked {
                    username: Some("a b"),
                    ..any
                }),
            ),
            (
                "/fresh",
                Access::Require(Asked {
                    fresh: Some(900.0),
                    ..any
                }),
            ),
            (
                "/b",
                Access::Require(Asked {
                    pool: Some(1),
                    ..any
                }),
            ),
            (
                "/client",
                Access::Require(Asked {
                    client: Some("mobile"),
                    ..any
                }),
            ),
            (
                "/without",
                Access::Require(Asked {
                    unwanted_group: Some("x"),
                    ..any
                }),
            ),
            (
                "/either",
                Access::Require(Asked {
                    either: Some(("api/write", "x")),
                    ..any
                }),
            ),
        ];
        Self {
            policy: policy(json!({
                "user_pools": [pool(0, json!(["web", "mobile"])), pool(1, json!(["web", "other"]))],
                "token": {"use": "any", "cache_entries": 2, "from": [
                    {"header": "authorization"}, {"header": "x-token"},
                    {"query": "access_token"}, {"cookie": "access_token"},
                ]},
                "rules": [
                    {"match": {"path": "/open"}, "allow": "anyone"},
                    {"match": {"path": "/optional"}, "allow": "optional", "invalid_token": invalid_token},
                    {"match": {"prefix": "/closed"}, "allow": "nobody"},
                    {"match": {"path": "/access"}, "require": {"token_use": "access"}},
                    {"match": {"path": "/scope"}, "require": {"scopes": ["api/write"], "pools": [POOLS[0]]}},
                    {"match": {"path": "/group"}, "require": {"groups": ["a,b"], "pools": "any"}},
                    {"match": {"template": "/users/{name}"}, "require": {"claims": {"username": "{name}"}, "pools": "any"}},
                    {"match": {"path": "/fresh"}, "require": {"max_auth_age": "15m"}},
                    {"match": {"path": "/b"}, "require": {"pools": [POOLS[1]]}},
                    {"match": {"path": "/without"}, "require": {"pools": "any", "groups": {"none": ["x"]}}},
                    {"match": {"path": "/either"}, "require": {"pools": "any", "any_of": [{"scopes": ["api/write"]}, {"groups": ["x"]}]}},
                    {"match": {"path": "/client"}, "require": {"clients": ["mobile"]}},
                ],
                "default": "nobody",
                "enforce": enforce,
            })),
            pools: 2,
            clients: [&["web", "mobile"], &["web", "other"]],
            token_use: None,
            skew: 60.0,
            max_bytes: 16_384,
            paths,
            every_place: true,
            leniency,
        }
    }

    fn strict() -> Self {
        Self {
            policy: policy(json!({
                "user_pools": [pool(0, json!("any"))],
                "token": {
                    "use": "access", "clock_skew": "0s", "max_bytes": 900, "forward": false,
                    "cache_entries": 0,
                },
            })),
            pools: 1,
            clients: [&[], &[]],
            token_use: Some("access"),
            skew: 0.0,
            max_bytes: 900,
            paths: vec![("/", Access::Require(Asked::default()))],
            every_place: false,
            leniency: Leniency::None,
        }
    }
}
