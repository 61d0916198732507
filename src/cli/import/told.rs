//! What integrations are told of the caller. Headers with a claim, or with a value of a function's
//! context, are set by the filter as well: for every upstream.

use super::definition::Operation;
use super::integration::{Integration, Source};
use super::losses::label;
use super::note::Notes;
use super::security::{Access, Decision};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Headers of the configuration, each with where its value comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(BTreeMap<String, Source>);

/// An operation, by what it is called, who gets there, and what its integration is told.
struct Teller<'d> {
    label: String,
    access: &'d Access,
    integration: Integration,
}

/// What became of a header of one integration.
enum Fate {
    Set,
    /// The operation's own authorizer finds no such thing.
    Unfit,
    Lost,
}

impl Told {
    /// What all integrations are told in headers: under each name one thing, and no more than what
    /// `accepts` lets the filter set.
    pub(super) fn read(
        operations: &[Operation<'_>],
        decisions: &[Decision],
        notes: &mut Notes,
        mut accepts: impl FnMut(&Self) -> bool,
    ) -> Self {
        let tellers = tellers(operations, decisions);
        for obstacle in tellers.iter().flat_map(|one| &one.integration.unread) {
            let what = "what an integration is told of the caller, as far as it cannot be read";
            notes.lacks(obstacle.clone().of(what));
        }
        let disputed = disputed(&tellers, notes);
        let mut told = Self::default();
        let (mut set, mut unfit, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for teller in &tellers {
            let (mut sets, mut loses) = (false, teller.integration.otherwise);
            for (header, source) in &teller.integration.headers {
                if !is_set(source) || disputed.contains(header) {
                    continue;
                }
                match told.takes(teller, header, source, &mut accepts) {
                    Fate::Set => sets = true,
                    Fate::Unfit => unfit.push(format!("{} ({header}: {source})", teller.label)),
                    Fate::Lost => loses = true,
                }
            }
            set.extend(sets.then_some(teller.label.as_str()));
            lost.extend(loses.then_some(teller.label.as_str()));
        }
        if !set.is_empty() {
            let text = format!(
                "every upstream is told what these integrations are, in the same headers: {}",
                set.join(", ")
            );
            notes.changed("paths", text);
        }
        if !unfit.is_empty() {
            let text = format!(
                "integrations are told what their own authorizer does not find, and no upstream is: {}",
                unfit.join(", ")
            );
            notes.not_carried("paths", text);
        }
        if !lost.is_empty() {
            let text = format!(
                "integrations are told what the authorizer found; here every upstream is, with \
                 claim_headers or context_headers: {}",
                lost.join(", ")
            );
            notes.not_carried("paths", text);
        }
        told
    }

    /// Whether some header is of a function's context.
    pub(super) fn needs_function(&self) -> bool {
        let mut sources = self.0.values();
        sources.any(|source| matches!(source, Source::Context(_)))
    }

    /// The members of the configuration.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let list = |of: fn(&Source) -> Option<Value>| {
            let entries = self.0.iter();
            let entries = entries.filter_map(|(header, source)| {
                let mut entry = of(source)?;
                entry
                    .as_object_mut()?
                    .insert("header".to_owned(), json!(header));
                Some(entry)
            });
            entries.collect::<Vec<_>>()
        };
        let claims = list(|source| match source {
            Source::Claim(claim) => Some(json!({"claim": claim})),
            _ => None,
        });
        let context = list(|source| match source {
            Source::Context(key) => Some(json!({"key": key})),
            _ => None,
        });
        let members = [("claim_headers", claims), ("context_headers", context)];
        let members = members.into_iter().filter(|(_, list)| !list.is_empty());
        members.map(|(name, list)| (name, list.into()))
    }

    /// Takes a header, unless it is none that the filter could set.
    fn takes(
        &mut self,
        teller: &Teller<'_>,
        name: &str,
        source: &Source,
        accepts: &mut impl FnMut(&Self) -> bool,
    ) -> Fate {
        if !fits(source, teller.access) {
            return Fate::Unfit;
        }
        if self.0.contains_key(name) {
            return Fate::Set;
        }
        let mut more = self.clone();
        more.0.insert(name.to_owned(), source.clone());
        if !accepts(&more) {
            return Fate::Lost;
        }
        *self = more;
        Fate::Set
    }
}

/// The operations that can be read.
fn tellers<'d>(operations: &[Operation<'_>], decisions: &'d [Decision]) -> Vec<Teller<'d>> {
    let operations = operations.iter().zip(decisions);
    let tellers = operations.filter_map(|(operation, decision)| {
        Some(Teller {
            label: label(operation),
            access: &decision.access,
            integration: Integration::of(operation.says.as_ref().ok()?),
        })
    });
    tellers.collect()
}

/// Headers in which integrations are told different things: an upstream would be told what is meant
/// for another, so that none is.
fn disputed(tellers: &[Teller<'_>], notes: &mut Notes) -> BTreeSet<String> {
    let mut said: BTreeMap<&String, BTreeMap<&Source, Vec<&str>>> = BTreeMap::new();
    for teller in tellers {
        for (header, source) in &teller.integration.headers {
            let labels = said.entry(header).or_default().entry(source).or_default();
            if labels.last() != Some(&teller.label.as_str()) {
                labels.push(&teller.label);
            }
        }
    }
    said.retain(|_, sources| sources.len() > 1 && sources.keys().any(|source| is_set(source)));
    for (header, sources) in &said {
        let sources = sources.iter();
        let sources = sources.map(|(source, labels)| format!("{source} ({})", labels.join(", ")));
        let text = format!(
            "integrations are told different things in the header {header}; here every upstream would \
             be told one, and so none is, and what clients send in it gets there: {}",
            sources.collect::<Vec<_>>().join("; ")
        );
        notes.not_carried("paths", text);
    }
    said.into_keys().cloned().collect()
}

/// Whether the filter has headers for it.
fn is_set(source: &Source) -> bool {
    matches!(source, Source::Claim(_) | Source::Context(_))
}

/// Whether who gets to an operation has such a thing; where nobody does, and where anyone does, no
/// upstream is told anything there either.
fn fits(source: &Source, access: &Access) -> bool {
    match access {
        Access::Anyone | Access::Nobody => true,
        Access::Signed => false,
        Access::Require(_) => matches!(source, Source::Claim(_)),
        Access::Ask(_) => matches!(source, Source::Context(_)),
    }
}
