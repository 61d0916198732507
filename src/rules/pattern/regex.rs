//! `regex` rules.
//!
//! An expression is the author's, and the text that it is run on is a stranger's. Matching takes
//! linear time in either engine, but that is not enough: the general engine takes a tenth of a
//! microsecond for each byte, and a path has up to some twenty readings. So plain expressions
//! become tables, which are forty times faster, and what either engine does is counted.

mod syntax;
mod table;

use super::super::path::{Letters, UnsafePath};
use super::super::work::{RUN, Work};
use super::InvalidPattern;
use regex_lite::{Regex, RegexBuilder};
use table::Table;

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

#[derive(Clone, Debug)]
enum Engine {
    Table(Table),
    General(Regex),
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
        // On its own first: `a)|(?:b` must not become valid by the group that is put around it.
        build(expression, Letters::Exact).map_err(failed)?;
        // Two engines, since to fold the text is not enough: `[A-Z]` matches nothing that is
        // folded.
        let exact = Engine::new(expression, Letters::Exact).map_err(failed)?;
        let caseless = Engine::new(expression, Letters::Caseless).map_err(failed)?;
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

impl Engine {
    fn new(expression: &str, letters: Letters) -> Result<Self, regex_lite::Error> {
        let table = syntax::read(expression, letters).and_then(|read| Table::new(&read));
        if let Some(table) = table {
            return Ok(Self::Table(table));
        }
        // The group keeps `|` inside the anchors, and flags such as `(?m)` away from them. Without
        // `m`, `$` is the very end: a trailing newline does not match. Only an `(?x)` comment could
        // swallow the closing half, and then the group is unclosed: an error.
        build(&format!("^(?:{expression})$"), letters).map(Self::General)
    }
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
#[allow(clippy::arithmetic_side_effects)]
#[path = "../../../tests/harness/seed.rs"]
mod seed;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::seed::Seed;
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

