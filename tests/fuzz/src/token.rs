//! A compact token, read a second time from the documentation.

use std::fmt;

use cognito_authorizer::refusal::Reason;
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::base64url;

/// The members of an object, each as often as it stands there.
pub(crate) struct Members(pub(crate) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        reader.deserialize_map(Pairs)
    }
}

impl Members {
    fn read(text: &[u8]) -> Option<Self> {
        let members: Self = serde_json::from_slice(text).ok()?;
        let mut names: Vec<_> = members.0.iter().map(|(name, _)| name).collect();
        names.sort();
        names
            .windows(2)
            .all(|pair| pair[0] != pair[1])
            .then_some(members)
    }

    fn get(&self, wanted: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    }
}

/// Three lines are the three parts, decoded; anything else is a token as it is.
fn compact(data: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
    match lines.as_slice() {
        [_, _, _] => {
            let parts: Vec<_> = lines.iter().map(|part| base64url::encode(part)).collect();
            parts.join(".").into_bytes()
        }
        _ => data.to_vec(),
    }
}

const TWO_TO_THE_53: f64 = 9_007_199_254_740_992.0;

struct Read {
    kid: String,
    subject: Option<String>,
}

fn read(compact: &[u8]) -> Result<Read, Reason> {
    let malformed = Reason::MalformedToken;
    let parts: Vec<_> = compact.split(|byte| *byte == b'.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(malformed);
    };
    let header = base64url::decode(header).ok_or(malformed)?;
    let payload = base64url::decode(payload).ok_or(malformed)?;
    base64url::decode(signature).ok_or(malformed)?;
    let header = Members::read(&header).ok_or(malformed)?;
    if header.get("alg") != Some(&Value::from("RS256")) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    let kid = header.get("kid").and_then(Value::as_str).ok_or(malformed)?;
    if header.get("crit").is_some() {
        return Err(malformed);
    }
    let payload = Members::read(&payload).ok_or(malformed)?;
    for name in ["exp", "nbf", "iat", "auth_time"] {
        let time = payload
            .get(name)
            .map(|time| time.is_number().then(|| time.as_f64()));
        let in_range = |seconds: &f64| (0.0..=TWO_TO_THE_53).contains(seconds);
        if time.is_some_and(|time| !time.flatten().as_ref().is_some_and(in_range)) {
            return Err(malformed);
        }
    }
    let subject = payload.get("sub").and_then(Value::as_str);
    Ok(Read {
        kid: kid.to_owned(),
        subject: subject.map(str::to_owned),
    })
}

/// The token is taken apart, or refused, as the documentation has it.
pub fn token(data: &[u8]) {
    let compact = compact(data);
    match (
        UntrustedToken::parse(&compact, &KnownHeaders::default(), &mut ()),
        read(&compact),
    ) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found.unverified_key_id(), expected.kid);
            assert_eq!(
                found.unverified_claims().subject(),
                expected.subject.as_deref()
            );
            let dot = compact.iter().rposition(|byte| *byte == b'.').unwrap();
            assert_eq!(found.signing_input(), &compact[..dot]);
            assert!(
                found
                    .signing_input()
                    .ends_with(format!(".{}", found.payload()).as_bytes())
            );
        }
        (Err(found), Err(expected)) => assert_eq!(found, expected, "{}", compact.escape_ascii()),
        (found, expected) => panic!(
            "found {:?}, expected {:?} for {}",
            found.map(drop),
            expected.map(drop),
            compact.escape_ascii()
        ),
    }
}
