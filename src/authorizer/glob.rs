//! Texts with wildcards, as IAM compares them: `*` is any number of characters, `/` among them, and
//! `?` is one.

use crate::percent;
use crate::rules::path::fold;
use crate::rules::work::Work;
use crate::work::TooCostly;

/// The longest one, in characters: what API Gateway takes of each resource in a policy.
pub const MAX_GLOB_CHARACTERS: usize = 512;

/// Bytes that are compared at once cost so much less than a step.
const BYTES_PER_UNIT: usize = 4;

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    exact: Pattern,
    folded: Pattern,
}

impl Glob {
    /// `None` if it is longer than [`MAX_GLOB_CHARACTERS`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (text.chars().count() <= MAX_GLOB_CHARACTERS).then(|| Self {
            exact: Pattern::new(text.to_owned()),
            folded: Pattern::new(fold(text).into_owned()),
        })
    }

    /// The same with its escapes decoded, if it has any and is UTF-8 then. Those of `*` and `?` stay:
    /// decoded they would be wildcards.
    pub(super) fn unescaped(&self) -> Option<Self> {
        let text = &*self.exact.text;
        let unescaped = percent::decoded_except(text.as_bytes(), b"*?");
        let unescaped = std::str::from_utf8(&unescaped).ok()?;
        (unescaped != text).then(|| Self::new(unescaped))?
    }

    /// How many bytes it has allocated.
    pub(super) fn bytes(&self) -> usize {
        let patterns = [&self.exact, &self.folded].map(|pattern| pattern.text.len());
        patterns.into_iter().fold(0, usize::saturating_add)
    }

    /// Whether a text matches, letters compared as they are.
    ///
    /// # Errors
    /// No work is left.
    pub fn matches(&self, text: &str, work: &mut Work) -> Result<bool, TooCostly> {
        self.exact.matches(text.as_bytes(), work)
    }

    /// Whether a folded text matches.
    ///
    /// # Errors
    /// No work is left.
    pub fn matches_folded(&self, folded: &str, work: &mut Work) -> Result<bool, TooCostly> {
        self.folded.matches(folded.as_bytes(), work)
    }
}

/// A text with wildcards, as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: Box<str>,
    /// How many bytes stand before the first wildcard.
    beginning: usize,
}

impl Pattern {
    fn new(text: String) -> Self {
        Self {
            beginning: literal(text.as_bytes()).len(),
            text: text.into(),
        }
    }

    fn matches(&self, text: &[u8], work: &mut Work) -> Result<bool, TooCostly> {
        work.spend(1)?;
        let split = self.text.as_bytes().split_at_checked(self.beginning);
        let (beginning, pattern) = split.unwrap_or_default();
        let Some((begins, rest)) = text.split_at_checked(self.beginning) else {
            return Ok(false);
        };
        // From its end: all resources of an API begin alike.
        let pairs = beginning.iter().rev().zip(begins.iter().rev());
        let alike = pairs.take_while(|(wanted, found)| wanted == found).count();
        work.spend(alike / BYTES_PER_UNIT)?;
        if alike < self.beginning {
            return Ok(false);
        }
        goes_on(pattern, rest, work)
    }
}

/// Of several places where what follows a `*` could begin, the first leaves most for what comes
/// after: so only the last `*` that was met is ever asked for another one, and a text costs at most
/// its length for each character between two of them.
fn goes_on(mut pattern: &[u8], mut text: &[u8], work: &mut Work) -> Result<bool, TooCostly> {
    // What follows the last `*`, and from where it has not been looked for.
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        work.spend(1)?;
        match (pattern.split_first(), text.split_first()) {
            (None, None) => return Ok(true),
            (Some((b'*', after)), _) => {
                let next = literal(after);
                work.spend(units(next))?;
                // Nothing but text is left, which stands at the end or nowhere.
                if next.len() == after.len() {
                    return Ok(text.ends_with(next));
                }
                last = Some((after, text));
                pattern = after;
            }
            (Some((b'?', after)), Some((_, rest))) => {
                pattern = after;
                text = from_character(rest);
            }
            (Some((wanted, after)), Some((found, rest))) if wanted == found => {
                pattern = after;
                text = rest;
            }
            _ => {
                let Some((after, [_, rest @ ..])) = last else {
                    return Ok(false);
                };
                let next = match literal(after).first() {
                    Some(first) => rest.iter().position(|byte| byte == first),
                    None => Some(0),
                };
                let (passed, rest) = rest.split_at(next.unwrap_or(rest.len()));
                work.spend(units(passed))?;
                last = Some((after, rest));
                pattern = after;
                text = rest;
            }
        }
    }
}

/// What stands before the first wildcard.
fn literal(pattern: &[u8]) -> &[u8] {
    let mut parts = pattern.split(|byte| matches!(byte, b'*' | b'?'));
    parts.next().unwrap_or_default()
}

