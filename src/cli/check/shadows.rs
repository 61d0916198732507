//! Rules that one above them shadows in part. A rule that is shadowed whole is refused by the
//! filter; one that loses some of its requests is legal, and often an open door.
//!
//! An exception above what it is an exception from (`/health` above `/`) is how rules are meant to
//! be written. What is noted is the other way round, and what crosses: an earlier rule that takes
//! some of the requests of a rule for fewer paths. A request is made up that falls under both, and
//! the filter's own rules are asked which of them it gets.

use super::Notes;
use super::finding;
use crate::document::{below, item};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::index::{MatchIndex, Target};
use cognito_authorizer::rules::pattern::{Match, PathCase, PathPattern};
use serde_json::Value;
use std::collections::BTreeSet;

/// A segment that stands for any: rules seldom name it.
const SOME_SEGMENT: &str = "x";

/// Notes rules that lose requests to one above them.
pub(super) fn check(policy: &Policy, notes: &mut Notes<'_>) {
    let document = notes.document;
    let written = document.get("rules").and_then(Value::as_array);
    let written = written.into_iter().flatten();
    let rules = policy.rules.iter().zip(written);
    let rules: Vec<_> = rules
        .map(|((matches, access), written)| Rule::new(matches, access, written))
        .collect();
    for (at, later) in rules.iter().enumerate() {
        let shadow = rules
            .iter()
            .take(at)
            .enumerate()
            .find_map(|(position, earlier)| {
                let request = earlier.takes_from(later, policy, position)?;
                Some((position, earlier, request))
            });
        let Some((position, earlier, request)) = shadow else {
            continue;
        };
        if earlier.is_open && !later.is_open {
            let path = below(&item("rules", position), "allow");
            let text =
                format!("{request} passes without a token, though rules[{at}] asks for more");
            notes.add(&finding::OPEN_ABOVE_STRICT, &path, text);
        } else {
            let path = below(&item("rules", at), "match");
            let text = format!("{request} falls under rules[{position}], not under this rule");
            notes.add(&finding::PARTIAL_SHADOW, &path, text);
        }
    }
}

/// A rule as the filter reads it, and as it is written.
struct Rule<'a> {
    matches: &'a Match,
    path: Option<Shape<'a>>,
    methods: Vec<&'a str>,
    hosts: Vec<&'a str>,
    /// `allow` and `require`: rules that do the same take nothing from each other.
    does: [Option<&'a Value>; 2],
    is_open: bool,
}

/// The paths of a rule, segment by segment; `None` where any segment will do.
struct Shape<'a> {
    segments: Vec<Option<&'a str>>,
    /// How many segments may follow.
    more: More,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    None,
    Any,
    OneAtLeast,
}

