//! What the refused are told: the same few words for every cause that an attacker could learn from.

mod api_gateway;

use crate::header::HeaderName;
use crate::json;
use crate::percent;
use crate::refusal::{ApiKind, AuthorizerCause, Reason, Refusal};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Whose manners the replies have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// RFC 6750 and RFC 9470: `www-authenticate` says what is wanted.
    #[default]
    Rfc6750,
    /// A REST API's Cognito authorizer: `x-amzn-errortype`, and 401 for a missing scope.
    ApiGateway,
}

/// The kinds of reply that can be overridden, after API Gateway's gateway responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// `unauthorized`: no token, a bad or revoked one, a stale sign-in.
    Unauthorized,
    /// `expired_token`.
    ExpiredToken,
    /// `access_denied`: group, claim, rule, AWS principal, and the scope in RFC style.
    AccessDenied,
    /// `authorizer_failure`: the keys, what has been revoked, or an authorizer's answer are not to be
    /// had.
    AuthorizerFailure,
    /// `authorizer_configuration_error`: an authorizer failed, or its answer is none.
    AuthorizerConfigurationError,
    /// `bad_request`: an unsafe path or method.
    BadRequest,
}

impl ReplyKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Unauthorized,
        Self::ExpiredToken,
        Self::AccessDenied,
        Self::AuthorizerFailure,
        Self::AuthorizerConfigurationError,
        Self::BadRequest,
    ];

    /// The name under which the kind is configured.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::ExpiredToken => "expired_token",
            Self::AccessDenied => "access_denied",
            Self::AuthorizerFailure => "authorizer_failure",
            Self::AuthorizerConfigurationError => "authorizer_configuration_error",
            Self::BadRequest => "bad_request",
        }
    }

    /// `$context.error.responseType`.
    const fn response_type(self) -> &'static str {
        match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::ExpiredToken => "EXPIRED_TOKEN",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::AuthorizerFailure => "AUTHORIZER_FAILURE",
            Self::AuthorizerConfigurationError => "AUTHORIZER_CONFIGURATION_ERROR",
            Self::BadRequest => "BAD_REQUEST",
        }
    }
}

/// What replaces the default of one kind; what is not given keeps it.
#[derive(Clone, Debug, Default)]
pub struct Override {
    /// Another status, 300 to 599.
    pub status: Option<u16>,
    /// Headers that replace ours; an empty value takes one away.
    pub headers: Vec<(HeaderName, Template)>,
    /// Another body.
    pub body: Option<Template>,
    /// What besides replaces the reply to a browser that shows a page.
    pub navigation: Option<Box<Override>>,
}

/// How refusals are answered.
#[derive(Clone, Debug, Default)]
pub struct Responses {
    /// Whose manners.
    pub style: Style,
    /// What replaces the default of `unauthorized`.
    pub unauthorized: Override,
    /// What replaces the default of `expired_token`.
    pub expired_token: Override,
    /// What replaces the default of `access_denied`.
    pub access_denied: Override,
    /// What replaces the default of `authorizer_failure`.
    pub authorizer_failure: Override,
    /// What replaces the default of `authorizer_configuration_error`.
    pub authorizer_configuration_error: Override,
    /// What replaces the default of `bad_request`.
    pub bad_request: Override,
}

/// What a reply says of the request, beside the refusal.
#[derive(Clone, Debug, Default)]
pub struct Occasion<'a> {
    /// The request's id.
    pub request_id: Option<&'a [u8]>,
    /// The protected resource that it is for.
    pub resource: Option<ResourceHint<'a>>,
    /// Who asks.
    pub client: Client,
    /// What was asked for.
    pub uri: RequestUri<'a>,
}

/// Who asks, as far as replies differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// A program: also a page's script.
    #[default]
    Program,
    /// A browser that would show the answer as a page.
    Browser,
}

/// What was asked for, in the client's own words.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestUri<'a> {
    /// `:scheme`.
    pub scheme: Option<&'a [u8]>,
    /// `:authority`.
    pub authority: Option<&'a [u8]>,
    /// `:path`, with its query, but for the parameters in which tokens are looked for.
    pub path: Option<&'a [u8]>,
}

/// The longest value of `$context.requestUri` and `$context.path`: what servers are asked to take of
/// a URI (RFC 9110, section 4.1), and well below Envoy's limit for headers.
pub const MAX_URI_BYTES: usize = 8192;

