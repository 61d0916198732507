//! The policy that a function answers with, and what it says of a request.
//!
//! Nothing in it can open what is not understood: a condition or a variable that means nothing here
//! takes an Allow statement out, and leaves a Deny statement in.

use super::method_arn::{MethodArn, Reader};
use super::statement::{Effect, Statement};
use crate::rules::work::Work;
use crate::work::TooCostly;
use serde_json::Value;
use std::net::IpAddr;

/// The most statements of a policy. A hand-written one has some ten; an IAM policy of the greatest
/// length, 6,144 characters, has room for fewer.
pub const MAX_STATEMENTS: usize = 256;

/// The most actions and resources of a policy, in all of its statements: as many as can be
/// compared with one path for a third of [`MAX_WORK`](crate::rules::work::MAX_WORK), if each is
/// written out up to the path. Of those with a `*` before it fewer can.
pub const MAX_GLOBS: usize = 1024;

/// The members of a policy.
const MEMBERS: [&str; 3] = ["Version", "Id", "Statement"];

/// A policy, judged anew for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument(Vec<Statement>);

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing allows it.
    Implicitly,
    /// A statement denies it, or some reading of it.
    Explicitly,
    /// To see whether a statement denies it costs more than a request may: its path has too many
    /// readings for a policy of this length.
    TooCostly,
}

impl From<TooCostly> for Denied {
    fn from(TooCostly: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl PolicyDocument {
    /// Reads a policy; `None` if it is none by IAM's grammar, or is larger than one may be.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        if !members.keys().all(|name| MEMBERS.contains(&&**name)) {
            return None;
        }
        let text = |name| members.get(name).is_none_or(Value::is_string);
        if !text("Version") || !text("Id") {
            return None;
        }
        let listed = match members.get("Statement")? {
            Value::Array(listed) => &listed[..],
            one => std::slice::from_ref(one),
        };
        if listed.len() > MAX_STATEMENTS {
            return None;
        }
        let mut globs = MAX_GLOBS;
        let mut statements = Vec::new();
        for statement in listed {
            statements.extend(Statement::read(statement, &mut globs)?);
        }
        Some(Self(statements))
    }

    /// Whether a request passes: as it stands it must be allowed, and in no other reading denied, nor
    /// among what the Allow leaves out.
    /// It may cost as much again as finding the request's rule.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn judge(&self, arn: &MethodArn, source: Option<IpAddr>) -> Result<(), Denied> {
        let work = &mut Work::default();
        let arn = Reader::new(arn);
        for statement in self.0.iter().filter(|one| one.may_deny(source)) {
            if statement.denies(arn.readings(work)?, work)? {
                return Err(Denied::Explicitly);
            }
        }
        for statement in self.0.iter().filter(|one| one.effect == Effect::Allow) {
            if statement.allows(&arn, source, work)? {
                return Ok(());
            }
        }
        Err(Denied::Implicitly)
    }

    /// Whether it depends on the client's address. Without a statement that does, nobody has to find
    /// that out.
    #[must_use]
    pub fn asks_for_source(&self) -> bool {
        self.0.iter().any(Statement::asks_for_source)
    }

    /// Whether all of it is understood. What is not can only close.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        self.0.iter().all(|statement| statement.is_understood)
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let statements = self.0.iter().map(Statement::bytes);
        statements
            .fold(0, usize::saturating_add)
            .saturating_add(self.0.len().saturating_mul(size_of::<Statement>()))
    }
}
