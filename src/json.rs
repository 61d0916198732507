//! Strict JSON: one object, and a member name that stands in it twice is seen.
//!
//! RFC 7515, section 4, and RFC 7519, section 4, leave a reader the choice between refusing a
//! duplicate name and taking the last. Two readers that choose differently see two different
//! tokens, so everything here refuses.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The members of a JSON object.
pub type Object = Map<String, Value>;

/// Reads exactly one JSON object in which no member name stands twice at the top level.
///
/// Nested objects keep the last of two equal names: a verifier decides by top-level members only.
///
/// # Errors
/// Text that is not UTF-8, not JSON, not an object, nested deeper than 128 levels, followed by
/// anything but white space, with a duplicate name, or with [`NUMBER_MEMBER`] at any level. The
/// error's text may quote the input: it is for configuration only, never for a token's log line.
pub fn object(text: &[u8]) -> Result<Object, serde_json::Error> {
    let members = members(std::str::from_utf8(text).map_err(Error::custom)?)?;
    // One by one: `collect` would bring a sort of its own into the module, 5 kB.
    let mut object = Object::new();
    for (name, value) in members {
        object.insert(name.into_owned(), value.into());
    }
    Ok(object)
}

/// A value of which a string is left where it stands in the text, unless an escape in it forbids.
#[derive(Debug, PartialEq)]
pub enum Part<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// Anything else.
    Other(Value),
}

/// Reads what [`object`] reads, into a list in the order of the text: a token has some twenty
/// members, and a tree of copies takes longer to make than the host takes for a signature.
///
/// # Errors
/// As for [`object`].
pub fn members(text: &str) -> Result<Vec<(Cow<'_, str>, Part<'_>)>, serde_json::Error> {
    let members = read(text.as_bytes(), Members)?;
    match first_duplicate(&members) {
        Some(name) => Err(duplicate(name)),
        None => Ok(members),
    }
}

/// A name that stands twice.
fn first_duplicate<'a>(members: &'a [(Cow<'_, str>, Part<'_>)]) -> Option<&'a str> {
    /// So many names are compared each with each, which no table is faster than. A client
    /// that sends thousands must not be able to make it millions.
    const FEW: usize = 32;
    if members.len() > FEW {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut places = members.iter().enumerate();
        let twice = places.find(|(at, (name, _))| seen.insert(name.to_string(), *at).is_some());
        return twice.map(|(_, (name, _))| &**name);
    }
    let mut rest = members;
    while let [(name, _), others @ ..] = rest {
        if others.iter().any(|(other, _)| other == name) {
            return Some(name);
        }
        rest = others;
    }
    None
}

struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<(Cow<'de, str>, Part<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, Part<'de>)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        // As many as an id token has with a few attributes.
        const USUAL: usize = 24;
        let mut list = Vec::with_capacity(USUAL);
        while let Some(name) = members.next_key_seed(Name)? {
            if name == NUMBER_MEMBER {
                return Err(reserved());
            }
            list.push((name, members.next_value_seed(Any::TokenMember)?.into()));
        }
        Ok(list)
    }
}

/// A name, or a text, left where it stands unless an escape in it forbids.
#[derive(Debug)]
pub(crate) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The library hands a number over as an object of one member with this name, so that its spelling
/// is kept, and takes any object that begins with such a member for the number that its value
/// spells. Where that stands in a text, other readers see an object.
pub const NUMBER_MEMBER: &str = "$serde_json::private::Number";

/// Whether an object in `value` has a member with the name that the library keeps for itself.
#[must_use]
pub fn has_number_member(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key(NUMBER_MEMBER) || members.values().any(has_number_member)
        }
        Value::Array(elements) => elements.iter().any(has_number_member),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// How many bytes a value has allocated, about.
#[must_use]
pub fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => allocated(number.as_str().len()),
        Value::String(text) => allocated(text.len()),
        Value::Array(elements) => elements.iter().map(bytes).fold(
            elements.capacity().saturating_mul(size_of::<Value>()),
            usize::saturating_add,
        ),
        Value::Object(members) => {
            // A node of the tree has room for eleven, and but for the first one, five or more in
            // it.
            let node = size_of::<(String, Value)>().saturating_mul(11);
            let nodes = members.len().div_ceil(6);
            members
                .iter()
                .map(|(name, value)| allocated(name.len()).saturating_add(bytes(value)))
                .fold(allocated(node).saturating_mul(nodes), usize::saturating_add)
        }
    }
}

/// How many bytes an allocation of so many takes: allocators hand out multiples of 16 bytes at the
/// least, and keep a word for themselves.
#[must_use]
pub const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => bytes
            .saturating_add(size_of::<usize>())
            .next_multiple_of(16),
    }
}

