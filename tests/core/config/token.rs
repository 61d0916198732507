//! `token`.

use crate::config::{accepted, case, changed, read, values};
use cognito_authorizer::bearer::TokenSource;
use cognito_authorizer::policy::{AtExpiry, AudiencePolicy, Forwarding};
use serde_json::{Value, json};

#[test]
fn token_use_is_said() {
    case(
        json!({"-/token": 0}),
        "token.use: missing; expected id, access or any",
        json!({}),
    );
    case(
        json!({"/token": {}}),
        "token.use: missing; expected id, access or any",
        json!({}),
    );
    case(
        json!({"/token": []}),
        "token: found an empty list; expected an object with use",
        json!({}),
    );
    values(
        "/token/use",
        &[
            (
                json!("refresh"),
                r#"token.use: found "refresh"; expected id, access or any"#,
            ),
            (
                json!("ID"),
                r#"token.use: found "ID"; expected id, access or any"#,
            ),
            (
                json!(["id"]),
                "token.use: found a list; expected id, access or any",
            ),
            (
                json!(null),
                "token.use: found null; expected id, access or any; give it a value or leave it out",
            ),
        ],
        json!("id"),
    );
    case(
        json!({"/token/token_use": "id"}),
        "token.token_use: found an unknown field; expected use, from, clock_skew, max_bytes, aud_pattern, forward, cache_entries, at_expiry",
        json!({"/token/use": "access"}),
    );
}

#[test]
fn tokens_are_looked_for_in_distinct_places() {
    values(
        "/token/from",
        &[
            (
                json!([]),
                "token.from: found an empty list; expected a list of places: header, query, cookie, websocket_protocol or amplify_cookies",
            ),
            (
                json!({"header": "a"}),
                "token.from: found an object; expected a list of places: header, query, cookie, websocket_protocol or amplify_cookies",
            ),
            (
                json!(["authorization"]),
                r#"token.from[0]: found "authorization"; expected an object with one of header, query, cookie, websocket_protocol and amplify_cookies"#,
            ),
            (
                json!([{}]),
                "token.from[0]: found none; expected one of header, query, cookie, websocket_protocol and amplify_cookies",
            ),
            (
                json!([{"header": "a", "cookie": "a"}]),
                "token.from[0]: found header and cookie; expected one of header, query, cookie, websocket_protocol and amplify_cookies",
            ),
            (
                json!([{"form": "a", "query": "a"}]),
                "token.from[0].form: found an unknown field; expected header, scheme, query, cookie, websocket_protocol, amplify_cookies",
            ),
            (
                json!([{"header": "X-A"}, {"query": "q"}, {"header": "x-a"}]),
                "token.from[2]: found the place of token.from[0]; expected each once",
            ),
            (
                json!([{"query": "q"}, {"query": "q"}]),
                "token.from[1]: found the place of token.from[0]; expected each once",
            ),
            (
                json!([{"header": ":path"}]),
                r#"token.from[0].header: found ":path"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "Cookie"}]),
                r#"token.from[0].header: found "Cookie"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "connection"}]),
                r#"token.from[0].header: found "connection"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "host"}]),
                r#"token.from[0].header: found "host"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "x a"}]),
                r#"token.from[0].header: found "x a"; expected a header name of letters, digits and hyphens"#,
            ),
            (
                json!([{"header": null}]),
                "token.from[0].header: found null; expected the name of a header; give it a value or leave it out",
            ),
            (
                json!([{"query": ""}]),
                r#"token.from[0].query: found ""; expected the name of a query parameter"#,
            ),
            (
                json!([{"cookie": "a=b"}]),
                r#"token.from[0].cookie: found "a=b"; expected the name of a cookie"#,
            ),
            (
                json!([{"cookie": "CognitoIdentityServiceProvider.*.idToken"}]),
                r#"token.from[0].cookie: found "CognitoIdentityServiceProvider.*.idToken", in which "*" stands for itself; expected the whole name of one cookie"#,
            ),
            (
                json!([{"cookie": 1}]),
                "token.from[0].cookie: found 1; expected the name of a cookie; quote it",
            ),
        ],
        json!([{"header": "x-amzn-oidc-accesstoken"}, {"query": "a b"}, {"cookie": "A"}, {"cookie": "a"}]),
    );
    let policy = accepted(json!({"/token/from": [{"header": "X-Token"}, {"cookie": "T"}]}));
    let places: Vec<_> = policy.token.sources.iter().cloned().collect();
    assert!(
        matches!(&places[..], [TokenSource::Header(name, _), TokenSource::Cookie(cookie)]
        if name.as_str() == "x-token" && cookie == "T")
    );
}