impl RequestUri<'_> {
    /// `$context.requestUri`; `None` if it is not known, too long, or of another scheme than HTTP has.
    fn whole(self) -> Option<String> {
        let scheme = self.scheme.unwrap_or(b"https");
        // A client of HTTP/2 says what it likes, and a login page would go to `javascript:`.
        let mut known = [&b"https"[..], b"http"].into_iter();
        known.find(|known| scheme.eq_ignore_ascii_case(known))?;
        component(&[scheme, b"://", self.authority?, self.path?].concat())
    }

    /// `$context.path`, likewise.
    fn path(self) -> Option<String> {
        component(self.path?)
    }
}

/// Bytes as one component of a query.
fn component(bytes: &[u8]) -> Option<String> {
    // No escape makes it shorter.
    if bytes.len() > MAX_URI_BYTES {
        return None;
    }
    let escaped = percent::encoded(bytes, percent::is_unreserved);
    (escaped.len() <= MAX_URI_BYTES).then_some(escaped)
}

/// What a client is told of a protected resource, so that it can get the token that is wanted.
#[derive(Clone, Debug)]
pub struct ResourceHint<'a> {
    /// Where the resource's metadata stands.
    pub metadata_url: &'a str,
    /// The scopes that the rule asks for.
    pub scopes: Vec<&'a str>,
}

impl ResourceHint<'_> {
    /// The challenge with `resource_metadata` (RFC 9728, section 5.1), and in a 401 the scopes. A
    /// challenge for a scope has its own.
    fn complete(&self, challenge: Cow<'static, str>, status: u16) -> String {
        let separator = match challenge.contains(' ') {
            true => ",",
            false => "",
        };
        let scope = match status == 401 && !self.scopes.is_empty() {
            true => format!(r#", scope="{}""#, self.scopes.join(" ")),
            false => String::new(),
        };
        let url = self.metadata_url;
        format!(r#"{challenge}{separator} resource_metadata="{url}"{scope}"#)
    }
}

/// A reply, ready to be sent instead of forwarding the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, each name once.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The body; never empty unless an override says so, be it by its status.
    pub body: Cow<'static, str>,
}

/// What a cache may keep although nothing says so (RFC 9110, section 15.1), of what a refusal may
/// be: it would go on refusing requests with a good token.
const CACHED_UNASKED: [u16; 6] = [301, 308, 404, 405, 410, 414];
const CACHE_CONTROL: &str = "cache-control";

/// The status that never has a body (RFC 9110, section 15.4.5).
pub const NOT_MODIFIED: u16 = 304;

impl Responses {
    /// Whether the reply depends on the request, or would repeat something of it.
    #[must_use]
    pub fn looks_at_request(&self, refusal: &Refusal) -> bool {
        let kind = self.style.kind(refusal);
        let changed = self.overriding(kind);
        let headers = changed.headers.iter().map(|(_, value)| value);
        self.navigation(kind, refusal).is_some()
            || headers.chain(&changed.body).any(|template| {
                let mut parts = template.0.iter();
                parts.any(|part| matches!(part, Part::RequestId | Part::RequestUri | Part::Path))
            })
    }

    /// Whether the reply has a challenge, which says more if the resource is known.
    #[must_use]
    pub fn challenges(&self, refusal: &Refusal) -> bool {
        self.style == Style::Rfc6750 && challenge(refusal).is_some()
    }

    /// The reply to a refusal.
    #[must_use]
    pub fn reply(&self, refusal: &Refusal, occasion: &Occasion<'_>) -> Reply {
        let kind = self.style.kind(refusal);
        let reply = self.style.reply(kind, refusal, occasion);
        let fill =
            |template: &Template| template.fill(kind, self.style.message(kind, refusal), occasion);
        // What cannot be filled in leaves the reply as it was.
        let usual = self.overriding(kind).changed(&reply, fill).unwrap_or(reply);
        let navigation = match occasion.client {
            Client::Browser => self.navigation(kind, refusal),
            Client::Program => None,
        };
        let page = navigation.and_then(|navigation| {
            let mut page = usual.clone();
            // The same URL has another answer for scripts, and for whoever has signed in since.
            page.set(CACHE_CONTROL, "no-store");
            page.set("vary", "sec-fetch-mode, accept");
            navigation.changed(&page, fill)
        });
        page.unwrap_or(usual)
    }

