//! Definitions of API Gateway, imported by the desk tool: Envoy gives the verdicts that they ask for.
//!
//! Each definition has a table beside it that says what every request gets with every token. It was
//! written from the definition by a person; nothing of it is computed by what it tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::bootstrap::{KEYS_CLUSTER, Listener, Setup};
use crate::harness::client::Request;
use crate::harness::document::OTHER_CLIENT;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{CLIENT, TestKey, Token, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;

const CUSTOMERS: &str = "us-east-1_Customers";
const STAFF: &str = "us-east-1_Staff0001";
const STRANGERS: &str = "us-east-1_Strangers";

const TOOL: &str = env!("CARGO_BIN_EXE_cognito-authorizer");

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/openapi")
}

fn tool(arguments: &[&str]) -> Output {
    let tool = Command::new(TOOL).args(arguments).output();
    tool.expect("the desk tool")
}

/// Imports a definition, has the result checked, and returns it as Envoy would read it.
#[track_caller]
fn imported(definition: &str, options: &[&str]) -> Value {
    let definition = vectors().join(definition);
    let name = definition.file_name().expect("a name").to_string_lossy();
    let written = format!("{}/imported-{name}.yaml", env!("CARGO_TARGET_TMPDIR"));
    let definition = definition.display().to_string();
    let mut arguments = vec!["import", &definition, "--output", &written];
    arguments.extend(options);
    arguments.extend(["--cluster", KEYS_CLUSTER]);
    let import = tool(&arguments);
    // Some of it cannot be carried over: that is what 1 says.
    assert_eq!(import.status.code(), Some(1), "{import:?}");
    let check = tool(&["check", &written]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let text = std::fs::read_to_string(&written).expect("what was written");
    serde_yaml_ng::from_str(&text).expect("YAML")
}

/// A token of each sort, under the names that the tables have for them.
fn tokens() -> Vec<(&'static str, Option<String>)> {
    let access = |pool: &str, scope: &str| Token::access(pool).claim("scope", scope).mint();
    let forged = Token::id(CUSTOMERS)
        .signed_by(TestKey::third())
        .header("kid", TestKey::first().kid());
    let expired = Token::id(CUSTOMERS).claim("exp", now() - 3600);
    let minted = [
        ("customer id", Token::id(CUSTOMERS).mint()),
        ("customer access", Token::access(CUSTOMERS).mint()),
        ("customer read", access(CUSTOMERS, "openid orders/read")),
        ("customer write", access(CUSTOMERS, "orders/write")),
        ("staff id", Token::id(STAFF).mint()),
        ("staff orders", access(STAFF, "orders/admin")),
        ("staff admin read", access(STAFF, "admin/read")),
        ("staff admin all", access(STAFF, "admin/all")),
        (
            "other client",
            Token::id(CUSTOMERS).claim("aud", OTHER_CLIENT).mint(),
        ),
        ("other client write", access_of_other_client("orders/write")),
        ("other pool", Token::id(STRANGERS).mint()),
        (
            "other pool write",
            access(STRANGERS, "orders/write orders/admin admin/all"),
        ),
        ("expired", expired.mint()),
        ("forged", forged.mint()),
        ("garbage", "garbage".to_owned()),
    ];
    let minted = minted.into_iter().map(|(name, token)| (name, Some(token)));
    std::iter::once(("none", None)).chain(minted).collect()
}

fn access_of_other_client(scope: &str) -> String {
    let token = Token::access(CUSTOMERS).claim("client_id", OTHER_CLIENT);
    token.claim("scope", scope).mint()
}

/// What a table says of one request.
struct Row {
    method: String,
    path: String,
    open: bool,
    closed: bool,
    passes: Vec<String>,
    forbidden: Vec<String>,
}

fn rows(table: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(vectors().join(table)).expect("a table");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let rows = table["rows"].as_array().expect("rows").iter();
    let rows = rows.map(|row| {
        let known = ["request", "open", "closed", "passes", "forbidden", "why"];
        let fields = row.as_object().expect("a row");
        assert!(
            fields.keys().all(|name| known.contains(&name.as_str())),
            "{row}"
        );
        let (method, path) = row["request"]
            .as_str()
            .and_then(|request| request.split_once(' '))
            .expect("a request");
        let names = |field: &str| {
            let names = row[field].as_array().into_iter().flatten();
            names
                .map(|name| name.as_str().expect("a name").to_owned())
                .collect()
        };
        Row {
            method: method.to_owned(),
            path: path.to_owned(),
            open: row["open"] == true,
            closed: row["closed"] == true,
            passes: names("passes"),
            forbidden: names("forbidden"),
        }
    });
    rows.collect()
}

/// Sends every request of the table with every token.
#[track_caller]
fn verdicts(at: SocketAddr, table: &str, upstream: &Upstream) -> usize {
    let tokens = tokens();
    let rows = rows(table);
    let mut failures = Vec::new();
    for row in &rows {
        let named = row.passes.iter().chain(&row.forbidden);
        for name in named {
            assert!(
                tokens.iter().any(|(known, _)| known == name),
                "no token {name}"
            );
        }
        for (name, token) in &tokens {
            let mut request = Request::new(&row.method, &row.path);
            if let Some(token) = token {
                request = request.bearer(token);
            }
            let is = |names: &[String]| names.iter().any(|one| one == name);
            let expected = match row {
                Row { open: true, .. } => 200,
                Row { closed: true, .. } => 403,
                _ if is(&row.passes) => 200,
                _ if is(&row.forbidden) => 403,
                _ => 401,
            };
            let response = request.send(at);
            let reached = upstream.seen(request.case()).len();
            if (response.status, reached) != (expected, usize::from(expected == 200)) {
                failures.push(format!(
                    "{} {} with {name}: expected {expected}; found {} and {reached} at the upstream",
                    row.method, row.path, response.status
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    rows.len() * tokens.len()
}

const REST: [&str; 4] = ["--client-ids", CLIENT, "--base-path", "/v1"];

/// The same API in each form of a definition; of a REST API's two forms the verdicts are the same.
#[test]
fn an_imported_api_gives_the_verdicts_that_it_asks_for() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    for pool in [CUSTOMERS, STAFF, STRANGERS] {
        keys.publish(pool, &[TestKey::first()]);
    }
    let forms = [
        (
            "shop.swagger.yaml",
            &REST[..],
            "shop.rest.verdicts.json",
            600,
        ),
        ("shop.openapi.json", &REST, "shop.rest.verdicts.json", 600),
        ("shop.http.yaml", &[], "shop.http.verdicts.json", 400),
    ];
    let setup = Setup::new(&keys, &upstream);
    let setup = forms
        .iter()
        .fold(setup, |setup, (definition, options, ..)| {
            setup.listener(Listener::new(definition, imported(definition, options)))
        });
    let envoy = EnvoyUnderTest::start(&setup);
    for (definition, _, table, least) in forms {
        println!("{definition}");
        let sent = verdicts(envoy.at(definition), table, &upstream);
        assert!(sent > least, "{definition}: {sent}");
    }
    replies_and_the_patterns_of_gateway_responses_come_along(envoy.at("shop.swagger.yaml"));
}

fn replies_and_the_patterns_of_gateway_responses_come_along(at: SocketAddr) {
    let denied = Request::get("/v1/reports").send(at);
    assert_eq!(denied.status, 403);
    assert_eq!(denied.header("x-denied-by"), Some("shop"));
    assert_eq!(
        denied.body,
        r#"{"denied": "User is not authorized to access this resource"}"#
    );
    // A REST API's own words, since the definition has none for these.
    let unauthorized = Request::get("/v1/orders").send(at);
    assert_eq!(unauthorized.status, 401);
    assert_eq!(
        unauthorized.header("x-amzn-errortype"),
        Some("UnauthorizedException")
    );
    assert_eq!(unauthorized.header("www-authenticate"), None);
}

#[test]
fn the_tables_have_every_operation() {
    for (definition, table, base) in [
        ("shop.swagger.yaml", "shop.rest.verdicts.json", "/v1"),
        ("shop.openapi.json", "shop.rest.verdicts.json", "/v1"),
        ("shop.http.yaml", "shop.http.verdicts.json", ""),
    ] {
        let text = std::fs::read_to_string(vectors().join(definition)).expect("a definition");
        let definition: Value = serde_yaml_ng::from_str(&text).expect("YAML");
        let rows = rows(table);
        let mut operations = 0;
        for (path, item) in definition["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("a path item").keys() {
                operations += 1;
                let any = method.starts_with("x-");
                let route: Vec<_> = path.split('/').skip(1).collect();
                let asked = rows.iter().any(|row| {
                    let rest = row.path.strip_prefix(base).unwrap_or("");
                    let rest = rest.trim_matches('/');
                    let parts: Vec<_> = rest.split('/').collect();
                    let greedy = route.last().is_some_and(|last| last.ends_with("+}"));
                    let fits = |(one, part): (&&str, &&str)| one.starts_with('{') || one == part;
                    let length = parts.len() == route.len() || greedy && parts.len() > route.len();
                    let matches = length && route.iter().zip(&parts).all(fits);
                    (matches || path == "/$default")
                        && (any || row.method.eq_ignore_ascii_case(method))
                });
                assert!(asked, "{table}: {method} {path}");
            }
        }
        assert!(operations >= 20, "{operations}");
    }
}
