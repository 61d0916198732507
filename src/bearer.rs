//! Where a token stands in a request: exactly one, or the request is refused.
//!
//! Two tokens in one request are an attack waiting for a second reader: this filter would check
//! one, the upstream would believe the other. So every configured place is looked at, every value
//! of a repeated header counts, and two tokens are refused even if they are equal.

use crate::header::{HeaderEdit, HeaderName};
use crate::refusal::Reason;
use crate::request::Request;
use crate::request::cookies::{Cookie, Cookies, trimmed};
use crate::request::query::{Escaped, Parameter, Query, without_query};
use crate::request::work::Work;
use crate::work::TooCostly;
use std::borrow::Cow;
use std::rc::Rc;

/// A place where a token may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A header, with `Bearer <jwt>` (RFC 6750, section 2.1) or the bare token.
    Header(HeaderName),
    /// A parameter of the query (RFC 6750, section 2.3).
    Query(String),
    /// A cookie.
    Cookie(String),
}

/// The places where a token may stand; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSources {
    places: Vec<TokenSource>,
    queries: Vec<String>,
    cookies: Vec<String>,
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

/// What one header value holds.
#[derive(Debug, PartialEq, Eq)]
enum Credentials<'a> {
    /// Nothing, or credentials of another scheme.
    None,
    /// One token.
    One(&'a [u8]),
    /// Several, joined by commas.
    Several,
}

impl TokenSources {
    /// The `authorization` header alone: the default.
    #[must_use]
    pub fn authorization() -> Self {
        Self::of(vec![TokenSource::Header(HeaderName::authorization())])
    }

    /// These places; `None` if there are none.
    #[must_use]
    pub fn new(places: Vec<TokenSource>) -> Option<Self> {
        (!places.is_empty()).then(|| Self::of(places))
    }

    fn of(places: Vec<TokenSource>) -> Self {
        let queries = places.iter().filter_map(|place| match place {
            TokenSource::Query(name) => Some(name.clone()),
            TokenSource::Header(_) | TokenSource::Cookie(_) => None,
        });
        let cookies = places.iter().filter_map(|place| match place {
            TokenSource::Cookie(name) => Some(name.clone()),
            TokenSource::Header(_) | TokenSource::Query(_) => None,
        });
        Self {
            queries: queries.collect(),
            cookies: cookies.collect(),
            places,
            identities: Identities::default(),
        }
    }

    /// The same places, where these are taken out with the tokens.
    #[must_use]
    pub fn with_identities(self, identities: Identities) -> Self {
        Self { identities, ..self }
    }

    /// The places.
    pub fn iter(&self) -> impl Iterator<Item = &TokenSource> {
        self.places.iter()
    }

    /// Whether headers other than `authorization` and `:path` are read.
    ///
    /// Envoy joins repeated `authorization` lines with commas; of any other header a look-up by
    /// name shows the first line only, and a second one could hide there.
    #[must_use]
    pub fn needs_every_header(&self) -> bool {
        self.places.iter().any(|place| match place {
            TokenSource::Header(name) => *name != HeaderName::authorization(),
            TokenSource::Query(_) => false,
            TokenSource::Cookie(_) => true,
        })
    }

    /// Whether the `authorization` header is read.
    #[must_use]
    pub fn reads_authorization(&self) -> bool {
        self.places
            .iter()
            .any(|place| matches!(place, TokenSource::Header(name) if *name == HeaderName::authorization()))
    }

