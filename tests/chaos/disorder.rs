//! Trouble: what can go wrong around the filter, made to go wrong at random.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::endpoint::{Endpoint, listener};
use crate::harness::bootstrap::Setup;
use crate::harness::client::Request;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::seed::Seed;
use crate::load::paced;
use crate::report::Tally;
use crate::request::{Owed, random_kid};
use crate::world::World;

/// An outage into which a fetch falls for sure: unknown keys ask for one every ten seconds.
const LONG: Duration = Duration::from_secs(12);
/// Pools that there are in the end.
const POOLS: usize = 5;

/// Everything that trouble is made with.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) keys: &'a KeyServer,
    pub(crate) envoy: &'a EnvoyUnderTest,
    pub(crate) setup: &'a Setup,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) counts: Counts,
    pub(crate) diary: Diary,
    variant: usize,
    floods: Vec<JoinHandle<Vec<(u16, Duration)>>>,
}

/// What was done, and when.
pub(crate) struct Diary {
    pub(crate) began: Instant,
    pub(crate) entries: Vec<String>,
}

/// How often what was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    rotations: usize,
    outages: usize,
    slow_answers: usize,
    floods: usize,
    updates: usize,
    new_pools: usize,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(
        world: &'a World,
        keys: &'a KeyServer,
        envoy: &'a EnvoyUnderTest,
        setup: &'a Setup,
        endpoints: Vec<Endpoint>,
    ) -> Self {
        Self {
            world,
            keys,
            envoy,
            setup,
            endpoints,
            counts: Counts::default(),
            diary: Diary {
                began: Instant::now(),
                entries: Vec::new(),
            },
            variant: 0,
            floods: Vec::new(),
        }
    }

    /// A cold start: the endpoint of one pool is slow, that of the others is not there yet.
    pub(crate) fn opens(&mut self, seed: &mut Seed) {
        for number in 0..self.endpoints.len() {
            self.world.is_configured(number);
            self.rotate(number, false);
        }
        self.keys
            .delay(&self.endpoints[0].id, seed.between(500, 1500));
        self.endpoints[0].slow = Some(Instant::now() + Duration::from_secs(2));
        self.restore(0);
        self.endpoints[1].fails = Some(Instant::now() + seed.between(1000, 4000));
        // Then an outage that is long enough for a fetch to fall into it, whatever comes after.
        thread::sleep(Duration::from_secs(4));
        self.heal(false);
        self.fail(0, seed, Instant::now() + LONG);
    }

    /// One more thing goes wrong.
    pub(crate) fn trouble(&mut self, seed: &mut Seed) {
        let number = seed.below(self.endpoints.len());
        match seed.below(10) {
            0..2 => {
                // Unless one key is known all the time, no token is owed anything.
                let fails = self.endpoints[number].fails.is_some();
                if self.world.has_known_key(number) {
                    self.rotate(number, fails || seed.below(2) == 0);
                }
            }
            2..5 if self.endpoints[number].fails.is_none() => {
                let lasts = [seed.between(1000, 5000), LONG][seed.below(2)];
                let until = Instant::now() + lasts;
                self.fail(number, seed, until);
            }
            5 => {
                let until = Instant::now() + seed.between(3000, 8000);
                self.keys
                    .delay(&self.endpoints[number].id, seed.between(300, 1500));
                self.endpoints[number].slow = Some(until);
                self.counts.slow_answers += 1;
                self.note(format!("slow answers of {number}"));
            }
            6..8 => self.flood(number, seed),
            8 if self.endpoints.len() < POOLS && seed.below(2) == 0 => self.grow(seed),
            _ => {
                self.variant += 1;
                self.update();
            }
        }
    }

    fn rotate(&mut self, number: usize, keeps_one: bool) {
        let set = self.world.rotate(number, keeps_one);
        self.endpoints[number].set = set;
        if self.endpoints[number].fails.is_none() {
            self.publish(number);
        }
        self.counts.rotations += 1;
        self.note(format!("rotation of {number}, keeps one: {keeps_one}"));
    }

    fn publish(&self, number: usize) {
        let endpoint = &self.endpoints[number];
        let answer = Answer::Document(endpoint.set.clone());
        self.keys.answer(&endpoint.id, answer);
        self.world.is_published(number);
    }

    fn fail(&mut self, number: usize, seed: &mut Seed, until: Instant) {
        let faults = self.endpoints[number].faults();
        let chosen = seed.below(faults.len());
        self.world.is_healthy(number, false);
        self.keys
            .answer(&self.endpoints[number].id, faults[chosen].clone());
        self.endpoints[number].fails = Some(until);
        self.endpoints[number].outages += 1;
        self.counts.outages += 1;
        self.note(format!("outage of {number}, fault {chosen}"));
    }

    /// Random kids, at a rate at which they do not fill the places of those that wait for a key.
    fn flood(&mut self, number: usize, seed: &mut Seed) {
        const REQUESTS: usize = 400;
        let (id, to) = (self.endpoints[number].id.clone(), self.envoy.main());
        let mut seed = seed.fork();
        let lasts = seed.between(1000, 3000);
        self.floods.push(thread::spawn(move || {
            paced(to, REQUESTS, lasts, || {
                Request::get("/flood").bearer(&random_kid(&id, &mut seed))
            })
        }));
        self.counts.floods += 1;
        self.note(format!("flood at {number} for {lasts:?}"));
    }

    /// Waits for the floods, and adds what they saw.
    pub(crate) fn end_of_floods(&mut self, tally: &mut Tally) {
        for flood in self.floods.drain(..) {
            for (status, took) in flood.join().expect("a flood") {
                tally.note(Owed::Refusal, status, took);
                if !Owed::Refusal.is_met_by(status) {
                    tally.broken(format!("a flood got {status}"));
                }
            }
        }
    }

    /// One more user pool, whose endpoint cannot be reached yet.
    fn grow(&mut self, seed: &mut Seed) {
        let number = self.endpoints.len();
        let endpoint = Endpoint::found(self.world, self.keys, number);
        self.endpoints.push(endpoint);
        self.rotate(number, false);
        self.endpoints[number].fails = Some(Instant::now() + seed.between(1000, 4000));
        self.counts.new_pools += 1;
        self.update();
        // Envoy has told the workers; they may not all have listened yet.
        thread::sleep(Duration::from_millis(500));
        self.world.is_configured(number);
    }

    fn update(&mut self) {
        self.note(format!("update to variant {}", self.variant));
        let listener = listener(&self.endpoints, self.variant);
        self.envoy.update(&self.setup.clone().listener(listener));
        self.counts.updates += 1;
    }

    /// Ends what has lasted long enough, or everything.
    pub(crate) fn heal(&mut self, all: bool) {
        let now = Instant::now();
        for number in 0..self.endpoints.len() {
            let endpoint = &mut self.endpoints[number];
            if endpoint
                .slow
                .take_if(|until| all || *until <= now)
                .is_some()
            {
                self.keys.delay(&endpoint.id, Duration::ZERO);
            }
            if endpoint.fails.is_some_and(|until| all || until <= now) {
                self.restore(number);
            }
        }
    }

    fn restore(&mut self, number: usize) {
        self.endpoints[number].fails = None;
        self.publish(number);
        self.world.is_healthy(number, true);
        self.note(format!("{number} is back"));
    }

    fn note(&mut self, what: String) {
        let at = self.diary.began.elapsed();
        self.diary.entries.push(format!("{at:.1?}: {what}"));
    }
}
