//! The security schemes of a definition, as far as they can be read.

use super::authorizer::{
    Authorizer, AuthorizerKind, Clients, IssuerForm, Pool, Profile, Says, Scheme, Seen, TokenPlace,
    client_refusal,
};
use super::definition::{Definition, Version};
use super::function::{self, Calls, Kind};
use super::note::Notes;
use super::part::{Object, Obstacle, Part};
use anyhow::ensure;
use cognito_authorizer::pool::UserPool;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A user pool that the command line names for a scheme: `SCHEME=ID` or `SCHEME=ARN`.
#[derive(Clone, Debug)]
pub(super) struct NamedPool {
    scheme: String,
    pool: Pool,
}

impl FromStr for NamedPool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A scheme may be called anything, a pool may not.
        let (scheme, pool) = text.rsplit_once('=').ok_or("expected SCHEME=ID")?;
        let arn = pool.starts_with("arn:").then(|| pool.to_owned());
        let named = match &arn {
            Some(arn) => UserPool::from_arn(arn),
            None => UserPool::new(pool),
        };
        let pool = named.map_err(|error| error.to_string())?;
        Ok(Self {
            scheme: scheme.to_owned(),
            pool: Pool {
                id: pool.id().clone(),
                region: pool.region().to_owned(),
                arn,
                issuer: IssuerForm::Original,
            },
        })
    }
}

/// Reads every security scheme; `clients` is for authorizers that name none, `named` for those whose
/// pools the definition does not say, `calls` for those whose function decides.
///
/// # Errors
/// A pool is named for what has none.
pub(super) fn read(
    definition: &Definition<'_>,
    clients: &Clients,
    named: &[NamedPool],
    calls: Option<&Calls>,
    notes: &mut Notes,
) -> anyhow::Result<BTreeMap<String, Scheme>> {
    let parts = definition.schemes();
    let mut schemes = BTreeMap::new();
    let names = parts.iter().flatten().map(|(name, _)| (*name).to_owned());
    let mut names: BTreeSet<_> = names.collect();
    for (name, part) in parts.as_deref().unwrap_or_default() {
        let pools = named.iter().filter(|one| one.scheme == *name);
        let pools: Vec<_> = pools.map(|one| one.pool.clone()).collect();
        let function_name = function::distinct(name, &names);
        let mut reader = Reader {
            definition,
            function_name: &function_name,
            calls,
            clients,
            pools: &pools,
            asked: false,
            seen: Seen {
                pools: Vec::new(),
                clients: clients.clone(),
            },
            notes,
        };
        let says = reader.scheme(part).unwrap_or_else(Says::Other);
        ensure!(
            pools.is_empty() || reader.asked,
            "--user-pool {name}: {}",
            match says {
                Says::Other(obstacle) | Says::Signed(obstacle) | Says::Lambda(obstacle) => {
                    obstacle.to_string()
                }
                Says::Function(_) => "a Lambda authorizer".to_owned(),
                Says::ApiKey | Says::Token(_) => "API keys".to_owned(),
            }
        );
        let scheme = Scheme {
            place: part.place.clone(),
            says,
            seen: reader.seen,
        };
        if let Says::Function(function) = &scheme.says {
            names.insert(function.name.clone());
        }
        schemes.insert((*name).to_owned(), scheme);
    }
    let unknown = named.iter().find(|one| !schemes.contains_key(&one.scheme));
    ensure!(
        unknown.is_none(),
        "--user-pool {}: expected one of the definition's security schemes{}",
        unknown.map_or("", |one| &one.scheme),
        match parts {
            Err(obstacle) => format!(", which cannot be read: {obstacle}"),
            Ok(_) => {
                let names = schemes.keys().map(String::as_str);
                let lines = names.chain(definition.misplaced_schemes());
                lines.map(|line| format!("\n{line}")).collect()
            }
        }
    );
    Ok(schemes)
}

/// What a scheme is read with.
struct Reader<'a> {
    definition: &'a Definition<'a>,
    /// What its function would be called.
    function_name: &'a str,
    /// How functions are called, if they are.
    calls: Option<&'a Calls>,
    clients: &'a Clients,
    /// Those that the command line names.
    pools: &'a [Pool],
    /// Whether it came to them.
    asked: bool,
    seen: Seen,
    notes: &'a mut Notes,
}

