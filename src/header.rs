//! HTTP header names, and what a configuration may not do with them.

use std::fmt;
use std::iter;
use std::rc::Rc;

/// A header's name in lower case, as Envoy keeps it: a token of RFC 9110, section 5.6.2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(Rc<str>);

/// What is wrong with a header's name, or with the use a configuration makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidHeader {
    /// Not a token of RFC 9110.
    Name(String),
    /// A header that is not the filter's to write.
    Reserved(String),
    /// A value with characters that no header value has.
    Value,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(found) => write!(
                formatter,
                "found {found:?}; expected a header name of letters, digits and hyphens"
            ),
            Self::Reserved(found) => write!(
                formatter,
                "{found:?} is reserved; expected a header of your own, such as x-cognito-sub"
            ),
            Self::Value => formatter.write_str(
                "the value has control characters; expected visible characters and spaces",
            ),
        }
    }
}

/// Headers that belong to one connection (RFC 9110, section 7.6.1), or that frame the message.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers with a meaning for Envoy or the upstream that a claim must not rewrite: some name the
/// client, or another method, host or path.
const RESERVED_TARGETS: [&str; 16] = [
    "authorization",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "origin",
    "trailers",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

/// Families of such headers. `x-forwarded-` names the client; `x-envoy-` steers Envoy.
const RESERVED_FAMILIES: [&str; 3] = ["content-", "x-forwarded-", "x-envoy-"];

impl HeaderName {
    /// Accepts a name in any case, without the `:` of a pseudo-header.
    ///
    /// # Errors
    /// [`InvalidHeader::Name`].
    pub fn new(name: &str) -> Result<Self, InvalidHeader> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(InvalidHeader::Name(name.to_owned()));
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }

    /// `authorization` (RFC 9110, section 11.6.2).
    #[must_use]
    pub fn authorization() -> Self {
        Self::known("authorization")
    }

    /// A name of this crate's own, which is in lower case.
    #[must_use]
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }

    /// Accepts a name that claims may be written to.
    ///
    /// # Errors
    /// [`InvalidHeader::Name`], or [`InvalidHeader::Reserved`] for pseudo and hop-by-hop headers
    /// and those with a meaning of their own.
    pub fn claim_target(name: &str) -> Result<Self, InvalidHeader> {
        if name.starts_with(':') {
            return Err(InvalidHeader::Reserved(name.to_owned()));
        }
        let header = Self::new(name)?;
        let reserved = HOP_BY_HOP.iter().chain(&RESERVED_TARGETS);
        let begins = |family: &str| {
            let beginning = header.0.as_bytes().get(..family.len());
            beginning.is_some_and(|beginning| folds_alike(beginning, family.as_bytes()))
        };
        if reserved.into_iter().any(|one| header.folds_to(one))
            || RESERVED_FAMILIES.iter().any(|family| begins(family))
        {
            return Err(InvalidHeader::Reserved(name.to_owned()));
        }
        Ok(header)
    }

    /// Whether a server that folds names takes this header for the other.
    #[must_use]
    pub fn folds_to(&self, other: &str) -> bool {
        folds_alike(self.0.as_bytes(), other.as_bytes())
    }

    /// What a server that folds names makes of it.
    #[must_use]
    pub fn folded(&self) -> String {
        let bytes = self.0.bytes();
        bytes.map(|byte| char::from(folded(byte))).collect()
    }

    /// Accepts a name that a reply may carry: not what frames the message.
    ///
    /// # Errors
    /// As for [`HeaderName::claim_target`], but only hop-by-hop headers and `content-length`.
    pub fn reply(name: &str) -> Result<Self, InvalidHeader> {
        if name.starts_with(':') {
            return Err(InvalidHeader::Reserved(name.to_owned()));
        }
        let header = Self::new(name)?;
        if HOP_BY_HOP.contains(&header.as_str()) || header.as_str() == "content-length" {
            return Err(InvalidHeader::Reserved(name.to_owned()));
        }
        Ok(header)
    }

    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether two names are one to a server that tells only letters and digits apart: CGI (RFC 3875,
/// section 4.1.18) turns `-` into `_`, PHP `.` as well, lighttpd whatever is neither letter nor
/// digit.
#[must_use]
pub fn folds_alike(name: &[u8], other: &[u8]) -> bool {
    // Most bytes that fold alike are alike, and every header of every request comes this way.
    let alike = |(one, other): (&u8, &u8)| one == other || folded(*one) == folded(*other);
    name.len() == other.len() && iter::zip(name, other).all(alike)
}

const fn folded(byte: u8) -> u8 {
    match byte.is_ascii_alphanumeric() {
        true => byte.to_ascii_lowercase(),
        false => b'_',
    }
}

/// Whether a text can stand in a header without ending it or being read as something else.
///
/// C0, DEL and C1 are out: RFC 9110, section 5.5, forbids the first two, and a C1 control is a
/// line break to some loggers and terminals.
#[must_use]
pub fn is_header_value(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether some reader takes a character off the edge of a header's value, and so reads two values
/// as one: HTTP itself does so with ASCII's white space (RFC 9110, section 5.5), Python and .NET
/// with Unicode's, and JavaScript with the byte order mark besides.
#[must_use]
pub fn is_trimmed(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}'
}

/// One change to a request's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Takes every value of the header away.
    Remove(Rc<str>),
    /// Leaves exactly this value, replacing all.
    Set(Rc<str>, Vec<u8>),
}

