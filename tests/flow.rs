//! Keys in scripted time: tables of second, event, and all that happened up to then.

// The lints spare test functions, not the helpers beside them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "common/issuer.rs"]
mod issuer;
#[path = "flow/random.rs"]
mod random;
#[path = "flow/space.rs"]
mod space;
#[path = "flow/world.rs"]
mod world;

use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::gate::CacheUse;
use cognito_authorizer::keyring::FetchOutcome;
use cognito_authorizer::policy::Policy;
use serde_json::json;
use world::{Plan, World, document, policy};

/// What a script does.
enum Event {
    Nothing,
    /// So many VMs are configured and tick.
    Start(usize),
    /// A VM is configured and never ticks.
    Canary,
    /// A request in a VM, with a name, for pool `a` unless the `kid` begins with another and `:`.
    Ask(usize, &'static str, &'static str),
    /// So many requests in a VM with a `kid` each that nobody has.
    Flood(usize, usize),
    /// So many requests in a VM with this `kid`.
    Crowd(usize, &'static str, usize),
    /// What the key server of pool `a` does from now on.
    Serve(Plan),
    /// After how many milliseconds it answers.
    Delay(u64),
    Kill(usize),
    Retire(usize),
    Freeze(usize),
    Thaw(usize),
    /// The wall clock is set by so many seconds.
    Wall(f64),
    /// All entries of shared data whose name ends so hold other bytes.
    Overwrite(&'static str, &'static [u8]),
}
use Event::{
    Ask, Canary, Crowd, Delay, Flood, Freeze, Kill, Nothing, Overwrite, Retire, Serve, Start, Thaw,
    Wall,
};

/// A world and the configuration of the VMs that come into it.
struct Script {
    world: World,
    policy: Rc<Policy>,
    begin: Duration,
}

/// `timeout: 5s`, `refresh_interval: 15m`.
fn script() -> Script {
    with(&json!({}))
}

fn with(jwks: &serde_json::Value) -> Script {
    let world = World::new(7);
    Script {
        begin: world.now,
        world,
        policy: policy(&document(&["a"], jwks)),
    }
}

fn keys(names: &[&'static str]) -> Event {
    Serve(Plan::Keys(names.to_vec()))
}

impl Script {
    /// Each row: run to this second, let this happen, and compare what has happened since the last
    /// row: fetches, requests held, verdicts (`unavailable` with its `retry-after`).
    #[track_caller]
    fn play(&mut self, rows: Vec<(f64, Event, &str)>) {
        for (row, (second, event, expected)) in rows.into_iter().enumerate() {
            self.world
                .run_to(self.begin + Duration::from_secs_f64(second));
            self.happen(event);
            assert_eq!(
                self.world.happened(),
                expected,
                "row {row}, second {second}"
            );
        }
    }

    fn happen(&mut self, event: Event) {
        let world = &mut self.world;
        match event {
            Nothing => {}
            Start(count) => (0..count).for_each(|_| {
                world.start(&self.policy);
            }),
            Canary => {
                world.configure(&self.policy);
            }
            Ask(vm, name, kid) => {
                let (pool, kid) = match kid.split_once(':') {
                    Some((_, kid)) => ("b", kid),
                    None => ("a", kid),
                };
                world.ask(vm, pool, kid, name);
            }
            Flood(vm, count) => {
                for _ in 0..count {
                    let kid = format!("random-{}", world.stories.len());
                    world.ask(vm, "a", &kid, "flood");
                }
            }
            Crowd(vm, kid, count) => (0..count).for_each(|_| {
                world.ask(vm, "a", kid, "crowd");
            }),
            Serve(plan) => world.servers.get_mut("a").unwrap().plan = plan,
            Delay(millis) => {
                world.servers.get_mut("a").unwrap().delay = Duration::from_millis(millis)
            }
            Kill(vm) => world.kill(vm),
            Retire(vm) => world.retire(vm),
            Freeze(vm) => world.freeze(vm, true),
            Thaw(vm) => world.freeze(vm, false),
            Wall(seconds) => world.wall_jump += seconds,
            Overwrite(suffix, bytes) => {
                let names = world.space.names();
                let names = names.iter().filter(|name| name.ends_with(suffix));
                names.for_each(|name| world.space.overwrite(name, bytes));
            }
        }
    }

    /// Runs to this second, and counts what happened since the last look by its first words.
    fn count(&mut self, second: f64, what: &str) -> usize {
        self.world
            .run_to(self.begin + Duration::from_secs_f64(second));
        let happened = self.world.happened();
        happened
            .split("; ")
            .filter(|entry| entry.starts_with(what))
            .count()
    }

    /// The seconds between one fetch and the next.
    fn gaps(&self) -> Vec<f64> {
        let began = &self.world.began;
        began
            .windows(2)
            .map(|pair| (pair[1].at - pair[0].at).as_secs_f64())
            .collect()
    }
}

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
    let mut script = self::script();
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
        let recovered = matches!(
            last.outcome,
            FetchOutcome::Recovered {
                keys: 1,
                skipped: 0
            }
        );
        assert!(recovered, "{plan:?} {:?}", last.outcome);
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
    assert_eq!(script.world.ended[0].outcome, FetchOutcome::Superseded);
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
    assert_eq!(late.outcome, FetchOutcome::Superseded);
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
fn or_for_ever() {
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
        script.happen(Overwrite(".keys", bytes));
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
    let mut script = self::script();
    script.play(vec![(0.0, Start(1), ""), (0.0, Delay(300), "")]);
    script.happen(Flood(0, 200));
    assert_eq!(script.world.happened().matches("held").count(), 200);
    // 128 of them find a place there.
    assert_eq!(script.count(0.5, "flood unavailable"), 72);
    assert_eq!(script.count(1.0, "flood unknown_key"), 128);
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
