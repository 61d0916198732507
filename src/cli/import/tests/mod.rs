//! Definitions at random: whatever they say, no door is wider than the definition asks for.

#![allow(clippy::arithmetic_side_effects)]

mod beyond;
mod hidden;
mod random;
mod reference;
#[path = "../../../../tests/harness/seed.rs"]
mod seed;
mod told;

use super::Args;
use super::conversion::{Imported, import};
use super::definition::{Api, Definition};
use crate::document::{Dialect, Document, Source};
use clap::Parser;
use cognito_authorizer::config;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::index::Target;
use random::{definition, schemes};
use reference::{Asks, asks, is_no_wider, operations};
use seed::Seed;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn imported(definition: &Value, options: &[&str]) -> anyhow::Result<Imported> {
    imported_text(definition.to_string(), options)
}

fn imported_text(definition: String, options: &[&str]) -> anyhow::Result<Imported> {
    let words = ["import", "-"].iter().chain(options);
    let args = Cli::parse_from(words).args;
    let source = Source::new("test", definition);
    let document = Document::only_in(&source, Dialect::Definition)?;
    import(&Definition::new(&document, args.api)?, &args, "test")
}

/// The configuration as the filter has it.
fn policy(imported: &Imported) -> Policy {
    let document = Document::only(&Source::new("test", imported.text.clone())).unwrap();
    config::parse(document.value.to_string().as_bytes()).unwrap()
}

fn requests() -> Vec<(String, &'static str)> {
    let parts = ["a", "b", "c", "A", "d", "a-b"];
    let mut paths = vec!["/".to_owned()];
    for one in parts {
        paths.push(format!("/{one}"));
        for two in parts {
            paths.push(format!("/{one}/{two}"));
            for three in ["a", "d"] {
                paths.push(format!("/{one}/{two}/{three}"));
                paths.push(format!("/{one}/{two}/{three}/a"));
            }
        }
    }
    let methods = ["GET", "HEAD", "POST", "PATCH"];
    paths
        .iter()
        .flat_map(|path| methods.map(|method| (path.clone(), method)))
        .collect()
}

#[test]
fn no_door_is_wider_than_the_definition_asks_for() {
    let mut random = Seed::from_variable("IMPORT_SEED");
    let requests = requests();
    let (mut open, mut guarded, mut functions, mut closed, mut refused) = (0, 0, 0, 0, 0);
    // The test would be worth nothing if all of them were closed.
    let mut thrown = 0;
    while thrown < 150 || open < 1_000 || guarded < 1_000 || functions < 100 {
        thrown += 1;
        assert!(thrown < 1_500, "definitions ask for next to nothing");
        let definition = definition(&mut random);
        let api = random.pick(&[Api::Rest, Api::Http]);
        let option = if api == Api::Rest {
            "--api=rest"
        } else {
            "--api=http"
        };
        // Other authorizers' places and patterns are the only thing that is chosen by their number.
        let asked = random.below(3) > 0;
        let mut options = vec![option, "--any-client", "--authorizer=a"];
        let calls = [
            "--lambda-cluster=functions",
            "--api-id=x9y8z7w6v5",
            "--stage=live",
        ];
        if asked {
            options.extend(calls);
        }
        let Ok(imported) = imported(&definition, &options) else {
            refused += 1;
            continue;
        };
        let policy = policy(&imported);
        for (path, method) in &requests {
            let target = Target {
                path: Some(path.as_bytes()),
                method: Some(method.as_bytes()),
                authority: Some(b"localhost"),
            };
            let Ok((ruling, _)) = policy.rules.choose(&target) else {
                closed += 1;
                continue;
            };
            let access = policy.rules.access(ruling);
            let mut operations = operations(&definition, api, path, method);
            if operations.is_empty() && *method == "HEAD" {
                // Servers answer it as they answer GET, and so do rules.
                operations = self::operations(&definition, api, path, "GET");
            }
            let asked_for: Vec<_> = operations
                .iter()
                .map(|one| asks(&definition, one, api))
                .collect();
            let right = match access {
                Access::Nobody => true,
                _ if asked_for.is_empty() => false,
                Access::Optional(_) => false,
                // By that function, and only where the command line names a cluster.
                Access::Authorizer(index) => {
                    let name = &policy.authorizers[index.0].name;
                    asked
                        && asked_for
                            .iter()
                            .all(|one| matches!(one, Asks::Function(asks) if asks == name))
                }
                Access::Anyone => asked_for.iter().all(|one| *one == Asks::Nothing),
                Access::Require(requirement) => asked_for.iter().all(|one| match one {
                    Asks::Nothing => true,
                    Asks::Other | Asks::Function(_) => false,
                    Asks::Token(scheme, scopes) => {
                        is_no_wider(requirement, &policy, scheme, scopes)
                    }
                }),
            };
            // Nor is one narrower, where what is asked for is plain.
            let right = right
                && match asked_for.as_slice() {
                    _ if *method == "HEAD" => true,
                    [Asks::Nothing] => matches!(access, Access::Anyone),
                    [Asks::Token(..)] => matches!(access, Access::Require(_)),
                    [Asks::Function(_)] if asked => matches!(access, Access::Authorizer(_)),
                    _ => true,
                };
            assert!(
                right,
                "{method} {path}: {access:?}, but {asked_for:?}\n{definition:#}\n{}",
                imported.text
            );
            match access {
                Access::Nobody => closed += 1,
                Access::Anyone => open += 1,
                Access::Optional(_) => panic!("no API has it"),
                Access::Authorizer(_) => functions += 1,
                Access::Require(_) => guarded += 1,
            }
        }
    }
    println!(
        "{open} open, {guarded} guarded, {functions} by functions, {closed} closed, {refused} refused"
    );
    assert!(refused * 10 < thrown);
}

