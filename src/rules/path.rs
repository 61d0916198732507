//! The path of a request, in every way in which an upstream might read it.
//!
//! A filter that decides by path is only as good as its agreement with the server behind it. Some
//! spellings are read so differently by different servers that no answer is safe: those are
//! refused here, one named cause each. What remains may still be read in several ways:
//!
//! - *Letters.* In the *literal* reading unreserved characters are decoded (RFC 3986, section
//!   6.2.2.2: always equivalent), every other escape is kept, its hex digits in upper case. In the
//!   *loose* one everything is decoded and, unless letter case counts, folded.
//! - *Separators.* `%2F` and `%5C` end a segment, or are characters of it. An empty segment is one
//!   of its own, or vanishes (`//` is merged).
//! - *Ends.* A `?` or `#` that was escaped ends the path for servers that decode before they parse.
//!   `;parameters` are part of a segment, or removed, up to the next `/` or the next separator.
//! - *Beginnings.* In `//a/b`, a reader of whole URLs takes `a` for the host.
//!
//! The literal reading chooses the rule. The index then insists that all others choose the same;
//! its own pages say how it does so without trying them one by one.

mod atom;
mod case;
mod error;
mod escape;
mod reading;

use super::work::Work;
pub(super) use atom::{Atom, Joint};
pub use error::UnsafePath;
pub(super) use escape::encode;
use escape::is_path_character;
pub use reading::fold;
pub(super) use reading::{Letters, Spellings, segments, texts};
use std::borrow::Cow;

/// The longest path that is looked at, in bytes, query not counted: a longer one is refused.
///
/// RFC 9110, section 4.1, recommends to support URIs of at least 8,000 bytes.
pub const MAX_PATH_BYTES: usize = 8192;

/// Stands for `%2F` in decoded text, where a `/` is one that was sent raw. No decoded text has a
/// control character of its own: a path with one is refused.
///
/// One byte for one byte, so that decoded text never grows.
const ENCODED_SLASH: u8 = 1;

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

/// What a path contains, as far as it makes readings differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    /// Without any, the decoded path is the path itself, and nothing is copied.
    escapes: bool,
    /// Letters that folding would change.
    upper_case: bool,
    /// Characters that RFC 3986 has only in escapes, such as `|`, sent raw.
    unescaped: bool,
    /// A `;`, raw or escaped.
    parameters: bool,
    /// The first cause for which segments have no one reading.
    structure: Option<UnsafePath>,
}

/// A path that holds nothing that would have to be refused at sight.
#[derive(Clone, Debug)]
pub struct RequestPath<'a> {
    literal: Cow<'a, str>,
    /// Each escape decoded, `%2F` to [`ENCODED_SLASH`]; nothing in it decodes once more.
    decoded: Cow<'a, str>,
    marks: Marks,
}

impl<'a> RequestPath<'a> {
    /// Reads the path of a request target (`:path`). The query is cut off and not looked at.
    ///
    /// # Errors
    /// What makes the path unsafe whatever the rules say.
    pub fn parse(target: &'a [u8]) -> Result<Self, UnsafePath> {
        // An absolute URL here would have a host of its own, beside the authority.
        if target.first() != Some(&b'/') {
            return Err(UnsafePath::NotAbsolute);
        }
        // In the query too: a server that cuts at `#` first and one that cuts at `?` first must not
        // differ.
        if target.contains(&b'#') {
            return Err(UnsafePath::Fragment);
        }
        // No rule looks at the query: what routes by it is closed by `default: nobody` only.
        let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
        if path.len() > MAX_PATH_BYTES {
            return Err(UnsafePath::TooLong);
        }
        // Over the raw bytes first: most paths have nothing to decode, and are then borrowed as
        // they are.
        let mut marks = scan(path)?;
        // Never fails after the scan, which lets ASCII alone pass.
        let raw = std::str::from_utf8(path).map_err(|_| UnsafePath::RawByte)?;
        let decoded = if marks.escapes {
            Cow::Owned(escape::decode(raw)?)
        } else {
            Cow::Borrowed(raw)
        };
        let literal = if marks.escapes || marks.unescaped {
            Cow::Owned(escape::literal(raw))
        } else {
            Cow::Borrowed(raw)
        };
        // Over what was decoded: `%2e%2e` is two dots to any server that decodes before it
        // resolves.
        check_segments(&decoded, &mut marks)?;
        Ok(Self {
            literal,
            decoded,
            marks,
        })
    }