#[test]
fn numbers_of_the_token_are_whole_and_bounded() {
    let expected = "expected a whole number from 1 to 65536";
    for (wrong, shown) in [
        (json!(0), "0"),
        (json!(65_537), "65537"),
        (json!(-1), "-1"),
        (json!(1.5), "1.5"),
        (json!(1e300), &*format!("1{}", "0".repeat(99))),
        (json!("1024"), "\"1024\""),
        (json!(true), "true"),
    ] {
        let problem = format!("token.max_bytes: found {shown}; {expected}");
        values("/token/max_bytes", &[(wrong, &problem)], json!(65_536));
    }
    case(
        json!({"/token/cache_entries": 65_537}),
        "token.cache_entries: found 65537; expected a whole number from 0 to 65536",
        json!({"/token/cache_entries": 65_536}),
    );
    case(
        json!({"/token/cache_entries": -1}),
        "token.cache_entries: found -1; expected a whole number from 0 to 65536",
        json!({"/token/cache_entries": 0}),
    );
    assert_eq!(
        accepted(json!({"/token/cache_entries": 0}))
            .token
            .cache_entries,
        0
    );
}

#[test]
fn requests_are_kept_at_expiry_unless_they_are_closed() {
    let problem = r#"token.at_expiry: found "cut"; expected keep or close"#;
    values(
        "/token/at_expiry",
        &[(json!("cut"), problem)],
        json!("close"),
    );
    for (said, meant) in [
        (json!({}), AtExpiry::Keep),
        (json!({"/token/at_expiry": "keep"}), AtExpiry::Keep),
        (json!({"/token/at_expiry": "close"}), AtExpiry::Close),
    ] {
        assert_eq!(accepted(said).token.at_expiry, meant);
    }
}

#[test]
fn forwarding_is_true_or_false() {
    values(
        "/token/forward",
        &[
            (
                json!("false"),
                r#"token.forward: found "false"; expected true or false"#,
            ),
            (json!(0), "token.forward: found 0; expected true or false"),
            (
                json!(null),
                "token.forward: found null; expected true or false; give it a value or leave it out",
            ),
        ],
        json!(false),
    );
    assert_eq!(
        accepted(json!({"/token/forward": false})).token.forwarding,
        Forwarding::Strip
    );
    assert_eq!(
        accepted(json!({"/token/forward": true})).token.forwarding,
        Forwarding::Keep
    );
}

#[test]
fn aud_pattern_is_anchored() {
    values(
        "/token/aud_pattern",
        &[
            (
                json!(""),
                r#"token.aud_pattern: found ""; expected a regular expression"#,
            ),
            (
                json!(4),
                "token.aud_pattern: found 4; expected a regular expression; quote it",
            ),
        ],
        json!("4"),
    );
    for broken in ["(", "a)|(?:b", "[z-a]"] {
        let problems = read(&changed(&json!({"/token/aud_pattern": broken})))
            .unwrap_err()
            .to_string();
        let expected =
            format!("token.aud_pattern: found {broken:?}; expected a regular expression: ");
        assert!(
            problems.starts_with(&expected) && problems.len() > expected.len(),
            "{problems}"
        );
    }
    case(
        json!({"/token/aud_pattern": "a".repeat(1025)}),
        "token.aud_pattern: found 1025 bytes; expected at most 1024",
        json!({"/token/aud_pattern": "a".repeat(1024)}),
    );
    for pattern in ["4hq8|x", "^4hq8|x$", "(?m)^4hq8$|x", "(?s)4hq8|x"] {
        let policy = accepted(json!({"/token/aud_pattern": pattern}));
        let AudiencePolicy::Matching(regex) = &policy.token.audience else {
            panic!("no pattern");
        };
        assert!(regex.matches("4hq8"), "{pattern}");
        for other in ["4hq8x", "y4hq8", "xx", "y\nx", "4hq8\n"] {
            assert!(!regex.matches(other), "{pattern} {other:?}");
        }
    }
}

#[test]
fn a_header_has_a_scheme() {
    let from = |place: Value| json!({"/token/from": [place]});
    case(
        from(json!({"header": "authorization", "scheme": "J W T"})),
        "token.from[0].scheme: found \"J W T\"; expected a scheme of letters, digits and hyphens, such as JWT",
        from(json!({"header": "authorization", "scheme": "JWT"})),
    );
    case(
        from(json!({"cookie": "t", "scheme": "JWT"})),
        "token.from[0].scheme: found beside cookie; expected it beside header, which alone has schemes",
        from(json!({"cookie": "t"})),
    );
    // The word itself is the default, whatever its letters.
    case(
        json!({"/token/from": [{"header": "x"}, {"header": "x", "scheme": "bearer"}]}),
        "token.from[1]: found the place of token.from[0]; expected each once",
        json!({"/token/from": [{"header": "x"}, {"header": "x", "scheme": "JWT"}]}),
    );
}

