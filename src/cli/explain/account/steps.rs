//! Every step of a decision: how it ended, as the decision itself said, and what there is to say
//! about it.

use super::facts::Facts;
use super::simulation::Ending;
use super::step::{Finding, State, StepTaken};
use super::{
    admission, alternatives, authorizer, conditions, form, principal, proof, request, revocation,
};
use cognito_authorizer::decision::{Caller, Forward, Verdict};
use cognito_authorizer::step::Step;
use std::iter;

/// Every step with how it ended. The claims of a rule are a step each.
pub(super) fn steps(facts: &Facts<'_>) -> Vec<StepTaken> {
    let end = end(facts);
    let mut steps = Vec::new();
    for step in Step::ALL {
        let states = states(facts, step);
        if end.is_some_and(|end| step > end) {
            steps.extend(
                states
                    .into_iter()
                    .map(|state| StepTaken::unseen(step, state)),
            );
            continue;
        }
        // Of several claims, those after the one that failed were not reached.
        let states = states.into_iter().chain(iter::repeat(State::NotReached));
        let told = findings(facts, step).into_iter().zip(states);
        steps.extend(told.map(|(finding, state)| StepTaken::new(step, state, finding)));
    }
    steps
}

/// The step after which nothing was looked at; none if all were.
fn end(facts: &Facts<'_>) -> Option<Step> {
    let record = &facts.simulation.record;
    match &facts.simulation.ending {
        Ending::Decided(
            Verdict::Answer(_)
            | Verdict::Forward(Forward {
                caller: Caller::Anonymous,
                ..
            }),
        ) => record.last(),
        _ => record.refused_at(),
    }
}

/// How the decision went at a step: one state, or one for each claim.
fn states(facts: &Facts<'_>, step: Step) -> Vec<State> {
    let record = &facts.simulation.record;
    if let Ending::Unsettled(lacks, _) = facts.simulation.ending
        && (lacks.keys && matches!(step, Step::Key | Step::Signature)
            || lacks.deny_list && step == Step::DenyList
            || lacks.confirmation && step == Step::Confirmed
            || lacks.answer && step == Step::Authorizer)
    {
        return vec![State::NotChecked];
    }
    let seen = record.at(step).map(|ended| match ended {
        Ok(()) => State::Passed,
        Err(reason) => State::Failed(reason),
    });
    let seen: Vec<_> = seen.collect();
    if !seen.is_empty() {
        return seen;
    }
    let ends_here = |last| step > last;
    let beyond = record.refused_at().is_some_and(ends_here)
        || matches!(&facts.simulation.ending, Ending::Unsettled(lacks, _) if lacks.keys)
            && facts.simulation.ignores
            && record.last() < Some(Step::Signature)
            && step > Step::Signature;
    vec![match beyond {
        true => State::NotReached,
        // The request came past it, and the configuration does not ask for it.
        false => State::NotAsked,
    }]
}

/// What there is to say about a step; never nothing.
fn findings(facts: &Facts<'_>, step: Step) -> Vec<Finding> {
    match step {
        Step::Path => vec![request::path(facts)],
        Step::Method => vec![request::method(facts)],
        Step::Rule => vec![request::rule(facts)],
        Step::Preflight => vec![request::preflight(facts)],
        Step::Event => vec![authorizer::event(facts)],
        Step::Identity => vec![authorizer::identity(facts)],
        Step::Authorizer => vec![authorizer::answer(facts)],
        Step::Token => vec![request::token(facts)],
        Step::Size => vec![form::size(facts)],
        Step::Form => vec![form::form(facts)],
        Step::Header => vec![form::header(facts)],
        Step::Payload => vec![form::payload(facts)],
        Step::Issuer => vec![admission::issuer(facts)],
        Step::Caller => vec![principal::caller(facts)],
        Step::Expiry => vec![admission::expiry(facts)],
        Step::Start => vec![admission::start(facts)],
        Step::TokenAge => vec![principal::token_age(facts)],
        Step::Named => vec![principal::named(facts)],
        Step::TokenUse => vec![admission::token_use(facts)],
        Step::Client => vec![admission::client(facts)],
        Step::AccountAudience => vec![principal::audience(facts)],
        Step::Key => vec![proof::key(facts)],
        Step::Signature => vec![proof::signature(facts)],
        Step::Audience => vec![admission::audience(facts)],
        Step::IssuedAfter => vec![revocation::issued_after(facts)],
        Step::SignedInAfter => vec![revocation::signed_in_after(facts)],
        Step::DenyList => vec![revocation::deny_list(facts)],
        Step::Account => vec![principal::account(facts)],
        Step::Organization => vec![principal::organization(facts)],
        Step::Principal => vec![principal::principal(facts)],
        Step::Scopes => vec![conditions::scopes(facts)],
        Step::Groups => vec![conditions::groups(facts)],
        Step::Claim => conditions::claims(facts),
        Step::AuthAge => vec![conditions::auth_age(facts)],
        Step::Alternatives => vec![alternatives::alternatives(facts)],
        Step::Confirmed => vec![revocation::confirmed(facts)],
    }
}
