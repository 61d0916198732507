//! Strict JSON: one object, and a member name that stands in it twice is seen.
//!
//! RFC 7515, section 4, and RFC 7519, section 4, leave a reader the choice between refusing a
//! duplicate name and taking the last. Two readers that choose differently see two different
//! tokens, so everything here refuses.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The members of a JSON object.
pub type Object = Map<String, Value>;

/// Reads exactly one JSON object in which no member name stands twice at the top level.
///
/// Nested objects keep the last of two equal names: a verifier decides by top-level members only.
///
/// # Errors
/// Text that is not UTF-8, not JSON, not an object, nested deeper than 128 levels, followed by
/// anything but white space, or with a duplicate name. The error's text may quote the input: it is
/// for configuration only, never for a token's log line.
pub fn object(text: &[u8]) -> Result<Object, serde_json::Error> {
    read(text, ObjectOnce)
}

/// Reads exactly one JSON value in which no object has a member name twice, at any level.
///
/// # Errors
/// As for [`object`].
pub fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    // A first pass by the library itself: it bounds the nesting and understands numbers of any
    // length; the second looks for duplicates only.
    let value = serde_json::from_slice(text)?;
    read(text, NoDuplicates)?;
    Ok(value)
}

fn read<'de, S: DeserializeSeed<'de>>(
    text: &'de [u8],
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct ObjectOnce;

impl<'de> DeserializeSeed<'de> for ObjectOnce {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Object, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectOnce {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let mut object = Object::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.contains_key(&name) {
                return Err(duplicate(&name));
            }
            object.insert(name, value);
        }
        Ok(object)
    }
}

/// Walks a value for duplicate names, and keeps nothing of it.
struct NoDuplicates;

impl<'de> DeserializeSeed<'de> for NoDuplicates {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Self)?;
            if seen.contains_key(&name) {
                return Err(duplicate(&name));
            }
            seen.insert(name, Value::Null);
        }
        Ok(())
    }
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
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(100).as_bytes()).is_ok());
        assert!(object(nested(100_000).as_bytes()).is_err());
        assert!(value(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_value_has_no_duplicates_at_any_level() {
        assert!(value(br#"[{"a":{"b":1,"c":2.5e300,"d":null}}]"#).is_ok());
        assert!(value(br#"[{"a":{"b":1,"b":2}}]"#).is_err());
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let read = object(br#"{"n":12345678901234567890123,"f":1.50}"#).unwrap();
        assert_eq!(read["n"].to_string(), "12345678901234567890123");
        assert_eq!(read["f"].to_string(), "1.50");
    }
}
