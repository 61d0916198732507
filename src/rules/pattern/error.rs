//! What is wrong with a rule's path.

use super::super::path::UnsafePath;
use std::fmt;

/// Why a rule's path, prefix, template or regex is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidPattern {
    /// It does not begin with `/`.
    NotAbsolute(String),
    /// It has a `?`: rules do not look at queries.
    Query(String),
    /// It has a `;`: parameters are removed before one of the comparisons, so it could never match.
    Parameters(String),
    /// It has braces, but is no template.
    Braces(String),
    /// It has a `*`, which people mean for more than itself.
    Star {
        /// The path.
        found: String,
        /// What was meant.
        meant: String,
    },
    /// A segment of it begins with `:`, by which people mean a variable.
    Colon {
        /// The path.
        found: String,
        /// What was meant.
        meant: String,
    },
    /// A request for it would be refused.
    Unsafe {
        /// The path.
        found: String,
        /// What a request for it would be refused for.
        cause: UnsafePath,
    },
    /// A variable shares its segment with other text.
    PartialVariable(String),
    /// The name of a variable is empty, or has other characters than letters, digits, `.`, `_`,
    /// `-`.
    VariableName(String),
    /// A name that stands for a header where claims are compared.
    HeaderVariable(String),
    /// A name occurs twice.
    RepeatedVariable(String),
    /// `{name+}` is not the last segment.
    GreedyNotLast(String),
    /// The regex is empty.
    EmptyRegex,
    /// The regex matches nothing that begins with `/`, as every path does.
    RegexNotAbsolute(String),
    /// The regex has characters that a path shows in escapes only.
    RegexOutsideAscii(String),
    /// The regex switches case-insensitivity off, with which one of the readings is compared.
    RegexCaseFlag(String),
    /// The regex cannot be compiled, or is too large.
    RegexSyntax {
        /// The regex.
        found: String,
        /// What the compiler says.
        cause: String,
    },
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbsolute(found) => {
                write!(f, "found {found:?}; expected a path that begins with \"/\"")
            }
            Self::Query(found) => write!(f, "found {found:?}; expected a path without query"),
            Self::Parameters(found) => {
                write!(f, "found {found:?}; expected a path without \";\"")
            }
            Self::Braces(found) => write!(
                f,
                "found {found:?}; expected a path without braces, or \"template\" for one with variables"
            ),
            Self::Star { found, meant } => write!(
                f,
                "found {found:?}; expected no \"*\", which stands for itself; write {meant}"
            ),
            Self::Colon { found, meant } => write!(
                f,
                "found {found:?}; expected no segment that begins with \":\"; write {meant}"
            ),
            Self::Unsafe { found, cause } => write!(
                f,
                "found {found:?}; expected a path that a safe request can have, but in it {cause}"
            ),
            Self::PartialVariable(found) => write!(
                f,
                "found {found:?}; expected a variable to be a whole segment, as in \"/users/{{id}}\""
            ),
            Self::VariableName(found) => write!(
                f,
                "found {found:?}; expected a variable name of letters, digits, \".\", \"_\" and \"-\""
            ),
            Self::HeaderVariable(found) => write!(
                f,
                "found {found:?}; expected another name: {{header.name}} stands for a header"
            ),
            Self::RepeatedVariable(found) => {
                write!(
                    f,
                    "found the variable {found:?} twice; expected each name once"
                )
            }
            Self::GreedyNotLast(found) => {
                write!(f, "found {found:?} before other segments; expected it last")
            }
            Self::EmptyRegex => {
                f.write_str("found an empty regex; expected one that matches a path")
            }
            Self::RegexNotAbsolute(found) => write!(
                f,
                "found {found:?}; expected a regex for paths, which begin with \"/\""
            ),
            Self::RegexOutsideAscii(found) => write!(
                f,
                "found {found:?}; expected ASCII: a path shows other characters percent-encoded"
            ),
            Self::RegexCaseFlag(found) => write!(
                f,
                "found {found:?}; expected no flag that turns \"i\" off: set path_case instead"
            ),
            Self::RegexSyntax { found, cause } => {
                write!(f, "found {found:?}; expected a regular expression: {cause}")
            }
        }
    }
}

impl std::error::Error for InvalidPattern {}
