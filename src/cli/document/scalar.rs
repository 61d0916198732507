//! What a scalar means, as Envoy and Kubernetes read it: both know more words for yes and no than
//! YAML 1.2 does, and numbers in other bases.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// The value of a scalar.
pub(super) fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let suffix = tag.map(|tag| tag.suffix.as_str());
    // `!` alone and `!!str` make a text of anything.
    let is_text = style != ScalarStyle::Plain || matches!(suffix, Some("" | "str"));
    if is_text {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { "-" } else { "" };
    let based = |digits: &str, radix| {
        // `from_str_radix` takes a sign of its own.
        let digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(digits)?;
        let value = u64::from_str_radix(digits, radix).ok()?;
        format!("{sign}{value}").parse().ok()
    };
    let prefixed = |prefixes: [&str; 2]| {
        let [first, second] = prefixes;
        unsigned.strip_prefix(first).or_else(|| unsigned.strip_prefix(second))
    };
    if let Some(digits) = prefixed(["0x", "0X"]) {
        return based(digits, 16);
    }
    if let Some(digits) = prefixed(["0o", "0O"]) {
        return based(digits, 8);
    }
    let is_octal = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    if let Some(digits) = unsigned.strip_prefix('0').filter(|digits| is_octal(digits)) {
        return based(digits, 8);
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    // JSON's own spelling is kept to the digit; others (`.5`, `1.`, `007.5`) as a double reads them.
    let json: Option<Number> = text.parse().ok();
    json.or_else(|| {
        let double: f64 = text.parse().ok()?;
        let double = double.is_finite().then_some(double)?;
        double.to_string().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn means(text: &str, expected: Value) {
        assert_eq!(meaning(text, ScalarStyle::Plain, None), expected, "{text}");
    }

    #[test]
    fn words() {
        means("~", Value::Null);
        means("", Value::Null);
        means("yes", json!(true));
        means("Off", json!(false));
        means("any", json!("any"));
        // Half the tools that read YAML take these for letters, and so do people.
        means("y", json!("y"));
        means("yEs", json!("yEs"));
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("16384", "16384"),
            ("-1", "-1"),
            ("+1", "1"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("017", "15"),
            ("018", "18"),
            ("1.50", "1.50"),
            (".5", "0.5"),
            ("1e3", "1e3"),
        ] {
            let read = meaning(text, ScalarStyle::Plain, None);
            assert!(read.is_number(), "{text}");
            assert_eq!(read.to_string(), expected, "{text}");
        }
        for text in ["0x", "0x-1", "60s", "1.2.3", "-", ".", "us-east-1", ".inf", "nan", "inf", "e3"] {
            means(text, json!(text));
        }
    }

    #[test]
    fn what_is_quoted_is_text() {
        assert_eq!(meaning("1", ScalarStyle::SingleQuoted, None), json!("1"));
        assert_eq!(meaning("no", ScalarStyle::Literal, None), json!("no"));
        let tag = Tag {
            handle: "tag:yaml.org,2002:".to_owned(),
            suffix: "str".to_owned(),
        };
        assert_eq!(meaning("1", ScalarStyle::Plain, Some(&tag)), json!("1"));
    }
}
