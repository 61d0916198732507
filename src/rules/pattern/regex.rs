//! `regex` rules.

use super::InvalidPattern;
use regex_lite::{Regex, RegexBuilder};

/// The largest compiled `regex`, in bytes. Matching costs up to its size times the length of the
/// path: counted repetitions such as `(a{500}){500}` are what this stops.
const MAX_REGEX_BYTES: usize = 128 * 1024;

/// An expression that the whole path must match.
#[derive(Clone, Debug)]
pub struct PathRegex {
    expression: String,
    exact: Regex,
    caseless: Regex,
}

impl PathRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, is too large, or has what would keep it from being compared in every reading.
    pub fn new(expression: &str) -> Result<Self, InvalidPattern> {
        if expression.is_empty() {
            return Err(InvalidPattern::EmptyRegex);
        }
        if !expression.is_ascii() {
            return Err(InvalidPattern::RegexOutsideAscii(expression.to_owned()));
        }
        if turns_case_folding_off(expression) {
            return Err(InvalidPattern::RegexCaseFlag(expression.to_owned()));
        }
        let failed = |error: regex_lite::Error| InvalidPattern::RegexSyntax {
            found: expression.to_owned(),
            cause: error.to_string(),
        };
        // On its own first: `a)|(?:b` must not become valid by the group that is put around it.
        build(expression, Letters::Exact).map_err(failed)?;
        // The group keeps `|` inside the anchors, and flags such as `(?m)` away from them. Without
        // `m`, `$` is the very end: a trailing newline does not match. Only an `(?x)` comment could
        // swallow the closing half, and then the group is unclosed: an error.
        let anchored = format!("^(?:{expression})$");
        Ok(Self {
            expression: expression.to_owned(),
            exact: build(&anchored, Letters::Exact).map_err(failed)?,
            caseless: build(&anchored, Letters::Caseless).map_err(failed)?,
        })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    pub(in super::super) fn matches(&self, path: &str) -> bool {
        self.exact.is_match(path)
    }

    pub(in super::super) fn matches_caseless(&self, path: &str) -> bool {
        self.caseless.is_match(path)
    }
}

enum Letters {
    Exact,
    Caseless,
}

fn build(expression: &str, letters: Letters) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(expression)
        .size_limit(MAX_REGEX_BYTES)
        .case_insensitive(matches!(letters, Letters::Caseless))
        .build()
}

/// Whether there is a flag group such as `(?-i)` or `(?m-is:`. In a character class those are plain
/// characters, but a class can write them in any other order.
fn turns_case_folding_off(expression: &str) -> bool {
    let mut rest = expression;
    while let Some(at) = rest.find(['\\', '(']) {
        let (_, found) = rest.split_at(at);
        let mut after = found.chars();
        if after.next() == Some('\\') {
            // An escaped parenthesis opens nothing.
            after.next();
            rest = after.as_str();
            continue;
        }
        rest = after.as_str();
        if let Some(flags) = rest.strip_prefix('?') {
            let flags = flags.split([':', ')', '<', '>']).next().unwrap_or(flags);
            if flags
                .split_once('-')
                .is_some_and(|(_, off)| off.contains('i'))
            {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn regex(expression: &str) -> PathRegex {
        PathRegex::new(expression).unwrap()
    }

    #[test]
    fn is_anchored_at_both_ends() {
        for expression in [
            "/a|/b",
            "(/a|/b)",
            "^/a$|^/b$",
            "(?m)/a|/b",
            "(?x) /a | /b",
            "(?s)/a|/b",
        ] {
            let regex = regex(expression);
            for path in ["/a", "/b"] {
                assert!(regex.matches(path), "{expression} {path}");
            }
            for path in ["/a/b", "/ab", "x/a", "/b\n", "\n/b", "/a\nx", "/a\n/b", ""] {
                assert!(!regex.matches(path), "{expression} {path:?}");
                assert!(!regex.matches_caseless(path), "{expression} {path:?}");
            }
        }
    }

    #[test]
    fn ignores_case_when_asked_to() {
        assert!(!regex("/Admin").matches("/admin"));
        assert!(regex("/Admin").matches_caseless("/admin"));
        assert!(regex("(?i)/Admin").matches("/admin"));
    }

    #[track_caller]
    fn refuses(expression: &str, text: &str) {
        assert_eq!(PathRegex::new(expression).unwrap_err().to_string(), text);
    }

    #[test]
    fn refuses_what_cannot_be_compared() {
        refuses("", "found an empty regex; expected one that matches a path");
        refuses(
            "/caf\u{e9}",
            "found \"/café\"; expected ASCII: a path shows other characters percent-encoded",
        );
        for expression in ["(?-i)/a", "/a(?-i:b)", "(?m-is)/a", "\\\\(?-i)/a"] {
            assert_eq!(
                PathRegex::new(expression).unwrap_err(),
                InvalidPattern::RegexCaseFlag(expression.to_owned())
            );
        }
        refuses(
            "(?-i)/a",
            "found \"(?-i)/a\"; expected no flag that turns \"i\" off: set path_case instead",
        );
        for twin in [
            "(?i)/a",
            "/a(?i:b)",
            "(?-m)/a",
            "/\\(?-i",
            "/(?P<i>a)-i",
            "/(?:a-i)",
        ] {
            regex(twin);
        }
    }

    #[test]
    fn refuses_what_does_not_stand_alone() {
        for expression in [
            "/a)|(?:/b",
            "/a(",
            "(?x)/a # comment",
            "(?x)/a #)|(?:.*",
            "[",
            "*a",
        ] {
            assert!(
                matches!(
                    PathRegex::new(expression),
                    Err(InvalidPattern::RegexSyntax { .. })
                ),
                "{expression}"
            );
        }
        refuses(
            "/a(",
            "found \"/a(\"; expected a regular expression: found open group without closing \
             ')'",
        );
    }

    #[test]
    fn refuses_what_is_too_large() {
        assert!(matches!(
            PathRegex::new("(a{500}){500}"),
            Err(InvalidPattern::RegexSyntax { .. })
        ));
        regex("/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
    }
}
