//! `schema`: what it says of the configurations that people copy, and what an editor shows of a field.
//! Whether it agrees with the reader is asked in `tests/core/config`.

use crate::harness::markdown::Pages;
use crate::harness::schema::objection;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    let output = command.args(arguments).output().expect("the tool starts");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn schema() -> Value {
    serde_json::from_str(&printed(&["schema"])).expect("JSON")
}

/// The schema that stands beside the examples, which is the one that is printed.
#[test]
fn the_file_beside_the_examples_is_the_one_that_is_printed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/authorizer.schema.json");
    let printed = printed(&["schema", "--files"]);
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        std::fs::write(&file, &printed).expect("a writable file");
    }
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == printed,
        "TRYCMD=overwrite writes {}",
        file.display()
    );
}

/// Every example names that file, and is as it says; with one letter too many it is not, wherever the
/// configuration stands in it.
#[test]
fn every_example_names_the_schema_and_fits() {
    let schema: Value = serde_json::from_str(&printed(&["schema", "--files"])).expect("JSON");
    let envoy = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy");
    let mut files = Vec::new();
    yaml(&envoy, &mut files);
    let mut count = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let all = serde_yaml_ng::Deserializer::from_str(&text);
        let all: Vec<_> = all.filter_map(|one| Value::deserialize(one).ok()).collect();
        let mut ours = 0;
        for mut document in all {
            assert_eq!(objection(&schema, &document), None, "{}", file.display());
            let mut found = Vec::new();
            configurations(&document, &mut found);
            if found.is_empty()
                || document
                    .get("kind")
                    .is_some_and(|kind| kind == "Kustomization")
            {
                continue;
            }
            ours += found.len();
            misspell(&mut document);
            assert!(
                objection(&schema, &document).is_some(),
                "{}",
                file.display()
            );
        }
        let named = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let place = file.display();
        assert!(named.is_some() || ours == 0, "{place}: its first line");
        if let Some(named) = named {
            let folder = file.parent().expect("a folder");
            let named = std::fs::canonicalize(folder.join(named)).expect(named);
            assert_eq!(
                named,
                std::fs::canonicalize(envoy.join("authorizer.schema.json")).unwrap()
            );
            count += 1;
        }
    }
    assert!(count >= 7, "{count}");
}

/// Gives every configuration in a tree a member that there is not.
fn misspell(tree: &mut Value) {
    match tree {
        Value::Object(members) => {
            if members.contains_key("user_pools") || members.contains_key("claim_headers") {
                members.insert("defalt".to_owned(), json!("nobody"));
            } else {
                members.values_mut().for_each(misspell);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(misspell),
        _ => {}
    }
}

/// The configurations in a tree: whatever has the fields that each of them has.
fn configurations<'a>(tree: &'a Value, found: &mut Vec<&'a Value>) {
    match tree {
        Value::Object(members) => {
            let has = |name| members.contains_key(name);
            if has("user_pools") || has("aws_accounts") || has("claim_headers") {
                found.push(tree);
            } else {
                members
                    .values()
                    .for_each(|tree| configurations(tree, found));
            }
        }
        Value::Array(elements) => elements.iter().for_each(|tree| configurations(tree, found)),
        _ => {}
    }
}

fn yaml(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            yaml(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(path);
        }
    }
}

#[test]
fn every_example_is_valid() {
    let schema = schema();
    let mut count = 0;
    let pages = Pages::read();
    for snippet in pages.snippets() {
        let marker = snippet.marker.as_deref().unwrap_or_default();
        // Rules alone are valid, too: the pools are all that they lack.
        if marker.starts_with("configuration") || marker == "rules" {
            assert_eq!(
                objection(&schema, &snippet.value()),
                None,
                "{}",
                snippet.place
            );
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
    let mut files = Vec::new();
    yaml(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy"),
        &mut files,
    );
    let mut count = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            // Templates have tags of their own, and nothing of ours.
            let Ok(document) = Value::deserialize(document) else {
                continue;
            };
            let mut found = Vec::new();
            configurations(&document, &mut found);
            for configuration in found {
                assert_eq!(
                    objection(&schema, configuration),
                    None,
                    "{}",
                    file.display()
                );
                count += 1;
            }
        }
    }
    assert!(count > 5, "{count}");
}

#[test]
fn slips_are_marked() {
    let schema = schema();
    let pages = Pages::read();
    let (refused, _) = pages.marked("refused").next().expect("the example");
    assert!(objection(&schema, &refused.value()).is_some());
    for (document, place) in [
        (json!({"token": {"use": "acess"}}), ".token.use: enum"),
        (json!({"tokn": {}}), ".tokn: additionalProperties"),
        (
            json!({"rules": [{"match": {"path": 1}}]}),
            ".rules[].match.path: type",
        ),
        (json!({"user_pools": [{}]}), ".user_pools[]: required"),
        (
            json!({"token": {"clock_skew": "60"}}),
            ".token.clock_skew: pattern",
        ),
    ] {
        let found = objection(&schema, &document).unwrap_or_default();
        assert!(found.starts_with(place), "{found}");
    }
}

#[test]
fn fields_are_explained_as_on_the_page() {
    let schema = schema();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let text = |pointer: &str| {
        let field = schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"));
        field["description"].as_str().expect("a text").to_owned()
    };
    assert_eq!(
        text("/properties/token/properties/use"),
        "The wanted `token_use`. A rule may narrow it.\n\nValue: id, access or any."
    );
    // Every row of every table of fields is the description of a field.
    let all = schema.to_string();
    let pages = Pages::read();
    let mut count = 0;
    for table in pages.tables() {
        let marker = table.marker.as_deref().unwrap_or_default();
        if !marker.starts_with("fields of ") {
            continue;
        }
        for row in &table.rows {
            let meaning = row.last().expect("a meaning");
            let words = meaning.split(['[', '(']).next().unwrap_or_default();
            let words = json!(words).to_string();
            assert!(all.contains(words.trim_matches('"')), "{meaning}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}
