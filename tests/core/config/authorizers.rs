//! `authorizers`, rules that ask them, and `context_headers`.

use super::{accepted, case, changed, read};
use cognito_authorizer::authorizer::event::{Format, HeaderNames};
use cognito_authorizer::policy::{IdentityPattern, Memory};
use cognito_authorizer::rules::{Access, AuthorizerIndex};
use serde_json::{Value, json};
use std::time::Duration;

fn authorizer() -> Value {
    json!({
        "name": "partners",
        "type": "request",
        "format": "rest",
        "function": "partner-auth",
        "cluster": "lambda",
        "answer": "policy",
        "identity": [{"header": "Authorization"}],
        "cache": {"ttl": "5m"},
        "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"},
    })
}

/// The authorizer with members changed, or taken out by `null`.
fn with(changes: Value) -> Value {
    let mut authorizer = authorizer();
    for (member, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(authorizer.as_object_mut().unwrap().remove(member)),
            value => authorizer[member.as_str()] = value.clone(),
        }
    }
    json!({"/authorizers": [authorizer]})
}

#[track_caller]
fn refused(changes: Value, problem: &str) {
    case(
        with(changes),
        &format!("authorizers[0].{problem}"),
        with(json!({})),
    );
}

#[test]
fn an_authorizer_and_its_defaults() {
    let policy = accepted(with(json!({})));
    let [one] = policy.authorizers.as_slice() else {
        panic!("one authorizer");
    };
    assert_eq!(one.name, "partners");
    assert_eq!(one.settings.format, Format::Rest);
    assert_eq!(one.settings.header_names, HeaderNames::Canonical);
    assert!(matches!(one.pattern, IdentityPattern::Any));
    let memory = Memory {
        ttl: Duration::from_secs(300),
        entries: 4096,
    };
    assert_eq!(one.memory, memory);
    assert_eq!(one.endpoint.authority, "lambda.us-east-1.amazonaws.com");
    assert_eq!(
        one.endpoint.path,
        "/2015-03-31/functions/partner-auth/invocations"
    );
    assert_eq!(one.endpoint.timeout, Duration::from_secs(5));
}

#[test]
fn a_function_is_named_in_its_own_region() {
    for (function, authority) in [
        (
            "arn:aws:lambda:eu-west-1:123456789012:function:f:live",
            "lambda.eu-west-1.amazonaws.com",
        ),
        (
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:f",
            "lambda.cn-north-1.amazonaws.com.cn",
        ),
        ("f:$LATEST", "lambda.us-east-1.amazonaws.com"),
    ] {
        let policy = accepted(with(json!({"function": function})));
        let endpoint = &policy.authorizers[0].endpoint;
        assert_eq!(endpoint.authority, authority);
        assert_eq!(
            endpoint.path,
            format!("/2015-03-31/functions/{function}/invocations")
        );
    }
    let uri = json!({"function": null, "uri": "https://auth.example.com:8443/check?v=1"});
    let endpoint = &accepted(with(uri)).authorizers[0].endpoint;
    assert_eq!(
        (&*endpoint.authority, &*endpoint.path),
        ("auth.example.com:8443", "/check?v=1")
    );
    for function in [
        "arn:aws:lambda:cn-north-1:123456789012:function:f",
        "arn:aws:s3:us-east-1:123456789012:function:f",
        "arn:aws:lambda:us-east-1:123456789012:layer:f",
        "arn:aws:lambda:us-east-1:1234:function:f",
        "f/x",
        "f:a:b",
    ] {
        let problem = format!(
            "function: found {function:?}; expected the ARN or the name of a Lambda function"
        );
        refused(json!({"function": function}), &problem);
    }
    refused(
        json!({"function": null}),
        "function: missing; expected the ARN or the name of a Lambda function, or uri for another service",
    );
    refused(
        json!({"uri": "https://h/"}),
        "uri: found beside function; expected one of the two",
    );
}

