//! Settings that waive a check, or trust more than they need to.

use super::Notes;
use super::finding;
use crate::document::{below, item, member};
use cognito_authorizer::owned::{HOST_OVERRIDES, METHOD_OVERRIDES, PATH_OVERRIDES};
use cognito_authorizer::policy::{KeySource, Policy, Preflight};
use cognito_authorizer::remote::schedule::MaxStale;
use cognito_authorizer::reply::Style;
use cognito_authorizer::rules::Enforcement;
use cognito_authorizer::rules::pattern::PathCase;
use cognito_authorizer::rules::requirement::AnyOf;
use serde_json::Value;
use std::time::Duration;

/// Clocks that NTP keeps agree within seconds; API Gateway itself allows none.
const USUAL_SKEW: Duration = Duration::from_secs(60);

/// Notes what is unwise in the settings of a valid configuration.
pub(super) fn check(policy: &Policy, notes: &mut Notes<'_>) {
    for (position, pool) in policy.issuers.pools().iter().enumerate() {
        let path = item("user_pools", position);
        if pool.clients == AnyOf::Unrestricted {
            let text = format!("every app client of {} is admitted", pool.id.as_str());
            notes.add(&finding::ANY_CLIENT, &below(&path, "client_ids"), text);
        }
    }
    for (index, issuer) in policy.issuers.iter() {
        let position = index.position();
        let path = match position.checked_sub(policy.issuers.pools().len()) {
            None => item("user_pools", position),
            Some(account) => item("aws_accounts", account),
        };
        match issuer.keys() {
            KeySource::Inline(_) => {
                let text = "keys that nobody rotates";
                notes.add(&finding::STATIC_KEYS, &below(&path, "jwks.inline"), text);
            }
            KeySource::Fetched(source) if source.refresh.max_stale == MaxStale::Forever => {
                let text = "keys serve without end while none can be fetched";
                notes.add(
                    &finding::STALE_FOREVER,
                    &below(&path, "jwks.max_stale"),
                    text,
                );
            }
            KeySource::Fetched(_) => {}
        }
    }
    if policy.token.clock_skew > USUAL_SKEW {
        let text = format!(
            "tokens are good for {} s after they expire",
            policy.token.clock_skew.as_secs()
        );
        notes.add(&finding::LARGE_SKEW, "token.clock_skew", text);
    }
    let document = notes.document;
    let sources = document.get("token.from").and_then(Value::as_array);
    for (at, source) in sources.into_iter().flatten().enumerate() {
        if source.get("query").is_some() {
            let path = below(&item("token.from", at), "query");
            notes.add(&finding::QUERY_TOKEN, &path, "a token in the URL");
        }
    }
    if policy.preflight == Preflight::Pass {
        let text = "a preflight reaches the upstream without a token";
        notes.add(&finding::PREFLIGHT_PASS, "cors_preflight", text);
    }
    if policy.rules.path_case() == PathCase::Sensitive && policy.rules.looks_at_paths() {
        let text = "/admin and /Admin are two paths";
        notes.add(&finding::CASE_SENSITIVE, "path_case", text);
    }
    if !policy.resources.is_empty() {
        no_challenge(policy, notes);
    }
    not_enforced(policy, notes);
    waived(policy, notes);
}

/// Replies from which no client learns where the metadata of a resource stands.
fn no_challenge(policy: &Policy, notes: &mut Notes<'_>) {
    const TEXT: &str = "no challenge names the metadata of a resource";
    if policy.responses.style == Style::ApiGateway {
        notes.add(&finding::NO_CHALLENGE, "protected_resources", TEXT);
        return;
    }
    let path = "responses.unauthorized.headers";
    let headers = notes.document.get(path).and_then(Value::as_object);
    let mut replaced = headers.into_iter().flatten().filter(|(name, value)| {
        let names_metadata = |value: &str| value.contains("resource_metadata");
        name.eq_ignore_ascii_case("www-authenticate") && !value.as_str().is_some_and(names_metadata)
    });
    if let Some((name, _)) = replaced.next() {
        notes.add(&finding::NO_CHALLENGE, &member(path, name), TEXT);
        notes.advise(
            "OAuth clients find it by www-authenticate; leave that as it is, or configure the clients by hand",
        );
    }
}

/// Doors that are open in writing.
fn not_enforced(policy: &Policy, notes: &mut Notes<'_>) {
    if policy.rules.enforcement_without_rule() == Enforcement::Report {
        let text = "what should be refused goes on, but for rules with a word of their own";
        notes.add(&finding::NOT_ENFORCED, "enforce", text);
    }
    let rules = notes.document.get("rules").and_then(Value::as_array);
    for (at, rule) in rules.into_iter().flatten().enumerate() {
        if rule.get("enforce").and_then(Value::as_str) == Some("report") {
            let path = below(&item("rules", at), "enforce");
            let text = "what this rule should refuse goes on";
            notes.add(&finding::NOT_ENFORCED, &path, text);
        }
    }
}

/// Protections against upstreams that believe more than the rules look at, waived in writing where
/// something rests on them.
fn waived(policy: &Policy, notes: &mut Notes<'_>) {
    let document = notes.document;
    let reach = |names: &[&str]| format!("{} reach the upstream", names.join(", "));
    for (name, code, decides, text) in [
        (
            "method_override",
            &finding::METHOD_OVERRIDE,
            policy.decides_by_methods(),
            reach(&METHOD_OVERRIDES),
        ),
        (
            "host_override",
            &finding::HOST_OVERRIDE,
            policy.decides_by_hosts(),
            reach(&HOST_OVERRIDES),
        ),
        (
            "path_override",
            &finding::PATH_OVERRIDE,
            policy.decides_by_paths(),
            reach(&PATH_OVERRIDES),
        ),
        (
            "header_aliases",
            &finding::HEADER_ALIASES,
            !policy.owned.is_empty(),
            "names that fold to one of the filter's own reach the upstream".to_owned(),
        ),
    ] {
        let keeps = document.get(name).and_then(Value::as_str) == Some("keep");
        if keeps && decides {
            notes.add(code, name, text);
        }
    }
}
