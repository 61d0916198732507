//! What every host does with a policy before the first request.

use crate::es384::Es384;
use crate::gate::{Gate, Now};
use crate::policy::{Policy, SignaturePolicy, WhenStale};
use crate::remote::report::Report;
use crate::remote::schedule::Entropy;
use crate::remote::space::SharedSpace;
use crate::rs256::Rs256;
use crate::signature::{Algorithms, HostVerifier};
use crate::verifiers::Verifiers;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

/// The gate of one thread, with what others have left in the space.
#[must_use]
pub fn gate(policy: Policy, host: Rc<dyn HostVerifier>, now: Now, space: &dyn SharedSpace) -> Gate {
    let verifiers = verifiers(&policy, host);
    // The standard library seeds its hashers at random; that is all the entropy needed here.
    let random = RandomState::new();
    let entropy = Entropy::random([0_u8, 1, 2].map(|one| random.hash_one(one)));
    let mut gate = Gate::new(Rc::new(policy), verifiers, entropy);
    gate.start(now, space);
    gate
}

/// The verifiers that a policy asks for: the host's, where they prove themselves.
fn verifiers(policy: &Policy, host: Rc<dyn HostVerifier>) -> Verifiers {
    match (policy.signature, policy.issuers.accounts()) {
        (SignaturePolicy::Module, _) => Rs256::module().into(),
        // A user pool has no use for ES384: nothing has to be proved.
        (SignaturePolicy::Auto, []) => Rs256::host_if_proven(host).into(),
        (SignaturePolicy::Auto, _) => Verifiers::new(
            Rs256::host_if_proven(Rc::clone(&host)),
            Es384::host_if_proven(host),
        ),
    }
}

/// The lines that operators find in the log.
#[must_use]
pub fn announcement(gate: &Gate) -> Vec<Report> {
    let policy = gate.policy();
    let verifier = match gate.verifies_by_host() {
        true => "host",
        false => "module",
    };
    let accounts = match (policy.issuers.accounts().len(), gate.algorithms()) {
        (0, _) => String::new(),
        (number, Algorithms::Rs256AndEs384) => {
            format!(", AWS accounts: {number}, ES384 by the host")
        }
        (number, Algorithms::Rs256) => format!(", AWS accounts: {number}, no ES384"),
    };
    let list = match policy.deny_list.as_ref().map(|list| list.when_stale) {
        None => "",
        Some(WhenStale::Refuse) => ", tokens refused while the deny list is stale",
        Some(WhenStale::Serve) => ", tokens served while the deny list is stale",
    };
    let mut reports = vec![Report::info(
        None,
        format!(
            "cognito-authorizer {}: user pools: {}, rules: {}, signatures verified by the {}",
            env!("CARGO_PKG_VERSION"),
            policy.issuers.pools().len(),
            policy.rules.len(),
            [verifier, &accounts, list].concat(),
        ),
    )];
    reports.extend(gate.not_enforced());
    reports
}
