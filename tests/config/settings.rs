//! Words, flags and unknown fields.

use crate::{accepted, case};
use cognito_authorizer::policy::{Identity, Preflight, RouteChoice, SignaturePolicy};
use serde_json::json;

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
    assert!(policy.rules.stripped_headers().is_empty());
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
        r#"["a\nb"]: found an unknown field; expected user_pools, token, rules, default, path_case, method_override, claim_headers, payload_header, cors_preflight, log_identity, clear_route_cache, signature, responses"#,
        json!({}),
    );
    case(
        json!({"/user_pools/0/region": "us-east-1"}),
        "user_pools[0].region: found an unknown field; expected user_pool_id, user_pool_arn, client_ids, issuer, jwks",
        json!({}),
    );
}
