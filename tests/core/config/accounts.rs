//! `aws_accounts`, `require.principals` and `principal_headers`.

use super::{accepted, case, changed, read};
use cognito_authorizer::policy::{Issuer, KeySource};
use cognito_authorizer::rules::requirement::{AnyOf, WantedUse};
use serde_json::{Value, json};
use std::time::Duration;

const ISSUER: &str = "https://a1d2b0fd-1177-4468-9351-2fe000000723.tokens.sts.global.api.aws";

fn account() -> Value {
    json!({
        "account": "123456789012",
        "issuer": ISSUER,
        "audiences": ["https://api.example.com"],
        "jwks": {"cluster": "aws_tokens"},
    })
}

/// The account with one member changed, or taken out by `null`.
fn with(member: &str, value: Value) -> Value {
    let mut account = account();
    match value {
        Value::Null => drop(account.as_object_mut().unwrap().remove(member)),
        value => account[member] = value,
    }
    json!({"/aws_accounts": [account]})
}

#[track_caller]
fn refused(member: &str, value: Value, problem: &str) {
    let twin = json!({"/aws_accounts": [account()]});
    case(with(member, value), problem, twin);
}

#[test]
fn an_account_and_its_defaults() {
    let policy = accepted(json!({"/aws_accounts": [account()]}));
    let [account] = policy.issuers.accounts() else {
        panic!("one account");
    };
    assert_eq!(account.number, "123456789012");
    assert_eq!(account.partition, "aws");
    assert_eq!(account.issuer, ISSUER);
    assert_eq!(account.audiences, ["https://api.example.com"]);
    assert_eq!(account.organization, AnyOf::Unrestricted);
    assert_eq!(account.max_token_age, Duration::from_secs(3600));
    let KeySource::Fetched(source) = &account.keys else {
        panic!("{:?}", account.keys);
    };
    assert_eq!(
        source.endpoint.uri,
        format!("{ISSUER}/.well-known/jwks.json")
    );
    assert_eq!(policy.issuers.labels(), [super::POOL, "123456789012"]);
    let index = policy.issuers.by_iss(ISSUER).unwrap();
    assert!(matches!(
        policy.issuers.get(index),
        Some(Issuer::Account(_))
    ));
    let young = accepted(with("max_token_age", json!("15m")));
    let young = &young.issuers.accounts()[0];
    assert_eq!(young.max_token_age, Duration::from_secs(900));
}

#[test]
fn a_partition_follows_from_the_issuer() {
    for (host, partition) in [
        ("x.tokens.sts.global.api.aws", "aws"),
        ("x.tokens.sts.global.api.amazonwebservices.com.cn", "aws-cn"),
        ("[::1]:8080", "aws"),
        ("127.0.0.1:8080", "aws"),
        ("x.tokens.sts.us-gov-west-1.api.aws:443", "aws-us-gov"),
    ] {
        let policy = accepted(with("issuer", json!(format!("https://{host}"))));
        assert_eq!(policy.issuers.accounts()[0].partition, partition, "{host}");
    }
}

#[test]
fn every_field_is_checked() {
    let digits = "expected the twelve digits of an AWS account, in quotes";
    for (value, found) in [
        (json!("12345678901"), "found \"12345678901\"; "),
        (json!("1234-5678-9012"), "found \"1234-5678-9012\"; "),
        (json!(""), "found \"\"; "),
        (Value::Null, "missing; "),
    ] {
        let problem = format!("aws_accounts[0].account: {found}{digits}");
        refused("account", value, &problem);
    }
    refused(
        "account",
        json!(123_456_789_012_u64),
        &format!("aws_accounts[0].account: found 123456789012; {digits}; quote it"),
    );
    refused(
        "issuer",
        Value::Null,
        "aws_accounts[0].issuer: missing; expected the account's issuer, such as https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws",
    );
    refused(
        "issuer",
        json!("original"),
        "aws_accounts[0].issuer: found \"original\"; expected an absolute URL such as https://host/path",
    );
    refused(
        "issuer",
        json!("https://h/?a"),
        "aws_accounts[0].issuer: found \"https://h/?a\"; expected a URL without query",
    );
    let audiences = "a list of audiences such as https://api.example.com";
    for (value, problem) in [
        (Value::Null, format!("missing; expected {audiences}")),
        (json!("any"), format!("found \"any\"; expected {audiences}")),
        (
            json!([]),
            format!("found an empty list; expected {audiences}"),
        ),
    ] {
        let problem = format!("aws_accounts[0].audiences: {problem}");
        refused("audiences", value, &problem);
    }
    for audience in ["any", "*", "https://*.example.com"] {
        refused(
            "audiences",
            json!([audience]),
            &format!(
                "aws_accounts[0].audiences[0]: found {audience:?}; expected an audience that is compared to the letter: this check is never waived"
            ),
        );
    }
    refused(
        "audiences",
        json!(["a", "a"]),
        "aws_accounts[0].audiences[1]: found \"a\" as in aws_accounts[0].audiences[0]; expected each once",
    );
    refused(
        "jwks",
        Value::Null,
        "aws_accounts[0].jwks: missing; expected an object with cluster, or with inline keys",
    );
    for organization in [
        "abc1234567",
        "o-",
        "o-ABC1234567",
        "arn:aws:organizations::1:organization/o-abc1234567",
    ] {
        refused(
            "organization",
            json!(organization),
            &format!(
                "aws_accounts[0].organization: found {organization:?}; expected the id of an AWS organization such as o-abc1234567"
            ),
        );
    }
    accepted(with("organization", json!("o-abc1234567")));
    for age in ["59s", "61m"] {
        refused(
            "max_token_age",
            json!(age),
            &format!(
                "aws_accounts[0].max_token_age: found {age:?}; expected a duration from 1m to 1h"
            ),
        );
    }
    refused(
        "accounts",
        json!("x"),
        "aws_accounts[0].accounts: found an unknown field; did you mean account?",
    );
}

