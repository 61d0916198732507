//! The event that a function gets, with the members that API Gateway sends, and no others.
//!
//! What is empty is `{}` in the events of REST APIs and of format 1.0, and absent in format 2.0;
//! functions in the field break on anything else.

use super::api::Api;
use super::identity::{Identity, IdentitySource};
use super::method_arn::MethodArn;
use super::query;
use super::route::Route;
use crate::json::{self, Object};
use crate::request::Request;
use crate::time::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// The form of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// REST APIs, type `TOKEN`.
    Token,
    /// REST APIs, type `REQUEST`.
    Rest,
    /// HTTP APIs, payload format version 1.0.
    Http1,
    /// HTTP APIs, payload format version 2.0.
    Http2,
}

/// How the names of headers are spelled, where the configuration does not spell them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderNames {
    /// As HTTP/1 clients write them: `X-Api-Key`. Envoy tells names in lower case only.
    #[default]
    Canonical,
    /// In lower case.
    Lower,
}

/// What all events of an authorizer have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSettings {
    /// The form.
    pub format: Format,
    /// What it names.
    pub api: Api,
    /// How it spells headers; format 2.0 always spells them in lower case.
    pub header_names: HeaderNames,
    /// What it is told apart.
    pub identity: Vec<IdentitySource>,
}

/// One request, as far as an event tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The request, with all of its headers.
    pub request: &'a Request,
    /// Its ARN.
    pub arn: &'a MethodArn,
    /// The route that stands for its rule.
    pub route: &'a Route,
    /// The values of the identity sources.
    pub identity: &'a Identity,
    /// The client's address; `None` if it has none.
    pub client: Option<IpAddr>,
    /// The request's id.
    pub request_id: &'a str,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: &'a str,
    /// When it arrived.
    pub time: Timestamp,
}

/// A header's name in lower case, and its values.
type Line<'a> = (&'a str, Vec<&'a str>);

impl EventSettings {
    /// The event, as JSON.
    #[must_use]
    pub fn event(&self, occasion: &Occasion<'_>) -> Vec<u8> {
        let members = match self.format {
            Format::Token => self.token(occasion),
            Format::Rest => self.rest(occasion),
            Format::Http1 => {
                let mut members = self.rest(occasion);
                let values = text(&occasion.identity.values().join(","));
                members.insert("version".to_owned(), text("1.0"));
                members.insert("identitySource".to_owned(), values.clone());
                members.insert("authorizationToken".to_owned(), values);
                members
            }
            Format::Http2 => self.http2(occasion),
        };
        json::text(&Value::Object(members)).into_bytes()
    }

    fn token(&self, occasion: &Occasion<'_>) -> Object {
        let token = occasion.identity.values().first();
        object([
            ("type", text("TOKEN")),
            ("methodArn", text(occasion.arn.as_str())),
            ("authorizationToken", text(token.map_or("", |token| token))),
        ])
    }

    fn rest(&self, occasion: &Occasion<'_>) -> Object {
        let Occasion { arn, route, .. } = *occasion;
        let lines = lines(occasion.request);
        let lines: Vec<_> = lines
            .into_iter()
            .map(|(name, values)| (self.spelled(name), values))
            .collect();
        let parameters = query::parameters(target(occasion.request));
        let mut grouped: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (name, value) in &parameters {
            grouped.entry(name.clone()).or_default().push(text(value));
        }
        let last = parameters.iter();
        let headers = lines.iter().filter_map(|(name, values)| {
            let value = match *name.to_ascii_lowercase() {
                // Lines of it are one list, whatever their number (RFC 9113, section 8.2.3).
                ref cookie if *cookie == *"cookie" => values.join("; "),
                _ => (*values.last()?).to_owned(),
            };
            Some((name.clone(), Value::String(value)))
        });
        object([
            ("type", text("REQUEST")),
            ("methodArn", text(arn.as_str())),
            ("resource", text(route.resource())),
            ("path", text(arn.path())),
            ("httpMethod", text(arn.method())),
            ("headers", Value::Object(headers.collect())),
            (
                "multiValueHeaders",
                Value::Object(
                    lines
                        .iter()
                        .map(|(name, values)| {
                            let values = values.iter().map(|value| text(value)).collect();
                            (name.clone(), Value::Array(values))
                        })
                        .collect(),
                ),
            ),
            (
                "queryStringParameters",
                Value::Object(
                    last.map(|(name, value)| (name.clone(), text(value)))
                        .collect(),
                ),
            ),
            (
                "multiValueQueryStringParameters",
                Value::Object(
                    grouped
                        .into_iter()
                        .map(|(name, values)| (name, Value::Array(values)))
                        .collect(),
                ),
            ),
            ("pathParameters", texts(route.parameters().iter().map(pair))),
            ("stageVariables", texts(&self.api.stage_variables)),
            ("requestContext", Value::Object(self.rest_context(occasion))),
        ])
    }

