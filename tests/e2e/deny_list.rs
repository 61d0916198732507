//! The deny list in a real Envoy: it holds on every worker at once, and no worker stands still for it.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::bootstrap::{KEYS_CLUSTER, Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::upstream::Upstream;

const PATH: &str = "/deny.json";
/// The shortest interval there may be.
const INTERVAL: Duration = Duration::from_secs(5);

/// A configuration with a list from this path.
fn listed(path: &str, other: &Value) -> Value {
    let mut document = document(&[POOL]);
    document["deny_list"] = json!({
        "cluster": KEYS_CLUSTER,
        "uri": format!("http://lists.example.com{path}"),
        "refresh_interval": "5s",
        "max_age": "1h",
        "when_stale": "refuse",
    });
    for (name, value) in other.as_object().expect("an object") {
        document["deny_list"][name] = value.clone();
    }
    document
}

/// A list that was written `ahead` of now, of users whose every sign-in of today is void.
fn list(ahead: i64, subs: &[&str]) -> Vec<u8> {
    let entries: serde_json::Map<_, _> = subs
        .iter()
        .map(|sub| ((*sub).to_owned(), json!(now() + 86_400)))
        .collect();
    json!({"version": 1, "written_at": now() + ahead, "pools": {POOL: {"signed_in_before": entries}}})
        .to_string()
        .into_bytes()
}

fn ask(sub: &str) -> Request {
    Request::get("/guarded").bearer(&Token::access(POOL).claim("sub", sub).mint())
}

/// Connections enough to reach every worker.
fn connections(envoy: &EnvoyUnderTest, workers: u32) -> Vec<Pending> {
    let count = 8 * workers;
    (0..count).map(|_| Pending::connect(envoy.main())).collect()
}

/// Asks on every connection. The statuses, each once.
fn statuses(connections: &mut [Pending], request: &Request) -> Vec<u16> {
    let mut statuses: Vec<_> = connections
        .iter_mut()
        .map(|connection| {
            connection.write(&request.head_bytes());
            connection.next_response().status
        })
        .collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

#[test]
fn a_user_who_is_signed_out_is_out_on_every_worker_within_a_second() {
    thread::scope(|scope| {
        for workers in [2, 4] {
            scope.spawn(move || signed_out_is_out(workers));
        }
    });
}

fn signed_out_is_out(workers: u32) {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.answer_at(PATH, Answer::Bytes(list(-10, &[])));
    let upstream = Upstream::start();
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .workers(workers)
            .listener(Listener::new(MAIN, listed(PATH, &json!({})))),
    );
    let mut all = connections(&envoy, workers);
    let (out, stays) = (ask("signed-out"), ask("stays"));
    for _ in 0..3 {
        assert_eq!(statuses(&mut all, &out), [200]);
        assert_eq!(statuses(&mut all, &stays), [200]);
    }
    keys.answer_at(PATH, Answer::Bytes(list(-9, &["signed-out"])));
    let before = keys.fetch_times_at(PATH).len();
    eventually("the next fetch", || {
        (keys.fetch_times_at(PATH).len() > before).then_some(())
    });
    let fetched = keys.fetch_times_at(PATH)[before];
    thread::sleep((fetched + Duration::from_secs(1)).saturating_duration_since(Instant::now()));
    assert_eq!(statuses(&mut all, &out), [401], "{workers} workers");
    assert_eq!(statuses(&mut all, &stays), [200], "{workers} workers");
    // One fetch for all workers, no more often than it must be.
    let times = keys.fetch_times_at(PATH);
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.into_iter().all(|gap| gap > INTERVAL / 2), "{times:?}");
    envoy.await_metric("deny_list_entries", 1);
    assert_eq!(envoy.metric("deny_list_fetch.failure"), 0);
}

#[test]
fn an_unchanged_list_is_a_success_and_a_failing_server_no_outage() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.answer_at(PATH, Answer::Tagged(list(-10, &["signed-out"]), "\"one\""));
    let upstream = Upstream::start();
    let envoy = EnvoyUnderTest::start(&Setup::new(&keys, &upstream).listener(Listener::new(
        MAIN,
        listed(PATH, &json!({"max_stale": "1m"})),
    )));
    assert_eq!(ask("signed-out").send(envoy.main()).status, 401);
    assert_eq!(ask("stays").send(envoy.main()).status, 200);
    envoy.await_metric("deny_list_fetch.unchanged", 1);
    assert_eq!(envoy.metric("deny_list_fetch.success"), 1);
    assert_eq!(envoy.metric("deny_list_entries"), 1);
    assert!(envoy.metric("deny_list_age_seconds") >= 10);
    keys.answer_at(PATH, Answer::Status(500, json!({})));
    envoy.await_metric("deny_list_fetch.failure", 2);
    assert_eq!(ask("signed-out").send(envoy.main()).status, 401);
    assert_eq!(ask("stays").send(envoy.main()).status, 200);
    let log = envoy.log();
    let told = log
        .lines()
        .filter(|line| line.contains("[warning]") && line.contains("deny list: "));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let cause = format!(
        "deny list: the endpoint answered 500 through cluster {KEYS_CLUSTER:?}; expected 200; the list at hand serves until 20"
    );
    assert!(told[0].contains(&cause), "{told:?}");
}