    /// Each operator of the syntax, on every short text.
    #[test]
    fn what_is_plain_means_in_a_table_what_it_means_elsewhere() {
        // What two alternatives share is one step of one state.
        let shared = syntax::read("(a|b|b)/", Letters::Exact).unwrap();
        let once = syntax::read("(a|b)/", Letters::Exact).unwrap();
        assert_eq!(Table::new(&shared), Table::new(&once));

        let characters = ["/", "a", "A", "b", "_", "0", " ", "-", "]", "é", "\n"];
        let mut texts: Vec<String> = characters.map(str::to_owned).into();
        for begin in 0.. {
            let Some(text) = texts.get(begin).filter(|text| text.chars().count() < 3) else {
                break;
            };
            let longer = characters.map(|character| format!("{text}{character}"));
            texts.extend(longer);
        }
        for expression in [
            "/a|b",
            "^/a$",
            "/a^b",
            "/a$b",
            "(^/|a)b",
            "(/|a$)b?",
            "(/|a$|b$)_?",
            "(?P<a>/)b",
            "(?:/)a",
            "(?i:a)b",
            "(?i)ab",
            "(a(?i)b)a",
            "(?:a(?i:b)|/)a",
            "a*",
            "a+b",
            "/?a",
            "/a*?",
            "/a??b",
            "[ab]{2}",
            "a{1,}",
            "a{2,}?",
            "a{0,1}b",
            "a{1,2}",
            "(ab|/){1,2}",
            "(a|/|b?)*",
            "(a*)*b",
            "[ab]",
            "[^ab]",
            "[a-b/]",
            "[-a]",
            "[a-]",
            "[^-a]",
            "[\\d]",
            "[\\d-]",
            "[\\W_]",
            "[^\\s]",
            "[\\]a]",
            "[a\\-b]",
            "[ -/]",
            "[+-\\-]",
            "[^^]",
            "(?i)[A-Z]",
            "(?i)[^a]",
            "\\d",
            "\\D",
            "\\w",
            "\\W",
            "\\s",
            "\\S",
            ".",
            "..",
            "\\.",
            "\\/a",
            "\\]",
        ] {
            for letters in [Letters::Exact, Letters::Caseless] {
                let general = build(&format!("^(?:{expression})$"), letters).unwrap();
                let read = syntax::read(expression, letters).expect(expression);
                let table = Table::new(&read).expect(expression);
                for text in &texts {
                    let (is_match, _) = table.matches(text);
                    assert_eq!(is_match, general.is_match(text), "{expression} {text:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_not_read() {
        let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        let (deepest, deeper) = (nested(32), nested(33));
        for (expression, twin) in [
            ("[]a]", "[\\]a]"),
            ("[^]a]", "[^\\]a]"),
            ("[a[b]", "[a\\[b]"),
            ("[a&&b]", "[a\\&b]"),
            ("[--a]", "[-a]"),
            ("[ab-d-f]", "[ab-df-]"),
            ("[a-\\d]", "[a\\d]"),
            ("[a-[b]]", "[a-b]"),
            ("[a", "[a]"),
            ("a\\b", "a\\."),
            ("\\x61", "\\d61"),
            ("\\<a", "\\/a"),
            ("a\\", "a\\\\"),
            ("(?s).", "(?i)."),
            ("(?s:.)", "(?i:.)"),
            ("(?i)*a", "(?i)a*"),
            ("(?i){2}", "(?i)2"),
            ("(?P=a)", "(?P<a>)"),
            ("(?P<a", "(?P<a>a)"),
            ("(a", "(a)"),
            ("a)", "a"),
            ("*a", "a*"),
            ("a|+", "a|b+"),
            ("^*", "^a*"),
            ("a$?", "a?$"),
            ("a{2", "a{2}"),
            ("a{2,1}", "a{2,2}"),
            ("a{2,3", "a{2,3}"),
            ("a{,2}", "a{0,2}"),
            ("a{2,x}", "a{2,}"),
            ("a{4294967296}", "a{4294967295}"),
            (&deeper, &deepest),
        ] {
            assert_eq!(syntax::read(expression, Letters::Exact), None);
            let read = syntax::read(twin, Letters::Exact);
            assert!(read.is_some(), "{twin}");
        }
    }

    /// Both limits: of steps, and of places where an expression tells eight kinds of characters apart.
    #[test]
    fn what_makes_a_large_table_is_left_to_the_general_engine() {
        for (expression, fits) in [
            ("a{2047}", true),
            ("a{2048}", false),
            ("abcdefga{2039}", true),
            ("abcdefga{2040}", false),
        ] {
            let read = syntax::read(expression, Letters::Exact).unwrap();
            assert_eq!(Table::new(&read).is_some(), fits, "{expression}");
        }
    }

    fn random_expression(random: &mut Seed, depth: usize) -> String {
        let one = |random: &mut Seed| {
            let pieces = [
                "/", "a", "b", "A", "z", ".", "\\.", "\\d", "\\W", "\\s", "[^/]", "[a-c]",
                "[^A-Z]", "[\\w.-]", "[-a]", "[^\\d]", "%2F", "^", "$", "\\/",
            ];
            random.pick(&pieces).to_owned()
        };
        let mut all = String::new();
        for _ in 0..=random.below(3) {
            let piece = match random.below(4) {
                0 if depth > 0 => {
                    let open = random
                        .pick(&["(", "(?:", "(?P<n>", "(?i:", "((?i)"])
                        .replace('n', &format!("n{depth}"));
                    format!("{open}{})", random_expression(random, depth - 1))
                }
                1 if depth > 0 => {
                    let (one, other) = (
                        random_expression(random, depth - 1),
                        random_expression(random, 0),
                    );
                    format!("(?:{one}|{other})")
                }
                _ => one(random),
            };
            let often = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"];
            let often = match piece.as_str() {
                "^" | "$" => "",
                _ => random.pick(&often),
            };
            all.push_str(&piece);
            all.push_str(often);
        }
        all
    }

    /// The table and the general engine agree.
    #[test]
    fn tables_match_what_expressions_match() {
        let mut random = Seed::from_variable("REGEX_SEED");
        let (mut matched, mut failed, mut refused) = (0, 0, 0);
        for _ in 0..500 {
            let expression = random_expression(&mut random, 2);
            for letters in [Letters::Exact, Letters::Caseless] {
                let Ok(general) = build(&format!("^(?:{expression})$"), letters) else {
                    refused += 1;
                    continue;
                };
                let read = syntax::read(&expression, letters).expect(&expression);
                let Some(table) = Table::new(&read) else {
                    refused += 1;
                    continue;
                };
                for _ in 0..40 {
                    let characters = ["/", "a", "b", "A", "Z", "z", "0", ".", "-", "%2F", "é", " "];
                    let text: String = (0..=random.below(7))
                        .map(|_| random.pick(&characters))
                        .collect();
                    let (is_match, _) = table.matches(&text);
                    assert_eq!(is_match, general.is_match(&text), "{expression} {text:?}");
                    if is_match {
                        matched += 1;
                    } else {
                        failed += 1;
                    }
                }
            }
        }
        assert!(
            matched > 1_000 && failed > 5_000 && refused < 300,
            "{matched} {failed} {refused}"
        );
    }
}
