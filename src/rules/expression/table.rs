//! An expression as a table: for each state and character, the next state.
//!
//! The expression is first written out as steps, in the manner of Thompson (1968), each of which
//! waits for one character. A state of the table is a set of steps that may be next; sets are made
//! as they are reached from the first one. Nothing but whether the whole text matches is asked for,
//! so there are no captures, and greedy and lazy repetitions are the same.
//!
//! A byte costs one look-up, some forty times less than by the general engine, and a text that
//! fails at its beginning, as most do, costs only that. What expressions for paths look like makes
//! small tables; one that would make a large table is left to the general engine.

use super::syntax::{Class, Expression};
use std::collections::HashMap;

/// The most places of a table, two bytes each. `/v[0-9]+/reports/[^/]+` takes some two hundred, a
/// UUID one thousand.
const MAX_PLACES: usize = 16 * 1024;
/// The most steps of an expression, repetitions written out.
///
/// An expression with more is left to the general engine.
const MAX_STEPS: usize = 2 * 1024;

/// How many kinds of characters there can be: each byte of ASCII, and all others together.
const CHARACTERS: usize = 129;
const OTHERS: usize = 128;

/// The state that nothing leads out of.
const DEAD: u16 = 0;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rules) struct Table {
    /// The kind of each character; kinds are what the expression tells apart.
    kinds: Vec<u8>,
    /// For each state, the row of the next one by kind. A state is where its row begins.
    next: Vec<u16>,
    /// The rows of states in which the text may end, in ascending order.
    ends: Vec<u16>,
    start: u16,
}

/// One step of the expression, before it becomes a table.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A character, and the next step.
    One(Class, usize),
    /// Both of these, without a character.
    Both(usize, usize),
    /// The next step, at the beginning of the text only.
    Start(usize),
    /// The next step, at the end of the text only.
    End(usize),
    Match,
}

/// Where a step is asked what may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Middle,
    End,
}

impl Table {
    /// Compiles an expression that the whole text must match; `None` if the table would be large.
    pub(super) fn new(expression: &Expression) -> Option<Self> {
        // The last step is the first in the list.
        let mut steps = Steps(vec![Step::Match]);
        let first = steps.add(expression, 0)?;
        // What the expression does not tell apart is one column.
        let (kinds, examples) = steps.kinds();
        let mut closure = Closure::of(&steps);
        let width = examples.len();

        // By the steps of each state, as bytes.
        let mut rows: HashMap<Vec<u8>, usize> = HashMap::new();
        // The dead state comes first: no step is left.
        let mut states = vec![Vec::new(), closure.reached([first], At::Start)];
        rows.insert(Vec::new(), DEAD.into());
        let start = u16::try_from(width).ok()?;
        // The first state is not found by its steps: only there does `^` hold.
        let mut next = vec![DEAD; width];
        let mut at = 1;
        // States are made as they are reached, in the order in which their rows are.
        while let Some(state) = states.get(at).cloned() {
            for example in &examples {
                let after = state.iter().filter_map(|step| match steps.0.get(*step) {
                    Some(Step::One(class, after)) if class.contains(*example) => Some(*after),
                    _ => None,
                });
                let reached = closure.reached(after, At::Middle);
                let key = reached.iter().flat_map(|step| step.to_le_bytes()).collect();
                let new = states.len().checked_mul(width)?;
                // Two ways to the same set of steps are one state: that is what keeps the table
                // small.
                let row = *rows.entry(key).or_insert(new);
                if row == new {
                    states.push(reached);
                }
                // A table that grows beyond its limit is given up in the midst, so that no
                // expression costs more than that to compile.
                next.push(u16::try_from(row).ok().filter(|_| row < MAX_PLACES)?);
            }
            at = at.checked_add(1)?;
        }
        // `$` holds at the end only, and so it is asked here.
        let mut ends = Vec::new();
        for (row, state) in (0..=u16::MAX).step_by(width).zip(states) {
            let matches = |step: &usize| matches!(steps.0.get(*step), Some(Step::Match));
            if closure.reached(state, At::End).iter().any(matches) {
                ends.push(row);
            }
        }
        Some(Self {
            kinds,
            next,
            ends,
            start,
        })
    }

    /// Whether a whole text matches, and how many of its bytes were looked at.
    pub(in crate::rules) fn matches(&self, text: &str) -> (bool, usize) {
        // One look-up for each byte, and out as soon as nothing can follow.
        let mut state = self.start;
        for (seen, byte) in text.bytes().enumerate() {
            // The other bytes of a character that is none of ASCII.
            if (0x80..0xc0).contains(&byte) {
                continue;
            }
            state = self.after(state, byte);
            if state == DEAD {
                return (false, seen.saturating_add(1));
            }
        }
        (self.ends.binary_search(&state).is_ok(), text.len())
    }

    /// Whether some text that begins with this byte might match.
    pub(in crate::rules) fn may_begin_with(&self, byte: u8) -> bool {
        self.after(self.start, byte) != DEAD
    }

