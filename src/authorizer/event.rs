//! The event that a function gets, with the members that API Gateway sends, and no others.
//!
//! What is empty is `{}` in the events of REST APIs and of format 1.0, and absent in format 2.0;
//! functions in the field break on anything else.

use super::api::Api;
use super::headers;
pub use super::headers::HeaderNames;
use super::identity::{ContextVariable, Identity, IdentitySource};
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
    pub identity: &'a Identity<'a>,
    /// The client's address; `None` if it has none.
    pub client: Option<IpAddr>,
    /// The request's id.
    pub request_id: &'a str,
    /// When it arrived.
    pub time: Timestamp,
}

impl EventSettings {
    /// Whether the route is part of the identity.
    #[must_use]
    pub fn tells_routes_apart(&self) -> bool {
        let route = IdentitySource::Context(ContextVariable::Route);
        self.identity.contains(&route)
    }

    /// The event, as JSON.
    #[must_use]
    pub fn event(&self, occasion: &Occasion<'_>) -> Vec<u8> {
        let members = match self.format {
            Format::Token => token(occasion),
            Format::Rest => self.rest(occasion),
            Format::Http1 => self.http1(occasion),
            Format::Http2 => self.http2(occasion),
        };
        json::text(&Value::Object(members)).into_bytes()
    }

    fn rest(&self, occasion: &Occasion<'_>) -> Object {
        let Occasion { arn, route, .. } = *occasion;
        let (mut one, mut all) = (Object::new(), Object::new());
        for header in headers::headers(occasion.request) {
            let name = headers::spelled(header.name, &self.identity, self.header_names);
            one.insert(name.clone(), Value::String(header.value()));
            all.insert(name, list(header.values));
        }
        let mut query = Object::new();
        for (name, values) in grouped(occasion.request) {
            query.insert(name, list(values.iter().map(|value| &**value)));
        }
        // Of equal names, the last.
        let parameters = query::parameters(target(occasion.request)).into_iter();
        let parameters = parameters.map(|(name, value)| (name, Value::String(value)));
        object([
            ("type", text("REQUEST")),
            ("methodArn", text(arn.as_str())),
            ("resource", text(route.resource())),
            ("path", text(arn.path())),
            ("httpMethod", text(arn.method())),
            ("headers", Value::Object(one)),
            ("multiValueHeaders", Value::Object(all)),
            (
                "queryStringParameters",
                Value::Object(object_of(parameters)),
            ),
            ("multiValueQueryStringParameters", Value::Object(query)),
            ("pathParameters", texts(route.parameters())),
            ("stageVariables", texts(&self.api.stage_variables)),
            ("requestContext", Value::Object(self.rest_context(occasion))),
        ])
    }

    fn rest_context(&self, occasion: &Occasion<'_>) -> Object {
        let Occasion { arn, route, .. } = *occasion;
        let api = &self.api;
        let host = headers::host(occasion.request);
        let mut identity = object(NO_IAM_CALLER.map(|name| (name, Value::Null)));
        identity.extend(client(occasion));
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
            ("protocol", text(&occasion.request.protocol())),
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

    fn http1(&self, occasion: &Occasion<'_>) -> Object {
        let values = occasion.identity.values().join(",");
        let mut members = self.rest(occasion);
        members.extend(object([
            ("version", text("1.0")),
            ("identitySource", text(&values)),
            ("authorizationToken", text(&values)),
        ]));
        members
    }

    fn http2(&self, occasion: &Occasion<'_>) -> Object {
        let Occasion { arn, route, .. } = *occasion;
        let api = &self.api;
        let host = headers::host(occasion.request);
        let path = api.with_stage(arn.path());
        let (mut others, mut cookies) = (Object::new(), Vec::new());
        for header in headers::headers(occasion.request) {
            match header.cookies() {
                Some(found) => cookies.extend(found.map(text)),
                None => {
                    others.insert(header.name.to_owned(), text(&header.values.join(",")));
                }
            }
        }
        let grouped = grouped(occasion.request).into_iter();
        let parameters = grouped.map(|(name, values)| (name, Value::String(values.join(","))));
        let mut http = object([
            ("method", text(arn.method())),
            ("path", text(&path)),
            ("protocol", text(&occasion.request.protocol())),
        ]);
        http.extend(client(occasion));
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
        let identity = occasion.identity.values().iter().map(|value| &**value);
        let mut members = object([
            ("version", text("2.0")),
            ("type", text("REQUEST")),
            ("routeArn", text(arn.as_str())),
            ("identitySource", list(identity)),
            ("routeKey", text(route.key())),
            ("rawPath", text(&path)),
            (
                "rawQueryString",
                text(&query::raw(target(occasion.request))),
            ),
            ("headers", Value::Object(others)),
            ("requestContext", Value::Object(context)),
        ]);
        // The route that takes everything has no variables.
        let path_parameters = match route.is_default() {
            true => Value::Null,
            false => texts(route.parameters()),
        };
        let optional = [
            ("cookies", Value::Array(cookies)),
            (
                "queryStringParameters",
                Value::Object(object_of(parameters)),
            ),
            ("pathParameters", path_parameters),
            ("stageVariables", texts(&api.stage_variables)),
        ];
        members.extend(
            object(optional)
                .into_iter()
                .filter(|(_, value)| says_something(value)),
        );
        members
    }
}

/// Members that have a value for callers with AWS credentials only.
const NO_IAM_CALLER: [&str; 10] = [
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
];

fn token(occasion: &Occasion<'_>) -> Object {
    let token = occasion.identity.values().first();
    object([
        ("type", text("TOKEN")),
        ("methodArn", text(occasion.arn.as_str())),
        (
            "authorizationToken",
            text(token.map_or("", |token| &**token)),
        ),
    ])
}

fn client(occasion: &Occasion<'_>) -> Object {
    let address = occasion.client.map(|client| client.to_string());
    let agent = headers::text(occasion.request, "user-agent");
    object([
        ("sourceIp", text(&address.unwrap_or_default())),
        ("userAgent", text(agent)),
    ])
}

fn target(request: &Request) -> &[u8] {
    request.first(":path").unwrap_or_default()
}

/// The values of each parameter of the query.
fn grouped(request: &Request) -> BTreeMap<String, Vec<String>> {
    let mut grouped: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, value) in query::parameters(target(request)) {
        grouped.entry(name).or_default().push(value);
    }
    grouped
}

fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or_default()
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
        let digit = byte.checked_rem(36).unwrap_or_default();
        char::from_digit(digit.into(), 36).unwrap_or('0')
    });
    letters.collect()
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
        Value::Null => false,
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    Value::Array(texts.into_iter().map(text).collect())
}

fn texts(pairs: &BTreeMap<String, String>) -> Value {
    let pairs = pairs.iter();
    Value::Object(object_of(
        pairs.map(|(name, value)| (name.clone(), text(value))),
    ))
}

fn object<const N: usize>(pairs: [(&str, Value); N]) -> Object {
    let pairs = pairs.into_iter();
    object_of(pairs.map(|(name, value)| (name.to_owned(), value)))
}

/// One after the other: `collect` would sort them first, by code that each kind of iterator brings
/// into the module anew, two KiB at a time.
fn object_of(pairs: impl Iterator<Item = (String, Value)>) -> Object {
    let mut members = Object::new();
    members.extend(pairs);
    members
}
