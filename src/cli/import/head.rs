//! `HEAD`, which a rule for `GET` takes as well, and API Gateway leads elsewhere.

use super::note::Notes;
use super::order::{Matching, Ordered};
use super::route::Route;
use super::security::Access;

impl Matching {
    /// Whether some path of a route is one that it is about.
    fn meets(&self, route: &Route) -> bool {
        match self {
            Self::Route(own) => own.meets(route),
            Self::Prefix(_) | Self::Everything => true,
        }
    }

    /// Whether all paths of a route are.
    fn takes(&self, route: &Route) -> bool {
        match self {
            Self::Route(own) => own.takes(route),
            Self::Prefix(_) | Self::Everything => true,
        }
    }
}

/// Where a rule for `GET` would take the `HEAD` that later rules are for, adds one for `HEAD`.
pub(super) fn kept(rules: Vec<Ordered>) -> Vec<Ordered> {
    let mut kept: Vec<Ordered> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let head = match (rule.method.as_deref(), &rule.matching) {
            (Some("GET"), Matching::Route(route)) if !has_head(&kept, route) => {
                let later = rules.get(at..).unwrap_or_default().iter();
                head_of(rule, route, later)
            }
            _ => None,
        };
        kept.extend(head);
        kept.push(rule.clone());
    }
    kept
}

/// Says for which paths anyone may send `HEAD`, though `GET` is not open.
pub(super) fn note_open(rules: &[Ordered], notes: &mut Notes) {
    let closed = |route: &Route| {
        rules.iter().any(|rule| {
            let same = |own: &Route| own.segments == route.segments;
            rule.method.as_deref() == Some("GET")
                && rule.access != Access::Anyone
                && matches!(&rule.matching, Matching::Route(own) if same(own))
        })
    };
    let open = rules.iter().filter_map(|rule| match &rule.matching {
        Matching::Route(route)
            if rule.method.as_deref() == Some("HEAD")
                && rule.access == Access::Anyone
                && closed(route) =>
        {
            Some(format!("HEAD {}", route.path()))
        }
        _ => None,
    });
    let open: Vec<_> = open.collect();
    if !open.is_empty() {
        let text = format!(
            "HEAD is open to everyone where GET is not; there it is led to an integration of its own, \
             here many upstreams answer it by running what GET runs, and send its headers: {}",
            open.join(", ")
        );
        notes.changed("paths", text);
    }
}

fn has_head(rules: &[Ordered], route: &Route) -> bool {
    rules.iter().any(|rule| {
        let same = |own: &Route| own.segments == route.segments;
        rule.method.as_deref() == Some("HEAD")
            && matches!(&rule.matching, Matching::Route(own) if same(own))
    })
}

/// The rule for the `HEAD` of a route that has only `GET`, if it asks for anything else.
fn head_of<'o>(
    get: &Ordered,
    route: &Route,
    later: impl Iterator<Item = &'o Ordered>,
) -> Option<Ordered> {
    let for_head = |one: &&Ordered| matches!(one.method.as_deref(), None | Some("HEAD"));
    let mut takers = Vec::new();
    let mut whole = false;
    for one in later.filter(for_head) {
        if one.matching.meets(route) {
            takers.push(one);
            whole = one.matching.takes(route);
        }
        if whole {
            break;
        }
    }
    let first = takers.first()?;
    if takers.iter().all(|one| one.access == get.access) {
        return None;
    }
    // Of several that ask for different things each has some of these paths.
    let agreed = whole && takers.iter().all(|one| one.access == first.access);
    Some(Ordered {
        matching: get.matching.clone(),
        method: Some("HEAD".to_owned()),
        access: match agreed {
            true => first.access.clone(),
            false => Access::Nobody,
        },
        origin: first.origin.clone(),
    })
}
