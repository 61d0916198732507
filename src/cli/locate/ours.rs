//! What is the authorizer's own, and what is another's: by the names that a carrier has for the
//! module, and by the fields of the configuration.

use cognito_authorizer::config::{FIELDS, nearest};
use serde_json::Value;

/// Words that other configurations have, too: these count by what stands under them.
const COMMON: [&str; 7] = [
    "authorizers",
    "default",
    "enforce",
    "responses",
    "rules",
    "signature",
    "token",
];

/// What `token` has.
const TOKEN_FIELDS: [&str; 8] = [
    "use",
    "from",
    "clock_skew",
    "max_bytes",
    "aud_pattern",
    "forward",
    "cache_entries",
    "at_expiry",
];

/// What each of `authorizers` has; other configurations have the one or the other.
const AUTHORIZER_FIELDS: [&str; 6] = ["answer", "api", "cache", "cluster", "function", "identity"];

/// What `responses` has that replies elsewhere seldom have.
const RESPONSES_FIELDS: [&str; 6] = [
    "style",
    "unauthorized",
    "expired_token",
    "access_denied",
    "authorizer_failure",
    "authorizer_configuration_error",
];

/// A shorter name is too often near to another word.
const LONG: usize = 10;

/// The name of the module and its plugin, without what separates words.
const OUR_NAME: &str = "cognitoauthorizer";

/// What may be a name of ours where nothing speaks against it.
const PERHAPS_OUR_NAME: &str = "cognito";

/// Whether an object has a field of the authorizer's configuration, or one that was meant to be.
pub(super) fn has_our_field(value: &Value) -> bool {
    let Some(members) = value.as_object() else {
        return false;
    };
    let own = |name: &&&str| !COMMON.contains(*name);
    let long: Vec<_> = FIELDS
        .iter()
        .filter(own)
        .copied()
        .filter(|name| name.len() >= LONG)
        .collect();
    let is_own = |name: &str| FIELDS.iter().filter(own).any(|field| *field == name);
    let is_near = |name: &str| nearest(name, &long).is_some();
    members
        .iter()
        .any(|(name, value)| is_own(name) || is_near(name) || has_our_shape(name, value))
        || has_our_rules(value)
}

/// Whether what stands under a common word is what the authorizer has there.
fn has_our_shape(name: &str, value: &Value) -> bool {
    let has_one = |known: &[&str]| {
        let members = value.as_object();
        members.is_some_and(|members| members.keys().any(|name| known.contains(&name.as_str())))
    };
    let is_authorizer = |one: &Value| {
        let fields = AUTHORIZER_FIELDS.iter();
        fields.filter(|field| one.get(**field).is_some()).count() >= 3
    };
    match name {
        "authorizers" => {
            let all = value.as_array();
            all.is_some_and(|all| all.iter().any(is_authorizer))
        }
        "token" => has_one(&TOKEN_FIELDS),
        "responses" => has_one(&RESPONSES_FIELDS),
        "signature" => matches!(value.as_str(), Some("auto" | "module")),
        _ => false,
    }
}

/// Rules alone may be anybody's, and so may a default: together, and in our words, they are not.
fn has_our_rules(value: &Value) -> bool {
    let default = value.get("default");
    let word = default.and_then(Value::as_str);
    let asks = default.is_some_and(|default| default.get("authorizer").is_some());
    let rules = value.get("rules").and_then(Value::as_array);
    let is_ours = |rule: &Value| {
        let says = ["allow", "authorizer", "require"];
        rule.get("match").is_some_and(Value::is_object)
            && says.iter().any(|name| rule.get(name).is_some())
    };
    (asks || matches!(word, Some("nobody" | "authenticated" | "anyone")))
        && rules.is_some_and(|rules| rules.iter().any(is_ours))
}

/// Whether a configuration is the authorizer's, by its fields or, where it is a text that cannot be
/// read, by a word in it.
pub(super) fn is_our_configuration(config: &Value, text: &[u8]) -> bool {
    has_our_field(config)
        || config.is_null() && {
            let text = String::from_utf8_lossy(text);
            ["user_pools", "claim_headers"]
                .iter()
                .any(|name| text.contains(name))
        }
}

/// Whether a carrier names the authorizer.
pub(super) fn names_us(carrier: &Value, config: &Value) -> bool {
    let empty = match config {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    names(carrier, &|name| {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let plain = plain.to_ascii_lowercase();
        plain.contains(OUR_NAME) || empty && plain.contains(PERHAPS_OUR_NAME)
    })
}

/// Whether a text of a carrier, but for the configuration that it carries, is such a name.
fn names(value: &Value, is_ours: &impl Fn(&str) -> bool) -> bool {
    const CONFIGURATIONS: [&str; 5] = [
        "config",
        "configuration",
        "filterConfig",
        "filter_config",
        "pluginConfig",
    ];
    match value {
        Value::String(text) => is_ours(text),
        Value::Array(elements) => elements.iter().any(|one| names(one, is_ours)),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !CONFIGURATIONS.contains(&name.as_str()))
            .any(|(_, value)| names(value, is_ours)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_field_of_ours_is_enough() {
        for value in [
            json!({"user_pools": 1}),
            json!({"userPools": []}),
            json!({"user_pool": []}),
            json!({"claim_header": []}),
            json!({"path_case": "insensitive"}),
            json!({"token": {"use": "any"}}),
            json!({"signature": "auto"}),
            json!({"responses": {"style": "rfc6750"}}),
            json!({"rules": [{"match": {"path": "/"}, "allow": "anyone"}], "default": "nobody"}),
            json!({"rules": [{"match": {"path": "/"}, "authorizer": "a"}], "default": "nobody"}),
            json!({"rules": [{"match": {"path": "/"}, "allow": "anyone"}], "default": {"authorizer": "a"}}),
            json!({"authorizers": [{"name": "a", "function": "f", "cluster": "c", "answer": "policy"}]}),
        ] {
            assert!(has_our_field(&value), "{value}");
        }
    }

    #[test]
    fn words_of_others_are_not() {
        for value in [
            json!(null),
            json!([]),
            json!("user_pools"),
            json!({}),
            json!({"default": "nobody"}),
            json!({"default": {"rules": []}}),
            json!({"authorizers": [{"name": "a", "cluster": "c", "cache": {}}]}),
            json!({"rules": [{"match": {"path": "/"}, "allow": "anyone"}]}),
            json!({"rules": [{"alert": "Down", "expr": "up == 0"}], "default": "nobody"}),
            json!({"token": "abc"}),
            json!({"token": {"secret": "abc"}}),
            json!({"signature": "c2ln"}),
            json!({"responses": {"200": {"description": "good"}}}),
            json!({"path_base": "/x", "users": [], "services": {}}),
            json!({"nested": {"user_pools": []}}),
        ] {
            assert!(!has_our_field(&value), "{value}");
        }
    }

    #[test]
    fn carriers_name_the_module() {
        let named = |carrier: Value| names_us(&carrier, &json!({"a": 1}));
        assert!(named(json!({"name": "cognito-authorizer"})));
        assert!(named(
            json!({"vm_config": {"code": {"local": {"filename": "/x/cognito_authorizer.wasm"}}}})
        ));
        // What it is configured with is no name.
        assert!(!named(
            json!({"name": "jwt", "configuration": {"value": "cognito_authorizer"}})
        ));
        assert!(!named(
            json!({"name": "jwt", "cluster": "cognito_us_east_1"})
        ));
        // One that may be ours, and has no other's configuration.
        assert!(names_us(&json!({"name": "cognito"}), &Value::Null));
        assert!(!named(json!({"name": "cognito"})));
    }
}
