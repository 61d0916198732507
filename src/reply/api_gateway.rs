//! What API Gateway itself answers where a Lambda authorizer stands in the way: as captured of
//! REST APIs, and as documented of HTTP APIs, which say less.

use super::body;
use crate::refusal::{ApiKind, AuthorizerCause};

/// A reply, as API Gateway words it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) status: u16,
    /// `x-amzn-errortype`.
    pub(super) error_type: Option<&'static str>,
    /// `$context.error.message`; `None` where there is none.
    pub(super) message: Option<&'static str>,
    body: Body,
}

/// How the message stands in the body.
#[derive(Clone, Copy, Debug)]
enum Body {
    Member(&'static str),
    /// To the letter: with a space.
    Spaced,
}

impl Words {
    pub(super) fn body(self) -> String {
        match self.body {
            Body::Member(name) => body(name, self.message),
            Body::Spaced => r#"{"message": "Internal server error"}"#.to_owned(),
        }
    }
}

const fn words(
    status: u16,
    error_type: Option<&'static str>,
    message: Option<&'static str>,
    body: Body,
) -> Words {
    Words {
        status,
        error_type,
        message,
        body,
    }
}

/// The reply to each outcome.
pub(super) const fn reply(api: ApiKind, cause: AuthorizerCause) -> Words {
    use ApiKind::{Http, Rest};
    use AuthorizerCause::{
        Denied, ExplicitlyDenied, FunctionFailed, InvalidAnswer, MissingIdentity, TimedOut,
        Unauthorized, Unreachable, UriTooLong,
    };
    const UNAUTHORIZED: Option<&str> = Some("UnauthorizedException");
    const DENIED: Option<&str> = Some("AccessDeniedException");
    const FAILED: Option<&str> = Some("AuthorizerConfigurationException");
    // API Gateway writes this one member with a capital letter.
    let (small, capital) = (Body::Member("message"), Body::Member("Message"));
    match (api, cause) {
        (_, UriTooLong) => words(414, None, Some("Request URI too long"), small),
        (Rest, MissingIdentity | Unauthorized) => {
            words(401, UNAUTHORIZED, Some("Unauthorized"), small)
        }
        (Rest, Denied) => {
            let message = "User is not authorized to access this resource";
            words(403, DENIED, Some(message), capital)
        }
        (Rest, ExplicitlyDenied) => {
            let message = "User is not authorized to access this resource with an explicit deny in an identity-based policy";
            words(403, DENIED, Some(message), capital)
        }
        (Rest, FunctionFailed | TimedOut(_)) => words(500, FAILED, None, small),
        (Rest, InvalidAnswer | Unreachable(_)) => {
            words(500, FAILED, Some("Internal server error"), Body::Spaced)
        }
        (Http, MissingIdentity) => words(401, None, Some("Unauthorized"), small),
        (Http, Denied | ExplicitlyDenied) => words(403, None, Some("Forbidden"), small),
        (Http, Unauthorized | FunctionFailed | InvalidAnswer | TimedOut(_) | Unreachable(_)) => {
            words(500, None, Some("Internal Server Error"), small)
        }
    }
}
