//! What may stand before a token: a scheme in a header, and `Bearer` in a cookie or a query.

use std::borrow::Cow;
use std::fmt;

/// The authentication scheme of a header's credentials (RFC 9110, section 11.1), in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme(Cow<'static, str>);

/// A text that is no scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidScheme(String);

impl fmt::Display for InvalidScheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "found {:?}; expected a scheme of letters, digits and hyphens, such as JWT",
            self.0
        )
    }
}

impl Scheme {
    /// `Bearer` (RFC 6750, section 2.1).
    pub const BEARER: Self = Self(Cow::Borrowed("bearer"));

    /// Reads a scheme, whose letter case does not matter.
    ///
    /// # Errors
    /// It is no token of RFC 9110.
    pub fn new(text: &str) -> Result<Self, InvalidScheme> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        match !text.is_empty() && text.bytes().all(allowed) {
            true => Ok(Self(text.to_ascii_lowercase().into())),
            false => Err(InvalidScheme(text.to_owned())),
        }
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the scheme and its spaces, if the value begins with it: nothing, or a space and
    /// more. A tab is no space, and no part of a token.
    fn credentials<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let (scheme, rest) = value.split_at_checked(self.0.len())?;
        let begins = scheme.eq_ignore_ascii_case(self.0.as_bytes());
        let token = rest.iter().position(|byte| *byte != b' ');
        let token = rest.get(token.unwrap_or(rest.len())..).unwrap_or_default();
        (begins && (rest.is_empty() || rest.starts_with(b" "))).then_some(token)
    }
}

/// What one header value holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    /// Nothing, or credentials of another scheme.
    None,
    /// One token.
    One(&'a [u8]),
    /// What is a token to those who know `Bearer` alone, where other schemes are configured.
    Alias,
    /// Several, joined by commas.
    Several,
}

/// Reads one header value, in which a token stands behind one of these schemes, or bare.
///
/// A comma joins header lines. Whether it joins tokens depends on the scheme: SigV4 and Digest
/// have commas within one set of credentials, and those are not ours to judge; but a part that
/// begins like a bearer token is one, whatever stands before it.
pub(super) fn credentials<'a>(value: &'a [u8], schemes: &[Scheme]) -> Credentials<'a> {
    let value = value.trim_ascii();
    if value.is_empty() {
        return Credentials::None;
    }
    // An upstream may know `Bearer` whatever is configured here.
    let ours = |value: &'a [u8]| {
        let mut known = schemes.iter();
        known.find_map(|scheme| scheme.credentials(value))
    };
    let known = |value: &'a [u8]| ours(value).or_else(|| Scheme::BEARER.credentials(value));
    if value.contains(&b',') {
        let mut parts = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let first_is_bare = parts
            .clone()
            .next()
            .is_some_and(|first| !first.contains(&b' '));
        return match first_is_bare || parts.any(|part| known(part).is_some()) {
            true => Credentials::Several,
            false => Credentials::None,
        };
    }
    match (ours(value), known(value)) {
        (Some(b""), _) | (None, Some(b"")) => Credentials::None,
        (Some(token), _) => Credentials::One(token),
        (None, Some(_)) => Credentials::Alias,
        (None, None) if value.contains(&b' ') => Credentials::None,
        (None, None) => Credentials::One(value),
    }
}

/// How a space may be written beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// As an escape: in a cookie, which nothing decodes for certain.
    Escaped,
    /// As a plus sign: in the value of a form, which has been decoded otherwise.
    Plus,
}

/// The value of a cookie or a parameter without a leading `Bearer `, however its space is written;
/// `None` if nothing follows.
pub(super) fn unprefixed(value: Cow<'_, [u8]>, space: Space) -> Option<Cow<'_, [u8]>> {
    let Some(mut rest) = after_scheme(&value) else {
        return Some(value);
    };
    let before = rest.len();
    while let Some(after) = after_space(rest, space) {
        rest = after;
    }
    let skipped = value.len().saturating_sub(rest.len());
    if rest.trim_ascii().is_empty() {
        return None;
    }
    // `Bearerx` is no scheme.
    if rest.len() == before {
        return Some(value);
    }
    Some(match value {
        Cow::Borrowed(value) => Cow::Borrowed(value.get(skipped..).unwrap_or_default()),
        Cow::Owned(value) => Cow::Owned(value.get(skipped..).unwrap_or_default().to_vec()),
    })
}

fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let scheme = Scheme::BEARER;
    let (start, rest) = value.split_at_checked(scheme.0.len())?;
    start
        .eq_ignore_ascii_case(scheme.0.as_bytes())
        .then_some(rest)
}

fn after_space(rest: &[u8], space: Space) -> Option<&[u8]> {
    rest.strip_prefix(b" ").or_else(|| match space {
        Space::Escaped => rest.strip_prefix(b"%20"),
        Space::Plus => rest.strip_prefix(b"+"),
    })
}
