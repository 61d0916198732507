//! A claim as a list: what one condition on it looks at.
//!
//! Cognito's own claims are texts, numbers and arrays, but what an identity provider or an
//! application wrote into an attribute is a text, and a list in it has one of a few forms. How it is
//! to be read is said in the configuration: a form that is guessed would be the user's to choose.

use super::place::{Led, PointerStep};
use super::{Claim, ClaimPlace, Claims};
use crate::json;
use serde_json::Value;
use std::borrow::Cow;

/// The longest text that is read as a list, in bytes: an attribute has at most 2,048 characters, of
/// at most four bytes.
pub const MAX_LIST_BYTES: usize = 8_192;

/// How a text is read as a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAs {
    /// It is one text.
    #[default]
    Text,
    /// JSON: `["a","b"]`.
    Json,
    /// `a,b`
    Comma,
    /// `a b`
    Space,
    /// `[a, b]`, as Cognito writes a list from an identity provider into an attribute; JSON too.
    Brackets,
}

/// What stands in a claim's place.
#[derive(Debug, PartialEq)]
pub enum Found<'a> {
    /// Nothing, `null`, `""` or `[]`.
    Absent,
    /// One text, number or boolean, as text.
    Scalar(Cow<'a, str>),
    /// A list that is not empty. What is neither text, number nor boolean in it is no element to compare.
    List(Cow<'a, [Value]>),
    /// An object: it is there, and there is nothing in it to compare.
    Object,
    /// Something else than a condition on this place, read in this way, could be about.
    Misshapen,
}

impl ReadAs {
    /// The elements of a text, without spaces at their edges; `None` if it is not of this form.
    #[must_use]
    pub fn elements(self, text: &str) -> Option<Vec<Value>> {
        if text.len() > MAX_LIST_BYTES {
            return None;
        }
        match self {
            Self::Text => None,
            Self::Json => json_list(text),
            Self::Comma => Some(parts(text, ',')),
            Self::Space => Some(parts(text, ' ')),
            // As JSON first: its elements are not the texts with the quotes around them. What begins
            // no JSON value is not shown to its reader, whose error costs more than all the rest.
            Self::Brackets => match begins_json(text).then(|| json_list(text)).flatten() {
                Some(elements) if elements.iter().any(is_marked_in_json) => Some(elements),
                // Without any mark it is what the provider had: `[7e12]` is `7e12`.
                Some(_) => {
                    let inner = text.trim_ascii().strip_prefix('[')?.strip_suffix(']')?;
                    let parts = inner.split(',').map(str::trim_ascii);
                    let parts = parts.filter(|part| !part.is_empty());
                    Some(parts.map(Value::from).collect())
                }
                None => {
                    let inner = trimmed(text).strip_prefix('[')?.strip_suffix(']')?;
                    let parts = parts(inner, ',');
                    // What was meant as JSON, and is none, or a list within the list: nobody can say what
                    // its elements are.
                    let is_marked = |part: &Value| {
                        let marks = ['"', '[', ']', '{', '}'];
                        let text = part.as_str().unwrap_or_default();
                        text.starts_with(marks) || text.ends_with(marks)
                    };
                    (!parts.iter().any(is_marked)).then_some(parts)
                }
            },
        }
    }
}

/// Cut at each separator. Between two of them, or at an end, nothing is no element (RFC 9110, section
/// 5.6.1, has it so for lists in headers).
fn parts(text: &str, separator: char) -> Vec<Value> {
    let parts = text.split(separator).map(trimmed);
    parts
        .filter(|part| !part.is_empty())
        .map(Value::from)
        .collect()
}

/// Whether the first element of a list in brackets could be a JSON value (RFC 8259, section 3), or
/// there is none.
fn begins_json(text: &str) -> bool {
    let first = text.trim_start().strip_prefix('[').map(str::trim_start);
    let begins = |byte: u8| byte.is_ascii_digit() || b"\"-[{]tfn".contains(&byte);
    first.is_some_and(|first| first.bytes().next().is_some_and(begins))
}

/// Whether an element stands between marks that are JSON's own.
fn is_marked_in_json(element: &Value) -> bool {
    element.is_string() || element.is_array() || element.is_object()
}

fn json_list(text: &str) -> Option<Vec<Value>> {
    let mut elements = json::list(text.as_bytes()).ok()?;
    for element in &mut elements {
        if let Value::String(text) = element
            && trimmed(text).len() < text.len()
        {
            *text = trimmed(text).to_owned();
        }
    }
    Some(elements)
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(' ')
}

impl Claims {
    /// What stands in a claim's place, its text read as a list where that is asked for.
    ///
    /// From a list within a list, as it lies behind a `*`, its elements are taken.
    #[must_use]
    pub fn look(&self, place: &ClaimPlace, read_as: ReadAs) -> Found<'_> {
        let (first, rest) = place.parts();
        let claim = match (self.named(first), rest) {
            (None, _) => return Found::Absent,
            (Some(claim), []) => claim,
            (Some(Claim::Text("")), _) => return Found::Absent,
            (Some(Claim::Text(_)), _) => return Found::Misshapen,
            (Some(Claim::Other(value)), steps) => match walk(value, steps) {
                Walked::To(value) => Claim::from(value),
                Walked::Each(elements, rest) => return each(elements, rest, read_as),
                Walked::Nowhere => return Found::Absent,
                Walked::Astray => return Found::Misshapen,
            },
        };
        found(claim, read_as)
    }
}

