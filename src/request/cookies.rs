//! One line of cookies, as everything reads it that may stand behind the filter.

use super::name::unlike;

/// What stands between two semicolons of a `cookie` header (RFC 6265, section 4.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Crumb<'a>(&'a [u8]);

/// A cookie to some reader: what stands before a `=` up to another one, and all that follows it.
#[derive(Clone, Copy, Debug)]
pub struct Cookie<'a> {
    before: &'a [u8],
    after: &'a [u8],
    /// Whether it is the first of its crumb, and so a cookie to all readers.
    first: bool,
}

impl<'a> Crumb<'a> {
    /// The crumbs of a line, without white space around them.
    pub fn of_line(line: &'a [u8]) -> impl Iterator<Item = Self> {
        line.split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii)
            .filter(|crumb| !crumb.is_empty())
            .map(Self)
    }

    /// A line of these crumbs.
    #[must_use]
    pub fn line(crumbs: &[Self]) -> Vec<u8> {
        let crumbs: Vec<_> = crumbs.iter().map(|crumb| crumb.0).collect();
        crumbs.join(&b"; "[..])
    }

    /// The cookies in it as the reader that finds most has them, Python's `http.cookies`: white
    /// space separates them, and a quoted text ends one.
    pub fn cookies(self) -> impl Iterator<Item = Cookie<'a>> {
        let mut rest = self.0;
        let mut first = true;
        std::iter::from_fn(move || {
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let (before, after) = rest.split_at_checked(equals)?;
            let (_, after) = after.split_first()?;
            rest = after;
            Some(Cookie {
                before,
                after,
                first: std::mem::take(&mut first),
            })
        })
    }

    /// Whether some reader finds a cookie of this name.
    #[must_use]
    pub fn names(self, wanted: &str) -> bool {
        self.cookies().any(|cookie| cookie.is_alias_of(wanted))
    }
}

impl<'a> Cookie<'a> {
    /// Whether some reader takes its name for this one.
    #[must_use]
    pub fn is_alias_of(self, wanted: &str) -> bool {
        let separator = |byte: &u8| b",\"\x0b".contains(byte) || byte.is_ascii_whitespace();
        let next = |text: &'a [u8]| {
            let end = text.iter().position(separator)?;
            text.get(end.saturating_add(1)..)
        };
        let mut name = match self.first {
            true => Some(self.before),
            false => next(self.before),
        };
        while let Some(text) = name {
            let Some(rest) = unlike(text, wanted.as_bytes()) else {
                return true;
            };
            name = next(rest);
        }
        false
    }

    /// Whether some reader finds a value.
    #[must_use]
    pub fn has_value(self) -> bool {
        let nothing = |byte: &u8| b"\"\x0b".contains(byte) || byte.is_ascii_whitespace();
        !self.after.iter().all(nothing)
    }

    /// The value, if all readers agree that this cookie has this name.
    #[must_use]
    pub fn value(self, wanted: &str) -> Option<&'a [u8]> {
        if !self.first || self.before.trim_ascii() != wanted.as_bytes() {
            return None;
        }
        let value = self.after.trim_ascii();
        // RFC 6265, section 4.1.1: a value may stand in double quotes.
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    }
}
