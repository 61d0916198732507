//! `envoy/production.yaml`: accepted by Envoy as it is, and doing what its comments say.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::deploy::bootstrap::{MANAGER, Setup};
use crate::harness::client::Request;
use crate::harness::process::Bootstrap as _;

use crate::deploy::stack::{GENUINE, POOL, Stack, reader};
use crate::harness::issuer::{SUB, Token};
use crate::harness::process::{module, provided};

#[test]
fn requests_get_what_the_rules_say() {
    let mut stack = Stack::start(GENUINE, |_| {});
    let valid = reader().mint();

    let open = Request::get("/health").header("x-cognito-sub", "somebody-else");
    assert_eq!(stack.send(&open).status, 200);
    assert_eq!(stack.seen(&open)[0].value("x-cognito-sub"), None);

    let guarded = Request::get("/orders/7").bearer(&valid);
    assert_eq!(stack.send(&guarded).status, 200);
    let seen = &stack.seen(&guarded)[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    assert_eq!(
        seen.value("x-cognito-username").as_deref(),
        Some("wilhelmina")
    );
    assert_eq!(seen.value("x-cognito-groups").as_deref(), Some("readers"));

    let admin = Token::access(POOL).claim("cognito:groups", json!(["admin"]));
    for (what, request, status) in [
        ("no token", Request::get("/orders"), 401),
        (
            "an id token",
            Request::get("/orders").bearer(&Token::id(POOL).mint()),
            401,
        ),
        (
            "a scope that reads",
            Request::new("POST", "/orders").bearer(&valid),
            403,
        ),
        ("no group", Request::get("/admin").bearer(&valid), 403),
        (
            "the group",
            Request::get("/admin").bearer(&admin.mint()),
            200,
        ),
        (
            "a place without a rule",
            Request::get("/elsewhere").bearer(&valid),
            403,
        ),
        (
            "slashes that are merged",
            Request::get("//orders").bearer(&valid),
            200,
        ),
    ] {
        assert_eq!(stack.send(&request).status, status, "{what}");
    }
    // Envoy's own refusals, before any filter.
    for (what, request) in [
        (
            "an underscore",
            Request::get("/orders")
                .bearer(&valid)
                .header("x_cognito_sub", "me"),
        ),
        (
            "an escaped slash",
            Request::get("/orders%2F7").bearer(&valid),
        ),
    ] {
        assert_eq!(stack.send_undecided(&request).status, 400, "{what}");
    }
    stack.finish();
}

/// A token that somebody put into the query must not end up in a log.
#[test]
fn the_access_log_has_the_reason_and_no_query() {
    let mut stack = Stack::start(GENUINE, |_| {});
    let request = Request::get("/orders/8?access_token=query-with-a-secret");
    assert_eq!(stack.send(&request).status, 401);
    let line = stack.access_log("/orders/8");
    assert_eq!(line["reason"], "missing_token", "{line}");
    assert_eq!(line["status"], 401, "{line}");
    let log = stack.envoy.log();
    assert!(!log.contains("query-with-a-secret"), "a query was logged");
    stack.finish();
}

/// A browser sends a preflight without a token, and may read an answer only if it is told so.
#[test]
fn browsers_are_answered_before_the_filter() {
    let mut stack = Stack::start(GENUINE, |_| {});
    let origin = "https://app.example.com";
    let allowed = "access-control-allow-origin";
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH");
    let answer = stack.send_undecided(&preflight);
    assert_eq!((answer.status, answer.header(allowed)), (200, Some(origin)));
    let methods = answer.header("access-control-allow-methods");
    let methods: Vec<_> = methods.unwrap_or_default().split(", ").collect();
    assert!(methods.contains(&"PATCH") && methods.contains(&"HEAD"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));

    let refused = Request::get("/orders").header("origin", origin);
    let answer = stack.send(&refused);
    assert_eq!((answer.status, answer.header(allowed)), (401, Some(origin)));
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed, Some("www-authenticate, retry-after"));

    let stranger = Request::get("/orders").header("origin", "https://elsewhere.example");
    assert_eq!(stack.send(&stranger).header(allowed), None);
    stack.finish();
}

