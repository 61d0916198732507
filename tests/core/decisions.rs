//! What becomes of a request: hundreds of vectors, each asked in every way in which the filter can
//! come to a decision. Their format is described at the top of `vectors/decisions/common.json`.

use crate::harness::issuer;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use crate::harness::curve::{verifiers, with_es384};
use crate::harness::issuer::{TestKey, Token};
use crate::harness::outcome::{
    answered, despite, difference, forged, headers, none_wrong, rest, supplied,
};
use crate::harness::space::Space;
use crate::harness::vectors::{Expect, Vector, Vectors};
use cognito_authorizer::config;
use cognito_authorizer::decision::{Caller, Decision, Forward, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::policy::{Issuer, KeySource, Policy};
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::{HostAnswer, HostVerifier, Rs256};
use cognito_authorizer::step::{Observer, Step};
use cognito_authorizer::time::{Monotonic, Timestamp};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use sha2::Sha256;

fn policy(document: &Value) -> Rc<Policy> {
    let policy = config::parse(document.to_string().as_bytes());
    Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}\n{document}")))
}

/// Every policy that a vector names.
fn policies() -> BTreeMap<&'static str, Value> {
    let vectors = Vectors::get();
    let names = vectors.all.iter().map(|vector| vector.policy.as_str());
    names.map(|name| (name, vectors.policy(name))).collect()
}

/// A gate that has the deny list which its policy of this name asks for.
fn gate(policy: &Rc<Policy>, name: &str) -> Gate {
    let gate = Gate::new(Rc::clone(policy), verifiers(policy), Entropy::new(1));
    supplied(gate, Vectors::get(), name)
}

fn wall(vector: &Vector) -> Timestamp {
    Timestamp::from_seconds(vector.now).unwrap()
}

fn request(headers: &[(String, Vec<u8>)]) -> Request {
    let lines = headers.iter().cloned();
    Request::new(lines.map(|(name, value)| (name.into(), value)).collect())
        .followed_by(rest(headers))
}

#[test]
fn every_vector_is_decided_as_it_says() {
    let policies: BTreeMap<_, _> = policies()
        .into_iter()
        .map(|(name, document)| (name, policy(&document)))
        .collect();
    let mut wrong = Vec::new();
    for vector in &Vectors::get().all {
        let policy = &policies[vector.policy.as_str()];
        let mut gate = gate(policy, &vector.policy);
        assert!(!gate.verifies_by_host());
        let request = request(&headers(vector, policy));
        let verdict = match gate.decide(&request, wall(vector)).0 {
            Decision::Verdict(verdict) => verdict,
            // A key that inline keys lack is not waited for.
            Decision::Hold(candidate) => {
                let now = Now {
                    wall: wall(vector),
                    monotonic: Monotonic::default(),
                };
                answered(&mut gate, candidate, vector.answer.as_ref(), now)
            }
        };
        wrong.extend(difference(vector, policy, &verdict));
    }
    none_wrong(&wrong);
}

/// All steps of a decision, as it takes them.
#[derive(Default)]
struct Steps(Vec<(Step, Result<(), Reason>)>);

impl Observer for Steps {
    fn saw(&mut self, step: Step, ended: Result<(), Reason>) {
        self.0.push((step, ended));
    }
}

/// The promised order: cheap steps stand before dear ones, and the reason is that of the first that fails.
#[test]
fn steps_are_taken_in_order_until_one_fails() {
    let policies: BTreeMap<_, _> = policies()
        .into_iter()
        .map(|(name, document)| (name, policy(&document)))
        .collect();
    for vector in &Vectors::get().all {
        let policy = &policies[vector.policy.as_str()];
        let request = request(&headers(vector, policy));
        let mut seen = Steps::default();
        let (decision, _) =
            gate(policy, &vector.policy).decide_seen(&request, wall(vector), &mut seen);
        let Steps(steps) = seen;
        assert!(steps.is_sorted_by_key(|(step, _)| *step), "{}", vector.name);
        let taken = |wanted| steps.iter().any(|(step, _)| *step == wanted);
        let asks_where = policy.decides_by_paths() || policy.decides_by_hosts();
        assert_eq!(taken(Step::Path), asks_where, "{}", vector.name);
        let (last, before) = steps.split_last().expect("a step");
        assert!(
            before.iter().all(|(_, ended)| ended.is_ok()),
            "{}",
            vector.name
        );
        let ended = match &decision {
            Decision::Verdict(Verdict::Refuse(refusal)) => Err(refusal.reason()),
            Decision::Verdict(Verdict::Forward(forward)) => {
                forward.despite.map_or(Ok(()), |one| Err(one.reason()))
            }
            Decision::Verdict(Verdict::Answer(_)) | Decision::Hold(_) => Ok(()),
        };
        assert_eq!(last.1, ended, "{}", vector.name);
    }
}

