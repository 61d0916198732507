//! The filter's surroundings in Envoy's own configuration.

use super::Notes;
use super::finding;
use crate::document::{Document, item, member};
use serde_json::Value;

/// A part of a document, and its path.
#[derive(Clone, Debug)]
pub(super) struct Node<'v> {
    pub(super) path: String,
    pub(super) value: &'v Value,
}

impl<'v> Node<'v> {
    /// The document as a whole.
    pub(super) fn top(document: &'v Document) -> Self {
        Self {
            path: String::new(),
            value: &document.value,
        }
    }

    /// What stands at a path.
    pub(super) fn at(document: &'v Document, path: &str) -> Option<Self> {
        Some(Self {
            path: path.to_owned(),
            value: document.get(path)?,
        })
    }

    /// Everything directly below.
    pub(super) fn children(&self) -> Vec<Self> {
        match self.value {
            Value::Array(elements) => elements
                .iter()
                .enumerate()
                .map(|(at, value)| Self {
                    path: item(&self.path, at),
                    value,
                })
                .collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| Self {
                    path: member(&self.path, name),
                    value,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// A field of a message, under its own name or in the camel case that JSON has for it, too.
pub(super) fn field<'v>(node: &Node<'v>, name: &str) -> Option<Node<'v>> {
    let mut camel = String::new();
    let mut parts = name.split('_');
    camel.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    [name, &camel].into_iter().find_map(|name| {
        let value = node.value.get(name).filter(|value| !value.is_null())?;
        Some(Node {
            path: member(&node.path, name),
            value,
        })
    })
}

/// A field that is a text.
pub(super) fn text<'v>(node: &Node<'v>, name: &str) -> Option<&'v str> {
    field(node, name)?.value.as_str()
}

/// A field that is a list of texts.
pub(super) fn texts<'v>(node: &Node<'v>, name: &str) -> Vec<&'v str> {
    let list = field(node, name).and_then(|node| node.value.as_array());
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Whether a boolean of Envoy's is true, which it also reads from some texts; `None` for what it
/// refuses.
pub(super) fn flag(node: &Node<'_>) -> Option<bool> {
    const TRUE: [&str; 5] = ["true", "t", "yes", "y", "1"];
    const FALSE: [&str; 5] = ["false", "f", "no", "n", "0"];
    match node.value {
        Value::Bool(is) => Some(*is),
        Value::String(text) => {
            let is = |word: &&str| text.eq_ignore_ascii_case(word);
            match TRUE.iter().any(is) {
                true => Some(true),
                false => FALSE.iter().any(is).then_some(false),
            }
        }
        _ => None,
    }
}

/// A field that is a boolean of Envoy's, and true.
pub(super) fn is_true(node: &Node<'_>, name: &str) -> bool {
    field(node, name).is_some_and(|node| flag(&node) == Some(true))
}

/// A field that is a boolean of Envoy's, and not known to be false.
fn unless_false<'v>(node: &Node<'v>, name: &str) -> Option<Node<'v>> {
    field(node, name).filter(|node| flag(node) != Some(false))
}

/// Whether an enum of Envoy's has a value, which may be written by its name in any letter case, or
/// by its number.
pub(super) fn is_variant(node: &Node<'_>, name: &str, number: i64) -> bool {
    match node.value {
        Value::String(text) => text.eq_ignore_ascii_case(name) || text.trim().parse() == Ok(number),
        value => value.as_i64() == Some(number),
    }
}

