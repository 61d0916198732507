//! The filter's configurations in the files of operators, whatever carries them there.
//!
//! A file may be the configuration alone, a bootstrap, listener or discovery response of Envoy, or
//! a manifest of Istio or Envoy Gateway, a dump of a running Envoy, or a ConfigMap with files.
//! Whatever else there is (a Service, another module's plugin, a compose file) is passed over.

mod ours;

use crate::document::{Dialect, Document, Source, Unreadable, below, item, member};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cognito_authorizer::config;
use cognito_authorizer::policy::Policy;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::path::Path;
use std::rc::Rc;

/// What a document of Envoy's own has at its top, of which a filter configuration has nothing; its
/// admin interface and control planes write camel case.
const ENVOY_FIELDS: [&str; 18] = [
    "@type",
    "admin",
    "clusters",
    "configs",
    "dynamicResources",
    "dynamic_resources",
    "filterChains",
    "filter_chains",
    "httpFilters",
    "http_filters",
    "layered_runtime",
    "listeners",
    "node",
    "resources",
    "staticResources",
    "static_resources",
    "typedConfig",
    "typed_config",
];

/// What carries a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Nothing: the file is the configuration.
    Bare,
    /// A Wasm filter of Envoy, whose `PluginConfig` is at this path.
    Envoy(String),
    /// A dynamic module of Envoy, whose filter is at this path.
    Module(String),
    /// Istio's `WasmPlugin`, whose `spec` is at this path.
    Istio(String),
    /// An entry of `wasm` in Envoy Gateway's `EnvoyExtensionPolicy`, at this path.
    Gateway(String),
}

/// A configuration, and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// The document that it is in.
    pub(crate) document: Rc<Document>,
    /// Its path there; empty if the document is the configuration.
    pub(crate) base: String,
    /// What carries it.
    pub(crate) setting: Setting,
    /// The configuration alone, with its places in the file.
    pub(crate) config: Document,
    /// What Envoy hands to the filter.
    pub(crate) bytes: Vec<u8>,
    /// Why Envoy would not hand over anything.
    refused: Option<String>,
}

/// A problem of a configuration: its path there ("" for the whole), and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Located {
    /// Reads the configuration as the filter does.
    ///
    /// # Errors
    /// The problems that the filter would log, never none.
    pub(crate) fn parse(&self) -> Result<Policy, Vec<Problem>> {
        let problem = |path: &str, text: &str| Problem {
            path: if path == config::WHOLE { "" } else { path }.to_owned(),
            text: text.to_owned(),
        };
        if let Some(text) = &self.refused {
            return Err(vec![problem("", text)]);
        }
        config::parse(&self.bytes).map_err(|problems| {
            let listed = problems.iter().map(|one| problem(one.path(), one.text()));
            let mut all: Vec<_> = listed.collect();
            if problems.unlisted() > 0 {
                all.push(problem(
                    "",
                    &format!("found {} more problems", problems.unlisted()),
                ));
            }
            all
        })
    }
}

/// A file, its documents, and the configurations in them.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) source: Source,
    pub(crate) documents: Vec<Rc<Document>>,
    pub(crate) located: Vec<Located>,
}

