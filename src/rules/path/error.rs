//! Why no answer about a request would be safe.

use crate::work::TooCostly;
use std::fmt;

/// Why a request's path or authority allows no safe answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnsafePath {
    /// The request has no path.
    Missing,
    /// CONNECT and `OPTIONS *` have something else in its place.
    NotAbsolute,
    /// More than [`MAX_PATH_BYTES`](super::MAX_PATH_BYTES).
    TooLong,
    /// A `#`: no client sends one (RFC 9112, section 3.2), and servers cut there or do not.
    Fragment,
    /// `\`, which Windows servers and some proxies make a slash; `%5C`, if the rule depends on it.
    Backslash,
    /// C0, DEL or C1, raw or encoded: `%00` ends strings in C, others are trimmed.
    ControlCharacter,
    /// A byte >= 0x80: which encoding it is in is anybody's guess.
    RawByte,
    /// `%` without two hex digits.
    BrokenEscape,
    /// `%2F`, a separator for servers that decode first, and the rule depends on it.
    EncodedSlash,
    /// Escapes that are not UTF-8, overlong forms included.
    NotUtf8,
    /// An escape that decodes to another escape: `%252e`, but `%25%32e` too.
    DoublyEncoded,
    /// `%3F` or `%23`, where servers that decode first end the path, and the rule depends on it.
    EncodedDelimiter,
    /// `//`, merged by some servers only, and the rule depends on it.
    EmptySegment,
    /// `.` or `..`, also once parameters are removed (`..;x`): resolved by some servers only.
    DotSegment,
    /// A segment that begins or ends in a space, which some servers trim.
    EdgeSpace,
    /// Without its `;parameters`, which some servers remove, the path falls under another rule.
    Parameters,
    /// Decoded, or with letter case ignored, the path falls under another rule.
    Ambiguous,
    /// A variable of the rule's template or hosts, with which claims are compared, has several values.
    Variable,
    /// The readings of the path cost more to compare than a request may cost.
    TooCostly,
    /// The authority names no host that could be compared.
    Authority,
}

impl From<TooCostly> for UnsafePath {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl fmt::Display for UnsafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "found no path; expected one that begins with \"/\"",
            Self::NotAbsolute => "found something else; expected a path that begins with \"/\"",
            Self::TooLong => "found a longer path; expected at most 8192 bytes",
            Self::Fragment => "found \"#\"; expected a path without fragment",
            Self::Backslash => {
                "found a backslash, raw or as \"%5C\"; expected \"/\" alone to separate"
            }
            Self::Variable => "found several values for a variable; expected one for all readings",
            Self::TooCostly => {
                "found a path that costs too much to compare; expected a plainer one"
            }
            Self::ControlCharacter => "found a control character; expected printable text",
            Self::RawByte => "found a raw byte outside ASCII; expected it percent-encoded",
            Self::BrokenEscape => "found \"%\" alone; expected two hex digits after it",
            Self::EncodedSlash => "found \"%2F\"; expected \"/\" alone to separate",
            Self::EncodedDelimiter => {
                "found \"%3F\" or \"%23\"; expected a path that no server cuts off"
            }
            Self::NotUtf8 => "found escapes of other bytes; expected escaped UTF-8",
            Self::DoublyEncoded => "found an escape within an escape; expected text encoded once",
            Self::EmptySegment => "found an empty segment; expected single slashes",
            Self::DotSegment => "found a \".\" or \"..\" segment; expected a resolved path",
            Self::EdgeSpace => "found a segment with a space at its edge; expected none there",
            Self::Parameters => "found \";\"; expected the same rule with and without parameters",
            Self::Ambiguous => "found readings under two rules; expected one rule for all of them",
            Self::Authority => "found an authority that is no host; expected a host name and port",
        })
    }
}

impl std::error::Error for UnsafePath {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_text_of_its_own() {
        for (cause, text) in [
            (
                UnsafePath::Missing,
                "found no path; expected one that begins with \"/\"",
            ),
            (
                UnsafePath::NotAbsolute,
                "found something else; expected a path that begins with \"/\"",
            ),
            (
                UnsafePath::TooLong,
                "found a longer path; expected at most 8192 bytes",
            ),
            (
                UnsafePath::Fragment,
                "found \"#\"; expected a path without fragment",
            ),
            (
                UnsafePath::Backslash,
                "found a backslash, raw or as \"%5C\"; expected \"/\" alone to separate",
            ),
            (
                UnsafePath::ControlCharacter,
                "found a control character; expected printable text",
            ),
            (
                UnsafePath::RawByte,
                "found a raw byte outside ASCII; expected it percent-encoded",
            ),
            (
                UnsafePath::BrokenEscape,
                "found \"%\" alone; expected two hex digits after it",
            ),
            (
                UnsafePath::EncodedSlash,
                "found \"%2F\"; expected \"/\" alone to separate",
            ),
            (
                UnsafePath::EncodedDelimiter,
                "found \"%3F\" or \"%23\"; expected a path that no server cuts off",
            ),
            (
                UnsafePath::Variable,
                "found several values for a variable; expected one for all readings",
            ),
            (
                UnsafePath::TooCostly,
                "found a path that costs too much to compare; expected a plainer one",
            ),
            (
                UnsafePath::NotUtf8,
                "found escapes of other bytes; expected escaped UTF-8",
            ),
            (
                UnsafePath::DoublyEncoded,
                "found an escape within an escape; expected text encoded once",
            ),
            (
                UnsafePath::EmptySegment,
                "found an empty segment; expected single slashes",
            ),
            (
                UnsafePath::DotSegment,
                "found a \".\" or \"..\" segment; expected a resolved path",
            ),
            (
                UnsafePath::EdgeSpace,
                "found a segment with a space at its edge; expected none there",
            ),
            (
                UnsafePath::Parameters,
                "found \";\"; expected the same rule with and without parameters",
            ),
            (
                UnsafePath::Ambiguous,
                "found readings under two rules; expected one rule for all of them",
            ),
            (
                UnsafePath::Authority,
                "found an authority that is no host; expected a host name and port",
            ),
        ] {
            assert_eq!(cause.to_string(), text);
        }
    }
}
