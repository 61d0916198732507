//! What an operation's integration is told in headers, and whether it is told of the caller elsewhere.

use super::part::{Object, Obstacle, Part, placeholder};
use serde_json::Value;
use std::fmt;

const EXTENSION: &str = "x-amazon-apigateway-integration";
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
/// How an HTTP API's parameters have variables within a text: as templates have placeholders, but these
/// are API Gateway's own.
const WITHIN: [&str; 3] = ["${request.", "${context.", "${stageVariables."];
/// How whatever the authorizer found is called.
const OF_CALLER: &str = "context.authorizer";
/// How a value that is a variable begins.
const VARIABLES: [&str; 4] = ["method.request.", "request.", "context.", "stageVariables."];

/// What a header is set to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Claim(String),
    Context(String),
    /// Something of the caller, but not one thing and nothing else.
    Caller,
    /// Another variable.
    Variable(String),
    /// A text of the definition's author.
    Text,
    /// What stands where it cannot be read.
    Unread,
}

/// What one is told.
#[derive(Default)]
pub(super) struct Integration {
    /// Headers in lower case, as often as they are set.
    pub(super) headers: Vec<(String, Source)>,
    /// Whether it is told of the caller in something else than a header that is that alone.
    pub(super) otherwise: bool,
    /// What might tell it more.
    pub(super) unread: Vec<Obstacle>,
}

impl Integration {
    /// What an operation's integration is told, as far as it can be read. A header that is told is one
    /// that clients cannot forge, so that none is given up for what stands beside it.
    pub(super) fn of(says: &Object<'_>) -> Self {
        let mut integration = Self::default();
        match says.member(EXTENSION) {
            Ok(None) => {}
            Ok(Some(part)) => integration.whole(&part),
            Err(obstacle) => integration.unread.push(obstacle),
        }
        integration
    }

    fn whole(&mut self, part: &Part<'_>) {
        let Some((members, _)) = self.partly(part) else {
            return;
        };
        // Of the rest nothing decides what is told: what of it cannot be read is its own business.
        for (name, part) in members.members() {
            match name {
                "requestParameters" => self.parameters(&part),
                "requestTemplates" => self.templates(&part),
                _ => self.otherwise |= names_caller(part.raw()),
            }
        }
    }

    fn parameters(&mut self, part: &Part<'_>) {
        let Some((parameters, in_full)) = self.partly(part) else {
            return;
        };
        for (name, value) in parameters.members() {
            let source = match text(&value) {
                Ok(text) => Source::of(&text),
                Err(obstacle) => {
                    // What hides some of them is listed already, and is none itself.
                    self.unread.extend(in_full.then_some(obstacle));
                    Source::Unread
                }
            };
            match header(name) {
                Some(header) => {
                    self.otherwise |= source == Source::Caller;
                    self.headers.push((header, source));
                }
                None => self.otherwise |= source.is_of_caller(),
            }
        }
    }

    fn templates(&mut self, part: &Part<'_>) {
        let Some((templates, in_full)) = self.partly(part) else {
            return;
        };
        for (_, template) in templates.members() {
            match template.said() {
                Ok(said) => self.otherwise |= names_caller(said),
                Err(obstacle) => self.unread.extend(in_full.then_some(obstacle)),
            }
        }
    }

    /// The members in sight, and whether they are all; what hides others is listed.
    fn partly<'d>(&mut self, part: &Part<'d>) -> Option<(Object<'d>, bool)> {
        match part.partly() {
            Ok((object, hidden)) => {
                let in_full = hidden.is_none();
                self.unread.extend(hidden);
                Some((object, in_full))
            }
            Err(obstacle) => {
                self.unread.push(obstacle);
                None
            }
        }
    }
}

impl Source {
    /// What the value of a parameter stands for: one thing about the caller under a plain name, or
    /// something else.
    fn of(value: &str) -> Self {
        let variable = value.strip_prefix('$').unwrap_or(value);
        let named = |from: [&str; 2]| {
            let name = from.iter().find_map(|from| variable.strip_prefix(from))?;
            is_plain(name, "_:-").then(|| name.to_owned())
        };
        if let Some(claim) = named(CLAIMS) {
            return Self::Claim(claim);
        }
        if let Some(key) = named(CONTEXT) {
            return Self::Context(key);
        }
        if value.contains(OF_CALLER) {
            Self::Caller
        } else if is_plain(variable, "_.-") && VARIABLES.iter().any(|of| variable.starts_with(of)) {
            Self::Variable(variable.to_owned())
        } else {
            Self::Text
        }
    }

    /// Whether it is about the caller.
    pub(super) fn is_of_caller(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::Context(_) | Self::Caller)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(claim) => write!(formatter, "the claim {claim}"),
            Self::Context(key) => write!(formatter, "{key} of a function's context"),
            Self::Caller => formatter.write_str("a text with something of the caller in it"),
            Self::Variable(variable) => formatter.write_str(variable),
            // Not which: some of them are secrets.
            Self::Text => formatter.write_str("another text"),
            Self::Unread => formatter.write_str("something that cannot be read"),
        }
    }
}

/// The header that a parameter sets, in lower case.
fn header(parameter: &str) -> Option<String> {
    let header = HEADERS.iter().find_map(|to| parameter.strip_prefix(to))?;
    is_plain(header, "_.-").then(|| header.to_ascii_lowercase())
}

/// Whether a name has letters, digits and these alone: what a template leaves to others has more.
fn is_plain(name: &str, others: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
    !name.is_empty() && name.chars().all(plain)
}

/// The value of a parameter.
fn text(part: &Part<'_>) -> Result<String, Obstacle> {
    match part.said()? {
        Value::String(text) if is_whole(text) => Ok(text.clone()),
        value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Ok(value.to_string()),
        Value::String(_) | Value::Array(_) | Value::Object(_) => part.text().map(str::to_owned),
    }
}

/// Whether nothing of a text is left to a template, or all that is cannot make a variable of it.
fn is_whole(text: &str) -> bool {
    let fixed = text.len() > 1 && text.starts_with('\'') && text.ends_with('\'');
    let without = |text: String, own: &&str| text.replace(own, "");
    fixed || placeholder(&WITHIN.iter().fold(text.to_owned(), without)).is_none()
}

/// Whether some mapping, expression or template refers to what the authorizer found.
fn names_caller(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(OF_CALLER),
        Value::Array(elements) => elements.iter().any(names_caller),
        Value::Object(members) => members.values().any(names_caller),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
