//! The matchers of `scopes`, `groups` and `claims`, and what the request has in place of a value.

use crate::config::rules::{rule, rule_case};
use crate::config::{accepted, case};
use serde_json::{Value, json};

#[track_caller]
fn require_case(refused: Value, problem: &str, twin: Value) {
    let with = |require: Value| json!({"match": {"path": "/a"}, "require": require});
    rule_case(
        with(refused),
        &format!("rules[0].require.{problem}"),
        with(twin),
    );
}

#[track_caller]
fn claim_case(refused: Value, problem: &str, twin: Value) {
    let with = |matchers: Value| json!({"claims": {"c": matchers}});
    require_case(with(refused), &format!("claims.c{problem}"), with(twin));
}

#[test]
fn lists_are_any_all_and_none() {
    for name in ["scopes", "groups"] {
        require_case(
            json!({name: {}}),
            &format!(
                "{name}: found an empty object; expected a list of {name}, or an object with any, all or none"
            ),
            json!({name: {"any": ["a"], "all": ["b"], "none": ["c"]}}),
        );
        require_case(
            json!({name: {"some": ["a"]}}),
            &format!("{name}.some: found an unknown field; expected any, all, none"),
            json!({name: {"any": ["a"]}}),
        );
        for list in ["any", "all", "none"] {
            require_case(
                json!({name: {list: []}}),
                &format!("{name}.{list}: found an empty list; expected a list that is not empty"),
                json!({name: {list: ["a", "b"]}}),
            );
            require_case(
                json!({name: {list: "a"}}),
                &format!("{name}.{list}: found \"a\"; expected a list that is not empty"),
                json!({name: {list: ["a"]}}),
            );
            require_case(
                json!({name: {list: ["a", "a"]}}),
                &format!(
                    "{name}.{list}[1]: found \"a\" as in rules[0].require.{name}.{list}[0]; expected each once"
                ),
                json!({name: {list: ["a", "A"]}}),
            );
        }
        for list in ["any", "all"] {
            require_case(
                json!({name: {list: ["a", "b"], "none": ["b"]}}),
                &format!(
                    "{name}.{list}[1]: found a value that none refuses; expected it in one of the two"
                ),
                json!({name: {list: ["a", "b"], "none": ["c"]}}),
            );
        }
    }
}

#[test]
fn a_claim_has_matchers() {
    claim_case(
        json!({}),
        ": found an empty object; expected a text, number or boolean, a list of them, or an object of matchers",
        json!({"any": ["a", 1, true]}),
    );
    claim_case(
        json!({"like": "a"}),
        ".like: found an unknown field; expected any, all, none, prefix, suffix, regex, present, read_as",
        json!({"prefix": "a"}),
    );
    claim_case(
        json!({"sufix": "a"}),
        ".sufix: found an unknown field; did you mean suffix?",
        json!({"suffix": "a"}),
    );
    for (name, expected) in [
        ("prefix", "a text that the claim begins with"),
        ("suffix", "a text that the claim ends in"),
    ] {
        claim_case(
            json!({name: ""}),
            &format!(".{name}: found \"\"; expected {expected}"),
            json!({name: "a"}),
        );
        claim_case(
            json!({name: 1}),
            &format!(".{name}: found 1; expected {expected}; quote it"),
            json!({name: "1"}),
        );
        claim_case(
            json!({name: ["a"]}),
            &format!(".{name}: found a list; expected {expected}"),
            json!({name: "a"}),
        );
        claim_case(
            json!({name: "*a"}),
            &format!(
                ".{name}: found \"*a\"; expected \"a\" alone: a text is compared to the letter"
            ),
            json!({name: "a*b"}),
        );
        claim_case(
            json!({name: "{a}"}),
            &format!(
                ".{name}: found \"{{a}}\"; expected a text: variables stand in any, all and none"
            ),
            json!({name: "{a"}),
        );
    }
    claim_case(
        json!({"regex": ""}),
        ".regex: found an empty regex; expected one that matches the whole claim",
        json!({"regex": "."}),
    );
    claim_case(
        json!({"regex": "a("}),
        ".regex: found \"a(\"; expected a regular expression: found open group without closing \')\'",
        json!({"regex": "a()"}),
    );
    claim_case(
        json!({"regex": "a".repeat(1_025)}),
        ".regex: found 1025 bytes; expected at most 1024",
        json!({"regex": "a".repeat(1_024)}),
    );
    claim_case(
        json!({"present": "yes"}),
        ".present: found \"yes\"; expected true or false",
        json!({"present": true}),
    );
    for (name, value) in [
        ("any", json!(["a"])),
        ("all", json!(["a"])),
        ("prefix", json!("a")),
        ("suffix", json!("a")),
        ("regex", json!("a")),
    ] {
        claim_case(
            json!({"present": false, name: value}),
            &format!(
                ".present: found false beside {name}; expected true, since what is not there has no value"
            ),
            json!({"present": true, name: value}),
        );
    }
    claim_case(
        json!({"present": false, "any": ["a"], "regex": "a"}),
        ".present: found false beside any and regex; expected true, since what is not there has no value",
        json!({"present": false, "none": ["a"]}),
    );
    claim_case(
        json!({"read_as": "csv", "any": ["a"]}),
        ".read_as: found \"csv\"; expected json, comma, space or brackets",
        json!({"read_as": "comma", "any": ["a"]}),
    );
    claim_case(
        json!({"read_as": "json"}),
        ".read_as: found alone; expected any, all, none, prefix, suffix, regex or present beside it",
        json!({"read_as": "json", "present": true}),
    );
    claim_case(
        json!({"any": ["a"], "none": ["a"]}),
        ".any[0]: found a value that none refuses; expected it in one of the two",
        json!({"any": ["a"], "none": ["b"]}),
    );
    claim_case(
        json!({"any": [9_007_199_254_740_992_u64]}),
        ".any[0]: found 9007199254740992; expected a number of less than 2^53; quote it",
        json!({"any": ["9007199254740992"]}),
    );
}