#[test]
fn a_subprotocol_stands_behind_a_marker_or_begins_with_one() {
    let from = |place: Value| json!({"/token/from": [{"websocket_protocol": place}]});
    let one = |refused: Value, problem: &str, twin: Value| {
        let path = "token.from[0].websocket_protocol";
        case(from(refused), &format!("{path}{problem}"), from(twin));
    };
    one(
        json!("bearer"),
        ": found \"bearer\"; expected an object with after, or with prefix and encoding",
        json!({"after": "bearer"}),
    );
    one(
        json!({"encoding": "base64url"}),
        ": found neither after nor prefix; expected one of the two",
        json!({"encoding": "base64url", "prefix": "p."}),
    );
    one(
        json!({"after": "bearer", "prefix": "p."}),
        ".prefix: found beside after; expected one of the two",
        json!({"prefix": "p."}),
    );
    one(
        json!({"after": "bearer", "encoding": "base64url"}),
        ".encoding: found beside after; expected it beside prefix",
        json!({"after": "bearer"}),
    );
    one(
        json!({"prefix": "p.", "encoding": "base64"}),
        ".encoding: found \"base64\"; expected none or base64url",
        json!({"prefix": "p.", "encoding": "none"}),
    );
    one(
        json!({"after": "a, b"}),
        ".after: found \"a, b\"; expected a subprotocol without spaces and separators",
        json!({"after": "a"}),
    );
    one(
        json!({"after": ""}),
        ".after: found \"\"; expected a subprotocol, behind which the token stands",
        json!({"after": "a"}),
    );
    case(
        json!({
            "/token/from": [{"websocket_protocol": {"after": "bearer"}}],
            "/claim_headers": [{"header": "sec-websocket-protocol", "claim": "sub"}],
        }),
        "claim_headers[0].header: found \"sec-websocket-protocol\", which token.from reads; expected another header",
        json!({"/token/from": [{"websocket_protocol": {"after": "bearer"}}]}),
    );
}

#[test]
fn amplify_writes_an_app_client_into_its_cookies() {
    let from = |place: &str| json!([{"amplify_cookies": place}]);
    case(
        json!({"/token/from": from("refresh")}),
        "token.from[0].amplify_cookies: found \"refresh\"; expected access or id",
        json!({"/token/from": from("access")}),
    );
    case(
        json!({"/token/from": from("id"), "/user_pools/0/client_ids": "any"}),
        "token.from[0].amplify_cookies: found client_ids: any in user_pools[0]; expected a list there, since the names of these cookies have an app client in them",
        json!({"/token/from": from("id"), "/user_pools/0/client_ids": ["web"]}),
    );
    case(
        json!({"/token/from": [{"amplify_cookies": "id"}, {"amplify_cookies": "access"}]}),
        "token.from[1]: found amplify_cookies as in token.from[0]; expected one of access and id, since browsers send both",
        json!({"/token/from": [{"amplify_cookies": "id"}, {"cookie": "access"}]}),
    );
    // None of its tokens could be of use.
    let other = "token.from[0].amplify_cookies: found another use than token.use admits; expected the same, or token.use any";
    let using = |token: &str, place: &str| json!({"/token/use": token, "/token/from": from(place)});
    for (refused, twin) in [
        (using("id", "access"), using("access", "access")),
        (using("access", "id"), using("any", "id")),
    ] {
        case(refused, other, twin);
    }
    // Of a use that could not be read nothing more is said.
    case(
        using("ID", "access"),
        r#"token.use: found "ID"; expected id, access or any"#,
        using("any", "access"),
    );
}

#[test]
fn a_subprotocol_before_a_token_is_none_itself() {
    let after = |marker: &str| json!({"websocket_protocol": {"after": marker}});
    let prefix = |prefix: &str| json!({"websocket_protocol": {"prefix": prefix}});
    let encoded =
        |prefix: &str| json!({"websocket_protocol": {"prefix": prefix, "encoding": "base64url"}});
    let from = |one: Value, other: Value| json!({"/token/from": [{"header": "x-a"}, one, other]});
    let problem = r#"token.from[2]: found, with token.from[1], "bearer" before a token and the prefix "bea"; expected a prefix with which that does not begin, since it would be a token itself"#;
    for (refused, twin) in [
        (
            from(after("bearer"), prefix("bea")),
            from(after("bearer"), prefix("bearer")),
        ),
        (
            from(after("bearer"), encoded("bea")),
            from(after("bearer"), encoded("bearer.")),
        ),
        (
            from(prefix("bea"), after("bearer")),
            from(prefix("Bea"), after("bearer")),
        ),
    ] {
        case(refused, problem, twin);
    }
    accepted(from(after("a"), after("ab")));
}
