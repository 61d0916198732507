//! Any document at all: no panic, and one meaning in both forms.

use crate::config::{POOL, read, reference, serialized};
use crate::harness::seed::Seed;
use cognito_authorizer::config;
use serde_json::{Map, Value, json};

/// No panic, and no refusal without a word.
fn survives(bytes: &[u8]) {
    if let Err(problems) = config::parse(bytes) {
        assert!(problems.iter().count() > 0);
        for problem in problems.iter() {
            assert!(!problem.path().is_empty() && !problem.text().is_empty());
            assert!(!problem.to_string().contains('\n'), "{problem}");
        }
    }
}

#[test]
fn changed_bytes_are_read_or_refused() {
    let mut random = Seed::from_variable("CONFIG_SEED");
    let originals = [
        reference().to_string().into_bytes(),
        serialized(&reference()),
    ];
    for round in 0..4000 {
        let mut bytes = originals[round % 2].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            let end = (at + random.below(20)).min(bytes.len());
            match random.below(5) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.drain(at..end)),
                3 => bytes.insert(at, random.below(256) as u8),
                _ => {
                    let copied = bytes[at..end].to_vec();
                    let to = random.below(bytes.len());
                    bytes.splice(to..to, copied);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        survives(&bytes);
    }
}

/// Puts something else in one place of a tree.
fn disturb(value: &mut Value, random: &mut Seed, depth: usize) {
    let here = depth > 0 && random.below(6) == 0;
    match value {
        Value::Array(elements) if !here && !elements.is_empty() => {
            let at = random.below(elements.len());
            if random.below(12) == 0 {
                let copy = elements[at].clone();
                elements.push(copy);
            } else {
                disturb(&mut elements[at], random, depth + 1);
            }
        }
        Value::Object(members) if !here && !members.is_empty() => {
            let name = members
                .keys()
                .nth(random.below(members.len()))
                .unwrap()
                .clone();
            match random.below(12) {
                0 => drop(members.remove(&name)),
                1 => {
                    let value = members.remove(&name).unwrap();
                    members.insert(format!("{name}s"), value);
                }
                _ => disturb(&mut members[&name], random, depth + 1),
            }
        }
        _ => {
            const TEXTS: [&str; 12] = [
                "",
                "any",
                "id",
                "{userId}",
                "/a",
                "5s",
                "*",
                "https://h",
                "\u{0}",
                "ü",
                "x-a",
                POOL,
            ];
            let values = [
                json!(null),
                json!(true),
                json!(0),
                json!(-1.5),
                json!(1e300),
                json!([]),
                json!({}),
                json!([[]]),
                json!({"any": null}),
                json!(["any"]),
                json!("(".repeat(200)),
                json!(random.choose(&TEXTS)),
            ];
            *value = random.pick(&values);
        }
    }
}

#[test]
fn disturbed_documents_mean_the_same_in_both_forms() {
    let mut random = Seed::from_variable("CONFIG_SEED");
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..1000 {
        let mut document = reference();
        for _ in 0..=random.below(3) {
            disturb(&mut document, &mut random, 0);
        }
        if document.as_object().is_none_or(Map::is_empty) {
            continue;
        }
        match read(&document) {
            Ok(_) => passed += 1,
            Err(_) => refused += 1,
        }
        survives(document.to_string().as_bytes());
    }
    assert!(
        refused > 300 && passed > 3,
        "{refused} refused, {passed} passed"
    );
}
