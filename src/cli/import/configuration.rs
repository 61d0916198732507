//! The configuration, as text with a comment for everything that came from somewhere.

use super::authorizer::{Clients, IssuerForm, Pool, Profile, TokenPlace};
use super::function::Function;
use super::note::{Kind, Notes};
use super::order::{Matching, Ordered};
use super::security::{Access, Requirement};
use super::signed::Callers;
use super::told::Told;
use super::yaml::{comment, flow, scalar};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A user pool of the configuration.
pub(super) struct Entry {
    pub(super) pool: Pool,
    pub(super) clients: Clients,
    pub(super) cluster: String,
    /// The authorizers that name it.
    pub(super) origin: Vec<String>,
}

/// Everything that is written.
pub(super) struct Configuration {
    /// What the definition is called, and where it was read.
    pub(super) title: String,
    /// Who may call what asks for signed requests, if something does.
    pub(super) callers: Option<Callers>,
    /// The functions that some rule asks, with the names of their schemes.
    pub(super) functions: Vec<(String, Function)>,
    /// By pool id.
    pub(super) pools: BTreeMap<String, Entry>,
    pub(super) profile: Profile,
    pub(super) rules: Vec<Ordered>,
    /// `path_case`.
    pub(super) path_case: &'static str,
    /// What all paths are below; empty or `/stage`.
    pub(super) prefix: String,
    pub(super) told: Told,
    pub(super) cors_preflight: Option<Value>,
    pub(super) responses: Map<String, Value>,
}

impl Configuration {
    /// The YAML.
    pub(super) fn write(&self, notes: &Notes) -> String {
        let mut text = String::new();
        comment(
            &mut text,
            "",
            &format!("From {}, by cognito-authorizer import.", self.title),
        );
        for (kind, title) in [
            (Kind::NotCarried, "Not carried over:"),
            (Kind::Waived, "Given up in writing, on the command line:"),
            (Kind::Changed, "Not the same as there:"),
        ] {
            let mut listed = notes.of(kind).peekable();
            if listed.peek().is_some() {
                text.push_str("#\n");
                comment(&mut text, "", title);
            }
            for note in listed {
                let place = if note.place.is_empty() {
                    "the definition"
                } else {
                    &note.place
                };
                comment(&mut text, "", &format!("- {place}: {}", note.text));
            }
        }
        if !self.pools.is_empty() {
            text.push_str("user_pools:\n");
        }
        for (id, entry) in &self.pools {
            write_pool(&mut text, id, entry);
        }
        if let Some(callers) = &self.callers {
            write_account(&mut text, callers);
        }
        if !self.functions.is_empty() {
            text.push_str("authorizers:\n");
        }
        for (scheme, function) in &self.functions {
            write_function(&mut text, scheme, function);
        }
        if !self.pools.is_empty() || self.callers.is_some() {
            self.write_token(&mut text);
        }
        if self.rules.is_empty() {
            text.push_str("rules: []\n");
        } else {
            text.push_str("rules:\n");
        }
        for rule in &self.rules {
            self.write_rule(&mut text, rule);
        }
        text.push_str("default: nobody\n");
        comment(
            &mut text,
            "",
            "API Gateway tells /Users from /users. Here: sensitive, if every upstream does, too.",
        );
        member(&mut text, "", "path_case", &json!(self.path_case));
        for (name, list) in self.told.members() {
            member(&mut text, "", name, &list);
        }
        if let Some(preflight) = &self.cors_preflight {
            member(&mut text, "", "cors_preflight", preflight);
        }
        write_responses(&mut text, &self.responses);
        text
    }

    fn write_token(&self, text: &mut String) {
        let mut token = Map::new();
        token.insert("use".to_owned(), json!("any"));
        if self.profile.from != TokenPlace::Header("authorization".to_owned()) {
            token.insert("from".to_owned(), json!([self.profile.from.json()]));
        }
        if let Some(pattern) = &self.profile.aud_pattern {
            token.insert("aud_pattern".to_owned(), json!(pattern));
        }
        comment(
            text,
            "",
            "Which of the two kinds of token is wanted, each rule says.",
        );
        member(text, "", "token", &Value::Object(token));
    }

