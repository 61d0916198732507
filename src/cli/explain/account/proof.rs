//! The steps that need the issuer's keys.

use super::facts::Facts;
use super::safe::{cut, quoted};
use super::step::Finding;
use cognito_authorizer::jwks::KeySet;
use cognito_authorizer::policy::KeySource;
use cognito_authorizer::remote::document::Source;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::rules::requirement::Requirement;
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use cognito_authorizer::verify::{Admitted, Unverified};
use serde_json::Value;
use std::rc::Rc;

/// The key set of the token's issuer, as the gate had it.
fn keys(facts: &Facts<'_>) -> Option<Rc<KeySet>> {
    let pool = facts.pool_index()?;
    Some(facts.simulation.gate.keyring().keys(pool)?.set)
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
        let cause = match facts.pool().map(|pool| &pool.keys) {
            Some(KeySource::Fetched(Source { endpoint, .. })) => format!(
                "no keys at hand; Envoy fetches them from {} through the cluster {}, and a request waits for them at most {}",
                cut(&endpoint.uri),
                cut(&endpoint.cluster),
                super::span(endpoint.timeout)
            ),
            _ => "no keys at hand".to_owned(),
        };
        return Finding::failing(cause).found(kid);
    };
    let kids: Vec<_> = set.kids().map(str::to_owned).collect();
    let shown: Vec<_> = kids.iter().map(|kid| quoted(kid)).collect();
    let skipped = match set.skipped() {
        0 => String::new(),
        1 => "; one entry of the set is no key for RS256 and was skipped".to_owned(),
        many => format!("; {many} entries of the set are no keys for RS256 and were skipped"),
    };
    Finding::either(
        set.get(&kid).is_some(),
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
    let verified = keys(facts).and_then(|set| {
        let token = UntrustedToken::parse(facts.compact?, &KnownHeaders::default()).ok()?;
        let anything = Requirement::default();
        let requirement = facts.requirement().unwrap_or(&anything);
        let admitted = Admitted::new(token, facts.policy, requirement, facts.now).ok()?;
        Some(admitted.verify(&set, &Rs256::module()))
    });
    let bits = || {
        let parts = facts
            .compact
            .unwrap_or_default()
            .rsplit(|byte| *byte == b'.');
        parts.map(<[u8]>::len).next().unwrap_or_default()
    };
    let finding = match verified {
        Some(Ok(_)) => Finding::holds(format!(
            "made with the key {}, over these very bytes",
            quoted(&kid)
        )),
        Some(Err(Unverified::UnknownKey)) | None => {
            Finding::failing("there is no key to check it with")
        }
        Some(Err(Unverified::InvalidSignature)) if bits() == 0 => Finding::failing("there is none"),
        Some(Err(Unverified::InvalidSignature)) => Finding::failing(format!(
            "not made with the key {} over these bytes: the token was changed, cut, or signed by somebody else",
            quoted(&kid)
        )),
    };
    finding.wanted(Value::from(kid))
}
