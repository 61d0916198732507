//! `known.json`: what judges are known to disagree about, and whether they still do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::class::{Class, Verdict};
use crate::verifier::Judge;

/// Between the names of classes that met in one token.
const AND: &str = " + ";

/// A divergence: classes of tokens that some judges accept and others refuse.
struct Divergence {
    about: String,
    classes: Vec<String>,
    accepts: BTreeSet<Judge>,
}

/// All known divergences, and what was seen of them.
pub(crate) struct Ledger {
    divergences: Vec<Divergence>,
    /// Of each class and judge: how often it said what it was known to say of tokens of that class
    /// alone, and how often something else, with an example.
    seen: BTreeMap<(&'static str, Judge), (usize, usize)>,
    examples: BTreeMap<(String, Judge, Verdict), (usize, String)>,
}

fn texts<'a>(row: &'a Value, member: &str) -> Vec<&'a str> {
    let texts = row[member].as_array();
    let texts = texts.unwrap_or_else(|| panic!("{member} of {row}"));
    texts.iter().filter_map(Value::as_str).collect()
}

fn judges(row: &Value, member: &str) -> BTreeSet<Judge> {
    let named = |name: &str| {
        let judge = Judge::ALL.into_iter().find(|judge| judge.name() == name);
        judge.unwrap_or_else(|| panic!("no judge is called {name}"))
    };
    texts(row, member).into_iter().map(named).collect()
}

impl Ledger {
    /// Reads the file, and asserts that it makes sense: classes that there are, each in one row,
    /// where the filter says what it is meant to, and not all say the same.
    #[track_caller]
    pub(crate) fn read(classes: &[Class]) -> Self {
        let rows: Vec<Value> =
            serde_json::from_str(include_str!("known.json")).expect("JSON in known.json");
        let mut named = BTreeSet::new();
        let divergences = rows.iter().map(|row| {
            let about = row["about"].as_str().expect("a text").to_owned();
            for member in ["why", "source"] {
                let text = row[member].as_str().unwrap_or_default();
                assert!(text.len() > 10, "{about}: {member} is missing");
            }
            let (accepts, refuses) = (judges(row, "accepts"), judges(row, "refuses"));
            assert!(accepts.is_disjoint(&refuses), "{about}: who says both?");
            assert!(
                !accepts.is_empty() && !refuses.is_empty(),
                "{about}: all say the same"
            );
            let verdict = match accepts.contains(&Judge::Filter) {
                true => Verdict::Accepts,
                false => Verdict::Refuses,
            };
            for name in texts(row, "classes") {
                let class = classes.iter().find(|class| class.name == name);
                let class = class.unwrap_or_else(|| panic!("{about}: no class is called {name}"));
                assert_eq!(class.verdict, verdict, "{about}: {name}");
                assert!(named.insert(name.to_owned()), "{name} stands in two rows");
                let all = accepts.union(&refuses).count();
                let asked = Judge::ALL.iter().filter(|judge| is_asked(class, **judge));
                assert_eq!(all, asked.count(), "{about}: who says nothing?");
            }
            let classes = texts(row, "classes").into_iter().map(str::to_owned);
            Divergence {
                about,
                classes: classes.collect(),
                accepts,
            }
        });
        Self {
            divergences: divergences.collect(),
            seen: BTreeMap::new(),
            examples: BTreeMap::new(),
        }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.divergences.len()
    }

    fn of(&self, class: &Class) -> Option<&Divergence> {
        let holds = |known: &&Divergence| known.classes.iter().any(|name| name == class.name);
        self.divergences.iter().find(holds)
    }

    /// What a judge is known to say about a token of these classes: it accepts what it accepts in
    /// each of them.
    fn predicted(&self, classes: &[&Class], judge: Judge) -> Verdict {
        let accepts = |class: &&Class| match self.of(class) {
            Some(known) => known.accepts.contains(&judge),
            None => class.verdict == Verdict::Accepts,
        };
        match classes.iter().all(accepts) {
            true => Verdict::Accepts,
            false => Verdict::Refuses,
        }
    }

    /// Takes in what the judges said about a token of these classes.
    pub(crate) fn enter(
        &mut self,
        classes: &[&Class],
        verdicts: &BTreeMap<Judge, Verdict>,
        token: &str,
    ) {
        for (judge, verdict) in verdicts {
            let as_known = self.predicted(classes, *judge) == *verdict;
            if let [class] = classes {
                let (known, other) = self.seen.entry((class.name, *judge)).or_default();
                *(if as_known { known } else { other }) += 1;
            }
            if !as_known {
                let names: Vec<_> = classes.iter().map(|class| class.name).collect();
                let what = (names.join(AND), *judge, *verdict);
                let (count, example) = self.examples.entry(what).or_default();
                *count += 1;
                token.clone_into(example);
            }
        }
    }

