//! A request, as far as its headers go.

pub mod cookies;
mod name;
pub mod query;
pub mod work;

use crate::header::{HeaderName, is_header_value, is_trimmed};
use crate::rules::index::Target;
use crate::work::TooCostly;
use query::{Escaped, Query};
use std::borrow::Cow;
use std::fmt;
use work::Work;

/// The request's headers that the policy looks at, pseudo-headers among them.
///
/// Names are in lower case; a repeated header has several entries.
#[derive(Clone, Debug, Default)]
pub struct Request {
    headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    rest: Rest,
    peer: PeerSource,
}

/// Who sent a request, and how: what its headers do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The address as Envoy writes it, with a port; empty if it is not known.
    pub address: Vec<u8>,
    /// `HTTP/1.1`, `HTTP/2`, …; empty if it is not known.
    pub protocol: String,
}

/// A part of it, by Envoy's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `source.address`
    SourceAddress,
    /// `request.protocol`
    Protocol,
}

/// Where it is found who sent a request. Few rules ask, and each part takes a call of the host's.
#[derive(Clone, Debug)]
enum PeerSource {
    Known(Peer),
    Asked(fn(Attribute) -> Option<Vec<u8>>),
}

impl Default for PeerSource {
    fn default() -> Self {
        Self::Known(Peer::default())
    }
}

/// What follows the headers of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the request ends with its headers.
    #[default]
    Nothing,
    /// A body, which may be empty yet, or trailers.
    Something,
}

/// Why a method may be another one to the upstream than to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsafeMethod {
    /// Frameworks that write methods in upper case would act on another one.
    Letters,
    /// Frameworks that listen to the parameter would.
    Parameter,
    /// Whether there is such a parameter is too costly to see.
    TooCostly,
}

impl fmt::Display for UnsafeMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Letters => "the method has lower-case letters; expected upper case",
            Self::Parameter => "the query names another method in a parameter _method",
            Self::TooCostly => "the query has too many parameters to look for _method among them",
        })
    }
}

impl Request {
    /// Collects headers as the host hands them over, with nothing after them.
    #[must_use]
    pub const fn new(headers: Vec<(Cow<'static, str>, Vec<u8>)>) -> Self {
        Self {
            headers,
            rest: Rest::Nothing,
            peer: PeerSource::Known(Peer {
                address: Vec::new(),
                protocol: String::new(),
            }),
        }
    }

    /// The same request, sent by this peer.
    #[must_use]
    pub fn sent_by(self, peer: Peer) -> Self {
        let peer = PeerSource::Known(peer);
        Self { peer, ..self }
    }

    /// The same request, whose peer is found by this if anybody wants to know.
    #[must_use]
    pub fn asking_for_peer(self, ask: fn(Attribute) -> Option<Vec<u8>>) -> Self {
        let peer = PeerSource::Asked(ask);
        Self { peer, ..self }
    }

    /// From where it was sent: see [`Peer::address`].
    #[must_use]
    pub fn source_address(&self) -> Vec<u8> {
        match &self.peer {
            PeerSource::Known(peer) => peer.address.clone(),
            PeerSource::Asked(ask) => ask(Attribute::SourceAddress).unwrap_or_default(),
        }
    }

    /// How it was sent: see [`Peer::protocol`].
    #[must_use]
    pub fn protocol(&self) -> String {
        match &self.peer {
            PeerSource::Known(peer) => peer.protocol.clone(),
            PeerSource::Asked(ask) => ask(Attribute::Protocol)
                .and_then(|protocol| String::from_utf8(protocol).ok())
                .unwrap_or_default(),
        }
    }

    /// The same request with this after its headers.
    #[must_use]
    pub fn followed_by(self, rest: Rest) -> Self {
        Self { rest, ..self }
    }

    /// Whether no header of it is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The names of all headers, one for each line.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| &**name)
    }

