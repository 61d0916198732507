//! Whole configurations, and one that is refused.

use cognito_authorizer::config::{self, Problems};
use cognito_authorizer::deny_list::{DenyList, Kind};
use cognito_authorizer::policy::Policy;
use serde_json::Value;

use crate::harness::markdown::{Block, Pages, Snippet};

/// The least that is accepted, as the page shows it.
pub(crate) fn minimum() -> Value {
    let pages = Pages::read();
    let (snippet, _) = pages
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

/// A whole configuration, which the filter takes.
pub(crate) fn accepted(snippet: &Snippet, _: &str) {
    if let Err(problems) = parse(&snippet.value()) {
        panic!("{}:\n{problems}", snippet.place);
    }
}

pub(crate) fn deny_list(snippet: &Snippet, _: &str) {
    let list = DenyList::parse(snippet.text.trim().as_bytes());
    let entries = list.map(|list| list.len());
    assert!(entries.is_ok_and(|count| count > 0), "{}", snippet.place);
}

/// A policy of IAM that allows this action.
pub(crate) fn iam_policy(snippet: &Snippet, action: &str) {
    let policy = snippet.value();
    let [statement] = policy["Statement"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    else {
        panic!("{}: one statement", snippet.place);
    };
    assert_eq!(statement["Effect"], "Allow", "{}", snippet.place);
    assert_eq!(statement["Action"], action, "{}", snippet.place);
}

/// One of the lists that are shown has an entry of each kind.
#[test]
fn a_deny_list_shows_every_kind_of_entry() {
    let pages = Pages::read();
    let whole = pages.marked("deny list").find(|(snippet, _)| {
        DenyList::parse(snippet.text.as_bytes()).is_ok_and(|list| list.len() == Kind::ALL.len())
    });
    let (snippet, _) = whole.expect("a list of every kind");
    for kind in Kind::ALL {
        assert!(snippet.text.contains(&format!("{:?}", kind.name())));
    }
}

#[test]
fn both_spellings_of_the_minimum_mean_the_same() {
    let pages = Pages::read();
    let mut spellings = pages
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
    let pages = Pages::read();
    let mut count = 0;
    for page in &pages.all {
        for pair in page.blocks.windows(2) {
            let [Block::Snippet(refused), Block::Snippet(problems)] = pair else {
                continue;
            };
            let markers = [refused, problems].map(|snippet| snippet.marker.as_deref());
            if markers == [Some("refused"), Some("problems")] {
                let found = parse(&refused.value()).expect_err("a refusal").to_string();
                assert_eq!(found + "\n", problems.text, "{}", refused.place);
                count += 1;
            }
        }
    }
    let marked = |words| pages.marked(words).count();
    assert_eq!((count, marked("refused"), marked("problems")), (1, 1, 1));
}
