//! Where a token stands in a request: exactly one, or the request is refused.
//!
//! Two tokens in one request are an attack waiting for a second reader: this filter would check
//! one, the upstream would believe the other. So every configured place is looked at, every value
//! of a repeated header counts, and two tokens are refused even if they are equal.

use crate::header::{HeaderEdit, HeaderName};
use crate::reject::Reason;
use crate::request::Request;
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
pub struct TokenSources(Vec<TokenSource>);

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
        Self(vec![TokenSource::Header(HeaderName::authorization())])
    }

    /// These places; `None` if there are none.
    #[must_use]
    pub fn new(places: Vec<TokenSource>) -> Option<Self> {
        (!places.is_empty()).then_some(Self(places))
    }

    /// The places.
    pub fn iter(&self) -> impl Iterator<Item = &TokenSource> {
        self.0.iter()
    }

    /// Whether headers other than `authorization` and `:path` are read.
    ///
    /// Envoy joins repeated `authorization` lines with commas; of any other header a look-up by
    /// name shows the first line only, and a second one could hide there.
    #[must_use]
    pub fn needs_every_header(&self) -> bool {
        self.0.iter().any(|place| match place {
            TokenSource::Header(name) => *name != HeaderName::authorization(),
            TokenSource::Query(_) => false,
            TokenSource::Cookie(_) => true,
        })
    }

    /// Whether the `authorization` header is read.
    #[must_use]
    pub fn reads_authorization(&self) -> bool {
        self.0
            .iter()
            .any(|place| matches!(place, TokenSource::Header(name) if *name == HeaderName::authorization()))
    }

    /// Whether the query is read.
    #[must_use]
    pub fn reads_query(&self) -> bool {
        self.0
            .iter()
            .any(|place| matches!(place, TokenSource::Query(_)))
    }

    /// The one token in the request, or `None`.
    ///
    /// # Errors
    /// [`Reason::MultipleTokens`].
    pub fn extract<'a>(&self, request: &'a Request) -> Result<Option<Cow<'a, [u8]>>, Reason> {
        let mut found = None;
        let mut add = |token: Cow<'a, [u8]>| match found.replace(token) {
            None => Ok(()),
            Some(_) => Err(Reason::MultipleTokens),
        };
        for place in &self.0 {
            match place {
                TokenSource::Header(name) => {
                    for value in request.all(name.as_str()) {
                        match credentials(value) {
                            Credentials::None => {}
                            Credentials::One(token) => add(Cow::Borrowed(token))?,
                            Credentials::Several => return Err(Reason::MultipleTokens),
                        }
                    }
                }
                TokenSource::Query(wanted) => {
                    for parameter in request.query() {
                        if let Some(token) = parameter_value(parameter, wanted)
                            && !token.is_empty()
                        {
                            add(token)?;
                        }
                    }
                }
                TokenSource::Cookie(wanted) => {
                    for cookie in request.cookies() {
                        if let Some(token) = cookie_value(cookie, wanted)
                            && !token.is_empty()
                        {
                            add(Cow::Borrowed(token))?;
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// The edits that take every token out of the configured places; credentials of another
    /// scheme stay.
    #[must_use]
    pub fn strip(&self, request: &Request) -> Vec<HeaderEdit> {
        let mut edits = Vec::new();
        let mut path = request.first(":path").map(Cow::Borrowed);
        let mut cookies: Vec<&[u8]> = request.cookies().collect();
        let all_cookies = cookies.len();
        for place in &self.0 {
            match place {
                TokenSource::Header(name) => {
                    if request
                        .all(name.as_str())
                        .any(|value| credentials(value) != Credentials::None)
                    {
                        edits.push(HeaderEdit::Remove(name.into()));
                    }
                }
                TokenSource::Query(name) => {
                    path = path.map(|path| without_parameter(path, name));
                }
                TokenSource::Cookie(name) => {
                    cookies.retain(|cookie| cookie_value(cookie, name).is_none());
                }
            }
        }
        if let Some(Cow::Owned(path)) = path {
            edits.push(HeaderEdit::Set(Rc::from(":path"), path));
        }
        if cookies.is_empty() && all_cookies > 0 {
            edits.push(HeaderEdit::Remove(Rc::from("cookie")));
        } else if cookies.len() < all_cookies {
            edits.push(HeaderEdit::Set(
                Rc::from("cookie"),
                cookies.join(&b"; "[..]),
            ));
        }
        edits
    }
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

fn cookie_value<'a>(cookie: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let equals = cookie.iter().position(|byte| *byte == b'=')?;
    let (name, value) = cookie.split_at_checked(equals)?;
    if name.trim_ascii() != wanted.as_bytes() {
        return None;
    }
    let value = value.get(1..)?.trim_ascii();
    // RFC 6265, section 4.1.1: a value may stand in double quotes.
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    Some(unquoted.unwrap_or(value))
}

fn parameter_value<'a>(parameter: &'a [u8], wanted: &str) -> Option<Cow<'a, [u8]>> {
    let (name, value) = match parameter.iter().position(|byte| *byte == b'=') {
        Some(equals) => (
            parameter.get(..equals)?,
            parameter.get(equals.saturating_add(1)..)?,
        ),
        None => (parameter, &[][..]),
    };
    (*percent_decoded(name) == *wanted.as_bytes()).then(|| percent_decoded(value))
}

/// Percent-decodes (RFC 3986, section 2.1); a broken escape stays as it is.
fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%'
            && let Some((digits, after)) = after.split_at_checked(2)
            && let Some(byte) = hex_byte(digits)
        {
            decoded.push(byte);
            rest = after;
        } else {
            decoded.push(*first);
        }
    }
    Cow::Owned(decoded)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    // `from_str_radix` would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The path without any parameter of this name; borrowed if it has none.
fn without_parameter<'a>(path: Cow<'a, [u8]>, name: &str) -> Cow<'a, [u8]> {
    let Some(mark) = path.iter().position(|byte| *byte == b'?') else {
        return path;
    };
    let (before, query) = path.split_at(mark);
    let query = query.get(1..).unwrap_or_default();
    let (query, fragment) = match query.iter().position(|byte| *byte == b'#') {
        Some(hash) => query.split_at(hash),
        None => (query, &[][..]),
    };
    let parameters: Vec<&[u8]> = query.split(|byte| *byte == b'&').collect();
    let kept: Vec<&[u8]> = parameters
        .iter()
        .copied()
        .filter(|parameter| parameter_value(parameter, name).is_none())
        .collect();
    if kept.len() == parameters.len() {
        return path;
    }
    let mut rewritten = before.to_vec();
    if !kept.is_empty() {
        rewritten.push(b'?');
        rewritten.extend(kept.join(&b'&'));
    }
    rewritten.extend_from_slice(fragment);
    Cow::Owned(rewritten)
}

#[cfg(test)]
mod tests;
