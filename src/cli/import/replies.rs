//! Gateway responses: what the refused are told.

use super::authorizer::refusal;
use super::definition::{Api, Definition};
use super::note::Notes;
use super::part::{Object, Obstacle, Part};
use cognito_authorizer::reply::Template;
use serde_json::{Map, Value, json};

const EXTENSION: &str = "x-amazon-apigateway-gateway-responses";

/// The kinds of replies here, the gateway response of each, and the one that stands in for it.
const KINDS: [(&str, &str, &str); 6] = [
    ("unauthorized", "UNAUTHORIZED", "DEFAULT_4XX"),
    ("expired_token", "EXPIRED_TOKEN", "DEFAULT_4XX"),
    ("access_denied", "ACCESS_DENIED", "DEFAULT_4XX"),
    ("authorizer_failure", "AUTHORIZER_FAILURE", "DEFAULT_5XX"),
    (
        "authorizer_configuration_error",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "DEFAULT_5XX",
    ),
    ("bad_request", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX"),
];

/// Those of which the filter sends no reply of a kind of its own.
const ELSEWHERE: [(&str, &str); 2] = [
    (
        "MISSING_AUTHENTICATION_TOKEN",
        "what no rule matches is answered as ACCESS_DENIED",
    ),
    (
        "RESOURCE_NOT_FOUND",
        "what no rule matches is answered as ACCESS_DENIED",
    ),
];

/// The statuses that `responses` takes; the same as the filter's own check, which has the last word.
const STATUS: std::ops::RangeInclusive<u64> = 300..=599;

/// `responses`, with what of the definition's it can say.
pub(super) fn read(definition: &Definition<'_>, notes: &mut Notes) -> Map<String, Value> {
    let mut responses = Map::new();
    if definition.api == Api::Rest {
        responses.insert("style".to_owned(), json!("api_gateway"));
    }
    let all = definition.top().member(EXTENSION);
    let all = match all.and_then(|all| all.map(|all| all.object()).transpose()) {
        Ok(Some(all)) => all,
        Ok(None) => return responses,
        Err(obstacle) => {
            notes.lacks(obstacle);
            return responses;
        }
    };
    for (kind, own, default) in KINDS {
        // API Gateway takes one of the two whole, and never parts of both.
        if let Some(response) = all.get(own).or_else(|| all.get(default)) {
            match response.object() {
                Ok(response) => {
                    let changed = changed(kind, &response, notes);
                    if !changed.is_empty() {
                        responses.insert(kind.to_owned(), Value::Object(changed));
                    }
                }
                Err(obstacle) => notes.lacks(obstacle),
            }
        }
    }
    for (name, part) in all.members() {
        let known = KINDS
            .iter()
            .any(|(_, own, default)| name == *own || name == *default);
        if !known {
            let why = ELSEWHERE.iter().find(|(one, _)| *one == name);
            let why = why.map_or("the filter never sends this reply", |(_, why)| why);
            notes.not_carried(part.place, why);
        }
    }
    responses
}

fn changed(kind: &str, response: &Object<'_>, notes: &mut Notes) -> Map<String, Value> {
    let mut changed = Map::new();
    if let Some(found) = response.get("statusCode")
        && !found.raw().is_null()
    {
        let status = found.scalar().and_then(|text| {
            let status = text.parse().ok().filter(|status| STATUS.contains(status));
            status.ok_or_else(|| {
                found.obstacle(format!("found {text}; expected a status from 300 to 599"))
            })
        });
        match status {
            Ok(status) => drop(changed.insert("status".to_owned(), json!(status))),
            Err(obstacle) => notes.lacks(obstacle),
        }
    }
    let headers = headers(kind, response, notes);
    if !headers.is_empty() {
        changed.insert("headers".to_owned(), Value::Object(headers));
    }
    if let Some((part, body)) = body(response, notes) {
        let mut with = changed.clone();
        with.insert("body".to_owned(), json!(body));
        match refused(kind, &with) {
            None => return with,
            Some(problem) => notes.lacks(part.obstacle(problem)),
        }
    }
    changed
}

/// What a member says, if it is there and an object.
fn object<'d>(response: &Object<'d>, name: &str, notes: &mut Notes) -> Option<Object<'d>> {
    let part = response.get(name).filter(|part| !part.raw().is_null())?;
    part.object().map_err(|obstacle| notes.lacks(obstacle)).ok()
}

/// Headers with values of their own, `'in quotes'`.
fn headers(kind: &str, response: &Object<'_>, notes: &mut Notes) -> Map<String, Value> {
    let mut headers = Map::new();
    let parameters = object(response, "responseParameters", notes);
    for (parameter, part) in parameters.iter().flat_map(Object::members) {
        match header(kind, parameter, &part, &headers) {
            Ok((name, value)) => drop(headers.insert(name, json!(value))),
            Err(obstacle) => notes.lacks(obstacle),
        }
    }
    headers
}

fn header(
    kind: &str,
    parameter: &str,
    part: &Part<'_>,
    others: &Map<String, Value>,
) -> Result<(String, String), Obstacle> {
    let text = part.text()?;
    let fixed = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    let name = parameter.strip_prefix("gatewayresponse.header.");
    let (Some(name), Some(fixed)) = (name, fixed) else {
        return Err(part.obstacle(format!(
            "found {text:?}; expected a header with a value in quotes"
        )));
    };
    let name = name.to_ascii_lowercase();
    if others.contains_key(&name) {
        return Err(part.obstacle("found the header twice"));
    }
    let mut with = others.clone();
    with.insert(name.clone(), json!(fixed));
    let with = Map::from_iter([("headers".to_owned(), Value::Object(with))]);
    match refused(kind, &with) {
        None => Ok((name, fixed.to_owned())),
        Some(problem) => Err(part.obstacle(problem)),
    }
}

/// What the filter would say of this reply, without its own path: where the cause stands in the
/// definition is what helps.
fn refused(kind: &str, says: &Map<String, Value>) -> Option<String> {
    let problem = refusal("responses", json!({kind: says}))?;
    Some(match problem.split_once(": ") {
        Some((_, text)) => text.to_owned(),
        None => problem,
    })
}

/// The body for JSON, which is the type of every reply here, and where it stands.
fn body<'d>(response: &Object<'d>, notes: &mut Notes) -> Option<(Part<'d>, String)> {
    const JSON: &str = "application/json";
    let templates = object(response, "responseTemplates", notes)?;
    for (_, other) in templates.members().filter(|(name, _)| *name != JSON) {
        notes.not_carried(
            other.place,
            "replies are application/json, whatever the request accepts",
        );
    }
    let part = templates.get(JSON)?;
    let body = part.text().and_then(|body| match Template::new(body) {
        Ok(_) => Ok(body.to_owned()),
        Err(error) => Err(part.obstacle(error.to_string())),
    });
    let body = body.map_err(|obstacle| notes.lacks(obstacle)).ok()?;
    Some((part, body))
}
