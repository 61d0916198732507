//! Rules that one above them shadows in part. A rule that is shadowed whole is refused by the
//! filter; one that loses some of its requests is legal, and often an open door.
//!
//! An exception above what it is an exception from (`/health` above `/`) is how rules are meant to
//! be written. What is noted is the other way round, and what crosses: an earlier rule that takes
//! some of the requests of a rule for fewer paths. A request is made up that falls under both, and
//! the filter's own rules are asked which of them it gets. Several exceptions may leave nothing of a
//! rule together: then no request that is made up for that rule alone reaches it.

use super::Notes;
use super::finding;
use crate::document::{below, item};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::index::{MatchIndex, Target};
use cognito_authorizer::rules::pattern::{
    HostPattern, Match, Method, PathCase, PathPattern, Piece, Shape, Tail,
};

/// A segment that stands for any: rules seldom name it.
const SOME_SEGMENT: &str = "x";
/// What no rule names: a method, a host, and another segment.
const OTHER_METHOD: &str = "MADEUP";
const OTHER_HOST: &str = "x.invalid";
const OTHER_SEGMENT: &str = "made-up";
/// How many segments below a prefix a request is made up for.
const DEPTHS: [usize; 4] = [0, 1, 2, 8];

/// Every path, as a shape.
const EVERY_PATH: Shape<'static> = Shape {
    pieces: Vec::new(),
    tail: Tail::AnyNumber,
};

/// Notes rules that lose requests to one above them.
pub(super) fn check(policy: &Policy, notes: &mut Notes<'_>) {
    let rules: Vec<_> = policy
        .rules
        .iter()
        .map(|(matches, access)| Rule::new(matches, access))
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
        let shadow = shadow.or_else(|| later.lost(policy, &rules, at));
        let Some((position, earlier, request)) = shadow else {
            continue;
        };
        if earlier.is_open() && !later.is_open() {
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

/// A rule, with its paths at hand.
struct Rule<'a> {
    matches: &'a Match,
    access: &'a Access,
    /// `None` for an expression.
    shape: Option<Shape<'a>>,
}

impl<'a> Rule<'a> {
    fn new(matches: &'a Match, access: &'a Access) -> Self {
        Self {
            matches,
            access,
            shape: match matches.path {
                PathPattern::Any => Some(EVERY_PATH),
                _ => matches.shape(),
            },
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.access, Access::Anyone | Access::Optional(_))
    }

    /// A request that this rule, at its position, takes from a later one for fewer paths.
    fn takes_from(&self, later: &Self, policy: &Policy, position: usize) -> Option<String> {
        // Rules that do the same take nothing from each other.
        if self.access == later.access {
            return None;
        }
        let case = policy.rules.path_case();
        let path = self.shared_path(later, case)?;
        let method = shared(
            &self.matches.methods,
            &later.matches.methods,
            Method::covers,
        )?;
        let method = method.map_or("GET", Method::as_str);
        let host = shared(
            &self.matches.hosts,
            &later.matches.hosts,
            HostPattern::covers,
        )?;
        let host = host.map(HostPattern::example);
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

    /// A request for this rule that one above takes, if rules above take all that are made up for it.
    fn lost<'r>(
        &self,
        policy: &Policy,
        rules: &'r [Rule<'a>],
        at: usize,
    ) -> Option<(usize, &'r Rule<'a>, String)> {
        let alone = MatchIndex::new(vec![self.matches.clone()], policy.rules.path_case()).ok()?;
        let mut lost: Option<(usize, &Rule<'_>, String)> = None;
        for (method, host, path) in self.requests() {
            let target = Target {
                path: Some(path.as_bytes()),
                method: Some(method.as_bytes()),
                authority: Some(host.as_bytes()),
            };
            // One that some upstream reads in another way is nobody's.
            alone.choose(&target).ok()?.rule?;
            let (ruling, _) = policy.rules.choose(&target).ok()?;
            let position = ruling.rule().filter(|position| *position < at)?;
            let earlier = rules.get(position)?;
            let is_worse = match &lost {
                None => true,
                Some((_, known, _)) => earlier.is_open() && !known.is_open(),
            };
            if earlier.access != self.access && is_worse {
                let host = if self.matches.hosts.is_empty() {
                    ""
                } else {
                    &host
                };
                lost = Some((position, earlier, format!("{method} {host}{path}")));
            }
        }
        lost
    }

    /// Requests of every kind that this rule is about: none for an expression.
    fn requests(&self) -> Vec<(&str, String, String)> {
        let methods = self.matches.methods.iter().map(Method::as_str);
        let mut methods: Vec<_> = methods.collect();
        if methods.is_empty() {
            methods.push(OTHER_METHOD);
        }
        let hosts = self.matches.hosts.iter().map(HostPattern::example);
        let mut hosts: Vec<_> = hosts.collect();
        if hosts.is_empty() {
            hosts.push(OTHER_HOST.to_owned());
        }
        let mut requests = Vec::new();
        for path in self.shape.iter().flat_map(paths) {
            for method in &methods {
                for host in &hosts {
                    requests.push((*method, host.clone(), path.clone()));
                }
            }
        }
        requests
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
            (PathPattern::Any, _) if !self.is_open() => return true,
            // The made-up request has shown that it takes all that the later rule is about.
            (PathPattern::Regex(_), _) => return false,
            _ => {}
        }
        if later.matches.covers(self.matches, case) {
            return true;
        }
        let narrower = match (&self.shape, &later.shape) {
            (Some(ours), Some(theirs)) => is_as_specific(ours, theirs),
            _ => false,
        };
        let wider = paths(self).covers(&paths(later), case);
        !wider && (narrower || paths(later).covers(&paths(self), case))
    }

    /// A path that both rules are about.
    fn shared_path(&self, later: &Self, case: PathCase) -> Option<String> {
        match (&self.shape, &later.shape) {
            (Some(ours), Some(theirs)) => meet(ours, theirs, case),
            // Deep enough that an expression for the top of a prefix alone does not match it.
            (None, Some(theirs)) => meet(theirs, &EVERY_PATH, case).map(|path| {
                let deeper = theirs.tail == Tail::AnyNumber;
                let below = format!("{}/{SOME_SEGMENT}", path.trim_end_matches('/'));
                if deeper { below } else { path }
            }),
            // What an expression matches is anybody's guess.
            (_, None) => None,
        }
    }
}

