//! The steps before the token is looked at: path, rule, preflight, and where the token stands.

use super::facts::Facts;
use super::safe::text;
use super::safe::{cut, quoted};
use super::step::Finding;
use cognito_authorizer::bearer::{PROTOCOLS, Scheme, TokenSource, TokenSources, WebSocketProtocol};
use cognito_authorizer::claims::TokenUse;
use cognito_authorizer::policy::Preflight;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::rules::index::{Target, UnsafePath};
use cognito_authorizer::rules::path::RequestPath;
use cognito_authorizer::rules::{Access, InvalidToken};
use serde_json::{Value, json};

/// Can the path or the authority be read in two ways?
pub(super) fn path(facts: &Facts<'_>) -> Finding {
    let policy = facts.policy;
    let authority = facts.target.authority.map(text);
    let path = facts.target.path.map(before_query).map(text);
    let shown = || path.as_deref().map_or_else(|| "no path".to_owned(), cut);
    let found = json!({"path": path, "authority": authority, "readings": readings(facts)});
    match &facts.choice {
        Err(UnsafePath::Authority) => {
            let authority = authority.as_deref().map_or_else(String::new, quoted);
            Finding::new(format!("{authority}: {}", UnsafePath::Authority)).found(found)
        }
        Err(cause) => {
            let mut said = format!("{}: {cause}", shown());
            said.push_str(&under_which_rules(facts));
            Finding::new(said).found(found)
        }
        Ok(_) if !policy.decides_by_paths() && !policy.decides_by_hosts() => {
            Finding::new("no rule looks at paths or hosts")
        }
        Ok(_) if !policy.decides_by_paths() => {
            Finding::new("the authority names one host; no rule looks at paths").found(found)
        }
        Ok(_) => {
            let others: Vec<_> = readings(facts)
                .into_iter()
                .filter(|reading| Some(reading) != path.as_ref())
                .map(|reading| cut(&reading))
                .collect();
            let said = match others.as_slice() {
                [] => format!("{}, which can be read in one way only", shown()),
                others => format!(
                    "{}, which may also be read as {}: the same rule for all",
                    shown(),
                    others.join(" and ")
                ),
            };
            Finding::new(said).found(found)
        }
    }
}

/// Could the upstream act on another method than the rules see?
pub(super) fn method(facts: &Facts<'_>) -> Finding {
    if !facts.policy.decides_by_methods() {
        return Finding::new("nothing is decided by methods");
    }
    let method = facts.target.method.map(text).unwrap_or_default();
    let shown = cut(&method);
    let said = match facts.policy.check_method(facts.request) {
        Err(cause) => format!("{shown}: {cause}"),
        Ok(()) => format!("{shown}, as any upstream reads it"),
    };
    Finding::new(said).found(method)
}

fn before_query(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap_or(target)
}

/// The path in every way in which the rules look at it, the literal one first, each once.
fn readings(facts: &Facts<'_>) -> Vec<String> {
    let Some(Ok(path)) = facts.target.path.map(RequestPath::parse) else {
        return Vec::new();
    };
    path.readings(facts.policy.rules.path_case())
}

/// The rules of those readings that, as paths of their own, are under one.
fn under_which_rules(facts: &Facts<'_>) -> String {
    let rules = readings(facts).into_iter().filter_map(|reading| {
        let target = Target {
            path: Some(reading.as_bytes()),
            ..facts.target
        };
        let (ruling, _) = facts.policy.rules.choose(&target).ok()?;
        let rule = ruling.rule();
        let rule = rule.map_or_else(|| "the default".to_owned(), |rule| format!("rules[{rule}]"));
        Some(format!("; read as {} it is under {rule}", cut(&reading)))
    });
    rules.collect()
}

/// The rule, and whether it lets anybody in at all.
pub(super) fn rule(facts: &Facts<'_>) -> Finding {
    let (Some(rule), Some(access)) = (facts.rule(), facts.access()) else {
        return Finding::new("no rule could be chosen");
    };
    let does = match access {
        Access::Anyone => "lets anyone pass, and looks at no token",
        Access::Optional(InvalidToken::Refuse) => {
            "lets anyone pass who has no token or a valid one"
        }
        Access::Optional(InvalidToken::Ignore) => {
            "lets anyone pass; a token that is not valid is taken off"
        }
        Access::Nobody => "lets nobody pass, with or without a token",
        Access::Require(_) => "asks for a token",
        Access::Authorizer(_) => "asks an authorizer",
    };
    let mut said = match rule.index {
        Some(_) => format!("{} ({})", rule.name, matching(&rule.matches)),
        None if facts.policy.rules.is_empty() => "default, for there are no rules".to_owned(),
        None => "default, for no rule matches".to_owned(),
    };
    said = format!("{said}: {does}");
    for (name, value) in &rule.variables {
        said.push_str(&match value {
            Some(value) => format!("; {name} = {}", quoted(value)),
            None if differs(facts, name) => {
                format!("; {name} is not the same to all servers, and equals nothing")
            }
            None => format!("; {name} has \";parameters\", and equals nothing"),
        });
    }
    let variables: serde_json::Map<_, _> = rule
        .variables
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let found = json!({"rule": rule.name, "match": rule.matches, "variables": variables});
    Finding::new(said).found(found)
}

