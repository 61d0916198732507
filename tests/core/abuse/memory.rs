//! What remembered tokens take, however they are stuffed.

use std::rc::Rc;

use cognito_authorizer::cache::TokenCache;
use cognito_authorizer::claims::Claims;
use cognito_authorizer::decision::{Caller, Decision, Forward, Verdict};
use cognito_authorizer::rs256::{HostAnswer, HostVerifier, Rs256};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::abuse::{POOL, bearer, gate, now};
use crate::harness::issuer::Token;

/// Claims whose values take much more memory than text.
fn stuffings() -> Vec<(&'static str, Value)> {
    vec![
        ("small numbers", (0..5_000).map(|_| 1).collect()),
        ("empty lists", (0..3_500).map(|_| json!([])).collect()),
        ("lists of one", (0..2_500).map(|_| json!([1])).collect()),
        ("objects", (0..1_300).map(|_| json!({"a": 1})).collect()),
        ("short texts", (0..2_500).map(|_| "a").collect()),
    ]
}

/// The process's memory, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = pages.split(' ').nth(1).expect("the resident set");
    pages.parse::<usize>().expect("a number") * 4096
}

/// What claims say they take is what the process grows by, and the cache goes by what they say.
#[test]
fn remembered_tokens_take_what_the_bound_says() {
    claims_know_what_they_take();
    the_cache_goes_by_it();
}

fn claims_know_what_they_take() {
    // What is freed would be taken again before the process grows.
    let mut kept = Vec::new();
    for (what, value) in stuffings() {
        let payload = json!({"sub": "s", "custom:stuffing": value}).to_string();
        let before = resident();
        let claims: Vec<_> = (0..150)
            .map(|_| Claims::parse(payload.as_bytes()).expect("claims"))
            .collect();
        let grown = resident().saturating_sub(before);
        let said: usize = claims.iter().map(Claims::bytes).sum();
        kept.push(claims);
        // Other tests share the process; what is said may be a little more than is taken.
        assert!(
            said * 3 / 2 > grown,
            "{what}: {said} bytes said, {grown} taken"
        );
        assert!(grown * 3 > said, "{what}: {said} bytes said, {grown} taken");
    }
}

/// Proves itself with the genuine key, and then says yes to all.
struct Yes(std::cell::Cell<usize>);

impl HostVerifier for Yes {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let asked = self.0.get();
        self.0.set(asked + 1);
        let genuine = || {
            let key = rsa::PublicKey::from_public_key_der(spki).expect("a key");
            let signature = Signature::try_from(signature);
            let key = VerifyingKey::<Sha256>::new(key);
            signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
        };
        match asked >= 3 || genuine() {
            true => HostAnswer::Valid,
            false => HostAnswer::Invalid,
        }
    }
}

/// 4096 entries are 16 MiB, of whatever tokens.
fn the_cache_goes_by_it() {
    const ENTRIES: usize = 4096;
    for (what, value) in stuffings() {
        let algorithm = Rs256::host_if_proven(Rc::new(Yes(std::cell::Cell::new(0))));
        assert!(algorithm.is_host());
        let mut gate = gate(algorithm);
        let mut cache = TokenCache::new(ENTRIES);
        let mut each = 0;
        for number in 0..80 {
            let token = Token::access(POOL)
                .claim("custom:stuffing", value.clone())
                .claim("jti", number);
            let compact = crate::harness::issuer::compact(
                &token.header_bytes(),
                &token.payload_bytes(),
                &[1; 256],
            );
            let decision = gate.decide(&bearer(&compact), now(0).wall).0;
            let Decision::Verdict(Verdict::Forward(Forward {
                caller: Caller::Known(remembered),
                ..
            })) = decision
            else {
                panic!("{what}: {decision:?}");
            };
            each = remembered.verified.claims().bytes() + compact.len();
            cache.insert(compact.as_bytes(), remembered);
        }
        let bound = ENTRIES * TokenCache::ENTRY_BYTES;
        assert!(
            cache.len() * each <= bound,
            "{what}: {} of {each} bytes",
            cache.len()
        );
        // And no less is remembered than fits.
        assert!(
            cache.len() == 80 || (cache.len() + 20) * (each + TokenCache::ENTRY_BYTES) > bound,
            "{what}: {}",
            cache.len()
        );
    }
}
