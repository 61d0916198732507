//! `schema`: the configuration as a JSON Schema, made of what the reader of configurations asks for,
//! and of what the page about it says of each field.

use crate::pages;
use cognito_authorizer::config::places::ELEMENT;
use cognito_authorizer::config::schema::schema;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Prints a JSON Schema of the configuration, for editors.
///
/// It is made of what the filter itself looks for. An editor then completes the names of fields, shows
/// what they mean, and marks what the filter would refuse, as far as a schema can tell: `check`
/// knows the rest. Of draft 7, which editors' YAML support has.
///
///   cognito-authorizer schema --files > authorizer.schema.json
///
/// and on top of the file:
///
///   # yaml-language-server: $schema=authorizer.schema.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// For files of Envoy, Istio and Envoy Gateway, too, whose filter, plugin or module has "cognito"
    /// in its name
    #[arg(long)]
    files: bool,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let schema = schema(&meaning);
    let schema = match args.files {
        true => of_files(schema),
        false => schema,
    };
    writeln!(out, "{schema:#}")?;
    Ok(ExitCode::SUCCESS)
}

/// Where Envoy's own files, from their top, have HTTP filters.
const HTTP_FILTERS: [&str; 6] = [
    "static_resources",
    "listeners[]",
    "filter_chains[]",
    "filters[]",
    "typed_config",
    "http_filters[]",
];

/// The schema of files that have the configuration somewhere in them, or are it. Of everything else
/// in them it says nothing.
fn of_files(mut configuration: Value) -> Value {
    let meta = configuration.as_object_mut();
    let meta = meta.and_then(|members| members.remove("$schema"));
    let ours = json!({"$ref": "#/definitions/configuration"});
    // JSON as a text is beyond a schema.
    let native = json!({"if": {"type": "object"}, "then": ours});
    let named = |schema: Value| {
        let named = json!({"required": ["name"], "properties": {"name": {"pattern": "cognito"}}});
        json!({"if": named, "then": schema})
    };
    let filter = named(below(
        &["typed_config", "config", "configuration", "value"],
        native,
    ));
    let module = named(below(&["config"], ours.clone()));
    let plugin = json!({
        "if": {"properties": {"metadata": {"properties": {"name": {"pattern": "cognito"}}}}},
        "then": below(&["spec", "pluginConfig"], ours.clone()),
    });
    let of_kind = |kind: &str, schema: Value| {
        let is = json!({"required": ["kind"], "properties": {"kind": {"enum": [kind]}}});
        json!({"if": is, "then": schema})
    };
    let bare = ["user_pools", "aws_accounts", "authorizers"];
    let bare = bare.map(|name| json!({"required": [name]}));
    json!({
        "$schema": meta,
        "title": "Files with a configuration of cognito-authorizer",
        "definitions": {"configuration": configuration},
        "allOf": [
            {"if": {"anyOf": bare}, "then": ours},
            below(&HTTP_FILTERS, filter),
            of_kind("WasmPlugin", plugin),
            of_kind("EnvoyExtensionPolicy", below(&["spec", "wasm[]"], module)),
        ],
    })
}

/// A schema for what stands below, by its path; what ends in brackets is a list.
fn below(path: &[&str], schema: Value) -> Value {
    path.iter().rev().fold(schema, |schema, step| {
        let (name, schema) = match step.strip_suffix(ELEMENT) {
            Some(name) => (name, json!({"items": schema})),
            None => (*step, schema),
        };
        json!({"properties": {name: schema}})
    })
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