/// What two lists have in common, of which an empty one stands for all; `None` within if both are
/// empty.
fn shared<'a, T>(
    ours: &'a [T],
    theirs: &'a [T],
    covers: impl Fn(&T, &T) -> bool,
) -> Option<Option<&'a T>> {
    match (ours, theirs) {
        ([], []) => Some(None),
        ([], [first, ..]) | ([first, ..], []) => Some(Some(first)),
        _ => {
            // Of two that meet, one is within the other.
            let mut pairs = ours
                .iter()
                .flat_map(|one| theirs.iter().map(move |other| (one, other)));
            let inner = pairs.find_map(|(one, other)| match covers(one, other) {
                true => Some(other),
                false => covers(other, one).then_some(one),
            });
            inner.map(Some)
        }
    }
}

/// Whether a shape names every segment that the other names.
fn is_as_specific(one: &Shape<'_>, other: &Shape<'_>) -> bool {
    let mut pieces = other.pieces.iter().enumerate();
    pieces.all(|(at, piece)| match piece {
        Piece::Variable => true,
        Piece::Literal(_) => matches!(one.pieces.get(at), Some(Piece::Literal(_))),
    })
}

/// Paths of a shape, of several lengths and with several segments for its variables.
fn paths(shape: &Shape<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    for segment in [SOME_SEGMENT, OTHER_SEGMENT] {
        for more in DEPTHS {
            let fits = match shape.tail {
                Tail::End => more == 0,
                Tail::OneOrMore => more > 0,
                Tail::AnyNumber => true,
            };
            let own = shape.pieces.iter().map(|piece| match piece {
                Piece::Literal(literal) => literal.literal(),
                Piece::Variable => segment,
            });
            let segments: Vec<_> = own.chain(std::iter::repeat_n(segment, more)).collect();
            if fits {
                paths.push(format!("/{}", segments.join("/")));
            }
        }
    }
    paths
}

