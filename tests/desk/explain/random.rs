//! Requests that nobody thought of: whatever is asked, the account tells the gate's own verdict, no
//! step is puzzled by it, and nothing is shown that must not be.

use std::collections::BTreeSet;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::decision::Verdict;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::Reason;
use serde_json::{Value, json};

use crate::explain::account::{self, Account, Paint, Question};
use crate::explain::every_vector::{decided, leak, policies, policy, question, wrong_steps};
use crate::harness::issuer::TestKey;
use crate::harness::seed::Seed;
use crate::harness::vectors::{Vector, Vectors};

/// Bytes that mean something to a reader of paths, headers or tokens.
const BYTES: &[u8] = b"./%;?#&=,: \\\"{}aAzZ09-_+~|\x00\x1b\x7f\x9b\xc3\xff\t";

/// Members of a token's header and payload.
const MEMBERS: [&str; 16] = [
    "alg",
    "kid",
    "crit",
    "jwk",
    "iss",
    "exp",
    "nbf",
    "iat",
    "auth_time",
    "token_use",
    "client_id",
    "aud",
    "scope",
    "cognito:groups",
    "custom:level",
    "sub",
];

/// What a member might be.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1_700_000_000),
        json!(1_700_000_060),
        json!(1_699_999_940.5),
        json!(1e300),
        json!(""),
        json!("RS256"),
        json!("HS256"),
        json!("k2"),
        json!("id"),
        json!("access"),
        json!("web"),
        json!("api/write api/admin"),
        json!("\u{1b}]0;title\u{7}\u{202e}\u{9b}"),
        json!("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123/"),
        json!("https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123"),
        json!([]),
        json!(["admin"]),
        json!(["web", 1, null]),
        json!({"a": [1]}),
    ]
}

/// Changes a byte of a header, or a member of a token in it.
fn change(headers: &mut [(String, Vec<u8>)], seed: &mut Seed) {
    let at = seed.below(headers.len());
    let value = &mut headers[at].1;
    let token = value
        .windows(2)
        .position(|start| start == b"ey")
        .filter(|_| seed.below(4) > 0);
    match token {
        Some(start) => {
            let end = value[start..]
                .iter()
                .position(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte));
            let end = end.map_or(value.len(), |length| start + length);
            let token = String::from_utf8(value[start..end].to_vec()).unwrap();
            value.splice(start..end, retold(&token, seed).into_bytes());
        }
        None => {
            let place = seed.below(value.len() + 1);
            let byte = *seed.choose(BYTES);
            match seed.below(3) {
                0 => value.insert(place, byte),
                1 if place < value.len() => value[place] = byte,
                _ if place < value.len() => drop(value.remove(place)),
                _ => {}
            }
        }
    }
}

/// The token with another member in its header or payload, and the old signature.
fn retold(token: &str, seed: &mut Seed) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let at = seed.below(2).min(parts.len() - 1);
    let decoded = URL_SAFE_NO_PAD.decode(&parts[at]).unwrap_or_default();
    if let Ok(Value::Object(mut members)) = serde_json::from_slice(&decoded) {
        let name = (*seed.choose(&MEMBERS)).to_owned();
        match seed.below(4) {
            0 => drop(members.remove(&name)),
            _ => drop(members.insert(name, seed.choose(&values()).clone())),
        }
        parts[at] = URL_SAFE_NO_PAD.encode(Value::Object(members).to_string());
    }
    parts.join(".")
}

/// What is wrong with the account of a question, if something is; else the reason in it.
fn asked(policy: &Rc<Policy>, document: &Value, question: &Question) -> Result<Value, String> {
    let account = Account::of(policy, document, question);
    let written = account::json(&account);
    let json: Value = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    let reason = match decided(policy, question) {
        Verdict::Refuse(refusal) => json!(refusal.reason().code()),
        // Why it would have been refused, where it goes on all the same.
        Verdict::Forward(forward) => json!(forward.despite.map(|it| it.reason().code())),
        Verdict::Answer(_) => Value::Null,
    };
    if json["reason"] != reason {
        return Err(format!("expected {reason}, found {}", json["reason"]));
    }
    if let Some(why) = wrong_steps(&json, &account) {
        return Err(why);
    }
    // A request that is changed may come under a rule that asks no function.
    let mut notes = account.notes.iter();
    if !notes.all(|note| note.starts_with("--answer ") && note.contains(" was not used")) {
        return Err(format!("{:?}", account.notes));
    }
    let text = account::human(&account, Paint::Plain);
    leak(policy, question, &[&written, &text]).map_or(Ok(reason), Err)
}

