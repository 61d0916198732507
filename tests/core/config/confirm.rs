//! `user_pools[].confirm` and `require.confirmed_within`.

use std::time::Duration;

use crate::config::{POOL, accepted, case};
use cognito_authorizer::policy::Confirm;
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::rules::index::Target;
use cognito_authorizer::rules::requirement::Confirmation;
use cognito_authorizer::rules::{Access, Ruling};
use serde_json::{Value, json};

/// The first pool has this.
fn confirm(confirm: Value) -> Value {
    json!({"/user_pools/0/confirm": confirm})
}

#[track_caller]
fn confirm_case(refused: Value, problem: &str, twin: Value) {
    let problem = format!("user_pools[0].confirm{problem}");
    case(confirm(refused), &problem, confirm(twin));
}

/// A rule that asks for this, where the first pool may be asked.
fn rule(require: Value) -> Value {
    json!({
        "/user_pools/0/confirm": {"cluster": "c"},
        "/rules": [{"match": {"path": "/pay"}, "require": require}],
        "/default": "nobody",
    })
}

#[track_caller]
fn rule_case(refused: Value, problem: &str, twin: Value) {
    let problem = format!("rules[0].require.confirmed_within: {problem}");
    case(rule(refused), &problem, rule(twin));
}

#[test]
fn a_pool_says_how_it_is_asked() {
    let asked = |changes| {
        let policy = accepted(changes);
        let confirm = policy.issuers.pools()[0].confirm.clone();
        confirm.unwrap()
    };
    let Confirm {
        endpoint,
        max_per_second,
        grace,
    } = asked(confirm(json!({"cluster": "c"})));
    assert_eq!(
        endpoint,
        Endpoint {
            cluster: "c".to_owned(),
            uri: "https://cognito-idp.us-east-1.amazonaws.com/".to_owned(),
            scheme: "https".to_owned(),
            authority: "cognito-idp.us-east-1.amazonaws.com".to_owned(),
            path: "/".to_owned(),
            timeout: Duration::from_secs(2),
        }
    );
    assert_eq!((max_per_second, grace), (20, Duration::ZERO));
    let all = json!({"cluster": "c", "timeout": "500ms", "max_per_second": 7, "grace": "90s"});
    let all = asked(confirm(all));
    assert_eq!(all.endpoint.timeout, Duration::from_millis(500));
    assert_eq!(
        (all.max_per_second, all.grace),
        (7, Duration::from_secs(90))
    );
    assert!(accepted(json!({})).issuers.pools()[0].confirm.is_none());
}

/// Also with the updated issuer, and in each partition.
#[test]
fn the_regional_api_is_asked_whatever_the_issuer_is() {
    for (id, issuer, authority) in [
        (POOL, "updated", "cognito-idp.us-east-1.amazonaws.com"),
        (
            POOL,
            "https://login.example.com",
            "cognito-idp.us-east-1.amazonaws.com",
        ),
        (
            "cn-north-1_AbC",
            "original",
            "cognito-idp.cn-north-1.amazonaws.com.cn",
        ),
        (
            "eusc-de-east-1_AbC",
            "updated",
            "cognito-idp.eusc-de-east-1.amazonaws.eu",
        ),
        (
            "us-gov-west-1_AbC",
            "original",
            "cognito-idp.us-gov-west-1.amazonaws.com",
        ),
    ] {
        let policy = accepted(json!({
            "/user_pools/0/user_pool_id": id,
            "/user_pools/0/issuer": issuer,
            "/user_pools/0/confirm": {"cluster": "c"},
        }));
        let confirm = policy.issuers.pools()[0].confirm.clone();
        assert_eq!(confirm.unwrap().endpoint.authority, authority);
    }
}

#[test]
fn how_a_pool_is_asked_has_limits() {
    let good = json!({"cluster": "c"});
    confirm_case(
        json!("c"),
        r#": found "c"; expected an object with cluster"#,
        good.clone(),
    );
    confirm_case(
        json!({}),
        ".cluster: missing; expected the Envoy cluster that reaches cognito-idp of the user pool's region",
        good.clone(),
    );
    confirm_case(
        json!({"cluster": ""}),
        r#".cluster: found ""; expected the Envoy cluster that reaches cognito-idp of the user pool's region"#,
        good.clone(),
    );
    confirm_case(
        json!({"cluster": "c", "max_per_seconds": 1}),
        ".max_per_seconds: found an unknown field; did you mean max_per_second?",
        json!({"cluster": "c", "max_per_second": 1}),
    );
    for (field, refused, problem, twin) in [
        (
            "timeout",
            json!("99ms"),
            r#"found "99ms"; expected a duration from 100ms to 10s"#,
            json!("100ms"),
        ),
        (
            "timeout",
            json!("10.001s"),
            r#"found "10.001s"; expected a duration from 100ms to 10s"#,
            json!("10s"),
        ),
        (
            "max_per_second",
            json!(0),
            "found 0; expected a whole number from 1 to 1000",
            json!(1),
        ),
        (
            "max_per_second",
            json!(1001),
            "found 1001; expected a whole number from 1 to 1000",
            json!(1000),
        ),
        (
            "max_per_second",
            json!("20"),
            r#"found "20"; expected a whole number from 1 to 1000"#,
            json!(20),
        ),
        (
            "grace",
            json!("24.1h"),
            r#"found "24.1h"; expected a duration from 0s to 24h"#,
            json!("24h"),
        ),
        (
            "grace",
            json!("forever"),
            r#"found "forever"; expected a duration from 0s to 24h, as a number and ms, s, m or h"#,
            json!("0s"),
        ),
    ] {
        confirm_case(
            json!({"cluster": "c", field: refused}),
            &format!(".{field}: {problem}"),
            json!({"cluster": "c", field: twin}),
        );
    }
}