/// What is read, and so what is made of names that stand twice and of [`NUMBER_MEMBER`].
#[derive(Clone, Copy)]
enum Any {
    /// A member of a token: the last of equal names counts, and the library's name is refused.
    TokenMember,
    /// A key set: the last of equal names counts, and the library's name is one like any other.
    KeySet,
    /// A configuration: equal names are refused, and the library's name is one like any other.
    Configuration,
}

/// A value as the library hands it over.
enum Read<'de> {
    Text(Cow<'de, str>),
    /// A string that stands nowhere in the text: the spelling of a number.
    Spelling(String),
    Other(Value),
}

impl<'de> From<Read<'de>> for Part<'de> {
    fn from(read: Read<'de>) -> Self {
        match read {
            Read::Text(text) => Self::Text(text),
            Read::Spelling(text) => Self::Text(text.into()),
            Read::Other(value) => Self::Other(value),
        }
    }
}

impl From<Part<'_>> for Value {
    fn from(part: Part<'_>) -> Self {
        match part {
            Part::Text(text) => Self::String(text.into_owned()),
            Part::Other(value) => value,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Read<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Read<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Read::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Read::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Read::Spelling(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Read::Other(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Read::Other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Read::Other(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Read::Other(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            list.push(Part::from(element).into());
        }
        Ok(Read::Other(Value::Array(list)))
    }

    /// An object, or a number.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let value = members.next_value_seed(self)?;
            if name == NUMBER_MEMBER {
                match (&value, self) {
                    (Read::Spelling(text), _) => {
                        let number = text.parse().map_err(Error::custom)?;
                        return Ok(Read::Other(Value::Number(number)));
                    }
                    (_, Self::TokenMember) => return Err(reserved()),
                    (_, Self::KeySet | Self::Configuration) => {}
                }
            }
            let name = name.into_owned();
            match (self, object.contains_key(&name)) {
                (Self::Configuration, true) => return Err(duplicate(&name)),
                _ => object.insert(name, Part::from(value).into()),
            };
        }
        Ok(Read::Other(Value::Object(object)))
    }
}

/// Reads exactly one JSON value in which no object has a member name twice, at any level: a
/// configuration.
///
/// # Errors
/// As for [`object`], but for [`NUMBER_MEMBER`], which is a name like any other.
pub fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    read(text, Any::Configuration).map(|value| Part::from(value).into())
}

/// Reads exactly one JSON value; of equal names the last counts, and [`NUMBER_MEMBER`] is a name
/// like any other: a key set, in which one odd key must not cost the others.
///
/// # Errors
/// As for [`object`], but for names that stand twice.
pub fn key_set(text: &[u8]) -> Result<Value, serde_json::Error> {
    read(text, Any::KeySet).map(|value| Part::from(value).into())
}

/// Reads exactly one JSON array out of a claim, as strictly as a member of a token.
///
/// # Errors
/// As for [`object`], and text that is no array.
pub fn list(text: &[u8]) -> Result<Vec<Value>, serde_json::Error> {
    match read(text, Any::TokenMember)? {
        Read::Other(Value::Array(elements)) => Ok(elements),
        Read::Text(_) | Read::Spelling(_) | Read::Other(_) => {
            Err(Error::custom("expected an array"))
        }
    }
}

/// A value as JSON text, without white space.
#[must_use]
pub fn text(value: &Value) -> String {
    // `Value` itself can also be printed over several lines, which nothing here asks for.
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads one value among others as strictly as a member of a token.
///
/// # Errors
/// As for [`object`].
pub(crate) fn part<'de, D: Deserializer<'de>>(reader: D) -> Result<Part<'de>, D::Error> {
    Any::TokenMember.deserialize(reader).map(Part::from)
}

/// Reads exactly one JSON value by a reader of one's own.
///
/// # Errors
/// Text that is not JSON, and the reader's own.
pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
    text: &'de [u8],
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn reserved<E: Error>() -> E {
    E::custom(format_args!(
        "the name {NUMBER_MEMBER:?} is not for others to use"
    ))
}

