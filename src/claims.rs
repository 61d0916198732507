//! The claims of a token: the members of its payload, with the ones that decide given their types.
//!
//! Reading claims proves nothing about where they come from. A [`Claims`] that came out of an
//! [`UntrustedToken`](crate::token::UntrustedToken) is an assertion by a stranger; only inside a
//! [`Verified`](crate::verify::Verified) is it the user pool's word.

mod list;
mod place;

use crate::json::{self, Part};
use crate::refusal::Reason;
use crate::time::Timestamp;
pub use list::{Found, MAX_LIST_BYTES, ReadAs};
pub use place::{ClaimPlace, MAX_WILDCARDS, PointerStep};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Range;

/// What a Cognito token is for (`token_use`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// Is about the user; its app client is the `aud`.
    Id,
    /// Says what the bearer may do; its app client is the `client_id`.
    Access,
}

/// The payload of a token.
///
/// Names and strings stay where they stand in the payload, but for those with escapes: otherwise a
/// token of thirty members would be sixty allocations.
#[derive(Debug)]
pub struct Claims {
    payload: Box<str>,
    members: Vec<Member>,
    expires: Option<Timestamp>,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    authenticated_at: Option<Timestamp>,
    token_use: Option<TokenUse>,
}

/// Claims about a user or an app client, which a user pool has signed.
///
/// Only [`verify`](crate::verify) makes these two, and neither of the other: what tells an upstream
/// of a user takes the one, what tells it of an AWS principal the other, so that an ARN never becomes
/// a user's `sub`.
#[derive(Debug)]
pub struct UserClaims(Claims);

/// Claims about an AWS principal, which an account has signed.
#[derive(Debug)]
pub struct PrincipalClaims(Claims);

impl UserClaims {
    pub(crate) const fn verified(claims: Claims) -> Self {
        Self(claims)
    }

    /// What is common to all claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.0
    }
}

impl PrincipalClaims {
    pub(crate) const fn verified(claims: Claims) -> Self {
        Self(claims)
    }

    /// What is common to all claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.0
    }

    /// The principal's ARN.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.0.subject()
    }
}

#[derive(Debug)]
struct Member {
    name: Text,
    value: Stored,
}

#[derive(Debug)]
enum Stored {
    Text(Text),
    Other(Value),
}

#[derive(Debug)]
enum Text {
    /// In the payload.
    Within(Range<usize>),
    /// With its escapes resolved.
    Resolved(String),
}

/// One claim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim<'a> {
    /// A string.
    Text(&'a str),
    /// Anything else.
    Other(&'a Value),
}

impl<'a> From<&'a Value> for Claim<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            other => Self::Other(other),
        }
    }
}

impl From<Claim<'_>> for Value {
    fn from(claim: Claim<'_>) -> Self {
        match claim {
            Claim::Text(text) => Self::String(text.to_owned()),
            Claim::Other(value) => value.clone(),
        }
    }
}

impl<'a> Claim<'a> {
    /// The elements of a claim that is an array.
    #[must_use]
    pub fn elements(self) -> Option<&'a [Value]> {
        match self {
            Self::Other(Value::Array(elements)) => Some(elements),
            Self::Text(_) | Self::Other(_) => None,
        }
    }

    /// Whether it is anything but `null`, `""` and `[]`, which are as if the claim were not there.
    #[must_use]
    pub fn says_something(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Other(Value::Null) => false,
            Self::Other(Value::Array(elements)) => !elements.is_empty(),
            Self::Other(_) => true,
        }
    }

    /// A scalar as text: strings as they are, numbers as the token wrote them (an exponent with its
    /// sign), booleans as words.
    #[must_use]
    pub fn scalar_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Other(Value::Number(number)) => Some(number.to_string().into()),
            Self::Other(Value::Bool(true)) => Some("true".into()),
            Self::Other(Value::Bool(false)) => Some("false".into()),
            Self::Other(_) => None,
        }
    }
}

impl Claims {
    /// Reads a payload: one JSON object, no top-level name twice, every time a number in
    /// `0..=2^53`.
    ///
    /// # Errors
    /// [`Reason::MalformedToken`].
    pub fn parse(payload: impl Into<Vec<u8>>) -> Result<Self, Reason> {
        let malformed = Reason::MalformedToken;
        let payload = String::from_utf8(payload.into()).map_err(|_| malformed)?;
        let payload = payload.into_boxed_str();
        let members: Vec<Member> = json::members(&payload)
            .map_err(|_| malformed)?
            .into_iter()
            .map(|(name, value)| Member {
                name: Text::new(&payload, name),
                value: match value {
                    Part::Text(text) => Stored::Text(Text::new(&payload, text)),
                    Part::Other(value) => Stored::Other(value),
                },
            })
            .collect();
        let mut claims = Self {
            payload,
            members,
            expires: None,
            not_before: None,
            issued_at: None,
            authenticated_at: None,
            token_use: None,
        };
        claims.expires = claims.time("exp")?;
        claims.not_before = claims.time("nbf")?;
        claims.issued_at = claims.time("iat")?;
        claims.authenticated_at = claims.time("auth_time")?;
        claims.token_use = match claims.text("token_use") {
            Some("id") => Some(TokenUse::Id),
            Some("access") => Some(TokenUse::Access),
            _ => None,
        };
        Ok(claims)
    }