/// What is not carried over unless the command line says who may call.
pub(super) const SIGNED: &str = "IAM authorization (signed requests)";

const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";

/// The text of a member, if there is one.
fn text<'d>(object: &Object<'d>, name: &str) -> Result<Option<&'d str>, Obstacle> {
    object.member(name)?.map(|part| part.text()).transpose()
}

impl Reader<'_> {
    fn scheme(&mut self, part: &Part<'_>) -> Result<Says, Obstacle> {
        let scheme = part
            .object()
            .map_err(|one| one.of("a scheme that cannot be read"))?;
        let other = |text: String| Err(part.obstacle(text));
        let signed = text(&scheme, "x-amazon-apigateway-authtype")?
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("aws"));
        let authorizer = scheme.member(AUTHORIZER)?;
        if signed && authorizer.is_some() {
            return other(format!("{SIGNED} beside an authorizer"));
        }
        if signed {
            return Ok(Says::Signed(part.obstacle(SIGNED)));
        }
        let Some(authorizer) = authorizer else {
            return without_authorizer(part, &scheme);
        };
        let authorizer = authorizer.object()?;
        let kind = text(&authorizer, "type")?.unwrap_or_default();
        let authorizer = match kind.to_ascii_lowercase().as_str() {
            "cognito_user_pools" => self.user_pools(&scheme, &authorizer)?,
            "jwt" => self.jwt(part, &scheme, &authorizer)?,
            "token" => return self.function(part, &scheme, &authorizer, Kind::Token),
            "request" => return self.function(part, &scheme, &authorizer, Kind::Request),
            _ => return other("an authorizer of an unknown type".to_owned()),
        };
        match authorizer.profile.problem() {
            None => Ok(Says::Token(authorizer)),
            Some(problem) => other(format!(
                "an authorizer that the filter cannot follow: {problem}"
            )),
        }
    }

    fn function(
        &self,
        part: &Part<'_>,
        scheme: &Object<'_>,
        authorizer: &Object<'_>,
        kind: Kind,
    ) -> Result<Says, Obstacle> {
        let Some(calls) = self.calls else {
            let kind = match kind {
                Kind::Token => "token",
                Kind::Request => "request",
            };
            let text = format!("a Lambda authorizer ({kind}), whose verdict is code");
            let advice = "--lambda-cluster NAME has the filter ask it";
            return Ok(Says::Lambda(part.obstacle(text).advised(advice)));
        };
        let function = function::read(
            self.definition,
            calls,
            self.function_name,
            scheme,
            authorizer,
            kind,
        );
        let function = function.map_err(|one| one.of("a Lambda authorizer"))?;
        Ok(Says::Function(function))
    }

    fn user_pools(
        &mut self,
        scheme: &Object<'_>,
        authorizer: &Object<'_>,
    ) -> Result<Authorizer, Obstacle> {
        let what = "a Cognito authorizer";
        let all = providers(authorizer);
        let seen = all.iter().flatten().flatten();
        self.seen.pools = seen.cloned().collect();
        let said = all.and_then(|all| all.into_iter().collect());
        let said = said.map_err(|one| unnamed(one).of(what));
        let pools = self.pools(authorizer, said)?;
        let read = || {
            let from = match authorizer.member("identitySource")? {
                Some(source) => place(&source, "method.request.")?,
                // An export names the header in the scheme itself.
                None => match (text(scheme, "in")?, text(scheme, "name")?) {
                    (Some("header"), Some(name)) => TokenPlace::Header(name.to_ascii_lowercase()),
                    (None, None) if self.definition.version == Version::OpenApi3 => authorization(),
                    _ => return Err(scheme.obstacle("found no header for its token")),
                },
            };
            let pattern = text(authorizer, "identityValidationExpression")?;
            let aud_pattern = pattern.filter(|one| !one.is_empty()).map(str::to_owned);
            Ok(Profile { from, aud_pattern })
        };
        Ok(Authorizer {
            kind: AuthorizerKind::UserPools,
            pools,
            clients: self.clients.clone(),
            unread: None,
            profile: read().map_err(|one: Obstacle| one.of(what))?,
        })
    }

    fn jwt(
        &mut self,
        part: &Part<'_>,
        scheme: &Object<'_>,
        authorizer: &Object<'_>,
    ) -> Result<Authorizer, Obstacle> {
        let what = "a JWT authorizer";
        let settings = authorizer
            .expect("jwtConfiguration")
            .and_then(|one| one.object());
        if self.pools.len() > 1 {
            return Err(part.obstacle("a JWT authorizer, which has one issuer and so one pool"));
        }
        let said = issuer(scheme, &settings).map(|one| vec![one]);
        let pools = self.pools(authorizer, said.map_err(|one| one.of(what)))?;
        let (clients, unread) = self.audience(settings).map_err(|one| one.of(what))?;
        self.seen.clients = clients.clone();
        let from = match authorizer.member("identitySource")? {
            None => authorization(),
            Some(source) => match source.list().as_deref() {
                Ok([one]) => place(one, "$request.")?,
                Ok(_) => return Err(source.obstacle("an authorizer with several identity sources")),
                Err(_) => place(&source, "$request.")?,
            },
        };
        Ok(Authorizer {
            kind: AuthorizerKind::Jwt,
            pools,
            clients,
            unread,
            profile: Profile {
                from,
                aud_pattern: None,
            },
        })
    }

    /// The pools that the command line names, or else those that the definition says.
    fn pools(
        &mut self,
        authorizer: &Object<'_>,
        said: Result<Vec<Pool>, Obstacle>,
    ) -> Result<Vec<Pool>, Obstacle> {
        self.asked = true;
        if let Ok(said) = &said {
            self.seen.pools.clone_from(said);
        }
        if self.pools.is_empty() {
            return said;
        }
        self.seen.pools = self.pools.to_vec();
        let ids = |pools: &[Pool]| -> BTreeSet<String> {
            let ids = pools.iter().map(|pool| pool.id.as_str().to_owned());
            ids.collect()
        };
        match said {
            Ok(said) if ids(&said) == ids(self.pools) => return Ok(said),
            Ok(said) => {
                let said: Vec<_> = ids(&said).into_iter().collect();
                let text = format!("--user-pool stands in for {}", said.join(", "));
                self.notes.changed(authorizer.place.clone(), text);
            }
            Err(_) => {}
        }
        Ok(self.pools.to_vec())
    }

    /// The app clients that an audience names, and what of it could not be read.
    fn audience(
        &mut self,
        settings: Result<Object<'_>, Obstacle>,
    ) -> Result<(Clients, Option<Obstacle>), Obstacle> {
        let audience = settings.and_then(|settings| settings.member("audience"));
        let clients = match audience.and_then(|all| all.map(|all| all.list()).transpose()) {
            Ok(clients) => clients.unwrap_or_default(),
            Err(obstacle) => {
                self.notes.changed(
                    obstacle.place.clone(),
                    format!("an audience that cannot be read, and so counts as none: {obstacle}"),
                );
                return Ok((self.clients.clone(), None));
            }
        };
        let mut named = BTreeSet::new();
        let mut unread = None;
        for client in clients {
            let known = client.text().and_then(|text| match text {
                // A token that is bound to a resource names that in `aud`, and its app client elsewhere.
                _ if text.contains("://") => Ok(Err(client.obstacle(format!(
                    "the audience {text:?}, which is no app client id: here client_ids is compared \
                     with client_id"
                )))),
                _ => match client_refusal(text) {
                    None => Ok(Ok(text.to_owned())),
                    Some(_) => Err(client.obstacle("found a text that is no app client id")),
                },
            });
            match known {
                Ok(known) => {
                    named.insert(known?);
                }
                Err(obstacle) => unread = Some(obstacle.of("part of an audience")),
            }
        }
        Ok(match (named.is_empty(), unread) {
            (true, Some(obstacle)) => {
                self.notes.changed(
                    obstacle.place.clone(),
                    format!("an audience that cannot be read, and so counts as none: {obstacle}"),
                );
                (self.clients.clone(), None)
            }
            (true, None) => (self.clients.clone(), None),
            (false, unread) => (Clients::Only(named), unread),
        })
    }
}

