//! Several filters in one Envoy, each with a configuration of its own: none disturbs another.

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;
use crate::keys::{ask, ask_with};

const OTHER_POOL: &str = "us-east-1_Other0001";

/// Filters with one `vm_id` share what was fetched and nothing else; one with another shares nothing.
#[test]
fn filters_share_keys_by_vm_id_and_nothing_else() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    for id in [POOL, OTHER_POOL] {
        keys.publish(id, &[TestKey::first()]);
    }
    let broad = with(
        document(&[POOL, OTHER_POOL]),
        &[
            (
                "rules",
                json!([{"match": {"path": "/closed"}, "allow": "nobody"}]),
            ),
            ("default", json!("authenticated")),
            (
                "claim_headers",
                json!([{"header": "x-user", "claim": "sub"}]),
            ),
        ],
    );
    let setup = Setup::new(&keys, &upstream).dynamic();
    let narrow = Listener::new("narrow", document(&[POOL]));
    let apart = Listener::new("apart", document(&[POOL])).vm_id("apart");
    let setup = setup.listener(narrow).listener(apart);
    let both = setup
        .clone()
        .listener(Listener::new("broad", broad.clone()));
    let envoy = EnvoyUnderTest::start(&both);
    let mut table = Table::new(&envoy, &upstream);
    let closed = || Request::get("/closed").bearer(&Token::id(POOL).mint());
    let spoofed = |request: Request| request.header("x-user", "me");
    for listener in ["narrow", "apart"] {
        let seen = table.accepted(listener, "its pool", &spoofed(ask(POOL)));
        let user = seen.and_then(|seen| seen.value("x-user"));
        table.same("a header of the other's", user.as_deref(), Some("me"));
        table.refused(listener, "not its pool", &ask(OTHER_POOL), "unknown_issuer");
        table.accepted(listener, "not its rule", &closed());
    }
    let seen = table.accepted("broad", "a pool of both", &spoofed(ask(POOL)));
    let user = seen.and_then(|seen| seen.value("x-user"));
    table.same(
        "its own header",
        user.as_deref(),
        Some(crate::harness::issuer::SUB),
    );
    table.accepted("broad", "a pool of its own", &ask(OTHER_POOL));
    table.refused("broad", "its rule", &closed(), "denied_by_rule");
    assert_eq!(keys.fetches(POOL), 2, "once for each vm_id");
    assert_eq!(keys.fetches(OTHER_POOL), 1);

    // What one learns, the other with its vm_id knows; the third asks for itself.
    keys.publish(POOL, &[TestKey::second()]);
    let new = || ask_with(POOL, TestKey::second());
    // Made before the answer that has its key no more: what was made since might have a newer one.
    let old = Token::id(POOL).claim("iat", now() - 60).mint();
    let until_refused = |listener: &str| {
        let mut requests = 0;
        eventually("every worker to forget the old key", || {
            requests += 3;
            let ask = || {
                Request::get("/guarded")
                    .bearer(&old)
                    .send(envoy.at(listener))
            };
            let statuses = [(); 3].map(|()| ask().status);
            (statuses == [401; 3]).then_some(requests)
        })
    };
    table.accepted("narrow", "the new key", &new());
    table.accepted("broad", "the new key", &new());
    assert_eq!(keys.fetches(POOL), 3);
    let mut requests = until_refused("broad");
    table.others_have_asked();
    table.accepted("apart", "the old key", &ask(POOL));
    table.accepted("apart", "the new key", &new());
    requests += until_refused("apart");
    table.others_have_asked();
    assert_eq!(keys.fetches(POOL), 4);

    // One goes: the others have what they had.
    setup.remove_listener(&envoy);
    table.accepted("narrow", "after the other has gone", &new());
    table.accepted("apart", "after the other has gone", &new());
    requests += table.done();
    assert_eq!(keys.fetches(POOL), 4);
    envoy.finish(requests);
}

/// The second of a chain decides about what the first lets pass, also about what that one held.
#[test]
fn two_filters_in_one_chain() {
    let keys = KeyServer::start();
    let upstream = Upstream::start();
    keys.publish(POOL, &[TestKey::first()]);
    keys.hold(POOL);
    let groups = ruled(json!([
        {"match": {"prefix": "/guarded"}, "require": {"groups": ["readers"]}},
        {"match": {"prefix": "/staff"}, "require": {"groups": ["staff"]}},
    ]));
    let chain = Listener::new(MAIN, document(&[POOL])).then(groups);
    let envoy = EnvoyUnderTest::start(&Setup::new(&keys, &upstream).listener(chain));
    let (reader, staff) = (
        ask(POOL),
        Request::get("/staff").bearer(&Token::id(POOL).mint()),
    );
    let waiting = [reader.open(envoy.main()), staff.open(envoy.main())];
    envoy.await_metric("held_now", 2);
    keys.release(POOL);
    assert_eq!(waiting.map(|pending| pending.response().status), [200, 403]);
    assert_eq!(upstream.seen(reader.case()).len(), 1);
    assert!(upstream.seen(staff.case()).is_empty());
    assert_eq!(Request::get("/guarded").send(envoy.main()).status, 401);
    eventually("both filters to have counted", || {
        let decisions = envoy.decisions();
        let counted = ["allowed", "denied.insufficient_group"].map(|name| decisions.get(name));
        (counted == [Some(&3), Some(&1)]).then_some(())
    });
    assert_eq!(keys.fetches(POOL), 1);
    // Two decisions about each request but the last, which the first filter refuses.
    envoy.finish(5);
}
