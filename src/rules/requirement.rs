//! What a rule asks of a token, beyond that it is valid.
//!
//! Its parts are asked at different moments: [`Callers`] says whose tokens are admitted at all, and
//! repeats, for one rule, questions that are asked of every token, so that it is checked with them
//! before the signature (a forged token is refused either way, and sooner); [`Conditions`] are put
//! to the issuer's word alone; and a user pool is asked for its [`Confirmation`] of nothing but a
//! token for which all else holds.

use crate::claims::{Claim, ClaimPlace, Claims, TokenUse};
use crate::pool::UserPoolId;
use crate::principal::PrincipalPattern;
use crate::refusal::{Reason, Refusal};
use crate::rules::index::Variables;
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use std::time::Duration;

/// What must hold besides; the default holds for every valid token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requirement {
    /// Which of the tokens that the filter admits the rule admits.
    pub callers: Callers,
    /// What the claims of these must say.
    pub conditions: Conditions,
    /// How lately the user pool must have stood by the token.
    pub confirmation: Confirmation,
}

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

/// Whose tokens a rule admits: never both kinds, since what is asked of one means nothing for the
/// other.
#[derive(Clone, Debug, PartialEq)]
pub enum Callers {
    /// Users' and app clients'.
    Users(Narrowing),
    /// Those of AWS principals: one of these, or any of the configured accounts.
    Principals(AnyOf<PrincipalPattern>),
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
            Self::Principals(_) => None,
        }
    }
}

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

/// What the claims must say: all of it. What is not given holds for every token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Scopes of which the token needs one.
    pub scopes: AnyOf<String>,
    /// Groups of which the user must be in one.
    pub groups: AnyOf<String>,
    /// Claims and the values of which each must have one.
    pub claims: Vec<ClaimCondition>,
    /// How long ago the user may have signed in.
    ///
    /// By `auth_time`: a refreshed token keeps the time of the sign-in.
    pub max_auth_age: AuthAge,
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

/// A claim, and the values of which it must have one.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimCondition {
    /// Where the claim stands.
    pub place: ClaimPlace,
    /// The wanted values, never empty.
    ///
    /// Compared as text: Cognito writes the numbers and booleans of custom attributes as strings.
    pub any_of: Vec<WantedValue>,
}

/// A value that a claim may be wanted to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedValue {
    /// This text.
    Literal(String),
    /// What the request's path has in place of this variable of the rule's template.
    /// So that a path can belong to its user. The configuration holds the name to the template.
    Variable(String),
}

/// How long ago the user may have signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthAge {
    /// However long ago.
    #[default]
    Any,
    /// Within this time, plus the allowed clock skew.
    AtMost(Duration),
}

impl Conditions {
    /// The scopes that a client does well to ask for (RFC 6750, section 3: `scope`).
    pub fn wanted_scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = match &self.scopes {
            AnyOf::Only(scopes) => &scopes[..],
            AnyOf::Unrestricted => &[],
        };
        scopes.iter().map(String::as_str)
    }

    /// Checks scopes, groups, claims and age of the sign-in, in this order.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub fn check(
        &self,
        claims: &Claims,
        variables: &Variables,
        now: Timestamp,
        clock_skew: Duration,
        seen: &mut impl Observer,
    ) -> Result<(), Refusal> {
        if let AnyOf::Only(scopes) = &self.scopes {
            // Whole scopes, as `scope` lists them between spaces (RFC 6749, section 3.3):
            // `orders/write-all` is not `orders/write`.
            let wanted = |scope| scopes.iter().any(|one| one == scope);
            let has = claims.scopes().any(wanted);
            seen.check(Step::Scopes, has, Reason::InsufficientScope)
                .map_err(|_| Refusal::InsufficientScope(scopes.clone()))?;
        }
        if let AnyOf::Only(groups) = &self.groups {
            let is_member = groups.iter().any(|group| claims.has_group(group));
            seen.check(Step::Groups, is_member, Reason::InsufficientGroup)
                .map_err(Refusal::Plain)?;
        }
        // Every claim, and of each one value.
        for wanted in &self.claims {
            let fits = wanted.holds(claims, variables);
            seen.check(Step::Claim, fits, Reason::ClaimMismatch)
                .map_err(Refusal::Plain)?;
        }
        if let AuthAge::AtMost(age) = self.max_auth_age {
            // Nor may it lie in the future: a clock that was wrong once would make a sign-in fresh
            // for years.
            let fresh = claims.authenticated_at().is_some_and(|at| {
                now <= at.plus(age).plus(clock_skew) && at <= now.plus(clock_skew)
            });
            seen.check(Step::AuthAge, fresh, Reason::StaleAuthentication)
                .map_err(|_| Refusal::StaleAuthentication(age))?;
        }
        Ok(())
    }

    /// The template variables with which claims are compared.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let values = self.claims.iter().flat_map(|condition| &condition.any_of);
        values.filter_map(|wanted| match wanted {
            WantedValue::Variable(name) => Some(name.as_str()),
            WantedValue::Literal(_) => None,
        })
    }
}

impl ClaimCondition {
    fn holds(&self, claims: &Claims, variables: &Variables) -> bool {
        claims
            .get(&self.place)
            .is_some_and(|claim| match claim.elements() {
                // Of an array one element has to be equal, as one group of several.
                Some(elements) => elements
                    .iter()
                    .any(|element| self.wants(element.into(), variables)),
                None => self.wants(claim, variables),
            })
    }

    fn wants(&self, scalar: Claim<'_>, variables: &Variables) -> bool {
        scalar.scalar_text().is_some_and(|text| {
            // A variable about which upstreams disagree is `None`, and equal to nothing.
            self.any_of.iter().any(|wanted| match wanted {
                WantedValue::Literal(literal) => *literal == text,
                WantedValue::Variable(name) => variables.get(name) == Some(&*text),
            })
        })
    }
}
