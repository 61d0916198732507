//! What Envoy Gateway makes of policies together: which it has not accepted, by the conditions in their
//! status, and which of them take routes from the authorizer.

use super::envoy::{Node, field, text};
use super::finding::{self, Code, Finding};
use super::place::Place;
use crate::document::Document;
use crate::locate::{File, Setting};
use std::rc::Rc;

/// The group of its kinds.
const GROUP: &str = "gateway.envoyproxy.io/";
/// The kind that carries modules.
const EXTENSION: &str = "EnvoyExtensionPolicy";
/// Conditions that are to be true.
const WANTED: [&str; 3] = ["Accepted", "Programmed", "ResolvedRefs"];

/// The findings about the policies of all files; none without an authorizer in Envoy Gateway.
pub(super) struct Conditions(Vec<(Place, &'static Code, String)>);

impl Conditions {
    /// Gathers those of files, known by their positions.
    pub(super) fn of<'a>(files: impl Iterator<Item = (usize, &'a File)>) -> Self {
        let files: Vec<_> = files.collect();
        let mut found = Vec::new();
        let ours = files.iter().flat_map(|(_, file)| {
            let ours = policies(file).filter(|(document, one)| is_ours(file, document, one));
            ours.map(|(_, one)| one)
        });
        let ours: Vec<_> = ours.collect();
        if ours.is_empty() {
            return Self(found);
        }
        let guards_gateways = ours.iter().any(|one| {
            let targets = targets(one);
            targets
                .iter()
                .any(|target| text(target, "kind") == Some("Gateway"))
        });
        for (position, file) in files {
            for (document, manifest) in policies(file) {
                let place = |path: &str| Place {
                    file: position,
                    document: Rc::clone(document),
                    path: path.to_owned(),
                };
                let extends = text(&manifest, "kind") == Some(EXTENSION);
                let ours = is_ours(file, document, &manifest);
                if extends && !ours {
                    if let Some((node, route)) = taken(&manifest).filter(|_| guards_gateways) {
                        let text = format!("takes the authorizer from the routes of {route}");
                        found.push((place(&node.path), &finding::OVERRIDDEN, text));
                    }
                    continue;
                }
                for (node, code, text) in said(&manifest) {
                    found.push((place(&node.path), code, text));
                }
            }
        }
        Self(found)
    }

    /// The findings in a file.
    pub(super) fn findings(&self, file: usize) -> impl Iterator<Item = Finding> {
        let here = self.0.iter().filter(move |(place, ..)| place.file == file);
        here.map(|(place, code, text)| place.finding(code, text.as_str()))
    }
}

/// The policies of a file, also within lists.
fn policies(file: &File) -> impl Iterator<Item = (&Rc<Document>, Node<'_>)> {
    let all = file.documents.iter().flat_map(|document| {
        let top = Node::top(document);
        let items = field(&top, "items").map(|items| items.children());
        let items = items.unwrap_or_else(|| vec![top]);
        items.into_iter().map(move |one| (document, one))
    });
    all.filter(|(_, one)| text(one, "apiVersion").is_some_and(|name| name.starts_with(GROUP)))
}

fn is_ours(file: &File, document: &Rc<Document>, manifest: &Node<'_>) -> bool {
    file.located.iter().any(|one| {
        matches!(&one.setting, Setting::Gateway(path) if path.starts_with(&manifest.path))
            && Rc::ptr_eq(&one.document, document)
            && text(manifest, "kind") == Some(EXTENSION)
    })
}

/// What a policy is for.
fn targets<'v>(manifest: &Node<'v>) -> Vec<Node<'v>> {
    let Some(spec) = field(manifest, "spec") else {
        return Vec::new();
    };
    let several = field(&spec, "targetRefs").map(|targets| targets.children());
    let mut targets = several.unwrap_or_default();
    targets.extend(field(&spec, "targetRef"));
    targets
}

/// What a policy without the authorizer stands for, if the most specific policy alone counts there.
fn taken<'v>(manifest: &Node<'v>) -> Option<(Node<'v>, &'v str)> {
    let spec = field(manifest, "spec")?;
    if field(&spec, "mergeType").is_some() {
        return None;
    }
    let target = targets(manifest)
        .into_iter()
        .find(|target| matches!(text(target, "kind"), Some("HTTPRoute" | "GRPCRoute")))?;
    let name = field(&target, "name")?;
    let route = name.value.as_str()?;
    Some((name, route))
}

/// The conditions that say that something is not as it was asked for, of the policy as it is now.
fn said<'v>(manifest: &Node<'v>) -> Vec<(Node<'v>, &'static Code, String)> {
    let generation = field(manifest, "metadata").and_then(|all| field(&all, "generation"));
    let generation = generation.and_then(|one| one.value.as_u64());
    let ancestors = field(manifest, "status").and_then(|status| field(&status, "ancestors"));
    let ancestors = ancestors.map(|all| all.children()).unwrap_or_default();
    let conditions = ancestors
        .iter()
        .filter_map(|one| field(one, "conditions"))
        .flat_map(|all| all.children());
    let mut found = Vec::new();
    for condition in conditions {
        let observed = field(&condition, "observedGeneration").and_then(|one| one.value.as_u64());
        let of_before = observed
            .zip(generation)
            .is_some_and(|(seen, now)| seen < now);
        let kind = text(&condition, "type").unwrap_or_default();
        let is = text(&condition, "status").unwrap_or_default();
        let message = text(&condition, "message").unwrap_or("without a word");
        let code = match is {
            "False" if WANTED.contains(&kind) => &finding::NOT_ACCEPTED,
            "True" if kind == "Overridden" => &finding::OVERRIDDEN,
            _ => continue,
        };
        if !of_before {
            let text = format!("{kind} is {is}: {message}");
            let place = field(&condition, "message").unwrap_or(condition);
            found.push((place, code, text));
        }
    }
    found
}
