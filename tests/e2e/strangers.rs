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

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, key_set};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::upstream::Upstream;

/// The stranger's `vm_id`.
const THEIRS: &str = "theirs";

/// A pool for each of the strangers: one is in another `vm_id`, one in the same, and one writes nonsense.
const APART: &str = "us-east-1_Apart0001";
const BELIEVED: &str = "us-east-1_Believed1";
const UNHARMED: &str = "us-east-1_Unharmed1";

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
fn planted(pool: &str) -> Entries {
    let names = names(&hasty(pool));
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
        (names.record, record.encode()),
        (names.content, encode_content(at, &keys)),
    ]
}

fn hasty(pool: &str) -> Value {
    with(
        document(&[pool]),
        &[("user_pools.0.jwks.timeout", json!("2s"))],
    )
}

/// A listener with the stranger, and one with the filter for this pool, in this `vm_id`.
fn beside(setup: Setup, pool: &str, entries: &Entries, vm_id: &'static str) -> Setup {
    let stranger = Listener::new(&format!("stranger-{pool}"), hasty(pool));
    setup
        .listener(stranger.instead(plugin(pool, entries)))
        .listener(Listener::new(pool, hasty(pool)).vm_id(vm_id))
}

#[test]
fn a_stranger_is_believed_in_its_own_vm_id_alone() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for pool in [APART, BELIEVED] {
        keys.answer(pool, Answer::Status(500, json!({})));
    }
    keys.publish(UNHARMED, &[TestKey::first()]);
    let names = names(&hasty(UNHARMED));
    let nonsense = [
        (names.record, b"\xff\0nonsense".to_vec()),
        (names.content, Vec::new()),
    ];
    let setup = Setup::new(&keys, &upstream).workers(1);
    let setup = beside(setup, APART, &planted(APART), "ours");
    let setup = beside(setup, BELIEVED, &planted(BELIEVED), THEIRS);
    let setup = beside(setup, UNHARMED, &nonsense, THEIRS);
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = std::cell::Cell::new(0);
    let ask = |pool: &str, key: &'static TestKey| {
        requests.set(requests.get() + 1);
        let token = Token::id(pool).signed_by(key).mint();
        Request::get("/").bearer(&token).send(envoy.at(pool)).status
    };

    // In a `vm_id` of one's own nothing that a stranger writes is there: nobody has keys yet, and the
    // planted ones do not count.
    assert_eq!(ask(APART, TestKey::third()), 503);
    keys.publish(APART, &[TestKey::first()]);
    eventually("the pool's own keys", || {
        (ask(APART, TestKey::first()) == 200).then_some(())
    });
    assert_eq!(ask(APART, TestKey::third()), 401);
    // The twin: in the same `vm_id` a well-formed entry is believed. SECURITY.md says so.
    eventually("the planted key", || {
        (ask(BELIEVED, TestKey::third()) == 200).then_some(())
    });
    // Bytes of any other shape, even in the same `vm_id`, cost nothing.
    assert_eq!(ask(UNHARMED, TestKey::first()), 200);
    assert_eq!(ask(UNHARMED, TestKey::third()), 401);
    envoy.finish(requests.get());
}
