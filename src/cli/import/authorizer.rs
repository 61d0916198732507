//! Security schemes: whose tokens an authorizer takes, and where it finds them.

use super::definition::{Definition, Version};
use cognito_authorizer::config;
use cognito_authorizer::pool::UserPoolId;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A security scheme.
pub(super) struct Scheme {
    /// Where it stands in the definition.
    pub(super) place: String,
    pub(super) says: Says,
}

/// What a scheme asks for.
pub(super) enum Says {
    /// A token of Cognito.
    Token(Authorizer),
    /// API Gateway's own API key, which identifies a client for its usage plan.
    ApiKey,
    /// Something that no configuration of the filter can ask for, in words.
    Other(String),
}

/// An authorizer of user pools.
pub(super) struct Authorizer {
    pub(super) kind: AuthorizerKind,
    pub(super) pools: Vec<Pool>,
    pub(super) clients: Clients,
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
    fn problem(&self) -> Option<String> {
        let mut token = Map::new();
        token.insert("use".to_owned(), json!("any"));
        token.insert("from".to_owned(), json!([self.from.json()]));
        if let Some(pattern) = &self.aud_pattern {
            token.insert("aud_pattern".to_owned(), json!(pattern));
        }
        refusal("token", Value::Object(token))
    }
}

/// What the filter would say of a configuration with this part in it.
pub(super) fn refusal(part: &str, says: Value) -> Option<String> {
    let pool = json!({
        "user_pool_id": "us-east-1_Example",
        "client_ids": "any",
        "jwks": {"cluster": "keys"},
    });
    let mut least = Map::new();
    least.insert("user_pools".to_owned(), json!([pool]));
    least.insert("token".to_owned(), json!({"use": "any"}));
    least.insert(part.to_owned(), says);
    let least = Value::Object(least).to_string();
    let problems = config::parse(least.as_bytes()).err()?;
    Some(problems.to_string())
}

/// Reads every security scheme; `clients` is for authorizers that name none.
pub(super) fn read(definition: &Definition<'_>, clients: &Clients) -> BTreeMap<String, Scheme> {
    let schemes = definition.schemes().into_iter();
    let schemes = schemes.map(|(name, place, scheme)| {
        let says = says(definition.version, scheme, clients).unwrap_or_else(Says::Other);
        (name.to_owned(), Scheme { place, says })
    });
    schemes.collect()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn says(version: Version, scheme: &Value, clients: &Clients) -> Result<Says, String> {
    if !scheme.is_object() {
        return Err("a scheme that cannot be read".to_owned());
    }
    let signed = text(scheme, "x-amazon-apigateway-authtype")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("aws"));
    if signed {
        return Err("IAM authorization (signed requests)".to_owned());
    }
    let Some(authorizer) = scheme.get("x-amazon-apigateway-authorizer") else {
        return without_authorizer(scheme);
    };
    let kind = text(authorizer, "type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let authorizer = match kind.as_str() {
        "cognito_user_pools" => user_pools(version, scheme, authorizer, clients.clone())?,
        "jwt" => jwt(authorizer, clients)?,
        "token" | "request" => {
            return Err(format!(
                "a Lambda authorizer ({kind}), whose verdict is code"
            ));
        }
        _ => return Err("an authorizer of an unknown type".to_owned()),
    };
    match authorizer.profile.problem() {
        None => Ok(Says::Token(authorizer)),
        Some(problem) => Err(format!(
            "an authorizer that the filter cannot follow: {problem}"
        )),
    }
}

fn without_authorizer(scheme: &Value) -> Result<Says, String> {
    let kind = text(scheme, "type").unwrap_or_default();
    let key = kind == "apiKey"
        && text(scheme, "in") == Some("header")
        && text(scheme, "name").is_some_and(|name| name.eq_ignore_ascii_case("x-api-key"));
    if key {
        return Ok(Says::ApiKey);
    }
    if kind == "mutualTLS" {
        return Err("mutual TLS".to_owned());
    }
    Err("a scheme without x-amazon-apigateway-authorizer (was the API exported with its extensions?)".to_owned())
}

