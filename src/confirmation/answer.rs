//! What a user pool's answer to `GetUser` says about the token.
//!
//! Only 200 says that the token is good, and only four exceptions say that it is not. All else says
//! something about the asking: a pool that is asked too often answers 400 as it does for a revoked
//! token, and to take the one for the other would sign everybody out.

use crate::json;
use crate::remote::call::Answer;
use crate::remote::exception::{Exception, TYPE_HEADER};
use crate::remote::failure::Failure;
use serde_json::Value;

/// How much of the body of a refusal is read. It has an exception's name and a line of text.
pub(super) const MAX_BYTES: usize = 8_192;

/// The exceptions by which `GetUser` says that a token is no longer good.
const REFUSALS: [&str; 4] = [
    "NotAuthorizedException",
    "UserNotFoundException",
    "PasswordResetRequiredException",
    "UserNotConfirmedException",
];

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The pool stands by the token.
    Confirmed,
    /// It does not.
    Refused,
    /// Neither.
    Nothing(Failure<Exception>),
}

/// Reads an answer.
#[must_use]
pub fn read(answer: &Answer) -> Says {
    let status = match answer {
        // Its body is the user's name and attributes, and is not looked at.
        Answer::Response { status: 200, .. } => return Says::Confirmed,
        Answer::Response { status, .. } => *status,
        Answer::Local { .. } | Answer::NoResponse | Answer::NotSent(_) => 0,
    };
    let exception = exception(answer);
    match exception {
        // AWS answers 400. Another status of the client's errors with one of these words says the
        // same; with a status of the server's errors it is the server that is not well.
        Some(exception)
            if (400..500).contains(&status) && REFUSALS.contains(&exception.as_str()) =>
        {
            Says::Refused
        }
        Some(exception) if (400..500).contains(&status) => {
            Says::Nothing(Failure::Invalid(exception))
        }
        Some(_) | None => Says::Nothing(Failure::without(answer)),
    }
}

/// The exception that an answer names: in the header, or else in the body.
fn exception(answer: &Answer) -> Option<Exception> {
    if let Some(header) = answer.header(TYPE_HEADER) {
        return Exception::new(std::str::from_utf8(header).ok()?);
    }
    let Answer::Response {
        body: Some(body), ..
    } = answer
    else {
        return None;
    };
    let body = json::object(body).ok()?;
    Exception::new(body.get("__type").and_then(Value::as_str)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::call::NotSent;

    fn response(status: u16, header: Option<&str>, body: Option<&str>) -> Says {
        let header = header.map(|header| (TYPE_HEADER, header.as_bytes().to_vec()));
        read(&Answer::Response {
            status,
            headers: header.into_iter().collect(),
            body: body.map(|body| body.as_bytes().to_vec()),
        })
    }

    fn exception(name: &str) -> Says {
        Says::Nothing(Failure::Invalid(Exception::new(name).unwrap()))
    }

    #[test]
    fn a_200_confirms_whatever_comes_with_it() {
        assert_eq!(response(200, None, None), Says::Confirmed);
        let refusal = Some("NotAuthorizedException");
        assert_eq!(response(200, refusal, Some("garbage")), Says::Confirmed);
        for status in [
            0, 100, 201, 204, 301, 302, 304, 400, 401, 403, 404, 500, 503,
        ] {
            assert_eq!(
                response(status, None, Some(r#"{"Username":"alice"}"#)),
                Says::Nothing(Failure::Status(status))
            );
        }
    }

    #[test]
    fn four_exceptions_refuse_and_no_other() {
        for name in REFUSALS {
            assert_eq!(response(400, Some(name), None), Says::Refused, "{name}");
            let body =
                format!(r#"{{"__type":"{name}","message":"Access Token has been revoked"}}"#);
            assert_eq!(response(400, None, Some(&body)), Says::Refused, "{name}");
            assert_eq!(response(403, Some(name), None), Says::Refused, "{name}");
            for status in [399, 500, 503] {
                assert_eq!(
                    response(status, Some(name), Some(&body)),
                    Says::Nothing(Failure::Status(status))
                );
            }
        }
        for name in [
            "TooManyRequestsException",
            "ForbiddenException",
            "InvalidParameterException",
            "ResourceNotFoundException",
            "OperationNotEnabledException",
            "InternalErrorException",
            "notauthorizedexception",
            "NotAuthorizedExceptions",
        ] {
            assert_eq!(response(400, Some(name), None), exception(name));
            let body = format!(r#"{{"__type":"{name}"}}"#);
            assert_eq!(response(400, None, Some(&body)), exception(name));
        }
    }

    #[test]
    fn the_header_goes_before_the_body() {
        let refusal = Some(r#"{"__type":"NotAuthorizedException"}"#);
        let throttled = Some("TooManyRequestsException");
        assert_eq!(
            response(400, throttled, refusal),
            exception("TooManyRequestsException")
        );
        for header in ["", "not a name", "#", ":"] {
            assert_eq!(
                response(400, Some(header), refusal),
                Says::Nothing(Failure::Status(400)),
                "{header:?}"
            );
        }
        assert_eq!(response(400, None, refusal), Says::Refused);
    }

    #[test]
    fn a_name_stands_behind_its_namespace_and_before_its_address() {
        for text in [
            "NotAuthorizedException",
            "com.amazonaws.cognito#NotAuthorizedException",
            "NotAuthorizedException:http://internal.amazon.com/coral/",
            "a#b#NotAuthorizedException:http://x:1/#y",
            " NotAuthorizedException ",
        ] {
            assert_eq!(response(400, Some(text), None), Says::Refused, "{text}");
        }
        assert_eq!(
            response(400, Some("NotAuthorizedException#Other"), None),
            exception("Other")
        );
        assert_eq!(
            response(400, Some("Other:NotAuthorizedException"), None),
            exception("Other")
        );
        let (longest, longer) = ("a".repeat(64), "a".repeat(65));
        assert_eq!(response(400, Some(&longest), None), exception(&longest));
        assert_eq!(
            response(400, Some(&longer), None),
            Says::Nothing(Failure::Status(400))
        );
    }

    #[test]
    fn what_is_no_object_with_a_type_says_nothing() {
        for body in [
            None,
            Some(""),
            Some("NotAuthorizedException"),
            Some(r#"["NotAuthorizedException"]"#),
            Some(r#"{"__type":["NotAuthorizedException"]}"#),
            Some(r#"{"type":"NotAuthorizedException"}"#),
            Some(r#"{"__type":"NotAuthorizedException"} more"#),
            Some(r#"{"__type":"NotAuthorizedException","__type":"NotAuthorizedException"}"#),
            Some("{\"__type\":\"Not\\nAuthorizedException\"}"),
        ] {
            assert_eq!(
                response(400, None, body),
                Says::Nothing(Failure::Status(400)),
                "{body:?}"
            );
        }
    }

    #[test]
    fn no_answer_says_nothing() {
        for (answer, failure) in [
            (Answer::NoResponse, Failure::BrokenOff),
            (
                Answer::Local {
                    status: 504,
                    text: String::new(),
                },
                Failure::TimedOut,
            ),
            (
                Answer::NotSent(NotSent::UnknownCluster),
                Failure::UnknownCluster,
            ),
        ] {
            assert_eq!(read(&answer), Says::Nothing(failure));
        }
    }
}