/// Notes what is unwise in the plugin configuration at a path, and around it.
pub(super) fn plugin(plugin: &str, config: &Value, notes: &mut Notes<'_>) {
    let document = notes.document;
    let Some(node) = Node::at(document, plugin) else {
        return;
    };
    let policy = field(&node, "failure_policy");
    let chosen = |name, number| {
        let policy = policy.as_ref();
        policy.is_some_and(|policy| is_variant(policy, name, number))
    };
    let path = policy.as_ref().map_or(plugin, |policy| &policy.path);
    if chosen("FAIL_OPEN", 3) {
        notes.add(
            &finding::FAIL_OPEN,
            path,
            "requests pass unchecked when the module fails",
        );
    } else if !chosen("FAIL_RELOAD", 1) {
        let text = "a module that failed once answers 503 from then on";
        notes.add(&finding::NO_RELOAD, path, text);
    }
    if let Some(open) = unless_false(&node, "fail_open") {
        notes.add(
            &finding::FAIL_OPEN,
            &open.path,
            "requests pass unchecked when the module fails",
        );
    }
    if let Some(stops) = unless_false(&node, "allow_on_headers_stop_iteration") {
        let text = "other filters see requests before the verdict";
        notes.add(&finding::STOP_ITERATION, &stops.path, text);
    }
    let vm = field(&node, "vm_config");
    let id = vm.as_ref().and_then(|vm| field(vm, "vm_id"));
    if id.is_none_or(|id| id.value.as_str().is_some_and(str::is_empty)) {
        let path = vm.map_or_else(|| plugin.to_owned(), |vm| vm.path);
        notes.add_at_key(
            &finding::NO_VM_ID,
            &path,
            "no vm_id; expected a name of its own",
        );
    }
    around(plugin, config, notes);
}

/// Notes what is unwise around the filter that has this path in it.
pub(super) fn around(filter: &str, config: &Value, notes: &mut Notes<'_>) {
    underscores(filter, config, notes);
    super::cors::behind(filter, notes);
    disabled(filter, notes);
}

/// The connection manager that a filter is in lets through what some upstreams take for our headers.
fn underscores(plugin: &str, config: &Value, notes: &mut Notes<'_>) {
    let document = notes.document;
    let sets_headers = ["claim_headers", "payload_header"].iter().any(|name| {
        let headers = config.get(name);
        headers.is_some_and(|headers| headers.as_array().is_none_or(|list| !list.is_empty()))
    });
    let lists = ["http_filters", "httpFilters"];
    let manager = lists
        .iter()
        .find_map(|list| plugin.rsplit_once(&format!("{list}[")));
    let Some((manager, _)) = manager.filter(|_| sets_headers) else {
        return;
    };
    let Some(manager) = Node::at(document, manager.trim_end_matches('.')) else {
        return;
    };
    let options = field(&manager, "common_http_protocol_options");
    let action = options.and_then(|options| field(&options, "headers_with_underscores_action"));
    let keeps_out = |action: Node<'_>| {
        is_variant(&action, "REJECT_REQUEST", 1) || is_variant(&action, "DROP_HEADER", 2)
    };
    if !action.is_some_and(keeps_out) {
        let text = "clients may send claim headers with underscores";
        notes.add_at_key(&finding::UNDERSCORE_HEADERS, &manager.path, text);
    }
}

/// Routes, or the whole chain, that leave the filter out.
fn disabled(plugin: &str, notes: &mut Notes<'_>) {
    let document = notes.document;
    let Some(filter) = unwrapped(plugin, notes).and_then(|path| Node::at(document, path)) else {
        return;
    };
    let name = filter.value.get("name").and_then(Value::as_str);
    if let Some(off) = unless_false(&filter, "disabled") {
        match name.and_then(|name| routes_without(document, &filter, name)) {
            Some(routes) => {
                for route in routes {
                    let text = "a route that does not turn the filter on";
                    notes.add(&finding::FILTER_DISABLED, &route.path, text);
                }
            }
            None => {
                let text = "off, but for routes that turn it on";
                notes.add(&finding::FILTER_DISABLED, &off.path, text);
            }
        }
    }
    let Some(name) = name else {
        return;
    };
    let mut nodes = vec![Node::top(document)];
    while let Some(node) = nodes.pop() {
        if let Some(off) = own(&node, name).and_then(|own| unless_false(&own, "disabled")) {
            notes.add(
                &finding::FILTER_DISABLED,
                &off.path,
                "a route without the filter",
            );
        }
        if let Some(own) = own(&node, name) {
            skipped(&own, notes);
        }
        nodes.extend(node.children());
    }
}