fn user_pools(
    version: Version,
    scheme: &Value,
    authorizer: &Value,
    clients: Clients,
) -> Result<Authorizer, String> {
    let arns = authorizer.get("providerARNs").and_then(Value::as_array);
    let arns = arns.filter(|arns| !arns.is_empty());
    let arns = arns.ok_or("a Cognito authorizer without providerARNs")?;
    let mut pools: Vec<Pool> = Vec::new();
    for arn in arns {
        let arn = arn
            .as_str()
            .ok_or("a Cognito authorizer with a provider that is no text")?;
        let id =
            UserPoolId::from_arn(arn).map_err(|error| format!("a Cognito authorizer: {error}"))?;
        if !pools.iter().any(|pool| pool.id == id) {
            pools.push(Pool {
                id,
                arn: Some(arn.to_owned()),
                issuer: IssuerForm::Original,
            });
        }
    }
    let from = match authorizer.get("identitySource") {
        Some(source) => place(source, "method.request.")?,
        // An export names the header in the scheme itself.
        None => match (text(scheme, "in"), text(scheme, "name")) {
            (Some("header"), Some(name)) => TokenPlace::Header(name.to_ascii_lowercase()),
            (None, None) if version == Version::OpenApi3 => authorization(),
            _ => return Err("a Cognito authorizer without the header of its token".to_owned()),
        },
    };
    let aud_pattern = match authorizer.get("identityValidationExpression") {
        None => None,
        Some(Value::String(pattern)) if pattern.is_empty() => None,
        Some(Value::String(pattern)) => Some(pattern.clone()),
        Some(_) => return Err("a Cognito authorizer with an expression that is no text".to_owned()),
    };
    Ok(Authorizer {
        kind: AuthorizerKind::UserPools,
        pools,
        clients,
        profile: Profile { from, aud_pattern },
    })
}

fn jwt(authorizer: &Value, undecided: &Clients) -> Result<Authorizer, String> {
    let settings = authorizer.get("jwtConfiguration").unwrap_or(&Value::Null);
    let issuer = text(settings, "issuer").ok_or("a JWT authorizer without issuer")?;
    let pool = pool_of(issuer).ok_or_else(|| {
        format!(
            "a JWT authorizer of {issuer:?}, which is no user pool's issuer; if it is a pool under \
             another name, write the entry of user_pools by hand, with issuer as this URL"
        )
    })?;
    let from = match authorizer.get("identitySource") {
        None => authorization(),
        Some(Value::Array(sources)) if sources.len() == 1 => {
            place(sources.first().unwrap_or(&Value::Null), "$request.")?
        }
        Some(source) => place(source, "$request.")?,
    };
    Ok(Authorizer {
        kind: AuthorizerKind::Jwt,
        pools: vec![pool],
        clients: audience(settings.get("audience"), undecided)?,
        profile: Profile {
            from,
            aud_pattern: None,
        },
    })
}

fn audience(audience: Option<&Value>, undecided: &Clients) -> Result<Clients, String> {
    let wrong = || "a JWT authorizer whose audience is no list of texts".to_owned();
    let Some(audience) = audience else {
        return Ok(undecided.clone());
    };
    let audience = audience.as_array().ok_or_else(wrong)?;
    let named = audience.iter().map(|client| {
        let client = client.as_str().filter(|client| !client.is_empty());
        client.map(str::to_owned).ok_or_else(wrong)
    });
    let named = named.collect::<Result<BTreeSet<_>, _>>()?;
    if named.is_empty() {
        return Ok(undecided.clone());
    }
    // A token that is bound to a resource names that in `aud`, and its app client elsewhere.
    if let Some(url) = named.iter().find(|one| one.contains("://")) {
        return Err(format!(
            "a JWT authorizer with the audience {url:?}, which is no app client id: here client_ids \
             is compared with client_id"
        ));
    }
    Ok(Clients::Only(named))
}

/// The user pool whose issuer this is, to the letter, since tokens are compared so.
fn pool_of(issuer: &str) -> Option<Pool> {
    let (_, id) = issuer.rsplit_once('/')?;
    let id = UserPoolId::new(id).ok()?;
    let form = if id.original_issuer() == issuer {
        IssuerForm::Original
    } else if id.updated_issuer() == issuer {
        IssuerForm::Updated
    } else {
        return None;
    };
    Some(Pool {
        id,
        arn: None,
        issuer: form,
    })
}

fn authorization() -> TokenPlace {
    TokenPlace::Header("authorization".to_owned())
}

/// An identity source; several would have to be there at once, which the filter cannot ask for.
fn place(source: &Value, prefix: &str) -> Result<TokenPlace, String> {
    let wrong = || format!("an authorizer with the identity source {source}; expected one header");
    let source = source
        .as_str()
        .and_then(|source| source.strip_prefix(prefix));
    let (kind, name) = source
        .and_then(|source| source.split_once('.'))
        .ok_or_else(wrong)?;
    match kind {
        _ if name.contains([',', ' ', '$']) => Err(wrong()),
        "header" => Ok(TokenPlace::Header(name.to_ascii_lowercase())),
        "querystring" => Ok(TokenPlace::Query(name.to_owned())),
        _ => Err(wrong()),
    }
}
