use super::*;
use seed::Seed;

#[path = "../../../tests/harness/seed.rs"]
mod seed;

fn general(expression: &str, letters: Letters) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(&format!("^(?:{expression})$"))
        .case_insensitive(matches!(letters, Letters::Caseless))
        .build()
}

#[track_caller]
fn refuses(expression: &str, text: &str) {
    assert_eq!(Expression::new(expression).unwrap_err().to_string(), text);
}

#[test]
fn matches_a_text_from_its_first_to_its_last_byte() {
    for expression in [
        "a|b",
        "^(a|b)$",
        "(?m)a|b",
        "(?m)^a$|b",
        "(?s)a|b",
        "(?x) a | b",
        "[ab]",
        "\\b(a|b)",
    ] {
        let expression = Expression::new(expression).unwrap();
        for text in ["a", "b"] {
            assert!(expression.matches(text), "{expression:?}");
        }
        for text in ["", "ab", "xa", "b\n", "\nb", "a\nx", "A"] {
            assert!(!expression.matches(text), "{expression:?} {text:?}");
        }
    }
    let word = Expression::new("[a-zé]+@müller\\.de").unwrap();
    assert!(word.matches("josé@müller.de"));
    assert!(!word.matches("josè@müller.de"));
    assert!(Expression::new("é?.").unwrap().matches("山"));
}

#[test]
fn refuses_what_is_no_expression_about_a_claim() {
    refuses(
        "",
        "found an empty regex; expected one that matches the whole claim",
    );
    refuses(
        "a(",
        "found \"a(\"; expected a regular expression: found open group without closing ')'",
    );
    for expression in [
        "a)|(?:b",
        "a)|(b",
        "(?x)a # comment",
        "a\\",
        "[",
        "(?",
        "(?#)",
        "(a{500}){500}",
    ] {
        let refused = Expression::new(expression).unwrap_err();
        assert!(
            matches!(refused, InvalidExpression::Syntax { .. }),
            "{expression}"
        );
    }
    let longest = "a".repeat(MAX_EXPRESSION_BYTES);
    assert!(Expression::new(&longest).unwrap().matches(&longest));
    refuses(
        &format!("{longest}a"),
        "found 1025 bytes; expected at most 1024",
    );
}

#[test]
fn what_is_written_alike_is_one_expression() {
    let one = |expression| Expression::new(expression).unwrap();
    assert_eq!(one("a"), one("a"));
    assert_ne!(one("a"), one("[a]"));
    assert_eq!(one("a.b").as_str(), "a.b");
}

/// Each operator of the syntax, on every short text.
#[test]
fn what_is_plain_means_in_a_table_what_it_means_elsewhere() {
    // What two alternatives share is one step of one state.
    let shared = syntax::read("(a|b|b)/", Letters::Exact).unwrap();
    let once = syntax::read("(a|b)/", Letters::Exact).unwrap();
    assert_eq!(Table::new(&shared), Table::new(&once));

    let characters = ["/", "a", "A", "b", "_", "0", " ", "-", "]", "é", "\n"];
    let mut texts = vec![String::new()];
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
        "[a-b-_]",
        "[^/-0-_]",
        "[a-b-]",
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
            let general = general(expression, letters).unwrap();
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
        ("[a-b--_]", "[a-b-_]"),
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
            "/", "a", "b", "A", "z", ".", "\\.", "\\d", "\\W", "\\s", "[^/]", "[a-c]", "[^A-Z]",
            "[\\w.-]", "[-a]", "[^\\d]", "%2F", "^", "$", "\\/",
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
            let Ok(general) = general(&expression, letters) else {
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

/// What API Gateway's documentation has for tokens.
#[test]
fn expressions_for_tokens_are_tables() {
    for written in [
        "Bearer [-A-Za-z0-9._~+/]+=*",
        "^Bearer [-0-9a-zA-Z\\._]*$",
        "^(Bearer )[a-zA-Z0-9\\-_]+?\\.[a-zA-Z0-9\\-_]+?\\.([a-zA-Z0-9\\-_]+)$",
        "Bearer .+",
        "\\w+",
        "[^\\s]{20,100}",
        "eyJ[\\w-]+\\.[\\w-]+\\.[\\w-]+",
    ] {
        assert!(Expression::new(written).unwrap().is_table(), "{written}");
    }
}
