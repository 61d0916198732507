//! The search for a `kid` that no set has: once in ten seconds, and never at others' cost.

use std::time::Duration;

use serde_json::json;

use crate::flow::pools::{document, policy};
use crate::flow::script::Event::{Ask, Delay, Flood, Kill, Nothing, Serve, Start, Wall};
use crate::flow::script::{keys, script, with};
use crate::flow::world::Plan;

#[test]
fn an_unknown_kid_is_asked_for_once_in_ten_seconds() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(4), ""),
        (0.1, Nothing, "fetch a"),
        // The fetch at start does not open the window.
        (0.2, Ask(0, "x", "new"), "x held"),
        (0.21, Ask(3, "y", "newer"), "fetch a; y held"),
        (0.5, Nothing, "x unknown_key; y unknown_key"),
        // For the rest of the ten seconds the answer is known, in every VM.
        (1.0, Ask(1, "x", "new"), "x unknown_key"),
        (9.0, Ask(2, "y", "other"), "y unknown_key"),
        (9.0, Ask(2, "z", "k1"), "z allowed"),
        (10.3, Ask(2, "x", "new"), "x held"),
        (10.6, Nothing, "fetch a; x unknown_key"),
        // Nobody asks any more, and nobody fetches.
        (700.0, Nothing, ""),
    ]);
}

#[test]
fn several_vms_that_want_a_kid_at_once_cost_one_fetch() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(3), ""),
        (0.1, Nothing, "fetch a"),
        (1.0, Ask(0, "x", "new"), "x held"),
        (1.0, Ask(1, "y", "new"), "y held"),
        (1.0, Ask(2, "z", "new"), "z held"),
        (
            1.5,
            Nothing,
            "fetch a; x unknown_key; y unknown_key; z unknown_key",
        ),
        // What the others wanted has been answered: the next window is not for them.
        (700.0, Nothing, ""),
    ]);
}

#[test]
fn a_new_key_works_at_once() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
        (1.0, keys(&["k1", "k2", "k3"]), ""),
        (1.1, Ask(0, "x", "k3"), "x held"),
        (1.1, Ask(1, "y", "k3"), "y held"),
        (1.1, Ask(1, "z", "k1"), "z allowed"),
        (1.2, Nothing, "fetch a; x allowed; y allowed"),
        (1.2, Ask(0, "x", "k3"), "x allowed"),
    ]);
}

#[test]
fn a_search_for_a_kid_that_fails_is_no_401() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Serve(Plan::Status(500)), "fetch a"),
        (1.0, Ask(0, "x", "new"), "x held"),
        (1.2, Nothing, "fetch a; x unavailable 2"),
        (1.3, Ask(1, "y", "new"), "y unavailable 1"),
        // The last good keys serve on.
        (1.3, Ask(1, "z", "k1"), "z allowed"),
    ]);
    // The back-off goes on by itself, and its failures leave the window as it is.
    assert!(script.count(5.0, "fetch") >= 1);
    script.happen(Ask(0, "x", "new"));
    assert!(script.world.happened().starts_with("x unavailable"));
    // A set that comes meanwhile without the key is an answer.
    script.happen(keys(&["k1"]));
    script.count(12.0, "");
    script.play(vec![
        (12.0, Ask(0, "x", "new"), "x held"),
        (12.1, Nothing, "fetch a; x unknown_key"),
    ]);
}

#[test]
fn a_key_made_since_the_last_answer_is_not_a_forged_one() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (0.1, Nothing, "fetch a"),
        (1.0, Ask(0, "x", "new@1"), "x held"),
        // The answer comes 30 ms after the request for it, and there is no such key in it.
        (1.5, Nothing, "fetch a; x unknown_key"),
        // It settles the matter for what was made before it, in every VM,
        (4.0, Ask(0, "x", "new@1"), "x unknown_key"),
        (4.0, Ask(1, "y", "new"), "y unknown_key"),
        (4.0, Ask(1, "y", "other@1"), "y unknown_key"),
        // but not for what may have been made since, which is worth another attempt in the next window.
        (4.0, Ask(0, "x", "k3@2"), "x unavailable 8"),
        (4.0, Ask(1, "y", "k3@4"), "y unavailable 8"),
        (4.0, keys(&["k1", "k3"]), ""),
        (10.9, Ask(1, "y", "k3@4"), "y unavailable 1"),
        (11.1, Ask(1, "y", "k3@4"), "y held"),
        (11.3, Nothing, "fetch a; y allowed"),
        // So it is with a set that had another reason.
        (11.4, Ask(0, "x", "new@11"), "x unknown_key"),
        (11.4, Ask(0, "x", "new@11.4"), "x unavailable 10"),
    ]);
}

#[test]
fn when_keys_were_answered_is_known_on_a_clock_that_was_set() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(1), ""),
        (1.0, Ask(0, "x", "new"), "fetch a; x held"),
        (1.5, Wall(-3600.0), "fetch a; x unknown_key"),
        // Made half a second before the answer by the clock as it is now, and half a second after.
        (2.0, Ask(0, "x", "new@-3599.5"), "x unknown_key"),
        (2.0, Ask(0, "x", "new@-3598.5"), "x unavailable 10"),
    ]);
}

