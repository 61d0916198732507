//! What a function answers: a verdict to remember, or why there is none.
//!
//! Lambda's API answers 200 to a function's failure too, and its own 403 and 404 are no verdict on
//! the caller: they say that Envoy's call was not signed, or for another function.

use super::context::{Context, may_be_sent};
use super::event::Format;
use super::method_arn::MethodArn;
use super::policy_document::{Denied, PolicyDocument};
use crate::json::{self, Object};
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;

/// The most bytes of an answer. What API Gateway takes is not written; an answer of this size is
/// some hundred times one that people write.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The header with which Lambda says that the function failed.
pub const FUNCTION_ERROR_HEADER: &str = "x-amz-function-error";

/// The key of the caller's name among context values.
pub const PRINCIPAL_ID: &str = "principalId";

/// The one message of a failing function that is an answer.
const UNAUTHORIZED: &str = "Unauthorized";

/// What an authorizer's function is to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerType {
    /// An IAM policy.
    Policy,
    /// `isAuthorized`: `enableSimpleResponses`.
    Simple,
}

/// What an answer is held against.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What the function was asked in.
    pub format: Format,
    /// What it is to answer with.
    pub answer: AnswerType,
    /// The keys of which the values go into headers.
    pub sent: &'a [&'a str],
}

/// What came back from a call.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The value of [`FUNCTION_ERROR_HEADER`].
    pub function_error: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// Why a call has brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The function failed with the message `Unauthorized`: a word about the caller.
    Unauthorized,
    /// The function failed otherwise, or answered what cannot be understood.
    Failed(Fault),
    /// The function could not be asked: the status says why.
    Unavailable(u16),
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The function ended in an error.
    FunctionError,
    /// A status that neither an answer nor a passing failure has.
    Status(u16),
    /// More than [`MAX_ANSWER_BYTES`].
    TooLarge,
    /// Not one JSON object in which no name stands twice.
    NotJson,
    /// No policy by IAM's grammar, or one that is too large.
    PolicyDocument,
    /// No `isAuthorized`, or one that is no boolean.
    IsAuthorized,
    /// `principalId` is no text.
    PrincipalId,
    /// `context` is no object, or has values that the format does not have.
    Context,
    /// A value that goes into a header cannot stand there.
    Value,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FunctionError => f.write_str("the function ended in an error"),
            Self::Status(status) => write!(f, "the call was answered with status {status}"),
            Self::TooLarge => write!(f, "the answer has more than {MAX_ANSWER_BYTES} bytes"),
            Self::NotJson => {
                f.write_str("the answer is not one JSON object in which every name stands once")
            }
            Self::PolicyDocument => f.write_str("policyDocument is no policy that can be read"),
            Self::IsAuthorized => f.write_str("isAuthorized is neither true nor false"),
            Self::PrincipalId => f.write_str("principalId is no text"),
            Self::Context => f.write_str("context has a value that the format does not have"),
            Self::Value => {
                f.write_str("a context value for a header has control characters, or is too long")
            }
        }
    }
}

/// What is remembered of an answer, and judged anew for each request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    verdict: Verdict,
    principal: Option<Value>,
    context: Context,
}

/// The part of an answer that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By method and path.
    Policy(PolicyDocument),
    /// The same for all.
    Simple(bool),
}

impl Answer {
    /// Reads what a call has brought.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn read(reply: &Reply<'_>, terms: &Terms<'_>) -> Result<Self, NoAnswer> {
        let failed = |fault| Err(NoAnswer::Failed(fault));
        match reply.status {
            200 => {}
            // A call that was not signed, not allowed or not known is no word about the caller.
            401 | 403 | 404 | 408 | 429 | 500.. => return Err(NoAnswer::Unavailable(reply.status)),
            status => return failed(Fault::Status(status)),
        }
        if reply.body.len() > MAX_ANSWER_BYTES {
            return failed(Fault::TooLarge);
        }
        let object = object(reply.body);
        if reply.function_error.is_some() {
            let object = object.unwrap_or_default();
            let message = object.get("errorMessage").and_then(Value::as_str);
            return match message == Some(UNAUTHORIZED) {
                true => Err(NoAnswer::Unauthorized),
                false => failed(Fault::FunctionError),
            };
        }
        let object = object.ok_or(NoAnswer::Failed(Fault::NotJson))?;
        Self::of(&object, terms).map_err(NoAnswer::Failed)
    }

    fn of(object: &Object, terms: &Terms<'_>) -> Result<Self, Fault> {
        let verdict = match terms.answer {
            AnswerType::Policy => {
                let policy = object.get("policyDocument").and_then(PolicyDocument::read);
                Verdict::Policy(policy.ok_or(Fault::PolicyDocument)?)
            }
            AnswerType::Simple => {
                let word = object.get("isAuthorized").and_then(Value::as_bool);
                Verdict::Simple(word.ok_or(Fault::IsAuthorized)?)
            }
        };
        let principal = match object.get(PRINCIPAL_ID) {
            None | Some(Value::Null) => None,
            Some(text @ Value::String(_)) => Some(text.clone()),
            Some(_) => return Err(Fault::PrincipalId),
        };
        let context = Context::read(object.get("context"), terms.format).ok_or(Fault::Context)?;
        let answer = Self {
            verdict,
            principal,
            context,
        };
        let mut sent = terms.sent.iter().filter_map(|key| answer.get(key));
        match sent.all(may_be_sent) {
            true => Ok(answer),
            false => Err(Fault::Value),
        }
    }

    /// Whether a request passes.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn judge(&self, arn: &MethodArn, source: Option<IpAddr>) -> Result<(), Denied> {
        match &self.verdict {
            Verdict::Policy(policy) => policy.judge(arn, source),
            Verdict::Simple(true) => Ok(()),
            Verdict::Simple(false) => Err(Denied::Implicitly),
        }
    }

    /// Whether it depends on the client's address.
    #[must_use]
    pub fn asks_for_source(&self) -> bool {
        match &self.verdict {
            Verdict::Policy(policy) => policy.asks_for_source(),
            Verdict::Simple(_) => false,
        }
    }

    /// A value of the context, or the caller's name, which the answer has beside it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match key {
            PRINCIPAL_ID => self.principal.as_ref(),
            key => self.context.get(key),
        }
    }

    /// Whether all is understood of what decides.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        match &self.verdict {
            Verdict::Policy(policy) => policy.is_understood(),
            Verdict::Simple(_) => true,
        }
    }

    /// The part that decides.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// How many bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let policy = match &self.verdict {
            Verdict::Policy(policy) => policy.bytes(),
            Verdict::Simple(_) => 0,
        };
        size_of::<Self>()
            .saturating_add(policy)
            .saturating_add(self.principal.as_ref().map_or(0, json::bytes))
            .saturating_add(self.context.bytes())
    }
}

/// One object in which no name stands twice at any level, and none that the library of JSON keeps
/// for itself.
fn object(text: &[u8]) -> Option<Object> {
    let value = json::value(text).ok()?;
    match value {
        Value::Object(object) if !object.values().any(json::has_number_member) => {
            (!object.contains_key(json::NUMBER_MEMBER)).then_some(object)
        }
        _ => None,
    }
}
