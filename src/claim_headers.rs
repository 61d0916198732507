//! What the upstream is told about the caller: claims, rendered as header values.
//!
//! The headers named here are the filter's alone. A client's own value is taken away on every
//! path, so that what the upstream reads was written from a verified token, or is not there.

use crate::authorizer::answer::Answer;
use crate::claims::{Claim, ClaimPlace, Claims, PrincipalClaims, ReadAs, UserClaims};
use crate::header::{HeaderName, is_header_value, is_trimmed};
use crate::json;
use crate::percent;
use serde_json::Value;
use std::borrow::Cow;
use std::rc::Rc;

/// How an array becomes one header value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrayFormat {
    /// Elements joined by `,`; `%` and `,` inside them and spaces at their edges percent-encoded.
    #[default]
    Comma,
    /// Elements joined by a space; `%` and white space inside them percent-encoded.
    Space,
    /// Compact JSON.
    Json,
}

/// How characters outside ASCII are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    #[default]
    Utf8,
    /// Percent-encoded, and so is `%`: servers that read headers as Latin-1 get the value whole.
    Percent,
}

/// One header and the claims it may come from: the first that has a value which can be sent.
#[derive(Clone, Debug)]
pub struct ClaimHeader {
    /// The header's name.
    pub header: HeaderName,
    /// Where the value may stand, in order of preference.
    pub claims: Vec<ClaimPlace>,
    /// How a text there is read as an array; one that cannot be read so is not sent.
    pub read_as: ReadAs,
    /// How an array is written.
    pub format: ArrayFormat,
    /// How characters outside ASCII are written.
    pub encoding: Encoding,
}

/// One header and the key of an authorizer's answer that it comes from.
#[derive(Clone, Debug)]
pub struct ContextHeader {
    /// The header's name.
    pub header: HeaderName,
    /// A key of the answer's `context`, or `principalId`.
    pub key: String,
    /// How an array is written.
    pub format: ArrayFormat,
    /// How characters outside ASCII are written.
    pub encoding: Encoding,
}

/// All headers that the filter owns.
#[derive(Clone, Debug, Default)]
pub struct ClaimHeaders {
    /// Headers with a claim of a user each.
    pub headers: Vec<ClaimHeader>,
    /// The header with the second segment of a user's verified token as it is, if one is wanted.
    pub payload: Option<HeaderName>,
    /// Headers with a claim of an AWS principal each.
    pub principals: Vec<ClaimHeader>,
    /// Headers with a value of an authorizer's answer each.
    pub context: Vec<ContextHeader>,
}

/// The values of the filter's own headers for one caller; what has none is not sent.
///
/// Rendered once for a verified token and remembered with it.
#[derive(Debug)]
pub struct HeaderValues(Vec<(Rc<str>, String)>);

impl FromIterator<(Rc<str>, Option<String>)> for HeaderValues {
    fn from_iter<I: IntoIterator<Item = (Rc<str>, Option<String>)>>(values: I) -> Self {
        let values = values.into_iter();
        let present = values.filter_map(|(name, value)| Some((name, value?)));
        Self(present.collect())
    }
}

impl HeaderValues {
    /// The headers in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &str)> {
        self.0.iter().map(|(name, value)| (name, &**value))
    }

    /// How many bytes the longest value takes.
    #[must_use]
    pub fn longest(&self) -> usize {
        let lengths = self.0.iter().map(|(_, value)| value.len());
        lengths.max().unwrap_or_default()
    }

    /// How many bytes the values take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(_, value)| value.len())
            .fold(0, usize::saturating_add)
    }
}

impl ClaimHeaders {
    /// The names of all headers that the filter owns.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let users = self.headers.iter().map(|header| &header.header);
        let principals = self.principals.iter().map(|header| &header.header);
        let context = self.context.iter().map(|header| &header.header);
        users.chain(&self.payload).chain(principals).chain(context)
    }

    /// The values for a user; `payload` is the token's second segment.
    #[must_use]
    pub fn of_user(&self, user: &UserClaims, payload: &str) -> HeaderValues {
        let claimed = values(&self.headers, user.claims());
        let whole = self.payload.iter();
        let whole = whole.map(|name| (name.into(), Some(payload.to_owned())));
        claimed.chain(whole).collect()
    }

    /// The values for an AWS principal: none of them under a name that a user's have, to whose readers
    /// the name of a role would be a user's.
    #[must_use]
    pub fn of_principal(&self, principal: &PrincipalClaims) -> HeaderValues {
        values(&self.principals, principal.claims()).collect()
    }

    /// The values for a request that an authorizer lets pass: none of them is a claim's.
    #[must_use]
    pub fn of_answer(&self, answer: &Answer) -> HeaderValues {
        let context = self.context.iter();
        let context = context.map(|header| ((&header.header).into(), header.value(answer)));
        context.collect()
    }
}

fn values(
    headers: &[ClaimHeader],
    claims: &Claims,
) -> impl Iterator<Item = (Rc<str>, Option<String>)> {
    headers
        .iter()
        .map(|header| (Rc::from(&header.header), header.value(claims)))
}

