//! The cache of verified tokens: nothing but the very token that was verified is found in it.

use cognito_authorizer::decision::{CacheUse, Decision, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::rs256::Rs256;

use crate::abuse::{POOL, bearer, gate, now};
use crate::harness::issuer::{CLIENT, TestKey, Token};
use crate::harness::seed::Seed;

/// Whether the token was let in, and whether it was found.
fn judged(gate: &mut Gate, token: &[u8]) -> (bool, CacheUse) {
    let (decision, cache) = gate.decide(&bearer(token), now(0).wall);
    let let_in = matches!(decision, Decision::Verdict(Verdict::Forward(_)));
    (let_in, cache)
}

/// A gate that remembers a token, and the token.
fn remembering() -> (Gate, Vec<u8>) {
    let mut gate = gate(Rs256::module());
    let token = Token::access(POOL).mint().into_bytes();
    assert_eq!(judged(&mut gate, &token), (true, CacheUse::Miss));
    assert_eq!(judged(&mut gate, &token), (true, CacheUse::Hit));
    (gate, token)
}

/// Another byte at any place is another token: neither found nor accepted.
#[test]
fn a_remembered_token_with_another_byte_is_refused() {
    let mut dice = Seed::from_variable("ABUSE_SEED");
    let (mut gate, token) = remembering();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    for at in 0..token.len() {
        let mut others = vec![token[at] ^ 0x20, 0xff, b'=', *dice.choose(alphabet)];
        // Letters that differ in nothing but their case, and bytes that end what is read.
        others.extend([0, b'%']);
        for other in others {
            let mut changed = token.clone();
            changed[at] = other;
            if changed == token {
                continue;
            }
            let judgement = judged(&mut gate, &changed);
            assert_eq!(judgement, (false, CacheUse::Miss), "byte {at} is {other}");
        }
    }
    for length in [0, 1, token.len() / 2, token.len() - 32, token.len() - 1] {
        assert!(!judged(&mut gate, &token[..length]).0, "cut to {length}");
        assert!(
            !judged(&mut gate, &token[token.len() - length..]).0,
            "the last {length}"
        );
    }
    for more in [&b"."[..], b"=", b"A", b"\0", b".e30"] {
        assert!(
            !judged(&mut gate, &[&token, more].concat()).0,
            "and {more:?}"
        );
        assert!(
            !judged(&mut gate, &[more, &token].concat()).0,
            "{more:?} and"
        );
    }
    assert_eq!(
        judged(&mut gate, &token),
        (true, CacheUse::Hit),
        "the token itself"
    );
}

/// The cache's hash looks at the signature alone: other claims under it meet the same place.
#[test]
fn other_claims_under_a_remembered_signature_are_refused() {
    let (mut gate, token) = remembering();
    let text = String::from_utf8(token.clone()).expect("text");
    let signature = text.rsplit('.').next().expect("a signature");
    for forged in [
        Token::access(POOL).claim("sub", "somebody else"),
        Token::access(POOL).claim("cognito:groups", vec!["admin"]),
        Token::access(POOL).claim("exp", 1_u64 << 50),
        Token::id(POOL).claim("aud", CLIENT),
        Token::access(POOL).signed_by(TestKey::second()),
        Token::access(POOL).header("alg", "none"),
    ] {
        let minted = forged.mint();
        let (signed, _) = minted.rsplit_once('.').expect("a signature");
        let stolen = format!("{signed}.{signature}");
        assert_eq!(
            judged(&mut gate, stolen.as_bytes()),
            (false, CacheUse::Miss)
        );
        // Nor does a refusal leave anything behind.
        assert_eq!(
            judged(&mut gate, stolen.as_bytes()),
            (false, CacheUse::Miss)
        );
    }
    assert_eq!(judged(&mut gate, &token), (true, CacheUse::Hit));
}

/// What was refused is never remembered, so that a flood of it pushes nothing out.
#[test]
fn refused_tokens_leave_the_cache_as_it_was() {
    let (mut gate, token) = remembering();
    let text = String::from_utf8(token.clone()).expect("text");
    let (signed, signature) = text.rsplit_once('.').expect("a signature");
    // More than the cache holds.
    for number in 0..5000 {
        let forged = format!("{signed}.{}{number:05}", &signature[5..]);
        let (let_in, cache) = judged(&mut gate, forged.as_bytes());
        assert!(!let_in);
        assert_eq!(cache, CacheUse::Miss);
    }
    assert_eq!(judged(&mut gate, &token), (true, CacheUse::Hit));
}