impl File {
    /// Finds the configurations of a text.
    ///
    /// # Errors
    /// The place at which it is neither YAML nor JSON.
    pub(crate) fn new(source: Source) -> Result<Self, Unreadable> {
        // What is for Envoy may be more than others take.
        let mut documents = Document::all(&source).or_else(|error| {
            let read = Document::all_in(&source, Dialect::Envoy);
            let read = read
                .ok()
                .filter(|all| all.iter().any(|one| kind(&one.value) == Kind::Envoy));
            read.ok_or(error)
        })?;
        // A mapping of YAML may begin as JSON does.
        let is_json = source.text().trim_ascii_start().starts_with(['{', '['])
            && serde_json::from_str::<IgnoredAny>(source.text()).is_ok();
        // Only now it is known whose reader the file is for.
        if is_json {
            documents = Document::all_in(&source, Dialect::Json)?;
        } else if documents.iter().any(|one| kind(&one.value) == Kind::Envoy) {
            documents = Document::all_in(&source, Dialect::Envoy)?;
        }
        let mounted: Vec<_> = documents
            .iter()
            .flat_map(|one| mounted(&source, one))
            .collect();
        documents.extend(mounted);
        let documents: Vec<_> = documents.into_iter().map(Rc::new).collect();
        let mut located = Vec::new();
        for document in &documents {
            let mut found = Finder {
                source: &source,
                document,
                located: Vec::new(),
            };
            found.document();
            located.append(&mut found.located);
        }
        located.retain(Located::is_ours);
        let mut once: Vec<Located> = Vec::new();
        for one in located {
            if !once.iter().any(|known| one.repeats(known)) {
                once.push(one);
            }
        }
        Ok(Self {
            source,
            documents,
            located: once,
        })
    }

    /// Reads a file, or what comes in for `-`.
    ///
    /// # Errors
    /// What cannot be read, with the name of the file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let source = Source::read(path)?;
        let name = source.name().to_owned();
        Self::new(source).map_err(|error| anyhow::anyhow!("{name}: {error}"))
    }

    /// The only configuration of the file.
    ///
    /// # Errors
    /// None, or several; where they are.
    pub(crate) fn only(&self) -> anyhow::Result<&Located> {
        let name = self.source.name();
        match self.located.as_slice() {
            [one] => Ok(one),
            [] => anyhow::bail!("{name}: found no configuration of the authorizer"),
            several => {
                let lines = several.iter().map(|one| {
                    let line = one.document.places.at(&one.base).start.line;
                    format!("line {line}")
                });
                let lines: Vec<_> = lines.collect();
                anyhow::bail!(
                    "{name}: found {} configurations of the authorizer, in {}; expected one",
                    several.len(),
                    lines.join(" and ")
                )
            }
        }
    }
}

/// Files in a ConfigMap: Envoy's, and configurations of the filter. What cannot be read there is
/// neither.
fn mounted(source: &Source, document: &Document) -> Vec<Document> {
    if document.get("kind").and_then(Value::as_str) != Some("ConfigMap") {
        return Vec::new();
    }
    let files = document.get("data").and_then(Value::as_object);
    let files = files.into_iter().flatten().filter_map(|(name, text)| {
        let path = member("data", name);
        let text = text.as_str()?;
        let read = |dialect| document.embedded(source, &path, text, dialect).ok();
        let of_envoy = read(Dialect::Envoy).filter(|one| kind(&one.value) == Kind::Envoy);
        of_envoy.or_else(|| read(Dialect::Kubernetes).filter(|one| ours::has_our_field(&one.value)))
    });
    files.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kubernetes,
    Envoy,
    Other,
}

fn kind(value: &Value) -> Kind {
    let has = |name: &str| value.get(name).is_some();
    if let Value::Array(elements) = value {
        // Lists of resources, as tools around Envoy print them.
        match elements.iter().any(|one| kind(one) == Kind::Envoy) {
            true => Kind::Envoy,
            false => Kind::Other,
        }
    } else if has("apiVersion") && has("kind") {
        Kind::Kubernetes
    } else if ENVOY_FIELDS.iter().any(|name| has(name)) {
        Kind::Envoy
    } else {
        Kind::Other
    }
}

struct Finder<'a> {
    source: &'a Source,
    document: &'a Rc<Document>,
    located: Vec<Located>,
}

