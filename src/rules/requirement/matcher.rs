//! What the claim in one place must be.

use super::listed::{Elements, Listed};
use super::wanted::WantedValue;
use crate::claims::{ClaimPlace, Claims, Found, ReadAs};
use crate::rules::expression::Expression;
use crate::rules::index::Variables;

/// The most text of one claim that an expression is asked about, in bytes: of one text, or of all
/// elements together. It is asked on every request, of a remembered token too.
pub const MAX_MATCHED_BYTES: usize = 1_024;

/// A claim, and what is asked of it. All of it must hold; different elements of a list may be what
/// makes each part hold.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimCondition {
    /// Where the claim stands.
    pub place: ClaimPlace,
    /// How a text there is read as a list.
    pub read_as: ReadAs,
    /// The values that it must have, and must not have.
    pub listed: Listed,
    /// What some element begins with; empty if nothing is asked.
    pub prefix: String,
    /// What some element ends in; empty if nothing is asked.
    pub suffix: String,
    /// What some element matches from end to end.
    pub regex: Option<Expression>,
    /// Whether the claim must be there at all.
    pub presence: Presence,
}

/// Whether a claim must be there: `null`, `""` and `[]` say nothing, and are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It is not asked.
    #[default]
    Any,
    /// It must.
    Present,
    /// It must not.
    Absent,
}

impl ClaimCondition {
    /// A condition that asks for nothing yet.
    #[must_use]
    pub fn on(place: ClaimPlace) -> Self {
        Self {
            place,
            read_as: ReadAs::default(),
            listed: Listed::default(),
            prefix: String::new(),
            suffix: String::new(),
            regex: None,
            presence: Presence::default(),
        }
    }

    /// Every value with which the claim is compared.
    pub fn values(&self) -> impl Iterator<Item = &WantedValue> {
        self.listed.values()
    }

    /// Whether it looks at a text, and not only at whether one is there.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.listed.is_given() || self.matches_texts()
    }

    fn matches_texts(&self) -> bool {
        !self.prefix.is_empty() || !self.suffix.is_empty() || self.regex.is_some()
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, claims: &Claims, variables: &Variables) -> bool {
        match claims.look(&self.place, self.read_as) {
            Found::Absent => {
                self.presence != Presence::Present
                    && !self.matches_texts()
                    && self.listed.holds_for_nothing(variables)
            }
            Found::Scalar(text) => self.holds_for(Elements::One(&text), variables),
            Found::List(elements) => self.holds_for(Elements::Array(&elements), variables),
            // There is nothing in it to compare, and what is not to be in it could be.
            Found::Object => self.presence == Presence::Present && !self.compares(),
            Found::Misshapen => false,
        }
    }

    fn holds_for(&self, elements: Elements<'_>, variables: &Variables) -> bool {
        let some = |is_one: &dyn Fn(&str) -> bool| elements.any(|text| text.is_some_and(is_one));
        self.presence != Presence::Absent
            && self.listed.holds(elements, variables)
            && (self.prefix.is_empty() || some(&|text| text.starts_with(&self.prefix)))
            && (self.suffix.is_empty() || some(&|text| text.ends_with(&self.suffix)))
            && self
                .regex
                .as_ref()
                .is_none_or(|regex| matches(regex, elements))
    }
}

fn matches(regex: &Expression, elements: Elements<'_>) -> bool {
    let mut left = MAX_MATCHED_BYTES;
    elements.any(|text| {
        let text = text.unwrap_or_default();
        // An empty one takes its time as well.
        let rest = left.checked_sub(text.len().max(1));
        left = rest.unwrap_or_default();
        !text.is_empty() && rest.is_some() && regex.matches(text)
    })
}
