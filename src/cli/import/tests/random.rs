//! Definitions at random, from parts that are known.

#![allow(clippy::arithmetic_side_effects)]

use super::seed::Seed;
use crate::import::definition::Api;
use serde_json::{Map, Value, json};

const A: &str = "us-east-1_Aaaaaaaa1";
const B: &str = "us-east-1_Bbbbbbbb1";

fn cognito(pools: &[&str]) -> Value {
    let arn = |pool: &&str| format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{pool}");
    let arns: Vec<_> = pools.iter().map(arn).collect();
    json!({
        "type": "apiKey", "name": "Authorization", "in": "header",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": arns},
    })
}

fn jwt(pool: &str) -> Value {
    let issuer = format!("https://cognito-idp.us-east-1.amazonaws.com/{pool}");
    json!({
        "type": "oauth2",
        "x-amazon-apigateway-authorizer": {
            "type": "jwt", "identitySource": "$request.header.Authorization",
            "jwtConfiguration": {"issuer": issuer, "audience": ["c1", "c2"]},
        },
    })
}

/// Schemes whose tokens can be asked for, with their pools, and whether `id` and `access` differ.
pub(super) const TOKENS: [(&str, &[&str], bool); 4] = [
    ("a", &[A], true),
    ("b", &[B], true),
    ("both", &[A, B], true),
    ("jwt", &[A], false),
];
/// Schemes whose function can be asked, in each kind of API, if a cluster is named for it.
pub(super) const FUNCTIONS: [(&str, Api); 4] = [
    ("function", Api::Rest),
    ("function-too", Api::Rest),
    ("simple", Api::Http),
    ("policy", Api::Http),
];
/// The number of the account of every function.
const ACCOUNT: &str = "210987654321";

fn function(name: &str, kind: &str, more: &Value) -> Value {
    let arn = format!("arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{name}");
    let mut authorizer = json!({
        "type": kind,
        "authorizerUri": format!(
            "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        ),
    });
    for (member, value) in more.as_object().into_iter().flatten() {
        authorizer[member] = value.clone();
    }
    json!({
        "type": "apiKey", "name": "Authorization", "in": "header",
        "x-amazon-apigateway-authorizer": authorizer,
    })
}

/// Schemes that nothing here can ask for; the last is not even defined.
const OTHERS: [&str; 8] = [
    "lambda", "iam", "key", "header", "pattern", "foreign", "bearer", "missing",
];

pub(super) fn schemes() -> Value {
    let mut header = cognito(&[A]);
    header["name"] = json!("X-Token");
    let mut pattern = cognito(&[A]);
    pattern["x-amazon-apigateway-authorizer"]["identityValidationExpression"] = json!("app");
    let mut foreign = jwt(A);
    foreign["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["issuer"] =
        json!("https://example.com/");
    json!({
        "a": cognito(&[A]), "b": cognito(&[B]), "both": cognito(&[A, B]), "jwt": jwt(A),
        "header": header, "pattern": pattern, "foreign": foreign,
        "lambda": {"type": "apiKey", "x-amazon-apigateway-authorizer": {"type": "request"}},
        "iam": {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"},
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "function": function("one", "token", &json!({})),
        "function-too": function("two", "request", &json!({
            "identitySource": "method.request.header.Authorization", "authorizerResultTtlInSeconds": 0,
        })),
        "simple": function("one", "request", &json!({
            "identitySource": "$request.header.Authorization", "authorizerPayloadFormatVersion": "2.0",
            "enableSimpleResponses": true,
        })),
        "policy": function("two", "request", &json!({
            "identitySource": "$request.header.Authorization", "authorizerPayloadFormatVersion": "1.0",
        })),
    })
}

fn security(random: &mut Seed) -> Value {
    if random.below(12) == 0 {
        return random.pick(&[
            json!({"a": []}),
            json!("a"),
            json!(["a"]),
            json!([null]),
            json!(true),
        ]);
    }
    let mut alternatives = Vec::new();
    for _ in 0..random.pick(&[0, 1, 1, 1, 1, 2, 2, 3]) {
        let mut schemes = Map::new();
        for _ in 0..random.pick(&[0, 1, 1, 1, 1, 1, 1, 2]) {
            let name = match random.below(8) {
                0 | 1 => random.pick(&OTHERS),
                2 | 3 => random.pick(&FUNCTIONS).0,
                _ => random.pick(&TOKENS).0,
            };
            let scopes = random.pick(&[
                json!([]),
                json!([]),
                json!(["x"]),
                json!(["x", "y"]),
                json!(["z"]),
            ]);
            let scopes = if random.below(20) == 0 {
                json!("x")
            } else {
                scopes
            };
            let function = FUNCTIONS.iter().any(|(one, _)| *one == name);
            let scopes = if function && random.below(6) > 0 {
                json!([])
            } else {
                scopes
            };
            schemes.insert(name.to_owned(), scopes);
        }
        alternatives.push(Value::Object(schemes));
    }
    json!(alternatives)
}

const SEGMENTS: [&str; 10] = [
    "a", "a", "b", "c", "A", "{x}", "{x}", "{y}", "{r+}", "a%2Db",
];

pub(super) fn definition(random: &mut Seed) -> Value {
    let mut paths = Map::new();
    for _ in 0..random.below(7) + 1 {
        let mut path = String::new();
        for _ in 0..random.below(4) {
            path.push('/');
            path.push_str(random.pick(&SEGMENTS));
            if path.ends_with("+}") {
                break;
            }
        }
        if path.is_empty() || random.below(10) == 0 {
            path.push('/');
        }
        if random.below(10) == 0 {
            path = "/$default".to_owned();
        }
        let mut item = Map::new();
        for _ in 0..random.below(3) + 1 {
            let method = random.pick(&[
                "get",
                "get",
                "head",
                "post",
                "x-amazon-apigateway-any-method",
            ]);
            let mut operation = Map::new();
            if random.below(3) > 0 {
                operation.insert("security".to_owned(), security(random));
            }
            if random.below(12) == 0 {
                let kind = random.pick(&["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"]);
                operation.insert("x-amazon-apigateway-auth".to_owned(), json!({"type": kind}));
            }
            let operation = match random.below(30) == 0 {
                true => json!("an operation"),
                false => Value::Object(operation),
            };
            item.insert(method.to_owned(), operation);
        }
        paths.insert(path, Value::Object(item));
    }
    let mut definition = match random.below(2) == 0 {
        true => json!({"swagger": "2.0", "securityDefinitions": schemes()}),
        false => json!({"openapi": "3.0.1", "components": {"securitySchemes": schemes()}}),
    };
    definition["paths"] = Value::Object(paths);
    if random.below(4) == 0 {
        definition["security"] = security(random);
    }
    if random.below(4) == 0 {
        definition["x-amazon-apigateway-cors"] = json!({"allowOrigins": ["https://a.example.com"]});
    }
    if random.below(20) == 0 {
        let deny = json!([{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]);
        definition["x-amazon-apigateway-policy"] = json!({"Statement": deny});
    }
    definition
}
