//! What a remembered policy says of a request, and what is no policy at all.

use super::naive::{self, Letters, Says};
use super::{api, arn};
use crate::harness::seed::Seed;
use crate::paths::{ORDER, upstream};
use cognito_authorizer::authorizer::method_arn::MethodArn;
use cognito_authorizer::authorizer::policy_document::{Denied, PolicyDocument};
use serde_json::{Value, json};
use std::net::IpAddr;
use upstream::Step;

const SOURCE: &str = "192.0.2.7";

fn source() -> IpAddr {
    SOURCE.parse().unwrap()
}

/// A statement for all resources, as most examples have it.
fn statement(effect: &str, resource: Value) -> Value {
    json!({"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource})
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[track_caller]
fn judged(policy: &Value, request: &str, expected: Result<(), Denied>) {
    let read = PolicyDocument::read(policy).unwrap_or_else(|| panic!("no policy: {policy}"));
    let found = read.judge(&arn(request), Some(source()));
    let mut text = policy.to_string();
    text.truncate(2_000);
    assert_eq!(found, expected, "{request} under {text}");
}

const ALLOWED: Result<(), Denied> = Ok(());
const IMPLICIT: Result<(), Denied> = Err(Denied::Implicitly);
const EXPLICIT: Result<(), Denied> = Err(Denied::Explicitly);

/// `…` is the API, up to its stage.
fn full(resource: &str) -> String {
    resource.replace(
        '…',
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod",
    )
}

#[test]
fn a_resource_is_compared_with_the_arn() {
    for (resource, request, expected) in [
        ("*", "GET /a", ALLOWED),
        ("…/GET/a", "GET /a", ALLOWED),
        ("…/GET/a", "GET /b", IMPLICIT),
        ("…/GET/a", "POST /a", IMPLICIT),
        ("…/GET/a", "GET /A", IMPLICIT),
        ("…/GET/A", "GET /a", IMPLICIT),
        ("…/GET/a", "GET /a/", IMPLICIT),
        ("…/GET/a/", "GET /a/", ALLOWED),
        ("…/GET/", "GET /", ALLOWED),
        ("…/GET/a", "HEAD /a", IMPLICIT),
        ("…/*/a", "HEAD /a", ALLOWED),
        ("…/GET/*", "GET /a/b/c", ALLOWED),
        ("…/GET/a/*", "GET /a", IMPLICIT),
        ("…/GET/a*", "GET /a", ALLOWED),
        ("…/GET/orders/?", "GET /orders/7", ALLOWED),
        ("…/GET/orders/?", "GET /orders/77", IMPLICIT),
        ("…/*", "DELETE /a?b=c", ALLOWED),
        ("…/GET/a:b", "GET /a:b", ALLOWED),
        ("…/GET/%C3%A9", "GET /%c3%a9", ALLOWED),
        ("…/GET/é", "GET /%c3%a9", IMPLICIT),
        ("…/GET/admin", "GET /%61dmin", ALLOWED),
        ("…/GET/a%40b", "GET /a%40b", ALLOWED),
        ("…/GET/a%40b", "GET /a@b", IMPLICIT),
        ("…/GET/a@b", "GET /a%40b", IMPLICIT),
        ("arn:aws:execute-api:*:*:*", "GET /a", ALLOWED),
        ("arn:aws:execute-api:us-east-1:*", "GET /a", ALLOWED),
        (
            "arn:aws:execute-api:us-east-1:123456789012:*/*/*/a",
            "GET /a",
            ALLOWED,
        ),
        ("arn:aws:execute-api:eu-west-1:*", "GET /a", IMPLICIT),
        (
            "arn:aws:execute-api:us-east-1:123456789012:other/prod/GET/a",
            "GET /a",
            IMPLICIT,
        ),
        (
            "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/dev/GET/a",
            "GET /a",
            IMPLICIT,
        ),
        ("arn:*", "GET /a", ALLOWED),
        ("", "GET /a", IMPLICIT),
    ] {
        let resource = full(resource);
        judged(
            &policy(&[statement("Allow", json!(resource))]),
            request,
            expected,
        );
        // A list of one says the same, and so does a statement that is not in a list.
        judged(
            &policy(&[statement("Allow", json!([resource]))]),
            request,
            expected,
        );
        let alone = json!({"Statement": statement("Allow", json!(["x", resource]))});
        judged(&alone, request, expected);
    }
}

#[test]
fn an_empty_list_matches_nothing() {
    judged(
        &policy(&[statement("Allow", json!([]))]),
        "GET /a",
        IMPLICIT,
    );
    judged(&policy(&[]), "GET /a", IMPLICIT);
    // AWS's blueprint writes one for the effect that has no methods.
    let both = [statement("Deny", json!([])), statement("Allow", json!("*"))];
    judged(&policy(&both), "GET /a", ALLOWED);
    let nothing = json!({"Effect": "Allow", "Action": [], "Resource": "*"});
    judged(&policy(&[nothing]), "GET /a", IMPLICIT);
}

#[test]
fn an_action_is_compared_without_letter_case() {
    for (action, expected) in [
        (json!("execute-api:Invoke"), ALLOWED),
        (json!("Execute-API:invoke"), ALLOWED),
        (json!("execute-api:*"), ALLOWED),
        (json!("execute-api:Inv*"), ALLOWED),
        (json!("execute-api:?nvoke"), ALLOWED),
        (json!("*"), ALLOWED),
        (json!("*:*"), ALLOWED),
        (json!(["s3:GetObject", "execute-api:Invoke"]), ALLOWED),
        (json!("s3:GetObject"), IMPLICIT),
        (json!("execute-api:InvalidateCache"), IMPLICIT),
        (json!("execute-api:ManageConnections"), IMPLICIT),
        (json!("execute-api"), IMPLICIT),
        (json!("Invoke"), IMPLICIT),
        (json!("${aws:username}"), IMPLICIT),
    ] {
        let one = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        judged(&policy(&[one]), "GET /a", expected);
    }
    for (action, expected) in [
        (json!("s3:*"), ALLOWED),
        (json!([]), ALLOWED),
        (json!("execute-api:*"), IMPLICIT),
        (json!("EXECUTE-API:INVOKE"), IMPLICIT),
        (json!("*"), IMPLICIT),
        (json!("${aws:username}"), IMPLICIT),
    ] {
        let one = json!({"Effect": "Allow", "NotAction": action, "Resource": "*"});
        judged(&policy(&[one]), "GET /a", expected);
    }
    for (action, expected) in [
        (json!("s3:*"), ALLOWED),
        (json!("execute-api:InvalidateCache"), ALLOWED),
        (json!("EXECUTE-api:*"), EXPLICIT),
        (json!("${aws:username}"), EXPLICIT),
    ] {
        let one = json!({"Effect": "Deny", "Action": action, "Resource": "*"});
        judged(
            &policy(&[statement("Allow", json!("*")), one]),
            "GET /a",
            expected,
        );
    }
    for (action, expected) in [
        (json!("s3:*"), EXPLICIT),
        (json!("execute-api:INVOKE"), ALLOWED),
        (json!("${aws:username}"), EXPLICIT),
    ] {
        let one = json!({"Effect": "Deny", "NotAction": action, "Resource": "*"});
        judged(
            &policy(&[statement("Allow", json!("*")), one]),
            "GET /a",
            expected,
        );
    }
}

/// The request passes only if no reading of it is denied. All of these are allowed as they stand.
#[test]
fn an_explicit_deny_wins_in_every_reading() {
    for (resource, request, expected) in [
        ("*", "GET /a", EXPLICIT),
        ("…/GET/admin", "GET /admin", EXPLICIT),
        ("…/GET/admin", "GET /admins", ALLOWED),
        ("…/GET/admin", "POST /admin", ALLOWED),
        // Letter case.
        ("…/GET/admin", "GET /ADMIN", EXPLICIT),
        ("…/GET/Admin", "GET /admin", EXPLICIT),
        ("…/get/admin", "GET /admin", EXPLICIT),
        ("…/GET/admin", "GET /adm%C4%B0n", EXPLICIT),
        ("…/GET/É", "GET /%C3%A9", EXPLICIT),
        // Spellings.
        ("…/GET/a b", "GET /a%20b", EXPLICIT),
        ("…/GET/a%20b", "GET /a%20b", EXPLICIT),
        ("…/GET/a!b", "GET /a%21b", EXPLICIT),
        ("…/GET/é", "GET /%C3%A9", EXPLICIT),
        ("…/GET/%c3%a9", "GET /%C3%A9", EXPLICIT),
        ("…/GET/a@b", "GET /a%40b", EXPLICIT),
        ("…/GET/a%40b", "GET /a%40b", EXPLICIT),
        ("…/GET/a%40b", "GET /a@b", EXPLICIT),
        ("…/GET/a%40b", "GET /A@B", EXPLICIT),
        ("…/GET/a%40b", "GET /a!b", ALLOWED),
        ("…/GET/%61dmin", "GET /admin", EXPLICIT),
        ("…/GET/%61dmin", "GET /admins", ALLOWED),
        ("…/GET/100%/a%40b", "GET /100%25/a@b", EXPLICIT),
        ("…/GET/a%40?", "GET /a@%C3%9F", EXPLICIT),
        ("…/GET/a%40?", "GET /a@%C3%9Fb", ALLOWED),
        ("…/GET/%FF%40", "GET /@", ALLOWED),
        ("…/GET/a?b", "GET /a%21b", EXPLICIT),
        ("…/GET/a?b", "GET /a%C3%9Fb", EXPLICIT),
        ("…/GET/a?b", "GET /a%21%21b", ALLOWED),
        // Methods.
        ("…/GET/admin", "HEAD /admin", EXPLICIT),
        ("…/GET/admin", "HEAD /ADMIN/", EXPLICIT),
        ("…/HEAD/admin", "GET /admin", ALLOWED),
        ("…/HEAD/admin", "HEAD /admin", EXPLICIT),
        // A trailing slash.
        ("…/GET/admin", "GET /admin/", EXPLICIT),
        ("…/GET/admin/", "GET /admin", ALLOWED),
        ("…/GET/admin/", "GET /admin/", EXPLICIT),
        ("…/GET/admin/*", "GET /admin/", EXPLICIT),
        // Separators.
        ("…/GET/admin/*", "GET /admin%2Fx", EXPLICIT),
        ("…/GET/admin/*", "GET /admin%5Cx", EXPLICIT),
        ("…/GET/a/admin", "GET //a//admin", EXPLICIT),
        ("…/GET/admin", "GET //a/admin", EXPLICIT),
        ("…/GET/a/b", "GET /a%2F%2Fb", EXPLICIT),
        ("…/GET/a/b", "GET /a%2Fc", ALLOWED),
        // Ends.
        ("…/GET/admin", "GET /admin%3Fx", EXPLICIT),
        ("…/GET/admin", "GET /admin%23x", EXPLICIT),
        ("…/GET/admin", "GET /admin/%3Fx", EXPLICIT),
        ("…/GET/admin", "GET /adminx%3F", ALLOWED),
        ("…/GET/admin", "GET /admin?x", EXPLICIT),
        // Parameters.
        ("…/GET/admin", "GET /admin;x", EXPLICIT),
        ("…/GET/admin", "GET /admin%3Bx/", EXPLICIT),
        // Wildcards of the request.
        ("…/GET/%2A", "GET /*", EXPLICIT),
        ("…/GET/%2A", "GET /%2a", EXPLICIT),
        ("…/GET/%2A", "GET /a", ALLOWED),
        ("…/GET/%3F", "GET /%3f", EXPLICIT),
        ("…/GET/%3F", "GET /a", ALLOWED),
        ("…/GET/a/%2A", "GET /a//*", EXPLICIT),
        // Variables.
        ("…/GET/${aws:username}", "GET /a", EXPLICIT),
        ("…/GET/${*}", "GET /a", EXPLICIT),
        ("…/GET/$a", "GET /b", ALLOWED),
        ("…/GET/{a}", "GET /b", ALLOWED),
    ] {
        let resource = full(resource);
        for list in [json!(resource), json!(["x", resource])] {
            let (allow, deny) = (statement("Allow", json!("*")), statement("Deny", list));
            judged(&policy(&[allow.clone(), deny.clone()]), request, expected);
            judged(&policy(&[deny, allow]), request, expected);
        }
    }
}

#[test]
fn an_explicit_deny_is_told_from_an_implicit_one() {
    let deny = [statement("Deny", json!("*"))];
    judged(&policy(&deny), "GET /a", EXPLICIT);
    let elsewhere = [statement("Deny", json!(full("…/GET/b")))];
    judged(&policy(&elsewhere), "GET /a", IMPLICIT);
}

#[test]
fn all_but_some_resources_are_the_others() {
    let all_but = |effect: &str, resources: Value| json!({"Effect": effect, "Action": "*", "NotResource": resources});
    for (resources, request, expected) in [
        (json!(full("…/GET/admin")), "GET /a", ALLOWED),
        (json!(full("…/GET/admin")), "GET /admin", IMPLICIT),
        // In whatever reading: what an Allow leaves out is closed.
        (json!(full("…/GET/admin")), "GET /ADMIN", IMPLICIT),
        (json!(full("…/GET/ADMIN")), "GET /admin", IMPLICIT),
        (json!(full("…/GET/admin")), "HEAD /admin", IMPLICIT),
        (json!(full("…/HEAD/admin")), "GET /admin", ALLOWED),
        (json!(full("…/GET/admin/*")), "GET /admin%2Fx", IMPLICIT),
        (json!(full("…/GET/admin/*")), "GET /admin//x", IMPLICIT),
        (json!(full("…/GET/admin")), "GET /admin/", IMPLICIT),
        (json!(full("…/GET/admin")), "GET /admin%3Fx", IMPLICIT),
        (json!(full("…/GET/a b")), "GET /a%20b", IMPLICIT),
        (json!(full("…/GET/a%40b")), "GET /a@b", IMPLICIT),
        (json!(full("…/GET/a%40b")), "GET /a!b", ALLOWED),
        (json!(full("…/GET/admin/*")), "GET /a%2Fx", ALLOWED),
        (
            json!([full("…/GET/b"), full("…/*/admin*")]),
            "GET /admin/x",
            IMPLICIT,
        ),
        (json!([]), "GET /a", ALLOWED),
        (json!("*"), "GET /a", IMPLICIT),
        (json!("${aws:username}"), "GET /a", IMPLICIT),
    ] {
        judged(&policy(&[all_but("Allow", resources)]), request, expected);
    }
    for (resources, request, expected) in [
        (json!(full("…/GET/public/*")), "GET /public/a", ALLOWED),
        (json!(full("…/GET/public/*")), "GET /private/a", EXPLICIT),
        (json!(full("…/GET/public/*")), "GET /PUBLIC/a", EXPLICIT),
        (json!(full("…/GET/public/*")), "POST /public/a", EXPLICIT),
        (json!(full("…/GET/public/*")), "GET /public/a%2F", ALLOWED),
        // To one who cuts the path off, it is another.
        (
            json!(full("…/GET/public/a%3Fb")),
            "GET /public/a%3Fb",
            EXPLICIT,
        ),
        (json!(full("…/GET/public/*")), "GET /public/a%3Fb", ALLOWED),
        (json!(full("…/GET/public/*")), "GET /public%2Fa", EXPLICIT),
        // In the spelling of an ARN.
        (json!(full("…/GET/a%20b")), "GET /a%20b", ALLOWED),
        (json!(full("…/GET/a b")), "GET /a%20b", EXPLICIT),
        (json!(full("…/GET/%C3%A9")), "GET /%C3%A9", ALLOWED),
        (json!(full("…/GET/a%40b")), "GET /a%40b", ALLOWED),
        (json!(full("…/GET/a%40b")), "GET /a@b", EXPLICIT),
        (json!(full("…/GET/a")), "HEAD /a", EXPLICIT),
        (
            json!([full("…/GET/a"), full("…/HEAD/a")]),
            "HEAD /a",
            ALLOWED,
        ),
        (json!([]), "GET /a", EXPLICIT),
        (json!("*"), "GET /a", ALLOWED),
        (json!("${aws:username}*"), "GET /a", EXPLICIT),
    ] {
        let statements = [all_but("Deny", resources), statement("Allow", json!("*"))];
        judged(&policy(&statements), request, expected);
    }
}

/// A function that answers with the ARN it was shown opens that path and no other, whatever the
/// path was.
#[test]
fn an_echo_of_an_arn_opens_nothing_else() {
    for (asked, others) in [
        ("GET /*", ["GET /a", "GET /a/b", "GET /"]),
        ("GET /%2A", ["GET /a", "GET /a/b", "GET /"]),
        ("GET /a%3Fb", ["GET /aXb", "GET /a/b", "GET /a"]),
        ("GET /a/*/b", ["GET /a/x/b", "GET /a/x/y/b", "GET /a//b"]),
        ("GET /%24%7Ba%7D", ["GET /a", "GET /x", "GET /"]),
    ] {
        let resource = arn(asked).as_str().to_owned();
        assert!(!resource.contains(['*', '?']), "{resource}");
        let echo = policy(&[statement("Allow", json!(resource))]);
        judged(&echo, asked, ALLOWED);
        for other in others {
            judged(&echo, other, IMPLICIT);
        }
    }
}

#[test]
fn a_condition_is_understood_or_closes() {
    let understood = [
        (json!({}), true),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), true),
        (
            json!({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "192.0.2.7"]}}),
            true,
        ),
        (
            json!({"IpAddress": {"AWS:sourceip": "::ffff:192.0.2.0/120"}}),
            true,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}),
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}),
            false,
        ),
        (
            json!({"NotIpAddress": {"aws:SourceIp": "198.51.100.0/24"}}),
            true,
        ),
        (
            json!({"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24", "192.0.2.0/24"]}}),
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "NotIpAddress": {"aws:SourceIp": "192.0.2.7"}}),
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "NotIpAddress": {"aws:SourceIp": "192.0.2.8"}}),
            true,
        ),
    ];
    let with = |effect: &str, condition: &Value| {
        let mut one = statement(effect, json!("*"));
        one["Condition"] = condition.clone();
        one
    };
    for (condition, holds) in &understood {
        let expected = if *holds { ALLOWED } else { IMPLICIT };
        judged(&policy(&[with("Allow", condition)]), "GET /a", expected);
        let both = [statement("Allow", json!("*")), with("Deny", condition)];
        let expected = if *holds { EXPLICIT } else { ALLOWED };
        judged(&policy(&both), "GET /a", expected);
    }
    for condition in [
        json!({"StringEquals": {"aws:username": "a"}}),
        json!({"IpAddress": {"aws:VpcSourceIp": "192.0.2.0/24"}}),
        json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/33"}}),
        json!({"IpAddress": {"aws:SourceIp": "192.0.2.*"}}),
        json!({"IpAddress": {"aws:SourceIp": "${aws:SourceIp}"}}),
        json!({"IpAddress": {"aws:SourceIp": []}}),
        json!({"IpAddress": {}}),
        json!({"StringEquals": {}}),
        json!({"NotIpAddress": {"aws:SourceIp": []}}),
        json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.8/x"}}),
        json!({"IpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"}}),
        json!({"ipaddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:SecureTransport": true}}),
        json!({"Bool": {"aws:SecureTransport": "false"}, "NotIpAddress": {"aws:SourceIp": "192.0.2.7"}}),
        json!({"NumericLessThan": {"aws:MultiFactorAuthAge": 300}}),
        json!({"Null": {"aws:TokenIssueTime": ["true", false]}}),
    ] {
        judged(&policy(&[with("Allow", &condition)]), "GET /a", IMPLICIT);
        let both = [statement("Allow", json!("*")), with("Deny", &condition)];
        judged(&policy(&both), "GET /a", EXPLICIT);
        // Whatever it says, it says it of these resources.
        let mut elsewhere = with("Deny", &condition);
        elsewhere["Resource"] = json!(full("…/GET/b"));
        judged(
            &policy(&[statement("Allow", json!("*")), elsewhere]),
            "GET /a",
            ALLOWED,
        );
    }
}

