//! Whose tokens are admitted.

use crate::claims::TokenUse;
use crate::pool::UserPoolId;
use crate::principal::PrincipalPattern;

/// Whose tokens a rule admits: never both kinds, since what is asked of one means nothing for the
/// other.
#[derive(Clone, Debug, PartialEq)]
pub enum Callers {
    /// Users' and app clients'.
    Users(Narrowing),
    /// Those of AWS principals: one of these, or any of the configured accounts.
    Principals(AnyOf<PrincipalPattern>),
    /// Users', and those of AWS principals where an alternative names them.
    OfAlternatives,
}

/// AWS principals are admitted nowhere unless they are named: to add an account must not open what
/// was meant for users.
impl Default for Callers {
    fn default() -> Self {
        Self::Users(Narrowing::default())
    }
}

impl Callers {
    /// Which users are admitted; none if the rule is for AWS principals.
    #[must_use]
    pub const fn users(&self) -> Option<&Narrowing> {
        match self {
            Self::Users(narrowing) => Some(narrowing),
            Self::OfAlternatives => Some(&EVERY_USER),
            Self::Principals(_) => None,
        }
    }
}

static EVERY_USER: Narrowing = Narrowing {
    token_use: WantedUse::Any,
    pools: AnyOf::Unrestricted,
    clients: AnyOf::Unrestricted,
};

/// Which of the users' tokens that the filter admits a rule admits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Narrowing {
    /// The wanted kind of token.
    pub token_use: WantedUse,
    /// The user pools whose tokens are admitted.
    ///
    /// A group of one pool means nothing in another: with several pools, a rule on groups, scopes
    /// or claims has to say which.
    pub pools: AnyOf<UserPoolId>,
    /// The app clients whose tokens are admitted.
    pub clients: AnyOf<String>,
}

/// The wanted `token_use`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WantedUse {
    /// Id and access tokens alike.
    #[default]
    Any,
    /// This one only.
    Only(TokenUse),
}

impl WantedUse {
    /// Whether a token of this use is wanted.
    #[must_use]
    pub fn admits(self, token_use: TokenUse) -> bool {
        match self {
            Self::Any => true,
            Self::Only(wanted) => wanted == token_use,
        }
    }
}

/// A condition with several values, of which one suffices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AnyOf<T> {
    /// No condition.
    #[default]
    Unrestricted,
    /// One of these, never empty.
    /// An empty list would let nothing pass, and be read as if it let everything pass: the
    /// configuration refuses it.
    Only(Vec<T>),
}

impl<T> AnyOf<T> {
    /// Whether the condition holds for a value, or is none.
    pub fn admits<Q: ?Sized>(&self, value: &Q) -> bool
    where
        T: PartialEq<Q>,
    {
        match self {
            Self::Unrestricted => true,
            Self::Only(wanted) => wanted.iter().any(|one| one == value),
        }
    }
}
