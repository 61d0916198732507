//! `import`: from the definition of an API in API Gateway to a configuration of the filter.
//!
//! ```text
//!  definition ──▶ scheme       security schemes: authorizers, whose tokens, found where
//!             ──▶ security     operation: what a rule may ask for, or nobody
//!             ──▶ pools        one filter's worth of them
//!             ──▶ route, order paths: an order in which the first match is API Gateway's choice
//!             ──▶ replies, cors, policy
//!                    │
//!                    ▼
//!              configuration ──▶ the filter's own parser, before anyone sees it
//! ```
//!
//! A [`part`] of the definition is read in full or is an obstacle, and an obstacle closes what the part
//! was about. What the filter cannot ask for is a [`note`], and closes what it protected.

mod authorizer;
mod configuration;
mod conversion;
mod cors;
mod definition;
mod function;
mod head;
mod integration;
mod losses;
mod note;
mod order;
mod part;
mod policy;
mod pools;
mod replies;
mod route;
mod scheme;
mod security;
mod signed;
#[cfg(test)]
mod tests;
mod told;
mod yaml;

use crate::document::{Dialect, Document, Source};
use anyhow::Context as _;
use conversion::{Imported, import};
use definition::{Api, Definition};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Turns an API's definition in API Gateway into a configuration.
///
/// Reads Swagger 2.0 and OpenAPI 3.0 and 3.1 with API Gateway's extensions, in YAML or JSON, and
/// writes YAML in which a comment names what each rule came from. Operations whose authorizer
/// cannot be carried over (API keys, other issuers, Lambda unless --lambda-cluster says how it is
/// called, IAM unless --aws-account says who may call) are closed, and listed, on standard
/// error and at the top of what is written. What guards no operation (gateway responses, request
/// validation, CORS) is listed alike. Status 1 says that there is such a list, 0 that there is none.
///
/// An operation of which any part cannot be read is closed, and listed: what stands in another file,
/// what a template leaves to CloudFormation, Terraform or the like. An export of the deployed API has
/// all of it resolved. Of a REST API:
///   aws apigateway get-export --rest-api-id ID --stage-name STAGE --export-type oas30
///     --parameters extensions=apigateway api.json
/// Of an HTTP API:
///   aws apigatewayv2 export-api --api-id ID --specification OAS30 --output-type YAML api.yaml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The definition; - reads standard input
    openapi: PathBuf,
    /// Put /STAGE before all paths, as in the API's own URL; with --lambda-cluster, the stage that
    /// method ARNs name, whose paths are without it
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Put PATH before all paths, after the stage, as basepath=prepend does
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,
    /// The app clients whose tokens are admitted, where an authorizer names none
    #[arg(
        long,
        value_name = "ID,...",
        value_delimiter = ',',
        conflicts_with = "any_client"
    )]
    client_ids: Vec<String>,
    /// Admit tokens of every app client of the pool, as a REST API's authorizer does
    #[arg(long)]
    any_client: bool,
    /// The user pool of a security scheme, by its id or ARN, where the definition has a placeholder
    #[arg(long, value_name = "SCHEME=ID")]
    user_pool: Vec<scheme::NamedPool>,
    /// The AWS account whose roles and users may call what asks for signed requests (IAM), and its
    /// issuer of tokens, which they send instead of a signature
    #[arg(long, value_name = "NUMBER=ISSUER", requires_all = ["audience", "principals"])]
    aws_account: Option<signed::NamedAccount>,
    /// What those tokens are made for
    #[arg(
        long,
        value_name = "URL,...",
        value_delimiter = ',',
        requires = "aws_account"
    )]
    audience: Vec<String>,
    /// The roles and users that may call
    #[arg(
        long,
        value_name = "ARN,...",
        value_delimiter = ',',
        requires = "aws_account"
    )]
    principals: Vec<String>,
    /// The Envoy cluster that calls Lambda, signed, for the functions of Lambda authorizers
    #[arg(long, value_name = "NAME")]
    lambda_cluster: Option<String>,
    /// The API's id in method ARNs, where the definition has no server that says it
    #[arg(long, value_name = "ID", requires = "lambda_cluster")]
    api_id: Option<String>,
    /// The Envoy cluster that reaches the key endpoint [default: cognito_REGION]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The authorizer whose token place and pattern the filter has, where they differ
    #[arg(long, value_name = "NAME")]
    authorizer: Option<String>,
    /// Whose routing and replies [default: as the definition suggests]
    #[arg(long, value_enum)]
    api: Option<Api>,
    /// Whether paths differ by letter case; sensitive only if every upstream agrees
    /// [default: insensitive, unless the definition has such paths]
    #[arg(long, value_enum, value_name = "CASE")]
    path_case: Option<Case>,
    /// What is done elsewhere, or no longer, and closes nothing
    #[arg(long, value_enum, value_name = "WHAT,...", value_delimiter = ',')]
    waive: Vec<Waiver>,
    /// Write the configuration to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How the list of what was not carried over is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Case {
    Sensitive,
    Insensitive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Waiver {
    /// API keys that are asked for beside an authorizer
    ApiKeys,
    /// The API's resource policy
    ResourcePolicy,
}

