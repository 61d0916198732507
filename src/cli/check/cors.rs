//! Where browsers' cross-origin requests are answered: before the authorizer, or too late.

use super::Notes;
use super::envoy::{Node, field, is_true, text};
use super::finding::{self, Finding};
use super::place::Place;
use crate::locate::{File, Setting};
use std::rc::Rc;

/// Envoy's filter, by the end of its type, and by its usual name.
const TYPE: &str = ".filters.http.cors.v3.Cors";
const NAME: &str = "envoy.filters.http.cors";

/// Notes a CORS filter behind the plugin at a path.
pub(super) fn behind(plugin: &str, notes: &mut Notes<'_>) {
    let document = notes.document;
    let lists = ["http_filters", "httpFilters"];
    let list = lists.iter().find_map(|list| {
        let (before, after) = plugin.rsplit_once(&format!("{list}["))?;
        let (position, _) = after.split_once(']')?;
        Some((format!("{before}{list}"), position.parse::<usize>().ok()?))
    });
    let Some((list, ours)) = list else { return };
    let Some(list) = Node::at(document, &list) else {
        return;
    };
    let filters = list.children().into_iter().skip(ours);
    if let Some(cors) = filters.skip(1).find(is_cors) {
        let text = "the authorizer refuses a preflight before this filter answers it";
        notes.add(&finding::CORS_LATE, &cors.path, text);
    }
}

fn is_cors(filter: &Node<'_>) -> bool {
    let config = field(filter, "typed_config");
    let named = config.as_ref().and_then(|config| text(config, "@type"));
    let is = named.map_or_else(
        || text(filter, "name") == Some(NAME),
        |name| name.ends_with(TYPE),
    );
    is && !is_true(filter, "disabled")
}

/// What there is to say of the CORS policies of Istio's routes: its own filter for them stands
/// behind every WasmPlugin, unless another one is put first.
pub(super) struct Policies(Vec<Place>);

impl Policies {
    /// Gathers those of all files, known by their positions; none if nothing is late.
    pub(super) fn of<'a>(files: impl Iterator<Item = (usize, &'a File)>) -> Self {
        let mut policies = Vec::new();
        let mut plugin = false;
        let mut first = false;
        for (position, file) in files {
            let settings = file.located.iter().map(|one| &one.setting);
            plugin |= settings
                .into_iter()
                .any(|one| matches!(one, Setting::Istio(_)));
            for document in &file.documents {
                let place = |node: &Node<'_>| Place {
                    file: position,
                    document: Rc::clone(document),
                    path: node.path.clone(),
                };
                let top = Node::top(document);
                let items = field(&top, "items").map(|items| items.children());
                for manifest in items.unwrap_or_else(|| vec![top]) {
                    match text(&manifest, "kind") {
                        Some("VirtualService") => {
                            let spec = field(&manifest, "spec");
                            let routes = spec.and_then(|spec| field(&spec, "http"));
                            let routes = routes.map(|routes| routes.children());
                            let routes = routes.unwrap_or_default();
                            let found = routes.iter().filter_map(|one| field(one, "corsPolicy"));
                            policies.extend(found.map(|policy| place(&policy)));
                        }
                        Some("EnvoyFilter") => first |= puts_cors_first(&manifest),
                        _ => {}
                    }
                }
            }
        }
        match plugin && !first {
            true => Self(policies),
            false => Self(Vec::new()),
        }
    }

    /// The findings in a file.
    pub(super) fn findings(&self, file: usize) -> impl Iterator<Item = Finding> {
        let late = self.0.iter().filter(move |place| place.file == file);
        late.map(|place| {
            let text = "the WasmPlugin refuses a preflight before Istio's CORS filter answers it";
            let mut finding = place.finding(&finding::CORS_LATE, text);
            finding.advice = "Istio has its CORS filter behind every WasmPlugin; put one more first, by an EnvoyFilter with INSERT_FIRST, and both read this policy";
            finding
        })
    }
}

/// Whether an EnvoyFilter inserts a CORS filter before all others.
fn puts_cors_first(manifest: &Node<'_>) -> bool {
    let spec = field(manifest, "spec");
    let patches = spec.and_then(|spec| field(&spec, "configPatches"));
    let patches = patches
        .map(|patches| patches.children())
        .unwrap_or_default();
    let inserts = patches.iter().filter_map(|patch| field(patch, "patch"));
    inserts.into_iter().any(|patch| {
        let first = matches!(
            text(&patch, "operation"),
            Some("INSERT_FIRST" | "INSERT_BEFORE")
        );
        first && field(&patch, "value").is_some_and(|value| is_cors(&value))
    })
}
