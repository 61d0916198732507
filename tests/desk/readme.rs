//! The pages, held against the tool: what it is said to print, the warnings it is said to know, and
//! their configurations.

use crate::harness::markdown::{Pages, span};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What `rules` snippets leave out.
const POOL: &str = "\
user_pools:
- user_pool_id: us-east-1_AbCdEf123
  client_ids: [4hq8abcd0123456789abcdefgh]
  jwks: {cluster: cognito_us_east_1}
";

fn tool(arguments: &[String], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .args(arguments)
        .current_dir(format!("{}/tests/desk/readme", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The tool need not read what it has no use for.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the tool ends")
}

#[test]
fn it_prints_what_the_pages_show() {
    let pages = Pages::read();
    let shown = pages.marked("tool");
    // `deny` writes a file: tests/desk/deny.rs has it.
    let shown =
        shown.filter(|(snippet, _)| !snippet.text.starts_with("$ cognito-authorizer deny "));
    let mut count = 0;
    for (snippet, _) in shown {
        let snippet = &snippet.text;
        count += 1;
        let (command, expected) = snippet.split_once('\n').expect("a command and its output");
        let command = command
            .strip_prefix("$ cognito-authorizer ")
            .expect("a command line");
        let (command, input) = command.split_once(" < ").unwrap_or((command, "/dev/null"));
        let arguments: Vec<_> = command.split(' ').map(str::to_owned).collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desk/readme/");
        let input = match input {
            "/dev/null" => String::new(),
            file => std::fs::read_to_string(format!("{folder}{file}")).expect(file),
        };
        let output = tool(&arguments, &input);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim_end(),
            expected.trim_end()
        );
    }
    assert_eq!(count, 3);
}

/// Whoever pastes a command line finds no option that there is not.
#[test]
fn every_command_line_is_one() {
    let pages = Pages::read();
    let shell = pages.snippets().filter(|snippet| snippet.language == "sh");
    let mut count = 0;
    for snippet in shell {
        let text = snippet.text.replace("\\\n", " ");
        let calls = text.split(['\n', '|']).map(str::trim);
        let calls = calls.filter_map(|line| line.strip_prefix("cognito-authorizer "));
        for call in calls {
            let call = call.split([';', '<', '>']).next().unwrap_or_default();
            let words = call.split_whitespace().chain(["--help"]);
            let arguments: Vec<_> = words.map(str::to_owned).collect();
            let status = tool(&arguments, "").status;
            assert!(status.success(), "{}: {call}", snippet.place);
            count += 1;
        }
    }
    assert!(count >= 5, "{count} command lines");
}

/// The findings in a text, as code and path.
fn findings(text: &str) -> Vec<(String, String)> {
    let arguments = ["check", "--format", "json", "-"].map(str::to_owned);
    let output = tool(&arguments, text);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings").iter();
    let member = |finding: &Value, name: &str| finding[name].as_str().expect("a text").to_owned();
    findings
        .map(|one| (member(one, "code"), member(one, "path")))
        .collect()
}

#[test]
fn the_warnings_are_those_of_the_table() {
    let pages = Pages::read();
    let table = pages.table("warnings");
    let listed: BTreeSet<_> = table.rows.iter().map(|row| span(&row[0])).collect();
    assert_eq!(listed.len(), table.rows.len());
    let output = tool(
        &["check", "--format", "sarif", "authorizer.yaml"].map(str::to_owned),
        "",
    );
    let log: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules");
    let warnings = rules
        .iter()
        .filter(|rule| rule["defaultConfiguration"]["level"] == "warning");
    let known: BTreeSet<_> = warnings.filter_map(|rule| rule["id"].as_str()).collect();
    assert_eq!(listed, known);
}

/// The pages' own configurations pass. What some of them are warned about is what the text beside them is
/// about; all of them have the same pool and app client, which are nobody's.
#[test]
fn the_configurations_of_the_pages_pass() {
    let mut warned = BTreeSet::new();
    let mut checked = 0;
    for page in &Pages::read().all {
        let configurations = page.marked("configuration");
        let configurations = configurations.map(|(snippet, _)| snippet.text.clone());
        let rules = page.marked("rules").map(|(snippet, _)| {
            let rules = &snippet.text;
            let token = match rules.contains("token:") {
                true => "",
                false => "token: {use: any}\n",
            };
            let pool = match rules.contains("user_pools:") {
                true => "",
                false => POOL,
            };
            format!("{pool}{token}{rules}")
        });
        for configuration in configurations.chain(rules) {
            let found = findings(&configuration);
            let found = found.into_iter().filter(|(code, _)| code != "placeholder");
            warned.extend(found.map(|(code, path)| (page.path.clone(), code, path)));
            checked += 1;
        }
    }
    assert!(checked > 35, "{checked}");
    let claim = |rule: &str, claim: &str| format!("rules[{rule}].require.claims[\"{claim}\"]");
    let expected = [
        // What should be refused is only reported, and what a router adds falls to the default.
        ("envoy/ADOPTING.md", "not-enforced", "enforce".to_owned()),
        ("envoy/ADOPTING.md", "weak-default", "default".to_owned()),
        // "an upstream that looks at methods"
        (
            "envoy/BROWSER.md",
            "preflight-pass",
            "cors_preflight".to_owned(),
        ),
        // "This rests on one thing: users cannot write the attribute themselves."
        (
            "envoy/RECIPES.md",
            "mutable-attribute",
            claim("0", "custom:tenant_id"),
        ),
        // "Ids are compared to the letter."
        (
            "envoy/RULES.md",
            "user-chosen-name",
            claim("1", "cognito:username"),
        ),
        (
            "envoy/RULES.md",
            "mutable-attribute",
            claim("0", "custom:roles"),
        ),
        (
            "envoy/RULES.md",
            "mutable-attribute",
            claim("0", "custom:tenant_id"),
        ),
        (
            "envoy/RULES.md",
            "mutable-attribute",
            claim("1", "custom:org"),
        ),
        (
            "envoy/RULES.md",
            "mutable-attribute",
            claim("1", "custom:plan"),
        ),
        (
            "envoy/RULES.md",
            "mutable-attribute",
            claim("1", "custom:teams"),
        ),
        (
            "envoy/RULES.md",
            "mutable-attribute",
            claim("2", "custom:code"),
        ),
    ];
    let expected = expected.map(|(page, code, path)| (page.to_owned(), code.to_owned(), path));
    assert_eq!(warned, BTreeSet::from(expected));
}

/// Problems are the words that Envoy logs, as they are shown.
#[test]
fn a_refused_configuration_is_refused_in_the_words_of_the_page() {
    let pages = Pages::read();
    let (config, _) = pages.marked("refused").next().expect("the example");
    let (problems, _) = pages.marked("problems").next().expect("its problems");
    let output = tool(&["check", "-"].map(str::to_owned), &config.text);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let printed: BTreeSet<_> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("problem: "))
        .collect();
    assert_eq!(printed, problems.text.lines().collect());
}
