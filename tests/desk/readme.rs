//! README.md, held against the tool: what it is said to print, the warnings it is said to know, and
//! its own configurations.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const README: &str = include_str!("../../README.md");

/// What `rules` snippets leave out.
const POOL: &str = "\
user_pools:
- user_pool_id: us-east-1_AbCdEf123
  client_ids: [4hq8abcd0123456789abcdefgh]
  jwks: {cluster: cognito_us_east_1}
";

/// The snippets of a language under a comment that begins with this word.
fn marked(word: &str, language: &str) -> Vec<&'static str> {
    let comment = format!("<!-- {word}");
    let after = README.split(&comment).skip(1);
    let snippets = after.filter_map(|after| {
        let (_, after) = after.split_once("-->\n")?;
        let (text, _) = after
            .strip_prefix(&format!("```{language}\n"))?
            .split_once("\n```\n")?;
        Some(text)
    });
    snippets.collect()
}

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
fn it_prints_what_the_readme_shows() {
    let shown = marked("tool", "console");
    assert_eq!(shown.len(), 3);
    for snippet in shown {
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
    let (_, table) = README.split_once("<!-- warnings -->\n").expect("the table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let listed: BTreeSet<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
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

/// The README's own configurations pass, and none has a strict rule over a weaker default: what a
/// router adds to a path would fail open. What some of them are warned about is what the text beside
/// them is about.
#[test]
fn the_readmes_configurations_pass() {
    let mut warned = BTreeSet::new();
    let mut checked = 0;
    for language in ["yaml", "json"] {
        for snippet in marked("configuration", language) {
            warned.extend(findings(snippet));
            checked += 1;
        }
    }
    for snippet in marked("rules", "yaml") {
        let token = if snippet.contains("token:") {
            ""
        } else {
            "token: {use: any}\n"
        };
        let pool = if snippet.contains("user_pools:") {
            ""
        } else {
            POOL
        };
        warned.extend(findings(&format!("{pool}{token}{snippet}\n")));
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
    let expected = [
        // The pool and the app client that they all have.
        ("placeholder", "user_pools[0].client_ids[0]"),
        ("placeholder", "user_pools[0].user_pool_arn"),
        ("placeholder", "user_pools[0].user_pool_id"),
        // "an upstream that looks at methods"
        ("preflight-pass", "cors_preflight"),
        // "Ids are compared to the letter."
        (
            "user-chosen-name",
            "rules[1].require.claims[\"cognito:username\"]",
        ),
        // "This rests on one thing: users cannot write the attribute themselves."
        (
            "mutable-attribute",
            "rules[0].require.claims[\"custom:tenant_id\"]",
        ),
    ];
    let expected = expected.map(|(code, path)| (code.to_owned(), path.to_owned()));
    assert_eq!(warned, BTreeSet::from(expected));
}

/// Problems are the words that Envoy logs, as the README shows them.
#[test]
fn a_refused_configuration_is_refused_in_the_readmes_words() {
    let (_, after) = README
        .split_once("<!-- refused -->\n```yaml\n")
        .expect("the example");
    let (config, after) = after.split_once("\n```\n").expect("an end");
    let problems = after
        .trim_start()
        .strip_prefix("```text\n")
        .expect("the problems");
    let (problems, _) = problems.split_once("\n```").expect("an end");
    let output = tool(&["check", "-"].map(str::to_owned), config);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let printed: BTreeSet<_> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("problem: "))
        .collect();
    assert_eq!(printed, problems.lines().collect());
}
