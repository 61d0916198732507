//! The deny list over time: the first one, its renewal, and all the ways in which it can be too old.

use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::decision::CacheUse;
use cognito_authorizer::gate::Gate;
use cognito_authorizer::remote::report::Level;
use serde_json::json;

use crate::flow::script::Event::{Ask, Freeze, List, Nothing, Retire, Start, Wall};
use crate::flow::script::{Script, list, tagged, with_list};
use crate::flow::world::Plan;

/// Of these VMs the first never serves a request, as that of Envoy's main thread.
const ALL: usize = 3;

#[test]
fn requests_wait_for_the_first_list() {
    let mut script = with_list(&json!({}));
    script.play(vec![
        (0.0, list(-1.0, &["out"]), ""),
        (0.0, Start(ALL), ""),
        (0.0, Ask(1, "x", "k1~in"), "x held"),
        (0.0, Ask(2, "y", "k1~out"), "y held"),
        (0.1, Nothing, "fetch list; x allowed; y token_revoked"),
        (0.1, Ask(1, "y", "k1~out"), "y token_revoked"),
        (0.1, Ask(2, "x", "k1~in"), "x allowed"),
        // A token without a `sub` is named by no entry of users.
        (0.1, Ask(2, "z", "k1"), "z allowed"),
    ]);
    assert_eq!(script.world.standing(1), (1, 1));
    assert_eq!(script.world.counted, (1, 0));
}

/// Whatever is worth nothing without the list is refused without it.
#[test]
fn nothing_else_waits_for_the_list() {
    let mut script = with_list(&json!({}));
    script.play(vec![
        (0.0, List(Plan::Silent), ""),
        (0.0, Start(1), ""),
        (0.0, Ask(0, "x", "forged"), "x unknown_key"),
        (0.0, Ask(0, "y", "k1~in"), "y held"),
    ]);
}

#[test]
fn without_a_first_list_requests_are_refused_or_served_as_is_configured() {
    for (word, verdict) in [("refuse", "x unavailable"), ("serve", "x allowed")] {
        let mut script = with_list(&json!({"when_stale": word}));
        script.happen(List(Plan::Silent));
        script.happen(Start(ALL));
        script.happen(Ask(1, "x", "k1~in"));
        // As long as one fetch may take.
        script.count(4.9, "");
        assert_eq!(script.world.stories[&1].decided, None, "{word}");
        assert_eq!(script.count(5.2, verdict), 1, "{word}");
        // In a long outage the next attempt is further away than that: at once.
        script.happen(List(Plan::Status(500)));
        script.count(60.0, "");
        let fetches = script.world.began.len();
        while script.world.began.len() == fetches {
            let second = (script.world.now - script.begin).as_secs_f64();
            script.count(second + 0.1, "");
        }
        script.count((script.world.now - script.begin).as_secs_f64() + 0.5, "");
        script.happen(Ask(2, "x", "k1~in"));
        let happened = script.world.happened();
        assert!(happened.starts_with(verdict), "{word}: {happened}");
        // Once there is one, it is asked.
        script.happen(list(100.0, &["in"]));
        script.count(200.0, "");
        script.happen(Ask(2, "y", "k1~in"));
        assert_eq!(script.world.happened(), "y token_revoked", "{word}");
    }
}

#[test]
fn a_list_that_changes_holds_on_every_vm_within_a_second() {
    let mut script = with_list(&json!({"refresh_interval": "5s"}));
    script.happen(list(0.0, &[]));
    script.happen(Start(ALL));
    script.count(1.0, "");
    for vm in 0..ALL {
        script.happen(Ask(vm, "x", "k1~out"));
        script.happen(Ask(vm, "x", "k1~out"));
        script.happen(Ask(vm, "y", "k1~in"));
    }
    let allowed = script.count(1.0, "x allowed");
    assert_eq!(allowed, 2 * ALL);
    script.happen(list(2.0, &["out"]));
    let before = script.world.began.len();
    // Until the fetch that brings it.
    let mut second = 1.0;
    while script.world.ended.len() == before {
        second += 0.01;
        script.count(second, "");
        assert!(second < 6.5);
    }
    script.count(second + 1.0, "");
    for vm in 0..ALL {
        script.happen(Ask(vm, "x", "k1~out"));
        script.happen(Ask(vm, "y", "k1~in"));
        assert_eq!(script.world.happened(), "x token_revoked; y allowed");
    }
    // Nothing was forgotten for it.
    let last = script.world.stories.values().last().unwrap();
    assert_eq!(last.cache, CacheUse::Hit);
}

