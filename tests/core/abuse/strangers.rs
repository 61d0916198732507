//! Shared data, as another plugin with the same `vm_id` can write it.
//!
//! Entries carry no proof of who wrote them, and could carry none: every VM of the process must be
//! able to write them, and whatever secret they shared would lie in the same space. So a well-formed
//! entry is believed, which the last test shows; everything else must do no harm.

use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::policy::{KeySource, Policy};
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::remote::failure::Cause;
use cognito_authorizer::remote::record::{
    Demand, DemandOutcome, Lease, Record, Told, encode_content,
};
use cognito_authorizer::remote::space::EntryNames;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::Monotonic;
use serde_json::json;

use crate::abuse::{POOL, bearer, now, policy};
use crate::harness::issuer::{TestKey, Token, issuer_of, key_set};
use crate::harness::seed::Seed;
use crate::harness::space::Space;

const DAY: u64 = 86_400_000;

fn fetching() -> Gate {
    let policy = policy(json!({"cluster": "keys"}));
    Gate::new(policy, Rs256::module(), Entropy::new(7))
}

fn endpoint(policy: &Policy) -> Endpoint {
    let pool = policy.issuers.pools().first().expect("a pool");
    match &pool.keys {
        KeySource::Fetched(source) => source.endpoint.clone(),
        KeySource::Inline(_) => panic!("keys are fetched"),
    }
}

fn names(gate: &Gate) -> EntryNames {
    names_of(&endpoint(gate.policy()))
}

fn names_of(endpoint: &Endpoint) -> EntryNames {
    EntryNames::new(
        "jwks",
        &[&issuer_of(POOL), &endpoint.uri, &endpoint.cluster],
    )
}

/// Whether a request with this token is let in; one that is held waits until the ticks are over.
fn let_in(gate: &mut Gate, token: &str, at: u64, space: &Space) -> bool {
    match gate.decide(&bearer(token), now(at).wall).0 {
        Decision::Verdict(verdict) => matches!(verdict, Verdict::Forward(_)),
        Decision::Hold(candidate) => {
            let verdict = gate.hold(1, candidate, now(at), space);
            let held = verdict.is_none();
            let later = gate.tick(now(at + 10_000), space).verdicts;
            assert_eq!(
                later.len(),
                usize::from(held),
                "held for longer than it may be"
            );
            let mut verdicts = verdict
                .into_iter()
                .chain(later.into_iter().map(|(_, verdict)| verdict));
            verdicts.any(|verdict| matches!(verdict, Verdict::Forward(_)))
        }
    }
}

/// The key server answers whatever is asked for at this time.
fn answer(gate: &mut Gate, at: u64, space: &Space) -> usize {
    let calls = gate.tick(now(at), space).calls;
    let count = calls.len();
    for (id, _) in calls {
        let body = key_set(&[TestKey::first()]).to_string().into_bytes();
        let answer = Answer::response(200, Some(body));
        gate.answered(id, &answer, now(at), space);
    }
    count
}

/// Numbers at the ends of their ranges, and any others.
fn number(dice: &mut Seed) -> u64 {
    let any = (0..8).fold(0, |number, _| {
        (number << 8) | u64::try_from(dice.below(256)).unwrap()
    });
    *dice.choose(&[
        0,
        1,
        1_000_000_000,
        u64::MAX - 1,
        u64::MAX,
        u64::MAX / 2,
        any,
        any >> 20,
    ])
}

fn moment(dice: &mut Seed) -> Monotonic {
    Monotonic::from_nanoseconds(number(dice))
}

/// A record of the right shape with any contents.
fn record(dice: &mut Seed) -> Vec<u8> {
    let record = Record {
        fetched_at: (dice.below(2) == 0).then(|| moment(dice)),
        content_at: (dice.below(2) == 0).then(|| moment(dice)),
        revision: number(dice),
        lease: (dice.below(2) == 0).then(|| Lease {
            holder: number(dice),
            until: moment(dice),
        }),
        failing_since: (dice.below(2) == 0).then(|| moment(dice)),
        failures: u32::try_from(number(dice) >> 32).expect("32 bits"),
        next_fetch_at: moment(dice),
        attempt_at: moment(dice),
        demand: (dice.below(2) == 0).then(|| Demand {
            at: moment(dice),
            outcome: *dice.choose(&[
                DemandOutcome::Pending,
                DemandOutcome::Answered,
                DemandOutcome::Failed,
            ]),
        }),
        told: (dice.below(2) == 0).then(|| Told {
            at: moment(dice),
            cause: *dice.choose(&[Cause::UnknownCluster, Cause::Status]),
        }),
    };
    record.encode()
}

