//! Paths as rules spell them.
//!
//! A rule's path is read by the reader of requests, so that the two cannot differ: what is written
//! in a rule, raw or escaped, is compared in the form that a request for it would have.

use super::super::path::{Joint, PathCase, RequestPath, UnsafePath, encode, fold};
use super::{InvalidPattern, wildcard};
use std::borrow::Cow;
use std::fmt;

/// One segment of a rule's path, in the forms with which the readings of a request are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteralSegment {
    /// Both forms are made once, when the configuration is read.
    literal: String,
    decoded: String,
}

impl LiteralSegment {
    /// As the literal reading of a request has it.
    #[must_use]
    pub fn literal(&self) -> &str {
        &self.literal
    }

    /// Decoded, and folded unless letter case counts.
    #[must_use]
    pub fn loose(&self, case: PathCase) -> Cow<'_, str> {
        match case {
            PathCase::Insensitive => fold(&self.decoded),
            PathCase::Sensitive => Cow::Borrowed(&self.decoded),
        }
    }
}

/// A path without variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteralPath(Vec<LiteralSegment>);

impl LiteralPath {
    /// Reads a path as a rule spells it: raw non-ASCII characters stand for their escapes.
    ///
    /// # Errors
    /// No safe request could have this path.
    pub fn new(path: &str) -> Result<Self, InvalidPattern> {
        wildcard::check(path)?;
        if path.contains(['{', '}']) {
            return Err(InvalidPattern::Braces(path.to_owned()));
        }
        read_segments(path).map(Self)
    }

    pub(super) fn segments(&self) -> &[LiteralSegment] {
        &self.0
    }
}

/// As it was written, but for the spelling of escapes and a trailing slash.
impl fmt::Display for LiteralPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            write!(f, "/{}", segment.literal())?;
        }
        match self.0.is_empty() {
            true => f.write_str("/"),
            false => Ok(()),
        }
    }
}

/// The segments of a rule's path, which goes through the same refusals as a request's: what they
/// refuse, no request that is let through could ever match.
pub(super) fn read_segments(path: &str) -> Result<Vec<LiteralSegment>, InvalidPattern> {
    if !path.starts_with('/') {
        return Err(InvalidPattern::NotAbsolute(path.to_owned()));
    }
    // A rule with a query would look as if the query counted.
    if path.contains('?') {
        return Err(InvalidPattern::Query(path.to_owned()));
    }
    // People write `/café`; a request has `/caf%C3%A9`.
    let escaped = escape_outside_ascii(path);
    let request = RequestPath::parse(escaped.as_bytes()).map_err(|cause| refused(path, cause))?;
    if request.has_parameters() {
        return Err(InvalidPattern::Parameters(path.to_owned()));
    }
    // What servers disagree about lets a request pass only where it makes no difference; a rule
    // that insists on it is all difference.
    if let Some(cause) = request.structure() {
        return Err(refused(path, cause));
    }
    let segments = request.atoms();
    Ok(segments
        // The trailing slash.
        .filter(|atom| !(atom.joint == Joint::End && atom.decoded.is_empty()))
        .map(|atom| LiteralSegment {
            literal: atom.literal.to_owned(),
            decoded: atom.decoded.to_owned(),
        })
        .collect())
}

fn refused(path: &str, cause: UnsafePath) -> InvalidPattern {
    InvalidPattern::Unsafe {
        found: path.to_owned(),
        cause,
    }
}

fn escape_outside_ascii(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            escaped.push_str(&encode(character.encode_utf8(&mut [0; 4])));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn forms(path: &str) -> Vec<(String, String)> {
        let path = LiteralPath::new(path).unwrap();
        let forms = path.segments().iter();
        forms
            .map(|s| (s.literal.clone(), s.decoded.clone()))
            .collect()
    }

    fn pair(literal: &str, decoded: &str) -> (String, String) {
        (literal.to_owned(), decoded.to_owned())
    }

    #[test]
    fn one_form_for_every_spelling() {
        let cafe = vec![pair("caf%C3%A9", "café")];
        assert_eq!(forms("/café"), cafe);
        assert_eq!(forms("/caf%c3%a9"), cafe);
        assert_eq!(forms("/%63af%C3%A9/"), cafe);
        assert_eq!(forms("/a b"), forms("/a%20b"));
        assert_eq!(forms("/a|b"), forms("/a%7cb"));
        assert_eq!(forms("/"), []);
    }

    #[test]
    fn reserved_characters_differ_from_their_escapes() {
        assert_eq!(forms("/a!b"), [pair("a!b", "a!b")]);
        assert_eq!(forms("/a%21b"), [pair("a%21b", "a!b")]);
    }

    #[test]
    fn compared_loosely_in_lower_case_unless_case_counts() {
        let path = LiteralPath::new("/ÉtÉ").unwrap();
        assert_eq!(path.segments()[0].loose(PathCase::Insensitive), "été");
        assert_eq!(path.segments()[0].loose(PathCase::Sensitive), "ÉtÉ");
    }

    #[track_caller]
    fn refuses(path: &str, text: &str) {
        assert_eq!(LiteralPath::new(path).unwrap_err().to_string(), text);
    }

    #[test]
    fn refuses_what_no_safe_request_has() {
        refuses("", "found \"\"; expected a path that begins with \"/\"");
        refuses(
            "admin",
            "found \"admin\"; expected a path that begins with \"/\"",
        );
        refuses("/a?b", "found \"/a?b\"; expected a path without query");
        refuses("/a;b", "found \"/a;b\"; expected a path without \";\"");
        refuses("/a%3bb", "found \"/a%3bb\"; expected a path without \";\"");
        refuses(
            "/a/{b}",
            "found \"/a/{b}\"; expected a path without braces, or \"template\" for one with variables",
        );
        refuses(
            "/a//b",
            "found \"/a//b\"; expected a path that a safe request can have, but in it found an \
             empty segment; expected single slashes",
        );
    }

    #[test]
    fn refuses_each_unsafe_path_and_accepts_its_twin() {
        for (bad, good, cause) in [
            ("/a//b", "/a/b", UnsafePath::EmptySegment),
            ("/a/../b", "/a/.../b", UnsafePath::DotSegment),
            ("/a/%2e", "/a/%2e%2e%2e", UnsafePath::DotSegment),
            ("/a%2Fb", "/a%2Db", UnsafePath::EncodedSlash),
            ("/a\\b", "/a|b", UnsafePath::Backslash),
            ("/a\tb", "/a b", UnsafePath::ControlCharacter),
            ("/a\u{85}b", "/a\u{a1}b", UnsafePath::ControlCharacter),
            ("/a%zz", "/a%25zz", UnsafePath::BrokenEscape),
            ("/a%2541", "/a%25", UnsafePath::DoublyEncoded),
            ("/a%ff", "/a%c3%bf", UnsafePath::NotUtf8),
            ("/a%5Cb", "/a%5Db", UnsafePath::Backslash),
            ("/a%3Fb", "/a%3Db", UnsafePath::EncodedDelimiter),
            ("/a%23b", "/a%24b", UnsafePath::EncodedDelimiter),
            ("/a#b", "/a%24b", UnsafePath::Fragment),
            ("/a%20", "/a%20b", UnsafePath::EdgeSpace),
        ] {
            let found = bad.to_owned();
            assert_eq!(
                LiteralPath::new(bad),
                Err(InvalidPattern::Unsafe { found, cause })
            );
            assert!(LiteralPath::new(good).is_ok(), "{good}");
        }
    }
}