impl Finder<'_> {
    fn document(&mut self) {
        let value = &self.document.value;
        match kind(value) {
            Kind::Kubernetes => self.manifest(value, ""),
            Kind::Other if ours::has_our_field(value) => {
                let bytes = value.to_string().into_bytes();
                self.add(String::new(), Setting::Bare, Carried::Tree(bytes));
            }
            Kind::Envoy | Kind::Other => self.filters(value, ""),
        }
    }

    fn manifest(&mut self, value: &Value, path: &str) {
        let spec = below(path, "spec");
        match value.get("kind").and_then(Value::as_str) {
            Some("WasmPlugin") => {
                let base = below(&spec, "pluginConfig");
                let carried = self.tree(&base);
                self.add(base, Setting::Istio(spec), carried);
            }
            Some("EnvoyExtensionPolicy") => {
                let wasm = below(&spec, "wasm");
                let entries = self.document.get(&wasm).and_then(Value::as_array);
                for at in 0..entries.map_or(0, Vec::len) {
                    let entry = item(&wasm, at);
                    let base = below(&entry, "config");
                    let carried = self.tree(&base);
                    self.add(base, Setting::Gateway(entry), carried);
                }
            }
            // Also a list of one kind, as an API server calls it.
            Some(kind) if kind.ends_with("List") => {
                let items = value.get("items").and_then(Value::as_array);
                for (at, one) in items.into_iter().flatten().enumerate() {
                    self.manifest(one, &item(&below(path, "items"), at));
                }
            }
            // An EnvoyFilter, say, patches filters in.
            _ => self.filters(value, path),
        }
    }

    /// Every filter below a path that Envoy leaves to a module.
    fn filters(&mut self, value: &Value, path: &str) {
        match value {
            Value::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    self.filters(element, &item(path, at));
                }
            }
            Value::Object(members) => {
                if let Some((carrier, at)) = CARRIERS.iter().find_map(|one| one.within(members)) {
                    self.carried(carrier, below(path, &at));
                    return;
                }
                for (name, value) in members {
                    self.filters(value, &member(path, name));
                }
            }
            _ => {}
        }
    }

    fn carried(&mut self, carrier: &Carrier, path: String) {
        let [own, in_json] = carrier.configuration.map(|name| below(&path, name));
        let any = match self.document.get(&in_json) {
            Some(_) => in_json,
            None => own,
        };
        let value = below(&any, "value");
        let (base, carried) = match self.document.get(&any) {
            None => (any, Carried::Tree(Vec::new())),
            Some(carrier) => match carrier.get("@type").and_then(Value::as_str) {
                Some(name) if name.ends_with("/google.protobuf.Struct") => {
                    let carried = self.tree(&value);
                    (value, carried)
                }
                Some(name) if name.ends_with("/google.protobuf.StringValue") => {
                    let carried = self.text(&value);
                    (value, carried)
                }
                Some(name) if name.ends_with("/google.protobuf.BytesValue") => {
                    let carried = self.bytes(&value);
                    (value, carried)
                }
                _ => {
                    let text = "found no @type that the filter can read; expected type.googleapis.com/google.protobuf.Struct, StringValue or BytesValue";
                    (any, Carried::Nothing(text.to_owned()))
                }
            },
        };
        self.add(base, (carrier.setting)(path), carried);
    }

    fn tree(&self, path: &str) -> Carried {
        let value = self.document.get(path).filter(|value| !value.is_null());
        Carried::Tree(value.map_or_else(Vec::new, |value| value.to_string().into_bytes()))
    }

    fn text(&self, path: &str) -> Carried {
        match self.document.get(path) {
            Some(Value::String(text)) => Carried::Text(text.clone()),
            None => Carried::Tree(Vec::new()),
            Some(_) => Carried::Nothing("found no text; expected JSON text in quotes".to_owned()),
        }
    }

    fn bytes(&self, path: &str) -> Carried {
        let text = self.document.get(path).and_then(Value::as_str);
        let decoded = text.and_then(|text| STANDARD.decode(text).ok());
        match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => Carried::Encoded(text),
            None => Carried::Nothing("found no base64 of JSON text".to_owned()),
        }
    }

    fn add(&mut self, base: String, setting: Setting, carried: Carried) {
        let whole = || self.document.places.at(&base);
        let (config, bytes, refused) = match carried {
            Carried::Tree(bytes) => (self.document.part(&base), bytes, None),
            Carried::Nothing(text) => (self.document.part(&base), Vec::new(), Some(text)),
            Carried::Text(text) => {
                let read = self
                    .document
                    .embedded(self.source, &base, &text, Dialect::Json);
                // What cannot be read is the filter's to complain about.
                let config = read.unwrap_or_else(|_| Document::unplaced(Value::Null, whole()));
                (config, text.into_bytes(), None)
            }
            Carried::Encoded(text) => {
                let value = serde_json::from_str(&text).unwrap_or_default();
                (Document::unplaced(value, whole()), text.into_bytes(), None)
            }
        };
        self.located.push(Located {
            document: Rc::clone(self.document),
            base,
            setting,
            config,
            bytes,
            refused,
        });
    }
}

