//! The moments at which something begins or ends, to the nanosecond: a keyring alone, without ticks.

use std::time::Duration;

use cognito_authorizer::keyring::{Answer, Entropy, Keyring};
use cognito_authorizer::policy::IssuerIndex;
use cognito_authorizer::remote::call::{CallId, CallIds, NotSent};
use cognito_authorizer::remote::document::Prospect;
use cognito_authorizer::remote::record::Record;
use cognito_authorizer::remote::report::{Counted, Level, Report};
use cognito_authorizer::time::{Monotonic, Now, Timestamp};
use serde_json::{Value, json};

use crate::flow::pools::{document, key_set, policy};
use crate::harness::issuer::issuer_of;
use crate::harness::space::Space;

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// The defaults.
const TIMEOUT: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(15 * 60);

fn at(since_start: Duration) -> Monotonic {
    Monotonic::new(Duration::from_secs(1000) + since_start)
}

/// The keyrings of some VMs over one space, all for one pool.
struct Process {
    space: Space,
    vms: Vec<Keyring>,
    calls: CallIds,
    pool: IssuerIndex,
}

impl Process {
    fn new(vms: u64, jwks: &Value) -> Self {
        let policy = policy(&document(&["a"], jwks));
        let pool = policy.issuers.iter().next().unwrap().0;
        let vms = (0..vms).map(|seed| Keyring::new(&policy.issuers, Entropy::new(seed)));
        Self {
            space: Space::default(),
            vms: vms.collect(),
            calls: CallIds::default(),
            pool,
        }
    }

    /// What the VM finds due after it has looked at what the others did.
    fn due(&mut self, vm: usize, now: Duration) -> Option<CallId> {
        self.vms[vm].sync(at(now), &self.space);
        let mut due = self.vms[vm].take_due(at(now), &self.space, &mut self.calls);
        assert!(due.len() <= 1);
        due.pop().map(|(id, _)| id)
    }

    fn answer(
        &mut self,
        vm: usize,
        fetch: CallId,
        now: Duration,
        answer: &Answer,
    ) -> Option<Report> {
        let now = Now {
            wall: Timestamp::from_seconds(1_700_000_000.0 + now.as_secs_f64()).unwrap(),
            monotonic: at(now),
        };
        self.vms[vm].answered(fetch, answer, now, &self.space)
    }

    /// A VM begins a fetch, which is answered at once.
    #[track_caller]
    fn fetched(&mut self, vm: usize, now: Duration) {
        let fetch = self.due(vm, now).expect("a fetch that is due");
        self.answer(vm, fetch, now, &keys());
    }

    /// A search for a `kid` is begun.
    #[track_caller]
    fn search(&mut self, vm: usize, now: Duration) -> CallId {
        assert_eq!(self.unknown_kid(vm, now), Prospect::Open);
        let generation = self.vms[vm].generation(self.pool).expect("keys");
        self.vms[vm].demand_newer(self.pool, generation);
        self.due(vm, now).expect("a search that is due")
    }

    /// What a request can hope for whose `kid` is not in the set at hand.
    fn unknown_kid(&mut self, vm: usize, now: Duration) -> Prospect {
        self.vms[vm].sync(at(now), &self.space);
        let generation = self.vms[vm].generation(self.pool).expect("keys");
        self.vms[vm].prospect(self.pool, generation, at(now))
    }

    fn serves(&mut self, vm: usize, now: Duration) -> bool {
        self.vms[vm].sync(at(now), &self.space);
        self.vms[vm].keys(self.pool).is_some()
    }
}

/// Another plugin has changed the record.
fn rewritten(process: &Process, change: impl Fn(&mut Record)) {
    for name in process.space.names() {
        let bytes = process.space.bytes(&name).unwrap_or_default();
        if let Some(mut record) = Record::decode(&bytes) {
            change(&mut record);
            process.space.overwrite(&name, &record.encode());
        }
    }
}

fn level(report: &Option<Report>) -> Option<Level> {
    report.as_ref().map(|report| report.level)
}

fn keys() -> Answer {
    Answer::response(200, Some(key_set(&["k1", "k2"])))
}

