//! The two clocks.

use cognito_authorizer::time::{Monotonic, Now, Timestamp};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// All threads count from here: a lease that one has taken expires for all.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What lies before the start: nobody looks further back than a list may be old.
const BEFORE: Duration = Duration::from_secs(1 << 31);

/// The wall clock. Before 1970 it is taken for 1970, where every token was issued in the future.
pub(crate) fn wall() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::since_epoch(elapsed.unwrap_or_default())
}

/// The process's monotonic clock.
pub(crate) fn monotonic() -> Monotonic {
    Monotonic::new(BEFORE.saturating_add(START.elapsed()))
}

pub(crate) fn both() -> Now {
    Now {
        wall: wall(),
        monotonic: monotonic(),
    }
}
