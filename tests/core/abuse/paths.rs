//! What finding the rule of a request costs, in counted work: a stranger orders it for nothing.

use cognito_authorizer::rules::index::{MatchIndex, Target, UnsafePath};
use cognito_authorizer::rules::path::MAX_PATH_BYTES;
use cognito_authorizer::rules::pattern::{Match, PathCase, PathPattern};
use cognito_authorizer::rules::work::{MAX_WORK, Work};

use crate::harness::seed::Seed;

fn index(paths: impl IntoIterator<Item = PathPattern>) -> MatchIndex {
    let matches = paths.into_iter().map(|path| Match {
        path,
        methods: Vec::new(),
        hosts: Vec::new(),
    });
    MatchIndex::new(matches.collect(), PathCase::Insensitive).expect("rules that are reached")
}

fn prefix(path: &str) -> PathPattern {
    PathPattern::prefix(path).expect("a path")
}

fn template(path: &str) -> PathPattern {
    PathPattern::template(path).expect("a template")
}

fn regex(expression: &str) -> PathPattern {
    PathPattern::regex(expression).expect("an expression")
}

/// Rules as people write them, with several expressions.
fn usual() -> MatchIndex {
    index([
        prefix("/health"),
        prefix("/Admin"),
        template("/users/{userId}"),
        template("/tenants/{tenant}/{proxy+}"),
        regex("/v[0-9]+/docs/[^/]+"),
        regex("/v[0-9]+/users/[0-9a-f-]{36}/avatar"),
        regex("/v[0-9]+/users/[0-9a-f-]{36}/files/.*"),
        regex("/v[0-9]+/(?:orders|invoices)/[0-9]+"),
        regex("/(?:en|de|fr)/.*"),
        prefix("/v1"),
    ])
}

/// Rules that make every path as expensive as it can be.
fn worst() -> MatchIndex {
    let mut all: Vec<_> = (0..40).map(|n| regex(&format!("/.*[a-z]{n}.*%"))).collect();
    all.extend((0..40).map(|n| regex(&format!("/.*\\b{n}.*%"))));
    // Every name and every variable, to a depth of ten: a tree that a path can be everywhere in.
    for choice in 0..1_024_u32 {
        let pieces = (0..10).map(|depth| match (choice >> depth) & 1 {
            0 => "/a".to_owned(),
            _ => format!("/{{v{depth}}}"),
        });
        all.push(template(&pieces.collect::<String>()));
    }
    index(all)
}

/// What was decided, and the work that it took.
fn asked(index: &MatchIndex, path: &str) -> (Result<Option<usize>, UnsafePath>, usize) {
    let mut work = Work::default();
    let target = Target {
        path: Some(path.as_bytes()),
        ..Target::default()
    };
    let chosen = index.choose_within(&target, &mut work);
    (chosen.map(|chosen| chosen.rule), work.spent())
}

const PIECES: [&str; 22] = [
    "/", "//", "/a", "/A", "/v1", "/docs", "/en", "a", "Z", "%2F", "%5C", "%3F", "%23", ";", ";a",
    "%3B", "%7C", "%C3%89", "%C4%B0", "%41", "|", "b-c_d",
];

/// One to three pieces, again and again, to a length.
fn random_path(random: &mut Seed, length: usize) -> String {
    let pieces: String = (0..=random.below(3))
        .map(|_| random.pick(&PIECES))
        .collect();
    let begin = random.pick(&["/", "/v1/docs/", "/en/", "/a/a/a"]);
    let end = random.pick(&["", "/", ";x", "/;x", "%3F", "/end"]);
    let times = (length - begin.len() - end.len()) / pieces.len();
    format!("{begin}{}{end}", pieces.repeat(times))
}

#[test]
fn no_path_costs_more_than_a_request_may() {
    let mut random = Seed::from_variable("ABUSE_SEED");
    let (usual, worst) = (usual(), worst());
    let (mut thrown, mut bounded, mut passed) = (0, 0, 0);
    // Until the bound is met from both sides.
    while thrown < 400 || bounded < 20 || passed < 20 {
        thrown += 1;
        assert!(thrown < 4_000, "{bounded} refused, {passed} passed");
        let path = random_path(&mut random, MAX_PATH_BYTES);
        for index in [&usual, &worst] {
            let (decided, spent) = asked(index, &path);
            assert!(spent <= MAX_WORK, "{spent} for {path}");
            match decided {
                Err(UnsafePath::TooCostly) => bounded += 1,
                _ => passed += 1,
            }
        }
    }
}

/// What a path costs grows with its length, and no faster, until it is refused.
#[test]
fn work_is_in_proportion_to_the_path() {
    let mut random = Seed::from_variable("ABUSE_SEED");
    let usual = usual();
    for _ in 0..400 {
        let seed = random.next();
        let (mut half, mut whole) = (Seed::new(seed), Seed::new(seed));
        let path = random_path(&mut whole, 2_000);
        let (decided, spent) = asked(&usual, &path);
        if decided == Err(UnsafePath::TooCostly) {
            continue;
        }
        let (_, before) = asked(&usual, &random_path(&mut half, 1_000));
        assert!(
            spent <= before * 3 + 500,
            "{before}, then {spent} for {path}"
        );
    }
}

#[test]
fn honest_paths_come_nowhere_near_the_bound() {
    let usual = usual();
    let name = "0123456789abcdef".repeat(4);
    for path in [
        "/health".to_owned(),
        "/users/6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab".to_owned(),
        "/v1/users/6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab/files/Report%20of%20May%202026.pdf"
            .to_owned(),
        "/v2/docs/caf%C3%A9".to_owned(),
        "/de/Über-uns".replace('Ü', "%C3%9C"),
        format!("/tenants/{name}/{name}/{name}/{name}/{name}"),
        "/@scope%2fname/-/name-1.0.0.tgz".to_owned(),
        "/s3/bucket//key".to_owned(),
    ] {
        let (decided, spent) = asked(&usual, &path);
        assert!(decided.is_ok(), "{path}: {decided:?}");
        assert!(spent < MAX_WORK / 10, "{spent} for {path}");
    }
    // A long name under an expression for it.
    let long = format!("/v1/docs/{}", "a".repeat(6_000));
    assert_eq!(asked(&usual, &long).0, Ok(Some(4)));
}