#[test]
fn keys_serve_for_an_interval_a_timeout_and_max_stale() {
    let mut process = Process::new(1, &json!({"max_stale": "1h"}));
    process.fetched(0, Duration::ZERO);
    let end = INTERVAL + TIMEOUT + 3600 * SECOND;
    assert!(process.serves(0, end - NANOSECOND));
    assert!(!process.serves(0, end));
}

#[test]
fn a_lease_ends_a_second_after_the_timeout_for_others() {
    let mut process = Process::new(2, &json!({}));
    assert!(process.due(0, Duration::ZERO).is_some());
    let end = TIMEOUT + SECOND;
    assert_eq!(process.due(1, end - NANOSECOND), None);
    assert!(process.due(1, end).is_some());
}

#[test]
fn a_lease_that_somebody_wrote_over_binds_its_holder_until_its_end() {
    for (late, taken) in [(NANOSECOND, false), (Duration::ZERO, true)] {
        let mut process = Process::new(1, &json!({}));
        assert!(process.due(0, Duration::ZERO).is_some());
        for name in process.space.names() {
            process.space.overwrite(&name, b"hello");
        }
        let now = TIMEOUT + SECOND - late;
        assert_eq!(process.due(0, now).is_some(), taken, "{now:?}");
    }
}

#[test]
fn a_lease_that_ends_later_than_any_fetch_is_nobodys() {
    let longest = 120 * SECOND;
    for (until, taken) in [(longest, false), (longest + NANOSECOND, true)] {
        let mut process = Process::new(2, &json!({}));
        assert!(process.due(0, Duration::ZERO).is_some());
        rewritten(&process, |record| {
            record.lease.as_mut().unwrap().until = at(until);
        });
        assert_eq!(process.due(1, Duration::ZERO).is_some(), taken, "{until:?}");
    }
}

#[test]
fn a_search_that_was_answered_is_settled_for_ten_seconds_from_its_beginning() {
    let mut process = Process::new(2, &json!({}));
    process.fetched(0, Duration::ZERO);
    let begin = 60 * SECOND;
    let fetch = process.search(0, begin);
    let outcome = process.answer(0, fetch, begin + SECOND, &keys());
    assert_eq!(level(&outcome), Some(Level::Debug));
    let left = |process: &Process, now| process.vms[1].demand_open_in(process.pool, at(now));
    for (now, prognosis, expected) in [
        (begin + 2 * SECOND, Prospect::Settled, 8 * SECOND),
        (
            begin + 10 * SECOND - NANOSECOND,
            Prospect::Settled,
            NANOSECOND,
        ),
        (begin + 10 * SECOND, Prospect::Open, Duration::ZERO),
    ] {
        assert_eq!(process.unknown_kid(1, now), prognosis, "{now:?}");
        assert_eq!(left(&process, now), expected, "{now:?}");
    }
}

#[test]
fn an_answer_in_the_last_second_of_the_window_opens_another() {
    let answered = |after: Duration| {
        let mut process = Process::new(2, &json!({"timeout": "30s"}));
        process.fetched(0, Duration::ZERO);
        let begin = 60 * SECOND;
        let fetch = process.search(0, begin);
        process.answer(0, fetch, begin + after, &keys());
        (process, begin)
    };
    // Every VM still has its second.
    let (mut process, begin) = answered(9 * SECOND);
    assert_eq!(process.unknown_kid(1, begin + 10 * SECOND), Prospect::Open);
    let late = 9 * SECOND + NANOSECOND;
    let (mut process, begin) = answered(late);
    for (now, prognosis) in [
        (10 * SECOND, Prospect::Settled),
        (late + 10 * SECOND - NANOSECOND, Prospect::Settled),
        (late + 10 * SECOND, Prospect::Open),
    ] {
        assert_eq!(process.unknown_kid(1, begin + now), prognosis, "{now:?}");
    }
}

#[test]
fn a_search_under_way_is_not_to_be_waited_for_twice() {
    let mut process = Process::new(2, &json!({"timeout": "30s"}));
    process.fetched(0, Duration::ZERO);
    let begin = 60 * SECOND;
    process.search(0, begin);
    // Keys are expected at any moment, however far away the next refresh is.
    for vm in 0..2 {
        process.vms[vm].sync(at(begin), &process.space);
        let expected = process.vms[vm].keys_expected_in(process.pool, at(begin));
        assert_eq!(expected, Duration::ZERO);
    }
    // Longer than the window.
    assert_eq!(
        process.unknown_kid(1, begin + 20 * SECOND),
        Prospect::Coming
    );
    assert_eq!(process.due(1, begin + 20 * SECOND), None);
}

