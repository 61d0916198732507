//! What stands in a token: header and claims, as far as they can be read at all.
//!
//! This reading is for the eye. It takes what the filter refuses (padding, the standard alphabet,
//! names that stand twice), so that there is something to see; whether the filter would take it is
//! asked of the filter.

use super::issuer;
use crate::endpoint::Issuer;
use crate::explain::safe::{safe, safe_json};
use crate::explain::{Secrets, instant, span};
use crate::pool::{self, Named, TokenUse};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cognito_authorizer::claims::STS;
use cognito_authorizer::json;
use cognito_authorizer::time::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// The two readable parts of a token, and the third.
pub(super) struct Contents {
    header: Part,
    payload: Part,
    parts: usize,
    signature: Option<usize>,
}

/// Who issued a token to whom.
pub(crate) struct Origin {
    pub(crate) pool: Named,
    pub(crate) issuer: Issuer,
    pub(crate) client: String,
    pub(crate) token_use: TokenUse,
}

/// A part of a token.
enum Part {
    /// Members in their order.
    Object(Vec<(String, Value)>),
    /// Something else, and what.
    Other(&'static str),
}

/// Claims that are times.
const TIMES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];

/// As lenient as can be.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Part {
    fn of(part: Option<&&str>) -> Self {
        let part = match part {
            None | Some(&"") => return Self::Other("nothing"),
            Some(part) => part.replace('+', "-").replace('/', "_"),
        };
        let Ok(bytes) = LENIENT.decode(part) else {
            return Self::Other("no base64");
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return Self::Other("no text");
        };
        if let Ok(members) = json::members(&text) {
            let members = members.into_iter();
            let members = members.map(|(name, value)| (name.into_owned(), value.into()));
            return Self::Object(members.collect());
        }
        match json::key_set(text.as_bytes()) {
            Ok(Value::Object(members)) => Self::Object(members.into_iter().collect()),
            Ok(_) => Self::Other("JSON, but no object"),
            Err(_) => Self::Other("no JSON"),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => {
                let mut members = members.iter();
                members
                    .find(|(found, _)| found == name)
                    .map(|(_, value)| value)
            }
            Self::Other(_) => None,
        }
    }
}

impl Contents {
    pub(super) fn of(compact: &str) -> Self {
        let parts: Vec<_> = compact.split('.').collect();
        Self {
            header: Part::of(parts.first()),
            payload: Part::of(parts.get(1)),
            parts: parts.len(),
            signature: parts.get(2).map(|part| part.chars().count()),
        }
    }

    /// A claim.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.payload.get(name)
    }

    /// A claim that is a time.
    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::from_seconds(self.claim(name)?.as_f64()?)
    }

    /// `iss`, if it is a text.
    pub(super) fn iss(&self) -> Option<&str> {
        self.claim("iss")?.as_str()
    }

    /// All that must not be shown of it: the signatures of tokens within the token.
    pub(super) fn secrets(&self, compact: &str) -> Secrets {
        let mut texts = vec![("authorization".to_owned(), compact.as_bytes().to_vec())];
        for part in [&self.header, &self.payload] {
            if let Part::Object(members) = part {
                let members = members.iter();
                texts.extend(
                    members.map(|(name, value)| {
                        ("x".to_owned(), format!("{name} {value}").into_bytes())
                    }),
                );
            }
        }
        Secrets::of(&texts)
    }

    /// Header and claims, for people.
    pub(super) fn told(&self, now: Timestamp) -> String {
        let mut text = String::new();
        self.part("Header", &self.header, now, &mut text);
        // Of an encrypted token there is no more to be seen.
        if self.parts != 5 {
            text.push('\n');
            self.part("Claims", &self.payload, now, &mut text);
        }
        if let (3, Some(signature)) = (self.parts, self.signature) {
            text.push_str(&format!(
                "\nSignature\n  {signature} characters, not shown\n"
            ));
        }
        text
    }

    fn part(&self, title: &str, part: &Part, now: Timestamp, text: &mut String) {
        text.push_str(&format!("{title}\n"));
        let members = match part {
            Part::Object(members) => members,
            Part::Other(what) => {
                text.push_str(&format!("  {what}\n"));
                return;
            }
        };
        let names = members.iter().map(|(name, _)| name.chars().count());
        // Names of Cognito's own; longer ones stand out.
        let width = names.max().unwrap_or_default().min(20);
        for (name, value) in members {
            text.push_str(&format!(
                "  {:width$}  {}\n",
                safe(name),
                safe_json(&json::text(value))
            ));
            if let Some(words) = self.words(title, name, value, now) {
                text.push_str(&format!("  {:width$}  {}\n", "", safe(&words)));
            }
        }
    }

    /// What a claim means, where that does not show.
    fn words(&self, title: &str, name: &str, value: &Value, now: Timestamp) -> Option<String> {
        if title != "Claims" {
            return None;
        }
        if name == "iss" {
            return Some(issuer::Issuer::of(value.as_str()?).told());
        }
        let time = Timestamp::from_seconds(value.as_f64()?).filter(|_| TIMES.contains(&name))?;
        let length = (time.seconds() - now.seconds()).abs();
        let length = span(Duration::try_from_secs_f64(length).unwrap_or_default());
        let words = match (name, time > now) {
            ("exp", true) => format!("for another {length}"),
            ("exp", false) => format!("expired {length} ago"),
            (_, true) => format!("{length} ahead"),
            (_, false) => format!("{length} ago"),
        };
        Some(format!("{}, {words}", instant(time)))
    }

    /// Who issued it to whom, if it is a token of a user pool.
    pub(super) fn origin(&self) -> Option<Origin> {
        // A replica is named by its ARN, of which the token tells no account.
        let (pool, issuer) = Named::of_issuer(self.iss()?).ok()?;
        let (token_use, client) = match self.claim("token_use")?.as_str()? {
            "id" => (TokenUse::Id, "aud"),
            "access" => (TokenUse::Access, "client_id"),
            _ => return None,
        };
        let client = pool::client(self.claim(client)?.as_str()?).ok()?;
        Some(Origin {
            pool,
            issuer,
            client,
            token_use,
        })
    }

    /// What a configuration says that admits it, if it is a token of a user pool.
    pub(super) fn configuration(&self) -> String {
        let Some(origin) = self.origin() else {
            return String::new();
        };
        let issuer = match origin.issuer {
            Issuer::Original => String::new(),
            other => format!("    issuer: {}\n", other.word()),
        };
        format!(
            "\nA configuration for it has\n  user_pools:\n  - user_pool_id: {}\n    client_ids: ['{}']\n{issuer}  token: {{use: {}}}\n",
            origin.pool.name,
            origin.client,
            origin.token_use.word()
        )
    }

    /// The number of the account that an AWS account's token names.
    pub(super) fn account(&self) -> Option<&str> {
        self.claim(STS)?.get("aws_account")?.as_str()
    }
}
