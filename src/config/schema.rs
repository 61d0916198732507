//! The configuration as a JSON Schema of draft 7, which editors' support of YAML has.
//!
//! It tells what each place may be by itself. What hangs on another place (one of two members, a rule
//! behind another), on the content of a text (a URL, an expression, a path) or on the length of a
//! duration or a list is beyond it: the reader knows.

use super::asked::{Least, Wanted};
use super::places::{ANY_NAME, ELEMENT, Place, below, places};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a member of an object means, in words: asked for by the object's path and the member's name.
pub type Meaning<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

struct Asked<'a> {
    places: BTreeMap<String, Place>,
    meaning: Meaning<'a>,
}

/// The schema.
#[must_use]
pub fn schema(meaning: Meaning<'_>) -> Value {
    let asked = Asked {
        places: places(),
        meaning,
    };
    let mut schema = of(&asked, "");
    if let Value::Object(members) = &mut schema {
        for (name, value) in [
            ("$schema", "http://json-schema.org/draft-07/schema#"),
            ("title", "Configuration of cognito-authorizer"),
        ] {
            members.insert(name.to_owned(), json!(value));
        }
    }
    schema
}

/// What may stand in a place.
fn of(asked: &Asked<'_>, path: &str) -> Value {
    let Some(place) = asked.places.get(path) else {
        return json!(true);
    };
    let mut kinds: Vec<_> = place
        .wanted
        .iter()
        .map(|wanted| kind(asked, path, place, wanted))
        .collect();
    match (kinds.pop(), kinds.is_empty()) {
        (None, _) => json!({}),
        (Some(only), true) => only,
        (Some(last), false) => {
            kinds.push(last);
            json!({ "anyOf": kinds })
        }
    }
}

fn kind(asked: &Asked<'_>, path: &str, place: &Place, wanted: &Wanted) -> Value {
    let elements = || of(asked, &format!("{path}{ELEMENT}"));
    match wanted {
        Wanted::Object(names) => {
            let members: Map<_, _> = names
                .iter()
                .map(|name| (name.clone(), member(asked, path, name)))
                .collect();
            let mut object = json!({
                "type": "object",
                "additionalProperties": false,
                "properties": members,
            });
            if let (Value::Object(object), false) = (&mut object, place.required.is_empty()) {
                object.insert("required".to_owned(), json!(place.required));
            }
            object
        }
        Wanted::Entries => json!({
            "type": "object",
            "additionalProperties": of(asked, &below(path, ANY_NAME)),
        }),
        Wanted::List(Least::Nothing) => json!({"type": "array", "items": elements()}),
        Wanted::List(Least::One) => {
            json!({"type": "array", "items": elements(), "minItems": 1})
        }
        Wanted::Each => {
            json!({"type": "array", "items": elements(), "minItems": 1, "uniqueItems": true})
        }
        Wanted::Text(Least::Nothing) => json!({"type": "string"}),
        Wanted::Text(Least::One) => json!({"type": "string", "minLength": 1}),
        Wanted::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Wanted::Words(words) => json!({ "enum": words }),
        Wanted::Flag => json!({"type": "boolean"}),
        Wanted::Integer(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        // Its bounds are beyond a schema.
        Wanted::Duration(..) => json!({
            "type": "string",
            "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h)$",
        }),
    }
}

/// A member, with what it means.
fn member(asked: &Asked<'_>, path: &str, name: &str) -> Value {
    let path_of_it = below(path, name);
    let mut schema = of(asked, &path_of_it);
    let expected = asked
        .places
        .get(&path_of_it)
        .map(|place| place.expected.as_str());
    if let (Value::Object(members), Some(expected)) = (&mut schema, expected) {
        let description = match (asked.meaning)(path, name) {
            Some(meaning) => format!("{meaning}\n\nValue: {expected}."),
            None => format!("{expected}."),
        };
        members.insert("description".to_owned(), json!(description));
    }
    schema
}
