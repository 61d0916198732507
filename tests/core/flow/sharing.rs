//! What VMs and configurations leave to each other: leases, keys, and bytes of strangers.

use serde_json::json;

use crate::flow::pools::{document, policy};
use crate::flow::script::Event::{
    Ask, Freeze, Kill, Nothing, Overwrite, Retire, Serve, Start, Thaw,
};
use crate::flow::script::{keys, script, with};
use crate::flow::world::Plan;

#[test]
fn who_loses_the_race_for_a_lease_does_not_fetch() {
    let mut script = script();
    script.world.space.races_lost.set(3);
    script.play(vec![
        (0.0, Start(1), ""),
        // Ticks come every millisecond while a fetch is due.
        (0.0035, Nothing, ""),
        (0.0045, Nothing, "fetch a"),
        (0.1, Ask(0, "x", "k1"), "x allowed"),
    ]);
}

#[test]
fn an_answer_that_cannot_be_written_down_is_fetched_again() {
    let mut script = script();
    script.play(vec![(0.0, Start(2), ""), (0.01, Nothing, "fetch a")]);
    script.world.space.races_lost.set(1);
    script.play(vec![
        (6.2, Ask(1, "x", "k1"), "fetch a; x allowed"),
        (700.0, Nothing, ""),
    ]);
    assert_eq!(script.world.ended[0].report, None);
}

#[test]
fn a_lease_whose_holder_died_is_taken_over() {
    let mut script = script();
    script.play(vec![
        (0.0, Serve(Plan::Silent), ""),
        (0.0, Start(3), ""),
        (0.01, Kill(0), "fetch a"),
        (0.01, keys(&["k1"]), ""),
        (3.0, Ask(1, "x", "k1"), "x held"),
        // `timeout` and one second.
        (5.99, Nothing, ""),
        (6.1, Nothing, "fetch a; x allowed"),
    ]);
    assert_ne!(script.world.began[0].vm, script.world.began[1].vm);
}

#[test]
fn a_late_answer_is_ignored() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(1), ""),
        (0.01, Freeze(0), "fetch a"),
        (0.02, Start(1), ""),
        (0.02, keys(&["k2"]), ""),
        (6.5, Ask(1, "x", "k2"), "fetch a; x allowed"),
        // It brings `k1`, which has left the set meanwhile.
        (7.0, Thaw(0), ""),
        (7.5, Ask(0, "x", "k2"), "x allowed"),
        (7.5, Ask(0, "y", "k1"), "y held"),
        (
            7.6,
            Ask(1, "z", "k1"),
            "fetch a; y unknown_key; z unknown_key",
        ),
    ]);
    let late = script
        .world
        .ended
        .iter()
        .find(|ended| ended.began == 0)
        .unwrap();
    assert_eq!(late.report, None);
}

#[test]
fn an_update_finds_the_keys_where_the_last_configuration_left_them() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (100.0, Start(2), "fetch a"),
        // Before its first tick.
        (100.0, Ask(2, "x", "k1"), "x allowed"),
        (100.0, Retire(0), ""),
        (100.0, Retire(1), ""),
        (100.1, Ask(3, "y", "k2"), "y allowed"),
        (700.0, Nothing, ""),
    ]);
    // Another address is another source of keys.
    script.policy = policy(&document(
        &["a"],
        &json!({"uri": "https://keys.example.com/"}),
    ));
    script.play(vec![(700.0, Start(1), ""), (700.1, Nothing, "fetch a")]);
}

#[test]
fn who_retires_gives_the_lease_back() {
    let mut script = script();
    script.play(vec![
        (0.0, Serve(Plan::Silent), ""),
        (0.0, Start(1), ""),
        (0.5, keys(&["k1"]), "fetch a"),
        (0.5, Start(1), ""),
        (0.5, Ask(1, "x", "k1"), "x held"),
        (0.6, Retire(0), ""),
        (0.7, Nothing, "fetch a; x allowed"),
    ]);
}

#[test]
fn pools_do_not_wait_for_each_other() {
    let mut script = script();
    script.policy = policy(&document(&["a", "b"], &json!({})));
    script.play(vec![
        (0.0, Serve(Plan::Silent), ""),
        (0.0, Start(2), ""),
        (0.5, Ask(0, "x", "k1"), "fetch a; fetch b; x held"),
        (0.5, Ask(0, "y", "b:k1"), "y allowed"),
        // The window of one pool says nothing about another's.
        (0.6, Ask(1, "z", "b:new"), "z held"),
        (0.7, Nothing, "fetch b; z unknown_key"),
        (0.7, keys(&["k1"]), ""),
        (
            6.4,
            Ask(1, "y", "b:k2"),
            "x unavailable 1; fetch a; y allowed",
        ),
        (6.4, Ask(0, "x", "new"), "x held"),
        (6.5, Nothing, "fetch a; x unknown_key"),
    ]);
}

#[test]
fn bytes_of_others_under_our_names_are_no_keys() {
    for bytes in [&b""[..], b"hello", &[0xff; 77]] {
        let mut script = script();
        script.play(vec![
            (0.0, Start(2), ""),
            (1.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
        ]);
        // Whoever has keys keeps them; what is lost is fetched again.
        script.happen(Overwrite(".record", bytes));
        script.play(vec![
            (1.0, Ask(0, "x", "k1"), "x allowed"),
            (1.3, Ask(1, "y", "k1"), "fetch a; y allowed"),
            (700.0, Nothing, ""),
        ]);
        script.happen(Overwrite(".content", bytes));
        script.play(vec![
            (700.0, Ask(0, "x", "k1"), "x allowed"),
            (700.1, Nothing, ""),
        ]);
        // Whoever comes new finds the promise broken, waits, and is not told to come back later.
        script.play(vec![
            (700.1, Start(1), ""),
            (700.1, Ask(2, "z", "k1"), "z held"),
            (701.4, Nothing, "fetch a; z allowed"),
            (701.4, Ask(1, "x", "k1"), "x allowed"),
        ]);
    }
}

#[test]
fn configurations_with_other_intervals_share_their_keys() {
    let mut script = with(&json!({"refresh_interval": "15m"}));
    script.play(vec![(0.0, Start(1), ""), (0.5, Nothing, "fetch a")]);
    script.policy = policy(&document(&["a"], &json!({"refresh_interval": "1m"})));
    script.play(vec![
        (0.5, Start(1), ""),
        (0.5, Ask(1, "x", "k1"), "x allowed"),
        (20.0, Nothing, ""),
    ]);
    script.count(600.0, "");
    let gaps = script.gaps();
    assert!((9..=13).contains(&gaps.len()), "{gaps:?}");
    assert!(
        gaps.iter().all(|gap| (47.0..60.4).contains(gap)),
        "{gaps:?}"
    );
}
