//! The definition of an API: Swagger 2.0 or OpenAPI 3, with API Gateway's extensions.

use super::EXPORT;
use super::note::Notes;
use super::part::{Object, Obstacle, Part};
use crate::document::{Document, member};
use anyhow::{Error, bail};
use cognito_authorizer::config::nearest;

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
    root: Object<'d>,
    paths: Object<'d>,
    hidden: Option<Obstacle>,
    pub(super) version: Version,
    pub(super) api: Api,
    /// What speaks for the other kind of API.
    doubt: Option<String>,
}

/// What may be done at a path.
pub(super) struct Operation<'d> {
    /// The path as the definition spells it.
    pub(super) path: &'d str,
    /// In upper case; `None` for `x-amazon-apigateway-any-method`.
    pub(super) method: Option<String>,
    /// Where it stands in the definition.
    pub(super) place: String,
    /// What it says, or why that cannot be read.
    pub(super) says: Result<Object<'d>, Obstacle>,
    /// Whether it stands for a whole path item, of which no more is known.
    pub(super) whole: bool,
    /// What in it and in its path item means an authorizer where API Gateway does not look for one.
    pub(super) astray: Vec<Obstacle>,
}

/// The name of a greedy route for everything else in an HTTP API.
const DEFAULT_ROUTE: &str = "/$default";
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
/// OpenAPI 3.0, path item object.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
/// What else a path item may say; nothing of it decides who may call.
const BESIDE_METHODS: [&str; 4] = ["summary", "description", "servers", "parameters"];
/// Asks for something in an operation alone.
pub(super) const AUTH: &str = "x-amazon-apigateway-auth";
/// Say something about a security scheme alone.
const OF_SCHEMES: [&str; 2] = [
    "x-amazon-apigateway-authorizer",
    "x-amazon-apigateway-authtype",
];
const UNKNOWN_EXTENSION: &str = "an extension that is not known here";

/// Extensions that say nothing about who may call, and those that are read elsewhere.
const KNOWN_EXTENSIONS: [&str; 21] = [
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-any-method",
    AUTH,
    "x-amazon-apigateway-authorizer",
    "x-amazon-apigateway-authtype",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-cors",
    "x-amazon-apigateway-documentation",
    "x-amazon-apigateway-endpoint-access-mode",
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-integrations",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
    "x-amazon-apigateway-security-policy",
    "x-amazon-apigateway-tag-value",
    "x-amazon-apigateway-api-id",
];

impl<'d> Definition<'d> {
    /// Reads the parts of a document that say what it is.
    ///
    /// # Errors
    /// It is neither Swagger 2.0 nor OpenAPI 3.0 or 3.1, or its paths cannot be read at all.
    pub(super) fn new(document: &'d Document, api: Option<Api>) -> anyhow::Result<Self> {
        let whole = Part::whole(document).partly().map_err(Error::msg)?;
        let (root, mut hidden) = whole;
        // YAML makes `swagger: 2.0` a number.
        let text = |name: &str| root.get(name)?.scalar().ok();
        let version = match (text("swagger"), text("openapi")) {
            (Some(version), None) if version == "2.0" => Version::Swagger2,
            (None, Some(version)) if ["3.0", "3.1"].iter().any(|known| is_of(&version, known)) => {
                Version::OpenApi3
            }
            (Some(found), None) => bail!("swagger: found {found}; expected 2.0"),
            (None, Some(found)) => bail!("openapi: found {found}; expected 3.0 or 3.1"),
            (Some(_), Some(_)) => {
                bail!("found both swagger and openapi; expected one, with what belongs to it")
            }
            (None, None) => match template(&root) {
                Some(kind) => bail!("found {kind}; expected an API's definition. {EXPORT}"),
                None => bail!("found neither swagger nor openapi; expected an API's definition"),
            },
        };
        let paths = root.expect("paths").and_then(|paths| paths.partly());
        let (paths, elsewhere) = paths
            .map_err(|obstacle| anyhow::anyhow!("paths: {obstacle}; expected the API's paths"))?;
        hidden = hidden.or(elsewhere);
        let mut definition = Self {
            document,
            root,
            paths,
            hidden,
            version,
            api: Api::Rest,
            doubt: None,
        };
        (definition.api, definition.doubt) = match api {
            Some(api) => (api, None),
            None => definition.guess(),
        };
        Ok(definition)
    }