/// The document is read by a VM that serves nobody, as long as there is one.
#[test]
fn renewals_are_left_to_vms_that_serve_no_request() {
    let mut script = with_list(&json!({"refresh_interval": "5s"}));
    script.happen(list(0.0, &[]));
    script.happen(Start(ALL));
    script.count(1.0, "");
    for vm in 1..ALL {
        script.happen(Ask(vm, "x", "k1~in"));
    }
    script.count(600.0, "");
    let renewals = script.world.began[1..].to_vec();
    assert!(renewals.len() > 110, "{}", renewals.len());
    assert!(renewals.iter().all(|fetch| fetch.vm == 0));
    let gaps = script.gaps();
    assert!(gaps.iter().all(|gap| *gap < 5.4), "{gaps:?}");
    // It may be busy, or have died: then the others do it, two seconds later.
    script.happen(Freeze(0));
    script.count(1200.0, "");
    let others = script.world.began[renewals.len() + 1..].to_vec();
    assert!(others.len() > 75, "{}", others.len());
    assert!(others.iter().all(|fetch| fetch.vm != 0));
    let gaps = &script.gaps()[renewals.len() + 1..];
    assert!(gaps.iter().all(|gap| (5.9..7.4).contains(gap)), "{gaps:?}");
}

/// Whatever the configuration whose requests they are.
#[test]
fn renewals_are_left_to_vms_that_serve_no_other_configuration_either() {
    for serving in [0, 1] {
        let mut script = with_list(&json!({"refresh_interval": "5s"}));
        script.happen(list(0.0, &[]));
        script.happen(Start(2));
        script.count(1.0, "");
        script.world.serves(serving);
        script.count(60.0, "");
        let renewals = &script.world.began[1..];
        assert!(renewals.len() > 10, "{}", renewals.len());
        assert!(renewals.iter().all(|fetch| fetch.vm != serving));
    }
}

#[test]
fn an_unchanged_list_is_not_sent_again() {
    let mut script = with_list(&json!({"refresh_interval": "5s"}));
    script.happen(tagged(0.0, &["out"], Some("\"e1\"")));
    script.happen(Start(ALL));
    script.happen(Ask(1, "x", "k1~out"));
    assert_eq!(script.count(1.0, "fetch list"), 1);
    let renewed = script.count(61.0, "fetch list unless \"e1\"");
    assert!((11..=15).contains(&renewed), "{renewed}");
    assert_eq!(
        (script.world.counted, script.world.unchanged),
        ((1, 0), renewed)
    );
    // It serves as long as if it had been sent, and is as old as it says.
    assert_eq!(script.world.standing(2), (1, 61));
    script.happen(Ask(2, "x", "k1~out"));
    script.happen(Ask(2, "y", "k1~in"));
    assert_eq!(script.world.happened(), "x token_revoked; y allowed");
    // Another tag is another list.
    script.happen(tagged(61.0, &["in"], Some("\"e2\"")));
    script.count(70.0, "");
    script.happen(Ask(2, "y", "k1~in"));
    assert_eq!(script.world.happened(), "y token_revoked");
    assert_eq!(script.count(76.0, "fetch list unless \"e2\""), 1);
    // A list without one is asked for as a whole.
    script.happen(list(76.0, &[]));
    script.count(82.0, "");
    script.count(83.0, "");
    assert!(script.count(95.0, "fetch list unless") == 0);
}

