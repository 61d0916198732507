//! Lambda authorizers: the function that decides, and what the filter is told of it.

use super::authorizer::refusal_of;
use super::definition::{Api, Definition};
use super::part::{Object, Obstacle, Part};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What the command line says of all of them.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) cluster: String,
    pub(super) stage: Option<String>,
    pub(super) api_id: Option<String>,
    /// What is put before all paths, and is in no method's ARN; empty or `/path`.
    pub(super) below: String,
}

/// A Lambda authorizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// As `authorizers` names it.
    pub(super) name: String,
    /// What else `authorizers` has of it, in its order.
    pub(super) entry: Vec<(&'static str, Value)>,
    /// What is not as it was there.
    pub(super) differences: Vec<String>,
}

/// API Gateway's default, and the most (authorizerResultTtlInSeconds).
const DEFAULT_TTL: u64 = 300;
const MAX_TTL: u64 = 3600;
/// As many answers as tokens are remembered unless somebody says otherwise.
const ENTRIES: u32 = 4096;

/// What is between the parts of an `authorizerUri`, which is the ARN of a call of Lambda's API.
const FUNCTIONS: &str = ":lambda:path/2015-03-31/functions/";
const INVOCATIONS: &str = "/invocations";

/// What a Lambda authorizer may say. With which role API Gateway calls the function is nothing to the
/// filter, which Envoy's own calls it for.
const MEMBERS: [&str; 8] = [
    "authorizerCredentials",
    "authorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds",
    "authorizerUri",
    "enableSimpleResponses",
    "identitySource",
    "identityValidationExpression",
    "type",
];

/// The kind of a Lambda authorizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Token,
    Request,
}

/// Reads one, which is to be called `name`.
pub(super) fn read(
    definition: &Definition<'_>,
    calls: &Calls,
    name: &str,
    scheme: &Object<'_>,
    authorizer: &Object<'_>,
    kind: Kind,
) -> Result<Function, Obstacle> {
    let mut differences = Vec::new();
    if let Some((_, part)) = authorizer.members().find(|(name, _)| !is_known(name)) {
        return Err(part.obstacle("says what is not known here"));
    }
    let format = format(definition.api, authorizer, kind)?;
    let answer = answer(authorizer, format)?;
    if answer == "policy" && !calls.below.is_empty() {
        return Err(authorizer.obstacle(format!(
            "its policies name paths without {}, which is before all paths here",
            calls.below
        )));
    }
    let called = called(authorizer)?;
    let ttl = ttl(definition.api, authorizer)?;
    let identity = identity(definition.api, scheme, authorizer, kind)?;
    if identity.is_empty() && ttl > 0 {
        return Err(authorizer.obstacle("found no identitySource, by which answers are remembered"));
    }
    if !identity.is_empty() && ttl == 0 && definition.api == Api::Rest && kind == Kind::Request {
        differences.push(
            "asks its function without its identity sources too, since nothing is cached; here they are required"
                .to_owned(),
        );
    }
    let mut entry = vec![(
        "type",
        json!(match kind {
            Kind::Token => "token",
            Kind::Request => "request",
        }),
    )];
    entry.extend(format.map(|format| ("format", json!(format))));
    entry.push(("function", json!(called.function)));
    entry.push(("cluster", json!(calls.cluster)));
    entry.push(("answer", json!(answer)));
    if !identity.is_empty() {
        entry.push(("identity", Value::Array(identity)));
    }
    if let Some(pattern) = pattern(authorizer, kind)? {
        entry.push(("pattern", json!(pattern)));
    }
    let ttl = format!("{ttl}s");
    entry.push(("cache", json!({"ttl": ttl, "entries": ENTRIES})));
    entry.push(("api", place(definition, calls, authorizer, &called)?));
    let mut whole = Map::new();
    whole.insert("name".to_owned(), json!(name));
    whole.extend(
        entry
            .iter()
            .map(|(member, value)| ((*member).to_owned(), value.clone())),
    );
    let rule = json!({"match": {"path": "/"}, "authorizer": name});
    let least = json!({"authorizers": [whole], "rules": [rule], "default": "nobody"});
    match refusal_of(&least) {
        None => Ok(Function {
            name: name.to_owned(),
            entry,
            differences,
        }),
        Some(problem) => {
            Err(authorizer.obstacle(format!("the filter cannot follow it: {problem}")))
        }
    }
}

