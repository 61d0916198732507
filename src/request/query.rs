//! The query of a path, as everything reads it that may stand behind the filter.

use super::name::{hex_byte, is_alias};
use std::borrow::Cow;
use std::iter::Enumerate;
use std::slice::Iter;

/// What follows the first `?` of a path.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Up to and with the `?`.
    before: &'a [u8],
    text: &'a [u8],
    /// Whether a `#` stands before the `?`: then only readers that know no fragments see a query.
    in_fragment: bool,
}

/// A parameter of the query to some reader.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    delimiter: Delimiter,
    /// From the delimiter to the next, whatever that is.
    text: &'a [u8],
    /// From the delimiter to the end of the query, if all readers find a parameter here.
    whole: Option<&'a [u8]>,
}

/// What ends one parameter and begins the next, in the order in which one of several that stand
/// around what was taken out is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Delimiter {
    /// A separator of HTML 4, appendix B.2.2, still one to Rack 2 and others.
    Semicolon,
    /// The separator.
    Ampersand,
    /// Begins the fragment, for readers that know one.
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
    #[must_use]
    pub fn names(self, wanted: &str) -> bool {
        self.parameters(wanted.len())
            .any(|parameter| parameter.is_alias_of(wanted))
    }

    /// The parameters of at least so many bytes, as the reader that finds most has them: `&` and
    /// `;` separate them, and a fragment is none. No name has fewer bytes in a request than it has
    /// by itself.
    #[must_use]
    pub fn parameters(self, shortest: usize) -> Parameters<'a> {
        Parameters {
            text: self.text,
            bytes: self.text.iter().enumerate(),
            shortest,
            start: Some(0),
            delimiter: Delimiter::Ampersand,
            in_query: !self.in_fragment,
        }
    }

    /// The path without the parameters that some reader takes for one of these names; `None` if
    /// there are none of them.
    pub fn without<'n, N: Iterator<Item = &'n str> + Clone>(self, names: N) -> Option<Vec<u8>> {
        let shortest = names.clone().map(str::len).min()?;
        let unwanted =
            |parameter: Parameter<'a>| names.clone().any(|name| parameter.is_alias_of(name));
        if !self.parameters(shortest).any(unwanted) {
            return None;
        }
        let mut kept = Vec::new();
        let mut removed = None;
        for parameter in self.parameters(0) {
            let delimiter = removed.max(Some(parameter.delimiter));
            if unwanted(parameter) {
                removed = delimiter;
            } else {
                kept.extend(delimiter.map(Delimiter::byte));
                kept.extend_from_slice(parameter.text);
                removed = None;
            }
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
        Some(rewritten)
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
    /// Looks for an escaped `?` before the query.
    #[must_use]
    pub fn of(path: &'a [u8]) -> Option<Self> {
        let before = path.split(|byte| *byte == b'?').next()?;
        let mut escapes = before.windows(MARK.len());
        let mark = escapes.position(|escape| escape.eq_ignore_ascii_case(MARK))?;
        let text = percent_decoded(before.get(mark.saturating_add(MARK.len())..)?);
        Some(Self { path, mark, text })
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

/// A `?`, percent-encoded.
const MARK: &[u8] = b"%3F";

/// The parameters of a query.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    text: &'a [u8],
    bytes: Enumerate<Iter<'a, u8>>,
    shortest: usize,
    /// Where the next one begins, if there is one.
    start: Option<usize>,
    delimiter: Delimiter,
    in_query: bool,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        loop {
            let start = self.start?;
            // A query may be nothing but delimiters, tens of thousands of them.
            let end = self
                .bytes
                .by_ref()
                .find_map(|(at, byte)| Some((at, Delimiter::of(*byte)?)));
            let at = end.map_or(self.text.len(), |(at, _)| at);
            let delimiter = self.delimiter;
            self.in_query &= delimiter != Delimiter::Hash;
            self.start = end.map(|(at, _)| at.saturating_add(1));
            if let Some((_, next)) = end {
                self.delimiter = next;
            }
            if at.saturating_sub(start) >= self.shortest {
                let plain = self.in_query && delimiter == Delimiter::Ampersand;
                return Some(Parameter {
                    delimiter,
                    text: self.text.get(start..at)?,
                    whole: self.text.get(start..).filter(|_| plain),
                });
            }
        }
    }
}

impl<'a> Parameter<'a> {
    /// Whether some reader takes its name for this one. What follows a `#` is a fragment, or a part
    /// of the value before it.
    #[must_use]
    pub fn is_alias_of(self, wanted: &str) -> bool {
        self.delimiter != Delimiter::Hash && is_alias(self.text, wanted.as_bytes())
    }

    /// Whether some reader finds a value: also one that knows `&` alone, and reads on after a `;`.
    #[must_use]
    pub fn has_value(self) -> bool {
        let ends = [Some(self.text), self.segment()];
        let mut values = ends.into_iter().flatten().filter_map(split);
        values.any(|(_, value)| !value.is_empty())
    }

    /// The decoded value (RFC 3986, section 2.1), if all readers agree that this parameter has this
    /// name.
    #[must_use]
    pub fn value(self, wanted: &str) -> Option<Cow<'a, [u8]>> {
        let (name, value) = split(self.segment()?)?;
        is_name(name, wanted.as_bytes()).then(|| percent_decoded(value))
    }

    /// All up to the next `&`, if this begins there.
    fn segment(self) -> Option<&'a [u8]> {
        self.whole?.split(|byte| b"&#".contains(byte)).next()
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
    written == wanted || written.contains(&b'%') && *percent_decoded(written) == *wanted
}

/// A broken escape stays as it is.
fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (*first, after)
            && let Some(byte) = hex_byte(*high, *low)
        {
            decoded.push(byte);
            rest = after;
        } else {
            decoded.push(*first);
        }
    }
    Cow::Owned(decoded)
}
