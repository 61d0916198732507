use super::*;
use serde_json::json;

/// 2048 bits, odd; not a product of two primes, which nothing here depends on.
fn modulus(last: u8) -> String {
    let mut bytes = [0xab; 256];
    bytes[255] = last;
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwk(kid: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": modulus(0xff), "e": "AQAB"})
}

fn parse(document: &Value) -> Result<KeySet, InvalidKeySet> {
    KeySet::parse(document.to_string().as_bytes())
}

/// A set with one usable key, and that key with one member changed.
#[track_caller]
fn changed(member: &str, value: Option<Value>, usable: bool) {
    let mut entry = jwk("changed");
    match value.clone() {
        Some(value) => entry[member] = value,
        None => drop(entry.as_object_mut().unwrap().remove(member)),
    }
    let kid = entry["kid"].as_str().unwrap_or_default().to_owned();
    let set = parse(&json!({"keys": [entry, jwk("other")]})).unwrap();
    assert_eq!(set.get(&kid).is_some(), usable, "{member} {value:?}");
    assert_eq!(set.skipped(), usize::from(!usable), "{member} {value:?}");
    assert!(set.get("other").is_some());
}

#[test]
fn one_bad_key_does_not_cost_the_others() {
    changed("kty", Some(json!("RSA")), true);
    for bad in [Some(json!("EC")), Some(json!("rsa")), Some(json!(1)), None] {
        changed("kty", bad, false);
    }
    for good in [Some(json!("sig")), None] {
        changed("use", good, true);
    }
    for bad in [json!("enc"), json!(null), json!(["sig"])] {
        changed("use", Some(bad), false);
    }
    for good in [Some(json!("RS256")), None] {
        changed("alg", good, true);
    }
    for bad in [json!("RS512"), json!("PS256"), json!("none"), json!(null)] {
        changed("alg", Some(bad), false);
    }
    for bad in [Some(json!("")), Some(json!(1)), None] {
        changed("kid", bad, false);
    }
    changed("n", Some(json!(modulus(0x01))), true);
    for bad in [
        Some(json!("")),
        Some(json!("AQAB")),
        Some(json!(modulus(0xff) + "=")),
        Some(json!(modulus(0xfe))),
        Some(json!(7)),
        None,
    ] {
        changed("n", bad, false);
    }
    changed("e", Some(json!("Aw")), true);
    for bad in [
        Some(json!("")),
        Some(json!("AQ")),
        Some(json!("AQAA")),
        Some(json!("AQAAAAE")),
        Some(json!("AQ+B")),
        None,
    ] {
        changed("e", bad, false);
    }
    // A certificate beside the key is not looked at.
    changed("x5c", Some(json!(["anything"])), true);
}

#[test]
fn leading_zeros_of_a_modulus_are_tolerated() {
    let mut bytes = vec![0, 0];
    bytes.extend([0xab; 255]);
    bytes.push(0xff);
    changed("n", Some(json!(URL_SAFE_NO_PAD.encode(bytes))), true);
}

#[test]
fn of_two_keys_with_one_kid_the_first_counts() {
    let mut second = jwk("k");
    second["n"] = json!(modulus(0x01));
    let set = parse(&json!({"keys": [jwk("k"), second]})).unwrap();
    assert_eq!((set.len(), set.skipped()), (1, 1));
    let first = parse(&json!({"keys": [jwk("k")]})).unwrap();
    assert!(set.same_keys(&first));
}

#[test]
fn the_names_of_usable_keys_can_be_listed() {
    let mut useless = jwk("c");
    useless["kty"] = json!("EC");
    let set = parse(&json!({"keys": [jwk("b"), useless, jwk("a")]})).unwrap();
    assert_eq!(set.kids().collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn sets_are_compared_by_their_keys() {
    let set = |keys: &[Value]| parse(&json!({"keys": keys})).unwrap();
    let mut other = jwk("a");
    other["n"] = json!(modulus(0x01));
    let both = set(&[jwk("a"), jwk("b")]);
    assert!(both.same_keys(&set(&[jwk("b"), jwk("a")])));
    assert!(!both.same_keys(&set(&[jwk("a")])));
    assert!(!both.same_keys(&set(&[jwk("a"), jwk("c")])));
    assert!(!both.same_keys(&set(&[other, jwk("b")])));
}

#[track_caller]
fn refused(document: &[u8], expected: InvalidKeySet, text: &str) {
    assert_eq!(KeySet::parse(document).unwrap_err(), expected);
    assert_eq!(expected.to_string(), text);
}

#[test]
fn what_is_no_key_set() {
    let malformed = r#"found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#;
    for document in [
        &b""[..],
        b"[]",
        b"{}",
        b"null",
        b"{\"keys\":{}}",
        b"{\"keys\":[",
        b"<html>",
        b"\xff",
    ] {
        refused(document, InvalidKeySet::Malformed, malformed);
    }
    refused(
        b"{\"keys\":[]}",
        InvalidKeySet::NoUsableKey(KeyKinds::Rsa),
        "the key set has no usable key; expected an RSA key of 2048 to 4096 bits with a kid, for RS256 signatures",
    );
    let keys = |count: usize| {
        json!({"keys": vec![jwk("k"); count]})
            .to_string()
            .into_bytes()
    };
    assert!(KeySet::parse(&keys(KeySet::MAX_KEYS)).is_ok());
    refused(
        &keys(KeySet::MAX_KEYS + 1),
        InvalidKeySet::TooManyKeys,
        "the key set has too many keys; expected at most 100",
    );
    let mut padded = keys(1);
    padded.resize(KeySet::MAX_BYTES, b' ');
    assert!(KeySet::parse(&padded).is_ok());
    padded.push(b' ');
    refused(
        &padded,
        InvalidKeySet::TooLarge,
        "the key set is too large; expected at most 150000 bytes",
    );
}

/// Read by others as a number where this filter sees an object, it costs the key that it stands in,
/// and at the top the set.
#[test]
fn an_object_that_others_read_as_a_number_costs_its_key() {
    let member = |name: &str| json!([{ name: "5" }]);
    changed("x", Some(member("$serde_json::private::Numbers")), true);
    changed("x", Some(member(json::NUMBER_MEMBER)), false);
    let set = |name: &str| parse(&json!({"keys": [jwk("k")], name: "5"})).map(|set| set.len());
    assert_eq!(set("$serde_json::private::Numbers").unwrap(), 1);
    assert_eq!(
        set(json::NUMBER_MEMBER).unwrap_err(),
        InvalidKeySet::Malformed
    );
}

fn p384(kid: &str) -> Value {
    let number = URL_SAFE_NO_PAD.encode([7; 48]);
    json!({"kty": "EC", "kid": kid, "use": "sig", "alg": "ES384", "crv": "P-384", "x": number, "y": number})
}

fn of_account(document: &Value) -> Result<KeySet, InvalidKeySet> {
    KeySet::of_kinds(document.to_string().as_bytes(), KeyKinds::RsaAndP384)
}

#[test]
fn a_curve_is_for_accounts_alone() {
    let document = json!({"keys": [jwk("RSA_0"), p384("EC384_0")]});
    let account = of_account(&document).unwrap();
    assert!(matches!(account.get("RSA_0"), Some(Key::Rsa(_))));
    assert!(matches!(account.get("EC384_0"), Some(Key::P384(_))));
    assert_eq!((account.len(), account.skipped()), (2, 0));
    let pool = parse(&document).unwrap();
    assert!(pool.get("EC384_0").is_none());
    assert_eq!((pool.len(), pool.skipped()), (1, 1));
    assert!(!pool.same_keys(&account));
    // A set with nothing but a curve is none for a pool.
    let curve = json!({"keys": [p384("EC384_0")]});
    let none = InvalidKeySet::NoUsableKey(KeyKinds::Rsa);
    assert_eq!(parse(&curve).unwrap_err(), none);
    assert_eq!(of_account(&curve).unwrap().len(), 1);
    let none = of_account(&json!({"keys": []})).unwrap_err();
    assert_eq!(
        none.to_string(),
        "the key set has no usable key; expected an RSA key of 2048 to 4096 bits or one on P-384, with a kid, for RS256 or ES384 signatures"
    );
}

#[test]
fn a_curve_is_p_384_for_es384() {
    let changed = |member: &str, value: Option<Value>| {
        let mut entry = p384("k");
        match value {
            Some(value) => entry[member] = value,
            None => drop(entry.as_object_mut().unwrap().remove(member)),
        }
        let set = of_account(&json!({"keys": [entry, jwk("other")]})).unwrap();
        set.get("k").is_some()
    };
    for (member, good) in [("alg", None), ("use", None), ("kty", Some(json!("EC")))] {
        assert!(changed(member, good), "{member}");
    }
    let short = URL_SAFE_NO_PAD.encode([7; 47]);
    let long = URL_SAFE_NO_PAD.encode([7; 49]);
    for (member, bad) in [
        ("crv", Some(json!("P-256"))),
        ("crv", None),
        ("alg", Some(json!("RS256"))),
        ("alg", Some(json!("ES256"))),
        ("use", Some(json!("enc"))),
        ("kty", Some(json!("RSA"))),
        ("kty", Some(json!("OKP"))),
        ("kid", Some(json!(""))),
        ("x", Some(json!(short))),
        ("y", Some(json!(long))),
        ("y", None),
    ] {
        assert!(!changed(member, bad.clone()), "{member} {bad:?}");
    }
}

#[test]
fn of_two_kinds_with_one_kid_the_first_counts() {
    let set = of_account(&json!({"keys": [p384("k"), jwk("k")]})).unwrap();
    assert!(matches!(set.get("k"), Some(Key::P384(_))));
    let set = of_account(&json!({"keys": [jwk("k"), p384("k")]})).unwrap();
    assert!(matches!(set.get("k"), Some(Key::Rsa(_))));
}
