//! The query of a path, as everything reads it that may stand behind the filter.

use super::name::{Found, Grammar, Search};
use super::work::{SIGHTING, Work};
use crate::percent;
use crate::work::TooCostly;
use std::borrow::Cow;

/// What follows the first `?` of a path.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Up to and with the `?`.
    before: &'a [u8],
    text: &'a [u8],
    /// Whether a `#` stands before the `?`: then only readers that know no fragments see a query.
    in_fragment: bool,
}

/// A parameter whose name some reader takes for a wanted one.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    delimiter: Delimiter,
    /// From the delimiter to the next, whatever that is.
    text: &'a [u8],
    /// From the delimiter to the end of the query.
    rest: &'a [u8],
    /// Whether all readers find a parameter here.
    in_query: bool,
}

/// What ends one parameter and begins the next, in the order in which one of several that stand
/// around what was taken out is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Delimiter {
    /// A separator of HTML 4, appendix B.2.2, still one to Rack 2 and others.
    Semicolon,
    /// The separator.
    Ampersand,
    /// Begins the fragment, to those who know it.
    Hash,
}

impl Delimiter {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'&' => Some(Self::Ampersand),
            b';' => Some(Self::Semicolon),
            b'#' => Some(Self::Hash),
            _ => None,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Ampersand => b'&',
            Self::Semicolon => b';',
            Self::Hash => b'#',
        }
    }
}

impl<'a> Query<'a> {
    /// The query of a path; `None` if it has none.
    #[must_use]
    pub fn of(path: &'a [u8]) -> Option<Self> {
        let mark = path.iter().position(|byte| *byte == b'?')?;
        let (before, text) = path.split_at_checked(mark.saturating_add(1))?;
        Some(Self {
            before,
            text,
            in_fragment: before.contains(&b'#'),
        })
    }

    /// A text that is all query.
    #[must_use]
    pub const fn of_text(text: &'a [u8]) -> Self {
        Self {
            before: &[],
            text,
            in_fragment: false,
        }
    }

    /// Whether some reader finds a parameter of this name.
    ///
    /// # Errors
    /// No work is left.
    pub fn names(self, wanted: &str, work: &mut Work) -> Result<bool, TooCostly> {
        let mut parameters = self.parameters(work)?;
        Ok(parameters.next(&[wanted], work)?.is_some())
    }

    /// The parameters, to the reader who finds most: `&` and `;` separate them, and a fragment is none.
    ///
    /// # Errors
    /// The query is longer than what is left of the work.
    pub fn parameters(self, work: &mut Work) -> Result<Parameters<'a>, TooCostly> {
        Ok(Parameters {
            query: self,
            search: Search::new(self.text, Grammar::QUERY, work)?,
            seen: self.text,
            in_query: !self.in_fragment,
        })
    }

    /// The path without the parameters that some reader takes for one of these names; `None` if there
    /// are none of them.
    ///
    /// # Errors
    /// No work is left.
    pub fn without<N: AsRef<[u8]>>(
        self,
        names: &[N],
        work: &mut Work,
    ) -> Result<Option<Vec<u8>>, TooCostly> {
        let mut parameters = self.parameters(work)?;
        let mut kept = Vec::new();
        let mut removed = None;
        // What begins with a parameter that may stay, until one is found that does not.
        let mut rest = Some(self.text);
        let keep = |kept: &mut Vec<u8>, removed: Option<Delimiter>, begin: &[u8], length| {
            kept.extend(removed.max(Some(self.before(begin))).map(Delimiter::byte));
            kept.extend_from_slice(begin.get(..length).unwrap_or_default());
        };
        while let Some(parameter) = parameters.next(names, work)? {
            let begin = rest.unwrap_or_default();
            let length = begin.len().saturating_sub(parameter.rest.len());
            if let Some(length) = length.checked_sub(1) {
                keep(&mut kept, removed.take(), begin, length);
            }
            removed = removed.max(Some(parameter.delimiter));
            rest = parameter.rest.get(parameter.text.len().saturating_add(1)..);
        }
        if removed.is_none() {
            return Ok(None);
        }
        if let Some(rest) = rest {
            keep(&mut kept, removed, rest, rest.len());
        }
        // A fragment of which nothing is left goes as well.
        let (path, mark) = self
            .before
            .split_last()
            .map_or((self.before, b'?'), |(mark, path)| (path, *mark));
        let mut rewritten = path.to_vec();
        match kept.split_first() {
            Some((b'#', _)) => rewritten.extend(kept),
            Some((_, kept)) => {
                rewritten.push(mark);
                rewritten.extend_from_slice(kept);
            }
            None => {}
        }
        Ok(Some(rewritten))
    }

    /// What stands before a parameter, which is given with all that follows it.
    fn before(self, parameter: &[u8]) -> Delimiter {
        let before = self.text.len().checked_sub(parameter.len());
        before
            .and_then(|before| self.text.get(before.checked_sub(1)?))
            .and_then(|byte| Delimiter::of(*byte))
            .unwrap_or(Delimiter::Ampersand)
    }
}

/// A path with a query in it to servers that decode before they parse: nginx hands `/a%3Fb` on as
/// `/a?b` where it is told to hand on `$uri`.
#[derive(Debug)]
pub struct Escaped<'a> {
    path: &'a [u8],
    /// Where the escaped `?` stands.
    mark: usize,
    text: Cow<'a, [u8]>,
}

