//! The two clocks.

use crate::gate::Now;
use crate::time::{Monotonic, Timestamp};
use proxy_wasm::hostcalls;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Reads the wall clock. What is no time since 1970 is taken for its first second, in which every token
/// was issued in the future.
pub(super) fn wall() -> Timestamp {
    let elapsed = hostcalls::get_current_time()
        .ok()
        .and_then(|now| now.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    Timestamp::since_epoch(elapsed)
}

/// The process's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct MonotonicClock {
    origin: Instant,
}

impl MonotonicClock {
    /// Finds the clock's origin: the earliest moment that an [`Instant`] can name.
    ///
    /// The standard library hides the reading itself, but VMs must compare theirs: a lease that
    /// one took expires for all. The earliest moment is the same for every VM of the process,
    /// whatever the library counts from, and a bisection of some ninety steps finds it.
    pub(super) fn new() -> Self {
        let mut origin = Instant::now();
        let mut step = Duration::from_secs(1 << 63);
        while step > Duration::ZERO {
            match origin.checked_sub(step) {
                Some(earlier) => origin = earlier,
                None => step = step.checked_div(2).unwrap_or_default(),
            }
        }
        Self { origin }
    }

    /// The reading. The seconds are cut to 32 bits, since the earliest moment may lie 2^63 seconds
    /// before the machine was started; 136 years are left.
    pub(super) fn read(self) -> Monotonic {
        let elapsed = self.origin.elapsed();
        let seconds = elapsed.as_secs() & u64::from(u32::MAX);
        Monotonic::new(Duration::new(seconds, elapsed.subsec_nanos()))
    }

    pub(super) fn both(self) -> Now {
        Now {
            wall: wall(),
            monotonic: self.read(),
        }
    }
}
