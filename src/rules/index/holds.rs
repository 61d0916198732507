//! Whether a rule's own pattern matches a path in every reading.
//!
//! Asked of the chosen rule: if some reading does not match it, that reading chooses a later rule,
//! which may ask for less. A literal piece matches one way only: the atom is that name and nothing
//! else, between separators that are separators for all servers. A variable takes any text, so it
//! goes on matching where `%2F` is kept in the segment, but then it stands for another text: that
//! is noted, for claims may be compared with it.

use super::super::path::{Atom, Joint};
use super::super::pattern::{Piece, Shape, Tail};
use super::reading::{Question, Segment, Settled};

/// Settled by a reading that the pattern does not match. A state is the number of pieces matched.
///
/// Letters are compared as the literal reading has them: what is equal there is equal for every
/// server.
pub(super) struct Fails<'m, 'p> {
    shape: Shape<'m>,
    /// For each piece, and for the tail, the atom that it begins with, once one is known.
    begins: Vec<Option<Atom<'p>>>,
    /// Which of them are other text in another reading.
    differs: Vec<bool>,
}

impl<'m, 'p> Fails<'m, 'p> {
    pub(super) fn new(shape: Shape<'m>) -> Self {
        let places = shape.pieces.len().saturating_add(1);
        Self {
            shape,
            begins: vec![None; places],
            differs: vec![false; places],
        }
    }

    /// Which pieces, the tail last, do not stand for one text in all readings.
    pub(super) fn differs(self) -> Vec<bool> {
        self.differs
    }

    /// A piece begins with this atom, in one reading at least.
    ///
    /// The first reading that is walked says what the piece is; each further one must say the same.
    fn note(&mut self, piece: usize, atom: Atom<'p>) {
        let first = self.begins.get_mut(piece);
        let first = first.map(|known| *known.get_or_insert(atom));
        let is_tail = piece == self.shape.pieces.len();
        let same = first.is_some_and(|first| match is_tail {
            // What follows counts, too.
            true => first.at == atom.at,
            false => first.decoded == atom.decoded,
        });
        if !same {
            self.note_difference(piece);
        }
    }

    fn note_difference(&mut self, piece: usize) {
        if let Some(differs) = self.differs.get_mut(piece) {
            *differs = true;
        }
    }
}

impl<'p> Question<'p> for Fails<'_, 'p> {
    fn segment(
        &mut self,
        state: usize,
        segment: Segment<'p>,
        next: &mut Vec<usize>,
    ) -> Result<(), Settled> {
        // The pieces are matched, and the path goes on.
        let Some(piece) = self.shape.pieces.get(state) else {
            match (self.shape.tail, segment) {
                (Tail::End, _) => return Err(Settled),
                // Whatever follows matches too.
                (Tail::AnyNumber, _) => {}
                (Tail::OneOrMore, Segment::Empty) => self.note_difference(state),
                (Tail::OneOrMore, Segment::Name(atom) | Segment::Opaque(atom)) => {
                    self.note(state, atom);
                }
            }
            return Ok(());
        };
        match (piece, segment) {
            (Piece::Literal(wanted), Segment::Name(atom)) if wanted.literal() == atom.literal => {}
            // An empty segment is no value of a variable: the server that keeps it finds no such
            // route.
            (Piece::Literal(_), _) | (Piece::Variable, Segment::Empty) => return Err(Settled),
            (Piece::Variable, Segment::Name(atom) | Segment::Opaque(atom)) => {
                self.note(state, atom);
                // Longer for one server, shorter for another.
                if atom.joint == Joint::Encoded || atom.before_cut.is_some() {
                    self.note_difference(state);
                }
            }
        }
        next.push(state.saturating_add(1));
        Ok(())
    }

    fn end(&mut self, state: usize) -> Result<(), Settled> {
        // A path that ends early, since some server cuts it there, is another path.
        let complete = state == self.shape.pieces.len() && self.shape.tail != Tail::OneOrMore;
        complete.then_some(()).ok_or(Settled)
    }
}