    fn after(&self, state: u16, byte: u8) -> u16 {
        let kind = self.kinds.get(usize::from(byte).min(OTHERS));
        let place = kind.map(|kind| usize::from(state).saturating_add(usize::from(*kind)));
        let next = place.and_then(|place| self.next.get(place));
        next.copied().unwrap_or(DEAD)
    }
}

struct Steps(Vec<Step>);

impl Steps {
    /// Adds an expression before the step that follows it; where it begins. Written from the end to
    /// the beginning, so that what follows is always known.
    fn add(&mut self, expression: &Expression, then: usize) -> Option<usize> {
        match expression {
            Expression::One(class) => self.push(Step::One(*class, then)),
            Expression::Start => self.push(Step::Start(then)),
            Expression::End => self.push(Step::End(then)),
            Expression::Sequence(all) => {
                let mut all = all.iter().rev();
                all.try_fold(then, |then, one| self.add(one, then))
            }
            Expression::Choice(all) => {
                // Each alternative goes on at the same place.
                let (last, others) = all.split_last()?;
                let mut begin = self.add(last, then)?;
                for one in others.iter().rev() {
                    let one = self.add(one, then)?;
                    begin = self.push(Step::Both(one, begin))?;
                }
                Some(begin)
            }
            Expression::Repeated(one, least, most) => {
                let mut begin = match most {
                    None => {
                        // A loop: its beginning is needed before what is in it is known, and is
                        // filled in afterwards.
                        let again = self.push(Step::Both(then, then))?;
                        let one = self.add(one, again)?;
                        *self.0.get_mut(again)? = Step::Both(one, then);
                        again
                    }
                    Some(most) => {
                        // Optional times, written out: after each, the rest may be left out.
                        let mut begin = then;
                        for _ in *least..*most {
                            let one = self.add(one, begin)?;
                            begin = self.push(Step::Both(one, then))?;
                        }
                        begin
                    }
                };
                for _ in 0..*least {
                    begin = self.add(one, begin)?;
                }
                Some(begin)
            }
        }
    }

    fn push(&mut self, step: Step) -> Option<usize> {
        let at = self.0.len();
        (at < MAX_STEPS).then(|| self.0.push(step))?;
        Some(at)
    }

    /// Characters that no step tells apart are one kind. With the kind of each, one of each kind.
    fn kinds(&self) -> (Vec<u8>, Vec<Option<u8>>) {
        let character = |at: usize| u8::try_from(at).ok().filter(u8::is_ascii);
        let mut kinds = vec![0_u8; CHARACTERS];
        let mut examples = vec![character(0)];
        let mut seen: Vec<Class> = Vec::new();
        for step in &self.0 {
            let Step::One(class, _) = step else {
                continue;
            };
            if seen.contains(class) {
                continue;
            }
            seen.push(*class);
            // Each kind is split in those in the class and those that are not.
            // As many as there are pairs of an old kind and a side of the class.
            let mut split: Vec<(u8, bool)> = Vec::new();
            examples.clear();
            for (at, kind) in kinds.iter_mut().enumerate() {
                let key = (*kind, class.contains(character(at)));
                let new = split.iter().position(|known| *known == key);
                let new = new.unwrap_or_else(|| {
                    split.push(key);
                    examples.push(character(at));
                    split.len().saturating_sub(1)
                });
                *kind = u8::try_from(new).unwrap_or(0);
            }
        }
        (kinds, examples)
    }
}

/// What is reached from some steps without a character.
struct Closure<'s> {
    steps: &'s [Step],
    /// For each step, the last time that it was reached.
    seen: Vec<usize>,
    time: usize,
    open: Vec<usize>,
}

impl<'s> Closure<'s> {
    fn of(steps: &'s Steps) -> Self {
        Self {
            steps: &steps.0,
            seen: vec![0; steps.0.len()],
            time: 0,
            open: Vec::new(),
        }
    }

    /// The steps that wait for a character or for the end.
    fn reached(&mut self, from: impl IntoIterator<Item = usize>, at: At) -> Vec<usize> {
        // The list of what was seen is not cleared: a new time makes it old.
        self.time = self.time.saturating_add(1);
        self.open.extend(from);
        let mut waiting = Vec::new();
        while let Some(step) = self.open.pop() {
            match self.seen.get_mut(step) {
                Some(seen) if *seen != self.time => *seen = self.time,
                _ => continue,
            }
            match self.steps.get(step) {
                Some(Step::Both(one, other)) => self.open.extend([*one, *other]),
                Some(Step::Start(then)) if at == At::Start => self.open.push(*then),
                Some(Step::End(then)) if at == At::End => self.open.push(*then),
                Some(Step::Start(_)) | None => {}
                Some(Step::One(..) | Step::End(_) | Step::Match) => {
                    let place = waiting.binary_search(&step).unwrap_or_else(|place| place);
                    waiting.insert(place, step);
                }
            }
        }
        waiting
    }
}
