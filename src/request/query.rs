//! The query of a path, as everything reads it that may stand behind the filter.

use super::name::{hex_byte, is_alias};
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

/// A parameter of the query to some reader.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    delimiter: Delimiter,
    /// From the delimiter to the next, whatever that is.
    text: &'a [u8],
    /// From the delimiter to the next `&` or `#`, if this is a parameter to all readers.
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

    /// Whether some reader finds a parameter of this name.
    #[must_use]
    pub fn names(self, wanted: &str) -> bool {
        self.parameters()
            .any(|parameter| parameter.is_alias_of(wanted))
    }

    /// The parameters to the reader who finds most: `&` and `;` separate them, and a fragment is
    /// none.
    pub fn parameters(self) -> impl Iterator<Item = Parameter<'a>> {
        let mut rest = Some(self.text);
        let mut delimiter = Delimiter::Ampersand;
        let mut in_query = !self.in_fragment;
        std::iter::from_fn(move || {
            let all = rest?;
            in_query &= delimiter != Delimiter::Hash;
            let end = all.iter().position(|byte| Delimiter::of(*byte).is_some());
            let (text, after) = all.split_at_checked(end.unwrap_or(all.len()))?;
            let plain = in_query && delimiter == Delimiter::Ampersand;
            let parameter = Parameter {
                delimiter,
                text,
                whole: plain.then_some(all),
            };
            (rest, delimiter) = match after.split_first() {
                Some((byte, after)) => (Some(after), Delimiter::of(*byte)?),
                None => (None, delimiter),
            };
            Some(parameter)
        })
    }

    /// The path without those parameters; `None` if there are none of them.
    pub fn without(self, mut unwanted: impl FnMut(Parameter<'a>) -> bool) -> Option<Vec<u8>> {
        let mut kept = Vec::new();
        let mut removed = None;
        let mut any = false;
        for parameter in self.parameters() {
            let delimiter = removed.max(Some(parameter.delimiter));
            if unwanted(parameter) {
                removed = delimiter;
                any = true;
            } else {
                kept.extend(delimiter.map(Delimiter::byte));
                kept.extend_from_slice(parameter.text);
                removed = None;
            }
        }
        if !any {
            return None;
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

impl<'a> Parameter<'a> {
    /// Whether some reader takes its name for this one. What follows a `#` is a fragment, or a part of
    /// the value before it.
    #[must_use]
    pub fn is_alias_of(self, wanted: &str) -> bool {
        if self.delimiter == Delimiter::Hash {
            return false;
        }
        let name = self.text.split(|byte| *byte == b'=').next();
        name.is_some_and(|name| is_alias(name.trim_ascii_start(), wanted.as_bytes()))
    }

    /// Whether some reader finds a value. After `name=;` those do who know no separator but `&`.
    #[must_use]
    pub fn has_value(self) -> bool {
        let next = || self.whole?.get(self.text.len());
        split_value(self.text).is_some_and(|(_, value)| !value.is_empty() || next() == Some(&b';'))
    }

    /// The decoded value (RFC 3986, section 2.1), if all readers agree that this parameter has this
    /// name.
    #[must_use]
    pub fn value(self, wanted: &str) -> Option<Cow<'a, [u8]>> {
        let (name, _) = split_value(self.text)?;
        let whole = self.whole.filter(|_| is_name(name, wanted.as_bytes()))?;
        let end = whole.iter().position(|byte| b"&#".contains(byte));
        let (_, value) = split_value(whole.get(..end.unwrap_or(whole.len()))?)?;
        Some(percent_decoded(value))
    }
}

fn split_value(parameter: &[u8]) -> Option<(&[u8], &[u8])> {
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
