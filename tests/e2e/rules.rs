//! What a valid token may do: rules, their conditions, and the paths that no rule may be asked about.

use serde_json::json;

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{SUB, TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;

#[test]
fn rules_decide_what_a_valid_token_may_do() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let document = ruled(json!([
        {"match": {"path": "/open"}, "allow": "anyone"},
        {"match": {"path": "/closed"}, "allow": "nobody"},
        {"match": {"path": "/optional"}, "allow": "optional"},
        {"match": {"path": "/scoped"}, "require": {"scopes": ["api/write", "api/admin"]}},
        {"match": {"path": "/grouped"}, "require": {"groups": ["admin", "ops"]}},
        {"match": {"template": "/users/{userId}", "methods": ["GET"]},
         "require": {"claims": {"sub": "{userId}"}}},
        {"match": {"path": "/staff"},
         "require": {"claims": {"custom:level": ["3", "4"], "email_verified": true}}},
        {"match": {"path": "/fresh"}, "require": {"max_auth_age": "15m"}},
        {"match": {"prefix": "/internal", "hosts": ["api.example.com", "*.corp.example.com"]},
         "allow": "nobody"},
        {"match": {"regex": "/v[0-9]+/status"}, "allow": "anyone"},
        {"match": {"prefix": "/public", "methods": ["GET", "HEAD"]}, "allow": "anyone"},
    ]));
    let nobody = with(document.clone(), &[("default", json!("nobody"))]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(Listener::new("struct", document.clone()))
            .listener(Listener::text("text", &document))
            .listener(Listener::new("nobody", nobody)),
    );
    let mut table = Table::new(&envoy, &upstream);
    for listener in ["struct", "text"] {
        allowances(&mut table, listener);
        conditions(&mut table, listener);
        places(&mut table, listener);
    }
    let token = Token::id(POOL).mint();
    let elsewhere = || Request::get("/elsewhere");
    table.refused(
        "nobody",
        "no rule",
        &elsewhere().bearer(&token),
        "denied_by_rule",
    );
    table.refused(
        "nobody",
        "no rule, no token",
        &elsewhere(),
        "denied_by_rule",
    );
    table.accepted(
        "struct",
        "no rule: authenticated",
        &elsewhere().bearer(&token),
    );
    let requests = table.done();
    envoy.finish(requests);
}

fn allowances(table: &mut Table<'_>, at: &str) {
    let token = Token::id(POOL).mint();
    table.anonymous(at, "anyone", &Request::get("/open"));
    table.anonymous(
        at,
        "anyone, token not looked at",
        &Request::get("/open").bearer("x.y.z"),
    );
    table.refused(at, "nobody", &Request::get("/closed"), "denied_by_rule");
    let closed = Request::get("/closed").bearer(&token);
    table.refused(at, "nobody, token or not", &closed, "denied_by_rule");
    table.anonymous(at, "optional without", &Request::get("/optional"));
    table.accepted(
        at,
        "optional with",
        &Request::get("/optional").bearer(&token),
    );
    let bad = Request::get("/optional").bearer("x.y.z");
    table.refused(at, "optional with a bad one", &bad, "malformed_token");
}

