//! `schema`: the configuration as a JSON Schema, made of what the reader of configurations asks for,
//! and of what the page about it says of each field.

use crate::pages;
use cognito_authorizer::config::places::ELEMENT;
use cognito_authorizer::config::schema::schema;
use std::io::Write;
use std::process::ExitCode;

/// Prints a JSON Schema of the configuration, for editors.
///
/// It is made of what the filter itself looks for. An editor then completes the names of fields, shows
/// what they mean, and marks what the filter would refuse, as far as a schema can tell: `check`
/// knows the rest. Of draft 7, which editors' YAML support has.
///
///   cognito-authorizer schema > authorizer.schema.json
///
/// and on top of the configuration:
///
///   # yaml-language-server: $schema=authorizer.schema.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    writeln!(out, "{:#}", schema(&meaning))?;
    Ok(ExitCode::SUCCESS)
}

/// What the page says of a field: its table is named for the member that has the fields.
fn meaning(path: &str, name: &str) -> Option<String> {
    let parts = || path.split('.').rev();
    let object = parts().next().unwrap_or_default().trim_end_matches(ELEMENT);
    let table = match object {
        "" => "the document",
        "any_of" => "require",
        "principal_headers" => "claim_headers",
        _ if path.starts_with("responses.") => "unauthorized",
        other => other,
    };
    let mut rows = pages::table(&format!("fields of {table}"));
    rows.find(|row| row.is_of(name))?.last()
}
