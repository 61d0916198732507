//! Statistics: counted by each thread for itself, and told to Envoy by the main thread.
//!
//! A call into Envoy for each of them would be a fifth of what a request costs. So a worker adds to
//! numbers that it alone writes, and within a tick the leader has added up those of all workers and
//! passed on the difference.

use crate::envoy::Configuration;
use crate::seat::lock;
use cognito_authorizer::host::metrics::{Kind, Metric};
use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One thread's part of a statistic.
#[derive(Debug)]
pub(crate) struct Number {
    sum: Arc<AtomicI64>,
    /// What it was set to; workers set nothing.
    level: Option<Arc<AtomicU64>>,
}

/// A level that has not been set since Envoy was told of the last one.
const UNSET: u64 = u64::MAX;

impl Metric for Number {
    fn add(&self, amount: i64) {
        // No other thread writes: no need to lock the bus.
        let sum = self.sum.load(Ordering::Relaxed).wrapping_add(amount);
        self.sum.store(sum, Ordering::Relaxed);
    }

    fn set(&self, value: u64) {
        if let Some(level) = &self.level {
            level.store(value, Ordering::Relaxed);
        }
    }
}

/// One thread's parts of all statistics, in the order in which they are defined.
pub(crate) type Sums = Vec<Arc<AtomicI64>>;

/// Hands out a worker's numbers.
#[derive(Debug, Default)]
pub(crate) struct Ledger(RefCell<Sums>);

impl Ledger {
    pub(crate) fn number(&self) -> Number {
        let sum = Arc::new(AtomicI64::default());
        self.0.borrow_mut().push(Arc::clone(&sum));
        Number { sum, level: None }
    }

    pub(crate) fn into_sums(self) -> Sums {
        self.0.into_inner()
    }
}

/// The leader's own numbers, with what Envoy calls them and was told of them. The lock is taken by the
/// main thread, and by that on which the last request of the configuration has ended.
#[derive(Debug, Default)]
pub(crate) struct Statistics(Mutex<Vec<Statistic>>);

#[derive(Debug)]
struct Statistic {
    kind: Kind,
    /// None if Envoy keeps no such statistic.
    id: Option<usize>,
    own: Arc<AtomicI64>,
    level: Arc<AtomicU64>,
    told: i64,
}

impl Statistics {
    pub(crate) fn define(&self, envoy: &dyn Configuration, kind: Kind, name: &str) -> Number {
        let own = Arc::new(AtomicI64::default());
        let level = Arc::new(AtomicU64::new(UNSET));
        lock(&self.0).push(Statistic {
            kind,
            id: envoy.define(kind, name),
            own: Arc::clone(&own),
            level: Arc::clone(&level),
            told: 0,
        });
        Number {
            sum: own,
            level: Some(level),
        }
    }

    /// Tells Envoy what has changed.
    pub(crate) fn tell(&self, envoy: &dyn Configuration, workers: &[Sums]) {
        for (index, statistic) in lock(&self.0).iter_mut().enumerate() {
            let parts = workers.iter().filter_map(|sums| sums.get(index));
            let sum = parts
                .chain([&statistic.own])
                .map(|part| part.load(Ordering::Relaxed))
                .fold(0, i64::wrapping_add);
            statistic.tell(envoy, sum);
        }
    }

    /// The configuration ends. What its workers hold ends with it.
    pub(crate) fn end(&self, envoy: &dyn Configuration, workers: &[Sums]) {
        self.tell(envoy, workers);
        for statistic in lock(&self.0).iter_mut() {
            if statistic.kind == Kind::Gauge {
                statistic.tell(envoy, 0);
            }
        }
    }
}

impl Statistic {
    fn tell(&mut self, envoy: &dyn Configuration, sum: i64) {
        let Some(id) = self.id else { return };
        let change = sum.wrapping_sub(std::mem::replace(&mut self.told, sum));
        match (self.kind, u64::try_from(change)) {
            (_, Ok(0)) => {}
            (Kind::Counter, Ok(grown)) => envoy.count(id, grown),
            // A counter never falls.
            (Kind::Counter, Err(_)) => {}
            (Kind::Gauge, _) => envoy.shift(id, change),
        }
        match self.level.swap(UNSET, Ordering::Relaxed) {
            UNSET => {}
            level => envoy.set(id, level),
        }
    }
}
