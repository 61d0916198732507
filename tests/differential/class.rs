//! A class of tokens: one thing done to a valid one, and what the filter makes of it.

use std::collections::BTreeSet;

use crate::classes;
use crate::harness::seed::Seed;
use crate::token_builder::{Draft, Kind};

/// What a judge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The token is good.
    Accepts,
    /// It is not.
    Refuses,
}

/// What of a token a class changes. Two classes may meet in one token if they share none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Alg,
    Kid,
    /// Members of the header that decide nothing.
    HeaderExtra,
    HeaderText,
    HeaderPart,
    Exp,
    Nbf,
    Iat,
    AuthTime,
    /// `token_use`, `aud` and `client_id`: what each is worth depends on the others.
    Client,
    Issuer,
    /// Claims that decide nothing.
    PayloadExtra,
    PayloadText,
    PayloadPart,
    Signature,
    Parts,
    Carriage,
}

type Apply = fn(&mut Draft, &mut Seed);

/// A class of tokens.
#[derive(Clone)]
pub(crate) struct Class {
    /// Its name, by which `known.json` calls it.
    pub(crate) name: &'static str,
    /// What the filter says.
    pub(crate) verdict: Verdict,
    /// What it changes.
    pub(crate) slots: Vec<Slot>,
    /// The kinds of token that it is made of.
    pub(crate) kinds: Vec<Kind>,
    apply: Apply,
}

impl Class {
    fn new(name: &'static str, verdict: Verdict, slots: &[Slot], apply: Apply) -> Self {
        Self {
            name,
            verdict,
            slots: slots.to_vec(),
            kinds: Kind::ALL.to_vec(),
            apply,
        }
    }

    /// A class of tokens that the filter accepts.
    pub(crate) fn good(name: &'static str, slots: &[Slot], apply: Apply) -> Self {
        Self::new(name, Verdict::Accepts, slots, apply)
    }

    /// A class of tokens that the filter refuses.
    pub(crate) fn bad(name: &'static str, slots: &[Slot], apply: Apply) -> Self {
        Self::new(name, Verdict::Refuses, slots, apply)
    }

    /// The same, of one kind of token alone.
    pub(crate) fn only(mut self, kind: Kind) -> Self {
        self.kinds = vec![kind];
        self
    }

    /// Does to a token what the class does.
    pub(crate) fn apply(&self, draft: &mut Draft, seed: &mut Seed) {
        (self.apply)(draft, seed);
    }

    /// Whether both can be done to one token, and mean what each means alone.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        !self.slots.iter().any(|slot| other.slots.contains(slot))
    }
}

/// All classes.
pub(crate) fn all() -> Vec<Class> {
    let all = [
        vec![Class::good("unchanged", &[], |_, _| {})],
        classes::header::all(),
        classes::times::all(),
        classes::identity::all(),
        classes::json::all(),
        classes::spelling::all(),
        classes::signature::all(),
        classes::carriage::all(),
    ]
    .concat();
    let mut names = BTreeSet::new();
    for class in &all {
        assert!(names.insert(class.name), "{} stands twice", class.name);
    }
    all
}
