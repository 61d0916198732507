//! What it costs to find the rule of a request, by the number and the kind of rules.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, missing_docs)]

use cognito_authorizer::rules::index::{MatchIndex, Target};
use cognito_authorizer::rules::pattern::{HostPattern, Match, Method, PathCase, PathPattern};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const MANY: [usize; 3] = [10, 100, 1000];

fn rule(path: PathPattern) -> Match {
    Match {
        path,
        methods: Vec::new(),
        hosts: Vec::new(),
    }
}

/// Paths, prefixes and templates in turn.
fn segments(count: usize) -> Vec<Match> {
    let path = |n: usize| match n % 3 {
        0 => PathPattern::exact(&format!("/api/v{n}/status")),
        1 => PathPattern::prefix(&format!("/api/v{n}")),
        _ => PathPattern::template(&format!("/api/v{n}/users/{{id}}/{{rest+}}")),
    };
    (0..count).map(|n| rule(path(n).unwrap())).collect()
}

fn choose(bencher: Bencher, rules: Vec<Match>, path: &str) {
    let index = MatchIndex::new(rules, PathCase::Insensitive).unwrap();
    let target = Target {
        path: Some(path.as_bytes()),
        method: Some(b"GET"),
        authority: Some(b"api.example.com"),
    };
    bencher.bench_local(|| index.choose(black_box(&target)));
}

#[divan::bench(args = MANY)]
fn last_prefix(bencher: Bencher, count: usize) {
    let last = (count - 1) / 3 * 3 - 2;
    choose(bencher, segments(count), &format!("/api/v{last}/status/x"));
}

#[divan::bench(args = MANY)]
fn no_rule(bencher: Bencher, count: usize) {
    choose(bencher, segments(count), "/api/none/users/42");
}

#[divan::bench(args = MANY)]
fn template_with_variables(bencher: Bencher, count: usize) {
    choose(bencher, segments(count), "/api/v2/users/42/a/b");
}

#[divan::bench(args = MANY)]
fn escapes_and_capitals(bencher: Bencher, count: usize) {
    choose(bencher, segments(count), "/api/v1/Caf%C3%A9/%7Ex");
}

#[divan::bench(args = MANY)]
fn parameters(bencher: Bencher, count: usize) {
    choose(bencher, segments(count), "/api/v1/x;y=1/z;w");
}

/// One path, told apart by method and host alone.
#[divan::bench(args = MANY)]
fn one_path_many_hosts(bencher: Bencher, count: usize) {
    let mut rules: Vec<_> = (1..count)
        .map(|n| Match {
            path: PathPattern::prefix("/api").unwrap(),
            methods: vec![Method::new("GET").unwrap()],
            hosts: vec![HostPattern::new(&format!("h{n}.example.com")).unwrap()],
        })
        .collect();
    rules.push(rule(PathPattern::prefix("/api").unwrap()));
    choose(bencher, rules, "/api/v1/x");
}

/// Expressions, of which none matches: each is tried twice, with letter case and without.
#[divan::bench(args = [1, 10, 100])]
fn regexes_that_fail_early(bencher: Bencher, count: usize) {
    let regex = |n| PathPattern::regex(&format!("/other{n}/[0-9a-f-]{{36}}"));
    let rules = (0..count).map(|n| rule(regex(n).unwrap())).collect();
    choose(bencher, rules, "/api/v1/users/42");
}

#[divan::bench(args = [1, 10, 100])]
fn regexes_that_fail_late(bencher: Bencher, count: usize) {
    let regex = |n| PathPattern::regex(&format!("/api/[a-z0-9/]+/end{n}"));
    let rules = (0..count).map(|n| rule(regex(n).unwrap())).collect();
    choose(bencher, rules, "/api/v1/users/42");
}

/// The worst that one request can do to one expression: as long as a path may be, with parameters
/// and escapes, so that every reading has to be tried.
#[divan::bench]
fn regex_on_the_longest_path(bencher: Bencher) {
    let rules = vec![rule(PathPattern::regex("/[a-z0-9/;%A-Z]*x").unwrap())];
    let path = format!("/%C3%A9;a{}/;b", "/a;b".repeat(2040));
    choose(bencher, rules, &path);
}

#[divan::bench(args = MANY)]
fn compile(bencher: Bencher, count: usize) {
    let bencher = bencher.with_inputs(|| segments(count));
    bencher.bench_local_values(|rules| MatchIndex::new(rules, PathCase::Insensitive));
}