/// At the very start, with a server that takes its time.
#[test]
fn requests_wait_for_the_first_list_as_for_keys() {
    let words = [("refuse", 503), ("serve", 200)];
    let path = |word: &str| format!("/{word}.json");
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let mut setup = Setup::new(&keys, &upstream);
    for (word, _) in words {
        keys.answer_at(&path(word), Answer::Silence);
        let list = listed(&path(word), &json!({"timeout": "1s", "when_stale": word}));
        setup = setup.listener(Listener::new(word, list));
    }
    let envoy = EnvoyUnderTest::start(&setup);
    for (word, status) in words {
        let to = envoy.at(word);
        let began = Instant::now();
        let response = ask("stays").send(to);
        assert_eq!(response.status, status, "{word}");
        assert_eq!(response.header("retry-after").is_some(), word == "refuse");
        // A fetch may have been under way already.
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
        keys.answer_at(&path(word), Answer::Bytes(list(-1, &["signed-out"])));
        eventually("the first list", || {
            (ask("signed-out").send(to).status == 401).then_some(())
        });
        assert_eq!(ask("stays").send(to).status, 200);
    }
}

/// So many users, and another each time.
fn long_list(entries: usize, round: usize) -> Vec<u8> {
    let signed_out = now() + 1000;
    let users: Vec<_> = (round..entries + round)
        .map(|user| format!("\"{user:08x}-aaaa-4bbb-8ccc-0123456789ab\":{signed_out}"))
        .collect();
    let written_at = now() - 100 + i64::try_from(round).expect("a small number");
    format!(
        r#"{{"version":1,"written_at":{written_at},"pools":{{"{POOL}":{{"signed_in_before":{{{}}}}}}}}}"#,
        users.join(",")
    )
    .into_bytes()
}

/// So long at the most may a worker do anything but serve.
const PAUSE: Duration = Duration::from_millis(5);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(10);

/// The time on the processors of Envoy's workers, each, and of its main thread.
fn spent(envoy: &EnvoyUnderTest) -> (Vec<Duration>, Duration) {
    let threads = envoy.threads();
    let workers = threads.iter().filter(|(name, _)| name.starts_with("wrk:"));
    let main = threads.iter().find(|(name, _)| name == "envoy");
    (
        workers.map(|(_, spent)| *spent).collect(),
        main.expect("a main thread").1,
    )
}

/// Several plugins have a list each, in one VM of each thread, and only one of them is ever asked
/// anything. Lists are read by the thread that serves nobody; a worker takes over what that has made of
/// them. By processor time, not by the clock: what else the machine does makes no difference.
#[test]
fn no_worker_stands_still_for_a_list() {
    const SIZES: [usize; 2] = [20_000, 100_000];
    let paths = ["/a.json", "/b.json", "/c.json"];
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let publish = |entries, round| {
        for path in paths {
            keys.answer_at(path, Answer::Bytes(long_list(entries, round)));
        }
    };
    let fetches = || {
        let fetches = paths.map(|path| keys.fetch_times_at(path).len());
        fetches.into_iter().sum::<usize>()
    };
    publish(SIZES[0], 0);
    let limit = json!({"max_entries": 100_000});
    let setup = Setup::new(&keys, &upstream).workers(2);
    let setup = paths.iter().fold(setup, |setup, path| {
        let name = if *path == paths[0] { MAIN } else { path };
        setup.listener(Listener::new(name, listed(path, &limit)))
    });
    let envoy = EnvoyUnderTest::start(&setup);
    let mut all = connections(&envoy, 2);
    let mut round = 0;
    for entries in SIZES {
        publish(entries, round);
        // Of several lists their sum.
        envoy.await_metric(
            "deny_list_entries",
            3 * u64::try_from(entries).expect("a number"),
        );
        assert_eq!(statuses(&mut all, &ask("stays")), [200]);
        // Every worker has taken these lists over by then.
        thread::sleep(Duration::from_secs(1));
        let (mut last, main) = spent(&envoy);
        assert_eq!(last.len(), 2, "workers");
        let (mut longest, before) = (Duration::ZERO, fetches());
        for _ in 0..2 {
            round += 1;
            publish(entries, round);
            let until = Instant::now() + INTERVAL + Duration::from_millis(500);
            while Instant::now() < until {
                thread::sleep(LOOK);
                let (now, _) = spent(&envoy);
                for (before, after) in last.iter().zip(&now) {
                    longest = longest.max(*after - *before);
                }
                last = now;
            }
        }
        let renewals = fetches() - before;
        let main = spent(&envoy).1 - main;
        println!(
            "{entries} entries: {renewals} renewals, longest pause {longest:?}, main thread {main:?}"
        );
        assert!(renewals >= 4, "{renewals} renewals");
        // Several renewals may fall into one look, and whoever shares a processor makes each dearer.
        assert!(longest < 3 * PAUSE, "{entries}: {longest:?}");
        // The new lists are there.
        let user = format!("{:08x}-aaaa-4bbb-8ccc-0123456789ab", entries + round - 1);
        let old = ask(&user);
        eventually(&format!("{user} to be out everywhere"), || {
            let statuses = statuses(&mut all, &old);
            let known = statuses.iter().all(|status| [200, 401].contains(status));
            assert!(known, "{user}: {statuses:?}");
            (statuses == [401]).then_some(())
        });
    }
}
