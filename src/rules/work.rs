//! What it may cost to find the rule of a request.

/// What is left of [`MAX_WORK`] for a request.
pub type Work = crate::work::Work<MAX_WORK>;

/// The most that finding the rule of one request may cost, in units of about two nanoseconds in
/// Envoy: less than it takes to accept a token that was never seen before.
///
/// An honest request needs some hundred units under a list of rules as people write them.
pub const MAX_WORK: usize = 32 * 1024;

/// One place in the tree of rules is looked at: a few comparisons and a look-up by hash.
pub(super) const PLACE: usize = 24;

/// One expression is started.
pub(super) const RUN: usize = 4;
