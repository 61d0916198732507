//! A call under way, on whichever thread it was made.

use crate::envoy::Response;
use cognito_authorizer::remote::call::{Answer, Call, CallId, RESPONSE_MARKS};

/// A call that has been made, or that is to be made again.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) id: CallId,
    pub(crate) call: Call,
}

impl UnderWay {
    /// What came of it.
    pub(crate) fn read(&self, response: Option<&dyn Response>) -> Answer {
        let Some(response) = response else {
            return Answer::NoResponse;
        };
        let status = response.header(":status");
        let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        let status = status.unwrap_or_default();
        let is_read =
            Some(status) != self.call.unread && response.body_length() <= self.call.max_body;
        let marked = || {
            RESPONSE_MARKS
                .iter()
                .any(|name| response.header(name).is_some())
        };
        let looked_at = self.call.answer_headers.iter();
        let looked_at = looked_at.filter_map(|name| Some((*name, response.header(name)?.to_vec())));
        Answer::received(
            status,
            marked,
            looked_at.collect(),
            is_read.then(|| response.body()),
        )
    }
}
