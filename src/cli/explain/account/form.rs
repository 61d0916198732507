//! The steps that take a token apart: its size, its three parts, its header, its payload.

use super::facts::Facts;
use super::safe::text;
use super::safe::{cut, quoted};
use super::step::Finding;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::claims::Claims;
use cognito_authorizer::json;
use cognito_authorizer::token::MAX_HEADER_CHARS;
use serde_json::{Value, json};

/// At most `token.max_bytes`.
pub(super) fn size(facts: &Facts<'_>) -> Finding {
    let (found, wanted) = (compact(facts).len(), facts.policy.token.max_bytes);
    Finding::either(
        found <= wanted,
        format!("{found} bytes; at most {wanted} are looked at"),
        format!("{found} bytes; expected at most {wanted} (token.max_bytes)"),
    )
    .found(found)
    .wanted(wanted)
}

fn compact<'i>(facts: &'i Facts<'_>) -> &'i [u8] {
    facts.compact.unwrap_or_default()
}

fn parts<'i>(facts: &'i Facts<'_>) -> Vec<&'i [u8]> {
    compact(facts).split(|byte| *byte == b'.').collect()
}

/// A part, decoded as the core decodes it.
fn decoded(facts: &Facts<'_>, part: usize) -> Option<Vec<u8>> {
    let part = *parts(facts).get(part)?;
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Three parts of strict base64url (RFC 7515, sections 2 and 7.1).
pub(super) fn form(facts: &Facts<'_>) -> Finding {
    let parts = parts(facts);
    let found = parts.len();
    let finding = match found {
        3 => {
            let names = ["header", "payload", "signature"].into_iter().zip(&parts);
            let mut broken = names.filter_map(|(name, part)| misspelled(name, part));
            match broken.next() {
                None => Finding::holds("three parts of base64url"),
                Some(cause) => Finding::failing(cause),
            }
        }
        5 => Finding::failing(
            "five parts: an encrypted token (JWE), as Cognito's refresh tokens are; expected three, of an id or access token",
        ),
        1 => Finding::failing("one part; expected a token: three parts between full stops"),
        _ => Finding::failing(format!("{found} parts; expected three between full stops")),
    };
    finding.found(found).wanted(3)
}

/// What is wrong with a part's base64url, if something is.
fn misspelled(name: &str, part: &[u8]) -> Option<String> {
    if URL_SAFE_NO_PAD.decode(part).is_ok() {
        return None;
    }
    let is = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let odd = part.iter().find(|byte| !is(byte));
    Some(match odd {
        Some(b'=') => {
            format!("the {name} is padded with \"=\"; expected base64url without padding")
        }
        Some(b'+' | b'/') => {
            format!(
                "the {name} is in the standard alphabet of base64; expected base64url, with \"-\" and \"_\""
            )
        }
        Some(byte) => format!(
            "the {name} has a character that base64url does not have, {}; expected letters, digits, \"-\" and \"_\"",
            quoted(&text(&[*byte]))
        ),
        None => format!(
            "the {name} ends in bits that stand for nothing, or is cut off; expected base64url in its one spelling"
        ),
    })
}

/// One JSON object with `alg` `RS256`, a string `kid` and no `crit`.
pub(super) fn header(facts: &Facts<'_>) -> Finding {
    let wanted = json!({"alg": "RS256", "kid": "a string", "crit": null});
    let length = parts(facts).first().map_or(0, |part| part.len());
    if length > MAX_HEADER_CHARS {
        let text = format!("{length} characters; expected at most {MAX_HEADER_CHARS}");
        return Finding::failing(text).wanted(wanted);
    }
    let members = match decoded(facts, 0).map(|header| json::object(&header)) {
        Some(Ok(members)) => members,
        Some(Err(error)) => {
            return Finding::failing(format!(
                "no JSON object, or not only one: {}",
                cut(&error.to_string())
            ))
            .wanted(wanted);
        }
        None => return Finding::failing("not base64url").wanted(wanted),
    };
    let member = |name: &str| {
        members
            .get(name)
            .map_or("nothing".to_owned(), |value| cut(&value.to_string()))
    };
    let (alg, kid) = (member("alg"), member("kid"));
    let own = ["jwk", "jku", "x5c", "x5u"]
        .into_iter()
        .filter(|name| members.contains_key(*name));
    let own: Vec<_> = own.collect();
    let ignored = match own.is_empty() {
        true => String::new(),
        false => format!(
            "; it brings key material of its own ({}), which is never used",
            own.join(", ")
        ),
    };
    let is_rs256 = members.get("alg").and_then(Value::as_str) == Some("RS256");
    let has_kid = members.get("kid").is_some_and(Value::is_string);
    let finding = match (is_rs256, has_kid, members.get("crit")) {
        (false, ..) => Finding::failing(format!("alg is {alg}; expected \"RS256\"")),
        (true, false, _) => Finding::failing(format!("kid is {kid}; expected the name of a key")),
        (true, true, Some(_)) => Finding::failing(
            "it has crit, extensions that must be understood (RFC 7515, section 4.1.11); expected none",
        ),
        (true, true, None) => Finding::holds(format!("alg {alg}, kid {kid}{ignored}")),
    };
    finding.found(Value::Object(members)).wanted(wanted)
}

/// One JSON object whose times are numbers.
pub(super) fn payload(facts: &Facts<'_>) -> Finding {
    let Some(payload) = decoded(facts, 1) else {
        return Finding::failing("not base64url");
    };
    let members = match json::object(&payload) {
        Ok(members) => members,
        Err(error) => {
            return Finding::failing(format!(
                "no JSON object, or not only one: {}",
                cut(&error.to_string())
            ));
        }
    };
    // Each time alone, put to the function that reads them all.
    let wrong = ["exp", "nbf", "iat", "auth_time"]
        .into_iter()
        .find_map(|name| {
            let value = members.get(name)?;
            let alone = json!({name: value}).to_string();
            let refused = Claims::parse(alone.as_bytes()).is_err();
            refused.then(|| {
                format!(
                    "{name} is {}; expected a number from 0 to 2^53",
                    cut(&value.to_string())
                )
            })
        });
    let count = members.len();
    let finding = match (wrong, Claims::parse(payload.as_slice())) {
        (Some(wrong), _) => Finding::failing(wrong),
        (None, Err(_)) => Finding::failing("claims that cannot be read"),
        (None, Ok(_)) => Finding::holds(match count {
            1 => "1 claim".to_owned(),
            _ => format!("{count} claims"),
        }),
    };
    finding.found(Value::Object(members))
}
