//! What a rule asks of a token, beyond that it is valid.
//!
//! Its parts are asked at different moments: [`Callers`] says whose tokens are admitted at all, and
//! repeats, for one rule, questions that are asked of every token, so that it is checked with them
//! before the signature (a forged token is refused either way, and sooner); [`Conditions`] are put
//! to the issuer's word alone; and a user pool is asked for its [`Confirmation`] of nothing but a
//! token for which all else holds.
//!
//! An [`Alternative`] has the same parts, each asked at its moment.

mod caller;
mod conditions;
mod confirmation;
mod listed;
mod matcher;
mod wanted;

use crate::header::HeaderName;
pub use caller::{AnyOf, Callers, Narrowing, WantedUse};
pub use conditions::{AuthAge, Circumstances, Conditions, is_scope};
pub use confirmation::{ASKING_SCOPE, Confirmation};
pub use listed::Listed;
pub use matcher::{ClaimCondition, MAX_MATCHED_BYTES, Presence};
pub use wanted::WantedValue;

/// The most alternatives of a rule. All of them may be asked of every request.
pub const MAX_ALTERNATIVES: usize = 16;

/// What must hold besides; the default holds for every valid token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requirement {
    /// Which of the tokens that the filter admits the rule admits.
    pub callers: Callers,
    /// What the claims of these must say.
    pub conditions: Conditions,
    /// How lately the user pool must have stood by the token.
    pub confirmation: Confirmation,
    /// Of these, if there are any, one must hold as well.
    pub any_of: Vec<Alternative>,
}

/// One of several ways to meet a requirement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alternative {
    /// Which of the tokens that the rule admits it admits.
    pub callers: Callers,
    /// What the claims of these must say.
    pub conditions: Conditions,
    /// How lately the user pool must have stood by the token. It is asked only where no other
    /// alternative holds without its word.
    pub confirmation: Confirmation,
}

impl Requirement {
    /// What the claims must say: of each token, then in each alternative.
    fn all_conditions(&self) -> impl Iterator<Item = &Conditions> {
        let alternatives = self.any_of.iter().map(|one| &one.conditions);
        std::iter::once(&self.conditions).chain(alternatives)
    }

    /// Every value with which a claim is compared.
    pub fn values(&self) -> impl Iterator<Item = &WantedValue> {
        self.all_conditions().flat_map(Conditions::values)
    }

    /// The scopes that a client does well to ask for (RFC 6750, section 3: `scope`), each once: which of
    /// the alternatives it will meet cannot be told before it has a token.
    #[must_use]
    pub fn wanted_scopes(&self) -> Vec<&str> {
        let mut wanted = Vec::new();
        for scope in self.all_conditions().flat_map(Conditions::wanted_scopes) {
            if !wanted.contains(&scope) {
                wanted.push(scope);
            }
        }
        wanted
    }

    /// The variables of the rule's template and hosts with which claims are compared.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.values().filter_map(|wanted| match wanted {
            WantedValue::Variable(name) => Some(name.as_str()),
            WantedValue::Literal(_) | WantedValue::Header(_) => None,
        })
    }

    /// The request's headers with which claims are compared.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.values().filter_map(|wanted| match wanted {
            WantedValue::Header(name) => Some(name),
            WantedValue::Literal(_) | WantedValue::Variable(_) => None,
        })
    }
}
