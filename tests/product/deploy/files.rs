//! The files under `envoy/`, as the programs that read them see them.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

/// The directory that operators copy from.
pub(crate) fn envoy() -> PathBuf {
    root().join("envoy")
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file under `envoy/`.
#[track_caller]
pub(crate) fn text(path: &str) -> String {
    read(&envoy().join(path))
}

#[track_caller]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document of a YAML or JSON file under `envoy/`.
#[track_caller]
pub(crate) fn documents(path: &str) -> Vec<Value> {
    let text = text(path);
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"))
        })
        .collect()
}

/// The only document of a file under `envoy/`.
#[track_caller]
pub(crate) fn document(path: &str) -> Value {
    let mut documents = documents(path);
    assert_eq!(documents.len(), 1, "{path} holds one document");
    documents.remove(0)
}

/// The only document of this kind in a file under `envoy/`.
#[track_caller]
pub(crate) fn of_kind(path: &str, kind: &str) -> Value {
    let mut documents = documents(path);
    documents.retain(|document| document["kind"] == kind);
    assert_eq!(documents.len(), 1, "{path} holds one {kind}");
    documents.remove(0)
}

/// Every YAML and JSON file under `envoy/`, relative to it, in order.
pub(crate) fn all() -> Vec<String> {
    let mut found = Vec::new();
    collect(&envoy(), "", &mut found);
    found.sort();
    found
}

fn collect(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let entry = entry.expect("a readable directory");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a readable directory");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else if [".yaml", ".yml", ".json"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(name);
        }
    }
}

/// Every value in `tree` for which `wanted` holds, from the top down.
pub(crate) fn search<'a>(tree: &'a Value, wanted: &dyn Fn(&Value) -> bool) -> Vec<&'a Value> {
    let mut found = Vec::new();
    if wanted(tree) {
        found.push(tree);
    }
    match tree {
        Value::Array(items) => {
            found.extend(items.iter().flat_map(|item| search(item, wanted)));
        }
        Value::Object(members) => {
            found.extend(members.values().flat_map(|member| search(member, wanted)));
        }
        _ => {}
    }
    found
}
