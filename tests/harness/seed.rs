//! Random numbers that can be had again.
#![allow(dead_code, reason = "no test uses all of it")]

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A sequence of random numbers (SplitMix64, Steele, Lea and Flood 2014).
pub(crate) struct Seed(u64);

impl Seed {
    /// The one that a variable names, or a new one; printed, so that it can be named next time.
    pub(crate) fn from_variable(variable: &str) -> Self {
        let seed = match std::env::var(variable) {
            Ok(seed) => seed.parse().expect("the seed is a number"),
            Err(_) => {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
                u64::from(elapsed.expect("a clock after 1970").subsec_nanos())
            }
        };
        // Past the capture of a test's output: a run that hangs must be repeatable, too.
        let _ = writeln!(std::io::stderr(), "{variable}={seed}");
        Self(seed)
    }

    /// This one.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Where any number will do.
    pub(crate) fn fixed() -> Self {
        Self(0)
    }

    /// A sequence of its own, for another thread.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.next() % end.max(1)).expect("a small number")
    }

    /// One of these.
    pub(crate) fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A copy of one of these.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        self.choose(items).clone()
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.next().to_be_bytes());
        words.take(count).collect()
    }

    /// A time between these, in milliseconds.
    pub(crate) fn between(&mut self, least: usize, most: usize) -> Duration {
        let chosen = least + self.below(most - least + 1);
        Duration::from_millis(u64::try_from(chosen).expect("a short time"))
    }
}
