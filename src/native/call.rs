//! Calls, on whichever thread they are made.

use crate::envoy::Response;
use cognito_authorizer::remote::call::{Answer, Call};

/// What came of a call.
pub(crate) fn read(call: &Call, response: Option<&dyn Response>) -> Answer {
    response.map_or(Answer::NoResponse, |response| {
        let header = |name: &str| response.header(name);
        let body = || response.body();
        call.reading.read(header, response.body_length(), body)
    })
}
