//! What the upstream is told: claims of the verified token, and nothing that the client made up.

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{SUB, TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::table::Table;
use crate::harness::upstream::Upstream;

const HEADERS: [&str; 12] = [
    "x-sub",
    "x-username",
    "x-groups",
    "x-groups-space",
    "x-groups-json",
    "x-verified",
    "x-level",
    "x-address",
    "x-country",
    "x-slash",
    "x-name",
    "x-mixed",
];

fn document() -> Value {
    let rules = json!([
        {"match": {"path": "/open"}, "allow": "anyone"},
        {"match": {"path": "/optional"}, "allow": "optional"},
    ]);
    let headers = json!([
        {"header": "x-sub", "claim": "sub"},
        {"header": "x-username", "claim": ["cognito:username", "username"]},
        {"header": "x-groups", "claim": "cognito:groups"},
        {"header": "x-groups-space", "claim": "cognito:groups", "format": "space"},
        {"header": "x-groups-json", "claim": "cognito:groups", "format": "json"},
        {"header": "x-verified", "claim": "email_verified"},
        {"header": "x-level", "claim": "custom:level"},
        {"header": "x-address", "claim": "address"},
        {"header": "x-country", "claim": "/address/country"},
        {"header": "x-slash", "claim": "/a~1b/0"},
        {"header": "x-name", "claim": "name"},
        {"header": "x-mixed", "claim": "mixed"},
    ]);
    let members = [
        ("claim_headers", headers),
        ("payload_header", json!("x-payload")),
        ("cors_preflight", json!("pass")),
    ];
    with(ruled(rules), &members)
}

#[test]
fn claims_reach_the_upstream_and_lies_do_not() {
    let (keys, upstream, own) = (KeyServer::start(), Upstream::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let document = document();
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .cluster("own", own.port())
            .listener(Listener::new("struct", document.clone()))
            .listener(Listener::text("text", &document))
            .listener(routed("asked", true))
            .listener(routed("unasked", false)),
    );
    let mut table = Table::new(&envoy, &upstream);
    for listener in ["struct", "text"] {
        rendered(&mut table, listener);
        absent(&mut table, listener);
        spoofed(&mut table, listener);
    }
    let requests = table.done() + claim_headers_may_choose_the_route(&envoy, &upstream, &own);
    envoy.finish(requests);
}

fn told(table: &mut Table<'_>, at: &str, what: &str, token: &Token, expected: &[(&str, &str)]) {
    let compact = token.mint();
    let Some(seen) = table.accepted(at, what, &Request::get("/guarded").bearer(&compact)) else {
        return;
    };
    for (header, value) in expected {
        table.same(
            &format!("{what}: {header}"),
            seen.values(header),
            vec![(*value).to_owned()],
        );
    }
    let payload = compact.split('.').nth(1).unwrap_or_default().to_owned();
    table.same(
        &format!("{what}: x-payload"),
        seen.values("x-payload"),
        vec![payload],
    );
}

fn rendered(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let plain = [
        ("x-sub", SUB),
        ("x-username", "wilhelmina"),
        ("x-groups", "readers"),
        ("x-groups-json", r#"["readers"]"#),
        ("x-verified", "true"),
    ];
    told(table, at, "an id token", &id, &plain);
    let access = [("x-username", "wilhelmina"), ("x-sub", SUB)];
    told(table, at, "an access token", &Token::access(POOL), &access);
    // Group names may contain commas: the separator must not be forged.
    let groups = id
        .clone()
        .claim("cognito:groups", json!(["a,b", "c d", "50%", "admin"]));
    let forms = [
        ("x-groups", "a%2Cb,c d,50%25,admin"),
        ("x-groups-space", "a,b c%20d 50%25 admin"),
        ("x-groups-json", r#"["a,b","c d","50%","admin"]"#),
    ];
    told(table, at, "groups", &groups, &forms);
    let structured = id
        .clone()
        .claim("custom:level", 7)
        .claim("address", json!({"country": "NL", "zip": 1}))
        .claim("a/b", json!(["first", "second"]))
        .claim("name", "Zoë Ångström")
        .claim("mixed", json!([1, {"a": true}]));
    let forms = [
        ("x-level", "7"),
        ("x-address", r#"{"country":"NL","zip":1}"#),
        ("x-country", "NL"),
        ("x-slash", "first"),
        ("x-name", "Zoë Ångström"),
        ("x-mixed", r#"[1,{"a":true}]"#),
    ];
    told(table, at, "structured claims", &structured, &forms);
    let scalars = id.claim("mixed", json!([1, true, "x"]));
    told(
        table,
        at,
        "an array of scalars",
        &scalars,
        &[("x-mixed", "1,true,x")],
    );
}

/// A header that cannot be set is absent, whatever the client sent in its place.
fn absent(table: &mut Table<'_>, at: &str) {
    for value in [
        json!(null),
        json!(""),
        json!([]),
        json!("line\r\nx-injected: 1"),
        json!("a\u{0}b"),
        json!("a\u{7f}b"),
        json!("a\u{85}b"),
        json!(["a\nb"]),
    ] {
        let what = format!("a claim of {value}");
        let token = Token::id(POOL).claim("name", value).mint();
        let request = Request::get("/guarded")
            .bearer(&token)
            .header("x-name", "spoofed");
        if let Some(seen) = table.accepted(at, &what, &request) {
            table.same(&what, seen.values("x-name"), Vec::new());
            table.same(&what, seen.values("x-injected"), Vec::new());
        }
    }
}

fn with_lies(request: Request) -> Request {
    let lie = |request: Request, name: &&str| {
        let request = request.header(name, "spoofed");
        request
            .header(name.to_uppercase(), "spoofed")
            .header(name, "")
    };
    HEADERS.iter().chain(&["x-payload"]).fold(request, lie)
}

fn spoofed(table: &mut Table<'_>, at: &str) {
    let token = Token::id(POOL).mint();
    let preflight = Request::new("OPTIONS", "/guarded")
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "GET");
    for (what, request) in [
        ("spoofed in an open place", Request::get("/open")),
        (
            "spoofed in an open place beside a token",
            Request::get("/open").bearer(&token),
        ),
        (
            "spoofed where a token is optional",
            Request::get("/optional"),
        ),
        ("spoofed in a preflight", preflight),
    ] {
        let Some(seen) = table.anonymous(at, what, &with_lies(request)) else {
            continue;
        };
        for header in HEADERS.iter().chain(&["x-payload"]) {
            table.same(
                &format!("{what}: {header}"),
                seen.values(header),
                Vec::new(),
            );
        }
    }
    let what = "spoofed beside a valid token";
    let request = with_lies(Request::get("/guarded")).bearer(&token);
    if let Some(seen) = table.accepted(at, what, &request) {
        table.same(what, seen.values("x-sub"), vec![SUB.to_owned()]);
        table.same(what, seen.values("x-level"), Vec::new());
        let lies: Vec<_> = seen
            .headers
            .iter()
            .filter(|(_, value)| value == b"spoofed")
            .collect();
        table.same(what, lies, Vec::new());
    }
}

/// A listener whose requests go where the tenant in the token says.
fn routed(name: &str, clear_route_cache: bool) -> Listener {
    let document = with(
        ruled(json!([{"match": {"path": "/open"}, "allow": "anyone"}])),
        &[
            (
                "claim_headers",
                json!([{"header": "x-tenant", "claim": "custom:tenant"}]),
            ),
            ("clear_route_cache", json!(clear_route_cache)),
        ],
    );
    Listener::new(name, document).routed_by("x-tenant", "acme", "own")
}

/// A tenant's requests go to the tenant's cluster: the token's claim decides, never the client's header.
/// Envoy chooses the route anew also unasked, whenever a module of this interface changes a header:
/// `envoy/RECIPES.md` says so. Should a later Envoy leave the route alone, this is where it shows.
fn claim_headers_may_choose_the_route(
    envoy: &EnvoyUnderTest,
    shared: &Upstream,
    own: &Upstream,
) -> usize {
    let ask = |tenant: &str| {
        let token = Token::id(POOL).claim("custom:tenant", tenant).mint();
        Request::get("/x").bearer(&token)
    };
    for listener in ["asked", "unasked"] {
        for (request, home) in [
            (ask("acme"), own),
            (ask("other"), shared),
            (ask("other").header("x-tenant", "acme"), shared),
            (Request::get("/open").header("x-tenant", "acme"), shared),
        ] {
            assert_eq!(request.send(envoy.at(listener)).status, 200, "{listener}");
            assert_eq!(home.seen(request.case()).len(), 1, "{listener}: at home");
            let all = shared.seen(request.case()).len() + own.seen(request.case()).len();
            assert_eq!(all, 1, "{listener}: and nowhere else");
        }
    }
    8
}
