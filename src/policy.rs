//! The resolved policy: all that the configuration decides, in words of the field.
//!
//! Nothing here knows how a setting is spelled; [`crate::config`] alone does. What has a `Default`
//! is either an outright "nothing asked for" or the documented default of an optional field; no
//! default lets a request pass.

use crate::bearer::TokenSources;
use crate::claim_headers::ClaimHeaders;
use crate::jwks::KeySet;
use crate::owned::{Override, OwnedHeaders};
use crate::pool::UserPoolId;
use crate::remote::call::Endpoint;
use crate::remote::document::Source;
use crate::reply::Responses;
use crate::request::{Request, UnsafeMethod};
use crate::rules::Rules;
use crate::rules::requirement::{AnyOf, WantedUse};
use crate::time::Timestamp;
use regex_lite::Regex;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Everything that the configuration decides.
#[derive(Debug)]
pub struct Policy {
    /// The user pools whose tokens are admitted.
    pub pools: Pools,
    /// Where it is said which tokens have been revoked, if anywhere.
    pub deny_list: Option<DenyListPolicy>,
    /// What is asked of every token, and where it is looked for.
    pub token: TokenPolicy,
    /// The rules, and what becomes of a request that none of them matches.
    pub rules: Rules,
    /// What becomes of a cross-origin preflight.
    pub preflight: Preflight,
    /// What becomes of a query that names another method.
    pub method_override: Override,
    /// The headers that are the filter's own.
    pub owned: OwnedHeaders,
    /// What the upstream is told.
    pub claim_headers: ClaimHeaders,
    /// What the refused are told.
    pub responses: Responses,
    /// Whether access logs are told the caller.
    pub identity: Identity,
    /// Whether claim headers take part in choosing the route.
    pub route: RouteChoice,
    /// Where signatures are verified.
    pub signature: SignaturePolicy,
}

impl Policy {
    /// Whether anything is decided by methods: a rule, or what passes as a preflight.
    #[must_use]
    pub fn decides_by_methods(&self) -> bool {
        decides_by_methods(&self.rules, self.preflight)
    }

    /// Whether the upstream will take the method for the one that the rules see. Asked where
    /// something is [decided by methods](Self::decides_by_methods).
    ///
    /// # Errors
    /// It may take another.
    pub fn check_method(&self, request: &Request) -> Result<(), UnsafeMethod> {
        request.check_method()?;
        match self.method_override {
            Override::Strip => request.check_method_parameter(),
            Override::Keep => Ok(()),
        }
    }
}

/// Whether rules, or what passes as a preflight, decide by methods.
#[must_use]
pub fn decides_by_methods(rules: &Rules, preflight: Preflight) -> bool {
    rules.looks_at_methods() || preflight == Preflight::Pass
}

/// A user pool, as one of the issuers whose tokens are admitted.
#[derive(Debug)]
pub struct Pool {
    /// The pool's id.
    pub id: UserPoolId,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The app clients whose tokens are admitted; all of them only where the document says `any`.
    pub clients: AnyOf<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Which of its tokens are void.
    pub brake: Brake,
    /// How it is asked whether it still stands by a token; `None` if no rule may have it asked.
    pub confirm: Option<Confirm>,
}

/// How a pool is asked whether it still stands by a token.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// Where. Whoever answers there sees tokens.
    pub endpoint: Endpoint,
    /// How many questions in a second, of the whole process.
    pub max_per_second: usize,
    /// How long after its last confirmation a token serves on while asking fails.
    pub grace: Duration,
}

/// The emergency brake: times before which all tokens of a pool are void, whoever has them. The
/// default voids none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Brake {
    /// Of the issue: `iat`.
    pub issued_after: Option<Timestamp>,
    /// Of the sign-in: `auth_time`, which refreshed tokens keep.
    pub signed_in_after: Option<Timestamp>,
}

/// Where it is said which tokens have been revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyListPolicy {
    /// Where the list is fetched, how often, and how long it serves while that fails.
    pub source: Source,
    /// How old a list may be by its own word.
    pub max_age: MaxAge,
    /// What becomes of tokens while the list is too old, or is not there.
    pub when_stale: WhenStale,
    /// How many entries are taken.
    pub max_entries: usize,
}

/// How old a list may be by its own word: whoever writes it may have stopped, and the endpoint goes
/// on answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// This old.
    For(Duration),
    /// As old as it is.
    Forever,
}

/// What becomes of tokens while the deny list is too old, or is not there. There is no default: one
/// is an outage, the other lets a stolen token live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStale {
    /// They are refused.
    Refuse,
    /// Those that the last list does not name are served.
    Serve,
}

/// What becomes of a request, or a stream, that is open still when its token ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtExpiry {
    /// It goes on to its own end, as it does in API Gateway.
    #[default]
    Keep,
    /// It is cut.
    Close,
}