/// An authorizer whose pool is not said where this tool can read it.
fn unnamed(obstacle: Obstacle) -> Obstacle {
    obstacle.advised("--user-pool SCHEME=ID says which pool is meant")
}

fn without_authorizer(part: &Part<'_>, scheme: &Object<'_>) -> Result<Says, Obstacle> {
    let kind = text(scheme, "type")?.unwrap_or_default();
    let key = kind == "apiKey"
        && text(scheme, "in")? == Some("header")
        && text(scheme, "name")?.is_some_and(|name| name.eq_ignore_ascii_case("x-api-key"));
    match kind {
        _ if key => Ok(Says::ApiKey),
        "mutualTLS" => Err(part.obstacle("mutual TLS")),
        _ => {
            let text = "a scheme without x-amazon-apigateway-authorizer";
            Err(part
                .obstacle(text)
                .advised("was the API exported with its extensions?"))
        }
    }
}

/// The pools of `providerARNs`, each if it can be read.
fn providers(authorizer: &Object<'_>) -> Result<Vec<Result<Pool, Obstacle>>, Obstacle> {
    let providers = authorizer.expect("providerARNs")?;
    let pool = |provider: &Part<'_>| {
        let arn = provider.text()?;
        let pool = UserPool::from_arn(arn);
        let pool = pool.map_err(|error| provider.obstacle(error.to_string()))?;
        Ok(Pool {
            id: pool.id().clone(),
            region: pool.region().to_owned(),
            arn: Some(arn.to_owned()),
            issuer: IssuerForm::Original,
        })
    };
    let pools: Vec<_> = providers.list()?.iter().map(pool).collect();
    match pools.is_empty() {
        true => Err(providers.obstacle("found no provider")),
        false => Ok(pools),
    }
}

