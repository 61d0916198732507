//! A tree of path segments.
//!
//! A node stands for all paths that its way down from the root spells, where a variable stands for
//! any segment. Under `/users/{id}` and `/users/me`, the path `/users/me` leads to two nodes, and
//! the earliest rule of both decides. A node knows the earliest rule at or below it, so that a walk
//! looks at no node that could only give a later rule than the one it has.

use super::super::path::{PathCase, RequestPath, UnsafePath, fold, segments};
use super::super::pattern::{Piece, Shape, Tail};
use super::super::work::{PLACE, Work};
use super::candidates::{Asked, Candidates, Condition};
use super::reading::{Question, Segment, Settled, some_reading};
use super::{earlier, is_before};
use std::borrow::Cow;
use std::collections::HashMap;

/// Which form of a rule's segments the tree is made of, to be walked by a reading of that kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelling {
    Literal,
    Loose(PathCase),
}

/// The rules of a list that are about segments. Its depth is that of the longest rule.
#[derive(Debug)]
pub(super) struct Trie {
    /// The first is the root.
    nodes: Vec<Node>,
    /// The length of the longest segment that a rule names.
    longest: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// Names come from the configuration, so that no client can make them collide.
    literals: HashMap<String, usize>,
    /// One node for all names of variables: `{id}` and `{userId}` match the same.
    variable: Option<usize>,
    /// Rules for the path that ends here: `path`, and `template` without a rest.
    end: Candidates,
    /// Rules for this path and all below it: `prefix`.
    any_number: Candidates,
    /// Rules for all paths below this one: `template` with `{name+}`.
    one_or_more: Candidates,
    /// The first rule that this node or one below it is there for.
    earliest: usize,
}

/// The tree is a list, and its nodes are known by their places in it.
const ROOT: usize = 0;

/// How many times longer a name may be than it is once its letters are folded: a dotless `ı` and a dot
/// above it are four bytes, and an `i`.
pub(super) const MOST_FOLDED: usize = 4;

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            longest: 0,
        }
    }
}

impl Trie {
    /// Adds a rule. Rules are added in their order.
    pub(super) fn insert(
        &mut self,
        shape: &Shape<'_>,
        (rule, conditions, spelling): (usize, &[Condition], Spelling),
    ) {
        // Down from the root; nodes are made where none has been needed yet.
        let mut at = ROOT;
        for piece in &shape.pieces {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                return;
            };
            at = match piece {
                Piece::Variable => *node.variable.get_or_insert(next),
                Piece::Literal(segment) => {
                    let text = match spelling {
                        Spelling::Literal => Cow::Borrowed(segment.literal()),
                        Spelling::Loose(case) => segment.loose(case),
                    };
                    self.longest = self.longest.max(text.len());
                    *node.literals.entry(text.into_owned()).or_insert(next)
                }
            };
            if at == next {
                // Rules come in their order: those that pass through here later are later ones.
                self.nodes.push(Node {
                    earliest: rule,
                    ..Node::default()
                });
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            match shape.tail {
                Tail::End => node.end.add(rule, conditions),
                Tail::AnyNumber => node.any_number.add(rule, conditions),
                // `{name+}` is not the path above it: `/files` is not under `/files/{path+}`.
                Tail::OneOrMore => node.one_or_more.add(rule, conditions),
            }
        }
    }

    /// Whether the segments of another tree, made of the same rules in another spelling, are the
    /// same: then one tree serves both.
    pub(super) fn has_the_segments_of(&self, other: &Self) -> bool {
        // Nodes are numbered as the rules need them, so equal spellings give equal numbers.
        self.nodes.len() == other.nodes.len()
            && self
                .nodes
                .iter()
                .zip(&other.nodes)
                .all(|(one, other)| one.literals == other.literals)
    }

