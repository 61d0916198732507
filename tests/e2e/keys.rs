//! Keys: fetched once for all, waited for, never guessed at.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document, patient, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, signed};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;

pub(crate) fn ask(pool: &str) -> Request {
    Request::get("/guarded").bearer(&Token::id(pool).mint())
}

pub(crate) fn ask_with(pool: &str, key: &'static TestKey) -> Request {
    Request::get("/guarded").bearer(&Token::id(pool).signed_by(key).mint())
}

/// Pools whose keys are held back, for one listener or one scene each.
const STOPS: &str = "us-east-1_Stops0001";
const BUFFERS: &str = "us-east-1_Buffers01";
const LEFT: &str = "us-east-1_Left00001";
const SLOW: &str = "us-east-1_Slow00001";
const WAKES: [&str; 5] = [
    "us-east-1_Wakes000A",
    "us-east-1_Wakes000B",
    "us-east-1_Wakes000C",
    "us-east-1_Wakes000D",
    "us-east-1_Wakes000E",
];
/// Its keys are there before the configuration changes, and held back then.
const KEPT: &str = "us-east-1_Kept00001";

#[test]
fn requests_wait_for_keys_whole_and_unseen() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    keys.publish(KEPT, &[TestKey::first()]);
    for id in [STOPS, BUFFERS, LEFT, SLOW] {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let setup = Setup::new(&keys, &upstream)
        .dynamic()
        .listener(Listener::new("stops", patient(&[STOPS])).stop_iteration(true))
        .listener(Listener::new("buffers", patient(&[BUFFERS])).stop_iteration(false))
        .listener(Listener::new("left", patient(&[LEFT])))
        .listener(Listener::new("slow", patient(&[POOL, SLOW])));
    let kept = |listener: Listener| setup.clone().listener(listener);
    let envoy = EnvoyUnderTest::start(&kept(Listener::new("kept", document(&[KEPT]))));
    let requests = the_upstream_hears_of_a_held_request_after_the_verdict(&envoy, &keys, &upstream)
        + a_client_that_leaves_while_waiting_leaves_nothing_behind(&envoy, &keys, &upstream)
        + every_request_is_decided_once_though_clients_leave(&envoy, &keys)
        + a_configuration_update_keeps_the_keys(&envoy, &keys, &kept);
    envoy.finish(requests);
}

/// The upstream hears of a held request only after the verdict, and then of all of it.
fn the_upstream_hears_of_a_held_request_after_the_verdict(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let (pools, listeners) = ([STOPS, BUFFERS], ["stops", "buffers"]);
    let mut waiting: Vec<(Request, Pending, &str, bool)> = Vec::new();
    for (id, listener) in pools.into_iter().zip(listeners) {
        let at = envoy.at(listener);
        let token = Token::id(id).mint();
        let genuine = Token::id(id);
        let forged = signed(
            &genuine.header_bytes(),
            &genuine.payload_bytes(),
            TestKey::third(),
        );
        let post = |path: &str| Request::new("POST", path);
        let get = ask(id);
        waiting.push((get.clone(), get.open(at), "", true));
        let body = post("/body").bearer(&token).body(b"held body");
        waiting.push((body.clone(), body.open(at), "held body", true));
        let chunked = post("/chunked").bearer(&token);
        let chunked = chunked.chunked(&["held ", "in ", "chunks"], &[("x-trailer", "last")]);
        waiting.push((chunked.clone(), chunked.open(at), "held in chunks", true));
        let slow = post("/slow").bearer(&token).body(b"slow body");
        waiting.push((slow.clone(), slow.open_head(at), "slow body", true));
        let refused = post("/refused").bearer(&forged).body(b"never");
        waiting.push((refused.clone(), refused.open(at), "", false));
        let chunked = post("/refused")
            .bearer(&forged)
            .chunked(&["never"], &[("x-trailer", "never")]);
        waiting.push((chunked.clone(), chunked.open(at), "", false));
        // What needs no key does not wait for one.
        let response = Request::get("/guarded").send(at);
        assert_eq!(difference(&response, "missing_token"), None);
    }
    let held = u64::try_from(waiting.len()).expect("a few");
    envoy.await_metric("held_now", held);
    for (request, pending, body, _) in &mut waiting {
        if String::from_utf8_lossy(&request.head_bytes()).starts_with("POST /slow") {
            pending.write(body.as_bytes());
        }
    }
    // Longer than it took the upstream to see them where bodies slipped through.
    thread::sleep(Duration::from_millis(500));
    for (request, ..) in &waiting {
        let seen = upstream.seen(request.case());
        assert!(seen.is_empty(), "seen before the verdict: {seen:?}");
    }
    for id in pools {
        keys.release(id);
    }
    let requests = waiting.len() + listeners.len();
    for (request, pending, body, admitted) in waiting {
        let response = pending.response();
        let seen = upstream.seen(request.case());
        if !admitted {
            assert_eq!(difference(&response, "invalid_signature"), None);
            assert!(seen.is_empty(), "refused, yet seen: {seen:?}");
            continue;
        }
        assert_eq!(response.status, 200, "{response:?}");
        let [seen] = seen.as_slice() else {
            panic!("expected one request at the upstream, found {seen:?}")
        };
        assert!(seen.complete);
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        if seen.path == "/chunked" {
            assert_eq!(seen.trailers, [("x-trailer".to_owned(), b"last".to_vec())]);
        }
    }
    assert_eq!(envoy.metric("held"), held);
    for id in pools {
        assert_eq!(keys.fetches(id), 1, "one fetch of {id}");
    }
    requests
}

