//! What a code host runs on its own: nothing but targets of the Makefile, which anybody can run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The targets of `make` that a text runs.
fn targets(text: &str) -> BTreeSet<String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let calls = lines.flat_map(|line| line.split("make ").skip(1));
    let targets = calls.filter_map(|call| call.split_whitespace().next());
    // `command -v make >/dev/null` runs none.
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let targets = targets.filter(|target| target.bytes().all(of_name));
    targets.map(str::to_owned).collect()
}

#[test]
fn workflows_run_targets_that_there_are() {
    let makefile = text("Makefile");
    let is_target = |target: &str| {
        let mut lines = makefile.lines();
        lines.any(|line| line.starts_with(&format!("{target}:")))
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("workflows") {
        let path = entry.expect("an entry").path();
        let workflow = std::fs::read_to_string(&path).expect("a text");
        let tree: serde_json::Value = serde_yaml_ng::from_str(&workflow).expect("YAML");
        assert!(tree["jobs"].is_object(), "{}", path.display());
        // Whatever a workflow may not do it cannot be made to do.
        assert_eq!(
            tree["permissions"]["contents"],
            "read",
            "{}",
            path.display()
        );
        all.extend(targets(&workflow));
    }
    for wanted in ["dist", "lint", "test", "deny"] {
        assert!(all.contains(wanted), "no workflow runs make {wanted}");
    }
    all.extend(targets(&text(".ci/run")));
    for target in all {
        assert!(is_target(&target), "make {target}: the Makefile has none");
    }
    assert!(!is_target("no-such-target"));
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(".ci/run")
            .is_file()
    );
}

/// What is published is what runs on every Linux: `make dist` goes on without it, and says so.
#[test]
fn a_release_has_the_desk_tool_for_every_linux() {
    let workflow: serde_json::Value =
        serde_yaml_ng::from_str(&text(".github/workflows/release.yml")).expect("YAML");
    let steps = workflow["jobs"]["publish"]["steps"].as_array();
    let runs: Vec<_> = steps
        .expect("steps")
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect();
    let at = |words: &str| runs.iter().position(|run| run.contains(words));
    let held = at("test -f target/dist/*-x86_64-unknown-linux-musl");
    let (made, published) = (at("make dist"), at("gh release create"));
    assert!(
        made.is_some() && made < held && held < published,
        "{runs:?}"
    );
}

/// A licence that nobody has looked at is found here, and not on the day of a release.
#[test]
fn every_crate_of_module_and_desk_tool_has_a_licence_that_is_known() {
    let output = Command::new("python3")
        .args(["envoy/dist.py", "licences"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("python3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (module, tool) = text.split_once("\nThe desk tool ").expect("both");
    let (tool, _) = tool.split_once("\n--------").expect("a list and texts");
    // Both verify with `rsa`; only the tool speaks TLS and has a command line.
    for (list, has, lacks) in [
        (module, ["proxy-wasm", "rsa"], ["ring", "clap"]),
        (tool, ["ring", "rsa"], ["proxy-wasm", "trycmd"]),
    ] {
        let named = |name: &str| list.contains(&format!("\n{name} "));
        assert!(has.iter().all(|name| named(name)), "{list}");
        assert!(!lacks.iter().any(|name| named(name)), "{list}");
    }
    assert!(text.contains("Permission is hereby granted, free of charge"));
}