    /// Everything that was not as known, and every divergence that was not seen.
    pub(crate) fn surprises(&self, court: &[Judge]) -> Vec<String> {
        // What is odd about one class alone is odd in company too.
        let alone = self.examples.keys().any(|(names, ..)| !names.contains(AND));
        let told = |names: &str| !alone || !names.contains(AND);
        let mut surprises: Vec<_> = self
            .examples
            .iter()
            .filter(|((names, ..), _)| told(names))
            .map(|((names, judge, verdict), (count, example))| {
                let (judge, verdict) = (judge.name(), format!("{verdict:?}").to_lowercase());
                format!("{names}: {judge} {verdict} {count} of them, such as {example}")
            })
            .collect();
        for known in &self.divergences {
            for name in &known.classes {
                let unseen = |judge: &&Judge| {
                    let seen = |((class, by), (count, _)): (&(&str, Judge), &(usize, usize))| {
                        class == name && by == *judge && *count > 0
                    };
                    !self.seen.iter().any(seen)
                };
                for judge in court
                    .iter()
                    .filter(|judge| judge.reads_requests())
                    .filter(unseen)
                {
                    let (judge, about) = (judge.name(), &known.about);
                    surprises.push(format!("{name}: {judge} was not seen to do so ({about})"));
                }
            }
        }
        surprises
    }
}

/// Whether a judge is asked about tokens of this class: some read tokens alone.
pub(crate) fn is_asked(class: &Class, judge: Judge) -> bool {
    judge.reads_requests() || !class.slots.contains(&crate::class::Slot::Carriage)
}

/// The judge of the judges: what it would say if a verifier changed its mind.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::class;

    const JUDGES: [Judge; 4] = Judge::ALL;

    /// What was found when each class was asked about once, and each judge said what it is known to,
    /// but for this one about this class.
    fn surprises(changed: Option<(&str, Judge)>) -> Vec<String> {
        let classes = class::all();
        let mut ledger = Ledger::read(&classes);
        for class in &classes {
            let says = |judge: Judge| match (ledger.predicted(&[class], judge), changed) {
                (Verdict::Accepts, Some(changed)) if changed == (class.name, judge) => {
                    Verdict::Refuses
                }
                (Verdict::Refuses, Some(changed)) if changed == (class.name, judge) => {
                    Verdict::Accepts
                }
                (known, _) => known,
            };
            let asked = JUDGES.into_iter().filter(|judge| is_asked(class, *judge));
            let verdicts = asked.map(|judge| (judge, says(judge))).collect();
            ledger.enter(&[class], &verdicts, "token");
        }
        ledger.surprises(&JUDGES)
    }

    #[test]
    fn what_is_known_surprises_nobody() {
        assert_eq!(surprises(None), Vec::<String>::new());
    }

    #[test]
    fn a_new_divergence_is_a_surprise() {
        let found = surprises(Some(("alg-none-unsigned", Judge::JwtAuthn)));
        assert_eq!(
            found,
            ["alg-none-unsigned: jwt_authn accepts 1 of them, such as token"]
        );
        let found = surprises(Some(("unchanged", Judge::Filter)));
        assert_eq!(
            found,
            ["unchanged: this filter refuses 1 of them, such as token"]
        );
    }

    #[test]
    fn a_divergence_that_healed_is_a_surprise() {
        let found = surprises(Some(("use-missing", Judge::Jsonwebtoken)));
        assert!(
            found
                .contains(&"use-missing: jsonwebtoken refuses 1 of them, such as token".to_owned())
        );
    }

    /// A row of a class that is no longer asked about says nothing any more.
    #[test]
    fn a_divergence_that_was_not_seen_is_a_surprise() {
        let classes = class::all();
        let ledger = Ledger::read(&classes);
        let unseen = ledger.surprises(&JUDGES);
        let named = |name: &str| unseen.iter().any(|line| line.starts_with(name));
        assert!(named("use-missing: jwt_authn was not seen") && named("scheme-missing: jwt_authn"));
    }

    /// A token of two classes passes where both do.
    #[test]
    fn classes_in_company_mean_what_they_mean_alone() {
        let classes = class::all();
        let ledger = Ledger::read(&classes);
        let class = |name: &str| classes.iter().find(|class| class.name == name).expect(name);
        let both = [class("use-missing"), class("id-aud-list")];
        let says = JUDGES.map(|judge| ledger.predicted(&both, judge));
        let [filter, jwt_authn, aws, jsonwebtoken] = says;
        assert_eq!((filter, aws), (Verdict::Refuses, Verdict::Refuses));
        assert_eq!(
            (jwt_authn, jsonwebtoken),
            (Verdict::Accepts, Verdict::Accepts)
        );
    }
}
