//! Which rule a request falls under: a table of request targets, and random rules and paths against
//! models of upstreams that read paths each in their own way.

mod readings;
pub(crate) mod upstream;

use crate::harness::seed::Seed;
use cognito_authorizer::rules::index::{MatchIndex, Target};
use cognito_authorizer::rules::path::RequestPath;
use cognito_authorizer::rules::pattern::{HostPattern, Match, Method, PathCase, PathPattern};
use readings::{Compared, matched, readings};
use serde_json::Value;
use upstream::{Kind, ModelRule, NAMES, STEPS, Step, served};

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap()).collect()
}

fn parse_match(rule: &Value) -> Match {
    let text = |field: &str| rule.get(field).map(|text| text.as_str().unwrap());
    let path = if let Some(path) = text("path") {
        PathPattern::exact(path)
    } else if let Some(path) = text("prefix") {
        PathPattern::prefix(path)
    } else if let Some(path) = text("template") {
        PathPattern::template(path)
    } else if let Some(expression) = text("regex") {
        PathPattern::regex(expression)
    } else {
        Ok(PathPattern::Any)
    };
    let (methods, hosts) = (texts(&rule["methods"]), texts(&rule["hosts"]));
    Match {
        path: path.unwrap(),
        methods: methods
            .into_iter()
            .map(|m| Method::new(m).unwrap())
            .collect(),
        hosts: hosts
            .into_iter()
            .map(|h| HostPattern::new(h).unwrap())
            .collect(),
    }
}

/// Vectors write one character per byte.
fn bytes(latin1: &str) -> Vec<u8> {
    latin1.chars().map(|c| u8::try_from(c).unwrap()).collect()
}

