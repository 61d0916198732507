//! What becomes of a definition's parts that have no equal here: nothing is dropped without a word.

use super::part::{Obstacle, placeholder};
use super::yaml::is_escaped;
use serde_json::{Value, json};

/// How much a part lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The configuration does not say it. Whatever it protected is closed.
    NotCarried,
    /// Given up in writing, by an option of the command line.
    Waived,
    /// Said in another way, never in a wider one.
    Changed,
}

/// One part, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) kind: Kind,
    /// Where in the definition it stands.
    pub(super) place: String,
    pub(super) text: String,
}

impl Note {
    /// The note as a machine reads it.
    pub(super) fn json(&self, line: usize) -> Value {
        let kind = match self.kind {
            Kind::NotCarried => "not_carried",
            Kind::Waived => "waived",
            Kind::Changed => "changed",
        };
        json!({"kind": kind, "place": shown(&self.place), "line": line, "text": shown(&self.text)})
    }
}

/// What a file says, as it is shown: a placeholder is an ellipsis, and no character moves the cursor
/// of a terminal, or turns what follows around.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(found) = placeholder(rest) {
        shown.push_str(rest.get(..found.start).unwrap_or_default());
        shown.push('…');
        rest = rest.get(found.end..).unwrap_or_default();
    }
    shown.push_str(rest);
    let characters = shown.chars();
    characters
        .map(|character| {
            if is_escaped(character) {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// All notes, in the order in which they were made; each once.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    /// Says that a part is lost.
    pub(super) fn not_carried(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.add(Kind::NotCarried, place.into(), text.into());
    }

    /// Says that a part was given up as the user asked.
    pub(super) fn waived(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.add(Kind::Waived, place.into(), text.into());
    }

    /// Says that a part means something else here.
    pub(super) fn changed(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.add(Kind::Changed, place.into(), text.into());
    }

    /// Says that something stands in the way of a part that closes nothing.
    pub(super) fn lacks(&mut self, obstacle: Obstacle) {
        self.not_carried(obstacle.place.clone(), obstacle.to_string());
    }

    fn add(&mut self, kind: Kind, place: String, text: String) {
        let note = Note { kind, place, text };
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// The notes of one kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Note> {
        self.0.iter().filter(move |note| note.kind == kind)
    }

    /// All notes, losses first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Note> {
        let kinds = [Kind::NotCarried, Kind::Waived, Kind::Changed];
        kinds.into_iter().flat_map(|kind| self.of(kind))
    }

    /// Whether anything was lost that nobody gave up in writing.
    pub(super) fn lost(&self) -> bool {
        self.of(Kind::NotCarried).next().is_some()
    }
}
