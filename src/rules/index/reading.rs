//! All readings of a path at once.
//!
//! A path with ten encoded separators has a thousand readings, so they are not tried one by one.
//! The path is walked once, from left to right, with all the states in which a server could be at
//! that point: where a reader may go on in two ways, both states are kept, and states that have
//! become equal are merged. The work is bounded by atoms times states, not by readings.
//!
//! An example: `/a%2Fb;x/c` has the atoms `a`, `b;x` and `c`. After the first one a server is
//! either behind the segment `a` (it takes `%2F` for a separator), or within a segment that began
//! with `a`. After the second one it is behind `a` and `b`, or `a` and `b;x`, or behind one segment
//! `a/b` or `a/b;x`. No rule can tell `a/b` from `a/b;x`, since no rule has a `/` or a `;` in a
//! segment, so those two are one state.
//!
//! What the states mean is the business of a [`Question`]: to the tree of rules a state is a node,
//! to a single pattern it is the number of its pieces that have matched.

use super::super::path::{Atom, Joint, RequestPath, UnsafePath};
use super::super::work::{PLACE, Work};

/// Bytes of a segment are hashed and compared some times faster than an expression is matched.
///
/// Measured in Envoy, as all costs of a path.
const BYTES_PER_UNIT: usize = 4;

/// A segment, as some server has read it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'p> {
    /// Nothing between two separators, by a server that does not merge them.
    Empty,
    /// The name of this atom, and nothing else.
    Name(Atom<'p>),
    /// A text that no rule can name, beginning with this atom: it has `;`, `?`, `#` or an encoded
    /// separator in it.
    Opaque(Atom<'p>),
}

/// The question is settled, and no further reading is of interest.
///
/// An `Err` with which a walk ends early, by `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled;

/// What is asked of each reading, segment by segment. A state, a number whose meaning is the
/// question's own, is what is known after some segments.
pub(super) trait Question<'p> {
    /// Adds the states to which a segment leads: none, if what follows does not matter.
    fn segment(
        &mut self,
        state: usize,
        segment: Segment<'p>,
        next: &mut Vec<usize>,
    ) -> Result<(), Settled>;

    /// The path ends in this state.
    fn end(&mut self, state: usize) -> Result<(), Settled>;
}

/// Where a server is, between two atoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A segment begins here.
    Before,
    /// The segment goes on: the separator was part of it.
    Within,
    /// Parameters go on, up to the next `/`, and are removed.
    Parameters,
    /// Nothing has stood before this separator: a host begins here. `//a/b` is the path `/b` of the
    /// host `a` to a reader of URLs, which takes `a` off.
    Host,
    /// The same, once parameters are removed that go on up to the next `/`.
    HostParameters,
}

/// Whether some reading of a path settles a question.
///
/// # Errors
/// To find out would cost more than a request may cost.
pub(super) fn some_reading<'p>(
    path: &'p RequestPath<'_>,
    question: &mut dyn Question<'p>,
    start: usize,
    work: &mut Work,
) -> Result<bool, UnsafePath> {
    let mut walk = Walk {
        question,
        next: Vec::new(),
        reached: Vec::new(),
    };
    // A server that has read nothing yet.
    let mut states = vec![(start, Place::Before)];
    for atom in path.atoms() {
        // The slash at the beginning may already be the first of `//host`.
        if atom.at == 0 {
            walk.before_host(start, &atom);
        }
        for (state, place) in states.drain(..) {
            // Spent before the step, so that a path which costs too much is refused before it has
            // cost it.
            let bytes = atom.decoded.len() / BYTES_PER_UNIT;
            work.spend(PLACE.saturating_add(bytes))?;
            if walk.step(state, place, &atom).is_err() {
                return Ok(true);
            }
        }
        std::mem::swap(&mut states, &mut walk.next);
        // No rule follows from any of the readings.
        if states.is_empty() {
            break;
        }
    }
    Ok(false)
}

/// Every list is kept and reused: a path may have four thousand atoms, and a stranger sends it for
/// nothing.
struct Walk<'q, 'p> {
    question: &'q mut dyn Question<'p>,
    /// Sorted: states that have become equal are one.
    next: Vec<(usize, Place)>,
    /// Where one segment leads; kept between segments so that it is allocated once.
    reached: Vec<usize>,
}

/// What follows a segment that ends with an atom, or within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The next segment.
    Next,
    /// The next segment, or the rest of the parameters.
    Parameters,
    /// More of this one.
    More,
    /// The end of the path.
    End,
}

