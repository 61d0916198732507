//! `authorizers`: functions of one's own that decide, and how they are asked.

use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::issuer::absolute;
use super::jwks::{DEFAULT_TIMEOUT, TIMEOUT};
use super::nearest::nearest;
use super::place::quoted;
use super::problem::{Parsed, Reported};
use crate::arn::{Arn, Partition, is_account};
use crate::authorizer::answer::AnswerType;
use crate::authorizer::api::{Api, DEFAULT_STAGE};
use crate::authorizer::event::{EventSettings, Format, HeaderNames};
use crate::authorizer::identity::{ContextVariable, IdentityHeader, IdentitySource};
use crate::header::HeaderName;
use crate::policy::{Authorizer, IdentityPattern, Memory};
use crate::remote::call::Endpoint;
use crate::rules::AuthorizerIndex;
use crate::rules::expression::Expression;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most authorizers: each has metrics of its own. API Gateway gives an API ten.
pub const MAX_AUTHORIZERS: usize = 100;

/// The most sources of an identity.
pub const MAX_IDENTITY_SOURCES: usize = 16;

/// `cache.ttl`: as API Gateway's `authorizerResultTtlInSeconds`.
const TTL: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(3600),
};

/// `cache.entries`, of all authorizers together: at the 4 KiB that each stands for, a quarter of what
/// V8 gives a module.
pub const MAX_ANSWERS: usize = 65_536;
const ENTRIES: RangeInclusive<usize> = 1..=MAX_ANSWERS;
const DEFAULT_ENTRIES: usize = 4_096;

/// The longest name, which stands in the names of metrics.
const MAX_NAME_BYTES: usize = 64;

/// The longest name of a function or of a stage, as AWS has them.
const MAX_FUNCTION_BYTES: usize = 64;
const MAX_STAGE_BYTES: usize = 128;

/// The most variables of a stage; their names and values go into every event.
const MAX_STAGE_VARIABLES: usize = 100;

const FIELDS: [&str; 13] = [
    "name",
    "type",
    "format",
    "function",
    "uri",
    "cluster",
    "timeout",
    "answer",
    "identity",
    "pattern",
    "cache",
    "api",
    "header_names",
];
const CACHE_FIELDS: [&str; 2] = ["ttl", "entries"];
const API_FIELDS: [&str; 5] = ["region", "account_id", "api_id", "stage", "stage_variables"];
const PLACES: [&str; 3] = ["header", "query", "context"];

const NAME: &str = "a name of letters, digits, \"-\", \"_\" and \".\", at most 64";
const PLACE: &str = "an object with one of header, query and context";
const FUNCTION: &str = "the ARN or the name of a Lambda function";
const REGION: &str = "an AWS region such as us-east-1";
const STAGE: &str = "the name of a stage, or $default";

/// What rules may refer to. About a name that was refused nothing is known, and nothing is said.
pub(super) struct KnownAuthorizers(Vec<Parsed<String>>);

impl KnownAuthorizers {
    /// Reads the name of one.
    pub(super) fn one(&self, field: &Field<'_>) -> Parsed<AuthorizerIndex> {
        let name = field.text()?;
        let mut known = self.0.iter();
        let position = known.position(|one| one.as_deref().is_ok_and(|one| one == name));
        if let Some(position) = position {
            return Ok(AuthorizerIndex(position));
        }
        if let Some(reported) = self.0.iter().find_map(|name| name.as_ref().err()) {
            // It may be the one that could not be read.
            return Err(*reported);
        }
        let names: Vec<_> = self.0.iter().flatten().map(String::as_str).collect();
        let hint = nearest(name, &names)
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(field.refuse(format_args!(
            "found {}; expected the name of one of authorizers{hint}",
            quoted(name)
        )))
    }
}

