//! The path of a request, in every way in which an upstream might read it.
//!
//! A filter that decides by path is only as good as its agreement with the server behind it. Some
//! spellings are read so differently by different servers that no answer is safe: those are
//! refused here, one named cause each. What remains has two readings, and each of them a second
//! time without `;parameters`:
//!
//! - *literal*: unreserved characters decoded (RFC 3986, section 6.2.2.2: always equivalent), every
//!   other escape kept, its hex digits in upper case. By this one the rule is chosen.
//! - *loose*: everything decoded and, unless letter case counts, folded. What servers that decode
//!   and compare eagerly see.
//!
//! The index then insists that all of them choose the same rule.

mod error;
mod escape;
mod reading;

pub use error::UnsafePath;
pub(super) use escape::encode;
use escape::{decode, escape, is_path_character, is_unreserved, push_byte};
pub(super) use reading::{fold, segments, without_parameters};
use std::borrow::Cow;

/// The longest path that is looked at, in bytes, query not counted: a longer one is refused.
///
/// RFC 9110, section 4.1, asks everyone to support 8,000 bytes of URI. The limit keeps the work of
/// `regex` rules bounded, which grows with the length of the path.
pub const MAX_PATH_BYTES: usize = 8192;

/// Whether letter case distinguishes paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathCase {
    /// The upstream may ignore case (IIS, Windows and macOS file systems, many routers): a path
    /// whose rule depends on it is refused.
    #[default]
    Insensitive,
    /// The upstream is known to distinguish `/Admin` from `/admin`.
    Sensitive,
}

/// What the bytes of a path contain, as far as it makes readings differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    escapes: bool,
    upper_case: bool,
    /// Characters that RFC 3986 has only in escapes, such as `|`, sent raw.
    unescaped: bool,
}

/// A path that holds nothing that would have to be refused at sight.
#[derive(Clone, Debug)]
pub struct RequestPath<'a> {
    raw: &'a str,
    /// Each escape decoded; nothing in it decodes once more.
    decoded: Cow<'a, str>,
    marks: Marks,
}

impl<'a> RequestPath<'a> {
    /// Reads the path of a request target (`:path`). The query is cut off and not looked at.
    ///
    /// # Errors
    /// What makes the path unsafe whatever the rules say.
    pub fn parse(target: &'a [u8]) -> Result<Self, UnsafePath> {
        if target.first() != Some(&b'/') {
            return Err(UnsafePath::NotAbsolute);
        }
        // In the query too: who cuts at `#` first and who cuts at `?` first must not differ.
        if target.contains(&b'#') {
            return Err(UnsafePath::Fragment);
        }
        let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
        if path.len() > MAX_PATH_BYTES {
            return Err(UnsafePath::TooLong);
        }
        let marks = scan(path)?;
        let raw = std::str::from_utf8(path).map_err(|_| UnsafePath::RawByte)?;
        let decoded = if marks.escapes {
            Cow::Owned(decode(raw)?)
        } else {
            Cow::Borrowed(raw)
        };
        let path = Self {
            raw,
            decoded,
            marks,
        };
        path.check_segments()?;
        Ok(path)
    }

    /// The literal reading.
    #[must_use]
    pub fn literal(&self) -> Cow<'a, str> {
        if !self.marks.escapes && !self.marks.unescaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut rest = self.raw.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match (byte, escape(tail)) {
                (b'%', Some((value, after))) => {
                    rest = after;
                    push_byte(&mut text, value, is_unreserved);
                }
                // Rules are written with the raw character or with its escape: one form for both.
                _ => push_byte(&mut text, byte, is_path_character),
            }
        }
        Cow::Owned(text)
    }

    /// The loose reading.
    #[must_use]
    pub fn loose(&self, case: PathCase) -> Cow<'_, str> {
        match case {
            PathCase::Insensitive if self.marks.upper_case || self.marks.escapes => {
                Cow::Owned(fold(&self.decoded))
            }
            PathCase::Insensitive | PathCase::Sensitive => Cow::Borrowed(&self.decoded),
        }
    }

    /// Every escape decoded, letter case kept: what a template's variables are cut from.
    #[must_use]
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// Whether there is something to remove for those who remove `;parameters` (`%3B` too).
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        self.decoded.contains(';')
    }

    /// The literal reading as those see it who remove `;parameters`: one text, or the three of a
    /// path that ends in nothing but parameters; none if there are no parameters.
    #[must_use]
    pub fn bare(&self) -> Vec<String> {
        match self.has_parameters() {
            true => without_parameters(&self.literal()),
            false => Vec::new(),
        }
    }

    /// Whether all readings are the same text.
    #[must_use]
    pub fn has_one_reading(&self, case: PathCase) -> bool {
        let folds = self.marks.upper_case && case == PathCase::Insensitive;
        !(self.marks.escapes || self.marks.unescaped || folds || self.has_parameters())
    }

    /// The refusals that concern whole segments, over the decoded path, so that no encoding of a
    /// dot or a space hides from them, with parameters and without.
    fn check_segments(&self) -> Result<(), UnsafePath> {
        let mut segments = self.decoded.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let bare = segment.split(';').next().unwrap_or(segment);
            for form in [segment, bare] {
                if form.is_empty() && !last {
                    return Err(UnsafePath::EmptySegment);
                }
                if form == "." || form == ".." {
                    return Err(UnsafePath::DotSegment);
                }
                if form.starts_with(' ') || form.ends_with(' ') {
                    return Err(UnsafePath::EdgeSpace);
                }
            }
        }
        Ok(())
    }
}

