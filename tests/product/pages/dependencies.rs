//! DEPENDENCIES.md: every crate that the module is made of has been looked at, at this version.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::markdown::{Page, file};

/// What a build script has no business with: everything it does then happens on the machine of whoever
/// builds the module.
const SUSPICIOUS: [&str; 12] = [
    "TcpStream",
    "UdpSocket",
    "std::net",
    "ToSocketAddrs",
    "reqwest",
    "ureq",
    "\"curl\"",
    "\"wget\"",
    "\"git\"",
    "\"sh\"",
    "\"bash\"",
    "\"powershell\"",
];

/// What cargo says about what `Cargo.lock` has.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--locked")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {problem}");
    String::from_utf8(output.stdout).expect("text")
}

type Crate = (String, String);

/// Whether a crate is the project's own.
fn is_ours(name: &str) -> bool {
    name.starts_with(env!("CARGO_PKG_NAME"))
}

/// Name and version of every crate from elsewhere that takes part in building the module.
fn crates() -> BTreeSet<Crate> {
    let tree = cargo(&[
        "tree",
        "--edges=normal,build",
        "--target=wasm32-wasip1",
        "--prefix=none",
        "--format={p}",
    ]);
    let named = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        let version = words.next()?.strip_prefix('v')?.to_owned();
        (!is_ours(&name)).then_some((name, version))
    };
    tree.lines().filter_map(named).collect()
}

/// Where the sources of each crate are.
fn sources() -> BTreeMap<Crate, PathBuf> {
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--filter-platform=wasm32-wasip1",
    ]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON from cargo");
    let packages = metadata["packages"].as_array().expect("packages");
    let text = |package: &Value, member: &str| package[member].as_str().expect("text").to_owned();
    let directory = |package: &Value| {
        let manifest = PathBuf::from(text(package, "manifest_path"));
        manifest.parent().expect("a directory").to_owned()
    };
    packages
        .iter()
        .map(|package| {
            let name = (text(package, "name"), text(package, "version"));
            (name, directory(package))
        })
        .collect()
}

/// Whether any file has the keyword, outside comments.
fn has_unsafe(directory: &Path) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    std::fs::read_dir(directory)
        .expect("sources")
        .map(|entry| entry.expect("sources").path())
        .any(|path| {
            if path.is_dir() {
                return has_unsafe(&path);
            }
            let is_rust = path.extension().is_some_and(|end| end == "rs");
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            is_rust
                && text.lines().any(|line| {
                    let code = line.split("//").next().unwrap_or_default();
                    code.split(|character| !is_word(character))
                        .any(|word| word == "unsafe")
                })
        })
}

#[test]
fn every_crate_of_the_module_has_been_looked_at() {
    let sources = sources();
    let page = Page::read(".github/DEPENDENCIES.md");
    let rows = &page.table("crates").rows;
    let listed: BTreeSet<_> = rows
        .iter()
        .map(|row| (row[0].replace('`', ""), row[1].clone()))
        .collect();
    let crates = crates();
    assert!(crates.len() > 20, "cargo names {}", crates.len());
    let unread: Vec<_> = crates.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&crates).collect();
    assert!(
        unread.is_empty() && gone.is_empty(),
        "DEPENDENCIES.md: not looked at {unread:?}; no longer there {gone:?}"
    );
    let yes = |said: bool| if said { "yes" } else { "no" };
    for row in rows {
        let name = (row[0].replace('`', ""), row[1].clone());
        let directory = &sources[&name];
        let script = directory.join("build.rs");
        assert_eq!(
            row[3],
            yes(has_unsafe(&directory.join("src"))),
            "{name:?}: unsafe"
        );
        assert_eq!(row[4], yes(script.exists()), "{name:?}: a build script");
        assert!(
            row[2].len() > 5 && row[5].len() > 3,
            "{name:?}: why, and who?"
        );
        let text = std::fs::read_to_string(&script).unwrap_or_default();
        for word in SUSPICIOUS {
            assert!(
                !text.contains(word),
                "{name:?}: its build script says {word}"
            );
        }
    }
}

/// cargo-deny lets run what has been read here, and nothing else.
#[test]
fn build_scripts_are_the_ones_that_were_read() {
    let page = Page::read(".github/DEPENDENCIES.md");
    let rows = page.table("crates").rows.iter();
    let read: BTreeSet<_> = rows
        .filter(|row| row[4] == "yes")
        .map(|row| row[0].replace('`', ""))
        .collect();
    let deny = file(".deny.toml");
    let allowed = deny
        .split("allow-build-scripts = [")
        .nth(1)
        .expect("a list");
    let allowed = allowed.split(']').next().expect("a list");
    let allowed: BTreeSet<_> = allowed
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert_eq!(allowed, read);
}

/// Every crate comes from the registry, with the checksum of what was read.
#[test]
fn every_version_is_locked_to_its_contents() {
    let lock = file("Cargo.lock");
    let mut packages = lock.split("[[package]]").skip(1);
    let foreign = packages.find(|package| {
        let name = package.split('"').nth(1).expect("a name");
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        let locked = package.contains(registry) && package.contains("checksum = ");
        !is_ours(name) && !locked
    });
    assert_eq!(foreign, None);
}
