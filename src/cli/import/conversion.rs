//! The whole way from a definition to a configuration that the filter accepts.

use super::configuration::Configuration;
use super::definition::{Definition, Operation};
use super::losses::{label, note_audience, note_decisions, note_differences};
use super::note::Notes;
use super::order::Routes;
use super::pools::{clients, commonest, named, one_issuer, pools};
use super::route::Route;
use super::security::{Access, Context, Decision};
use super::{Args, Case, Waiver, authorizer, cors, policy, replies};
use crate::document::{Document, Source};
use anyhow::{Context as _, bail, ensure};
use cognito_authorizer::config;
use cognito_authorizer::rules::pattern::PathPattern;
use serde_json::Value;

/// A configuration, and what is to be said about it.
pub(super) struct Imported {
    pub(super) text: String,
    pub(super) notes: Notes,
    pub(super) operations: usize,
    pub(super) rules: usize,
}

/// Writes the configuration for a definition that was read from `name`.
///
/// # Errors
/// There is nothing that the filter could check, or a decision is left to whoever imports it.
pub(super) fn import(
    definition: &Definition<'_>,
    args: &Args,
    name: &str,
) -> anyhow::Result<Imported> {
    let mut notes = Notes::default();
    definition.note_unknown_extensions(&mut notes);
    let prefix = prefix(definition, args, &mut notes)?;
    let schemes = authorizer::read(definition, &clients(args));
    let operations = definition.operations(&mut notes);
    let mut context = Context {
        version: definition.version,
        schemes: &schemes,
        top: definition.top("security"),
        profile: None,
        without_api_keys: args.waive.contains(&Waiver::ApiKeys),
    };
    let profile = match &args.authorizer {
        Some(name) => named(&schemes, name)?.profile.clone(),
        None => commonest(&operations, &context)?,
    };
    context.profile = Some(&profile);
    let waived = args.waive.contains(&Waiver::ResourcePolicy);
    let policy = policy::read(definition, waived, &mut notes);
    let mut decisions = Vec::new();
    for operation in &operations {
        let mut decision = context.decide(operation);
        if let Some(obstacle) = &policy {
            decision.access = Access::Nobody;
            decision.obstacles = vec![obstacle.clone()];
        }
        decisions.push(decision);
    }
    let pools = pools(&schemes, &profile, &decisions, args)?;
    for decision in &mut decisions {
        one_issuer(decision, &schemes, &pools);
    }
    note_decisions(definition, &operations, &decisions, &context, &mut notes);
    let mut routes = Routes::default();
    let mut unlike = Vec::new();
    for (operation, decision) in operations.iter().zip(&decisions) {
        let both = (operation, decision);
        if let Err(text) = add(&mut routes, definition, &prefix, both, &mut notes) {
            unlike.push(format!("\n{}: {text}", operation.place));
        }
    }
    ensure!(
        unlike.is_empty(),
        "found paths that API Gateway does not have{}",
        unlike.concat()
    );
    note_differences(definition, &operations, &mut notes);
    note_audience(&profile, &operations, &decisions, &mut notes);
    let path_case = path_case(args.path_case, routes.need_letter_case(), &mut notes)?;
    let title = match definition.title() {
        title if title.is_empty() => name.to_owned(),
        title => format!("{title:?} ({name})"),
    };
    let configuration = Configuration {
        title,
        pools,
        profile,
        rules: routes.ordered(definition.api),
        path_case,
        prefix: prefix.iter().map(|segment| format!("/{segment}")).collect(),
        cors_preflight: cors::read(definition, &mut notes),
        responses: replies::read(definition, &mut notes),
    };
    let text = configuration.write(&notes);
    accepted(&text)?;
    Ok(Imported {
        text,
        notes,
        operations: operations.len(),
        rules: configuration.rules.len(),
    })
}

/// The filter's own parser has the last word, before anyone else reads the result.
fn accepted(text: &str) -> anyhow::Result<()> {
    let document = Document::only(&Source::new("import", text)).context("the result")?;
    if let Err(problems) = config::parse(document.value.to_string().as_bytes()) {
        bail!("the filter would refuse the result:\n{problems}");
    }
    Ok(())
}

/// What all paths are below.
fn prefix(
    definition: &Definition<'_>,
    args: &Args,
    notes: &mut Notes,
) -> anyhow::Result<Vec<String>> {
    let mut segments = Vec::new();
    for (option, path) in [("--stage", &args.stage), ("--base-path", &args.base_path)] {
        let path = path.as_deref().unwrap_or_default().trim_matches('/');
        if path.is_empty() {
            continue;
        }
        if let Err(error) = PathPattern::exact(&format!("/{path}")) {
            bail!("{option}: {error}");
        }
        segments.extend(path.split('/').map(str::to_owned));
    }
    // An export names its stage as the base path.
    let found = definition.base_path();
    if let Some((place, path)) = found
        && args.base_path.is_none()
        && path != format!("/{}", segments.join("/"))
    {
        notes.changed(
            place,
            format!("the base path {path} is left out, as API Gateway does unless asked; --base-path {path} puts it before all paths"),
        );
    }
    Ok(segments)
}

/// Adds an operation's rule.
///
/// # Errors
/// Its path is none that API Gateway has.
fn add(
    routes: &mut Routes,
    definition: &Definition<'_>,
    prefix: &[String],
    (operation, decision): (&Operation<'_>, &Decision),
    notes: &mut Notes,
) -> Result<(), String> {
    let mut origin = label(operation);
    let id = operation.says.and_then(|says| says.get("operationId"));
    if let Some(id) = id.and_then(Value::as_str) {
        origin.push_str(&format!(" ({id})"));
    }
    let why: Vec<_> = match decision.access {
        Access::Nobody => decision
            .obstacles
            .iter()
            .map(|one| one.text.clone())
            .collect(),
        Access::Anyone | Access::Optional | Access::Require(_) => {
            decision.authorizers.iter().cloned().collect()
        }
    };
    if !why.is_empty() {
        origin.push_str(&format!(": {}", why.join(", ")));
    }
    let access = decision.access.clone();
    let method = operation.method.as_deref();
    let added = if definition.is_default_route(operation.path) {
        routes.add_default(method, access, origin)
    } else {
        routes.add(Route::new(prefix, operation.path)?, method, access, origin)
    };
    if added.is_err() {
        notes.not_carried(
            operation.place.clone(),
            "rules cannot tell it from an operation that asks for something else; both are closed",
        );
    }
    Ok(())
}

fn path_case(
    wanted: Option<Case>,
    needed: bool,
    notes: &mut Notes,
) -> anyhow::Result<&'static str> {
    match (wanted, needed) {
        (Some(Case::Insensitive), true) => {
            bail!(
                "--path-case insensitive: the definition has paths that differ by letter case alone"
            )
        }
        (None, true) => {
            notes.changed(
                "paths",
                "paths differ by letter case alone, and so path_case is sensitive: every upstream has to tell them apart, too",
            );
            Ok("sensitive")
        }
        (Some(Case::Sensitive), _) => Ok("sensitive"),
        (Some(Case::Insensitive) | None, false) => Ok("insensitive"),
    }
}