/// Where a pool's keys come from.
#[derive(Debug)]
pub enum KeySource {
    /// The configuration itself.
    Inline(Rc<KeySet>),
    /// A key endpoint, asked through an Envoy cluster.
    Fetched(Source),
}

impl KeySource {
    /// How long a request may wait for keys: as long as one fetch may take.
    #[must_use]
    pub const fn wait_limit(&self) -> Duration {
        match self {
            Self::Inline(_) => Duration::ZERO,
            Self::Fetched(source) => source.endpoint.timeout,
        }
    }
}

/// All pools, found by the issuer of their tokens.
#[derive(Debug)]
pub struct Pools {
    pools: Vec<Pool>,
    by_issuer: HashMap<String, PoolIndex>,
}

/// Which pool, of a [`Pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolIndex(usize);

impl Pools {
    /// Collects pools.
    ///
    /// # Errors
    /// The positions of two pools with the same issuer: which of them a token is from could not be
    /// told.
    pub fn new(pools: Vec<Pool>) -> Result<Self, (usize, usize)> {
        let mut by_issuer = HashMap::new();
        for (position, pool) in pools.iter().enumerate() {
            if let Some(PoolIndex(earlier)) =
                by_issuer.insert(pool.issuer.clone(), PoolIndex(position))
            {
                return Err((earlier, position));
            }
        }
        Ok(Self { pools, by_issuer })
    }

    /// The pool whose tokens name exactly this issuer.
    #[must_use]
    pub fn by_issuer(&self, issuer: &str) -> Option<(PoolIndex, &Pool)> {
        let index = *self.by_issuer.get(issuer)?;
        Some((index, self.pools.get(index.0)?))
    }

    /// The pool at this position.
    #[must_use]
    pub fn get(&self, index: PoolIndex) -> Option<&Pool> {
        self.pools.get(index.0)
    }

    /// All pools, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (PoolIndex, &Pool)> {
        self.pools
            .iter()
            .enumerate()
            .map(|(position, pool)| (PoolIndex(position), pool))
    }

    /// A name for each pool in metrics, in the order of the configuration: its id. Of several
    /// issuers of one pool the first has the id, and the others say after a dot which they are:
    /// `original`, `updated`, or a number.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let mut seen = HashMap::<&str, usize>::new();
        let label = |Pool { id, issuer, .. }: &Pool, entries: usize| match entries {
            1 => id.as_str().to_owned(),
            _ if *issuer == id.original_issuer() => format!("{}.original", id.as_str()),
            _ if *issuer == id.updated_issuer() => format!("{}.updated", id.as_str()),
            number => format!("{}.{number}", id.as_str()),
        };
        let pools = self.pools.iter().map(|pool| {
            let entries = seen.entry(pool.id.as_str()).or_default();
            *entries = entries.saturating_add(1);
            label(pool, *entries)
        });
        pools.collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    /// Whether there are none; a configuration always has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }
}

impl PoolIndex {
    /// The position in the configuration.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0
    }
}

/// What is asked of every token, and where it is looked for.
#[derive(Debug)]
pub struct TokenPolicy {
    /// The wanted `token_use`; a rule may narrow it.
    pub token_use: WantedUse,
    /// The places where a token may stand.
    pub sources: TokenSources,
    /// By how much clocks may differ.
    pub clock_skew: Duration,
    /// The longest token looked at, in bytes.
    pub max_bytes: usize,
    /// What `aud` must match.
    pub audience: AudiencePolicy,
    /// Whether the upstream sees the token.
    pub forwarding: Forwarding,
    /// How many verified tokens a worker remembers; 0 for none.
    pub cache_entries: usize,
    /// What becomes of a request that is open still when its token ends.
    pub at_expiry: AtExpiry,
}

/// What `aud` must match (API Gateway's identity validation expression).
#[derive(Debug)]
pub enum AudiencePolicy {
    /// Nothing.
    Any,
    /// This expression, anchored at both ends.
    Matching(Regex),
}

/// Whether the upstream sees the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// It stays where the client put it.
    #[default]
    Keep,
    /// It is taken out of every configured place, on every path.
    Strip,
}

/// What becomes of a cross-origin preflight (Fetch standard, "CORS-preflight request").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preflight {
    /// It needs a token like any request.
    #[default]
    RequireToken,
    /// It passes where a token would otherwise be asked for.
    Pass,
}

/// Whether access logs are told the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// No.
    #[default]
    Withhold,
    /// `sub` and the app client are published as filter state.
    Publish,
}

/// Whether claim headers take part in choosing the route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteChoice {
    /// The route stays as chosen before the filter ran.
    #[default]
    Keep,
    /// The route is chosen anew once the claim headers are set.
    Anew,
}

/// Where signatures are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// The host, where it proves itself; else the module.
    #[default]
    Auto,
    /// Always the module.
    Module,
}
