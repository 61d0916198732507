//! How lately the user pool must have stood by a token.

use crate::claims::Claims;
use crate::refusal::{Reason, Refusal};
use crate::step::{Observer, Step};
use std::time::Duration;

/// How lately the user pool must have stood by the token, which it is asked for.
///
/// No claim says so: a token stays as it was made, whatever becomes of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirmation {
    /// It is not asked.
    #[default]
    Waived,
    /// Within this time.
    Within(Duration),
}

/// The scope of those tokens that a user pool can be asked about. About one without it the pool
/// would answer as it does for a revoked one, and that would be untrue.
pub const ASKING_SCOPE: &str = "aws.cognito.signin.user.admin";

impl Confirmation {
    /// What is asked where both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Within(one), Self::Within(other)) => Self::Within(one.min(other)),
            (Self::Waived, asked) | (asked, Self::Waived) => asked,
        }
    }

    /// What is asked where either suffices.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Within(one), Self::Within(other)) => Self::Within(one.max(other)),
            (Self::Waived, _) | (_, Self::Waived) => Self::Waived,
        }
    }

    /// Checks whether the pool can be asked about a token, if it has to be.
    ///
    /// # Errors
    /// It cannot, and the refusal names the scope with which it could.
    pub fn check(self, claims: &Claims, seen: &mut impl Observer) -> Result<(), Refusal> {
        match self {
            Self::Within(_) if !claims.scopes().any(|scope| scope == ASKING_SCOPE) => {
                seen.saw(Step::Confirmed, Err(Reason::InsufficientScope));
                Err(Refusal::InsufficientScope(vec![ASKING_SCOPE.to_owned()]))
            }
            Self::Within(_) | Self::Waived => Ok(()),
        }
    }
}
