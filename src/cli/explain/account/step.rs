//! A step of a decision, with how it ended and what there is to say about it.

use cognito_authorizer::refusal::Reason;
use cognito_authorizer::step::Step;
use serde_json::Value;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds.
    Passed,
    /// It does not, and the request is refused.
    Failed(Reason),
    /// Nobody wants it to hold.
    NotAsked,
    /// It could not be told for want of keys, or of a deny list.
    NotChecked,
    /// The decision was made before.
    NotReached,
}

impl State {
    /// The stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotAsked => "not_asked",
            Self::NotChecked => "not_checked",
            Self::NotReached => "not_reached",
        }
    }
}

/// A step, with how it ended.
#[derive(Clone, Debug)]
pub(crate) struct StepTaken {
    /// What it looks at.
    pub(crate) step: Step,
    /// How it ended.
    pub(crate) state: State,
    /// What there is to say about it, in one line; empty if it was not reached.
    pub(crate) text: String,
    /// What was found; null if nothing was, or nobody looked.
    pub(crate) found: Value,
    /// What was wanted; null if nothing in particular.
    pub(crate) wanted: Value,
}

impl StepTaken {
    pub(super) fn new(step: Step, state: State, finding: Finding) -> Self {
        match state {
            State::Passed | State::Failed(_) | State::NotAsked | State::NotChecked => Self {
                step,
                state,
                text: finding.text,
                found: finding.found,
                wanted: finding.wanted,
            },
            State::NotReached => Self::unseen(step, state),
        }
    }

    pub(super) const fn unseen(step: Step, state: State) -> Self {
        Self {
            step,
            state,
            text: String::new(),
            found: Value::Null,
            wanted: Value::Null,
        }
    }
}

/// What there is to say about a step.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    text: String,
    found: Value,
    wanted: Value,
}

impl Finding {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            found: Value::Null,
            wanted: Value::Null,
        }
    }

    /// One of two texts.
    pub(super) fn either(holds: bool, good: impl Into<String>, bad: impl Into<String>) -> Self {
        match holds {
            true => Self::new(good),
            false => Self::new(bad),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn found(mut self, found: impl Into<Value>) -> Self {
        self.found = found.into();
        self
    }

    pub(super) fn wanted(mut self, wanted: impl Into<Value>) -> Self {
        self.wanted = wanted.into();
        self
    }
}
