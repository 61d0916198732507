//! From the security of an operation to what a rule asks for. What cannot be asked for is refused:
//! no scheme that was dropped may leave a door open.

use super::authorizer::{Authorizer, AuthorizerKind, Clients, Profile, Says, Scheme, refusal};
use super::definition::{AUTH, Operation, Version, astray_at_top};
use super::function::Function;
use super::part::{Object, Obstacle, Part};
use super::scheme::SIGNED;
use super::signed::Callers;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Anyone,
    Nobody,
    /// The principals that the command line names.
    Signed,
    Require(Requirement),
    /// The verdict of this Lambda authorizer.
    Ask(String),
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

/// What became of an operation's security.
pub(super) struct Decision {
    pub(super) access: Access,
    /// The scheme whose tokens are taken.
    pub(super) authorizer: Option<String>,
    pub(super) obstacles: Vec<Obstacle>,
    /// API keys that nobody asks for any more, as the user wished.
    pub(super) waived: BTreeSet<String>,
}

/// What security is read against.
pub(super) struct Context<'a> {
    pub(super) version: Version,
    pub(super) schemes: &'a BTreeMap<String, Scheme>,
    /// The top of the definition, whose security is that of operations without their own.
    pub(super) top: &'a Object<'a>,
    /// What the filter has once for all rules; `None` while that is being found out.
    pub(super) profile: Option<&'a Profile>,
    /// Whether API keys may be dropped beside an authorizer.
    pub(super) without_api_keys: bool,
    /// Who may call what asks for signed requests.
    pub(super) signed: Option<&'a Callers>,
}

/// What keeps an operation closed.
struct Closed(Vec<Obstacle>);

impl From<Obstacle> for Closed {
    fn from(obstacle: Obstacle) -> Self {
        Self(vec![obstacle])
    }
}

/// All that the requirements of an operation ask for.
#[derive(Default)]
struct Asked<'s> {
    tokens: Vec<(&'s str, &'s Authorizer, BTreeSet<String>)>,
    /// Where the schemes of API keys stand.
    keys: BTreeSet<String>,
    /// Functions that decide, by the names of their schemes.
    functions: BTreeMap<&'s str, &'s Function>,
    /// What asks for signed requests.
    signed: Vec<Obstacle>,
    /// Requirements that ask for nothing.
    nothing: Vec<Obstacle>,
    /// What no rule can ask for.
    others: Vec<Obstacle>,
}

impl Asked<'_> {
    /// Whether no requirement asks for anything: there is none, or none that is not empty.
    fn is_nothing(&self) -> bool {
        self.tokens.is_empty()
            && self.keys.is_empty()
            && self.functions.is_empty()
            && self.signed.is_empty()
            && self.others.is_empty()
    }
}

impl<'a> Context<'a> {
    /// Whether the operation has only the security at the top.
    pub(super) fn inherits(&self, operation: &Operation<'_>) -> bool {
        let own = |says: &Object<'_>| says.get("security").is_some();
        !operation.says.as_ref().is_ok_and(own) && self.top.get("security").is_some()
    }

    /// What an operation's security comes to.
    pub(super) fn decide(&self, operation: &Operation<'_>) -> Decision {
        let mut decision = Decision {
            access: Access::Nobody,
            authorizer: None,
            obstacles: Vec::new(),
            waived: BTreeSet::new(),
        };
        let says = operation
            .says
            .as_ref()
            .map_err(|one| Closed::from(one.clone()));
        match says.and_then(|says| self.access(operation, says, &mut decision)) {
            Ok(access) => decision.access = access,
            Err(Closed(obstacles)) => decision.obstacles = obstacles,
        }
        let astray = astray_at_top(self.top);
        let astray = astray.into_iter().chain(operation.astray.iter().cloned());
        decision.obstacles.extend(astray);
        // Somebody meant this operation to ask for something.
        if decision.access == Access::Anyone && !decision.obstacles.is_empty() {
            decision.access = Access::Nobody;
        }
        decision
    }

