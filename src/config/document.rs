//! The document, in either of the forms in which it arrives.
//!
//! Istio and Envoy Gateway hand the configuration over as JSON text. Native YAML in Envoy's own
//! configuration is a `google.protobuf.Struct`, and reaches a plugin as serialized protobuf, not
//! as JSON. Both forms must mean the same, so both become one tree here: numbers are doubles, and
//! `16384`, `16384.0` and `1.6384e4` are one number.

use super::place::{WHOLE, item, member};
use super::problem::{Parsed, Report};
use crate::json;
use prost::Message;
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

/// The longest document, in bytes. The longest rules a person could keep in mind take less; etcd
/// holds objects of at most 1.5 MiB, and with them what Istio and Envoy Gateway send.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How deep a document may be nested. The reference needs nine levels: an `x5c` within an inline
/// key set.
pub const MAX_DEPTH: usize = 16;

/// Tag 1, length-delimited: the first byte of every serialized Struct that has a member. It is a
/// newline, too, which JSON text may begin with.
const STRUCT_BEGINS: u8 = 0x0A;

/// Reads JSON text or a serialized Struct.
pub(super) fn read(document: &[u8], report: &Report) -> Parsed<Value> {
    if document.len() > MAX_BYTES {
        let text = format!(
            "found {} bytes; expected at most {MAX_BYTES}",
            document.len()
        );
        return Err(report.add(WHOLE, text));
    }
    if document.trim_ascii().is_empty() {
        // An empty Struct has no bytes either.
        let text = "found nothing; expected an object with user_pools and token";
        return Err(report.add(WHOLE, text));
    }
    let json_error = match json::value(document) {
        Ok(mut value) => {
            make_plain(&mut value, WHOLE, 0, report)?;
            return Ok(value);
        }
        Err(error) => error,
    };
    // No Struct is JSON as well: its value tags are control characters, which JSON has in escapes
    // only. But a Struct may begin like JSON, with a newline and `{` for a length of 123.
    if document.first() == Some(&STRUCT_BEGINS)
        && let Ok(decoded) = Struct::decode(document)
    {
        let mut value = from_struct(decoded, WHOLE, report)?;
        make_plain(&mut value, WHOLE, 0, report)?;
        return Ok(value);
    }
    let cause = if document.trim_ascii_start().first() == Some(&b'{') {
        format!("found JSON that cannot be read: {json_error}; expected one JSON object")
    } else if std::str::from_utf8(document).is_ok_and(|text| !text.contains('\0')) {
        "found text that is no JSON, perhaps YAML; expected JSON text, or YAML as a google.protobuf.Struct".to_owned()
    } else {
        "found bytes that are neither JSON nor a google.protobuf.Struct; expected one of them"
            .to_owned()
    };
    Err(report.add(WHOLE, cause))
}

/// Rewrites every number as a double writes it, once its depth is known to be bounded, and refuses
/// what could be read as a number and is none.
fn make_plain(value: &mut Value, path: &str, depth: usize, report: &Report) -> Parsed<()> {
    if depth > MAX_DEPTH {
        let text = format!("found more than {MAX_DEPTH} levels; expected a flatter document");
        return Err(report.add(path, text));
    }
    let below = depth.saturating_add(1);
    match value {
        Value::Number(number) => {
            let double = number.as_f64().filter(|double| double.is_finite());
            *value = double.and_then(number_of).ok_or_else(|| {
                report.add(
                    path,
                    "found a number beyond all doubles; expected a smaller one",
                )
            })?;
        }
        Value::Array(elements) => {
            for (position, element) in elements.iter_mut().enumerate() {
                make_plain(element, &item(path, position), below, report)?;
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let path = member(path, name);
                if name == json::NUMBER_MEMBER {
                    // Some readers of JSON take the object around it for a number.
                    return Err(
                        report.add(&path, "found a name that no setting has; expected another")
                    );
                }
                make_plain(value, &path, below, report)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

/// The Struct as JSON. The recursion is bounded by the decoder, which refuses a hundred levels.
fn from_struct(fields: Struct, path: &str, report: &Report) -> Parsed<Value> {
    let mut members = Map::new();
    for (name, value) in fields.fields {
        let value = from_kind(value.kind, &member(path, &name), report)?;
        members.insert(name, value);
    }
    Ok(Value::Object(members))
}

fn from_kind(kind: Option<Kind>, path: &str, report: &Report) -> Parsed<Value> {
    match kind {
        // A value without a kind says as little as null.
        None | Some(Kind::NullValue(_)) => Ok(Value::Null),
        Some(Kind::BoolValue(value)) => Ok(Value::Bool(value)),
        Some(Kind::StringValue(text)) => Ok(Value::String(text)),
        // JSON has neither NaN nor infinities; every comparison with a NaN is false.
        Some(Kind::NumberValue(double)) => number_of(double)
            .ok_or_else(|| report.add(path, format!("found {double}; expected a finite number"))),
        Some(Kind::ListValue(list)) => {
            let elements = list.values.into_iter().enumerate();
            let elements =
                elements.map(|(at, value)| from_kind(value.kind, &item(path, at), report));
            elements.collect::<Parsed<_>>().map(Value::Array)
        }
        Some(Kind::StructValue(fields)) => from_struct(fields, path, report),
    }
}

/// A finite double; a whole one is written without fraction, and so read as an integer.
fn number_of(double: f64) -> Option<Value> {
    // Negative zero has a spelling of its own.
    let double = if double == 0.0 { 0.0 } else { double };
    let number: Number = double.to_string().parse().ok()?;
    double.is_finite().then_some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_doubles() {
        for (text, expected) in [
            ("16384", "16384"),
            ("16384.0", "16384"),
            ("1.6384e4", "16384"),
            ("1.50", "1.5"),
            ("-0.0", "0"),
            ("-2", "-2"),
            ("1e21", "1000000000000000000000"),
        ] {
            let read = read(format!("{{\"a\":{text}}}").as_bytes(), &Report::default()).unwrap();
            assert_eq!(read["a"].to_string(), expected);
        }
        for double in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(number_of(double), None);
        }
    }
}
