//! Rules that are never reached: nearly always a mistake in the order of the list, and one that
//! opens or closes a door unnoticed. So it is an error of the configuration, and not a warning.
//!
//! The answer errs on one side: a rule that is called unreachable is so, but some that are so are
//! not noticed, such as those that only several others together hide, or that an expression hides.

use super::super::path::PathCase;
use super::super::pattern::{Match, PathPattern, Piece, Shape, Tail};
use super::Unreachable;

/// A match with its segments at hand.
struct Covered<'m> {
    given: &'m Match,
    shape: Option<(Vec<Segment>, Tail)>,
}

/// A segment as the loose reading compares it. That is the one that counts: a request for
/// `/admin` would be refused if an earlier rule said `/Admin`, so neither rule is ever chosen
/// for it.
#[derive(PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable,
}

/// Every rule that one earlier rule covers, with the first that does. All pairs are compared; that
/// is done once, when the configuration is read.
///
/// With 5,000 rules that is some tenths of a second, within the limit that the number of rules has
/// for this reason.
pub(super) fn unreachable(matches: &[Match], case: PathCase) -> Vec<Unreachable> {
    let all: Vec<_> = matches.iter().map(|one| Covered::new(one, case)).collect();
    let mut unreachable = Vec::new();
    for (rule, later) in all.iter().enumerate() {
        let hidden_by = all
            .iter()
            .take(rule)
            .position(|earlier| earlier.covers(later));
        unreachable.extend(hidden_by.map(|hidden_by| Unreachable { rule, hidden_by }));
    }
    unreachable
}

impl Match {
    /// Whether every request that the other is about, this one is about as well, so that below this
    /// one the other can never be reached. Of two `regex` that differ it is not known.
    #[must_use]
    pub fn covers(&self, other: &Self, case: PathCase) -> bool {
        Covered::new(self, case).covers(&Covered::new(other, case))
    }
}

impl<'m> Covered<'m> {
    fn new(given: &'m Match, case: PathCase) -> Self {
        let loosen = |Shape { pieces, tail }: Shape<'_>| {
            let segments = pieces.iter().map(|piece| match piece {
                Piece::Literal(segment) => Segment::Literal(segment.loose(case).into_owned()),
                Piece::Variable => Segment::Variable,
            });
            (segments.collect(), tail)
        };
        Self {
            given,
            shape: given.path.shape().map(loosen),
        }
    }

    /// All three parts must be covered: a rule for `GET` hides none for every method.
    fn covers(&self, later: &Self) -> bool {
        self.covers_path(later) && self.covers_methods(later) && self.covers_hosts(later)
    }

    fn covers_methods(&self, later: &Self) -> bool {
        let (ours, theirs) = (&self.given.methods, &later.given.methods);
        // A rule that names none is about all: it covers, and is covered only by another such.
        let covered = |other| ours.iter().any(|one| one.covers(other));
        ours.is_empty() || !theirs.is_empty() && theirs.iter().all(covered)
    }

    fn covers_hosts(&self, later: &Self) -> bool {
        let (ours, theirs) = (&self.given.hosts, &later.given.hosts);
        let covered = |other| ours.iter().any(|one| one.covers(other));
        ours.is_empty() || !theirs.is_empty() && theirs.iter().all(covered)
    }

    fn covers_path(&self, later: &Self) -> bool {
        match (&self.given.path, &later.given.path) {
            // Requests without a path as well, which no other pattern matches.
            (PathPattern::Any, _) => return true,
            (PathPattern::Regex(one), PathPattern::Regex(other)) => {
                return one.as_str() == other.as_str();
            }
            _ => {}
        }
        let Some((ours, tail)) = &self.shape else {
            return false;
        };
        // `prefix: /` is every path, and since it looks at paths a request without one is refused.
        if ours.is_empty() && *tail == Tail::AnyNumber {
            return true;
        }
        let Some((theirs, their_tail)) = &later.shape else {
            return false;
        };
        // A variable takes any text, but a text takes no variable.
        let fits = |(one, other): (&Segment, &Segment)| *one == Segment::Variable || one == other;
        // How deep the paths of the later rule are, against what this one needs.
        let deep_enough = match tail {
            Tail::End => theirs.len() == ours.len() && *their_tail == Tail::End,
            Tail::AnyNumber => theirs.len() >= ours.len(),
            Tail::OneOrMore => {
                let least = usize::from(*their_tail == Tail::OneOrMore);
                theirs.len().saturating_add(least) > ours.len()
            }
        };
        deep_enough && ours.iter().zip(theirs).all(fits)
    }
}
