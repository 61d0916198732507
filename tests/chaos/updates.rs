//! Configurations that come one after another: each leaves when the next is in force, and takes with it
//! what it had.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;
use crate::{alone, is_full, tell};

const POOL: &str = "us-east-1_Updates001";
/// Requests under each configuration, to fill what it remembers.
const REQUESTS: usize = 40;
/// Until then nothing has left: a listener that is replaced drains for ten seconds.
const DRAINED: Duration = Duration::from_secs(15);
/// What memory may be above that from then on, in per cent.
const GROWTH: u64 = 5;

/// However often the configuration changes, keys are fetched once, nobody is refused, and Envoy
/// becomes no larger.
#[test]
fn configurations_leave_nothing_behind() {
    let _alone = alone();
    let lasts = Duration::from_secs(if is_full() { 45 } else { 2 });
    let (keys, upstream) = (KeyServer::start(), Upstream::forgetful());
    keys.publish(POOL, &[TestKey::first()]);
    let setup = Setup::new(&keys, &upstream).dynamic();
    let numbered = |number: usize| {
        let skew = ("token.clock_skew", json!(format!("{number}ms")));
        setup
            .clone()
            .listener(Listener::new(MAIN, with(document(&[POOL]), &[skew])))
    };
    let envoy = EnvoyUnderTest::start(&numbered(0));
    let tokens: Vec<_> = (0..REQUESTS)
        .map(|jti| Token::id(POOL).claim("jti", jti).mint())
        .collect();
    let (began, mut updates, mut settled) = (Instant::now(), 0, None);
    while began.elapsed() < lasts {
        for token in &tokens {
            let response = Request::get("/guarded").bearer(token).send(envoy.main());
            assert_eq!(response.status, 200, "{response:?}");
        }
        updates += 1;
        envoy.update(&numbered(updates));
        if began.elapsed() > DRAINED {
            settled.get_or_insert(envoy.usage().resident);
        }
    }
    let (first, last) = (settled, envoy.usage().resident);
    let text = first.map_or(String::new(), |first| {
        format!("{} MiB, then ", first / 1024)
    });
    tell(&format!(
        "{updates} updates; memory {text}{} MiB",
        last / 1024
    ));
    let most = first.map_or(u64::MAX, |first| first + first * GROWTH / 100);
    assert!(last <= most, "memory grew: {text}{} MiB", last / 1024);
    assert_eq!(keys.fetches(POOL), 1);
    envoy.finish(updates * REQUESTS);
}