    /// Whether the query is read.
    #[must_use]
    pub fn reads_query(&self) -> bool {
        self.places
            .iter()
            .any(|place| matches!(place, TokenSource::Query(_)))
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
        let mut found = None;
        let mut add = |sighting: Sighting<'a>| match found.replace(sighting) {
            None => Ok(()),
            Some(_) => Err(Reason::MultipleTokens),
        };
        for name in self.headers() {
            for value in request.all(name.as_str()) {
                match credentials(value) {
                    Credentials::None => {}
                    Credentials::One(token) => add(Sighting::Token(Cow::Borrowed(token)))?,
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
        Ok(found.and_then(|sighting| match sighting {
            Sighting::Token(token) => Some(token),
            Sighting::Alias => None,
        }))
    }

    /// The edits that take every token out of the configured places, and out of what some reader
    /// takes for one of them; credentials of another scheme stay.
    ///
    /// # Errors
    /// [`Reason::MultipleTokens`] if [`MAX_WORK`](crate::request::work::MAX_WORK) is not enough to see
    /// them all.
    pub fn strip(&self, request: &Request) -> Result<Vec<HeaderEdit>, Reason> {
        let mut edits = Vec::new();
        for name in self.headers() {
            let mut values = request.all(name.as_str());
            if values.any(|value| credentials(value) != Credentials::None) {
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
            match Cookies::without(line, &self.cookies, &mut work)? {
                Some(others) => {
                    kept.extend(others);
                    found = true;
                }
                None => kept.extend(trimmed(line)),
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
        let headers = self.headers().map(|name| HeaderEdit::Remove(name.into()));
        let cookie = (!self.cookies.is_empty()).then(|| HeaderEdit::Remove(Rc::from("cookie")));
        let path = request.first(":path").filter(|_| !self.queries.is_empty());
        let path = path.map(|path| {
            let path = without_query(path).to_vec();
            HeaderEdit::Set(Rc::from(":path"), path)
        });
        headers.chain(cookie).chain(path).collect()
    }

    /// The query, if tokens are looked for there.
    fn query<'a>(&self, request: &'a Request) -> Option<Query<'a>> {
        request.query().filter(|_| !self.queries.is_empty())
    }

    /// The lines of cookies, if tokens are looked for there.
    fn lines<'a>(&self, request: &'a Request) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let wanted = !self.cookies.is_empty();
        let lines = wanted.then(|| request.all("cookie"));
        lines.into_iter().flatten()
    }

    fn in_query<'a>(&self, parameter: Parameter<'a>) -> Option<Sighting<'a>> {
        if !parameter.has_value() {
            return None;
        }
        let mut names = self.queries.iter();
        let token = names.find_map(|name| parameter.value(name.as_bytes()));
        Some(token.map_or(Sighting::Alias, Sighting::Token))
    }

    fn in_cookie<'a>(&self, cookie: Cookie<'a>) -> Option<Sighting<'a>> {
        if !cookie.has_value() {
            return None;
        }
        let mut names = self.cookies.iter();
        let token = names.find_map(|name| cookie.value(name.as_bytes()));
        Some(token.map_or(Sighting::Alias, |token| {
            Sighting::Token(Cow::Borrowed(token))
        }))
    }

    fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.places.iter().filter_map(|place| match place {
            TokenSource::Header(name) => Some(name),
            TokenSource::Query(_) | TokenSource::Cookie(_) => None,
        })
    }
}

/// A request in which tokens cannot be told from each other at a bearable cost may have several.
impl From<TooCostly> for Reason {
    fn from(TooCostly: TooCostly) -> Self {
        Self::MultipleTokens
    }
}

/// What may be a token to some reader.
enum Sighting<'a> {
    /// In a configured place, to all readers.
    Token(Cow<'a, [u8]>),
    /// In what some reader alone takes for a configured place.
    Alias,
}

/// Whether a value of the `authorization` header is several, which Envoy has joined.
#[must_use]
pub fn are_several(value: &[u8]) -> bool {
    credentials(value) == Credentials::Several
}

/// Reads one header value.
///
/// A comma joins header lines. Whether it joins tokens depends on the scheme: SigV4 and Digest
/// have commas within one set of credentials, and those are not ours to judge; but a part that
/// begins like a bearer token is one, whatever stands before it.
fn credentials(value: &[u8]) -> Credentials<'_> {
    let value = value.trim_ascii();
    if value.is_empty() {
        return Credentials::None;
    }
    if value.contains(&b',') {
        let mut parts = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let first_is_bare = parts
            .clone()
            .next()
            .is_some_and(|first| !first.contains(&b' '));
        return if first_is_bare || parts.any(begins_with_bearer) {
            Credentials::Several
        } else {
            Credentials::None
        };
    }
    match value.iter().position(|byte| *byte == b' ') {
        None if value.eq_ignore_ascii_case(BEARER) => Credentials::None,
        None => Credentials::One(value),
        Some(_) if begins_with_bearer(value) => {
            let token = value.get(BEARER.len()..).unwrap_or_default().trim_ascii();
            if token.is_empty() {
                Credentials::None
            } else {
                Credentials::One(token)
            }
        }
        Some(_) => Credentials::None,
    }
}

const BEARER: &[u8] = b"bearer";

fn begins_with_bearer(value: &[u8]) -> bool {
    value
        .split_at_checked(BEARER.len())
        .is_some_and(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case(BEARER) && (rest.is_empty() || rest.starts_with(b" "))
        })
}

#[cfg(test)]
mod tests;