/// What of a policy is not understood, wherever it stands, is known.
#[test]
fn what_is_not_understood_is_known() {
    for (member, value) in [
        ("Condition", json!({"StringEquals": {"aws:x": "y"}})),
        ("Action", json!("execute-api:${a}")),
        ("Resource", json!("${a}")),
    ] {
        for effect in ["Allow", "Deny"] {
            let mut one = statement(effect, json!("*"));
            let read =
                |one: &Value| PolicyDocument::read(&policy(std::slice::from_ref(one))).unwrap();
            assert!(read(&one).is_understood());
            one[member] = value.clone();
            let read = read(&one);
            assert!(!read.is_understood(), "{effect} {member}");
            assert!(read.judge(&arn("GET /a"), Some(source())).is_err());
        }
    }
}

#[test]
fn a_client_without_an_address_meets_no_condition_on_it() {
    for operator in ["IpAddress", "NotIpAddress"] {
        let condition = json!({operator: {"aws:SourceIp": "192.0.2.0/24"}});
        for (effect, expected) in [("Allow", IMPLICIT), ("Deny", EXPLICIT)] {
            let mut one = statement(effect, json!("*"));
            one["Condition"] = condition.clone();
            let mut statements = vec![one];
            if effect == "Deny" {
                statements.push(statement("Allow", json!("*")));
            }
            let read = PolicyDocument::read(&policy(&statements)).unwrap();
            assert_eq!(
                read.judge(&arn("GET /a"), None),
                expected,
                "{operator} {effect}"
            );
        }
    }
}

