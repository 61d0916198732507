//! SARIF: what section 3 of the specification asks of a log, for every finding that there is.

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// A log of everything in the folders of `check`.
fn log() -> Value {
    let mut files = Vec::new();
    for folder in ["documents", "problems", "warnings"] {
        let folder = format!("tests/desk/check/{folder}");
        for entry in std::fs::read_dir(&folder).expect("the folder") {
            files.push(entry.expect("an entry").path());
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .args(["check", "--format", "sarif"])
        .args(&files)
        .output()
        .expect("the tool starts");
    // Some of them cannot be read.
    assert_eq!(output.status.code(), Some(2));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_log_is_what_the_specification_asks_for() {
    let log = log();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"].as_array().map(Vec::len), Some(1));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let mut seen = BTreeSet::new();
    for result in run["results"].as_array().expect("results") {
        let at = result["ruleIndex"].as_u64().expect("an index");
        let rule = &rules[usize::try_from(at).expect("small")];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(rule["defaultConfiguration"]["level"], result["level"]);
        assert!(matches!(
            result["level"].as_str(),
            Some("error" | "warning")
        ));
        assert!(
            !result["message"]["text"]
                .as_str()
                .expect("a text")
                .is_empty()
        );
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().expect("a URI");
        let text = std::fs::read_to_string(uri).expect("a relative URI names the file");
        let region = &place["region"];
        let number = |name: &str| region[name].as_u64();
        let (line, column) = (number("startLine"), number("startColumn"));
        assert!(line >= Some(1) && column >= Some(1), "{result}");
        let lines = u64::try_from(text.lines().count()).expect("few");
        // What is missing at the end may be shown on the line after it.
        assert!(line <= Some(lines + 1), "{result}");
        if let Some(end) = number("endLine") {
            assert!(
                (Some(end), number("endColumn")) > (line, column),
                "{result}"
            );
        }
        seen.insert(result["ruleId"].as_str().expect("an id").to_owned());
    }
    // The files of these tests have something to show for every rule.
    let all: BTreeSet<_> = rules
        .iter()
        .map(|rule| rule["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(seen, all);
}
