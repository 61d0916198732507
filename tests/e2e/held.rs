//! Requests that wait for keys, where waiting is hard: long bodies, shared connections, changes of
//! configuration.

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, patient, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::host::Host;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::{GREETING, Upstream};
use crate::keys::ask;

/// Pools whose keys are held back, for one listener each.
const STOPS: &str = "us-east-1_Stops0002";
const BUFFERS: &str = "us-east-1_Buffers02";
const UPDATED: &str = "us-east-1_Updated001";

/// Longer than what Envoy buffers for a connection (1 MiB) and than what sockets hold.
const LONG: usize = 6 << 20;

#[test]
fn long_bodies_and_pipelines_and_updates_wait_for_keys() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for id in [STOPS, BUFFERS, POOL, UPDATED] {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    let setup = Setup::new(&keys, &upstream)
        .dynamic()
        .listener(Listener::new("stops", patient(&[STOPS])).stop_iteration(true))
        .listener(Listener::new("buffers", patient(&[BUFFERS])).stop_iteration(false))
        .listener(Listener::new(MAIN, patient(&[POOL])));
    let updated = |document| setup.clone().listener(Listener::new("updated", document));
    let envoy = EnvoyUnderTest::start(&updated(patient(&[UPDATED])));
    let requests = a_body_longer_than_every_buffer_waits_too(&envoy, &keys, &upstream)
        + pipelined_requests_wait_in_turn(&envoy, &keys, &upstream)
        + a_configuration_update_forgets_nobody_who_waits(&envoy, &keys, &updated);
    envoy.finish(requests);
}

/// A long upload is slowed down while it waits, neither refused nor cut. With
/// `allow_on_headers_stop_iteration: true` a filter can only buffer, and Envoy answers 413 where the
/// buffer ends; even so, nothing reaches the upstream.
fn a_body_longer_than_every_buffer_waits_too(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let (pools, listeners) = ([STOPS, BUFFERS], ["stops", "buffers"]);
    let body: Vec<u8> = (0..=250).cycle().take(LONG).collect();
    std::thread::scope(|scope| {
        let uploads = pools.into_iter().zip(listeners).map(|(id, listener)| {
            let request = Request::new("POST", "/upload")
                .bearer(&Token::id(id).mint())
                .body(&body);
            let at = envoy.at(listener);
            let case = request.case().to_owned();
            (
                listener,
                case,
                scope.spawn(move || request.open(at).response()),
            )
        });
        let uploads: Vec<_> = uploads.collect();
        envoy.await_metric("held", 2);
        // The dynamic module has one way to hold a body: the client waits.
        let cuts = Host::of_tests() == Host::Wasm;
        if cuts {
            eventually("the buffer to be full", || {
                (envoy.metric("cancelled") == 1).then_some(())
            });
        }
        for id in pools {
            keys.release(id);
        }
        for (listener, case, upload) in uploads {
            let response = upload.join().expect("an answer");
            let seen = upstream.seen(&case);
            if cuts && listener == "stops" {
                assert_eq!(response.status, 413);
                assert!(seen.is_empty(), "cut, yet it reached the upstream");
            } else {
                assert_eq!((response.status, response.body.as_str()), (200, GREETING));
                assert!(seen[0].body == body, "the whole body, and nothing else");
            }
        }
    });
    2
}

/// A connection whose first request waits still serves what comes after it.
fn pipelined_requests_wait_in_turn(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    upstream: &Upstream,
) -> usize {
    let (first, second, third) = (ask(POOL), ask(POOL), ask(POOL).body(b"third"));
    let mut connection = first.open(envoy.main());
    connection.write(&second.head_bytes());
    connection.write(&third.head_bytes());
    connection.write(b"third");
    envoy.await_metric("held_now", 1);
    keys.release(POOL);
    for _ in 0..3 {
        assert_eq!(connection.next_response().status, 200);
    }
    assert_eq!(upstream.seen(third.case()).len(), 1);
    3
}

/// Whoever waits when the configuration changes gets the keys that come afterwards.
fn a_configuration_update_forgets_nobody_who_waits(
    envoy: &EnvoyUnderTest,
    keys: &KeyServer,
    updated: &impl Fn(Value) -> Setup,
) -> usize {
    let at = envoy.at("updated");
    let waiting: Vec<_> = (0..4).map(|_| ask(UPDATED).open(at)).collect();
    envoy.await_metric("held_now", 4);
    let changed = with(patient(&[UPDATED]), &[("cors_preflight", json!("pass"))]);
    envoy.update(&updated(changed));
    let later: Vec<_> = (0..4).map(|_| ask(UPDATED).open(at)).collect();
    envoy.await_metric("held_now", 8);
    keys.release(UPDATED);
    for pending in waiting.into_iter().chain(later) {
        assert_eq!(pending.response().status, 200);
    }
    assert_eq!(keys.fetches(UPDATED), 1);
    8
}
