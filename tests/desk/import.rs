//! Whatever `import` writes, `check` finds nothing wrong with it.

use std::path::Path;
use std::process::{Command, Output};

fn tool(arguments: &[&str]) -> Output {
    let tool = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    tool.expect("the desk tool")
}

#[test]
fn what_is_imported_passes_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/openapi");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).expect("definitions") {
        let path = entry.expect("an entry").path();
        let definition = path.display().to_string();
        let name = path.file_name().expect("a name").to_string_lossy();
        for (number, options) in [
            &["--any-client"][..],
            &[
                "--client-ids",
                "4hq8,7k2m",
                "--stage",
                "prod",
                "--base-path",
                "/a/b",
            ],
            &[
                "--any-client",
                "--waive",
                "api-keys,resource-policy",
                "--path-case",
                "sensitive",
            ],
            &["--any-client", "--api", "rest"],
            &["--any-client", "--api", "http"],
            &[
                "--any-client",
                "--lambda-cluster",
                "lambda",
                "--stage",
                "live",
                "--api-id",
                "x9y8z7w6v5",
            ],
        ]
        .into_iter()
        .enumerate()
        {
            let written = format!("{}/{number}-{name}.yaml", env!("CARGO_TARGET_TMPDIR"));
            let mut arguments = vec!["import", &definition, "--output", &written];
            arguments.extend(options);
            let import = tool(&arguments);
            if import.status.code() == Some(2) {
                // Refused, with a reason and without a word of a configuration.
                assert!(import.stderr.starts_with(b"error: "), "{import:?}");
                assert!(!Path::new(&written).exists(), "{written}");
                continue;
            }
            let check = tool(&["check", &written]);
            assert_eq!(
                check.status.code(),
                Some(0),
                "{name} {options:?}: {check:?}"
            );
            std::fs::remove_file(&written).expect("what was written");
            checked += 1;
        }
    }
    assert!(checked >= 60, "{checked}");
}
