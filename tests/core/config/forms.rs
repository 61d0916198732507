//! The two forms of one document, and what a policy says whichever it was read from.

use cognito_authorizer::policy::Policy;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value};

/// An object as Envoy hands native YAML over.
pub(crate) fn to_struct(members: &Map<String, Value>) -> Struct {
    let field = |(name, value): (&String, &Value)| (name.clone(), to_protobuf(value));
    Struct {
        fields: members.iter().map(field).collect(),
    }
}

fn to_protobuf(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(elements) => Kind::ListValue(ListValue {
            values: elements.iter().map(to_protobuf).collect(),
        }),
        Value::Object(members) => Kind::StructValue(to_struct(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// The bytes of a document in the second form.
pub(crate) fn serialized(document: &Value) -> Vec<u8> {
    to_struct(document.as_object().unwrap()).encode_to_vec()
}

/// Everything that a policy says. Hash maps print their entries in any order, so lines are sorted.
pub(crate) fn summary(policy: &Policy) -> String {
    let printed = format!("{policy:#?}");
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
