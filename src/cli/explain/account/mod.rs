//! The account of a decision: the verdict that the gate gives, and step by step how it came to it.
//!
//! The verdict, the reply and the headers are the gate's own: this is [`Gate::decide`], asked as
//! Envoy asks it. The steps only tell the story. Which of them failed is read off the gate's
//! reason, never judged again, so that the story cannot end in another way than the decision did;
//! what a step found and wanted comes from the functions that the gate itself calls. Should the
//! two ever disagree, the account says so, and a test that nothing disagrees asks every vector.
//!
//! [`Gate::decide`]: cognito_authorizer::gate::Gate::decide

mod admission;
mod conditions;
mod delivery;
mod form;
mod hearing;
mod human;
mod inquiry;
mod json;
mod moment;
mod proof;
mod request;
mod safe;
mod secrets;
mod step;

pub(crate) use delivery::Verdict;
pub(crate) use human::{Paint, human};
pub(crate) use json::json;
pub(crate) use moment::{instant, read_instant, span};
pub(crate) use safe::text;
pub(crate) use secrets::Secrets;
pub(crate) use step::{Kind, State, Step};

use cognito_authorizer::gate::{self, Caller, Forward};
use cognito_authorizer::policy::{Policy, Preflight};
use cognito_authorizer::reject::Reason;
use cognito_authorizer::request::{Request, Rest};
use cognito_authorizer::rules::Access;
use cognito_authorizer::time::Timestamp;
use hearing::Hearing;
use inquiry::Inquiry;
use serde_json::Value;
use std::rc::Rc;
use step::Finding;

/// What is asked: what becomes of this request?
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The request's headers, pseudo-headers among them, names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The wall clock.
    pub(crate) now: Timestamp,
    /// The key set that the issuer's endpoint would answer with, if one was given.
    pub(crate) keys: Option<Vec<u8>>,
}

/// What becomes of a request, and why.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The wall clock that the decision was made by.
    pub(crate) now: Timestamp,
    /// `:method`, `:authority` and `:path`, without what is secret in them.
    pub(crate) request: [Option<String>; 3],
    /// The rule that was chosen; `None` if none could be.
    pub(crate) rule: Option<RuleChosen>,
    /// Every step, in the order in which the gate takes them.
    pub(crate) steps: Vec<Step>,
    /// How it ends.
    pub(crate) verdict: Verdict,
    /// What the one who asks should know besides.
    pub(crate) notes: Vec<String>,
    secrets: Secrets,
}

/// A rule, or the default.
#[derive(Clone, Debug)]
pub(crate) struct RuleChosen {
    /// `rules[2]`, or `default`.
    pub(crate) name: String,
    /// Its place in the list; `None` for the default.
    pub(crate) index: Option<usize>,
    /// Its `match` as the configuration writes it; null for the default.
    pub(crate) matches: Value,
    /// What the variables of its template stand for; `None` where upstreams might disagree.
    pub(crate) variables: Vec<(String, Option<String>)>,
}

impl Account {
    /// Lets the gate decide, and tells how it came to it. `document` is the configuration that
    /// `policy` was read from.
    pub(crate) fn of(policy: &Rc<Policy>, document: &Value, question: &Question) -> Self {
        let request = as_read(&question.headers);
        let hearing = Hearing::hold(policy, &request, question);
        let inquiry = Inquiry::new(policy, document, &request, question.now, &hearing);
        let found = inquiry.compact.as_deref().unwrap_or_default();
        let secrets = Secrets::of(&question.headers).and(found);
        let (steps, mut notes) = steps(&inquiry, &hearing.verdict);
        notes.extend(hearing.notes(policy, &inquiry));
        let shown = |name: &str| {
            let value = text(request.first(name)?);
            Some(secrets.redact(&value))
        };
        Self {
            now: question.now,
            request: [shown(":method"), shown(":authority"), shown(":path")],
            rule: inquiry.rule(),
            steps,
            verdict: Verdict::of(policy, &hearing.verdict, &question.headers, &secrets),
            notes,
            secrets,
        }
    }

    /// Whether the request would reach the upstream.
    pub(crate) const fn is_forwarded(&self) -> bool {
        matches!(self.verdict, Verdict::Forwarded { .. })
    }
}

/// The request as Envoy hands it over: lines of `authorization` joined by commas, those of
/// `cookie` by semicolons (RFC 9113, section 8.2.3), all others apart; with a body if the headers
/// announce one (RFC 9112, section 6.3).
fn as_read(headers: &[(String, Vec<u8>)]) -> Request {
    let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in headers {
        let separator: &[u8] = match name.as_str() {
            "authorization" => b",",
            "cookie" => b"; ",
            _ => {
                joined.push((name.clone(), value.clone()));
                continue;
            }
        };
        match joined.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.extend([separator, value].concat()),
            None => joined.push((name.clone(), value.clone())),
        }
    }
    let announces = |(name, value): &(String, Vec<u8>)| match name.as_str() {
        "content-length" => value.trim_ascii() != b"0",
        "transfer-encoding" => true,
        _ => false,
    };
    let rest = match headers.iter().any(announces) {
        true => Rest::Something,
        false => Rest::Nothing,
    };
    let headers = joined.into_iter();
    Request::new(headers.map(|(name, value)| (name.into(), value)).collect()).followed_by(rest)
}

/// Every step with its verdict, and a note if a step does not understand the gate.
fn steps(inquiry: &Inquiry<'_>, verdict: &gate::Verdict) -> (Vec<Step>, Vec<String>) {
    let (last, refused) = end(inquiry, verdict);
    let mut steps = Vec::new();
    let mut puzzled = Vec::new();
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
        let reason = refused.filter(|_| kind == last);
        let mut found = inquiry.findings(kind);
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
                // Nobody asked whether it holds.
                State::NotReached => true,
            };
            if !fits {
                puzzled.push(format!(
                    "the account of the step {} does not fit the verdict; the verdict holds, and the account is a bug: please report it",
                    kind.name()
                ));
            }
            steps.push(Step::new(kind, state, finding));
        }
    }
    (steps, puzzled)
}

/// The step with which the decision ended, and the reason if it was a refusal.
fn end(inquiry: &Inquiry<'_>, verdict: &gate::Verdict) -> (Kind, Option<Reason>) {
    match verdict {
        gate::Verdict::Refuse(refusal) => {
            let reason = refusal.reason();
            (inquiry.failing(reason), Some(reason))
        }
        gate::Verdict::Forward(Forward {
            caller: Caller::Known(_),
            ..
        }) => (Kind::LAST, None),
        gate::Verdict::Forward(_) => {
            let asks = !matches!(inquiry.access(), Some(Access::Anyone) | None);
            let preflight =
                inquiry.policy.preflight == Preflight::Pass && inquiry.request.is_preflight();
            match (asks, preflight) {
                (false, _) => (Kind::Rule, None),
                (true, true) => (Kind::Preflight, None),
                (true, false) => (Kind::Token, None),
            }
        }
    }
}