/// Where steps lead, up to the first that leads to several values.
enum Walked<'a, 's> {
    To(&'a Value),
    Each(&'a [Value], &'s [PointerStep]),
    Nowhere,
    Astray,
}

fn walk<'a, 's>(mut value: &'a Value, mut steps: &'s [PointerStep]) -> Walked<'a, 's> {
    while let [step, rest @ ..] = steps {
        match step.from(value) {
            Led::To(next) => value = next,
            Led::Each(elements) => return Walked::Each(elements, rest),
            Led::Nowhere => return Walked::Nowhere,
            Led::Astray => return Walked::Astray,
        }
        steps = rest;
    }
    Walked::To(value)
}

/// The one value that steps lead to.
pub(super) fn one<'a>(value: &'a Value, steps: &[PointerStep]) -> Option<&'a Value> {
    match walk(value, steps) {
        Walked::To(value) => Some(value),
        Walked::Each(..) | Walked::Nowhere | Walked::Astray => None,
    }
}

impl<'a> From<Cow<'a, [Value]>> for Found<'a> {
    fn from(elements: Cow<'a, [Value]>) -> Self {
        match elements.is_empty() {
            true => Self::Absent,
            false => Self::List(elements),
        }
    }
}

fn found(claim: Claim<'_>, read_as: ReadAs) -> Found<'_> {
    match claim {
        Claim::Text("") | Claim::Other(Value::Null) => Found::Absent,
        Claim::Text(text) if read_as == ReadAs::Text => Found::Scalar(text.into()),
        Claim::Text(text) => match read_as.elements(text) {
            Some(elements) => Cow::<[Value]>::Owned(elements).into(),
            None => Found::Misshapen,
        },
        // Nothing is to be read in a list that is one already.
        Claim::Other(Value::Array(elements)) => Cow::Borrowed(&elements[..]).into(),
        Claim::Other(Value::Object(_)) => Found::Object,
        Claim::Other(_) => match claim.scalar_text() {
            Some(text) if read_as == ReadAs::Text => Found::Scalar(text),
            _ => Found::Misshapen,
        },
    }
}

/// What lies behind each element of a list, as one list: a value is looked at once for each `*`.
fn each<'a>(elements: &'a [Value], rest: &[PointerStep], read_as: ReadAs) -> Found<'a> {
    let mut reached = Reached::default();
    if let Err(Unreadable) = reach(elements, rest, read_as, &mut reached) {
        return Found::Misshapen;
    }
    let Reached {
        mut elements,
        astray,
    } = reached;
    match (elements.is_empty(), astray) {
        (true, true) => return Found::Misshapen,
        // No element to compare, as an object is none.
        (false, true) => elements.push(Value::Null),
        (_, false) => {}
    }
    Cow::<[Value]>::Owned(elements).into()
}

/// What the elements of a list lead to.
#[derive(Default)]
struct Reached {
    elements: Vec<Value>,
    /// Whether one is of another shape than the pointer asks for: it leads to nothing that is there.
    astray: bool,
}

/// A text in a list that is not of the form that it was to be read in.
struct Unreadable;

fn reach(
    elements: &[Value],
    steps: &[PointerStep],
    read_as: ReadAs,
    reached: &mut Reached,
) -> Result<(), Unreadable> {
    for element in elements {
        let value = match walk(element, steps) {
            Walked::To(value) => value,
            Walked::Each(elements, rest) => {
                // As deep as the pointer has `*`, of which the configuration allows a few.
                reach(elements, rest, read_as, reached)?;
                continue;
            }
            Walked::Nowhere => continue,
            Walked::Astray => {
                reached.astray = true;
                continue;
            }
        };
        match found(Claim::from(value), read_as) {
            Found::Absent => {}
            Found::Scalar(text) => reached.elements.push(Value::String(text.into_owned())),
            Found::List(elements) => reached.elements.extend(elements.into_owned()),
            Found::Object => reached.elements.push(Value::Null),
            // Numbers among texts that are read as lists, and texts of another form.
            Found::Misshapen => return Err(Unreadable),
        }
    }
    Ok(())
}