#[track_caller]
fn refused(policy: &Value) {
    assert_eq!(PolicyDocument::read(policy), None, "{policy}");
}

#[test]
fn what_iam_does_not_know_is_no_policy() {
    let good = statement("Allow", json!("*"));
    assert!(PolicyDocument::read(&policy(std::slice::from_ref(&good))).is_some());
    for (member, bad) in [
        ("Effect", json!("allow")),
        ("Effect", json!("")),
        ("Effect", json!(true)),
        ("Effect", Value::Null),
        ("Action", json!(7)),
        ("Action", json!(["*", 7])),
        ("Action", json!([["*"]])),
        ("Action", json!({})),
        ("Action", Value::Null),
        ("Resource", json!(null)),
        ("Resource", json!(["*", null])),
        ("Resource", json!({"a": "*"})),
        ("Resource", json!("a".repeat(513))),
        ("NotAction", json!("s3:*")),
        ("NotResource", json!("x")),
        ("Condition", json!("x")),
        ("Condition", json!([])),
        ("Condition", Value::Null),
        ("Condition", json!({"IpAddress": "192.0.2.0/24"})),
        ("Condition", json!({"IpAddress": {"aws:SourceIp": null}})),
        (
            "Condition",
            json!({"IpAddress": {"aws:SourceIp": {"a": "b"}}}),
        ),
        ("Condition", json!({"StringEquals": {"a": [["b"]]}})),
        ("Principal", json!("*")),
        ("effect", json!("Deny")),
        ("Comment", json!("x")),
        ("Sid", json!(1)),
    ] {
        let mut one = good.clone();
        one[member] = bad;
        refused(&policy(&[one.clone()]));
        refused(&policy(&[good.clone(), one.clone()]));
        refused(&json!({"Statement": one}));
    }
    for member in ["Effect", "Action", "Resource"] {
        let mut one = good.clone();
        one.as_object_mut().unwrap().remove(member);
        refused(&policy(&[one]));
    }
    for bad in [
        Value::Null,
        json!("x"),
        json!([]),
        json!({}),
        json!({"statement": [good.clone()]}),
        json!({"Statement": null}),
        json!({"Statement": "x"}),
        json!({"Statement": [good.clone(), null]}),
        json!({"Statement": [[good.clone()]]}),
        json!({"Version": 1, "Statement": [good.clone()]}),
        json!({"Id": 1, "Statement": [good.clone()]}),
        json!({"Statement": [good.clone()], "Statements": []}),
    ] {
        refused(&bad);
    }
    for fine in [
        json!({"Version": "2008-10-17", "Id": "x", "Statement": [good.clone()]}),
        json!({"Statement": good.clone()}),
        json!({"Statement": [{"Sid": "1", "Effect": "Allow", "NotAction": "s3:*", "NotResource": "x", "Condition": {}}]}),
        json!({"Statement": [statement("Allow", json!("a".repeat(512)))]}),
    ] {
        assert!(PolicyDocument::read(&fine).is_some(), "{fine}");
    }
}