#[test]
fn an_answer_knows_what_was_made_until_then() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(1), ""),
        (0.5, Delay(499), "fetch a"),
        // The answer comes at 1.5.
        (1.0, Ask(0, "x", "new@1.5"), "x held"),
        (1.0, Ask(0, "y", "new@1.75"), "y held"),
        (2.0, Nothing, "fetch a; x unknown_key; y unavailable 10"),
    ]);
}

#[test]
fn a_search_whose_holder_died_is_no_401() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Serve(Plan::Silent), "fetch a"),
        (1.0, Ask(0, "x", "k3"), "x held"),
        (1.1, Kill(0), "fetch a"),
        (2.0, Ask(1, "y", "k3"), "y held"),
        // Until the lease is over the search may still succeed.
        (6.9, Nothing, ""),
    ]);
    assert_eq!(script.count(7.1, "y unavailable"), 1);
    script.play(vec![
        (7.1, keys(&["k1", "k3"]), ""),
        (11.1, Ask(1, "y", "k3"), "y held"),
        (11.2, Nothing, "fetch a; y allowed"),
    ]);
}

#[test]
fn keys_that_come_after_a_failed_search_end_it() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Serve(Plan::Status(500)), "fetch a"),
        (1.1, Ask(0, "x", "new"), "x held"),
        (1.2, Nothing, "fetch a; x unavailable 2"),
        (1.3, keys(&["k1"]), ""),
        // The back-off's fetch brings a set, and the set has no such key.
        (3.0, Nothing, "fetch a"),
        (3.0, Ask(1, "y", "new"), "y unknown_key"),
    ]);
}

#[test]
fn a_flood_of_random_kids_costs_three_fetches_in_twenty_seconds() {
    let mut script = script();
    script.play(vec![(0.0, Start(4), ""), (1.0, Delay(1000), "fetch a")]);
    let mut fetches = 0;
    for step in 0..200_u16 {
        let second = 1.0 + f64::from(step) / 10.0;
        fetches += script.count(second, "fetch");
        (0..4).for_each(|vm| script.happen(Flood(vm, 5)));
        // Tokens of known keys never wait.
        script.world.happened();
        script.happen(Ask(usize::from(step % 4), "good", "k1"));
        assert_eq!(script.world.happened(), "good allowed");
    }
    fetches += script.count(21.0, "fetch");
    assert!((2..=3).contains(&fetches), "{fetches}");
}

#[test]
fn unknown_kids_wait_in_128_places_of_their_own() {
    let mut script = script();
    script.play(vec![(0.0, Start(2), ""), (1.0, Delay(1000), "fetch a")]);
    script.happen(Flood(0, 130));
    let happened = script.world.happened();
    assert_eq!(happened.matches("held").count(), 128);
    assert_eq!(happened.matches("flood unavailable").count(), 2);
    script.play(vec![
        (1.0, Ask(0, "x", "k1"), "x allowed"),
        // The other VM has places of its own.
        (1.0, Ask(1, "y", "new"), "y held"),
    ]);
    assert_eq!(script.count(2.5, "flood unknown_key"), 128);
}

#[test]
fn a_slow_key_server_is_asked_once_for_a_kid_too() {
    let mut script = with(&json!({"timeout": "30s"}));
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Delay(12_000), "fetch a"),
        (1.0, Ask(0, "x", "new"), "x held"),
        (1.0, Ask(1, "y", "new"), "y held"),
        // Its answer takes longer than the window, and is an answer all the same.
        (13.1, Nothing, "fetch a; x unknown_key; y unknown_key"),
        (60.0, Nothing, ""),
    ]);
}

#[test]
fn who_finds_no_place_is_told_to_come_back_soon() {
    let mut script = script();
    script.play(vec![(0.0, Start(1), ""), (1.0, Delay(1000), "fetch a")]);
    script.happen(Flood(0, 129));
    let happened = script.world.happened();
    let after: u64 = happened.rsplit(' ').next().unwrap().parse().unwrap();
    // The next set, if there is one, is here within ten seconds; the refresh is far away.
    assert!(after <= 10, "{after}");
}

#[test]
fn a_flood_for_one_pool_leaves_places_to_the_kids_of_another() {
    let mut script = script();
    script.policy = policy(&document(&["a", "b"], &json!({})));
    script.play(vec![
        (0.0, Start(1), ""),
        (1.0, Nothing, "fetch a; fetch b"),
    ]);
    for server in script.world.servers.values_mut() {
        server.delay = Duration::from_secs(1);
    }
    script.happen(Flood(0, 128));
    assert_eq!(script.world.happened().matches("held").count(), 128);
    script.play(vec![
        (1.0, Ask(0, "x", "b:k3"), "x held"),
        (1.0, Ask(0, "y", "b:k1"), "y allowed"),
    ]);
    assert_eq!(script.count(1.1, "flood unavailable"), 1);
    assert_eq!(script.count(3.0, "flood unknown_key"), 127);
    assert!(
        script
            .world
            .stories
            .values()
            .all(|story| story.decided.is_some())
    );
}