    /// What a browser that shows a page is told instead. Who is sent to sign in without a token is sent
    /// there with an expired one, too.
    fn navigation(&self, kind: ReplyKind, refusal: &Refusal) -> Option<&Override> {
        let own = self.overriding(kind).navigation.as_deref();
        match (kind, refusal) {
            // A REST API's 401 for somebody who has signed in: doing so again brings the same scopes, and
            // the browser back, for ever.
            (ReplyKind::Unauthorized, Refusal::InsufficientScope(_)) => None,
            (ReplyKind::ExpiredToken, _) => own.or(self.unauthorized.navigation.as_deref()),
            _ => own,
        }
    }

    const fn overriding(&self, kind: ReplyKind) -> &Override {
        match kind {
            ReplyKind::Unauthorized => &self.unauthorized,
            ReplyKind::ExpiredToken => &self.expired_token,
            ReplyKind::AccessDenied => &self.access_denied,
            ReplyKind::AuthorizerFailure => &self.authorizer_failure,
            ReplyKind::AuthorizerConfigurationError => &self.authorizer_configuration_error,
            ReplyKind::BadRequest => &self.bad_request,
        }
    }
}

impl Override {
    /// The reply with what replaces it; `None` if that cannot be filled in.
    fn changed(&self, usual: &Reply, fill: impl Fn(&Template) -> Option<String>) -> Option<Reply> {
        let mut reply = usual.clone();
        if let Some(status) = self.status {
            reply.status = status;
        }
        if CACHED_UNASKED.contains(&reply.status) {
            reply.set(CACHE_CONTROL, "no-store");
        }
        if let Some(body) = &self.body {
            reply.body = fill(body)?.into();
        }
        if reply.status == NOT_MODIFIED {
            reply.body = Cow::Borrowed("");
            reply.headers.retain(|(ours, _)| ours != "content-type");
        }
        for (name, value) in &self.headers {
            reply.headers.retain(|(ours, _)| ours != name.as_str());
            let value = fill(value)?;
            if !value.is_empty() {
                reply
                    .headers
                    .push((name.as_str().to_owned().into(), value.into()));
            }
        }
        Some(reply)
    }
}

impl Reply {
    fn set(&mut self, name: &'static str, value: &'static str) {
        self.headers.retain(|(ours, _)| ours != name);
        self.headers.push((name.into(), value.into()));
    }
}

impl Style {
    const fn kind(self, refusal: &Refusal) -> ReplyKind {
        match refusal.reason() {
            Reason::MissingToken
            | Reason::MultipleTokens
            | Reason::MalformedToken
            | Reason::TokenTooLarge
            | Reason::UnsupportedAlgorithm
            | Reason::UnknownIssuer
            | Reason::TokenNotYetValid
            | Reason::WrongTokenUse
            | Reason::WrongClient
            | Reason::WrongAudience
            | Reason::UnknownKey
            | Reason::InvalidSignature
            | Reason::TokenRevoked
            | Reason::StaleAuthentication
            | Reason::MissingIdentity => ReplyKind::Unauthorized,
            // In place of a REST API an authorizer may say so, in place of an HTTP API it then
            // failed.
            Reason::AuthorizerUnauthorized => match (self, refusal) {
                (Self::ApiGateway, Refusal::Authorizer(ApiKind::Http, _)) => {
                    ReplyKind::AuthorizerConfigurationError
                }
                _ => ReplyKind::Unauthorized,
            },
            Reason::TokenExpired => ReplyKind::ExpiredToken,
            // A REST API's Cognito authorizer answers 401 when no scope of the method matches.
            Reason::InsufficientScope => match self {
                Self::Rfc6750 => ReplyKind::AccessDenied,
                Self::ApiGateway => ReplyKind::Unauthorized,
            },
            Reason::InsufficientGroup
            | Reason::ClaimMismatch
            | Reason::DeniedByRule
            | Reason::WrongPrincipal
            | Reason::AuthorizerDenied => ReplyKind::AccessDenied,
            Reason::UnsafePath | Reason::UnsafeMethod => ReplyKind::BadRequest,
            Reason::KeysUnavailable | Reason::RevocationUnknown | Reason::AuthorizerUnavailable => {
                ReplyKind::AuthorizerFailure
            }
            Reason::AuthorizerFailed => ReplyKind::AuthorizerConfigurationError,
        }
    }

