//! What is said about the parts of a definition that a configuration does not have.

use super::authorizer::{Profile, Says};
use super::definition::{Api, Definition, Operation, unknown_extension};
use super::note::Notes;
use super::security::{Access, Context, Decision, Obstacle};
use crate::document::member;
use std::collections::BTreeMap;

/// An operation as people call it.
pub(super) fn label(operation: &Operation<'_>) -> String {
    let method = operation.method.as_deref().unwrap_or("ANY");
    format!("{method} {}", operation.path)
}

/// Notes what each operation lost, each cause once, with all that it closes.
pub(super) fn note_decisions(
    definition: &Definition<'_>,
    operations: &[Operation<'_>],
    decisions: &[Decision],
    context: &Context<'_>,
    notes: &mut Notes,
) {
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

/// What else API Gateway does before the integration, or in its place.
pub(super) fn note_differences(
    definition: &Definition<'_>,
    operations: &[Operation<'_>],
    notes: &mut Notes,
) {
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
pub(super) fn note_audience(
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
