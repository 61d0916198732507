//! `any_of`.

use crate::config::rules::{rule, rule_case};
use crate::config::{accepted, case, changed, read};
use serde_json::{Value, json};

#[track_caller]
fn any_of_case(refused: Value, problem: &str, twin: Value) {
    let with = |require: Value| json!({"match": {"path": "/a"}, "require": require});
    rule_case(
        with(refused),
        &format!("rules[0].require.{problem}"),
        with(twin),
    );
}

fn groups(numbers: usize) -> Value {
    let groups = (0..numbers).map(|number| json!({"groups": [number.to_string()]}));
    json!({"any_of": groups.collect::<Vec<_>>()})
}

#[test]
fn there_are_one_to_sixteen_objects() {
    any_of_case(
        json!({"any_of": []}),
        "any_of: found an empty list; expected a list of 1 to 16 objects of conditions",
        groups(1),
    );
    any_of_case(
        json!({"any_of": {"groups": ["a"]}}),
        "any_of: found an object; expected a list of 1 to 16 objects of conditions",
        groups(2),
    );
    any_of_case(
        groups(17),
        "any_of: found 17 alternatives; expected at most 16",
        groups(16),
    );
    any_of_case(
        json!({"any_of": [{"groups": ["a"]}, {}]}),
        "any_of[1]: found an empty object; expected a condition, since one that always holds leaves the others nothing to say",
        groups(2),
    );
    any_of_case(
        json!({"any_of": [{"any_of": [{"groups": ["a"]}]}]}),
        "any_of[0].any_of: found an unknown field; expected principals, token_use, pools, clients, scopes, groups, claims, max_auth_age, confirmed_within",
        groups(1),
    );
    any_of_case(
        json!({"any_of": [{"groups": ["a"]}, {"scopes": ["a"]}, {"groups": ["a"]}]}),
        "any_of[2]: found the same as any_of[0]; expected each once",
        json!({"any_of": [{"groups": ["a"]}, {"scopes": ["a"]}, {"groups": ["b"]}]}),
    );
    any_of_case(
        json!({"any_of": [{"groups": ["a"]}, {"groups": "b"}], "scopes": []}),
        "scopes: found an empty list; expected a list of scopes, or an object with any, all or none\nrules[0].require.any_of[1].groups: found \"b\"; expected a list of groups, or an object with any, all or none",
        json!({"any_of": [{"groups": ["a"]}, {"groups": ["b"]}], "scopes": ["a"]}),
    );
}

#[test]
fn an_alternative_narrows_what_is_around_it() {
    any_of_case(
        json!({"token_use": "id", "any_of": [{"token_use": "access", "groups": ["a"]}]}),
        "any_of[0].token_use: found another use than the require around it admits; expected the same, or none there",
        json!({"token_use": "id", "any_of": [{"token_use": "id", "groups": ["a"]}]}),
    );
    let with = |require: Value| {
        let mut document = rule(&json!({"match": {"path": "/a"}, "require": require}));
        document["/user_pools/0/client_ids"] = json!(["a", "b"]);
        document["/user_pools/1"] = json!({
            "user_pool_id": "eu-west-1_Other0002", "client_ids": ["c"], "jwks": {"cluster": "keys"},
        });
        document
    };
    let (first, second) = ("us-east-1_AbCdEf123", "eu-west-1_Other0002");
    let narrowed = |pool: &str, client: &str| {
        with(json!({
            "pools": [first],
            "any_of": [{"pools": [pool], "groups": ["a"]}, {"clients": [client]}],
        }))
    };
    case(
        narrowed(second, "a"),
        r#"rules[0].require.any_of[0].pools[0]: found "eu-west-1_Other0002"; expected a user pool id that the require around it admits"#,
        narrowed(first, "a"),
    );
    case(
        narrowed(first, "c"),
        r#"rules[0].require.any_of[1].clients[0]: found "c"; expected an app client that client_ids of a wanted user pool admits"#,
        narrowed(first, "b"),
    );
    let clients = |inner: &str| {
        with(json!({"clients": ["a"], "any_of": [{"clients": [inner]}, {"token_use": "id"}]}))
    };
    case(
        clients("b"),
        r#"rules[0].require.any_of[0].clients[0]: found "b"; expected an app client that the require around it admits"#,
        clients("a"),
    );
    // Whose words they are is said around an alternative, or in it.
    let words = |around: Value, inside: Value| {
        let mut around = around;
        around["any_of"] = json!([inside, {"token_use": "id"}]);
        with(around)
    };
    let inside = |pools: Value| words(json!({}), json!({"groups": ["a"], "pools": pools}));
    case(
        words(json!({}), json!({"groups": ["a"]})),
        "rules[0].require.any_of[0].pools: missing; expected a list of user pool ids or \"any\", since groups may differ between user pools",
        inside(json!([second])),
    );
    accepted(inside(json!("any")));
    accepted(words(json!({"pools": [first]}), json!({"groups": ["a"]})));
    case(
        words(json!({"scopes": ["a"]}), json!({"pools": [first]})),
        "rules[0].require.pools: missing; expected a list of user pool ids or \"any\", since scopes may differ between user pools",
        words(
            json!({"scopes": ["a"], "pools": "any"}),
            json!({"pools": [first]}),
        ),
    );
}

