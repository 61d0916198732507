//! Where tokens and keys come from: `issuer`, and the URI of the key set.

use super::field::Field;
use super::fields::Fields;
use super::place::quoted;
use super::problem::Parsed;
use crate::pool::UserPool;
use crate::remote::call::Endpoint;
use http::Uri;
use std::collections::HashMap;
use std::time::Duration;

/// The parts of a document's URI, as HTTP/2 names them.
pub(super) struct DocumentUri {
    pub(super) uri: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
}

impl DocumentUri {
    /// The authority without its port.
    pub(super) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            // What follows the last colon of an IPv6 address ends in a bracket.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => &self.authority,
        }
    }

    /// The endpoint that is reached there.
    pub(super) fn reached_through(self, cluster: String, timeout: Duration) -> Endpoint {
        let Self {
            uri,
            scheme,
            authority,
            path,
        } = self;
        Endpoint {
            cluster,
            uri,
            scheme,
            authority,
            path,
            timeout,
        }
    }
}

/// What `issuer` may be.
pub(super) const ISSUER: &str = "original, updated, both or an absolute URL";

/// What `iss` may be in a pool's tokens.
pub(super) struct Issuers {
    /// The keys are fetched from there.
    pub(super) first: String,
    pub(super) second: Option<String>,
}

impl From<String> for Issuers {
    fn from(first: String) -> Self {
        Self {
            first,
            second: None,
        }
    }
}

/// Reads `issuer`: one of Cognito's two forms, both, or a URL, which is kept to the letter, since
/// `iss` is compared so (OpenID Connect Discovery, section 4.3).
pub(super) fn read(field: Option<&Field<'_>>, pool: Parsed<&UserPool>) -> Parsed<Issuers> {
    let Some(field) = field else {
        return pool.map(|pool| pool.original_issuer().into());
    };
    match field.any_text()? {
        "original" => pool.map(|pool| pool.original_issuer().into()),
        "updated" => pool.map(|pool| pool.updated_issuer().into()),
        "both" => pool.map(|pool| Issuers {
            first: pool.original_issuer(),
            second: Some(pool.updated_issuer()),
        }),
        url if !url.contains("://") => Err(field.wrong()),
        _ => url(field).map(|(issuer, _)| issuer.into()),
    }
}

/// Reads an issuer that is a URL, kept to the letter. Its parts come along.
pub(super) fn url(field: &Field<'_>) -> Parsed<(String, DocumentUri)> {
    let parts = field.parsed(absolute)?;
    // RFC 8414, section 2: an issuer has neither query nor fragment.
    if parts.path.contains('?') {
        return Err(field.refuse(refused(&parts.uri, "a URL without query")));
    }
    Ok((parts.uri.clone(), parts))
}

/// The issuers so far, each with the path of its entry. From which of two with one `iss` a token is
/// could not be told.
#[derive(Default)]
pub(super) struct Taken(HashMap<String, String>);

impl Taken {
    pub(super) fn take(
        &mut self,
        entry: &Field<'_>,
        fields: &Fields<'_>,
        issuer: &str,
    ) -> Parsed<()> {
        match self.0.insert(issuer.to_owned(), entry.path().to_owned()) {
            None => Ok(()),
            Some(earlier) => Err(fields.refuse_at(
                "issuer",
                format_args!("found the issuer of {earlier}, {issuer}; expected each issuer once"),
            )),
        }
    }
}

/// The URI at which an issuer publishes its keys. A slash at the issuer's end is not doubled
/// (OpenID Connect Discovery, section 4.1).
pub(super) fn default_uri(issuer: &str) -> String {
    format!(
        "{}/.well-known/jwks.json",
        issuer.strip_suffix('/').unwrap_or(issuer)
    )
}

/// Takes an absolute http or https URI apart.
///
/// # Errors
/// What was found and expected.
pub(super) fn absolute(text: &str) -> Result<DocumentUri, String> {
    // The parser drops a fragment without a word, and lets bytes through that no URI has.
    if text.contains('#') {
        return Err(refused(text, "a URL without fragment"));
    }
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let uri = text.parse::<Uri>().ok().filter(|_| visible);
    let parts = uri.and_then(|uri| {
        let parts = uri.into_parts();
        Some((parts.scheme?, parts.authority?, parts.path_and_query?))
    });
    let Some((scheme, authority, path)) = parts.filter(|(scheme, authority, _)| {
        matches!(scheme.as_str(), "http" | "https") && !authority.host().is_empty()
    }) else {
        return Err(refused(text, "an absolute URL such as https://host/path"));
    };
    // What stands before `@` is a secret, or makes a host look like another (RFC 3986, section
    // 7.6).
    if authority.as_str().contains('@') {
        return Err(refused(text, "a URL without user information"));
    }
    let after_host = authority.as_str().strip_prefix(authority.host());
    if after_host != Some("") && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(refused(text, "a port from 1 to 65535"));
    }
    Ok(DocumentUri {
        uri: text.to_owned(),
        scheme: scheme.as_str().to_owned(),
        authority: authority.as_str().to_owned(),
        path: path.as_str().to_owned(),
    })
}

fn refused(found: &str, expected: &str) -> String {
    format!("found {}; expected {expected}", quoted(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_taken_apart_as_http2_names_it() {
        let uri = absolute("https://keys.example.com:8443/a/b.json?v=1")
            .ok()
            .unwrap();
        assert_eq!(uri.uri, "https://keys.example.com:8443/a/b.json?v=1");
        assert_eq!(uri.scheme, "https");
        assert_eq!(uri.authority, "keys.example.com:8443");
        assert_eq!(uri.path, "/a/b.json?v=1");
        assert_eq!(absolute("http://[::1]:80").ok().unwrap().path, "/");
    }

    #[test]
    fn the_parser_lets_no_fragment_or_foreign_byte_through() {
        for text in [
            "https://h/#f",
            "https://u@h/",
            "https://u:p@h/",
            "https://h:0/",
            "https://h:65536/",
            "https://h:/",
            "https:///p",
            "https://:80/",
            "ftp://h/",
            "//h/p",
            "/p",
            "h",
            "https:h",
            "https://h/ü",
            "https://h/a b",
            "https://h/\n",
            "https://ü/",
            "",
            " https://h/",
        ] {
            assert!(absolute(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_slash_at_the_end_is_not_doubled() {
        assert_eq!(
            default_uri("https://h/p"),
            "https://h/p/.well-known/jwks.json"
        );
        assert_eq!(
            default_uri("https://h/p/"),
            "https://h/p/.well-known/jwks.json"
        );
    }
}
