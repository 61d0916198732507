//! Claims as header values: nothing in them ends a header, and the upstream can take lists apart.

use arbitrary::{Result, Unstructured};
use cognito_authorizer::claim_headers::{ArrayFormat, ClaimHeader, ClaimHeaders};
use cognito_authorizer::claims::{ClaimPlace, Claims};
use cognito_authorizer::header::HeaderName;
use serde_json::{Map, Value, json};

const NUMBERS: [&str; 6] = [
    "0",
    "-1.50",
    "1e5",
    "12345678901234567890.0",
    "0.1E-7",
    "1e400",
];

fn claim(input: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth < 3 { 7 } else { 4 };
    Ok(match input.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => Value::Bool(input.arbitrary()?),
        2 => Value::Number(input.choose(&NUMBERS)?.parse().expect("a number")),
        3 => Value::String((*input.choose(&["", "a", "a,b", "50%", "c d", "%2C", "José"])?).into()),
        4 => Value::String(input.arbitrary()?),
        5 | 6 => {
            let mut elements = Vec::new();
            for _ in 0..input.int_in_range(0..=4)? {
                elements.push(claim(input, depth + 1)?);
            }
            Value::Array(elements)
        }
        _ => {
            let mut members = Map::new();
            for _ in 0..input.int_in_range(0..=2)? {
                members.insert(input.arbitrary()?, claim(input, depth + 1)?);
            }
            Value::Object(members)
        }
    })
}

/// A scalar's text.
fn text(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}

/// What the upstream does with an element of a list.
fn percent_decoded(element: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = element.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits: Vec<_> = rest.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&digits).expect("digits");
                u8::from_str_radix(digits, 16).expect("an escape")
            }
            other => other,
        });
    }
    String::from_utf8(bytes).expect("text")
}

/// Whether the value says what the claim says, to an upstream that knows the format.
fn says(value: &str, claim: &Value, format: ArrayFormat) -> bool {
    if let Some(text) = text(claim) {
        return value == text;
    }
    let separator = match format {
        ArrayFormat::Comma => ',',
        ArrayFormat::Space => ' ',
        ArrayFormat::Json => {
            return serde_json::from_str::<Value>(value).ok().as_ref() == Some(claim);
        }
    };
    let elements = claim.as_array().map(|elements| elements.iter().map(text));
    match elements.and_then(Iterator::collect::<Option<Vec<_>>>) {
        Some(elements) => {
            value
                .split(separator)
                .map(percent_decoded)
                .collect::<Vec<_>>()
                == elements
        }
        None => serde_json::from_str::<Value>(value).ok().as_ref() == Some(claim),
    }
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let format = *input.choose(&[ArrayFormat::Comma, ArrayFormat::Space, ArrayFormat::Json])?;
    let (first, second) = (claim(input, 0)?, claim(input, 0)?);
    // A JSON Pointer into an object leads to the same claim as its name.
    let (payload, places) = match input.arbitrary()? {
        false => (json!({"a": first, "b": second}), ["a", "b"]),
        true => (
            json!({"o/": {"a~": first}, "l": [0, second]}),
            ["/o~1/a~0", "/l/1"],
        ),
    };
    let name = HeaderName::new("x-claim").expect("a name");
    let headers = ClaimHeaders {
        headers: vec![ClaimHeader {
            header: name,
            claims: places
                .iter()
                .filter_map(|place| ClaimPlace::new(place))
                .collect(),
            format,
        }],
        payload: None,
    };
    let claims = Claims::parse(payload.to_string().as_bytes()).expect("a payload");
    let values = headers.render(&claims, "");
    let (_, value) = values.iter().next().expect("a header");
    let absent = |claim: &&Value| {
        matches!(claim, Value::Null) || **claim == json!("") || **claim == json!([])
    };
    let present = [&first, &second].into_iter().find(|claim| !absent(claim));
    match (present, value) {
        (None, found) => assert_eq!(found, None),
        (Some(claim), Some(value)) => {
            assert!(!value.contains(char::is_control), "{value:?}");
            assert!(says(value, claim, format), "{format:?} {claim} {value:?}");
        }
        // Left out for a control character, which only a string can have.
        (Some(claim), None) => {
            let has_control = |text: &str| text.contains(char::is_control);
            assert!(has_control(&unescaped(claim)), "{format:?} {claim}");
        }
    }
    let bytes = value.map_or(0, str::len);
    assert_eq!(values.bytes(), bytes);
    Ok(())
}

/// All strings of a claim, names among them, one after the other.
fn unescaped(claim: &Value) -> String {
    match claim {
        Value::String(text) => text.clone(),
        Value::Array(elements) => elements.iter().map(unescaped).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}{}", unescaped(value)))
            .collect(),
        _ => String::new(),
    }
}

/// A header's value says what the claim says, and never more.
pub fn claim_headers(data: &[u8]) {
    // An input that is too short asks nothing.
    let _ = check(&mut Unstructured::new(data));
}