/// Of several audiences the one that the configuration knows; access logs show it.
#[test]
fn a_token_is_admitted_for_one_client() {
    let pool = "us-east-1_AbCdEf123";
    let keys = issuer::key_set(&[TestKey::first()]);
    let policy = policy(&json!({
        "user_pools": [{"user_pool_id": pool, "client_ids": ["web", "app"], "jwks": {"inline": keys}}],
        "token": {"use": "any"},
    }));
    for (token, client) in [
        (Token::access(pool).claim("client_id", "web"), "web"),
        (Token::id(pool).claim("aud", "app"), "app"),
        (
            Token::id(pool).claim("aud", json!(["other", "app", "web"])),
            "app",
        ),
    ] {
        let value = format!("Bearer {}", token.mint()).into_bytes();
        let request = request(&[("authorization".into(), value)]);
        let now = Timestamp::since_epoch(UNIX_EPOCH.elapsed().unwrap());
        let (decision, _) = gate(&policy, "").decide(&request, now);
        let Decision::Verdict(Verdict::Forward(Forward {
            caller: Caller::Known(remembered),
            ..
        })) = decision
        else {
            panic!("{decision:?}");
        };
        assert_eq!(remembered.verified.client(&policy), Some(client));
    }
}

/// A host that verifies, and is less strict than the filter: it takes a signature for the number
/// that it is, whatever zeros stand before it.
struct LenientHost;

impl HostVerifier for LenientHost {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let key = rsa::PublicKey::from_public_key_der(spki).expect("a key in the host's form");
        let zeros = signature.iter().take_while(|byte| **byte == 0).count();
        let number = &signature[zeros..];
        let padded = [
            vec![0; key.size().saturating_sub(number.len())].as_slice(),
            number,
        ]
        .concat();
        let signature = Signature::try_from(padded.as_slice());
        let key = VerifyingKey::<Sha256>::new(key);
        match signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()) {
            true => HostAnswer::Valid,
            false => HostAnswer::Invalid,
        }
    }
}

/// The verdict of a gate with inline keys, where no kid is waited for.
fn at_once(gate: &mut Gate, vector: &Vector, policy: &Policy) -> Verdict {
    match gate
        .decide(&request(&headers(vector, policy)), wall(vector))
        .0
    {
        Decision::Verdict(verdict) => verdict,
        Decision::Hold(candidate) => {
            let now = Now {
                wall: wall(vector),
                monotonic: Monotonic::default(),
            };
            answered(gate, candidate, vector.answer.as_ref(), now)
        }
    }
}

#[test]
fn a_host_that_verifies_decides_alike() {
    let host = Rs256::host_if_proven(Rc::new(LenientHost));
    assert!(host.is_host());
    let mut wrong = Vec::new();
    let vectors = Vectors::get();
    // The back ends are asked about nothing else.
    let reasons = ["invalid_signature", "unknown_key"];
    let asked = vectors.all.iter().filter(|vector| match &vector.expect {
        Expect::Refused(reason) => reasons.contains(&reason.as_str()),
        Expect::Forwarded(known, _) => *known,
        Expect::Answered => false,
    });
    for vector in asked {
        let policy = policy(&vectors.policy(&vector.policy));
        let verifiers = with_es384(host.clone());
        let gate = Gate::new(Rc::clone(&policy), verifiers, Entropy::new(1));
        let mut gate = supplied(gate, vectors, &vector.policy);
        assert!(gate.verifies_by_host());
        let verdict = at_once(&mut gate, vector, &policy);
        wrong.extend(difference(vector, &policy, &verdict));
    }
    none_wrong(&wrong);
}

