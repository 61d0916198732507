//! Two clocks, never mixed: token times are wall-clock, everything the filter schedules is monotonic.
//!
//! Nothing in the core reads a clock. Both kinds of time arrive as parameters, so that a test can
//! script a day in a millisecond, and a wall clock that jumps moves no lease, window or back-off.

use std::time::Duration;

/// A point in time as JWT writes it: seconds since 1970-01-01T00:00:00Z, fractions allowed
/// (`NumericDate`, RFC 7519, section 2).
///
/// Always finite and within `0..=2^53`, where an `f64` still holds every whole second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Timestamp(f64);

impl Timestamp {
    /// 2^53: beyond it neighbouring seconds are no longer distinct in an `f64`.
    pub const MAX_SECONDS: f64 = 9_007_199_254_740_992.0;

    /// Accepts a finite number of seconds in `0..=2^53`.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        (0.0..=Self::MAX_SECONDS)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// The wall clock's reading, as a distance from the Unix epoch.
    #[must_use]
    pub fn since_epoch(elapsed: Duration) -> Self {
        Self(elapsed.as_secs_f64().min(Self::MAX_SECONDS))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// This moment, moved later by `tolerance`.
    #[must_use]
    pub fn plus(self, tolerance: Duration) -> Self {
        Self(self.0 + tolerance.as_secs_f64())
    }
}

/// A reading of the process's monotonic clock, as the distance from that clock's own origin.
///
/// All VMs of one Envoy read the same clock, so a reading may be handed from one to another
/// through shared data. It means nothing outside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// A reading that lies `since_origin` after the clock's origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The distance from the clock's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The moment `delay` from now; saturates at the clock's end.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_finite_and_exact_to_the_second() {
        assert!(Timestamp::from_seconds(0.0).is_some());
        assert!(Timestamp::from_seconds(1.5).is_some());
        assert!(Timestamp::from_seconds(Timestamp::MAX_SECONDS).is_some());
        for refused in [-0.5, f64::NAN, f64::INFINITY, 9_007_199_254_740_994.0] {
            assert_eq!(Timestamp::from_seconds(refused), None, "{refused}");
        }
    }

    #[test]
    fn monotonic_arithmetic_saturates() {
        let early = Monotonic::new(Duration::from_secs(1));
        let late = early.after(Duration::from_secs(2));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX).since_origin(), Duration::MAX);
    }
}