impl<'a> Rule<'a> {
    fn new(matches: &'a Match, access: &Access, written: &'a Value) -> Self {
        let given = written.get("match");
        let text = |name: &str| given.and_then(|given| given.get(name)?.as_str());
        let texts = |name: &str| -> Vec<&'a str> {
            let list = given.and_then(|given| given.get(name)?.as_array());
            let list = list.into_iter().flatten();
            list.filter_map(Value::as_str).collect()
        };
        let (path, prefix, template) = (text("path"), text("prefix"), text("template"));
        Self {
            matches,
            path: match &matches.path {
                PathPattern::Exact(_) => path.map(|path| Shape::of(path, More::None)),
                PathPattern::Prefix(_) => prefix.map(|path| Shape::of(path, More::Any)),
                PathPattern::Template(_) => template.map(Shape::of_template),
                PathPattern::Regex(_) => None,
                PathPattern::Any => Some(Shape::of("/", More::Any)),
            },
            methods: texts("methods"),
            hosts: texts("hosts"),
            does: [written.get("allow"), written.get("require")],
            is_open: matches!(access, Access::Anyone | Access::Optional),
        }
    }

    /// A request that this rule, at its position, takes from a later one for fewer paths.
    fn takes_from(&self, later: &Self, policy: &Policy, position: usize) -> Option<String> {
        if self.does == later.does {
            return None;
        }
        let path = self.shared_path(later)?;
        let method = shared(&self.methods, &later.methods)?.unwrap_or("GET");
        let host = self.shared_host(later)?;
        let case = policy.rules.path_case();
        if self.is_an_exception_from(later, case) {
            return None;
        }
        let target = Target {
            path: Some(path.as_bytes()),
            method: Some(method.as_bytes()),
            authority: host.as_deref().map(str::as_bytes),
        };
        let (ruling, _) = policy.rules.choose(&target).ok()?;
        let alone = MatchIndex::new(vec![later.matches.clone()], case).ok()?;
        let is_theirs = alone.choose(&target).ok()?.rule.is_some();
        (ruling.rule() == Some(position) && is_theirs).then(|| match host {
            Some(host) => format!("{method} {host}{path}"),
            None => format!("{method} {path}"),
        })
    }

    /// Whether this rule is for fewer paths than the later one, or for fewer requests altogether.
    fn is_an_exception_from(&self, later: &Self, case: PathCase) -> bool {
        let paths = |rule: &Self| Match {
            path: rule.matches.path.clone(),
            methods: Vec::new(),
            hosts: Vec::new(),
        };
        match (&self.matches.path, &later.matches.path) {
            // A rule for some methods of every path is meant to stand above others, unless it
            // opens what they close.
            (PathPattern::Any, _) if !self.is_open => return true,
            // The made-up request has shown that it takes all that the later rule is about.
            (PathPattern::Regex(_), _) => return false,
            _ => {}
        }
        if later.matches.covers(self.matches, case) {
            return true;
        }
        let narrower = match (&self.path, &later.path) {
            (Some(ours), Some(theirs)) => ours.is_as_specific_as(theirs),
            _ => false,
        };
        let wider = paths(self).covers(&paths(later), case);
        !wider && (narrower || paths(later).covers(&paths(self), case))
    }

    /// A path that both rules are about.
    fn shared_path(&self, later: &Self) -> Option<String> {
        match (&self.path, &later.path) {
            (Some(ours), Some(theirs)) => ours.meet(theirs),
            // Deep enough that an expression for the top of a prefix alone does not match it.
            (None, Some(theirs)) => theirs.meet(&Shape::of("/", More::Any)).map(|path| {
                let deeper = theirs.more == More::Any;
                let below = format!("{}/{SOME_SEGMENT}", path.trim_end_matches('/'));
                if deeper { below } else { path }
            }),
            // What an expression matches is anybody's guess.
            (_, None) => None,
        }
    }

    /// A host that both rules are about; `None` within if neither looks at hosts.
    fn shared_host(&self, later: &Self) -> Option<Option<String>> {
        let hosts: BTreeSet<_> = self.hosts.iter().chain(&later.hosts).collect();
        if hosts.is_empty() {
            return Some(None);
        }
        let examples = hosts.iter().map(|host| host.replacen('*', SOME_SEGMENT, 1));
        let holds = |rule: &Self, host: &str| {
            let matches = Match {
                path: PathPattern::Any,
                methods: Vec::new(),
                hosts: rule.matches.hosts.clone(),
            };
            let target = Target {
                authority: Some(host.as_bytes()),
                ..Target::default()
            };
            let index = MatchIndex::new(vec![matches], PathCase::default());
            index.is_ok_and(|index| {
                index
                    .choose(&target)
                    .is_ok_and(|chosen| chosen.rule.is_some())
            })
        };
        let mut examples = examples.filter(|host| holds(self, host) && holds(later, host));
        examples.next().map(Some)
    }
}

