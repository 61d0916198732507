//! What it may cost to look for names in the query and the cookies of a request.

/// What is left of [`MAX_WORK`] for a request.
pub type Work = crate::work::Work<MAX_WORK>;

/// The most that looking for names in one request may cost, in units of about three nanoseconds in
/// Envoy: less than it takes to accept a token that was never seen before.
///
/// A byte is one unit, and a name that begins as a wanted one some ten: eight kilobytes of these stay
/// below it, and so does all that Envoy takes by default if it is no chain of near misses. Of wanted
/// names without a value, which are no token, there may be some nine hundred.
pub const MAX_WORK: usize = 84 * 1024;

/// One name is compared.
pub(super) const NAME: usize = 8;

/// One name is an alias, and its value is looked at.
pub(super) const SIGHTING: usize = 64;

/// Each byte of the name of a cookie that is an alias: whoever finds it decodes and reads it again.
pub(super) const LETTER: usize = 2;
