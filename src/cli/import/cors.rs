//! CORS of an HTTP API: the policy of Envoy's own filter, for which this one only makes way.

use super::definition::{Api, Definition};
use super::note::Notes;
use super::part::{Obstacle, Part};
use crate::document::member;
use serde_json::{Map, Value, json};

const EXTENSION: &str = "x-amazon-apigateway-cors";

/// Whether API Gateway answers preflights by itself; if so, what to write in Envoy instead.
pub(super) fn read(definition: &Definition<'_>, notes: &mut Notes) -> Option<Value> {
    let place = member("", EXTENSION);
    let cors = definition.top().member(EXTENSION);
    if definition.api == Api::Rest {
        if matches!(cors, Ok(Some(_))) {
            let text = "API Gateway looks at it in HTTP APIs alone, and so does this";
            notes.changed(place, text);
        }
        return None;
    }
    let policy = match cors.and_then(|cors| cors.map(|cors| policy(&cors)).transpose()) {
        Ok(policy) => policy?,
        Err(obstacle) => {
            notes.lacks(obstacle.of("CORS that cannot be read; preflights need a token"));
            return None;
        }
    };
    notes.not_carried(
        place,
        format!(
            "API Gateway answers preflights and adds the headers of CORS; here preflights pass \
             (cors_preflight: pass), and Envoy's CORS filter, put before this one, answers them \
             with typed_per_filter_config: {{envoy.filters.http.cors: {}}}",
            super::yaml::flow(&Value::Object(policy)),
        ),
    );
    Some(json!("pass"))
}

/// The CorsPolicy that says what the definition does.
fn policy(cors: &Part<'_>) -> Result<Map<String, Value>, Obstacle> {
    let cors = cors.object()?;
    let list = |name: &str| {
        let texts = cors.member(name)?.map(|part| part.texts()).transpose()?;
        Ok(texts.filter(|texts| !texts.is_empty()))
    };
    let mut policy = Map::new();
    policy.insert(
        "@type".to_owned(),
        json!("type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"),
    );
    if let Some(origins) = list("allowOrigins")? {
        let origins: Vec<_> = origins.into_iter().map(origin).collect();
        policy.insert("allow_origin_string_match".to_owned(), json!(origins));
    }
    for (theirs, ours) in [
        ("allowMethods", "allow_methods"),
        ("allowHeaders", "allow_headers"),
        ("exposeHeaders", "expose_headers"),
    ] {
        if let Some(names) = list(theirs)? {
            policy.insert(ours.to_owned(), json!(names.join(", ")));
        }
    }
    if let Some(seconds) = cors.member("maxAge")? {
        policy.insert("max_age".to_owned(), json!(seconds.scalar()?));
    }
    let credentials = cors.member("allowCredentials")?;
    if credentials.is_some_and(|part| part.raw() == &Value::Bool(true)) {
        policy.insert("allow_credentials".to_owned(), json!(true));
    }
    Ok(policy)
}

/// An origin, in which API Gateway allows `*` for all, or in place of any text.
fn origin(origin: &str) -> Value {
    match origin.split_once('*') {
        None => json!({"exact": origin}),
        Some(("", "")) => json!({"prefix": ""}),
        Some((before, "")) => json!({"prefix": before}),
        Some((before, after)) => {
            let quote = |text: &str| text.replace('.', "\\.").replace('*', ".*");
            json!({"safe_regex": {"regex": format!("{}.*{}", quote(before), quote(after))}})
        }
    }
}