#[test]
fn a_policy_has_at_most_so_many_statements_and_globs() {
    let statements = |count: usize| policy(&vec![statement("Allow", json!("*")); count]);
    assert!(PolicyDocument::read(&statements(256)).is_some());
    refused(&statements(257));
    // An action and 1,023 resources.
    let resources = |count: usize| policy(&[statement("Allow", json!(vec!["*"; count]))]);
    assert!(PolicyDocument::read(&resources(1023)).is_some());
    refused(&resources(1024));
    let spread = |count: usize| {
        let one = statement("Deny", json!(vec!["*"; count]));
        policy(&[one, statement("Allow", json!(vec!["*"; 511]))])
    };
    assert!(PolicyDocument::read(&spread(511)).is_some());
    refused(&spread(512));
}

/// The greatest policy, for a plain path: each resource shares its beginning with the ARN.
#[test]
fn the_greatest_policy_can_be_asked() {
    for effect in ["Allow", "Deny"] {
        let resources: Vec<_> = (0..1023)
            .map(|n| full(&format!("…/GET/orders/{n}/*")))
            .collect();
        let mut statements = vec![statement(effect, json!(resources[..1021]))];
        let expected = match effect {
            "Allow" => IMPLICIT,
            _ => {
                statements.push(statement("Allow", json!("*")));
                ALLOWED
            }
        };
        judged(&policy(&statements), "GET /orders/none/of/them", expected);
    }
}

