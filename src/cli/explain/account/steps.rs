//! Every step of a decision: what there is to say about it, and how it ended.

use super::ending::Ending;
use super::facts::Facts;
use super::step::{Finding, Kind, State, Step};
use super::{admission, conditions, form, proof, request};
use cognito_authorizer::gate::{Caller, Forward, Verdict};
use cognito_authorizer::policy::Preflight;
use cognito_authorizer::reject::Reason;
use cognito_authorizer::reply::Refusal;
use cognito_authorizer::rules::Access;

/// Every step with how it ended, and a note for each that does not fit the decision.
pub(super) fn steps(facts: &Facts<'_>, ending: &Ending<'_>) -> (Vec<Step>, Vec<String>) {
    let (last, refused) = end(facts, ending);
    let mut steps = Vec::new();
    let mut mismatches = Vec::new();
    for kind in Kind::ALL {
        if kind > last {
            // A forwarded request was spared what comes after; a refused one did not get there.
            let state = match refused {
                Some(_) => State::NotReached,
                None => State::NotAsked,
            };
            steps.push(Step::unseen(kind, state));
            continue;
        }
        let mut found = findings(facts, kind);
        if matches!(ending, Ending::Unsigned(_)) && kind.needs_keys() {
            let unseen = found
                .drain(..)
                .map(|finding| Step::new(kind, State::NotChecked, finding));
            steps.extend(unseen);
            continue;
        }
        let reason = refused.filter(|_| kind == last);
        // Of several findings the first that fails is the one that the gate stopped at.
        let fatal = reason.map(|_| {
            let fails = found.iter().position(Finding::fails);
            fails.unwrap_or(found.len().saturating_sub(1))
        });
        for (position, finding) in found.drain(..).enumerate() {
            let state = match (reason, fatal) {
                (Some(reason), Some(fatal)) if position == fatal => State::Failed(reason),
                (_, Some(fatal)) if position > fatal => State::NotReached,
                _ if finding.is_asked() => State::Passed,
                _ => State::NotAsked,
            };
            let fits = match state {
                State::Failed(_) => finding.fails(),
                State::Passed | State::NotAsked => !finding.fails(),
                // The gate did not ask.
                State::NotChecked | State::NotReached => true,
            };
            if !fits {
                mismatches.push(format!(
                    "the account of the step {} does not fit the verdict; the verdict holds, and the account is a bug: please report it",
                    kind.name()
                ));
            }
            steps.push(Step::new(kind, state, finding));
        }
    }
    (steps, mismatches)
}

/// The step with which the decision ended, and the reason if it was a refusal.
fn end(facts: &Facts<'_>, ending: &Ending<'_>) -> (Kind, Option<Reason>) {
    let refused = |refusal: &Refusal| {
        let reason = refusal.reason();
        (failing(facts, reason), Some(reason))
    };
    match ending {
        Ending::Decided(Verdict::Refuse(refusal)) => refused(refusal),
        Ending::Unsigned(Some(refusal)) => refused(refusal),
        Ending::Unsigned(None)
        | Ending::Decided(Verdict::Forward(Forward {
            caller: Caller::Known(_),
            ..
        })) => (Kind::LAST, None),
        Ending::Decided(Verdict::Forward(_)) => {
            let asks = !matches!(facts.access(), Some(Access::Anyone) | None);
            let preflight =
                facts.policy.preflight == Preflight::Pass && facts.request.is_preflight();
            match (asks, preflight) {
                (false, _) => (Kind::Rule, None),
                (true, true) => (Kind::Preflight, None),
                (true, false) => (Kind::Token, None),
            }
        }
    }
}

/// What there is to say about a step; never nothing.
fn findings(facts: &Facts<'_>, kind: Kind) -> Vec<Finding> {
    match kind {
        Kind::Path => vec![request::path(facts)],
        Kind::Method => vec![request::method(facts)],
        Kind::Rule => vec![request::rule(facts)],
        Kind::Preflight => vec![request::preflight(facts)],
        Kind::Token => vec![request::token(facts)],
        Kind::Size => vec![form::size(facts)],
        Kind::Form => vec![form::form(facts)],
        Kind::Header => vec![form::header(facts)],
        Kind::Payload => vec![form::payload(facts)],
        Kind::Issuer => vec![admission::issuer(facts)],
        Kind::Expiry => vec![admission::expiry(facts)],
        Kind::Start => vec![admission::start(facts)],
        Kind::TokenUse => vec![admission::token_use(facts)],
        Kind::Client => vec![admission::client(facts)],
        Kind::Audience => vec![admission::audience(facts)],
        Kind::Key => vec![proof::key(facts)],
        Kind::Signature => vec![proof::signature(facts)],
        Kind::Scopes => vec![conditions::scopes(facts)],
        Kind::Groups => vec![conditions::groups(facts)],
        Kind::Claim => conditions::claims(facts),
        Kind::AuthAge => vec![conditions::auth_age(facts)],
    }
}

/// The step at which the gate stopped for this reason.
fn failing(facts: &Facts<'_>, reason: Reason) -> Kind {
    let fails = |kind: &Kind| findings(facts, *kind).iter().any(Finding::fails);
    let malformed = || Kind::MALFORMED.into_iter().find(fails);
    match reason {
        Reason::MalformedToken => malformed().unwrap_or(Kind::of(reason)),
        _ => Kind::of(reason),
    }
}
