//! A tree of path segments.

use super::super::path::{PathCase, segments};
use super::super::pattern::{Piece, Shape, Tail};
use super::candidates::{Asked, Candidates, Condition};
use super::earlier;
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
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    variable: Option<usize>,
    /// Rules for the path that ends here.
    end: Candidates,
    /// Rules for this path and all below it.
    any_number: Candidates,
    /// Rules for all paths below this one.
    one_or_more: Candidates,
}

const ROOT: usize = 0;

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
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
                    *node.literals.entry(text.into_owned()).or_insert(next)
                }
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            match shape.tail {
                Tail::End => node.end.add(rule, conditions),
                Tail::AnyNumber => node.any_number.add(rule, conditions),
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

    /// The earliest rule that matches a path, method and host.
    ///
    /// Where a segment fits a literal and a variable both ways are followed. No node is visited
    /// twice, since only one way leads to it: the walk is bounded by the rules, not by the path.
    pub(super) fn first(&self, path: &str, asked: &Asked) -> Option<usize> {
        let mut best = None;
        // Does not allocate before there is a fork.
        let mut forks = Vec::new();
        let mut next = Some((ROOT, segments(path)));
        while let Some((at, mut rest)) = next.take().or_else(|| forks.pop()) {
            let Some(node) = self.nodes.get(at) else {
                continue;
            };
            best = earlier(best, node.any_number.first(asked));
            let Some(segment) = rest.next() else {
                best = earlier(best, node.end.first(asked));
                continue;
            };
            best = earlier(best, node.one_or_more.first(asked));
            if let Some(variable) = node.variable {
                next = Some((variable, rest.clone()));
            }
            if let Some(literal) = node.literals.get(segment) {
                forks.extend(next.replace((*literal, rest)));
            }
        }
        best
    }
}
