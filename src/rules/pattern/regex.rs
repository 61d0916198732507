//! `regex` rules.
//!
//! Whoever asks for a path chooses the text that they are run on, so what that costs is counted.

use super::super::expression::Engine;
use super::super::path::{Letters, UnsafePath};
use super::super::work::{RUN, Work};
use super::InvalidPattern;

/// The largest compiled `regex`, in bytes. Matching costs up to its size times the length of the
/// path: counted repetitions such as `(a{500}){500}` are what this stops.
const MAX_REGEX_BYTES: usize = 128 * 1024;

/// What a byte costs in the general engine, where it costs 1 in a table.
const GENERAL_BYTE: usize = 48;

/// An expression that the whole path must match.
#[derive(Clone, Debug)]
pub struct PathRegex {
    /// For messages, and to see whether two rules have the same.
    expression: String,
    exact: Engine,
    /// `None` if letter case makes no difference to the expression.
    caseless: Option<Engine>,
}

impl PathRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, is too large, or has what would keep it from being compared in every reading. Or
    /// it can be seen never to match a path: in its table nothing follows a first `/`. Expressions
    /// without a table are not looked at so closely.
    pub fn new(expression: &str) -> Result<Self, InvalidPattern> {
        if expression.is_empty() {
            return Err(InvalidPattern::EmptyRegex);
        }
        // A literal reading is ASCII. An `é` in an expression would never match, silently.
        if !expression.is_ascii() {
            return Err(InvalidPattern::RegexOutsideAscii(expression.to_owned()));
        }
        // One of the readings is compared without regard to case. An expression that forbade that
        // would have a hole in that reading.
        if turns_case_folding_off(expression) {
            return Err(InvalidPattern::RegexCaseFlag(expression.to_owned()));
        }
        let failed = |error: regex_lite::Error| InvalidPattern::RegexSyntax {
            found: expression.to_owned(),
            cause: error.to_string(),
        };
        // Two engines, since to fold the text is not enough: `[A-Z]` matches nothing that is
        // folded.
        let exact = Engine::new(expression, Letters::Exact, MAX_REGEX_BYTES).map_err(failed)?;
        let caseless =
            Engine::new(expression, Letters::Caseless, MAX_REGEX_BYTES).map_err(failed)?;
        if let Engine::Table(table) = &exact
            // `admin.*` for `/admin.*` is the usual mistake, and it would leave a door open.
            && !table.may_begin_with(b'/')
        {
            return Err(InvalidPattern::RegexNotAbsolute(expression.to_owned()));
        }
        // Digits and slashes have no case, and then one engine serves both.
        let differs = match (&exact, &caseless) {
            (Engine::Table(exact), Engine::Table(caseless)) => exact != caseless,
            _ => true,
        };
        Ok(Self {
            expression: expression.to_owned(),
            exact,
            caseless: differs.then_some(caseless),
        })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// Whether it may be written for paths with escapes in them.
    pub(in super::super) fn has_escapes(&self) -> bool {
        self.expression.contains('%')
    }

    /// Whether it is plain enough to have become a table. A byte costs a multiple under others, so that
    /// the paths that a request may have are shorter.
    #[must_use]
    pub const fn is_table(&self) -> bool {
        let exact = matches!(self.exact, Engine::Table(_));
        exact && !matches!(self.caseless, Some(Engine::General(_)))
    }

    /// Whether the expression matches a text.
    ///
    /// # Errors
    /// To find out would cost more than a request may cost.
    pub(in super::super) fn matches(
        &self,
        text: &str,
        letters: Letters,
        work: &mut Work,
    ) -> Result<bool, UnsafePath> {
        let engine = match letters {
            Letters::Exact => &self.exact,
            Letters::Caseless => self.caseless.as_ref().unwrap_or(&self.exact),
        };
        match engine {
            Engine::Table(table) => {
                let (matches, bytes) = table.matches(text);
                // What it has cost: most texts fail at their first bytes.
                work.spend(RUN.saturating_add(bytes))?;
                Ok(matches)
            }
            Engine::General(regex) => {
                // Before it is run: what it costs is not known afterwards.
                work.spend(RUN.saturating_add(text.len().saturating_mul(GENERAL_BYTE)))?;
                Ok(regex.is_match(text))
            }
        }
    }
}

/// Whether there is a flag group such as `(?-i)` or `(?m-is:`. In a character class those are plain
/// characters, but a class can write them in any other order.
fn turns_case_folding_off(expression: &str) -> bool {
    // No parser: it may refuse an expression that is harmless, but misses none.
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

    impl PathRegex {
        fn is(&self, text: &str, letters: Letters) -> bool {
            self.matches(text, letters, &mut Work::default()).unwrap()
        }
    }

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
                assert!(regex.is(path, Letters::Exact), "{expression} {path}");
            }
            for path in ["/a/b", "/ab", "x/a", "/b\n", "\n/b", "/a\nx", "/a\n/b", ""] {
                assert!(!regex.is(path, Letters::Exact), "{expression} {path:?}");
                assert!(!regex.is(path, Letters::Caseless), "{expression} {path:?}");
            }
        }
    }

    #[test]
    fn ignores_case_when_asked_to() {
        assert!(!regex("/Admin").is("/admin", Letters::Exact));
        assert!(regex("/Admin").is("/admin", Letters::Caseless));
        assert!(regex("(?i)/Admin").is("/admin", Letters::Exact));
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

    #[test]
    fn refuses_what_no_path_matches() {
        for expression in [
            "admin.*",
            "[a-z]+",
            "^users/[0-9]+",
            "(a|b)/c",
            "\\w*",
            "(?:x)?y",
        ] {
            refuses(
                expression,
                &format!(
                    "found {expression:?}; expected a regex for paths, which begin with \"/\""
                ),
            );
        }
        for twin in [
            "/admin.*", ".*admin", "[^a-z]+", "^/users", "(a|/b)/c", "\\W*", "x?/y",
        ] {
            regex(twin);
        }
    }

    #[test]
    fn what_people_write_makes_a_table() {
        for expression in [
            "/v[0-9]+/reports/[^/]+",
            "/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/?",
            "^/(?:users|groups)/(?P<id>\\d+)(/.*)?$",
            "/files/[\\w.-]{1,64}\\.(js|css|png)",
            "/.{0,255}",
            "(?i)/v[0-9]+/Users",
            "/(?i:a|B)c",
        ] {
            let regex = regex(expression);
            assert!(matches!(regex.exact, Engine::Table(_)), "{expression}");
        }
        for expression in [
            "(?s)/a",
            "/a\\b.*",
            "/a\\>.*",
            "/[--9]",
            "/[[:alpha:]]",
            "/[ab]*a[ab]{12}",
        ] {
            let regex = regex(expression);
            assert!(matches!(regex.exact, Engine::General(_)), "{expression}");
        }
        assert!(regex("/[0-9]+").caseless.is_none());
        assert!(regex("/[a-z]+").caseless.is_some());
        assert!(regex("(?i)/[a-z]+").caseless.is_none());
    }

    #[test]
    fn what_only_looks_plain_means_what_it_means_elsewhere() {
        for (expression, matches, twin) in [
            ("/a\\>.*", "/a/b", "/ab"),
            ("/.*\\<a", "/b/a", "/ba"),
            ("/[--9]", "/-", "/5"),
            ("/[^--9]", "/5", "/-"),
        ] {
            let regex = regex(expression);
            assert!(regex.is(matches, Letters::Exact), "{expression}");
            assert!(!regex.is(twin, Letters::Exact), "{expression}");
        }
    }
}
