//! Configurations: any bytes are read or refused with a word, and both forms mean the same.

use arbitrary::{Result, Unstructured};
use cognito_authorizer::config::{self, MAX_BYTES, Problems};
use cognito_authorizer::json;
use cognito_authorizer::policy::Policy;
use prost::Message as _;
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value, json};

use super::forms::{serialized, summary};

/// Deeper documents are refused by the readers of JSON and of protobuf, each in its own words.
const COMPARED_DEPTH: usize = 30;

/// A refusal says where and why, on one line for each problem.
fn read(document: &[u8]) -> core::result::Result<Policy, Problems> {
    let read = config::parse(document);
    if let Err(problems) = &read {
        assert!(problems.iter().count() > 0);
        for problem in problems.iter() {
            assert!(!problem.path().is_empty() && !problem.text().is_empty());
            assert!(
                !problem.to_string().contains(char::is_control),
                "{problem:?}"
            );
        }
    }
    read
}

fn comparable(value: &Value, depth: usize) -> bool {
    depth < COMPARED_DEPTH
        && match value {
            // Beyond all doubles: a Struct has no such numbers.
            Value::Number(number) => number.as_f64().is_some_and(f64::is_finite),
            Value::Array(elements) => elements.iter().all(|one| comparable(one, depth + 1)),
            Value::Object(members) => members.values().all(|one| comparable(one, depth + 1)),
            _ => true,
        }
}

/// Both forms are read alike.
fn same(text: &[u8], bytes: &[u8]) {
    if text.len() > MAX_BYTES || bytes.len() > MAX_BYTES {
        return;
    }
    match (read(text), read(bytes)) {
        (Ok(one), Ok(other)) => assert_eq!(summary(&one), summary(&other)),
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("JSON: {one:?}\nStruct: {other:?}"),
    }
}

/// Any bytes; those that are a JSON object are read in the other form too.
pub fn config_json(data: &[u8]) {
    let _ = read(data);
    if let Ok(document) = json::value(data)
        && document
            .as_object()
            .is_some_and(|members| !members.is_empty())
        && comparable(&document, 0)
    {
        same(data, &serialized(&document));
    }
}

/// Any bytes; those that are a Struct are read in the other form too.
pub fn config_struct(data: &[u8]) {
    let _ = read(data);
    // What is white space throughout is refused as such, whatever else it could be.
    if json::value(data).is_err()
        && !data.trim_ascii().is_empty()
        && data.first() == Some(&0x0a)
        && let Ok(decoded) = Struct::decode(data)
        && let Some(document) = from_struct(decoded)
        && comparable(&document, 0)
    {
        same(document.to_string().as_bytes(), data);
    }
}

fn from_struct(decoded: Struct) -> Option<Value> {
    let members = decoded.fields.into_iter();
    let members = members.map(|(name, value)| Some((name, from_kind(value.kind)?)));
    members.collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// `None` for numbers that JSON has not.
fn from_kind(kind: Option<Kind>) -> Option<Value> {
    Some(match kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::NumberValue(double)) => Value::Number(Number::from_f64(double)?),
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter().map(|value| from_kind(value.kind));
            Value::Array(values.collect::<Option<_>>()?)
        }
        Some(Kind::StructValue(fields)) => from_struct(fields)?,
    })
}

/// A document with every field in it, some of them disturbed.
pub fn config_tree(data: &[u8]) {
    let mut document = serde_json::from_str(REFERENCE).expect("the reference");
    let mut input = Unstructured::new(data);
    while !input.is_empty() && disturb(&mut document, &mut input).is_ok() {}
    if document
        .as_object()
        .is_some_and(|members| !members.is_empty())
    {
        same(document.to_string().as_bytes(), &serialized(&document));
    }
}

/// What `config_tree` begins with; a seed of `config_json` as well.
const REFERENCE: &str = include_str!("../corpus/config_json/reference");

const TEXTS: [&str; 16] = [
    "",
    "any",
    "id",
    "access",
    "{userId}",
    "/a",
    "/a/",
    "5s",
    "1.5m",
    "*",
    "https://h",
    "\u{0}",
    "ü",
    "x-a",
    "us-east-1_AbCdEf123",
    "(",
];

/// Puts something else in one place of a tree.
fn disturb(root: &mut Value, input: &mut Unstructured<'_>) -> Result<()> {
    let mut place = root;
    while input.ratio(9, 10)? {
        let inside = match &*place {
            Value::Array(elements) => elements.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        if inside == 0 {
            break;
        }
        let at = input.choose_index(inside)?;
        let change = input.int_in_range(0..=11)?;
        place = match place {
            Value::Array(elements) => {
                if change == 0 {
                    let copy = elements[at].clone();
                    elements.push(copy);
                    return Ok(());
                }
                &mut elements[at]
            }
            Value::Object(members) => {
                let name = members.keys().nth(at).expect("a member").clone();
                match change {
                    0 => {
                        members.remove(&name);
                        return Ok(());
                    }
                    1 => {
                        let value = members.remove(&name).expect("a member");
                        members.insert(format!("{name}s"), value);
                        return Ok(());
                    }
                    _ => &mut members[&name],
                }
            }
            _ => return Ok(()),
        };
    }
    *place = match input.int_in_range(0..=11)? {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(input.arbitrary::<i16>()?),
        3 => json!(f64::from(input.arbitrary::<i32>()?) / 8.0),
        4 => json!(1e300),
        5 => json!([]),
        6 => json!({}),
        7 => json!(["any"]),
        8 => input.arbitrary::<String>()?.into(),
        9 => json!([*input.choose(&TEXTS)?]),
        _ => json!(*input.choose(&TEXTS)?),
    };
    Ok(())
}
