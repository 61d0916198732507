//! The output to the letter: one request for each reason with a twin that passes, in a file each.
//! `TRYCMD=overwrite` writes what is printed now; read the difference before it is kept.

use cognito_authorizer::refusal::Reason;
use std::path::Path;

use serde_json::{Value, json};

use crate::explain::cases::{self, Case, FILES};
use crate::explain::tool::explain;
use crate::harness::issuer::TestKey;

#[test]
fn what_is_printed_is_what_the_files_have() {
    let mut wrong = Vec::new();
    let mut printed = String::new();
    let mut files = Vec::new();
    for case in &cases::all() {
        let output = output(case);
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/desk/explain/golden")
            .join(format!("{}.txt", case.name));
        assert!(!files.contains(&file), "{} stands twice", case.name);
        if std::env::var("TRYCMD").is_ok_and(|wish| wish == "overwrite") {
            std::fs::write(&file, &output).expect("a writable directory");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if expected != output {
            wrong.push(format!(
                "{}: expected\n{expected}found\n{output}",
                case.name
            ));
        }
        printed.push_str(&output);
        files.push(file);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() >= 40, "{} cases", files.len());
    let reasons = Reason::ALL.iter();
    // Those of functions stand in answers.trycmd.
    let reasons = reasons.filter(|reason| **reason < Reason::MissingIdentity);
    // Without keys the tool says so, where Envoy would have to refuse.
    for reason in reasons.filter(|reason| reason.code() != "keys_unavailable") {
        assert!(
            printed.contains(&format!("REFUSED {};", reason.code())),
            "{} is nowhere",
            reason.code()
        );
    }
    let there = std::fs::read_dir(files[0].parent().unwrap()).unwrap();
    let there: Vec<_> = there.map(|entry| entry.unwrap().path()).collect();
    let stray: Vec<_> = there.iter().filter(|file| !files.contains(file)).collect();
    assert!(stray.is_empty(), "no case is for {stray:?}");
}

/// The command line, what it prints, and its status if that is not 0.
fn output(case: &Case) -> String {
    // As `echo` would write it.
    let token = case.token.as_deref().map(|token| [token, b"\n"].concat());
    let output = explain(&case.arguments, &token.unwrap_or_default());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    let cookie = cookie(case);
    let tokens = case.token.iter().chain(&cookie);
    for token in tokens.map(|token| String::from_utf8_lossy(token).into_owned()) {
        let signature = token.splitn(3, '.').nth(2).unwrap_or_default();
        assert!(
            signature.len() < 20 || !stdout.contains(signature),
            "{} shows a signature",
            case.name
        );
    }
    let arguments: Vec<_> = case
        .arguments
        .iter()
        .map(|argument| shown(argument))
        .collect();
    let mut printed = format!(
        "$ cognito-authorizer explain {}\n{stdout}{stderr}",
        arguments.join(" ")
    );
    match output.status.code() {
        Some(0) => {}
        Some(status) => printed.push_str(&format!("? {status}\n")),
        None => panic!("{} ended with {}", case.name, output.status),
    }
    printed
}

/// The token of a `--header 'cookie: …'`.
fn cookie(case: &Case) -> Option<Vec<u8>> {
    let mut arguments = case.arguments.iter();
    let cookie = arguments.find_map(|argument| argument.strip_prefix("cookie: access_token="));
    cookie.map(|token| token.as_bytes().to_vec())
}

/// An argument as it would be typed; a token by its name.
fn shown(argument: &str) -> String {
    let argument = match argument.split_once("access_token=ey") {
        Some((before, token)) => {
            let after = token.split_once('&').map_or("", |(_, after)| after);
            let and = if after.is_empty() { "" } else { "&" };
            format!("{before}access_token=$TOKEN{and}{after}")
        }
        None => argument.to_owned(),
    };
    match argument.contains([' ', ';', '$', '&', '?']) {
        true => format!("\"{argument}\""),
        false => argument,
    }
}

/// The key set of the cases is that of the test keys.
#[test]
fn the_key_set_is_that_of_the_test_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(FILES)
        .join("jwks.json");
    let key = |key: &TestKey, kid: &str| {
        let mut jwk = key.jwk();
        jwk["kid"] = json!(kid);
        jwk
    };
    let keys = json!({"keys": [
        key(TestKey::first(), "k1"),
        key(TestKey::second(), "k2"),
        {"kty": "EC", "crv": "P-256", "kid": "k3", "use": "sig"},
    ]});
    if std::env::var("TRYCMD").is_ok_and(|wish| wish == "overwrite") {
        std::fs::write(&path, format!("{keys:#}\n")).expect("a writable directory");
    }
    let text = std::fs::read_to_string(&path).expect("jwks.json");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), keys);
}
