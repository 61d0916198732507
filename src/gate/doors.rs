//! What an operator is told of refusals that are not carried out. A filter that refuses nothing looks
//! from outside like one that has nothing to refuse: it has to say so itself, again and again.

use crate::remote::reminder::Reminder;
use crate::remote::report::Report;
use crate::remote::roll::{self, Figures};
use crate::remote::space::SharedSpace;
use crate::rules::{Enforcement, Rules};
use crate::time::Monotonic;

/// In the names of shared entries.
const KIND: &str = "enforcement";
/// How many rules are named.
const MOST_NAMED: usize = 8;

/// The doors that one configuration leaves open.
#[derive(Debug)]
pub(super) struct Doors(Option<Reminder>);

impl Doors {
    pub(super) fn of(rules: &Rules) -> Self {
        Self(rules.opens_doors().then(|| Reminder::new(whose(rules))))
    }

    /// What is told of them at the start, if there are any.
    pub(super) fn told(&self) -> Option<Report> {
        self.0.as_ref().map(|reminder| report(reminder.text()))
    }

    /// The same, every ten minutes.
    pub(super) fn remind(&mut self, now: Monotonic, space: &dyn SharedSpace) -> Option<Report> {
        self.0.as_mut()?.take_due(now, space).map(report)
    }

    /// Whether any configuration of the process has one: they share a gauge.
    pub(super) fn any_open(&self, now: Monotonic, space: &dyn SharedSpace) -> bool {
        // One row for all that have, and one for all that have not.
        let open = u8::from(self.0.is_some());
        let own = Figures {
            entries: open.into(),
            age: 0,
        };
        roll::call(space, KIND, [open; 16], own, now).entries > 0
    }
}

fn report(whose: &str) -> Report {
    Report::warning(
        None,
        format!("not enforced (enforce: report): {whose}; what should be refused there goes on"),
    )
}

/// Whose refusals are not carried out.
fn whose(rules: &Rules) -> String {
    let reporting: Vec<_> = rules.reporting().collect();
    let named = reporting.iter().take(MOST_NAMED);
    let named: Vec<_> = named.map(|rule| format!("rules[{rule}]")).collect();
    let more = match reporting.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let listed = named.join(", ");
    match (rules.enforcement_without_rule(), reporting.len()) {
        (Enforcement::Report, all) if all == rules.len() => "everything".to_owned(),
        (Enforcement::Report, 0) => "default".to_owned(),
        (Enforcement::Report, _) => format!("default, {listed}{more}"),
        (Enforcement::All, _) => format!("{listed}{more}"),
    }
}