fn conditions(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let access = Token::access(POOL);
    let ask = |path: &str, token: &Token| Request::get(path).bearer(&token.mint());
    for (scope, admitted) in [
        ("api/write", true),
        ("openid api/admin email", true),
        ("api/writer", false),
        ("API/write", false),
        ("api", false),
        ("", false),
    ] {
        let request = ask("/scoped", &access.clone().claim("scope", scope));
        check(
            table,
            at,
            &format!("scope {scope:?}"),
            &request,
            admitted,
            "insufficient_scope",
        );
    }
    let list = access.clone().claim("scope", json!(["api/write"]));
    table.refused(
        at,
        "scopes in a list",
        &ask("/scoped", &list),
        "insufficient_scope",
    );
    table.refused(
        at,
        "an id token has no scope",
        &ask("/scoped", &id),
        "insufficient_scope",
    );
    for (groups, admitted) in [
        (json!(["ops"]), true),
        (json!(["readers", "admin"]), true),
        (json!(["Admin"]), false),
        (json!(["admin,ops"]), false),
        (json!([]), false),
        (json!("admin"), false),
        (json!(["admin", 1]), false),
    ] {
        let request = ask(
            "/grouped",
            &id.clone().claim("cognito:groups", groups.clone()),
        );
        check(
            table,
            at,
            &format!("groups {groups}"),
            &request,
            admitted,
            "insufficient_group",
        );
    }
    let none = id.clone().without("cognito:groups");
    table.refused(
        at,
        "no groups",
        &ask("/grouped", &none),
        "insufficient_group",
    );
    table.accepted(at, "one's own record", &ask(&format!("/users/{SUB}"), &id));
    table.refused(
        at,
        "another's record",
        &ask("/users/another", &id),
        "claim_mismatch",
    );
    let spaced = id.clone().claim("sub", "a b");
    table.accepted(at, "a variable is decoded", &ask("/users/a%20b", &spaced));
    for (level, verified, admitted) in [
        (json!("3"), json!(true), true),
        (json!(4), json!("true"), true),
        (json!(["1", "3"]), json!(true), true),
        (json!("5"), json!(true), false),
        (json!("3"), json!(false), false),
        (json!({"3": 3}), json!(true), false),
        (json!(null), json!(true), false),
    ] {
        let token = id.clone().claim("custom:level", level.clone());
        let token = token.claim("email_verified", verified.clone());
        let what = format!("level {level}, verified {verified}");
        check(
            table,
            at,
            &what,
            &ask("/staff", &token),
            admitted,
            "claim_mismatch",
        );
    }
    // 15 minutes and a skew of one: 17 minutes are too many, 14 and even 15 and a half are not.
    for (age, admitted) in [
        (14 * 60, true),
        (15 * 60 + 30, true),
        (17 * 60, false),
        (-90, false),
    ] {
        let request = ask("/fresh", &id.clone().claim("auth_time", now() - age));
        check(
            table,
            at,
            &format!("age {age}"),
            &request,
            admitted,
            "stale_authentication",
        );
    }
    let unknown = id.without("auth_time");
    table.refused(
        at,
        "no auth_time",
        &ask("/fresh", &unknown),
        "stale_authentication",
    );
}

fn check(
    table: &mut Table<'_>,
    at: &str,
    what: &str,
    request: &Request,
    admitted: bool,
    reason: &str,
) {
    if admitted {
        table.accepted(at, what, request);
    } else {
        table.refused(at, what, request, reason);
    }
}

fn places(table: &mut Table<'_>, at: &str) {
    let token = Token::id(POOL).mint();
    for path in [
        "/open/",
        "/op%65n",
        "/open?x=/closed",
        "/v1/status",
        "/public",
        "/public/x",
    ] {
        table.anonymous(at, path, &Request::get(path));
    }
    for path in [
        "/open/x",
        "/openness",
        "/v1/status/x",
        "/xv1/status",
        "/publicity",
    ] {
        table.refused(at, path, &Request::get(path), "missing_token");
    }
    table.refused(at, "/OPEN", &Request::get("/OPEN"), "unsafe_path");
    table.anonymous(
        at,
        "HEAD of a public place",
        &Request::new("HEAD", "/public/x"),
    );
    let post = Request::new("POST", "/public/x").body(b"x");
    table.refused(at, "POST to a public place", &post, "missing_token");
    // A method in a header would let the upstream do what the rule did not look at.
    let hidden = Request::get("/public/x");
    let names = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    let hidden = names
        .iter()
        .fold(hidden, |request, name| request.header(name, "DELETE"));
    let seen = table.anonymous(at, "a method in a header", &hidden);
    for name in names {
        let left = seen.as_ref().map(|seen| seen.values(name));
        table.same(name, left, Some(Vec::new()));
    }
    let to = |host: &str| Request::get("/internal/x").bearer(&token).host(host);
    for host in [
        "api.example.com",
        "API.example.com:8443",
        "a.corp.example.com",
        "api.example.com.",
    ] {
        table.refused(at, host, &to(host), "denied_by_rule");
    }
    for host in [
        "www.example.com",
        "corp.example.com",
        "xapi.example.com",
        "localhost",
    ] {
        table.accepted(at, host, &to(host));
    }
    let two = to("a.example.com,api.example.com");
    table.refused(at, "two hosts in one", &two, "unsafe_path");
}
