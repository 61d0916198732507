//! What the upstream is told about the caller: claims, rendered as header values.
//!
//! The headers named here are the filter's alone. A client's own value is taken away on every
//! path, so that what the upstream reads was written from a verified token or by nobody.

use crate::claims::{Claim, ClaimPlace, Claims};
use crate::header::{HeaderName, is_header_value};
use serde_json::Value;
use std::rc::Rc;

/// How an array becomes one header value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrayFormat {
    /// Elements joined by `,`; `%` and `,` inside them percent-encoded.
    #[default]
    Comma,
    /// Elements joined by a space; `%` and spaces inside them percent-encoded.
    Space,
    /// Compact JSON.
    Json,
}

/// One header and the claims it may come from: the first that has a value.
#[derive(Clone, Debug)]
pub struct ClaimHeader {
    /// The header's name.
    pub header: HeaderName,
    /// Where the value may stand, in order of preference.
    pub claims: Vec<ClaimPlace>,
    /// How an array is written.
    pub format: ArrayFormat,
}

/// All headers that the filter owns.
#[derive(Clone, Debug, Default)]
pub struct ClaimHeaders {
    /// Headers with a claim each.
    pub headers: Vec<ClaimHeader>,
    /// The header with the verified token's second segment as it is, if one is wanted.
    pub payload: Option<HeaderName>,
}

/// A value for each of the filter's own headers, or the word that there is none.
///
/// Rendered once for a verified token and remembered with it.
#[derive(Debug, Default)]
pub struct HeaderValues(Vec<(Rc<str>, Option<String>)>);

impl HeaderValues {
    /// The headers in the order of the configuration; `None` takes the client's own value away.
    pub fn iter(&self) -> impl Iterator<Item = (&Rc<str>, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name, value.as_deref()))
    }

    /// How many bytes the values take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(_, value)| value.as_ref().map_or(0, String::len))
            .fold(0, usize::saturating_add)
    }
}

impl ClaimHeaders {
    /// The names of all headers that the filter owns.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers
            .iter()
            .map(|header| &header.header)
            .chain(&self.payload)
    }

    /// The values for a request whose caller is not known: none.
    #[must_use]
    pub fn anonymous_headers(&self) -> HeaderValues {
        HeaderValues(self.names().map(|name| (name.into(), None)).collect())
    }

    /// The values for verified claims; `payload` is the token's second segment.
    #[must_use]
    pub fn render(&self, claims: &Claims, payload: &str) -> HeaderValues {
        let claimed = self.headers.iter().map(|header| {
            let value = header
                .claims
                .iter()
                .find_map(|place| present(claims.get(place)?))
                .map(|value| header.format.render(value))
                .filter(|value| is_header_value(value));
            (Rc::from(&header.header), value)
        });
        let payload = self
            .payload
            .iter()
            .map(|name| (Rc::from(name), Some(payload.to_owned())));
        HeaderValues(claimed.chain(payload).collect())
    }
}

