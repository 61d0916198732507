//! Where tokens are looked for, that there is exactly one, and that it can be taken out.

use serde_json::json;

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::Table;
use crate::harness::upstream::{Seen, Upstream};

const SIGV4: &str = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, \
                     SignedHeaders=host, Signature=00";

fn guarded() -> Request {
    Request::get("/guarded")
}

fn query(query: &str) -> Request {
    Request::get(&format!("/guarded?{query}"))
}

#[test]
fn exactly_one_token_among_the_configured_places() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let everywhere = json!([
        {"header": "authorization"},
        {"header": "x-token"},
        {"query": "access_token"},
        {"cookie": "access_token"},
    ]);
    let standard = ruled(json!([{"match": {"path": "/open"}, "allow": "anyone"}]));
    let places = with(standard.clone(), &[("token.from", everywhere)]);
    let taken_out = with(places.clone(), &[("token.forward", json!(false))]);
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .listener(Listener::new("standard", standard))
            .listener(Listener::text("places", &places))
            .listener(Listener::new("taken-out", taken_out)),
    );
    let mut table = Table::new(&envoy, &upstream);
    authorization(&mut table);
    configured(&mut table);
    several(&mut table);
    taken(&mut table);
    let requests = table.done();
    envoy.finish(requests);
}

/// The authorization header, which is where tokens are by default.
fn authorization(table: &mut Table<'_>) {
    let at = "standard";
    let token = &Token::id(POOL).mint();
    let with = |value: &str| guarded().header("authorization", value);
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer    ", ""] {
        let what = format!("scheme {scheme:?}");
        table.accepted(at, &what, &with(&format!("{scheme}{token}")));
    }
    for value in [
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        SIGV4,
        "Digest username=\"a\", realm=\"b\"",
    ] {
        table.refused(at, value, &with(value), "missing_token");
    }
    let glued = with(&format!("Bearer{token}"));
    table.refused(at, "no space after the scheme", &glued, "malformed_token");
    let two = with(&format!("Bearer {token}, Bearer {token}"));
    table.refused(at, "two in one line", &two, "multiple_tokens");
    table.refused(
        at,
        "two bare ones",
        &with(&format!("{token},{token}")),
        "multiple_tokens",
    );
    let lines = guarded().bearer(token).bearer(token);
    table.refused(at, "two lines, equal", &lines, "multiple_tokens");
    for (first, second) in [("Basic x", token.as_str()), (token, "x"), ("Basic x", "x")] {
        let lines = guarded().header("authorization", first).bearer(second);
        table.refused(
            at,
            "two lines, one of them Bearer",
            &lines,
            "multiple_tokens",
        );
    }
    // Not configured, not looked at.
    table.refused(
        at,
        "query",
        &query(&format!("access_token={token}")),
        "missing_token",
    );
    let cookie = guarded().header("cookie", format!("access_token={token}"));
    table.refused(at, "cookie", &cookie, "missing_token");
    let both = query(&format!("access_token={token}")).bearer(token);
    table.accepted(at, "a place that is not configured does not count", &both);
}

fn configured(table: &mut Table<'_>) {
    let at = "places";
    let token = &Token::id(POOL).mint();
    table.accepted(at, "authorization", &guarded().bearer(token));
    table.accepted(at, "x-token", &guarded().header("x-token", token));
    let scheme = guarded().header("X-Token", format!("Bearer {token}"));
    table.accepted(at, "x-token with a scheme", &scheme);
    for name in ["access_token", "access%5Ftoken", "%61ccess_token"] {
        table.accepted(at, name, &query(&format!("a=1&{name}={token}&b=2")));
    }
    let cookie = guarded().header("cookie", format!("a=1; access_token={token}; b=2"));
    table.accepted(at, "cookie", &cookie);
    let lines = guarded()
        .header("cookie", "a=1")
        .header("cookie", format!("access_token={token}"));
    table.accepted(at, "the second cookie line", &lines);
    let lines = guarded().header("x-token", "").header("x-token", token);
    table.accepted(at, "the second line, the first one empty", &lines);
    let other = guarded()
        .header("authorization", "Basic dXNlcjpwYXNz")
        .header("cookie", format!("access_token={token}"));
    table.accepted(at, "beside another scheme", &other);
    for (what, request) in [
        ("an empty query parameter", query("access_token=")),
        (
            "another query parameter",
            query(&format!("xaccess_token={token}")),
        ),
        (
            "an empty cookie",
            guarded().header("cookie", "access_token="),
        ),
        (
            "another cookie",
            guarded().header("cookie", format!("xaccess_token={token}")),
        ),
    ] {
        table.refused(at, what, &request, "missing_token");
    }
}

