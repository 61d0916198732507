//! Completions and manual pages: generated, so it is enough that each is there and is whole.

use std::path::Path;
use std::process::Command;

const COMMANDS: [&str; 13] = [
    "init",
    "check",
    "explain",
    "token",
    "reason",
    "import",
    "jwks",
    "deny",
    "status",
    "serve",
    "schema",
    "completions",
    "man",
];

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

/// What bash offers when TAB is pressed at the end of a line. bash itself reads the script, and
/// calls the function that it registers in the way that readline does.
fn offered(line: &str) -> Vec<String> {
    let script = printed(&["completions", "bash"]);
    let press = r#"
        read -r -a COMP_WORDS <<< "$line"
        [[ $line == *' ' ]] && COMP_WORDS+=('')
        COMP_LINE=$line COMP_POINT=${#line} COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMP_TYPE=9 COMP_KEY=9
        registered=$(complete -p cognito-authorizer) && registered=${registered##*-F }
        "${registered%% *}" cognito-authorizer "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{press}")])
        .env("line", line)
        .output()
        .expect("bash");
    assert!(output.status.success(), "{line:?}: {output:?}");
    let offered = String::from_utf8(output.stdout).expect("UTF-8");
    offered.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes() {
    assert_eq!(offered("cognito-authorizer ch"), ["check"]);
    let options = offered("cognito-authorizer check --");
    for option in ["--deny-warnings", "--allow", "--format", "--help"] {
        assert!(options.iter().any(|one| one == option), "{options:?}");
    }
    assert_eq!(
        offered("cognito-authorizer check --deny"),
        ["--deny-warnings"]
    );
    assert_eq!(
        offered("cognito-authorizer jwks --only "),
        ["pool", "envoy", "istio", "gateway"]
    );
    assert_eq!(offered("cognito-authorizer check --format s"), ["sarif"]);
    assert_eq!(
        offered("cognito-authorizer reason wrong_"),
        [
            "wrong_token_use",
            "wrong_client",
            "wrong_audience",
            "wrong_principal"
        ]
    );
    assert!(offered("cognito-authorizer help ch").contains(&"check".to_owned()));
    // Not what another command has.
    assert_eq!(offered("cognito-authorizer man --deny"), [""; 0]);
}

#[test]
fn every_command_has_a_page() {
    // Neither of the two folders is there before.
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = std::fs::remove_dir_all(&parent);
    let directory = parent.join("man1");
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
