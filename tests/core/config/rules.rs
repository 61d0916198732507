//! `rules`, `default` and `match`.

use crate::config::{accepted, case, changed, document, read, values};
use cognito_authorizer::config;
use cognito_authorizer::rules::Enforcement;
use serde_json::{Value, json};

/// The minimal document with one rule.
pub(crate) fn rule(rule: &Value) -> Value {
    json!({"/rules": [rule], "/default": "nobody"})
}

#[track_caller]
pub(crate) fn rule_case(refused: Value, problem: &str, twin: Value) {
    case(rule(&refused), problem, rule(&twin));
}

#[test]
fn with_rules_the_default_is_said() {
    let open = json!([{"match": {"path": "/health"}, "allow": "anyone"}]);
    case(
        json!({"/rules": open}),
        "default: missing; expected nobody, authenticated, anyone or an object with authorizer, for what no rule matches",
        json!({"/rules": open, "/default": "authenticated"}),
    );
    case(
        json!({"/rules": open, "/default": "deny"}),
        r#"default: found "deny"; expected nobody, authenticated, anyone or an object with authorizer"#,
        json!({"/rules": open, "/default": "anyone"}),
    );
    case(
        json!({"/default": "optional"}),
        r#"default: found "optional"; expected nobody, authenticated, anyone or an object with authorizer"#,
        json!({"/default": "nobody"}),
    );
    values(
        "/rules",
        &[
            (
                json!({}),
                "rules: found an empty object; expected a list of rules\ndefault: missing; expected nobody, authenticated, anyone or an object with authorizer, for what no rule matches",
            ),
            (
                json!(null),
                "rules: found null; expected a list of rules; give it a value or leave it out\ndefault: missing; expected nobody, authenticated, anyone or an object with authorizer, for what no rule matches",
            ),
        ],
        json!([]),
    );
    for (word, access) in [
        ("nobody", "Nobody"),
        ("anyone", "Anyone"),
        ("authenticated", "Require("),
    ] {
        let policy = accepted(json!({"/rules": open, "/default": word}));
        let default = format!("{:?}", policy.rules.default());
        assert!(default.starts_with(access), "{word}");
    }
}

#[test]
fn a_rule_matches_something_and_not_everything() {
    const MATCH: &str = "an object with path, prefix, template, regex, methods or hosts";
    let twin = || json!({"match": {"path": "/a"}});
    rule_case(
        json!({"allow": "anyone"}),
        &format!("rules[0].match: missing; expected {MATCH}"),
        twin(),
    );
    rule_case(
        json!({"match": null}),
        &format!("rules[0].match: found null; expected {MATCH}; give it a value or leave it out"),
        twin(),
    );
    rule_case(
        json!({"match": "/a"}),
        &format!("rules[0].match: found \"/a\"; expected {MATCH}"),
        twin(),
    );
    rule_case(
        json!({"match": {}}),
        &format!(
            "rules[0].match: found an empty object; expected {MATCH}; what matches everything is default"
        ),
        twin(),
    );
    rule_case(
        json!("x"),
        r#"rules[0]: found "x"; expected an object with match, and with allow, require or authorizer"#,
        twin(),
    );
    rule_case(
        json!({"match": {"path": "/a"}, "name": "x"}),
        "rules[0].name: found an unknown field; expected match, allow, invalid_token, require, authorizer, enforce",
        twin(),
    );
    rule_case(
        json!({"match": {"path": "/a", "paths": "/a"}}),
        "rules[0].match.paths: found an unknown field; did you mean path?",
        twin(),
    );
    rule_case(
        json!({"match": {"path": "/a", "prefix": "/a"}}),
        "rules[0].match.prefix: found prefix beside path; expected one of path, prefix, template and regex",
        json!({"match": {"prefix": "/a", "methods": ["GET"], "hosts": ["a.example.com", "*.b.example.com"]}}),
    );
    rule_case(
        json!({"match": {"path": "/a", "template": "/{a}", "regex": "/a"}}),
        "rules[0].match.template: found template beside path; expected one of path, prefix, template and regex\nrules[0].match.regex: found regex beside path; expected one of path, prefix, template and regex",
        json!({"match": {"regex": "/a|/b"}}),
    );
}

