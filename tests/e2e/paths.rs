//! Paths that no rule may be asked about, because the upstream could read another one.

use serde_json::json;

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;
use crate::path_table;

/// Each of these could be `/admin` to some upstream, or something else to another. The listener leaves
/// paths as they are; some of them Envoy itself refuses before any filter, with the same status.
#[test]
fn paths_that_an_upstream_could_read_differently_are_refused() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let rules = json!([
        {"match": {"prefix": "/admin"}, "require": {"groups": ["admin"]}},
        {"match": {"path": "/open"}, "allow": "anyone"},
        {"match": {"path": "/closed"}, "allow": "nobody"},
    ]);
    let document = ruled(rules);
    let sensitive = with(document.clone(), &[("path_case", json!("sensitive"))]);
    let setup = Setup::new(&keys, &upstream)
        .listener(Listener::new("raw", document.clone()).raw_paths())
        .listener(Listener::new("case-sensitive", sensitive).raw_paths());
    let setup = path_table::listeners().fold(setup, Setup::listener);
    let envoy = EnvoyUnderTest::start(&setup);
    path_table::every_target_of_the_table_is_under_its_rule(&envoy, &upstream);
    let mut table = Table::new(&envoy, &upstream);
    let token = Token::id(POOL).mint();
    let ask = |path: &[u8]| Request::new("GET", path).bearer(&token);
    for path in [
        "//admin",
        "/./admin",
        "/x/../admin",
        "/x/%2e%2E/admin",
        "/x/..",
        "/x/.",
        "/admin%2Fx",
        "/%2fadmin",
        "/admin%5Cx",
        "/admin%3Fx",
        "/admin%23x",
        "/x%2F..%2Fadmin",
        "//x/admin",
        "/adm%C4%B0n",
        "/x\\admin",
        "/%zz",
        "/x%",
        "/x%4",
        "/%2561dmin",
        "/x%252e",
        "/%ff",
        "/x%C3",
        "/x%01",
        "/x%7f",
        "/%20admin",
        "/admin%20",
        "/x/%20/y",
        "/..;a=b/admin",
        "/.;/admin",
        "/admin;x=1",
        "/admin%3Bx=1",
        "/open;x",
        "/Admin",
        "/OPEN",
    ] {
        table.refused("raw", path, &ask(path.as_bytes()), "unsafe_path");
    }
    for path in [
        "/x",
        "/%61",
        "/x/a.b",
        "/x/...",
        "/x/a%20b",
        "/x;a=1",
        "/%C3%A9",
        "/x~y-z_",
        "/x//admin",
        "/@scope%2fname",
        "/x%5Cadmin",
        "/x%3Fy",
        "/x%23y",
    ] {
        table.accepted("raw", path, &ask(path.as_bytes()));
    }
    table.refused(
        "raw",
        "an escape that needs none",
        &ask(b"/%61dmin"),
        "insufficient_group",
    );
    table.accepted(
        "case-sensitive",
        "another case, other place",
        &ask(b"/Admin"),
    );
    // The path comes before everything else: before `nobody`, and before any token.
    table.refused(
        "raw",
        "closed and unsafe",
        &ask(b"/x/../closed"),
        "unsafe_path",
    );
    table.refused("raw", "closed", &ask(b"/closed"), "denied_by_rule");
    table.refused(
        "raw",
        "no token, and unsafe",
        &Request::get("/./x"),
        "unsafe_path",
    );
    table.done();
    // Envoy itself refuses some of these before any filter; whoever does, nothing passes.
    for path in [&b"/x\x00admin"[..], b"/x%00admin", b"/x#y", b"/x\xff"] {
        let request = ask(path);
        let response = request.send(envoy.at("raw"));
        assert_eq!(response.status, 400, "{path:?}");
        assert!(upstream.seen(request.case()).is_empty(), "{path:?}");
    }
}