/// A VM of a new configuration knows the tag of the list that it takes over.
#[test]
fn an_update_of_the_configuration_takes_the_list_over() {
    let mut script = with_list(&json!({}));
    script.happen(tagged(0.0, &["out"], Some("\"e1\"")));
    script.happen(Start(ALL));
    script.happen(Ask(1, "x", "k1~in"));
    script.count(10.0, "");
    let mut other = with_list(&json!({"max_stale": "2m", "timeout": "4s"}));
    for vm in 0..ALL {
        script.happen(Retire(vm));
    }
    std::mem::swap(&mut script.policy, &mut other.policy);
    script.happen(Start(ALL));
    let new = 2 * ALL - 1;
    script.happen(Ask(new, "x", "k1~in"));
    script.happen(Ask(new, "y", "k1~out"));
    assert_eq!(script.world.happened(), "x allowed; y token_revoked");
    assert_eq!(script.count(31.0, "fetch list unless \"e1\""), 1);
}

/// In the middle of a fetch, too: the lease is given back, and a VM of the new one fetches at once.
#[test]
fn an_update_in_the_middle_of_the_first_fetch_makes_another() {
    let mut script = with_list(&json!({}));
    script.happen(List(Plan::Silent));
    script.happen(Start(2));
    script.happen(Ask(1, "x", "k1~in"));
    assert_eq!(script.count(1.0, "fetch list"), 1);
    for vm in 0..2 {
        script.happen(Retire(vm));
    }
    script.happen(list(1.0, &["out"]));
    script.happen(Start(2));
    script.happen(Ask(3, "x", "k1~in"));
    script.happen(Ask(3, "y", "k1~out"));
    script.count(1.1, "");
    let texts = |script: &Script| -> Vec<_> {
        let decided = script.world.stories.values();
        decided
            .filter_map(|story| Some(story.decided.clone()?.1))
            .collect()
    };
    assert_eq!(texts(&script), ["allowed", "token_revoked"]);
}

#[test]
fn a_list_serves_for_an_interval_a_timeout_and_max_stale() {
    for (word, late) in [("refuse", "y unavailable"), ("serve", "y allowed")] {
        let mut script = with_list(&json!({"when_stale": word}));
        script.happen(list(0.0, &["out"]));
        script.happen(Start(ALL));
        script.count(1.0, "");
        script.happen(List(Plan::Status(500)));
        // 30 s, 5 s and a minute after the fetch of the first moment.
        for (second, expected) in [(94.5, "y allowed"), (95.5, late)] {
            script.count(second, "");
            script.happen(Ask(1, "x", "k1~out"));
            script.happen(Ask(2, "y", "k1~in"));
            let happened = script.world.happened();
            let (named, other) = happened.split_once("; ").unwrap();
            // An old list's word against a token stands.
            assert_eq!(named, "x token_revoked", "{word} {second}");
            assert!(other.starts_with(expected), "{word} {second}: {other}");
        }
        // It heals by itself.
        script.happen(list(96.0, &[]));
        script.count(130.0, "");
        script.happen(Ask(1, "x", "k1~out"));
        assert_eq!(script.world.happened(), "x allowed");
    }
}

/// While the writer has stopped, its endpoint goes on answering.
#[test]
fn a_list_serves_until_it_is_older_than_max_age() {
    for (word, tag, late) in [
        ("refuse", None, "y unavailable"),
        ("refuse", Some("\"e\""), "y unavailable"),
        ("serve", None, "y allowed"),
    ] {
        let mut script = with_list(&json!({"when_stale": word, "max_age": "2m"}));
        script.happen(tagged(-20.0, &["out"], tag));
        script.happen(Start(ALL));
        for (second, expected) in [(1.0, "y allowed"), (100.0, "y allowed"), (100.1, late)] {
            script.count(second, "");
            script.happen(Ask(1, "x", "k1~out"));
            script.happen(Ask(2, "y", "k1~in"));
            let happened = script.world.happened();
            let (named, other) = happened.split_once("; ").unwrap();
            assert_eq!(named, "x token_revoked", "{word} {second}");
            assert!(other.starts_with(expected), "{word} {second}: {other}");
        }
        script.count(700.0, "");
        // Every fetch was a success; that the list is too old is told once, and every ten minutes.
        assert_eq!(script.world.counted.1, 0, "{word}");
        let told: Vec<_> = script.world.told.drain(..).collect();
        let warned = told.iter().filter(|(_, level, _)| *level == Level::Warning);
        assert_eq!(warned.count(), 1, "{told:?}");
        let meaning = match word {
            "refuse" => "the list at hand is too old: every token gets 503",
            _ => "the list at hand is too old: tokens that were revoked since pass",
        };
        let last = &told.last().unwrap().2;
        assert_eq!(*last, format!("deny list: 1 entries fetched; {meaning}"));
        script.happen(list(701.0, &[]));
        script.count(740.0, "");
        script.happen(Ask(2, "x", "k1~out"));
        assert_eq!(script.world.happened(), "x allowed");
        assert_eq!(script.world.told.last().unwrap().1, Level::Info);
    }
}

