//! From API Gateway's choice of a resource to an order of rules, of which the first match decides.

use super::definition::Api;
use super::head;
use super::route::{Route, Segment};
use super::security::Access;
use std::collections::{BTreeMap, BTreeSet};

/// Which requests a rule is about.
#[derive(Clone, Debug)]
pub(super) enum Matching {
    /// This path, or all of this shape.
    Route(Route),
    /// This path and all below it.
    Prefix(Route),
    /// Whatever no rule before it matches.
    Everything,
}

/// A rule, before it is written.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    pub(super) matching: Matching,
    /// `None` for all methods.
    pub(super) method: Option<String>,
    pub(super) access: Access,
    /// What it came from.
    pub(super) origin: Vec<String>,
}

/// What each method asks for, and what that came from.
type Methods = BTreeMap<Method, (Access, Vec<String>)>;

/// All operations of one shape: paths that differ in the names of their variables alone.
struct Shape {
    route: Route,
    methods: Methods,
}

/// A method, in the order of rules: one for `GET` would take `HEAD`, and one for all takes what is
/// left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    Head,
    Named(String),
    Any,
}

impl Method {
    fn new(name: Option<&str>) -> Self {
        match name {
            None => Self::Any,
            Some("HEAD") => Self::Head,
            Some(name) => Self::Named(name.to_owned()),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Head => Some("HEAD"),
            Self::Named(name) => Some(name),
            Self::Any => None,
        }
    }
}

/// The operations of an API, by the shapes of their paths.
#[derive(Default)]
pub(super) struct Routes {
    shapes: BTreeMap<Vec<Segment>, Shape>,
    /// The `$default` route.
    everything: Methods,
}

/// Two operations that no rule could tell apart, and that ask for different things: nobody may
/// call either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Indistinct;

impl Routes {
    /// Adds an operation for everything that no other is for.
    pub(super) fn add_default(
        &mut self,
        method: Option<&str>,
        access: Access,
        origin: String,
    ) -> Result<(), Indistinct> {
        insert(&mut self.everything, method, access, origin)
    }

    /// Adds an operation.
    pub(super) fn add(
        &mut self,
        route: Route,
        method: Option<&str>,
        access: Access,
        origin: String,
    ) -> Result<(), Indistinct> {
        let shape = self.shapes.entry(route.segments.clone());
        let shape = shape.or_insert_with(|| Shape {
            route,
            methods: BTreeMap::new(),
        });
        insert(&mut shape.methods, method, access, origin)
    }

    /// Whether two paths, or what they are below, differ in letter case alone.
    pub(super) fn need_letter_case(&self) -> bool {
        let mut seen: BTreeMap<Vec<Segment>, &[Segment]> = BTreeMap::new();
        self.shapes.keys().any(|segments| {
            let mut lower = Vec::new();
            segments.iter().zip(1..).any(|(segment, length)| {
                lower.push(match segment {
                    Segment::Literal(text) => Segment::Literal(text.to_lowercase()),
                    other => other.clone(),
                });
                let start = segments.get(..length).unwrap_or_default();
                *seen.entry(lower.clone()).or_insert(start) != start
            })
        })
    }

    /// The rules in an order in which the first that matches is the one that API Gateway chooses.
    pub(super) fn ordered(self, api: Api) -> Vec<Ordered> {
        match api {
            Api::Http => self.best_match(),
            Api::Rest => self.tree(),
        }
    }

    /// An HTTP API looks for a full match of path and method first, then for a greedy one, then
    /// takes `$default`.
    fn best_match(self) -> Vec<Ordered> {
        let greedy = |shape: &&Shape| shape.route.segments.last() == Some(&Segment::Rest);
        let (last, first): (Vec<_>, Vec<_>) = self.shapes.values().partition(greedy);
        let mut rules: Vec<_> = first.into_iter().chain(last).flat_map(own_rules).collect();
        let matching = || Matching::Everything;
        rules.extend(ordered(&self.everything, matching));
        head::kept(rules)
    }

    /// A REST API goes down a tree of resources, prefers what is named to what is a variable, and
    /// never turns back: what a resource does not have is refused, though a `{proxy+}` beside it
    /// would take it. Rules that fall through need a refusal at the end of each such branch.
    fn tree(self) -> Vec<Ordered> {
        let mut nodes: BTreeSet<Vec<Segment>> = BTreeSet::new();
        let mut spelled: BTreeMap<Vec<Segment>, Route> = BTreeMap::new();
        for shape in self.shapes.values() {
            for length in 1..=shape.route.segments.len() {
                let start = shape.route.starts(length);
                nodes.insert(start.segments.clone());
                spelled.entry(start.segments.clone()).or_insert(start);
            }
        }
        let mut rules = Vec::new();
        let root = self.shapes.get(&Vec::new());
        rules.extend(root.into_iter().flat_map(own_rules).map(Step::Rule));
        // In the order of the tree, each before what is below it; `open` are those around it.
        let mut open: Vec<Vec<Segment>> = Vec::new();
        for node in &nodes {
            while let Some(around) = open.pop_if(|around| !node.starts_with(around)) {
                self.close(&around, &nodes, &spelled, &mut rules);
            }
            let shape = self.shapes.get(node);
            rules.extend(shape.into_iter().flat_map(own_rules).map(Step::Rule));
            open.push(node.clone());
        }
        while let Some(around) = open.pop() {
            self.close(&around, &nodes, &spelled, &mut rules);
        }
        needed(rules)
    }