#[test]
fn a_search_whose_lease_ends_without_an_answer_is_not_waited_for() {
    let mut process = Process::new(2, &json!({}));
    process.fetched(0, Duration::ZERO);
    let begin = 60 * SECOND;
    process.search(0, begin);
    let end = TIMEOUT + SECOND;
    for (now, prognosis) in [
        (end - NANOSECOND, Prospect::Coming),
        // Whether there is such a key is not known, and the next search not yet allowed.
        (end, Prospect::Unavailable),
        (10 * SECOND - NANOSECOND, Prospect::Unavailable),
        (10 * SECOND, Prospect::Open),
    ] {
        assert_eq!(process.unknown_kid(1, begin + now), prognosis, "{now:?}");
    }
}

#[test]
fn a_refresh_under_way_is_no_search() {
    let mut process = Process::new(2, &json!({}));
    process.fetched(0, Duration::ZERO);
    let search = process.search(0, INTERVAL / 2);
    process.answer(0, search, INTERVAL / 2, &keys());
    // The refresh that the search's answer has put off.
    let refresh = process.due(0, 2 * INTERVAL);
    assert!(refresh.is_some());
    // The window is long over, so the next set is waited for.
    assert_eq!(process.unknown_kid(1, 2 * INTERVAL), Prospect::Coming);
}

#[test]
fn a_search_that_its_vm_gives_back_may_be_begun_again() {
    let mut process = Process::new(2, &json!({}));
    process.fetched(0, Duration::ZERO);
    let begin = 60 * SECOND;
    process.search(0, begin);
    process.vms[0].release(&process.space);
    let fetch = process.search(1, begin + SECOND);
    process.answer(1, fetch, begin + SECOND, &keys());
    // Of two leases only one's own is given back, and what a search has found out stays known.
    let refresh = process.due(1, begin + INTERVAL);
    assert!(refresh.is_some());
    let search = begin + INTERVAL;
    process.vms[0].release(&process.space);
    assert_eq!(process.due(0, search), None);
}

#[test]
fn a_vm_that_retires_leaves_the_answer_of_a_search_to_others() {
    let mut process = Process::new(3, &json!({"refresh_interval": "1m"}));
    process.fetched(0, Duration::ZERO);
    let begin = 30 * SECOND;
    let fetch = process.search(0, begin);
    let failed = process.answer(0, fetch, begin, &Answer::NoResponse);
    assert_eq!(level(&failed), Some(Level::Warning));
    // The back-off's fetch is under way when its VM goes.
    assert!(process.due(1, begin + 2 * SECOND).is_some());
    process.vms[1].release(&process.space);
    let prognosis = process.unknown_kid(2, begin + 3 * SECOND);
    assert_eq!(prognosis, Prospect::Unavailable);
}

#[test]
fn what_the_metrics_show() {
    let mut process = Process::new(2, &json!({"max_stale": "1h"}));
    let shown = |process: &mut Process, vm: usize, now: Duration| {
        let keyring = &mut process.vms[vm];
        keyring.sync(at(now), &process.space);
        let standing = keyring.standings(at(now)).next().unwrap();
        let age = standing.age.map(|age| age.as_secs());
        (
            standing.keys,
            age,
            !keyring.lacks_keys(Duration::MAX, at(now)),
        )
    };
    // A set that is missing is as old as the keyring.
    assert_eq!(shown(&mut process, 0, Duration::ZERO), (0, Some(0), false));
    let before = 3 * SECOND;
    assert_eq!(shown(&mut process, 0, before), (0, Some(3), false));
    process.fetched(0, Duration::ZERO);
    assert_eq!(shown(&mut process, 0, 7 * SECOND), (2, Some(7), true));
    assert_eq!(shown(&mut process, 1, 8 * SECOND), (2, Some(8), true));
    // Keys that may serve no more are not counted; how old they are still says what is wrong.
    let stale = INTERVAL + TIMEOUT + 3600 * SECOND;
    assert_eq!(
        shown(&mut process, 1, stale),
        (0, Some(stale.as_secs()), false)
    );
}