/// A path of both shapes.
fn meet(one: &Shape<'_>, other: &Shape<'_>, case: PathCase) -> Option<String> {
    let needs = |shape: &Shape<'_>| {
        let more = usize::from(shape.tail == Tail::OneOrMore);
        shape.pieces.len().saturating_add(more)
    };
    let length = needs(one).max(needs(other));
    let fits = |shape: &Shape<'_>| shape.tail != Tail::End || shape.pieces.len() == length;
    if !fits(one) || !fits(other) {
        return None;
    }
    let mut path = String::new();
    for at in 0..length {
        let segment = match (one.pieces.get(at), other.pieces.get(at)) {
            (Some(Piece::Literal(ours)), Some(Piece::Literal(theirs)))
                if ours.loose(case) != theirs.loose(case) =>
            {
                return None;
            }
            (_, Some(Piece::Literal(literal))) | (Some(Piece::Literal(literal)), _) => {
                literal.literal()
            }
            _ => SOME_SEGMENT,
        };
        path.push('/');
        path.push_str(segment);
    }
    if path.is_empty() {
        path.push('/');
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::locate::File;

    #[track_caller]
    fn meets(one: &PathPattern, other: &PathPattern, expected: Option<&str>) {
        let rule = |path: &PathPattern| Match {
            path: path.clone(),
            methods: Vec::new(),
            hosts: Vec::new(),
        };
        let (one, other) = (rule(one), rule(other));
        let (one, other) = (one.shape().unwrap(), other.shape().unwrap());
        let case = PathCase::Insensitive;
        assert_eq!(meet(&one, &other, case).as_deref(), expected);
        let back = meet(&other, &one, case).map(|path| path.to_lowercase());
        assert_eq!(back, expected.map(str::to_lowercase));
    }

    #[test]
    fn shapes_meet_in_a_path_of_both() {
        let exact = |path| PathPattern::exact(path).unwrap();
        let prefix = |path| PathPattern::prefix(path).unwrap();
        let template = |path| PathPattern::template(path).unwrap();
        meets(&exact("/a"), &prefix("/"), Some("/a"));
        meets(&exact("/"), &prefix("/"), Some("/"));
        meets(&exact("/a/"), &exact("/A"), Some("/A"));
        meets(&exact("/a"), &prefix("/a/b"), None);
        meets(&prefix("/a"), &prefix("/a/b"), Some("/a/b"));
        meets(&prefix("/a"), &prefix("/b"), None);
        meets(&template("/{x}/b"), &prefix("/a"), Some("/a/b"));
        meets(&template("/{x}"), &exact("/a/b"), None);
        meets(&template("/a/{x+}"), &prefix("/a"), Some("/a/x"));
        meets(&template("/a/{x+}"), &exact("/a"), None);
    }

    /// The warnings about rules, each given as its match and what it does.
    fn about(rules: &[[&str; 2]]) -> Vec<String> {
        let rules = rules
            .iter()
            .map(|[matches, does]| format!("- match: {{{matches}}}\n  {does}\n"));
        let rules: String = rules.collect();
        let text = format!(
            "user_pools:\n- user_pool_id: us-east-1_A\n  client_ids: [a]\n  jwks: {{cluster: c}}\n\
             token: {{use: access}}\ndefault: nobody\nrules:\n{rules}"
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
        let found = about(&[first, second]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(request), "{found:?}");
    }

    #[track_caller]
    fn quiet(first: [&str; 2], second: [&str; 2]) {
        assert_eq!(about(&[first, second]), Vec::<String>::new());
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

    /// Each of them is an exception, and together they leave nothing.
    #[test]
    fn several_rules_that_leave_nothing() {
        let all = ["prefix: /a, methods: [GET, POST]", READ];
        let [get, post, put] =
            ["GET", "POST", "PUT"].map(|one| format!("prefix: /a, methods: [{one}]"));
        let [get, post, put] = [&*get, &*post, &*put];
        let found = about(&[[get, WRITE], [post, OPEN], all]);
        let text =
            "open-above-strict POST /a passes without a token, though rules[2] asks for more";
        assert_eq!(found, [text]);
        let found = about(&[[get, WRITE], [post, WRITE], all]);
        assert_eq!(
            found,
            ["partial-shadow GET /a falls under rules[0], not under this rule"]
        );
        assert!(about(&[[get, OPEN], [put, OPEN], all]).is_empty());
        assert!(about(&[[get, READ], [post, READ], all]).is_empty());
        let top = ["path: /a", "template: '/a/{x}'"];
        assert!(about(&[[top[0], OPEN], [top[1], OPEN], ["prefix: /a", READ]]).is_empty());
        assert!(about(&[["path: /a/x", OPEN], ["template: '/a/{x}'", READ]]).is_empty());
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
