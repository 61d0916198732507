//! Who may know whom: dependencies run one way, and only the host adapter touches the world.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules that it may use; none of them stands below it in the table.
const LAYERS: [(&str, &str); 39] = [
    // Words of the field.
    ("time", ""),
    ("refusal", ""),
    ("step", "refusal"),
    ("remote", "time"),
    ("header", ""),
    ("arn", ""),
    ("pool", "arn"),
    ("principal", "arn"),
    ("signature", ""),
    ("json", ""),
    ("percent", ""),
    ("work", ""),
    // From bytes to types.
    ("rs256", "signature"),
    ("es384", "signature"),
    ("jwks", "es384 json rs256 signature"),
    ("verifiers", "es384 jwks rs256 signature"),
    ("claims", "json refusal time"),
    ("token", "claims json refusal signature step"),
    ("deny_list", "claims json time"),
    (
        "rules",
        "claims header percent pool principal refusal step time work",
    ),
    ("request", "header percent rules work"),
    ("bearer", "claims header percent refusal request work"),
    ("owned", "header request"),
    (
        "authorizer",
        "arn bearer header json percent request rules time work",
    ),
    // The policy.
    ("claim_headers", "authorizer claims header json percent"),
    ("reply", "header json percent refusal"),
    ("resource", "json reply rules"),
    (
        "policy",
        "authorizer bearer claim_headers header jwks owned pool refusal remote reply request resource rules time",
    ),
    // The document: nothing that decides knows how a setting is spelled.
    (
        "config",
        "arn authorizer bearer claim_headers claims deny_list header json jwks owned policy pool principal remote reply resource rules time",
    ),
    // Decisions.
    (
        "verify",
        "claims jwks policy principal refusal rules signature step time token verifiers",
    ),
    ("cache", "claim_headers remote verify"),
    ("keyring", "jwks policy remote time"),
    ("revocation", "claims deny_list policy remote time"),
    ("confirmation", "json policy remote time"),
    (
        "authorization",
        "authorizer claim_headers policy refusal remote rules time",
    ),
    (
        "facts",
        "authorization confirmation keyring policy refusal remote revocation rules time",
    ),
    (
        "decision",
        "authorization authorizer cache claim_headers confirmation facts header owned policy refusal reply request resource revocation rules signature step time token verifiers verify",
    ),
    (
        "gate",
        "authorization cache decision facts keyring policy refusal remote request revocation rules signature step time verifiers",
    ),
    // The adapter.
    (
        "host",
        "config decision es384 gate header policy refusal remote reply request revocation rs256 signature time verifiers verify",
    ),
];

/// The only two files of one folder that use each other: a reader of a field that may be an object, and a
/// reader of an object's fields.
const CIRCLE: (&str, [&str; 2]) = ("config", ["field", "fields"]);

/// The desk tool: a crate of its own that uses the core as anyone could, and no part of it.
const TOOL: &str = "cli";

/// The second host: crates of their own, which the core does not know either.
const NATIVE: &str = "native";

/// What only these modules of the tool may say. None of it ever opens a connection to where a token
/// could go: `explain` fetches a key set, if it is told to.
const RESERVED_IN_TOOL: [(&str, &[&str]); 8] = [
    ("proxy_wasm", &[]),
    ("TcpStream", &[]),
    ("UdpSocket", &[]),
    ("ureq", &["server"]),
    ("SystemTime", &["explain"]),
    ("Instant", &[]),
    ("rsa::", &[]),
    ("prost", &[]),
];