/// What helps whose definition is not in sight: the commands that write one.
const EXPORT: &str = "Export the deployed API: \
    aws apigateway get-export --rest-api-id ID --stage-name STAGE --export-type oas30 \
    --parameters extensions=apigateway api.json (a REST API), \
    aws apigatewayv2 export-api --api-id ID --specification OAS30 --output-type YAML api.yaml (an HTTP API)";

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    carry_over(args, out).map_err(|error| match error.is::<std::io::Error>() {
        true => error,
        // Names from the definition are part of what is wrong with it.
        false => {
            let text = format!("{error:#}");
            let lines: Vec<_> = text.lines().map(note::shown).collect();
            anyhow::anyhow!(lines.join("\n"))
        }
    })
}

/// A file that cannot be read as YAML, or that is no object: a template before it is rendered, or
/// another language.
fn unreadable(source: &Source, error: &str) -> anyhow::Error {
    let name = source.name();
    let terraform = source.text().contains("resource \"aws_");
    if terraform || part::placeholder(source.text()).is_some() {
        anyhow::anyhow!("{name}: {error}; this seems to be a template. {EXPORT}")
    } else {
        anyhow::anyhow!("{name}: {error}")
    }
}

fn carry_over(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let source = Source::read(&args.openapi)?;
    let name = source.name().to_owned();
    let document = Document::only_in(&source, Dialect::Definition)
        .map_err(|error| unreadable(&source, &error.to_string()))?;
    if !document.value.is_object() {
        return Err(unreadable(
            &source,
            "found no object; expected an API's definition",
        ));
    }
    let definition = Definition::new(&document, args.api).with_context(|| name.clone())?;
    let imported = import(&definition, args, &name).with_context(|| name.clone())?;
    match &args.output {
        None => out.write_all(imported.text.as_bytes())?,
        Some(path) => {
            std::fs::write(path, &imported.text).with_context(|| path.display().to_string())?
        }
    }
    out.flush()?;
    report(
        &imported,
        &definition,
        &name,
        args.format,
        &mut std::io::stderr().lock(),
    )?;
    Ok(if imported.notes.lost() {
        ExitCode::from(crate::REFUSED)
    } else {
        ExitCode::SUCCESS
    })
}

fn report(
    imported: &Imported,
    definition: &Definition<'_>,
    name: &str,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let lost = imported.notes.of(note::Kind::NotCarried).count();
    match format {
        Format::Json => {
            let notes = imported.notes.iter();
            let notes: Vec<_> = notes
                .map(|note| note.json(definition.line(&note.place)))
                .collect();
            let report = json!({
                "operations": imported.operations,
                "rules": imported.rules,
                "not_carried": lost,
                "notes": notes,
            });
            writeln!(out, "{report}")?;
        }
        Format::Text => {
            for note in imported.notes.iter() {
                let kind = match note.kind {
                    note::Kind::NotCarried => "not carried over",
                    note::Kind::Waived => "waived",
                    note::Kind::Changed => "note",
                };
                let line = definition.line(&note.place);
                let (name, place) = (note::shown(name), note::shown(&note.place));
                let place = if place.is_empty() {
                    "the definition"
                } else {
                    &place
                };
                writeln!(
                    out,
                    "{name}:{line}: {kind}: {place}: {}",
                    note::shown(&note.text)
                )?;
            }
            let operations = counted(imported.operations, "operation");
            let rules = counted(imported.rules, "rule");
            let lost = match lost {
                0 => "everything was carried over".to_owned(),
                _ => format!("{} not carried over", counted(lost, "part")),
            };
            writeln!(out, "{operations}, {rules}; {lost}")?;
        }
    }
    Ok(())
}

fn counted(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