    /// What a resource refuses: its other methods, and what is not below it.
    fn close(
        &self,
        node: &[Segment],
        nodes: &BTreeSet<Vec<Segment>>,
        spelled: &BTreeMap<Vec<Segment>, Route>,
        rules: &mut Vec<Step>,
    ) {
        let Some(route) = spelled.get(node) else {
            return;
        };
        let shape = self.shapes.get(node);
        let takes_all = shape.is_some_and(|shape| shape.methods.contains_key(&Method::Any));
        let mut below = node.to_vec();
        below.push(Segment::Rest);
        let has_rest = nodes.contains(&below) || node.last() == Some(&Segment::Rest);
        rules.push(Step::End {
            itself: (!takes_all).then(|| route.clone()),
            below: (!has_rest).then(|| route.below()),
            prefix: route.clone(),
        });
    }
}

/// A rule of the definition, or a refusal at the end of a branch.
enum Step {
    Rule(Ordered),
    End {
        itself: Option<Route>,
        below: Option<Route>,
        prefix: Route,
    },
}

/// Drops the refusals that change nothing: what follows lets nobody in, or another refusal stands
/// before it.
fn needed(steps: Vec<Step>) -> Vec<Ordered> {
    // From the last rule to the first: the routes that let someone in, and the refusals that hide
    // those of them that come after.
    let mut later: Vec<Route> = Vec::new();
    let mut shields: Vec<(Route, usize)> = Vec::new();
    let mut rules = Vec::new();
    for step in steps.into_iter().rev() {
        let (itself, below, prefix) = match step {
            Step::Rule(rule) => {
                if let (Matching::Route(route), true) =
                    (&rule.matching, rule.access != Access::Nobody)
                {
                    later.push(route.clone());
                }
                rules.push(rule);
                continue;
            }
            Step::End {
                itself,
                below,
                prefix,
            } => (itself, below, prefix),
        };
        let reached = |route: &Route| {
            let hidden = shields.iter().filter(|(shield, _)| shield.covers(route));
            let hidden = hidden.map(|(_, hidden)| *hidden).max().unwrap_or(0);
            later.iter().skip(hidden).any(|one| one.meets(route))
        };
        let itself = itself.filter(reached);
        let below = below.filter(reached);
        shields.extend(
            below
                .iter()
                .chain(&itself)
                .map(|route| (route.clone(), later.len())),
        );
        let refusal = |matching, what: &str| Ordered {
            matching,
            method: None,
            access: Access::Nobody,
            origin: vec![format!("{what} {}: nothing, in API Gateway", prefix.path())],
        };
        let literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        match (itself, below) {
            (Some(_), Some(_)) if prefix.segments.iter().all(literal) => {
                let matching = Matching::Prefix(prefix.clone());
                rules.push(refusal(matching, "what else is at or below"));
            }
            (itself, below) => {
                let below = below.map(Matching::Route);
                rules.extend(below.map(|matching| refusal(matching, "what else is below")));
                let itself = itself.map(Matching::Route);
                rules.extend(itself.map(|matching| refusal(matching, "other methods of")));
            }
        }
    }
    rules.reverse();
    rules
}

fn own_rules(shape: &Shape) -> impl Iterator<Item = Ordered> {
    ordered(&shape.methods, || Matching::Route(shape.route.clone()))
}

/// The rules for methods, those that are named first.
fn ordered(methods: &Methods, matching: impl Fn() -> Matching) -> impl Iterator<Item = Ordered> {
    let get = methods.get(&Method::new(Some("GET")));
    let any = methods.get(&Method::Any);
    // Here a rule for GET takes HEAD as well, there it is for the any-method.
    let head = any.filter(|any| {
        get.is_some_and(|get| get.0 != any.0) && !methods.contains_key(&Method::Head)
    });
    let head = head.map(|any| (&Method::Head, any)).into_iter();
    head.chain(methods)
        .map(move |(method, (access, origin))| Ordered {
            matching: matching(),
            method: method.name().map(str::to_owned),
            access: access.clone(),
            origin: origin.clone(),
        })
}

fn insert(
    methods: &mut Methods,
    method: Option<&str>,
    access: Access,
    origin: String,
) -> Result<(), Indistinct> {
    let method = Method::new(method);
    let Some((known, origins)) = methods.get_mut(&method) else {
        methods.insert(method, (access, vec![origin]));
        return Ok(());
    };
    origins.push(origin);
    if *known == access {
        return Ok(());
    }
    *known = Access::Nobody;
    Err(Indistinct)
}
