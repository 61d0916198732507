//! Parts of Envoy's and Kubernetes' configurations: each stands so in a file under `envoy/`, which
//! other tests start.

use serde::Deserialize as _;
use serde_json::Value;

use crate::harness::markdown::{Pages, Snippet, file};
use crate::pages::configurations::parse;

#[track_caller]
fn documents(path: &str) -> Vec<Value> {
    let text = file(path);
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let read = documents.map(|document| {
        Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"))
    });
    read.collect()
}

/// Whether a tree has all that a part of it shows. What a list shows comes in the same order.
fn shows(tree: &Value, part: &Value) -> bool {
    match (tree, part) {
        (Value::Object(tree), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| tree.get(name).is_some_and(|tree| shows(tree, part))),
        (Value::Array(tree), Value::Array(part)) => {
            let mut rest = tree.iter();
            part.iter()
                .all(|part| rest.any(|element| shows(element, part)))
        }
        (tree, part) => tree == part,
    }
}

/// Whether the part stands anywhere in a tree.
fn stands_in(tree: &Value, part: &Value) -> bool {
    shows(tree, part)
        || match tree {
            Value::Object(members) => members.values().any(|tree| stands_in(tree, part)),
            Value::Array(elements) => elements.iter().any(|tree| stands_in(tree, part)),
            _ => false,
        }
}

#[track_caller]
fn is_part(snippet: &Snippet, part: &Value, path: &str) {
    let found = documents(path)
        .iter()
        .any(|document| stands_in(document, part));
    assert!(
        found,
        "{}: {path} has nothing like\n{part:#}",
        snippet.place
    );
}

/// What is shown stands so in this file.
pub(crate) fn part(snippet: &Snippet, path: &str) {
    is_part(snippet, &snippet.value(), path);
}

/// The filter is that of production, but for a configuration of its own.
#[test]
fn the_filter_is_the_one_of_production() {
    let pages = Pages::read();
    let mut filters = pages.marked("filter of ");
    let (snippet, path) = filters.next().expect("a filter");
    assert!(filters.next().is_none());
    let mut filter = snippet.value();
    let plugin = &mut filter["typed_config"]["config"];
    let configuration = plugin["configuration"]["value"].take();
    let policy = parse(&configuration).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(policy.issuers.pools().len(), 1);
    // Held bodies stay with the client: with this option Envoy would have to buffer them.
    assert!(plugin["allow_on_headers_stop_iteration"].is_null());
    plugin["configuration"]
        .as_object_mut()
        .unwrap()
        .remove("value");
    is_part(snippet, &filter, path);
}

#[test]
fn a_part_that_differs_is_noticed() {
    let tree = &documents("envoy/production.yaml")[0];
    let part = |text: &str| serde_yaml_ng::from_str::<Value>(text).unwrap();
    assert!(stands_in(tree, &part("use_remote_address: true")));
    assert!(!stands_in(tree, &part("use_remote_address: false")));
    assert!(stands_in(
        tree,
        &part("tls_params: {tls_minimum_protocol_version: TLSv1_2}")
    ));
    assert!(!stands_in(tree, &part("alpn_protocols: [http/1.1, h2]")));
}
