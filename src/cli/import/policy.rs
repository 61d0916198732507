//! A REST API's resource policy: who may call at all, by address, account or endpoint.

use super::definition::Definition;
use super::note::Notes;
use super::part::{Object, Obstacle, Part};
use crate::document::member;
use serde_json::Value;

const EXTENSION: &str = "x-amazon-apigateway-policy";
const UNKNOWN: &str =
    "the definition does not say its API's id: none that an ARN names counts as this one";

/// The API that the policy is attached to, as far as that is known.
#[derive(Default)]
struct This {
    id: Option<String>,
    region: Option<String>,
}

impl This {
    /// The definition's own, unless the command line says another id.
    fn of(definition: &Definition<'_>, id: Option<&str>) -> Self {
        let (said, _) = definition.endpoint();
        Self {
            id: id.map(str::to_owned).or(said),
            region: definition.region(),
        }
    }
}

/// What stands in every operation's way, unless the policy lets everyone in or was waived. `id` is the
/// API's, where the command line says it.
pub(super) fn read(
    definition: &Definition<'_>,
    id: Option<&str>,
    waived: bool,
    notes: &mut Notes,
) -> Option<Obstacle> {
    let policy = definition.top().member(EXTENSION);
    let this = This::of(definition, id);
    let everyone = match &policy {
        Ok(None) => return None,
        Ok(Some(policy)) => lets_everyone_in(policy, &this),
        Err(obstacle) => Err(obstacle.clone()),
    };
    let obstacle = match everyone {
        Ok(true) => return None,
        Ok(false) => Obstacle {
            place: member("", EXTENSION),
            text: "a resource policy that does not let everyone in".to_owned(),
            advice: (this.id.is_none() && names_an_api(&policy)).then(|| UNKNOWN.to_owned()),
        },
        Err(obstacle) => obstacle.of("a resource policy that cannot be read"),
    };
    if waived {
        notes.waived(obstacle.place, obstacle.text);
        return None;
    }
    Some(obstacle)
}

/// Whether an ARN in it may name an API.
fn names_an_api(policy: &Result<Option<Part<'_>>, Obstacle>) -> bool {
    let said = policy.as_ref().ok().and_then(Option::as_ref);
    let said = said.and_then(|policy| policy.said().ok());
    said.is_some_and(|said| said.to_string().contains(":execute-api:"))
}

/// Whether some statement allows every call by everyone, and none denies any.
fn lets_everyone_in(policy: &Part<'_>, this: &This) -> Result<bool, Obstacle> {
    let statements = policy.object()?.expect("Statement")?;
    let statements = match statements.raw() {
        Value::Array(_) => statements.list()?,
        _ => vec![statements],
    };
    let (mut allows_all, mut denies) = (false, false);
    for statement in statements {
        let statement = statement.object()?;
        denies |= statement.expect("Effect")?.text()? != "Allow";
        allows_all |= is_about_everything(&statement, this)?;
    }
    Ok(allows_all && !denies)
}

fn is_about_everything(statement: &Object<'_>, this: &This) -> Result<bool, Obstacle> {
    let plain = ["Sid", "Effect", "Principal", "Action", "Resource"];
    let mut principal = statement.member("Principal")?;
    if let Some(Value::Object(_)) = principal.as_ref().map(Part::raw) {
        let kinds = principal.map(|kinds| kinds.object()).transpose()?;
        principal = kinds.and_then(|kinds| kinds.get("AWS"));
    }
    let named = |action: &str| ["*", "execute-api:*", "execute-api:Invoke"].contains(&action);
    Ok(statement.members().all(|(name, _)| plain.contains(&name))
        && any(principal, |who| who == "*")?
        && any(statement.get("Action"), named)?
        && any(statement.get("Resource"), |what| {
            is_every_resource(what, this)
        })?)
}

/// Whether some text is such a one.
fn any(part: Option<Part<'_>>, is: impl Fn(&str) -> bool) -> Result<bool, Obstacle> {
    match part {
        None => Ok(false),
        Some(part) => Ok(part.texts()?.into_iter().any(is)),
    }
}

/// `*`, or this API (short, or by its ARN) with a star for each of stage, method and path.
fn is_every_resource(resource: &str, this: &This) -> bool {
    if resource == "*" {
        return true;
    }
    if let Some(path) = resource.strip_prefix("execute-api:/") {
        return is_every_path(path);
    }
    // arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH
    let parts: Vec<_> = resource.splitn(6, ':').collect();
    let ["arn", _, "execute-api", region, _, path] = parts.as_slice() else {
        return false;
    };
    let elsewhere = this.region.as_ref().is_some_and(|ours| ours != region);
    let (api, path) = path.split_once('/').unwrap_or((path, ""));
    let ours = api == "*" || this.id.as_deref() == Some(api);
    // A star that ends an ARN is for slashes, too.
    let every = is_every_path(path) || api == "*" && path.is_empty();
    ours && every && (*region == "*" || !elsewhere)
}

/// Stage, method and path, of which the last star is for what follows as well.
fn is_every_path(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.clone().count() <= 3 && parts.all(|part| part == "*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Span};
    use serde_json::json;

    /// Whether a policy is read, and lets everyone in.
    fn lets_in(policy: &Value) -> bool {
        let document = Document::unplaced(policy.clone(), Span::default());
        let this = This {
            id: Some("abcdef".to_owned()),
            region: Some("us-east-1".to_owned()),
        };
        lets_everyone_in(&Part::whole(&document), &this) == Ok(true)
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
    fn a_resource_is_every_one_of_this_api_or_of_any() {
        let every = |id: Option<&str>, region: Option<&str>, resource: &str| {
            let [id, region] = [id, region].map(|text| text.map(str::to_owned));
            is_every_resource(resource, &This { id, region })
        };
        let ours = |resource: &str| every(Some("abc123"), Some("us-east-1"), resource);
        for resource in [
            "*",
            "execute-api:/*",
            "execute-api:/*/*/*",
            "arn:aws:execute-api:us-east-1:123456789012:abc123/*",
            "arn:aws-cn:execute-api:us-east-1:123456789012:abc123/*/*/*",
            "arn:aws:execute-api:*:*:*/*",
            "arn:aws:execute-api:us-east-1:*:*",
        ] {
            assert!(ours(resource), "{resource}");
        }
        for resource in [
            "arn:aws:execute-api:us-east-1:123456789012:otherapi/*",
            "arn:aws:execute-api:us-east-1:123456789012:abc*/*",
            "arn:aws:execute-api:us-east-1:123456789012:abc123",
            "arn:aws:execute-api:us-east-1:123456789012:abc123/*/*/*/*",
            "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/*",
            "arn:aws:execute-api:eu-west-1:123456789012:abc123/*",
            "arn:aws:s3:::x/*",
            "arn:aws:s3:us-east-1:123456789012:abc123/*",
            "execute-api:*/*",
            "x:y/*",
            "abc123/*",
        ] {
            assert!(!ours(resource), "{resource}");
        }
        // Which API that is, nobody knows.
        let named = "arn:aws:execute-api:us-east-1:123456789012:abc123/*";
        assert!(!every(None, None, named));
        assert!(every(Some("abc123"), None, named));
        assert!(every(
            None,
            None,
            "arn:aws:execute-api:us-east-1:123456789012:*/*"
        ));
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
