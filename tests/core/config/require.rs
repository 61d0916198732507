//! `require`.

use crate::config::rules::{rule, rule_case};
use crate::config::{POOL, accepted, case, minimal};
use serde_json::{Value, json};

/// A rule with a template and this requirement.
fn requiring(requirement: Value) -> Value {
    json!({"match": {"template": "/users/{userId}/{rest+}"}, "require": requirement})
}

#[track_caller]
fn require_case(refused: Value, problem: &str, twin: Value) {
    rule_case(
        requiring(refused),
        &format!("rules[0].require.{problem}"),
        requiring(twin),
    );
}

#[test]
fn requirements_are_lists_of_texts() {
    require_case(
        json!({"group": ["a"]}),
        "group: found an unknown field; did you mean groups?",
        json!({"groups": ["a"]}),
    );
    require_case(
        json!({"groups": "a"}),
        r#"groups: found "a"; expected a list of groups, or an object with any, all or none"#,
        json!({"groups": ["a, b", "ü"]}),
    );
    require_case(
        json!({"groups": [""]}),
        r#"groups[0]: found ""; expected the name of a group"#,
        json!({"groups": ["a"]}),
    );
    for (field, value, meant) in [
        ("groups", "!blocked", r#"{none: ["blocked"]}"#),
        ("scopes", "!api/read", r#"{none: ["api/read"]}"#),
        (
            "groups",
            "team-*",
            r#"claims: {"cognito:groups": {prefix: "team-"}}"#,
        ),
        (
            "groups",
            "*",
            r#"claims: {"cognito:groups": {present: true}}"#,
        ),
        (
            "scopes",
            "*/read",
            r#"claims: {scope: {read_as: space, suffix: "/read"}}"#,
        ),
        (
            "scopes",
            "*a*",
            r#"claims: {scope: {read_as: space, regex: ".*a.*"}}"#,
        ),
    ] {
        require_case(
            json!({field: [value]}),
            &format!(
                "{field}[0]: found {value:?}; expected {meant}: a value is compared to the letter"
            ),
            json!({field: ["a*b!"]}),
        );
    }
    for (value, meant) in [
        (json!("*@example.com"), r#"{suffix: "@example.com"}"#),
        (json!("team-*"), r#"{prefix: "team-"}"#),
        (json!("*"), "{present: true}"),
        (json!("**"), "{present: true}"),
        (json!("*a*"), r#"{regex: ".*a.*"}"#),
        (json!("!b"), r#"{none: ["b"]}"#),
    ] {
        require_case(
            json!({"claims": {"email": value}}),
            &format!(
                "claims.email: found {value}; expected {meant}: a value is compared to the letter"
            ),
            json!({"claims": {"email": "a@example.com"}}),
        );
    }
    require_case(
        json!({"claims": {"email": ["a", "!b"]}}),
        r#"claims.email[1]: found "!b"; expected {none: ["b"]}: a value is compared to the letter"#,
        json!({"claims": {"email": ["a", "b!"]}}),
    );
    require_case(
        json!({"claims": {"email": {"none": ["!b"]}}}),
        r#"claims.email.none[0]: found "!b"; expected {any: ["b"]}: a value is compared to the letter"#,
        json!({"claims": {"email": {"none": ["b!"]}}}),
    );
    // A pattern would admit whom the list is to keep out.
    for (field, value, meant) in [
        (
            "groups",
            "*",
            r#"claims: {"cognito:groups": {present: false}}"#,
        ),
        (
            "scopes",
            "**",
            "claims: {scope: {read_as: space, present: false}}",
        ),
        (
            "groups",
            "temp-*",
            "whole values, since no pattern can stand under none",
        ),
        (
            "scopes",
            "*bad",
            "whole values, since no pattern can stand under none",
        ),
        (
            "scopes",
            "*a*",
            "whole values, since no pattern can stand under none",
        ),
        ("groups", "!a", r#"{any: ["a"]}"#),
    ] {
        require_case(
            json!({field: {"none": [value]}}),
            &format!(
                "{field}.none[0]: found {value:?}; expected {meant}: a value is compared to the letter"
            ),
            json!({field: {"none": ["a*b!"]}}),
        );
    }
    require_case(
        json!({"claims": {"email": {"none": ["*"]}}}),
        r#"claims.email.none[0]: found "*"; expected {present: false}: a value is compared to the letter"#,
        json!({"claims": {"email": {"none": ["a"]}}}),
    );
    accepted(rule(&requiring(
        json!({"claims": {"scope": {"read_as": "space", "present": false}}}),
    )));
    require_case(
        json!({"groups": [7]}),
        "groups[0]: found 7; expected the name of a group; quote it",
        json!({"groups": ["7"]}),
    );
    require_case(
        json!({"scopes": []}),
        "scopes: found an empty list; expected a list of scopes, or an object with any, all or none",
        json!({"scopes": ["a/b.c:d"]}),
    );
    for scope in ["a b", "a\"b", "a\\b", "ä", ""] {
        require_case(
            json!({"scopes": [scope]}),
            &format!("scopes[0]: found {scope:?}; expected a scope without spaces and quotes"),
            json!({"scopes": ["a'b"]}),
        );
    }
    require_case(
        json!({"scopes": ["a", "a"]}),
        r#"scopes[1]: found "a" as in rules[0].require.scopes[0]; expected each once"#,
        json!({"scopes": ["a", "A"]}),
    );
    require_case(
        json!({"clients": []}),
        "clients: found an empty list; expected a list of app client ids",
        json!({"clients": ["4hq8abcd"]}),
    );
    for (wrong, twin) in [("0s", "1s"), ("0.5s", "8760h"), ("8761h", "15m")] {
        require_case(
            json!({"max_auth_age": wrong}),
            &format!("max_auth_age: found {wrong:?}; expected a duration from 1s to 8760h"),
            json!({"max_auth_age": twin}),
        );
    }
    require_case(
        json!({"max_auth_age": 900}),
        r#"max_auth_age: found 900; expected a duration from 1s to 8760h; quote it with a unit, such as "5s""#,
        json!({"max_auth_age": "900s"}),
    );
}

#[test]
fn wanted_claims_are_scalars_or_variables() {
    let claim = |value: Value| json!({"claims": {"sub": value}});
    let place = |name: &str| json!({"claims": {name: "a"}});
    const VALUE: &str =
        "expected a text, number or boolean, a list of them, or an object of matchers";
    require_case(
        json!({"claims": {}}),
        "claims: found an empty object; expected an object of claims and their wanted values",
        claim(json!("a")),
    );
    require_case(
        json!({"claims": ["sub"]}),
        "claims: found a list; expected an object of claims and their wanted values",
        claim(json!(true)),
    );
    require_case(
        claim(json!([])),
        &format!("claims.sub: found an empty list; {VALUE}"),
        claim(json!(["a", 1, false])),
    );
    require_case(
        claim(json!({})),
        &format!("claims.sub: found an empty object; {VALUE}"),
        claim(json!(-1.5)),
    );
    require_case(
        claim(json!("")),
        &format!("claims.sub: found \"\"; {VALUE}"),
        claim(json!(" ")),
    );
    require_case(
        claim(json!(null)),
        &format!("claims.sub: found null; {VALUE}; give it a value or leave it out"),
        claim(json!("null")),
    );
    require_case(
        claim(json!([["a"]])),
        "claims.sub[0]: found a list; expected a text, number or boolean",
        claim(json!(["a"])),
    );
    require_case(
        claim(json!([1, 1])),
        "claims.sub[1]: found 1 as in rules[0].require.claims.sub[0]; expected each once",
        claim(json!([1, 2])),
    );
    require_case(
        claim(json!(9_007_199_254_740_992_u64)),
        "claims.sub: found 9007199254740992; expected a number of less than 2^53; quote it",
        claim(json!(9_007_199_254_740_991_u64)),
    );
    require_case(
        place(""),
        r#"claims[""]: found ""; expected the name of a claim, or a JSON Pointer"#,
        place("custom:tenant"),
    );
    require_case(
        place("/a~2"),
        r#"claims["/a~2"]: found "/a~2"; expected the name of a claim, or a JSON Pointer"#,
        place("/a~1b/0"),
    );
    require_case(
        claim(json!("{userid}")),
        r#"claims.sub: found "{userid}"; expected a variable of match: {userId}, {rest}"#,
        claim(json!("{userId}")),
    );
    require_case(
        claim(json!(["a", "{rest+}"])),
        r#"claims.sub[1]: found "{rest+}"; expected a variable of match: {userId}, {rest}"#,
        claim(json!(["a", "{rest}"])),
    );
    require_case(
        claim(json!("user-{userId}")),
        r#"claims.sub: found "user-{userId}" with {userId} in it; expected {userId} alone"#,
        claim(json!("user-{other}")),
    );
    require_case(
        claim(json!("{userId}{rest}")),
        r#"claims.sub: found "{userId}{rest}" with {userId} in it; expected {userId} alone"#,
        claim(json!("{\"userId\": 1}")),
    );
    rule_case(
        json!({"match": {"prefix": "/users"}, "require": claim(json!("{userId}"))}),
        r#"rules[0].require.claims.sub: found "{userId}"; expected a value, since match has no template or host with variables"#,
        json!({"match": {"template": "/users/{userId}"}, "require": claim(json!("{userId}"))}),
    );
    let policy = accepted(rule(&requiring(
        json!({"claims": {"a": [1, true, 1.5, "x"], "/b/0": "{rest}"}}),
    )));
    let printed = format!("{:?}", policy.rules);
    for part in [
        r#"any: [Literal("1"), Literal("true"), Literal("1.5"), Literal("x")]"#,
        r#"place: Pointer { first: "b", rest: [To("0")] }"#,
        r#"any: [Variable("rest")]"#,
    ] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn a_rule_no_token_could_satisfy_is_refused() {
    let using = |token: &str, rule: &str| {
        json!({"/token/use": token, "/default": "nobody",
            "/rules": [requiring(json!({"token_use": rule}))]})
    };
    const OTHER: &str = "rules[0].require.token_use: found another use than token.use admits; expected the same, or token.use any";
    case(using("id", "access"), OTHER, using("any", "access"));
    case(using("access", "id"), OTHER, using("access", "access"));
    require_case(
        json!({"token_use": "any"}),
        r#"token_use: found "any"; expected id or access"#,
        json!({"token_use": "id"}),
    );
    require_case(
        json!({"clients": ["4hq8abcd", "other"]}),
        r#"clients[1]: found "other"; expected an app client that client_ids of a wanted user pool admits"#,
        json!({"clients": ["4hq8abcd"]}),
    );
    require_case(
        json!({"pools": ["us-east-1_Other"]}),
        r#"pools[0]: found "us-east-1_Other"; expected a user pool id of user_pools"#,
        json!({"pools": [POOL]}),
    );
}

/// The minimal document with a second user pool and a rule.
fn two_pools(requirement: Value) -> Value {
    json!({
        "/user_pools/1": {"user_pool_id": "eu-west-1_B", "client_ids": ["b"], "jwks": {"cluster": "keys"}},
        "/rules": [requiring(requirement)],
        "/default": "nobody",
    })
}

#[test]
fn with_several_pools_a_rule_says_whose_words_it_uses() {
    for (words, requirement) in [
        ("groups", json!({"groups": ["a"]})),
        ("scopes", json!({"scopes": ["a"]})),
        ("claims", json!({"claims": {"sub": "{userId}"}})),
        (
            "scopes and groups",
            json!({"groups": ["a"], "scopes": ["a"]}),
        ),
    ] {
        let mut twin = requirement.clone();
        twin["pools"] = json!("any");
        case(
            two_pools(requirement.clone()),
            &format!(
                "rules[0].require.pools: missing; expected a list of user pool ids or \"any\", since {words} may differ between user pools"
            ),
            two_pools(twin),
        );
        // With one user pool there is nothing to say.
        accepted(rule(&requiring(requirement)));
    }
    accepted(two_pools(json!({"token_use": "id"})));
    case(
        two_pools(json!({"pools": ["any"]})),
        r#"rules[0].require.pools[0]: found "any" in a list; expected the bare word any"#,
        two_pools(json!({"pools": "any"})),
    );
    case(
        two_pools(json!({"pools": [POOL, POOL]})),
        &format!(
            "rules[0].require.pools[1]: found {POOL:?} as in rules[0].require.pools[0]; expected each once"
        ),
        two_pools(json!({"pools": [POOL, "eu-west-1_B"]})),
    );
    // Each pool admits its own clients.
    case(
        two_pools(json!({"pools": [POOL], "clients": ["b"]})),
        r#"rules[0].require.clients[0]: found "b"; expected an app client that client_ids of a wanted user pool admits"#,
        two_pools(json!({"pools": ["eu-west-1_B"], "clients": ["b"]})),
    );
    accepted(two_pools(json!({"clients": ["b", "4hq8abcd"]})));
    // Two issuers of one pool share their groups.
    let mut pool = minimal()["user_pools"][0].clone();
    pool["issuer"] = json!("updated");
    accepted(
        json!({"/user_pools/1": pool, "/rules": [requiring(json!({"groups": ["a"]}))], "/default": "nobody"}),
    );
}

#[test]
fn rules_are_not_judged_by_pools_that_could_not_be_read() {
    let document = |id: &str, clients: Value| {
        json!({
            "/user_pools/0/user_pool_id": id,
            "/user_pools/0/client_ids": clients,
            "/rules": [requiring(json!({"pools": [POOL], "clients": ["x"], "groups": ["a"]}))],
            "/default": "nobody",
        })
    };
    case(
        document(POOL, json!([])),
        r#"user_pools[0].client_ids: found an empty list; expected a list of app client ids or "any""#,
        document(POOL, json!(["x"])),
    );
    case(
        document("pool", json!(["x"])),
        r#"user_pools[0].user_pool_id: found "pool"; expected a user pool id such as us-east-1_AbCdEf123"#,
        document(POOL, json!("any")),
    );
}
