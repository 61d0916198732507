//! The whole way from a definition to a configuration that the filter accepts.

use super::authorizer::{self, Authorizer, Clients, Profile, Says, Scheme};
use super::configuration::{Configuration, Entry};
use super::definition::{Api, Definition, Operation, unknown_extension};
use super::note::Notes;
use super::route::{Route, Routes};
use super::security::{Access, Context, Decision, Obstacle};
use super::{Args, Case, Waiver, cors, policy, replies};
use crate::document::{Document, Source, member};
use anyhow::{Context as _, bail, ensure};
use cognito_authorizer::config;
use cognito_authorizer::rules::pattern::PathPattern;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
    for (operation, decision) in operations.iter().zip(&decisions) {
        add(
            &mut routes,
            definition,
            &prefix,
            (operation, decision),
            &mut notes,
        );
    }
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

fn clients(args: &Args) -> Clients {
    match (args.any_client, args.client_ids.is_empty()) {
        (true, _) => Clients::Any,
        (false, true) => Clients::Undecided,
        (false, false) => Clients::Only(args.client_ids.iter().cloned().collect()),
    }
}

fn authorizer_of(scheme: &Scheme) -> Option<&Authorizer> {
    match &scheme.says {
        Says::Token(authorizer) => Some(authorizer),
        Says::ApiKey | Says::Other(_) => None,
    }
}

fn named<'s>(schemes: &'s BTreeMap<String, Scheme>, name: &str) -> anyhow::Result<&'s Authorizer> {
    let scheme = schemes.get(name);
    let authorizer = scheme.and_then(authorizer_of);
    authorizer.with_context(|| {
        let names: Vec<_> = schemes
            .iter()
            .filter(|(_, scheme)| authorizer_of(scheme).is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        format!("--authorizer {name}: expected one of {}", names.join(", "))
    })
}