    /// The literal reading.
    #[must_use]
    pub fn literal(&self) -> &str {
        &self.literal
    }

    /// The loose reading, in which an encoded slash is a slash.
    #[must_use]
    pub fn loose(&self, case: PathCase) -> String {
        let decoded = self.decoded.replace(char::from(ENCODED_SLASH), "/");
        match case {
            PathCase::Insensitive => fold(&decoded).into_owned(),
            PathCase::Sensitive => decoded,
        }
    }

    /// The segments between the slashes that were sent raw, decoded, letter case kept: what a
    /// template's variables are cut from.
    pub(super) fn decoded_segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let segments = self.decoded.split('/').skip(1);
        segments.map(
            |segment| match segment.as_bytes().contains(&ENCODED_SLASH) {
                true => Cow::Owned(segment.replace(char::from(ENCODED_SLASH), "/")),
                false => Cow::Borrowed(segment),
            },
        )
    }

    /// The path as different servers may have it as one text, each once, the literal reading first.
    /// Not all: where there are more than a request may cost, the literal and the loose one.
    #[must_use]
    pub fn readings(&self, case: PathCase) -> Vec<String> {
        let mut readings = vec![self.literal().to_owned(), self.loose(case)];
        readings.extend(texts(self, &mut Work::default()).unwrap_or_default());
        let mut once = Vec::new();
        for reading in readings {
            if !once.contains(&reading) {
                once.push(reading);
            }
        }
        once
    }

    /// The path in every reading of its structure, each in the spellings that servers compare; the
    /// literal reading first.
    ///
    /// # Errors
    /// They are longer together than a request may cost.
    pub fn structures(&self, work: &mut Work) -> Result<Vec<Structure>, UnsafePath> {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let mut structures = Vec::new();
        for text in texts(self, work)? {
            let spellings = Spellings::new(&text, PathCase::Insensitive, work)?;
            structures.push(Structure {
                exact: owned(spellings.exact()),
                caseless: owned(spellings.caseless()),
            });
        }
        Ok(structures)
    }

    /// Whether there is something to remove for servers that remove `;parameters` (`%3B` too).
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        self.marks.parameters
    }

    /// The first cause, if any, for which servers disagree about where segments begin and end:
    /// `%2F`, `%5C`, `//`, `%3F` or `%23`.
    #[must_use]
    pub fn structure(&self) -> Option<UnsafePath> {
        self.marks.structure
    }

    /// Whether all readings are the same segments.
    ///
    /// Then one comparison decides, and this is what most requests cost.
    #[must_use]
    pub fn has_one_reading(&self, case: PathCase) -> bool {
        let marks = &self.marks;
        let folds = marks.upper_case && case == PathCase::Insensitive;
        let letters = marks.escapes || marks.unescaped || folds;
        !(letters || marks.parameters || marks.structure.is_some())
    }

    /// What to say about a path of which some reading falls under another rule.
    pub(super) fn ambiguity(&self) -> UnsafePath {
        let parameters = self.marks.parameters.then_some(UnsafePath::Parameters);
        let structure = self.marks.structure.or(parameters);
        structure.unwrap_or(UnsafePath::Ambiguous)
    }
}

/// A path in one reading of its structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// What servers compare that tell letters apart, the reading itself first.
    pub exact: Vec<String>,
    /// What servers compare that do not.
    pub caseless: Vec<String>,
}