#[test]
fn a_fetch_is_due_until_somebody_begins_it() {
    let mut process = Process::new(2, &json!({}));
    assert!(process.vms[0].is_due(at(Duration::ZERO)));
    process.fetched(0, Duration::ZERO);
    let later = 60 * SECOND;
    for vm in 0..2 {
        process.vms[vm].sync(at(later), &process.space);
        assert!(!process.vms[vm].is_due(at(later)));
    }
    assert_eq!(process.due(0, later), None);
    assert!(process.vms[1].is_due(at(INTERVAL)));
}

#[test]
fn what_became_of_a_fetch_is_told() {
    let mut process = Process::new(1, &json!({}));
    let mut now = Duration::ZERO;
    let status = |status| Answer::response(status, Some(Vec::new()));
    let fetched = "2 fetched, 0 entries skipped";
    let broken = r#"the answer through cluster "a" broke off; the last good keys serve on until "#;
    let answered = "the endpoint answered 500 through cluster ";
    let (good, bad) = (Counted::KeysFetched, Counted::KeysFailed);
    for (answer, level, counted, text) in [
        (keys(), Level::Info, good, fetched),
        (keys(), Level::Debug, good, "fetched again"),
        (Answer::NoResponse, Level::Warning, bad, broken),
        // An interval later it is told again, and once it has another cause.
        (Answer::NoResponse, Level::Warning, bad, broken),
        (status(500), Level::Warning, bad, answered),
        (keys(), Level::Info, good, fetched),
        (keys(), Level::Debug, good, "fetched again"),
    ] {
        now += INTERVAL;
        let fetch = process.due(0, now).expect("a fetch that is due");
        let report = process.answer(0, fetch, now, &answer).unwrap();
        assert_eq!((report.level, report.counted), (level, Some(counted)));
        let text = format!("keys of {}: {text}", issuer_of("us-east-1_AbCdEf123"));
        assert!(report.to_string().starts_with(&text), "{report}");
    }
}

#[test]
fn a_cluster_that_is_not_there_is_tried_ten_times_a_second_at_the_start_only() {
    let mut process = Process::new(1, &json!({}));
    let expected = |process: &Process, now| process.vms[0].keys_expected_in(process.pool, at(now));
    let fetch = process.due(0, Duration::ZERO).unwrap();
    process.answer(
        0,
        fetch,
        Duration::ZERO,
        &Answer::NotSent(NotSent::UnknownCluster),
    );
    assert_eq!(expected(&process, Duration::ZERO), SECOND / 10);
    process.fetched(0, SECOND);
    let fetch = process.due(0, SECOND + INTERVAL).unwrap();
    process.answer(
        0,
        fetch,
        SECOND + INTERVAL,
        &Answer::NotSent(NotSent::UnknownCluster),
    );
    // With keys that serve there is no hurry: the back-off.
    assert!(expected(&process, SECOND + INTERVAL) >= SECOND);
}

/// A fetch that could not be sent: what is counted of it, and when the next one is due.
fn unsent(process: &mut Process, now: Duration) -> (Option<Counted>, Level, Duration) {
    let fetch = process.due(0, now).expect("a fetch that is due");
    let unknown = Answer::NotSent(NotSent::UnknownCluster);
    let report = process.answer(0, fetch, now, &unknown).expect("a report");
    let next = process.vms[0].keys_expected_in(process.pool, at(now));
    (report.counted, report.level, next)
}

#[test]
fn clusters_may_settle_for_five_seconds() {
    let tenth = SECOND / 10;
    for (now, counted, level) in [
        (5 * SECOND - NANOSECOND, None, Level::Debug),
        (5 * SECOND, Some(Counted::KeysFailed), Level::Warning),
    ] {
        let mut process = Process::new(1, &json!({}));
        let first = unsent(&mut process, Duration::ZERO);
        assert_eq!(first, (None, Level::Debug, tenth));
        assert_eq!(
            unsent(&mut process, now),
            (counted, level, tenth),
            "{now:?}"
        );
    }
}