/// Names that only these modules may say.
const RESERVED: [(&str, &[&str]); 15] = [
    ("proxy_wasm", &["host"]),
    ("log::", &["host"]),
    // Clocks, files, sockets, threads: the core gets values, and is tested with values.
    ("Instant", &["host"]),
    ("SystemTime", &["host"]),
    ("std::fs", &["host"]),
    ("TcpStream", &["host"]),
    ("UdpSocket", &["host"]),
    ("std::env", &["host"]),
    ("std::io", &["host"]),
    ("std::thread", &["host"]),
    ("std::process", &["host"]),
    ("RandomState", &["host"]),
    // Crates that have their place.
    ("rsa::", &["rs256"]),
    ("prost", &["config", "host"]),
    ("jwt_compact", &["rs256", "signature", "token", "verifiers"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of each module of the core, in all of its files.
fn modules() -> BTreeMap<String, String> {
    let mut modules = below("src");
    for crates in [TOOL, NATIVE] {
        assert!(modules.remove(crates).is_some(), "src/{crates}");
    }
    modules
}

/// The code of each module below a folder; comments and unit tests are left out.
fn below(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut modules = BTreeMap::<String, String>::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        if inside.ends_with("tests") || inside == Path::new("lib") {
            continue;
        }
        let module = inside.iter().next().unwrap().to_str().unwrap();
        modules
            .entry(module.to_owned())
            .or_default()
            .push_str(&code_of(&file));
    }
    modules
}

/// The code of a file, without comments and unit tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the name stands in the code as a whole word.
fn says(code: &str, name: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let ends = name.ends_with(':') || !after.is_some_and(part_of_word);
        ends && !before.is_some_and(part_of_word)
    })
}

/// The modules of this crate that the code names.
fn uses(code: &str) -> BTreeSet<&str> {
    let after = code.split("crate::").skip(1);
    after
        .flat_map(|rest| match rest.strip_prefix('{') {
            // `use crate::{a, b::c}` names several.
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        })
        .filter_map(|path| {
            path.trim()
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn dependencies_run_one_way() {
    let modules = modules();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
    let found: BTreeSet<&str> = modules.keys().map(String::as_str).collect();
    assert_eq!(found, known, "modules under src, and those in the table");
    let mut above = BTreeSet::new();
    for (module, allowed) in LAYERS {
        let allowed: BTreeSet<&str> = allowed.split_whitespace().collect();
        assert!(
            allowed.is_subset(&above),
            "{module} may use what stands below it"
        );
        above.insert(module);
        for used in uses(&modules[module]) {
            assert!(
                used == module || allowed.contains(used),
                "{module} uses {used}"
            );
        }
    }
}

/// The files of each folder of the core that has several, and which of the others each names.
fn folders() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut folders = BTreeMap::<String, BTreeMap<String, String>>::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let name = inside.file_name().unwrap().to_str().unwrap().to_owned();
        let folder = inside.parent().unwrap().to_str().unwrap().to_owned();
        if folder.is_empty()
            || folder.starts_with(TOOL)
            || folder.starts_with(NATIVE)
            || name == "tests"
            || name == "mod"
        {
            continue;
        }
        let code = code_of(&file);
        folders.entry(folder).or_default().insert(name, code);
    }
    let named = |files: &BTreeMap<String, String>, code: &str| {
        let names = files.keys().filter(|name| {
            code.contains(&format!("super::{name}::")) || code.contains(&format!("super::{name};"))
        });
        names.cloned().collect()
    };
    folders
        .iter()
        .map(|(folder, files)| {
            let uses = files
                .iter()
                .map(|(name, code)| (name.clone(), named(files, code)));
            (folder.clone(), uses.collect())
        })
        .collect()
}

#[test]
fn no_two_files_of_a_folder_need_each_other() {
    let mut folders = folders();
    let (folder, [one, other]) = CIRCLE;
    let known = folders.get_mut(folder).unwrap();
    assert!(known[other].contains(one));
    assert!(known.get_mut(one).unwrap().remove(other));
    for (folder, mut left) in folders {
        // Taken away is what needs nothing that is left, again and again.
        loop {
            let free: Vec<_> = left
                .iter()
                .filter(|(_, uses)| !uses.iter().any(|name| left.contains_key(name)))
                .map(|(name, _)| name.clone())
                .collect();
            if free.is_empty() {
                break;
            }
            left.retain(|name, _| !free.contains(name));
        }
        assert_eq!(left, BTreeMap::new(), "a circle in src/{folder}");
    }
}

/// The crate's page has each module once, and none that uses one of a row below its own.
#[test]
fn the_page_has_the_modules_in_their_order() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let (_, page) = page
        .split_once("| module | knows | does not know |")
        .unwrap();
    let rows = page
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("//! |"));
    let rows: Vec<BTreeSet<&str>> = rows
        .map(|row| {
            row.split('|')
                .next()
                .unwrap()
                .split('`')
                .skip(1)
                .step_by(2)
                .collect()
        })
        .collect();
    let row = |module: &str| {
        let mut found = (0..rows.len()).filter(|row| rows[*row].contains(module));
        let first = found.next();
        assert_eq!(found.next(), None, "{module} stands twice on the page");
        first.unwrap_or_else(|| panic!("{module} is not on the page"))
    };
    for (module, allowed) in LAYERS {
        for used in allowed.split_whitespace() {
            assert!(row(used) <= row(module), "{module} uses {used}");
        }
    }
    let known: BTreeSet<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
    assert!(rows.iter().flatten().all(|module| known.contains(module)));
}

