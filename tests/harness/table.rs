//! A table of cases: each request, and what the contract promises about it to all who watch.
//!
//! One Envoy serves the whole table, and every failed case is reported, not only the first.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::client::{Request, Response};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::PATIENCE;
use crate::harness::upstream::{GREETING, Seen, Upstream};

/// `www-authenticate` of a bad token, the same for every cause.
pub(crate) const INVALID: &str =
    r#"Bearer error="invalid_token", error_description="the token is not valid""#;
/// `www-authenticate` of an expired token.
pub(crate) const EXPIRED: &str =
    r#"Bearer error="invalid_token", error_description="the token has expired""#;

/// The table of replies in the contract, for `responses.style: rfc6750`: status, body, challenge.
pub(crate) fn promised(reason: &str) -> (u16, &'static str, Option<&'static str>) {
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    let forbidden = r#"{"message":"Forbidden"}"#;
    match reason {
        "missing_token" => (401, unauthorized, Some("Bearer")),
        "token_expired" => {
            let body = r#"{"message":"The incoming token has expired"}"#;
            (401, body, Some(EXPIRED))
        }
        // The scopes and the age are those of the rules in `admission`.
        "insufficient_scope" => {
            let challenge = r#"Bearer error="insufficient_scope", scope="api/write api/admin""#;
            (403, forbidden, Some(challenge))
        }
        "stale_authentication" => {
            let challenge = r#"Bearer error="insufficient_user_authentication", max_age="900""#;
            (401, unauthorized, Some(challenge))
        }
        "insufficient_group" | "claim_mismatch" | "denied_by_rule" | "authorizer_denied" => {
            (403, forbidden, None)
        }
        "missing_identity" | "authorizer_unauthorized" => (401, unauthorized, None),
        "authorizer_failed" => (500, r#"{"message":"Internal Server Error"}"#, None),
        "keys_unavailable" | "revocation_unknown" | "authorizer_unavailable" => {
            (503, r#"{"message":"Service Unavailable"}"#, None)
        }
        "unsafe_path" | "unsafe_method" => (400, r#"{"message":"Bad Request"}"#, None),
        _ => (401, unauthorized, Some(INVALID)),
    }
}

/// What is wrong with a reply, if it is not the promised one.
pub(crate) fn difference(response: &Response, reason: &str) -> Option<String> {
    let (status, body, challenge) = promised(reason);
    let retry = response.header("retry-after");
    let seconds = retry.and_then(|value| value.parse::<u32>().ok());
    let later = [
        "keys_unavailable",
        "revocation_unknown",
        "authorizer_unavailable",
    ];
    let waits = later.contains(&reason) == seconds.is_some_and(|seconds| seconds > 0);
    let same = response.status == status
        && response.body == body
        && response.header("www-authenticate") == challenge
        && response.header("content-type") == Some("application/json")
        && waits
        && (seconds.is_some() == retry.is_some());
    let expected = || format!("expected {status} {body} {challenge:?} for {reason}");
    (!same).then(|| format!("{}; found {response:?}", expected()))
}

/// Cases against one Envoy.
pub(crate) struct Table<'a> {
    envoy: &'a EnvoyUnderTest,
    upstream: &'a Upstream,
    logged: Vec<(String, String, String)>,
    failures: Vec<String>,
    requests: usize,
    /// What had been decided when the last request of the table was counted.
    decided: Option<BTreeMap<String, u64>>,
}

impl<'a> Table<'a> {
    /// An empty table.
    pub(crate) fn new(envoy: &'a EnvoyUnderTest, upstream: &'a Upstream) -> Self {
        Self {
            envoy,
            upstream,
            logged: Vec::new(),
            failures: Vec::new(),
            requests: 0,
            decided: None,
        }
    }

    /// The request is refused for exactly this reason, and the upstream never hears of it.
    #[track_caller]
    pub(crate) fn refused(&mut self, listener: &str, what: &str, request: &Request, reason: &str) {
        let metric = format!("denied.{reason}");
        let response = self.decided(listener, what, request, &metric);
        if let Some(difference) = difference(&response, reason) {
            self.fail(what, &difference);
        }
        if !self.upstream.seen(request.case()).is_empty() {
            self.fail(what, "refused, yet it reached the upstream");
        }
        let logged = (
            what.to_owned(),
            request.case().to_owned(),
            reason.to_owned(),
        );
        self.logged.push(logged);
    }

    /// The request reaches the upstream with a verified token.
    #[track_caller]
    pub(crate) fn accepted(
        &mut self,
        listener: &str,
        what: &str,
        request: &Request,
    ) -> Option<Seen> {
        self.forwarded(listener, what, request, "allowed")
    }

    /// The request reaches the upstream without one.
    #[track_caller]
    pub(crate) fn anonymous(
        &mut self,
        listener: &str,
        what: &str,
        request: &Request,
    ) -> Option<Seen> {
        self.forwarded(listener, what, request, "anonymous")
    }

    fn forwarded(
        &mut self,
        listener: &str,
        what: &str,
        request: &Request,
        metric: &str,
    ) -> Option<Seen> {
        let response = self.decided(listener, what, request, metric);
        let body = if request.is_head() { "" } else { GREETING };
        if (response.status, response.body.as_str()) != (200, body) {
            self.fail(
                what,
                &format!("expected the upstream's 200; found {response:?}"),
            );
        }
        let mut seen = self.upstream.seen(request.case());
        if seen.len() != 1 {
            self.fail(what, &format!("reached the upstream {} times", seen.len()));
        }
        seen.pop()
    }

    /// Others have sent requests: what these count as is not the next one's.
    #[allow(dead_code)]
    pub(crate) fn others_have_asked(&mut self) {
        self.decided = None;
    }

    /// Sends the request and asserts that it added one to `metric` and to no other decision.
    fn decided(&mut self, listener: &str, what: &str, request: &Request, metric: &str) -> Response {
        let before = self.decided.take();
        let before = before.unwrap_or_else(|| self.envoy.decisions());
        let response = request.send(self.envoy.at(listener));
        self.requests += 1;
        let mut change = BTreeMap::new();
        let deadline = Instant::now() + PATIENCE;
        while change.is_empty() && Instant::now() < deadline {
            let decided = self.envoy.decisions_so_far();
            change.clone_from(&decided);
            self.decided = Some(decided);
            change.retain(|name, count| {
                *count -= before.get(name).copied().unwrap_or(0);
                *count > 0
            });
            if change.is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        if change != BTreeMap::from([(metric.to_owned(), 1)]) {
            self.fail(
                what,
                &format!("expected {metric} to grow by 1; found {change:?}"),
            );
        }
        response
    }

    /// Notes a failure of the case `what`.
    pub(crate) fn fail(&mut self, what: &str, why: &str) {
        self.failures.push(format!("{what}: {why}"));
    }

    /// Notes a failure unless both are equal.
    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        found: T,
        expected: T,
    ) {
        if found != expected {
            self.fail(what, &format!("expected {expected:?}; found {found:?}"));
        }
    }

    /// Asserts that no case failed, and returns the number of requests sent.
    #[track_caller]
    pub(crate) fn done(mut self) -> usize {
        for (what, case, reason) in std::mem::take(&mut self.logged) {
            let line = self.envoy.access_log(&case);
            let found = line["reason"].as_str().unwrap_or_default().to_owned();
            self.same(&format!("{what}: access log"), found, reason);
        }
        let count = self.failures.len();
        assert!(
            count == 0,
            "{count} cases failed:\n{}",
            self.failures.join("\n")
        );
        self.requests
    }
}