/// Four clients send as fast as they can and leave every other request, some of them held, some
/// answered at that moment. Envoy's own count of requests is the measure.
fn every_request_is_decided_once_though_clients_leave(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
) -> usize {
    let at = envoy.at("slow");
    let seen = || envoy.statistic("http.ingress.downstream_rq_total");
    let (before, cancelled) = (seen(), envoy.metric("cancelled"));
    let requests = [ask(POOL), ask(SLOW), Request::get("/none")];
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..60 {
                    let request = &requests[turn % requests.len()];
                    let pending = request.open(at);
                    // Whom the slow pool holds would wait for ever.
                    if turn % 2 == 0 && turn % requests.len() != 1 {
                        pending.response();
                    }
                }
            });
        }
    });
    keys.release(SLOW);
    assert_eq!(ask(SLOW).send(at).status, 200);
    let decided = || envoy.decisions().values().sum::<u64>();
    eventually("every request is decided", || {
        (envoy.metric("held_now") == 0 && decided() == seen()).then_some(())
    });
    let requests = seen() - before;
    assert!(requests > 120, "{requests} requests");
    assert!(envoy.metric("cancelled") > cancelled);
    usize::try_from(requests).expect("a few hundred")
}

fn a_client_that_leaves_while_waiting_leaves_nothing_behind(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let at = envoy.at("left");
    let staying = ask(LEFT).open(at);
    let body = ask(LEFT).body(b"x");
    let leaving: Vec<_> = (0..5)
        .flat_map(|_| [ask(LEFT).open(at), body.open(at)])
        .collect();
    envoy.await_metric("held_now", 11);
    drop(leaving);
    envoy.await_metric("cancelled", 10);
    envoy.await_metric("held_now", 1);
    keys.release(LEFT);
    assert_eq!(staying.response().status, 200);
    assert_eq!(ask(LEFT).send(at).status, 200);
    assert!(
        upstream.seen(body.case()).is_empty(),
        "whoever left is not served"
    );
    12
}

#[test]
fn what_four_workers_need_is_fetched_once_and_noticed_by_all() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in WAKES.into_iter().chain([POOL]) {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let setup = Setup::new(&keys, &upstream)
        .workers(4)
        // The last ones are held while the first are looked at.
        .listener(Listener::new(MAIN, patient(&WAKES)))
        .listener(Listener::new("crowd", patient(&[POOL])));
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = every_worker_wakes_as_soon_as_the_keys_are_there(&envoy, &keys)
        + four_hundred_cold_requests_are_one_fetch(&envoy, &keys);
    envoy.finish(requests);
}

fn four_hundred_cold_requests_are_one_fetch(envoy: &EnvoyUnderTest, keys: &KeyServer) -> usize {
    let token = Token::id(POOL).mint();
    let request = Request::get("/guarded").bearer(&token);
    let waiting = [(); 400].map(|()| request.open(envoy.at("crowd")));
    envoy.await_metric("held_now", 400);
    keys.release(POOL);
    for pending in waiting {
        assert_eq!(pending.response().status, 200);
    }
    assert_eq!(keys.fetches(POOL), 1);
    400
}

/// One VM fetches; the others notice within 50 ms that it has. The first VM that Envoy starts, and
/// ends once it has seen that the configuration is good, fetches nothing.
fn every_worker_wakes_as_soon_as_the_keys_are_there(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
) -> usize {
    const REQUESTS: usize = 40;
    const PROMPT: Duration = Duration::from_millis(50);
    let mut quickest = Duration::MAX;
    for id in WAKES {
        let waiting: Vec<_> = (0..REQUESTS).map(|_| ask(id).open(envoy.main())).collect();
        envoy.await_metric("held_now", u64::try_from(REQUESTS).expect("a few"));
        keys.release(id);
        let released = Instant::now();
        for pending in waiting {
            assert_eq!(pending.response().status, 200);
        }
        // A machine with other things to do may be late now and then; the filter never is.
        quickest = quickest.min(released.elapsed());
        assert_eq!(keys.fetches(id), 1, "{id}");
    }
    let connections = envoy.statistics("listener.*worker_..downstream_cx_total");
    let used = connections.values().filter(|count| **count > 0).count();
    assert_eq!(used, 4, "all workers took part: {connections:?}");
    let told = envoy.log().matches("user pools: 5").count();
    assert_eq!(told, 1, "the start is told once, not by each of six VMs");
    assert!(quickest <= PROMPT, "the last one woke after {quickest:?}");
    WAKES.len() * REQUESTS
}

/// Keys outlive a change of configuration: nobody waits, nobody is refused, nothing is fetched.
fn a_configuration_update_keeps_the_keys(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    kept: &impl Fn(Listener) -> Setup,
) -> usize {
    let changed = with(document(&[KEPT]), &[("cors_preflight", json!("pass"))]);
    let between = kept(Listener::new("kept", document(&[KEPT])).raw_paths());
    let after = kept(Listener::new("kept", changed));
    let at = envoy.at("kept");
    assert_eq!(ask(KEPT).send(at).status, 200);
    // A fetch from now on would be waited for in vain.
    keys.hold(KEPT);
    let token = Token::id(KEPT).mint();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut preflights = 0;
    let statuses = thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut statuses = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                statuses.push(Request::get("/guarded").bearer(&token).send(at).status);
            }
            statuses
        });
        // First only the listener around the filter, then the filter's own configuration.
        envoy.update(&between);
        envoy.update(&after);
        let preflight = Request::new("OPTIONS", "/guarded")
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "GET");
        eventually("the new configuration to be in force", || {
            preflights += 1;
            (preflight.send(at).status == 200).then_some(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        busy.join().expect("the busy client")
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(ask(KEPT).send(at).status, 200);
    assert_eq!(keys.fetches(KEPT), 1);
    statuses.len() + preflights + 2
}