    fn access(
        &self,
        operation: &Operation<'_>,
        says: &Object<'_>,
        decision: &mut Decision,
    ) -> Result<Access, Closed> {
        let here = |text: &str| Obstacle {
            place: operation.place.clone(),
            text: text.to_owned(),
            advice: None,
        };
        let security = says.get("security").or_else(|| self.top.get("security"));
        let requirements = security.map(|all| all.list()).transpose();
        let requirements = requirements.map_err(|one| one.of("security that cannot be read"))?;
        let requirements = requirements.unwrap_or_default();
        let mut asked = Asked::default();
        for requirement in requirements {
            self.ask(&requirement, &mut asked)
                .map_err(|one| one.of("security that cannot be read"))?;
        }
        let own = own_authorization(says, asked.is_nothing())?;
        asked.signed.extend(own);
        // Who may call is said for what asks for a signature alone.
        let signed = self.signed.is_some()
            && asked.others.is_empty()
            && asked.tokens.is_empty()
            && asked.functions.is_empty();
        if !signed {
            asked.others.append(&mut asked.signed);
        }
        if !asked.others.is_empty() {
            return Err(Closed(asked.others));
        }
        asked.tokens.dedup();
        let several = "several authorizers, of which a method has one";
        let function = asked.functions.iter().next();
        if let Some((name, function)) = function {
            if asked.functions.len() > 1 || !asked.tokens.is_empty() {
                return Err(here(several).into());
            }
            let access = Access::Ask(function.name.clone());
            decision.authorizer = Some((*name).to_owned());
            decision.waived = self.without_keys(asked.keys)?;
            decision.obstacles.extend(asked.nothing);
            return Ok(access);
        }
        let (name, authorizer, scopes) = match asked.tokens.as_slice() {
            [one] => one.clone(),
            [] if !asked.signed.is_empty() => {
                decision.waived = self.without_keys(asked.keys)?;
                decision.obstacles.extend(asked.nothing);
                return Ok(Access::Signed);
            }
            [] if asked.keys.is_empty() => return Ok(Access::Anyone),
            [] => return Err(here("an API key and nothing else").into()),
            [(one, ..), others @ ..] if others.iter().all(|(other, ..)| other == one) => {
                return Err(here("one authorizer twice, with other scopes").into());
            }
            _ => return Err(here(several).into()),
        };
        decision.waived = self.without_keys(asked.keys)?;
        if let Some(profile) = self.profile.filter(|one| **one != authorizer.profile) {
            return Err(self.elsewhere(name, authorizer, profile).into());
        }
        decision.obstacles.extend(asked.nothing);
        decision.obstacles.extend(authorizer.unread.clone());
        decision.authorizer = Some(name.to_owned());
        let pools = authorizer.pools.iter();
        Ok(Access::Require(Requirement {
            token_use: match (authorizer.kind, scopes.is_empty()) {
                (AuthorizerKind::Jwt, _) => None,
                (AuthorizerKind::UserPools, true) => Some("id"),
                (AuthorizerKind::UserPools, false) => Some("access"),
            },
            pools: pools.map(|pool| pool.id.as_str().to_owned()).collect(),
            clients: authorizer.clients.clone(),
            scopes,
        }))
    }

    /// API keys beside an authorizer, if they may be dropped.
    fn without_keys(&self, keys: BTreeSet<String>) -> Result<BTreeSet<String>, Closed> {
        if self.without_api_keys || keys.is_empty() {
            return Ok(keys);
        }
        let keys = keys.into_iter().map(|place| Obstacle {
            place,
            text: "API keys and their usage plans".to_owned(),
            advice: None,
        });
        Err(Closed(keys.collect()))
    }