    /// HTTP if an authorizer says so, since a REST API has none of that type; else REST if anything
    /// says that, since its routing refuses more; HTTP if something says so. And what says otherwise.
    fn guess(&self) -> (Api, Option<String>) {
        let extension = |names: &[&str]| {
            let mut names = names
                .iter()
                .map(|name| format!("x-amazon-apigateway-{name}"));
            names.find(|name| self.root.get(name).is_some())
        };
        let schemes = self.schemes().unwrap_or_default();
        let kind = |wanted: &[&str]| {
            let of = |scheme: &Part<'_>| {
                let authorizer = scheme
                    .object()
                    .ok()?
                    .get("x-amazon-apigateway-authorizer")?;
                let kind = authorizer.object().ok()?.get("type")?.text().ok()?;
                Some(kind.to_ascii_lowercase())
            };
            let mut kinds = schemes.iter().filter_map(|(_, scheme)| of(scheme));
            let found = kinds.find(|kind| wanted.contains(&kind.as_str()));
            found.map(|kind| format!("an authorizer of type {kind}"))
        };
        let swagger = (self.version == Version::Swagger2).then(|| "Swagger 2.0".to_owned());
        let rest = kind(&["cognito_user_pools", "token"]).or(swagger);
        let rest = rest.or_else(|| {
            extension(&[
                "gateway-responses",
                "policy",
                "request-validators",
                "api-key-source",
            ])
        });
        let default = || {
            let default = self.paths.get(DEFAULT_ROUTE);
            default.map(|_| format!("the route {DEFAULT_ROUTE}"))
        };
        let jwt = kind(&["jwt"]);
        let http = jwt
            .clone()
            .or_else(|| extension(&["cors", "importexport-version"]));
        let doubt = |api: &str, hint: String, other: &str| {
            format!(
                "read as a definition of {api}, though {hint} is in it: --api {other} reads it so"
            )
        };
        match (jwt.is_some(), rest, http.or_else(default)) {
            (false, Some(_), Some(http)) => (Api::Rest, Some(doubt("a REST API", http, "http"))),
            (false, _, None) => (Api::Rest, None),
            (_, Some(rest), _) => (Api::Http, Some(doubt("an HTTP API", rest, "rest"))),
            (_, None, _) => (Api::Http, None),
        }
    }

    /// What is read at the top of the definition.
    pub(super) fn top(&self) -> &Object<'d> {
        &self.root
    }

    /// Why some of the top, or of the paths, is not in sight: whatever that is, it might have guarded
    /// every operation.
    pub(super) fn hidden(&self) -> Option<&Obstacle> {
        self.hidden.as_ref()
    }

    /// Title and version, as people call the API.
    pub(super) fn title(&self) -> String {
        let info = |name: &str| {
            let text = self
                .root
                .get("info")?
                .object()
                .ok()?
                .get(name)?
                .text()
                .ok()?;
            Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let parts = [info("title"), info("version")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The line on which a part stands.
    pub(super) fn line(&self, place: &str) -> usize {
        self.document.places.key(place).start.line
    }

    /// The security schemes by their names.
    ///
    /// # Errors
    /// Any of them might stand where this tool cannot look.
    pub(super) fn schemes(&self) -> Result<Vec<(&'d str, Part<'d>)>, Obstacle> {
        let schemes = match self.version {
            Version::Swagger2 => self.root.member("securityDefinitions")?,
            Version::OpenApi3 => match self.root.member("components")? {
                None => None,
                Some(components) => components.object()?.member("securitySchemes")?,
            },
        };
        match schemes {
            None => Ok(Vec::new()),
            Some(schemes) => Ok(schemes.object()?.members().collect()),
        }
    }

    /// Security schemes of the other version of the specification, which this one does not know.
    pub(super) fn misplaced_schemes(&self) -> Option<&'static str> {
        let (other, text) = match self.version {
            Version::Swagger2 => (
                "components",
                "components: belongs to OpenAPI 3; Swagger 2.0 has securityDefinitions",
            ),
            Version::OpenApi3 => (
                "securityDefinitions",
                "securityDefinitions: belongs to Swagger 2.0; OpenAPI 3 has components.securitySchemes",
            ),
        };
        self.root.get(other).map(|_| text)
    }

    /// Whether a path stands for all that no other does.
    pub(super) fn is_default_route(&self, path: &str) -> bool {
        self.api == Api::Http && path == DEFAULT_ROUTE
    }

    /// Every path, and every operation, in the order of the document.
    pub(super) fn operations(&self) -> Vec<Operation<'d>> {
        let extension = |path: &str| path.starts_with("x-");
        let paths = self.paths.members().filter(|(path, _)| !extension(path));
        let mut operations: Vec<_> = paths
            // What hides some of the paths is no path.
            .filter(|(path, _)| self.hidden.is_none() || path.starts_with('/'))
            .flat_map(|(path, item)| {
                operations_of(path, &item).unwrap_or_else(|obstacle| {
                    vec![Operation {
                        path,
                        method: None,
                        place: item.place.clone(),
                        says: Err(obstacle.of("a path item that cannot be read")),
                        whole: true,
                        astray: Vec::new(),
                    }]
                })
            })
            .collect();
        operations.sort_by_key(|operation| self.document.places.key(&operation.place).start);
        operations
    }

    /// The path that the definition says all others are below, if it is more than `/`.
    pub(super) fn base_path(&self) -> Option<(&'static str, String)> {
        let (place, path) = match self.version {
            Version::Swagger2 => (
                "basePath",
                self.root.get("basePath")?.text().ok()?.to_owned(),
            ),
            Version::OpenApi3 => {
                let server = self
                    .root
                    .get("servers")?
                    .list()
                    .ok()?
                    .first()?
                    .object()
                    .ok()?;
                let of = |object: Part<'d>, name: &str| object.object().ok()?.get(name);
                let variable = server.get("variables").and_then(|all| of(all, "basePath"));
                let path = match variable.and_then(|variable| of(variable, "default")) {
                    Some(default) => default.text().ok()?.to_owned(),
                    None => path_of(server.get("url")?.text().ok()?),
                };
                ("servers", path)
            }
        };
        let path = path.trim_matches('/');
        (!path.is_empty()).then(|| (place, format!("/{path}")))
    }

    /// The API's id and its stage, as far as the API's own URL says them.
    pub(super) fn endpoint(&self) -> (Option<String>, Option<String>) {
        let Some((id, _)) = self.host() else {
            return (None, None);
        };
        let base = self.base_path().map(|(_, path)| path);
        let stage = base.and_then(|path| path.split('/').nth(1).map(str::to_owned));
        (Some(id.to_owned()), stage)
    }

    /// The API's region, as far as the API's own URL says it.
    pub(super) fn region(&self) -> Option<String> {
        let (_, rest) = self.host()?;
        rest.split('.').next().map(str::to_owned)
    }

    /// The API's id, and what follows it in a host that API Gateway gave it.
    fn host(&self) -> Option<(&'d str, &'d str)> {
        let host = match self.version {
            Version::Swagger2 => self.root.get("host").and_then(|host| host.text().ok()),
            Version::OpenApi3 => self.root.get("servers").and_then(|servers| {
                let server = servers.list().ok()?.first()?.object().ok()?;
                // Its basePath is a placeholder: only what is before it is a host.
                let url = server.get("url")?.raw().as_str()?;
                url.split_once("://").map(|(_, rest)| rest)
            }),
        };
        host?.split_once(".execute-api.")
    }

    /// What there is to say about the top: extensions of API Gateway that nobody reads, and slips.
    pub(super) fn note_top(&self, notes: &mut Notes) {
        for (name, part) in self.root.members() {
            if is_unknown_extension(name) {
                notes.not_carried(part.place, UNKNOWN_EXTENSION);
            }
        }
        if self.root.get("security").is_none() {
            note_slip(&self.root, notes);
        }
        if let Some(doubt) = &self.doubt {
            notes.changed("", doubt);
        }
    }
}

