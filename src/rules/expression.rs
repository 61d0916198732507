//! Expressions that a whole text must match.
//!
//! An expression is the author's, and the text that it is run on is a stranger's or a user's.
//! Matching takes linear time in either engine, but that is not enough: the general engine takes a
//! tenth of a microsecond for each byte, and a path has up to some twenty readings. So plain
//! expressions become tables, which are forty times faster.

mod syntax;
mod table;

use super::path::Letters;
use regex_lite::{Regex, RegexBuilder};
use std::fmt;
use table::Table;

/// The longest expression about a claim, and the largest once compiled. Matching takes up to the size
/// times the length of the text.
pub const MAX_EXPRESSION_BYTES: usize = 1_024;
const MAX_COMPILED_BYTES: usize = 65_536;

/// An expression about a claim.
#[derive(Clone, Debug)]
pub struct Expression {
    written: String,
    engine: Engine,
}

/// Why an expression about a claim is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidExpression {
    /// It is empty: only a claim that is not there would match.
    Empty,
    /// It has so many bytes.
    TooLong(usize),
    /// It is none, or too large once compiled.
    Syntax {
        /// The expression.
        found: String,
        /// What the compiler says of it.
        cause: String,
    },
}

impl fmt::Display for InvalidExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter
                .write_str("found an empty regex; expected one that matches the whole claim"),
            Self::TooLong(found) => write!(
                formatter,
                "found {found} bytes; expected at most {MAX_EXPRESSION_BYTES}"
            ),
            Self::Syntax { found, cause } => write!(
                formatter,
                "found {found:?}; expected a regular expression: {cause}"
            ),
        }
    }
}

impl std::error::Error for InvalidExpression {}

impl Expression {
    /// Compiles an expression that a text must match from its first to its last byte.
    ///
    /// # Errors
    /// It is none, or is too large.
    pub fn new(written: &str) -> Result<Self, InvalidExpression> {
        if written.is_empty() {
            return Err(InvalidExpression::Empty);
        }
        if written.len() > MAX_EXPRESSION_BYTES {
            return Err(InvalidExpression::TooLong(written.len()));
        }
        let engine = Engine::new(written, Letters::Exact, MAX_COMPILED_BYTES).map_err(|cause| {
            InvalidExpression::Syntax {
                found: written.to_owned(),
                cause: cause.to_string(),
            }
        })?;
        Ok(Self {
            written: written.to_owned(),
            engine,
        })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it is plain enough to have become a table, by which a byte of a text costs the same
    /// whatever the expression.
    #[must_use]
    pub const fn is_table(&self) -> bool {
        matches!(self.engine, Engine::Table(_))
    }

    /// Whether a whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Table(table) => table.matches(text).0,
            Engine::General(regex) => regex.is_match(text),
        }
    }
}

/// What is written alike is one expression.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// What runs an expression.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    Table(Table),
    General(Regex),
}

impl Engine {
    /// Compiles an expression, to at most so many bytes.
    pub(super) fn new(
        expression: &str,
        letters: Letters,
        most: usize,
    ) -> Result<Self, regex_lite::Error> {
        let build = |expression: &str| {
            RegexBuilder::new(expression)
                .size_limit(most)
                .case_insensitive(matches!(letters, Letters::Caseless))
                .build()
        };
        // On its own first: `a)|(?:b` must not become valid by the group that is put around it.
        build(expression)?;
        let table = match expression.is_ascii() {
            true => syntax::read(expression, letters).and_then(|read| Table::new(&read)),
            false => None,
        };
        if let Some(table) = table {
            return Ok(Self::Table(table));
        }
        // The group keeps `|` and flags such as `(?m)` away from the anchors; and `\A` and `\z`, other
        // than `^` and `$`, mean the two ends whatever the flags. Only an `(?x)` comment could swallow
        // the closing half, and then the group is unclosed: an error.
        build(&format!(r"\A(?:{expression})\z")).map(Self::General)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