#[test]
fn the_parts_of_a_match_are_well_formed() {
    let part = |name: &str, value: Value| json!({"match": {name: value}});
    let twins = [
        ("path", json!("/a")),
        ("prefix", json!("/a")),
        ("template", json!("/{a}")),
        ("regex", json!("/a")),
        ("methods", json!(["GET"])),
        ("hosts", json!(["*.example.com"])),
    ];
    for (name, value, problem) in [
        (
            "path",
            json!("a"),
            r#"found "a"; expected a path that begins with "/""#,
        ),
        (
            "path",
            json!("/a?b"),
            r#"found "/a?b"; expected a path without query"#,
        ),
        (
            "path",
            json!(1),
            r#"found 1; expected a path that begins with "/"; quote it"#,
        ),
        (
            "prefix",
            json!("/{a}"),
            r#"found "/{a}"; expected a path without braces, or "template" for one with variables"#,
        ),
        (
            "template",
            json!("/a/x{b}"),
            r#"found "x{b}"; expected a variable to be a whole segment, as in "/users/{id}""#,
        ),
        (
            "template",
            json!("/{a}/{a}"),
            r#"found the variable "a" twice; expected each name once"#,
        ),
        (
            "prefix",
            json!("/admin/*"),
            r#"found "/admin/*"; expected no "*", which stands for itself; write prefix: /admin"#,
        ),
        (
            "path",
            json!("/users/:id"),
            r#"found "/users/:id"; expected no segment that begins with ":"; write template: '/users/{id}'"#,
        ),
        (
            "template",
            json!("/users/{id}/*"),
            r#"found "/users/{id}/*"; expected no "*", which stands for itself; write template: '/users/{id}/{rest+}'"#,
        ),
        (
            "path",
            json!("/a%3Fb"),
            r#"found "/a%3Fb"; expected a path that a safe request can have, but in it found "%3F" or "%23"; expected a path that no server cuts off"#,
        ),
        (
            "regex",
            json!("admin.*"),
            r#"found "admin.*"; expected a regex for paths, which begin with "/""#,
        ),
        (
            "regex",
            json!(""),
            "found an empty regex; expected one that matches a path",
        ),
        (
            "methods",
            json!([]),
            "found an empty list; expected a list of methods, such as [GET, HEAD]",
        ),
        (
            "methods",
            json!("GET"),
            r#"found "GET"; expected a list of methods, such as [GET, HEAD]"#,
        ),
        (
            "hosts",
            json!([]),
            "found an empty list; expected a list of hosts, such as [api.example.com]",
        ),
    ] {
        let twin = twins
            .iter()
            .find(|(twin, _)| *twin == name)
            .unwrap()
            .1
            .clone();
        rule_case(
            part(name, value),
            &format!("rules[0].match.{name}: {problem}"),
            part(name, twin),
        );
    }
    rule_case(
        part("methods", json!(["get"])),
        r#"rules[0].match.methods[0]: found "get"; expected a method in upper case, such as "GET""#,
        part("methods", json!(["GET", "POST"])),
    );
    rule_case(
        part("methods", json!(["GET", "GET"])),
        r#"rules[0].match.methods[1]: found "GET" as in rules[0].match.methods[0]; expected each once"#,
        part("methods", json!(["GET", "POST"])),
    );
    let star = read(&changed(&rule(&part("hosts", json!(["*"])))))
        .unwrap_err()
        .to_string();
    assert!(
        star.starts_with("rules[0].match.hosts[0]: found \"*\"; expected "),
        "{star}"
    );
}

#[test]
fn a_rule_allows_or_requires() {
    let with = |changes: Value| {
        let mut rule = json!({"match": {"path": "/a"}});
        rule.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        rule
    };
    rule_case(
        with(json!({"allow": "anyone", "require": {"groups": ["a"]}})),
        "rules[0].require: found beside allow; expected one of the two",
        with(json!({"require": {"groups": ["a"]}})),
    );
    rule_case(
        with(json!({"allow": "authenticated"})),
        r#"rules[0].allow: found "authenticated"; expected anyone, optional or nobody"#,
        with(json!({"allow": "optional"})),
    );
    rule_case(
        with(json!({"allow": true})),
        "rules[0].allow: found true; expected anyone, optional or nobody; quote it",
        with(json!({"allow": "nobody"})),
    );
    rule_case(
        with(json!({"require": {}})),
        "rules[0].require: found an empty object; expected a condition, or no require at all for any valid token",
        with(json!({})),
    );
    rule_case(
        with(json!({"require": null})),
        "rules[0].require: found null; expected an object of conditions; give it a value or leave it out",
        with(json!({})),
    );
    let rules = accepted(rule(&with(json!({})))).rules;
    let accesses = format!(
        "{:?}",
        rules.iter().map(|(_, access)| access).collect::<Vec<_>>()
    );
    assert!(accesses.contains("[Require(Requirement { callers: Users(Narrowing { token_use: Any, pools: Unrestricted, clients: Unrestricted"), "{accesses}");
}