/// On its arrival already.
#[test]
fn a_first_list_that_is_too_old_is_a_list() {
    let mut script = with_list(&json!({"max_age": "1m"}));
    script.play(vec![
        (0.0, list(-3600.0, &["out"]), ""),
        (0.0, Start(2), ""),
        (0.0, Ask(1, "x", "k1~out"), "x held"),
        (0.0, Ask(1, "y", "k1~in"), "y held"),
    ]);
    script.count(0.1, "");
    let texts = script.world.stories.values();
    let texts: Vec<_> = texts
        .map(|story| story.decided.clone().unwrap().1)
        .collect();
    assert_eq!(texts[0], "token_revoked");
    assert!(texts[1].starts_with("unavailable "), "{}", texts[1]);
    assert_eq!(script.world.counted, (1, 0));
}

/// By whatever VM it is fetched, and whichever had the list before.
#[test]
fn a_list_that_was_written_earlier_is_a_failed_fetch() {
    for vms in [1, 2, 4] {
        let mut script = with_list(&json!({"refresh_interval": "5s", "max_stale": "10m"}));
        script.happen(list(10.0, &["out"]));
        script.happen(Start(vms));
        script.count(12.0, "");
        script.world.told.clear();
        script.happen(list(9.0, &[]));
        script.count(60.0, "");
        script.world.log.clear();
        for vm in 0..vms {
            script.happen(Ask(vm, "x", "k1~out"));
        }
        let refused = script.count(60.0, "x token_revoked");
        assert_eq!(refused, vms);
        let told: Vec<_> = script.world.told.drain(..).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].2.starts_with("deny list: the answer through cluster \"list\" cannot be used: written_at lies before that of the list at hand; expected one that never falls; the list at hand serves until "),
            "{told:?}"
        );
        // Of the same second it may be another.
        script.happen(list(10.0, &[]));
        script.count(70.0, "");
        script.happen(Ask(0, "x", "k1~out"));
        assert_eq!(script.world.happened(), "x allowed");
    }
}

/// Of a VM that is configured while the list is refused: what it compares with is shared.
#[test]
fn a_new_vm_takes_no_older_list_either() {
    let mut script = with_list(&json!({"refresh_interval": "5s", "max_stale": "10m"}));
    script.happen(list(10.0, &["out"]));
    script.happen(Start(1));
    script.count(12.0, "");
    script.happen(Retire(0));
    script.happen(list(9.0, &[]));
    script.happen(Start(1));
    script.count(60.0, "");
    script.happen(Ask(1, "x", "k1~out"));
    assert_eq!(script.world.happened(), "x token_revoked");
}

#[test]
fn a_list_from_the_future_is_a_failed_fetch() {
    for (ahead, verdict) in [(300.0, "x allowed"), (301.0, "x token_revoked")] {
        let mut script = with_list(&json!({"refresh_interval": "5s"}));
        script.happen(list(0.0, &["out"]));
        script.happen(Start(1));
        script.count(1.0, "");
        script.happen(List(Plan::Status(500)));
        script.count(20.0, "");
        script.happen(list(20.0 + ahead, &[]));
        // The first attempt after it, to the second at which it can be taken.
        let ended = script.world.ended.len();
        let mut second = 20.0;
        while script.world.ended.len() == ended {
            second += 0.01;
            script.count(second, "");
        }
        // By the moment of its answer it is so much less ahead.
        if second - 20.0 < 1.0 {
            script.happen(Ask(0, "x", "k1~out"));
            assert_eq!(script.world.happened(), verdict, "{ahead}");
        }
    }
}