#[test]
fn a_cluster_is_tried_hastily_for_thirty_seconds() {
    for (now, next) in [
        (30 * SECOND - NANOSECOND, SECOND / 10),
        (30 * SECOND, SECOND),
    ] {
        let mut process = Process::new(1, &json!({}));
        unsent(&mut process, Duration::ZERO);
        assert_eq!(unsent(&mut process, now).2, next, "{now:?}");
    }
}

#[test]
fn tries_between_two_attempts_are_not_counted() {
    let mut process = Process::new(1, &json!({}));
    unsent(&mut process, Duration::ZERO);
    let first = 10 * SECOND;
    assert_eq!(unsent(&mut process, first).0, Some(Counted::KeysFailed));
    // The next attempt is 1 to 1.25 s away.
    let early = unsent(&mut process, first + SECOND - NANOSECOND);
    assert_eq!((early.0, early.1), (None, Level::Debug));
    let second = unsent(&mut process, first + SECOND * 5 / 4);
    assert_eq!(
        (second.0, second.1),
        (Some(Counted::KeysFailed), Level::Debug)
    );
}

/// When calls that are sent fail, the next attempt is when the next fetch is.
#[test]
fn a_try_at_the_very_moment_of_the_next_attempt_is_counted() {
    for (early, counted) in [
        (NANOSECOND, None),
        (Duration::ZERO, Some(Counted::KeysFailed)),
    ] {
        let mut process = Process::new(1, &json!({}));
        let mut now = Duration::ZERO;
        for _ in 0..4 {
            let fetch = process.due(0, now).expect("a fetch that is due");
            process.answer(0, fetch, now, &Answer::NoResponse);
            now += process.vms[0].keys_expected_in(process.pool, at(now));
        }
        // The VM that has the lease has begun in time, and its answer comes a little later.
        let fetch = process.due(0, now).expect("a fetch that is due");
        let unknown = Answer::NotSent(NotSent::UnknownCluster);
        let report = process.answer(0, fetch, now - early, &unknown);
        assert_eq!(report.expect("a report").counted, counted, "{early:?}");
    }
}

#[test]
fn the_back_off_begins_when_the_cluster_has_come() {
    let mut process = Process::new(1, &json!({}));
    unsent(&mut process, Duration::ZERO);
    // Attempts that are 1, 2, 4 and 8 seconds apart, or a quarter more.
    let mut now = 5 * SECOND;
    for _ in 0..5 {
        unsent(&mut process, now);
        now += 20 * SECOND;
    }
    for longest in [SECOND * 5 / 4, SECOND * 5 / 2, SECOND * 5] {
        let fetch = process.due(0, now).expect("a fetch that is due");
        process.answer(0, fetch, now, &Answer::NoResponse);
        let next = process.vms[0].keys_expected_in(process.pool, at(now));
        assert!((longest * 4 / 5..=longest).contains(&next), "{next:?}");
        now += next;
    }
}

#[test]
fn a_failure_that_lasts_is_told_again_after_ten_minutes() {
    let reminder = 600 * SECOND;
    for (after, level) in [
        (reminder - NANOSECOND, Level::Debug),
        (reminder, Level::Warning),
    ] {
        let mut process = Process::new(1, &json!({}));
        let fetch = process.due(0, Duration::ZERO).expect("a fetch that is due");
        let first = process.answer(0, fetch, Duration::ZERO, &Answer::NoResponse);
        assert_eq!(self::level(&first), Some(Level::Warning));
        let fetch = process.due(0, after).expect("a fetch that is due");
        let again = process.answer(0, fetch, after, &Answer::NoResponse);
        assert_eq!(self::level(&again), Some(level), "{after:?}");
    }
}

#[test]
fn what_lies_further_ahead_than_clocks_differ_was_neither_told_nor_searched() {
    for (ahead, level, prospect) in [
        (SECOND, Level::Debug, Prospect::Settled),
        (SECOND + NANOSECOND, Level::Warning, Prospect::Open),
    ] {
        let now = 30 * SECOND;
        let mut process = Process::new(1, &json!({}));
        let fetch = process.due(0, Duration::ZERO).expect("a fetch that is due");
        process.answer(0, fetch, Duration::ZERO, &Answer::NoResponse);
        rewritten(&process, |record| {
            record.told.as_mut().unwrap().at = at(now + ahead);
        });
        let fetch = process.due(0, now).expect("a fetch that is due");
        let again = process.answer(0, fetch, now, &Answer::NoResponse);
        assert_eq!(self::level(&again), Some(level), "{ahead:?}");
        process.fetched(0, 2 * now);
        let search = process.search(0, 2 * now);
        process.answer(0, search, 2 * now, &keys());
        rewritten(&process, |record| {
            record.demand.as_mut().unwrap().at = at(3 * now + ahead);
        });
        assert_eq!(process.unknown_kid(0, 3 * now), prospect, "{ahead:?}");
    }
}

