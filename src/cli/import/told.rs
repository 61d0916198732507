//! What integrations are told of the caller. Headers with a claim, or with a value of a function's
//! context, are set by the filter as well: for every upstream.

use super::definition::Operation;
use super::losses::label;
use super::note::Notes;
use super::part::Part;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How parameters of an integration name a header: of a REST API, and of an HTTP API.
const HEADERS: [&str; 3] = [
    "integration.request.header.",
    "append:header.",
    "overwrite:header.",
];

/// How they name a claim.
const CLAIMS: [&str; 2] = [
    "context.authorizer.claims.",
    "context.authorizer.jwt.claims.",
];

/// How they name a value of a function's context.
const CONTEXT: [&str; 2] = ["context.authorizer.lambda.", "context.authorizer."];

/// Headers of the configuration, each with where its value comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(BTreeMap<String, Source>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Claim(String),
    Context(String),
}

impl Told {
    /// What all integrations are told in headers: under each name one thing, and no more than what
    /// `accepts` lets the filter set.
    pub(super) fn read(
        operations: &[Operation<'_>],
        notes: &mut Notes,
        mut accepts: impl FnMut(&Self) -> bool,
    ) -> Self {
        let mut told = Self::default();
        let (mut set, mut lost) = (Vec::new(), Vec::new());
        for operation in operations {
            let says = operation.says.as_ref().ok();
            let integration = says.and_then(|says| says.get("x-amazon-apigateway-integration"));
            // None of it decides who may call: what of it cannot be read is the integration's business.
            let Some(mut rest) = integration.as_ref().map(Part::raw).cloned() else {
                continue;
            };
            let parameters = rest.get_mut("requestParameters");
            if let Some(parameters) = parameters.and_then(Value::as_object_mut) {
                let all = parameters.len();
                parameters.retain(|parameter, value| {
                    let header = header(parameter, value);
                    !header.is_some_and(|header| told.takes(header, &mut accepts))
                });
                set.extend((parameters.len() < all).then(|| label(operation)));
            }
            lost.extend(names_caller(&rest).then(|| label(operation)));
        }
        if !set.is_empty() {
            let text = format!(
                "every upstream is told what these integrations are, in the same headers: {}",
                set.join(", ")
            );
            notes.changed("paths", text);
        }
        if !lost.is_empty() {
            let text = format!(
                "integrations are told what the authorizer found; here every upstream is, with \
                 claim_headers or context_headers: {}",
                lost.join(", ")
            );
            notes.not_carried("paths", text);
        }
        told
    }

    /// Whether some header is of a function's context.
    pub(super) fn needs_function(&self) -> bool {
        let mut sources = self.0.values();
        sources.any(|source| matches!(source, Source::Context(_)))
    }

    /// The members of the configuration.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let list = |of: fn(&Source) -> Option<Value>| {
            let entries = self.0.iter();
            let entries = entries.filter_map(|(header, source)| {
                let mut entry = of(source)?;
                entry
                    .as_object_mut()?
                    .insert("header".to_owned(), json!(header));
                Some(entry)
            });
            entries.collect::<Vec<_>>()
        };
        let claims = list(|source| match source {
            Source::Claim(claim) => Some(json!({"claim": claim})),
            Source::Context(_) => None,
        });
        let context = list(|source| match source {
            Source::Claim(_) => None,
            Source::Context(key) => Some(json!({"key": key})),
        });
        let members = [("claim_headers", claims), ("context_headers", context)];
        let members = members.into_iter().filter(|(_, list)| !list.is_empty());
        members.map(|(name, list)| (name, list.into()))
    }

    /// Takes a header, unless it has another source already, or is none that the filter could set.
    fn takes(
        &mut self,
        (name, source): (String, Source),
        accepts: &mut impl FnMut(&Self) -> bool,
    ) -> bool {
        if let Some(known) = self.0.get(&name) {
            return *known == source;
        }
        let mut more = self.clone();
        more.0.insert(name, source);
        let accepted = accepts(&more);
        if accepted {
            *self = more;
        }
        accepted
    }
}

/// The header that a parameter of an integration sets, and from what, if that is one thing about the
/// caller and nothing else.
fn header(parameter: &str, value: &Value) -> Option<(String, Source)> {
    let header = HEADERS.iter().find_map(|to| parameter.strip_prefix(to))?;
    let value = value.as_str()?;
    let value = value.strip_prefix('$').unwrap_or(value);
    let named = |from: [&str; 2]| from.iter().find_map(|from| value.strip_prefix(from));
    let source = match named(CLAIMS) {
        Some(claim) => Source::Claim(claim.to_owned()),
        None => Source::Context(named(CONTEXT).filter(|key| !key.contains('.'))?.to_owned()),
    };
    Some((header.to_ascii_lowercase(), source))
}

/// Whether some mapping, expression or template refers to what the authorizer found.
fn names_caller(integration: &Value) -> bool {
    match integration {
        Value::String(text) => text.contains("context.authorizer"),
        Value::Array(elements) => elements.iter().any(names_caller),
        Value::Object(members) => members.values().any(names_caller),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
