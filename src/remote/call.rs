//! Calls to other services: what the host is asked to carry out, and what came of it.

use std::time::Duration;

/// Where a document is fetched, or a question put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// The URI, as configured or derived.
    pub uri: String,
    /// The URI's scheme: `:scheme`.
    pub scheme: String,
    /// The URI's authority: `:authority`.
    pub authority: String,
    /// The URI's path and query: `:path`.
    pub path: String,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Endpoint {
    /// Whether a call goes there.
    #[must_use]
    pub fn is_called(&self, call: &Call) -> bool {
        (&self.cluster, &self.authority, &self.path) == (&call.cluster, &call.authority, &call.path)
    }

    /// The call that fetches a document of at most so many bytes.
    #[must_use]
    pub fn get(&self, max_body: usize) -> Call {
        let accept = ("accept", "application/json".to_owned());
        let reading = Reading {
            max_body,
            headers: &[],
            unread: None,
        };
        self.call("GET", vec![accept], Vec::new(), reading)
    }

    /// The call that puts a question.
    #[must_use]
    pub fn post(
        &self,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        reading: Reading,
    ) -> Call {
        self.call("POST", headers, body, reading)
    }

    fn call(
        &self,
        method: &'static str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        reading: Reading,
    ) -> Call {
        Call {
            cluster: self.cluster.clone(),
            method,
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
            path: self.path.clone(),
            headers,
            body,
            timeout: self.timeout,
            reading,
        }
    }
}

/// A request that the host makes through one of Envoy's clusters. It is all that the host knows of
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The cluster.
    pub cluster: String,
    /// `:method`.
    pub method: &'static str,
    /// `:scheme`.
    pub scheme: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// The other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
    /// What is read of the answer.
    pub reading: Reading,
}

/// What is read of the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How many bytes of the body are looked at; a longer one is none.
    pub max_body: usize,
    /// Which headers are looked at: each costs a look-up.
    pub headers: &'static [&'static str],
    /// A status that says all: its body is about a person, perhaps, and is not read.
    pub unread: Option<u16>,
}

impl Reading {
    /// Reads a response that the host holds.
    pub fn read<Value: AsRef<[u8]> + Into<Vec<u8>>>(
        &self,
        header: impl Fn(&str) -> Option<Value>,
        body_length: usize,
        body: impl FnOnce() -> Vec<u8>,
    ) -> Answer {
        let status = header(":status")
            .and_then(|status| std::str::from_utf8(status.as_ref()).ok()?.parse().ok())
            .unwrap_or_default();
        let is_read = Some(status) != self.unread && body_length <= self.max_body;
        let looked_at = self.headers.iter();
        let looked_at = looked_at.filter_map(|name| Some((*name, header(name)?.into())));
        Answer::received(
            status,
            || RESPONSE_MARKS.iter().any(|name| header(name).is_some()),
            looked_at.collect(),
            is_read.then(body),
        )
    }
}

/// The gate's number of a call that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u32);

/// Hands out a number for each call.
#[derive(Debug, Default)]
pub struct CallIds(u32);

impl CallIds {
    /// A number that no call under way has: they are used again after 2^32 calls, and a call lasts
    /// for some seconds.
    pub(super) const fn next(&mut self) -> CallId {
        self.0 = self.0.wrapping_add(1);
        CallId(self.0)
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A complete response of the endpoint.
    Response {
        /// The status; 0 if it was none.
        status: u16,
        /// Those of [`Reading::headers`] that are there.
        headers: Vec<(&'static str, Vec<u8>)>,
        /// The body, or `None` if it is longer than [`Reading::max_body`] or was not to be read.
        body: Option<Vec<u8>>,
    },
    /// Envoy answered in place of the endpoint, which it did not reach.
    Local {
        /// The status: 503, or 504 for a time-out.
        status: u16,
        /// Envoy's words for the reason, as far as they are looked at.
        text: String,
    },
    /// A response that broke off, or that Envoy would not hand over.
    NoResponse,
    /// The call was never sent.
    NotSent(NotSent),
}

/// Why a call was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Envoy has no cluster of that name.
    UnknownCluster,
    /// The cluster has no host to send it to.
    NoHosts,
    /// Any other reason.
    Refused,
}

/// Headers of which Envoy's own answers have none, and a response that came through its router has
/// at least one: the router sets the last.
const RESPONSE_MARKS: [&str; 3] = ["server", "date", "x-envoy-upstream-service-time"];

impl Answer {
    /// How much of Envoy's words is looked at; they name the reason at their beginning.
    const MAX_TEXT: usize = 512;

    /// A response of which no header is looked at.
    #[must_use]
    pub const fn response(status: u16, body: Option<Vec<u8>>) -> Self {
        Self::Response {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// The header of this name, if it was looked at and is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let Self::Response { headers, .. } = self else {
            return None;
        };
        let mut headers = headers.iter();
        let (_, value) = headers.find(|(known, _)| *known == name)?;
        Some(value)
    }

    /// A response with headers. `marked` says whether it has one of [`RESPONSE_MARKS`], which is asked
    /// of a status that an answer of Envoy's own may have.
    fn received(
        status: u16,
        marked: impl FnOnce() -> bool,
        headers: Vec<(&'static str, Vec<u8>)>,
        body: Option<Vec<u8>>,
    ) -> Self {
        if !matches!(status, 503 | 504) || marked() {
            return Self::Response {
                status,
                headers,
                body,
            };
        }
        let body = body.unwrap_or_default();
        let text = body.get(..Self::MAX_TEXT).unwrap_or(&body);
        Self::Local {
            status,
            // Nothing that could begin a line of its own in a log.
            text: String::from_utf8_lossy(text)
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_knows_its_calls() {
        let endpoint = |cluster: &str, path: &str| Endpoint {
            cluster: cluster.to_owned(),
            uri: format!("https://keys.example{path}"),
            scheme: "https".to_owned(),
            authority: "keys.example".to_owned(),
            path: path.to_owned(),
            timeout: Duration::from_secs(5),
        };
        let call = endpoint("keys", "/jwks.json").get(100);
        assert!(endpoint("keys", "/jwks.json").is_called(&call));
        assert!(!endpoint("keys", "/deny.json").is_called(&call));
        assert!(!endpoint("other", "/jwks.json").is_called(&call));
    }

    #[test]
    fn an_answer_of_envoys_own_is_told_from_the_endpoints() {
        let body = || Some(b"upstream connect error\nor so".to_vec());
        let local = Answer::Local {
            status: 503,
            text: "upstream connect error or so".into(),
        };
        let received = |status, marked, body| Answer::received(status, || marked, Vec::new(), body);
        assert_eq!(received(503, false, body()), local);
        for (status, marked) in [(503, true), (504, true), (200, false), (500, false)] {
            let answer = received(status, marked, body());
            assert_eq!(
                answer,
                Answer::response(status, body()),
                "{status} {marked}"
            );
        }
    }

    #[test]
    fn envoys_words_are_cut() {
        for length in [511, 512, 513, 100_000] {
            let body = Some(vec![b'x'; length]);
            let Answer::Local { text, .. } = Answer::received(503, || false, Vec::new(), body)
            else {
                panic!("an answer of Envoy's own");
            };
            assert_eq!(text.len(), length.min(512));
        }
        let none = Answer::received(504, || false, Vec::new(), None);
        assert!(matches!(none, Answer::Local { status: 504, text } if text.is_empty()));
    }
}