/// Whether some rule, or the default, asks for a token. It is asked before rules are read, and of
/// what cannot be read the answer is yes.
pub(super) fn tokens_are_asked_for(fields: &Fields<'_>) -> bool {
    let asks = |rule: &Value| {
        rule.get("authorizer").is_none()
            && !matches!(
                rule.get("allow").and_then(Value::as_str),
                Some("anyone" | "nobody")
            )
    };
    let rules = fields.value("rules").and_then(Value::as_array);
    let by_rules = rules.is_some_and(|rules| rules.iter().any(asks));
    let by_default = match fields.value("default") {
        None => rules.is_none_or(Vec::is_empty),
        Some(Value::String(word)) => !matches!(word.as_str(), "nobody" | "anyone"),
        Some(other) => other.get("authorizer").is_none(),
    };
    by_rules || by_default
}

/// Reads `authorizers`, and what rules need to know of them even if some of it is wrong.
pub(super) fn read(fields: &Fields<'_>) -> (Parsed<Vec<Authorizer>>, KnownAuthorizers) {
    let entries = match entries(fields) {
        Ok(entries) => entries,
        Err(reported) => return (Err(reported), KnownAuthorizers(vec![Err(reported)])),
    };
    let mut names: Vec<Parsed<String>> = Vec::new();
    let mut answers: usize = 0;
    let authorizers = all(entries.iter().map(|entry| {
        let fields = entry.fields(&FIELDS);
        let parts = fields.as_ref().map_err(|reported| *reported);
        let name = parts.and_then(|fields| name(fields, &names));
        names.push(name.clone());
        authorizer(parts?, name, &mut answers)
    }));
    (authorizers, KnownAuthorizers(names))
}

fn entries<'doc>(fields: &Fields<'doc>) -> Parsed<Vec<Field<'doc>>> {
    let expected = format!("a list of at most {MAX_AUTHORIZERS} authorizers");
    let Some(field) = fields.optional("authorizers", expected) else {
        return Ok(Vec::new());
    };
    let entries = field.list("an object with name, type, cluster, answer, cache and api")?;
    if entries.len() > MAX_AUTHORIZERS {
        let found = entries.len();
        return Err(field.refuse(format_args!(
            "found {found} authorizers; expected at most {MAX_AUTHORIZERS}"
        )));
    }
    Ok(entries)
}

fn name(fields: &Fields<'_>, earlier: &[Parsed<String>]) -> Parsed<String> {
    let field = fields.required("name", NAME)?;
    let name = field.text()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.len() > MAX_NAME_BYTES || !name.bytes().all(is_name) {
        return Err(field.wrong());
    }
    let is_taken = |known: &Parsed<String>| known.as_deref().is_ok_and(|known| known == name);
    if let Some(position) = earlier.iter().position(is_taken) {
        return Err(field.refuse(format_args!(
            "found the name of authorizers[{position}]; expected each name once"
        )));
    }
    Ok(name.to_owned())
}

fn authorizer(
    fields: &Fields<'_>,
    name: Parsed<String>,
    answers: &mut usize,
) -> Parsed<Authorizer> {
    let format = format(fields);
    let api = fields
        .required(
            "api",
            "an object with region, account_id, api_id and stage, which events and ARNs name",
        )
        .and_then(|field| api(&field));
    let cluster = fields
        .required(
            "cluster",
            "the Envoy cluster that reaches the function, and signs the call",
        )
        .and_then(|field| field.text().map(str::to_owned));
    let timeout = fields.duration("timeout", TIMEOUT, DEFAULT_TIMEOUT);
    let endpoint = endpoint(fields, api.as_ref().map_err(|reported| *reported));
    let answer = answer(fields, format.as_ref().ok().copied());
    let memory = fields
        .required("cache", "an object with ttl and entries")
        .and_then(|field| memory(&field, answers));
    let identity = identity(fields, format.as_ref().ok().copied(), memory.as_ref().ok());
    let pattern = pattern(fields, format.as_ref().ok().copied());
    let header_names = header_names(fields, format.as_ref().ok().copied());
    let endpoint = endpoint?;
    Ok(Authorizer {
        name: name?,
        settings: EventSettings {
            format: format?,
            api: api?,
            header_names: header_names?,
            identity: identity?,
        },
        answer: answer?,
        pattern: pattern?,
        endpoint: Endpoint {
            cluster: cluster?,
            timeout: timeout?,
            ..endpoint
        },
        memory: memory?,
    })
}