    /// The first value of a header.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Every value of a header.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(entry, _)| entry == name)
            .map(|(_, value)| value.as_slice())
    }

    /// A header's value, if every server reads the same one: it stands in one line, which is not empty
    /// and cannot be taken apart. A comma separates values to some, also those of two lines that a
    /// proxy has joined; white space at an edge belongs to the value for some and not for others.
    #[must_use]
    pub fn agreed(&self, name: &HeaderName) -> Option<&str> {
        let mut lines = self.all(name.as_str());
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let value = std::str::from_utf8(line).ok()?;
        let is_one = !value.is_empty()
            && !value.contains(',')
            && value.trim_matches(is_trimmed).len() == value.len()
            && is_header_value(value);
        is_one.then_some(value)
    }

    /// What the rules look at.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        Target {
            path: self.first(":path"),
            method: self.first(":method"),
            authority: self.first(":authority"),
        }
    }

    /// Whether this is a preflight as a browser sends it: `OPTIONS` with both headers, and nothing
    /// after them. Anything else is a request like any other.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        let says = |name: &str| self.first(name).is_some_and(|value| !value.is_empty());
        self.rest == Rest::Nothing
            && self.first(":method") == Some(b"OPTIONS")
            && says("origin")
            && says("access-control-request-method")
    }

    /// Whether a browser would show the answer as a page (Fetch metadata: `sec-fetch-mode`). Browsers
    /// that do not say so name HTML before anything else in `accept`.
    #[must_use]
    pub fn is_navigation(&self) -> bool {
        if self.first(":method") != Some(b"GET") {
            return false;
        }
        if self.names().any(|name| name.starts_with("sec-fetch-")) {
            let mut modes = self.all("sec-fetch-mode");
            return modes.next() == Some(b"navigate") && modes.next().is_none();
        }
        let ranges = self.all("accept");
        let ranges = ranges.flat_map(|line| line.split(|byte| *byte == b','));
        // Parameters such as `q` follow a semicolon.
        let mut types = ranges.filter_map(|range| range.split(|byte| *byte == b';').next());
        let html = types.find_map(|media| match media.trim_ascii() {
            b"*/*" => Some(false),
            media => media.eq_ignore_ascii_case(b"text/html").then_some(true),
        });
        html == Some(true)
    }

    /// Whether this asks for another protocol on its connection or stream: an upgrade of HTTP/1.1, or
    /// the extended CONNECT of RFC 8441, which Envoy shows as one.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        let mut protocols = self.all("upgrade").chain(self.all(":protocol"));
        protocols.any(|protocol| !protocol.trim_ascii().is_empty())
    }

    /// Whether rules can decide by the method: Envoy's HTTP/2 codec lets any letters through, and
    /// Django, Flask, Symfony and others write them in upper case.
    ///
    /// # Errors
    /// [`UnsafeMethod::Letters`].
    pub fn check_method(&self) -> Result<(), UnsafeMethod> {
        let method = self.first(":method").unwrap_or_default();
        match method.iter().any(u8::is_ascii_lowercase) {
            true => Err(UnsafeMethod::Letters),
            false => Ok(()),
        }
    }

    /// Whether the query leaves the method alone: Symfony, Express's method-override and others
    /// take it from a parameter.
    ///
    /// # Errors
    /// [`UnsafeMethod::Parameter`], or [`UnsafeMethod::TooCostly`] if [`MAX_WORK`](work::MAX_WORK) is
    /// not enough to see.
    pub fn check_method_parameter(&self) -> Result<(), UnsafeMethod> {
        match self.names_in_query("_method") {
            Ok(true) => Err(UnsafeMethod::Parameter),
            Ok(false) => Ok(()),
            Err(TooCostly) => Err(UnsafeMethod::TooCostly),
        }
    }

    /// Whether some reader finds a parameter of this name.
    fn names_in_query(&self, name: &str) -> Result<bool, TooCostly> {
        let mut work = Work::default();
        if let Some(query) = self.query()
            && query.names(name, &mut work)?
        {
            return Ok(true);
        }
        match self.escaped_query(&mut work)? {
            Some(escaped) => escaped.query().names(name, &mut work),
            None => Ok(false),
        }
    }

    /// The query of the path, if it has one.
    #[must_use]
    pub fn query(&self) -> Option<Query<'_>> {
        Query::of(self.first(":path")?)
    }

    /// What some readers alone take for a query.
    ///
    /// # Errors
    /// The path is longer than what is left of the work.
    pub fn escaped_query(&self, work: &mut Work) -> Result<Option<Escaped<'_>>, TooCostly> {
        let path = self.first(":path").unwrap_or_default();
        Escaped::of(path, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(&'static str, &str)]) -> Request {
        let lines = lines.iter();
        let lines = lines.map(|(name, value)| ((*name).into(), value.as_bytes().to_vec()));
        Request::new(lines.collect())
    }

    #[test]
    fn a_method_in_upper_case_is_safe() {
        for method in ["GET", "M-SEARCH", "BASELINE_CONTROL", "X2", ""] {
            assert_eq!(request(&[(":method", method)]).check_method(), Ok(()));
        }
        assert_eq!(request(&[]).check_method(), Ok(()));
        for method in ["get", "Get", "geT", "m-SEARCH"] {
            let unsafe_method = request(&[(":method", method)]).check_method().unwrap_err();
            assert_eq!(
                unsafe_method.to_string(),
                "the method has lower-case letters; expected upper case"
            );
        }
    }

    #[test]
    fn a_navigation_is_what_a_browser_shows() {
        let navigates = |method: &str, lines: &[(&'static str, &str)]| {
            let mut all = vec![(":method", method)];
            all.extend(lines.iter().copied());
            request(&all).is_navigation()
        };
        let html = ("accept", "text/html,application/xml;q=0.9,*/*;q=0.8");
        for lines in [
            &[("sec-fetch-mode", "navigate")][..],
            &[("sec-fetch-mode", "navigate"), ("accept", "*/*")],
            &[html],
            &[("accept", "application/xml;q=0.9, Text/HTML ;q=0.8")],
            &[("accept", "application/xml"), ("accept", "text/html")],
        ] {
            assert!(navigates("GET", lines), "{lines:?}");
            for method in ["HEAD", "POST", "get", ""] {
                assert!(!navigates(method, lines), "{method} {lines:?}");
            }
        }
        for lines in [
            &[][..],
            &[("sec-fetch-mode", "cors"), html],
            &[("sec-fetch-mode", "Navigate"), html],
            &[
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-mode", "cors"),
                html,
            ],
            &[("sec-fetch-dest", "document"), html],
            &[("sec-fetch-mode", "")],
            &[("accept", "*/*")],
            &[("accept", "*/*, text/html")],
            &[("accept", "application/json")],
            &[("accept", "text/htmlx")],
            &[("accept", "")],
        ] {
            assert!(!navigates("GET", lines), "{lines:?}");
        }
    }

    #[test]
    fn a_parameter_names_another_method() {
        for path in [
            "/?_method=PUT",
            "/?a&_METHOD",
            "/?a;%5fmethod[]=PUT",
            "/?.method=",
            "/a%3F_method=PUT",
            "/a%3fb%26%5Fmethod%3DPUT?c",
        ] {
            let unsafe_method = request(&[(":path", path)]).check_method_parameter();
            assert_eq!(
                unsafe_method.unwrap_err().to_string(),
                "the query names another method in a parameter _method"
            );
        }
        for path in [
            "/_method?a=_method",
            "/?method=PUT",
            "/?__method=PUT",
            "/a%3Fmethod=PUT",
            "/a%26_method=PUT",
            "/",
            "",
        ] {
            let request = request(&[(":path", path)]);
            assert_eq!(request.check_method_parameter(), Ok(()), "{path}");
        }
        assert_eq!(request(&[]).check_method_parameter(), Ok(()));
    }

    #[test]
    fn a_preflight_has_both_headers_and_nothing_after_them() {
        let headers = [
            (":method", "OPTIONS"),
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "PUT"),
        ];
        assert!(request(&headers).is_preflight());
        assert!(
            !request(&headers)
                .followed_by(Rest::Something)
                .is_preflight()
        );
        for missing in 0..headers.len() {
            let mut fewer = headers.to_vec();
            fewer.remove(missing);
            assert!(!request(&fewer).is_preflight());
            fewer.push((headers[missing].0, ""));
            assert!(!request(&fewer).is_preflight());
        }
    }
}