    fn rest_context(&self, occasion: &Occasion<'_>) -> Object {
        let Occasion { arn, route, .. } = *occasion;
        let api = &self.api;
        let host = host(occasion.request);
        let mut identity = object(
            [
                "cognitoIdentityPoolId",
                "accountId",
                "cognitoIdentityId",
                "caller",
                "principalOrgId",
                "accessKey",
                "cognitoAuthenticationType",
                "cognitoAuthenticationProvider",
                "userArn",
                "user",
            ]
            .map(|name| (name, Value::Null)),
        );
        identity.extend(object([
            ("sourceIp", text(&source_ip(occasion))),
            ("userAgent", text(user_agent(occasion.request))),
        ]));
        object([
            (
                "resourceId",
                text(&made_up(&[&api.api_id, route.resource()])),
            ),
            ("resourcePath", text(route.resource())),
            ("httpMethod", text(arn.method())),
            ("extendedRequestId", text(occasion.request_id)),
            ("requestTime", text(&common_log(occasion.time))),
            ("path", text(&api.with_stage(arn.path()))),
            ("accountId", text(&api.account_id)),
            ("protocol", text(occasion.protocol)),
            ("stage", text(&api.stage)),
            ("domainPrefix", text(first_label(host))),
            ("requestTimeEpoch", millis(occasion.time)),
            ("requestId", text(occasion.request_id)),
            ("identity", Value::Object(identity)),
            ("domainName", text(host)),
            ("deploymentId", text(&made_up(&[&api.api_id, &api.stage]))),
            ("apiId", text(&api.api_id)),
        ])
    }