/// The document with its inline keys moved to a key server, and the key sets by issuer.
fn fetched(document: &Value) -> (Value, Vec<Vec<u8>>) {
    let mut document = document.clone();
    let mut sets = Vec::new();
    for kind in ["user_pools", "aws_accounts"] {
        for issuer in document
            .get_mut(kind)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            sets.push(issuer["jwks"]["inline"].to_string().into_bytes());
            issuer["jwks"] = json!({"cluster": "keys"});
        }
    }
    (document, sets)
}

/// Whoever comes first waits for the keys, whoever names a key that nobody has waits for the next
/// set; the verdict is the same, also from the little of a request that the host reads.
#[test]
fn keys_that_are_waited_for_decide_alike() {
    let mut wrong = Vec::new();
    for (name, document) in policies() {
        let (document, sets) = fetched(&document);
        let policy = policy(&document);
        for vector in Vectors::get()
            .all
            .iter()
            .filter(|vector| vector.policy == name)
        {
            let space = Space::default();
            let mut gate = Gate::new(Rc::clone(&policy), verifiers(&policy), Entropy::new(1));
            let at = |millis| Now {
                wall: wall(vector),
                monotonic: Monotonic::new(Duration::from_millis(millis)),
            };
            gate.start(at(0), &space);
            if policy.rules.opens_doors() {
                // There nobody waits.
                continue;
            }
            let request = request(&headers(vector, &policy));
            let (decision, _) = gate.decide(&request, wall(vector));
            let verdict = match decision {
                Decision::Verdict(verdict) => verdict,
                Decision::Hold(candidate) => {
                    let mut verdict = gate.hold(1, candidate, at(0), &space);
                    // One fetch for the keys, and one more for a `kid` that they lack.
                    for round in 1..=2 {
                        if verdict.is_some() {
                            break;
                        }
                        let mut effects = gate.tick(at(round), &space);
                        for (id, call) in effects.calls {
                            let fetches = |issuer: Issuer<'_>| match issuer.keys() {
                                KeySource::Fetched(source) => {
                                    source.endpoint.get(call.reading.max_body) == call
                                }
                                KeySource::Inline(_) => false,
                            };
                            let mut issuers = policy.issuers.iter();
                            if !call.body.is_empty() {
                                let answer = vector.answer.as_ref().expect(&vector.name);
                                let next = gate.answered(id, answer, at(round), &space);
                                effects.verdicts.extend(next.verdicts);
                                continue;
                            }
                            // What is not a key set is the deny list.
                            let body = match issuers.position(|(_, issuer)| fetches(issuer)) {
                                Some(issuer) => Some(sets[issuer].clone()),
                                None => Vectors::get().deny_list(name),
                            };
                            let answer = Answer::response(200, body);
                            let next = gate.answered(id, &answer, at(round), &space);
                            effects.verdicts.extend(next.verdicts);
                        }
                        verdict = effects.verdicts.pop().map(|(_, verdict)| verdict);
                    }
                    verdict.unwrap_or_else(|| panic!("{} waits for ever", vector.name))
                }
            };
            wrong.extend(difference(vector, &policy, &verdict));
        }
    }
    none_wrong(&wrong);
}

/// One gate is asked everything, the accepted requests first, then all of them again: what it
/// remembers of one token, rule or time must say nothing about another.
#[test]
fn a_gate_that_remembers_decides_alike() {
    let mut wrong = Vec::new();
    for (name, document) in policies() {
        let policy = policy(&document);
        let mut gate = gate(&policy, name);
        let vectors = || {
            Vectors::get()
                .all
                .iter()
                .filter(|vector| vector.policy == name)
        };
        let accepted = vectors().filter(|vector| matches!(vector.expect, Expect::Forwarded(..)));
        for vector in accepted.chain(vectors()).chain(vectors()) {
            let verdict = at_once(&mut gate, vector, &policy);
            wrong.extend(difference(vector, &policy, &verdict));
        }
    }
    none_wrong(&wrong);
}