/// Everything that is wrong with a document leaves the list that there is.
#[test]
fn a_document_that_cannot_be_read_leaves_the_list_at_hand() {
    for plan in [
        Plan::Body("[]"),
        Plan::Body(r#"{"version":1,"written_at":1700000999,"pools":{},"extra":1}"#),
        Plan::Body(r#"{"version":2,"written_at":1700000999,"pools":{}}"#),
        Plan::Large,
        Plan::Status(304),
        Plan::Status(404),
        Plan::Silent,
        Plan::NoHosts,
    ] {
        let mut script = with_list(&json!({"refresh_interval": "5s"}));
        script.happen(list(0.0, &["out"]));
        script.happen(Start(2));
        script.count(1.0, "");
        let shown = format!("{plan:?}");
        script.happen(List(plan));
        script.count(60.0, "");
        script.happen(Ask(0, "x", "k1~out"));
        script.happen(Ask(1, "y", "k1~in"));
        assert_eq!(
            script.world.happened(),
            "x token_revoked; y allowed",
            "{shown}"
        );
        let failures = script.world.counted.1;
        assert!((4..=16).contains(&failures), "{shown}: {failures}");
    }
}

/// Failure makes no fetch rarer than success would.
#[test]
fn the_back_off_ends_at_the_interval() {
    let mut script = with_list(&json!({"refresh_interval": "5s"}));
    script.happen(list(0.0, &[]));
    script.happen(Start(2));
    script.count(1.0, "");
    script.happen(List(Plan::Status(500)));
    script.count(300.0, "");
    let gaps = script.gaps();
    assert!(gaps.len() > 60, "{}", gaps.len());
    assert!(gaps.iter().all(|gap| *gap < 5.4), "{gaps:?}");
}

/// Whichever plugin's fetch has failed last: one that asks rarely makes no other's fetch rarer.
#[test]
fn the_back_off_ends_at_each_plugins_own_interval() {
    let mut script = with_list(&json!({"refresh_interval": "5s"}));
    let often = Rc::clone(&script.policy);
    let rarely = with_list(&json!({"refresh_interval": "1h"})).policy;
    script.happen(list(0.0, &[]));
    for policy in [&rarely, &often, &rarely] {
        script.world.start(policy);
    }
    script.count(1.0, "");
    script.happen(List(Plan::Status(500)));
    script.count(300.0, "");
    let gaps = script.gaps();
    assert!(gaps.iter().all(|gap| *gap < 5.6), "{gaps:?}");
    // And no VM fetches because another has just failed.
    assert!(gaps.iter().all(|gap| *gap > 0.9), "{gaps:?}");
}

/// Two plugins with one list: each takes it if it may, and there is one fetch for both.
#[test]
fn each_plugin_has_its_own_limit_and_none_its_own_fetch() {
    let mut script = with_list(&json!({"refresh_interval": "5s", "max_entries": 2}));
    let small = Rc::clone(&script.policy);
    let large = with_list(&json!({"refresh_interval": "5s", "max_entries": 3})).policy;
    script.happen(list(0.0, &["a", "b"]));
    for policy in [&small, &large, &small, &large] {
        script.world.start(policy);
    }
    assert_eq!(script.count(1.0, "fetch list"), 1);
    assert_eq!(
        [0, 1, 2, 3].map(|vm| script.world.standing(vm).0),
        [2, 2, 2, 2]
    );
    script.world.told.clear();
    let counted = script.world.counted;
    script.happen(list(2.0, &["a", "c", "d"]));
    let fetches = script.count(61.0, "fetch list");
    assert!((11..=16).contains(&fetches), "{fetches}");
    assert_eq!(
        [0, 1, 2, 3].map(|vm| script.world.standing(vm).0),
        [2, 3, 2, 3]
    );
    // Each fetch has failed for one of the two, and one VM of that says so.
    let failures = script.world.counted.1 - counted.1;
    assert!(failures.abs_diff(fetches) <= 1, "{failures} {fetches}");
    let told: Vec<_> = script.world.told.drain(..).collect();
    let warned: Vec<_> = told
        .iter()
        .filter(|(_, level, _)| *level == Level::Warning)
        .collect();
    assert_eq!(warned.len(), 1, "{told:?}");
    assert!(
        warned[0]
            .2
            .contains("the deny list has 3 entries; expected at most 2 (deny_list.max_entries)"),
        "{told:?}"
    );
    for (vm, expected) in [(2, "x token_revoked"), (3, "x allowed")] {
        script.happen(Ask(vm, "x", "k1~b"));
        assert_eq!(script.world.happened(), expected);
    }
    // The old list serves the one until it is too old; nothing is fetched for it in vain.
    script.count(101.0, "");
    script.world.log.clear();
    script.happen(Ask(2, "x", "k1~z"));
    assert!(script.world.happened().starts_with("x unavailable"));
    script.happen(Ask(3, "x", "k1~z"));
    assert_eq!(script.world.happened(), "x allowed");
    // And it takes the next list that it may.
    script.happen(list(102.0, &["z"]));
    script.count(110.0, "");
    script.happen(Ask(2, "x", "k1~z"));
    script.happen(Ask(3, "x", "k1~b"));
    assert_eq!(script.world.happened(), "x token_revoked; x allowed");
}

/// What a stranger writes in our place is no list, and the next fetch puts it right.
#[test]
fn a_stranger_who_writes_over_the_list_changes_nothing_for_whoever_has_it() {
    let mut script = with_list(&json!({}));
    script.happen(list(0.0, &["out"]));
    script.happen(Start(2));
    script.count(1.0, "");
    for suffix in [".content", ".record", ".tag", ".declined.20000"] {
        for bytes in [&b""[..], b"x", &[0; 40]] {
            let names = script.world.space.names();
            for name in names.iter().filter(|name| name.ends_with(suffix)) {
                script.world.space.overwrite(name, bytes);
            }
            script
                .world
                .run_to(script.world.now + Duration::from_secs(3));
            script.world.log.clear();
            script.happen(Ask(0, "x", "k1~out"));
            script.happen(Ask(1, "y", "k1~in"));
            assert_eq!(script.world.happened(), "x token_revoked; y allowed");
            let late = script.world.start(&Rc::clone(&script.policy));
            script
                .world
                .run_to(script.world.now + Duration::from_secs(3));
            script.world.log.clear();
            script.happen(Ask(late, "x", "k1~out"));
            assert_eq!(script.world.happened(), "x token_revoked");
        }
    }
}

/// When a list was last told to be too long stands in whole seconds.
#[test]
fn what_a_stranger_says_was_told_far_ahead_silences_nobody() {
    for (ahead, told) in [(0, 0), (1 << 40, 1)] {
        let mut script = with_list(&json!({"refresh_interval": "5s", "max_entries": 2}));
        script.happen(list(0.0, &["a", "b"]));
        script.happen(Start(1));
        script.count(1.0, "");
        script.happen(list(2.0, &["a", "c", "d"]));
        script.count(20.0, "");
        script.world.told.clear();
        let names = script.world.space.names();
        let name = names.iter().find(|name| name.ends_with(".declined.2"));
        let mut entry = script.world.space.bytes(name.unwrap()).unwrap();
        let last = entry.last_chunk_mut::<8>().unwrap();
        *last = (u64::from_le_bytes(*last) + ahead).to_le_bytes();
        script.world.space.overwrite(name.unwrap(), &entry);
        script.count(40.0, "");
        let levels = script.world.told.iter().map(|(_, level, _)| *level);
        let warned = levels.filter(|level| *level == Level::Warning).count();
        assert_eq!(warned, told, "{ahead}");
    }
}

/// Leases and windows go by the other clock.
#[test]
fn a_wall_clock_that_jumps_moves_no_fetch_of_the_list() {
    let mut script = with_list(&json!({"max_age": "forever"}));
    script.happen(list(0.0, &["out"]));
    script.happen(Start(2));
    script.count(10.0, "");
    script.happen(Wall(-200.0));
    script.happen(Ask(1, "x", "k1~out"));
    script.happen(Ask(1, "y", "k1~in"));
    assert_eq!(script.world.happened(), "x token_revoked; y allowed");
    script.happen(Wall(86_400.0));
    assert_eq!(script.count(29.0, "fetch list"), 1);
    script.happen(Ask(1, "y", "k1~in"));
    assert_eq!(script.world.happened(), "y allowed");
}

/// A list that was only written again asks no remembered token again; one with another entry asks all.
#[test]
fn a_list_that_was_only_written_again_is_of_the_same_generation() {
    let mut script = with_list(&json!({"refresh_interval": "5s"}));
    script.happen(list(0.0, &["out"]));
    script.happen(Start(2));
    script.count(1.0, "");
    let first = [0, 1].map(|vm| script.world.list_generation(vm).unwrap());
    script.happen(list(2.0, &["out"]));
    script.count(20.0, "");
    assert_eq!(script.world.standing(1), (1, 18), "it has been taken");
    let again = [0, 1].map(|vm| script.world.list_generation(vm).unwrap());
    assert_eq!(again, first);
    script.happen(list(21.0, &["out", "in"]));
    script.count(30.0, "");
    let other = [0, 1].map(|vm| script.world.list_generation(vm).unwrap());
    assert!(other[0] > first[0] && other[1] > first[1], "{other:?}");
}

/// Whether anybody waits for it or not: the first request is to find it there.
#[test]
fn the_first_list_is_fetched_at_once_and_noticed_at_once() {
    let mut script = with_list(&json!({}));
    script.happen(list(0.0, &[]));
    let vm = script.world.configure(&Rc::clone(&script.policy));
    assert_eq!(script.world.next_tick(vm), Gate::PROMPT_TICK);
    script.happen(Start(1));
    // Its fetch is under way.
    assert_eq!(script.count(0.01, "fetch list"), 1);
    assert_eq!(script.world.next_tick(1), Gate::BUSY_TICK);
    assert_eq!(script.world.next_tick(vm), Gate::PROMPT_TICK);
    script.count(0.1, "");
    assert_eq!(script.world.next_tick(1), Gate::IDLE_TICK);
}

/// In a long outage a VM has nothing to do until the next attempt is near.
#[test]
fn a_first_list_that_is_far_away_is_not_looked_for() {
    let mut script = with_list(&json!({}));
    script.happen(List(Plan::Status(500)));
    script.happen(Start(1));
    let world = &mut script.world;
    while world.list_expected_in(0) < Duration::from_secs(5) {
        world.run_to(world.now + Duration::from_secs(1));
    }
    assert_eq!(world.next_tick(0), Gate::IDLE_TICK);
    world.run_to(world.now + world.list_expected_in(0) - Gate::IDLE_TICK);
    assert_eq!(world.next_tick(0), Gate::IDLE_TICK);
    world.run_to(world.now + Duration::from_millis(1));
    assert_eq!(world.next_tick(0), Gate::BUSY_TICK);
}

/// With how many entries, and until when it serves: by `max_stale` or by `max_age`, whichever is first.
#[test]
fn a_list_that_is_there_or_back_is_told_once() {
    for (max_age, end) in [
        ("1h", "22:31:10Z"),
        ("1m", "22:31:00Z"),
        ("forever", "22:31:10Z"),
    ] {
        let mut script = with_list(&json!({"max_age": max_age, "refresh_interval": "5s"}));
        let serves = "the list at hand serves until 2023-11-14T";
        let there = format!("Info 1 entries fetched; {serves}{end}");
        script.listen(vec![
            (0.0, list(0.0, &["out"]), &[], 0),
            (0.0, Start(1), &[], 0),
            (1.0, Nothing, &[&there], 0),
            // A fetch that succeeds again is no news.
            (12.0, List(Plan::Status(500)), &[], 0),
        ]);
        script.count(20.0, "");
        let told: Vec<_> = script.world.told.drain(..).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, Level::Warning, "{told:?}");
        script.happen(list(20.0, &["out", "in"]));
        script.count(60.0, "");
        let told: Vec<_> = script.world.told.drain(..).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let back = format!("deny list: 2 entries fetched; {serves}22:31:");
        assert_eq!(told[0].1, Level::Info, "{told:?}");
        assert!(told[0].2.starts_with(&back), "{told:?}");
    }
}