/// A path with many readings under a policy that is costly to compare.
#[test]
fn what_costs_too_much_does_not_pass() {
    let costly = full(&format!("…/*{}c?", "a".repeat(20)));
    let statements = [
        statement("Deny", json!(vec![costly; 1000])),
        statement("Allow", json!("*")),
    ];
    judged(
        &policy(&statements),
        &format!("GET /{}b", "a".repeat(100)),
        Err(Denied::TooCostly),
    );
    judged(
        &policy(&statements[1..]),
        &format!("GET /{}b", "a".repeat(100)),
        ALLOWED,
    );
    let readings = format!("GET /{}", "%2F%5C;a//b".repeat(60));
    let deny = [
        statement("Deny", json!("x")),
        statement("Allow", json!("*")),
    ];
    judged(&policy(&deny), &readings, Err(Denied::TooCostly));
    judged(&policy(&deny[1..]), &readings, ALLOWED);
}

const PIECES: [&str; 14] = [
    "*", "*", "?", "/", "a", "b", "A", "admin", "%2A", "é", "%C3%A9", "%61", "a%20b", "",
];

fn random_resource(random: &mut Seed) -> String {
    let mut resource = match random.below(6) {
        0 => return "*".to_owned(),
        1 => "arn:aws:execute-api:*:*:*/".to_owned(),
        _ => full("…/"),
    };
    resource.push_str(random.pick(&["GET", "*", "HEAD", "POST", "G?T"]));
    for _ in 0..random.below(4) {
        resource.push('/');
        for _ in 0..random.below(3) {
            resource.push_str(random.pick(&PIECES));
        }
    }
    if random.below(40) == 0 {
        resource.push_str("${aws:username}");
    }
    resource
}

