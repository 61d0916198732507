//! What a code host runs on its own: nothing but targets of the Makefile, which anybody can run.

use std::collections::BTreeSet;
use std::path::Path;

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
