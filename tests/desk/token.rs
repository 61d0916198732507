//! `token`: what people paste, what is wrong with it, and what must never be shown.

use crate::harness::seed::Seed;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const NOW: &str = "2026-03-01T08:50:00Z";
const HEADER: &str = r#"{"kid":"k","alg":"RS256"}"#;
const POOL: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";
/// What signatures and the token within a token look like.
const SIGNATURE: &str = "c2lnbmF0dXJlLXNpZ25hdHVyZQ";

fn token(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .current_dir(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/desk/token/files"
        ))
        .args(["token", "--now", NOW])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The tool need not read what it has no use for.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the tool ends")
}

fn compact(header: &str, payload: &str) -> String {
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.{SIGNATURE}")
}

/// An access token that is good until nine, with this in place of a part of it.
fn access(part: &str, with: &str) -> String {
    let payload = format!(
        r#"{{"iss":"{POOL}","token_use":"access","client_id":"7lk3vn0p","exp":1772355600,"iat":1772352000}}"#
    );
    assert!(payload.contains(part), "{part}");
    compact(HEADER, &payload.replacen(part, with, 1))
}

/// Looks at what is printed, of which nothing is a signature or a whole token.
#[track_caller]
fn told(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let output = token(arguments, input.as_bytes());
    let text = format!(
        "{}{}",
        String::from_utf8(output.stdout).expect("UTF-8"),
        String::from_utf8(output.stderr).expect("UTF-8"),
    );
    assert!(!text.contains(SIGNATURE), "{text}");
    let payload = input.split('.').nth(1).filter(|part| part.len() > 8);
    assert!(payload.is_none_or(|part| !text.contains(part)), "{text}");
    let obeyed =
        |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
    assert!(!text.contains(obeyed), "{text:?}");
    (output.status.code(), text)
}

#[track_caller]
fn wrong(input: &str, problems: &[&str]) {
    let (status, text) = told(&["-"], input);
    let (_, listed) = text.split_once("\nWrong\n").unwrap_or(("", ""));
    let (listed, _) = listed.split_once("\n\n").unwrap_or((listed, ""));
    let lines: Vec<_> = listed.lines().map(str::trim_start).collect();
    let same = lines.len() == problems.len()
        && lines
            .iter()
            .zip(problems)
            .all(|(line, problem)| line.contains(problem));
    assert!(same, "{problems:?}\n{text}");
    assert_eq!(
        status,
        Some(if problems.is_empty() { 0 } else { 1 }),
        "{text}"
    );
}

