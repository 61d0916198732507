//! The first keys: one fetch for all, and who waits for it, for how long.

use std::time::Duration;

use serde_json::json;

use crate::flow::pools::{document, policy};
use crate::flow::script::Event::{
    Ask, Canary, Crowd, Delay, Flood, Kill, Nothing, Retire, Serve, Start,
};
use crate::flow::script::{Script, keys, script, with};
use crate::flow::world::Plan;

#[test]
fn five_vms_start_with_one_fetch() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(5), ""),
        (0.01, Nothing, "fetch a"),
        (0.2, Ask(0, "x", "k1"), "x allowed"),
        (0.2, Ask(4, "y", "k2"), "y allowed"),
        // The first refresh comes after four fifths of the interval at the earliest.
        (719.0, Nothing, ""),
        (901.0, Nothing, "fetch a"),
    ]);
}

#[test]
fn a_canary_takes_nothing() {
    let mut script = script();
    script.play(vec![
        (0.0, Canary, ""),
        (0.5, Kill(0), ""),
        (0.5, Start(2), ""),
        (0.51, Nothing, "fetch a"),
        (0.6, Ask(2, "x", "k1"), "x allowed"),
    ]);
    let mut script = crate::flow::script::script();
    script.play(vec![
        (0.0, Canary, ""),
        (0.0, Start(2), ""),
        (0.01, Nothing, "fetch a"),
        (0.5, Retire(0), ""),
        (0.6, Ask(1, "x", "k1"), "x allowed"),
        (700.0, Nothing, ""),
    ]);
}

#[test]
fn a_cold_start_holds_1024_requests() {
    let mut script = script();
    script.play(vec![(0.0, Serve(Plan::Silent), ""), (0.0, Start(1), "")]);
    script.happen(Crowd(0, "k1", 1026));
    let happened = script.world.happened();
    assert_eq!(happened.matches("held").count(), 1024);
    assert_eq!(happened.matches("crowd unavailable 1").count(), 2);
    // One that goes away makes room for one.
    assert!(script.world.cancel(5));
    assert!(!script.world.cancel(5));
    script.play(vec![
        (0.5, Ask(0, "x", "k1"), "fetch a; x held"),
        (0.5, Ask(0, "y", "k1"), "y unavailable 1"),
    ]);
    // `timeout` is how long they wait.
    assert_eq!(script.count(4.9, "crowd"), 0);
    assert_eq!(script.count(5.4, "crowd unavailable"), 1023);
    assert_eq!(script.count(5.6, "x unavailable"), 1);
}

#[test]
fn a_cold_start_ends_with_a_verdict_for_all_in_their_order() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(1), ""),
        (0.0, Delay(500), ""),
        (0.1, Ask(0, "1", "k1"), "fetch a; 1 held"),
        (0.2, Ask(0, "2", "k2"), "2 held"),
        (0.3, Ask(0, "3", "k1"), "3 held"),
        (0.4, Ask(0, "4", "k1"), "4 held"),
        (0.6, Nothing, "1 allowed; 2 allowed; 3 allowed; 4 allowed"),
    ]);
}

#[test]
fn a_cold_start_with_more_than_one_batch_leaves_nobody_behind() {
    let mut script = script();
    script.play(vec![(0.0, Start(1), ""), (0.0, Delay(500), "")]);
    script.happen(Crowd(0, "k1", 1000));
    assert_eq!(script.count(0.6, "crowd allowed"), 1000);
}

#[test]
fn a_request_waits_as_long_as_a_fetch_may_take() {
    for (timeout, seconds) in [("100ms", 0.1), ("2s", 2.0), ("30s", 30.0)] {
        let mut script = with(&json!({"timeout": timeout}));
        script.play(vec![
            (0.0, Serve(Plan::Silent), ""),
            (0.0, Start(1), ""),
            (0.0, Ask(0, "x", "k1"), "x held"),
            (seconds - 0.01, Nothing, "fetch a"),
        ]);
        assert_eq!(script.count(seconds + 0.05, "x unavailable"), 1);
    }
}

#[test]
fn keys_that_come_in_the_last_moment_are_in_time() {
    let mut script = script();
    script.play(vec![
        (0.0, Delay(4900), ""),
        (0.0, Start(2), ""),
        (0.0, Ask(0, "x", "k1"), "x held"),
        (0.0, Ask(1, "y", "k1"), "y held"),
        (4.95, Nothing, "fetch a; x allowed; y allowed"),
    ]);
}

#[test]
fn a_cluster_that_is_not_there_yet_is_tried_ten_times_a_second() {
    let mut script = script();
    script.play(vec![(0.0, Serve(Plan::NotSent), ""), (0.0, Start(3), "")]);
    let tries = script.count(2.0, "fetch");
    assert!((15..=21).contains(&tries), "{tries}");
    script.play(vec![
        (2.0, Ask(0, "x", "k1"), "x held"),
        (2.0, keys(&["k1"]), ""),
    ]);
    assert_eq!(script.count(2.3, "x allowed"), 1);
}

