//! What a tick costs with as many user pools as there may be: a worker serves no request meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use cognito_authorizer::config::{self, MAX_USER_POOLS};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::{Entropy, Keyring};
use cognito_authorizer::remote::call::{Answer, CallId};
use cognito_authorizer::remote::space::{Conflict, SharedSpace, Version};
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::json;

use crate::harness::issuer::{TestKey, key_set};
use crate::harness::space::Space;

/// A space that counts what is asked of it: each is a call to the host.
#[derive(Default)]
struct Counting {
    space: Space,
    reads: Cell<usize>,
    writes: Cell<usize>,
    names: RefCell<BTreeSet<String>>,
}

impl SharedSpace for Counting {
    fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
        self.reads.set(self.reads.get() + 1);
        self.names.borrow_mut().insert(name.to_owned());
        self.space.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
        self.writes.set(self.writes.get() + 1);
        self.space.write(name, value, version)
    }
}

impl Counting {
    /// Reads and writes since this was last asked.
    fn take(&self) -> (usize, usize) {
        (self.reads.take(), self.writes.take())
    }
}

fn gate(pools: usize) -> Gate {
    through(pools, |_| "keys")
}

/// Pools whose keys come through these clusters.
fn through(pools: usize, cluster: impl Fn(usize) -> &'static str) -> Gate {
    let pool = |number| {
        let id = format!("us-east-1_Many{number:04}");
        json!({"user_pool_id": id, "client_ids": "any", "jwks": {"cluster": cluster(number)}})
    };
    let pools: Vec<_> = (0..pools).map(pool).collect();
    let document = json!({"user_pools": pools, "token": {"use": "any"}});
    let policy = config::parse(document.to_string().as_bytes()).expect("a configuration");
    Gate::new(Rc::new(policy), Rs256::module(), Entropy::new(1))
}

fn at(millis: u64) -> Now {
    Now {
        wall: Timestamp::from_seconds(1_700_000_000.0).unwrap(),
        monotonic: Monotonic::new(Duration::from_millis(1_000_000 + millis)),
    }
}

/// All keys come within the ticks of a second, and no tick asks for more than each record once and what
/// the fetches take that it begins. Where all keys are there, records take turns.
#[test]
fn a_tick_reads_each_record_once() {
    /// Of a fetch that is begun: the record is read, and written with the lease.
    const EACH: usize = 2;
    for pools in [1, 10, MAX_USER_POOLS] {
        let space = Counting::default();
        let mut gate = gate(pools);
        gate.start(at(0), &space);
        space.take();
        let published = key_set(&[TestKey::first()]).to_string().into_bytes();
        let answer = Answer::response(200, Some(published));
        let mut under_way: Vec<CallId> = Vec::new();
        let (mut fetched, mut millis) = (0, 0);
        while fetched < pools {
            millis += 10;
            assert!(millis < 5_000, "{fetched} of {pools}");
            for id in under_way.drain(..) {
                gate.answered(id, &answer, at(millis), &space);
                fetched += 1;
            }
            space.take();
            let effects = gate.tick(at(millis), &space);
            let (reads, writes) = space.take();
            let begun = effects.calls.len();
            assert!(begun <= Keyring::MOST_BEGUN);
            // And whether there is news.
            assert!(
                reads <= pools + EACH * begun + 1,
                "{reads} with {pools} pools"
            );
            assert!(writes <= EACH * begun, "{writes} with {begun} begun");
            under_way.extend(effects.calls.into_iter().map(|(id, _)| id));
        }
        // From then on nothing is due.
        let mut shortest = Duration::MAX;
        space.names.take();
        for _ in 0..pools.div_ceil(Keyring::MOST_READ) {
            millis += 250;
            let began = Instant::now();
            let effects = gate.tick(at(millis), &space);
            shortest = shortest.min(began.elapsed());
            assert!(effects.calls.is_empty() && effects.reports.is_empty());
            // And whether there is news.
            let more = usize::from(pools > Keyring::MOST_READ);
            assert_eq!(space.take(), (pools.min(Keyring::MOST_READ) + more, 0));
            assert_eq!(gate.next_tick(at(millis).monotonic), Gate::IDLE_TICK);
        }
        let mut names = space.names.take();
        names.retain(|name| name != "cognito-authorizer.keys-news");
        assert_eq!(names.len(), pools, "each has had its turn");
        println!("{pools} pools: a tick takes {shortest:?} beside the host's part");
    }
}