/// Whether a variable has several values, by where servers cut the path.
fn differs(facts: &Facts<'_>, name: &str) -> bool {
    let choice = facts.choice.as_ref();
    choice.is_ok_and(|(_, variables)| variables.differs(name))
}

/// A `match` in a few words.
fn matching(matches: &Value) -> String {
    let parts = ["path", "prefix", "template", "regex", "methods", "hosts"];
    let said = parts.iter().filter_map(|part| {
        let said = match matches.get(part)? {
            Value::String(one) => one.clone(),
            Value::Array(all) => {
                let all: Vec<_> = all.iter().filter_map(Value::as_str).collect();
                all.join(", ")
            }
            other => other.to_string(),
        };
        Some(format!("{part} {}", cut(&said)))
    });
    said.collect::<Vec<_>>().join("; ")
}

/// A preflight that passes without a token, where the configuration lets it.
pub(super) fn preflight(facts: &Facts<'_>) -> Finding {
    match facts.policy.preflight {
        Preflight::RequireToken => Finding::new("preflights are requests like any other"),
        Preflight::Pass if facts.request.is_preflight() => {
            Finding::new("a cross-origin preflight, which passes without a token")
        }
        Preflight::Pass => Finding::new("the request is no cross-origin preflight"),
    }
}

/// Exactly one token, in the configured places.
pub(super) fn token(facts: &Facts<'_>) -> Finding {
    let sources = &facts.policy.token.sources;
    let wanted: Vec<_> = sources.iter().map(place).collect();
    let mut found = Vec::new();
    let (mut hints, mut aliases) = (Vec::new(), Vec::new());
    for source in sources.iter() {
        // Each place is asked alone, by the function that asks them all.
        let Some(alone) = TokenSources::new(vec![source.clone()]) else {
            continue;
        };
        match alone.extract(facts.request) {
            Ok(Some(_)) => found.push(place(source)),
            Err(_) => found.push(format!("{} (more than once)", place(source))),
            Ok(None)
                if alone
                    .strip(facts.request)
                    .is_ok_and(|edits| edits.is_empty()) =>
            {
                hints.extend(hint(facts, source));
            }
            Ok(None) => aliases.push(format!(
                "what some upstream takes for the {}",
                place(source)
            )),
        }
    }
    if !aliases.is_empty() {
        hints.push(format!("; {} is none by itself", aliases.join(" or ")));
    }
    let shown: Vec<_> = found.iter().map(|place| cut(place)).collect();
    let finding = match (
        sources.extract(facts.request).map(|token| token.is_some()),
        facts.access(),
    ) {
        (Ok(true), _) => Finding::new(format!("one, in the {}", shown.join(" and the "))),
        (Ok(false), Some(Access::Optional(_))) => {
            Finding::new("none, and the rule lets a request without one pass")
        }
        (Ok(false), _) => Finding::new(format!(
            "none; it is looked for in the {}{}",
            wanted.join(" or the "),
            hints.concat()
        )),
        (Err(Reason::MultipleTokens), _) => {
            let all = shown.iter().map(|place| format!("the {place}"));
            let all: Vec<_> = all.chain(aliases).collect();
            Finding::new(format!(
                "more than one, in {}; expected one, even if all are equal",
                all.join(" and ")
            ))
        }
        (Err(_), _) => Finding::new("not to be told"),
    };
    finding.found(found).wanted(wanted)
}

/// A place in the words of the field.
pub(super) fn place(source: &TokenSource) -> String {
    match source {
        TokenSource::Header(name, scheme) if *scheme == Scheme::BEARER => {
            format!("{} header", name.as_str())
        }
        TokenSource::Header(name, scheme) => {
            format!("{} header behind {}", name.as_str(), scheme.as_str())
        }
        TokenSource::WebSocket(WebSocketProtocol::After(marker)) => {
            format!("WebSocket subprotocol behind {marker}")
        }
        TokenSource::WebSocket(WebSocketProtocol::Prefixed(prefix, _)) => {
            format!("WebSocket subprotocol that begins with {prefix}")
        }
        TokenSource::Amplify(amplify) => match amplify.token_use() {
            TokenUse::Access => "Amplify cookies of access tokens".to_owned(),
            TokenUse::Id => "Amplify cookies of id tokens".to_owned(),
        },
        TokenSource::Query(name) => format!("query parameter {name}"),
        TokenSource::Cookie(name) => format!("cookie {name}"),
    }
}

/// Why a header that is there holds no token.
fn hint(facts: &Facts<'_>, source: &TokenSource) -> Option<String> {
    let (name, scheme) = match source {
        TokenSource::Header(name, scheme) => (name, scheme),
        TokenSource::WebSocket(_)
            if facts.request.first(PROTOCOLS).is_some() && !facts.request.is_upgrade() =>
        {
            return Some("; subprotocols count in a WebSocket's handshake only".to_owned());
        }
        _ => return None,
    };
    let wanted = scheme.as_str().as_bytes();
    let value = facts.request.first(name.as_str())?.trim_ascii();
    let scheme = value.split(|byte| *byte == b' ').next().unwrap_or(value);
    let name = name.as_str();
    Some(
        match value.contains(&b' ') && !scheme.eq_ignore_ascii_case(wanted) {
            true => format!(
                "; the {name} header holds credentials of another scheme, {}",
                quoted(&text(scheme))
            ),
            false => format!("; the {name} header holds no value"),
        },
    )
}
