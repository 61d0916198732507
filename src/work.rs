//! What a request may cost before any token is looked at.
//!
//! Until then its cost is what a stranger can order for nothing. So it is counted, and not timed: the
//! same request costs the same on every machine, and one that would cost too much is refused.

/// What is left for a request of the units that some part of its way may take at most.
#[derive(Clone, Copy, Debug)]
pub struct Work<const MOST: usize> {
    left: usize,
}

/// A request for which the most that some part of its way may take is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooCostly;

impl<const MOST: usize> Default for Work<MOST> {
    fn default() -> Self {
        Self { left: MOST }
    }
}

impl<const MOST: usize> Work<MOST> {
    /// Takes some units.
    ///
    /// # Errors
    /// There are not so many left.
    pub fn spend(&mut self, units: usize) -> Result<(), TooCostly> {
        self.left = self.left.checked_sub(units).ok_or(TooCostly)?;
        Ok(())
    }

    /// How many units have been taken.
    #[must_use]
    pub const fn spent(&self) -> usize {
        MOST.saturating_sub(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_does_not_come_back() {
        let mut work = Work::<100>::default();
        assert_eq!(work.spend(99), Ok(()));
        assert_eq!(work.spent(), 99);
        assert_eq!(work.spend(2), Err(TooCostly));
        assert_eq!(work.spend(1), Ok(()));
        assert_eq!(work.spend(1), Err(TooCostly));
        assert_eq!(work.spent(), 100);
    }
}