#[test]
fn a_cluster_that_came_and_fails_is_asked_again_soon() {
    let mut script = script();
    script.play(vec![(0.0, Serve(Plan::NotSent), ""), (0.0, Start(1), "")]);
    script.count(2.0, "fetch");
    script.happen(Serve(Plan::Status(503)));
    script.count(10.0, "");
    let after = script.gaps().into_iter().find(|gap| *gap > 0.5).unwrap();
    assert!((1.0..=2.6).contains(&after), "{:?}", script.gaps());
}

#[test]
fn a_request_that_goes_away_leaves_nothing_behind() {
    let mut script = script();
    script.play(vec![
        (0.0, Delay(1000), ""),
        (0.0, Start(1), ""),
        (0.0, Ask(0, "x", "k1"), "x held"),
        (0.0, Ask(0, "y", "k1"), "y held"),
    ]);
    assert!(script.world.cancel(1));
    assert!(!script.world.cancel(1));
    script.play(vec![(1.1, Nothing, "fetch a; y allowed")]);
    assert!(!script.world.cancel(2));
    // A place among the 128 is free again.
    script.happen(Flood(0, 128));
    assert_eq!(script.world.happened().matches("held").count(), 128);
    assert!(script.world.cancel(3));
    script.play(vec![(1.1, Ask(0, "x", "k3"), "x held")]);
    assert_eq!(script.count(3.0, "flood unknown_key"), 127);
}

#[test]
fn who_waited_for_keys_and_lacks_one_waits_on_in_the_other_places() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(1), ""),
        (0.0, Ask(0, "x", "new"), "x held"),
        (0.0, Ask(0, "y", "k1"), "y held"),
        // At once, since somebody waits for it.
        (0.04, Nothing, "fetch a; y allowed; fetch a"),
        (0.2, Nothing, "x unknown_key"),
    ]);
    let mut script = crate::flow::script::script();
    script.play(vec![(0.0, Start(1), ""), (0.0, Delay(300), "")]);
    script.happen(Flood(0, 200));
    assert_eq!(script.world.happened().matches("held").count(), 200);
    // 128 of them find a place there.
    assert_eq!(script.count(0.5, "flood unavailable"), 72);
    assert_eq!(script.count(1.0, "flood unknown_key"), 128);
}

/// Two pools without keys, of which the first has taken every place.
fn crowded() -> Script {
    let mut script = script();
    script.policy = policy(&document(&["a", "b"], &json!({})));
    for server in script.world.servers.values_mut() {
        server.delay = Duration::from_secs(2);
    }
    script.play(vec![(0.0, Start(1), "")]);
    script.happen(Crowd(0, "k1", 1024));
    script
}

/// It makes room for the other, up to half.
#[test]
fn a_pool_that_fills_every_place_makes_room_for_another() {
    let mut script = crowded();
    assert_eq!(script.world.happened().matches("held").count(), 1024);
    script.play(vec![(0.0, Ask(0, "x", "b:k1"), "x held")]);
    assert_eq!(script.count(0.01, "crowd unavailable"), 1);
    // Between two ticks no more than 256 of them.
    (0..300).for_each(|_| script.happen(Ask(0, "other", "b:k1")));
    let happened = script.world.happened();
    assert_eq!(happened.matches("other held").count(), 256);
    assert_eq!(happened.matches("other unavailable").count(), 44);
    assert_eq!(script.count(0.1, "crowd unavailable"), 256);
    (0..300).for_each(|_| script.happen(Ask(0, "other", "b:k1")));
    let happened = script.world.happened();
    assert_eq!(happened.matches("other held").count(), 255);
    assert_eq!(happened.matches("other unavailable").count(), 45);
    // Whoever came first keeps the place, and nobody who is displaced waits for an answer.
    assert!(script.world.cancel(512));
    assert_eq!(script.count(0.2, "crowd unavailable"), 255);
    assert!(!script.world.cancel(513));
    let world = &mut script.world;
    world.run_to(script.begin + Duration::from_secs(3));
    let happened = world.happened();
    assert_eq!(happened.matches("crowd allowed").count(), 511);
    assert_eq!(happened.matches("other allowed").count(), 511);
    assert_eq!(happened.matches("x allowed").count(), 1);
}

/// A client that leaves between losing its place and hearing of it is counted once.
#[test]
fn whoever_is_displaced_can_still_leave() {
    let mut script = crowded();
    script.happen(Ask(0, "x", "b:k1"));
    assert!(script.world.cancel(1024));
    assert!(!script.world.cancel(1024));
    assert_eq!(script.count(0.5, "crowd unavailable"), 0);
    assert_eq!(script.count(3.0, "x allowed"), 1);
}