fn scan(path: &[u8]) -> Result<Marks, UnsafePath> {
    let mut marks = Marks::default();
    for &byte in path {
        match byte {
            b'%' => marks.escapes = true,
            b'A'..=b'Z' => marks.upper_case = true,
            // Raw, it is no character of a URI, and a slash to Windows and to WHATWG parsers of
            // URLs.
            b'\\' => return Err(UnsafePath::Backslash),
            0..=0x1f | 0x7f => return Err(UnsafePath::ControlCharacter),
            // A server may read them as UTF-8 or as Latin-1.
            0x80.. => return Err(UnsafePath::RawByte),
            b'/' => {}
            _ if is_path_character(byte) => {}
            _ => marks.unescaped = true,
        }
    }
    Ok(marks)
}

/// The refusals that concern whole segments, over the decoded path, so that no encoding of a dot or
/// a space hides from them: with parameters and without, cut off and whole, at every separator.
fn check_segments(decoded: &str, marks: &mut Marks) -> Result<(), UnsafePath> {
    // One pass over the bytes, for all that is asked of segments: paths are long, and most of this
    // concerns none of them.
    let (mut slash, mut backslash, mut empty) = (false, false, false);
    let mut segment = Segment::default();
    for byte in decoded.bytes().skip(1).map(Some).chain([None]) {
        if let Some(byte) = byte
            && !matches!(byte, b'/' | b'\\' | ENCODED_SLASH)
        {
            segment.push(byte)?;
            continue;
        }
        segment.check()?;
        empty |= segment.last.is_none() && byte.is_some();
        slash |= byte == Some(ENCODED_SLASH);
        backslash |= byte == Some(b'\\');
        segment = Segment {
            parameters: segment.parameters,
            cut: segment.cut,
            ..Segment::default()
        };
    }
    marks.parameters = segment.parameters;
    // Of several causes one is told: the one that most often is meant.
    let causes = [
        (slash, UnsafePath::EncodedSlash),
        (backslash, UnsafePath::Backslash),
        (segment.cut, UnsafePath::EncodedDelimiter),
        (empty, UnsafePath::EmptySegment),
    ];
    let cause = causes.into_iter().find(|(found, _)| *found);
    marks.structure = cause.map(|(_, cause)| cause);
    Ok(())
}

/// What is known of a segment whose end is not yet reached, byte by byte.
#[derive(Default)]
struct Segment {
    last: Option<u8>,
    /// The bytes, and the dots among them, before the first `;`, `?` or `#`.
    name: usize,
    dots: usize,
    is_named: bool,
    /// Whether this segment or one before it had a `;`.
    parameters: bool,
    /// Whether it had a `?` or `#`.
    cut: bool,
}

impl Segment {
    fn push(&mut self, byte: u8) -> Result<(), UnsafePath> {
        // What follows is no part of the path to a server that cuts here, and the rest of it to all
        // others.
        let is_cut = matches!(byte, b'?' | b'#');
        let ends_name = is_cut || byte == b';' && !self.is_named;
        // Windows and some frameworks trim them, so that `/admin%20` is `/admin`.
        let at_edge = self.last.is_none() && byte == b' ';
        if at_edge || ends_name && self.last == Some(b' ') {
            return Err(UnsafePath::EdgeSpace);
        }
        self.parameters |= byte == b';';
        self.cut |= is_cut;
        self.is_named |= ends_name;
        if !self.is_named {
            self.name = self.name.saturating_add(1);
            self.dots = self.dots.saturating_add(usize::from(byte == b'.'));
        }
        self.last = Some(byte);
        Ok(())
    }

