//! Words, flags and unknown fields.

use crate::config::{accepted, case};
use cognito_authorizer::owned::{HOST_OVERRIDES, METHOD_OVERRIDES, Override, PATH_OVERRIDES};
use cognito_authorizer::policy::{Identity, Preflight, RouteChoice, SignaturePolicy};
use serde_json::{Value, json};

#[test]
fn words_and_flags() {
    for (field, expected, twins) in [
        (
            "path_case",
            "insensitive or sensitive",
            [json!("insensitive"), json!("sensitive")],
        ),
        (
            "method_override",
            "strip or keep",
            [json!("strip"), json!("keep")],
        ),
        (
            "host_override",
            "strip or keep",
            [json!("strip"), json!("keep")],
        ),
        (
            "path_override",
            "strip or keep",
            [json!("strip"), json!("keep")],
        ),
        (
            "header_aliases",
            "strip or keep",
            [json!("strip"), json!("keep")],
        ),
        (
            "cors_preflight",
            "require_token or pass",
            [json!("require_token"), json!("pass")],
        ),
        (
            "signature",
            "auto or module",
            [json!("auto"), json!("module")],
        ),
        ("log_identity", "true or false", [json!(true), json!(false)]),
        (
            "clear_route_cache",
            "true or false",
            [json!(true), json!(false)],
        ),
    ] {
        let pointer = format!("/{field}");
        for twin in twins {
            case(
                json!({&pointer: "other"}),
                &format!("{field}: found \"other\"; expected {expected}"),
                json!({&pointer: twin}),
            );
        }
        case(
            json!({&pointer: null}),
            &format!("{field}: found null; expected {expected}; give it a value or leave it out"),
            json!({}),
        );
    }
    let policy = accepted(json!({
        "/cors_preflight": "pass", "/signature": "module", "/log_identity": true,
        "/clear_route_cache": true, "/method_override": "keep", "/default": "nobody",
        "/rules": [{"match": {"methods": ["GET"]}}],
    }));
    assert_eq!(policy.preflight, Preflight::Pass);
    assert_eq!(policy.signature, SignaturePolicy::Module);
    assert_eq!(policy.identity, Identity::Publish);
    assert_eq!(policy.route, RouteChoice::Anew);
    assert_eq!(policy.method_override, Override::Keep);
}

/// What overrides is the filter's own where something decides by what it overrides, unless it is kept.
#[test]
fn overrides_are_owned_where_they_matter() {
    let rule = |matches: Value| json!([{"match": matches, "allow": "anyone"}]);
    for (field, decides, owned) in [
        (
            "method_override",
            json!({"/rules": rule(json!({"methods": ["GET"]})), "/default": "nobody"}),
            METHOD_OVERRIDES.as_slice(),
        ),
        (
            "method_override",
            json!({"/cors_preflight": "pass"}),
            METHOD_OVERRIDES.as_slice(),
        ),
        (
            "host_override",
            json!({"/rules": rule(json!({"hosts": ["a.com"]})), "/default": "nobody"}),
            HOST_OVERRIDES.as_slice(),
        ),
        (
            "path_override",
            json!({"/rules": rule(json!({"prefix": "/a"})), "/default": "nobody"}),
            PATH_OVERRIDES.as_slice(),
        ),
    ] {
        let mut kept = decides.clone();
        kept[format!("/{field}")] = "keep".into();
        let (stripped, kept) = (accepted(decides), accepted(kept));
        let all = METHOD_OVERRIDES
            .iter()
            .chain(&HOST_OVERRIDES)
            .chain(&PATH_OVERRIDES);
        for name in all {
            assert_eq!(
                stripped.owned.owns(name.as_bytes()),
                owned.contains(name),
                "{name}"
            );
            assert!(!kept.owned.owns(name.as_bytes()), "{name}");
        }
    }
}

#[test]
fn unknown_fields_are_refused() {
    case(
        json!({"/userPools": []}),
        "userPools: found an unknown field; did you mean user_pools?",
        json!({}),
    );
    case(
        json!({"/a\nb": {}}),
        r#"["a\nb"]: found an unknown field; expected user_pools, aws_accounts, authorizers, deny_list, token, rules, default, enforce, path_case, method_override, host_override, path_override, claim_headers, payload_header, principal_headers, context_headers, header_aliases, cors_preflight, log_identity, clear_route_cache, signature, responses, protected_resources"#,
        json!({}),
    );
    case(
        json!({"/user_pools/0/region": "us-east-1"}),
        "user_pools[0].region: found an unknown field; expected user_pool_id, user_pool_arn, client_ids, issuer, jwks, issued_after, signed_in_after, confirm",
        json!({}),
    );
}
