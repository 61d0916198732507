//! The Kubernetes resources under `envoy/`, with the names and ports of a test.

use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;

/// Every resource of a file under `envoy/`.
#[track_caller]
pub(crate) fn shipped(path: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("envoy")
        .join(path);
    let text =
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("envoy/{path}: {error}"));
    parse(&text)
}

/// Every resource of a YAML text.
#[track_caller]
pub(crate) fn parse(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .filter(|document| !document.is_null())
        .collect()
}

/// Puts `to` where `from` stands; a file that changed is noticed.
#[track_caller]
pub(crate) fn replace(resource: &mut Value, pointer: &str, from: &Value, to: Value) {
    let kind = resource["kind"].clone();
    let place = resource
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{kind} has nothing at {pointer}"));
    assert_eq!(place, from, "{kind}{pointer}");
    *place = to;
}

/// The only resource of a kind.
#[track_caller]
pub(crate) fn of_kind<'a>(resources: &'a mut [Value], kind: &str) -> &'a mut Value {
    let mut found: Vec<_> = resources
        .iter_mut()
        .filter(|resource| resource["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "one {kind}");
    found.remove(0)
}
