//! The pieces of a path that every server agrees about.
//!
//! Where a path is cut is what servers differ in, and where it could be cut at all is what they
//! have in common. A path is taken apart there once, and a reading is a choice of which cuts to
//! believe.

use super::{ENCODED_SLASH, RequestPath};
use std::iter;

/// What stands between the separators of a path, `/` and what may become one: `%2F` and `%5C`.
/// No reading cuts finer, but for what follows a `;`, `?` or `#` in it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Atom<'p> {
    /// How many stand before it.
    pub(in super::super) at: usize,
    /// As the literal reading has it.
    ///
    /// What a chosen rule is compared with: it must match however few escapes a server decodes.
    pub(in super::super) literal: &'p str,
    /// With every escape decoded.
    ///
    /// What an earlier rule is compared with: it must not match however many a server decodes.
    pub(in super::super) decoded: &'p str,
    /// What follows.
    pub(in super::super) joint: Joint,
    /// The decoded text up to its first `;`, `?` or `#`.
    pub(in super::super) name: &'p str,
    /// The decoded text up to its first `;`, if it has one.
    pub(in super::super) before_parameters: Option<&'p str>,
    /// The decoded text up to its first `?` or `#`, if it has one.
    pub(in super::super) before_cut: Option<&'p str>,
    /// Whether it has a second one.
    ///
    /// Then a third text is possible: cut at the second place only, by a server that knows `#` and
    /// not `?`.
    pub(in super::super) is_cut_twice: bool,
}

/// What follows an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Joint {
    /// `/`: the segment ends here for all servers.
    Slash,
    /// `%2F` or `%5C`: the segment ends here for some, and goes on for others.
    Encoded,
    /// The end of the path.
    End,
}

impl<'p> Atom<'p> {
    /// The first atom of what is left of a decoded path, and what is left after it. Each byte is
    /// looked at once: a path may be one atom of eight thousand bytes.
    fn first(decoded: &'p str) -> (Self, Option<&'p str>) {
        // The first of each kind; later ones are part of what is removed.
        let (mut parameters, mut cut, mut is_cut_twice) = (None, None, false);
        let mut end = None;
        for (at, byte) in decoded.bytes().enumerate() {
            match byte {
                // Whatever may separate ends the atom, and the kind of it is told apart below.
                b'/' | b'\\' | ENCODED_SLASH => {
                    end = Some((at, byte));
                    break;
                }
                b';' => {
                    parameters.get_or_insert(at);
                }
                b'?' | b'#' => {
                    is_cut_twice |= cut.is_some();
                    cut.get_or_insert(at);
                }
                _ => {}
            }
        }
        let (text, joint, rest) = match end {
            None => (decoded, Joint::End, None),
            Some((at, byte)) => {
                let joint = match byte {
                    b'/' => Joint::Slash,
                    _ => Joint::Encoded,
                };
                let text = decoded.get(..at).unwrap_or_default();
                (text, joint, decoded.get(at.saturating_add(1)..))
            }
        };
        // All of them are ASCII, so that no character is cut in two.
        let before = |at: Option<usize>| text.get(..at?);
        let before_parameters = before(parameters);
        let before_cut = before(cut);
        let atom = Self {
            at: 0,
            literal: text,
            decoded: text,
            joint,
            name: before(parameters.into_iter().chain(cut).min()).unwrap_or(text),
            before_parameters,
            before_cut,
            is_cut_twice,
        };
        (atom, rest)
    }

    /// Whether the atom is its name, and nothing else.
    pub(in super::super) fn is_name(&self) -> bool {
        self.name.len() == self.decoded.len()
    }
}

impl RequestPath<'_> {
    /// The atoms, from left to right; at least one, and the last is empty after a trailing slash.
    pub(in super::super) fn atoms(&self) -> impl Iterator<Item = Atom<'_>> {
        // Both readings side by side. They have the same separators, though not at the same bytes.
        let mut rest = self.literal.get(1..).zip(self.decoded.get(1..));
        let mut next = 0_usize;
        iter::from_fn(move || {
            let (literal, decoded) = rest?;
            let (mut atom, decoded) = Atom::first(decoded);
            atom.at = next;
            next = next.saturating_add(1);
            // The same separator in the literal reading, where an escape takes three bytes.
            let (end, length) = match atom.joint {
                Joint::End => (None, 0),
                Joint::Slash => (literal.find('/'), 1),
                Joint::Encoded => (encoded_separator(literal), 3),
            };
            atom.literal = end.and_then(|end| literal.get(..end)).unwrap_or(literal);
            let literal = end.and_then(|end| literal.get(end.checked_add(length)?..));
            rest = literal.zip(decoded);
            Some(atom)
        })
    }
}

/// Where the first `%2F` or `%5C` of a literal reading is.
fn encoded_separator(literal: &str) -> Option<usize> {
    let mut escapes = literal.as_bytes().windows(3);
    escapes.position(|escape| matches!(escape, b"%2F" | b"%5C"))
}
