//! Gates of one process of which the first makes calls for all.

use crate::flow::script::Event::{Ask, Nothing, Serve, Start};
use crate::flow::script::{Script, keys, script};
use crate::flow::world::Plan;

fn led() -> Script {
    let mut script = script();
    script.world.led = true;
    script
}

/// Whoever asks, the first VM has fetched.
#[track_caller]
fn only_the_leader_fetched(script: &Script, times: usize) {
    let fetches: Vec<_> = script.world.began.iter().map(|began| began.vm).collect();
    assert_eq!(fetches, vec![0; times]);
}

#[test]
fn who_follows_waits_for_the_first_keys() {
    let mut script = led();
    script.play(vec![
        (0.0, Start(3), ""),
        (0.0, Ask(1, "x", "k1"), "x held"),
        (0.0, Ask(2, "y", "k9"), "y held"),
        // A key that is not there is asked for once more.
        (0.5, Nothing, "fetch a; x allowed; fetch a; y unknown_key"),
        (700.0, Nothing, ""),
    ]);
    only_the_leader_fetched(&script, 2);
}

#[test]
fn what_followers_lack_is_demanded_once_in_ten_seconds() {
    let mut script = led();
    script.play(vec![
        (0.0, Start(4), ""),
        (0.1, Nothing, "fetch a"),
        (0.2, Ask(1, "x", "new"), "x held"),
        (0.2, Ask(2, "y", "newer"), "y held"),
        (0.2, Ask(3, "z", "k1"), "z allowed"),
        (0.5, Nothing, "fetch a; x unknown_key; y unknown_key"),
        (9.0, Ask(3, "z", "other"), "z unknown_key"),
        (10.3, Ask(2, "x", "new"), "x held"),
        (10.6, Nothing, "fetch a; x unknown_key"),
        (700.0, Nothing, ""),
    ]);
    only_the_leader_fetched(&script, 3);
}

#[test]
fn a_key_that_is_new_is_new_to_all() {
    let mut script = led();
    script.play(vec![
        (0.0, Start(3), ""),
        (1.0, Ask(1, "x", "k1"), "fetch a; x allowed"),
        (1.0, keys(&["k2", "k3"]), ""),
        (1.1, Ask(1, "x", "k3"), "x held"),
        (1.5, Nothing, "fetch a; x allowed"),
        // The other has not asked, and knows it; and that the old one has gone.
        (1.6, Ask(2, "y", "k3"), "y allowed"),
        (1.6, Ask(2, "z", "k1"), "z unknown_key"),
    ]);
    only_the_leader_fetched(&script, 2);
}

#[test]
fn in_an_outage_nobody_waits_for_longer_than_alone() {
    for mut script in [led(), script()] {
        script.play(vec![
            (0.0, Serve(Plan::Silent), ""),
            (0.0, Start(2), ""),
            (0.1, Ask(1, "x", "k1"), "fetch a; x held"),
            (5.3, Nothing, "x unavailable 2"),
        ]);
        assert!(script.world.began.iter().all(|began| began.vm == 0));
    }
}
