//! Whole configurations, and one that is refused.

use cognito_authorizer::config::{self, Problems};
use cognito_authorizer::deny_list::{DenyList, Kind};
use cognito_authorizer::policy::Policy;
use serde_json::Value;

use crate::harness::markdown::{Block, Page};

/// The least that is accepted, as the page shows it.
pub(crate) fn minimum() -> Value {
    let page = Page::readme();
    let (snippet, _) = page
        .marked("configuration minimum")
        .next()
        .expect("the minimum");
    snippet.value()
}

pub(crate) fn parse(document: &Value) -> Result<Policy, Problems> {
    config::parse(document.to_string().as_bytes())
}

/// Everything that a policy says. Hash maps print their entries in any order, so lines are sorted.
pub(crate) fn summary(policy: &Policy) -> String {
    let printed = format!("{policy:#?}");
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn configurations_are_accepted() {
    let page = Page::readme();
    let mut count = 0;
    for (snippet, _) in page.marked("configuration") {
        if let Err(problems) = parse(&snippet.value()) {
            panic!("line {}:\n{problems}", snippet.line);
        }
        count += 1;
    }
    assert!(count >= 2, "{count} configurations");
}

/// The example of a deny list is one, with an entry of each kind.
#[test]
fn the_deny_list_is_read() {
    let page = Page::readme();
    let (snippet, _) = page.marked("deny list").next().expect("a list");
    let list = DenyList::parse(snippet.text.as_bytes()).expect("a list");
    assert_eq!(list.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert!(snippet.text.contains(&format!("{:?}", kind.name())));
    }
}

#[test]
fn both_spellings_of_the_minimum_mean_the_same() {
    let page = Page::readme();
    let mut spellings = page
        .marked("configuration minimum")
        .map(|(snippet, _)| snippet);
    let (one, other) = (
        spellings.next().expect("one"),
        spellings.next().expect("another"),
    );
    assert_eq!(
        (one.language.as_str(), other.language.as_str()),
        ("yaml", "json")
    );
    assert_eq!(one.value(), other.value());
    // Nothing of it can be left out: it is the minimum.
    for path in ["user_pools", "token"] {
        let mut less = one.value();
        less.as_object_mut().unwrap().remove(path);
        assert!(parse(&less).is_err(), "{path}");
    }
    for path in ["user_pool_id", "client_ids", "jwks"] {
        let mut less = one.value();
        less["user_pools"][0].as_object_mut().unwrap().remove(path);
        assert!(parse(&less).is_err(), "{path}");
    }
}

#[test]
fn problems_read_as_shown() {
    let page = Page::readme();
    let mut count = 0;
    for pair in page.blocks.windows(2) {
        let [Block::Snippet(refused), Block::Snippet(problems)] = pair else {
            continue;
        };
        if refused.marker.as_deref() == Some("refused") {
            let found = parse(&refused.value()).expect_err("a refusal").to_string();
            assert_eq!(found + "\n", problems.text, "line {}", refused.line);
            count += 1;
        }
    }
    assert_eq!(count, 1);
}