/// The pool of an authorizer's issuer, or of the discovery document from which API Gateway has it.
fn issuer(scheme: &Object<'_>, settings: &Result<Object<'_>, Obstacle>) -> Result<Pool, Obstacle> {
    let (part, issuer) = said_issuer(scheme, settings).map_err(unnamed)?;
    let foreign = || part.obstacle(format!("{issuer:?} is no user pool's issuer"));
    pool_of(issuer).ok_or_else(|| {
        foreign().advised(
            "if it is a pool under another name, write the entry of user_pools by hand, with issuer \
             as this URL",
        )
    })
}

fn said_issuer<'d>(
    scheme: &Object<'d>,
    settings: &Result<Object<'d>, Obstacle>,
) -> Result<(Part<'d>, &'d str), Obstacle> {
    let settings = settings.as_ref().map_err(Obstacle::clone)?;
    if let Some(part) = settings.member("issuer")? {
        let issuer = part.text()?;
        return Ok((part, issuer));
    }
    let url = scheme.member("openIdConnectUrl")?;
    let part = url.ok_or_else(|| settings.obstacle("found no issuer"))?;
    let url = part.text()?;
    let issuer = url.strip_suffix("/.well-known/openid-configuration");
    Ok((part, issuer.unwrap_or(url)))
}

/// The user pool whose issuer this is, to the letter, since tokens are compared so.
fn pool_of(issuer: &str) -> Option<Pool> {
    let (_, id) = issuer.rsplit_once('/')?;
    let pool = UserPool::new(id).ok()?;
    let form = if pool.original_issuer() == issuer {
        IssuerForm::Original
    } else if pool.updated_issuer() == issuer {
        IssuerForm::Updated
    } else {
        return None;
    };
    Some(Pool {
        id: pool.id().clone(),
        region: pool.region().to_owned(),
        arn: None,
        issuer: form,
    })
}

fn authorization() -> TokenPlace {
    TokenPlace::Header("authorization".to_owned())
}

/// An identity source; several would have to be there at once, which the filter cannot ask for.
fn place(part: &Part<'_>, prefix: &str) -> Result<TokenPlace, Obstacle> {
    let text = part.text()?;
    let source = text
        .strip_prefix(prefix)
        .and_then(|one| one.split_once('.'));
    match source {
        Some((_, name)) if name.contains([',', ' ', '$']) => None,
        Some(("header", name)) => Some(TokenPlace::Header(name.to_ascii_lowercase())),
        Some(("querystring", name)) => Some(TokenPlace::Query(name.to_owned())),
        _ => None,
    }
    .ok_or_else(|| {
        part.obstacle(format!(
            "an authorizer with the identity source {text:?}; expected one header"
        ))
    })
}