/// Reads `type` and `format`.
fn format(fields: &Fields<'_>) -> Parsed<Format> {
    #[derive(Clone, Copy)]
    enum Type {
        Token,
        Request,
    }
    const FORMAT: &str = "rest, '1.0' or '2.0'";
    let words = [("token", Type::Token), ("request", Type::Request)];
    let of_type = fields
        .required("type", "token or request")
        .and_then(|field| field.word(&words));
    let given = fields.optional("format", FORMAT);
    let read = |field: &Field<'_>| {
        field.word(&[
            ("rest", Format::Rest),
            ("1.0", Format::Http1),
            ("2.0", Format::Http2),
        ])
    };
    match (of_type, given) {
        (Ok(Type::Token), None) => Ok(Format::Token),
        (Ok(Type::Token), Some(field)) => Err(field.refuse(
            "found beside type: token, which has one format; expected it beside type: request",
        )),
        (Ok(Type::Request), Some(field)) => read(&field),
        (Ok(Type::Request), None) => {
            Err(fields.refuse_at("format", format_args!("missing; expected {FORMAT}")))
        }
        (Err(reported), field) => {
            if let Some(field) = field {
                read(&field)?;
            }
            Err(reported)
        }
    }
}

/// Reads `function` or `uri`. Cluster and time-out are the caller's to fill in.
fn endpoint(fields: &Fields<'_>, api: Parsed<&Api>) -> Parsed<Endpoint> {
    let function = fields.optional("function", FUNCTION);
    let uri = fields.optional("uri", "an absolute URL such as https://host/path");
    match (function, uri) {
        (Some(field), None) => function_endpoint(&field, api),
        (None, Some(field)) => field
            .parsed(absolute)
            .map(|uri| uri.reached_through(String::new(), Duration::ZERO)),
        (Some(_), Some(uri)) => Err(uri.refuse("found beside function; expected one of the two")),
        (None, None) => Err(fields.refuse_at(
            "function",
            format_args!("missing; expected {FUNCTION}, or uri for another service"),
        )),
    }
}

/// The Invoke API of Lambda, which hands the function its event as it is, and its answer back as it
/// is; a function URL would wrap both.
fn function_endpoint(field: &Field<'_>, api: Parsed<&Api>) -> Parsed<Endpoint> {
    let function = field.text()?;
    let authority = match Arn::new(function) {
        Some(arn) => {
            let partition = Partition::of_region(arn.region);
            let named = arn.resource.strip_prefix("function:");
            let is_function = arn.service == "lambda"
                && arn.partition == partition.name
                && is_region(arn.region)
                && is_account(arn.account)
                && named.is_some_and(is_function_name);
            if !is_function {
                return Err(field.wrong());
            }
            format!("lambda.{}.{}", arn.region, partition.suffix)
        }
        None if is_function_name(function) => api?.lambda_host(),
        None => return Err(field.wrong()),
    };
    let path = format!("/2015-03-31/functions/{function}/invocations");
    Ok(Endpoint {
        cluster: String::new(),
        uri: format!("https://{authority}{path}"),
        scheme: "https".to_owned(),
        authority,
        path,
        timeout: Duration::ZERO,
    })
}

/// A function's name, and perhaps a version or an alias after a colon.
fn is_function_name(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let (name, qualifier) = match text.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (text, None),
    };
    let is_name =
        |name: &str| (1..=MAX_FUNCTION_BYTES).contains(&name.len()) && name.bytes().all(of_name);
    is_name(name) && qualifier.is_none_or(|qualifier| qualifier == "$LATEST" || is_name(qualifier))
}

fn is_region(text: &str) -> bool {
    let of_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len())
        && text.contains('-')
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(of_region)
}

fn answer(fields: &Fields<'_>, format: Option<Format>) -> Parsed<AnswerType> {
    let field = fields.required("answer", "policy or simple")?;
    let answer = field.word(&[
        ("policy", AnswerType::Policy),
        ("simple", AnswerType::Simple),
    ])?;
    match (answer, format) {
        (AnswerType::Simple, Some(Format::Token | Format::Rest | Format::Http1)) => {
            Err(field.refuse("found simple, which format '2.0' alone has; expected policy"))
        }
        _ => Ok(answer),
    }
}

