//! Gateway responses: what the refused are told.

use super::authorizer::refusal;
use super::definition::{Api, Definition};
use super::note::Notes;
use crate::document::member;
use cognito_authorizer::reply::Template;
use serde_json::{Map, Value, json};

const EXTENSION: &str = "x-amazon-apigateway-gateway-responses";

/// The kinds of replies here, the gateway response of each, and the one that stands in for it.
const KINDS: [(&str, &str, &str); 5] = [
    ("unauthorized", "UNAUTHORIZED", "DEFAULT_4XX"),
    ("expired_token", "EXPIRED_TOKEN", "DEFAULT_4XX"),
    ("access_denied", "ACCESS_DENIED", "DEFAULT_4XX"),
    ("authorizer_failure", "AUTHORIZER_FAILURE", "DEFAULT_5XX"),
    ("bad_request", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX"),
];

/// Those of which the filter sends no reply of a kind of its own.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "MISSING_AUTHENTICATION_TOKEN",
        "what no rule matches is answered as ACCESS_DENIED",
    ),
    (
        "RESOURCE_NOT_FOUND",
        "what no rule matches is answered as ACCESS_DENIED",
    ),
    (
        "AUTHORIZER_CONFIGURATION_ERROR",
        "keys that cannot be had are answered as AUTHORIZER_FAILURE",
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
    let Some(all) = definition.top(EXTENSION) else {
        return responses;
    };
    let Some(all) = all.as_object() else {
        notes.not_carried(member("", EXTENSION), "found no object");
        return responses;
    };
    for (kind, own, default) in KINDS {
        // API Gateway takes one of the two whole, and never parts of both.
        let name = if all.contains_key(own) { own } else { default };
        if let Some(response) = all.get(name) {
            let place = member(&member("", EXTENSION), name);
            let changed = changed(kind, response, &place, notes);
            if !changed.is_empty() {
                responses.insert(kind.to_owned(), Value::Object(changed));
            }
        }
    }
    for name in all.keys() {
        let known = KINDS
            .iter()
            .any(|(_, own, default)| name == own || name == default);
        if !known {
            let why = ELSEWHERE.iter().find(|(one, _)| one == name);
            let why = why.map_or("the filter never sends this reply", |(_, why)| why);
            notes.not_carried(member(&member("", EXTENSION), name), why);
        }
    }
    responses
}

fn changed(kind: &str, response: &Value, place: &str, notes: &mut Notes) -> Map<String, Value> {
    let mut changed = Map::new();
    match response.get("statusCode") {
        None | Some(Value::Null) => {}
        Some(found) => {
            let text = found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned);
            match text.parse().ok().filter(|status| STATUS.contains(status)) {
                Some(status) => {
                    changed.insert("status".to_owned(), json!(status));
                }
                None => notes.not_carried(
                    member(place, "statusCode"),
                    format!("found {found}; expected a status from 300 to 599"),
                ),
            }
        }
    }
    let headers = headers(kind, response.get("responseParameters"), place, notes);
    if !headers.is_empty() {
        changed.insert("headers".to_owned(), Value::Object(headers));
    }
    if let Some(body) = body(response.get("responseTemplates"), place, notes) {
        changed.insert("body".to_owned(), json!(body));
    }
    changed
}

/// Headers with values of their own, `'in quotes'`.
fn headers(
    kind: &str,
    parameters: Option<&Value>,
    place: &str,
    notes: &mut Notes,
) -> Map<String, Value> {
    let mut headers = Map::new();
    let place = member(place, "responseParameters");
    let parameters = parameters.and_then(Value::as_object);
    for (parameter, value) in parameters.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let fixed = value
            .strip_prefix('\'')
            .and_then(|value| value.strip_suffix('\''));
        let name = parameter.strip_prefix("gatewayresponse.header.");
        let place = member(&place, parameter);
        let (Some(name), Some(fixed)) = (name, fixed) else {
            notes.not_carried(
                place,
                format!("found {value:?}; expected a header with a value in quotes"),
            );
            continue;
        };
        let mut with = headers.clone();
        with.insert(name.to_ascii_lowercase(), json!(fixed));
        let problem = match headers.contains_key(&name.to_ascii_lowercase()) {
            true => Some("found the header twice".to_owned()),
            false => refusal("responses", json!({kind: {"headers": with}})).map(|problem| {
                // Where it stands in the definition is what helps.
                problem
                    .split_once(": ")
                    .map_or(problem.clone(), |(_, text)| text.to_owned())
            }),
        };
        match problem {
            None => headers = with,
            Some(problem) => notes.not_carried(place, problem),
        }
    }
    headers
}

/// The body for JSON, which is the type of every reply here.
fn body(templates: Option<&Value>, place: &str, notes: &mut Notes) -> Option<String> {
    const JSON: &str = "application/json";
    let place = member(place, "responseTemplates");
    let templates = templates?.as_object()?;
    for other in templates.keys().filter(|name| *name != JSON) {
        notes.not_carried(
            member(&place, other),
            "replies are application/json, whatever the request accepts",
        );
    }
    let body = templates.get(JSON)?.as_str()?;
    match Template::new(body) {
        Ok(_) => Some(body.to_owned()),
        Err(error) => {
            notes.not_carried(member(&place, JSON), error.to_string());
            None
        }
    }
}