    fn http2(&self, occasion: &Occasion<'_>) -> Object {
        let Occasion { arn, route, .. } = *occasion;
        let api = &self.api;
        let host = host(occasion.request);
        let path = api.with_stage(arn.path());
        let mut headers = Object::new();
        let mut cookies = Vec::new();
        for (name, values) in lines(occasion.request) {
            match name {
                "cookie" => {
                    let crumbs = values.iter().flat_map(|line| line.split(';'));
                    let crumbs = crumbs.map(str::trim).filter(|crumb| !crumb.is_empty());
                    cookies.extend(crumbs.map(text));
                }
                _ => {
                    headers.insert(name.to_owned(), Value::String(values.join(",")));
                }
            }
        }
        let mut parameters: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in query::parameters(target(occasion.request)) {
            parameters
                .entry(name)
                .and_modify(|joined| {
                    joined.push(',');
                    joined.push_str(&value);
                })
                .or_insert_with(|| value.clone());
        }
        let identity = occasion.identity.values().iter().map(|value| text(value));
        let http = object([
            ("method", text(arn.method())),
            ("path", text(&path)),
            ("protocol", text(occasion.protocol)),
            ("sourceIp", text(&source_ip(occasion))),
            ("userAgent", text(user_agent(occasion.request))),
        ]);
        let context = object([
            ("accountId", text(&api.account_id)),
            ("apiId", text(&api.api_id)),
            ("domainName", text(host)),
            ("domainPrefix", text(first_label(host))),
            ("http", Value::Object(http)),
            ("requestId", text(occasion.request_id)),
            ("routeKey", text(route.key())),
            ("stage", text(&api.stage)),
            ("time", text(&common_log(occasion.time))),
            ("timeEpoch", millis(occasion.time)),
        ]);
        let mut members = object([
            ("version", text("2.0")),
            ("type", text("REQUEST")),
            ("routeArn", text(arn.as_str())),
            ("identitySource", Value::Array(identity.collect())),
            ("routeKey", text(route.key())),
            ("rawPath", text(&path)),
            (
                "rawQueryString",
                text(&query::raw(target(occasion.request))),
            ),
            ("headers", Value::Object(headers)),
            ("requestContext", Value::Object(context)),
        ]);
        // The route that takes everything has no variables.
        let path_parameters = match route.is_default() {
            true => &[],
            false => route.parameters(),
        };
        let some = [
            ("cookies", Value::Array(cookies)),
            ("queryStringParameters", texts(&parameters)),
            ("pathParameters", texts(path_parameters.iter().map(pair))),
            ("stageVariables", texts(&api.stage_variables)),
        ];
        let is_empty = |value: &Value| match value {
            Value::Array(elements) => elements.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        members.extend(
            object(some)
                .into_iter()
                .filter(|(_, value)| !is_empty(value)),
        );
        members
    }

    /// A header's name as the function looks for it.
    fn spelled(&self, name: &str) -> String {
        let configured = self.identity.iter().find_map(|source| match source {
            IdentitySource::Header(header) if header.name.as_str() == name => Some(&header.spelled),
            _ => None,
        });
        let is_spelled = |name: &&String| name.bytes().any(|byte| byte.is_ascii_uppercase());
        match (configured.filter(is_spelled), self.header_names) {
            (Some(spelled), _) => spelled.clone(),
            (None, HeaderNames::Canonical) => canonical(name),
            (None, HeaderNames::Lower) => name.to_owned(),
        }
    }
}

/// `x-api-key` as `X-Api-Key`.
fn canonical(name: &str) -> String {
    let mut begins = true;
    let letters = name.chars().map(|letter| {
        let capital = std::mem::replace(&mut begins, letter == '-');
        match capital {
            true => letter.to_ascii_uppercase(),
            false => letter,
        }
    });
    letters.collect()
}

/// The request's headers, each once with all of its values, and the authority as `host`. One with a
/// value that is not UTF-8 is left out whole.
fn lines(request: &Request) -> Vec<Line<'_>> {
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    let mut lines = Vec::new();
    let names = request.names().chain([":authority"]);
    for name in names {
        let shown = match name {
            ":authority" => "host",
            "host" if request.first(":authority").is_some() => continue,
            name if name.starts_with(':') => continue,
            name => name,
        };
        if seen.insert(shown, ()).is_some() {
            continue;
        }
        let values = request.all(name).map(std::str::from_utf8);
        let values: Vec<&str> = values.collect::<Result<_, _>>().unwrap_or_default();
        if !values.is_empty() {
            lines.push((shown, values));
        }
    }
    lines
}

fn target(request: &Request) -> &[u8] {
    request.first(":path").unwrap_or_default()
}

/// The host, without port.
fn host(request: &Request) -> &str {
    let authority = request.first(":authority").unwrap_or_default();
    let authority = std::str::from_utf8(authority).unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or_default()
}

fn source_ip(occasion: &Occasion<'_>) -> String {
    let client = occasion.client.map(|client| client.to_string());
    client.unwrap_or_default()
}

fn user_agent(request: &Request) -> &str {
    let value = request.first("user-agent").unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default()
}

/// `17/Jun/2024:15:02:03 +0000`.
fn common_log(time: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let utc = time.utc();
    let (date, clock) = utc.split_once('T').unwrap_or_default();
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let month = month.and_then(|month| month.parse::<usize>().ok());
    let month = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    format!(
        "{}/{}/{}:{} +0000",
        day.unwrap_or_default(),
        month.unwrap_or(&""),
        year.unwrap_or_default(),
        clock.trim_end_matches('Z')
    )
}

fn millis(time: Timestamp) -> Value {
    let elapsed = Duration::try_from_secs_f64(time.seconds()).unwrap_or_default();
    Value::from(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// An id of the form that API Gateway gives to what has none here: always the same for the same.
fn made_up(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\n"));
    let letters = digest.iter().take(6).map(|byte| {
        let place = byte.checked_rem(36).unwrap_or_default();
        char::from_digit(place.into(), 36).unwrap_or('0')
    });
    letters.collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    let members = pairs.into_iter();
    Value::Object(
        members
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    )
}

const fn pair((name, value): &(String, String)) -> (&String, &String) {
    (name, value)
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Object {
    let members = members.into_iter();
    members
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
