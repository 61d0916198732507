//! What different servers make of the same text.
//!
//! Rules about segments have all readings walked at once (`index/reading.rs`). An expression can be
//! asked about texts only, so for `regex` rules the texts are made here, each once: every
//! structure, and of each structure every spelling. Their number is bounded by the steps, their
//! length by [`Work`].

use super::case::{capital, small};
use super::escape::encode;
use super::{PathCase, RequestPath, UnsafePath};
use crate::percent;
use crate::rules::work::Work;
use std::borrow::Cow;

/// What a byte outside ASCII costs to fold and to spell in both cases: letters are looked up in
/// tables, three times each.
const FOLDED_BYTE: usize = 64;

/// Texts are copied and searched some times faster than they are matched.
const TEXT_BYTES_PER_UNIT: usize = 2;

/// What each text costs however short it is: memory for it, and a place among the others.
const TEXT: usize = 32;

/// The non-empty segments of a literal reading. A trailing slash makes no difference.
pub(in super::super) fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A text folded, so that two texts that differ in letter case only become equal.
///
/// There and back again, since a few letters meet only on the way: `ſ` and `s`, `ẞ` and `ss`,
/// the Kelvin sign and `k`. `İ` is an `i` to Java, Python and Turkish readers; to Rust its small
/// letter is an `i` and a dot above, which other servers may have written that way already.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        // The usual case: one pass, and no copy of what is lower-case already.
        return match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    /// What Rust makes of `İ` after its `i`.
    const DOT_ABOVE: char = '\u{307}';
    let mut folded = String::with_capacity(text.len());
    let mut dotted = false;
    let letters = text.chars();
    for letter in letters.flat_map(small).flat_map(capital).flat_map(small) {
        // Only one: a second dot is a letter of its own.
        dotted = letter == DOT_ABOVE && folded.ends_with('i') && !dotted;
        if !dotted {
            folded.push(letter);
        }
    }
    Cow::Owned(folded)
}

/// How the letters of a text are compared with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Letters {
    /// As they are.
    Exact,
    /// Capital and small letters alike.
    Caseless,
}

/// The steps that servers take before they look at a path as one text. All that look for a `/` come
/// twice: some servers, and proxies before them, look before an escaped one has become one, and
/// some after. An end does so too: what is taken off first may have had one of its own.
const STEPS: [fn(&str) -> Vec<String>; 9] = [
    cut_off,
    without_raw_parameters,
    without_authority,
    cut_off,
    merged,
    with_separators,
    without_parameters,
    without_authority,
    merged,
];

/// The whole path as one text, in every reading of its structure, the literal one first: what a
/// `regex` is asked about.
///
/// A server takes some of the steps, each on the whole path, in this order or in one that makes the
/// same of it. So the texts are all that the steps make of each other's results; a path that has
/// nothing for a step to work on gets no text from it.
///
/// # Errors
/// The texts are longer together than a request may cost.
pub(in super::super) fn texts(
    path: &RequestPath<'_>,
    work: &mut Work,
) -> Result<Vec<String>, UnsafePath> {
    // The literal reading comes first, and is never asked about twice.
    let mut texts = vec![path.literal().to_owned()];
    // Without anything to work on, all steps make the same of it.
    if path.structure().is_some() || path.has_parameters() {
        for step in STEPS {
            add(step, &mut texts, work)?;
        }
    }
    // Always: most routers serve `/a/` as `/a`, or the other way round.
    add(without_trailing_slash, &mut texts, work)?;
    Ok(texts)
}