#[test]
fn parts_of_an_authorizer_are_held_to_their_bounds() {
    for (changes, problem) in [
        (
            json!({"name": "a/b"}),
            r#"name: found "a/b"; expected a name of letters, digits, "-", "_" and ".", at most 64"#,
        ),
        (
            json!({"type": "lambda"}),
            r#"type: found "lambda"; expected token or request"#,
        ),
        (
            json!({"format": null}),
            "format: missing; expected rest, '1.0' or '2.0'",
        ),
        (
            json!({"format": 2.0}),
            "format: found 2; expected rest, '1.0' or '2.0'; quote it",
        ),
        (
            json!({"type": "token"}),
            "format: found beside type: token, which has one format; expected it beside type: request",
        ),
        (
            json!({"timeout": "99ms"}),
            r#"timeout: found "99ms"; expected a duration from 100ms to 30s"#,
        ),
        (
            json!({"answer": "simple"}),
            "answer: found simple, which format '2.0' alone has; expected policy",
        ),
        (
            json!({"identity": null}),
            "identity: missing; expected a list of places by which answers are told apart, or cache.ttl: 0s",
        ),
        (
            json!({"identity": []}),
            "identity: found an empty list; expected a list of places: header, query or context",
        ),
        (
            json!({"identity": [{"header": "a"}, {"header": "A"}]}),
            "identity[1]: found the place of authorizers[0].identity[0]; expected each once",
        ),
        (
            json!({"identity": [{"header": "a", "query": "b"}]}),
            "identity[0]: found header and query; expected one of header, query and context",
        ),
        (
            json!({"identity": [{"context": "stage"}]}),
            r#"identity[0].context: found "stage"; expected path, method, route or source_ip"#,
        ),
        (
            json!({"pattern": "x"}),
            "pattern: found beside type: request; expected it beside type: token",
        ),
        (
            json!({"cache": {}}),
            "cache.ttl: missing; expected a duration from 0s to 1h",
        ),
        (
            json!({"cache": {"ttl": "2h"}}),
            r#"cache.ttl: found "2h"; expected a duration from 0s to 1h"#,
        ),
        (
            json!({"cache": {"ttl": "5m", "entries": 0}}),
            "cache.entries: found 0; expected a whole number from 1 to 65536",
        ),
        (
            json!({"api": {"region": "us-east-1", "account_id": "1", "api_id": "a", "stage": "prod"}}),
            r#"api.account_id: found "1"; expected the twelve digits of an AWS account, in quotes"#,
        ),
        (
            json!({"api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a", "stage": "p/q"}}),
            r#"api.stage: found "p/q"; expected the name of a stage, or $default"#,
        ),
        (
            json!({"header_names": "upper"}),
            r#"header_names: found "upper"; expected canonical or lower"#,
        ),
    ] {
        refused(changes, problem);
    }
    case(
        with(json!({"format": "2.0", "header_names": "lower"})),
        "authorizers[0].header_names: found beside format '2.0', which has lower case; expected none",
        with(json!({"format": "2.0"})),
    );
    case(
        with(json!({"type": "token", "format": null, "pattern": "\\bx"})),
        r#"authorizers[0].pattern: found "\\bx"; expected an expression of plain characters, classes, groups, alternatives and small repetitions"#,
        with(json!({"type": "token", "format": null, "pattern": "x"})),
    );
    case(
        with(json!({"type": "token", "format": null, "identity": [{"query": "t"}]})),
        "authorizers[0].identity: found other places; expected one header, for type: token",
        with(json!({"type": "token", "format": null})),
    );
    // What people copy from each other.
    let jwt = r"^Bearer [A-Za-z0-9-_=]+\.[A-Za-z0-9-_=]+\.?[A-Za-z0-9-_.+/=]*$";
    accepted(with(
        json!({"type": "token", "format": null, "pattern": jwt}),
    ));
    accepted(with(json!({"identity": null, "cache": {"ttl": "0s"}})));
}

#[test]
fn names_are_told_apart_and_answers_bounded_in_all() {
    let two = |name: &str, entries: usize| {
        let mut other = authorizer();
        other["name"] = json!(name);
        other["cache"]["entries"] = json!(entries);
        json!({"/authorizers": [authorizer(), other]})
    };
    case(
        two("partners", 1),
        "authorizers[1].name: found the name of authorizers[0]; expected each name once",
        two("others", 1),
    );
    case(
        two("others", 61_441),
        "authorizers[1].cache.entries: found 65537 with those of the authorizers before; expected at most 65536 in all",
        two("others", 61_440),
    );
}

/// A rule that asks for this.
fn rule(rule: Value, default: Value) -> Value {
    let mut rule = rule;
    rule["match"] = json!({"path": "/p"});
    json!({"/authorizers": [authorizer()], "/rules": [rule], "/default": default})
}

#[test]
fn rules_name_authorizers() {
    let asks = json!({"authorizer": "partners"});
    let policy = accepted(rule(asks.clone(), asks.clone()));
    let expected = Access::Authorizer(AuthorizerIndex(0));
    assert_eq!(policy.rules.default(), &expected);
    assert!(policy.rules.iter().all(|(_, access)| *access == expected));
    assert!(policy.decides_by_methods());
    let twin = || rule(json!({"authorizer": "partners"}), json!("nobody"));
    for (one, problem) in [
        (
            json!({"authorizer": "partner"}),
            r#"found "partner"; expected the name of one of authorizers; did you mean partners?"#,
        ),
        (
            json!({"authorizer": "partners", "allow": "anyone"}),
            "found beside allow; expected one of the two",
        ),
        (
            json!({"authorizer": "partners", "require": {"token_use": "id"}}),
            "found beside require; expected one of the two",
        ),
        (
            json!({"authorizer": "partners", "enforce": "report"}),
            "found where enforce is report; expected enforce: all, for an authorizer is always obeyed",
        ),
    ] {
        case(
            rule(one, json!("nobody")),
            &format!("rules[0].authorizer: {problem}"),
            twin(),
        );
    }
}