    /// `$context.error.message`; `None` where API Gateway writes `null`.
    const fn message(self, kind: ReplyKind, refusal: &Refusal) -> Option<&'static str> {
        if let (Self::ApiGateway, Refusal::Authorizer(api, cause)) = (self, refusal) {
            return api_gateway::reply(*api, *cause).message;
        }
        Some(match (self, kind) {
            (_, ReplyKind::Unauthorized) => "Unauthorized",
            (_, ReplyKind::ExpiredToken) => "The incoming token has expired",
            (Self::Rfc6750, ReplyKind::AccessDenied) => "Forbidden",
            (Self::ApiGateway, ReplyKind::AccessDenied) => {
                "User is not authorized to access this resource"
            }
            (_, ReplyKind::AuthorizerFailure) => "Service Unavailable",
            (_, ReplyKind::AuthorizerConfigurationError) => "Internal Server Error",
            (_, ReplyKind::BadRequest) => "Bad Request",
        })
    }

    fn reply(self, kind: ReplyKind, refusal: &Refusal, occasion: &Occasion<'_>) -> Reply {
        let (status, error_type) = match kind {
            ReplyKind::Unauthorized | ReplyKind::ExpiredToken => (401, "UnauthorizedException"),
            ReplyKind::AccessDenied => (403, "AccessDeniedException"),
            ReplyKind::AuthorizerFailure => (503, "ServiceUnavailableException"),
            ReplyKind::AuthorizerConfigurationError => (500, "AuthorizerConfigurationException"),
            ReplyKind::BadRequest => (400, "BadRequestException"),
        };
        let message = self.message(kind, refusal);
        let (status, error_type, body) = match (self, refusal) {
            (Self::ApiGateway, Refusal::Authorizer(api, cause)) => {
                let words = api_gateway::reply(*api, *cause);
                (words.status, words.error_type, words.body())
            }
            // API Gateway writes this one member with a capital letter.
            (Self::ApiGateway, _) if kind == ReplyKind::AccessDenied => {
                (status, Some(error_type), body("Message", message))
            }
            _ => (status, Some(error_type), body("message", message)),
        };
        let mut headers = vec![("content-type".into(), "application/json".into())];
        match self {
            Self::ApiGateway => headers.extend(
                error_type.map(|error_type| ("x-amzn-errortype".into(), error_type.into())),
            ),
            Self::Rfc6750 => {
                let challenge = challenge(refusal).map(|challenge| match &occasion.resource {
                    Some(resource) => resource.complete(challenge, status).into(),
                    None => challenge,
                });
                headers.extend(challenge.map(|challenge| ("www-authenticate".into(), challenge)));
            }
        }
        if let Refusal::KeysUnavailable(after)
        | Refusal::RevocationUnknown(after)
        | Refusal::Authorizer(
            _,
            AuthorizerCause::TimedOut(after) | AuthorizerCause::Unreachable(after),
        ) = refusal
        {
            // Rounded up: a client that comes back early would only be refused again.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            headers.push(("retry-after".into(), seconds.to_string().into()));
        }
        Reply {
            status,
            headers,
            body: body.into(),
        }
    }
}

