//! Where a token stands in a request: exactly one, or the request is refused.
//!
//! Two tokens in one request are an attack waiting for a second reader: this filter would check
//! one, the upstream would believe the other. So every configured place is looked at, every value
//! of a repeated header counts, and two tokens are refused even if they are equal.

mod amplify;
mod protocol;
mod scheme;

use crate::header::{HeaderEdit, HeaderName};
use crate::refusal::Reason;
use crate::request::Request;
use crate::request::cookies::{Cookie, Cookies, trimmed};
use crate::request::query::{Escaped, Parameter, Query, without_query};
use crate::request::work::Work;
use crate::work::TooCostly;
pub use amplify::{Amplify, MAX_PARTS};
pub use protocol::{Encoding, PROTOCOLS, WebSocketProtocol};
use scheme::{Credentials, Space, credentials, unprefixed};
pub use scheme::{InvalidScheme, Scheme};
use std::borrow::Cow;
use std::rc::Rc;

/// A place where a token may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A header, with this scheme and the token (RFC 6750, section 2.1) or the bare token.
    Header(HeaderName, Scheme),
    /// A parameter of the query (RFC 6750, section 2.3).
    Query(String),
    /// A cookie.
    Cookie(String),
    /// An element among the subprotocols of a WebSocket's handshake.
    WebSocket(WebSocketProtocol),
    /// The cookies of Amplify's browser library.
    Amplify(Amplify),
}

impl TokenSource {
    /// The header that is the place's own. Cookies and the path have other uses.
    #[must_use]
    pub fn header(&self) -> Option<HeaderName> {
        match self {
            Self::Header(name, _) => Some(name.clone()),
            Self::WebSocket(_) => Some(HeaderName::known(PROTOCOLS)),
            Self::Query(_) | Self::Cookie(_) | Self::Amplify(_) => None,
        }
    }
}

/// The places where a token may stand; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSources {
    places: Vec<TokenSource>,
    headers: Vec<(HeaderName, Vec<Scheme>)>,
    queries: Vec<String>,
    cookies: Vec<String>,
    protocols: Vec<WebSocketProtocol>,
    amplify: Vec<Amplify>,
    /// What authorizers tell their callers apart by: not looked at here, but taken out with the
    /// tokens.
    identities: Identities,
}

/// The places by which authorizers tell their callers apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// Headers, which go whole.
    pub headers: Vec<HeaderName>,
    /// Parameters of the query.
    pub queries: Vec<String>,
}