fn random_list(random: &mut Seed, mut one: impl FnMut(&mut Seed) -> String) -> Value {
    match random.below(3) {
        0 => json!(one(random)),
        _ => (0..random.below(4)).map(|_| one(random)).collect(),
    }
}

fn random_statement(random: &mut Seed) -> Value {
    let mut statement = json!({"Effect": random.pick(&["Allow", "Allow", "Deny"])});
    let action = |random: &mut Seed| {
        let actions = [
            "execute-api:Invoke",
            "execute-api:*",
            "*",
            "EXECUTE-API:INV*",
            "s3:*",
            "execute-api:?",
        ];
        random.pick(&actions).to_owned()
    };
    let name = random.pick(&["Action", "Action", "Action", "Action", "NotAction"]);
    statement[name] = random_list(random, action);
    let name = random.pick(&["Resource", "Resource", "Resource", "NotResource"]);
    statement[name] = random_list(random, random_resource);
    if random.below(5) == 0 {
        let operator = random.pick(&["IpAddress", "NotIpAddress", "StringEquals"]);
        let range = |random: &mut Seed| {
            let ranges = [
                "192.0.2.0/24",
                "192.0.2.7",
                "198.51.100.0/24",
                "::/0",
                "192.0.2.8/29",
            ];
            random.pick(&ranges).to_owned()
        };
        let mut ranges = random_list(random, range);
        if ranges == json!([]) {
            ranges = json!("0.0.0.0/0");
        }
        statement["Condition"] = json!({operator: {"aws:SourceIp": ranges}});
    }
    statement
}

