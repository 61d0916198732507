//! Why a fetch failed, in words that say where to look.

use super::call::{Answer, Endpoint, NotSent};
use crate::time::written;
use std::fmt;

/// Why a fetch failed; `E` is what can be wrong with the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// Envoy has no cluster of that name.
    UnknownCluster,
    /// The cluster has no host.
    NoHosts,
    /// Never sent, for another reason.
    NotSent,
    /// Envoy did not reach the endpoint, for the reason that it names.
    NoConnection(String),
    /// The endpoint's certificate was refused, in the words of Envoy's TLS library.
    Certificate(String),
    /// No answer within the time-out.
    TimedOut,
    /// A response that broke off.
    BrokenOff,
    /// Another status than 200; redirects are not followed.
    Status(u16),
    /// Not a usable document.
    Invalid(E),
}

/// What a [`Failure`] has in common with others: a change from one cause to another is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// [`Failure::UnknownCluster`]
    UnknownCluster,
    /// [`Failure::NoHosts`]
    NoHosts,
    /// [`Failure::NotSent`]
    NotSent,
    /// [`Failure::NoConnection`]
    NoConnection,
    /// [`Failure::Certificate`]
    Certificate,
    /// [`Failure::TimedOut`]
    TimedOut,
    /// [`Failure::BrokenOff`]
    BrokenOff,
    /// [`Failure::Status`]
    Status,
    /// [`Failure::Invalid`]
    Invalid,
}

impl Cause {
    /// All causes, in the order of their numbers in a record.
    pub(super) const ALL: [Self; 9] = [
        Self::UnknownCluster,
        Self::NoHosts,
        Self::NotSent,
        Self::NoConnection,
        Self::Certificate,
        Self::TimedOut,
        Self::BrokenOff,
        Self::Status,
        Self::Invalid,
    ];

    /// Whether the call was never sent.
    pub(super) const fn is_unsent(self) -> bool {
        matches!(self, Self::UnknownCluster | Self::NoHosts | Self::NotSent)
    }
}

/// A failure, as far as another one is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The cause.
    pub cause: Cause,
    /// The status, if one came: 403 and 404 are mended in two places.
    pub status: Option<u16>,
}

impl Sort {
    /// A number that no other has.
    pub(super) fn number(self) -> u64 {
        let position = Cause::ALL.iter().position(|one| *one == self.cause);
        let position = position.and_then(|position| u16::try_from(position).ok());
        let status = self.status.unwrap_or_default();
        u64::from(status) << 16 | u64::from(position.unwrap_or(u16::MAX))
    }
}

impl<E> Failure<E> {
    /// What is news where another one was told.
    #[must_use]
    pub const fn sort(&self) -> Sort {
        Sort {
            cause: self.cause(),
            status: match self {
                Self::Status(status) => Some(*status),
                _ => None,
            },
        }
    }

    /// The cause.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self {
            Self::UnknownCluster => Cause::UnknownCluster,
            Self::NoHosts => Cause::NoHosts,
            Self::NotSent => Cause::NotSent,
            Self::NoConnection(_) => Cause::NoConnection,
            Self::Certificate(_) => Cause::Certificate,
            Self::TimedOut => Cause::TimedOut,
            Self::BrokenOff => Cause::BrokenOff,
            Self::Status(_) => Cause::Status,
            Self::Invalid(_) => Cause::Invalid,
        }
    }

    /// The bytes of the document that the endpoint answered with, or what came instead.
    pub(super) fn of(answer: &Answer, too_large: impl FnOnce() -> E) -> Result<&[u8], Self> {
        match answer {
            Answer::Response {
                status: 200,
                body: Some(body),
                ..
            } => Ok(body),
            Answer::Response {
                status: 200,
                body: None,
                ..
            } => Err(Self::Invalid(too_large())),
            _ => Err(Self::without(answer)),
        }
    }

    /// What an answer is in which nothing was found that could be used.
    #[must_use]
    pub fn without(answer: &Answer) -> Self {
        match answer {
            Answer::Response { status, .. } => Self::Status(*status),
            Answer::Local { status: 504, .. } => Self::TimedOut,
            Answer::Local { text, .. } => Self::unreached(text),
            Answer::NoResponse => Self::BrokenOff,
            Answer::NotSent(NotSent::UnknownCluster) => Self::UnknownCluster,
            Answer::NotSent(NotSent::NoHosts) => Self::NoHosts,
            Answer::NotSent(NotSent::Refused) => Self::NotSent,
        }
    }

    /// Takes the reason out of Envoy's words, such as `upstream connect error or disconnect/reset
    /// before headers. reset reason: remote connection failure, transport failure reason: …`. The
    /// last part, and with it what is wrong with a certificate, is there only in an Envoy that is
    /// told not to hide it.
    fn unreached(text: &str) -> Self {
        let after = |mark| text.split_once(mark).map(|(_, after)| after.trim());
        match after("transport failure reason: ") {
            Some(tls) if tls.contains("CERTIFICATE_VERIFY_FAILED") => {
                Self::Certificate(tls.to_owned())
            }
            Some(reason) => Self::NoConnection(reason.to_owned()),
            None => Self::NoConnection(after("reset reason: ").unwrap_or(text.trim()).to_owned()),
        }
    }
}

