//! What schemes and policies say beyond what API Gateway has them say, each beside what it has.

use super::imported;
use crate::import::note::Kind;
use serde_json::{Value, json};

const OPTIONS: [&str; 8] = [
    "--any-client",
    "--waive=api-keys",
    "--lambda-cluster=functions",
    "--api-id=x9y8z7w6v5",
    "--stage=live",
    "--aws-account=123456789012=https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws",
    "--audience=https://api.example.com",
    "--principals=arn:aws:iam::123456789012:role/billing",
];

fn definition(security: &Value) -> Value {
    let function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
        arn:aws:lambda:us-east-1:123456789012:function:f/invocations";
    json!({
        "openapi": "3.0.1",
        "paths": {"/a": {"get": {"security": security}}},
        "components": {"securitySchemes": {
            "pool": {
                "type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "cognito_user_pools",
                "x-amazon-apigateway-authorizer": {
                    "type": "cognito_user_pools",
                    "providerARNs": ["arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf123"],
                },
            },
            "function": {
                "type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "authorizerUri": function,
                    "identitySource": "method.request.header.Authorization",
                },
            },
            "iam": {
                "type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
            "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        }},
    })
}

/// Whether the operation is not closed, and what is listed.
fn carried(definition: &Value) -> (bool, Vec<String>) {
    let imported = imported(definition, &OPTIONS).unwrap();
    let lost = imported.notes.of(Kind::NotCarried);
    let rules = imported.text.split("rules:").nth(1).unwrap();
    let closed = rules.contains("allow: nobody");
    (!closed, lost.map(|note| note.text.clone()).collect())
}

#[track_caller]
fn is_carried(definition: &Value) {
    assert_eq!(carried(definition), (true, Vec::new()));
}

#[track_caller]
fn is_closed(definition: &Value, words: &str) {
    let (open, lost) = carried(definition);
    let listed = lost.len() == 1 && lost[0].contains(words);
    assert!(!open && listed, "{lost:#?}");
}

#[test]
fn scopes_of_a_scheme_that_has_none_close() {
    is_carried(&definition(&json!([{"iam": []}])));
    is_closed(
        &definition(&json!([{"iam": ["adm"]}])),
        "scopes beside \"iam\"",
    );
    is_carried(&definition(&json!([{"pool": ["adm"], "key": []}])));
    let key = json!([{"pool": ["adm"], "key": ["adm"]}]);
    is_closed(&definition(&key), "scopes beside \"key\"");
}

#[test]
fn a_scheme_of_signatures_and_of_an_authorizer_is_neither() {
    for scheme in ["pool", "function"] {
        let mut one = definition(&json!([{scheme: []}]));
        is_carried(&one);
        one["components"]["securitySchemes"][scheme]["x-amazon-apigateway-authtype"] =
            json!("awsSigv4");
        // One pool has to be left to write a configuration at all.
        one["components"]["securitySchemes"]["other"] =
            definition(&json!([]))["components"]["securitySchemes"]["pool"].clone();
        is_closed(&one, "beside an authorizer");
    }
}

#[test]
fn what_a_lambda_authorizer_has_not_closes() {
    let with = |name: &str, value: Value| {
        let mut one = definition(&json!([{"function": []}]));
        let schemes = &mut one["components"]["securitySchemes"];
        schemes["function"]["x-amazon-apigateway-authorizer"][name] = value;
        one
    };
    is_carried(&with(
        "authorizerCredentials",
        json!("arn:aws:iam::123456789012:role/r"),
    ));
    is_carried(&with("x-owner", json!("us")));
    for name in [
        "identitySources",
        "foo",
        "x-amazon-apigateway-foo",
        "providerARNs",
    ] {
        is_closed(&with(name, json!([])), "says what is not known here");
    }
}

#[test]
fn a_policy_about_another_api_closes() {
    let with = |resource: &str| {
        let mut one = definition(&json!([{"pool": []}]));
        let statement = json!({
            "Effect": "Allow",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": resource,
        });
        one["x-amazon-apigateway-policy"] = json!({"Statement": [statement]});
        one
    };
    is_carried(&with(
        "arn:aws:execute-api:us-east-1:123456789012:x9y8z7w6v5/*",
    ));
    let other = with("arn:aws:execute-api:us-east-1:123456789012:otherapi/*");
    is_closed(&other, "does not let everyone in");
    let said = |host: &str| {
        let mut one = with("arn:aws:execute-api:us-east-1:123456789012:abc123/*");
        one["servers"] = json!([{"url": format!("https://{host}")}]);
        let imported = imported(&one, &["--any-client"]).unwrap();
        let lost = imported.notes.of(Kind::NotCarried);
        lost.map(|note| note.text.clone())
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(said("abc123.execute-api.us-east-1.amazonaws.com/"), "");
    let another = said("abc124.execute-api.us-east-1.amazonaws.com/");
    assert!(
        !another.is_empty() && !another.contains("does not say"),
        "{another}"
    );
    assert!(!said("abc123.execute-api.us-east-2.amazonaws.com/").is_empty());
    assert!(said("api.example.com/").contains("does not say its API's id"));
}
