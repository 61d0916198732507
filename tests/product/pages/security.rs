//! SECURITY.md: every proof that it names exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::markdown::{Page, file, spans};

fn collect(directory: &Path, end: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            collect(&path, end, found);
        } else if path.to_string_lossy().ends_with(end) {
            found.push(std::fs::read_to_string(&path).expect("text"));
        }
    }
}

/// The names of all tests, and of all vectors.
fn proofs() -> BTreeSet<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (mut sources, mut vectors) = (Vec::new(), Vec::new());
    collect(&root.join("tests"), ".rs", &mut sources);
    collect(&root.join("src"), ".rs", &mut sources);
    collect(&root.join("tests/vectors/decisions"), ".json", &mut vectors);
    let tests = sources.iter().flat_map(|source| {
        let after = source.split("#[test]").skip(1);
        after
            .filter_map(|test| Some(test.split_once("fn ")?.1.split_once('(')?.0.to_owned()))
            .collect::<Vec<_>>()
    });
    let names = vectors
        .iter()
        .flat_map(|text| match serde_json::from_str(text) {
            Ok(Value::Array(vectors)) => vectors,
            _ => Vec::new(),
        });
    let names = names.filter_map(|vector| Some(vector["name"].as_str()?.to_owned()));
    tests.chain(names).collect()
}

#[test]
fn every_attack_is_answered_by_a_test_that_exists() {
    let proofs = proofs();
    let page = Page::read(".github/SECURITY.md");
    let table = page.table("attacks");
    let proven = table.column("proven by");
    for row in &table.rows {
        let named = spans(&row[proven]);
        assert!(!named.is_empty(), "{}: nothing proves it", row[0]);
        for name in named {
            assert!(
                proofs.contains(name),
                "{}: there is no test or vector {name}",
                row[0]
            );
        }
    }
    assert!(table.rows.len() >= 25, "{} attacks", table.rows.len());
}

/// Who accepts what is what the differential test has found.
#[test]
fn judges_are_said_to_say_what_they_say() {
    let rows: Value = serde_json::from_str(&file("tests/differential/known.json")).expect("JSON");
    let says = |row: &Value, judge: &str| {
        let named = |member: &str| {
            row[member]
                .as_array()
                .is_some_and(|all| all.iter().any(|name| name == judge))
        };
        match (named("accepts"), named("refuses")) {
            (true, false) => "yes",
            (false, true) => "no",
            // It is not asked: it reads tokens, not requests.
            (false, false) => "–",
            (true, true) => panic!("{judge} says both in {row}"),
        }
    };
    let page = Page::read(".github/SECURITY.md");
    let table = page.table("judges");
    let judges: Vec<_> = table.head[1..]
        .iter()
        .map(|head| head.replace('`', ""))
        .collect();
    let expected = rows.as_array().expect("a list").iter().map(|row| {
        let about = row["about"].as_str().expect("a text").to_owned();
        let said = judges.iter().map(|judge| says(row, judge).to_owned());
        [about].into_iter().chain(said).collect::<Vec<_>>()
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(table.rows, expected);
}

/// What upstreams do of their own accord is what real ones were seen to do.
#[test]
fn upstreams_are_said_to_do_what_they_do() {
    let rows: Value = serde_json::from_str(&file("tests/upstreams/known.json")).expect("JSON");
    let text = |row: &Value, member: &str| row[member].as_str().expect("a text").to_owned();
    let rows = rows.as_array().expect("a list").iter();
    let expected: Vec<_> = rows
        .map(|row| vec![text(row, "reason"), text(row, "advice")])
        .collect();
    assert_eq!(
        Page::read(".github/SECURITY.md").table("upstreams").rows,
        expected
    );
}

/// Every crate that the module is made of is accounted for. An optional one belongs to the desk tool.
#[test]
fn every_dependency_has_its_reason() {
    let cargo = file("Cargo.toml");
    let mut inside = false;
    let mut crates = BTreeSet::new();
    for line in cargo.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]"
                || line == "[target.'cfg(target_arch = \"wasm32\")'.dependencies]";
        } else if let Some((name, _)) = line
            .split_once(" = ")
            .filter(|_| inside && !line.contains("optional = true"))
        {
            crates.insert(name.to_owned());
        }
    }
    let page = Page::read(".github/SECURITY.md");
    let rows = page.table("dependencies").rows.iter();
    let listed: BTreeSet<_> = rows
        .flat_map(|row| spans(&row[0]))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, crates);
}
