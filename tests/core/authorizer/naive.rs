//! An evaluator of policies that knows nothing of the one under test: written from IAM's grammar, as
//! simple as can be, and slow.

use serde_json::Value;
use std::net::IpAddr;

/// What a policy says of one ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Allowed,
    ImplicitDeny,
    ExplicitDeny,
}

/// How letters of resources are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    Exact,
    Caseless,
}

/// Whether a text matches, one character after the other, every way of a `*` tried.
pub(crate) fn glob(pattern: &[char], text: &[char]) -> bool {
    // For each beginning of the pattern, the beginnings of the text that it matches.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        match wanted {
            '*' => {
                let first = reached.iter().position(|reached| *reached);
                for place in first.into_iter().flat_map(|first| first..=text.len()) {
                    next[place] = true;
                }
            }
            wanted => {
                for place in 0..text.len() {
                    let fits = *wanted == '?' || *wanted == text[place];
                    next[place + 1] = reached[place] && fits;
                }
            }
        }
        reached = next;
    }
    reached[text.len()]
}

fn matches(pattern: &str, text: &str, letters: Letters) -> bool {
    let characters = |text: &str| match letters {
        Letters::Exact => text.chars().collect::<Vec<_>>(),
        Letters::Caseless => text.to_uppercase().to_lowercase().chars().collect(),
    };
    glob(&characters(pattern), &characters(text))
}

/// A pattern whose escapes are decoded, but for those of wildcards.
fn decoded(pattern: &str) -> String {
    let mut bytes = pattern.as_bytes().to_vec();
    let mut at = 0;
    while let Some(place) = bytes[at..].iter().position(|byte| *byte == b'%') {
        at += place;
        let digits = bytes.get(at + 1..at + 3);
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| !digits.contains('+'));
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
            && byte != b'*'
            && byte != b'?'
        {
            bytes.splice(at..at + 3, [byte]);
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| pattern.to_owned())
}

fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// An address as its bits, behind the family; one of IPv4 that is written as one of IPv6 is one of
/// IPv4, if all that says so counts.
fn bits(address: IpAddr, length: usize) -> String {
    match (address, address.to_canonical()) {
        (IpAddr::V6(address), IpAddr::V4(_)) if length < 96 => {
            format!("6{:0128b}", address.to_bits())
        }
        (_, IpAddr::V4(address)) => format!("4{:032b}", address.to_bits()),
        (_, IpAddr::V6(address)) => format!("6{:0128b}", address.to_bits()),
    }
}

/// `None` for what is no range.
fn in_range(range: &Value, address: IpAddr) -> Option<bool> {
    let range = range.as_str()?;
    let (network, length) = match range.split_once('/') {
        Some((network, length)) => (network, Some(length)),
        None => (range, None),
    };
    let network: IpAddr = network.parse().ok()?;
    let all = if network.is_ipv4() { 32 } else { 128 };
    let mut length = match length {
        Some(length) if !length.starts_with('+') => length.parse::<usize>().ok()?,
        Some(_) => return None,
        None => all,
    };
    if length > all {
        return None;
    }
    let mut network = bits(network, length);
    // An address of the one kind that is written as one of the other.
    if all == 128 && network.starts_with('4') {
        length -= 96;
    }
    network.truncate(length + 1);
    Some(bits(address, 128).starts_with(&network))
}

/// `None` for what is not understood.
fn condition(statement: &Value, source: IpAddr) -> Option<bool> {
    let mut holds = true;
    for (operator, keys) in statement.get("Condition").into_iter().flat_map(members) {
        members(keys).next()?;
        for (key, values) in members(keys) {
            let values = match values {
                Value::Array(values) => &values[..],
                one => std::slice::from_ref(one),
            };
            let mut inside = false;
            if values.is_empty() {
                return None;
            }
            for range in values {
                inside |= in_range(range, source)?;
            }
            match (&**operator, &*key.to_lowercase()) {
                ("IpAddress", "aws:sourceip") => holds &= inside,
                ("NotIpAddress", "aws:sourceip") => holds &= !inside,
                _ => return None,
            }
        }
    }
    Some(holds)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

/// Whether a statement is one for this ARN, not looking at its condition; `None` for what is not
/// understood.
fn is_about(statement: &Value, arn: &str, letters: Letters, closes: bool) -> Option<bool> {
    let has_variable = |name: &str| {
        let texts = statement.get(name).map(list).unwrap_or_default();
        texts.iter().any(|text| text.contains("${"))
    };
    if ["Resource", "NotResource"].into_iter().any(has_variable) {
        return None;
    }
    let any = |value: &Value, text: &str, letters| {
        list(value).iter().any(|pattern| {
            matches(pattern, text, letters) || closes && matches(&decoded(pattern), text, letters)
        })
    };
    let resource = match statement.get("Resource") {
        Some(resources) => any(resources, arn, letters),
        None => !any(&statement["NotResource"], arn, letters),
    };
    Some(resource)
}

fn covers_the_action(statement: &Value) -> bool {
    let any = |value: &Value| {
        let patterns = list(value);
        patterns
            .iter()
            .any(|pattern| matches(pattern, "execute-api:Invoke", Letters::Caseless))
    };
    match statement.get("Action") {
        Some(actions) => any(actions),
        None => !any(&statement["NotAction"]),
    }
}

/// What a policy says of one ARN, whose letters are compared like this with what closes: the resources
/// of a Deny, and those that an Allow leaves out.
pub(crate) fn says(policy: &Value, arn: &str, source: IpAddr, letters: Letters) -> Says {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        one => vec![one],
    };
    let mut said = Says::ImplicitDeny;
    for statement in statements.into_iter().filter(|one| covers_the_action(one)) {
        let condition = condition(statement, source);
        match statement["Effect"].as_str().unwrap() {
            "Allow" => {
                let by_name = statement.get("Resource").is_some();
                let letters = if by_name { Letters::Exact } else { letters };
                let about = is_about(statement, arn, letters, !by_name);
                if condition == Some(true) && about == Some(true) {
                    said = Says::Allowed;
                }
            }
            _ => {
                // One letter more or less must not take a Deny away.
                let by_name = statement.get("Resource").is_some();
                let letters = if by_name { letters } else { Letters::Exact };
                let about = is_about(statement, arn, letters, by_name);
                if condition != Some(false) && about != Some(false) {
                    return Says::ExplicitDeny;
                }
            }
        }
    }
    said
}

/// Whether some Deny statement names this ARN among its resources; or nothing is allowed by name, and
/// every Allow leaves this one out.
pub(crate) fn denies_by_name(policy: &Value, arn: &str, source: IpAddr, letters: Letters) -> bool {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => &statements[..],
        one => std::slice::from_ref(one),
    };
    let says = |effect: &str, by_name: bool| {
        let is_one =
            |one: &&Value| one["Effect"] == effect && one.get("Resource").is_some() == by_name;
        let some: Vec<_> = statements.iter().filter(is_one).collect();
        says(
            &serde_json::json!({"Statement": some}),
            arn,
            source,
            letters,
        )
    };
    let allows_by_name = statements
        .iter()
        .any(|one| one["Effect"] == "Allow" && one.get("Resource").is_some());
    says("Deny", true) == Says::ExplicitDeny
        || !allows_by_name && says("Allow", false) != Says::Allowed
}

/// Whether a request may be none that is allowed for the sake of another reading.
pub(crate) fn leaves_out(policy: &Value) -> bool {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => &statements[..],
        one => std::slice::from_ref(one),
    };
    let mut statements = statements.iter();
    statements.any(|one| one["Effect"] == "Allow" && one.get("NotResource").is_some())
}