/// Unsafe paths and methods are under the word for all: with `report` they would go on although no
/// authorizer was asked, whatever its own rule says.
#[test]
fn nothing_is_only_reported_beside_an_authorizer() {
    let asks = json!({"authorizer": "partners"});
    let own = |word: &str| json!({"authorizer": "partners", "enforce": word});
    let document = |rules: Value, default: &Value, word: &str| json!({"/authorizers": [authorizer()], "/rules": rules, "/default": default, "/enforce": word});
    let at = |path: &str, mut rule: Value| {
        rule["match"] = json!({"path": path});
        rule
    };
    let token = at("/t", json!({"enforce": "report"}));
    let for_all = |place: &str| {
        format!(
            "enforce: found report, with {place}; expected enforce: report on rules without an authorizer alone, for unsafe requests go on under the word for all, and an authorizer is always obeyed"
        )
    };
    for (rules, default, place) in [
        (
            json!([at("/a", asks.clone())]),
            json!("nobody"),
            "rules[0].authorizer",
        ),
        (
            json!([at("/a", own("all"))]),
            json!("nobody"),
            "rules[0].authorizer",
        ),
        (
            json!([token, at("/a", own("all"))]),
            json!("nobody"),
            "rules[1].authorizer",
        ),
        (json!([]), asks.clone(), "default.authorizer"),
    ] {
        case(
            document(rules.clone(), &default, "report"),
            &for_all(place),
            document(rules, &default, "all"),
        );
    }
    let both = json!([
        at("/a", own("report")),
        at("/b", own("all")),
        at("/c", own("report"))
    ]);
    let on_rules =
        "found where enforce is report; expected enforce: all, for an authorizer is always obeyed";
    let told = |more: &str| {
        format!("rules[0].authorizer: {on_rules}\nrules[2].authorizer: {on_rules}{more}")
    };
    for (word, more) in [
        ("all", String::new()),
        ("report", format!("\n{}", for_all("rules[0].authorizer"))),
    ] {
        case(
            document(both.clone(), &json!("nobody"), word),
            &told(&more),
            document(
                json!([at("/a", own("all")), at("/b", own("all")), token]),
                &json!("nobody"),
                "all",
            ),
        );
    }
    // One that no rule asks decides nothing.
    accepted(document(
        json!([at("/t", json!({}))]),
        &json!("nobody"),
        "report",
    ));
}

/// Pools and tokens are asked for only where a rule asks for a token.
#[test]
fn authorizers_alone_need_no_pool() {
    let alone = |rules: Value, default: Value| {
        let mut changes = json!({
            "-/user_pools": null, "-/token": null,
            "/authorizers": [authorizer()], "/default": default,
        });
        changes["/rules"] = rules;
        changes
    };
    let asks = json!({"authorizer": "partners"});
    let policy = accepted(alone(json!([]), asks.clone()));
    assert!(policy.issuers.pools().is_empty());
    // Nor do pools that no rule asks for ask for a word about tokens.
    let mut beside = alone(json!([]), asks.clone());
    beside.as_object_mut().unwrap().remove("-/user_pools");
    assert_eq!(accepted(beside.clone()).issuers.pools().len(), 1);
    beside["/default"] = json!("authenticated");
    assert!(read(&changed(&beside)).is_err());
    case(
        alone(json!([{"match": {"path": "/t"}}]), asks.clone()),
        "user_pools: missing; expected a list of 1 to 1000 user pools\ntoken.use: missing; expected id, access or any",
        alone(json!([{"match": {"path": "/t"}, "allow": "anyone"}]), asks),
    );
    assert!(read(&changed(&alone(json!([]), json!("authenticated")))).is_err());
}

#[test]
fn context_headers_are_each_once_in_all_lists() {
    let headers = |context: Value| {
        json!({
            "/authorizers": [authorizer()],
            "/claim_headers": [{"header": "x-sub", "claim": "sub"}],
            "/context_headers": context,
        })
    };
    let twin = || headers(json!([{"header": "x-tenant", "key": "tenantId"}]));
    for (header, problem) in [
        (
            "x-sub",
            r#"found "x-sub", the target of claim_headers[0].header; expected each target once"#,
        ),
        (
            "x_sub",
            r#"found "x_sub", which servers that fold header names take for "x-sub", the target of claim_headers[0].header; expected another header, or header_aliases: keep"#,
        ),
        (
            "authorization",
            r#""authorization" is reserved; expected a header of your own, such as x-cognito-sub"#,
        ),
    ] {
        case(
            headers(json!([{"header": header, "key": "k"}])),
            &format!("context_headers[0].header: {problem}"),
            twin(),
        );
    }
    case(
        headers(json!([{"header": "x-tenant"}])),
        "context_headers[0].key: missing; expected a key of the answer's context, or principalId",
        twin(),
    );
    let mut own = twin();
    own["/authorizers"][0]["identity"] = json!([{"header": "X-Tenant"}]);
    case(
        own,
        r#"context_headers[0].header: found "x-tenant", which authorizers[0].identity reads; expected another header"#,
        twin(),
    );
}