#[test]
fn no_request_leaves_the_account_at_odds_with_the_gate() {
    const REQUESTS: usize = 800;
    let mut seed = Seed::from_variable("EXPLAIN_SEED");
    let vectors = Vectors::get();
    let policies = policies();
    let mut answers = vectors.all.iter().filter_map(|one| one.answer.as_ref());
    let answer = answers.next().expect("a vector with an answer");
    let mut wrong = Vec::new();
    let mut reasons = BTreeSet::new();
    for _ in 0..REQUESTS {
        let vector: &Vector = seed.choose(&vectors.all);
        let (policy, document) = &policies[vector.policy.as_str()];
        let mut question = question(vector, policy, None);
        // A request that is changed may come under a rule that asks a function.
        for authorizer in &policy.authorizers {
            let given = question.answers.entry(authorizer.name.clone());
            given.or_insert_with(|| answer.clone());
        }
        for _ in 0..=seed.below(3) {
            change(&mut question.headers, &mut seed);
        }
        match asked(policy, document, &question) {
            Ok(reason) => drop(reasons.insert(reason.to_string())),
            Err(why) => {
                let headers = question.headers.iter();
                let headers: Vec<_> = headers
                    .map(|(name, value)| format!("{name}: {}", account::text(value)))
                    .collect();
                wrong.push(format!("{} with {headers:?}: {why}", vector.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // They are no mere heap of malformed tokens.
    assert!(reasons.len() >= 10, "{reasons:?}");
}

/// The same for what only a good signature lets a token come to.
#[test]
fn no_claim_leaves_the_account_at_odds_with_the_gate() {
    const TOKENS: usize = 80;
    let mut seed = Seed::from_variable("EXPLAIN_SEED");
    let vectors = Vectors::get();
    let document = vectors.policy("rules");
    let policy = policy(&document);
    let rules: Vec<&Vector> = vectors
        .all
        .iter()
        .filter(|vector| vector.policy == "rules")
        .collect();
    let common: Value =
        serde_json::from_str(include_str!("../../vectors/decisions/common.json")).unwrap();
    let mut reasons = BTreeSet::new();
    for _ in 0..TOKENS {
        let vector: &Vector = seed.choose::<&Vector>(&rules);
        let base = *seed.choose(&["access", "id"]);
        let tokens =
            crate::harness::minting::expanded(&common["tokens"][base]["claims"], vector.now);
        let mut claims = tokens.as_object().unwrap().clone();
        for _ in 0..=seed.below(2) {
            let name = (*seed.choose(&MEMBERS[8..])).to_owned();
            claims.insert(name, seed.choose(&values()).clone());
        }
        let signed = [json!({"alg": "RS256", "kid": "k1"}), Value::Object(claims)]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let signature = URL_SAFE_NO_PAD.encode(TestKey::first().sign(signed.as_bytes()));
        let mut question = question(vector, &policy, None);
        question.headers.retain(|(name, _)| name != "authorization");
        let value = format!("Bearer {signed}.{signature}");
        question
            .headers
            .push(("authorization".to_owned(), value.into_bytes()));
        match asked(&policy, &document, &question) {
            Ok(reason) => drop(reasons.insert(reason.as_str().map(str::to_owned))),
            Err(why) => panic!("{} with {signed}: {why}", vector.name),
        }
    }
    assert!(!reasons.contains(&Some(Reason::InvalidSignature.code().to_owned())));
    assert!(reasons.len() >= 4, "{reasons:?}");
}
