//! The table of request targets in `tests/vectors/paths.json`, sent through Envoy.
//!
//! Every rule asks for a scope of its own that the token lacks, so that the challenge of the 403
//! names the rule that was chosen.

use serde_json::{Value, json};

use crate::harness::bootstrap::Listener;
use crate::harness::client::Request;
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::Token;
use crate::harness::upstream::Upstream;

/// The names of the listeners for each rule set: paths as the client wrote them, and normalised.
const SETS: [(&str, &str, &str); 6] = [
    ("api", "api", "api-normalised"),
    ("sensitive", "sensitive", "sensitive-normalised"),
    ("regex", "regex", "regex-normalised"),
    ("hosts", "hosts", "hosts-normalised"),
    ("literals", "literals", "literals-normalised"),
    ("root", "root", "root-normalised"),
];

/// What the filter never gets to see: Envoy refuses a method in lower case, and turns the absolute
/// form into a path.
const ENVOYS_OWN: [&str; 2] = ["methods are compared exactly", "the absolute form"];

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/paths.json")).unwrap()
}

/// A pair of listeners for each rule set.
pub(crate) fn listeners() -> impl Iterator<Item = Listener> {
    let vectors = vectors();
    SETS.into_iter().flat_map(move |(set, raw, normalised)| {
        let document = document(&vectors["rule_sets"][set]);
        [
            Listener::new(raw, document.clone()).raw_paths(),
            Listener::new(normalised, document),
        ]
    })
}

pub(crate) fn every_target_of_the_table_is_under_its_rule(
    envoy: &EnvoyUnderTest,
    upstream: &Upstream,
) {
    let vectors = vectors();
    let token = Token::access(POOL).mint();
    let cases = vectors["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    let ours = |case: &&Value| !ENVOYS_OWN.iter().any(|why| case["why"] == *why);
    for case in cases.iter().filter(ours) {
        let (_, raw, normalised) = *SETS.iter().find(|(set, ..)| case["set"] == *set).unwrap();
        let text = |field: &str| case[field].as_str().unwrap();
        let request = Request::new(text("method"), latin1(text("target")))
            .host(text("host"))
            .bearer(&token);
        let found = chosen(&request, envoy, raw);
        if found != case["expect"] {
            wrong.push(format!("{case}: found {found}"));
        }
        // Envoy may have made the path safe, or refuse it itself; what is safe stays what it is.
        let found = chosen(&request, envoy, normalised);
        if found != case["expect"] && case["expect"] != "unsafe_path" {
            wrong.push(format!("normalised {case}: found {found}"));
        }
        assert!(upstream.seen(request.case()).is_empty(), "{case}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 120, "{} cases", cases.len());
}

/// The rule set, with a condition of its own for each rule.
fn document(set: &Value) -> Value {
    let matches = set["rules"].as_array().expect("a list").iter().enumerate();
    let rules: Vec<_> = matches
        .map(|(rule, matched)| {
            json!({"match": matched, "require": {"scopes": [format!("rule-{rule}")]}})
        })
        .collect();
    with(
        ruled(json!(rules)),
        &[
            ("default", json!("nobody")),
            ("path_case", set["path_case"].clone()),
        ],
    )
}

/// The rule under which the request is refused, as the table writes it.
fn chosen(request: &Request, envoy: &EnvoyUnderTest, listener: &str) -> Value {
    let response = request.send(envoy.at(listener));
    let challenge = response.header("www-authenticate").unwrap_or_default();
    let rule = challenge
        .split("scope=\"rule-")
        .nth(1)
        .and_then(|rest| rest.trim_end_matches('"').parse::<usize>().ok());
    match (response.status, rule) {
        (400, None) => json!("unsafe_path"),
        (403, Some(rule)) => json!(rule),
        (403, None) => json!("default"),
        (status, _) => json!(format!("status {status}, {challenge}")),
    }
}

/// The table writes a byte of a target as the character with its number.
fn latin1(target: &str) -> Vec<u8> {
    target
        .chars()
        .map(|character| u8::try_from(u32::from(character)).expect("a byte"))
        .collect()
}