/// What a path item has for each method.
fn operations_of<'d>(path: &'d str, item: &Part<'d>) -> Result<Vec<Operation<'d>>, Obstacle> {
    let mut operations = Vec::new();
    let object = item.object()?;
    for (name, part) in object.members() {
        let method = if name == ANY_METHOD {
            None
        } else if METHODS.contains(&name) {
            Some(name.to_ascii_uppercase())
        } else if is_unknown_extension(name) {
            return Err(part.obstacle(UNKNOWN_EXTENSION));
        } else if name.starts_with("x-") || BESIDE_METHODS.contains(&name) {
            continue;
        } else {
            return Err(part.obstacle("found no method that OpenAPI knows"));
        };
        let place = member(&item.place, name);
        let says = part.object().and_then(|says| {
            let unknown = says.members().find(|(name, _)| is_unknown_extension(name));
            match unknown {
                None => Ok(says),
                Some((_, part)) => Err(part.obstacle(UNKNOWN_EXTENSION)),
            }
        });
        let says = says.map_err(|obstacle| obstacle.of("an operation that cannot be read"));
        let mut astray = astray_at_top(&object);
        astray.extend(says.iter().flat_map(of_schemes));
        operations.push(Operation {
            path,
            method,
            place,
            says,
            whole: false,
            astray,
        });
    }
    Ok(operations)
}

