//! Texts with wildcards, as IAM compares them: `*` is any number of characters, `/` among them, and
//! `?` is one.

use super::work::Work;
use crate::rules::path::fold;
use crate::work::TooCostly;

/// The longest one, in characters: what API Gateway takes of each resource in a policy.
pub const MAX_GLOB_CHARACTERS: usize = 512;

/// Bytes that are compared at once cost so much less than a step.
const BYTES_PER_UNIT: usize = 8;

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    folded: Box<str>,
}

impl Glob {
    /// `None` if it is longer than [`MAX_GLOB_CHARACTERS`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (text.chars().count() <= MAX_GLOB_CHARACTERS).then(|| Self {
            text: text.into(),
            folded: fold(text).into(),
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many bytes it has allocated.
    pub(super) fn bytes(&self) -> usize {
        self.text.len().saturating_add(self.folded.len())
    }

    /// Whether a text matches, letters compared as they are.
    ///
    /// # Errors
    /// No work is left.
    pub fn matches(&self, text: &str, work: &mut Work) -> Result<bool, TooCostly> {
        matches(self.text.as_bytes(), text.as_bytes(), work)
    }

    /// Whether a folded text matches.
    ///
    /// # Errors
    /// No work is left.
    pub fn matches_folded(&self, folded: &str, work: &mut Work) -> Result<bool, TooCostly> {
        matches(self.folded.as_bytes(), folded.as_bytes(), work)
    }
}

/// The text is gone through once for each `*`, at the most from the last one that was met: of
/// several places where what follows a `*` could begin, the first leaves most for what comes after.
fn matches(pattern: &[u8], text: &[u8], work: &mut Work) -> Result<bool, TooCostly> {
    let wildcard = pattern.iter().position(|byte| matches!(byte, b'*' | b'?'));
    let (beginning, mut pattern) = pattern.split_at(wildcard.unwrap_or(pattern.len()));
    work.spend(beginning.len().div_ceil(BYTES_PER_UNIT).saturating_add(1))?;
    let Some(mut text) = text.strip_prefix(beginning) else {
        return Ok(false);
    };
    // Behind the last `*`, and from where what follows it has not been looked for.
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        work.spend(1)?;
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', [])), _) | (None, None) => return Ok(true),
            (Some((b'*', after)), _) => {
                last = Some((after, text));
                pattern = after;
            }
            (Some((b'?', after)), Some((_, rest))) => {
                pattern = after;
                text = from_character(rest);
            }
            (Some((wanted, after)), Some((found, rest))) if wanted == found => {
                pattern = after;
                text = rest;
            }
            _ => {
                let Some((after, [_, rest @ ..])) = last else {
                    return Ok(false);
                };
                last = Some((after, rest));
                pattern = after;
                text = rest;
            }
        }
    }
}

/// From the first byte of UTF-8 that begins a character.
fn from_character(text: &[u8]) -> &[u8] {
    let continues = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let begin = text.iter().position(|byte| !continues(byte));
    text.get(begin.unwrap_or(text.len())..).unwrap_or_default()
}