impl<'p> Walk<'_, 'p> {
    /// What becomes of one state at one atom: every way in which a server may go on from there.
    fn step(&mut self, state: usize, place: Place, atom: &Atom<'p>) -> Result<(), Settled> {
        match place {
            Place::Before => self.begin(state, atom),
            // The segment has begun with an earlier atom, so that it is opaque already, and only
            // its end is of interest.
            Place::Within => {
                if atom.before_cut.is_some() {
                    self.then(state, atom, Then::End)?;
                }
                if atom.before_parameters.is_some() {
                    self.then(state, atom, Then::Parameters)?;
                }
                self.then(state, atom, Then::More)?;
                self.then(state, atom, Then::Next)
            }
            // What stands in parameters is text that is removed, until a slash ends them.
            Place::Parameters | Place::HostParameters => {
                if atom.before_cut.is_some() {
                    self.then(state, atom, Then::End)?;
                }
                match (atom.joint, place) {
                    (Joint::Encoded, _) => self.go(state, place),
                    (Joint::Slash, Place::HostParameters) => self.go(state, Place::Host),
                    (Joint::Slash | Joint::End, _) => self.then(state, atom, Then::Next)?,
                }
                Ok(())
            }
            // The atom is the host: it stands in no segment, and the path begins behind it.
            Place::Host => {
                self.before_host(state, atom);
                if atom.decoded.is_empty() {
                    return Ok(());
                }
                if atom.before_cut.is_some() {
                    self.then(state, atom, Then::End)?;
                }
                self.then(state, atom, Then::Parameters)
            }
        }
    }

    /// All that may begin with an atom: the segment that it is, a longer one, its name without
    /// parameters, and the last one of the path if it is cut off.
    fn begin(&mut self, state: usize, atom: &Atom<'p>) -> Result<(), Settled> {
        let (name, opaque) = (Segment::Name(*atom), Segment::Opaque(*atom));
        match (atom.decoded.is_empty(), atom.is_name()) {
            (true, _) => self.nothing(state, atom, Then::Next)?,
            (false, true) => self.segment(state, name, atom, Then::Next)?,
            (false, false) => self.segment(state, opaque, atom, Then::Next)?,
        }
        // The separator is a character to some: the segment goes on.
        if atom.joint == Joint::Encoded {
            self.segment(state, opaque, atom, Then::More)?;
        }
        // Tomcat and its like remove `;x`, and then see the name alone.
        if let Some(bare) = atom.before_parameters {
            match bare.len() == atom.name.len() {
                true if bare.is_empty() => self.nothing(state, atom, Then::Parameters)?,
                true => self.segment(state, name, atom, Then::Parameters)?,
                false => self.segment(state, opaque, atom, Then::Parameters)?,
            }
        }
        // A server that decodes before it parses ends the path at `?` or `#`.
        if let Some(before) = atom.before_cut {
            match atom.name {
                "" => self.then(state, atom, Then::End)?,
                _ => self.segment(state, name, atom, Then::End)?,
            }
            // With its parameters, or cut off at a second place only.
            if before.len() != atom.name.len() || atom.is_cut_twice {
                self.segment(state, opaque, atom, Then::End)?;
            }
        }
        Ok(())
    }

    /// Nothing stands before a separator: it may vanish, or be a segment of its own.
    fn nothing(&mut self, state: usize, atom: &Atom<'p>, then: Then) -> Result<(), Settled> {
        // At the end it is a trailing slash, which makes no segment.
        if atom.joint != Joint::End {
            self.segment(state, Segment::Empty, atom, then)?;
        }
        self.then(state, atom, then)
    }

    /// A host may begin after an atom that vanishes.
    fn before_host(&mut self, state: usize, atom: &Atom<'p>) {
        let parameters = atom.before_parameters == Some("");
        if atom.joint != Joint::End && (atom.decoded.is_empty() || parameters) {
            self.go(state, Place::Host);
            if parameters && atom.joint == Joint::Encoded {
                self.go(state, Place::HostParameters);
            }
        }
    }

    /// Asks the question about a segment, and goes on from each state that it leads to.
    fn segment(
        &mut self,
        state: usize,
        segment: Segment<'p>,
        atom: &Atom<'p>,
        then: Then,
    ) -> Result<(), Settled> {
        let mut reached = std::mem::take(&mut self.reached);
        self.question.segment(state, segment, &mut reached)?;
        for state in reached.drain(..) {
            self.then(state, atom, then)?;
        }
        self.reached = reached;
        Ok(())
    }

    /// A state is reached. If it has been before, it is one state.
    fn go(&mut self, state: usize, place: Place) {
        if let Err(at) = self.next.binary_search(&(state, place)) {
            self.next.insert(at, (state, place));
        }
    }

    /// The states that follow, by what stands behind the atom: what ends here begins a segment, or
    /// ends the path.
    fn then(&mut self, state: usize, atom: &Atom<'p>, then: Then) -> Result<(), Settled> {
        match (then, atom.joint) {
            (Then::End, _) | (Then::Next | Then::Parameters, Joint::End) => {
                return self.question.end(state);
            }
            (Then::Parameters, Joint::Encoded) => {
                self.go(state, Place::Parameters);
                self.go(state, Place::Before);
            }
            (Then::Next, Joint::Slash | Joint::Encoded) | (Then::Parameters, Joint::Slash) => {
                self.go(state, Place::Before);
            }
            (Then::More, Joint::Encoded) => self.go(state, Place::Within),
            (Then::More, Joint::Slash | Joint::End) => {}
        }
        Ok(())
    }
}
