//! The filter's surroundings in manifests of Istio and Envoy Gateway.

use super::Notes;
use super::envoy::{Node, field};
use super::finding;
use super::placeholders;
use serde_json::Value;

/// Labels that only the pods of gateways have: what they send goes inwards.
const GATEWAY_LABELS: [(&str, &str); 3] = [
    ("istio", ""),
    ("app", "gateway"),
    ("gateway.networking.k8s.io/gateway-name", ""),
];

/// Notes what is unwise in a `WasmPlugin` whose `spec` is at a path.
pub(super) fn istio(spec: &str, notes: &mut Notes<'_>) {
    let document = notes.document;
    let Some(spec) = Node::at(document, spec) else {
        return;
    };
    if let Some(strategy) = field(&spec, "failStrategy")
        && strategy.value.as_str() == Some("FAIL_OPEN")
    {
        notes.add(
            &finding::FAIL_OPEN,
            &strategy.path,
            "requests pass unchecked when the module fails",
        );
        notes.advise("what makes the module fail then opens the door; FAIL_CLOSE is closed, and from Istio 1.29 on FAIL_RELOAD is as available, and closed");
    }
    let phase = field(&spec, "phase");
    if phase.as_ref().and_then(|phase| phase.value.as_str()) != Some("AUTHN") {
        let path = phase.map_or_else(|| spec.path.clone(), |phase| phase.path);
        notes.add(
            &finding::LATE_PHASE,
            &path,
            "authorization policies run before the authorizer; expected phase AUTHN",
        );
    }
    if !is_for_gateways(&spec) && !inbound_only(&spec) {
        let text = "what a workload itself sends is checked, too; expected match with mode SERVER";
        notes.add(&finding::OUTBOUND_TOO, &spec.path, text);
    }
    unpinned(&spec, "url", notes);
}

/// Notes what is unwise in an entry of `wasm` at a path.
pub(super) fn gateway(wasm: &str, notes: &mut Notes<'_>) {
    let document = notes.document;
    let Some(wasm) = Node::at(document, wasm) else {
        return;
    };
    if let Some(open) = field(&wasm, "failOpen").filter(|open| *open.value == Value::Bool(true)) {
        notes.add(
            &finding::FAIL_OPEN,
            &open.path,
            "requests pass unchecked when the module fails",
        );
        notes.advise("what makes the module fail then opens the door; failOpen: false, the default, is closed");
    }
    let code = field(&wasm, "code");
    for source in ["image", "http"] {
        if let Some(source) = code.as_ref().and_then(|code| field(code, source)) {
            unpinned(&source, "url", notes);
        }
    }
}

/// A module that is fetched by a name which may come to mean another.
fn unpinned(node: &Node<'_>, name: &str, notes: &mut Notes<'_>) {
    let Some(url) = field(node, name) else { return };
    let text = url.value.as_str().unwrap_or_default();
    let pinned = text.contains("@sha256:") || text.starts_with("file://");
    placeholders::of_digest(&url, notes);
    if let Some(digest) = field(node, "sha256") {
        placeholders::of_digest(&digest, notes);
    }
    if !pinned && field(node, "sha256").is_none() {
        notes.add(
            &finding::UNPINNED_IMAGE,
            &url.path,
            "a tag can be moved to another module",
        );
    }
}

fn is_for_gateways(spec: &Node<'_>) -> bool {
    let targets = field(spec, "targetRefs").map(|targets| targets.children());
    let mut targets = targets.unwrap_or_default();
    targets.extend(field(spec, "targetRef"));
    let is_gateway =
        |target: &Node<'_>| target.value.get("kind").and_then(Value::as_str) == Some("Gateway");
    let selector = field(spec, "selector").and_then(|selector| field(&selector, "matchLabels"));
    let labelled = GATEWAY_LABELS.iter().any(|(label, part)| {
        let value = selector
            .as_ref()
            .and_then(|selector| selector.value.get(label));
        value
            .and_then(Value::as_str)
            .is_some_and(|value| value.contains(part))
    });
    labelled || !targets.is_empty() && targets.iter().all(is_gateway)
}

fn inbound_only(spec: &Node<'_>) -> bool {
    let matches = field(spec, "match").map(|matches| matches.children());
    let is_inbound = |one: &Node<'_>| {
        field(one, "mode").is_some_and(|mode| mode.value.as_str() == Some("SERVER"))
    };
    matches.is_some_and(|matches| !matches.is_empty() && matches.iter().all(is_inbound))
}
