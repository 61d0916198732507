//! How Envoy ends a start that fails, in its own words.

use std::path::Path;
use std::process::Command;

use crate::harness::markdown::{Pages, file, span};
use crate::harness::process::{module, provided};

/// A start with this slip in the configuration: what Envoy logs from warnings on, without times and places.
fn logged(name: &str, slip: (&str, &str)) -> Vec<String> {
    let tls = format!("{}/tests/product/deploy/tls", env!("CARGO_MANIFEST_DIR"));
    let mut text = file("envoy/production.yaml");
    for (from, to) in [
        slip,
        ("/etc/envoy/cognito_authorizer.wasm", &*module()),
        ("/etc/envoy/tls/tls.crt", &format!("{tls}/ingress.crt")),
        ("/etc/envoy/tls/tls.key", &format!("{tls}/server.key")),
    ] {
        text = text.replace(from, to);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("start-{name}"));
    std::fs::create_dir_all(&folder).expect("a writable folder");
    std::fs::write(folder.join("envoy.yaml"), text).expect("a writable folder");
    let output = Command::new(provided("ENVOY"))
        .args(["--mode", "validate", "-l", "warning", "-c", "envoy.yaml"])
        .current_dir(&folder)
        .output()
        .expect("ENVOY names a program");
    assert!(!output.status.success(), "{slip:?} is no slip");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    // [time][thread][level][logger] [file:line] message
    let line = regex_lite::Regex::new(r"^\[[^\]]*\]\[\d+\](\[\w+\]\[\w+\]) \[[^\]]*\] (.*)$");
    let line = line.expect("an expression");
    let lines = log.lines().filter_map(|text| line.captures(text));
    let lines: Vec<_> = lines
        .map(|found| format!("{} {}", &found[1], &found[2]))
        .collect();
    assert!(!lines.is_empty(), "{log}");
    lines
}

#[test]
fn a_refused_start_reads_as_shown() {
    let pages = Pages::read();
    let (snippet, _) = pages.marked("start error").next().expect("the lines");
    let lines = logged("refused", ("use: access", "use: acess"));
    assert_eq!(lines.join("\n") + "\n", snippet.text);
}

#[test]
fn other_failures_read_as_shown() {
    let pages = Pages::read();
    let table = pages.table("start errors");
    let rows: Vec<_> = table.rows.iter().map(|row| span(&row[0])).collect();
    let elsewhere = (
        "local: {filename: /etc/envoy/cognito_authorizer.wasm}",
        "local: {filename: /etc/envoy/./cognito_authorizer.wasm}",
    );
    let other = ("/etc/envoy/cognito_authorizer.wasm", "/etc/hosts");
    let slips = [elsewhere, other, ("root_id:", "rootid:")];
    assert_eq!(rows.len(), slips.len());
    for (at, (said, slip)) in rows.into_iter().zip(slips).enumerate() {
        let log = logged(&format!("slip-{at}"), slip).join("\n");
        let log = log.replace("/./", "/");
        // Protobuf sets spaces at random, so that nobody takes its words for an interface.
        let log: Vec<_> = log.split_whitespace().collect();
        let log = log.join(" ");
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
}
