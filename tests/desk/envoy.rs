//! The promise behind the tool: what it says is what Envoy does, here a real one.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a variable names that `make test` sets; without it the test fails and says so.
#[track_caller]
fn provided(variable: &str) -> String {
    let path = std::env::var(variable).unwrap_or_default();
    assert!(
        Path::new(&path).exists(),
        "{variable}={path:?}; `make test` sets it"
    );
    path
}

fn tool(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("the tool starts")
}

/// The problems that `check` finds in a file, as the filter would log them.
fn found(file: &Path) -> Vec<String> {
    let output = tool(&["check", "--format", "json", &file.display().to_string()]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings").iter();
    let problems = findings.filter(|finding| finding["code"] == "problem");
    let texts = problems.map(|finding| {
        let path = finding["path"].as_str().expect("a path");
        let path = if path.is_empty() {
            "configuration"
        } else {
            path
        };
        format!("{path}: {}", finding["text"].as_str().expect("a text"))
    });
    texts.collect()
}

/// What a real Envoy says of a bootstrap: whether it takes it, and what the filter logs.
fn said(bootstrap: &Path) -> (bool, Vec<String>, String) {
    let output = Command::new(provided("ENVOY"))
        .args(["--mode", "validate", "--config-path"])
        .arg(bootstrap)
        .output()
        .expect("ENVOY names a program");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let refusals = log.lines().filter_map(|line| {
        let (_, line) = line.split_once("[error][wasm]")?;
        Some(line.split_once(": cognito-authorizer: ")?.1.to_owned())
    });
    (output.status.success(), refusals.collect(), log)
}

fn written(name: &str, text: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let file = directory.join(name);
    std::fs::write(&file, text).expect("a writable target directory");
    file
}

/// A listener of `check/documents`.
fn listener(name: &str, change: impl Fn(String) -> String) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desk/check/documents");
    let listener = std::fs::read_to_string(folder.join(name)).expect("a listener");
    change(listener.replace(
        "cognito_authorizer.wasm",
        &provided("COGNITO_AUTHORIZER_WASM"),
    ))
}

/// A bootstrap around listeners.
fn bootstrap(name: &str, listeners: &[String]) -> PathBuf {
    let listeners = listeners
        .iter()
        .map(|text| format!("  -\n    {}\n", text.replace('\n', "\n    ")));
    let cluster = |name| format!("  - {{name: {name}, type: STATIC, connect_timeout: 1s}}\n");
    let text = format!(
        "static_resources:\n  listeners:\n{}  clusters:\n{}{}",
        listeners.collect::<String>(),
        cluster("upstream"),
        cluster("cognito_us_east_1"),
    );
    written(name, &text)
}

/// Both refuse it, for the same reasons in the same words.
#[track_caller]
fn agree(name: &str, change: impl Fn(String) -> String) {
    let file = bootstrap(name, &[listener(name, change)]);
    let (mut problems, (valid, mut refusals, log)) = (found(&file), said(&file));
    // The tool goes by lines, the filter by its reference.
    problems.sort();
    refusals.sort();
    assert_eq!(problems, refusals, "{name}: {log}");
    assert_eq!(valid, problems.is_empty(), "{name}: {log}");
    assert!(!valid, "{name} should be refused");
}

#[test]
fn native_yaml() {
    agree("struct.yaml", |text| text);
}

/// Tags, merge keys, anchors under a tag that hides them, and a text that goes on further left.
#[test]
fn what_envoys_yaml_has_for_itself() {
    agree("as-envoy.yaml", |text| text);
}

/// Envoy's YAML has numbers of 32 bits only; what is larger, or no whole number, is a text.
#[test]
fn numbers() {
    agree("numbers.yaml", |text| text);
    agree("numbers.yaml", |text| {
        text.replace("12345678901, 5", "0x1F, 017, +1, y, No, ~")
    });
}

#[test]
fn json_in_a_text() {
    for name in [
        "text-block.yaml",
        "text-quoted.yaml",
        "text-is-yaml.yaml",
        "bytes.yaml",
    ] {
        agree(name, |text| text);
    }
}

#[test]
fn nothing_at_all() {
    agree("none.yaml", |text| text);
}

/// Their twins, without what is refused: both take them, Envoy all in one start.
#[test]
fn what_is_right_is_taken() {
    let own = |text: String| {
        let text = text.replace("!!str 5, ! 6, ! true, !!int \"7\", 0x8", "! 6, ! true, '7'");
        text.replace("<<: *base, ", "")
    };
    // The last of two holds, and the tool alone minds.
    let twice = |text: String| {
        let text = text.replace("!!str 5, ! 6, ! true, !!int \"7\", 0x8", "! 6");
        text.replace("{<<: *base, use: any}", "{use: any}").replace(
            "stat_prefix: ingress",
            "stat_prefix: a\n      stat_prefix: ingress",
        )
    };
    let block = |text: String| {
        let text = text.replace("\"7lk3vn0p\"", "[\"7lk3vn0p\"]");
        text.replace("claim_header\"", "claim_headers\"")
    };
    let twins: [(&str, &dyn Fn(String) -> String); 5] = [
        ("struct.yaml", &|text| text.replace("uze", "use")),
        ("as-envoy.yaml", &own),
        ("as-envoy.yaml", &twice),
        ("numbers.yaml", &|text| {
            text.replace(", 5]", ", 5.0, 1e3, 018]")
        }),
        ("text-block.yaml", &block),
    ];
    let mut listeners = Vec::new();
    for (number, (name, change)) in twins.into_iter().enumerate() {
        let text = listener(name, change);
        let file = bootstrap(&format!("right-{number}.yaml"), std::slice::from_ref(&text));
        assert_eq!(found(&file), Vec::<String>::new(), "{name}");
        // One Envoy has no two listeners of a name, or at a port.
        let text = text.replacen("ingress", &format!("ingress {number}"), 1);
        listeners.push(text.replace("port_value: 10000", &format!("port_value: 1000{number}")));
    }
    let (valid, _, log) = said(&bootstrap("right.yaml", &listeners));
    assert!(valid, "{log}");
}

/// Envoy itself refuses this one, before the filter sees it.
#[test]
fn a_configuration_without_type() {
    let file = bootstrap("untyped.yaml", &[listener("untyped.yaml", |text| text)]);
    assert_eq!(found(&file).len(), 1);
    let (valid, refusals, log) = said(&file);
    assert!(!valid && refusals.is_empty(), "{log}");
}

/// The cluster that `jwks` prints is one that Envoy takes, and `check` has nothing against it.
#[test]
fn the_cluster_for_keys() {
    for arguments in [
        &["us-east-1_AbCdEf123"][..],
        &["cn-north-1_AbCdEf123", "--issuer", "updated"],
    ] {
        let authorities = format!(
            "{}/tests/product/deploy/tls/authority.crt",
            env!("CARGO_MANIFEST_DIR")
        );
        let options = ["jwks", "--only", "envoy", "--trusted-ca", &authorities];
        let output = tool(&[&options[..], arguments].concat());
        assert!(output.status.success());
        let clusters = String::from_utf8(output.stdout).expect("UTF-8");
        let text = format!("static_resources:\n  {}", clusters.replace('\n', "\n  "));
        let (valid, _, log) = said(&written("jwks.yaml", &text));
        assert!(valid, "{text}\n{log}");
        // Envoy does look: without its file it refuses the cluster.
        let (valid, _, log) = said(&written(
            "jwks-no-ca.yaml",
            &text.replace("authority", "absent"),
        ));
        assert!(!valid && log.contains("absent.crt"), "{log}");
    }
}