/// What BROWSER.md says of WebSockets: Envoy refuses them itself until it is told to let them through.
#[test]
fn websockets_are_let_through_once_envoy_is_told() {
    let socket = Request::get("/orders")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    let stack = Stack::start(GENUINE, |_| {});
    assert_eq!(stack.send_undecided(&socket).status, 403);
    stack.finish();

    let mut stack = Stack::start(GENUINE, |setup| {
        setup.at(MANAGER)["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
    });
    let refused = stack.send(&socket);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    stack.finish();
}

/// Both servers publish the very key that signed the token; only their certificates differ from
/// the one with which the request is let in.
#[test]
fn keys_come_from_nobody_but_the_named_server() {
    for (certificate, statistic) in [
        (
            "keys-other-name.crt",
            "cluster.cognito_us_east_1.ssl.fail_verify_san",
        ),
        (
            "keys-other-authority.crt",
            "cluster.cognito_us_east_1.ssl.fail_verify_error",
        ),
    ] {
        let mut stack = Stack::start(certificate, |_| {});
        let request = Request::get("/orders").bearer(&reader().mint());
        let answer = stack.send(&request);
        assert_eq!(answer.status, 503, "{certificate}");
        assert!(answer.header("retry-after").is_some(), "{certificate}");
        assert!(stack.seen(&request).is_empty(), "{certificate}");
        assert!(
            stack.envoy.statistic(statistic) > 0,
            "{certificate}: {statistic}"
        );
        assert_eq!(stack.envoy.metric("jwks_fetch.success"), 0, "{certificate}");
        stack.finish();
    }
    let mut stack = Stack::start(GENUINE, |_| {});
    let request = Request::get("/orders").bearer(&reader().mint());
    assert_eq!(stack.send(&request).status, 200);
    stack.finish();
}

/// What is about this example in particular says so: nothing else has to be looked for.
#[test]
fn every_place_to_change_is_marked() {
    let text = crate::deploy::files::text("production.yaml");
    let ours = [
        "us-east-1",
        "us_east_1",
        "example.com",
        "4hq8",
        "/etc/envoy/",
        "allow_origin",
    ];
    let settings = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut marked = 0;
    for line in settings {
        let example = ours.iter().any(|name| line.contains(name));
        assert!(!example || line.ends_with("# <--"), "not marked: {line}");
        marked += usize::from(line.ends_with("# <--"));
    }
    assert!(marked >= 14, "{marked} places");
}

/// What the recipe for development adds: a reason on refusals, and on nothing else.
#[test]
fn a_developer_may_be_told_the_reason() {
    let addition = crate::deploy::files::document("demo/reason.yaml");
    let mut stack = Stack::start(GENUINE, |setup| {
        let manager = setup.at(MANAGER);
        manager["local_reply_config"] = addition["local_reply_config"].clone();
    });
    let valid = reader().mint();
    let post = Request::new("POST", "/orders").bearer(&valid);
    for (request, status, reason) in [
        (Request::get("/orders"), 401, Some("missing_token")),
        (post, 403, Some("insufficient_scope")),
        (Request::get("/orders").bearer(&valid), 200, None),
    ] {
        let answer = stack.send(&request);
        let found = answer.header("x-cognito-reason");
        assert_eq!((answer.status, found), (status, reason));
    }
    stack.finish();
}

/// Whether Envoy finds a configuration valid, and what it says: the check that operators run before they
/// roll a file out.
pub(crate) fn validate(setup: &Setup) -> (bool, String) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("validate-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let output = Command::new(provided("ENVOY"))
        .args(["--mode", "validate", "--config-path"])
        .arg(setup.write(&directory, &module()))
        .output()
        .expect("ENVOY names a program");
    let _ = std::fs::remove_dir_all(&directory);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), log)
}

#[test]
fn envoy_finds_the_file_valid() {
    // No request is sent, so any port will do for the servers.
    let mut setup = Setup::production(1, 1, GENUINE);
    let (valid, log) = validate(&setup);
    assert!(valid, "{log}");
    *setup.at(&format!(
        "{}/configuration/value/default",
        crate::deploy::bootstrap::PLUGIN
    )) = json!("nobdy");
    let (valid, log) = validate(&setup);
    assert!(!valid && log.contains("default: "), "{log}");
}