impl<'a> Escaped<'a> {
    /// Looks for an escaped `?` before the query. Where there is none, a path costs one look at each
    /// byte, which is less than a query of that length costs.
    ///
    /// # Errors
    /// What follows it is longer than what is left of the work.
    pub fn of(path: &'a [u8], work: &mut Work) -> Result<Option<Self>, TooCostly> {
        let before = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let mut escapes = before.windows(MARK.len());
        let Some(mark) = escapes.position(|escape| escape.eq_ignore_ascii_case(MARK)) else {
            return Ok(None);
        };
        let text = before.get(mark.saturating_add(MARK.len())..);
        let text = text.unwrap_or_default();
        work.spend(text.len())?;
        Ok(Some(Self {
            path,
            mark,
            text: percent::decoded(text),
        }))
    }

    /// What follows the mark, decoded.
    #[must_use]
    pub fn query(&self) -> Query<'_> {
        Query::of_text(&self.text)
    }

    /// The path cut off at the mark, with the query that all readers find.
    #[must_use]
    pub fn cut_off(&self) -> Vec<u8> {
        let (path, rest) = self.path.split_at_checked(self.mark).unwrap_or_default();
        let query = rest.iter().position(|byte| *byte == b'?');
        let query = query.and_then(|at| rest.get(at..)).unwrap_or_default();
        [path, query].concat()
    }
}

/// A path without anything that some reader takes for a query.
#[must_use]
pub fn without_query(path: &[u8]) -> &[u8] {
    let escaped = path
        .windows(MARK.len())
        .position(|escape| escape.eq_ignore_ascii_case(MARK));
    let path = path.get(..escaped.unwrap_or(path.len()));
    let mut parts = path.unwrap_or_default().split(|byte| *byte == b'?');
    parts.next().unwrap_or_default()
}

/// A `?`, percent-encoded.
const MARK: &[u8] = b"%3F";

/// The parameters of a query that some reader takes for a wanted one.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    query: Query<'a>,
    search: Search<'a>,
    /// From where it is not known yet whether there is a fragment.
    seen: &'a [u8],
    in_query: bool,
}

impl<'a> Parameters<'a> {
    /// The next one that has one of these names to some reader.
    ///
    /// # Errors
    /// No work is left.
    pub fn next<N: AsRef<[u8]>>(
        &mut self,
        wanted: &[N],
        work: &mut Work,
    ) -> Result<Option<Parameter<'a>>, TooCostly> {
        let Some(Found { name: rest, .. }) = self.search.next(wanted, work)? else {
            return Ok(None);
        };
        work.spend(SIGHTING)?;
        let before = self.seen.len().saturating_sub(rest.len());
        self.in_query &= !self.seen.get(..before).unwrap_or_default().contains(&b'#');
        self.seen = rest;
        let delimiter = self.query.before(rest);
        let end = rest.iter().position(|byte| Delimiter::of(*byte).is_some());
        let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
        self.search.go_on(after);
        Ok(Some(Parameter {
            delimiter,
            text,
            rest,
            in_query: self.in_query && delimiter == Delimiter::Ampersand,
        }))
    }
}

impl<'a> Parameter<'a> {
    /// Whether some reader finds a value: also one who knows `&` alone, and reads on after a `;`.
    #[must_use]
    pub fn has_value(self) -> bool {
        let ends = [Some(self.text), self.segment()];
        let mut values = ends.into_iter().flatten().filter_map(split);
        values.any(|(_, value)| !value.is_empty())
    }

    /// The decoded value (RFC 3986, section 2.1), if all readers agree that this parameter has this
    /// name.
    #[must_use]
    pub fn value(self, wanted: &[u8]) -> Option<Cow<'a, [u8]>> {
        let (name, value) = split(self.segment()?)?;
        is_name(name, wanted).then(|| percent::decoded(value))
    }

    /// All up to the next `&`, if this begins there.
    fn segment(self) -> Option<&'a [u8]> {
        let all = self.in_query.then_some(self.rest)?;
        all.split(|byte| b"&#".contains(byte)).next()
    }
}

fn split(parameter: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = parameter.iter().position(|byte| *byte == b'=')?;
    Some((
        parameter.get(..equals)?,
        parameter.get(equals.saturating_add(1)..)?,
    ))
}

fn is_name(written: &[u8], wanted: &[u8]) -> bool {
    written == wanted || written.contains(&b'%') && *percent::decoded(written) == *wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of an alias, some reader finds no token in it: its value is nobody's.
    #[test]
    fn a_value_belongs_to_the_name_that_all_readers_find() {
        for (path, wanted) in [
            ("/?token=a", Some("a")),
            ("/?x=1&token=a", Some("a")),
            ("/?t%6Fken=a%20b", Some("a b")),
            ("/?t%6Fken=a;b#c", Some("a;b")),
            ("/?token%5B=a", None),
            ("/?%20token=a", None),
            ("/?Token=a", None),
            ("/?x=1;token=a", None),
            ("/?x=1#y&token=a", None),
            ("/#?token=a", None),
        ] {
            let mut work = Work::default();
            let query = Query::of(path.as_bytes()).unwrap();
            let mut parameters = query.parameters(&mut work).unwrap();
            let found = parameters.next(&["token"], &mut work).unwrap().unwrap();
            let value = found.value(b"token");
            assert_eq!(value.as_deref(), wanted.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn what_stays_is_separated_as_it_was() {
        for (path, wanted) in [
            ("/?token=a", Some("/")),
            ("/?token=a#x", Some("/#x")),
            ("/?x#token=a", None),
            ("/?x#y&token=a", Some("/?x#y")),
            ("/?x&token=a&y", Some("/?x&y")),
            ("/?x;token=a;y", Some("/?x;y")),
            ("/?x&token=a;y", Some("/?x&y")),
            ("/?x&tokens=a", None),
        ] {
            let query = Query::of(path.as_bytes()).unwrap();
            let without = query.without(&["token"], &mut Work::default()).unwrap();
            assert_eq!(without.as_deref(), wanted.map(str::as_bytes), "{path}");
        }
    }
}
