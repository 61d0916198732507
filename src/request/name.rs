//! The names of cookies and of the query's parameters, as their loosest reader compares them.
//!
//! PHP reads `access.token`, `+access_token` and `access_token[]` into the variable that
//! `access_token` has, Express and Rack `[access_token]`; some drop white space of other alphabets from a
//! name's edges, some cut a name at a NUL, decode it, or (ASP.NET) do not tell letters by their case. A
//! name that one of them takes for another is its alias here. The search allocates nothing and looks at a
//! byte twice at most, and what it costs is counted.

use super::work::{NAME, Work};
use crate::percent;
use crate::work::TooCostly;

/// What a byte may be; some are several things.
type Class = u8;

/// Trimmed from a name by some reader: ASCII's white space and controls, and whatever is not ASCII,
/// since U+00A0 and U+3000 are white space to Python and JavaScript, in either of two encodings.
const EDGE: Class = 1;
const BRACKET: Class = 1 << 1;
/// Not what it stands for.
const ESCAPE: Class = 1 << 2;
/// Separates cookies to some reader.
const SEPARATOR: Class = 1 << 3;
const SEMICOLON: Class = 1 << 4;
const EQUALS: Class = 1 << 5;
const AMPERSAND: Class = 1 << 6;
const HASH: Class = 1 << 7;

static CLASSES: [Class; 256] = table(Entry::Class);
static FOLDED: [u8; 256] = table(Entry::Folded);

/// What a table says of each byte.
#[derive(Clone, Copy)]
enum Entry {
    Class,
    Folded,
}

const fn table(entry: Entry) -> [u8; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0_u8;
    while let Some((first, after)) = rest.split_first_mut() {
        *first = match entry {
            Entry::Class => classified(byte),
            Entry::Folded => fold(byte),
        };
        rest = after;
        byte = byte.wrapping_add(1);
    }
    table
}

const fn classified(byte: u8) -> Class {
    let class = match byte {
        b'[' | b']' => BRACKET,
        b'%' | b'+' => ESCAPE,
        b',' | b'"' | b' ' | b'\t'..=b'\r' => SEPARATOR,
        b';' => SEMICOLON,
        b'=' => EQUALS,
        b'&' => AMPERSAND,
        b'#' => HASH,
        _ => 0,
    };
    match byte {
        ..=b' ' | 0x7f.. => class | EDGE,
        _ => class,
    }
}

/// `+` stands in a configured name only: it is a space wherever a name is decoded.
const fn fold(byte: u8) -> u8 {
    match byte {
        b'.' | b' ' | b'[' | b'+' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// A byte as names are compared.
pub(crate) fn folded(byte: u8) -> u8 {
    FOLDED.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Where names stand in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grammar {
    /// A name begins behind these.
    begins: Class,
    /// A name ends before these.
    ends: Class,
    /// How much of a name is looked for.
    extent: Extent,
}

/// How much of a name is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// What it begins with.
    Beginning,
}

impl Grammar {
    /// White space separates cookies to Python's `http.cookies`, and a quoted text ends one.
    pub(super) const COOKIES: Self = Self {
        begins: SEMICOLON | SEPARATOR,
        ends: SEMICOLON | EQUALS,
        extent: Extent::Whole,
    };
    /// The same, of cookies whose names begin alike.
    pub(super) const FAMILIES_OF_COOKIES: Self = Self {
        extent: Extent::Beginning,
        ..Self::COOKIES
    };
    /// What follows a `#` is a fragment, or a part of the value before it.
    pub(super) const QUERY: Self = Self {
        begins: SEMICOLON | AMPERSAND,
        ends: SEMICOLON | AMPERSAND | HASH | EQUALS,
        extent: Extent::Whole,
    };
}

/// The search for names in a text, from its beginning to its end.
#[derive(Clone, Debug)]
pub(super) struct Search<'a> {
    grammar: Grammar,
    /// From where a name may begin.
    rest: &'a [u8],
    /// From the last semicolon, without white space.
    crumb: &'a [u8],
}

/// A name that was found, by what is left of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// From the name on.
    pub(super) name: &'a [u8],
    /// From the last semicolon before it on, without white space.
    pub(super) crumb: &'a [u8],
}

impl<'a> Search<'a> {
    /// Before the first name.
    ///
    /// # Errors
    /// The text is longer than what is left of the work.
    pub(super) fn new(
        text: &'a [u8],
        grammar: Grammar,
        work: &mut Work,
    ) -> Result<Self, TooCostly> {
        work.spend(text.len())?;
        Ok(Self {
            grammar,
            rest: text,
            crumb: text,
        })
    }

