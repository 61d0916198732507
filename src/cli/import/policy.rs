//! A REST API's resource policy: who may call at all, by address, account or endpoint.

use super::definition::Definition;
use super::note::Notes;
use super::part::{Object, Obstacle, Part};
use crate::document::member;
use serde_json::Value;

const EXTENSION: &str = "x-amazon-apigateway-policy";

/// What stands in every operation's way, unless the policy lets everyone in or was waived.
pub(super) fn read(
    definition: &Definition<'_>,
    waived: bool,
    notes: &mut Notes,
) -> Option<Obstacle> {
    let policy = definition.top().member(EXTENSION);
    let everyone = match &policy {
        Ok(None) => return None,
        Ok(Some(policy)) => lets_everyone_in(policy),
        Err(obstacle) => Err(obstacle.clone()),
    };
    let obstacle = match everyone {
        Ok(true) => return None,
        Ok(false) => Obstacle {
            place: member("", EXTENSION),
            text: "a resource policy that does not let everyone in".to_owned(),
            advice: None,
        },
        Err(obstacle) => obstacle.of("a resource policy that cannot be read"),
    };
    if waived {
        notes.waived(obstacle.place, obstacle.text);
        return None;
    }
    Some(obstacle)
}

/// Whether some statement allows every call by everyone, and none denies any.
fn lets_everyone_in(policy: &Part<'_>) -> Result<bool, Obstacle> {
    let statements = policy.object()?.expect("Statement")?;
    let statements = match statements.raw() {
        Value::Array(_) => statements.list()?,
        _ => vec![statements],
    };
    let (mut allows_all, mut denies) = (false, false);
    for statement in statements {
        let statement = statement.object()?;
        denies |= statement.expect("Effect")?.text()? != "Allow";
        allows_all |= is_about_everything(&statement)?;
    }
    Ok(allows_all && !denies)
}

fn is_about_everything(statement: &Object<'_>) -> Result<bool, Obstacle> {
    let plain = ["Sid", "Effect", "Principal", "Action", "Resource"];
    let any = |part: Option<Part<'_>>, is: fn(&str) -> bool| match part {
        None => Ok(false),
        Some(part) => Ok(part.texts()?.into_iter().any(is)),
    };
    let mut principal = statement.member("Principal")?;
    if let Some(Value::Object(_)) = principal.as_ref().map(Part::raw) {
        let kinds = principal.map(|kinds| kinds.object()).transpose()?;
        principal = kinds.and_then(|kinds| kinds.get("AWS"));
    }
    let named = |action: &str| ["*", "execute-api:*", "execute-api:Invoke"].contains(&action);
    Ok(statement.members().all(|(name, _)| plain.contains(&name))
        && any(principal, |who| who == "*")?
        && any(statement.get("Action"), named)?
        && any(statement.get("Resource"), is_every_resource)?)
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
    use crate::document::{Document, Span};
    use serde_json::json;

    /// Whether a policy is read, and lets everyone in.
    fn lets_in(policy: &Value) -> bool {
        let document = Document::unplaced(policy.clone(), Span::default());
        lets_everyone_in(&Part::whole(&document)) == Ok(true)
    }

    #[track_caller]
    fn everyone(change: &str, value: Value) -> bool {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "arn:aws:execute-api:us-east-1:123456789012:abcdef/*",
        });
        statement[change] = value;
        lets_in(&json!({"Version": "2012-10-17", "Statement": [statement]}))
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
        assert!(!everyone("Conditoin", json!({})));
        assert!(!everyone("Resource", json!("execute-api:/${stage}/*")));
        assert!(!everyone("Resource", json!(["*", {"Ref": "Api"}])));
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
            assert!(!lets_in(&policy), "{policy}");
        }
    }

    #[test]
    fn a_denial_beside_it_counts() {
        let all = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
        let other = |effect: &str| json!({"Effect": effect, "Principal": "*", "Action": "*", "Resource": "x:/a"});
        assert!(lets_in(&json!({"Statement": all})));
        assert!(lets_in(&json!({"Statement": [other("Allow"), all]})));
        assert!(!lets_in(&json!({"Statement": [all, other("Deny")]})));
    }
}