    /// How many bytes of memory they take, about: an array of small numbers has thirty times its
    /// text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let members = self.members.iter().map(|member| match &member.value {
            Stored::Text(Text::Within(_)) => 0,
            Stored::Text(Text::Resolved(text)) => json::allocated(text.len()),
            Stored::Other(value) => json::bytes(value),
        });
        members
            .fold(self.payload.len(), usize::saturating_add)
            .saturating_add(self.members.len().saturating_mul(size_of::<Member>()))
    }

    /// `iss`, if it is a string.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `exp` (RFC 7519, section 4.1.4).
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// `nbf` (RFC 7519, section 4.1.5).
    #[must_use]
    pub const fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// `iat` (RFC 7519, section 4.1.6).
    #[must_use]
    pub const fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// `auth_time`: when the user last signed in (OpenID Connect Core, section 2).
    #[must_use]
    pub const fn authenticated_at(&self) -> Option<Timestamp> {
        self.authenticated_at
    }

    /// `token_use`, if it is one of the two that authorise. A refresh token has none.
    #[must_use]
    pub const fn token_use(&self) -> Option<TokenUse> {
        self.token_use
    }

    /// The app clients that the token names: `aud` of an id token (a string or an array, of which
    /// the strings count), `client_id` of an access token.
    pub fn clients(&self, token_use: TokenUse) -> impl Iterator<Item = &str> {
        let (one, many) = match token_use {
            TokenUse::Access => (self.text("client_id"), None),
            TokenUse::Id => match self.audience() {
                Some(Claim::Text(audience)) => (Some(audience), None),
                audience => (None, audience.and_then(Claim::elements)),
            },
        };
        one.into_iter()
            .chain(many.unwrap_or_default().iter().filter_map(Value::as_str))
    }

    /// `aud`: a string, an array, or absent.
    #[must_use]
    pub fn audience(&self) -> Option<Claim<'_>> {
        self.named("aud")
    }

    /// `sub`, if it is a string.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// A member of the one claim in which STS says all about the caller, if it is a string: such as
    /// `aws_account`.
    #[must_use]
    pub fn sts(&self, member: &str) -> Option<&str> {
        match self.named(STS)? {
            Claim::Other(members) => members.get(member)?.as_str(),
            Claim::Text(_) => None,
        }
    }

    /// Whether STS says anything under this name.
    #[must_use]
    pub fn has_sts(&self, member: &str) -> bool {
        match self.named(STS) {
            Some(Claim::Other(members)) => members.get(member).is_some(),
            Some(Claim::Text(_)) | None => false,
        }
    }

    /// `jti`: the token's own id (RFC 7519, section 4.1.7).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `origin_jti`: the sign-in's id, which refreshed tokens keep. Only app clients with token
    /// revocation have it, which is the default of new ones.
    #[must_use]
    pub fn origin_id(&self) -> Option<&str> {
        self.text("origin_jti")
    }

    /// The scopes in the space-separated `scope`; none if it is anything but a string.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.text("scope")
            .unwrap_or_default()
            .split(' ')
            .filter(|scope| !scope.is_empty())
    }

    /// `scope`, whatever it is; none if it is empty.
    #[must_use]
    pub fn scope(&self) -> Option<Claim<'_>> {
        self.named("scope").filter(Claim::says_something)
    }

    /// `cognito:groups`, whatever it is; none if it is empty.
    #[must_use]
    pub fn groups(&self) -> Option<Claim<'_>> {
        self.named("cognito:groups").filter(Claim::says_something)
    }

    /// The claim at `place`; none if that may be several.
    #[must_use]
    pub fn get(&self, place: &ClaimPlace) -> Option<Claim<'_>> {
        let (first, steps) = place.parts();
        match (self.named(first)?, steps) {
            (claim, []) => Some(claim),
            (Claim::Other(value), steps) => list::one(value, steps).map(Claim::from),
            (Claim::Text(_), _) => None,
        }
    }

    fn named(&self, name: &str) -> Option<Claim<'_>> {
        let mut members = self.members.iter();
        let found = members.find(|member| member.name.is(name, &self.payload))?;
        Some(match &found.value {
            Stored::Text(text) => Claim::Text(text.of(&self.payload)),
            Stored::Other(value) => Claim::Other(value),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.named(name)? {
            Claim::Text(text) => Some(text),
            Claim::Other(_) => None,
        }
    }

    /// A time that is present but no number is an attempt to slip past a comparison: it is refused
    /// whether or not a check would have looked at it.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, Reason> {
        match self.named(name) {
            None => Ok(None),
            Some(Claim::Other(Value::Number(number))) => number
                .as_f64()
                .and_then(Timestamp::from_seconds)
                .map(Some)
                .ok_or(Reason::MalformedToken),
            Some(_) => Err(Reason::MalformedToken),
        }
    }
}

