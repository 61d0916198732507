//! One statement of a policy.

use super::condition::{Condition, Holds};
use super::glob::Glob;
use super::method_arn::{Reader, Readings};
use crate::json::Object;
use crate::rules::work::Work;
use crate::work::TooCostly;
use serde_json::Value;
use std::net::IpAddr;

/// What a caller of an API does.
const ACTION: &str = "execute-api:invoke";

/// Begins a policy variable, and the escape of a wildcard. In neither case is it known here what
/// the text stands for.
const VARIABLE: &str = "${";

/// The members of a statement.
const MEMBERS: [&str; 7] = [
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// A statement that is about calls of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    resources: Elements,
    condition: Condition,
    /// Whether all of it is understood.
    pub(super) is_understood: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// `Action` and `Resource`, or `NotAction` and `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Elements {
    These(Vec<Glob>),
    AllBut(Vec<Glob>),
    /// Something in the list is not understood.
    Unknown,
}

impl Statement {
    /// Reads a statement, and takes its globs off those that a policy may still have; `Ok(None)` if
    /// it is not about calls of an API.
    pub(super) fn read(value: &Value, globs: &mut usize) -> Option<Option<Self>> {
        let members = value.as_object()?;
        if !members.keys().all(|name| MEMBERS.contains(&&**name)) {
            return None;
        }
        if members.get("Sid").is_some_and(|sid| !sid.is_string()) {
            return None;
        }
        let effect = match members.get("Effect")?.as_str()? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return None,
        };
        let actions = Elements::read(members, ["Action", "NotAction"], globs)?;
        let resources = Elements::read(members, ["Resource", "NotResource"], globs)?;
        let resources = resources.closing(effect);
        let condition = match members.get("Condition") {
            Some(condition) => Condition::read(condition)?,
            None => Condition::All(Vec::new()),
        };
        let about_calls = actions.cover_the_action()?;
        let is_understood = actions != Elements::Unknown
            && resources != Elements::Unknown
            && condition != Condition::Unknown;
        Some(about_calls.then_some(Self {
            effect,
            resources: match (effect, actions) {
                // What it allows is not known.
                (Effect::Allow, Elements::Unknown) => Elements::Unknown,
                _ => resources,
            },
            condition,
            is_understood,
        }))
    }

    /// Whether it depends on the client's address.
    pub(super) fn asks_for_source(&self) -> bool {
        self.condition.asks_for_source()
    }

    /// Whether an Allow statement is one for this ARN as it stands. One for all *but* some resources is
    /// none if any reading is among those: what is left out is closed as if it were denied.
    pub(super) fn allows(
        &self,
        arn: &Reader<'_>,
        source: Option<IpAddr>,
        work: &mut Work,
    ) -> Result<bool, TooCostly> {
        if self.effect != Effect::Allow || self.condition.holds(source) != Holds::Yes {
            return Ok(false);
        }
        match &self.resources {
            Elements::These(globs) => any(globs, arn.arn.as_str(), work),
            Elements::AllBut(globs) => Ok(!any_reading(globs, arn.readings(work)?, work)?),
            Elements::Unknown => Ok(false),
        }
    }

    /// Whether a Deny statement could be one for a request from there.
    pub(super) fn may_deny(&self, source: Option<IpAddr>) -> bool {
        self.effect == Effect::Deny && self.condition.holds(source) != Holds::No
    }

    /// Whether a Deny statement is one for some reading of the ARN: in any spelling and in any letter
    /// case. So one for all *but* some resources is held against each reading in the one spelling
    /// that an ARN has.
    pub(super) fn denies(&self, readings: &Readings, work: &mut Work) -> Result<bool, TooCostly> {
        match &self.resources {
            Elements::These(globs) => any_reading(globs, readings, work),
            Elements::AllBut(globs) => {
                for text in &readings.own {
                    if !any(globs, text, work)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Elements::Unknown => Ok(true),
        }
    }

    /// How many bytes it has allocated.
    pub(super) fn bytes(&self) -> usize {
        let globs = match &self.resources {
            Elements::These(globs) | Elements::AllBut(globs) => &globs[..],
            Elements::Unknown => &[],
        };
        let texts = globs.iter().map(Glob::bytes);
        texts
            .fold(0, usize::saturating_add)
            .saturating_add(globs.len().saturating_mul(size_of::<Glob>()))
            .saturating_add(self.condition.bytes())
    }
}

impl Elements {
    /// One of the two members, and not both.
    fn read(members: &Object, names: [&str; 2], globs: &mut usize) -> Option<Self> {
        let [these, all_but] = names.map(|name| members.get(name));
        let (value, kind): (_, fn(Vec<Glob>) -> Self) = match (these, all_but) {
            (Some(value), None) => (value, Self::These),
            (None, Some(value)) => (value, Self::AllBut),
            _ => return None,
        };
        let texts: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(values) => values.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        *globs = globs.checked_sub(texts.len())?;
        let read: Option<Vec<_>> = texts.iter().map(|text| Glob::new(text)).collect();
        let read = read?;
        Some(match texts.iter().any(|text| text.contains(VARIABLE)) {
            true => Self::Unknown,
            false => kind(read),
        })
    }

    /// What closes, with escapes decoded as well: a server takes `%40` for the `@` that a request has.
    fn closing(self, effect: Effect) -> Self {
        let both = |mut globs: Vec<Glob>| {
            let decoded: Vec<_> = globs.iter().filter_map(Glob::unescaped).collect();
            globs.extend(decoded);
            globs
        };
        match (effect, self) {
            (Effect::Deny, Self::These(globs)) => Self::These(both(globs)),
            (Effect::Allow, Self::AllBut(globs)) => Self::AllBut(both(globs)),
            (_, resources) => resources,
        }
    }

    /// Whether the actions of a statement may cover the one that callers take; `None` if that costs
    /// too much to say.
    fn cover_the_action(&self) -> Option<bool> {
        let work = &mut Work::default();
        match self {
            Self::These(globs) => any_folded(globs, ACTION, work).ok(),
            Self::AllBut(globs) => Some(!any_folded(globs, ACTION, work).ok()?),
            Self::Unknown => Some(true),
        }
    }
}

/// Whether a glob matches some reading, in any spelling and in any letter case.
fn any_reading(globs: &[Glob], readings: &Readings, work: &mut Work) -> Result<bool, TooCostly> {
    for text in &readings.folded {
        if any_folded(globs, text, work)? {
            return Ok(true);
        }
    }
    // A `?` is one character before folding, too.
    for text in &readings.outside_ascii {
        if any(globs, text, work)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn any(globs: &[Glob], text: &str, work: &mut Work) -> Result<bool, TooCostly> {
    for glob in globs {
        if glob.matches(text, work)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn any_folded(globs: &[Glob], folded: &str, work: &mut Work) -> Result<bool, TooCostly> {
    for glob in globs {
        if glob.matches_folded(folded, work)? {
            return Ok(true);
        }
    }
    Ok(false)
}
