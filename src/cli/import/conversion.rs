//! The whole way from a definition to a configuration that the filter accepts.

use super::configuration::Configuration;
use super::definition::{Definition, Operation, astray_at_top};
use super::function::Calls;
use super::losses::{functions, label, note_audience, note_decisions, note_differences};
use super::note::Notes;
use super::order::Routes;
use super::part::Obstacle;
use super::pools::{clients, commonest, named, one_issuer, pools};
use super::route::Route;
use super::security::{Access, Context, Decision};
use super::signed::Callers;
use super::told::Told;
use super::{Args, Case, Waiver, cors, head, policy, replies, scheme};
use crate::document::{Document, Source, member};
use anyhow::{Context as _, bail};
use cognito_authorizer::config;
use cognito_authorizer::rules::pattern::PathPattern;

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
    definition.note_top(&mut notes);
    let prefix = prefix(definition, args, &mut notes)?;
    let below: String = prefix.iter().map(|segment| format!("/{segment}")).collect();
    let calls = args.lambda_cluster.as_ref().map(|cluster| Calls {
        cluster: cluster.clone(),
        stage: args.stage.clone(),
        api_id: args.api_id.clone(),
        below: below.clone(),
    });
    let clients = clients(args);
    let calls = calls.as_ref();
    let schemes = scheme::read(definition, &clients, &args.user_pool, calls, &mut notes)?;
    let operations = definition.operations();
    let account = args.aws_account.as_ref();
    let signed = Callers::of(account, &args.audience, &args.principals)?;
    let mut context = Context {
        version: definition.version,
        schemes: &schemes,
        top: definition.top(),
        profile: None,
        without_api_keys: args.waive.contains(&Waiver::ApiKeys),
        signed: signed.as_ref(),
    };
    let profile = match &args.authorizer {
        Some(name) => named(&schemes, name)?.profile.clone(),
        None => commonest(definition, &operations, &context)?,
    };
    context.profile = Some(&profile);
    let waived = args.waive.contains(&Waiver::ResourcePolicy);
    let mut guards: Vec<_> = definition.hidden().cloned().into_iter().collect();
    guards.extend(policy::read(
        definition,
        args.api_id.as_deref(),
        waived,
        &mut notes,
    ));
    // With no operation in sight there is none that it closes, and it is listed all the same.
    if operations.is_empty() {
        for obstacle in guards.iter().cloned().chain(astray_at_top(context.top)) {
            notes.lacks(obstacle);
        }
    }
    let mut decisions: Vec<_> = operations.iter().map(|one| context.decide(one)).collect();
    for decision in decisions.iter_mut().filter(|_| !guards.is_empty()) {
        decision.access = Access::Nobody;
        decision.obstacles.splice(..0, guards.iter().cloned());
    }
    let places = places(definition, &prefix, &operations, &mut decisions);
    let pools = pools(&schemes, &profile, &decisions, args)?;
    for decision in &mut decisions {
        one_issuer(decision, &schemes, &pools);
    }
    note_decisions(definition, &operations, &decisions, &context, &mut notes);
    let mut routes = Routes::default();
    for ((operation, decision), place) in operations.iter().zip(&decisions).zip(places) {
        let (method, access) = (operation.method.as_deref(), decision.access.clone());
        let origin = origin(operation, decision);
        let added = match place {
            Place::Unknown => Ok(()),
            Place::Everywhere => routes.add_default(method, access, origin),
            Place::Route(route) => routes.add(route, method, access, origin),
        };
        if added.is_err() {
            notes.not_carried(
                operation.place.clone(),
                "rules cannot tell it from an operation that asks for something else; both are closed",
            );
        }
    }
    note_differences(definition, &operations, &mut notes);
    note_audience(&profile, &operations, &decisions, &mut notes);
    let path_case = path_case(args.path_case, routes.need_letter_case(), &mut notes)?;
    let rules = routes.ordered(definition.api);
    head::note_open(&rules, &mut notes);
    let title = match definition.title() {
        title if title.is_empty() => name.to_owned(),
        title => format!("{title:?} ({name})"),
    };
    let used = |decision: &Decision| decision.access == Access::Signed;
    let functions = functions(&schemes, &decisions, &mut notes);
    let mut configuration = Configuration {
        title,
        callers: signed.filter(|_| pools.is_empty() || decisions.iter().any(used)),
        pools,
        functions,
        profile,
        rules,
        path_case,
        prefix: below,
        told: Told::default(),
        cors_preflight: cors::read(definition, &mut notes),
        responses: replies::read(definition, &mut notes),
    };
    let told = Told::read(&operations, &decisions, &mut notes, |told| {
        configuration.told = told.clone();
        let lacks_function = told.needs_function() && configuration.functions.is_empty();
        !lacks_function && accepted(&configuration.write(&Notes::default())).is_ok()
    });
    configuration.told = told;
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
        // The path of a method's ARN is below its stage, as the rules' paths are then, too.
        if option == "--stage" && args.lambda_cluster.is_some() {
            notes.changed(
                "",
                format!("paths are without the stage {path}, which method ARNs name: requests come here without it"),
            );
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

/// Where an operation is.
enum Place {
    Route(Route),
    /// Wherever no other is (`$default`).
    Everywhere,
    /// At a path that is none of API Gateway's, or that cannot be read.
    Unknown,
}

const UNKNOWN_PATH: &str = "paths that no rule can be about might be among those of others";

/// Where all operations are. A path that no rule can be about closes its operations, and every other
/// that would take their requests: all but those of one path, and no more.
fn places(
    definition: &Definition<'_>,
    prefix: &[String],
    operations: &[Operation<'_>],
    decisions: &mut [Decision],
) -> Vec<Place> {
    let mut places = Vec::new();
    let close = |decision: &mut Decision, obstacle: Obstacle| {
        decision.access = Access::Nobody;
        decision.obstacles.push(obstacle);
    };
    for (operation, decision) in operations.iter().zip(decisions.iter_mut()) {
        let route = match definition.is_default_route(operation.path) {
            true => Ok(Place::Everywhere),
            false => Route::new(prefix, operation.path).map(Place::Route),
        };
        places.push(route.unwrap_or_else(|text| {
            let place = member("paths", operation.path);
            let advice = None;
            close(
                decision,
                Obstacle {
                    place,
                    text,
                    advice,
                },
            );
            Place::Unknown
        }));
    }
    let unknown = places.iter().any(|place| matches!(place, Place::Unknown));
    let whole = |shape: &Route| {
        let mut items = operations.iter().zip(&places).filter(|(one, _)| one.whole);
        items.any(
            |(_, place)| matches!(place, Place::Route(item) if item.segments == shape.segments),
        )
    };
    for ((place, decision), operation) in places.iter().zip(decisions).zip(operations) {
        let text = match place {
            Place::Route(route) if !operation.whole && whole(route) => {
                "a path item that cannot be read is for the same requests"
            }
            Place::Route(route) if unknown && !route.is_one_path() => UNKNOWN_PATH,
            Place::Everywhere if unknown => UNKNOWN_PATH,
            Place::Route(_) | Place::Everywhere | Place::Unknown => continue,
        };
        let obstacle = Obstacle {
            place: "paths".to_owned(),
            text: text.to_owned(),
            advice: None,
        };
        close(decision, obstacle);
    }
    places
}

/// What a rule came from, in words.
fn origin(operation: &Operation<'_>, decision: &Decision) -> String {
    let mut origin = label(operation);
    let says = operation.says.as_ref().ok();
    let id = says.and_then(|says| says.get("operationId")?.text().ok());
    origin.extend(id.map(|id| format!(" ({id})")));
    let why: Vec<_> = match decision.access {
        Access::Nobody => decision
            .obstacles
            .iter()
            .map(|one| one.text.as_str())
            .collect(),
        Access::Anyone | Access::Signed | Access::Require(_) | Access::Ask(_) => {
            decision.authorizer.as_deref().into_iter().collect()
        }
    };
    if !why.is_empty() {
        origin.push_str(&format!(": {}", why.join(", ")));
    }
    origin
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