fn several(table: &mut Table<'_>) {
    let at = "places";
    let token = &Token::id(POOL).mint();
    let cookie = |request: Request| request.header("cookie", format!("access_token={token}"));
    let header = |request: Request| request.header("x-token", token);
    for (what, request) in [
        ("header and cookie", cookie(guarded().bearer(token))),
        ("two headers", header(guarded().bearer(token))),
        (
            "query and header",
            query(&format!("access_token={token}")).bearer(token),
        ),
        (
            "query and a bad header",
            query(&format!("access_token={token}")).bearer("x"),
        ),
        (
            "two parameters",
            query(&format!("access_token={token}&access_token={token}")),
        ),
        (
            "two parameters, one escaped",
            query(&format!("access_token={token}&access%5ftoken=x")),
        ),
        (
            "two cookies",
            guarded().header("cookie", format!("access_token={token}; access_token=x")),
        ),
        ("two cookie lines", cookie(cookie(guarded()))),
        ("two lines of a header", header(header(guarded()))),
        (
            "two joined by a comma",
            guarded().header("x-token", format!("{token},{token}")),
        ),
    ] {
        table.refused(at, what, &request, "multiple_tokens");
    }
}

fn taken(table: &mut Table<'_>) {
    let at = "taken-out";
    let token = &Token::id(POOL).mint();
    let gone =
        |table: &mut Table<'_>, what: &str, seen: Option<Seen>, path: &str, cookie: &[&str]| {
            let Some(seen) = seen else { return };
            table.same(what, seen.path.as_str(), path);
            table.same(what, seen.values("authorization"), Vec::new());
            table.same(what, seen.values("x-token"), Vec::new());
            table.same(
                what,
                seen.values("cookie").join("; ").as_str(),
                cookie.join("; ").as_str(),
            );
        };
    let seen = table.accepted(at, "taken from authorization", &guarded().bearer(token));
    gone(table, "taken from authorization", seen, "/guarded", &[]);
    let seen = table.accepted(
        at,
        "taken from x-token",
        &guarded().header("x-token", token),
    );
    gone(table, "taken from x-token", seen, "/guarded", &[]);
    let what = "taken from the query";
    let request = query(&format!("a=1&access%5ftoken={token}&b=%20&c"));
    let seen = table.accepted(at, what, &request);
    gone(table, what, seen, "/guarded?a=1&b=%20&c", &[]);
    let what = "taken from a query of nothing else";
    let seen = table.accepted(at, what, &query(&format!("access_token={token}")));
    gone(table, what, seen, "/guarded", &[]);
    let what = "taken from cookies";
    let request = guarded().header("cookie", format!("a=1; access_token={token}; b=2"));
    let seen = table.accepted(at, what, &request);
    gone(table, what, seen, "/guarded", &["a=1", "b=2"]);
    // Where nobody looks at the token, the upstream still must not get it.
    let what = "taken from an open place";
    let request = Request::get(&format!("/open?access_token={token}"))
        .bearer(token)
        .header("x-token", token)
        .header("x-token", "second")
        .header("cookie", format!("access_token={token}"))
        .header("cookie", "b=2; access_token=");
    let seen = table.anonymous(at, what, &request);
    gone(table, what, seen, "/open", &["b=2"]);
    // By default it stays where it is.
    let request = query(&format!("a=1&access_token={token}"));
    let seen = table.accepted("places", "left in the query", &request);
    let path = seen.map(|seen| seen.path);
    table.same(
        "left in the query",
        path,
        Some(format!("/guarded?a=1&access_token={token}")),
    );
    let seen = table.accepted("places", "left in the header", &guarded().bearer(token));
    let value = seen.and_then(|seen| seen.value("authorization"));
    table.same("left in the header", value, Some(format!("Bearer {token}")));
}