#[test]
fn a_pointer_has_a_few_wildcards() {
    let place = |name: &str| json!({"claims": {name: "a"}});
    require_case(
        place("/a/*/*/*/*/*"),
        r#"claims["/a/*/*/*/*/*"]: found 5 times * in "/a/*/*/*/*/*"; expected at most 4"#,
        place("/a/*/*/*/*"),
    );
    for name in ["/*", "/*/a"] {
        require_case(
            place(name),
            &format!(
                r#"claims["{name}"]: found "{name}"; expected the name of a claim before *, which stands for the elements of a list"#
            ),
            place("/a/*"),
        );
    }
    case(
        json!({"/claim_headers": [{"header": "x-a", "claim": "/a/*/b"}]}),
        r#"claim_headers[0].claim: found "/a/*/b"; expected the number of an element: a header has the value of one claim"#,
        json!({"/claim_headers": [{"header": "x-a", "claim": "/a/0/b"}]}),
    );
    case(
        json!({"/claim_headers": [{"header": "x-a", "claim": "a", "read_as": "list"}]}),
        r#"claim_headers[0].read_as: found "list"; expected json, comma, space or brackets"#,
        json!({"/claim_headers": [{"header": "x-a", "claim": "a", "read_as": "brackets"}]}),
    );
}

#[test]
fn hosts_have_variables() {
    let hosts = |hosts: Value, value: &str| json!({"match": {"hosts": hosts}, "require": {"claims": {"c": value}}});
    let one = || hosts(json!(["{tenant}.a.com"]), "{tenant}");
    rule_case(
        hosts(json!(["{tenant}.a.com"]), "{Tenant}"),
        r#"rules[0].require.claims.c: found "{Tenant}"; expected a variable of match: {tenant}"#,
        one(),
    );
    rule_case(
        hosts(json!(["{tenant}.a.com", "b.com"]), "{tenant}"),
        r#"rules[0].require.claims.c: found "{tenant}"; expected a variable that every one of the hosts has"#,
        hosts(json!(["{tenant}.a.com", "{tenant}.b.com"]), "{tenant}"),
    );
    rule_case(
        hosts(json!(["{tenant}.{part}.com", "{tenant}.b.com"]), "{part}"),
        r#"rules[0].require.claims.c: found "{part}"; expected a variable that every one of the hosts has"#,
        hosts(
            json!(["{tenant}.{part}.com", "{part}.{tenant}.b.com"]),
            "{part}",
        ),
    );
    rule_case(
        hosts(json!(["a.com", "b.com"]), "{tenant}"),
        r#"rules[0].require.claims.c: found "{tenant}"; expected a value, since match has no template or host with variables"#,
        hosts(json!(["{tenant}.a.com", "{tenant}.b.com"]), "{tenant}"),
    );
    rule_case(
        hosts(json!(["x-{tenant}.a.com"]), "a"),
        r#"rules[0].match.hosts[0]: found "x-{tenant}.a.com"; expected variables as whole labels, as in "{tenant}.example.com", and no "*" beside them"#,
        one(),
    );
    let both = |name: &str| {
        json!({
            "match": {"template": "/u/{user}", "hosts": [format!("{{{name}}}.a.com")]},
            "require": {"groups": ["{user}"], "scopes": {"none": [format!("{{{name}}}")]}},
        })
    };
    rule_case(
        both("user"),
        r#"rules[0].match.hosts[0]: found the variable "user" of the template; expected another name"#,
        both("tenant"),
    );
    case(
        json!({"/default": "nobody", "/rules": [
            {"match": {"hosts": ["{t}.a.com"]}}, {"match": {"hosts": ["x.a.com"]}},
        ]}),
        "rules[1].match: found a match that can never be reached; rules[0] matches all of it",
        json!({"/default": "nobody", "/rules": [
            {"match": {"hosts": ["{t}.a.com"]}}, {"match": {"hosts": ["*.a.com"]}},
        ]}),
    );
}