/// The filter of a plugin, outside of every matcher that it is wrapped in; notes those that skip it.
fn unwrapped<'p>(plugin: &'p str, notes: &mut Notes<'_>) -> Option<&'p str> {
    const CONFIGS: [&str; 2] = [".typed_config", ".typedConfig"];
    const WRAPPED: [&str; 2] = [".extension_config", ".extensionConfig"];
    let document = notes.document;
    let around = |path: &'p str| CONFIGS.iter().find_map(|name| path.rsplit_once(name));
    let (mut filter, _) = around(plugin)?;
    while let Some(wrapper) = WRAPPED.iter().find_map(|name| filter.strip_suffix(name)) {
        if let Some(wrapper) = Node::at(document, wrapper) {
            skipped(&wrapper, notes);
        }
        (filter, _) = around(wrapper)?;
    }
    Some(filter)
}

/// Notes the matchers of a wrapper, or of a route for one, that lead to no filter.
fn skipped(wrapper: &Node<'_>, notes: &mut Notes<'_>) {
    for matcher in ["xds_matcher", "matcher"] {
        if let Some(matcher) = field(wrapper, matcher).filter(skips) {
            let text = "requests that match pass unseen by the filter";
            notes.add_at_key(&finding::FILTER_DISABLED, &matcher.path, text);
        }
    }
}

/// Whether one of a matcher's actions is to skip the filter.
fn skips(matcher: &Node<'_>) -> bool {
    const SKIP: &str = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter";
    let is_skip = |name| text(matcher, name).is_some_and(|name| name.ends_with(SKIP));
    ["@type", "type_url"].into_iter().any(is_skip) || matcher.children().iter().any(skips)
}

/// What a route, or a host of routes, has for the filter of this name.
fn own<'v>(node: &Node<'v>, name: &str) -> Option<Node<'v>> {
    field(node, "typed_per_filter_config").and_then(|all| field(&all, name))
}

/// The routes of a filter's listener that do not turn it on, as Envoy Gateway's do; `None` if they are
/// elsewhere.
fn routes_without<'v>(
    document: &'v Document,
    filter: &Node<'v>,
    name: &str,
) -> Option<Vec<Node<'v>>> {
    let lists = [".http_filters[", ".httpFilters["];
    let manager = lists
        .iter()
        .find_map(|list| filter.path.rsplit_once(list))
        .and_then(|(manager, _)| Node::at(document, manager))?;
    let configurations = match field(&manager, "route_config") {
        Some(own) => vec![own],
        None => {
            let wanted = text(&field(&manager, "rds")?, "route_config_name")?;
            let mut found = Vec::new();
            let mut nodes = vec![Node::top(document)];
            while let Some(node) = nodes.pop() {
                let hosts = field(&node, "virtual_hosts").is_some();
                match hosts && text(&node, "name") == Some(wanted) {
                    true => found.push(node),
                    false => nodes.extend(node.children()),
                }
            }
            found
        }
    };
    if configurations.is_empty() {
        return None;
    }
    let turns_on = |node: &Node<'v>| {
        own(node, name).is_some_and(|own| unless_false(&own, "disabled").is_none())
    };
    let mut without = Vec::new();
    for configuration in configurations.iter().filter(|one| !turns_on(one)) {
        let hosts = field(configuration, "virtual_hosts").map(|hosts| hosts.children());
        for host in hosts.iter().flatten().filter(|one| !turns_on(one)) {
            let routes = field(host, "routes").map(|routes| routes.children());
            without.extend(routes.into_iter().flatten().filter(|one| !turns_on(one)));
        }
    }
    Some(without)
}