impl From<&HeaderName> for Rc<str> {
    fn from(name: &HeaderName) -> Self {
        Self::clone(&name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_in_lower_case() {
        assert_eq!(
            HeaderName::new("X-Cognito-Sub").unwrap().as_str(),
            "x-cognito-sub"
        );
        for bad in ["", "a b", "a:b", ":path", "a\r\nb", "ä"] {
            assert_eq!(
                HeaderName::new(bad).unwrap_err().to_string(),
                format!("found {bad:?}; expected a header name of letters, digits and hyphens")
            );
        }
    }

    #[test]
    fn claims_are_not_written_to_headers_with_a_meaning() {
        for bad in [
            ":path",
            "host",
            "Connection",
            "te",
            "upgrade",
            "transfer-encoding",
            "authorization",
            "cookie",
            "content-type",
            "content-length",
            "expect",
            "x-forwarded-for",
            "x-envoy-original-path",
            "x-request-id",
            "keep-alive",
            "proxy-authorization",
            "forwarded",
            "x-real-ip",
            "origin",
            "x-http-method-override",
            "X-HTTP-Method",
            "x-method-override",
            "x-host",
            "x-original-host",
            "x-original-url",
            "x-rewrite-url",
            "x_request_id",
            "x.forwarded.for",
            "content_type",
        ] {
            assert_eq!(
                HeaderName::claim_target(bad).unwrap_err().to_string(),
                format!(
                    "{bad:?} is reserved; expected a header of your own, such as x-cognito-sub"
                )
            );
        }
        for good in ["x-forward", "x-origin", "x-http-methods", "x-forwarded"] {
            assert!(HeaderName::claim_target(good).is_ok(), "{good}");
        }
        assert!(HeaderName::reply("content-type").is_ok());
        assert!(HeaderName::reply("content-length").is_err());
        assert!(HeaderName::reply(":status").is_err());
    }

    #[test]
    fn control_characters_end_a_value() {
        assert!(is_header_value("José, 東京"));
        for control in ['\0', '\n', '\r', '\t', '\u{7f}', '\u{85}', '\u{9f}'] {
            assert!(!is_header_value(&format!("a{control}b")), "{control:?}");
        }
        assert_eq!(
            InvalidHeader::Value.to_string(),
            "the value has control characters; expected visible characters and spaces"
        );
    }
}
