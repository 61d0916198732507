//! Clients that leave at every moment of a request, and bodies that take their time.

use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::table::difference;
use crate::harness::upstream::Upstream;
use crate::keys::ask;

/// Its endpoint does not answer: whoever has a token of it is held.
const SLOW: &str = "us-east-1_Leaving01";
/// The same, for bodies that come slowly.
const DRIPPING: &str = "us-east-1_Dripping1";
/// Clients at each moment of a round.
const CROWD: usize = 8;
/// Rounds before memory is looked at, and after.
const WARM: usize = 2;
const ROUNDS: usize = 4;
/// What allocators may keep more after the last round than after the warm ones, in KiB.
const SLACK: u64 = 4096;

fn two_pools(slow: &str) -> Value {
    let changes = [
        ("user_pools.1.jwks.timeout", json!("30s")),
        (
            "rules",
            json!([{"match": {"path": "/open"}, "allow": "anyone"}]),
        ),
        ("default", json!("authenticated")),
    ];
    with(document(&[POOL, slow]), &changes)
}

/// A moment at which clients leave.
struct Moment {
    what: &'static str,
    /// What a request has come to when its client leaves.
    decided: &'static str,
    send: fn(SocketAddr) -> Pending,
}

const fn moment(
    what: &'static str,
    decided: &'static str,
    send: fn(SocketAddr) -> Pending,
) -> Moment {
    Moment {
        what,
        decided,
        send,
    }
}

fn upload(pool: &str) -> Request {
    ask(pool).header("content-length", "1000")
}

/// Part of the head, of which the filter never hears.
fn head(to: SocketAddr, share: usize) -> Pending {
    let bytes = ask(POOL).head_bytes();
    let mut pending = Pending::connect(to);
    pending.write(&bytes[..bytes.len() * share / 100]);
    pending
}

fn with_part(request: Request, to: SocketAddr, part: &[u8]) -> Pending {
    let mut pending = request.open_head(to);
    pending.write(part);
    pending
}

const MOMENTS: [Moment; 16] = [
    moment("before the first byte", "", |to| head(to, 0)),
    moment("in the request line", "", |to| head(to, 1)),
    moment("in the headers", "", |to| head(to, 50)),
    moment("before the headers end", "", |to| head(to, 99)),
    moment("held", "cancelled", |to| ask(SLOW).open(to)),
    moment("held, with its body", "cancelled", |to| {
        ask(SLOW).body(b"all of it").open(to)
    }),
    moment("held, in the body", "cancelled", |to| {
        with_part(upload(SLOW), to, b"part")
    }),
    moment("held, in a chunk", "cancelled", |to| {
        let chunked = ask(SLOW).header("transfer-encoding", "chunked");
        with_part(chunked, to, b"5\r\nab")
    }),
    moment("held, before the trailers", "cancelled", |to| {
        let chunked = ask(SLOW).header("transfer-encoding", "chunked");
        with_part(chunked, to, b"2\r\nab\r\n0\r\nx-trailer: ")
    }),
    moment("held, with more behind it", "cancelled", |to| {
        let behind = Request::get("/open").head_bytes();
        with_part(ask(SLOW), to, &behind)
    }),
    moment("held, after half a goodbye", "cancelled", |to| {
        let pending = ask(SLOW).open(to);
        pending.shut_down(Shutdown::Write);
        pending
    }),
    moment(
        "held, after an unread answer",
        "anonymous and cancelled",
        |to| {
            let mut pending = Request::get("/open").open(to);
            pending.write(&ask(SLOW).head_bytes());
            pending
        },
    ),
    moment("let in, in the body", "allowed", |to| {
        with_part(upload(POOL), to, b"part")
    }),
    moment("let in, before the answer", "allowed", |to| {
        ask(POOL).open(to)
    }),
    moment("refused, in the body", "denied.missing_token", |to| {
        let refused = Request::new("POST", "/x").header("content-length", "1000");
        with_part(refused, to, b"part")
    }),
    moment("refused, before the answer", "denied.missing_token", |to| {
        Request::get("/x").open(to)
    }),
];

