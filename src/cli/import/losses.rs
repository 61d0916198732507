//! What is said about the parts of a definition that a configuration does not have.

use super::authorizer::{Profile, Says, Scheme};
use super::definition::{Api, Definition, Operation, note_slip};
use super::function::Function;
use super::note::Notes;
use super::part::Obstacle;
use super::security::{Access, Context, Decision};
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
            Access::Anyone | Access::Signed | Access::Require(_) | Access::Ask(_) => &mut narrowed,
        };
        for obstacle in &decision.obstacles {
            if !causes.contains(&obstacle) {
                causes.push(obstacle);
            }
            let operations = which.entry(obstacle).or_default();
            if operations.last() != Some(&label(operation)) {
                operations.push(label(operation));
            }
        }
        for key in &decision.waived {
            waived.entry(key).or_default().push(label(operation));
        }
        if context.inherits(operation) {
            inherited.push(label(operation));
        }
    }
    for cause in &causes {
        let mut text = cause.to_string();
        for (what, operations) in [("closed", &closed), ("a token is asked for", &narrowed)] {
            if let Some(operations) = operations.get(*cause) {
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
        if let Says::Other(obstacle) | Says::Signed(obstacle) | Says::Lambda(obstacle) =
            &scheme.says
            && context.signed.is_none()
            && !causes.contains(&obstacle)
        {
            notes.changed(
                scheme.place.clone(),
                format!("{}; no operation asks for it", obstacle.text),
            );
        }
    }
    let signed = operations.iter().zip(decisions);
    let signed = signed.filter(|(_, decision)| decision.access == Access::Signed);
    let signed: Vec<_> = signed.map(|(operation, _)| label(operation)).collect();
    if !signed.is_empty() {
        let text = format!(
            "clients send a token of sts:GetWebIdentityToken instead of a signature, and the rule's principals \
             decide: no IAM policy (execute-api:Invoke) is read: {}",
            signed.join(", ")
        );
        notes.changed("paths", text);
    }
    if definition.api == Api::Rest && !inherited.is_empty() {
        let text = format!(
            "API Gateway's manual says that a REST API does not look at it; here it holds, as the specification says: {}",
            inherited.join(", ")
        );
        notes.changed("security", text);
    }
}

/// The functions that some rule asks, and what is different about being asked by this filter; if none
/// does, all of them.
pub(super) fn functions(
    schemes: &BTreeMap<String, Scheme>,
    decisions: &[Decision],
    notes: &mut Notes,
) -> Vec<(String, Function)> {
    let asked = |decision: &Decision, name: &String| {
        matches!(decision.access, Access::Ask(_)) && decision.authorizer.as_ref() == Some(name)
    };
    let none = !decisions
        .iter()
        .any(|decision| matches!(decision.access, Access::Ask(_)));
    let mut functions = Vec::new();
    for (name, scheme) in schemes {
        let Says::Function(function) = &scheme.says else {
            continue;
        };
        if !none && !decisions.iter().any(|decision| asked(decision, name)) {
            continue;
        }
        let permitted = format!(
            "Envoy's role calls it, and needs lambda:InvokeFunction on {}",
            function.arn()
        );
        notes.changed(scheme.place.clone(), permitted);
        for difference in &function.differences {
            notes.changed(scheme.place.clone(), difference.clone());
        }
        functions.push((name.clone(), function.clone()));
    }
    functions
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
        let Ok(says) = &operation.says else {
            continue;
        };
        if says.get("security").is_none() {
            note_slip(says, notes);
        }
        if says
            .get(VALIDATOR)
            .or(definition.top().get(VALIDATOR))
            .is_some()
        {
            validated.push(label(operation));
        }
        let integration = says.get("x-amazon-apigateway-integration");
        let integration = integration.and_then(|one| Some(one.partly().ok()?.0));
        let kind = integration.and_then(|one| one.get("type")?.text().ok());
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
    if let Some(endpoint) = definition.top().get(ENDPOINT) {
        let endpoint = endpoint.raw();
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
