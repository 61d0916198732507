//! Where a claim stands.

use serde_json::Value;
use std::fmt;

/// The most `*` in one JSON Pointer: each goes one list deeper, and a token has few within lists.
pub const MAX_WILDCARDS: usize = 4;

/// Where a claim stands: by its name, or by a JSON Pointer (RFC 6901) if it begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimPlace {
    /// A top-level member.
    Name(String),
    /// A JSON Pointer, its first step taken off: that one always leads to a top-level member.
    Pointer {
        /// The unescaped name of the top-level member.
        first: String,
        /// The steps after it.
        rest: Vec<PointerStep>,
    },
}

/// A step of a JSON Pointer, from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointerStep {
    /// To the member of this name, or the element of this number.
    To(String),
    /// `*`: to each element of a list. RFC 6901 does not have it, and a member of this name cannot be
    /// reached.
    Each,
}

/// Where a step leads.
pub(super) enum Led<'a> {
    /// Here.
    To(&'a Value),
    /// To each of these.
    Each(&'a [Value]),
    /// To nothing: what it begins at is empty, or has no such part.
    Nowhere,
    /// It begins at something that has no parts of this kind: a text, or a list without numbers.
    Astray,
}

impl ClaimPlace {
    /// Reads a claim's name or pointer; `None` if it is empty or its escapes are broken
    /// (RFC 6901, section 3: `~` stands only before `0` or `1`).
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let Some(pointer) = text.strip_prefix('/') else {
            return (!text.is_empty()).then(|| Self::Name(text.to_owned()));
        };
        let escapes_hold = text
            .split('~')
            .skip(1)
            .all(|after| after.starts_with(['0', '1']));
        let unescaped = |step: &str| step.replace("~1", "/").replace("~0", "~");
        let mut steps = pointer.split('/');
        let first = steps.next().map(unescaped).unwrap_or_default();
        let rest = steps.map(|step| match step {
            "*" => PointerStep::Each,
            _ => PointerStep::To(unescaped(step)),
        });
        escapes_hold.then(|| Self::Pointer {
            first,
            rest: rest.collect(),
        })
    }

    /// How many steps lead to each element of a list.
    #[must_use]
    pub fn wildcards(&self) -> usize {
        match self {
            Self::Name(_) => 0,
            Self::Pointer { rest, .. } => rest
                .iter()
                .filter(|step| **step == PointerStep::Each)
                .count(),
        }
    }

    /// The top-level member, and the steps into it.
    pub(super) fn parts(&self) -> (&str, &[PointerStep]) {
        match self {
            Self::Name(name) => (name, &[]),
            Self::Pointer { first, rest } => (first, rest),
        }
    }
}

impl PointerStep {
    pub(super) fn from<'a>(&self, value: &'a Value) -> Led<'a> {
        let found = |value: Option<&'a Value>| value.map_or(Led::Nowhere, Led::To);
        match (self, value) {
            (_, Value::Null) => Led::Nowhere,
            (_, Value::String(text)) if text.is_empty() => Led::Nowhere,
            (_, Value::Array(all)) if all.is_empty() => Led::Nowhere,
            (Self::Each, Value::Array(all)) => Led::Each(all),
            (Self::To(name), Value::Object(members)) => found(members.get(name)),
            (Self::To(name), Value::Array(all)) => match index(name) {
                Some(index) => found(all.get(index)),
                None => Led::Astray,
            },
            (Self::Each | Self::To(_), _) => Led::Astray,
        }
    }
}

/// The number of an element (RFC 6901, section 4): without zeros before it, so that each has one.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| plain)
}

/// As the configuration writes it.
impl fmt::Display for ClaimPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |step: &str| step.replace('~', "~0").replace('/', "~1");
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Pointer { first, rest } => {
                write!(formatter, "/{}", escaped(first))?;
                rest.iter().try_for_each(|step| match step {
                    PointerStep::To(name) => write!(formatter, "/{}", escaped(name)),
                    PointerStep::Each => formatter.write_str("/*"),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_was_read() {
        for (text, wildcards) in [
            ("sub", 0),
            ("a~/b", 0),
            ("/", 0),
            ("/a", 0),
            ("/a/", 0),
            ("/a~0b~1c/d~01/0", 0),
            ("/identities/*/providerName", 1),
            ("/a/*/*", 2),
            ("/*/a*/*b", 0),
        ] {
            let place = ClaimPlace::new(text).unwrap();
            assert_eq!(place.to_string(), text);
            assert_eq!(place.wildcards(), wildcards, "{text}");
        }
        for text in ["", "/a~2", "/a~", "/a/*/~"] {
            assert_eq!(ClaimPlace::new(text), None, "{text}");
        }
    }

    #[test]
    fn an_element_has_one_number() {
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("10"), Some(10));
        for text in [
            "",
            "-",
            "00",
            "01",
            "+1",
            "-1",
            "1.0",
            "a",
            "99999999999999999999999",
        ] {
            assert_eq!(index(text), None, "{text}");
        }
    }
}
