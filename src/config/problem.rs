//! What is wrong with a configuration: all of it at once, each problem with its path.

use super::asked::Note;
use std::cell::RefCell;
use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    text: String,
}

impl Problem {
    /// More would fill a log line with the configuration's own text.
    pub const MAX_CHARACTERS: usize = 600;

    /// Where: `user_pools[0].client_ids`, or `configuration` for the document as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was found and what is expected.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.text)
    }
}

/// Everything that is wrong with a configuration, in the order of the reference; never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    /// A person stops reading long before; a document of nothing but mistakes must not fill memory.
    pub const MAX_LISTED: usize = 1000;

    /// The problems, of which [`Problems::MAX_LISTED`] are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.iter()
    }

    /// How many more there are than are kept.
    #[must_use]
    pub const fn unlisted(&self) -> usize {
        self.unlisted
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.listed.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(
                formatter,
                "\nconfiguration: found {more} more problems; expected none"
            ),
        }
    }
}

impl std::error::Error for Problems {}

/// The proof that a problem was reported: only [`Report::add`] makes one, so that nothing can be
/// refused without a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// A part of the configuration, unless it was refused.
pub(super) type Parsed<T> = Result<T, Reported>;

/// Where problems are collected while the document is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: RefCell<Problems>,
    /// What was looked for, and where: the module need not know.
    #[cfg(feature = "cli")]
    notes: RefCell<Vec<(String, Note)>>,
}

impl Report {
    /// Notes a problem.
    pub(super) fn add(&self, path: &str, text: impl fmt::Display) -> Reported {
        let mut problems = self.problems.borrow_mut();
        if problems.listed.len() < Problems::MAX_LISTED {
            problems.listed.push(Problem {
                path: clipped(path),
                text: clipped(&text.to_string()),
            });
        } else {
            problems.unlisted = problems.unlisted.saturating_add(1);
        }
        Reported(())
    }

    /// Notes what is looked for in a place.
    #[cfg(feature = "cli")]
    pub(super) fn asks(&self, path: impl FnOnce() -> String, note: impl FnOnce() -> Note) {
        self.notes.borrow_mut().push((path(), note()));
    }

    /// Nobody asks what was looked for.
    #[cfg(not(feature = "cli"))]
    #[inline]
    pub(super) fn asks(&self, _: impl FnOnce() -> String, _: impl FnOnce() -> Note) {}

    /// All that was looked for.
    #[cfg(feature = "cli")]
    pub(super) fn notes(self) -> Vec<(String, Note)> {
        self.notes.into_inner()
    }

    /// What was read, if nothing at all was wrong.
    pub(super) fn finish<T>(self, parsed: Parsed<T>) -> Result<T, Problems> {
        let problems = self.problems.into_inner();
        match parsed {
            Ok(read) if problems.listed.is_empty() => Ok(read),
            _ => Err(problems),
        }
    }
}

/// One line of bounded length: what a document says must not look like a log line of ours.
fn clipped(text: &str) -> String {
    let one_line = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut characters = text.chars().map(one_line);
    let mut clipped: String = characters.by_ref().take(Problem::MAX_CHARACTERS).collect();
    if characters.next().is_some() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_read_while_a_problem_was_reported_counts() {
        assert_eq!(Report::default().finish(Ok(1)), Ok(1));
        let report = Report::default();
        report.add("a", "found x; expected y");
        assert_eq!(
            report.finish(Ok(1)).unwrap_err().to_string(),
            "a: found x; expected y"
        );
    }

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let listing = |problems: usize| {
            let report = Report::default();
            for _ in 0..problems {
                report.add("a", "b");
            }
            report.finish(Ok(())).unwrap_err().to_string()
        };
        assert_eq!(listing(Problems::MAX_LISTED).lines().last(), Some("a: b"));
        assert_eq!(
            listing(Problems::MAX_LISTED + 2).lines().last(),
            Some("configuration: found 2 more problems; expected none")
        );
    }

    #[test]
    fn a_problem_is_one_line_of_bounded_length() {
        assert_eq!(clipped("a\nb\u{85}c"), "a b c");
        let long = "ä".repeat(Problem::MAX_CHARACTERS);
        assert_eq!(clipped(&long), long);
        assert_eq!(clipped(&format!("{long}b")), format!("{long}…"));
    }
}
