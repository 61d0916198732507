//! What operators are told of fetches that fail, and what is counted.

use std::time::Duration;

use serde_json::json;

use crate::flow::script::Event::{Ask, Nothing, Serve, Start};
use crate::flow::script::{keys, script, with};
use crate::flow::world::Plan;

const UNKNOWN: &str = r#"cluster "a" is not known to this Envoy"#;
const MISSING: &str = "there are no keys yet: every token of this pool gets 503";

#[test]
fn a_cluster_that_comes_within_five_seconds_is_no_news() {
    let mut script = script();
    script.listen(vec![
        (0.0, Serve(Plan::NotSent), &[], 0),
        (0.0, Start(3), &[], 0),
        (2.0, Serve(Plan::NoHosts), &[], 0),
        (4.9, keys(&["k1"]), &[], 0),
        (6.0, Nothing, &["Info 1 fetched, 0 entries skipped"], 0),
    ]);
    // Ten times a second.
    assert!((40..=50).contains(&script.world.began.len()));
}

/// The tries between two attempts of the back-off are not counted, whoever makes them.
#[test]
fn a_cluster_that_does_not_come_is_told_once_and_counted_by_the_back_off() {
    let mut script = script();
    let told = format!("Warning {UNKNOWN}; {MISSING}");
    script.listen(vec![
        (0.0, Serve(Plan::NotSent), &[], 0),
        (0.0, Start(3), &[], 0),
        (4.9, Nothing, &[], 0),
        (5.2, Nothing, &[&told], 1),
        // After 1 to 1.25 s, and 2 to 2.5 more.
        (6.5, Nothing, &[], 2),
        (9.0, Nothing, &[], 3),
    ]);
    // As often as before, and after half a minute each second.
    let tries = |script: &mut crate::flow::script::Script, end| script.count(end, "fetch");
    tries(&mut script, 20.0);
    assert!((85..=101).contains(&tries(&mut script, 30.0)));
    tries(&mut script, 40.0);
    assert!((9..=11).contains(&tries(&mut script, 50.0)));
    let failures = script.world.counted.1;
    assert!((5..=6).contains(&failures), "{failures}");
}

#[test]
fn a_cause_that_lasts_is_told_again_after_ten_minutes() {
    let mut script = script();
    script.happen(Serve(Plan::Status(403)));
    script.happen(Start(3));
    script
        .world
        .run_to(script.begin + Duration::from_secs(3600));
    let times: Vec<_> = script
        .world
        .told
        .iter()
        .map(|(at, _, text)| {
            assert!(text.ends_with(MISSING), "{text}");
            *at - script.begin
        })
        .collect();
    assert!((6..=7).contains(&times.len()), "{times:?}");
    assert!(times[0] < Duration::from_secs(1), "{times:?}");
    for pair in times.windows(2) {
        // The reminder comes with the next attempt, which is a minute away at the most.
        let pause = (pair[1] - pair[0]).as_secs();
        assert!((600..=661).contains(&pause), "{times:?}");
    }
    // One failure for each fetch, whatever is told.
    assert_eq!(script.world.counted.1, script.world.began.len());
}

#[test]
fn another_cause_is_news_and_another_status_is_not() {
    let mut script = script();
    let refused = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    script.listen(vec![
        (0.0, Serve(Plan::Status(403)), &[], 0),
        (
            0.0,
            Start(2),
            &[],
            0,
        ),
        (
            0.5,
            Serve(Plan::Status(500)),
            &[r#"Warning the endpoint answered 403 through cluster "a"; expected 200; there are no keys yet: every token of this pool gets 503"#],
            1,
        ),
        (1.5, Serve(Plan::Local(503, refused)), &[], 2),
        (
            4.0,
            Serve(Plan::Silent),
            &[r#"Warning no connection through cluster "a" (remote connection failure): its address, a firewall, or its certificate; there are no keys yet: every token of this pool gets 503"#],
            3,
        ),
        (
            14.0,
            keys(&["k1"]),
            &[r#"Warning no answer through cluster "a" within 5s; there are no keys yet: every token of this pool gets 503"#],
            4,
        ),
        (25.0, Nothing, &["Info 1 fetched, 0 entries skipped"], 4),
    ]);
}

/// The end of the last good keys is news, and so is the failure after a success.
#[test]
fn what_keys_are_left_is_told() {
    let mut script = with(&json!({"max_stale": "1h"}));
    let until = |text: &str| {
        format!(
            r#"the endpoint answered 500 through cluster "a"; expected 200; the last good keys {text}"#
        )
    };
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
    ]);
    script.world.told.clear();
    script.happen(Serve(Plan::Status(500)));
    // The wall clock of the scripts says 2023-11-14T22:30:00Z at their begin.
    let end = 900.0 + 5.0 + 3600.0;
    script
        .world
        .run_to(script.begin + Duration::from_secs_f64(end - 1.0));
    let told: Vec<_> = script.world.told.drain(..).collect();
    assert!((6..=7).contains(&told.len()), "{told:?}");
    for (_, _, text) in told {
        let serves = until("serve on until 2023-11-14T23:45:05Z");
        assert!(text.ends_with(&serves), "{text}");
    }
    script
        .world
        .run_to(script.begin + Duration::from_secs_f64(end + 65.0));
    let told: Vec<_> = script.world.told.drain(..).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let ended = until("are too old: every token of this pool gets 503");
    assert!(told[0].2.ends_with(&ended), "{told:?}");
}

#[test]
fn keys_that_may_serve_for_ever_have_no_end() {
    let mut script = with(&json!({"max_stale": "forever"}));
    script.play(vec![
        (0.0, Start(1), ""),
        (1.0, Serve(Plan::NotSent), "fetch a"),
    ]);
    script.world.told.clear();
    script.world.run_to(script.begin + Duration::from_secs(901));
    let told: Vec<_> = script
        .world
        .told
        .drain(..)
        .map(|(_, _, text)| text)
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    // With keys that were fetched before, a cluster that is gone is news at once.
    let text = format!("{UNKNOWN}; the last good keys serve on");
    assert!(told[0].ends_with(&text), "{told:?}");
}
