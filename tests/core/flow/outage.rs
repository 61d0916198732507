//! Fetches that fail: the last good keys serve on, and the key server is not run down.

use std::time::Duration;

use cognito_authorizer::remote::report::{Counted, Level};
use serde_json::json;

use crate::flow::script::Event::{Ask, Serve, Start};
use crate::flow::script::{keys, script, with};
use crate::flow::world::Plan;

#[test]
fn back_off_doubles_from_one_second_to_sixty() {
    let mut script = script();
    script.play(vec![
        (0.0, Serve(Plan::Status(503)), ""),
        (0.0, Start(3), ""),
    ]);
    script.count(400.0, "");
    let gaps = script.gaps();
    // The delay of an answer and of a tick is on top.
    let delay = 0.06;
    for (gap, (least, most)) in gaps.iter().zip([
        (1.0, 1.25),
        (2.0, 2.5),
        (4.0, 5.0),
        (8.0, 10.0),
        (16.0, 20.0),
        (32.0, 40.0),
    ]) {
        assert!((least..=most + delay).contains(gap), "{gaps:?}");
    }
    assert!(
        gaps[6..]
            .iter()
            .all(|gap| (45.0..=60.0 + delay).contains(gap)),
        "{gaps:?}"
    );
    assert!(gaps.len() >= 9, "{gaps:?}");
}

#[test]
fn every_kind_of_failure_keeps_the_last_good_keys() {
    let many = r#"{"keys":[]}"#;
    for plan in [
        Plan::Status(404),
        Plan::Status(204),
        Plan::Status(302),
        Plan::Status(0),
        Plan::Body(""),
        Plan::Body("<html>"),
        Plan::Body(many),
        Plan::Body(r#"{"keys":[{"kty":"EC","kid":"k1"}]}"#),
        Plan::Large,
        Plan::Silent,
        Plan::NotSent,
    ] {
        let mut script = script();
        script.play(vec![
            (0.0, Start(2), ""),
            (1.0, Serve(plan.clone()), "fetch a"),
        ]);
        assert!(script.count(1000.0, "fetch") > 3, "{plan:?}");
        script.play(vec![
            (1000.0, Ask(1, "x", "k1"), "x allowed"),
            (1000.0, keys(&["k1"]), ""),
        ]);
        // Back within a minute.
        assert!(script.count(1070.0, "fetch") >= 1, "{plan:?}");
        let last = script.world.ended.last().unwrap();
        let report = last.report.as_ref().unwrap();
        assert_eq!(report.counted, Some(Counted::KeysFetched), "{plan:?}");
        assert_eq!(report.level, Level::Info, "{plan:?}");
        let text = report.to_string();
        assert!(text.ends_with(": 1 fetched, 0 entries skipped"), "{text}");
        assert_eq!(script.count(1700.0, "fetch"), 0, "{plan:?}");
    }
}

#[test]
fn nobody_waits_for_a_back_off_that_takes_longer_than_they_may_wait() {
    let mut script = with(&json!({"timeout": "1s"}));
    script.play(vec![
        (0.0, Serve(Plan::Status(500)), ""),
        (0.0, Start(1), ""),
    ]);
    // Failures after 0, 1, 3.2 and 7.6 seconds, or some less: the next is 8 to 10 seconds away.
    script.count(9.2, "");
    assert_eq!(script.world.began.len(), 4);
    script.happen(Ask(0, "x", "k1"));
    let text = script.world.happened();
    let after: f64 = text
        .strip_prefix("x unavailable ")
        .unwrap()
        .parse()
        .unwrap();
    assert!((5.0..=10.0).contains(&after), "{text}");
    // And it is then that keys come: whoever comes back has them.
    script.happen(keys(&["k1"]));
    script.count(9.2 + after, "");
    script.play(vec![(9.3 + after, Ask(0, "x", "k1"), "x allowed")]);
}

#[test]
fn the_last_good_keys_serve_for_max_stale() {
    let mut script = with(&json!({"max_stale": "1h"}));
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Serve(Plan::Status(500)), "fetch a"),
    ]);
    // From the refresh that should have replaced them: its interval, its time-out, an hour.
    let end = 0.031 + 900.0 + 5.0 + 3600.0;
    script.count(end - 1.0, "");
    script.play(vec![(end - 1.0, Ask(0, "x", "k1"), "x allowed")]);
    script.count(end + 0.5, "");
    script.happen(Ask(0, "x", "k1"));
    script.happen(Ask(1, "y", "k2"));
    let happened = script.world.happened();
    assert!(
        happened.starts_with("x unavailable") && happened.contains("; y unavailable"),
        "{happened}"
    );
    script.happen(keys(&["k1"]));
    script.count(end + 62.0, "");
    script.play(vec![(end + 62.0, Ask(0, "x", "k1"), "x allowed")]);
}

#[test]
fn the_last_good_keys_may_serve_for_ever() {
    let mut script = with(&json!({"max_stale": "forever"}));
    script.world.slowest = Duration::from_secs(20);
    script.play(vec![
        (0.0, Start(1), ""),
        (25.0, Serve(Plan::NotSent), "fetch a"),
    ]);
    let month = 31.0 * 24.0 * 3600.0;
    script.count(month, "");
    script.play(vec![(month, Ask(0, "x", "k1"), "x allowed")]);
}