/// Whatever stands in the record, however its numbers lie: nothing breaks, no stranger's token passes
/// while the stranger's keys are not there, and who has keys goes on serving.
#[test]
fn hostile_records_break_nothing_and_let_nobody_in() {
    let mut dice = Seed::from_variable("ABUSE_SEED");
    let good = Token::access(POOL).mint();
    let forged = Token::access(POOL).signed_by(TestKey::third()).mint();
    for round in 0..400 {
        let space = Space::default();
        let mut gate = fetching();
        let names = names(&gate);
        gate.start(now(0), &space);
        assert_eq!(answer(&mut gate, 1, &space), 1);
        assert!(let_in(&mut gate, &good, 2, &space), "round {round}");
        let mut hostile = record(&mut dice);
        if dice.below(4) == 0 {
            let at = dice.below(hostile.len());
            hostile[at] ^= 1 << dice.below(8);
        }
        space.overwrite(&names.record, &hostile);
        if dice.below(2) == 0 {
            let bytes = space.bytes(&names.content).expect("keys");
            let cut = dice.below(bytes.len());
            space.overwrite(&names.content, &bytes[..cut]);
        }
        gate.tick(now(3), &space);
        assert!(let_in(&mut gate, &good, 3, &space), "round {round}");
        assert!(!let_in(&mut gate, &forged, 4, &space), "round {round}");
        // Whoever comes new is not worse off than with an empty space, and no better.
        let mut other = fetching();
        other.start(now(5), &space);
        assert!(!let_in(&mut other, &forged, 6, &space), "round {round}");
        for at in [20_000, DAY, 100 * DAY] {
            answer(&mut gate, at, &space);
            answer(&mut other, at, &space);
            let _ = gate.next_tick(now(at).monotonic);
        }
        gate.retire(&space);
    }
}

/// Keys alone are nothing: they count only with the record that announces them, to the nanosecond.
#[test]
fn keys_without_their_record_are_not_believed() {
    let space = Space::default();
    let mut gate = fetching();
    let names = names(&gate);
    gate.start(now(0), &space);
    answer(&mut gate, 1, &space);
    let forged = Token::access(POOL).signed_by(TestKey::third()).mint();
    let theirs = key_set(&[TestKey::third()]).to_string().into_bytes();
    for at in [0, 2, 1_000_000] {
        space.overwrite(&names.content, &encode_content(now(at).monotonic, &theirs));
        gate.tick(now(20), &space);
        assert!(!let_in(&mut gate, &forged, 21, &space));
    }
}

/// Entries of another pool, endpoint or cluster stand under other names, and are never read.
#[test]
fn entries_of_another_source_are_not_read() {
    let gate = fetching();
    let ours = names(&gate);
    let mut elsewhere = endpoint(gate.policy());
    elsewhere.cluster = "attacker".into();
    let theirs = names_of(&elsewhere);
    assert_ne!(ours.record, theirs.record);
    let space = Space::default();
    plant(&space, &theirs);
    let mut gate = gate;
    gate.start(now(0), &space);
    let forged = Token::access(POOL).signed_by(TestKey::third()).mint();
    assert!(!let_in(&mut gate, &forged, 1, &space));
}

/// What SECURITY.md says of plugins with the same `vm_id`, and why each trust domain needs its own:
/// whoever can write to the space, and knows the name, which is no secret, is believed.
#[test]
fn a_well_formed_entry_of_a_stranger_is_believed() {
    let space = Space::default();
    let mut gate = fetching();
    plant(&space, &names(&gate));
    gate.start(now(0), &space);
    let forged = Token::access(POOL).signed_by(TestKey::third()).mint();
    assert!(let_in(&mut gate, &forged, 1, &space));
    // Another `vm_id` is another space, and what was planted here is not there.
    let apart = Space::default();
    let mut gate = fetching();
    gate.start(now(0), &apart);
    assert!(!let_in(&mut gate, &forged, 1, &apart));
}

fn plant(space: &Space, names: &EntryNames) {
    let at = now(0).monotonic;
    let theirs = key_set(&[TestKey::third()]).to_string().into_bytes();
    let record = Record {
        fetched_at: Some(at),
        content_at: Some(at),
        next_fetch_at: now(DAY).monotonic,
        ..Record::default()
    };
    space.overwrite(&names.content, &encode_content(at, &theirs));
    space.overwrite(&names.record, &record.encode());
}
