//! A validator of JSON Schema, as far as our own schema goes: an unknown word in it fails the test.

use serde_json::Value;

/// Where a document is not as the schema has it; `None` if it is.
pub(crate) fn objection(schema: &Value, document: &Value) -> Option<String> {
    objection_in(schema, schema, document)
}

fn objection_in(root: &Value, schema: &Value, document: &Value) -> Option<String> {
    let objection = |schema: &Value, document: &Value| objection_in(root, schema, document);
    let words = match schema {
        Value::Bool(true) => return None,
        schema => schema.as_object().expect("a schema"),
    };
    let mut objections = words.iter().filter_map(|(word, wanted)| {
        let below = |step: &str, schema: &Value, value: &Value| {
            let found = objection(schema, value)?;
            Some(format!("{step}{found}"))
        };
        let here = |holds: bool| (!holds).then(|| format!(": {word} {wanted}"));
        match (word.as_str(), document) {
            ("$schema" | "title" | "description" | "definitions" | "then", _) => None,
            ("$ref", _) => {
                let pointer = wanted.as_str().and_then(|place| place.strip_prefix('#'));
                let schema = root.pointer(pointer.expect("a place in the schema"));
                objection(schema.expect("a definition"), document)
            }
            ("if", _) => match objection(wanted, document) {
                None => objection(words.get("then").expect("a consequence"), document),
                Some(_) => None,
            },
            ("allOf", _) => {
                let mut schemas = wanted.as_array().expect("a list").iter();
                schemas.find_map(|schema| objection(schema, document))
            }
            ("type", _) => {
                let types = wanted.as_array().cloned();
                let types = types.unwrap_or_else(|| vec![wanted.clone()]);
                here(
                    types
                        .iter()
                        .any(|name| is(document, name.as_str().expect("a type"))),
                )
            }
            ("enum", _) => here(wanted.as_array().expect("a list").contains(document)),
            ("anyOf", _) => {
                let mut schemas = wanted.as_array().expect("a list").iter();
                here(schemas.any(|schema| objection(schema, document).is_none()))
            }
            ("properties", Value::Object(members)) => members
                .iter()
                .find_map(|(name, value)| below(&format!(".{name}"), wanted.get(name)?, value)),
            ("additionalProperties", Value::Object(members)) => {
                let known = words.get("properties").and_then(Value::as_object);
                let mut others = members
                    .iter()
                    .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
                others.find_map(|(name, value)| match wanted {
                    Value::Bool(false) => Some(format!(".{name}: additionalProperties")),
                    schema => below(&format!(".{name}"), schema, value),
                })
            }
            ("required", Value::Object(members)) => {
                let mut names = wanted.as_array().expect("a list").iter();
                here(names.all(|name| members.contains_key(name.as_str().expect("a name"))))
            }
            ("items", Value::Array(elements)) => elements
                .iter()
                .find_map(|element| below("[]", wanted, element)),
            ("minItems", Value::Array(elements)) => {
                here(elements.len() as u64 >= wanted.as_u64().expect("a number"))
            }
            ("uniqueItems", Value::Array(elements)) => {
                let twice = |(at, one)| elements[..at].contains(one);
                here(!elements.iter().enumerate().any(twice))
            }
            ("minLength", Value::String(text)) => {
                here(text.chars().count() as u64 >= wanted.as_u64().expect("a number"))
            }
            ("pattern", Value::String(text)) => {
                let pattern = regex_lite::Regex::new(wanted.as_str().expect("a text"));
                here(pattern.expect("an expression").is_match(text))
            }
            ("minimum", Value::Number(_)) => here(document.as_f64() >= wanted.as_f64()),
            ("maximum", Value::Number(_)) => here(document.as_f64() <= wanted.as_f64()),
            (
                "properties"
                | "additionalProperties"
                | "required"
                | "items"
                | "minItems"
                | "uniqueItems"
                | "minLength"
                | "pattern"
                | "minimum"
                | "maximum",
                _,
            ) => None,
            (word, _) => panic!("{word} is no word of ours"),
        }
    });
    objections.next()
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("{other} is no type of ours"),
    }
}