#[test]
fn a_confirmation_has_an_age() {
    let policy = accepted(rule(
        json!({"token_use": "access", "confirmed_within": "60s"}),
    ));
    let target = Target {
        path: Some(b"/pay"),
        method: None,
        authority: None,
    };
    let (ruling, _): (Ruling, _) = policy.rules.choose(&target).unwrap();
    let Access::Require(requirement) = policy.rules.access(ruling) else {
        panic!("a requirement");
    };
    assert_eq!(
        requirement.confirmation,
        Confirmation::Within(Duration::from_secs(60))
    );
    for (refused, twin) in [("999ms", "1s"), ("1.1h", "1h"), ("0s", "3600s")] {
        rule_case(
            json!({"token_use": "access", "confirmed_within": refused}),
            &format!("found {refused:?}; expected a duration from 1s to 1h"),
            json!({"token_use": "access", "confirmed_within": twin}),
        );
    }
}

/// No other token has the scope that makes the pool answer.
#[test]
fn only_access_tokens_are_asked_about() {
    let problem = "found without token_use access; expected it beside this or as token.use, since a user pool can be asked about access tokens only";
    let good = json!({"token_use": "access", "confirmed_within": "60s"});
    rule_case(json!({"confirmed_within": "60s"}), problem, good.clone());
    rule_case(
        json!({"token_use": "id", "confirmed_within": "60s"}),
        problem,
        good,
    );
    let with_use = |token_use: &str| {
        let mut changes = rule(json!({"confirmed_within": "60s"}));
        changes["/token/use"] = json!(token_use);
        changes
    };
    for token_use in ["any", "id"] {
        case(
            with_use(token_use),
            &format!("rules[0].require.confirmed_within: {problem}"),
            with_use("access"),
        );
    }
}

#[test]
fn every_pool_that_a_rule_admits_can_be_asked() {
    let problem = |position| {
        format!(
            "rules[0].require.confirmed_within: found for user_pools[{position}], which has no confirm; expected one in each user pool that the rule admits"
        )
    };
    let require = json!({"token_use": "access", "confirmed_within": "60s"});
    let mut without = rule(require.clone());
    without
        .as_object_mut()
        .unwrap()
        .remove("/user_pools/0/confirm");
    case(without, &problem(0), rule(require.clone()));

    let pool =
        |id: &str| json!({"user_pool_id": id, "client_ids": "any", "jwks": {"cluster": "c"}});
    let asked = |id: &str| {
        let mut pool = pool(id);
        pool["confirm"] = json!({"cluster": "c"});
        pool
    };
    let pools = |second: Value, third: Value, require: &Value| {
        json!({
            "/user_pools": [asked(POOL), second, third],
            "/rules": [{"match": {"path": "/pay"}, "require": require}],
            "/default": "nobody",
        })
    };
    let (second, third) = ("us-east-1_Second", "us-east-1_Third");
    let good = pools(asked(second), asked(third), &require);
    case(
        pools(asked(second), pool(third), &require),
        &problem(2),
        good.clone(),
    );
    case(
        pools(pool(second), pool(third), &require),
        &format!("{}\n{}", problem(1), problem(2)),
        good,
    );
    // `pools` narrows.
    let narrowed =
        |id: &str| json!({"token_use": "access", "confirmed_within": "60s", "pools": [id]});
    case(
        pools(asked(second), pool(third), &narrowed(third)),
        &problem(2),
        pools(asked(second), pool(third), &narrowed(second)),
    );
    // A pool whose `confirm` is wrong is not missing one.
    let mut wrong = asked(second);
    wrong["confirm"]["timeout"] = json!("1h");
    case(
        pools(wrong, asked(third), &require),
        r#"user_pools[1].confirm.timeout: found "1h"; expected a duration from 100ms to 10s"#,
        pools(asked(second), asked(third), &require),
    );
}

/// All at once.
#[test]
fn every_problem_of_a_rule_is_told() {
    let mut wrong = rule(json!({"confirmed_within": "2h"}));
    wrong
        .as_object_mut()
        .unwrap()
        .remove("/user_pools/0/confirm");
    case(
        wrong,
        "rules[0].require.confirmed_within: found \"2h\"; expected a duration from 1s to 1h
rules[0].require.confirmed_within: found without token_use access; expected it beside this or as token.use, since a user pool can be asked about access tokens only
rules[0].require.confirmed_within: found for user_pools[0], which has no confirm; expected one in each user pool that the rule admits",
        rule(json!({"token_use": "access", "confirmed_within": "1h"})),
    );
}
