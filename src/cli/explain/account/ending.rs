//! How a decision ends: as the gate decided, or, without keys, as far as it can be told.

use super::admission;
use super::facts::Facts;
use cognito_authorizer::gate::Verdict;
use cognito_authorizer::reject::Reason;
use cognito_authorizer::reply::Refusal;
use cognito_authorizer::rules::index::Variables;

/// How a decision ends.
pub(super) enum Ending<'a> {
    /// The gate had all that it needed.
    Decided(&'a Verdict),
    /// No keys were given. A bad signature refuses the request in any case; this is what is decided
    /// about it if the signature is good: nothing stands against it, or a refusal.
    Unsigned(Option<Refusal>),
}

impl<'a> Ending<'a> {
    pub(super) fn of(facts: &Facts<'a>) -> Self {
        match facts.simulation.lacks_keys() {
            false => Self::Decided(&facts.simulation.verdict),
            true => Self::Unsigned(beyond_the_signature(facts)),
        }
    }
}

/// `token.aud_pattern`, and the rule's conditions, put to the function that the gate puts them to.
fn beyond_the_signature(facts: &Facts<'_>) -> Option<Refusal> {
    if admission::audience(facts).fails() {
        return Some(Refusal::Plain(Reason::WrongAudience));
    }
    let requirement = facts.requirement()?;
    let none = Variables::default();
    let variables = facts
        .choice
        .as_ref()
        .map_or(&none, |(_, variables)| variables);
    let skew = facts.policy.token.clock_skew;
    let claims = facts.parsed()?.unverified_claims();
    let checked = requirement.check(claims, variables, facts.now, skew);
    checked.err().map(Refusal::from)
}
