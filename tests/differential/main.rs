//! The same tokens before four judges: the filter and Envoy's own `jwt_authn`, side by side in one
//! Envoy, AWS's `aws-jwt-verify`, and the crate `jsonwebtoken`.
//!
//! Tokens are valid ones to which one, two or three things were done, each a class. What the filter
//! says of a class stands beside it in `classes/`; where another judge says something else, that is
//! a row of `known.json`, with the reason. Every other disagreement fails the test, and so does a
//! row that is no longer true. A judge accepts what it accepts in each of a token's classes.
//!
//! `make test` asks the two that sit in Envoy, `make differential` (`DIFFERENTIAL=directory`, where
//! `run.sh` has prepared the others) all four, about more tokens. The seed is printed;
//! `DIFFERENTIAL_SEED` throws the same dice again, `DIFFERENTIAL_TOKENS` says how often.

// A test fails by panicking, and its sums are small; outside `#[test]` functions the lints do not know.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../harness/mod.rs"]
mod harness;

mod class;
mod classes;
mod known;
mod token_builder;
mod verifier;
mod verifiers;

use std::io::Write as _;
use std::path::PathBuf;
use std::thread;

use crate::harness::document::POOL;
use crate::harness::issuer::TestKey;
use crate::harness::seed::Seed;
use class::Class;
use known::Ledger;
use token_builder::{Draft, Minted};
use verifiers::Court;

/// How many tokens `make test` asks about, and `make differential`.
const TOKENS: [usize; 2] = [800, 6000];
/// So many are minted before they are judged: times at the borders must still be there then.
const SESSION: usize = 400;

/// Tells whoever runs the tests, not only of failures.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What is to be done to a token.
struct Plan<'a> {
    classes: Vec<&'a Class>,
    seed: Seed,
}

impl<'a> Plan<'a> {
    /// Each class alone first, in turn; then two or three that go together.
    fn new(number: usize, classes: &'a [Class], dice: &mut Seed) -> Self {
        let mut chosen = vec![&classes[number % classes.len()]];
        if number >= 2 * classes.len() {
            for _ in 0..1 + dice.below(2) {
                let other = dice.choose(classes);
                let kinds =
                    |class: &Class| class.kinds.iter().any(|kind| other.kinds.contains(kind));
                if chosen
                    .iter()
                    .all(|class| class.goes_with(other) && kinds(class))
                {
                    chosen.push(other);
                }
            }
        }
        Self {
            classes: chosen,
            seed: dice.fork(),
        }
    }

    fn mint(&mut self) -> Minted {
        let [first, others @ ..] = self.classes.as_slice() else {
            panic!("no token is of no class")
        };
        let common =
            |kind: &&token_builder::Kind| others.iter().all(|class| class.kinds.contains(kind));
        let kinds: Vec<_> = first.kinds.iter().filter(common).collect();
        let mut draft = Draft::new(**self.seed.choose(&kinds), POOL, TestKey::first());
        for class in &self.classes {
            class.apply(&mut draft, &mut self.seed);
        }
        draft.mint()
    }
}

fn mint(plans: &mut [Plan<'_>]) -> Vec<Minted> {
    let half = plans.len().div_ceil(2);
    thread::scope(|scope| {
        let sides: Vec<_> = plans
            .chunks_mut(half)
            .map(|side| scope.spawn(|| side.iter_mut().map(Plan::mint).collect::<Vec<_>>()))
            .collect();
        let sides = sides.into_iter();
        sides
            .flat_map(|side| side.join().expect("minted tokens"))
            .collect()
    })
}

/// A number in a variable.
fn number(variable: &str) -> Option<usize> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}

#[test]
fn judges_disagree_about_nothing_but_what_is_known() {
    let prepared = std::env::var_os("DIFFERENTIAL").map(PathBuf::from);
    let tokens = TOKENS[usize::from(prepared.is_some())];
    let tokens = number("DIFFERENTIAL_TOKENS").unwrap_or(tokens);
    let classes = class::all();
    let mut ledger = Ledger::read(&classes);
    let mut dice = Seed::from_variable("DIFFERENTIAL_SEED");
    let mut court = Court::convene(prepared.as_deref());
    let mut disputed = 0;
    for start in (0..tokens).step_by(SESSION) {
        let numbers = start..tokens.min(start + SESSION);
        let plan = |number| Plan::new(number, &classes, &mut dice);
        let mut plans: Vec<_> = numbers.map(plan).collect();
        let minted = mint(&mut plans);
        for (plan, minted) in plans.iter().zip(minted) {
            let verdicts = court.judge(&minted);
            let mut said = verdicts.values();
            let first = said.next().expect("a verdict");
            disputed += usize::from(said.any(|verdict| verdict != first));
            ledger.enter(&plan.classes, &verdicts, &minted.token);
        }
    }
    let members = court.members();
    let names: Vec<_> = members.iter().map(|judge| judge.name()).collect();
    tell(&format!(
        "{tokens} tokens of {} classes before {}: {disputed} disputed, {} divergences known",
        classes.len(),
        names.join(", "),
        ledger.rows(),
    ));
    let surprises = ledger.surprises(&members);
    assert!(
        surprises.is_empty(),
        "{}:\n{}",
        surprises.len(),
        surprises.join("\n")
    );
    court.adjourn();
}
