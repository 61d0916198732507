//! What of a request is read: each header costs a call of the host, and one that is not read is not
//! decided by.

use cognito_authorizer::gate::{Gate, Reads};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::rs256::Rs256;
use serde_json::{Value, json};

use crate::pools::{document, policy};

fn reads(changes: &Value) -> Reads {
    let mut document = document(&["a"], &json!({}));
    for (field, value) in changes.as_object().unwrap() {
        document[field] = value.clone();
    }
    let gate = Gate::new(policy(&document), Rs256::module(), Entropy::new(1));
    gate.reads().clone()
}

fn one_rule(matches: &Value) -> Value {
    json!({"rules": [{"match": matches, "allow": "anyone"}], "default": "nobody"})
}

fn from(places: &Value) -> Value {
    json!({"token": {"use": "access", "from": places}})
}

#[test]
fn no_more_is_read_than_something_depends_on() {
    for (changes, names) in [
        (json!({}), vec!["authorization"]),
        (
            one_rule(&json!({"prefix": "/a"})),
            vec!["authorization", ":path"],
        ),
        (
            one_rule(&json!({"methods": ["GET"]})),
            vec!["authorization", ":method"],
        ),
        (
            one_rule(&json!({"hosts": ["a.com"]})),
            vec!["authorization", ":authority"],
        ),
        (
            json!({"cors_preflight": "pass"}),
            vec![
                "authorization",
                ":method",
                "origin",
                "access-control-request-method",
            ],
        ),
        (from(&json!([{"query": "access_token"}])), vec![":path"]),
        (
            from(&json!([{"header": "authorization"}, {"query": "access_token"}])),
            vec!["authorization", ":path"],
        ),
    ] {
        assert_eq!(reads(&changes), Reads::Named(names), "{changes}");
    }
}

/// A second line hides from a look-up by name.
#[test]
fn all_is_read_for_tokens_in_other_headers() {
    for place in [json!({"header": "x-token"}), json!({"cookie": "token"})] {
        assert_eq!(reads(&from(&json!([place]))), Reads::Everything);
    }
}