#[test]
fn only_the_host_adapter_touches_the_world() {
    for (module, code) in modules() {
        for (name, reserved) in RESERVED {
            assert!(
                reserved.contains(&module.as_str()) || !says(&code, name),
                "{module} names {name}"
            );
        }
    }
}

#[test]
fn the_core_does_not_know_the_desk_tool() {
    let entry =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declares = |code: &str| code.contains(&format!("mod {TOOL}"));
    assert!(!declares(&entry));
    for (module, code) in modules() {
        assert!(!declares(&code) && !uses(&code).contains(TOOL), "{module}");
    }
    for (module, code) in below(&format!("src/{TOOL}")) {
        for (name, reserved) in RESERVED_IN_TOOL {
            assert!(
                reserved.contains(&module.as_str()) || !says(&code, name),
                "{module} of the desk tool names {name}"
            );
        }
    }
}

/// The three above look for names: they must find them.
#[test]
fn names_are_found() {
    assert!(says("use proxy_wasm::hostcalls;", "proxy_wasm"));
    assert!(says("let now = std::time::Instant::now();", "Instant"));
    assert!(says("use rsa::RsaPublicKey;", "rsa::"));
    assert!(!says("use crate::ursa::X;", "rsa::"));
    assert!(!says("let instantly = 1;", "Instant"));
    assert!(folders()["remote"]["document"].contains("refresher"));
    let found = uses("use crate::{gate::Gate, host};\nfn f() { crate::time::now() }");
    assert_eq!(found, BTreeSet::from(["gate", "host", "time"]));
    let modules = modules();
    assert!(says(&modules["host"], "proxy_wasm"));
    assert!(says(&modules["rs256"], "rsa::"));
    assert!(uses(&modules["decision"]).contains("verify"));
    let tool = below(&format!("src/{TOOL}"));
    assert!(says(&tool["check"], "cognito_authorizer"));
    assert!(says(&tool["server"], "ureq"));
}

/// `unsafe` stands in one small crate for each host, and the compiler forbids it in all others.
#[test]
fn only_the_abi_is_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let abis = ["host", NATIVE].map(|host| Path::new(host).join("abi"));
    let mut lines = 0;
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let code = code_of(&file);
        if abis.iter().any(|abi| inside.starts_with(abi)) {
            // The Envoy of its tests, and these, are no part of the module.
            if !inside.ends_with("fake.rs") && !inside.ends_with("tests.rs") {
                lines += code.lines().filter(|line| !line.trim().is_empty()).count();
            }
            continue;
        }
        for form in [
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "unsafe extern",
            "#[unsafe(",
        ] {
            assert!(!code.contains(form), "{}: {form}", inside.display());
        }
    }
    assert!(lines < 1000, "{lines} lines are no small crates");
    for manifest in ["Cargo.toml", "src/native/Cargo.toml"] {
        let manifest = fs::read_to_string(root.join("..").join(manifest)).unwrap();
        assert!(manifest.contains("unsafe_code = \"forbid\""));
    }
}