const fn units(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(BYTES_PER_UNIT)
}

/// From the first byte of UTF-8 that begins a character.
fn from_character(text: &[u8]) -> &[u8] {
    let continues = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let begin = text.iter().position(|byte| !continues(byte));
    text.get(begin.unwrap_or(text.len())..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let glob = Glob::new(pattern).unwrap();
        glob.matches(text, &mut Work::default()).unwrap()
    }

    #[test]
    fn wildcards_stand_for_characters_and_slashes() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "a/b:c"),
            ("**", ""),
            ("a", "a"),
            ("a*", "a"),
            ("a*", "a/b"),
            ("*a", "a"),
            ("*a", "ba"),
            ("*a*", "bab"),
            ("a*b*c", "abc"),
            ("a*b*c", "axbxbxc"),
            ("a*bc*d", "abbcbcd"),
            ("?", "a"),
            ("?", "/"),
            ("?", "é"),
            ("a?", "a€"),
            ("?*", "a"),
            ("*?", "a"),
            ("*?", "abé"),
            ("*??", "éé"),
            ("?b?", "abc"),
            ("*?b", "ab"),
            ("*a?c*", "xabxabcx"),
            ("*é", "aéé"),
            ("*ab", "aab"),
            ("*ab*", "aaabb"),
            ("*aab", "aaab"),
            ("*a*b?", "aabbc"),
            // The text's own are characters as any other.
            ("a?b", "a*b"),
            ("a*b", "a?b"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a", "A"),
            ("a", "ab"),
            ("ab", "a"),
            ("a*", "ba"),
            ("*a", "ab"),
            ("?", ""),
            ("?", "ab"),
            ("??", "é"),
            ("*??", "é"),
            ("*??", "€"),
            ("?*?", "é"),
            ("?a", "a"),
            ("a?", "a"),
            ("a*b", "abc"),
            ("a*b*c", "acb"),
            ("*ab*", "acb"),
            ("*aba", "abab"),
            ("a*a", "a"),
            ("*a?", "a"),
            ("*a?b*", "ab"),
            ("é", "\u{e8}"),
            ("a\\*b", "a*b"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn folded_letters_of_both_are_equal() {
        let glob = Glob::new("/ADMIN/É*").unwrap();
        let matches = |text: &str| {
            let folded = fold(text).into_owned();
            glob.matches_folded(&folded, &mut Work::default()).unwrap()
        };
        assert!(matches("/admin/é/x") && matches("/Admin/É"));
        assert!(!matches("/admin/e"));
    }

    #[test]
    fn a_glob_has_at_most_512_characters() {
        let longest = "é".repeat(MAX_GLOB_CHARACTERS);
        assert!(Glob::new(&longest).is_some());
        assert!(Glob::new(&format!("{longest}é")).is_none());
    }

    #[track_caller]
    fn costs(pattern: &str, text: &str, expected: usize) {
        let mut work = Work::default();
        let glob = Glob::new(pattern).unwrap();
        glob.matches(text, &mut work).unwrap();
        assert_eq!(work.spent(), expected, "{pattern} {text}");
    }

    #[test]
    fn what_is_compared_is_paid_for() {
        // Four bytes at once; one step to begin, and one to see that nothing is left.
        costs("a", "a", 2);
        costs(&"a".repeat(80), &"a".repeat(80), 22);
        costs(&"a".repeat(83), &"a".repeat(83), 22);
        costs(&"a".repeat(84), &"a".repeat(84), 23);
        // Where beginnings differ at their end, that is all.
        costs(&format!("{}b", "a".repeat(80)), &"a".repeat(81), 1);
        costs(&format!("b{}", "a".repeat(80)), &"a".repeat(81), 21);
        costs("ab", "a", 1);
        // What ends as the text: the end.
        costs(&format!("*{}", "a".repeat(16)), &"a".repeat(80), 6);
        // One character after the other.
        costs("?????", "abcde", 7);
        // Places that do not begin as what follows a `*` are passed over at once.
        costs("*b?", &format!("{}bc", "a".repeat(80)), 27);
        // Places that do are all tried.
        costs("*ab?", &"a".repeat(8), 20);
    }

    #[test]
    fn what_costs_too_much_is_not_compared_to_the_end() {
        let pattern = format!("*{}?", "a".repeat(250));
        let glob = Glob::new(&pattern).unwrap();
        let text = format!("{}b", "a".repeat(250));
        let mut work = Work::default();
        assert_eq!(glob.matches(&text, &mut work), Ok(true));
        let text = format!("{}b", "a".repeat(249)).repeat(6);
        assert_eq!(glob.matches(&text, &mut work), Err(TooCostly));
    }
}
