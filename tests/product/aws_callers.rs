//! `envoy/AWS-CALLERS.md`: its configurations are accepted, its policy is JSON, and what it says of
//! answers is what the filter answers. Its clients are run in `e2e/aws_callers.rs`.

use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::reply::{Occasion, Responses};
use serde_json::Value;

use crate::harness::markdown::{Block, Page, spans};

fn page() -> Page {
    Page::read("envoy/AWS-CALLERS.md")
}

#[test]
fn every_snippet_is_checked() {
    let mut configurations = 0;
    for block in &page().blocks {
        let Block::Snippet(snippet) = block else {
            continue;
        };
        match (block.marker(), snippet.language.as_str()) {
            (Some("configuration"), "yaml") => {
                let document: Value = serde_yaml_ng::from_str(&snippet.text).expect("YAML");
                let policy = cognito_authorizer::config::parse(document.to_string().as_bytes());
                let policy = policy.unwrap_or_else(|problems| panic!("{problems}"));
                assert_eq!(policy.issuers.accounts().len(), 1);
                configurations += 1;
            }
            (Some("policy"), "json") => {
                let policy: Value = serde_json::from_str(&snippet.text).expect("JSON");
                assert_eq!(policy["Statement"][0]["Action"], "sts:GetWebIdentityToken");
            }
            (Some("client"), "python" | "javascript" | "sh") | (None, "sh") => {}
            other => panic!("line {}: what is this? {other:?}", block.line()),
        }
    }
    assert_eq!(configurations, 1);
}

#[test]
fn answers_are_the_ones_that_are_given() {
    let page = page();
    let mut tables = page.blocks.iter().filter_map(|block| match block {
        Block::Table(table) if table.has("answer") => Some(table),
        Block::Table(_) | Block::Snippet(_) => None,
    });
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
        let reply = Responses::default().reply(&refusal, &Occasion::default());
        assert_eq!(row[answer], reply.status.to_string(), "{row:?}");
        refused += 1;
    }
    assert!(refused >= 6, "{refused} refusals");
}