#[test]
fn claims_agree_with_headers() {
    let rules = |header: &str| json!({"claims": {"c": format!("{{header.{header}}}")}});
    for (header, problem) in [
        (
            "cookie",
            "\"cookie\" is reserved; expected a header of your own, such as x-cognito-sub",
        ),
        (
            "x-forwarded-host",
            "\"x-forwarded-host\" is reserved; expected a header of your own, such as x-cognito-sub",
        ),
    ] {
        require_case(
            rules(header),
            &format!("claims.c: {problem}"),
            rules("x-org-id"),
        );
    }
    require_case(
        json!({"claims": {"c": "org-{header.x-org-id}"}}),
        "claims.c: found \"org-{header.x-org-id}\" with {header.…} in it; expected {header.…} alone",
        rules("X-Org-Id"),
    );
    let with = |more: Value, header: &str| {
        let mut document = rule(&json!({"match": {"path": "/a"}, "require": rules(header)}));
        let all = document.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        document
    };
    let written = json!({"/claim_headers": [{"header": "x-sub", "claim": "sub"}]});
    for (header, problem) in [
        (
            "x-sub",
            "found \"x-sub\", which the filter itself writes; expected another header",
        ),
        (
            "x_sub",
            "found \"x_sub\", which servers that fold header names take for \"x-sub\", which the filter itself writes; expected another header, or header_aliases: keep",
        ),
    ] {
        case(
            with(written.clone(), header),
            &format!("rules[0].require.claims.c: {problem}"),
            with(written.clone(), "x-org-id"),
        );
    }
    let mut kept = with(written, "x_sub");
    kept["/header_aliases"] = json!("keep");
    accepted(kept);
    let place = json!({"/token/from": [{"header": "x-token"}]});
    case(
        with(place.clone(), "x-token"),
        "rules[0].require.claims.c: found \"x-token\", which token.from reads; expected another header",
        with(place, "x-org-id"),
    );
    let two = |other: &str| {
        json!({"/default": "nobody", "/rules": [
            {"match": {"path": "/a"}, "require": rules("x-org-id")},
            {"match": {"path": "/b"}, "require": rules(other)},
        ]})
    };
    case(
        two("x_org_id"),
        "rules[1].require.claims.c: found \"x_org_id\", which servers that fold header names take for \"x-org-id\", which rules[0].require.claims.c reads; expected another header, or header_aliases: keep",
        two("x-org-id"),
    );
    let mut kept = two("x_org_id");
    kept["/header_aliases"] = json!("keep");
    accepted(kept);
    // Each that is an alias of the first, and what else is wrong in the order of the rules.
    let several = |second: &str, third: &str| {
        json!({"/default": "nobody", "/rules": [
            {"match": {"path": "/a"}, "require": {"any_of": [rules("x-a"), {"groups": [format!("{{header.{second}}}")]}]}},
            {"match": {"path": "/b"}, "require": {"scopes": {"none": ["a", format!("{{header.{third}}}")]}}},
        ]})
    };
    case(
        several("x_a", "x.a"),
        "rules[0].require.any_of[1].groups[0]: found \"x_a\", which servers that fold header names take for \"x-a\", which rules[0].require.any_of[0].claims.c reads; expected another header, or header_aliases: keep\n\
         rules[1].require.scopes.none[1]: found \"x.a\", which servers that fold header names take for \"x-a\", which rules[0].require.any_of[0].claims.c reads; expected another header, or header_aliases: keep",
        several("x-a", "x-b"),
    );
    rule_case(
        json!({"match": {"template": "/{header.x}"}}),
        "rules[0].match.template: found \"{header.x}\"; expected another name: {header.name} stands for a header",
        json!({"match": {"template": "/{headers.x}"}}),
    );
}