#[test]
fn every_refusal_has_an_accepted_twin() {
    let vectors = Vectors::get();
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for vector in &vectors.all {
        if !names.insert(&vector.name) {
            wrong.push(format!("{}: the name stands twice", vector.name));
        }
        if matches!(vector.expect, Expect::Forwarded(..) | Expect::Answered) {
            continue;
        }
        let twin = vector.twin.as_deref().and_then(|name| vectors.named(name));
        match twin {
            None => wrong.push(format!("{}: no twin", vector.name)),
            Some(Vector {
                expect: Expect::Refused(_),
                ..
            }) => {
                wrong.push(format!("{}: the twin is refused", vector.name));
            }
            Some(twin) if vector.differences(twin) != vector.differs => {
                let found = vector.differences(twin);
                wrong.push(format!(
                    "{}: differs in {found} things from its twin {}",
                    vector.name, twin.name
                ));
            }
            Some(_) => {}
        }
    }
    none_wrong(&wrong);
}

/// No check is without a vector, and there are as many as were promised.
#[test]
fn every_reason_is_asked_for() {
    let vectors = &Vectors::get().all;
    let reasons: BTreeSet<&str> = vectors
        .iter()
        .filter_map(|vector| match &vector.expect {
            Expect::Refused(reason) => Some(reason.as_str()),
            Expect::Forwarded(..) | Expect::Answered => None,
        })
        .collect();
    // With keys that are there or never, no decision ends so; `flow` asks for it.
    let all = Reason::ALL
        .iter()
        .filter(|reason| **reason != Reason::KeysUnavailable);
    assert_eq!(reasons, all.map(|reason| reason.code()).collect());
    assert!(vectors.len() >= 500, "{} vectors", vectors.len());
}

/// What a rule asks of the bearer of a token for which all else holds.
const RULES_OWN: [Reason; 4] = [
    Reason::InsufficientScope,
    Reason::InsufficientGroup,
    Reason::ClaimMismatch,
    Reason::StaleAuthentication,
];

/// Under `enforce: report` every request goes on. Those that would be refused go on for the same
/// reason, in nobody's name unless the rule alone refuses them, and with nothing that a client
/// forged; all others as ever.
#[test]
fn whatever_is_refused_can_be_reported() {
    let mut wrong = Vec::new();
    let mut reported = 0;
    for (name, mut document) in policies() {
        if document.get("authorizers").is_some() {
            // What an authorizer refuses is never only reported.
            continue;
        }
        document["enforce"] = "report".into();
        let rules = document.get_mut("rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            rule.as_object_mut().unwrap().remove("enforce");
        }
        let policy = policy(&document);
        let mut gate = gate(&policy, name);
        let vectors = Vectors::get().all.iter();
        for vector in vectors.filter(|vector| vector.policy == name) {
            let request = request(&headers(vector, &policy));
            let (decision, _) = gate.decide(&request, wall(vector));
            if let Decision::Verdict(Verdict::Answer(_)) = decision {
                assert!(matches!(vector.expect, Expect::Answered), "{}", vector.name);
                continue;
            }
            let Decision::Verdict(Verdict::Forward(forward)) = &decision else {
                panic!("{}: {decision:?}", vector.name);
            };
            let despite = forward.despite.map(despite);
            let expected = match &vector.expect {
                Expect::Refused(reason) => Some(format!("reported.{reason}")),
                Expect::Forwarded(..) | Expect::Answered => vector.despite.clone(),
            };
            reported += usize::from(despite.is_some());
            let is_known = matches!(forward.caller, Caller::Known(_));
            let may_be_known = forward
                .despite
                .is_none_or(|despite| RULES_OWN.contains(&despite.reason()));
            if despite != expected || is_known && !may_be_known {
                wrong.push(format!("{}: {despite:?}, known: {is_known}", vector.name));
            }
            if let Decision::Verdict(verdict) = &decision {
                wrong.extend(forged(vector, &policy, verdict));
            }
        }
    }
    none_wrong(&wrong);
    assert!(reported >= 300, "{reported} reported");
}
