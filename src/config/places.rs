//! Every place of a configuration, as the reader itself says what it looks for there.
//!
//! Nothing is written down twice: the reader is given documents of one member each, and notes what it
//! asks of which place. What it asks of a member shows what to put there in the next document, until
//! it asks nothing new.

use super::asked::{Note, Wanted};
use super::place::WHOLE;
use super::policy;
use super::problem::Report;
use super::{document, field::Field};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A place in a configuration, such as `user_pools[].jwks`, as the reader reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What is expected there, in the words of the refusal.
    pub expected: String,
    /// All that it may be.
    pub wanted: BTreeSet<Wanted>,
    /// Members that must be there, whatever else is.
    pub required: BTreeSet<String>,
}

impl Place {
    /// The places in it.
    fn below(&self, path: &str) -> Vec<String> {
        let below = self.wanted.iter().flat_map(|wanted| match wanted {
            Wanted::Object(names) => names.iter().map(|name| below(path, name)).collect(),
            Wanted::Entries => vec![below(path, ANY_NAME)],
            Wanted::List(_) | Wanted::Each => vec![format!("{path}{ELEMENT}")],
            _ => Vec::new(),
        });
        below.collect()
    }

    /// The members that it may have.
    fn names(&self) -> impl Iterator<Item = &String> {
        self.wanted.iter().flat_map(|wanted| match wanted {
            Wanted::Object(names) => names.as_slice(),
            _ => &[],
        })
    }
}

/// The element of a list, and the member of an object whose names are the document's own.
pub const ELEMENT: &str = "[]";
/// The name of a member that stands for all.
pub const ANY_NAME: &str = "x";

/// No reader goes deeper.
const MAX_DEPTH: usize = 12;

/// Every place that the reader knows, by its path; the whole document at "".
#[must_use]
pub fn places() -> BTreeMap<String, Place> {
    let mut asked = Asked::default();
    let mut left = vec![String::new()];
    let mut seen = BTreeSet::new();
    while let Some(path) = left.pop() {
        if path.matches(['.', '[']).count() > MAX_DEPTH || !seen.insert(path.clone()) {
            continue;
        }
        for probe in probes() {
            asked.take(&notes(&nested(&path, probe)));
        }
        let known = asked.places.iter();
        let known = known.flat_map(|(path, place)| place.below(path));
        left.extend(known.filter(|path| !seen.contains(path)));
    }
    // What some members of the document must have hangs on others of it.
    let top = asked.places.get("").map(|place| place.names().cloned());
    let top: Vec<_> = top.into_iter().flatten().collect();
    for (one, other) in top
        .iter()
        .flat_map(|one| top.iter().map(move |other| (one, other)))
    {
        for (value, beside) in [(json!({}), json!([{}])), (json!([{}]), json!([{}]))] {
            asked.take(&notes(&json!({ one: value, other: beside })));
        }
    }
    for (object, name, sibling) in asked.unasked() {
        for probe in probes() {
            let members = json!({ &name: probe, &sibling: ANY_NAME });
            asked.take(&notes(&nested(&object, members)));
        }
    }
    asked.places
}

/// One value of each kind, so that every branch of a reader is taken.
fn probes() -> [Value; 6] {
    [
        json!({}),
        json!({ANY_NAME: ANY_NAME}),
        json!([{}]),
        json!([ANY_NAME]),
        json!(ANY_NAME),
        json!(1),
    ]
}

/// A document with nothing but this value in this place.
fn nested(path: &str, value: Value) -> Value {
    let mut document = value;
    let path = path.replace(ELEMENT, ".[]");
    for step in path.split('.').rev().filter(|step| !step.is_empty()) {
        document = match step {
            ELEMENT => json!([document]),
            name => json!({ name: document }),
        };
    }
    document
}

fn notes(document: &Value) -> Vec<(String, Note)> {
    let report = Report::default();
    // What it is refused for is of no interest.
    let _ = document::read(document.to_string().as_bytes(), &report)
        .and_then(|document| policy(&Field::whole(&document, &report)));
    report.notes()
}