/// The token place and pattern of most operations: a filter has one of each.
fn commonest(operations: &[Operation<'_>], context: &Context<'_>) -> anyhow::Result<Profile> {
    let mut counts: BTreeMap<&Profile, usize> = BTreeMap::new();
    let all = context.schemes.values().filter_map(authorizer_of);
    counts.extend(all.map(|authorizer| (&authorizer.profile, 0)));
    for operation in operations {
        for name in context.decide(operation).authorizers {
            let authorizer = context.schemes.get(&name).and_then(authorizer_of);
            if let Some(count) = authorizer.and_then(|one| counts.get_mut(&one.profile)) {
                *count = count.saturating_add(1);
            }
        }
    }
    // Of equals the first: the same definition gives the same configuration.
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    if let Some((profile, _)) = most {
        return Ok(profile.clone());
    }
    let mut found = String::new();
    for (name, scheme) in context.schemes {
        let text = match &scheme.says {
            Says::Other(text) => text,
            Says::Token(_) | Says::ApiKey => "API keys",
        };
        found.push_str(&format!("\n{name}: {text}"));
    }
    bail!(
        "found no authorizer of a Cognito user pool, and so nothing that this filter could check{found}"
    )
}

/// The user pools whose tokens some rule takes; if none does, those that any authorizer names.
fn pools(
    schemes: &BTreeMap<String, Scheme>,
    profile: &Profile,
    decisions: &[Decision],
    args: &Args,
) -> anyhow::Result<BTreeMap<String, Entry>> {
    let taken = decisions
        .iter()
        .filter(|decision| matches!(decision.access, Access::Require(_) | Access::Optional))
        .flat_map(|decision| &decision.authorizers);
    let mut taken: BTreeSet<&String> = taken.collect();
    if taken.is_empty() {
        taken.extend(schemes.keys());
    }
    let mut pools: BTreeMap<String, Entry> = BTreeMap::new();
    let mut undecided = Vec::new();
    for name in taken {
        let authorizer = schemes.get(name).and_then(authorizer_of);
        let Some(authorizer) = authorizer.filter(|one| one.profile == *profile) else {
            continue;
        };
        if authorizer.clients == Clients::Undecided {
            undecided.push(name.as_str());
        }
        for pool in &authorizer.pools {
            let cluster = || format!("cognito_{}", pool.id.region().replace('-', "_"));
            let entry = pools
                .entry(pool.id.as_str().to_owned())
                .or_insert_with(|| Entry {
                    pool: pool.clone(),
                    clients: authorizer.clients.clone(),
                    cluster: args.cluster.clone().unwrap_or_else(cluster),
                    origin: Vec::new(),
                });
            entry.clients = entry.clients.and(&authorizer.clients);
            entry.origin.push(name.clone());
        }
    }
    ensure!(
        undecided.is_empty(),
        "authorizer {}: names no app clients, and so takes tokens of every app client of its user \
         pool; say whose are meant with --client-ids ID,..., or keep it so with --any-client",
        undecided.join(", ")
    );
    Ok(pools)
}

/// Closes what wants a pool's other issuer: rules choose by pool, and take both or none.
fn one_issuer(
    decision: &mut Decision,
    schemes: &BTreeMap<String, Scheme>,
    pools: &BTreeMap<String, Entry>,
) {
    for name in &decision.authorizers {
        let Some(scheme) = schemes.get(name) else {
            continue;
        };
        let named = authorizer_of(scheme).into_iter().flat_map(|one| &one.pools);
        let other = named.filter(|pool| {
            let entry = pools.get(pool.id.as_str());
            entry.is_some_and(|entry| entry.pool.issuer != pool.issuer)
        });
        for pool in other {
            decision.access = Access::Nobody;
            decision.obstacles.push(Obstacle {
                place: scheme.place.clone(),
                text: format!(
                    "another issuer of user pool {} than another authorizer's",
                    pool.id.as_str()
                ),
                advice: None,
            });
        }
    }
}

/// An operation as people call it.
fn label(operation: &Operation<'_>) -> String {
    let method = operation.method.as_deref().unwrap_or("ANY");
    format!("{method} {}", operation.path)
}

fn note_decisions(
    definition: &Definition<'_>,
    operations: &[Operation<'_>],
    decisions: &[Decision],
    context: &Context<'_>,
    notes: &mut Notes,
) {
    // Each cause once, with all that it closes.
    let mut causes: Vec<&Obstacle> = Vec::new();
    let mut closed: BTreeMap<&Obstacle, Vec<String>> = BTreeMap::new();
    let mut narrowed: BTreeMap<&Obstacle, Vec<String>> = BTreeMap::new();
    let mut waived: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    let mut inherited = Vec::new();
    for (operation, decision) in operations.iter().zip(decisions) {
        let which = match decision.access {
            Access::Nobody => &mut closed,
            Access::Anyone | Access::Optional | Access::Require(_) => &mut narrowed,
        };
        for obstacle in &decision.obstacles {
            if !causes.contains(&obstacle) {
                causes.push(obstacle);
            }
            which.entry(obstacle).or_default().push(label(operation));
        }
        for key in &decision.waived {
            waived.entry(key).or_default().push(label(operation));
        }
        if context.inherits(operation) {
            inherited.push(label(operation));
        }
    }
    for cause in causes {
        let mut text = cause.text.clone();
        if let Some(advice) = &cause.advice {
            text.push_str(&format!(" ({advice})"));
        }
        for (what, operations) in [
            ("closed", &closed),
            ("open to the other alternatives alone", &narrowed),
        ] {
            if let Some(operations) = operations.get(cause) {
                text.push_str(&format!("; {what}: {}", operations.join(", ")));
            }
        }
        notes.not_carried(cause.place.clone(), text);
    }
    for (place, operations) in waived {
        notes.waived(
            place.clone(),
            format!(
                "API keys are no longer asked for: {}",
                operations.join(", ")
            ),
        );
    }
    for scheme in context.schemes.values() {
        let used = notes.iter().any(|note| note.place == scheme.place);
        if let (Says::Other(text), false) = (&scheme.says, used) {
            notes.changed(
                scheme.place.clone(),
                format!("{text}; no operation asks for it"),
            );
        }
    }
    if definition.api == Api::Rest && !inherited.is_empty() {
        let text = format!(
            "API Gateway does not look at it in a REST API; here it holds, as the specification says: {}",
            inherited.join(", ")
        );
        notes.changed("security", text);
    }
}

fn add(
    routes: &mut Routes,
    definition: &Definition<'_>,
    prefix: &[String],
    (operation, decision): (&Operation<'_>, &Decision),
    notes: &mut Notes,
) {
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
    let added = if definition.is_default_route(operation.path) {
        routes.add_default(access, origin)
    } else {
        let Ok(route) = Route::new(prefix, operation.path) else {
            notes.not_carried(
                operation.place.clone(),
                "a path with empty or dot segments, with which the filter refuses every request",
            );
            return;
        };
        let access = if route.exact { access } else { Access::Nobody };
        if !route.exact {
            notes.not_carried(
                operation.place.clone(),
                format!(
                    "a path that no rule can spell; closed, with all that are like {}",
                    route.path()
                ),
            );
        }
        routes.add(route, operation.method.as_deref(), access, origin)
    };
    if added.is_err() {
        notes.not_carried(
            operation.place.clone(),
            "rules cannot tell it from an operation that asks for something else; both are closed",
        );
    }
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

/// What else API Gateway does before the integration, or in its place.
fn note_differences(definition: &Definition<'_>, operations: &[Operation<'_>], notes: &mut Notes) {
    const VALIDATOR: &str = "x-amazon-apigateway-request-validator";
    const ENDPOINT: &str = "x-amazon-apigateway-endpoint-configuration";
    let mut validated = Vec::new();
    let mut mocked = Vec::new();
    for operation in operations {
        let Some(says) = operation.says else {
            continue;
        };
        for (name, _) in says {
            unknown_extension(name, &member(&operation.place, name), notes);
        }
        if says.contains_key(VALIDATOR) || definition.top(VALIDATOR).is_some() {
            validated.push(label(operation));
        }
        let integration = says.get("x-amazon-apigateway-integration");
        let kind = integration.and_then(|integration| integration.get("type")?.as_str());
        if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("mock")) {
            mocked.push(label(operation));
        }
    }
    if !validated.is_empty() {
        let text = format!(
            "request validation: the filter looks at neither parameters nor bodies: {}",
            validated.join(", ")
        );
        notes.not_carried(member("", VALIDATOR), text);
    }
    if !mocked.is_empty() {
        let text = format!(
            "API Gateway answers these itself (mock), here they reach the upstream; preflights are \
             better answered by Envoy's CORS filter, put before this one: {}",
            mocked.join(", ")
        );
        notes.changed("paths", text);
    }
    if let Some(endpoint) = definition.top(ENDPOINT) {
        let private = endpoint.get("vpcEndpointIds").is_some()
            || endpoint
                .get("types")
                .is_some_and(|types| types.to_string().contains("PRIVATE"));
        if private {
            notes.not_carried(
                member("", ENDPOINT),
                "a private API: who reaches the listener is Envoy's and the network's business",
            );
        }
    }
}

/// An expression for `aud` refuses access tokens, which have none.
fn note_audience(
    profile: &Profile,
    operations: &[Operation<'_>],
    decisions: &[Decision],
    notes: &mut Notes,
) {
    if profile.aud_pattern.is_none() {
        return;
    }
    for (operation, decision) in operations.iter().zip(decisions) {
        if let Access::Require(requirement) = &decision.access
            && requirement.token_use == Some("access")
        {
            notes.changed(
                operation.place.clone(),
                "wants an access token with an aud, which Cognito's seldom have: refused there as here",
            );
        }
    }
}
