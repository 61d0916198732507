//! `envoy/MCP.md`: its configurations agree with each other. `make test-mcp` runs all of it.

use serde_json::Value;

use crate::harness::markdown::Page;
use crate::pages::configurations::parse;

fn page() -> Page {
    Page::read("envoy/MCP.md")
}

#[track_caller]
fn marked(page: &Page, marker: &str) -> Value {
    let mut found = page.marked(marker);
    let (snippet, _) = found.next().expect(marker);
    assert!(found.next().is_none(), "{marker}");
    snippet.value()
}

#[test]
fn both_lists_of_rules_are_accepted() {
    let page = page();
    let mut document = marked(&page, "configuration");
    for rules in [document["rules"].clone(), marked(&page, "list of rules")] {
        document["rules"] = rules;
        let parsed = parse(&document);
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