#[test]
fn a_token_that_is_not_valid_is_ignored_in_writing() {
    let with = |changes: Value| {
        let mut rule = json!({"match": {"path": "/a"}});
        let members = changes.as_object().unwrap().clone();
        rule.as_object_mut().unwrap().extend(members);
        rule
    };
    let ignores = || with(json!({"allow": "optional", "invalid_token": "ignore"}));
    rule_case(
        with(json!({"allow": "optional", "invalid_token": "allow"})),
        r#"rules[0].invalid_token: found "allow"; expected refuse or ignore"#,
        ignores(),
    );
    const ALONE: &str =
        "rules[0].invalid_token: found without allow: optional; expected it beside that alone";
    for other in [
        json!({"allow": "anyone"}),
        json!({"allow": "nobody"}),
        json!({"require": {"groups": ["a"]}}),
        json!({}),
    ] {
        for word in ["ignore", "refuse"] {
            let mut one = other.clone();
            one["invalid_token"] = word.into();
            rule_case(with(one), ALONE, ignores());
        }
    }
    rule_case(
        with(json!({"allow": "some", "invalid_token": "ignore"})),
        r#"rules[0].allow: found "some"; expected anyone, optional or nobody"#,
        ignores(),
    );
    for (rule_, ignored) in [
        (ignores(), true),
        (with(json!({"allow": "optional"})), false),
        (
            with(json!({"allow": "optional", "invalid_token": "refuse"})),
            false,
        ),
    ] {
        let rules = accepted(rule(&rule_)).rules;
        assert_eq!(rules.ignores_tokens(), ignored, "{rule_}");
    }
}

#[test]
fn a_rules_own_word_goes_before_the_one_for_all() {
    values(
        "/enforce",
        &[
            (
                json!("none"),
                r#"enforce: found "none"; expected all or report"#,
            ),
            (
                json!(false),
                "enforce: found false; expected all or report; quote it",
            ),
            (
                json!(null),
                "enforce: found null; expected all or report; give it a value or leave it out",
            ),
        ],
        json!("report"),
    );
    rule_case(
        json!({"match": {"path": "/a"}, "enforce": "warn"}),
        r#"rules[0].enforce: found "warn"; expected all or report"#,
        json!({"match": {"path": "/a"}, "enforce": "report"}),
    );
    for (for_all, own, opens, rule_reports) in [
        (None, None, false, false),
        (None, Some("report"), true, true),
        (Some("all"), Some("report"), true, true),
        (Some("report"), None, true, true),
        // What no rule matches, and what no rule can be chosen for, is reported still.
        (Some("report"), Some("all"), true, false),
        (Some("all"), Some("all"), false, false),
    ] {
        let mut rule = json!({"match": {"path": "/a"}, "allow": "nobody"});
        if let Some(own) = own {
            rule["enforce"] = own.into();
        }
        let mut document = json!({"/rules": [rule], "/default": "nobody"});
        if let Some(word) = for_all {
            document["/enforce"] = word.into();
        }
        let rules = accepted(document.clone()).rules;
        assert_eq!(rules.opens_doors(), opens, "{document}");
        assert_eq!(rules.reporting().count() == 1, rule_reports, "{document}");
        let without = match for_all {
            Some("report") => Enforcement::Report,
            _ => Enforcement::All,
        };
        assert_eq!(rules.enforcement_without_rule(), without, "{document}");
    }
}

#[test]
fn rules_that_can_never_be_reached_are_refused() {
    let rules = |last: Value| {
        json!({"/default": "nobody", "/rules": [
            {"match": {"path": "/health"}, "allow": "anyone"},
            {"match": {"prefix": "/a"}},
            {"match": {"path": "/b"}},
            last,
        ]})
    };
    const HIDDEN: &str =
        "rules[3].match: found a match that can never be reached; rules[1] matches all of it";
    case(
        rules(json!({"match": {"path": "/a/b"}})),
        HIDDEN,
        rules(json!({"match": {"path": "/c"}})),
    );
    // Found whatever else is wrong with the rule.
    case(
        rules(json!({"match": {"path": "/a/b", "methods": ["GET"]}, "allow": "all"})),
        &format!("rules[3].allow: found \"all\"; expected anyone, optional or nobody\n{HIDDEN}"),
        rules(json!({"match": {"path": "/ab"}, "allow": "anyone"})),
    );
}

#[test]
fn rules_are_bounded() {
    let rules = |count: usize| {
        let rule = |number| json!({"match": {"path": format!("/{number}")}});
        json!({"/default": "nobody", "/rules": (0..count).map(rule).collect::<Vec<_>>()})
    };
    let refused = changed(&rules(config::MAX_RULES + 1)).to_string();
    document(
        refused.as_bytes(),
        &format!(
            "rules: found {} rules; expected at most {}",
            config::MAX_RULES + 1,
            config::MAX_RULES
        ),
    );
    let most = changed(&rules(config::MAX_RULES)).to_string();
    assert_eq!(
        config::parse(most.as_bytes()).unwrap().rules.len(),
        config::MAX_RULES
    );
}