/// A claim that says something: `null`, `""`, `[]` and `[""]` do not.
fn present(claim: Claim<'_>) -> Option<Claim<'_>> {
    match claim {
        Claim::Text("") | Claim::Other(Value::Null) => None,
        Claim::Other(Value::Array(elements))
            if elements.iter().all(|element| element.as_str() == Some("")) =>
        {
            None
        }
        _ => Some(claim),
    }
}

/// Whether every reader gets the text as it is.
fn can_be_sent(text: &str) -> bool {
    is_header_value(text) && !text.starts_with(is_trimmed) && !text.ends_with(is_trimmed)
}

impl ClaimHeader {
    /// The value for these claims: of the first that can be sent.
    #[must_use]
    pub fn value(&self, claims: &Claims) -> Option<String> {
        let writing = Writing {
            format: self.format,
            encoding: self.encoding,
        };
        let mut places = self.claims.iter();
        places.find_map(|place| self.written(&writing, claims.get(place)?))
    }

    fn written(&self, writing: &Writing, claim: Claim<'_>) -> Option<String> {
        let claim = present(claim)?;
        if self.read_as == ReadAs::Text {
            return writing.render(claim);
        }
        let read = match claim {
            Claim::Text(text) => Value::Array(self.read_as.elements(text)?),
            // It is one already.
            Claim::Other(Value::Array(_)) => return writing.render(claim),
            Claim::Other(_) => return None,
        };
        writing.render(present(Claim::Other(&read))?)
    }
}

impl ContextHeader {
    /// The value for this answer.
    fn value(&self, answer: &Answer) -> Option<String> {
        let writing = Writing {
            format: self.format,
            encoding: self.encoding,
        };
        writing.render(present(answer.get(&self.key)?.into())?)
    }
}

/// How a value is written.
struct Writing {
    format: ArrayFormat,
    encoding: Encoding,
}

impl Writing {
    /// The header's value; `None` if the claim has none that could be sent.
    fn render(&self, claim: Claim<'_>) -> Option<String> {
        let separator = match self.format {
            ArrayFormat::Comma => Some(','),
            ArrayFormat::Space => Some(' '),
            ArrayFormat::Json => None,
        };
        if let Some(separator) = separator
            && let Some(elements) = claim.elements()
            && let Some(texts) = elements
                .iter()
                .map(|element| Claim::from(element).scalar_text())
                .collect::<Option<Vec<_>>>()
        {
            return self.join(&texts, separator);
        }
        let text: Cow<'_, str> = match claim {
            Claim::Text(text) => text.into(),
            Claim::Other(value) => json::text(value).into(),
        };
        if !can_be_sent(&text) {
            return None;
        }
        Some(match self.encoding {
            Encoding::Utf8 => text.into_owned(),
            Encoding::Percent => {
                let mut encoded = String::with_capacity(text.len());
                for character in text.chars() {
                    match character == '%' || !character.is_ascii() {
                        true => push_escaped(&mut encoded, character),
                        false => encoded.push(character),
                    }
                }
                encoded
            }
        })
    }

    /// Joins so that splitting at the separator and percent-decoding gives the elements back: a
    /// group named `a,b` must not become the groups `a` and `b`, nor ` admin` the group `admin`.
    fn join(&self, texts: &[Cow<'_, str>], separator: char) -> Option<String> {
        let mut joined = String::new();
        for (position, text) in texts.iter().enumerate() {
            if position > 0 {
                joined.push(separator);
            }
            let unspaced = text.trim_start_matches(is_trimmed).len();
            let begin = text.len().saturating_sub(unspaced);
            let end = text.trim_end_matches(is_trimmed).len();
            for (at, character) in text.char_indices() {
                let escaped = character == '%'
                    || character == separator
                    // Python and .NET take a text apart at any white space, unless told at which.
                    || (separator == ' ' && is_trimmed(character))
                    || !(begin..end).contains(&at)
                    || (self.encoding == Encoding::Percent && !character.is_ascii());
                match escaped && !character.is_control() {
                    true => push_escaped(&mut joined, character),
                    false => joined.push(character),
                }
            }
        }
        // An empty text at an end leaves a space there, where that is the separator.
        can_be_sent(&joined).then_some(joined)
    }
}

/// Percent-encodes a character (RFC 3986, section 2.1).
fn push_escaped(text: &mut String, character: char) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        percent::push(text, byte, |_| false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rendered(format: ArrayFormat, claim: &str, expected: Option<&str>) {
        encoded(Encoding::Utf8, format, claim, expected);
    }

    #[track_caller]
    fn encoded(encoding: Encoding, format: ArrayFormat, claim: &str, expected: Option<&str>) {
        let headers = ClaimHeaders {
            headers: vec![ClaimHeader {
                header: HeaderName::new("x-claim").unwrap(),
                claims: vec![ClaimPlace::new("c").unwrap()],
                read_as: ReadAs::Text,
                format,
                encoding,
            }],
            ..ClaimHeaders::default()
        };
        let claims = Claims::parse(format!(r#"{{"c":{claim}}}"#).as_bytes()).unwrap();
        let values = headers.of_user(&UserClaims::verified(claims), "");
        assert_eq!(
            values.iter().next().map(|(_, value)| value),
            expected,
            "{claim}"
        );
    }

    #[test]
    fn values_weigh_their_text() {
        let values = [Some("four"), None, Some("é"), Some("")];
        let named = values.map(|value| (Rc::from("x-claim"), value.map(str::to_owned)));
        assert_eq!(HeaderValues::from_iter(named).bytes(), 6);
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
        for nothing in ["null", "\"\"", "[]", "[\"\"]", "[\"\",\"\"]"] {
            for format in [ArrayFormat::Comma, ArrayFormat::Space, ArrayFormat::Json] {
                rendered(format, nothing, None);
            }
        }
        rendered(ArrayFormat::Comma, r#"["","a"]"#, Some(",a"));
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
    fn a_value_with_white_space_at_an_edge_is_not_sent() {
        for space in [" ", "\u{a0}", "\u{2003}", "\u{3000}", "\u{feff}"] {
            for text in [
                format!("{space}admin"),
                format!("admin{space}"),
                space.to_owned(),
            ] {
                for encoding in [Encoding::Utf8, Encoding::Percent] {
                    encoded(encoding, ArrayFormat::Comma, &format!("\"{text}\""), None);
                }
            }
        }
        rendered(ArrayFormat::Comma, "\"ad\u{a0}min\"", Some("ad\u{a0}min"));
    }

    #[test]
    fn white_space_at_the_edges_of_elements_is_encoded() {
        let groups = "[\" admin \",\"a b\",\" \",\"\u{3000}x\"]";
        rendered(
            ArrayFormat::Comma,
            groups,
            Some("%20admin%20,a b,%20,%E3%80%80x"),
        );
        rendered(
            ArrayFormat::Space,
            groups,
            Some("%20admin%20 a%20b %20 %E3%80%80x"),
        );
        let inside = "[\"x\u{a0}admin\",\"y\u{3000}z\"]";
        let (kept, encoded) = ("x\u{a0}admin,y\u{3000}z", "x%C2%A0admin y%E3%80%80z");
        rendered(ArrayFormat::Comma, inside, Some(kept));
        rendered(ArrayFormat::Space, inside, Some(encoded));
        // An empty one would leave the separator at the edge.
        rendered(ArrayFormat::Space, r#"["","a"]"#, None);
        rendered(ArrayFormat::Space, r#"["a","","b"]"#, Some("a  b"));
        rendered(ArrayFormat::Comma, r#"["\n","a"]"#, None);
    }

    #[test]
    fn percent_encoding_leaves_ascii_and_happens_once() {
        let percent =
            |format, claim, expected| encoded(Encoding::Percent, format, claim, Some(expected));
        percent(ArrayFormat::Comma, "\"José, 5%\"", "Jos%C3%A9, 5%25");
        percent(
            ArrayFormat::Comma,
            r#"["é,%","a b "]"#,
            "%C3%A9%2C%25,a b%20",
        );
        percent(ArrayFormat::Space, r#"["é %"]"#, "%C3%A9%20%25");
        percent(ArrayFormat::Json, r#"["é","5%"]"#, r#"["%C3%A9","5%25"]"#);
        percent(ArrayFormat::Comma, r#"{"東":1}"#, r#"{"%E6%9D%B1":1}"#);
        percent(ArrayFormat::Comma, "12.50", "12.50");
        encoded(Encoding::Percent, ArrayFormat::Comma, r#""a\u0085b""#, None);
    }

    #[test]
    fn a_claim_that_cannot_be_sent_is_passed_over() {
        let mut headers = ClaimHeaders {
            headers: vec![ClaimHeader {
                header: HeaderName::new("x-name").unwrap(),
                claims: ["a", "b"]
                    .iter()
                    .filter_map(|name| ClaimPlace::new(name))
                    .collect(),
                read_as: ReadAs::Text,
                format: ArrayFormat::Comma,
                encoding: Encoding::Utf8,
            }],
            ..ClaimHeaders::default()
        };
        let claims = Claims::parse(br#"{"a":" x","b":"y"}"#).unwrap();
        let value = |headers: &ClaimHeaders| headers.headers[0].value(&claims);
        assert_eq!(value(&headers).as_deref(), Some("y"));
        headers.headers[0].claims.pop();
        assert_eq!(value(&headers), None);
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
                read_as: ReadAs::Text,
                format: ArrayFormat::Comma,
                encoding: Encoding::Utf8,
            }],
            payload: Some(HeaderName::new("x-payload").unwrap()),
            ..ClaimHeaders::default()
        };
        let claims = Claims::parse(br#"{"cognito:username":"","username":"ann"}"#).unwrap();
        let values = headers.of_user(&UserClaims::verified(claims), "e30");
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (&**name, value))
            .collect();
        assert_eq!(values, [("x-username", "ann"), ("x-payload", "e30")]);
    }
}
