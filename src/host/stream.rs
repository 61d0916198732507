//! What of a request is read, and how a verdict is carried out on it, whatever the host.

use super::metrics::{Metric, Metrics};
use crate::decision::{Caller, Despite, Forward, Verdict};
use crate::header::{HeaderEdit, is_header_value};
use crate::policy::{Identity, Policy, RouteChoice};
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Attribute, Request, Rest};
use crate::verify::{Bearer, Verified};
use std::borrow::Cow;
use std::fmt;

/// A request in the hands of a host, until it goes on or is answered.
pub trait Stream {
    /// All lines, as bytes.
    ///
    /// # Errors
    /// The host does not show them.
    fn all(&self, part: Part) -> Result<Vec<(String, Vec<u8>)>, Hidden>;
    /// Writes one header in the place of all of its name.
    fn set_header(&self, name: &str, value: &[u8]);
    /// Writes one header of a name that none has. It saves the host looking for one.
    fn add_header(&self, name: &str, value: &[u8]);
    /// Takes off all lines of a name.
    fn remove(&self, part: Part, name: &str);
    /// Who sent the request that is being decided, if the host tells.
    fn attribute(attribute: Attribute) -> Option<Vec<u8>>
    where
        Self: Sized;
    /// Answers the request here, for this reason if it is a refusal.
    fn send(&self, reply: &Reply, reason: Option<Reason>);
    /// Shows operators a value under this name.
    fn publish(&self, name: &str, value: &str);
    /// Shows the filters behind this one something of who calls.
    fn describe(&self, _name: &str, _value: &str) {}
    /// Shows them a list of it.
    fn describe_all<'a>(&self, _name: &str, _values: impl Iterator<Item = &'a str>) {}
    /// Has the route chosen again, by the headers as they are now.
    fn choose_route_anew(&self);
    /// Writes a line for those who look closely.
    fn debug(&self, report: fmt::Arguments<'_>);
}

/// Which lines of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those before the body.
    Headers,
    /// Those after it.
    Trailers,
}

/// The host does not show a part of the request. What it does not show is not taken for absent: the
/// request would be another one to the rules than to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No verdict; nothing of the request may reach the upstream.
    Undecided,
    /// No verdict, and on the waiting list.
    Held,
    /// Goes on to the upstream.
    Forwarded,
    /// Answered here.
    Answered,
}

/// The request, with all of its headers: in a second line, or under another spelling of a name, could
/// stand what a look-up by name does not show. One call that copies them all costs no more than two that
/// copy one.
///
/// # Errors
/// The host does not show them.
pub fn request<S: Stream>(stream: &S, rest: Rest) -> Result<Request, Hidden> {
    let headers = stream.all(Part::Headers)?.into_iter();
    let headers = headers.map(|(name, value)| (Cow::Owned(name), value));
    let request = Request::new(headers.collect()).followed_by(rest);
    Ok(request.asking_for_peer(S::attribute))
}

/// What access logs have of a reply as `%RESPONSE_CODE_DETAILS%`: the reason of a refusal.
#[must_use]
pub fn details(reason: Option<Reason>) -> String {
    ["cognito.", reason.map_or("answered", Reason::code)].concat()
}

/// Takes the filter's own names off the trailers, which servers may merge into the headers (RFC
/// 9110, section 6.5.1).
pub fn clean_trailers(stream: &impl Stream, policy: &Policy) {
    for (name, _) in stream.all(Part::Trailers).unwrap_or_default() {
        if policy.owned.owns(name.as_bytes()) {
            stream.remove(Part::Trailers, &name);
        }
    }
}

/// Carries out a verdict.
pub fn carry_out<S: Stream>(
    stream: &S,
    metrics: &Metrics<impl Metric>,
    policy: &Policy,
    verdict: &Verdict,
) {
    match verdict {
        Verdict::Forward(forward) => self::forward(stream, metrics, policy, forward),
        Verdict::Refuse(refusal) => refuse(stream, metrics, policy, refusal),
        Verdict::Answer(reply) => {
            metrics.anonymous();
            stream.send(reply, None);
        }
    }
}

fn forward<S: Stream>(
    stream: &S,
    metrics: &Metrics<impl Metric>,
    policy: &Policy,
    forward: &Forward,
) {
    for edit in &forward.edits {
        match edit {
            HeaderEdit::Remove(name) => stream.remove(Part::Headers, name),
            HeaderEdit::Set(name, value) => stream.set_header(name, value),
        }
    }
    for (name, value) in forward.caller.headers() {
        stream.add_header(name, value.as_bytes());
    }
    match &forward.caller {
        Caller::Anonymous => metrics.anonymous(),
        Caller::Authorized(_) => metrics.allowed(),
        Caller::Known(remembered) => {
            metrics.allowed();
            if policy.identity == Identity::Publish {
                introduce(stream, policy, &remembered.verified);
            }
        }
    }
    match forward.despite {
        None => {}
        Some(Despite::Ignored(reason)) => {
            metrics.ignored(reason);
            stream.debug(format_args!("ignored a token: {}", reason.code()));
        }
        Some(Despite::Reported(reason)) => {
            metrics.reported(reason);
            stream.debug(format_args!("reported: {}", reason.code()));
            publish(stream, "cognito.reason", Some(reason.code()));
            publish(stream, "cognito.enforced", Some("no"));
        }
    }
    if policy.route == RouteChoice::Anew {
        stream.choose_route_anew();
    }
}

/// Access logs are shown who calls, and so are the filters behind this one, if the host has a way.
fn introduce<S: Stream>(stream: &S, policy: &Policy, verified: &Verified) {
    let show = |[public, name]: [&str; 2], value: Option<&str>| {
        if let Some(value) = value.filter(|value| is_header_value(value)) {
            stream.publish(public, value);
            stream.describe(name, value);
        }
    };
    match verified.bearer() {
        Bearer::User(user) => {
            let claims = user.claims();
            show(["cognito.sub", "sub"], claims.subject());
            show(["cognito.client_id", "client_id"], verified.client(policy));
            let scopes = claims.scopes();
            stream.describe_all("scopes", scopes.filter(|scope| is_header_value(scope)));
            let groups = claims.groups().and_then(|groups| groups.elements());
            let groups = groups.unwrap_or_default().iter();
            let groups = groups.filter_map(|group| group.as_str());
            stream.describe_all("groups", groups.filter(|group| is_header_value(group)));
        }
        Bearer::Principal(principal) => show(["cognito.principal", "principal"], principal.arn()),
    }
}

fn refuse<S: Stream>(
    stream: &S,
    metrics: &Metrics<impl Metric>,
    policy: &Policy,
    refusal: &Refusal,
) {
    let reason = refusal.reason();
    metrics.denied(reason);
    stream.debug(format_args!("refused: {}", reason.code()));
    publish(stream, "cognito.reason", Some(reason.code()));
    // A refused request costs no look at its headers unless the reply repeats something of them.
    let request = policy
        .reply_depends_on_request(refusal)
        .then(|| request(stream, Rest::Nothing).ok())
        .flatten()
        .unwrap_or_default();
    stream.send(&policy.reply(&request, refusal), Some(reason));
}

/// Access logs get it, where a control character could begin a line of its own.
fn publish(stream: &impl Stream, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| is_header_value(value)) {
        stream.publish(name, value);
    }
}
