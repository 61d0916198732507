//! What `check` finds: its name, how bad it is, and what to do about it.

use crate::document::Span;
use serde_json::{Value, json};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// It will not work: Envoy refuses it, or every request.
    Problem,
    /// It works, but a careful operator would not leave it so unawares.
    Warning,
}

/// A kind of finding. The name is stable: scripts and comments rely on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// What is the matter, for lists of rules.
    pub(super) summary: &'static str,
    /// Why it matters and what to do; empty where the finding says it all.
    pub(super) help: &'static str,
}

/// Declares codes, and the list of all of them.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $severity:ident, $summary:literal, $help:literal;)*) => {
        $($(#[$doc])* pub(super) const $code: Code = Code {
            name: $name,
            severity: Severity::$severity,
            summary: $summary,
            help: $help,
        };)*
        /// Every code, in the order of the manual.
        pub(super) const ALL: &[&Code] = &[$(&$code),*];
    };
}

codes! {
    UNREADABLE = "unreadable", Problem,
        "A file that is neither YAML nor JSON", "";
    PROBLEM = "problem", Problem,
        "A configuration that the filter refuses", "";
    UNKNOWN_CLUSTER = "unknown-cluster", Problem,
        "A cluster for keys or a deny list that is defined nowhere",
        "without keys every request with a token is answered 503; `cognito-authorizer jwks` prints a cluster";
    // Who gets in.
    ANY_CLIENT = "any-client", Warning,
        "Tokens of every app client of a pool are admitted",
        "whoever can add an app client to the pool, or use one, has tokens for this API; list the clients that are meant";
    ANY_PRINCIPAL = "any-principal", Warning,
        "Every role or user of an AWS account is admitted",
        "an identity pool that allows guests gives anyone on the internet a role of the account; name the roles that are meant, or put them below a path of their own";
    CALLERS_OWN_TAGS = "callers-own-tags", Warning,
        "A rule rests on tags that the caller chose",
        "whoever asks STS for a token writes request_tags into it; principal_tags are set by whoever administers the role";
    OPEN_DEFAULT = "open-default", Warning,
        "What no rule matches is open to everyone",
        "a path that nobody thought of is open; say `nobody` or `authenticated`, and open what is public by rules";
    OPEN_ABOVE_STRICT = "open-above-strict", Warning,
        "An open rule takes requests from a stricter one below it",
        "the first match wins; put the stricter rule first";
    PARTIAL_SHADOW = "partial-shadow", Warning,
        "A rule is shadowed in part by one above it",
        "the first match wins; put the rule for fewer paths first";
    WEAK_DEFAULT = "weak-default", Warning,
        "What a strict rule misses falls to a weaker one",
        "upstreams know more spellings of a path than any filter (/admin.json, /index.php/admin); close what lies below, and open by rules what is meant to be open";
    SLOW_REGEX = "slow-regex", Warning,
        "An expression that makes long paths unsafe",
        "what is plain costs a fiftieth: `(/.*)?` for `\\b.*`, `[A-Za-z]` for `[[:alpha:]]`, `[a-z]` for `[a-z&&[^x]]`, `+` or `*` for long counts, `(?i)` alone of the flags; or a prefix or a template, whose variables are segments";
    MUTABLE_ATTRIBUTE = "mutable-attribute", Warning,
        "A rule rests on an attribute that users may write themselves",
        "a user changes it with an access token and UpdateUserAttributes, unless the attribute is immutable or no app client may write it; a group, or a claim that a trigger sets, is out of their reach";
    USER_CHOSEN_NAME = "user-chosen-name", Warning,
        "A path names what users choose for themselves",
        "who signs up under the name of another's path gets in there; compare with `sub`, a group, or a claim that a trigger sets";
    ABSENT_CLAIM = "absent-claim", Warning,
        "A claim that tokens of the wanted use do not have",
        "it is there only if a pre token generation trigger adds it; otherwise ask for the other kind of token";
    LARGE_SKEW = "large-skew", Warning,
        "Clocks may differ by more than a minute",
        "an expired token is good for that much longer; clocks that NTP keeps agree within seconds";
    QUERY_TOKEN = "query-token", Warning,
        "Tokens are taken from the query",
        "URLs end up in logs, histories and referers, and the token with them; use a header or a cookie where you can";
    CASE_SENSITIVE = "case-sensitive", Warning,
        "Letter case distinguishes paths",
        "an upstream that does not mind letter case serves /Admin by the rule of another path";
    NOT_ENFORCED = "not-enforced", Warning,
        "What should be refused is only reported",
        "a request that should be refused reaches the upstream; meant for the time in which the filter is adopted";
    METHOD_OVERRIDE = "method-override", Warning,
        "Headers that name another method reach the upstream",
        "rules look at methods, but an upstream that honours x-http-method-override acts on another";
    HOST_OVERRIDE = "host-override", Warning,
        "Headers that name another host reach the upstream",
        "rules look at hosts, but an upstream that believes x-forwarded-host acts on another";
    PATH_OVERRIDE = "path-override", Warning,
        "Headers that name another path reach the upstream",
        "rules look at paths, but an upstream that honours x-original-url acts on another";
    HEADER_ALIASES = "header-aliases", Warning,
        "Other spellings of the filter's headers reach the upstream",
        "an upstream that takes x.cognito.sub or x_cognito_sub for x-cognito-sub believes what a client sends; keep them only where it tells them apart";
    STALE_FOREVER = "stale-forever", Warning,
        "Keys or a deny list serve without end while none can be fetched",
        "whoever can block the fetch keeps a withdrawn key in use; a day outlasts most outages";
    STATIC_KEYS = "static-keys", Warning,
        "Keys are part of the configuration",
        "Cognito may rotate keys at any time, and tokens are refused until somebody updates them here; let the filter fetch them";
    REVOKED_SERVED = "revoked-served", Warning,
        "Without a fresh deny list, tokens are served all the same",
        "whoever can block the fetch, or stop the feeder, gives revoked tokens back; with `refuse`, tokens get 503 meanwhile";
    UNDATED_LIST = "undated-list", Warning,
        "A deny list is believed however old it is",
        "an endpoint goes on answering when whoever writes the list has died; a few times the interval at which it is written is enough";
    SHORT_MAX_AGE = "short-max-age", Warning,
        "A deny list grows too old between two fetches",
        "`max_age` has to cover the interval at which the list is written, and refresh_interval and timeout besides";
    FUTURE_BRAKE = "future-brake", Warning,
        "A time before which tokens are void is yet to come",
        "until then every token is void, those of a new sign-in too";
    PREFLIGHT_PASS = "preflight-pass", Warning,
        "Preflights pass without a token",
        "an upstream that does not look at methods serves a preflight as the request itself; let Envoy's CORS filter answer them, or keep such upstreams behind another authorizer";
    NO_CHALLENGE = "no-challenge", Warning,
        "Clients are not told where a resource's metadata stands",
        "`style: api_gateway` has no www-authenticate, by which OAuth clients find it; use rfc6750, or configure the clients by hand";
    PLACEHOLDER = "placeholder", Warning,
        "An example's value, or one that was never filled in",
        "no token has it, or nothing is there; put in your own";
    // What surrounds it in Envoy.
    UNVERIFIED_KEY_SERVER = "unverified-key-server", Warning,
        "Keys come from a server whose identity is not verified",
        "whoever can answer in its place can sign tokens for this API, or takes those that are to be confirmed; trusted_ca, a SAN match and sni belong together, and `cognito-authorizer jwks` prints them";
    UNVERIFIED_LIST_SERVER = "unverified-list-server", Warning,
        "The deny list comes from a server whose identity is not verified",
        "whoever can answer in its place signs everybody in again, or locks anybody out; trusted_ca, a SAN match and sni belong together, as for keys";
    UNVERIFIED_AUTHORIZER = "unverified-authorizer", Warning,
        "Verdicts come from a server whose identity is not verified",
        "whoever can answer in its place lets anybody in, and is sent their tokens and cookies; trusted_ca, a SAN match and sni belong together, as for keys";
    UNSIGNED_CALL = "unsigned-call", Warning,
        "A cluster that invokes Lambda functions does not sign",
        "Lambda answers 403, and every request that the authorizer decides about is answered 503; aws_request_signing, then upstream_codec, as in envoy/lambda/cluster.yaml";
    WRONG_REGION = "wrong-region", Warning,
        "Keys come from another region than the pool's, or a function is called in one",
        "that endpoint does not know the pool or the function, and without keys every request with a token is answered 503; address, sni and SAN all name the pool's region, as `cognito-authorizer jwks` prints them";
    PLAIN_PORT = "plain-port", Warning,
        "TLS and port do not fit",
        "what is spoken there is not understood, so that nothing is ever fetched from there";
    FAIL_OPEN = "fail-open", Warning,
        "Requests pass unchecked when the module fails",
        "what makes the module fail then opens the door; FAIL_RELOAD is as available, and closed";
    NO_RELOAD = "no-reload", Warning,
        "A module that failed once stays failed",
        "failure_policy: FAIL_RELOAD (Envoy 1.33 and later) starts a new one, and lets nothing through meanwhile";
    NO_VM_ID = "no-vm-id", Warning,
        "The filter shares its keys with every other module",
        "all plugins without a vm_id share one space of data; give the filter one of its own";
    STOP_ITERATION = "stop-iteration", Warning,
        "Filters behind the authorizer see requests before its verdict",
        "leave allow_on_headers_stop_iteration out: a request that waits for keys then waits whole";
    UNDERSCORE_HEADERS = "underscore-headers", Warning,
        "Clients may send claim headers with underscores",
        "to CGI and WSGI upstreams x_cognito_sub is x-cognito-sub; set headers_with_underscores_action: REJECT_REQUEST";
    CORS_LATE = "cors-late", Warning,
        "Browsers are refused before CORS is answered",
        "a preflight has no token, and a refusal without CORS headers is hidden from scripts; put the CORS filter before the authorizer";
    FILTER_DISABLED = "filter-disabled", Warning,
        "Routes without the filter",
        "claim headers that clients send then reach the upstream; a rule with `allow: anyone` opens a path and still removes them";
    NOT_ACCEPTED = "not-accepted", Warning,
        "A policy that Envoy Gateway has not accepted",
        "what it asks for is not in force: without its module, routes answer 500; without the cluster for keys, every request with a token gets 503";
    OVERRIDDEN = "overridden", Warning,
        "Routes that another policy takes from the authorizer",
        "the most specific policy alone counts, so that whoever comes is let in there, and believed; with mergeType: StrategicMerge in it, both do";
    LATE_PHASE = "late-phase", Warning,
        "Istio's own checks run before the authorizer",
        "with phase: AUTHN the authorizer comes before authorization and everything else that may believe the claim headers";
    OUTBOUND_TOO = "outbound-too", Warning,
        "What workloads themselves send is checked as well",
        "at a sidecar, add match: [{mode: SERVER}]";
    UNKNOWN_NAME = "unknown-name", Warning,
        "A comment allows a warning that there is not",
        "it silences nothing; `cognito-authorizer check --help` has the names";
    UNPINNED_IMAGE = "unpinned-image", Warning,
        "The module is not named by its digest",
        "a tag can be moved to another image; add @sha256:… or sha256";
}