    /// The next alias of one of these names, where the search stays until it is told to
    /// [go on](Self::go_on).
    ///
    /// # Errors
    /// No work is left.
    pub(super) fn next<N: AsRef<[u8]>>(
        &mut self,
        wanted: &[N],
        work: &mut Work,
    ) -> Result<Option<Found<'a>>, TooCostly> {
        while let Some(byte) = self.rest.first() {
            let class = class(*byte);
            let separates = class & self.grammar.begins != 0;
            // All trim it, so that it is no part of the name.
            let leads = separates && self.leads(*byte);
            let is_plain = separates || class & (EDGE | BRACKET | ESCAPE) == 0;
            if !is_plain || !leads && begins_one(*byte, wanted) {
                let found = Found {
                    name: self.rest,
                    crumb: self.crumb,
                };
                match unlike(self.rest, self.grammar, wanted, work)? {
                    None => return Ok(Some(found)),
                    Some(rest) => self.rest = rest,
                }
            }
            self.go_on(self.rest);
        }
        Ok(None)
    }

    /// Whether this byte, the first of what is left, is white space behind a semicolon.
    const fn leads(&self, byte: u8) -> bool {
        self.crumb.len() == self.rest.len() && byte.is_ascii_whitespace()
    }

    /// To where the next name may begin, behind a separator in what is left of the text.
    pub(super) fn go_on(&mut self, mut rest: &'a [u8]) {
        while let Some((byte, after)) = rest.split_first() {
            let class = class(*byte);
            if class & self.grammar.begins != 0 {
                let is_first = self.crumb.len() == rest.len() && byte.is_ascii_whitespace();
                if class & SEMICOLON != 0 || is_first {
                    self.crumb = after;
                }
                self.rest = after;
                return;
            }
            rest = after;
        }
        self.rest = rest;
    }
}

fn begins_one<N: AsRef<[u8]>>(byte: u8, wanted: &[N]) -> bool {
    let byte = folded(byte);
    wanted.iter().any(|wanted| {
        wanted
            .as_ref()
            .first()
            .is_some_and(|first| folded(*first) == byte)
    })
}

/// `None` for an alias: once decoded, without what stands at its edges, cut off at a NUL or a bracket,
/// with `.`, space and `[` as `_`, in any letter case. Otherwise what follows the edge of a name that is
/// none.
fn unlike<'a, N: AsRef<[u8]>>(
    written: &'a [u8],
    grammar: Grammar,
    wanted: &[N],
    work: &mut Work,
) -> Result<Option<&'a [u8]>, TooCostly> {
    work.spend(NAME)?;
    let ends = grammar.ends;
    let mut rest = Decoded {
        text: written,
        ends,
    };
    loop {
        let mut after = rest;
        let Some(byte) = after.next() else {
            return Ok(Some(rest.text));
        };
        if begins_one(byte, wanted) {
            for wanted in wanted {
                if begins_as(rest, wanted.as_ref(), grammar.extent, work)? {
                    return Ok(None);
                }
            }
        }
        if class(byte) & (EDGE | BRACKET) == 0 {
            return Ok(Some(rest.text));
        }
        work.spend(EDGES)?;
        rest = after;
    }
}

/// Each byte at the edge of a name.
const EDGES: usize = 2;

fn begins_as(
    mut written: Decoded<'_>,
    wanted: &[u8],
    extent: Extent,
    work: &mut Work,
) -> Result<bool, TooCostly> {
    for (at, wanted) in wanted.iter().enumerate() {
        let same = written
            .next()
            .is_some_and(|byte| folded(byte) == folded(*wanted));
        if !same {
            work.spend(at)?;
            return Ok(false);
        }
    }
    if extent == Extent::Beginning {
        work.spend(NAME.saturating_add(wanted.len()))?;
        return Ok(true);
    }
    let length = written.text.len();
    let end = written.find(|byte| class(*byte) & EDGE == 0 && *byte != b'"' || *byte == 0);
    work.spend(NAME.saturating_add(length.saturating_sub(written.text.len())))?;
    Ok(end.is_none_or(|byte| byte == 0 || class(byte) & BRACKET != 0))
}

/// A name, whatever is in it, decoded.
pub(super) fn decoded_name(written: &[u8]) -> Vec<u8> {
    let decoded = Decoded {
        text: written,
        ends: 0,
    };
    decoded.collect()
}

/// The bytes of a name, up to what ends it, with `+` as space and its escapes decoded, `%u0061` of
/// older ASP among them.
#[derive(Clone, Copy)]
struct Decoded<'a> {
    text: &'a [u8],
    ends: Class,
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, after) = self.text.split_first()?;
        let class = class(*first);
        if class & self.ends != 0 {
            return None;
        }
        let (byte, rest) = match first {
            _ if class & ESCAPE == 0 => (*first, after),
            b'%' => escape(after).unwrap_or((b'%', after)),
            _ => (b' ', after),
        };
        self.text = rest;
        Some(byte)
    }
}