fn add(
    step: impl Fn(&str) -> Vec<String>,
    texts: &mut Vec<String>,
    work: &mut Work,
) -> Result<(), UnsafePath> {
    // Made of what was there before the step: no step works on its own results.
    let mut made = Vec::new();
    for text in texts.iter() {
        work.spend(text.len() / TEXT_BYTES_PER_UNIT)?;
        made.extend(step(text));
    }
    for text in made {
        work.spend(text.len() / TEXT_BYTES_PER_UNIT)?;
        // Most differ from it in length already.
        work.spend(TEXT.saturating_add(texts.len()))?;
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(())
}

/// Up to the first `?` that was escaped, or the first `#`: some servers know one of them only.
fn cut_off(text: &str) -> Vec<String> {
    let ends = ["%3F", "%23"].into_iter();
    let before = ends.filter_map(|end| text.split_once(end));
    before.map(|(before, _)| before.to_owned()).collect()
}

/// With `%2F`, `%5C` or both as separators.
fn with_separators(text: &str) -> Vec<String> {
    // Each alone, too: Unix servers decode `%2F` and keep `%5C`.
    let slashes = text.replace("%2F", "/");
    let both = slashes.replace("%5C", "/");
    vec![text.replace("%5C", "/"), slashes, both]
}

/// By servers that look for `;parameters` before they decode.
fn without_raw_parameters(text: &str) -> Vec<String> {
    stripped(text, |segment| {
        segment.split(';').next().unwrap_or_default()
    })
}

/// By those that look for them after it. The escape is still there in a literal reading, its hex digits
/// in upper case.
fn without_parameters(text: &str) -> Vec<String> {
    stripped(text, |segment| {
        let mut parts = segment.split(';').flat_map(|part| part.split("%3B"));
        parts.next().unwrap_or_default()
    })
}

/// With the bare names of all segments. Where a segment is nothing but parameters, it may vanish
/// or be kept; where only the last segment's are removed, the others keep theirs.
fn stripped(text: &str, bare: for<'s> fn(&'s str) -> &'s str) -> Vec<String> {
    let named = |segment| match bare(segment) {
        "" => segment,
        name => name,
    };
    let joined = |segments: Vec<&str>| segments.join("/");
    let all = joined(text.split('/').map(bare).collect());
    // Nothing is removed, and three times the same text need not be paid for.
    if all == text {
        return Vec::new();
    }
    // Some frameworks look at the last segment only.
    let (before, last) = text.rsplit_once('/').unwrap_or(("", text));
    vec![
        all,
        joined(text.split('/').map(named).collect()),
        format!("{before}/{}", bare(last)),
    ]
}

/// With single slashes.
fn merged(text: &str) -> Vec<String> {
    // In one pass: `///` becomes one slash, not two.
    let mut merged = String::with_capacity(text.len());
    for character in text.chars() {
        if !(character == '/' && merged.ends_with('/')) {
            merged.push(character);
        }
    }
    vec![merged]
}

/// Without what a reader of URLs takes for the authority: `//host/path`.
fn without_authority(text: &str) -> Vec<String> {
    // `//host/path`, and with more slashes too.
    let after = text
        .strip_prefix("//")
        .map(|text| text.trim_start_matches('/'));
    let path = after.map(
        |after| match after.find('/').and_then(|at| after.get(at..)) {
            Some(path) => path.to_owned(),
            None => "/".to_owned(),
        },
    );
    path.into_iter().collect()
}

fn without_trailing_slash(text: &str) -> Vec<String> {
    let shorter = text.trim_end_matches('/');
    match shorter.is_empty() {
        true => Vec::new(),
        false => vec![shorter.to_owned()],
    }
}

/// One reading of a path's structure as servers may spell it when they come to compare it.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Spellings<'t> {
    text: &'t str,
    /// Decoded, but for the escapes of what separates and ends.
    apart: Cow<'t, str>,
    /// As an expression for such a path is written, what no path has raw escaped; and decoded.
    decoded: Vec<Cow<'t, str>>,
    /// The same with letters folded: the escapes of small letters, those of capital ones, and decoded.
    /// None where letter case distinguishes paths.
    folded: Vec<Cow<'t, str>>,
}

/// Decodes a part of a literal reading, but for the escapes of some bytes.
fn decode_except(literal: &str, kept: &[u8]) -> String {
    let decoded = percent::decoded_except(literal.as_bytes(), kept);
    // Always UTF-8: the whole has been decoded when the path was read.
    String::from_utf8(decoded.into_owned()).unwrap_or_default()
}

