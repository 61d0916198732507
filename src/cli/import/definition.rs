//! The definition of an API: Swagger 2.0 or OpenAPI 3, with API Gateway's extensions.

use super::note::Notes;
use crate::document::{Document, member};
use anyhow::bail;
use serde_json::{Map, Value};

/// Which specification the document follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Swagger 2.0.
    Swagger2,
    /// OpenAPI 3.0 and 3.1.
    OpenApi3,
}

/// Whose routing and whose replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Api {
    /// A REST API (API Gateway v1).
    Rest,
    /// An HTTP API (API Gateway v2).
    Http,
}

/// A definition.
pub(super) struct Definition<'d> {
    document: &'d Document,
    pub(super) version: Version,
    pub(super) api: Api,
}

/// What may be done at a path.
pub(super) struct Operation<'d> {
    /// The path as the definition spells it.
    pub(super) path: &'d str,
    /// In upper case; `None` for `x-amazon-apigateway-any-method`.
    pub(super) method: Option<String>,
    /// Where it stands in the definition.
    pub(super) place: String,
    /// What it says; `None` where something stands that is no operation.
    pub(super) says: Option<&'d Map<String, Value>>,
}

/// The name of a greedy route for everything else in an HTTP API.
const DEFAULT_ROUTE: &str = "/$default";
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
/// OpenAPI 3.0, path item object.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
/// What else a path item may say; nothing of it decides who may call.
const BESIDE_METHODS: [&str; 5] = ["summary", "description", "servers", "parameters", "$ref"];
/// More would be a circle.
const MAX_REFERENCES: usize = 16;

/// Extensions that say nothing about who may call, and those that are read elsewhere.
const KNOWN_EXTENSIONS: [&str; 21] = [
    "api-key-source",
    "any-method",
    "auth",
    "authorizer",
    "authtype",
    "binary-media-types",
    "cors",
    "documentation",
    "endpoint-access-mode",
    "endpoint-configuration",
    "gateway-responses",
    "importexport-version",
    "integration",
    "integrations",
    "minimum-compression-size",
    "policy",
    "request-validator",
    "request-validators",
    "security-policy",
    "tag-value",
    "api-id",
];

impl<'d> Definition<'d> {
    /// Reads the parts of a document that say what it is.
    ///
    /// # Errors
    /// It is neither Swagger 2.0 nor OpenAPI 3.0 or 3.1.
    pub(super) fn new(document: &'d Document, api: Option<Api>) -> anyhow::Result<Self> {
        let text = |name: &str| match document.value.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            // YAML makes `swagger: 2.0` a number.
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let version = match (text("swagger"), text("openapi")) {
            (Some(version), None) if version == "2.0" => Version::Swagger2,
            (None, Some(version)) if ["3.0", "3.1"].iter().any(|known| is_of(&version, known)) => {
                Version::OpenApi3
            }
            (Some(found), None) => bail!("swagger: found {found}; expected 2.0"),
            (None, Some(found)) => bail!("openapi: found {found}; expected 3.0 or 3.1"),
            _ => bail!("found neither swagger nor openapi; expected an API's definition"),
        };
        if !document.value.get("paths").is_some_and(Value::is_object) {
            bail!("paths: found no object; expected the API's paths");
        }
        let mut definition = Self {
            document,
            version,
            api: Api::Rest,
        };
        definition.api = api.unwrap_or_else(|| definition.guess());
        Ok(definition)
    }

    /// REST if anything says so, since its routing refuses more; HTTP if something says that.
    fn guess(&self) -> Api {
        let says = |name: &str| self.top(&format!("x-amazon-apigateway-{name}")).is_some();
        let kinds: Vec<_> = self
            .schemes()
            .into_iter()
            .filter_map(|(_, _, scheme)| scheme.get("x-amazon-apigateway-authorizer")?.get("type"))
            .collect();
        let rest = self.version == Version::Swagger2
            || kinds.iter().any(|kind| {
                kind.as_str().is_some_and(|kind| {
                    kind.eq_ignore_ascii_case("cognito_user_pools")
                        || kind.eq_ignore_ascii_case("token")
                })
            })
            || [
                "gateway-responses",
                "policy",
                "request-validators",
                "api-key-source",
            ]
            .into_iter()
            .any(says);
        let http = kinds.iter().any(|kind| kind.as_str() == Some("jwt"))
            || ["cors", "importexport-version"].into_iter().any(says)
            || self.paths().any(|(path, _)| path == DEFAULT_ROUTE);
        if http && !rest { Api::Http } else { Api::Rest }
    }