/// Leaves the first of those that are equal.
fn each_once<T: PartialEq>(all: &mut Vec<T>) {
    let mut seen = Vec::new();
    for one in all.drain(..) {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    *all = seen;
}

/// The path without the parameters of these names; `None` if it has none.
fn strip_path(path: &[u8], names: &[&str], work: &mut Work) -> Result<Option<Vec<u8>>, TooCostly> {
    let cut = match Escaped::of(path, work)? {
        Some(escaped) => {
            let mut parameters = escaped.query().parameters(work)?;
            let hides_one = parameters.next(names, work)?.is_some();
            hides_one.then(|| escaped.cut_off())
        }
        None => None,
    };
    let stripped = match Query::of(cut.as_deref().unwrap_or(path)) {
        Some(query) => query.without(names, work)?,
        None => None,
    };
    Ok(stripped.or(cut))
}

impl TokenSources {
    /// The `authorization` header alone: the default.
    #[must_use]
    pub fn authorization() -> Self {
        Self::of(vec![TokenSource::Header(
            HeaderName::authorization(),
            Scheme::BEARER,
        )])
    }

    /// These places; `None` if there are none.
    #[must_use]
    pub fn new(places: Vec<TokenSource>) -> Option<Self> {
        (!places.is_empty()).then(|| Self::of(places))
    }

    fn of(places: Vec<TokenSource>) -> Self {
        let mut sources = Self {
            headers: Vec::new(),
            queries: Vec::new(),
            cookies: Vec::new(),
            protocols: Vec::new(),
            amplify: Vec::new(),
            identities: Identities::default(),
            places: places.clone(),
        };
        for place in places {
            match place {
                TokenSource::Header(name, scheme) => {
                    let mut known = sources.headers.iter_mut();
                    // A bare token there is one, whatever the number of schemes.
                    match known.find(|(known, _)| *known == name) {
                        Some((_, schemes)) => schemes.push(scheme),
                        None => sources.headers.push((name, vec![scheme])),
                    }
                }
                TokenSource::Query(name) => sources.queries.push(name),
                TokenSource::Cookie(name) => sources.cookies.push(name),
                TokenSource::WebSocket(protocol) => sources.protocols.push(protocol),
                TokenSource::Amplify(amplify) => sources.amplify.push(amplify),
            }
        }
        sources
    }

    /// The same places, where these are taken out with the tokens.
    #[must_use]
    pub fn with_identities(self, mut identities: Identities) -> Self {
        // Several authorizers may look at one place, of which each identity is taken out once.
        each_once(&mut identities.headers);
        each_once(&mut identities.queries);
        Self { identities, ..self }
    }

    /// The places.
    pub fn iter(&self) -> impl Iterator<Item = &TokenSource> {
        self.places.iter()
    }

    /// The one token in the request, or `None`.
    ///
    /// What some reader alone takes for one of the places is no place, but a second token beside
    /// another: that reader would believe it.
    ///
    /// # Errors
    /// [`Reason::MultipleTokens`], also if [`MAX_WORK`](crate::request::work::MAX_WORK) is not enough to
    /// see whether there are several.
    pub fn extract<'a>(&self, request: &'a Request) -> Result<Option<Cow<'a, [u8]>>, Reason> {
        let mut found: Option<Sighting<'a>> = None;
        let mut add = |sighting: Sighting<'a>| match (&found, sighting) {
            (Some(_), _) | (None, Sighting::Several) => Err(Reason::MultipleTokens),
            (None, sighting) => {
                found = Some(sighting);
                Ok(())
            }
        };
        for (name, schemes) in &self.headers {
            for value in request.all(name.as_str()) {
                match credentials(value, schemes) {
                    Credentials::None => {}
                    Credentials::One(token) => add(Sighting::Token(Cow::Borrowed(token)))?,
                    Credentials::Alias => add(Sighting::Alias)?,
                    Credentials::Several => return Err(Reason::MultipleTokens),
                }
            }
        }
        let mut work = Work::default();
        if let Some(query) = self.query(request) {
            let mut parameters = query.parameters(&mut work)?;
            while let Some(parameter) = parameters.next(&self.queries, &mut work)? {
                if let Some(sighting) = self.in_query(parameter) {
                    add(sighting)?;
                }
            }
        }
        if !self.queries.is_empty()
            && let Some(escaped) = request.escaped_query(&mut work)?
        {
            let mut parameters = escaped.query().parameters(&mut work)?;
            while let Some(parameter) = parameters.next(&self.queries, &mut work)? {
                if self.in_query(parameter).is_some() {
                    add(Sighting::Alias)?;
                }
            }
        }
        for line in self.lines(request) {
            let mut cookies = Cookies::of(line, &mut work)?;
            while let Some(cookie) = cookies.next(&self.cookies, &mut work)? {
                if let Some(sighting) = self.in_cookie(cookie) {
                    add(sighting)?;
                }
            }
        }
        for amplify in &self.amplify {
            if let Some(sighting) = amplify.sighting(request, &mut work)? {
                add(sighting)?;
            }
        }
        for (_, sighting) in protocol::elements(request, &self.protocols) {
            if let Some(sighting) = sighting {
                add(sighting)?;
            }
        }
        match found {
            Some(Sighting::Token(token)) => Ok(Some(token)),
            Some(Sighting::Garbled) => Ok(Some(Cow::Borrowed(GARBLED))),
            Some(Sighting::Several) => Err(Reason::MultipleTokens),
            Some(Sighting::Alias) | None => Ok(None),
        }
    }

    /// The edit that takes tokens off which no upstream is to see, whatever the configuration says of
    /// tokens.
    #[must_use]
    pub fn hide(&self, request: &Request) -> Option<HeaderEdit> {
        protocol::without_tokens(request, &self.protocols)
    }

    /// The edits that take every token out of the configured places, and out of what some reader
    /// takes for one of them; credentials of another scheme stay.
    ///
    /// # Errors
    /// [`Reason::MultipleTokens`] if [`MAX_WORK`](crate::request::work::MAX_WORK) is not enough to see
    /// them all.
    pub fn strip(&self, request: &Request) -> Result<Vec<HeaderEdit>, Reason> {
        let mut edits = Vec::new();
        for (name, schemes) in &self.headers {
            let mut values = request.all(name.as_str());
            if values.any(|value| credentials(value, schemes) != Credentials::None) {
                edits.push(HeaderEdit::Remove(name.into()));
            }
        }
        for name in &self.identities.headers {
            let is_there = request.first(name.as_str()).is_some();
            edits.extend(is_there.then(|| HeaderEdit::Remove(name.into())));
        }
        let mut work = Work::default();
        let identities = self.identities.queries.iter();
        let names: Vec<&str> = self
            .queries
            .iter()
            .chain(identities)
            .map(|name| &**name)
            .collect();
        if !names.is_empty()
            && let Some(path) = request.first(":path")
            && let Some(path) = strip_path(path, &names, &mut work)?
        {
            edits.push(HeaderEdit::Set(Rc::from(":path"), path));
        }
        let (mut kept, mut found) = (Vec::new(), false);
        for line in self.lines(request) {
            let others = match Cookies::without(line, &self.cookies, &mut work)? {
                Some(others) => {
                    found = true;
                    others
                }
                None => trimmed(line).into_iter().collect(),
            };
            for others in others {
                match self.without_amplify(others, &mut work)? {
                    Some(others) => {
                        kept.extend(others);
                        found = true;
                    }
                    None => kept.push(others),
                }
            }
        }
        if found {
            edits.push(match kept.is_empty() {
                true => HeaderEdit::Remove(Rc::from("cookie")),
                false => HeaderEdit::Set(Rc::from("cookie"), kept.join(&b"; "[..])),
            });
        }
        Ok(edits)
    }

    /// The edits that take off all in which a token could stand, unread: for a request that goes on
    /// though it is too costly to look through.
    #[must_use]
    pub fn clear(&self, request: &Request) -> Vec<HeaderEdit> {
        let identities = &self.identities;
        let headers = self.headers.iter().map(|(name, _)| name);
        let headers = headers.chain(&identities.headers);
        let headers = headers.map(|name| HeaderEdit::Remove(name.into()));
        let cookie = self.reads_cookies();
        let cookie = cookie.then(|| HeaderEdit::Remove(Rc::from("cookie")));
        let names_some = !(self.queries.is_empty() && identities.queries.is_empty());
        let path = request.first(":path").filter(|_| names_some);
        let path = path.map(|path| {
            let path = without_query(path).to_vec();
            HeaderEdit::Set(Rc::from(":path"), path)
        });
        headers.chain(cookie).chain(path).collect()
    }

    /// A path without the parameters in which tokens are looked for; `None` if it is too costly to look
    /// through.
    #[must_use]
    pub fn path_without_tokens<'a>(&self, path: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let names: Vec<&str> = self.queries.iter().map(|name| &**name).collect();
        if names.is_empty() {
            return Some(Cow::Borrowed(path));
        }
        let stripped = strip_path(path, &names, &mut Work::default()).ok()?;
        Some(stripped.map_or(Cow::Borrowed(path), Cow::Owned))
    }

    /// The query, if tokens are looked for there.
    fn query<'a>(&self, request: &'a Request) -> Option<Query<'a>> {
        request.query().filter(|_| !self.queries.is_empty())
    }

    const fn reads_cookies(&self) -> bool {
        !self.cookies.is_empty() || !self.amplify.is_empty()
    }

    /// The lines of cookies, if tokens are looked for there.
    fn lines<'a>(&self, request: &'a Request) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let lines = self.reads_cookies().then(|| request.all("cookie"));
        lines.into_iter().flatten()
    }

    /// A line of cookies without Amplify's tokens; `None` if it has none.
    fn without_amplify<'a>(
        &self,
        line: &'a [u8],
        work: &mut Work,
    ) -> Result<Option<Vec<&'a [u8]>>, TooCostly> {
        let mut amplify = self.amplify.iter();
        // The configuration has one such place at most.
        amplify
            .next()
            .map_or(Ok(None), |amplify| amplify.without(line, work))
    }

    fn in_query<'a>(&self, parameter: Parameter<'a>) -> Option<Sighting<'a>> {
        if !parameter.has_value() {
            return None;
        }
        let mut names = self.queries.iter();
        let token = names.find_map(|name| parameter.value(name.as_bytes()));
        match token {
            Some(token) => unprefixed(token, Space::Plus).map(Sighting::Token),
            None => Some(Sighting::Alias),
        }
    }

    fn in_cookie<'a>(&self, cookie: Cookie<'a>) -> Option<Sighting<'a>> {
        if !cookie.has_value() {
            return None;
        }
        let mut names = self.cookies.iter();
        let token = names.find_map(|name| cookie.value(name.as_bytes()));
        match token {
            Some(token) => unprefixed(token.into(), Space::Escaped).map(Sighting::Token),
            None => Some(Sighting::Alias),
        }
    }
}

