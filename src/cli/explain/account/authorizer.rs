//! The steps of a rule that asks an authorizer.

use super::facts::Facts;
use super::step::Finding;
use cognito_authorizer::rules::Access;

/// The authorizer can be told of the request.
pub(super) fn event(facts: &Facts<'_>) -> Finding {
    told(
        facts,
        "the method and the path can be told to the authorizer",
    )
}

/// What the authorizer tells its callers apart by is there.
pub(super) fn identity(facts: &Facts<'_>) -> Finding {
    told(facts, "what the authorizer tells its callers apart by")
}

/// The authorizer's answer lets the request pass.
pub(super) fn answer(facts: &Facts<'_>) -> Finding {
    told(facts, "the authorizer's answer, judged for this request")
}

fn told(facts: &Facts<'_>, text: &str) -> Finding {
    Finding::new(match facts.access() {
        Some(Access::Authorizer(_)) => text,
        _ => "the rule asks no authorizer",
    })
}