/// One thing to tell the operator.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) code: &'static Code,
    /// Where in the configuration, or in the document around it.
    pub(super) path: String,
    /// Where in the file.
    pub(super) span: Span,
    /// What was found.
    pub(super) text: String,
    /// What to do about it; the code's own help, or what fits better here.
    pub(super) advice: &'static str,
}

impl Finding {
    /// The path and what is wrong there, as the filter writes it in Envoy's log.
    pub(super) fn message(&self) -> String {
        match self.path.as_str() {
            "" if self.code == &PROBLEM => format!("configuration: {}", self.text),
            "" => self.text.clone(),
            path => format!("{}: {}", shortened(path), self.text),
        }
    }

    /// As JSON, for one file.
    pub(super) fn json(&self, file: &str) -> Value {
        let severity = match self.code.severity {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
        };
        let mut object = json!({
            "file": file,
            "line": self.span.start.line,
            "column": self.span.start.column,
            "path": self.path,
            "severity": severity,
            "code": self.code.name,
            "text": self.text,
        });
        if let (Some(members), false) = (object.as_object_mut(), self.advice.is_empty()) {
            members.insert("help".to_owned(), json!(self.advice));
        }
        object
    }
}

/// A path whose end tells enough: those through a bootstrap have a dozen steps.
fn shortened(path: &str) -> String {
    const LONG: usize = 64;
    match path.rsplit_once("].") {
        Some((_, end)) if path.len() > LONG => format!("…{end}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_plain() {
        let names: BTreeSet<_> = ALL.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), ALL.len());
        let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(|name| plain(name)));
        assert!(names.contains("any-client"));
    }

    #[test]
    fn every_warning_says_what_to_do() {
        let mut warnings = ALL.iter().filter(|code| code.severity == Severity::Warning);
        assert!(warnings.all(|code| !code.help.is_empty()));
    }
}
