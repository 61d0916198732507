//! A plugin of somebody else in the same Envoy, which writes into shared data under the names that the
//! filter's keys have. The names are no secret: they follow from the configuration.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use cognito_authorizer::config;
use cognito_authorizer::policy::KeySource;
use cognito_authorizer::remote::record::{Record, encode_content};
use cognito_authorizer::remote::space::EntryNames;
use cognito_authorizer::time::Monotonic;
use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, key_set};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::upstream::Upstream;

/// The stranger's `vm_id`.
const THEIRS: &str = "theirs";

type Entries = [(String, Vec<u8>); 2];

/// The stranger's plugin, which writes these entries.
fn plugin(file: &str, entries: &Entries) -> Value {
    let (mut writes, mut data, mut end) = (String::new(), String::new(), 1024);
    let mut put = |bytes: &[u8]| {
        let at = end;
        let escaped = bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\{byte:02x}");
            text
        });
        let _ = write!(data, "(data (i32.const {at}) \"{escaped}\")");
        end += bytes.len();
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    };
    for (name, value) in entries {
        let (name, value) = (put(name.as_bytes()), put(value));
        // Version 0: whatever is there is overwritten.
        let _ = write!(writes, "(call $set {name} {value} (i32.const 0))");
    }
    let text = include_str!("stranger.wat").replace("WRITES", &writes);
    let text = format!(
        "{}{data})",
        text.trim_end().strip_suffix(')').expect("a module")
    );
    let module = wat::parse_str(text).expect("a module in text");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stranger-{file}.wasm"));
    std::fs::write(&path, module).expect("a writable directory");
    filter(&path)
}

fn filter(module: &Path) -> Value {
    json!({
        "name": "stranger",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "stranger",
                "vm_config": {
                    "vm_id": THEIRS,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
            },
        },
    })
}

/// The names of the filter's two entries.
fn names(document: &Value) -> EntryNames {
    let policy = config::parse(document.to_string().as_bytes());
    let policy = policy.unwrap_or_else(|problems| panic!("{problems}"));
    let pool = policy.issuers.pools().first().expect("a pool");
    match &pool.keys {
        KeySource::Fetched(source) => {
            let parts = [
                &*pool.issuer,
                &source.endpoint.uri,
                &source.endpoint.cluster,
            ];
            EntryNames::new("jwks", &parts)
        }
        KeySource::Inline(_) => panic!("keys are fetched"),
    }
}

/// Both entries as the filter itself would write them, with a key that is not the pool's.
fn planted(names: &EntryNames) -> Entries {
    // Long after anything that happens here.
    let at = Monotonic::new(Duration::from_secs(1 << 33));
    let record = Record {
        fetched_at: Some(at),
        content_at: Some(at),
        next_fetch_at: at,
        ..Record::default()
    };
    let keys = key_set(&[TestKey::third()]).to_string().into_bytes();
    [
        (names.record.clone(), record.encode()),
        (names.content.clone(), encode_content(at, &keys)),
    ]
}

fn hasty() -> Value {
    with(
        document(&[POOL]),
        &[("user_pools.0.jwks.timeout", json!("200ms"))],
    )
}

fn ask(envoy: &EnvoyUnderTest, key: &'static TestKey) -> u16 {
    let token = Token::id(POOL).signed_by(key).mint();
    Request::get("/").bearer(&token).send(envoy.at(MAIN)).status
}

/// An Envoy with the stranger and the filter, each in a `vm_id` of its own or in one.
fn beside(
    keys: &KeyServer,
    upstream: &Upstream,
    stranger: Value,
    vm_id: &'static str,
) -> EnvoyUnderTest {
    EnvoyUnderTest::start(
        &Setup::new(keys, upstream)
            .workers(1)
            .listener(Listener::new("stranger", hasty()).instead(stranger))
            .listener(Listener::new(MAIN, hasty()).vm_id(vm_id)),
    )
}

/// In a `vm_id` of one's own nothing that a stranger writes is there.
#[test]
fn a_plugin_of_another_vm_id_cannot_plant_keys() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.answer(POOL, Answer::Status(500, json!({})));
    let stranger = plugin("apart", &planted(&names(&hasty())));
    let envoy = beside(&keys, &upstream, stranger, "ours");
    // Nobody has keys yet, and the planted ones do not count.
    assert_eq!(ask(&envoy, TestKey::third()), 503);
    keys.publish(POOL, &[TestKey::first()]);
    let mut requests = 1;
    eventually("the pool's own keys", || {
        requests += 1;
        (ask(&envoy, TestKey::first()) == 200).then_some(())
    });
    assert_eq!(ask(&envoy, TestKey::third()), 401);
    envoy.finish(requests + 1);
}

/// The twin: in the same `vm_id` a well-formed entry is believed. SECURITY.md says so.
#[test]
fn a_plugin_of_the_same_vm_id_is_believed() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.answer(POOL, Answer::Status(500, json!({})));
    let stranger = plugin("believed", &planted(&names(&hasty())));
    let envoy = beside(&keys, &upstream, stranger, THEIRS);
    let mut requests = 0;
    eventually("the planted key", || {
        requests += 1;
        (ask(&envoy, TestKey::third()) == 200).then_some(())
    });
    envoy.finish(requests);
}

/// Bytes of any other shape, even in the same `vm_id`, cost nothing.
#[test]
fn a_plugin_that_writes_nonsense_costs_nothing() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let names = names(&hasty());
    let nonsense = [
        (names.record, b"\xff\0nonsense".to_vec()),
        (names.content, Vec::new()),
    ];
    let envoy = beside(&keys, &upstream, plugin("nonsense", &nonsense), THEIRS);
    assert_eq!(ask(&envoy, TestKey::first()), 200);
    assert_eq!(ask(&envoy, TestKey::third()), 401);
    envoy.finish(2);
}
