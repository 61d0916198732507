//! From the security of an operation to what a rule asks for. What cannot be asked for is refused:
//! no scheme that was dropped may leave a door open.

use super::authorizer::{AuthorizerKind, Clients, Profile, Says, Scheme};
use super::definition::{Operation, Version};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Anyone,
    Optional,
    Nobody,
    Require(Requirement),
}

/// What a rule asks of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    /// `id` or `access`; `None` for either.
    pub(super) token_use: Option<&'static str>,
    /// The ids of the user pools.
    pub(super) pools: BTreeSet<String>,
    /// What the authorizer takes; compared with what its pools admit when it is written.
    pub(super) clients: Clients,
    pub(super) scopes: BTreeSet<String>,
}

/// Why something is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Obstacle {
    /// Where the cause stands in the definition.
    pub(super) place: String,
    pub(super) text: String,
    /// What one could do about it.
    pub(super) advice: Option<String>,
}

/// What became of an operation's security.
pub(super) struct Decision {
    pub(super) access: Access,
    /// The schemes whose tokens are taken.
    pub(super) authorizers: BTreeSet<String>,
    pub(super) obstacles: Vec<Obstacle>,
    /// API keys that nobody asks for any more, as the user wished.
    pub(super) waived: BTreeSet<String>,
}

/// What security is read against.
pub(super) struct Context<'a> {
    pub(super) version: Version,
    pub(super) schemes: &'a BTreeMap<String, Scheme>,
    /// The security of operations that have none of their own.
    pub(super) top: Option<&'a Value>,
    /// What the filter has once for all rules; `None` while that is being found out.
    pub(super) profile: Option<&'a Profile>,
    /// Whether API keys may be dropped beside an authorizer.
    pub(super) without_api_keys: bool,
}

/// One of the ways to be let in.
enum Alternative {
    /// Nothing is asked for.
    Free,
    Token {
        scheme: String,
        requirement: Requirement,
    },
}

