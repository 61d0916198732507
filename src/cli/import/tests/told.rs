//! What integrations are told: every case beside one that differs in a single thing.

use super::imported;
use serde_json::{Value, json};

const CALLS: [&str; 3] = [
    "--lambda-cluster=functions",
    "--api-id=x9y8z7w6v5",
    "--stage=live",
];
const IAM: [&str; 3] = [
    "--aws-account=123456789012=https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws",
    "--audience=https://api.example.com",
    "--principals=arn:aws:iam::123456789012:role/billing",
];

/// A definition in which each operation has a scheme and an integration.
fn definition(operations: &[(&str, Value)]) -> Value {
    let mut paths = json!({});
    for (at, (scheme, integration)) in operations.iter().enumerate() {
        paths[format!("/{at}")] = json!({"get": {
            "security": [{*scheme: []}],
            "x-amazon-apigateway-integration": integration,
        }});
    }
    let scheme = |authorizer: Value| {
        json!({
            "type": "apiKey", "name": "Authorization", "in": "header",
            "x-amazon-apigateway-authorizer": authorizer,
        })
    };
    let function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
        arn:aws:lambda:us-east-1:123456789012:function:f/invocations";
    json!({
        "openapi": "3.0.1",
        "paths": paths,
        "components": {"securitySchemes": {
            "pool": scheme(json!({
                "type": "cognito_user_pools",
                "providerARNs": ["arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf123"],
            })),
            "function": scheme(json!({
                "type": "request",
                "authorizerUri": function,
                "identitySource": "method.request.header.Authorization",
            })),
            "iam": {
                "type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
        }},
    })
}

/// The lines about headers, and what is listed.
fn told(definition: &Value, options: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut all = vec!["--any-client"];
    all.extend(options);
    let imported = imported(definition, &all).unwrap();
    let lines = imported.text.lines();
    let headers = lines.filter(|line| line.contains("_headers: ") && !line.starts_with('#'));
    let lost = imported.notes.of(crate::import::note::Kind::NotCarried);
    let lost = lost.map(|note| format!("{}: {}", note.place, note.text));
    (headers.map(str::to_owned).collect(), lost.collect())
}

fn sets(header: &str, value: &str) -> Value {
    json!({"requestParameters": {format!("integration.request.header.{header}"): value}})
}

#[track_caller]
fn is_told(definition: &Value, options: &[&str], headers: &str) {
    let (found, lost) = told(definition, options);
    assert_eq!((found.join(" ").as_str(), lost), (headers, Vec::new()));
}

/// Nothing is set, and one note has this in it.
#[track_caller]
fn is_listed(definition: &Value, options: &[&str], words: &str) {
    let (found, lost) = told(definition, options);
    let one = lost.iter().any(|lost| lost.contains(words));
    assert!(found.is_empty() && one, "{found:?}\n{lost:#?}");
}

const SUB: &str = "claim_headers: [{claim: sub, header: x-sub}]";

#[test]
fn a_reference_to_an_integration_is_followed() {
    let one = |reference: &str| {
        let mut one = definition(&[("pool", json!({"$ref": reference}))]);
        let integration = sets("x-sub", "context.authorizer.claims.sub");
        one["components"]["x-amazon-apigateway-integrations"] = json!({"i1": integration});
        one
    };
    let at = "#/components/x-amazon-apigateway-integrations/";
    is_told(&one(&format!("{at}i1")), &[], SUB);
    is_listed(&one(&format!("{at}i2")), &[], "leads nowhere");
    is_listed(&one("other.yaml#/i1"), &[], "out of this file");
}

#[test]
fn a_reference_to_parameters_or_to_one_of_them_is_followed() {
    for (whole, reference) in [
        (true, "#/x-r"),
        (false, "#/x-r/integration.request.header.x-sub"),
    ] {
        let one = |reference: &str| {
            let part = json!({"$ref": reference});
            let parameters = match whole {
                true => part,
                false => json!({"integration.request.header.x-sub": part}),
            };
            let mut one = definition(&[("pool", json!({"requestParameters": parameters}))]);
            let said = sets("x-sub", "context.authorizer.claims.sub");
            one["x-r"] = said["requestParameters"].clone();
            one
        };
        is_told(&one(reference), &[], SUB);
        is_listed(&one("#/x-s"), &[], "leads nowhere");
    }
}

#[test]
fn a_template_that_is_referred_to_is_looked_at() {
    let one = |text: &str| {
        let templates = json!({"application/json": {"$ref": "#/x-t"}});
        let mut one = definition(&[("pool", json!({"requestTemplates": templates}))]);
        one["x-t"] = json!(text);
        one
    };
    is_told(&one("{\"a\": \"${input.params('a')}\"}"), &[], "");
    is_listed(
        &one("{\"a\": \"$context.authorizer.claims.sub\"}"),
        &[],
        "GET /0",
    );
}

#[test]
fn what_a_template_leaves_open_is_listed() {
    let parameters = &sets("x-sub", "context.authorizer.claims.sub")["requestParameters"];
    for integration in [
        json!({"Fn::Transform": {"Name": "AWS::Include"}}),
        json!({"requestParameters": {"Ref": "X"}}),
        json!({"requestParameters": "${parameters}"}),
        json!({"requestParameters": {"Fn::If": ["a", parameters, {}]}}),
        json!({"requestParameters": {"integration.request.header.x-sub": {"Ref": "X"}}}),
        json!({"requestParameters": {"integration.request.header.x-sub": "${X}"}}),
        json!({"requestParameters": {"integration.request.querystring.sub": "${X}"}}),
        json!({"requestTemplates": {"Fn::Transform": {"Name": "AWS::Include"}}}),
        json!("${integration}"),
    ] {
        is_listed(&definition(&[("pool", integration)]), &[], "cannot be read");
    }
    // What else a template leaves open tells an upstream nothing of the caller.
    let mut one = json!({"uri": {"Fn::Sub": "https://${Host}"}, "requestParameters": parameters});
    is_told(&definition(&[("pool", one.clone())]), &[], SUB);
    // A header that is in sight is set, whatever stands beside it.
    one["Fn::Transform"] = json!({"Name": "AWS::Include"});
    let (headers, lost) = told(&definition(&[("pool", one)]), &[]);
    assert_eq!((headers.join(" ").as_str(), lost.len()), (SUB, 1));
}

#[test]
fn values_that_are_not_of_the_caller_are_nobodys_loss() {
    for value in [
        "method.request.header.a",
        "'${X}'",
        "$request.header.a",
        "${request.header.a}-${stageVariables.b}",
        "${context.requestId}",
    ] {
        is_told(&definition(&[("pool", sets("x-a", value))]), &[], "");
    }
    is_listed(
        &definition(&[("pool", sets("x-a", "${X}"))]),
        &[],
        "found a placeholder",
    );
    let caller = "${context.authorizer.claims.sub}";
    is_listed(&definition(&[("pool", sets("x-a", caller))]), &[], "GET /0");
}

#[test]
fn only_a_plain_name_is_carried_over() {
    let claim = |claim: &str| {
        let value = format!("context.authorizer.claims.{claim}");
        definition(&[("pool", sets("x-a", &value))])
    };
    for plain in ["sub", "cognito:groups", "custom:org_id", "a-b"] {
        let scalar = format!("claim_headers: [{{claim: {plain}, header: x-a}}]");
        is_told(&claim(plain), &[], &scalar);
    }
    for other in [
        "sub ",
        "a b",
        "${K}",
        "{{k}}",
        "%Env%",
        "sub-$context.stage",
        "sub/${S}",
        "sub/a",
        "a.b",
        "",
    ] {
        is_listed(&claim(other), &[], "integration");
    }
    let key = |key: &str| {
        let value = format!("context.authorizer.{key}");
        definition(&[("function", sets("x-a", &value))])
    };
    let carried = "context_headers: [{header: x-a, key: tenant}]";
    is_told(&key("tenant"), &CALLS, carried);
    for other in ["tenant ", "a b", "${K}", "{{k}}", "%Env%", "a.b"] {
        is_listed(&key(other), &CALLS, "integration");
    }
    for header in ["x-${Env}", "x-%Env%", "x-{{e}}"] {
        let one = sets(header, "context.authorizer.claims.sub");
        is_listed(&definition(&[("pool", one)]), &[], "integration");
    }
}

#[test]
fn what_integrations_are_told_in_different_ways_is_told_to_none() {
    let two = |value: &str| {
        let one = sets("x-sub", "context.authorizer.claims.sub");
        definition(&[("pool", one), ("pool", sets("X-Sub", value))])
    };
    is_told(&two("context.authorizer.claims.sub"), &[], SUB);
    for (value, words) in [
        (
            "context.authorizer.claims.email",
            "header x-sub; here every upstream would be told one, and so none is, and what clients \
             send in it gets there: the claim email (GET /1); the claim sub (GET /0)",
        ),
        (
            "method.request.header.x-sub",
            "method.request.header.x-sub (GET /1)",
        ),
        (
            "context.identity.sourceIp",
            "context.identity.sourceIp (GET /1)",
        ),
        ("'secret'", "another text (GET /1)"),
        ("${X}", "something that cannot be read (GET /1)"),
        (
            "context.authorizer.tenant",
            "tenant of a function's context (GET /1)",
        ),
        (
            "context.authorizer.claims.a b",
            "something of the caller in it (GET /1)",
        ),
    ] {
        is_listed(&two(value), &[], words);
        assert!(!format!("{:?}", told(&two(value), &[])).contains("secret"));
    }
}

#[test]
fn an_integration_that_is_told_twice_in_one_header_is_not() {
    let one = |again: &str| {
        let parameters = json!({
            "integration.request.header.x-sub": "context.authorizer.claims.sub",
            "integration.request.header.X-SUB": again,
        });
        definition(&[("pool", json!({"requestParameters": parameters}))])
    };
    is_told(&one("context.authorizer.claims.sub"), &[], SUB);
    is_listed(
        &one("context.authorizer.claims.email"),
        &[],
        "different things",
    );
    is_listed(&one("'a'"), &[], "different things");
}

/// Others are carried over beside a header about which integrations disagree.
#[test]
fn a_disputed_header_is_alone() {
    let claim = |claim: &str| format!("context.authorizer.claims.{claim}");
    let with = |mail: &str| {
        json!({"requestParameters": {
            "integration.request.header.x-sub": claim("sub"),
            "integration.request.header.x-mail": claim(mail),
        }})
    };
    let both = definition(&[("pool", with("email")), ("pool", with("username"))]);
    let (headers, lost) = told(&both, &[]);
    assert_eq!((headers.join(" ").as_str(), lost.len()), (SUB, 1));
}

#[test]
fn what_the_operations_own_authorizer_does_not_find_is_listed() {
    let claim = "context.authorizer.claims.sub";
    let key = "context.authorizer.principalId";
    let with = |scheme: &str, value: &str| {
        let other = if scheme == "pool" { "function" } else { "pool" };
        definition(&[(other, json!({})), (scheme, sets("x-sub", value))])
    };
    let context = "context_headers: [{header: x-sub, key: principalId}]";
    is_told(&with("pool", claim), &CALLS, SUB);
    is_told(&with("function", key), &CALLS, context);
    let words = "own authorizer does not find, and no upstream is: GET /1 (x-sub: ";
    is_listed(&with("pool", key), &CALLS, words);
    is_listed(&with("function", claim), &CALLS, words);
    is_listed(&with("iam", claim), &IAM, words);
}