/// What at the top, or in a path item, means an authorizer where API Gateway does not look for one.
pub(super) fn astray_at_top(object: &Object<'_>) -> Vec<Obstacle> {
    let text = "passed over here: API Gateway reads it in an operation alone";
    let auth = object.get(AUTH).map(|part| part.obstacle(text));
    auth.into_iter().chain(of_schemes(object)).collect()
}

/// What belongs to security schemes, wherever else it stands.
fn of_schemes(object: &Object<'_>) -> Vec<Obstacle> {
    let text = "passed over here: API Gateway reads it in a security scheme alone";
    let found = OF_SCHEMES.iter().filter_map(|name| object.get(name));
    found.map(|part| part.obstacle(text)).collect()
}

/// Says that `security` may have been meant where something else stands: API Gateway passes it over.
pub(super) fn note_slip(object: &Object<'_>, notes: &mut Notes) {
    if let Some(slip) = object.misspelt("security") {
        notes.changed(
            slip.place,
            "may be a slip of security; API Gateway passes it over, and so does this",
        );
    }
}

/// Whose template a file is, that has a definition in it at best.
fn template(root: &Object<'_>) -> Option<&'static str> {
    let has = |name: &str| root.get(name).is_some();
    if has("AWSTemplateFormatVersion") || has("Resources") || has("Transform") {
        Some("a template of CloudFormation or SAM")
    } else if has("service") && has("provider") || has("functions") && has("provider") {
        Some("a configuration of the Serverless Framework")
    } else if ["terraform", "terraform_version", "resource"]
        .into_iter()
        .any(has)
    {
        Some("a configuration or a state of Terraform")
    } else {
        None
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

/// Whether a name is of an extension of API Gateway that is not known here, or a slip of one that is:
/// it may keep someone out.
fn is_unknown_extension(name: &str) -> bool {
    !KNOWN_EXTENSIONS.contains(&name)
        && (name.starts_with("x-amazon-apigateway-") || nearest(name, &KNOWN_EXTENSIONS).is_some())
}