/// Whether a member is one that API Gateway has in these, or an extension of others: one that it has
/// not may be a slip of one that decides.
fn is_known(name: &str) -> bool {
    let others = name.starts_with("x-") && !name.starts_with("x-amazon-apigateway-");
    others || MEMBERS.contains(&name)
}

impl Function {
    /// The function's ARN.
    pub(super) fn arn(&self) -> &str {
        let arn = self.entry.iter().find(|(member, _)| *member == "function");
        arn.and_then(|(_, arn)| arn.as_str()).unwrap_or_default()
    }
}

/// A scheme's name as metrics can have it, with a number if another one has that.
pub(super) fn distinct(name: &str, others: &BTreeSet<String>) -> String {
    let plain = plain(name);
    if plain == name {
        return plain;
    }
    let numbered = (2_u32..).map(|number| format!("{plain}-{number}"));
    let mut all = std::iter::once(plain.clone()).chain(numbered);
    all.find(|one| !others.contains(one)).unwrap_or(plain)
}

fn plain(name: &str) -> String {
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => letter,
        _ => '-',
    };
    name.chars().map(plain).collect()
}

fn text<'d>(object: &Object<'d>, name: &str) -> Result<Option<(Part<'d>, &'d str)>, Obstacle> {
    let part = object.member(name)?;
    part.map(|part| part.text().map(|text| (part.clone(), text)))
        .transpose()
}

/// `format`, which TOKEN authorizers do not have.
fn format(api: Api, authorizer: &Object<'_>, kind: Kind) -> Result<Option<&'static str>, Obstacle> {
    let version = authorizer.member("authorizerPayloadFormatVersion")?;
    let said = version.as_ref().map(Part::scalar).transpose()?;
    match (api, kind, said.as_deref()) {
        (Api::Rest, Kind::Token, None) => Ok(None),
        (Api::Rest, Kind::Request, None) => Ok(Some("rest")),
        // YAML makes a number of it, and of that one digit less.
        (Api::Http, Kind::Request, Some("1" | "1.0")) => Ok(Some("1.0")),
        (Api::Http, Kind::Request, Some("2" | "2.0")) => Ok(Some("2.0")),
        (Api::Http, Kind::Token, _) => {
            Err(authorizer.obstacle("of type token, which an HTTP API does not have"))
        }
        (Api::Http, Kind::Request, None) => {
            Err(authorizer.obstacle("found no authorizerPayloadFormatVersion"))
        }
        (Api::Http, Kind::Request, Some(_)) | (Api::Rest, _, Some(_)) => {
            let text = match api {
                Api::Http => "expected a payload format, 1.0 or 2.0",
                Api::Rest => {
                    "a payload format, which a REST API does not have: --api http reads an HTTP API"
                }
            };
            Err(version.map_or_else(|| authorizer.obstacle(text), |part| part.obstacle(text)))
        }
    }
}

/// `answer`.
fn answer(authorizer: &Object<'_>, format: Option<&str>) -> Result<&'static str, Obstacle> {
    let Some(part) = authorizer.member("enableSimpleResponses")? else {
        return Ok("policy");
    };
    let simple = match part.raw() {
        Value::Bool(simple) => *simple,
        _ => match part.text()? {
            "true" => true,
            "false" => false,
            _ => return Err(part.obstacle("expected true or false")),
        },
    };
    match (simple, format) {
        (false, _) => Ok("policy"),
        (true, Some("2.0")) => Ok("simple"),
        (true, _) => Err(part.obstacle("simple responses, which only payload format 2.0 has")),
    }
}

/// Which function, and where the API is that calls it.
struct Called<'d> {
    function: &'d str,
    region: &'d str,
    account: &'d str,
}

fn called<'d>(authorizer: &Object<'d>) -> Result<Called<'d>, Obstacle> {
    let part = authorizer.expect("authorizerUri")?;
    let uri = part.text()?;
    let of = |uri: &'d str| {
        let (api, function) = uri.split_once(FUNCTIONS)?;
        let function = function.strip_suffix(INVOCATIONS)?;
        let region = api.strip_prefix("arn:")?.split(':').nth(2)?;
        let account = function.strip_prefix("arn:")?.split(':').nth(3)?;
        Some(Called {
            function,
            region,
            account,
        })
    };
    of(uri).ok_or_else(|| {
        part.obstacle(format!(
            "expected arn:aws:apigateway:REGION{FUNCTIONS}FUNCTION_ARN{INVOCATIONS}"
        ))
    })
}