/// In what form a configuration is there.
enum Carried {
    /// As part of the document, here as JSON.
    Tree(Vec<u8>),
    /// As a text of the document.
    Text(String),
    /// As a text in base64.
    Encoded(String),
    /// In none, for this reason.
    Nothing(String),
}

/// A filter of Envoy that hands an `Any` to its module.
struct Carrier {
    message: &'static str,
    /// Where in the message the field is.
    at: &'static str,
    /// The field, and how JSON spells it.
    configuration: [&'static str; 2],
    setting: fn(String) -> Setting,
}

const CARRIERS: [Carrier; 2] = [
    Carrier {
        message: "/envoy.extensions.filters.http.wasm.v3.Wasm",
        at: "config",
        configuration: ["configuration", "configuration"],
        setting: Setting::Envoy,
    },
    Carrier {
        message: "/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        at: "",
        configuration: ["filter_config", "filterConfig"],
        setting: Setting::Module,
    },
];

impl Carrier {
    /// Itself and where it stands, if an object is one.
    fn within(&self, members: &Map<String, Value>) -> Option<(&Self, String)> {
        let names = |name: &str| {
            let name = members.get(name).and_then(Value::as_str);
            name.is_some_and(|name| name.ends_with(self.message))
        };
        if names("@type") {
            Some((self, self.at.to_owned()))
        } else if names("type_url") {
            // TypedStruct, for control planes that do not know the type.
            Some((self, below("value", self.at)))
        } else {
            None
        }
    }
}

impl Located {
    /// Whether this is the authorizer's and not another module's configuration.
    fn is_ours(&self) -> bool {
        let carriers = match &self.setting {
            Setting::Bare => return ours::has_our_field(&self.config.value),
            // The filter around its plugin has a name, too.
            Setting::Envoy(path) | Setting::Module(path) => {
                let filter = path
                    .rsplit_once(".typed_config")
                    .or(path.rsplit_once(".typedConfig"));
                let name = filter.map(|(filter, _)| below(filter, "name"));
                [Some(path.clone()), name]
            }
            Setting::Istio(path) | Setting::Gateway(path) => {
                let manifest = path
                    .rsplit_once("spec")
                    .map_or("", |(manifest, _)| manifest);
                let metadata = below(manifest.trim_end_matches('.'), "metadata.name");
                [Some(path.clone()), Some(metadata)]
            }
        };
        let carriers = carriers
            .iter()
            .flatten()
            .filter_map(|path| self.document.get(path));
        let config = &self.config.value;
        ours::is_our_configuration(config, &self.bytes)
            || carriers
                .into_iter()
                .any(|carrier| ours::names_us(carrier, config))
    }

    /// Whether this is what another one is, in another place of the same file, as a dump has one
    /// listener in several sections.
    fn repeats(&self, other: &Self) -> bool {
        match (&self.setting, &other.setting) {
            (Setting::Envoy(here), Setting::Envoy(there))
            | (Setting::Module(here), Setting::Module(there)) => {
                Rc::ptr_eq(&self.document, &other.document)
                    && self.document.get(here) == other.document.get(there)
            }
            _ => false,
        }
    }
}