/// A value of both lists, of which an empty one stands for all; `None` within if both are empty.
fn shared<'a>(ours: &[&'a str], theirs: &[&'a str]) -> Option<Option<&'a str>> {
    match (ours, theirs) {
        ([], []) => Some(None),
        ([], [first, ..]) | ([first, ..], []) => Some(Some(first)),
        _ => ours
            .iter()
            .find(|one| theirs.contains(one))
            .copied()
            .map(Some),
    }
}

impl<'a> Shape<'a> {
    fn of(path: &'a str, more: More) -> Self {
        let path = path.trim_matches('/');
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        Self {
            segments: segments.map(Some).collect(),
            more,
        }
    }

    fn of_template(template: &'a str) -> Self {
        let mut shape = Self::of(template, More::None);
        if let Some(Some(last)) = shape.segments.last()
            && last.ends_with("+}")
        {
            shape.segments.pop();
            shape.more = More::OneAtLeast;
        }
        for segment in &mut shape.segments {
            if segment.is_some_and(|segment| segment.starts_with('{')) {
                *segment = None;
            }
        }
        shape
    }

    /// Whether this shape names every segment that the other names.
    fn is_as_specific_as(&self, other: &Self) -> bool {
        let mut named = other.segments.iter().enumerate();
        named.all(|(at, segment)| {
            segment.is_none() || self.segments.get(at).is_some_and(Option::is_some)
        })
    }

    /// A path of both shapes.
    fn meet(&self, other: &Self) -> Option<String> {
        let needs = |shape: &Self| {
            let more = usize::from(shape.more == More::OneAtLeast);
            shape.segments.len().saturating_add(more)
        };
        let length = needs(self).max(needs(other));
        let fits = |shape: &Self| shape.more != More::None || shape.segments.len() == length;
        if !fits(self) || !fits(other) {
            return None;
        }
        let mut path = String::new();
        for at in 0..length {
            let literal = |shape: &Self| shape.segments.get(at).copied().flatten();
            let segment = match (literal(self), literal(other)) {
                (Some(ours), Some(theirs)) if ours.eq_ignore_ascii_case(theirs) => theirs,
                (Some(_), Some(_)) => return None,
                (Some(literal), None) | (None, Some(literal)) => literal,
                (None, None) => SOME_SEGMENT,
            };
            path.push('/');
            path.push_str(segment);
        }
        if path.is_empty() {
            path.push('/');
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::locate::File;

    #[track_caller]
    fn meet(one: &Shape<'_>, other: &Shape<'_>, expected: Option<&str>) {
        assert_eq!(one.meet(other).as_deref(), expected);
        assert_eq!(other.meet(one).as_deref(), expected);
    }

    #[test]
    fn shapes_meet_in_a_path_of_both() {
        let exact = |path| Shape::of(path, More::None);
        let prefix = |path| Shape::of(path, More::Any);
        meet(&exact("/a"), &prefix("/"), Some("/a"));
        meet(&exact("/"), &prefix("/"), Some("/"));
        assert_eq!(exact("/a/").meet(&exact("/A")).as_deref(), Some("/A"));
        meet(&exact("/a"), &prefix("/a/b"), None);
        meet(&prefix("/a"), &prefix("/a/b"), Some("/a/b"));
        meet(&prefix("/a"), &prefix("/b"), None);
        meet(&Shape::of_template("/{x}/b"), &prefix("/a"), Some("/a/b"));
        meet(&Shape::of_template("/{x}"), &exact("/a/b"), None);
        meet(&Shape::of_template("/a/{x+}"), &prefix("/a"), Some("/a/x"));
        meet(&Shape::of_template("/a/{x+}"), &exact("/a"), None);
    }

    /// The warnings about two rules, each given as its match and what it does.
    fn about(first: [&str; 2], second: [&str; 2]) -> Vec<String> {
        let [[one, does], [other, otherwise]] = [first, second];
        let text = format!(
            "user_pools:\n- user_pool_id: us-east-1_A\n  client_ids: [a]\n  jwks: {{cluster: c}}\n\
             token: {{use: access}}\ndefault: nobody\nrules:\n\
             - match: {{{one}}}\n  {does}\n- match: {{{other}}}\n  {otherwise}\n"
        );
        let file = File::new(Source::new("a.yaml", text)).unwrap();
        let located = file.only().unwrap();
        let policy = located.parse().unwrap();
        let mut notes = Notes {
            document: &located.config,
            findings: Vec::new(),
        };
        check(&policy, &mut notes);
        let texts = notes
            .findings
            .iter()
            .map(|one| format!("{} {}", one.code.name, one.text));
        texts.collect()
    }

    const OPEN: &str = "allow: anyone";
    const READ: &str = "require: {scopes: [read]}";
    const WRITE: &str = "require: {scopes: [write]}";

    #[track_caller]
    fn shadowed(first: [&str; 2], second: [&str; 2], request: &str) {
        let found = about(first, second);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(request), "{found:?}");
    }

    #[track_caller]
    fn quiet(first: [&str; 2], second: [&str; 2]) {
        assert_eq!(about(first, second), Vec::<String>::new());
    }

    #[test]
    fn exceptions_stand_above_what_they_are_exceptions_from() {
        let users = "template: '/users/{id}', methods: [GET]";
        let me = "path: /users/me";
        shadowed(
            [users, READ],
            [me, WRITE],
            "GET /users/me falls under rules[0]",
        );
        quiet([me, WRITE], [users, READ]);
        quiet([users, READ], [me, READ]);
        // One that takes all is refused by the filter, and so is no case of this.
        quiet([users, READ], ["path: /users/me, methods: [POST]", WRITE]);
        quiet([users, READ], ["path: /users/me/x", WRITE]);
        quiet(
            ["prefix: /users, methods: [GET]", READ],
            ["prefix: /users", WRITE],
        );
        quiet(["prefix: /users", READ], ["template: '/{x}/{y+}'", WRITE]);
        shadowed(
            ["template: '/{x}/a'", READ],
            ["template: '/b/{y}'", WRITE],
            "GET /b/a falls",
        );
        shadowed(
            ["prefix: /a, methods: [GET, PUT]", READ],
            ["prefix: /a, methods: [PUT, POST]", WRITE],
            "PUT /a falls",
        );
    }

    #[test]
    fn open_rules() {
        let reports = "prefix: /reports, methods: [GET]";
        let secret = "prefix: /reports/secret";
        shadowed(
            [reports, OPEN],
            [secret, READ],
            "open-above-strict GET /reports/secret passes",
        );
        quiet([secret, READ], [reports, OPEN]);
        // A rule for a method everywhere, closed or open.
        quiet(["methods: [DELETE]", "allow: nobody"], [secret, READ]);
        shadowed(
            ["methods: [DELETE]", OPEN],
            [secret, READ],
            "DELETE /reports/secret passes",
        );
        quiet(["path: /health", OPEN], ["prefix: /", READ]);
        quiet(["path: /health", OPEN], ["hosts: [a.example.com]", READ]);
    }

    #[test]
    fn hosts() {
        let all = "prefix: /, hosts: ['*.example.com']";
        let one = "path: /a, hosts: [b.example.org, c.example.com]";
        shadowed([all, READ], [one, WRITE], "GET c.example.com/a falls");
        quiet([all, READ], ["path: /a, hosts: [b.example.org]", WRITE]);
    }

    /// Of an expression only what it matches is known.
    #[test]
    fn expressions() {
        shadowed(
            ["regex: '/a.*'", READ],
            ["path: /ab", WRITE],
            "GET /ab falls",
        );
        quiet(["regex: '/a[0-9]+'", READ], ["path: /ab", WRITE]);
        shadowed(
            ["regex: '/a/.*'", READ],
            ["prefix: /a", WRITE],
            "GET /a/x falls",
        );
        quiet(["regex: '/a'", READ], ["prefix: /a", WRITE]);
        quiet(
            ["prefix: /a, methods: [GET]", READ],
            ["regex: '/a.*'", WRITE],
        );
    }
}