fn ttl(api: Api, authorizer: &Object<'_>) -> Result<u64, Obstacle> {
    let Some(part) = authorizer.member("authorizerResultTtlInSeconds")? else {
        return Ok(match api {
            Api::Rest => DEFAULT_TTL,
            // Nothing is cached unless somebody says so.
            Api::Http => 0,
        });
    };
    let seconds = part.scalar()?.parse().ok();
    let seconds = seconds.filter(|seconds| *seconds <= MAX_TTL);
    seconds.ok_or_else(|| part.obstacle(format!("expected seconds from 0 to {MAX_TTL}")))
}

fn pattern<'d>(authorizer: &Object<'d>, kind: Kind) -> Result<Option<&'d str>, Obstacle> {
    match text(authorizer, "identityValidationExpression")? {
        Some((_, pattern)) if kind == Kind::Token && !pattern.is_empty() => Ok(Some(pattern)),
        // API Gateway does not look at it.
        _ => Ok(None),
    }
}

/// Identity sources; none where every request is asked about.
fn identity(
    api: Api,
    scheme: &Object<'_>,
    authorizer: &Object<'_>,
    kind: Kind,
) -> Result<Vec<Value>, Obstacle> {
    let Some(part) = authorizer.member("identitySource")? else {
        // A TOKEN authorizer's header may stand in the scheme alone.
        return match (kind, text(scheme, "in")?, text(scheme, "name")?) {
            (Kind::Token, Some((_, "header")), Some((_, name))) => {
                Ok(vec![json!({"header": name})])
            }
            (Kind::Token, ..) => Err(authorizer.obstacle("found no header for its token")),
            (Kind::Request, ..) => Ok(Vec::new()),
        };
    };
    let texts = part.texts()?;
    let sources = texts.iter().flat_map(|text| text.split(','));
    let sources = sources.map(str::trim).filter(|source| !source.is_empty());
    let identity = sources.map(|source| {
        place_of(api, source)
            .ok_or_else(|| part.obstacle(format!("the identity source {source:?} is not had here")))
    });
    identity.collect()
}

/// An identity source, in the filter's words.
fn place_of(api: Api, source: &str) -> Option<Value> {
    let (request, context) = match api {
        Api::Rest => ("method.request.", "context."),
        Api::Http => ("$request.", "$context."),
    };
    if let Some(name) = source.strip_prefix(context) {
        return Some(json!({"context": match name {
            "path" | "http.path" => "path",
            "httpMethod" | "http.method" => "method",
            "resourcePath" | "routeKey" => "route",
            "identity.sourceIp" | "http.sourceIp" => "source_ip",
            _ => return None,
        }}));
    }
    match source.strip_prefix(request)?.split_once('.')? {
        (_, "") => None,
        ("header", name) => Some(json!({"header": name})),
        ("querystring", name) => Some(json!({"query": name})),
        _ => None,
    }
}

/// `api`: what the ARNs of methods are made of.
fn place(
    definition: &Definition<'_>,
    calls: &Calls,
    authorizer: &Object<'_>,
    called: &Called<'_>,
) -> Result<Value, Obstacle> {
    let (id, stage) = definition.endpoint();
    let missing = |what: &str, option: &str| {
        let text = format!("the definition does not say its API's {what}, which policies name");
        authorizer.obstacle(text).advised(&format!("{option} does"))
    };
    let id = calls.api_id.clone().or(id);
    let id = id.ok_or_else(|| missing("id", "--api-id ID"))?;
    let stage = match (calls.stage.clone().or(stage), definition.api) {
        (Some(stage), _) => stage,
        (None, Api::Http) => "$default".to_owned(),
        (None, Api::Rest) => return Err(missing("stage", "--stage STAGE")),
    };
    Ok(json!({
        "region": called.region,
        "account_id": called.account,
        "api_id": id,
        "stage": stage,
    }))
}
