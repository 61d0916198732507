//! Every duration: its unit and its bounds.

use crate::config::{accepted, case};
use cognito_authorizer::policy::KeySource;
use cognito_authorizer::remote::schedule::MaxStale;
use serde_json::json;
use std::time::Duration;

#[test]
fn durations_have_a_unit_and_bounds() {
    let refused = |field: &str, bounds: &str, cases: &[(&str, &str)]| {
        let path = field
            .replace("/user_pools/0", "user_pools[0]")
            .replace('/', ".");
        let path = path.trim_start_matches('.');
        for (wrong, twin) in cases {
            case(
                json!({field: wrong}),
                &format!("{path}: found {wrong:?}; expected a duration {bounds}"),
                json!({field: twin}),
            );
        }
        case(
            json!({field: 60}),
            &format!(
                "{path}: found 60; expected a duration {bounds}; quote it with a unit, such as \"5s\""
            ),
            json!({field: cases[0].1}),
        );
        case(
            json!({field: "1 h"}),
            &format!(
                "{path}: found \"1 h\"; expected a duration {bounds}, as a number and ms, s, m or h"
            ),
            json!({field: cases[0].1}),
        );
    };
    let jwks = "/user_pools/0/jwks";
    refused(
        &format!("{jwks}/timeout"),
        "from 100ms to 30s",
        &[("99ms", "100ms"), ("30.1s", "30s")],
    );
    refused(
        &format!("{jwks}/refresh_interval"),
        "from 1m to 24h",
        &[("59s", "1m"), ("1441m", "1440m")],
    );
    refused(
        &format!("{jwks}/max_stale"),
        "from 1h to 720h, or forever",
        &[("0.9h", "1h"), ("721h", "720h")],
    );
    refused(
        "/token/clock_skew",
        "from 0s to 5m",
        &[("301s", "300s"), ("5.1m", "0s")],
    );
    let policy = accepted(
        json!({"/user_pools/0/jwks/max_stale": "forever", "/user_pools/0/jwks/timeout": "1.5s"}),
    );
    let KeySource::Fetched(source) = &policy.issuers.pools()[0].keys else {
        panic!("inline");
    };
    assert_eq!(source.refresh.max_stale, MaxStale::Forever);
    assert_eq!(source.endpoint.timeout, Duration::from_millis(1500));
    case(
        json!({"/token/clock_skew": null}),
        "token.clock_skew: found null; expected a duration from 0s to 5m; give it a value or leave it out",
        json!({"/token/clock_skew": "0ms"}),
    );
}