    /// The earliest rule that matches a literal reading, method and host.
    ///
    /// Where a segment fits a literal and a variable both ways are followed, but none that leads to
    /// later rules only.
    ///
    /// # Errors
    /// The rules have more such forks than a request may cost.
    pub(super) fn first(
        &self,
        path: &str,
        asked: &Asked<'_>,
        work: &mut Work,
    ) -> Result<Option<usize>, UnsafePath> {
        // Best so far. With forks a path of n segments could lead to 2^n nodes, if the rules had as
        // many; the work is counted, and a request that would cost too much is refused.
        let mut best = None;
        // Does not allocate before there is a fork.
        let mut forks = Vec::new();
        let mut next = Some((ROOT, segments(path)));
        while let Some((at, mut rest)) = next.take().or_else(|| forks.pop()) {
            let Some(node) = self.nodes.get(at) else {
                continue;
            };
            // Nothing below could be earlier than what has been found.
            if !is_before(Some(node.earliest), best) {
                continue;
            }
            work.spend(PLACE)?;
            // Of this path and of all below it, so that it counts at every node on the way.
            best = earlier(best, node.any_number.first(asked));
            let Some(segment) = rest.next() else {
                best = earlier(best, node.end.first(asked));
                continue;
            };
            best = earlier(best, node.one_or_more.first(asked));
            // First in line, and a literal takes its place: `/users/me` is tried before
            // `/users/{id}`.
            if let Some(variable) = node.variable {
                next = Some((variable, rest.clone()));
            }
            // Not hashed: no rule names one as long.
            if segment.len() > self.longest {
                continue;
            }
            if let Some(literal) = node.literals.get(segment) {
                forks.extend(next.replace((*literal, rest)));
            }
        }
        Ok(best)
    }

    /// Whether a rule before `limit` matches some reading of a path, compared loosely.
    ///
    /// # Errors
    /// To find out would cost more than a request may cost.
    pub(super) fn some_reading_is_before(
        &self,
        limit: Option<usize>,
        path: &RequestPath<'_>,
        case: PathCase,
        asked: &Asked<'_>,
        work: &mut Work,
    ) -> Result<bool, UnsafePath> {
        let mut question = IsBefore {
            trie: self,
            limit,
            case,
            asked,
            name: None,
        };
        // `prefix: /` is settled at the root, before any segment.
        if question.enter(ROOT, &mut Vec::new()).is_err() {
            return Ok(true);
        }
        some_reading(path, &mut question, ROOT, work)
    }
}

/// Whether the nodes that a reading leads to have a rule that is early enough. A state is a node.
struct IsBefore<'a, 'p> {
    trie: &'a Trie,
    limit: Option<usize>,
    case: PathCase,
    asked: &'a Asked<'a>,
    /// The last name that was compared, and which atom's it is: several states ask for it.
    name: Option<(usize, Cow<'p, str>)>,
}

impl IsBefore<'_, '_> {
    fn settle(&self, rules: &Candidates) -> Result<(), Settled> {
        match is_before(rules.first(self.asked), self.limit) {
            true => Err(Settled),
            false => Ok(()),
        }
    }

    fn enter(&self, at: usize, next: &mut Vec<usize>) -> Result<(), Settled> {
        if let Some(node) = self.trie.nodes.get(at)
            && is_before(Some(node.earliest), self.limit)
        {
            self.settle(&node.any_number)?;
            next.push(at);
        }
        Ok(())
    }
}

impl<'p> Question<'p> for IsBefore<'_, 'p> {
    fn segment(
        &mut self,
        state: usize,
        segment: Segment<'p>,
        next: &mut Vec<usize>,
    ) -> Result<(), Settled> {
        let trie = self.trie;
        let Some(node) = trie.nodes.get(state) else {
            return Ok(());
        };
        self.settle(&node.one_or_more)?;
        if !matches!(segment, Segment::Empty)
            && let Some(variable) = node.variable
        {
            self.enter(variable, next)?;
        }
        // What is opaque has a character that no literal of a rule has, and an empty segment has no
        // name.
        let Segment::Name(atom) = segment else {
            return Ok(());
        };
        let name = atom.name;
        // Folding costs more than it costs to see that the name is too long.
        if node.literals.is_empty() || name.len() / MOST_FOLDED > trie.longest {
            return Ok(());
        }
        // Folded once for each atom, however many states look at it.
        let folded = match self.name.take() {
            Some((at, name)) if at == atom.at => name,
            _ => match self.case {
                PathCase::Insensitive => fold(name),
                PathCase::Sensitive => Cow::Borrowed(name),
            },
        };
        let literal = node.literals.get(&*folded);
        self.name = Some((atom.at, folded));
        literal.map_or(Ok(()), |literal| self.enter(*literal, next))
    }

    fn end(&mut self, state: usize) -> Result<(), Settled> {
        let end = self.trie.nodes.get(state).map(|node| &node.end);
        end.map_or(Ok(()), |end| self.settle(end))
    }
}