fn memory(field: &Field<'_>, answers: &mut usize) -> Parsed<Memory> {
    let fields = field.fields(&CACHE_FIELDS)?;
    let ttl = fields
        .required("ttl", format!("a duration {TTL}"))
        .and_then(|field| field.duration(TTL));
    let entries = fields.integer("entries", &ENTRIES, DEFAULT_ENTRIES);
    let (ttl, entries) = (ttl?, entries?);
    if !ttl.is_zero() {
        *answers = answers.saturating_add(entries);
        if *answers > MAX_ANSWERS {
            return Err(fields.refuse_at(
                "entries",
                format_args!("found {answers} with those of the authorizers before; expected at most {MAX_ANSWERS} in all"),
            ));
        }
    }
    Ok(Memory { ttl, entries })
}

fn api(field: &Field<'_>) -> Parsed<Api> {
    let fields = field.fields(&API_FIELDS)?;
    let part = |name, expected: &'static str, is_one: &dyn Fn(&str) -> bool| {
        let field = fields.required(name, expected)?;
        let text = field.text()?;
        match is_one(text) {
            true => Ok(text.to_owned()),
            false => Err(field.wrong()),
        }
    };
    let is_id = |text: &str, extra: &[u8], most: usize| {
        text.len() <= most
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
    };
    let region = part("region", REGION, &is_region);
    let account_id = part(
        "account_id",
        "the twelve digits of an AWS account, in quotes",
        &is_account,
    );
    let api_id = part("api_id", "the id of an API such as a1b2c3d4e5", &|text| {
        is_id(text, b"-_", MAX_FUNCTION_BYTES)
    });
    let stage = part("stage", STAGE, &|text| {
        text == DEFAULT_STAGE || is_id(text, b"-_", MAX_STAGE_BYTES)
    });
    let stage_variables = match fields.optional("stage_variables", "an object of names and texts") {
        None => Ok(BTreeMap::new()),
        Some(field) => stage_variables(&field),
    };
    Ok(Api {
        region: region?,
        account_id: account_id?,
        api_id: api_id?,
        stage: stage?,
        stage_variables: stage_variables?,
    })
}

fn stage_variables(field: &Field<'_>) -> Parsed<BTreeMap<String, String>> {
    let entries = field.entries("a text")?;
    if entries.len() > MAX_STAGE_VARIABLES {
        let found = entries.len();
        return Err(field.refuse(format_args!(
            "found {found} variables; expected at most {MAX_STAGE_VARIABLES}"
        )));
    }
    let read = entries.iter().map(|(name, field)| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(field.refuse(format_args!(
                "found the name {}; expected letters, digits and \"_\"",
                quoted(name)
            )));
        }
        Ok(((*name).to_owned(), field.any_text()?.to_owned()))
    });
    let mut variables = BTreeMap::new();
    variables.extend(all(read)?);
    Ok(variables)
}

/// Reads `identity`. Without it every request is asked about by itself, so that nothing can be
/// remembered.
fn identity(
    fields: &Fields<'_>,
    format: Option<Format>,
    memory: Option<&Memory>,
) -> Parsed<Vec<IdentitySource>> {
    let Some(field) = fields.optional("identity", "a list of places: header, query or context")
    else {
        return match (format, memory) {
            (Some(Format::Token), _) => Err(fields.refuse_at(
                "identity",
                "missing; expected one header, which holds the token",
            )),
            (_, Some(memory)) if memory.ttl.is_zero() => Ok(Vec::new()),
            (_, Some(_)) => Err(fields.refuse_at(
                "identity",
                "missing; expected a list of places by which answers are told apart, or cache.ttl: 0s",
            )),
            (_, None) => Ok(Vec::new()),
        };
    };
    let items = field.items(PLACE)?;
    if items.len() > MAX_IDENTITY_SOURCES {
        let found = items.len();
        return Err(field.refuse(format_args!(
            "found {found} places; expected at most {MAX_IDENTITY_SOURCES}"
        )));
    }
    let mut seen: Vec<IdentitySource> = Vec::new();
    let sources = all(items.iter().enumerate().map(|(position, item)| {
        let source = source(item)?;
        if let Some(earlier) = seen.iter().position(|known| is_same(known, &source)) {
            return Err(item.refuse(format_args!(
                "found the place of {}[{earlier}]; expected each once",
                field.path()
            )));
        }
        // Each in its position, whatever became of those before it.
        seen.truncate(position);
        seen.push(source.clone());
        Ok(source)
    }))?;
    if format == Some(Format::Token) && !matches!(sources.as_slice(), [IdentitySource::Header(_)]) {
        return Err(field.refuse("found other places; expected one header, for type: token"));
    }
    Ok(sources)
}