#[test]
fn all_that_is_wrong_is_listed() {
    let good = access("", "");
    wrong(&good, &[]);
    wrong(&format!("Bearer {good}\n"), &[]);
    wrong(&format!("authorization: bearer {good}\r\n"), &[]);
    wrong(&format!("\"{good}\""), &["it stands in quotes"]);
    wrong(&good.replacen('.', ".\n", 1), &["white space stands in it"]);
    wrong(&format!("{good}="), &["padded with \"=\""]);
    wrong(&good.replace('w', "+"), &["standard alphabet"]);
    wrong(
        &access("1772355600", "1772300000"),
        &["expired 15 h 16 min ago"],
    );
    wrong(
        &access("\"access\"", "\"refresh\""),
        &["token_use: \"refresh\""],
    );
    // Not only the first.
    let before = format!(r#"{{"iss":"{POOL}","exp":1000,"iat":900}}"#);
    wrong(
        &compact(HEADER, &before),
        &["(token_expired)", "token_use: missing"],
    );
    // Ten seconds ahead: within the skew, and then not.
    wrong(&access("1772352000", "1772355010"), &[]);
    wrong(
        &access("1772352000", "1772359000"),
        &["(token_not_yet_valid)"],
    );
    wrong(
        &access("\"iat\"", "\"exp\""),
        &["the name \"exp\" stands twice"],
    );
    wrong(&access("1772355600", "\"soon\""), &["exp is \"soon\""]);
    wrong(&access(POOL, "nobody"), &["issuer: iss is \"nobody\""]);
    wrong(&compact(r#"{"alg":"none"}"#, "{}"), &["alg is \"none\""]);
    wrong(
        &compact(r#"{"alg":"HS256","kid":"k"}"#, "{}"),
        &["alg is \"HS256\""],
    );
    wrong(
        &compact(r#"{"alg":"RS256","kid":"k","crit":["b64"]}"#, "{}"),
        &["it has crit"],
    );
    wrong(
        &compact(r#"{"alg":"RS256","alg":"none","kid":"k"}"#, "{}"),
        &["the name \"alg\" stands twice"],
    );
    wrong(&compact(HEADER, "[]"), &["no JSON object"]);
    wrong("hello", &["one part"]);
    wrong(
        &format!(
            "{}.a.b.c.{SIGNATURE}",
            compact("{}", "{}").split('.').next().unwrap()
        ),
        &["five parts"],
    );
}

/// A role's token, for which the two algorithms stand.
#[test]
fn of_aws_accounts() {
    let payload = r#"{"iss":"https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws","aud":"https://api.example.com","sub":"arn:aws:iam::123456789012:role/billing","exp":1772355600,"iat":1772352000,"jti":"x","https://sts.amazonaws.com/":{"aws_account":"123456789012"}}"#;
    for algorithm in ["RS256", "ES384"] {
        let header = HEADER.replace("RS256", algorithm);
        wrong(&compact(&header, payload), &[]);
        wrong(
            &compact(&header, &payload.replace("role/billing", "assumed")),
            &["(malformed_token)"],
        );
    }
    let (_, text) = told(&["-"], &compact(HEADER, payload));
    assert!(text.contains("an AWS account's issuer"), "{text}");
}

#[test]
fn what_is_no_one_token_is_no_answer() {
    let good = access("", "");
    let json = format!("{{\"AccessToken\":\"{good}\"}}");
    for input in ["", " \n", json.as_str(), &format!("{good}\n{good}")] {
        let (status, text) = told(&["-"], input);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.starts_with("error: found "), "{text}");
    }
    // On the command line it would stand in the shell's history, and here in an error.
    for argument in [good.clone(), format!("Bearer {good}")] {
        let output = token(&[&argument], b"");
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(
            text.contains("on the command line") && !text.contains("eyJ"),
            "{text}"
        );
    }
    assert_eq!(
        token(&["-"], &vec![b'a'; 1024 * 1024 + 1]).status.code(),
        Some(2)
    );
}

/// Claims are whatever a stranger wrote, another token perhaps.
#[test]
fn nothing_in_a_token_reaches_the_terminal_as_it_is() {
    let inner = access("7lk3vn0p", "another1");
    let hostile = "\\u001b[31m\u{9b}2J\u{202e}";
    let with =
        format!(r#""7lk3vn0p","a{hostile}":"{hostile}","inner":"{inner}","b":["{hostile}"]"#);
    wrong(&access("\"7lk3vn0p\"", &with), &[]);
    let (_, text) = told(&["-"], &access("\"7lk3vn0p\"", &with));
    assert!(
        text.contains("[redacted]") && text.contains("\\u001b[31m"),
        "{text}"
    );
    let header = format!(r#"{{"kid":"{hostile}","alg":"{hostile}"}}"#);
    wrong(&compact(&header, "{}"), &["alg is "]);
    let bytes = token(&["-"], b"ey\xff\x1b[31m.\x9b.x");
    assert_eq!(bytes.status.code(), Some(1));
    assert!(!bytes.stdout.contains(&0x1b) && !bytes.stdout.contains(&0x9b));
}

#[test]
fn a_configuration_says_whether_it_would_admit_it() {
    let config = ["-", "--config", "authorizer.yaml"];
    let file = include_str!("token/files/good.txt");
    let (status, text) = told(&config, file);
    assert_eq!(status, Some(2), "{text}");
    assert!(
        text.contains("\nUNKNOWN: admitted if the signature is good"),
        "{text}"
    );
    let keys = [&config[..], &["--jwks", "jwks.json"]].concat();
    let (status, text) = told(&keys, file);
    assert!(
        status == Some(0) && text.ends_with("\nADMITTED\n"),
        "{text}"
    );
    // Another app client's, which the configuration does not name, whatever its rules say.
    let (status, text) = told(&config, &access("", ""));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("\nREFUSED wrong_client"), "{text}");
    let (status, text) = told(&["-", "--config", "jwks.json"], file);
    assert!(status == Some(2) && text.starts_with("error: "), "{text}");
}

/// Whatever comes in, there is an answer, and nothing in it that a terminal would obey.
#[test]
fn damaged_tokens_do_no_harm() {
    let mut random = Seed::from_variable("TOKEN_SEED");
    for _ in 0..100 {
        let mut payload = format!(r#"{{"iss":"{POOL}","exp":1772355600,"aud":["a"],"iat":1e3}}"#);
        // Damage within the claims, which stay base64url, and damage to what is written.
        for _ in 0..random.below(4) {
            let at = random.below(payload.len());
            let damage = *random.choose(&[r"\", r#"""#, r"\u009b", "{", "9", "\0"]);
            payload.replace_range(at..=at, damage);
        }
        let mut bytes = compact(HEADER, &payload).into_bytes();
        for _ in 0..random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = *random.choose(b".=+ \n\x1b\xff\"{A");
        }
        let output = token(&["-"], &bytes);
        assert!(matches!(output.status.code(), Some(0..=2)), "{output:?}");
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).expect("UTF-8");
            let obeyed = |character: char| character.is_control() && character != '\n';
            assert!(
                !text.contains(obeyed) && !text.contains("panicked"),
                "{text:?}"
            );
        }
    }
}
