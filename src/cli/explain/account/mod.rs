//! The account of a decision: the verdict that the gate gives, and step by step how it came to it.
//!
//! The verdict, the reply and the headers are the gate's own: this is [`Gate::decide`], asked as
//! Envoy asks it. The steps are those that the decision took, recorded by an observer as it took
//! them; nothing here decides whether one of them holds. What a step found and wanted is put into
//! words from the request, the rule and the token.
//!
//! [`Gate::decide`]: cognito_authorizer::gate::Gate::decide

mod admission;
mod alternatives;
mod authorizer;
mod conditions;
mod delivery;
mod facts;
mod form;
mod human;
mod json;
mod moment;
mod p384;
mod principal;
mod proof;
mod request;
mod revocation;
pub(crate) mod safe;
mod secrets;
mod simulation;
mod step;
mod steps;

pub(crate) use delivery::Verdict;
pub(crate) use facts::RuleChosen;
pub(crate) use human::{Paint, hangs_on, human, steps, unchecked};
pub(crate) use json::json;
pub(crate) use moment::{instant, read_instant, span};
pub(crate) use safe::text;
pub(crate) use secrets::Secrets;
pub(crate) use simulation::Question;
pub(crate) use step::{State, StepTaken};

use cognito_authorizer::policy::{Issuer, KeySource, Policy};
use cognito_authorizer::request::{Peer, Request, Rest};
use cognito_authorizer::time::Timestamp;
use facts::Facts;
use serde_json::Value;
use simulation::{Ending, Simulation};
use std::rc::Rc;

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
    pub(crate) steps: Vec<StepTaken>,
    /// How it ends.
    pub(crate) verdict: Verdict,
    /// What the one who asks should know besides.
    pub(crate) notes: Vec<String>,
    /// What the rule's authorizer is told, if it has to be asked.
    pub(crate) event: Option<Value>,
    secrets: Secrets,
}

impl Account {
    /// Lets the gate decide, and tells how it came to it. `document` is the configuration that
    /// `policy` was read from.
    pub(crate) fn of(policy: &Rc<Policy>, document: &Value, question: &Question) -> Self {
        let request = as_read(&question.headers).sent_by(peer(question));
        let simulation = Simulation::run(policy, &request, question);
        let compact = policy.token.sources.extract(&request).ok().flatten();
        let compact = compact.as_deref();
        let facts = Facts::new(
            policy,
            document,
            &request,
            compact,
            question.now,
            &simulation,
        );
        let secrets = Secrets::of(&question.headers).and(compact.unwrap_or_default());
        let notes = about_keys(&facts, question).into_iter();
        let notes = notes.chain(about_list(&facts));
        let notes = notes.chain(authorizer::about(&facts, question)).collect();
        let shown = |name: &str| {
            let value = text(request.first(name)?);
            Some(secrets.redact(&value))
        };
        Self {
            now: question.now,
            request: [shown(":method"), shown(":authority"), shown(":path")],
            rule: facts.rule(),
            steps: steps::steps(&facts),
            verdict: Verdict::of(policy, &request, &simulation, &question.headers, &secrets),
            notes,
            event: authorizer::told(&simulation, &secrets),
            secrets,
        }
    }
}

/// Who sends the request, as Envoy would say.
fn peer(question: &Question) -> Peer {
    // A port stands behind it, and an address of IPv6 in brackets.
    let address = question
        .source_ip
        .map(|ip| std::net::SocketAddr::new(ip, 0).to_string().into_bytes());
    Peer {
        address: address.unwrap_or_default(),
        protocol: "HTTP/1.1".to_owned(),
    }
}

/// Headers that may be repeated, and of which Envoy makes one line.
const JOINED: [&str; 2] = ["authorization", "upgrade"];

/// The request as Envoy hands it over from HTTP/1.1: lines of some headers joined by commas, but for
/// empty ones, all others apart; without an upgrade that is none; with a body if the headers announce
/// one (RFC 9112, section 6.3).
fn as_read(headers: &[(String, Vec<u8>)]) -> Request {
    let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in headers {
        let first = joined.iter_mut().find(|(known, _)| known == name);
        match first.filter(|_| JOINED.contains(&name.as_str())) {
            Some((_, all)) if all.is_empty() || value.is_empty() => all.extend(value),
            Some((_, all)) => all.extend([b",", value.as_slice()].concat()),
            None => joined.push((name.clone(), value.clone())),
        }
    }
    let upgrades = names_upgrade(headers);
    joined.retain(|(name, value)| {
        name != "upgrade" || upgrades && !value.eq_ignore_ascii_case(b"h2c")
    });
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

/// Whether `connection` names the upgrade (RFC 9110, section 7.8). Envoy takes one off otherwise, and
/// any to `h2c`.
fn names_upgrade(headers: &[(String, Vec<u8>)]) -> bool {
    let lines = headers.iter().filter(|(name, _)| name == "connection");
    let mut options = lines.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// What the one who asks should know about the keys.
fn about_keys(facts: &Facts<'_>, question: &Question) -> Option<String> {
    let fetches = |keys: &KeySource| matches!(keys, KeySource::Fetched(_));
    let given = question.keys.is_some();
    if given
        && !facts
            .policy
            .issuers
            .iter()
            .any(|(_, issuer)| fetches(issuer.keys()))
    {
        let note = "--jwks was not used: every pool of the configuration has its keys inline";
        return Some(note.to_owned());
    }
    match facts.issuer().map(Issuer::keys) {
        Some(KeySource::Fetched(source))
            if !given
                && matches!(&facts.simulation.ending, Ending::Unsettled(lacks, _) if lacks.keys) =>
        {
            Some(format!(
                "the signature was not checked, for want of keys; give them with --jwks FILE, or --jwks {}",
                source.endpoint.uri
            ))
        }
        _ => None,
    }
}

/// What the one who asks should know about the deny list.
fn about_list(facts: &Facts<'_>) -> Option<String> {
    let Ending::Unsettled(lacks, _) = &facts.simulation.ending else {
        return None;
    };
    let list = facts
        .policy
        .deny_list
        .as_ref()
        .filter(|_| lacks.deny_list)?;
    Some(format!(
        "the token was not looked up, for want of a deny list; give what {} has with --deny-list FILE",
        list.source.endpoint.uri
    ))
}