#[test]
fn every_target_falls_under_the_rule_it_should() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/paths.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let set = &vectors["rule_sets"][case["set"].as_str().unwrap()];
        let path_case = match set["path_case"].as_str().unwrap() {
            "insensitive" => PathCase::Insensitive,
            "sensitive" => PathCase::Sensitive,
            other => panic!("{other}"),
        };
        let rules = set["rules"].as_array().unwrap().iter().map(parse_match);
        let index = MatchIndex::new(rules.collect(), path_case).unwrap();
        let part = |field: &str| bytes(case[field].as_str().unwrap());
        let (path, method, host) = (part("target"), part("method"), part("host"));
        let chosen = index.choose(&Target {
            path: Some(&path),
            method: Some(&method),
            authority: Some(&host),
        });
        let found = match chosen.map(|chosen| chosen.rule) {
            Ok(Some(rule)) => Value::from(rule),
            Ok(None) => Value::from("default"),
            Err(_) => Value::from("unsafe_path"),
        };
        if found != case["expect"] {
            wrong.push(format!("{case}: found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 250, "{} cases", cases.len());
}

fn random_rule(random: &mut Seed) -> ModelRule {
    let kind = random.pick(&[Kind::Exact, Kind::Prefix, Kind::Template, Kind::Greedy]);
    let variables = matches!(kind, Kind::Template | Kind::Greedy);
    let segments = (0..random.below(4)).map(|_| match random.below(3) {
        0 if variables => None,
        _ => Some(random.pick(&NAMES).to_owned()),
    });
    ModelRule {
        segments: segments.collect(),
        kind,
    }
}

/// What ends a segment so that servers disagree about it.
const SUFFIXES: [&[u8]; 28] = [
    b"%20",
    b"%2F",
    b"%2F",
    b"%2fa",
    b"%2FAdmin",
    b"%5Cadmin",
    b"%5C",
    b"%3F",
    b"%3fa",
    b"%23",
    b"%23admin",
    b";p%2Fa",
    b"//",
    b"%5c..",
    b"\\",
    b"%00",
    b"#",
    b"?",
    b"%",
    b".",
    b"\xc3\xa9",
    b"%c3",
    b"/",
    b"/.",
    b"/..",
    b"%2e",
    b"..;x",
    b"%2525",
];

fn random_target(random: &mut Seed) -> Vec<u8> {
    let mut path = Vec::new();
    for _ in 0..=random.below(4) {
        path.push(b'/');
        let name = match random.below(60) {
            0 => "",
            1 => "..",
            2 => ".",
            _ => random.pick(&NAMES),
        };
        for byte in name.bytes() {
            match random.below(100) {
                0..8 => path.extend(format!("%{byte:02x}").bytes()),
                8 => path.extend(format!("%25{byte:02X}").bytes()),
                9..16 => path.push(byte.to_ascii_uppercase()),
                _ if byte.is_ascii_graphic() => path.push(byte),
                _ => path.extend(format!("%{byte:02X}").bytes()),
            }
        }
        match random.below(100) {
            0..65 => {}
            65..80 => path.extend_from_slice(random.pick(&[&b";"[..], b";v=1", b"%3Bv", b"/;x"])),
            _ => path.extend_from_slice(random.pick(&SUFFIXES)),
        }
    }
    path
}

/// Rules that can never be reached are left out, as an operator would have to.
fn random_rules(random: &mut Seed, path_case: PathCase) -> (Vec<ModelRule>, MatchIndex) {
    let (mut rules, mut index): (Vec<ModelRule>, _) = (Vec::new(), None);
    for _ in 0..=random.below(7) {
        rules.push(random_rule(random));
        let matches = rules.iter().map(ModelRule::compile).collect();
        match MatchIndex::new(matches, path_case) {
            Ok(compiled) => index = Some(compiled),
            Err(_) => drop(rules.pop()),
        }
    }
    (rules, index.unwrap())
}

#[test]
fn no_upstream_serves_what_is_under_another_rule() {
    let mut random = Seed::from_variable("PATHS_SEED");
    let (mut chosen_rules, mut chosen_default, mut refused, mut ambiguous) = (0, 0, 0, 0);
    for _ in 0..4_000 {
        let path_case = random.pick(&[PathCase::Insensitive, PathCase::Sensitive]);
        let (rules, index) = random_rules(&mut random, path_case);
        for _ in 0..25 {
            let target = random_target(&mut random);
            let chosen = index.choose(&Target {
                path: Some(&target),
                ..Target::default()
            });
            let chosen = match chosen {
                Ok(chosen) => chosen.rule,
                Err(_) => {
                    refused += 1;
                    ambiguous += usize::from(RequestPath::parse(&target).is_ok());
                    continue;
                }
            };
            match chosen {
                Some(_) => chosen_rules += 1,
                None => chosen_default += 1,
            }
            for _ in 0..12 {
                let steps: Vec<_> = (0..random.below(6)).map(|_| random.pick(&STEPS)).collect();
                let letters = match path_case {
                    PathCase::Sensitive => PathCase::Sensitive,
                    PathCase::Insensitive => random.pick(&[path_case, PathCase::Sensitive]),
                };
                let served = served(&target, &steps);
                let under = rules.iter().position(|rule| rule.matches(&served, letters));
                assert_eq!(
                    under,
                    chosen,
                    "{rules:?} {} {steps:?} {letters:?} {served:?}",
                    target.escape_ascii()
                );
            }
        }
    }
    println!(
        "{chosen_rules} rules, {chosen_default} default, {refused} refused, {ambiguous} by rules"
    );
    // A filter that refuses everything would pass the comparison.
    assert!(chosen_rules > 5_000 && chosen_default > 5_000 && ambiguous > 1_000);
}

const EXPRESSIONS: [&str; 9] = [
    "/a/[^/]+",
    "/[ab]/admin",
    "/admin(/.*)?",
    "/[^/]*",
    "/A/.*",
    "/.*/b",
    "/[^A-Z]+/x",
    "/a!b/?",
    "/(?:a|b)/(?:[^/]+/)*a",
];

/// What servers do one after the other; the second time after escapes are decoded.
pub(crate) const ORDER: [Step; 13] = [
    Step::StripParameters,
    Step::StripLastParameters,
    Step::StripParametersOfNames,
    Step::TakeAuthorityOff,
    Step::MergeSlashes,
    Step::Decode,
    Step::CutAtDelimiters,
    Step::CutAtFragment,
    Step::BackslashIsSlash,
    Step::StripParameters,
    Step::StripParametersOfNames,
    Step::TakeAuthorityOff,
    Step::MergeSlashes,
];

/// An expression is asked of a text: no server that decodes, whatever else it does, has one that an
/// expression before the chosen rule matches, or that a chosen one does not.
#[test]
fn no_upstream_serves_what_another_expression_guards() {
    let mut random = Seed::from_variable("PATHS_SEED");
    let (mut chosen_expressions, mut others, mut refused) = (0, 0, 0);
    for _ in 0..600 {
        let path_case = random.pick(&[PathCase::Insensitive, PathCase::Sensitive]);
        let mut expressions: Vec<&str> = Vec::new();
        for _ in 0..=random.below(3) {
            let one = random.pick(&EXPRESSIONS);
            if !expressions.contains(&one) {
                expressions.push(one);
            }
        }
        let matches = expressions.iter().map(|one| Match {
            path: PathPattern::regex(one).unwrap(),
            methods: Vec::new(),
            hosts: Vec::new(),
        });
        let index = MatchIndex::new(matches.collect(), path_case).unwrap();
        let compiled: Vec<_> = expressions
            .iter()
            .map(|one| {
                let build = |letters: &str| {
                    regex_lite::Regex::new(&format!("{letters}^(?:{one})$")).unwrap()
                };
                match path_case {
                    PathCase::Sensitive => vec![build("")],
                    PathCase::Insensitive => vec![build(""), build("(?i)")],
                }
            })
            .collect();
        for _ in 0..40 {
            let target = random_target(&mut random);
            let chosen = index.choose(&Target {
                path: Some(&target),
                ..Target::default()
            });
            let Ok(chosen) = chosen else {
                refused += usize::from(RequestPath::parse(&target).is_ok());
                continue;
            };
            match chosen.rule {
                Some(_) => chosen_expressions += 1,
                None => others += 1,
            }
            for _ in 0..12 {
                let steps: Vec<_> = ORDER
                    .into_iter()
                    .filter(|step| *step == Step::Decode || random.below(3) == 0)
                    .collect();
                let mut text = upstream::text(&target, &steps);
                if random.below(2) == 0 && text.len() > 1 {
                    text = text.trim_end_matches('/').to_owned();
                }
                // A path of nothing but slashes stays one.
                let text = if text.is_empty() { "/" } else { &text };
                let shown = target.escape_ascii();
                for (at, letters) in compiled.iter().enumerate() {
                    let matched = letters.iter().any(|regex| regex.is_match(text));
                    let all = letters.iter().all(|regex| regex.is_match(text));
                    match chosen.rule {
                        Some(rule) if at > rule => {}
                        Some(rule) if at == rule => {
                            let escaped = text.chars().any(|c| " é".contains(c));
                            assert!(all || escaped, "{expressions:?} {shown} {steps:?} {text}");
                        }
                        _ => assert!(!matched, "{expressions:?} {shown} {steps:?} {text}"),
                    }
                }
            }
        }
    }
    println!("{chosen_expressions} chosen, {others} default, {refused} refused");
    assert!(chosen_expressions > 500 && others > 500 && refused > 500);
}

/// The filter refuses a path if and only if some reading of it, of all there are, is under another
/// rule, and a variable has no value if and only if it has several.
#[test]
fn a_path_is_refused_just_where_readings_differ() {
    let mut random = Seed::from_variable("PATHS_SEED");
    let (mut same, mut different, mut values, mut none) = (0, 0, 0, 0);
    for _ in 0..1_000 {
        let path_case = random.pick(&[PathCase::Insensitive, PathCase::Sensitive]);
        let (rules, index) = random_rules(&mut random, path_case);
        for _ in 0..20 {
            let target = random_target(&mut random);
            let specials = target.iter().filter(|byte| b"%;".contains(byte)).count();
            if RequestPath::parse(&target).is_err() || specials > 12 {
                continue;
            }
            let readings = readings(&target);
            let compared = [Compared::Literally, Compared::Decoded(path_case)];
            let mut ways = readings.iter().flat_map(|reading| {
                compared.map(|compared| {
                    let mut rules = rules.iter().enumerate();
                    rules.find_map(|(at, rule)| Some((at, matched(rule, reading, compared)?)))
                })
            });
            let first = ways.next().unwrap();
            let others: Vec<_> = ways.collect();
            let rule = |way: &Option<(usize, Vec<String>)>| way.as_ref().map(|(rule, _)| *rule);
            let agree = others.iter().all(|way| rule(way) == rule(&first));
            let chosen = index.choose(&Target {
                path: Some(&target),
                ..Target::default()
            });
            let shown = target.escape_ascii();
            match &chosen {
                Ok(chosen) => assert!(agree && chosen.rule == rule(&first), "{rules:?} {shown}"),
                Err(cause) => assert!(!agree, "{cause} {rules:?} {shown}"),
            }
            let Ok(chosen) = chosen else {
                different += 1;
                continue;
            };
            same += 1;
            let Some((_, read)) = first else {
                continue;
            };
            for (at, (name, value)) in chosen.variables.iter().enumerate() {
                let read = &read[at];
                let several = others
                    .iter()
                    .flatten()
                    .any(|(_, values)| values[at] != *read);
                assert_eq!(value.is_none(), several, "{name} {rules:?} {shown}");
                assert!(
                    value.is_none_or(|value| value == read),
                    "{name} {rules:?} {shown}"
                );
                values += usize::from(value.is_some());
                none += usize::from(value.is_none());
            }
        }
    }
    println!("{same} same, {different} different, {values} values, {none} without value");
    assert!(same > 5_000 && different > 400 && values > 500 && none > 100);
}