#[test]
fn there_are_not_too_many() {
    let many = |count: usize| {
        let accounts = (0..count).map(|number| {
            let mut account = account();
            account["issuer"] = json!(format!("{ISSUER}/{number}"));
            account
        });
        json!({"/aws_accounts": accounts.collect::<Vec<_>>()})
    };
    case(
        many(101),
        "aws_accounts: found 101 AWS accounts; expected at most 100",
        many(100),
    );
}

#[test]
fn an_issuer_stands_once() {
    let mut second = account();
    second["account"] = json!("123456789013");
    let twice = json!({"/aws_accounts": [account(), second.clone()]});
    second["issuer"] = json!(format!("{ISSUER}/2"));
    case(
        twice,
        &format!(
            "aws_accounts[1].issuer: found the issuer of aws_accounts[0], {ISSUER}; expected each issuer once"
        ),
        json!({"/aws_accounts": [account(), second]}),
    );
    case(
        json!({"/user_pools/0/issuer": ISSUER, "/aws_accounts": [account()]}),
        &format!(
            "aws_accounts[0].issuer: found the issuer of user_pools[0], {ISSUER}; expected each issuer once"
        ),
        json!({"/aws_accounts": [account()]}),
    );
}

#[test]
fn without_user_pools_nothing_is_asked_of_users() {
    let alone = json!({
        "-/user_pools": 0, "-/token": 0, "/aws_accounts": [account()],
        "/default": "nobody",
        "/rules": [{"match": {"path": "/a"}, "require": {"principals": "any"}}],
    });
    let policy = accepted(alone.clone());
    assert!(policy.issuers.pools().is_empty());
    assert_eq!(policy.token.token_use, WantedUse::Any);
    assert_eq!(policy.token.cache_entries, 4096);
    let mut places = alone.clone();
    places["/token"] = json!({"from": [{"header": "x-token"}]});
    places.as_object_mut().unwrap().remove("-/token");
    accepted(places);
    // Other than here, both are required.
    for empty in [json!([]), Value::Null] {
        let mut changes = alone.clone();
        match empty {
            Value::Null => drop(changes.as_object_mut().unwrap().remove("/aws_accounts")),
            empty => changes["/aws_accounts"] = empty,
        }
        changes["/rules"] = json!([{"match": {"path": "/a"}, "allow": "anyone"}]);
        case(
            changes,
            "user_pools: missing; expected a list of 1 to 1000 user pools\ntoken.use: missing; expected id, access or any",
            json!({"/default": "nobody", "/rules": [{"match": {"path": "/a"}, "allow": "anyone"}]}),
        );
    }
    case(
        json!({"/user_pools": [], "/aws_accounts": [account()]}),
        "user_pools: found an empty list; expected a list of 1 to 1000 user pools",
        json!({"/aws_accounts": [account()]}),
    );
}

fn rule(require: Value) -> Value {
    json!({
        "/aws_accounts": [account()],
        "/default": "nobody",
        "/rules": [{"match": {"template": "/a/{b}"}, "require": require}],
    })
}

#[track_caller]
fn rule_refused(require: Value, problem: &str) {
    let twin = json!({"principals": ["arn:aws:iam::123456789012:role/billing"]});
    case(
        rule(require),
        &format!("rules[0].require.{problem}"),
        rule(twin),
    );
}