/// A reply's body.
fn body(member: &str, message: Option<&str>) -> String {
    format!(r#"{{"{member}":{}}}"#, message_string(message))
}

/// `$context.error.messageString`.
fn message_string(message: Option<&str>) -> String {
    message.map_or_else(|| "null".to_owned(), json_string)
}

/// The `www-authenticate` of RFC 6750, section 3, and RFC 9470, section 3.
fn challenge(refusal: &Refusal) -> Option<Cow<'static, str>> {
    match refusal {
        Refusal::InsufficientScope(scopes) => {
            const ERROR: &str = r#"Bearer error="insufficient_scope""#;
            // RFC 6750, section 3: `scope` names one at least. A token with a scope that is not to be
            // there lacks none.
            Some(match scopes.is_empty() {
                true => ERROR.into(),
                false => format!(r#"{ERROR}, scope="{}""#, scopes.join(" ")).into(),
            })
        }
        Refusal::StaleAuthentication(age) => Some(
            format!(
                r#"Bearer error="insufficient_user_authentication", max_age="{}""#,
                age.as_secs()
            )
            .into(),
        ),
        Refusal::KeysUnavailable(_) | Refusal::RevocationUnknown(_) | Refusal::Authorizer(_, _) => {
            None
        }
        Refusal::Plain(reason) => match reason {
            // RFC 6750, section 3.1: no error code where there were no credentials.
            Reason::MissingToken => Some("Bearer".into()),
            Reason::TokenExpired => Some(
                r#"Bearer error="invalid_token", error_description="the token has expired""#.into(),
            ),
            Reason::InsufficientGroup
            | Reason::ClaimMismatch
            | Reason::DeniedByRule
            | Reason::WrongPrincipal
            | Reason::UnsafePath
            | Reason::UnsafeMethod
            | Reason::KeysUnavailable
            | Reason::RevocationUnknown
            | Reason::InsufficientScope
            | Reason::StaleAuthentication
            | Reason::MissingIdentity
            | Reason::AuthorizerUnauthorized
            | Reason::AuthorizerDenied
            | Reason::AuthorizerFailed
            | Reason::AuthorizerUnavailable => None,
            Reason::MultipleTokens
            | Reason::MalformedToken
            | Reason::TokenTooLarge
            | Reason::UnsupportedAlgorithm
            | Reason::UnknownIssuer
            | Reason::TokenNotYetValid
            | Reason::WrongTokenUse
            | Reason::WrongClient
            | Reason::WrongAudience
            | Reason::UnknownKey
            | Reason::TokenRevoked
            | Reason::InvalidSignature => Some(
                r#"Bearer error="invalid_token", error_description="the token is not valid""#
                    .into(),
            ),
        },
    }
}

/// A body, or a header's value, with variables in it, after API Gateway's gateway responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Message,
    MessageString,
    ResponseType,
    RequestId,
    RequestUri,
    Path,
}

/// A variable that there is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable(String);

impl fmt::Display for UnknownVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "found ${}; expected $context.error.message, $context.error.messageString, $context.error.responseType, $context.requestId, $context.requestUri or $context.path",
            self.0
        )
    }
}

impl Template {
    /// Reads a text; a `$` before a letter begins a variable.
    ///
    /// # Errors
    /// A variable that there is not.
    pub fn new(text: &str) -> Result<Self, UnknownVariable> {
        let mut parts = Vec::new();
        let mut pieces = text.split('$');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            if !piece.starts_with(|first: char| first.is_ascii_alphabetic()) {
                text.push('$');
                text.push_str(piece);
                continue;
            }
            let end = piece
                .find(|character: char| !character.is_ascii_alphanumeric() && character != '.')
                .unwrap_or(piece.len());
            let (name, rest) = piece.split_at_checked(end).unwrap_or((piece, ""));
            // A full stop that ends a sentence is not the variable's.
            let bare = name.trim_end_matches('.');
            let part = match bare {
                "context.error.message" => Part::Message,
                "context.error.messageString" => Part::MessageString,
                "context.error.responseType" => Part::ResponseType,
                "context.requestId" => Part::RequestId,
                "context.requestUri" => Part::RequestUri,
                "context.path" => Part::Path,
                _ => return Err(UnknownVariable(bare.to_owned())),
            };
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(part);
            text.push_str(name.strip_prefix(bare).unwrap_or_default());
            text.push_str(rest);
        }
        parts.push(Part::Text(text));
        Ok(Self(parts))
    }

    /// `None` if a variable has no value, or too long a one.
    fn fill(
        &self,
        kind: ReplyKind,
        message: Option<&str>,
        occasion: &Occasion<'_>,
    ) -> Option<String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Message => {
                    filled.push_str(json_string(message.unwrap_or_default()).trim_matches('"'));
                }
                Part::MessageString => filled.push_str(&message_string(message)),
                Part::ResponseType => filled.push_str(kind.response_type()),
                Part::RequestId => filled.push_str(occasion.request_id.map_or("", harmless_id)),
                Part::RequestUri => filled.push_str(&occasion.uri.whole()?),
                Part::Path => filled.push_str(&occasion.uri.path()?),
            }
        }
        Some(filled)
    }
}

fn json_string(text: &str) -> String {
    json::text(&Value::from(text))
}

/// The id comes from the client if Envoy is told to keep it: nothing that could leave a JSON
/// string, or fill a page, is repeated.
fn harmless_id(id: &[u8]) -> &str {
    const LONGEST: usize = 64;
    let harmless = (1..=LONGEST).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if harmless {
        std::str::from_utf8(id).unwrap_or_default()
    } else {
        ""
    }
}

#[cfg(test)]
mod tests;