impl<'t> Spellings<'t> {
    /// # Errors
    /// They are longer together than a request may cost.
    pub(in super::super) fn new(
        text: &'t str,
        case: PathCase,
        work: &mut Work,
    ) -> Result<Self, UnsafePath> {
        let mut spellings = Self {
            text,
            apart: Cow::Borrowed(text),
            decoded: vec![Cow::Borrowed(text)],
            folded: Vec::new(),
        };
        if text.contains('%') {
            work.spend(text.len().saturating_add(TEXT))?;
            let decoded = decode_except(text, b"");
            // By servers that decode but keep what would change the structure.
            spellings.apart = decode_except(text, b"/\\?#").into();
            spellings.decoded = vec![encode(&decoded).into(), decoded.into()];
        }
        if case == PathCase::Insensitive {
            spellings.folded = match spellings.decoded.get(1) {
                None => vec![Cow::Borrowed(text)],
                Some(decoded) => {
                    // Paid for before it is done, as everything that a path can order.
                    let outside = decoded.bytes().filter(|byte| !byte.is_ascii()).count();
                    work.spend(outside.saturating_mul(FOLDED_BYTE))?;
                    let small = fold(decoded).into_owned();
                    // An expression with `É` in it has `%C3%89`, and no folding of ASCII reaches
                    // that.
                    let capitals: String = small.chars().flat_map(capital).collect();
                    vec![
                        encode(&small).into(),
                        encode(&capitals).into(),
                        small.into(),
                    ]
                }
            };
        }
        Ok(spellings)
    }

    /// The reading itself.
    pub(in super::super) fn text(&self) -> &'t str {
        self.text
    }

    /// The texts of which a chosen expression must match one, if servers tell letters apart; the
    /// decoded one is the last.
    pub(in super::super) fn decoded(&self) -> impl Iterator<Item = &str> {
        self.decoded.iter().map(|text| &**text)
    }

    /// The same if they do not.
    pub(in super::super) fn folded(&self) -> impl Iterator<Item = &str> {
        self.folded.iter().map(|text| &**text)
    }

    /// What servers compare that tell letters apart, each text once.
    pub(in super::super) fn exact(&self) -> Vec<&str> {
        once_each([self.text, &self.apart], &self.decoded)
    }

    /// What servers compare that do not, each text once.
    pub(in super::super) fn caseless(&self) -> Vec<&str> {
        match self.folded.is_empty() {
            true => Vec::new(),
            false => once_each([self.text, &self.apart], &self.folded),
        }
    }
}

