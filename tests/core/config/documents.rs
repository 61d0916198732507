//! The document as a whole: its two forms, its bounds, its numbers.

use crate::config::{REFERENCE, case, document, minimal, serialized, to_struct};
use crate::harness::issuer::TestKey;
use cognito_authorizer::config;
use prost::Message as _;
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::json;

const NOTHING: &str = "configuration: found nothing; expected an object with user_pools and token";
const YAML: &str = "configuration: found text that is no JSON, perhaps YAML; expected JSON text, or YAML as a google.protobuf.Struct";

#[test]
fn both_forms_are_told_apart() {
    let text = minimal().to_string();
    for around in [
        text.clone(),
        format!("\n{text}\n"),
        format!(" \r\n\t{text} "),
    ] {
        assert!(config::parse(around.as_bytes()).is_ok(), "{around:?}");
    }
    document(b"", NOTHING);
    document(b" \n\t", NOTHING);
    document(&Struct::default().encode_to_vec(), NOTHING);
    document(REFERENCE.as_bytes(), YAML);
    document(REFERENCE.trim().as_bytes(), YAML);
    document("\u{feff}{}".as_bytes(), YAML);
    document(
        b"\x08\x01\xff\x00",
        "configuration: found bytes that are neither JSON nor a google.protobuf.Struct; expected one of them",
    );
    document(
        b"[]",
        "configuration: found an empty list; expected an object with user_pools and token",
    );
    document(
        b"null",
        "configuration: found null; expected an object with user_pools and token; give it a value or leave it out",
    );
}

#[test]
fn a_struct_may_begin_like_json() {
    // A first member of 123 bytes: a newline, then `{`.
    let mut found = false;
    for length in 1..120 {
        let name = "a".repeat(length);
        let bytes = serialized(&json!({ name.as_str(): "b" }));
        if bytes.starts_with(b"\n{") {
            found = true;
            let problems = config::parse(&bytes).unwrap_err().to_string();
            assert!(problems.contains("user_pools: missing;"), "{problems}");
        }
    }
    assert!(found);
}

#[test]
fn json_is_read_strictly() {
    document(
        b"{\"token\":",
        "configuration: found JSON that cannot be read: EOF while parsing a value at line 1 column 9; expected one JSON object",
    );
    let text = minimal().to_string();
    let twice = text.replacen(r#""use":"any""#, r#""use":"any","use":"id""#, 1);
    let problems = config::parse(twice.as_bytes()).unwrap_err().to_string();
    assert!(
        problems.starts_with(r#"configuration: found JSON that cannot be read: the name "use" stands twice in one object"#),
        "{problems}"
    );
    assert!(config::parse(format!("{text}{{}}").as_bytes()).is_err());
    assert!(config::parse(text.as_bytes()).is_ok());
}

/// Some readers of JSON take an object that begins with this member for the number in it. In no form of
/// the document is it one, or anything else.
#[test]
fn no_object_is_a_number() {
    let name = "$serde_json::private::Number";
    let number = |name: &str| json!({ name: "16384" });
    let problem = |path: &str| {
        format!("{path}[{name:?}]: found a name that no setting has; expected another")
    };
    case(
        json!({"/token/max_bytes": number(name)}),
        &problem("token.max_bytes"),
        json!({"/token/max_bytes": 16384}),
    );
    let keys = |name: &str| {
        let mut key = TestKey::first().jwk();
        key["x"] = json!([number(name)]);
        json!({"/user_pools/0/jwks": {"inline": {"keys": [key]}}})
    };
    case(
        keys(name),
        &problem("user_pools[0].jwks.inline.keys[0].x[0]"),
        keys("$serde_json::private::Numbers"),
    );
    document(number(name).to_string().as_bytes(), &problem(""));
}

#[test]
fn documents_are_bounded() {
    let text = minimal().to_string();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    assert!(config::parse(padded(config::MAX_BYTES).as_bytes()).is_ok());
    document(
        padded(config::MAX_BYTES + 1).as_bytes(),
        "configuration: found 4194305 bytes; expected at most 4194304",
    );
    let nested = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    // The keys of an inline key set may hold what they like, three levels further down.
    let keys = |levels: usize| {
        let mut key = TestKey::first().jwk();
        key["x"] = nested(levels);
        json!({"/user_pools/0/jwks": {"inline": {"keys": [key]}}})
    };
    let levels = config::MAX_DEPTH - 6;
    case(
        keys(levels + 2),
        &format!(
            "user_pools[0].jwks.inline.keys[0].x{}: found more than 16 levels; expected a flatter document",
            "[0]".repeat(levels)
        ),
        keys(levels),
    );
    for depth in [20, 50, 100_000] {
        assert!(config::parse("[".repeat(depth).as_bytes()).is_err());
        let mut bytes = b"\x0a\x04\x0a\x00\x12\x00".to_vec();
        for _ in 0..depth.min(1000) {
            let mut list = prost_types::Value::default().encode_to_vec();
            prost::encoding::encode_key(6, prost::encoding::WireType::LengthDelimited, &mut list);
            prost::encoding::encode_varint(bytes.len() as u64, &mut list);
            list.extend(&bytes);
            bytes = list;
        }
        let mut document = b"\x0a".to_vec();
        prost::encoding::encode_varint(bytes.len() as u64 + 10, &mut document);
        document.extend(b"\x0a\x01a\x12");
        prost::encoding::encode_varint(bytes.len() as u64, &mut document);
        document.extend(bytes);
        assert!(config::parse(&document).is_err());
    }
}

#[test]
fn a_struct_has_finite_numbers() {
    for (double, shown) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let mut document = to_struct(minimal().as_object().unwrap());
        let Some(Kind::StructValue(token)) = &mut document.fields.get_mut("token").unwrap().kind
        else {
            panic!("no token");
        };
        let number = prost_types::Value {
            kind: Some(Kind::NumberValue(double)),
        };
        token.fields.insert("max_bytes".to_owned(), number);
        self::document(
            &document.encode_to_vec(),
            &format!("token.max_bytes: found {shown}; expected a finite number"),
        );
    }
    document(
        br#"{"token":{"max_bytes":1e999}}"#,
        "token.max_bytes: found a number beyond all doubles; expected a smaller one",
    );
}

#[test]
fn a_struct_value_without_a_kind_is_null() {
    let mut document = to_struct(minimal().as_object().unwrap());
    document
        .fields
        .insert("signature".to_owned(), prost_types::Value { kind: None });
    self::document(
        &document.encode_to_vec(),
        "signature: found null; expected auto or module; give it a value or leave it out",
    );
}

#[test]
fn integers_may_be_spelled_like_doubles() {
    for spelling in ["1024", "1024.0", "1.024e3"] {
        let text = minimal().to_string().replace(
            r#""use":"any""#,
            &format!(r#""use":"any","max_bytes":{spelling}"#),
        );
        assert_eq!(
            config::parse(text.as_bytes()).unwrap().token.max_bytes,
            1024,
            "{spelling}"
        );
    }
}
