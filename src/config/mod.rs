//! The configuration: one document in, the policy out, or everything that is wrong with it.
//!
//! This module alone knows how settings are spelled and what they default to. It refuses what it
//! does not know, and what is left out is refused where leaving it out would open a door: a
//! check is waived by a word, never by silence.
//!
//! ```
//! let policy = cognito_authorizer::config::parse(br#"{
//!     "user_pools": [{
//!         "user_pool_id": "us-east-1_AbCdEf123",
//!         "client_ids": ["4hq8abcd"],
//!         "jwks": {"cluster": "cognito_us_east_1"}
//!     }],
//!     "token": {"use": "access"}
//! }"#).unwrap();
//! assert_eq!(policy.issuers.pools().len(), 1);
//!
//! let problems = cognito_authorizer::config::parse(br#"{
//!     "user_pools": [{"user_pool_id": "us-east-1_AbCdEf123", "jwks": {"cluster": "c"}}],
//!     "token": {}
//! }"#).unwrap_err();
//! assert_eq!(problems.to_string(), "\
//! user_pools[0].client_ids: missing; expected a list of app client ids or \"any\"
//! token.use: missing; expected id, access or any");
//! ```

mod accounts;
pub mod asked;
mod authorizers;
mod callers;
mod claims;
mod deny_list;
mod document;
mod duration;
mod field;
mod fields;
mod headers;
mod issuer;
mod jwks;
mod matching;
mod nearest;
mod owned;
mod place;
#[cfg(feature = "cli")]
pub mod places;
mod pools;
mod problem;
mod require;
mod resources;
mod responses;
mod rules;
#[cfg(feature = "cli")]
pub mod schema;
mod token;
mod wanted;

pub use accounts::MAX_AWS_ACCOUNTS;
pub use authorizers::{MAX_ANSWERS, MAX_AUTHORIZERS, MAX_IDENTITY_SOURCES};
pub use document::{MAX_BYTES, MAX_DEPTH};
pub use headers::MAX_CLAIM_HEADERS;
pub use nearest::nearest;
pub use place::{WHOLE, member};
pub use pools::MAX_USER_POOLS;
pub use problem::{Problem, Problems};
pub use resources::MAX_RESOURCES;
pub use rules::MAX_RULES;
pub use token::{MAX_CACHE_ENTRIES, MAX_TOKEN_BYTES};

use crate::bearer::Identities;
use crate::header::HeaderName;
use crate::owned::OwnedHeaders;
use crate::policy::{
    Authorizer, Identity, Issuers, Policy, Preflight, RouteChoice, SignaturePolicy, TokenPolicy,
};
use crate::rules::Rules;
use field::Field;
use issuer::Taken;
use owned::BoundHeaders;
use problem::{Parsed, Report};
use require::Context;

/// Every field at the top of the document.
pub const FIELDS: [&str; 23] = [
    "user_pools",
    "aws_accounts",
    "authorizers",
    "deny_list",
    "token",
    "rules",
    "default",
    "enforce",
    "path_case",
    "method_override",
    "host_override",
    "path_override",
    "claim_headers",
    "payload_header",
    "principal_headers",
    "context_headers",
    "header_aliases",
    "cors_preflight",
    "log_identity",
    "clear_route_cache",
    "signature",
    "responses",
    "protected_resources",
];

/// Reads a configuration: JSON text, or a serialized `google.protobuf.Struct`.
///
/// # Errors
/// Everything that is wrong with it, each problem with its path. Whatever the bytes, there is no
/// panic: the worst document is one that is refused.
pub fn parse(document: &[u8]) -> Result<Policy, Problems> {
    let report = Report::default();
    let policy = document::read(document, &report)
        .and_then(|document| policy(&Field::whole(&document, &report)));
    report.finish(policy)
}

