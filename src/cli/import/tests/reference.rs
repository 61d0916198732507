//! What a definition asks for, read once more from its parts, and in another way: a request is led
//! to an operation segment by segment, and an operation is open only if nothing is asked.

#![allow(clippy::arithmetic_side_effects)]

use super::random::{FUNCTIONS, TOKENS};
use crate::import::definition::Api;
use cognito_authorizer::claims::TokenUse;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::rules::requirement::{AnyOf, Requirement, WantedUse, WantedValue};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What an operation asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Asks {
    Nothing,
    /// What no configuration can ask for, or what cannot be read.
    Other,
    /// A token of this scheme, with one of these scopes.
    Token(String, Vec<String>),
    /// The function of this scheme.
    Function(String),
}

pub(super) fn asks(definition: &Value, operation: &Value, api: Api) -> Asks {
    let Some(operation) = operation.as_object() else {
        return Asks::Other;
    };
    if definition.get("x-amazon-apigateway-policy").is_some() {
        return Asks::Other;
    }
    let security = operation.get("security").or(definition.get("security"));
    let kind = operation
        .get("x-amazon-apigateway-auth")
        .map(|auth| auth["type"].as_str().unwrap());
    let nothing = security.is_none() || security == Some(&json!([]));
    // An empty requirement names no authorizer either.
    let requirements = security.and_then(Value::as_array);
    let nobody = requirements.is_none_or(|all| all.iter().all(|one| *one == json!({})));
    match kind {
        Some("AWS_IAM") => return Asks::Other,
        Some("CUSTOM" | "COGNITO_USER_POOLS") if nobody => return Asks::Other,
        _ if nothing => return Asks::Nothing,
        _ => {}
    }
    let Some(requirements) = security.unwrap().as_array() else {
        return Asks::Other;
    };
    let mut all: BTreeSet<(&String, Vec<String>)> = BTreeSet::new();
    for requirement in requirements {
        let Some(schemes) = requirement.as_object() else {
            return Asks::Other;
        };
        if schemes.is_empty() && definition.get("openapi").is_none() {
            return Asks::Other;
        }
        for (name, scopes) in schemes {
            let Some(scopes) = scopes.as_array() else {
                return Asks::Other;
            };
            let scopes = scopes
                .iter()
                .map(|scope| scope.as_str().unwrap().to_owned());
            all.insert((name, scopes.collect()));
        }
    }
    let known = |name: &str| TOKENS.iter().any(|(token, ..)| *token == name);
    let function = |name: &str| FUNCTIONS.contains(&(name, api));
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (None, _) => Asks::Nothing,
        // A method has one authorizer, and nothing here asks for an API key beside it.
        (Some((name, scopes)), None) if known(name) => Asks::Token(name.clone(), scopes),
        // A function is told nothing of scopes.
        (Some((name, scopes)), None) if function(name) && scopes.is_empty() => {
            Asks::Function(name.clone())
        }
        _ => Asks::Other,
    }
}

/// A path's segments, and its path item.
type Routed<'s, 'd> = (Vec<&'s str>, &'d Value);

