//! A REST API's resource policy: who may call at all, by address, account or endpoint.

use super::definition::Definition;
use super::note::Notes;
use super::security::Obstacle;
use crate::document::member;
use serde_json::{Map, Value};

const EXTENSION: &str = "x-amazon-apigateway-policy";

/// What stands in every operation's way, unless the policy lets everyone in or was waived.
pub(super) fn read(
    definition: &Definition<'_>,
    waived: bool,
    notes: &mut Notes,
) -> Option<Obstacle> {
    let policy = definition.top(EXTENSION)?;
    let obstacle = Obstacle {
        place: member("", EXTENSION),
        text: "a resource policy that does not let everyone in".to_owned(),
        advice: None,
    };
    if lets_everyone_in(policy) {
        return None;
    }
    if waived {
        notes.waived(obstacle.place, obstacle.text);
        return None;
    }
    Some(obstacle)
}

/// Whether some statement allows every call by everyone, and none denies any.
fn lets_everyone_in(policy: &Value) -> bool {
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    };
    let statements: Option<Vec<&Map<String, Value>>> =
        statements.into_iter().map(Value::as_object).collect();
    statements.is_some_and(|statements| {
        let effect = |statement: &Map<String, Value>| {
            statement.get("Effect").and_then(Value::as_str) == Some("Allow")
        };
        statements.iter().all(|statement| effect(statement))
            && statements
                .iter()
                .any(|statement| is_about_everything(statement))
    })
}

fn is_about_everything(statement: &Map<String, Value>) -> bool {
    let plain = ["Sid", "Effect", "Principal", "Action", "Resource"];
    let principal = match statement.get("Principal") {
        Some(Value::Object(kinds)) => kinds.get("AWS"),
        other => other,
    };
    let any = |value: Option<&Value>, is: fn(&str) -> bool| match value {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(is),
        Some(Value::String(one)) => is(one),
        _ => false,
    };
    statement.keys().all(|name| plain.contains(&name.as_str()))
        && any(principal, |who| who == "*")
        && any(statement.get("Action"), |action| {
            ["*", "execute-api:*", "execute-api:Invoke"].contains(&action)
        })
        && any(statement.get("Resource"), is_every_resource)
}

/// `*`, or an API's ARN (short or whole) with a star for each of stage, method and path.
fn is_every_resource(resource: &str) -> bool {
    if resource == "*" {
        return true;
    }
    let Some((_, path)) = resource.rsplit_once(':') else {
        return false;
    };
    let mut parts = path.split('/');
    // The API itself: what a policy is attached to.
    let _ = parts.next();
    let mut stars = parts.peekable();
    stars.peek().is_some() && stars.all(|part| part == "*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn everyone(change: &str, value: Value) -> bool {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "arn:aws:execute-api:us-east-1:123456789012:abcdef/*",
        });
        statement[change] = value;
        lets_everyone_in(&json!({"Version": "2012-10-17", "Statement": [statement]}))
    }

    #[test]
    fn only_a_policy_without_any_condition_lets_everyone_in() {
        assert!(everyone("Sid", json!("all")));
        assert!(everyone("Principal", json!({"AWS": "*"})));
        assert!(everyone("Principal", json!({"AWS": ["*"]})));
        assert!(everyone("Resource", json!("execute-api:/*")));
        assert!(everyone("Resource", json!(["execute-api:/*/*/*"])));
        assert!(everyone("Action", json!("execute-api:*")));
        assert!(!everyone("Effect", json!("Deny")));
        assert!(!everyone("Principal", json!({"AWS": "123456789012"})));
        assert!(!everyone("Principal", json!({"Service": "*"})));
        assert!(!everyone(
            "Condition",
            json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
        ));
        assert!(!everyone("NotAction", json!("execute-api:Invoke")));
        assert!(!everyone("Action", json!("execute-api:InvalidateCache")));
        for resource in [
            "execute-api:/prod/*",
            "execute-api:/*/GET/*",
            "execute-api:/*/*/pets",
            "execute-api:abc",
            "abc/*",
        ] {
            assert!(!everyone("Resource", json!(resource)), "{resource}");
        }
        for policy in [
            json!({}),
            json!({"Statement": []}),
            json!({"Statement": ["*"]}),
            json!("*"),
            Value::Null,
        ] {
            assert!(!lets_everyone_in(&policy), "{policy}");
        }
    }

    #[test]
    fn a_denial_beside_it_counts() {
        let all = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
        let other = |effect: &str| json!({"Effect": effect, "Principal": "*", "Action": "*", "Resource": "x:/a"});
        assert!(lets_everyone_in(&json!({"Statement": all})));
        assert!(lets_everyone_in(
            &json!({"Statement": [other("Allow"), all]})
        ));
        assert!(!lets_everyone_in(
            &json!({"Statement": [all, other("Deny")]})
        ));
    }
}
