//! `envoy/MCP.md`: its configurations are accepted and agree with each other, and what it says of answers
//! is what the filter answers. `make test-mcp` runs all of it.

use cognito_authorizer::config;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::reply::{Occasion, Responses};
use serde_json::Value;

use crate::harness::markdown::{Block, Page, spans};

fn page() -> Page {
    Page::read("envoy/MCP.md")
}

#[track_caller]
fn marked(page: &Page, marker: &str) -> Value {
    let mut found = page.marked(marker);
    let (snippet, _) = found.next().expect(marker);
    assert!(found.next().is_none(), "{marker}");
    serde_yaml_ng::from_str(&snippet.text).expect(marker)
}

#[test]
fn every_snippet_is_checked() {
    let page = page();
    for block in &page.blocks {
        let Block::Snippet(snippet) = block else {
            continue;
        };
        match (block.marker(), snippet.language.as_str()) {
            (Some("configuration" | "rules" | "virtual host"), "yaml")
            // tests/mcp runs these.
            | (Some("server" | "client"), "python")
            | (None, "sh") => {}
            other => panic!("line {}: what is this? {other:?}", block.line()),
        }
    }
    let mut document = marked(&page, "configuration");
    for rules in [document["rules"].clone(), marked(&page, "rules")] {
        document["rules"] = rules;
        let parsed = config::parse(document.to_string().as_bytes());
        assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
    }
}

/// Whom the resource trusts is whom the other metadata is about, and scopes are the same in all places.
#[test]
fn the_two_kinds_of_metadata_agree() {
    let page = page();
    let document = marked(&page, "configuration");
    let resource = &document["protected_resources"][0];
    let host = marked(&page, "virtual host");
    let answered = &host["routes"][0]["direct_response"]["body"]["inline_string"];
    let server: Value = serde_json::from_str(answered.as_str().expect("a text")).expect("JSON");
    assert_eq!(resource["authorization_servers"][0], server["issuer"]);
    assert_eq!(resource["scopes_supported"], server["scopes_supported"]);
    assert_eq!(host["domains"], resource["match"]["hosts"]);
    let path = &host["routes"][0]["match"]["path"];
    assert_eq!(path, &document["rules"][0]["match"]["path"]);
    let identifier = resource["resource"].as_str().expect("a URL");
    assert!(page.text.contains(&format!("--identifier {identifier} ")));
}

#[test]
fn answers_are_the_ones_that_are_given() {
    let page = page();
    let mut tables = page.tables().filter(|table| table.has("answer"));
    let table = tables.next().expect("a table of answers");
    let (answer, reason) = (table.column("answer"), table.column("reason"));
    let mut refused = 0;
    for row in &table.rows {
        let [code] = spans(&row[reason])[..] else {
            assert!(row[answer].starts_with("200"), "{row:?}");
            continue;
        };
        let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code);
        let refusal = Refusal::Plain(reason.unwrap_or_else(|| panic!("{code} is no reason")));
        let status = Responses::default()
            .reply(&refusal, &Occasion::default())
            .status
            .to_string();
        assert!(row[answer].starts_with(&status), "{row:?}");
        refused += 1;
    }
    assert_eq!(refused, 6, "refusals");
}
