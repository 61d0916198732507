//! What each kind of request asks of Envoy: exact numbers, whatever the machine. A call of the host's is
//! most of what a remembered token costs, so that none comes in unseen. Envoy itself counts: it traces
//! every call into the module and out of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says, policy};
use crate::harness::issuer::{TestKey, Token, key_set};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::Upstream;

/// The page with the table of them. `SNAPSHOTS=overwrite` writes it anew.
const PAGE: &str = "tests/bench/README.md";
const TABLE: &str = "host calls";

/// What the callbacks of one request did, by the names of the calls without what all begin with.
#[derive(Default)]
struct Traced<'t> {
    calls: BTreeMap<&'t str, usize>,
    /// How often the host asked for memory, for what it hands over.
    buffers: usize,
}

impl<'t> Traced<'t> {
    /// What Envoy has its worker do every few milliseconds is not the request's.
    fn read(trace: &'t str) -> Self {
        let mut threads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut traced = Self::default();
        for line in trace.lines() {
            let Some((prefix, said)) = line.split_once("][trace][wasm]") else {
                continue;
            };
            let thread = prefix.rsplit('[').next().unwrap_or_default();
            let callbacks = threads.entry(thread).or_default();
            let of_a_request = match callbacks.first() {
                Some(outermost) => !["proxy_on_tick", "proxy_on_queue_ready"].contains(outermost),
                None => false,
            };
            let name = |call: &'t str| call.split('(').next().unwrap_or_default();
            if let Some((_, call)) = said.split_once("[host->vm] ") {
                callbacks.push(name(call));
                traced.buffers +=
                    usize::from(of_a_request && name(call) == "proxy_on_memory_allocate");
            } else if said.contains("[host<-vm] ") {
                callbacks.pop();
            } else if let Some((_, call)) = said.split_once("[vm->host] ")
                && of_a_request
            {
                let (_, name) = name(call).split_once('.').expect("a module and a name");
                let name = name.trim_start_matches("proxy_");
                // Only because everything is traced, and ten times a second.
                if !["log", "set_tick_period_milliseconds"].contains(&name) {
                    *traced.calls.entry(name).or_default() += 1;
                }
            }
        }
        traced
    }
}

#[test]
fn a_request_asks_of_its_host_what_the_page_says() {
    let (keys, upstream, function) = (KeyServer::start(), Upstream::start(), Function::start());
    function.says_of_all_others(Says::Answer(policy("Allow", "*", json!({}))));
    let inline = json!({"inline": key_set(&[TestKey::first(), TestKey::second()])});
    let authorizer = json!({
        "name": "partners",
        "type": "token",
        "function": "arn:aws:lambda:us-east-1:123456789012:function:partner-auth:live",
        "cluster": "lambda",
        "answer": "policy",
        "identity": [{"header": "x-partner"}],
        "cache": {"ttl": "5m"},
        "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"},
    });
    let headers = ["sub", "username", "client_id", "scope"].map(
        |claim| json!({"header": format!("x-cognito-{claim}").replace('_', "-"), "claim": claim}),
    );
    let guarded = with(
        document(&[POOL]),
        &[
            ("user_pools.0.jwks", inline),
            ("claim_headers", json!(headers)),
            ("authorizers", json!([authorizer])),
            (
                "rules",
                json!([
                    {"match": {"path": "/open"}, "allow": "anyone"},
                    {"match": {"path": "/partners"}, "authorizer": "partners"},
                ]),
            ),
            ("default", json!("authenticated")),
        ],
    );
    let setup = Setup::new(&keys, &upstream).cluster("lambda", function.port());
    let setup = setup
        .workers(1)
        .talkative()
        .listener(Listener::new(MAIN, guarded));
    let envoy = EnvoyUnderTest::start(&setup);
    let token = Token::access(POOL).mint();
    let with_token = |path: &str| Request::get(path).bearer(&token);
    let partner = || Request::get("/partners").header("x-partner", b"acme");
    let jobs = [
        ("a token for the first time", with_token("/"), 200),
        ("a token seen before", with_token("/"), 200),
        ("no token, a rule for anyone", Request::get("/open"), 200),
        ("no token, refused", Request::get("/"), 401),
        ("garbage, refused", Request::get("/").bearer("garbage"), 401),
        ("an authorizer that is asked", partner(), 200),
        ("an authorizer's answer, remembered", partner(), 200),
    ];
    let number = jobs.len();
    let mut table = "| request | calls | buffers | which calls |\n|---|---|---|---|".to_owned();
    for (what, request, status) in jobs {
        let before = envoy.log().len();
        let request = request.header("connection", b"close");
        assert_eq!(request.send(envoy.main()).status, status, "{what}");
        let trace = eventually("the end of the request's context", || {
            let trace = envoy.log().split_off(before);
            let ended = trace.contains("[host<-vm] proxy_on_delete");
            ended.then_some(trace)
        });
        let Traced { calls, buffers } = Traced::read(&trace);
        let each = calls.iter().map(|(name, count)| match count {
            1 => format!("`{name}`"),
            _ => format!("`{name}` {count} times"),
        });
        let each: Vec<_> = each.collect();
        let all: usize = calls.values().sum();
        table += &format!("\n| {what} | {all} | {buffers} | {} |", each.join(", "));
    }
    envoy.finish(number);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let text = fs::read_to_string(&page).expect("a page");
    let marker = format!("<!-- {TABLE} -->\n");
    let (before, rest) = text.split_once(&marker).expect("the table's place");
    let (written, after) = rest.split_once("\n\n").expect("text behind the table");
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        let text = [before, &marker, &table, "\n\n", after].concat();
        fs::write(&page, text).expect("a writable page");
        return;
    }
    assert_eq!(written, table, "{PAGE}");
}