/// After every moment everything is counted and nobody is held any more; after all of them, again and
/// again, Envoy is as large as before.
#[test]
fn whoever_leaves_at_whatever_moment_leaves_nothing_behind() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [POOL, SLOW, DRIPPING] {
        keys.publish(id, &[TestKey::first()]);
    }
    keys.hold(SLOW);
    keys.hold(DRIPPING);
    // Bodies of held requests stay at the client with one listener, and come up to the filter with
    // the other.
    let listeners = [(MAIN, false), ("stops", true)];
    let setup = listeners
        .iter()
        .fold(Setup::new(&keys, &upstream), |setup, (name, stops)| {
            setup.listener(Listener::new(name, two_pools(SLOW)).stop_iteration(*stops))
        });
    let hasty = Listener::new("hasty", two_pools(DRIPPING))
        .manager("request_timeout", json!("0.5s"))
        .manager("stream_idle_timeout", json!("1s"));
    let setup = setup
        .listener(Listener::new("patient", two_pools(DRIPPING)))
        .listener(hasty);
    let envoy = EnvoyUnderTest::start(&setup);
    let mut requests = 1;
    assert_eq!(ask(POOL).send(envoy.main()).status, 200);
    let mut warm = 0;
    for round in 0..WARM + ROUNDS {
        let (listener, _) = listeners[round % listeners.len()];
        for moment in &MOMENTS {
            requests += leave(&envoy, envoy.at(listener), moment);
        }
        if round + 1 == WARM {
            warm = envoy.usage().resident;
        }
    }
    let last = envoy.usage().resident;
    assert!(
        last < warm + SLACK,
        "memory: {warm} KiB, in the end {last} KiB"
    );
    // Nobody's place is lost: those who stay are served.
    let staying: Vec<_> = (0..CROWD).map(|_| ask(SLOW).open(envoy.main())).collect();
    keys.release(SLOW);
    for pending in staying {
        assert_eq!(pending.response().status, 200);
        requests += 1;
    }
    assert_eq!(keys.fetches(SLOW), 1);
    requests += slow_bodies_are_as_good_as_quick_ones(&envoy, &keys, &upstream);
    envoy.finish(requests);
}

/// A crowd comes to this moment and leaves. Returns how many decisions that makes.
fn leave(envoy: &EnvoyUnderTest, to: SocketAddr, moment: &Moment) -> usize {
    let names: Vec<_> = moment
        .decided
        .split(" and ")
        .filter(|name| !name.is_empty())
        .collect();
    let crowd = u64::try_from(CROWD).expect("a few");
    let before = envoy.metrics_so_far();
    let of = |metrics: &std::collections::BTreeMap<String, u64>, name: &str| {
        metrics.get(name).copied().unwrap_or(0)
    };
    let leaving: Vec<_> = (0..CROWD).map(|_| (moment.send)(to)).collect();
    if names.contains(&"cancelled") {
        eventually(moment.what, || {
            // Whoever says half a goodbye has left already.
            let now = envoy.metrics_so_far();
            (of(&now, "held") - of(&before, "held") == crowd).then_some(())
        });
    }
    drop(leaving);
    eventually(moment.what, || {
        let now = envoy.metrics_so_far();
        let counted = |name: &&str| of(&now, name) - of(&before, name) == crowd;
        (names.iter().all(counted) && of(&now, "held_now") == 0).then_some(())
    });
    names.len() * CROWD
}

/// A body that comes byte by byte is let through whole, waits whole, or is cut off with the answer; and
/// one that comes too slowly for Envoy's own limits is counted, too.
fn slow_bodies_are_as_good_as_quick_ones(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    const BODY: &[u8] = b"drop by drop by drop";
    let to = envoy.at("patient");
    let cancelled = envoy.metric("cancelled");
    let upload = |pool: &str| ask(pool).header("content-length", BODY.len().to_string());
    let drip = |pending: &mut Pending| {
        for byte in BODY {
            pending.write(&[*byte]);
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let (let_in, held) = (upload(POOL), upload(DRIPPING));
    let mut waiting = held.open_head(to);
    envoy.await_metric("held_now", 1);
    drip(&mut waiting);
    let mut pending = let_in.open_head(to);
    drip(&mut pending);
    assert_eq!(pending.response().status, 200);
    // Refused with the first byte of the body still to come.
    let refused = Request::new("POST", "/x").header("content-length", "20");
    let response = refused.open_head(to).response();
    assert_eq!(difference(&response, "missing_token"), None);

    // Envoy's patience ends before the filter's: it answers, and nobody is held any more.
    let slow = upload(DRIPPING);
    let late = slow.open_head(envoy.at("hasty")).response();
    assert_eq!(late.status, 408, "{late:?}");
    let idle = ask(DRIPPING);
    let late = idle.open(envoy.at("hasty")).response();
    assert!([408, 504].contains(&late.status), "{late:?}");
    envoy.await_metric("cancelled", cancelled + 2);
    envoy.await_metric("held_now", 1);

    keys.release(DRIPPING);
    assert_eq!(waiting.response().status, 200);
    for request in [let_in, held] {
        let seen = upstream.seen(request.case());
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].body, BODY);
    }
    for request in [slow, idle, refused] {
        assert!(upstream.seen(request.case()).is_empty());
    }
    5
}
