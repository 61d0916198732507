//! Completions and manual pages: generated, so it is enough that each is there and is whole.

use std::path::Path;
use std::process::Command;

const COMMANDS: [&str; 6] = ["check", "explain", "import", "jwks", "completions", "man"];

fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    let output = command.args(arguments).output().expect("the tool starts");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_shell_learns_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("deny-warnings"), "{shell}");
    }
}

/// bash itself reads its script, and completes the name of a command.
#[test]
fn bash_completes() {
    let script = printed(&["completions", "bash"]);
    let ask = "COMP_WORDS=(cognito-authorizer ch) COMP_CWORD=1
        _cognito-authorizer cognito-authorizer ch cognito-authorizer 2>&1 && echo \"${COMPREPLY[@]}\"";
    let name = script.lines().find_map(|line| line.strip_suffix("() {"));
    let ask = ask.replace(
        "_cognito-authorizer c",
        &format!("{} c", name.expect("a function")),
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{ask}")])
        .output()
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "check");
}

#[test]
fn every_command_has_a_page() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let written = printed(&["man", "--directory", &directory.display().to_string()]);
    assert_eq!(written, "");
    let page = |name: &str| std::fs::read_to_string(directory.join(name)).expect(name);
    assert_eq!(page("cognito-authorizer.1"), printed(&["man"]));
    for command in COMMANDS {
        let text = page(&format!("cognito-authorizer-{command}.1"));
        assert!(text.contains(".SH SYNOPSIS"), "{command}");
    }
    let check = page("cognito-authorizer-check.1");
    assert!(check.contains("Exit status"), "{check}");
}