impl<E: fmt::Display> Failure<E> {
    /// The failure in words, with the cluster through which it came about.
    #[must_use]
    pub fn at<'a>(&'a self, endpoint: &'a Endpoint) -> impl fmt::Display + 'a {
        At {
            failure: self,
            endpoint,
        }
    }
}

struct At<'a, E> {
    failure: &'a Failure<E>,
    endpoint: &'a Endpoint,
}

impl<E: fmt::Display> fmt::Display for At<'_, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint {
            cluster, timeout, ..
        } = self.endpoint;
        match self.failure {
            Failure::UnknownCluster => {
                write!(formatter, "cluster {cluster:?} is not known to this Envoy")
            }
            Failure::NoHosts => write!(
                formatter,
                "cluster {cluster:?} has no hosts: none configured, or its name does not resolve"
            ),
            Failure::NotSent => write!(
                formatter,
                "Envoy would not send a request to cluster {cluster:?}"
            ),
            Failure::NoConnection(reason) => write!(
                formatter,
                "no connection through cluster {cluster:?} ({reason}): its address, a firewall, or its certificate"
            ),
            Failure::Certificate(reason) => write!(
                formatter,
                "the certificate behind cluster {cluster:?} was refused ({reason})"
            ),
            Failure::TimedOut => write!(
                formatter,
                "no answer through cluster {cluster:?} within {}",
                written(*timeout)
            ),
            Failure::BrokenOff => {
                write!(
                    formatter,
                    "the answer through cluster {cluster:?} broke off"
                )
            }
            Failure::Status(status) => write!(
                formatter,
                "the endpoint answered {status} through cluster {cluster:?}; expected 200"
            ),
            Failure::Invalid(invalid) => write!(
                formatter,
                "the answer through cluster {cluster:?} cannot be used: {invalid}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    /// One of each: every cause has a text of its own that names the cluster.
    #[test]
    fn every_cause_has_a_text() {
        let endpoint = Endpoint {
            cluster: "k".into(),
            uri: String::new(),
            scheme: String::new(),
            authority: String::new(),
            path: String::new(),
            timeout: Duration::from_secs(5),
        };
        let local = |status, text: &str| Answer::Local {
            status,
            text: text.into(),
        };
        let response = Answer::response;
        let reset = "upstream connect error or disconnect/reset before headers. reset reason: ";
        let mut causes = Vec::new();
        for (answer, text) in [
            (
                Answer::NotSent(NotSent::UnknownCluster),
                r#"cluster "k" is not known to this Envoy"#,
            ),
            (
                Answer::NotSent(NotSent::NoHosts),
                r#"cluster "k" has no hosts: none configured, or its name does not resolve"#,
            ),
            (
                Answer::NotSent(NotSent::Refused),
                r#"Envoy would not send a request to cluster "k""#,
            ),
            (
                local(503, &format!("{reset}remote connection failure")),
                r#"no connection through cluster "k" (remote connection failure): its address, a firewall, or its certificate"#,
            ),
            (
                local(
                    503,
                    &format!(
                        "{reset}remote connection failure, transport failure reason: delayed connect error: Connection refused"
                    ),
                ),
                r#"no connection through cluster "k" (delayed connect error: Connection refused): its address, a firewall, or its certificate"#,
            ),
            (
                local(503, "no healthy upstream"),
                r#"no connection through cluster "k" (no healthy upstream): its address, a firewall, or its certificate"#,
            ),
            (
                local(
                    503,
                    &format!(
                        "{reset}remote connection failure, transport failure reason: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end"
                    ),
                ),
                r#"the certificate behind cluster "k" was refused (TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end)"#,
            ),
            (
                local(504, "upstream request timeout"),
                r#"no answer through cluster "k" within 5s"#,
            ),
            (
                Answer::NoResponse,
                r#"the answer through cluster "k" broke off"#,
            ),
            (
                response(503, Some(Vec::new())),
                r#"the endpoint answered 503 through cluster "k"; expected 200"#,
            ),
            (
                response(0, None),
                r#"the endpoint answered 0 through cluster "k"; expected 200"#,
            ),
            (
                response(200, None),
                r#"the answer through cluster "k" cannot be used: too large"#,
            ),
        ] {
            let failure = Failure::of(&answer, || "too large").unwrap_err();
            assert_eq!(failure.at(&endpoint).to_string(), text);
            causes.push(failure.cause());
        }
        for cause in Cause::ALL {
            assert!(causes.contains(&cause), "{cause:?}");
        }
        let good = response(200, Some(b"x".to_vec()));
        assert_eq!(Failure::of(&good, || "too large"), Ok(&b"x"[..]));
    }

    #[test]
    fn each_cause_has_a_number() {
        let statuses = [None, Some(1), Some(403), Some(u16::MAX)];
        let sorts = Cause::ALL.iter().flat_map(|cause| {
            let sort = |status| Sort {
                cause: *cause,
                status,
            };
            statuses.map(|status| sort(status).number())
        });
        let numbers: BTreeSet<_> = sorts.chain([u64::MAX]).collect();
        assert_eq!(numbers.len(), Cause::ALL.len() * statuses.len() + 1);
    }
}