/// The byte that an escape stands for, and what follows it; any character beyond ASCII is one byte.
fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    let [b'u' | b'U', page @ ..] = digits else {
        return percent::escape(digits);
    };
    let (page, digits) = percent::escape(page)?;
    let (byte, rest) = percent::escape(digits)?;
    Some((if page == 0 { byte } else { u8::MAX }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_alias(written: &[u8], wanted: &[u8]) -> bool {
        let mut work = Work::default();
        let mut search = Search::new(written, Grammar::QUERY, &mut work).unwrap();
        let found = search.next(&[wanted], &mut work).unwrap();
        found.is_some_and(|found| found.name.len() == written.len())
    }

    #[test]
    fn an_alias_is_what_some_reader_takes_for_the_name() {
        for written in [
            "access_token",
            "access.token",
            "access+token",
            "access token",
            "access%20token",
            "access[token",
            "access%5Btoken",
            "%61ccess%5ftoken",
            "%u0061ccess_token",
            "Access_Token",
            "+access_token",
            "%20%09access_token+",
            "access_token[",
            "access_token[]",
            "access_token[a.b]",
            "access_token%5B%5D",
            "access_token]",
            "[access_token]",
            "%5B]access_token",
            "access_token%00x",
            "access_token%20%00x",
            "%E3%80%80access_token%C2%A0",
            "\u{a0}access_token\u{3000}",
            "access_token\"",
            "%u3000access_token",
            "access_token&",
            "access_token;x",
            "access_token#x",
            "access_token=x",
        ] {
            assert!(is_alias(written.as_bytes(), b"access_token"), "{written}");
            assert!(is_alias(written.as_bytes(), b"access.token"), "{written}");
        }
    }

    #[test]
    fn another_name_is_no_alias() {
        for written in [
            "",
            "%",
            "%6",
            "access_toke",
            "access_tokens",
            "xaccess_token",
            "access-token",
            "access__token",
            "accesstoken",
            "access_token.",
            "access_token x",
            "access%255Ftoken",
            "%zzaccess_token",
            "%u00zzccess_token",
            "_access_token",
            "access_token%26x",
            "access_token%3Bx",
            "access_token%23x",
            "access_token%3Dx",
        ] {
            assert!(!is_alias(written.as_bytes(), b"access_token"), "{written}");
        }
    }

    #[test]
    fn names_with_other_marks_have_their_aliases() {
        for (written, wanted) in [
            ("..Host-id", "__Host-id"),
            ("++__Host-id", "__Host-id"),
            ("._Host-id", "__Host-id"),
            ("a[b]", "a[b]"),
            ("a.b]", "a[b]"),
            ("a[b][c]", "a[b]"),
            ("a+b", "a+b"),
            ("%C3%A9t%C3%A9", "été"),
        ] {
            assert!(is_alias(written.as_bytes(), wanted.as_bytes()), "{written}");
        }
        for (written, wanted) in [("a", "a[b]"), ("t", "été"), ("Host-id", "__Host-id")] {
            assert!(
                !is_alias(written.as_bytes(), wanted.as_bytes()),
                "{written}"
            );
        }
    }

    /// All trim white space behind a semicolon; elsewhere in a line it is a part of the name to some.
    #[test]
    fn white_space_behind_a_semicolon_is_no_underscore() {
        for (line, wanted) in [
            (" _Host-id", None),
            ("a=b; _Host-id", None),
            ("a=b;\t _Host-id", None),
            ("a=b; __Host-id", Some("__Host-id")),
            ("a=b, _Host-id", Some(" _Host-id")),
            ("a=b;\" _Host-id", Some(" _Host-id")),
            ("a=b;\"  _Host-id", Some("  _Host-id")),
        ] {
            let mut work = Work::default();
            let mut search = Search::new(line.as_bytes(), Grammar::COOKIES, &mut work).unwrap();
            let found = search.next(&["__Host-id"], &mut work).unwrap();
            assert_eq!(
                found.map(|found| found.name),
                wanted.map(str::as_bytes),
                "{line:?}"
            );
        }
    }

    #[test]
    fn names_that_begin_with_another_letter_cost_their_bytes_alone() {
        let cost = |query: &str| {
            let mut work = Work::default();
            let mut search = Search::new(query.as_bytes(), Grammar::QUERY, &mut work).unwrap();
            assert!(search.next(&["token"], &mut work).unwrap().is_none());
            work.spent()
        };
        assert_eq!(cost("a=1&b=2&c=3"), 11);
        assert_eq!(cost("a=1&t=2&c=3"), 11 + NAME + 1);
        assert_eq!(cost("a=1&%62=2&c=3"), 13 + NAME);
        assert_eq!(cost("a=1&[b=2&c=3"), 12 + NAME + EDGES);
    }
}