#[test]
fn the_end_of_the_last_good_keys_is_told() {
    let mut process = Process::new(1, &json!({"max_stale": "1h"}));
    process.fetched(0, Duration::ZERO);
    let end = INTERVAL + TIMEOUT + 3600 * SECOND;
    let mut fail = |now: Duration| {
        let fetch = process.due(0, now).expect("a fetch that is due");
        let report = process.answer(0, fetch, now, &Answer::NoResponse).unwrap();
        (report.level, report.to_string().contains("serve on until"))
    };
    assert_eq!(fail(end - 300 * SECOND), (Level::Warning, true));
    assert_eq!(fail(end - NANOSECOND), (Level::Debug, true));
    assert_eq!(fail(end + 90 * SECOND), (Level::Warning, false));
    assert_eq!(fail(end + 180 * SECOND), (Level::Debug, false));
}

/// A failure at that very moment tells it, and no later one does again.
#[test]
fn the_end_of_the_last_good_keys_is_told_once() {
    let mut process = Process::new(1, &json!({"max_stale": "1h"}));
    process.fetched(0, Duration::ZERO);
    let end = INTERVAL + TIMEOUT + 3600 * SECOND;
    for (now, wanted) in [
        (end - 300 * SECOND, Level::Warning),
        (end, Level::Warning),
        (end + 90 * SECOND, Level::Debug),
    ] {
        let fetch = process.due(0, now).expect("a fetch that is due");
        let report = process.answer(0, fetch, now, &Answer::NoResponse);
        assert_eq!(level(&report), Some(wanted), "{now:?}");
    }
}

/// A set is missing since its first fetch failed, whatever configurations have come and gone since.
#[test]
fn a_set_is_missing_since_before_the_configuration_changed() {
    let mut process = Process::new(2, &json!({}));
    let fetch = process.due(0, SECOND).expect("a fetch that is due");
    process.answer(0, fetch, 2 * SECOND, &Answer::NoResponse);
    let age = |process: &mut Process, vm: usize, now| {
        process.vms[vm].sync(at(now), &process.space);
        let standing = process.vms[vm].standings(at(now)).next().unwrap();
        standing.age.unwrap().as_secs()
    };
    assert_eq!(age(&mut process, 0, 60 * SECOND), 59);
    assert_eq!(age(&mut process, 1, 60 * SECOND), 58);
}

/// Of several requests, one that waits for what is here already demands nothing.
#[test]
fn a_demand_for_what_is_here_is_none() {
    for (generations, due) in [(vec![0], false), (vec![1], true), (vec![1, 0], true)] {
        let mut process = Process::new(1, &json!({}));
        process.fetched(0, Duration::ZERO);
        assert_eq!(process.vms[0].generation(process.pool), Some(1));
        let now = 60 * SECOND;
        for generation in &generations {
            process.vms[0].demand_newer(process.pool, *generation);
        }
        assert_eq!(process.vms[0].is_due(at(now)), due, "{generations:?}");
        assert_eq!(process.due(0, now).is_some(), due, "{generations:?}");
        // It is forgotten, whether it has led to a fetch or not.
        assert!(!process.vms[0].is_due(at(now)));
    }
}

#[test]
fn keys_that_serve_no_more_are_not_waited_for_as_if_they_did() {
    let mut process = Process::new(1, &json!({"max_stale": "1h"}));
    process.fetched(0, Duration::ZERO);
    let prospect = |process: &mut Process, now| {
        process.vms[0].sync(at(now), &process.space);
        process.vms[0].prospect(process.pool, 1, at(now))
    };
    assert_eq!(prospect(&mut process, SECOND), Prospect::Open);
    let end = INTERVAL + TIMEOUT + 3600 * SECOND;
    assert_eq!(prospect(&mut process, end), Prospect::Here);
}