impl Text {
    /// What the reader left in the payload is found again by where it stands.
    fn new(payload: &str, text: Cow<'_, str>) -> Self {
        let place = |text: &str| {
            let start = text.as_ptr().addr().checked_sub(payload.as_ptr().addr())?;
            let place = start..start.checked_add(text.len())?;
            let found = payload.get(place.clone())?;
            std::ptr::eq(found, text).then_some(place)
        };
        match text {
            Cow::Borrowed(text) => {
                place(text).map_or_else(|| Self::Resolved(text.to_owned()), Self::Within)
            }
            Cow::Owned(text) => Self::Resolved(text),
        }
    }

    /// Most names differ in length already.
    fn is(&self, other: &str, payload: &str) -> bool {
        let length = match self {
            Self::Within(place) => place.len(),
            Self::Resolved(text) => text.len(),
        };
        length == other.len() && self.of(payload) == other
    }

    fn of<'a>(&'a self, payload: &'a str) -> &'a str {
        match self {
            Self::Within(place) => payload.get(place.clone()).unwrap_or_default(),
            Self::Resolved(text) => text,
        }
    }
}

/// The claim that holds what STS says about a caller, beside the registered ones.
pub const STS: &str = "https://sts.amazonaws.com/";

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(payload: &str) -> Claims {
        Claims::parse(payload.as_bytes()).unwrap()
    }

    #[test]
    fn times_are_numbers_or_the_token_is_malformed() {
        for name in ["exp", "nbf", "iat", "auth_time"] {
            for good in ["0", "1.5", "1700000000", "9007199254740992"] {
                assert!(Claims::parse(format!(r#"{{"{name}":{good}}}"#).as_bytes()).is_ok());
            }
            for bad in [
                "-1",
                "\"1\"",
                "null",
                "true",
                "[1]",
                "1e400",
                "9007199254740994",
            ] {
                let payload = format!(r#"{{"{name}":{bad}}}"#);
                assert_eq!(
                    Claims::parse(payload.as_bytes()).unwrap_err(),
                    Reason::MalformedToken,
                    "{payload}"
                );
            }
        }
    }

    #[test]
    fn the_app_client_is_where_the_token_use_says() {
        let both = claims(r#"{"aud":"a","client_id":"c"}"#);
        assert_eq!(both.clients(TokenUse::Id).collect::<Vec<_>>(), ["a"]);
        assert_eq!(both.clients(TokenUse::Access).collect::<Vec<_>>(), ["c"]);
        let array = claims(r#"{"aud":["a",1,"b"],"client_id":["c"]}"#);
        assert_eq!(array.clients(TokenUse::Id).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(array.clients(TokenUse::Access).count(), 0);
    }

    #[test]
    fn scopes_are_separated_by_spaces() {
        assert_eq!(
            claims(r#"{"scope":"a  b/c"}"#).scopes().collect::<Vec<_>>(),
            ["a", "b/c"]
        );
        assert_eq!(claims(r#"{"scope":["a"]}"#).scopes().count(), 0);
    }

    /// Beside what is allocated for a text with escapes and for an array, of which the code has its
    /// own measure.
    #[test]
    fn claims_weigh_their_payload_and_what_is_read_of_it() {
        let member = size_of::<Member>();
        for (payload, members, allocated) in [
            (r#"{}"#, 0, 0),
            (r#"{"sub":"a"}"#, 1, 0),
            (r#"{"sub":"a","b":"c"}"#, 2, 0),
            (r#"{"b":"\n"}"#, 1, json::allocated(1)),
        ] {
            let expected = payload.len() + members * member + allocated;
            assert_eq!(claims(payload).bytes(), expected, "{payload}");
        }
    }

    #[test]
    fn a_claim_is_a_value_again() {
        let claims = claims(r#"{"a":"t","b":[1,"x"]}"#);
        let value = |name| claims.get(&ClaimPlace::new(name).unwrap()).map(Value::from);
        assert_eq!(value("a"), Some(serde_json::json!("t")));
        assert_eq!(value("b"), Some(serde_json::json!([1, "x"])));
    }

    #[test]
    fn a_claim_is_found_by_name_or_pointer() {
        let claims = claims(r#"{"a":{"b/c":[1,"x"]},"m~n":2,"/a":3,"":4}"#);
        let at = |place: &str| {
            claims
                .get(&ClaimPlace::new(place).unwrap())
                .and_then(Claim::scalar_text)
        };
        assert_eq!(at("/a/b~1c/1").as_deref(), Some("x"));
        assert_eq!(at("/m~0n").as_deref(), Some("2"));
        assert_eq!(at("/").as_deref(), Some("4"));
        assert_eq!(at("m~n").as_deref(), Some("2"));
        assert_eq!(at("/a/nothing"), None);
        assert_eq!(ClaimPlace::new(""), None);
        assert_eq!(ClaimPlace::new("/a~2"), None);
        assert_eq!(ClaimPlace::new("/a~"), None);
    }
}
