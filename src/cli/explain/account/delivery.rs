//! How it ends: the reply that the client gets, or the request that the upstream gets.

use super::safe::text;
use super::secrets::Secrets;
use super::simulation::{Ending, Lacks, Simulation};
use cognito_authorizer::decision::{self, Caller, Despite, Forward};
use cognito_authorizer::header::{HeaderEdit, HeaderName};
use cognito_authorizer::owned;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::reply::Reply;
use cognito_authorizer::request::Request;

/// How it ends.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The request goes on.
    Forwarded {
        /// `allowed`, or `anonymous`, as the metrics have it.
        caller: &'static str,
        /// What did not hold, if anything.
        despite: Option<Despite>,
        /// What the upstream gets.
        upstream: Upstream,
    },
    /// It is answered, whoever asks.
    Answered(Reply),
    /// It is refused.
    Refused {
        /// Why.
        reason: Reason,
        /// What the client gets.
        reply: Reply,
        /// What could have refused it before, for another reason; none if nothing could.
        unless: Option<Lacks>,
    },
    /// It hangs on what was not given.
    Unknown {
        /// What was not given.
        lacks: Lacks,
        /// What becomes of it if that speaks against it.
        otherwise: &'static str,
    },
}

/// The request as the upstream gets it.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Every header, signatures redacted.
    pub(crate) headers: Vec<(String, String)>,
    /// What the filter did to them.
    pub(crate) changes: Vec<Change>,
}

/// What the filter does to one header.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The header's name.
    pub(crate) name: String,
    /// Its only value from now on; `None` if it is taken away.
    pub(crate) value: Option<String>,
    /// Whether the request had it.
    pub(crate) sent: bool,
    /// Why.
    pub(crate) cause: Cause,
}

/// Why a header is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is the filter's own (`claim_headers`, `payload_header`).
    Claim,
    /// A token stood there (`token.forward: false`), or could on a preflight.
    Token,
    /// Servers may take it for one of the filter's own (`header_aliases`).
    Alias,
    /// It could name another method than the one that the rules saw (`method_override`).
    MethodOverride,
    /// It could name another host (`host_override`).
    HostOverride,
    /// It could name another path (`path_override`).
    PathOverride,
    /// The next proxy would take off what it names.
    Connection,
}

impl Cause {
    /// Why the gate changes a header of this name.
    fn of(policy: &Policy, name: &str) -> Self {
        let overriding = |names: &[&str]| names.contains(&name);
        let mut claimed = policy.claim_headers.names();
        if policy.owned.is_alias(name) {
            Self::Alias
        } else if overriding(&owned::METHOD_OVERRIDES) {
            Self::MethodOverride
        } else if overriding(&owned::HOST_OVERRIDES) {
            Self::HostOverride
        } else if overriding(&owned::PATH_OVERRIDES) {
            Self::PathOverride
        } else if claimed.any(|own| own.as_str() == name) {
            Self::Claim
        } else if name == "connection" {
            Self::Connection
        } else {
            Self::Token
        }
    }

    /// The stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim_header",
            Self::Token => "token",
            Self::Alias => "header_alias",
            Self::MethodOverride => "method_override",
            Self::HostOverride => "host_override",
            Self::PathOverride => "path_override",
            Self::Connection => "connection",
        }
    }
}

impl Verdict {
    pub(super) fn of(
        policy: &Policy,
        request: &Request,
        Simulation {
            ending,
            reported,
            ignores,
            ..
        }: &Simulation,
        headers: &[(String, Vec<u8>)],
        secrets: &Secrets,
    ) -> Self {
        let forwarded = |forward: &Forward, despite: Option<Despite>| Self::Forwarded {
            caller: match forward.caller {
                Caller::Anonymous => "anonymous",
                Caller::Known(_) | Caller::Authorized(_) => "allowed",
            },
            despite: despite.or(forward.despite),
            upstream: Upstream::of(policy, forward, headers, secrets),
        };
        let (refusal, unless) = match ending {
            Ending::Unsettled(lacks, None) => {
                return Self::Unknown {
                    lacks: *lacks,
                    otherwise: match (ignores, reported) {
                        (true, _) => "forwarded without it",
                        (false, Some(_)) => "only reported",
                        (false, None) => "refused",
                    },
                };
            }
            Ending::Decided(decision::Verdict::Forward(forward)) => {
                return forwarded(forward, None);
            }
            Ending::Decided(decision::Verdict::Answer(reply)) => {
                return Self::Answered(reply.clone());
            }
            Ending::Decided(decision::Verdict::Refuse(refusal)) => (refusal, None),
            Ending::Unsettled(lacks, Some(refusal)) => (refusal, Some(*lacks)),
        };
        match reported {
            Some(forward) => forwarded(forward, Some(Despite::Reported(refusal.reason()))),
            None => Self::refused(policy, request, refusal, unless),
        }
    }

    fn refused(
        policy: &Policy,
        request: &Request,
        refusal: &Refusal,
        unless: Option<Lacks>,
    ) -> Self {
        Self::Refused {
            reason: refusal.reason(),
            unless,
            reply: policy.reply(request, refusal),
        }
    }
}

impl Upstream {
    fn of(
        policy: &Policy,
        forward: &Forward,
        headers: &[(String, Vec<u8>)],
        secrets: &Secrets,
    ) -> Self {
        let shown = |value: &[u8]| secrets.redact(&text(value));
        let mut upstream = Self {
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), shown(value)))
                .collect(),
            changes: Vec::new(),
        };
        for edit in &forward.edits {
            let (name, value) = match edit {
                HeaderEdit::Remove(name) => (name, None),
                HeaderEdit::Set(name, value) => (name, Some(shown(value))),
            };
            match Cause::of(policy, name) {
                // Told below, whether it was sent or not.
                Cause::Claim => {}
                cause => upstream.change(name, value, cause),
            }
        }
        for name in policy.claim_headers.names().map(HeaderName::as_str) {
            let mut told = forward.caller.headers();
            let value = told.find_map(|(told, value)| (&**told == name).then(|| value.to_owned()));
            upstream.change(name, value, Cause::Claim);
        }
        upstream
    }

    /// Leaves one value of a header, or none, as the host does.
    fn change(&mut self, name: &str, value: Option<String>, cause: Cause) {
        let at = self.headers.iter().position(|(present, _)| present == name);
        let sent = at.is_some();
        self.headers.retain(|(present, _)| present != name);
        let at = at.unwrap_or(self.headers.len());
        let line = value.iter().map(|value| (name.to_owned(), value.clone()));
        self.headers.splice(at..at, line);
        self.changes.push(Change {
            name: name.to_owned(),
            value,
            sent,
            cause,
        });
    }
}
