//! What it may cost to look for names in the query and the cookies of a request.
//!
//! They are looked at before any token is, so the cost is what a stranger can order for nothing. It is
//! counted, not timed: the same request costs the same on every machine, and one that would cost too
//! much is refused.

/// The most that looking for names in one request may cost, in units of about three nanoseconds in
/// Envoy: less than it takes to accept a token that was never seen before.
///
/// A byte is one unit, and a name that begins as a wanted one some ten: eight kilobytes stay below it,
/// whatever is in them, and so does all that Envoy takes by default if it is no chain of near misses.
pub const MAX_WORK: usize = 84 * 1024;

/// One name is compared.
pub(super) const NAME: usize = 8;

/// One name is an alias, and its value is looked at.
pub(super) const SIGHTING: usize = 64;

/// What is left of [`MAX_WORK`] for a request.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    left: usize,
}

/// A request in which [`MAX_WORK`] is not enough to look for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooCostly;

impl Default for Work {
    fn default() -> Self {
        Self { left: MAX_WORK }
    }
}

impl Work {
    /// Takes some units.
    ///
    /// # Errors
    /// There are not so many left.
    pub(super) fn spend(&mut self, units: usize) -> Result<(), TooCostly> {
        self.left = self.left.checked_sub(units).ok_or(TooCostly)?;
        Ok(())
    }

    /// How many units have been taken.
    #[must_use]
    pub const fn spent(&self) -> usize {
        MAX_WORK.saturating_sub(self.left)
    }
}