/// A claim that says something: `null`, `""` and `[]` do not.
fn present(claim: Claim<'_>) -> Option<Claim<'_>> {
    match claim {
        Claim::Text("") | Claim::Other(Value::Null) => None,
        Claim::Other(Value::Array(elements)) if elements.is_empty() => None,
        _ => Some(claim),
    }
}

impl ArrayFormat {
    fn render(self, claim: Claim<'_>) -> String {
        let separator = match self {
            Self::Comma => Some(','),
            Self::Space => Some(' '),
            Self::Json => None,
        };
        if let Some(separator) = separator
            && let Some(elements) = claim.elements()
            && let Some(texts) = elements
                .iter()
                .map(|element| Claim::from(element).scalar_text())
                .collect::<Option<Vec<_>>>()
        {
            return join(&texts, separator);
        }
        match claim {
            Claim::Text(text) => text.to_owned(),
            Claim::Other(value) => value.to_string(),
        }
    }
}

/// Joins so that splitting at the separator and percent-decoding gives the elements back: a group
/// named `a,b` must not become the groups `a` and `b`.
fn join(texts: &[std::borrow::Cow<'_, str>], separator: char) -> String {
    let mut joined = String::new();
    for (position, text) in texts.iter().enumerate() {
        if position > 0 {
            joined.push(separator);
        }
        for character in text.chars() {
            match character {
                '%' => joined.push_str("%25"),
                ',' if separator == ',' => joined.push_str("%2C"),
                ' ' if separator == ' ' => joined.push_str("%20"),
                other => joined.push(other),
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rendered(format: ArrayFormat, claim: &str, expected: Option<&str>) {
        let headers = ClaimHeaders {
            headers: vec![ClaimHeader {
                header: HeaderName::new("x-claim").unwrap(),
                claims: vec![ClaimPlace::new("c").unwrap()],
                format,
            }],
            payload: None,
        };
        let claims = Claims::parse(format!(r#"{{"c":{claim}}}"#).as_bytes()).unwrap();
        let values = headers.render(&claims, "");
        assert_eq!(values.iter().next().unwrap().1, expected, "{claim}");
    }

    #[test]
    fn scalars_are_text_in_every_format() {
        for format in [ArrayFormat::Comma, ArrayFormat::Space, ArrayFormat::Json] {
            rendered(format, "\"José, 5%\"", Some("José, 5%"));
            rendered(
                format,
                "12345678901234567890.50",
                Some("12345678901234567890.50"),
            );
            rendered(format, "false", Some("false"));
        }
    }

    #[test]
    fn arrays_can_be_taken_apart_again() {
        let groups = r#"["a,b","50%","c d"]"#;
        rendered(ArrayFormat::Comma, groups, Some("a%2Cb,50%25,c d"));
        rendered(ArrayFormat::Space, groups, Some("a,b 50%25 c%20d"));
        rendered(ArrayFormat::Json, groups, Some(r#"["a,b","50%","c d"]"#));
        rendered(ArrayFormat::Comma, "[1,true,\"x\"]", Some("1,true,x"));
    }

    #[test]
    fn what_is_no_list_of_scalars_is_json() {
        rendered(
            ArrayFormat::Comma,
            r#"[1,{"a": [2]}]"#,
            Some(r#"[1,{"a":[2]}]"#),
        );
        rendered(ArrayFormat::Space, r#"[null]"#, Some("[null]"));
        rendered(ArrayFormat::Comma, r#"{"a": 1}"#, Some(r#"{"a":1}"#));
    }

    #[test]
    fn nothing_to_say_leaves_the_header_absent() {
        for nothing in ["null", "\"\"", "[]"] {
            rendered(ArrayFormat::Comma, nothing, None);
        }
        for control in [
            r#""a\nb""#,
            r#""a\u007fb""#,
            r#""a\u0085b""#,
            r#"["a","\r\n"]"#,
        ] {
            rendered(ArrayFormat::Comma, control, None);
        }
        rendered(ArrayFormat::Comma, r#""a b""#, Some("a b"));
    }

    #[test]
    fn the_first_claim_with_a_value_wins() {
        let headers = ClaimHeaders {
            headers: vec![ClaimHeader {
                header: HeaderName::new("x-username").unwrap(),
                claims: ["cognito:username", "username"]
                    .iter()
                    .filter_map(|name| ClaimPlace::new(name))
                    .collect(),
                format: ArrayFormat::Comma,
            }],
            payload: Some(HeaderName::new("x-payload").unwrap()),
        };
        let claims = Claims::parse(br#"{"cognito:username":"","username":"ann"}"#).unwrap();
        let values = headers.render(&claims, "e30");
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (&**name, value))
            .collect();
        assert_eq!(
            values,
            [("x-username", Some("ann")), ("x-payload", Some("e30"))]
        );
        let nobody = headers.anonymous_headers();
        assert!(nobody.iter().all(|(_, value)| value.is_none()));
        assert_eq!(nobody.iter().count(), 2);
    }
}
