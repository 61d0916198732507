//! Whatever is cut out of a definition, hidden in it or misspelt, no request passes that did not pass
//! before.

use super::random::definition;
use super::seed::Seed;
use super::{imported, imported_text, policy, requests};
use crate::import::note::Note;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::claims::Claims;
use cognito_authorizer::policy::{Policy, Preflight};
use cognito_authorizer::refusal::Refusal;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::index::{Target, Variables};
use cognito_authorizer::rules::requirement::Requirement;
use cognito_authorizer::time::Timestamp;
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use cognito_authorizer::verify::{Admitted, Demand, conditions};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What stands for a tag and for a merge key in JSON, until it is made YAML.
const TAG: &str = "\u{1}tag";
const MERGE: &str = "\u{1}merge";
const NOW: f64 = 1_800_000_000.0;

/// The payload of a token, and the token without a signature.
type Token = (String, String);

/// A token of each kind.
fn tokens() -> Vec<Token> {
    let mut tokens = Vec::new();
    for pool in ["us-east-1_Aaaaaaaa1", "us-east-1_Bbbbbbbb1"] {
        for client in ["c1", "c2", "c3"] {
            for (kind, scope) in [
                ("id", ""),
                ("access", ""),
                ("access", "x"),
                ("access", "y z"),
            ] {
                let name = if kind == "id" { "aud" } else { "client_id" };
                let payload = json!({
                    "iss": format!("https://cognito-idp.us-east-1.amazonaws.com/{pool}"),
                    "exp": NOW + 60.0, "iat": NOW, "token_use": kind, "scope": scope, name: client,
                });
                let payload = payload.to_string();
                let parts = [r#"{"alg":"RS256","kid":"k"}"#, &payload, "signature"];
                let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
                tokens.push((payload, parts.join(".")));
            }
        }
    }
    tokens
}

/// Which of the tokens satisfy a requirement, each a bit: the core's own checks are asked.
fn satisfying(policy: &Policy, requirement: &Requirement, tokens: &[Token]) -> u64 {
    let now = Timestamp::from_seconds(NOW).unwrap();
    let none = Variables::default();
    let demand = Demand {
        policy,
        requirement,
        variables: &none,
        now,
    };
    let satisfies = |(payload, compact): &Token| {
        let parsed = UntrustedToken::parse(compact.as_bytes(), &KnownHeaders::default(), &mut ());
        let claims = Claims::parse(payload.as_bytes()).unwrap();
        Admitted::new(parsed.unwrap(), &demand, &mut ()).is_ok_and(|admitted| {
            conditions(&claims, admitted.issuer(), &demand, &mut (), |_, _| {
                Ok::<_, Refusal>(())
            })
            .is_ok()
        })
    };
    let tokens = tokens.iter().enumerate();
    let bits = tokens.filter(|(_, token)| satisfies(token));
    bits.map(|(bit, _)| 1 << bit).sum()
}

/// Which of the tokens let each request through; a request without one passes with all.
fn passing(policy: &Policy, tokens: &[Token]) -> Vec<u64> {
    let mut known: BTreeMap<Option<usize>, u64> = BTreeMap::new();
    let passes = |(path, method): &(String, &'static str)| {
        let target = Target {
            path: Some(path.as_bytes()),
            method: Some(method.as_bytes()),
            authority: Some(b"localhost"),
        };
        let Ok((ruling, _)) = policy.rules.choose(&target) else {
            return 0;
        };
        let access = policy.rules.access(ruling);
        *known.entry(ruling.rule()).or_insert_with(|| match access {
            Access::Anyone => u64::MAX,
            Access::Nobody => 0,
            Access::Optional(_) | Access::Authorizer(_) => panic!("no API has it"),
            Access::Require(requirement) => satisfying(policy, requirement, tokens),
        })
    };
    requests().iter().map(passes).collect()
}

/// What was done to a definition.
#[derive(Debug)]
#[allow(dead_code, reason = "a failure shows where")]
enum Change {
    Hidden(String),
    Misspelt(String),
    Moved(String),
    Cut(String),
}

/// Every part of a value, as a pointer.
fn pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                pointers(value, &format!("{pointer}/{}", escaped(name)), found);
            }
        }
        Value::Array(elements) => {
            for (at, value) in elements.iter().enumerate() {
                pointers(value, &format!("{pointer}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// Something that is not what it stands for.
fn unreadable(was: &Value, random: &mut Seed) -> Value {
    random.pick(&[
        json!({"$ref": "./other.yaml"}),
        json!({"$ref": "#/nowhere"}),
        json!({"$ref": "#/paths", "security": []}),
        json!({"Fn::If": ["Wanted", was, {"Ref": "AWS::NoValue"}]}),
        json!({"Fn::Transform": {"Name": "AWS::Include"}}),
        json!({"Ref": "Something"}),
        json!({"<<": {"security": []}}),
        json!({TAG: was}),
        json!({TAG: "Something"}),
        json!("${something}"),
        json!("{{ something }}"),
        json!("<%= something %>"),
        json!(["${something}"]),
        json!({"${something}": []}),
    ])
}

fn misspelt(name: &str, random: &mut Seed) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = random.below(letters.len());
    match random.below(4) {
        0 => letters[at] = letters[at].to_ascii_uppercase(),
        1 => drop(letters.remove(at)),
        2 => letters.insert(at, 'q'),
        _ => letters[at] = '_',
    }
    letters.into_iter().collect()
}

/// Parts of schemes whose absence says that less is asked for: then it is.
const OPTIONAL: [&str; 2] = ["identityValidationExpression", "audience"];

fn in_schemes(pointer: &str) -> bool {
    let schemes = ["/securityDefinitions/", "/components/"];
    schemes
        .iter()
        .any(|schemes| format!("{pointer}/").starts_with(schemes))
}

fn change(definition: &mut Value, random: &mut Seed) -> Option<Change> {
    let mut all = Vec::new();
    pointers(definition, "", &mut all);
    // Most of a definition is schemes, of which an operation has one.
    if random.below(4) > 0 {
        all.retain(|pointer| !in_schemes(pointer));
    }
    let pointer = random.pick(&all);
    let (parent, name) = pointer.rsplit_once('/')?;
    let name = name.replace("~1", "/").replace("~0", "~");
    match random.below(4) {
        0 | 1 => {
            let part = definition.pointer_mut(&pointer)?;
            let readable = part.clone();
            *part = unreadable(&readable, random);
            Some(Change::Hidden(pointer))
        }
        2 => {
            // What is called so by the definition's author may be called anything.
            if parent == "/paths" || [TAG, MERGE].contains(&name.as_str()) {
                return None;
            }
            let members = definition.pointer_mut(parent)?.as_object_mut()?;
            let slip = misspelt(&name, random);
            if slip == name || members.contains_key(&slip) {
                return None;
            }
            let value = members.remove(&name)?;
            members.insert(slip, value);
            Some(Change::Misspelt(pointer))
        }
        _ if random.below(2) == 0 => {
            // No reader looks for a reference in the place of a reference's text.
            if name == "$ref" {
                return None;
            }
            let part = definition.pointer_mut(&pointer)?;
            let moved = std::mem::take(part);
            let place = format!("x-moved-{}", random.next());
            *part = match random.below(2) == 0 && moved.is_object() {
                true => json!({MERGE: moved.clone()}),
                false => json!({"$ref": format!("#/{place}")}),
            };
            definition.as_object_mut()?.insert(place, moved);
            Some(Change::Moved(pointer))
        }
        _ => {
            let known = [
                "swagger",
                "openapi",
                "paths",
                "securityDefinitions",
                "components",
            ];
            if !in_schemes(parent) && !known.contains(&name.as_str())
                || OPTIONAL.contains(&name.as_str())
            {
                return None;
            }
            definition
                .pointer_mut(parent)?
                .as_object_mut()?
                .remove(&name)?;
            Some(Change::Cut(pointer))
        }
    }
}

#[test]
fn what_is_not_read_opens_nothing() {
    let mut random = Seed::from_variable("IMPORT_SEED");
    let tokens = tokens();
    assert!(tokens.len() < 64);
    let (mut read, mut refused, mut narrowed, mut passed) = (0, 0, 0, 0);
    // The test would be worth nothing if next to nothing passed before.
    let mut thrown = 0;
    while thrown < 30 || passed < 1_000 || narrowed < 20 {
        thrown += 1;
        assert!(thrown < 600, "definitions let next to nothing through");
        let whole = definition(&mut random);
        let api = random.pick(&["--api=rest", "--api=http"]);
        // One client that every audience names: what counts as none is then this one.
        let options = [api, "--client-ids=c1", "--authorizer=a"];
        let Ok(before) = imported(&whole, &options) else {
            continue;
        };
        let policy_before = policy(&before);
        let before = passing(&policy_before, &tokens);
        passed += before.iter().filter(|bits| **bits != 0).count();
        for _ in 0..10 {
            let mut changed = whole.clone();
            let changes = 0..=random.below(2);
            let changes: Vec<_> = changes
                .filter_map(|_| change(&mut changed, &mut random))
                .collect();
            let text = changed.to_string();
            let text = text.replace(&format!("{{{}:", json!(TAG)), "{!If :");
            let text = text.replace(&json!(MERGE).to_string(), "<<");
            let Ok(after) = imported_text(text.clone(), &options) else {
                refused += 1;
                continue;
            };
            for part in ["${", "{{", "<%", "!If", "Fn::", "AWS::"] {
                assert!(!after.text.contains(part), "{changes:?}\n{}", after.text);
            }
            let slip = |change: &Change| matches!(change, Change::Misspelt(at) if at.ends_with("/security"));
            if changes.iter().any(slip) {
                // API Gateway passes it over, and so does this, but not in silence.
                let said = |note: &Note| note.text.contains("slip of security");
                let said = after.notes.iter().any(said) || after.notes.lost();
                assert!(said, "{changes:?}\n{changed:#}");
                continue;
            }
            let policy = policy(&after);
            let now = passing(&policy, &tokens);
            for ((request, before), now) in requests().iter().zip(&before).zip(&now) {
                assert_eq!(
                    now & !before,
                    0,
                    "{changes:?} lets more tokens through for {request:?}\n{whole:#}\n{text}\n{}",
                    after.text
                );
            }
            let preflights = |policy: &Policy| policy.preflight == Preflight::Pass;
            assert!(
                preflights(&policy_before) || !preflights(&policy),
                "{changes:?}\n{text}"
            );
            if changes.iter().all(|one| matches!(one, Change::Moved(_))) {
                assert!(
                    now == before,
                    "{changes:?} is followed\n{text}\n{}",
                    after.text
                );
            }
            read += 1;
            narrowed += usize::from(now != before);
        }
    }
    println!("{read} read, {narrowed} of them narrower, {refused} refused");
    assert!(read > narrowed);
}