fn once_each<'a>(some: [&'a str; 2], more: &'a [Cow<'_, str>]) -> Vec<&'a str> {
    let mut texts = Vec::new();
    for text in some.into_iter().chain(more.iter().map(|text| &**text)) {
        // Where there is nothing to decode they are one text, which is long perhaps.
        let is_known = |known: &&str| std::ptr::eq(*known, text) || *known == text;
        if !texts.iter().any(is_known) {
            texts.push(text);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_meet_in_another_case_are_equal() {
        for (one, other) in [
            ("ADMIN", "admin"),
            ("\u{212a}", "k"),
            ("\u{17f}", "s"),
            ("ẞ", "ß"),
            ("ß", "SS"),
            ("Σ", "ς"),
            ("ı", "I"),
            ("İ", "i"),
            ("admi\u{307}n", "ADMIN"),
            ("ADMİN", "admi\u{307}n"),
            ("ﬁ", "FI"),
            ("É", "é"),
            ("Ω", "\u{2126}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("e"), fold("é"));
        assert_ne!(fold("e"), fold("e\u{307}"));
        assert!(matches!(fold("a-b"), Cow::Borrowed(_)));
    }

    #[track_caller]
    fn read(path: &str, expected: &[&str]) {
        let path = RequestPath::parse(path.as_bytes()).unwrap();
        assert_eq!(texts(&path, &mut Work::default()).unwrap(), expected);
    }

    #[test]
    fn a_text_for_every_reading() {
        read("/a/b", &["/a/b"]);
        read("/a/%c3%a9/", &["/a/%C3%A9/", "/a/%C3%A9"]);
        read("/", &["/"]);
        read("/a%3fb%23c", &["/a%3Fb%23c", "/a", "/a%3Fb"]);
        read(
            "/a%23b%3fc/",
            &["/a%23b%3Fc/", "/a%23b", "/a", "/a%23b%3Fc"],
        );
        // What is taken off has an end of its own.
        read(
            "//h%3f/a%23b",
            &[
                "//h%3F/a%23b",
                "//h",
                "//h%3F/a",
                "/a%23b",
                "/",
                "/a",
                "/h%3F/a%23b",
                "/h",
                "/h%3F/a",
            ],
        );
        read("/a%2fb", &["/a%2Fb", "/a/b"]);
        read(
            "/a%2fb%5Cc",
            &["/a%2Fb%5Cc", "/a%2Fb/c", "/a/b%5Cc", "/a/b/c"],
        );
        read("/a//b", &["/a//b", "/a/b"]);
        read("//a/b", &["//a/b", "/b", "/a/b"]);
        read("//a", &["//a", "/", "/a"]);
        read("/%2fa/b", &["/%2Fa/b", "//a/b", "/b", "/a/b"]);
        // Slashes merged before escaped ones separate, and after.
        read(
            "/a//b%2f%2Fc",
            &[
                "/a//b%2F%2Fc",
                "/a/b%2F%2Fc",
                "/a//b//c",
                "/a/b//c",
                "/a/b/c",
            ],
        );
        read("/a;x/b;y;z/c", &["/a;x/b;y;z/c", "/a/b/c"]);
        read("/a%3Bx/b/", &["/a%3Bx/b/", "/a/b/", "/a%3Bx/b", "/a/b"]);
        read(
            "/a;x/;y",
            &["/a;x/;y", "/a/", "/a/;y", "/a;x/", "/a", "/a;x"],
        );
        read("/a;x%2Fy/b", &["/a;x%2Fy/b", "/a/b", "/a;x/y/b", "/a/y/b"]);
    }

    #[test]
    fn a_text_costs_its_length_where_it_is_read_and_where_it_is_made() {
        let cost = |length: usize| {
            let path = format!("/{}", "a".repeat(length - 1));
            let path = RequestPath::parse(path.as_bytes()).unwrap();
            let mut work = Work::default();
            texts(&path, &mut work).unwrap();
            work.spent()
        };
        // One is made, and held against one.
        assert_eq!(cost(100), 50 + 50 + TEXT + 1);
        assert_eq!(cost(1000), 500 + 500 + TEXT + 1);
    }

    #[test]
    fn texts_that_cost_too_much_are_refused() {
        let path = format!("/{}", "%2F%5C;a//".repeat(700));
        let path = RequestPath::parse(path.as_bytes()).unwrap();
        let refused = texts(&path, &mut Work::default());
        assert_eq!(refused, Err(UnsafePath::TooCostly));
    }

    #[test]
    fn a_spelling_for_every_server() {
        let spelled = |text, case| Spellings::new(text, case, &mut Work::default()).unwrap();
        let plain = spelled("/A", PathCase::Insensitive);
        assert_eq!((plain.exact(), plain.caseless()), (vec!["/A"], vec!["/A"]));
        let plain = spelled("/A", PathCase::Sensitive);
        assert_eq!((plain.exact(), plain.caseless()), (vec!["/A"], vec![]));
        let escaped = spelled("/%C3%89%21%2F", PathCase::Insensitive);
        assert_eq!(
            escaped.exact(),
            ["/%C3%89%21%2F", "/É!%2F", "/%C3%89!/", "/É!/"]
        );
        assert_eq!(
            escaped.caseless(),
            ["/%C3%89%21%2F", "/É!%2F", "/%C3%A9!/", "/%C3%89!/", "/é!/"]
        );
    }
}
