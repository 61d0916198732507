//! `claim_headers` and `payload_header`.

use crate::config::{accepted, case, values};
use cognito_authorizer::config;
use serde_json::json;

#[test]
fn claim_headers_have_targets_of_their_own() {
    let header = |name: &str| json!([{"header": name, "claim": "sub"}]);
    values(
        "/claim_headers",
        &[
            (
                json!({}),
                "claim_headers: found an empty object; expected a list of claim headers",
            ),
            (
                json!(["sub"]),
                r#"claim_headers[0]: found "sub"; expected an object with header and claim"#,
            ),
            (
                json!([{}]),
                "claim_headers[0].header: missing; expected the name of a header, such as x-cognito-sub\nclaim_headers[0].claim: missing; expected the name of a claim or a JSON Pointer, or a list of them",
            ),
            (
                header(":path"),
                r#"claim_headers[0].header: ":path" is reserved; expected a header of your own, such as x-cognito-sub"#,
            ),
            (
                header("Content-Type"),
                r#"claim_headers[0].header: "Content-Type" is reserved; expected a header of your own, such as x-cognito-sub"#,
            ),
            (
                header("a b"),
                r#"claim_headers[0].header: found "a b"; expected a header name of letters, digits and hyphens"#,
            ),
            (
                header(""),
                r#"claim_headers[0].header: found ""; expected a header name of letters, digits and hyphens"#,
            ),
            (
                json!([{"header": "x-a", "claim": "a"}, {"header": "X-A", "claim": "b"}]),
                r#"claim_headers[1].header: found "x-a", the target of claim_headers[0].header; expected each target once"#,
            ),
            (
                json!([{"header": "x-a", "claim": []}]),
                "claim_headers[0].claim: found an empty list; expected the name of a claim or a JSON Pointer, or a list of them",
            ),
            (
                json!([{"header": "x-a", "claim": ""}]),
                r#"claim_headers[0].claim: found ""; expected the name of a claim or a JSON Pointer, or a list of them"#,
            ),
            (
                json!([{"header": "x-a", "claim": ["a", 1]}]),
                "claim_headers[0].claim[1]: found 1; expected the name of a claim or a JSON Pointer; quote it",
            ),
            (
                json!([{"header": "x-a", "claim": "a", "encoding": "latin1"}]),
                r#"claim_headers[0].encoding: found "latin1"; expected utf8 or percent"#,
            ),
            (
                json!([{"header": "x-a", "claim": ["a", "a"]}]),
                r#"claim_headers[0].claim[1]: found "a" as in claim_headers[0].claim[0]; expected each once"#,
            ),
            (
                json!([{"header": "x-a", "claim": "/a~"}]),
                r#"claim_headers[0].claim: found "/a~"; expected a JSON Pointer, in which "~" stands before 0 or 1 only"#,
            ),
            (
                json!([{"header": "x-a", "claim": "a", "format": "csv"}]),
                r#"claim_headers[0].format: found "csv"; expected comma, space or json"#,
            ),
            (
                json!([{"header": "x-a", "claims": "a", "claim": "a"}]),
                "claim_headers[0].claims: found an unknown field; did you mean claim?",
            ),
        ],
        json!([{"header": "x-a", "claim": ["a", "/b/0"], "format": "json"}, {"header": "x-b", "claim": "a", "format": "space", "encoding": "percent"}]),
    );
    case(
        json!({"/claim_headers": header("x-a"), "/payload_header": "X-A"}),
        r#"payload_header: found "x-a", the target of claim_headers[0].header; expected each target once"#,
        json!({"/claim_headers": header("x-a"), "/payload_header": "X-B"}),
    );
    case(
        json!({"/payload_header": "host"}),
        r#"payload_header: "host" is reserved; expected a header of your own, such as x-cognito-sub"#,
        json!({"/payload_header": "x-hosts"}),
    );
    case(
        json!({"/token/from": [{"header": "X-Token"}], "/claim_headers": header("x-token")}),
        r#"claim_headers[0].header: found "x-token", which token.from reads; expected another header"#,
        json!({"/token/from": [{"query": "x-token"}], "/claim_headers": header("x-token")}),
    );
    case(
        json!({"/token/from": [{"header": "X-Token"}], "/payload_header": "x-token"}),
        r#"payload_header: found "x-token", which token.from reads; expected another header"#,
        json!({"/token/from": [{"cookie": "x-token"}], "/payload_header": "x-token"}),
    );
    // Servers that fold names know one header by both.
    case(
        json!({"/claim_headers": [{"header": "x-a", "claim": "a"}, {"header": "x_A", "claim": "b"}]}),
        r#"claim_headers[1].header: found "x_a", which servers that fold header names take for "x-a", the target of claim_headers[0].header; expected another header, or header_aliases: keep"#,
        json!({
            "/claim_headers": [{"header": "x-a", "claim": "a"}, {"header": "x_A", "claim": "b"}],
            "/header_aliases": "keep",
        }),
    );
    case(
        json!({"/claim_headers": header("x-a.b"), "/payload_header": "x-a-b"}),
        r#"payload_header: found "x-a-b", which servers that fold header names take for "x-a.b", the target of claim_headers[0].header; expected another header, or header_aliases: keep"#,
        json!({"/claim_headers": header("x-a.b"), "/payload_header": "x-a-c"}),
    );
    case(
        json!({"/token/from": [{"header": "X-Token"}], "/claim_headers": header("x.token")}),
        r#"claim_headers[0].header: found "x.token", which servers that fold header names take for "x-token", which token.from reads; expected another header, or header_aliases: keep"#,
        json!({
            "/token/from": [{"header": "X-Token"}], "/claim_headers": header("x.token"),
            "/header_aliases": "keep",
        }),
    );
    case(
        json!({"/token/from": [{"cookie": "t"}, {"header": "x-token"}, {"header": "x_token"}]}),
        r#"token.from[2].header: found "x_token", which servers that fold header names take for the place of token.from[1]; expected another header, or header_aliases: keep"#,
        json!({
            "/token/from": [{"cookie": "t"}, {"header": "x-token"}, {"header": "x_token"}],
            "/header_aliases": "keep",
        }),
    );
    for target in [
        "forwarded",
        "x-real-ip",
        "Origin",
        "x_original_url",
        "x-http-method",
    ] {
        case(
            json!({"/claim_headers": header(target)}),
            &format!(
                "claim_headers[0].header: {target:?} is reserved; expected a header of your own, such as x-cognito-sub"
            ),
            json!({"/claim_headers": header("x-cognito-sub")}),
        );
    }
    let headers = |count: usize| {
        let header = |number| json!({"header": format!("x-{number}"), "claim": "sub"});
        json!({"/claim_headers": (0..count).map(header).collect::<Vec<_>>()})
    };
    case(
        headers(config::MAX_CLAIM_HEADERS + 1),
        "claim_headers: found 101 claim headers; expected at most 100",
        headers(config::MAX_CLAIM_HEADERS),
    );
    accepted(json!({"/claim_headers": []}));
}
