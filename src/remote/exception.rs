//! The exceptions by which services of AWS say what went wrong.

use super::call::Answer;
use std::fmt;

/// The header in which AWS names an exception.
pub const TYPE_HEADER: &str = "x-amzn-errortype";

/// The name of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception(String);

impl Exception {
    /// Longer than any name that AWS has.
    const MAX_LENGTH: usize = 64;

    /// Takes the name out of `namespace#Name:uri`, in which each of the other two may be missing.
    /// What is no name goes into no log.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (name, _) = text.split_once(':').unwrap_or((text, ""));
        let (_, name) = name.rsplit_once('#').unwrap_or(("", name));
        let name = name.trim();
        let is_name = (1..=Self::MAX_LENGTH).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| Self(name.to_owned()))
    }

    /// The name that an answer has in its header.
    #[must_use]
    pub fn in_header(answer: &Answer) -> Option<Self> {
        Self::new(std::str::from_utf8(answer.header(TYPE_HEADER)?).ok()?)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