fn policy(document: &Field<'_>) -> Parsed<Policy> {
    let fields = document.fields(&FIELDS)?;
    let mut taken = Taken::default();
    // Pools first, though accounts decide whether there must be any: of two with one issuer, the
    // problem is the later one's.
    let has_accounts = fields.has_some("aws_accounts");
    // Nor need there be any, or a word about tokens, where authorizers decide about everything.
    let asks_for_none =
        fields.has_some("authorizers") && !authorizers::tokens_are_asked_for(&fields);
    let needs_no_pools = has_accounts || asks_for_none;
    let (pools, known_pools) = pools::read(&fields, needs_no_pools, &mut taken);
    let (accounts, known_accounts) = accounts::read(&fields, &mut taken);
    let (authorizers, known_authorizers) = authorizers::read(&fields);
    let deny_list = deny_list::read(&fields);
    let needs_no_token = asks_for_none || has_accounts && !fields.has("user_pools");
    let token = token::read(&fields, needs_no_token, pools.as_deref().ok());
    let overrides = owned::overrides(&fields);
    let aliases = owned::aliases(&fields, token.sources.as_ref().ok());
    let claim_headers = headers::read(
        &fields,
        token.sources.as_ref().ok(),
        authorizers.as_deref().unwrap_or_default(),
        aliases.unwrap_or_default(),
    );
    let bound = BoundHeaders::default();
    let problem_with = |header: &HeaderName, path: &str| {
        bound.problem_with(
            header,
            path,
            token.sources.as_ref().ok(),
            claim_headers.as_ref().ok(),
            aliases.unwrap_or_default(),
        )
    };
    let context = Context {
        pools: &known_pools,
        accounts: &known_accounts,
        authorizers: &known_authorizers,
        wanted: token.wanted,
        problem_with: &problem_with,
    };
    let rules = rules::read(&fields, &context);
    let preflight = fields.word(
        "cors_preflight",
        "require_token or pass",
        &[
            ("require_token", Preflight::RequireToken),
            ("pass", Preflight::Pass),
        ],
    );
    let identity = fields.flag("log_identity", |publish| {
        if publish {
            Identity::Publish
        } else {
            Identity::Withhold
        }
    });
    let route = fields.flag("clear_route_cache", |clear| {
        if clear {
            RouteChoice::Anew
        } else {
            RouteChoice::Keep
        }
    });
    let signature = fields.word(
        "signature",
        "auto or module",
        &[
            ("auto", SignaturePolicy::Auto),
            ("module", SignaturePolicy::Module),
        ],
    );
    let responses = responses::read(&fields);
    let resources = resources::read(
        &fields,
        rules.as_ref().map(Rules::path_case).unwrap_or_default(),
        pools.as_deref().ok(),
    );
    let (rules, token, claim_headers) = (rules?, token.policy()?, claim_headers?);
    let (overrides, aliases, preflight) = (overrides?, aliases?, preflight?);
    let authorizers = authorizers?;
    let token = TokenPolicy {
        sources: token.sources.with_identities(Identities {
            headers: authorizers
                .iter()
                .flat_map(Authorizer::identity_headers)
                .cloned()
                .collect(),
            queries: authorizers
                .iter()
                .flat_map(Authorizer::identity_queries)
                .map(str::to_owned)
                .collect(),
        }),
        ..token
    };
    let issuers = Issuers::new(pools?, accounts?)
        // They were told apart above already.
        .map_err(|_| {
            fields.refuse_at("user_pools", "found one issuer twice; expected each once")
        })?;
    let resources = resources?;
    let owned = overrides.owned(
        &rules,
        &resources,
        preflight,
        &claim_headers,
        &token.sources,
        &authorizers,
    );
    Ok(Policy {
        issuers,
        authorizers,
        deny_list: deny_list?,
        token,
        owned: OwnedHeaders::new(owned, aliases),
        method_override: overrides.method,
        rules,
        resources,
        preflight,
        claim_headers,
        responses: responses?,
        identity: identity?,
        route: route?,
        signature: signature?,
    })
}