/// The operations of the paths that API Gateway prefers for a request, of which any may be the one.
pub(super) fn operations<'d>(
    definition: &'d Value,
    api: Api,
    path: &str,
    method: &str,
) -> Vec<&'d Value> {
    let asked: Vec<&str> = path
        .split('/')
        .skip(1)
        .filter(|part| !part.is_empty())
        .collect();
    let split = |path: &'d str| -> Vec<&'d str> {
        path.split('/').filter(|part| !part.is_empty()).collect()
    };
    let all = definition["paths"].as_object().unwrap();
    let routes: Vec<(Vec<&str>, &'d Value)> = all
        .iter()
        .filter(|(path, _)| api == Api::Rest || *path != "/$default")
        .map(|(path, item)| (split(path), item))
        .collect();
    let of_method = |item: &'d Value, method: &str| item.get(method);
    let at = |chosen: Vec<&(Vec<&str>, &'d Value)>| -> Vec<&'d Value> {
        let named: Vec<_> = chosen
            .iter()
            .filter_map(|(_, item)| of_method(item, &method.to_lowercase()))
            .collect();
        let any = chosen
            .iter()
            .filter_map(|(_, item)| of_method(item, "x-amazon-apigateway-any-method"));
        if named.is_empty() {
            any.collect()
        } else {
            named
        }
    };
    match api {
        Api::Rest => {
            // Down the tree, without a way back.
            let mut left: Vec<&(Vec<&str>, &'d Value)> = routes.iter().collect();
            for (depth, part) in asked.iter().enumerate() {
                let ranks = left
                    .iter()
                    .filter_map(|(route, _)| rank(route.get(depth)?, part));
                let Some(best) = ranks.min() else {
                    return Vec::new();
                };
                left.retain(|(route, _)| {
                    route.get(depth).and_then(|one| rank(one, part)) == Some(best)
                });
                if best == GREEDY {
                    return at(left);
                }
            }
            at(left
                .into_iter()
                .filter(|(route, _)| route.len() == asked.len())
                .collect())
        }
        Api::Http => {
            let mut best: Vec<(bool, Vec<u8>, &Routed<'_, 'd>)> = Vec::new();
            for candidate in &routes {
                let (route, _) = candidate;
                let greedy = route.last().is_some_and(|last| last.ends_with("+}"));
                let long_enough = if greedy {
                    asked.len() >= route.len()
                } else {
                    asked.len() == route.len()
                };
                let ranks: Option<Vec<u8>> = route
                    .iter()
                    .zip(&asked)
                    .map(|(one, part)| rank(one, part))
                    .collect();
                if let (true, Some(ranks)) = (long_enough, ranks) {
                    best.push((greedy, ranks, candidate));
                }
            }
            best.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
            for (greedy, ranks, _) in &best {
                let same = best
                    .iter()
                    .filter(|other| other.0 == *greedy && other.1 == *ranks);
                let found = at(same.map(|(_, _, candidate)| *candidate).collect());
                if !found.is_empty() {
                    return found;
                }
            }
            let rest = all.get("/$default").into_iter();
            rest.flat_map(|item| at(vec![&(Vec::new(), item)]))
                .collect()
        }
    }
}

const GREEDY: u8 = 2;

/// How much a segment is preferred for a part of a path, if it is for it at all.
fn rank(segment: &str, part: &str) -> Option<u8> {
    let segment = segment.replace("%2D", "-");
    if segment == part.replace("%2D", "-") {
        Some(0)
    } else if segment.ends_with("+}") {
        Some(GREEDY)
    } else if segment.starts_with('{') {
        Some(1)
    } else {
        None
    }
}

/// Whether everyone whom a requirement lets in has what the scheme asks for.
pub(super) fn is_no_wider(
    requirement: &Requirement,
    policy: &Policy,
    scheme: &str,
    wanted: &[String],
) -> bool {
    let every_pool: Vec<&str> = policy
        .issuers
        .pools()
        .iter()
        .map(|pool| pool.id.as_str())
        .collect();
    let users = requirement.callers.users().expect("a rule for users");
    let pools: Vec<&str> = match &users.pools {
        AnyOf::Unrestricted => every_pool,
        AnyOf::Only(pools) => pools.iter().map(|pool| pool.as_str()).collect(),
    };
    let scopes = &requirement.conditions.scopes;
    assert!(scopes.all.is_empty() && scopes.none.is_empty());
    let is_wanted = |scope: &WantedValue| match scope {
        WantedValue::Literal(scope) => wanted.contains(scope),
        WantedValue::Variable(_) | WantedValue::Header(_) => false,
    };
    let scoped = match scopes.any.is_empty() {
        true => wanted.is_empty(),
        false => scopes.any.iter().all(is_wanted),
    };
    let kind = match wanted {
        [] => TokenUse::Id,
        _ => TokenUse::Access,
    };
    let scheme = TOKENS.iter().find(|(token, ..)| *token == scheme);
    scheme.is_some_and(|(_, known, strict)| {
        let fits = !strict || users.token_use == WantedUse::Only(kind);
        scoped && fits && pools.iter().all(|pool| known.contains(pool))
    })
}
