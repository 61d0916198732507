//! What it may cost to compare a request with a policy.

/// What is left of [`MAX_WORK`] for a request.
pub type Work = crate::work::Work<MAX_WORK>;

/// The most that comparing one request with a remembered policy may cost, in units of about two
/// nanoseconds in Envoy: as much as finding the rule ([`crate::rules::work`]).
///
/// A policy of a thousand resources costs a third of it, for a path that has one reading.
pub const MAX_WORK: usize = 32 * 1024;