    fn check(&self) -> Result<(), UnsafePath> {
        // A cut or removed parameters leave the name: `..;x` and `..%3F` are two dots.
        if self.name == self.dots && matches!(self.name, 1 | 2) {
            return Err(UnsafePath::DotSegment);
        }
        if self.last == Some(b' ') {
            return Err(UnsafePath::EdgeSpace);
        }
        Ok(())
    }
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
        assert!(matches!(parsed("/a/b").literal, Cow::Borrowed(_)));
        assert!(matches!(parsed("/a/b").decoded, Cow::Borrowed(_)));
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
            ("/a%2F..%2Fb", UnsafePath::DotSegment, "/a%2Fc%2Fb"),
            ("/a%5C..%5Cb", UnsafePath::DotSegment, "/a%5Cc%5Cb"),
            ("/a//../b", UnsafePath::DotSegment, "/a//b"),
            ("/a/..%3Fb", UnsafePath::DotSegment, "/a/c%3Fb"),
            ("/a/.%23b", UnsafePath::DotSegment, "/a/c%23b"),
            ("/a/..;x%2Fb", UnsafePath::DotSegment, "/a/c;x%2Fb"),
            ("/a%20%2Fb", UnsafePath::EdgeSpace, "/a%20c%2Fb"),
            ("/a%2F%20b", UnsafePath::EdgeSpace, "/a%2Fc%20b"),
            ("/a%20%3Fb", UnsafePath::EdgeSpace, "/a%20c%3Fb"),
            ("/a;x%20%23b", UnsafePath::EdgeSpace, "/a;x%20c%23b"),
            ("/a%2F%2561", UnsafePath::DoublyEncoded, "/a%2F%25g1"),
            ("/a%2561", UnsafePath::DoublyEncoded, "/a%25g1"),
            ("/a%252e", UnsafePath::DoublyEncoded, "/a%25.2e"),
            ("/a%25%36%31", UnsafePath::DoublyEncoded, "/a%25%67%31"),
            ("/a%2525", UnsafePath::DoublyEncoded, "/a%25%25"),
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
    fn what_servers_disagree_about_is_marked() {
        for (path, cause) in [
            ("/a%2fb", Some(UnsafePath::EncodedSlash)),
            ("/a%5Cb", Some(UnsafePath::Backslash)),
            ("/a%3Fb", Some(UnsafePath::EncodedDelimiter)),
            ("/a%23", Some(UnsafePath::EncodedDelimiter)),
            ("/a//b", Some(UnsafePath::EmptySegment)),
            ("//", Some(UnsafePath::EmptySegment)),
            ("/a//", Some(UnsafePath::EmptySegment)),
            ("/a/", None),
            ("/a;b", None),
            ("/;b", None),
        ] {
            let parsed = parsed(path);
            assert_eq!(parsed.structure(), cause, "{path}");
            let one = cause.is_none() && !path.contains(';');
            assert_eq!(parsed.has_one_reading(Insensitive), one, "{path}");
            let said = cause.unwrap_or(match parsed.has_parameters() {
                true => UnsafePath::Parameters,
                false => UnsafePath::Ambiguous,
            });
            assert_eq!(parsed.ambiguity(), said, "{path}");
        }
    }

    #[test]
    fn atoms_are_what_every_server_separates() {
        let path = parsed("/a%2fb%21//c%5Cd;x%3Fy/");
        let atoms: Vec<_> = path
            .atoms()
            .map(|atom| (atom.at, atom.literal, atom.decoded, atom.joint))
            .collect();
        assert_eq!(
            atoms,
            [
                (0, "a", "a", Joint::Encoded),
                (1, "b%21", "b!", Joint::Slash),
                (2, "", "", Joint::Slash),
                (3, "c", "c", Joint::Encoded),
                (4, "d;x%3Fy", "d;x?y", Joint::Slash),
                (5, "", "", Joint::End),
            ]
        );
        let last = path.atoms().nth(4).unwrap();
        assert_eq!(last.name, "d");
        assert!(!last.is_name());
        assert_eq!(last.before_parameters, Some("d"));
        assert_eq!(last.before_cut, Some("d;x"));
        assert_eq!(parsed("/").atoms().count(), 1);
    }

    #[test]
    fn an_atom_before_an_escaped_separator_is_all_that_stands_before_it() {
        let path = parsed("/abc%2f%64ef%5Cghi");
        let atoms: Vec<_> = path.atoms().map(|atom| atom.literal).collect();
        assert_eq!(atoms, ["abc", "def", "ghi"]);
    }

    #[test]
    fn each_reading_is_told_once() {
        let told = |path| parsed(path).readings(Insensitive);
        assert_eq!(told("/a"), ["/a"]);
        assert_eq!(told("/A"), ["/A", "/a"]);
        assert_eq!(told("/A%2fb"), ["/A%2Fb", "/a/b", "/A/b"]);
        assert_eq!(parsed("/A").readings(Sensitive), ["/A"]);
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