#[test]
fn principals_are_arns_of_the_accounts() {
    for good in [
        json!("any"),
        json!(["arn:aws:iam::123456789012:role/billing"]),
        json!([
            "arn:aws:iam::123456789012:role/batch/*",
            "arn:aws:iam::123456789012:user/ann"
        ]),
        json!(["arn:aws:iam::123456789012:role/*"]),
    ] {
        accepted(rule(json!({"principals": good})));
    }
    accepted(rule(json!({"principals": "any", "claims": {"sub": "{b}"}})));
    let list = "a list of ARNs of roles and users, or \"any\"";
    rule_refused(
        json!({"principals": []}),
        &format!("principals: found an empty list; expected {list}"),
    );
    rule_refused(
        json!({"principals": "arn:aws:iam::123456789012:role/billing"}),
        &format!("principals: found \"arn:aws:iam::123456789012:role/billing\"; expected {list}"),
    );
    rule_refused(
        json!({"principals": ["any"]}),
        "principals[0]: found \"any\" in a list; expected the bare word any",
    );
    rule_refused(
        json!({"principals": ["arn:aws:sts::123456789012:assumed-role/billing/s"]}),
        "principals[0]: found \"arn:aws:sts::123456789012:assumed-role/billing/s\", which is a session; expected its role, arn:aws:iam::123456789012:role/billing, with the role's path if it has one",
    );
    rule_refused(
        json!({"principals": ["arn:aws:iam::123456789012:role/batch*"]}),
        "principals[0]: found \"arn:aws:iam::123456789012:role/batch*\"; expected \"*\" alone after the last \"/\", or an exact ARN",
    );
    rule_refused(
        json!({"principals": ["arn:aws:iam::123456789013:role/billing"]}),
        "principals[0]: found \"arn:aws:iam::123456789013:role/billing\"; expected a principal of an account of aws_accounts",
    );
    rule_refused(
        json!({"principals": ["arn:aws-cn:iam::123456789012:role/billing"]}),
        "principals[0]: found \"arn:aws-cn:iam::123456789012:role/billing\"; expected arn:aws:iam::123456789012:…, by the host of the account's issuer",
    );
    let without = |principals: Value| json!({"/default": "nobody", "/rules": [{"match": {"path": "/a"}, "require": {"principals": principals}}]});
    case(
        without(json!("any")),
        "rules[0].require.principals: found \"any\", but there are no aws_accounts; expected one whose principals are meant",
        rule(json!({"principals": "any"})),
    );
}

#[test]
fn only_claims_stand_beside_principals() {
    for (member, value) in [
        ("token_use", json!("id")),
        ("pools", json!("any")),
        ("clients", json!(["4hq8abcd"])),
        ("scopes", json!(["a"])),
        ("groups", json!(["a"])),
        ("max_auth_age", json!("1h")),
    ] {
        rule_refused(
            json!({"principals": "any", member: value}),
            &format!(
                "{member}: found beside principals, of which it says nothing; expected claims alone beside them"
            ),
        );
    }
    // With several pools, too, whose words the claims are is clear.
    let mut several = rule(json!({"principals": "any", "claims": {"a": "b"}}));
    several["/user_pools/1"] = json!({
        "user_pool_id": "eu-west-1_Other0002", "client_ids": "any", "jwks": {"cluster": "keys"},
    });
    accepted(several.clone());
    several["/rules"] = json!([{"match": {"path": "/a"}, "require": {"claims": {"a": "b"}}}]);
    assert!(read(&changed(&several)).is_err());
}

#[test]
fn one_header_stands_in_one_list() {
    let headers = |claims: Value, principals: Value| json!({"/claim_headers": claims, "/principal_headers": principals, "/payload_header": "x-payload"});
    let one = |header: &str| json!([{"header": header, "claim": "sub"}]);
    let policy = accepted(headers(one("x-sub"), one("x-aws-principal")));
    let names: Vec<_> = policy
        .claim_headers
        .names()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(names, ["x-sub", "x-payload", "x-aws-principal"]);
    let twin = headers(one("x-sub"), one("x-aws-principal"));
    for (header, problem) in [
        (
            "x-sub",
            "found \"x-sub\", the target of claim_headers[0].header; expected each target once",
        ),
        (
            "x-payload",
            "found \"x-payload\", the target of payload_header; expected each target once",
        ),
        (
            "x_sub",
            "found \"x_sub\", which servers that fold header names take for \"x-sub\", the target of claim_headers[0].header; expected another header, or header_aliases: keep",
        ),
        (
            "authorization",
            "\"authorization\" is reserved; expected a header of your own, such as x-cognito-sub",
        ),
    ] {
        case(
            headers(one("x-sub"), one(header)),
            &format!("principal_headers[0].header: {problem}"),
            twin.clone(),
        );
    }
    case(
        json!({"/principal_headers": [{"header": "x-a"}]}),
        "principal_headers[0].claim: missing; expected the name of a claim or a JSON Pointer, or a list of them",
        json!({"/principal_headers": one("x-a")}),
    );
}
