//! Calls, on whichever thread they are made.

use crate::envoy::Response;
use cognito_authorizer::remote::call::{Answer, Call, RESPONSE_MARKS};

/// What came of a call.
pub(crate) fn read(call: &Call, response: Option<&dyn Response>) -> Answer {
    let Some(response) = response else {
        return Answer::NoResponse;
    };
    let status = response.header(":status");
    let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let status = status.unwrap_or_default();
    let is_read = Some(status) != call.unread && response.body_length() <= call.max_body;
    let marked = || {
        RESPONSE_MARKS
            .iter()
            .any(|name| response.header(name).is_some())
    };
    let looked_at = call.answer_headers.iter();
    let looked_at = looked_at.filter_map(|name| Some((*name, response.header(name)?.to_vec())));
    Answer::received(
        status,
        marked,
        looked_at.collect(),
        is_read.then(|| response.body()),
    )
}