    /// Adds what one requirement asks for. A method has one authorizer: that several requirements
    /// were alternatives is for other gateways.
    fn ask(&self, requirement: &Part<'_>, asked: &mut Asked<'a>) -> Result<(), Obstacle> {
        let wanted = requirement.object()?;
        if wanted.is_empty() {
            return match self.version {
                // OpenAPI 3, operation object: an empty requirement makes security optional.
                Version::OpenApi3 => {
                    let text = "an empty requirement beside an authorizer, which API Gateway asks all the same";
                    asked.nothing.push(requirement.obstacle(text));
                    Ok(())
                }
                Version::Swagger2 => Err(requirement.obstacle("found an empty requirement")),
            };
        }
        for (name, scopes) in wanted.members() {
            let scopes = scopes_of(&scopes)?;
            let Some((name, scheme)) = self.schemes.get_key_value(name) else {
                asked.others.push(Obstacle {
                    advice: (name == "NONE").then(|| {
                        "SAM's sign for a method without an authorizer, which an export does not have"
                            .to_owned()
                    }),
                    ..requirement.obstacle(format!("security scheme {name:?}, which is not defined"))
                });
                continue;
            };
            match &scheme.says {
                Says::Other(obstacle) | Says::Lambda(obstacle) => {
                    asked.others.push(obstacle.clone())
                }
                Says::Function(_) if !scopes.is_empty() => {
                    let text = format!("scopes beside {name:?}, whose function alone decides");
                    asked.others.push(requirement.obstacle(text));
                }
                Says::Function(function) => {
                    asked.functions.insert(name, function);
                }
                Says::Signed(_) | Says::ApiKey if !scopes.is_empty() => {
                    let text = format!("scopes beside {name:?}, a scheme that has none");
                    asked.others.push(requirement.obstacle(text));
                }
                Says::Signed(obstacle) => asked.signed.push(obstacle.clone()),
                Says::ApiKey => {
                    asked.keys.insert(scheme.place.clone());
                }
                Says::Token(authorizer) => asked.tokens.push((name, authorizer, scopes)),
            }
        }
        Ok(())
    }

    fn elsewhere(&self, name: &str, authorizer: &Authorizer, profile: &Profile) -> Obstacle {
        let scheme = self.schemes.get(name);
        Obstacle {
            place: scheme.map_or_else(String::new, |scheme| scheme.place.clone()),
            text: format!(
                "an authorizer of tokens in another place or of another pattern: {}",
                authorizer.profile.describe(),
            ),
            advice: Some(format!(
                "a filter has one of each, here {}; --authorizer {name} writes the configuration \
                 of a second one",
                profile.describe(),
            )),
        }
    }
}

/// What `x-amazon-apigateway-auth` asks for beyond `security`: a signature, or nothing.
fn own_authorization(says: &Object<'_>, open: bool) -> Result<Option<Obstacle>, Obstacle> {
    let Some(auth) = says.member(AUTH)? else {
        return Ok(None);
    };
    let kind = auth.object().and_then(|auth| auth.expect("type")?.text());
    let kind = kind.map_err(|one| one.of("x-amazon-apigateway-auth that cannot be read"))?;
    match kind.to_ascii_uppercase().as_str() {
        "NONE" => Ok(None),
        "AWS_IAM" => Ok(Some(auth.obstacle(SIGNED))),
        // The others only repeat what `security` says.
        kind if open => {
            Err(auth.obstacle(format!("authorization {kind} without a security scheme")))
        }
        _ => Ok(None),
    }
}

/// Scopes as a token can have them (RFC 6749, section 3.3), and as a rule can want them.
fn scopes_of(part: &Part<'_>) -> Result<BTreeSet<String>, Obstacle> {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let mut scopes = BTreeSet::new();
    for scope in part.list()? {
        let text = scope.text()?;
        let possible = !text.is_empty() && text.bytes().all(visible);
        let rule = json!([{"match": {"path": "/"}, "require": {"scopes": [text]}}]);
        if !possible || refusal("rules", rule).is_some() {
            return Err(scope.obstacle("found a scope that no rule can want"));
        }
        scopes.insert(text.to_owned());
    }
    Ok(scopes)
}
