//! Files that were made to write on the terminal of whoever checks them.

use std::path::Path;
use std::process::{Command, Output};

/// Controls (C0, C1), and one that turns the direction of text around.
const HOSTILE: &str = "\u{1b}[31m\u{9b}2J\u{202e}";

fn tool(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    command.args(arguments).output().expect("the tool starts")
}

#[track_caller]
fn harmless(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let obeyed =
        |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
    assert!(!text.contains(obeyed), "{text:?}");
    text.to_owned()
}

/// In names of files and fields, in values, comments and warnings.
#[test]
fn nothing_in_a_file_reaches_the_terminal_as_it_is() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let file = directory
        .join(format!("a{HOSTILE}.yaml"))
        .display()
        .to_string();
    let pool = "user_pools:\n- user_pool_id: us-east-1_Kq7LmNp2x";
    // YAML has escapes for what it does not take as it is.
    let escaped = r"\e[31m\x9b2J\u202e";
    let wrong = format!(
        "{pool}\n  client_ids: any # \u{202e}\u{9b}\n  \"x{escaped}\": 1\n  jwks: {{cluster: c}}\ntoken: {{use: \"{escaped}\"}}\n"
    );
    let unwise = format!(
        "{pool}\n  client_ids: any # \u{202e}\u{9b} # check: allow an\u{202e}y\n  jwks: {{cluster: \"{escaped}\"}}\ntoken: {{use: any}}\n"
    );
    let broken = format!("{pool}\n  client_ids: [\u{202e}\u{9b}\ntoken: {{}}\n");
    for (text, status) in [(wrong, 1), (unwise, 0), (broken, 2)] {
        std::fs::write(&file, &text).expect("a writable target directory");
        for format in ["human", "json", "sarif"] {
            let output = tool(&["check", "--format", format, &file]);
            assert_eq!(output.status.code(), Some(status), "{output:?}");
            assert!(!harmless(&output.stdout).is_empty(), "{format}");
            harmless(&output.stderr);
        }
        let output = tool(&["explain", "--config", &file, "--path", "/"]);
        harmless(&output.stdout);
        harmless(&output.stderr);
    }
    let absent = tool(&["check", &format!("{file}.absent")]);
    assert!(harmless(&absent.stderr).starts_with("error: "));
}
