//! Authorizers: whose tokens one takes, and where it finds them.

use super::function::Function;
use super::part::Obstacle;
use cognito_authorizer::config;
use cognito_authorizer::pool::UserPoolId;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A security scheme.
pub(super) struct Scheme {
    /// Where it stands in the definition.
    pub(super) place: String,
    pub(super) says: Says,
    pub(super) seen: Seen,
}

/// What could be read of an authorizer, of which something else perhaps could not.
pub(super) struct Seen {
    pub(super) pools: Vec<Pool>,
    pub(super) clients: Clients,
}

/// What a scheme asks for.
pub(super) enum Says {
    /// A token of Cognito.
    Token(Authorizer),
    /// A signed request (IAM): what no rule can ask for, unless the command line says who may call.
    Signed(Obstacle),
    /// What a function decides about, which the command line does not have asked.
    Lambda(Obstacle),
    /// The verdict of a function.
    Function(Function),
    /// API Gateway's own API key, which identifies a client for its usage plan.
    ApiKey,
    /// Something that no configuration of the filter can ask for.
    Other(Obstacle),
}

/// An authorizer of user pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorizer {
    pub(super) kind: AuthorizerKind,
    pub(super) pools: Vec<Pool>,
    pub(super) clients: Clients,
    /// What of the clients could not be read; the others are taken.
    pub(super) unread: Option<Obstacle>,
    /// What the filter has once for all rules.
    pub(super) profile: Profile,
}

/// Which kind of authorizer, since they differ in what they make of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthorizerKind {
    /// A REST API's: id tokens where there are no scopes, access tokens where there are.
    UserPools,
    /// An HTTP API's: either, with or without scopes.
    Jwt,
}

/// A user pool, as the definition names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) id: UserPoolId,
    /// Its own, or a replica's.
    pub(super) region: String,
    pub(super) arn: Option<String>,
    pub(super) issuer: IssuerForm,
}

/// Which of its two issuers a pool names in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IssuerForm {
    Original,
    Updated,
}

/// Whose app clients' tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    /// The definition names none, and nobody has decided yet.
    Undecided,
    /// Of every app client of the pool.
    Any,
    /// Of these.
    Only(BTreeSet<String>),
}

impl Clients {
    /// What two authorizers of one pool take together.
    pub(super) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Undecided, _) | (_, Self::Undecided) => Self::Undecided,
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Only(one), Self::Only(other)) => Self::Only(one | other),
        }
    }
}

/// Where a token is found and what its `aud` looks like: a filter has one of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Profile {
    pub(super) from: TokenPlace,
    pub(super) aud_pattern: Option<String>,
}

/// Where a token stands in a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TokenPlace {
    Header(String),
    Query(String),
}

impl TokenPlace {
    /// As `token.from` has it.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Header(name) => json!({"header": name}),
            Self::Query(name) => json!({"query": name}),
        }
    }
}

impl Profile {
    /// In words.
    pub(super) fn describe(&self) -> String {
        let place = match &self.from {
            TokenPlace::Header(name) => format!("the header {name}"),
            TokenPlace::Query(name) => format!("the query parameter {name}"),
        };
        match &self.aud_pattern {
            None => format!("{place}, any aud"),
            Some(pattern) => format!("{place}, aud {pattern}"),
        }
    }

    /// What the filter would not take of it.
    pub(super) fn problem(&self) -> Option<String> {
        let mut token = Map::new();
        token.insert("use".to_owned(), json!("any"));
        token.insert("from".to_owned(), json!([self.from.json()]));
        if let Some(pattern) = &self.aud_pattern {
            token.insert("aud_pattern".to_owned(), json!(pattern));
        }
        refusal("token", Value::Object(token))
    }
}

fn pool_with(clients: Value) -> Value {
    json!({
        "user_pool_id": "us-east-1_Example",
        "client_ids": clients,
        "jwks": {"cluster": "keys"},
    })
}

/// What the filter would say of a configuration with this part in it.
pub(super) fn refusal(part: &str, says: Value) -> Option<String> {
    let mut least = Map::new();
    least.insert("user_pools".to_owned(), json!([pool_with(json!("any"))]));
    least.insert("token".to_owned(), json!({"use": "any"}));
    least.insert("default".to_owned(), json!("nobody"));
    least.insert(part.to_owned(), says);
    refusal_of(&Value::Object(least))
}

/// What the filter would say of a configuration.
pub(super) fn refusal_of(configuration: &Value) -> Option<String> {
    let problems = config::parse(configuration.to_string().as_bytes()).err()?;
    Some(problems.to_string())
}

/// What the filter would say of an app client of this name.
pub(super) fn client_refusal(client: &str) -> Option<String> {
    refusal("user_pools", json!([pool_with(json!([client]))]))
}
