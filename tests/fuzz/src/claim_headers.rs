//! Claims as header values: nothing in them ends a header, and the upstream can take lists apart.

use arbitrary::{Result, Unstructured};
use cognito_authorizer::claim_headers::{ArrayFormat, ClaimHeader, ClaimHeaders, Encoding};
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
        3 => Value::String(
            (*input.choose(&[
                "", "a", "a,b", "50%", "c d", "%2C", "José", " a", "\u{3000}",
            ])?)
            .into(),
        ),
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

/// What the upstream does with an element of a list; `None` for what nobody encoded.
fn percent_decoded(element: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = element.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits: Vec<_> = rest.by_ref().take(2).collect();
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whether the value says what the claim says, to an upstream that knows format and encoding.
fn says(value: &str, claim: &Value, format: ArrayFormat, encoding: Encoding) -> bool {
    let decoded = match encoding {
        Encoding::Utf8 => Some(value.to_owned()),
        Encoding::Percent => percent_decoded(value),
    };
    let decoded = decoded.unwrap_or_default();
    if let Some(text) = text(claim) {
        return decoded == text;
    }
    let separator = match format {
        ArrayFormat::Comma => ',',
        ArrayFormat::Space => ' ',
        ArrayFormat::Json => {
            return serde_json::from_str::<Value>(&decoded).ok().as_ref() == Some(claim);
        }
    };
    let elements = claim.as_array().map(|elements| elements.iter().map(text));
    match elements.and_then(Iterator::collect::<Option<Vec<_>>>) {
        Some(elements) => {
            let said = value.split(separator).map(percent_decoded);
            said.collect::<Option<Vec<_>>>() == Some(elements)
        }
        None => serde_json::from_str::<Value>(&decoded).ok().as_ref() == Some(claim),
    }
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let format = *input.choose(&[ArrayFormat::Comma, ArrayFormat::Space, ArrayFormat::Json])?;
    let encoding = *input.choose(&[Encoding::Utf8, Encoding::Percent])?;
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
            read_as: cognito_authorizer::claims::ReadAs::Text,
            format,
            encoding,
        }],
        ..ClaimHeaders::default()
    };
    let claims = Claims::parse(payload.to_string().as_bytes()).expect("a payload");
    let value = headers
        .headers
        .first()
        .and_then(|header| header.value(&claims));
    let value = value.as_deref();
    let says_something = |claim: &&Value| match claim {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(|element| *element != json!("")),
        _ => true,
    };
    let present: Vec<_> = [&first, &second]
        .into_iter()
        .filter(says_something)
        .collect();
    match value {
        Some(value) => {
            let trimmed = |character: char| character.is_whitespace() || character == '\u{feff}';
            assert!(!value.contains(char::is_control), "{value:?}");
            assert_eq!(value.trim_matches(trimmed), value);
            assert!(encoding == Encoding::Utf8 || value.is_ascii(), "{value:?}");
            // Only a claim that cannot be sent is passed over.
            let mut claims = present.iter();
            let said = claims.find(|claim| says(value, claim, format, encoding));
            assert!(said.is_some(), "{format:?} {present:?} {value:?}");
            let before = present
                .iter()
                .take_while(|claim| Some(claim) != said.as_ref());
            for passed in before {
                assert!(may_be_unfit(passed), "{format:?} {passed}");
            }
        }
        None => {
            for passed in present {
                assert!(may_be_unfit(passed), "{format:?} {passed}");
            }
        }
    }
    Ok(())
}

/// Whether there is something in the claim for which it may have been passed over: a control character,
/// white space, or an empty text at the end of a list.
fn may_be_unfit(claim: &Value) -> bool {
    let odd = |character: char| {
        character.is_control() || character.is_whitespace() || character == '\u{feff}'
    };
    let has_empty = |elements: &Vec<Value>| elements.contains(&json!(""));
    unescaped(claim).contains(odd) || claim.as_array().is_some_and(has_empty)
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
