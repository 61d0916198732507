//! `envoy/BROWSER.md`: its tables are what the filter does. The same is
//! run in Envoy by `e2e/navigation.rs` and `e2e/sockets.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::header::HeaderEdit;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::request::Request;

use crate::harness::markdown::{Page, Table, spans};
use crate::pages::configurations::parse;

fn page() -> Page {
    Page::read("envoy/BROWSER.md")
}

/// The configurations, in their order.
fn policies() -> Vec<Policy> {
    let page = page();
    let configurations = page.marked("configuration");
    let policies = configurations.map(|(snippet, _)| {
        parse(&snippet.value()).unwrap_or_else(|problems| panic!("{problems}"))
    });
    policies.collect()
}

fn table<'p>(page: &'p Page, column: &str) -> &'p Table {
    let mut tables = page
        .tables()
        .filter(|table| table.has(column) && !table.has("token"));
    tables.next().expect("a table")
}

fn request(lines: &[(&str, &str)]) -> Request {
    let lines = lines.iter();
    let lines = lines.map(|(name, value)| ((*name).to_owned().into(), value.as_bytes().to_vec()));
    Request::new(lines.collect())
}

#[test]
fn pages_are_answered_as_the_table_says() {
    let (policies, page) = (policies(), page());
    assert_eq!(policies.len(), 3);
    let table = table(&page, "answer");
    for row in &table.rows {
        let (method, path) = spans(&row[0])[0].split_once(' ').expect("a request");
        let (name, value) = spans(&row[1])[0].split_once(": ").expect("a header");
        let request = request(&[(":method", method), (":path", path), (name, value)]);
        let refusal = Refusal::Plain(Reason::MissingToken);
        let reply = policies[0].reply(&request, &refusal);
        let location = reply.headers.iter().find(|(name, _)| name == "location");
        let answer = match location {
            Some((_, location)) => format!("{} `{location}`", reply.status),
            None => reply.status.to_string(),
        };
        assert_eq!(answer, row[2], "{row:?}");
    }
    assert_eq!(table.rows.len(), 5);
}

#[test]
fn subprotocols_are_taken_off_as_the_table_says() {
    let (policies, page) = (policies(), page());
    let table = table(&page, "of the upstream");
    for row in &table.rows {
        let encoded = URL_SAFE_NO_PAD.encode("a.b.c");
        let given = spans(&row[0])[0]
            .replace("{token}", "a.b.c")
            .replace("{token64}", &encoded);
        let request = request(&[
            (":method", "GET"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", &given),
        ]);
        let kept = match policies[1].token.sources.hide(&request) {
            Some(HeaderEdit::Set(_, value)) => String::from_utf8(value).expect("text"),
            Some(HeaderEdit::Remove(_)) => String::new(),
            None => given.clone(),
        };
        assert_eq!(kept, spans(&row[1])[0], "{row:?}");
        let token = policies[1].token.sources.extract(&request);
        let found = token.expect("one at most").is_some();
        assert_eq!(found, kept != given, "{row:?}");
    }
    assert_eq!(table.rows.len(), 3);
}
