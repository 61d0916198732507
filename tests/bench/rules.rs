//! What it costs to find the rule of a request, by the number and the kind of rules.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    missing_docs
)]

use cognito_authorizer::claims::Claims;
use cognito_authorizer::config;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::index::{MatchIndex, Target, Variables};
use cognito_authorizer::rules::pattern::{HostPattern, Match, Method, PathCase, PathPattern};
use cognito_authorizer::rules::requirement::Circumstances;
use cognito_authorizer::time::Timestamp;
use divan::{Bencher, black_box};
use std::time::Duration;

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

/// A tenant's own host, among many products' hosts with a variable each.
#[divan::bench(args = MANY)]
fn hosts_with_variables(bencher: Bencher, count: usize) {
    let rules = (0..count).map(|n| Match {
        path: PathPattern::prefix("/api").unwrap(),
        methods: Vec::new(),
        hosts: vec![HostPattern::new(&format!("{{tenant}}.p{n}.example.com")).unwrap()],
    });
    let index = MatchIndex::new(rules.collect(), PathCase::Insensitive).unwrap();
    let host = format!("acme.p{}.example.com:8443", count - 1);
    let target = Target {
        path: Some(b"/api/v1/x"),
        method: Some(b"GET"),
        authority: Some(host.as_bytes()),
    };
    bencher.bench_local(|| index.choose(black_box(&target)));
}

/// What a rule asks of verified claims, on every request: as little as before, and all that can be said.
#[divan::bench(args = [
    r#"{"groups": ["admin", "ops"], "claims": {"custom:tenant_id": "acme"}}"#,
    r#"{"groups": {"any": ["admin", "ops"], "none": ["suspended"]}, "claims": {"custom:tenant_id": "acme", "email": {"suffix": "@example.com", "regex": "[a-z.]+@example[.]com"}, "custom:roles": {"read_as": "brackets", "any": ["editor", "owner"]}, "/identities/*/providerName": "Okta"}, "any_of": [{"groups": ["x"]}, {"claims": {"custom:plan": {"none": ["free"]}}}]}"#,
])]
fn conditions(bencher: Bencher, require: &str) {
    let document = format!(
        r#"{{"user_pools": [{{"user_pool_id": "us-east-1_AbCdEf123", "client_ids": "any", "jwks": {{"cluster": "c"}}}}],
            "token": {{"use": "any"}}, "default": "nobody",
            "rules": [{{"match": {{"path": "/a"}}, "require": {require}}}]}}"#
    );
    let policy = config::parse(document.as_bytes()).unwrap();
    let Some((_, Access::Require(requirement))) = policy.rules.iter().next() else {
        panic!("a rule with a requirement");
    };
    let claims = Claims::parse(
        br#"{"sub": "6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab", "cognito:groups": ["readers", "ops"],
            "email": "wilhelmina.private@example.com", "custom:tenant_id": "acme",
            "custom:roles": "[viewer, editor, auditor]", "custom:plan": "gold",
            "identities": [{"providerName": "Google"}, {"providerName": "Okta"}]}"#
            .as_slice(),
    )
    .unwrap();
    let variables = Variables::default();
    let circumstances = Circumstances {
        variables: &variables,
        now: Timestamp::since_epoch(Duration::ZERO),
        clock_skew: Duration::ZERO,
    };
    bencher.bench_local(|| {
        let claims = black_box(&claims);
        let around = requirement
            .conditions
            .check(claims, &circumstances, &mut ());
        let mut any_of = requirement.any_of.iter();
        let one = any_of.any(|one| {
            one.conditions
                .check(claims, &circumstances, &mut ())
                .is_ok()
        });
        assert!(around.is_ok() && (one || requirement.any_of.is_empty()));
    });
}