/// What another VM has fetched is noticed before it would be fetched again, of however many issuers.
#[test]
fn what_another_vm_has_fetched_is_not_fetched_again() {
    const POOLS: usize = 3 * Keyring::MOST_READ;
    let space = Counting::default();
    let answer =
        |keys: &[&TestKey]| Answer::response(200, Some(key_set(keys).to_string().into_bytes()));
    // The first VM fetches, at the schedule's own times; the other follows.
    let (mut first, mut other) = (gate(POOLS), gate(POOLS));
    first.start(at(0), &space);
    other.start(at(0), &space);
    let fetch_all = |first: &mut Gate, from: u64, keys: &[&TestKey]| {
        let mut fetched = 0;
        for millis in (from..).step_by(10).take(200) {
            for (id, _) in first.tick(at(millis), &space).calls {
                first.answered(id, &answer(keys), at(millis), &space);
                fetched += 1;
            }
        }
        assert_eq!(fetched, POOLS);
    };
    let generations = |gate: &Gate, generation: u64| {
        let issuers = gate.policy().issuers.iter();
        let now = issuers.filter_map(|(issuer, _)| gate.keyring().generation(issuer));
        now.filter(|one| *one == generation).count()
    };
    fetch_all(&mut first, 10, &[TestKey::first()]);
    // None was there: all were awaited.
    other.tick(at(2_500), &space);
    assert_eq!(generations(&other, 1), POOLS);
    // An hour later all are fetched again, with another key, and noticed at the next tick.
    fetch_all(&mut first, 3_600_000, &[TestKey::second()]);
    other.tick(at(3_602_250), &space);
    assert_eq!(generations(&other, 2), POOLS);
    assert!(other.tick(at(3_610_000), &space).calls.is_empty());
    // What brings nothing new is no news: a tick reads as many as before.
    fetch_all(&mut first, 7_200_000, &[TestKey::second()]);
    other.tick(at(7_202_250), &space);
    space.take();
    other.tick(at(7_202_500), &space);
    assert_eq!(space.take(), (Keyring::MOST_READ + 1, 0));
}

/// While the key server answers nothing, no more calls are under way than may be, and no tick looks for
/// room that is not there.
#[test]
fn no_more_fetches_are_under_way_than_may_be() {
    let space = Space::default();
    let mut gate = gate(MAX_USER_POOLS);
    gate.start(at(0), &space);
    let mut begun = 0;
    for millis in (10..500).step_by(10) {
        begun += gate.tick(at(millis), &space).calls.len();
    }
    assert_eq!(begun, Keyring::MOST_UNDER_WAY);
    assert_eq!(gate.next_tick(at(500).monotonic), Gate::BUSY_TICK);
}

/// Of a cluster that answers nothing no more is asked than may be under way; the others go on.
#[test]
fn a_cluster_that_does_not_answer_delays_no_other() {
    const DEAD: usize = 400;
    for (last, expected) in [("keys", 1), ("dead", 0)] {
        let space = Space::default();
        let mut gate = through(DEAD + 1, |number| if number < DEAD { "dead" } else { last });
        gate.start(at(0), &space);
        let mut calls = Vec::new();
        for millis in (10..500).step_by(10) {
            calls.extend(gate.tick(at(millis), &space).calls);
        }
        let begun = |cluster: &str| {
            let calls = calls.iter().filter(|(_, call)| call.cluster == cluster);
            calls.count()
        };
        assert_eq!(begun("dead"), Keyring::MOST_UNDER_WAY);
        assert_eq!(begun("keys"), expected);
    }
}
