//! Values that stand for others: those of this project's examples, and those that say so.

use super::Notes;
use super::envoy::Node;
use super::finding;
use crate::document::{below, item, member};
use cognito_authorizer::policy::Policy;
use serde_json::Value;

/// The pool of the examples.
const POOL: &str = "us-east-1_AbCdEf123";

/// What the app clients of the examples begin with.
const CLIENT: &str = "4hq8";

/// The API of the examples, which method ARNs name.
const API: &str = "a1b2c3d4e5";

/// SHA-256 of nothing, which stands in the examples for the digest of the module.
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Parts of a configuration whose texts are the user's own, with any characters in them.
const FREE: [&str; 4] = ["responses", "regex", "aud_pattern", "inline"];

/// Notes the placeholders of a valid configuration.
pub(super) fn of_configuration(policy: &Policy, notes: &mut Notes<'_>) {
    let document = notes.document;
    for (position, pool) in policy.issuers.pools().iter().enumerate() {
        let path = item("user_pools", position);
        if pool.id.as_str() == POOL {
            let names = ["user_pool_id", "user_pool_arn"].map(|name| below(&path, name));
            let named = names.iter().find(|name| document.get(name).is_some());
            let text = format!("{POOL} is the pool of the examples");
            notes.add(&finding::PLACEHOLDER, named.unwrap_or(&path), text);
        }
    }
    let clients = document.get("user_pools").and_then(Value::as_array);
    for (at, pool) in clients.into_iter().flatten().enumerate() {
        let path = below(&item("user_pools", at), "client_ids");
        let clients = pool.get("client_ids").and_then(Value::as_array);
        for (at, client) in clients.into_iter().flatten().enumerate() {
            let is_example = |client: &&str| client.starts_with(CLIENT);
            if let Some(client) = client.as_str().filter(is_example) {
                let text = format!("{client:?} is the app client of the examples");
                notes.add(&finding::PLACEHOLDER, &item(&path, at), text);
            }
        }
    }
    for (position, authorizer) in policy.authorizers.iter().enumerate() {
        if authorizer.settings.api.api_id == API {
            let path = below(&item("authorizers", position), "api.api_id");
            let text = format!("{API} is the API of the examples");
            notes.add(&finding::PLACEHOLDER, &path, text);
        }
    }
    walk(&document.value, "", notes);
}

/// Notes an example's digest in a module's URL, or alone.
pub(super) fn of_digest(node: &Node<'_>, notes: &mut Notes<'_>) {
    let text = node.value.as_str().unwrap_or_default();
    if text.to_ascii_lowercase().contains(DIGEST) {
        let text = "this is the digest of nothing; expected the module's own";
        notes.add(&finding::PLACEHOLDER, &node.path, text);
    } else if is_placeholder(text) {
        let text = format!("{text:?} was never filled in");
        notes.add(&finding::PLACEHOLDER, &node.path, text);
    }
}

fn walk(value: &Value, path: &str, notes: &mut Notes<'_>) {
    match value {
        Value::String(text) if is_placeholder(text) => {
            let text = format!("{text:?} was never filled in");
            notes.add(&finding::PLACEHOLDER, path, text);
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                walk(element, &item(path, at), notes);
            }
        }
        Value::Object(members) => {
            let members = members.iter();
            for (name, value) in members.filter(|(name, _)| !FREE.contains(&name.as_str())) {
                walk(value, &member(path, name), notes);
            }
        }
        _ => {}
    }
}

/// Whether a text says of itself that it is none: `YOUR_CLIENT_ID`, `<client id>`, `CHANGEME`, or a
/// variable of a template.
fn is_placeholder(text: &str) -> bool {
    let large = text.to_ascii_uppercase().replace('-', "_");
    let says = |word: &str| large.contains(word);
    text.contains("YOUR_")
        || text.contains("YOUR-")
        || large.starts_with("YOUR_")
        || text.starts_with('<') && text.ends_with('>')
        || says("CHANGEME")
        || says("CHANGE_ME")
        || says("REPLACE_ME")
        || text.contains("${")
        || text.contains("{{")
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn placeholders_say_so() {
        for text in [
            "YOUR_CLIENT_ID",
            "your-client-id",
            "prefix-YOUR_ID",
            "<client id>",
            "CHANGEME",
            "change-me",
            "${client_id}",
            "{{ .Values.client }}",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "7lk3vn0pexample",
            "/users/{userId}",
            "/yours/{id}",
            "/your-orders",
            "a<b>c",
            "exchange",
            "",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