/// A request in which tokens cannot be told from each other at a bearable cost may have several.
impl From<TooCostly> for Reason {
    fn from(TooCostly: TooCostly) -> Self {
        Self::MultipleTokens
    }
}

/// Stands for a token that is not written as its place has it: it is malformed, whatever it would be
/// otherwise.
const GARBLED: &[u8] = b".";

/// What may be a token to some reader.
#[derive(Debug)]
enum Sighting<'a> {
    /// In a configured place, to all readers.
    Token(Cow<'a, [u8]>),
    /// In a configured place, but not written as that place has it.
    Garbled,
    /// In what some reader alone takes for a configured place.
    Alias,
    /// More than one.
    Several,
}

/// Whether a value of the `authorization` header is several, which Envoy has joined.
///
/// Of whatever scheme: credentials with a comma are parameters (RFC 9110, section 11.4) from the first on,
/// and behind the comma stands neither the name of their own scheme nor another with something behind it.
#[must_use]
pub fn are_several(value: &[u8]) -> bool {
    let mut is_quoted = false;
    let parts = value.split(|byte| {
        is_quoted ^= *byte == b'"';
        !is_quoted && *byte == b','
    });
    let mut parts = parts.map(|part| {
        let part = part.trim_ascii();
        let end = part.iter().position(|byte| *byte == b' ');
        let (word, rest) = part.split_at(end.unwrap_or(part.len()));
        (word, rest.trim_ascii_start())
    });
    let (scheme, first) = parts.next().unwrap_or_default();
    let is_parameter = |word: &[u8], rest: &[u8]| {
        word.contains(&b'=') || matches!(rest.first(), None | Some(b'='))
    };
    let is_joined = |(word, rest): (&[u8], &[u8])| {
        word.eq_ignore_ascii_case(scheme) || !is_parameter(word, rest) || !has_value(first)
    };
    parts.any(is_joined)
        || is_quoted && value.contains(&b',')
        || credentials(value, &[Scheme::BEARER]) == Credentials::Several
}

/// Whether credentials begin with a parameter. Those that have none may end in `=`.
fn has_value(credentials: &[u8]) -> bool {
    let mut halves = credentials.splitn(2, |byte| *byte == b'=');
    halves.next();
    let value = halves.next().unwrap_or_default();
    value.iter().any(|byte| !matches!(byte, b'=' | b' '))
}

#[cfg(test)]
mod tests;