    /// A member at the top.
    pub(super) fn top(&self, name: &str) -> Option<&'d Value> {
        self.document.value.get(name)
    }

    /// Title and version, as people call the API.
    pub(super) fn title(&self) -> String {
        let info = |name: &str| {
            let text = self.document.get(&format!("info.{name}"))?.as_str()?;
            Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let parts = [info("title"), info("version")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The line on which a part stands.
    pub(super) fn line(&self, place: &str) -> usize {
        self.document.places.key(place).start.line
    }

    /// Follows `$ref` within the document; `None` if it leads nowhere.
    fn resolve(&self, value: &'d Value) -> Option<&'d Value> {
        let mut value = value;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = value.get("$ref") else {
                return Some(value);
            };
            let pointer = reference.as_str()?.strip_prefix('#')?;
            value = self.document.value.pointer(pointer)?;
        }
        None
    }

    /// The security schemes: name, place, and what it says (null if it cannot be followed).
    pub(super) fn schemes(&self) -> Vec<(&'d str, String, &'d Value)> {
        let place = match self.version {
            Version::Swagger2 => "securityDefinitions",
            Version::OpenApi3 => "components.securitySchemes",
        };
        let schemes = self.document.get(place).and_then(Value::as_object);
        let schemes = schemes.into_iter().flatten().map(|(name, scheme)| {
            let says = self.resolve(scheme).unwrap_or(&Value::Null);
            (name.as_str(), member(place, name), says)
        });
        schemes.collect()
    }

    fn paths(&self) -> impl Iterator<Item = (&'d str, &'d Value)> {
        let paths = self.top("paths").and_then(Value::as_object);
        let paths = paths.into_iter().flatten();
        paths
            .filter(|(path, _)| !path.starts_with("x-"))
            .map(|(path, item)| (path.as_str(), item))
    }

    /// Whether a path stands for all that no other does.
    pub(super) fn is_default_route(&self, path: &str) -> bool {
        self.api == Api::Http && path == DEFAULT_ROUTE
    }

    /// Every path, and every operation, in the order of the document.
    pub(super) fn operations(&self, notes: &mut Notes) -> Vec<Operation<'d>> {
        let mut paths: Vec<_> = self
            .paths()
            .map(|(path, item)| (path, member("paths", path), item))
            .collect();
        paths.sort_by_key(|(_, place, _)| self.document.places.key(place).start);
        let mut operations = Vec::new();
        for (path, place, item) in paths {
            let found = match self.resolve(item).and_then(Value::as_object) {
                Some(says) => self.of_path(path, &place, says, notes),
                None => {
                    let closed = self.unreadable(path, &place, "no path item", notes);
                    vec![closed]
                }
            };
            operations.extend(found);
        }
        operations
    }

    fn of_path(
        &self,
        path: &'d str,
        place: &str,
        item: &'d Map<String, Value>,
        notes: &mut Notes,
    ) -> Vec<Operation<'d>> {
        let mut operations = Vec::new();
        for (name, says) in item {
            let place = member(place, name);
            let method = if name == ANY_METHOD {
                None
            } else if METHODS.contains(&name.as_str()) {
                Some(name.to_ascii_uppercase())
            } else {
                if name.starts_with("x-") {
                    unknown_extension(name, &place, notes);
                } else if !BESIDE_METHODS.contains(&name.as_str()) {
                    operations.push(self.unreadable(path, &place, "no method", notes));
                }
                continue;
            };
            match says.as_object() {
                Some(says) => operations.push(Operation {
                    path,
                    method,
                    place,
                    says: Some(says),
                }),
                None => {
                    let closed = self.unreadable(path, &place, "no operation", notes);
                    operations.push(Operation { method, ..closed });
                }
            }
        }
        operations.sort_by_key(|operation| self.document.places.key(&operation.place).start);
        operations
    }

    /// What cannot be read might have been an operation: nobody may call it.
    fn unreadable(
        &self,
        path: &'d str,
        place: &str,
        found: &str,
        notes: &mut Notes,
    ) -> Operation<'d> {
        notes.not_carried(place, format!("found {found} that can be read; closed"));
        Operation {
            path,
            method: None,
            place: place.to_owned(),
            says: None,
        }
    }

    /// The path that the definition says all others are below, if it is more than `/`.
    pub(super) fn base_path(&self) -> Option<(&'static str, String)> {
        let (place, path) = match self.version {
            Version::Swagger2 => ("basePath", self.top("basePath")?.as_str()?.to_owned()),
            Version::OpenApi3 => {
                let server = self.top("servers")?.get(0)?;
                let variable = server.get("variables").and_then(|all| all.get("basePath"));
                let path = match variable.and_then(|variable| variable.get("default")) {
                    Some(default) => default.as_str()?.to_owned(),
                    None => path_of(server.get("url")?.as_str()?),
                };
                ("servers", path)
            }
        };
        let path = path.trim_matches('/');
        (!path.is_empty()).then(|| (place, format!("/{path}")))
    }

    /// Extensions of API Gateway at the top that nobody reads.
    pub(super) fn note_unknown_extensions(&self, notes: &mut Notes) {
        let top = self.document.value.as_object();
        for (name, _) in top.into_iter().flatten() {
            unknown_extension(name, &member("", name), notes);
        }
    }
}

/// Whether a version such as 3.0.1 is of the line 3.0.
fn is_of(version: &str, line: &str) -> bool {
    version
        .strip_prefix(line)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or_default()
        .to_owned()
}

/// Notes an extension of API Gateway that is not known here: it may have kept someone out.
pub(super) fn unknown_extension(name: &str, place: &str, notes: &mut Notes) {
    if let Some(extension) = name.strip_prefix("x-amazon-apigateway-")
        && !KNOWN_EXTENSIONS.contains(&extension)
    {
        notes.not_carried(place, "an extension that is not known here");
    }
}
