//! One line of cookies, as everything reads it that may stand behind the filter.

pub(crate) use super::name::folded;
use super::name::{Found, Grammar, Search, decoded_name};
use super::work::{LETTER, SIGHTING, Work};
use crate::work::TooCostly;

/// The cookies of a line (RFC 6265, section 4.2.1) that some reader takes for a wanted one.
///
/// That is the reader who finds most, Python's `http.cookies`: a name and what stands before a `=`
/// begin behind a semicolon, white space or a quoted text.
#[derive(Clone, Debug)]
pub struct Cookies<'a>(Search<'a>);

/// A cookie whose name some reader takes for a wanted one.
#[derive(Clone, Copy, Debug)]
pub struct Cookie<'a> {
    /// From the semicolon before it on.
    crumb: &'a [u8],
    /// From where some reader finds the name to the `=`.
    before: &'a [u8],
    /// The name, if it is all that stands between the semicolon and the `=`.
    name: Option<&'a [u8]>,
    /// From the `=` on, with whatever follows.
    after: &'a [u8],
}

impl<'a> Cookies<'a> {
    /// The cookies of a line.
    ///
    /// # Errors
    /// The line is longer than what is left of the work.
    pub fn of(line: &'a [u8], work: &mut Work) -> Result<Self, TooCostly> {
        Search::new(line, Grammar::COOKIES, work).map(Self)
    }

    /// The same, of which those are found whose names begin with what is looked for.
    ///
    /// # Errors
    /// As of [`Cookies::of`].
    pub fn families_of(line: &'a [u8], work: &mut Work) -> Result<Self, TooCostly> {
        Search::new(line, Grammar::FAMILIES_OF_COOKIES, work).map(Self)
    }

    /// The next one that has one of these names to some reader.
    ///
    /// # Errors
    /// No work is left.
    pub fn next<N: AsRef<[u8]>>(
        &mut self,
        wanted: &[N],
        work: &mut Work,
    ) -> Result<Option<Cookie<'a>>, TooCostly> {
        while let Some(Found { name, crumb }) = self.0.next(wanted, work)? {
            work.spend(SIGHTING)?;
            let end = name.iter().position(|byte| b"=;".contains(byte));
            let (before, after) = name.split_at(end.unwrap_or(name.len()));
            let Some(after) = after.strip_prefix(b"=") else {
                self.0.go_on(after);
                continue;
            };
            work.spend(LETTER.saturating_mul(before.len()))?;
            self.0.go_on(after);
            return Ok(Some(Cookie {
                crumb,
                before,
                name: (crumb.len() == name.len()).then(|| before.trim_ascii()),
                after,
            }));
        }
        Ok(None)
    }

    /// The line without what stands between two semicolons and has one of these names to some reader;
    /// `None` if there is nothing of that.
    ///
    /// # Errors
    /// No work is left.
    pub fn without<N: AsRef<[u8]>>(
        line: &'a [u8],
        wanted: &[N],
        work: &mut Work,
    ) -> Result<Option<Vec<&'a [u8]>>, TooCostly> {
        Self::of(line, work)?.taken_out_of(line, wanted, work, |_| true)
    }

    /// The line without those of its cookies that are taken out, each with all that stands between
    /// the same semicolons; `None` if there are none. The cookies are the line's own.
    ///
    /// # Errors
    /// No work is left.
    pub fn taken_out_of<N: AsRef<[u8]>>(
        mut self,
        line: &'a [u8],
        wanted: &[N],
        work: &mut Work,
        taken: impl Fn(Cookie<'a>) -> bool,
    ) -> Result<Option<Vec<&'a [u8]>>, TooCostly> {
        let mut kept = None;
        let mut rest = line;
        while let Some(cookie) = self.next(wanted, work)? {
            if !taken(cookie) {
                continue;
            }
            let kept = kept.get_or_insert_with(Vec::new);
            let Some(length) = rest.len().checked_sub(cookie.crumb.len()) else {
                // Another one stood behind the same semicolon.
                continue;
            };
            kept.extend(trimmed(rest.get(..length).unwrap_or_default()));
            rest = cookie
                .after
                .iter()
                .position(|byte| *byte == b';')
                .map_or(&b""[..], |end| cookie.after.get(end..).unwrap_or_default());
        }
        if let Some(kept) = &mut kept {
            kept.extend(trimmed(rest));
        }
        Ok(kept)
    }
}

/// Cookies without what separates them from others; `None` if there is nothing else.
pub(crate) fn trimmed(cookies: &[u8]) -> Option<&[u8]> {
    let kept = |byte: &u8| *byte != b';' && !byte.is_ascii_whitespace();
    let (start, end) = (
        cookies.iter().position(kept)?,
        cookies.iter().rposition(kept)?,
    );
    cookies.get(start..=end)
}

impl<'a> Cookie<'a> {
    /// Whether some reader finds a value.
    #[must_use]
    pub fn has_value(self) -> bool {
        let nothing = |byte: &u8| b"\"\x0b".contains(byte) || byte.is_ascii_whitespace();
        let first = self.after.iter().find(|byte| !nothing(byte));
        first.is_some_and(|first| *first != b';')
    }

    /// The name, if all readers agree where it begins and ends.
    #[must_use]
    pub const fn name(self) -> Option<&'a [u8]> {
        self.name
    }

    /// The name to its loosest readers, who decode it.
    #[must_use]
    pub fn decoded_name(self) -> Vec<u8> {
        decoded_name(self.before)
    }

    /// The value, if all readers agree that this cookie has this name.
    #[must_use]
    pub fn value(self, wanted: &[u8]) -> Option<&'a [u8]> {
        (self.name == Some(wanted)).then(|| self.own_value())
    }

    /// The value, whatever the name.
    #[must_use]
    pub fn own_value(self) -> &'a [u8] {
        let mut parts = self.after.split(|byte| *byte == b';');
        let value = parts.next().unwrap_or_default().trim_ascii();
        // RFC 6265, section 4.1.1: a value may stand in double quotes.
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        unquoted.unwrap_or(value)
    }
}