/// All that was noted so far.
#[derive(Default)]
struct Asked {
    places: BTreeMap<String, Place>,
    /// Places whose objects were read.
    read: BTreeSet<String>,
}

impl Asked {
    /// Adds what was noted while one document was read.
    fn take(&mut self, notes: &[(String, Note)]) {
        let notes = notes.iter().map(|(path, note)| match path.as_str() {
            WHOLE => (String::new(), note),
            path => (path.replace("[0]", ELEMENT), note),
        });
        let notes: Vec<_> = notes.collect();
        for (path, note) in &notes {
            let place = self.places.entry(path.clone()).or_default();
            match note {
                Note::Member(expected) => place.expected.clone_from(expected),
                Note::Wanted(wanted) => {
                    place.wanted.insert(wanted.clone());
                }
                Note::Required | Note::Read => {}
            }
        }
        let required = notes.iter().filter(|(_, note)| **note == Note::Required);
        let required: BTreeSet<_> = required.map(|(path, _)| path).collect();
        for (path, _) in notes.iter().filter(|(_, note)| **note == Note::Read) {
            let Some(place) = self.places.get_mut(path) else {
                continue;
            };
            let here = |name: &&String| required.contains(&below(path, name));
            let here: BTreeSet<_> = place.names().filter(here).cloned().collect();
            // What one document may be without is not required.
            match self.read.insert(path.clone()) {
                true => place.required = here,
                false => place.required.retain(|name| here.contains(name)),
            }
        }
    }
}

impl Asked {
    /// Members that are asked for nothing by themselves, each with one that may have to be beside them.
    fn unasked(&self) -> Vec<(String, String, String)> {
        let mut unasked = Vec::new();
        for (path, place) in &self.places {
            let asked = |name: &&String| {
                let place = self.places.get(&below(path, name));
                place.is_none_or(|place| place.wanted.is_empty())
            };
            for name in place.names().filter(asked) {
                let siblings = place.names().filter(|sibling| *sibling != name);
                unasked
                    .extend(siblings.map(|sibling| (path.clone(), name.clone(), sibling.clone())));
            }
        }
        unasked
    }
}

/// The path of a member.
#[must_use]
pub fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_field_is_asked_for_something() {
        let places = places();
        let mut unasked = Vec::new();
        for (path, place) in &places {
            let paths = place.names().map(|name| below(path, name));
            unasked.extend(paths.filter(|path| match places.get(path) {
                Some(place) => place.wanted.is_empty(),
                None => true,
            }));
        }
        // An object or its text, whose members are none of ours.
        let opaque = ["aws_accounts[].jwks.inline", "user_pools[].jwks.inline"];
        assert_eq!(unasked, opaque);
        assert!(places.len() > 150, "{}", places.len());
    }

    #[test]
    fn what_is_asked_is_what_is_read() {
        let places = places();
        let wanted = |path: &str| places[path].wanted.iter().cloned().collect::<Vec<_>>();
        assert_eq!(wanted("token.forward"), [Wanted::Flag]);
        assert_eq!(wanted("token.max_bytes"), [Wanted::Integer(1, 65_536)]);
        let words =
            |words: &[&str]| Wanted::Words(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(wanted("token.use"), [words(&["id", "access", "any"])]);
        assert_eq!(
            wanted("user_pools[].client_ids"),
            [Wanted::Each, words(&["any"])]
        );
        let bounds = (Duration::from_secs(3600), Duration::from_secs(720 * 3600));
        assert_eq!(
            wanted("user_pools[].jwks.max_stale"),
            [words(&["forever"]), Wanted::Duration(bounds.0, bounds.1)]
        );
        let required = |path: &str| places[path].required.iter().cloned().collect::<Vec<_>>();
        // Not where there are AWS accounts alone.
        assert_eq!(required("token"), [""; 0]);
        assert_eq!(required("user_pools[]"), ["client_ids", "jwks"]);
        assert_eq!(required(""), [""; 0]);
    }
}