/// Definitions of which any part may be gone, or something else: none is a panic, and what comes of
/// them is a configuration that the filter accepts, or an error.
#[test]
fn whatever_stands_in_a_definition_is_read_or_refused() {
    let mut random = Seed::from_variable("IMPORT_SEED");
    let files = std::fs::read_dir("tests/vectors/openapi").unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut accepted = 0;
    for file in files {
        let source = Source::read(&file).unwrap();
        let Ok(document) = Document::only_in(&source, Dialect::Definition) else {
            continue;
        };
        for _ in 0..25 {
            let mut definition = document.value.clone();
            for _ in 0..=random.below(3) {
                mutate(&mut definition, 0, &mut random);
            }
            if let Ok(imported) = imported(&definition, &["--any-client"]) {
                policy(&imported);
                accepted += 1;
            }
        }
    }
    assert!(accepted > 200, "{accepted}");
}

fn mutate(value: &mut Value, depth: usize, random: &mut Seed) {
    let names: Vec<String> = match value {
        Value::Object(members) => members.keys().cloned().collect(),
        Value::Array(elements) => (0..elements.len()).map(|at| at.to_string()).collect(),
        _ => Vec::new(),
    };
    if names.is_empty() || depth > 1 && random.below(5) == 0 {
        let others = [
            json!(null),
            json!(true),
            json!(7),
            json!(""),
            json!("a b\n{"),
            json!([]),
            json!({}),
            json!([[]]),
            json!({"$ref": "#/paths"}),
            json!({"a": "b"}),
            json!("${AWS::Region}"),
            json!("\u{2028}*"),
        ];
        *value = random.pick(&others);
        return;
    }
    let name = random.pick(&names);
    match value {
        Value::Object(members) if depth > 0 && random.below(6) == 0 => {
            members.remove(&name);
        }
        Value::Object(members) if depth > 0 && random.below(8) == 0 => {
            let moved = members.remove(&name).unwrap();
            members.insert(format!("{name}\u{e9}'"), moved);
        }
        Value::Object(members) => mutate(&mut members[&name], depth + 1, random),
        Value::Array(elements) => mutate(
            &mut elements[name.parse::<usize>().unwrap()],
            depth + 1,
            random,
        ),
        _ => {}
    }
}

#[test]
fn what_a_waiver_gives_up_is_that_alone() {
    let definition = json!({
        "openapi": "3.0.1",
        "components": {"securitySchemes": schemes()},
        "paths": {
            "/token-and-key": {"get": {"security": [{"a": ["x"], "key": []}]}},
            "/key": {"get": {"security": [{"key": []}]}},
            "/lambda-and-key": {"get": {"security": [{"lambda": [], "key": []}]}},
        },
    });
    let access = |options: &[&str]| -> BTreeSet<String> {
        let imported = imported(&definition, options).unwrap();
        let policy = policy(&imported);
        let paths = ["/token-and-key", "/key", "/lambda-and-key"];
        let closed = paths.into_iter().filter(|path| {
            let target = Target {
                path: Some(path.as_bytes()),
                method: Some(b"GET"),
                authority: None,
            };
            let (ruling, _) = policy.rules.choose(&target).unwrap();
            matches!(policy.rules.access(ruling), Access::Nobody)
        });
        closed.map(str::to_owned).collect()
    };
    let all = BTreeSet::from(["/token-and-key", "/key", "/lambda-and-key"].map(str::to_owned));
    let others = BTreeSet::from(["/key", "/lambda-and-key"].map(str::to_owned));
    assert_eq!(access(&["--any-client"]), all);
    assert_eq!(access(&["--any-client", "--waive", "resource-policy"]), all);
    assert_eq!(access(&["--any-client", "--waive", "api-keys"]), others);
}