fn duplicate<E: Error>(name: &str) -> E {
    E::custom(format_args!("the name {name:?} stands twice in one object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_once() {
        assert_eq!(object(br#"{"a":1,"b":[true]}"#).unwrap().len(), 2);
        assert!(object(br#"{"a":1,"a":1}"#).is_err());
        // An escape is another spelling of the same name.
        assert!(object(br#"{"a":1,"\u0061":1}"#).is_err());
        assert!(object(br#"{"a":{"b":1,"b":2}}"#).is_ok());
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for text in [
            &b""[..],
            b"[]",
            b"1",
            b"null",
            b"{}x",
            b"{} {}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":01}",
        ] {
            assert!(object(text).is_err(), "{text:?}");
        }
        assert!(object(b" {} \n").is_ok());
    }

    #[test]
    fn members_are_what_an_object_has() {
        let text =
            r#"{"s":"a","e":"\/\u00e9","n":1.50,"b":true,"z":null,"l":[1,"x"],"o":{"k":2},"":""}"#;
        let object = object(text.as_bytes()).unwrap();
        let members = members(text).unwrap();
        assert_eq!(members.len(), object.len());
        for (name, part) in members {
            let expected = &object[&*name];
            match part {
                Part::Text(part) => {
                    assert_eq!(matches!(part, Cow::Owned(_)), name == "e");
                    assert_eq!(*expected, Value::String(part.into_owned()));
                }
                Part::Other(value) => {
                    assert!(!value.is_string());
                    assert_eq!(*expected, value);
                }
            }
        }
    }

    #[test]
    fn members_are_read_as_strictly() {
        for text in [
            "",
            "[]",
            "1",
            "null",
            "{}x",
            "{} {}",
            r#"{"a":01}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":["\ud800"]}"#,
            "{\"a\":\"\n\"}",
            r#"{1:1}"#,
            r#"{"a":1,}"#,
            r#"{"a":1,"b":2,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
        ] {
            assert!(members(text).is_err(), "{text}");
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(members(" {} \n").unwrap().is_empty());
    }

    #[test]
    fn many_members_are_as_distinct_as_few() {
        for count in [1_usize, 31, 32, 33, 5000] {
            let names: Vec<_> = (0..count)
                .map(|number| format!("\"n{number}\":0"))
                .collect();
            let distinct = format!("{{{}}}", names.join(","));
            assert_eq!(members(&distinct).unwrap().len(), count);
            let twice = format!("{{{},\"n0\":0}}", names.join(","));
            assert!(members(&twice).is_err(), "{count}");
        }
    }

    #[test]
    fn values_are_what_the_library_reads() {
        for text in [
            format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126)),
            format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127)),
            // With its feature `raw_value` the library would read this as the array.
            r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#.to_owned(),
            r#"{"a":-1.50e3,"b":[1,{"c":null}],"d":{"e":1},"f":-7,"g":18446744073709551616}"#
                .to_owned(),
        ] {
            let expected = serde_json::from_str::<Object>(&text);
            assert_eq!(object(text.as_bytes()).ok(), expected.ok(), "{text}");
        }
        let raw = object(br#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#).unwrap();
        assert!(raw["a"].is_object());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(100).as_bytes()).is_ok());
        assert!(object(nested(100_000).as_bytes()).is_err());
        assert!(members(&nested(100)).is_ok());
        assert!(members(&nested(100_000)).is_err());
        assert!(value(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_value_has_no_duplicates_at_any_level() {
        assert!(value(br#"[{"a":{"b":1,"c":2.5e300,"d":null}}]"#).is_ok());
        assert!(value(br#"[{"a":{"b":1,"b":2}}]"#).is_err());
    }

    /// Read by the library itself, each of these is a number, or no JSON.
    #[test]
    fn an_object_is_never_taken_for_a_number() {
        let member = |name: &str, value: &str| format!("{{\"{name}\":{value}}}");
        for text in [
            member(NUMBER_MEMBER, "\"5\""),
            member(NUMBER_MEMBER, "\"\\u0035\""),
            member("\\u0024serde_json::private::Number", "\"5\""),
            member(NUMBER_MEMBER, "\"x\""),
            member(NUMBER_MEMBER, "5"),
            member(NUMBER_MEMBER, "[\"5\"]"),
            format!("{{\"a\":1,\"{NUMBER_MEMBER}\":\"5\"}}"),
        ] {
            for text in [
                text.clone(),
                member("a", &text),
                member("a", &format!("[1,{text}]")),
            ] {
                assert!(object(text.as_bytes()).is_err(), "{text}");
                for read in [value, key_set] {
                    let read = read(text.as_bytes()).unwrap();
                    assert!(read.is_object() && has_number_member(&read), "{text}");
                }
            }
        }
        let twin = member("a", &member("$serde_json::private::Numbers", "\"5\""));
        assert!(object(twin.as_bytes()).is_ok());
        assert!(!has_number_member(&value(twin.as_bytes()).unwrap()));
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let read = object(br#"{"n":12345678901234567890123,"f":1.50}"#).unwrap();
        assert_eq!(read["n"].to_string(), "12345678901234567890123");
        assert_eq!(read["f"].to_string(), "1.50");
    }
}
