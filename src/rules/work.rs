//! What a request may cost before its rule is known.
//!
//! A path is looked at before any token is, so its cost is what a stranger can order for nothing.
//! It is counted, not timed: the same request costs the same on every machine, and one that would
//! cost too much is refused.

/// The most that finding the rule of one request may cost, in units of about two nanoseconds in
/// Envoy: less than it takes to accept a token that was never seen before.
///
/// An honest request needs some hundred units under a list of rules as people write them.
pub const MAX_WORK: usize = 32 * 1024;

/// One place in the tree of rules is looked at: a few comparisons and a look-up by hash.
pub(super) const PLACE: usize = 24;

/// One expression is started.
pub(super) const RUN: usize = 4;

/// What is left of [`MAX_WORK`] for a request.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    left: usize,
}

/// A request for whose rule [`MAX_WORK`] is not enough.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_does_not_come_back() {
        let mut work = Work::default();
        assert_eq!(work.spend(MAX_WORK - 1), Ok(()));
        assert_eq!(work.spent(), MAX_WORK - 1);
        assert_eq!(work.spend(2), Err(TooCostly));
        assert_eq!(work.spend(1), Ok(()));
        assert_eq!(work.spend(1), Err(TooCostly));
        assert_eq!(work.spent(), MAX_WORK);
    }
}