    fn write_rule(&self, text: &mut String, rule: &Ordered) {
        for origin in &rule.origin {
            comment(text, "", origin);
        }
        let mut matching = Map::new();
        let (name, path) = match &rule.matching {
            Matching::Route(route) => {
                let path = route.path();
                let name = if path.contains('{') {
                    "template"
                } else {
                    "path"
                };
                (name, path)
            }
            Matching::Prefix(route) => ("prefix", route.path()),
            Matching::Everything => ("prefix", self.prefix.clone()),
        };
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        matching.insert(name.to_owned(), json!(path));
        if let Some(method) = &rule.method {
            matching.insert("methods".to_owned(), json!([method]));
        }
        // The path first, as people read it, whatever the order of the alphabet.
        let mut parts = vec![format!("{name}: {}", scalar(&path))];
        parts.extend(
            rule.method
                .as_ref()
                .map(|method| format!("methods: [{}]", scalar(method))),
        );
        text.push_str(&format!("- match: {{{}}}\n", parts.join(", ")));
        match &rule.access {
            Access::Anyone => text.push_str("  allow: anyone\n"),
            Access::Nobody => text.push_str("  allow: nobody\n"),
            Access::Ask(name) => member(text, "  ", "authorizer", &json!(name)),
            Access::Signed => {
                let principals = self.callers.as_ref().map(Callers::principals);
                let principals = json!({"principals": principals.unwrap_or_default()});
                member(text, "  ", "require", &principals);
            }
            Access::Require(requirement) => {
                let parts = self.requirement(requirement);
                if !parts.is_empty() {
                    text.push_str(&format!("  require: {{{}}}\n", parts.join(", ")));
                }
            }
        }
    }

    fn requirement(&self, requirement: &Requirement) -> Vec<String> {
        let list = |texts: Vec<&String>| {
            let texts: Vec<_> = texts.into_iter().map(|text| scalar(text)).collect();
            format!("[{}]", texts.join(", "))
        };
        let mut parts = Vec::new();
        parts.extend(
            requirement
                .token_use
                .map(|wanted| format!("token_use: {wanted}")),
        );
        if self.pools.len() > 1 {
            parts.push(format!(
                "pools: {}",
                list(requirement.pools.iter().collect())
            ));
        }
        if let Clients::Only(clients) = &requirement.clients {
            // What the pools admit anyway need not be said.
            let narrower = requirement.pools.iter().any(|pool| {
                let admitted = self.pools.get(pool).map(|entry| &entry.clients);
                admitted != Some(&requirement.clients)
            });
            if narrower {
                parts.push(format!("clients: {}", list(clients.iter().collect())));
            }
        }
        if !requirement.scopes.is_empty() {
            parts.push(format!(
                "scopes: {}",
                list(requirement.scopes.iter().collect())
            ));
        }
        parts
    }
}

fn member(text: &mut String, indent: &str, name: &str, value: &Value) {
    text.push_str(&format!("{indent}{}: {}\n", scalar(name), flow(value)));
}

fn write_account(text: &mut String, callers: &Callers) {
    text.push_str("aws_accounts:\n");
    let jwks = format!(
        "This cluster in Envoy: cognito-authorizer jwks {}",
        callers.issuer()
    );
    for (position, (name, value)) in callers.entry().into_iter().enumerate() {
        if name == "jwks" {
            comment(text, "  ", &jwks);
        }
        let indent = if position == 0 { "- " } else { "  " };
        member(text, indent, name, &value);
    }
}

fn write_function(text: &mut String, scheme: &str, function: &Function) {
    comment(text, "", &format!("authorizer {scheme}"));
    member(text, "- ", "name", &json!(function.name));
    for (name, value) in &function.entry {
        if *name == "cluster" {
            let signs = "Signs the call itself: envoy/lambda/cluster.yaml";
            comment(text, "  ", signs);
        }
        member(text, "  ", name, value);
    }
}

fn write_pool(text: &mut String, id: &str, entry: &Entry) {
    // A replica's keys are in its own region.
    let named = match &entry.pool.arn {
        Some(arn) if entry.pool.id.region() != entry.pool.region => arn,
        Some(_) | None => id,
    };
    comment(text, "", &format!("authorizer {}", entry.origin.join(", ")));
    match &entry.pool.arn {
        Some(arn) => text.push_str(&format!("- user_pool_arn: {}\n", scalar(arn))),
        None => text.push_str(&format!("- user_pool_id: {}\n", scalar(id))),
    }
    match &entry.clients {
        Clients::Only(clients) => member(text, "  ", "client_ids", &json!(clients)),
        // Decided in writing, on the command line.
        Clients::Any | Clients::Undecided => {
            text.push_str("  client_ids: any # check: allow any-client\n");
        }
    }
    if entry.pool.issuer == IssuerForm::Updated {
        member(text, "  ", "issuer", &json!("updated"));
    }
    comment(
        text,
        "  ",
        &format!("This cluster in Envoy: cognito-authorizer jwks {named}"),
    );
    member(text, "  ", "jwks", &json!({"cluster": entry.cluster}));
}

fn write_responses(text: &mut String, responses: &Map<String, Value>) {
    if responses.is_empty() {
        return;
    }
    text.push_str("responses:\n");
    for name in [
        "style",
        "unauthorized",
        "expired_token",
        "access_denied",
        "authorizer_failure",
        "authorizer_configuration_error",
        "bad_request",
    ] {
        match responses.get(name) {
            None => {}
            Some(Value::Object(changes)) => {
                text.push_str(&format!("  {name}:\n"));
                for part in ["status", "headers", "body"] {
                    if let Some(value) = changes.get(part) {
                        member(text, "    ", part, value);
                    }
                }
            }
            Some(value) => member(text, "  ", name, value),
        }
    }
}
