//! The headers of a request as an event tells them.

use super::identity::IdentitySource;
use crate::request::Request;
use std::collections::BTreeSet;

/// How the names of headers are spelled, where the configuration does not spell them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderNames {
    /// As HTTP/1 clients write them: `X-Api-Key`. Envoy tells names in lower case only.
    #[default]
    Canonical,
    /// In lower case.
    Lower,
}

/// A header with all of its values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// In lower case.
    pub(super) name: &'a str,
    /// Never empty.
    pub(super) values: Vec<&'a str>,
}

impl Header<'_> {
    /// The one value of those who want one: the last. Lines of cookies are one list, whatever their
    /// number (RFC 9113, section 8.2.3).
    pub(super) fn value(&self) -> String {
        match self.name {
            COOKIE => self.values.join("; "),
            _ => self.values.last().copied().unwrap_or_default().to_owned(),
        }
    }

    /// The cookies, if it is theirs.
    pub(super) fn cookies(&self) -> Option<impl Iterator<Item = &str>> {
        let cookies = self.values.iter().flat_map(|line| line.split(';'));
        let cookies = cookies.map(str::trim).filter(|cookie| !cookie.is_empty());
        (self.name == COOKIE).then_some(cookies)
    }
}

const COOKIE: &str = "cookie";

/// Each header once, and the authority as `host`. One with a value that is not UTF-8 is left out
/// whole: of two values, the function would see the one and the upstream, perhaps, believe the
/// other.
pub(super) fn headers(request: &Request) -> Vec<Header<'_>> {
    let mut seen = BTreeSet::new();
    let mut headers = Vec::new();
    for line in request.names() {
        let name = match line {
            ":authority" => "host",
            // Two names of one thing, of which all others go by the authority.
            "host" if request.first(":authority").is_some() => continue,
            line if line.starts_with(':') => continue,
            line => line,
        };
        if !seen.insert(name) {
            continue;
        }
        let values = request.all(line).map(std::str::from_utf8);
        if let Ok(values) = values.collect() {
            headers.push(Header { name, values });
        }
    }
    headers
}

/// A header's name as functions look for it: as it is configured, if that has a capital letter.
pub(super) fn spelled(name: &str, identity: &[IdentitySource], names: HeaderNames) -> String {
    let configured = identity.iter().find_map(|source| match source {
        IdentitySource::Header(header) if header.name.as_str() == name => Some(&header.spelled),
        _ => None,
    });
    let has_capital = |name: &&String| name.bytes().any(|byte| byte.is_ascii_uppercase());
    match (configured.filter(has_capital), names) {
        (Some(spelled), _) => spelled.clone(),
        (None, HeaderNames::Canonical) => canonical(name),
        (None, HeaderNames::Lower) => name.to_owned(),
    }
}

/// `x-api-key` as `X-Api-Key`.
fn canonical(name: &str) -> String {
    let mut begins = true;
    let letters = name.chars().map(
        |letter| match std::mem::replace(&mut begins, letter == '-') {
            true => letter.to_ascii_uppercase(),
            false => letter,
        },
    );
    letters.collect()
}

/// The host, without port.
pub(super) fn host(request: &Request) -> &str {
    let authority = text(request, ":authority");
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// The first value of a header, or nothing.
pub(super) fn text<'a>(request: &'a Request, name: &str) -> &'a str {
    let value = request.first(name).unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default()
}