/// An account, beside users of one pool or two.
fn with_account(require: Value, pools: usize) -> Value {
    let mut document = rule(&json!({"match": {"path": "/a"}, "require": require}));
    document["/aws_accounts"] = json!([{
        "account": "123456789012",
        "issuer": "https://a1d2b0fd-1177-4468-9351-2fe000000723.tokens.sts.global.api.aws",
        "audiences": ["https://api.example.com"],
        "jwks": {"cluster": "aws_tokens"},
    }]);
    if pools > 1 {
        document["/user_pools/1"] = json!({
            "user_pool_id": "eu-west-1_Other0002", "client_ids": "any", "jwks": {"cluster": "keys"},
        });
    }
    document
}

#[test]
fn principals_have_an_alternative_of_their_own() {
    let twin = || {
        with_account(
            json!({"any_of": [{"principals": "any"}, {"groups": ["a"]}]}),
            1,
        )
    };
    case(
        with_account(
            json!({"principals": "any", "any_of": [{"claims": {"a": "b"}}]}),
            1,
        ),
        "rules[0].require.any_of: found beside principals; expected principals in an alternative",
        twin(),
    );
    case(
        with_account(
            json!({"any_of": [{"principals": "any", "groups": ["a"]}]}),
            1,
        ),
        "rules[0].require.any_of[0].groups: found beside principals, of which it says nothing; expected claims alone beside them",
        twin(),
    );
    case(
        with_account(
            json!({"token_use": "id", "any_of": [{"principals": "any"}, {"groups": ["a"]}]}),
            1,
        ),
        "rules[0].require.any_of[0].principals: found below token_use, which no AWS principal meets; expected that in the other alternatives",
        twin(),
    );
    accepted(with_account(
        json!({"claims": {"c": "d"}, "any_of": [{"principals": "any"}, {"groups": ["a"]}]}),
        1,
    ));
    // Around principals no pool can be named: those for users name their own.
    let several = |users: Value| {
        with_account(
            json!({"claims": {"c": "d"}, "any_of": [{"principals": "any"}, users]}),
            2,
        )
    };
    case(
        several(json!({"token_use": "id"})),
        "rules[0].require.any_of[1].pools: missing; expected a list of user pool ids or \"any\", since claims may differ between user pools",
        several(json!({"token_use": "id", "pools": "any"})),
    );
}

#[test]
fn an_alternative_may_be_confirmed() {
    let with = |require: Value| {
        let mut document = rule(&json!({"match": {"path": "/a"}, "require": require}));
        document["/user_pools/0/confirm"] = json!({"cluster": "cognito"});
        document
    };
    let one = |mut alternative: Value, mut around: Value| {
        alternative["confirmed_within"] = json!("60s");
        around["any_of"] = json!([alternative, {"groups": ["a"]}]);
        with(around)
    };
    case(
        one(json!({}), json!({})),
        "rules[0].require.any_of[0].confirmed_within: found without token_use access; expected it beside this or as token.use, since a user pool can be asked about access tokens only",
        one(json!({}), json!({"token_use": "access"})),
    );
    accepted(one(json!({"token_use": "access"}), json!({})));
    let mut without = one(json!({"token_use": "access"}), json!({}));
    without
        .as_object_mut()
        .unwrap()
        .remove("/user_pools/0/confirm");
    let told = read(&changed(&without)).unwrap_err().to_string();
    assert_eq!(
        told,
        "rules[0].require.any_of[0].confirmed_within: found for user_pools[0], which has no confirm; expected one in each user pool that the rule admits"
    );
}
