//! Keys that change, and clocks that jump.

use cognito_authorizer::decision::CacheUse;

use crate::flow::script::Event::{Ask, Nothing, Start, Wall};
use crate::flow::script::{keys, script};
use crate::flow::world::World;

#[test]
fn a_refresh_comes_within_its_interval_and_not_at_the_same_time_everywhere() {
    let mut all = Vec::new();
    for seed in 0..8 {
        let mut script = script();
        script.world = World::new(seed * 1000);
        script.happen(Start(3));
        script.count(3600.0, "");
        let gaps = script.gaps();
        assert!((4..=5).contains(&gaps.len()), "{gaps:?}");
        // An idle tick may come a quarter of a second late, and the answer takes its time.
        assert!(
            gaps.iter().all(|gap| (720.0..900.4).contains(gap)),
            "{gaps:?}"
        );
        all.extend(gaps);
    }
    let spread =
        all.iter().copied().fold(0.0, f64::max) - all.iter().copied().fold(900.0, f64::min);
    assert!(spread > 60.0, "{all:?}");
}

#[test]
fn a_key_that_is_gone_verifies_nothing_more() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(3), ""),
        (1.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
        (1.0, Ask(1, "x", "k1"), "x allowed"),
        (1.0, Ask(2, "x", "k1"), "x allowed"),
        (2.0, keys(&["k2", "k3"]), ""),
        // A search brings the new set to one VM, and within a second to all.
        (2.0, Ask(0, "y", "k3"), "y held"),
        (2.04, Nothing, "fetch a; y allowed"),
        (3.0, Ask(0, "x", "k1"), "x unknown_key"),
        (3.0, Ask(1, "x", "k1"), "x unknown_key"),
        (3.0, Ask(2, "x", "k1"), "x unknown_key"),
        (3.0, Ask(1, "z", "k2"), "z allowed"),
    ]);
}

#[test]
fn a_key_that_changes_under_its_name_makes_remembered_tokens_worthless() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
        (1.0, Ask(1, "x", "k1"), "x allowed"),
        (1.0, keys(&["k1=k3", "k2"]), ""),
        (2.0, Ask(0, "y", "new"), "y held"),
        (
            3.0,
            Ask(0, "x", "k1"),
            "fetch a; y unknown_key; x invalid_signature",
        ),
        (3.0, Ask(1, "x", "k1"), "x invalid_signature"),
        (3.0, Ask(1, "x", "k2"), "x allowed"),
    ]);
}

#[test]
fn remembered_tokens_outlive_a_set_with_the_same_keys() {
    let mut script = script();
    script.play(vec![
        (0.0, Start(1), ""),
        (1.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
        (1.0, keys(&["k2", "k1"]), ""),
        (901.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
        (901.0, keys(&["k2", "k1", "k3"]), ""),
        (1802.0, Ask(0, "x", "k1"), "fetch a; x allowed"),
    ]);
    let uses: Vec<_> = script
        .world
        .stories
        .values()
        .map(|story| story.cache)
        .collect();
    assert_eq!(uses, [CacheUse::Miss, CacheUse::Hit, CacheUse::Miss]);
}

#[test]
fn a_wall_clock_that_jumps_moves_no_fetch() {
    let mut script = script();
    let day = 86_400.0;
    script.play(vec![
        (0.0, Start(2), ""),
        (1.0, Ask(0, "x", "new"), "fetch a; x held"),
        (1.1, Wall(-day), "fetch a; x unknown_key"),
        (2.0, Ask(0, "x", "k1"), "x allowed"),
        (2.0, Ask(1, "y", "new"), "y unknown_key"),
        (3.0, Wall(2.0 * day), ""),
        (3.0, Ask(0, "x", "k1"), "x allowed"),
        (3.0, Ask(1, "y", "new"), "y unknown_key"),
        (700.0, Nothing, ""),
        (902.0, Wall(-day), "fetch a"),
    ]);
}
