//! `status`: what it shows of an Envoy, real ones among them, and what it makes of what is none.

use crate::harness::client::Request;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::KeyServer;
use crate::harness::markdown::Pages;
use crate::harness::process::eventually;
use crate::harness::serving::{Serving, receive};
use crate::harness::upstream::Upstream;
use crate::init::{POOL, Served, access, bootstrap};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;

/// The exit status, what was shown, and what was said of errors.
fn status(address: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .args(["status", address])
        .output()
        .expect("the tool starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// An admin interface that has these answers, and 404 for all else.
fn admin(answers: Vec<(&'static str, String)>) -> Serving {
    Serving::start(move |mut stream| {
        let request = receive(stream)?;
        let path = request.line.split(' ').nth(1).unwrap_or_default();
        let answer = answers.iter().find(|(start, _)| path.starts_with(start));
        let (status, body) = match answer {
            Some((_, body)) => ("200 OK", body.as_str()),
            None => ("404 Not Found", ""),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .ok()
    })
}

fn server_info() -> (&'static str, String) {
    let version = "9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL";
    let info = json!({"version": version, "state": "LIVE", "uptime_current_epoch": "273840s"});
    ("/server_info", info.to_string())
}

/// A dump with a filter of this configuration.
fn config_dump(configuration: &Value) -> (&'static str, String) {
    let wasm = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {"name": "cognito_authorizer", "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": configuration.to_string(),
        }},
    });
    let manager = json!({"http_filters": [{"name": "cognito_authorizer", "typed_config": wasm}]});
    let listener = json!({"filter_chains": [{"filters": [{"typed_config": manager}]}]});
    let dump = json!({"configs": [{
        "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
        "static_listeners": [{"listener": listener}],
    }]});
    ("/config_dump", dump.to_string())
}

fn own(names: &[(&str, u64)]) -> String {
    let lines = names.iter();
    let lines =
        lines.map(|(name, value)| format!("wasmcustom.cognito_authorizer.{name}: {value}\n"));
    lines.collect()
}

/// Everything that can be wrong at once, on a screen no wider than a phone's.
#[test]
fn a_bad_night() {
    let configuration = json!({
        "user_pools": [
            {"user_pool_id": "eu-west-1_Aa1", "client_ids": ["a"], "jwks": {"cluster": "keys"}},
            {"user_pool_id": "eu-west-1_Bb2", "client_ids": ["a"], "jwks": {"cluster": "outbound|443||keys.internal"}},
            {"user_pool_id": "eu-west-1_Cc3", "client_ids": ["a"], "jwks": {"cluster": "misspelt"}},
        ],
        "token": {"use": "access"},
        "enforce": "report",
        "deny_list": {
            "cluster": "list", "uri": "https://list.acme.io/deny.json", "max_age": "1h",
            "when_stale": "refuse",
        },
    });
    let statistics = own(&[
        ("allowed", 1_204_511),
        ("anonymous", 12),
        ("denied.token_expired", 8_001),
        ("denied.missing_token", 17),
        ("denied.unknown_key", 0),
        ("issuer.jwks_keys.eu-west-1_Aa1", 2),
        ("issuer.jwks_age_seconds.eu-west-1_Aa1", 240),
        ("issuer.jwks_keys.eu-west-1_Bb2", 2),
        ("issuer.jwks_age_seconds.eu-west-1_Bb2", 7_260),
        ("issuer.jwks_keys.eu-west-1_Cc3", 0),
        ("issuer.jwks_age_seconds.eu-west-1_Cc3", 930),
        // Of a pool that is configured no more.
        ("issuer.jwks_keys.eu-west-1_Old", 0),
        ("reporting", 1),
        ("reported.missing_token", 411),
        ("deny_list_fetch.success", 3),
        ("deny_list_fetch.failure", 9),
        ("deny_list_entries", 120),
        ("deny_list_age_seconds", 7_200),
        ("authorizer.partners.called", 5),
        ("authorizer.partners.remembered", 900),
        ("authorizer.partners.failed", 1),
        ("authorizer.mute.called", 5),
        ("authorizer.mute.remembered", 0),
        ("authorizer.mute.failed", 5),
        ("confirm.confirmed", 0),
        ("confirm.unknown", 12),
        ("held_now", 3),
    ]) + "wasm.cognito_authorizer.vm_reload_success: 1\n";
    let failures = "cluster.keys.update_failure: 7\n\
        cluster.outbound|443||keys.internal;.ssl.fail_verify_san: 1234\n\
        cluster.list.upstream_cx_connect_fail: 2\n";
    let healthy = json!({"health_status": {"eds_health_status": "HEALTHY"}});
    let ejected =
        json!({"health_status": {"eds_health_status": "HEALTHY", "failed_outlier_check": true}});
    let clusters = json!({"cluster_statuses": [
        {"name": "keys"},
        {"name": "outbound|443||keys.internal", "host_statuses": [healthy, ejected]},
        {"name": "list", "host_statuses": [ejected]},
    ]});
    let admin = admin(vec![
        server_info(),
        config_dump(&configuration),
        ("/stats?filter=%5Ecluster", failures.to_owned()),
        ("/stats?filter=", statistics),
        ("/clusters?format=json", clusters.to_string()),
    ]);
    let (code, shown, said) = status(&format!("localhost:{}", admin.port()));
    assert_eq!(
        shown,
        "\
Envoy 1.40.0, up 3 d 4 h
  module loaded, it verifies
  VMs replaced after a trap            1

Requests
  allowed                      1,204,511
  anonymous                           12
  refused                          8,018
  waiting now                          3

Keys
  eu-west-1_Aa1
    2 keys, 4 min old
! eu-west-1_Bb2
  2 keys, fetched 2 h 1 min ago:
  refreshing them fails
! eu-west-1_Cc3
  no keys for 15 min 30 s:
  its tokens get 503

Cluster
! keys
  no hosts: DNS?
  DNS failed                           7

Cluster
! list
  no healthy host
  connections refused                  2

Cluster
! misspelt
  unknown to this Envoy

Cluster
  outbound|443||keys.internal
    1 of 2 hosts healthy
  certificate's name wrong         1,234

Refused for
  token_expired                    8,001
  missing_token                       17

Reported, not refused
! doors are open: enforce: report
  missing_token                      411

Deny list
! written 2 h ago: tokens get 503
  entries                            120
  fetches failed                       9

Confirmations
  unknown                             12
! no question has been answered

Authorizer mute
  called                               5
  failed                               5
  remembered                           0
! no call has been answered

Authorizer partners
  called                               5
  failed                               1
  remembered                         900

9 things are wrong: see the !
",
        "{said}"
    );
    assert_eq!(code, Some(1));
    assert!(shown.lines().all(|line| line.chars().count() <= 40));
}

/// The screen that the page shows.
#[test]
fn the_screen_of_the_page() {
    let configuration = json!({
        "user_pools": [{
            "user_pool_id": "eu-west-1_AbCdEf123", "client_ids": ["a"],
            "jwks": {"cluster": "cognito_eu_west_1"},
        }],
        "token": {"use": "access"},
    });
    let statistics = own(&[
        ("allowed", 1_204_511),
        ("anonymous", 12),
        ("denied.token_expired", 8_001),
        ("denied.keys_unavailable", 17),
        ("issuer.jwks_keys.eu-west-1_AbCdEf123", 0),
        ("issuer.jwks_age_seconds.eu-west-1_AbCdEf123", 930),
        ("signature_host", 1),
    ]);
    let clusters = json!({"cluster_statuses": [{"name": "cognito_eu_west_1"}]});
    let admin = admin(vec![
        server_info(),
        config_dump(&configuration),
        (
            "/stats?filter=%5Ecluster",
            "cluster.cognito_eu_west_1.update_failure: 7\n".to_owned(),
        ),
        ("/stats?filter=", statistics),
        ("/clusters?format=json", clusters.to_string()),
    ]);
    let pages = Pages::read();
    let (snippet, _) = pages.marked("screen").next().expect("the screen");
    let (code, shown, _) = status(&format!("127.0.0.1:{}", admin.port()));
    assert_eq!((code, shown.as_str()), (Some(1), snippet.text.as_str()));
}

/// Without `/config_dump`, which some switch off, the statistics still speak.
#[test]
fn statistics_alone() {
    let keys = [
        ("confirm.confirmed", 1),
        ("confirm.unknown", 12),
        ("issuer.jwks_keys.eu-west-1_Aa1", 2),
        ("issuer.jwks_age_seconds.eu-west-1_Aa1", 60),
        ("signature_host", 1),
    ];
    let healthy = admin(vec![server_info(), ("/stats?filter=", own(&keys))]);
    let (code, shown, said) = status(&format!("http://127.0.0.1:{}/", healthy.port()));
    assert_eq!((code, said.as_str()), (Some(0), ""), "{shown}");
    assert!(
        shown.contains("  eu-west-1_Aa1\n    2 keys, 1 min old\n"),
        "{shown}"
    );
    assert!(shown.ends_with("\nAll is well.\n"), "{shown}");
    let none = [("issuer.jwks_keys.eu-west-1_Aa1", 0)];
    let poor = admin(vec![server_info(), ("/stats?filter=", own(&none))]);
    assert_eq!(status(&format!("127.0.0.1:{}", poor.port())).0, Some(1));
}

/// Whatever answers there, it commands no terminal.
#[test]
fn names_are_shown_as_what_they_are() {
    let strange = "wasmcustom.cognito_authorizer.issuer.jwks_keys.\u{1b}]0;x\u{7}\u{202e}: 0\n";
    let info =
        json!({"version": "a/\u{1b}[2J/b", "state": "\u{9b}31m", "uptime_current_epoch": "-9s"});
    let admin = admin(vec![
        ("/server_info", info.to_string()),
        ("/stats?filter=", strange.to_owned()),
    ]);
    let (code, shown, _) = status(&format!("127.0.0.1:{}", admin.port()));
    assert_eq!(code, Some(1));
    let harmless = |character: char| character == '\n' || !character.is_control();
    assert!(
        shown.chars().all(harmless) && !shown.contains('\u{202e}'),
        "{shown:?}"
    );
    assert!(shown.contains("\\u{1b}[2J"), "{shown}");
}

/// No answer is not a good answer.
#[test]
fn what_is_no_admin_interface_is_said() {
    for (what, answers, words) in [
        ("nothing there", vec![], "found status 404; expected 200"),
        (
            "no JSON",
            vec![("/server_info", "<html>".to_owned())],
            "found no JSON",
        ),
        (
            "another server",
            vec![("/server_info", "{}".to_owned())],
            "found no version",
        ),
        (
            "an Envoy without the module",
            vec![server_info(), ("/stats", "server.live: 1\n".to_owned())],
            "found nothing of the authorizer",
        ),
    ] {
        let admin = admin(answers);
        let (code, shown, said) = status(&format!("127.0.0.1:{}", admin.port()));
        assert_eq!((code, shown.as_str()), (Some(2), ""), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
    }
    let elsewhere = Serving::start(|mut stream| {
        receive(stream)?;
        let answer = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).ok()
    });
    let (code, _, said) = status(&format!("127.0.0.1:{}", elsewhere.port()));
    assert!(
        code == Some(2) && said.contains("found status 302"),
        "{said}"
    );
    drop(elsewhere);
    // Nobody listens on a port that was just given back.
    let [port] = crate::harness::process::free_ports();
    assert_eq!(status(&format!("127.0.0.1:{port}")).0, Some(2));
    assert_eq!(status("ftp://127.0.0.1").0, Some(2));
}

/// A configuration whose module is not there: fetched from nowhere, or refused by this Envoy.
#[test]
fn a_module_that_is_not_loaded() {
    let configuration = json!({
        "user_pools": [{"user_pool_id": "eu-west-1_Aa1", "client_ids": ["a"], "jwks": {"cluster": "keys"}}],
        "token": {"use": "access"},
    });
    let clusters = json!({"cluster_statuses": [{"name": "keys", "host_statuses": [{}]}]});
    let admin = admin(vec![
        server_info(),
        config_dump(&configuration),
        ("/stats?filter=", String::new()),
        ("/clusters?format=json", clusters.to_string()),
    ]);
    let (code, shown, _) = status(&format!("127.0.0.1:{}", admin.port()));
    assert_eq!(code, Some(1));
    assert!(shown.contains("! the module is not loaded:\n"), "{shown}");
}

/// A real Envoy, in each state that somebody asks about at night: one whose keys come late, and one
/// that only reports.
#[test]
fn a_real_envoy() {
    let configuration = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/configuration/value";
    let upstream = Upstream::start();
    let keys = KeyServer::start();
    let envoy = EnvoyUnderTest::start(&Served::new(bootstrap(upstream.port(), &[]), keys.port()));
    envoy.await_metric("jwks_fetch.failure", 1);
    assert_eq!(both_answers(&envoy), [503, 401]);
    shows(
        &envoy,
        1,
        &[
            "! eu-west-1_Zz9Yy8Xx7\n  no keys for ",
            "  keys_unavailable                     1",
            "1 thing is wrong: see the !",
        ],
    );
    keys.publish(POOL, &[TestKey::first()]);
    envoy.await_metric("jwks_keys", 1);
    assert_eq!(both_answers(&envoy), [200, 401]);
    shows(
        &envoy,
        0,
        &[
            "  allowed                              1",
            "    1 keys, ",
            "  cognito_eu_west_1\n    1 of 1 hosts healthy",
            "  missing_token                        2",
            "All is well.",
        ],
    );
    envoy.finish(4);

    let mut reporting = bootstrap(upstream.port(), &[]);
    reporting
        .pointer_mut(configuration)
        .expect("a configuration")["enforce"] = "report".into();
    let envoy = EnvoyUnderTest::start(&Served::new(reporting, keys.port()));
    envoy.await_metric("jwks_keys", 1);
    assert_eq!(both_answers(&envoy), [200, 200]);
    shows(
        &envoy,
        1,
        &[
            "! doors are open: enforce: report\n",
            // Where nothing waits, a worker may have had no keys yet for the token.
            "  missing_token                        1",
            "1 thing is wrong: see the !",
        ],
    );
    envoy.finish(2);
}

/// With a token of the pool, and without one.
fn both_answers(envoy: &EnvoyUnderTest) -> [u16; 2] {
    let send = |request: Request| request.host("api.acme.io").send(envoy.at("ingress")).status;
    [
        send(Request::get("/").bearer(&access(POOL))),
        send(Request::get("/")),
    ]
}

/// Awaits these lines on the screen, since counters lag by a moment.
fn shows(envoy: &EnvoyUnderTest, expected: i32, lines: &[&str]) {
    let address = std::fs::read_to_string(envoy.directory().join("admin")).expect("an address");
    let shown = eventually("all that was sent", || {
        let (code, shown, said) = status(address.trim());
        assert_eq!(said, "");
        let all = lines.iter().all(|line| shown.contains(line));
        (all && code == Some(expected)).then_some(shown)
    });
    assert!(shown.starts_with("Envoy 1."), "{shown}");
}
