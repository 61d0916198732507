//! What a decision must know that no request brings: so far, the keys of its issuer.
//!
//! A fact is there, or there is a [`Need`] for it. A request that stopped at a need is held, and is
//! decided again from the token on once the fact has changed: no step is resumed in its middle.

use crate::policy::PoolIndex;
use crate::time::Timestamp;

/// A fact that a decision stopped for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// Any keys of its issuer.
    Keys(PoolIndex),
    /// A key that the set of this generation does not have.
    NewerKeys {
        /// The token's user pool.
        pool: PoolIndex,
        /// The key set that does not have the key.
        generation: u64,
        /// When its bearer says that the token was made.
        issued_at: Option<Timestamp>,
    },
}

impl Need {
    /// The user pool whose keys are needed.
    #[must_use]
    pub const fn pool(self) -> PoolIndex {
        match self {
            Self::Keys(pool) | Self::NewerKeys { pool, .. } => pool,
        }
    }
}
