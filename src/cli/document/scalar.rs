//! What a scalar means. YAML 1.2 has one answer, but those who read these files have others: they
//! know more words for yes and no, and numbers in other bases.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// Whose reader a file is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// What the Kubernetes tools, and most others, agree on.
    Kubernetes,
    /// Envoy's own configuration: `y` and `n` are booleans, and of numbers only whole ones of 32
    /// bits are numbers; every other becomes a text.
    Envoy,
    /// JSON, which leaves no choice.
    Json,
}

impl Dialect {
    /// The value of a scalar.
    pub(super) fn meaning(self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
        let suffix = tag.map(|tag| tag.suffix.as_str());
        let plain = style == ScalarStyle::Plain;
        // `!` alone makes a text of anything. For Envoy no other tag does: it looks at the text,
        // even at one in quotes, as soon as there is any.
        let is_text = match (self, suffix) {
            (_, Some("")) => true,
            (Self::Envoy, Some(_)) => false,
            (_, Some("str")) => true,
            _ => !plain,
        };
        if is_text {
            return Value::String(text.to_owned());
        }
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Value::Null;
        }
        if let Some(word) = boolean(text, self) {
            return Value::Bool(word);
        }
        let number = match self {
            Self::Envoy => match integer(text) {
                Some(whole) if i32::try_from(whole).is_ok() => Some(Number::from(whole)),
                // Written anew, as decimal.
                Some(whole) => return Value::String(whole.to_string()),
                None => None,
            },
            Self::Kubernetes | Self::Json => number(text),
        };
        number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
    }
}

/// The words for yes and no, in lower case, in upper case, or with a capital.
fn boolean(text: &str, dialect: Dialect) -> Option<bool> {
    let mut letters = text.chars();
    let first = letters.next()?;
    let rest = letters.as_str();
    let small = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let large = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let usual = small(rest) || first.is_ascii_uppercase() && large(rest);
    match (text.to_ascii_lowercase().as_str(), dialect) {
        _ if !usual => None,
        ("true", _) => Some(true),
        ("false", _) => Some(false),
        (_, Dialect::Json) => None,
        ("yes" | "on", _) | ("y", Dialect::Envoy) => Some(true),
        ("no" | "off", _) | ("n", Dialect::Envoy) => Some(false),
        _ => None,
    }
}

/// A whole number in any base: `31`, `0x1F`, `037`.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("-", digits)) => ("-", digits),
        Some(("+", digits)) => ("", digits),
        _ => ("", text),
    };
    let (digits, radix) = match digits.split_at_checked(2) {
        Some(("0x" | "0X", digits)) => (digits, 16),
        Some((zero, _)) if zero.starts_with('0') => (digits, 8),
        _ => (digits, 10),
    };
    // `from_str_radix` would take a second sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let signed = plain.then(|| format!("{sign}{digits}"))?;
    i64::from_str_radix(&signed, radix).ok()
}

/// A number, kept to the digit where it is written as JSON writes numbers.
fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let begins = |first: char| first.is_ascii_digit() || first == '.';
    if !unsigned.starts_with(begins) {
        return None;
    }
    let octal = || {
        let digits = unsigned.strip_prefix("0o")?;
        i64::from_str_radix(digits, 8).ok().map(Number::from)
    };
    let whole = || integer(text).map(Number::from);
    let double = || {
        let double: f64 = text.parse().ok()?;
        let double = double.is_finite().then_some(double)?;
        double.to_string().parse().ok()
    };
    let json = text.parse().ok();
    json.or_else(whole).or_else(octal).or_else(double)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn means(dialect: Dialect, text: &str, expected: &Value) {
        let found = dialect.meaning(text, ScalarStyle::Plain, None);
        assert_eq!(found.to_string(), expected.to_string(), "{text}");
    }

    #[test]
    fn words() {
        for dialect in [Dialect::Kubernetes, Dialect::Envoy, Dialect::Json] {
            means(dialect, "~", &Value::Null);
            means(dialect, "", &Value::Null);
            means(dialect, "True", &json!(true));
            means(dialect, "any", &json!("any"));
            means(dialect, "tRUE", &json!("tRUE"));
        }
        means(Dialect::Kubernetes, "yes", &json!(true));
        means(Dialect::Kubernetes, "OFF", &json!(false));
        means(Dialect::Kubernetes, "y", &json!("y"));
        means(Dialect::Envoy, "y", &json!(true));
        means(Dialect::Envoy, "N", &json!(false));
        means(Dialect::Envoy, "oN", &json!("oN"));
        means(Dialect::Json, "yes", &json!("yes"));
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
            ("1e3", "1e+3"),
            ("12345678901", "12345678901"),
        ] {
            let read = Dialect::Kubernetes.meaning(text, ScalarStyle::Plain, None);
            assert!(read.is_number(), "{text}");
            assert_eq!(read.to_string(), expected, "{text}");
        }
        for text in [
            "0x",
            "0x-1",
            "60s",
            "1.2.3",
            "-",
            ".",
            "us-east-1",
            ".inf",
            "nan",
            "inf",
            "e3",
            "+-1",
        ] {
            means(Dialect::Kubernetes, text, &json!(text));
        }
    }

    /// Each of these was given to Envoy 1.40 as a client id, which said what it had found.
    #[test]
    fn numbers_of_envoy() {
        for (text, expected) in [
            ("5", json!(5)),
            ("+1", json!(1)),
            ("-1", json!(-1)),
            ("0x1F", json!(31)),
            ("017", json!(15)),
            ("018", json!("018")),
            ("0o17", json!("0o17")),
            ("1.5", json!("1.5")),
            (".5", json!(".5")),
            ("1e3", json!("1e3")),
            ("4294967295", json!("4294967295")),
            ("12345678901", json!("12345678901")),
        ] {
            means(Dialect::Envoy, text, &expected);
        }
    }

    #[test]
    fn what_is_quoted_is_text() {
        let meaning = |style, text, tag| Dialect::Kubernetes.meaning(text, style, tag);
        assert_eq!(meaning(ScalarStyle::SingleQuoted, "1", None), json!("1"));
        assert_eq!(meaning(ScalarStyle::Literal, "no", None), json!("no"));
        let tag = Tag {
            handle: "tag:yaml.org,2002:".to_owned(),
            suffix: "str".to_owned(),
        };
        let tagged = |dialect: Dialect| dialect.meaning("1", ScalarStyle::Plain, Some(&tag));
        assert_eq!(tagged(Dialect::Kubernetes), json!("1"));
        // As seen, too.
        assert_eq!(tagged(Dialect::Envoy), json!(1));
        let quoted =
            |dialect: Dialect, text| dialect.meaning(text, ScalarStyle::DoubleQuoted, Some(&tag));
        assert_eq!(quoted(Dialect::Kubernetes, "5"), json!("5"));
        assert_eq!(quoted(Dialect::Envoy, "5"), json!(5));
        assert_eq!(quoted(Dialect::Envoy, "true"), json!(true));
        assert_eq!(quoted(Dialect::Envoy, ""), json!(""));
    }
}
