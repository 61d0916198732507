//! What API Gateway itself answers where a Lambda authorizer stands in the way: as captured of
//! REST APIs, and as documented of HTTP APIs, which say less.

use super::body;
use crate::refusal::{ApiKind, AuthorizerCause};

/// The words of the reply; `None` where there are none.
pub(super) const fn message(api: ApiKind, cause: AuthorizerCause) -> Option<&'static str> {
    Some(match (api, cause) {
        (_, AuthorizerCause::UriTooLong) => "Request URI too long",
        (_, AuthorizerCause::MissingIdentity) | (ApiKind::Rest, AuthorizerCause::Unauthorized) => {
            "Unauthorized"
        }
        (ApiKind::Rest, AuthorizerCause::Denied) => {
            "User is not authorized to access this resource"
        }
        (ApiKind::Rest, AuthorizerCause::ExplicitlyDenied) => {
            "User is not authorized to access this resource with an explicit deny in an identity-based policy"
        }
        (ApiKind::Http, AuthorizerCause::Denied | AuthorizerCause::ExplicitlyDenied) => "Forbidden",
        (ApiKind::Rest, AuthorizerCause::FunctionFailed | AuthorizerCause::TimedOut(_)) => {
            return None;
        }
        (ApiKind::Rest, AuthorizerCause::InvalidAnswer | AuthorizerCause::Unreachable(_)) => {
            "Internal server error"
        }
        (
            ApiKind::Http,
            AuthorizerCause::Unauthorized
            | AuthorizerCause::FunctionFailed
            | AuthorizerCause::InvalidAnswer
            | AuthorizerCause::TimedOut(_)
            | AuthorizerCause::Unreachable(_),
        ) => "Internal Server Error",
    })
}

/// Status, `x-amzn-errortype` and body of the reply with these words.
pub(super) fn reply(
    api: ApiKind,
    cause: AuthorizerCause,
    message: Option<&str>,
) -> (u16, Option<&'static str>, String) {
    let (status, error_type) = match (api, cause) {
        (_, AuthorizerCause::UriTooLong) => (414, None),
        (ApiKind::Rest, AuthorizerCause::MissingIdentity | AuthorizerCause::Unauthorized) => {
            (401, Some("UnauthorizedException"))
        }
        (ApiKind::Http, AuthorizerCause::MissingIdentity) => (401, None),
        (ApiKind::Rest, AuthorizerCause::Denied | AuthorizerCause::ExplicitlyDenied) => {
            (403, Some("AccessDeniedException"))
        }
        (ApiKind::Http, AuthorizerCause::Denied | AuthorizerCause::ExplicitlyDenied) => (403, None),
        (
            ApiKind::Rest,
            AuthorizerCause::FunctionFailed
            | AuthorizerCause::InvalidAnswer
            | AuthorizerCause::TimedOut(_)
            | AuthorizerCause::Unreachable(_),
        ) => (500, Some("AuthorizerConfigurationException")),
        (
            ApiKind::Http,
            AuthorizerCause::Unauthorized
            | AuthorizerCause::FunctionFailed
            | AuthorizerCause::InvalidAnswer
            | AuthorizerCause::TimedOut(_)
            | AuthorizerCause::Unreachable(_),
        ) => (500, None),
    };
    let body = match (api, cause) {
        (ApiKind::Rest, AuthorizerCause::Denied | AuthorizerCause::ExplicitlyDenied) => {
            body("Message", message)
        }
        // To the letter: with a space.
        (ApiKind::Rest, AuthorizerCause::InvalidAnswer | AuthorizerCause::Unreachable(_)) => {
            r#"{"message": "Internal server error"}"#.to_owned()
        }
        _ => body("message", message),
    };
    (status, error_type, body)
}
