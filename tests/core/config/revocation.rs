//! `deny_list`, `issued_after` and `signed_in_after`.

use crate::config::{accepted, case, values};
use cognito_authorizer::policy::{Brake, MaxAge, WhenStale};
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::remote::document::Source;
use cognito_authorizer::remote::schedule::{MaxStale, Refresh};
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

fn list() -> Value {
    json!({
        "cluster": "lists",
        "uri": "https://bucket.example.com/deny.json?v=1",
        "max_age": "1h",
        "when_stale": "refuse",
    })
}

/// The document with a list that has this beside the least.
fn with(field: &str, value: Value) -> Value {
    let mut list = list();
    list[field] = value;
    json!({ "/deny_list": list })
}

#[test]
fn a_list_and_its_defaults() {
    assert!(accepted(json!({})).deny_list.is_none());
    let policy = accepted(json!({"/deny_list": list()})).deny_list.unwrap();
    assert_eq!(
        policy.source,
        Source {
            endpoint: Endpoint {
                cluster: "lists".into(),
                uri: "https://bucket.example.com/deny.json?v=1".into(),
                scheme: "https".into(),
                authority: "bucket.example.com".into(),
                path: "/deny.json?v=1".into(),
                timeout: Duration::from_secs(5),
            },
            refresh: Refresh {
                interval: Duration::from_secs(30),
                max_stale: MaxStale::For(Duration::from_secs(600)),
            },
        }
    );
    assert_eq!(policy.max_age, MaxAge::For(Duration::from_secs(3600)));
    assert_eq!(policy.when_stale, WhenStale::Refuse);
    assert_eq!(policy.max_entries, 20_000);
    let read = |field, value| accepted(with(field, value)).deny_list.unwrap();
    assert_eq!(read("max_age", json!("forever")).max_age, MaxAge::Forever);
    assert_eq!(
        read("max_stale", json!("forever")).source.refresh.max_stale,
        MaxStale::Forever
    );
    assert_eq!(
        read("when_stale", json!("serve")).when_stale,
        WhenStale::Serve
    );
}

#[test]
fn what_must_be_said_has_no_default() {
    for (field, problem) in [
        (
            "cluster",
            "deny_list.cluster: missing; expected the Envoy cluster that reaches the list",
        ),
        (
            "uri",
            "deny_list.uri: missing; expected the list's URL, such as https://host/deny.json",
        ),
        (
            "max_age",
            "deny_list.max_age: missing; expected a duration from 1m to 720h, or forever",
        ),
        (
            "when_stale",
            "deny_list.when_stale: missing; expected refuse or serve",
        ),
    ] {
        let mut less = list();
        less.as_object_mut().unwrap().remove(field).unwrap();
        case(
            json!({ "/deny_list": less }),
            problem,
            json!({"/deny_list": list()}),
        );
    }
}

#[test]
fn each_field_has_its_bounds() {
    for (field, value, problem, twin) in [
        (
            "cluster",
            json!(""),
            r#"found ""; expected the Envoy cluster that reaches the list"#,
            json!("c"),
        ),
        (
            "uri",
            json!("deny.json"),
            r#"found "deny.json"; expected an absolute URL such as https://host/path"#,
            json!("http://h/"),
        ),
        (
            "timeout",
            json!("99ms"),
            r#"found "99ms"; expected a duration from 100ms to 30s"#,
            json!("100ms"),
        ),
        (
            "timeout",
            json!("31s"),
            r#"found "31s"; expected a duration from 100ms to 30s"#,
            json!("30s"),
        ),
        (
            "refresh_interval",
            json!("4s"),
            r#"found "4s"; expected a duration from 5s to 1h"#,
            json!("5s"),
        ),
        (
            "refresh_interval",
            json!("61m"),
            r#"found "61m"; expected a duration from 5s to 1h"#,
            json!("1h"),
        ),
        (
            "max_stale",
            json!("59s"),
            r#"found "59s"; expected a duration from 1m to 720h, or forever"#,
            json!("1m"),
        ),
        (
            "max_stale",
            json!("721h"),
            r#"found "721h"; expected a duration from 1m to 720h, or forever"#,
            json!("720h"),
        ),
        (
            "max_age",
            json!("59s"),
            r#"found "59s"; expected a duration from 1m to 720h, or forever"#,
            json!("1m"),
        ),
        (
            "max_age",
            json!("never"),
            r#"found "never"; expected a duration from 1m to 720h, or forever, as a number and ms, s, m or h"#,
            json!("720h"),
        ),
        (
            "when_stale",
            json!("serve_all"),
            r#"found "serve_all"; expected refuse or serve"#,
            json!("serve"),
        ),
        (
            "max_entries",
            json!(0),
            "found 0; expected a whole number from 1 to 200000",
            json!(1),
        ),
        (
            "max_entries",
            json!(200_001),
            "found 200001; expected a whole number from 1 to 200000",
            json!(200_000),
        ),
        (
            "max_entrie",
            json!(1),
            "found an unknown field; did you mean max_entries?",
            json!(null),
        ),
    ] {
        let twin = match twin {
            Value::Null => with("timeout", json!("5s")),
            twin => with(field, twin),
        };
        case(
            with(field, value),
            &format!("deny_list.{field}: {problem}"),
            twin,
        );
    }
    values(
        "/deny_list",
        &[
            (
                json!(null),
                "deny_list: found null; expected an object with cluster and uri; give it a value or leave it out",
            ),
            (
                json!([list()]),
                "deny_list: found a list; expected an object with cluster and uri",
            ),
        ],
        list(),
    );
}

#[test]
fn a_brake_is_a_time_with_its_zone() {
    let policy = accepted(json!({}));
    assert_eq!(policy.issuers.pools()[0].brake, Brake::default());
    for field in ["issued_after", "signed_in_after"] {
        let example = "such as 2026-11-28T20:00:00Z";
        for (value, problem) in [
            (
                json!("2026-11-28T20:00:00"),
                format!(
                    "found \"2026-11-28T20:00:00\"; expected a zone at its end, Z or +01:00, {example}"
                ),
            ),
            (
                json!("2026-11-28"),
                format!(
                    "found \"2026-11-28\"; expected a time with its zone (RFC 3339), {example}"
                ),
            ),
            (
                json!("1969-12-31T23:59:59Z"),
                format!(
                    "found \"1969-12-31T23:59:59Z\"; expected a time with its zone (RFC 3339), {example}"
                ),
            ),
            (
                json!(""),
                format!("found \"\"; expected a time with its zone (RFC 3339), {example}"),
            ),
            (
                json!(1_795_900_000),
                format!("found 1795900000; expected a time with its zone, {example}; quote it"),
            ),
        ] {
            case(
                json!({ format!("/user_pools/0/{field}"): value }),
                &format!("user_pools[0].{field}: {problem}"),
                json!({ format!("/user_pools/0/{field}"): "2026-11-28T21:00:00+01:00" }),
            );
        }
    }
    let policy = accepted(json!({
        "/user_pools/0/issued_after": "2026-11-28T20:00:00Z",
        "/user_pools/0/signed_in_after": "2026-11-28T21:00:00.5+01:00",
    }));
    let pool = &policy.issuers.pools()[0];
    assert_eq!(
        pool.brake.issued_after,
        Timestamp::from_seconds(1_795_896_000.0)
    );
    assert_eq!(
        pool.brake.signed_in_after,
        Timestamp::from_seconds(1_795_896_000.5)
    );
}