impl Context<'_> {
    /// Whether the operation has only the security at the top.
    pub(super) fn inherits(&self, operation: &Operation<'_>) -> bool {
        let own = operation
            .says
            .is_some_and(|says| says.contains_key("security"));
        !own && self.top.is_some()
    }

    /// What an operation's security comes to.
    pub(super) fn decide(&self, operation: &Operation<'_>) -> Decision {
        let mut decision = Decision {
            access: Access::Nobody,
            authorizers: BTreeSet::new(),
            obstacles: Vec::new(),
            waived: BTreeSet::new(),
        };
        // What could not be read has been noted, and is closed.
        let Some(says) = operation.says else {
            return decision;
        };
        let security = says.get("security").or(self.top);
        let obstacle = |text: &str| Obstacle {
            place: operation.place.clone(),
            text: text.to_owned(),
            advice: None,
        };
        let empty = Vec::new();
        let alternatives = match security {
            None => &empty,
            Some(Value::Array(alternatives)) => alternatives,
            Some(_) => {
                decision
                    .obstacles
                    .push(obstacle("security that is no list"));
                return decision;
            }
        };
        if let Some(text) = own_authorization(says, alternatives.is_empty()) {
            decision.obstacles.push(obstacle(&text));
            return decision;
        }
        if alternatives.is_empty() {
            decision.access = Access::Anyone;
            return decision;
        }
        let mut free = 0_usize;
        let mut requirements = Vec::new();
        for alternative in alternatives {
            match self.alternative(alternative, operation, &mut decision.waived) {
                Ok(Alternative::Free) => free = free.saturating_add(1),
                Ok(Alternative::Token {
                    scheme,
                    requirement,
                }) => {
                    decision.authorizers.insert(scheme);
                    requirements.push(requirement);
                }
                Err(obstacles) => decision.obstacles.extend(obstacles),
            }
        }
        decision.access = if free == alternatives.len() {
            Access::Anyone
        } else if free > 0 {
            Access::Optional
        } else {
            match either(requirements) {
                Ok(Some(requirement)) => Access::Require(requirement),
                Ok(None) => Access::Nobody,
                Err(text) => {
                    decision.obstacles.push(obstacle(text));
                    Access::Nobody
                }
            }
        };
        decision
    }

    fn alternative(
        &self,
        alternative: &Value,
        operation: &Operation<'_>,
        waived: &mut BTreeSet<String>,
    ) -> Result<Alternative, Vec<Obstacle>> {
        let here = |text: String| Obstacle {
            place: operation.place.clone(),
            text,
            advice: None,
        };
        let Some(wanted) = alternative.as_object() else {
            return Err(vec![here("security that is no object".to_owned())]);
        };
        if wanted.is_empty() {
            return match self.version {
                // OpenAPI 3, operation object: an empty requirement makes security optional.
                Version::OpenApi3 => Ok(Alternative::Free),
                Version::Swagger2 => Err(vec![here("an empty security requirement".to_owned())]),
            };
        }
        let mut tokens = Vec::new();
        let mut obstacles = Vec::new();
        let mut keys = BTreeSet::new();
        for (name, scopes) in wanted {
            let Some(scheme) = self.schemes.get(name) else {
                obstacles.push(here(format!(
                    "security scheme {name:?}, which is not defined"
                )));
                continue;
            };
            let there = |text: String| Obstacle {
                place: scheme.place.clone(),
                text,
                advice: None,
            };
            match &scheme.says {
                Says::Other(text) => obstacles.push(there(text.clone())),
                Says::ApiKey if self.without_api_keys => {
                    keys.insert(scheme.place.clone());
                }
                Says::ApiKey => obstacles.push(there("API keys and their usage plans".to_owned())),
                Says::Token(authorizer) => {
                    if let Some(profile) = self.profile.filter(|one| **one != authorizer.profile) {
                        obstacles.push(Obstacle {
                            place: scheme.place.clone(),
                            text: format!(
                                "an authorizer of tokens in another place or of another pattern: {}",
                                authorizer.profile.describe(),
                            ),
                            advice: Some(format!(
                                "a filter has one of each, here {}; --authorizer {name} writes the \
                                 configuration of a second one",
                                profile.describe(),
                            )),
                        });
                    } else {
                        match texts(scopes) {
                            Some(scopes) => tokens.push((name, authorizer, scopes)),
                            None => {
                                obstacles.push(here("scopes that no token can have".to_owned()))
                            }
                        }
                    }
                }
            }
        }
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        let mut tokens = tokens.into_iter();
        let (Some((name, authorizer, scopes)), None) = (tokens.next(), tokens.next()) else {
            return Err(vec![here(match keys.is_empty() {
                true => "two authorizers at once".to_owned(),
                false => "an API key and nothing else".to_owned(),
            })]);
        };
        waived.extend(keys);
        let token_use = match (authorizer.kind, scopes.is_empty()) {
            (AuthorizerKind::Jwt, _) => None,
            (AuthorizerKind::UserPools, true) => Some("id"),
            (AuthorizerKind::UserPools, false) => Some("access"),
        };
        let pools = authorizer
            .pools
            .iter()
            .map(|pool| pool.id.as_str().to_owned());
        Ok(Alternative::Token {
            scheme: name.clone(),
            requirement: Requirement {
                token_use,
                pools: pools.collect(),
                clients: authorizer.clients.clone(),
                scopes,
            },
        })
    }
}

/// What `x-amazon-apigateway-auth` asks for beyond `security`.
fn own_authorization(says: &Map<String, Value>, open: bool) -> Option<String> {
    let kind = says.get("x-amazon-apigateway-auth")?.get("type");
    let kind = kind.and_then(Value::as_str).map(str::to_ascii_uppercase);
    match kind.as_deref() {
        Some("NONE") => None,
        Some("AWS_IAM") => Some("IAM authorization (signed requests)".to_owned()),
        // The others only repeat what `security` says.
        Some(kind) if open => Some(format!("authorization {kind} without a security scheme")),
        Some(_) => None,
        None => Some("x-amazon-apigateway-auth that cannot be read".to_owned()),
    }
}

/// Scopes as a token can have them (RFC 6749, section 3.3).
fn texts(scopes: &Value) -> Option<BTreeSet<String>> {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let scopes = scopes.as_array()?.iter().map(|scope| {
        let scope = scope.as_str()?;
        (!scope.is_empty() && scope.bytes().all(visible)).then(|| scope.to_owned())
    });
    scopes.collect()
}

/// One requirement that holds where any of these does, no more and no less; none of none.
fn either(requirements: Vec<Requirement>) -> Result<Option<Requirement>, &'static str> {
    let mut requirements = requirements.into_iter();
    let Some(mut whole) = requirements.next() else {
        return Ok(None);
    };
    for other in requirements {
        let alike = whole.token_use == other.token_use && whole.clients == other.clients;
        // No scopes is no condition: it cannot be one of several.
        let scoped = whole.scopes.is_empty() == other.scopes.is_empty();
        if alike && whole.scopes == other.scopes {
            whole.pools.extend(other.pools);
        } else if alike && scoped && whole.pools == other.pools {
            whole.scopes.extend(other.scopes);
        } else {
            return Err("alternatives that differ in more than their pools or their scopes");
        }
    }
    Ok(Some(whole))
}