pub(crate) fn random_policy(random: &mut Seed) -> Value {
    let statements: Vec<_> = (0..=random.below(4))
        .map(|_| random_statement(random))
        .collect();
    policy(&statements)
}

const NAMES: [&str; 14] = [
    "a", "b", "A", "admin", "Admin", "*", "%2A", "%C3%A9", "%c3%89", "%61", "a%20b", "", "%3F",
    "a;b",
];

pub(crate) fn random_request(random: &mut Seed) -> (&'static str, String) {
    let mut path = String::new();
    for _ in 0..=random.below(3) {
        path.push_str(random.pick(&["/", "/", "/", "/", "/", "%2F", "%5C", "//"]));
        path.push_str(random.pick(&NAMES));
    }
    if random.below(4) == 0 {
        path.push_str(random.pick(&["/", "%3Fx", "%23", "%2F", ";x"]));
    }
    (
        random.pick(&["GET", "GET", "HEAD", "POST"]),
        format!("/{}", path.trim_start_matches('/')),
    )
}

/// Some of them, in their order.
pub(crate) fn random_steps(random: &mut Seed) -> Vec<Step> {
    let mut steps = ORDER.to_vec();
    steps.retain(|_| random.below(3) == 0);
    steps
}

/// Two evaluators agree about the request as it stands; and where ours lets one pass, no server
/// that reads its path in another way serves what the policy denies by name.
#[test]
fn two_evaluators_agree_and_no_upstream_serves_what_is_denied() {
    let mut random = Seed::from_variable("POLICIES_SEED");
    let (mut passed, mut implicit, mut explicit, mut only_read) = (0, 0, 0, 0);
    let (mut left_out, mut too_costly) = (0, 0);
    for _ in 0..3_000 {
        let policy = random_policy(&mut random);
        let read = PolicyDocument::read(&policy).unwrap_or_else(|| panic!("no policy: {policy}"));
        for _ in 0..3 {
            let (method, path) = random_request(&mut random);
            let Ok(arn) = MethodArn::new(&api(), method.as_bytes(), path.as_bytes()) else {
                continue;
            };
            let found = read.judge(&arn, Some(source()));
            let context = format!("{method} {path} under {policy}");
            let expected = naive::says(&policy, arn.as_str(), source(), Letters::Exact);
            match (found, expected) {
                (Ok(()), Says::Allowed) => passed += 1,
                (Err(Denied::Implicitly), Says::ImplicitDeny) => implicit += 1,
                (Err(Denied::Explicitly), Says::ExplicitDeny) => explicit += 1,
                // In another reading, or another case.
                (Err(Denied::Explicitly), _) => only_read += 1,
                (Err(Denied::Implicitly), Says::Allowed) if naive::leaves_out(&policy) => {
                    left_out += 1;
                }
                // A path of separators and folded letters has many readings.
                (Err(Denied::TooCostly), _) => too_costly += 1,
                (found, expected) => panic!("{found:?}, and not {expected:?}: {context}"),
            }
            if found.is_err() {
                continue;
            }
            for _ in 0..8 {
                let steps = random_steps(&mut random);
                let mut text = upstream::text(arn.path().as_bytes(), &steps);
                let shorter = text.trim_end_matches('/');
                if random.below(2) == 0 && !shorter.is_empty() {
                    text = shorter.to_owned();
                }
                let method = match method {
                    "HEAD" => random.pick(&["GET", "HEAD"]),
                    method => method,
                };
                let (api, _) = arn.as_str().split_at(full("…").len());
                let served = format!("{api}/{method}{text}");
                for letters in [Letters::Exact, Letters::Caseless] {
                    let said = naive::denies_by_name(&policy, &served, source(), letters);
                    assert!(!said, "{served} after {steps:?}, {letters:?}: {context}");
                }
            }
        }
    }
    println!(
        "{passed} passed, {implicit} implicit, {explicit} explicit; {only_read} and {left_out} in a reading; \
         {too_costly} too costly"
    );
    assert!(passed > 1_000 && implicit > 1_000 && explicit > 300);
    assert!(only_read > 20 && left_out > 5 && too_costly < 10);
}