fn is_same(one: &IdentitySource, other: &IdentitySource) -> bool {
    match (one, other) {
        (IdentitySource::Header(one), IdentitySource::Header(other)) => one.name == other.name,
        (one, other) => one == other,
    }
}

fn source(item: &Field<'_>) -> Parsed<IdentitySource> {
    let fields = item.fields(&PLACES)?;
    let present = fields.present(&PLACES);
    if present.len() != 1 {
        let found = match present.len() {
            0 => "none".to_owned(),
            _ => present.join(" and "),
        };
        return Err(fields.refuse(format_args!(
            "found {found}; expected one of header, query and context"
        )));
    }
    if let Some(field) = fields.optional("header", "the name of a header") {
        return header(&field).map(IdentitySource::Header);
    }
    if let Some(field) = fields.optional("query", "the name of a query parameter") {
        return field
            .text()
            .map(|name| IdentitySource::Query(name.to_owned()));
    }
    let field = fields.required("context", "path, method, route or source_ip")?;
    field
        .word(&[
            ("path", ContextVariable::Path),
            ("method", ContextVariable::Method),
            ("route", ContextVariable::Route),
            ("source_ip", ContextVariable::SourceIp),
        ])
        .map(IdentitySource::Context)
}

/// A header that a client can send: not one that frames the message, nor `host`, which Envoy hands
/// over as the authority.
fn header(field: &Field<'_>) -> Parsed<IdentityHeader> {
    let spelled = field.any_text()?;
    let name = field.parsed(HeaderName::reply)?;
    if name.as_str() == "host" {
        return Err(field.refuse(format_args!(
            "found {}; expected a header that says who calls, such as authorization",
            quoted(spelled)
        )));
    }
    Ok(IdentityHeader {
        name,
        spelled: spelled.to_owned(),
    })
}

fn pattern(fields: &Fields<'_>, format: Option<Format>) -> Parsed<IdentityPattern> {
    let Some(field) = fields.optional("pattern", "a regular expression") else {
        return Ok(IdentityPattern::Any);
    };
    if format.is_some_and(|format| format != Format::Token) {
        return Err(field.refuse("found beside type: request; expected it beside type: token"));
    }
    field.text()?;
    field
        .parsed(plain_expression)
        .map(IdentityPattern::Matching)
}

/// An expression that costs the same for each byte of a stranger's text: the value of a header may be
/// as long as all headers together.
fn plain_expression(written: &str) -> Result<Expression, String> {
    let expression = Expression::new(written).map_err(|error| error.to_string())?;
    match expression.is_table() {
        true => Ok(expression),
        false => Err(format!(
            "found {}; expected an expression of plain characters, classes, groups, alternatives and small repetitions",
            quoted(written)
        )),
    }
}

fn header_names(fields: &Fields<'_>, format: Option<Format>) -> Parsed<HeaderNames> {
    let names = fields.word(
        "header_names",
        "canonical or lower",
        &[
            ("canonical", HeaderNames::Canonical),
            ("lower", HeaderNames::Lower),
        ],
    )?;
    match format {
        Some(Format::Http2) if fields.has("header_names") => Err(refuse_names(fields)),
        _ => Ok(names),
    }
}

fn refuse_names(fields: &Fields<'_>) -> Reported {
    fields.refuse_at(
        "header_names",
        "found beside format '2.0', which has lower case; expected none",
    )
}
