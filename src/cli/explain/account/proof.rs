//! The steps that need the issuer's keys.

use super::facts::Facts;
use super::safe::{cut, quoted};
use super::step::Finding;
use cognito_authorizer::jwks::KeySet;
use cognito_authorizer::policy::{Issuer, KeySource};
use cognito_authorizer::remote::document::Source;
use cognito_authorizer::step::Step;
use serde_json::Value;
use std::rc::Rc;

/// The key set of the token's issuer, as the gate had it.
fn keys(facts: &Facts<'_>) -> Option<Rc<KeySet>> {
    let issuer = facts.issuer_index()?;
    Some(facts.simulation.gate.keyring().keys(issuer)?.set)
}

fn kid(facts: &Facts<'_>) -> String {
    let kid = facts
        .parsed()
        .map(|token| token.unverified_key_id().to_owned());
    kid.unwrap_or_default()
}

/// The issuer's key set has the key that the token names.
pub(super) fn key(facts: &Facts<'_>) -> Finding {
    let kid = kid(facts);
    let Some(set) = keys(facts) else {
        let cause = match facts.issuer().map(Issuer::keys) {
            Some(KeySource::Fetched(Source { endpoint, .. })) => format!(
                "no keys at hand; Envoy fetches them from {} through the cluster {}, and a request waits for them at most {}",
                cut(&endpoint.uri),
                cut(&endpoint.cluster),
                super::span(endpoint.timeout)
            ),
            _ => "no keys at hand".to_owned(),
        };
        return Finding::new(cause).found(kid);
    };
    let kids: Vec<_> = set.kids().map(str::to_owned).collect();
    let shown: Vec<_> = kids.iter().map(|kid| quoted(kid)).collect();
    let kind = match facts.account() {
        None => "RS256",
        Some(_) => "RS256 or ES384",
    };
    let skipped = match set.skipped() {
        0 => String::new(),
        1 => format!("; one entry of the set is no key for {kind} and was skipped"),
        many => format!("; {many} entries of the set are no keys for {kind} and were skipped"),
    };
    Finding::either(
        facts.passed(Step::Key),
        format!(
            "{} is in the issuer's set of {}{skipped}",
            quoted(&kid),
            shown.len()
        ),
        format!(
            "{} is not in the issuer's set, which has {}{skipped}",
            quoted(&kid),
            shown.join(", ")
        ),
    )
    .found(kid)
    .wanted(kids)
}

/// The signature is the key's.
pub(super) fn signature(facts: &Facts<'_>) -> Finding {
    let kid = kid(facts);
    let bits = || {
        let parts = facts
            .compact
            .unwrap_or_default()
            .rsplit(|byte| *byte == b'.');
        parts.map(<[u8]>::len).next().unwrap_or_default()
    };
    let finding = if facts.passed(Step::Signature) {
        Finding::new(format!(
            "made with the key {}, over these very bytes",
            quoted(&kid)
        ))
    } else if !facts.passed(Step::Key) {
        Finding::new("there is no key to check it with")
    } else if bits() == 0 {
        Finding::new("there is none")
    } else {
        Finding::new(format!(
            "not made with the key {} over these bytes: the token was changed, cut, or signed by somebody else",
            quoted(&kid)
        ))
    };
    finding.wanted(Value::from(kid))
}