fn scan(path: &[u8]) -> Result<Marks, UnsafePath> {
    let mut marks = Marks::default();
    for &byte in path {
        match byte {
            b'%' => marks.escapes = true,
            b'A'..=b'Z' => marks.upper_case = true,
            b'\\' => return Err(UnsafePath::Backslash),
            0..=0x1f | 0x7f => return Err(UnsafePath::ControlCharacter),
            0x80.. => return Err(UnsafePath::RawByte),
            b'/' => {}
            _ if is_path_character(byte) => {}
            _ => marks.unescaped = true,
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathCase::{Insensitive, Sensitive};

    #[track_caller]
    fn parsed(target: &str) -> RequestPath<'_> {
        RequestPath::parse(target.as_bytes()).unwrap()
    }

    #[test]
    fn parameters_are_removed_where_there_are_any() {
        assert_eq!(parsed("/a;x/b").bare(), ["/a/b"]);
        assert_eq!(parsed("/a%3bx/b").bare(), ["/a/b"]);
        assert_eq!(parsed("/a;x/;y").bare(), ["/a/", "/a;x/", "/a/;y"]);
        assert!(parsed("/a/b").bare().is_empty());
    }

    #[test]
    fn the_query_is_cut_off_unseen() {
        assert_eq!(parsed("/a?b//../%zz\\?c").literal(), "/a");
        assert_eq!(parsed("/a/?").literal(), "/a/");
    }

    #[test]
    fn literally_only_unreserved_characters_are_decoded() {
        let path = parsed("/%61%2D%2e%5f%7E%41b/%21%3b%c3%a9%20x");
        assert_eq!(path.literal(), "/a-._~Ab/%21%3B%C3%A9%20x");
        assert_eq!(path.loose(Sensitive), "/a-._~Ab/!;é x");
        assert_eq!(path.loose(Insensitive), "/a-._~ab/!;é x");
        assert_eq!(path.decoded(), "/a-._~Ab/!;é x");
    }

    #[test]
    fn characters_that_belong_in_escapes_are_put_there() {
        assert_eq!(parsed("/a|b\"{}").literal(), "/a%7Cb%22%7B%7D");
        assert_eq!(parsed("/a|b").loose(Insensitive), "/a|b");
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        assert!(parsed("/a/b-c/~d,e=@:1").has_one_reading(Insensitive));
        assert!(parsed("/A").has_one_reading(Sensitive));
        for path in ["/A", "/%61", "/a;b", "/a|b"] {
            assert!(!parsed(path).has_one_reading(Insensitive), "{path}");
        }
        assert!(parsed("/a%3b").has_parameters());
        assert!(!parsed("/a%2c").has_parameters());
        assert!(matches!(parsed("/a/b").literal(), Cow::Borrowed(_)));
        assert!(matches!(
            parsed("/a/b").loose(Insensitive),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn refuses_each_cause_and_accepts_its_twin() {
        for (bad, cause, good) in [
            ("", UnsafePath::NotAbsolute, "/"),
            ("*", UnsafePath::NotAbsolute, "/*"),
            ("a.com:443", UnsafePath::NotAbsolute, "/a.com:443"),
            ("http://a.com/b", UnsafePath::NotAbsolute, "/b"),
            ("/a#b", UnsafePath::Fragment, "/a%23b"),
            ("/a?b#c", UnsafePath::Fragment, "/a?b%23c"),
            ("/a\\b", UnsafePath::Backslash, "/a?\\b"),
            ("/a%5cb", UnsafePath::Backslash, "/a%5db"),
            ("/a%5Cb", UnsafePath::Backslash, "/a%5Db"),
            ("/a%2fb", UnsafePath::EncodedSlash, "/a%2db"),
            ("/a%2Fb", UnsafePath::EncodedSlash, "/a%2Eb"),
            ("/a%00", UnsafePath::ControlCharacter, "/a%21"),
            ("/a%1f", UnsafePath::ControlCharacter, "/a%2b"),
            ("/a%7f", UnsafePath::ControlCharacter, "/a%7e"),
            ("/a\tb", UnsafePath::ControlCharacter, "/a b"),
            ("/a\u{7f}", UnsafePath::ControlCharacter, "/a~"),
            ("/a%c2%9f", UnsafePath::ControlCharacter, "/a%c2%a0"),
            ("/a\u{e9}", UnsafePath::RawByte, "/a%C3%A9"),
            ("/a%", UnsafePath::BrokenEscape, "/a%25"),
            ("/a%6", UnsafePath::BrokenEscape, "/a%61"),
            ("/a%6g", UnsafePath::BrokenEscape, "/a%6a"),
            ("/a%u0061", UnsafePath::BrokenEscape, "/a%61"),
            ("/a%+1", UnsafePath::BrokenEscape, "/a%21"),
            ("/a%e9", UnsafePath::NotUtf8, "/a%c3%a9"),
            ("/a%c0%ae", UnsafePath::NotUtf8, "/a%c2%ae"),
            ("/a%ed%a0%80", UnsafePath::NotUtf8, "/a%ed%9f%bf"),
            ("/a%2561", UnsafePath::DoublyEncoded, "/a%25g1"),
            ("/a%252e", UnsafePath::DoublyEncoded, "/a%25.2e"),
            ("/a%25%36%31", UnsafePath::DoublyEncoded, "/a%25%67%31"),
            ("/a%2525", UnsafePath::DoublyEncoded, "/a%25%25"),
            ("//", UnsafePath::EmptySegment, "/"),
            ("//a", UnsafePath::EmptySegment, "/a"),
            ("/a//b", UnsafePath::EmptySegment, "/a/b"),
            ("/a//", UnsafePath::EmptySegment, "/a/"),
            ("/a/;x/b", UnsafePath::EmptySegment, "/a/c;x/b"),
            ("/a/%3bx/b", UnsafePath::EmptySegment, "/a/%3bx"),
            ("/.", UnsafePath::DotSegment, "/..."),
            ("/a/./b", UnsafePath::DotSegment, "/a/.b/b"),
            ("/a/../b", UnsafePath::DotSegment, "/a/..b/b"),
            ("/a/%2e%2E", UnsafePath::DotSegment, "/a/%2e%2Ea"),
            ("/a/.%2e/", UnsafePath::DotSegment, "/a/b%2e/"),
            ("/a/..;x/b", UnsafePath::DotSegment, "/a/b..;x/b"),
            ("/a/.%3bx", UnsafePath::DotSegment, "/a/b.%3bx"),
            ("/a/b%20", UnsafePath::EdgeSpace, "/a/b%20c"),
            ("/a/%20b/c", UnsafePath::EdgeSpace, "/a/c%20b/c"),
            ("/a/b /c", UnsafePath::EdgeSpace, "/a/b c/c"),
            ("/a/b%20;x", UnsafePath::EdgeSpace, "/a/b%20c;x"),
        ] {
            let refused = RequestPath::parse(bad.as_bytes()).map(|_| ());
            assert_eq!(refused, Err(cause), "{bad:?}");
            assert!(RequestPath::parse(good.as_bytes()).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_path_has_at_most_8192_bytes_and_a_query() {
        let longest = "/a".repeat(MAX_PATH_BYTES / 2);
        parsed(&longest);
        parsed(&format!("{longest}?q"));
        let longer = format!("{longest}a");
        let refused = RequestPath::parse(longer.as_bytes()).map(|_| ());
        assert_eq!(refused, Err(UnsafePath::TooLong));
        assert!(
            UnsafePath::TooLong
                .to_string()
                .contains(&MAX_PATH_BYTES.to_string())
        );
    }
}
