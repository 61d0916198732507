//! The list of end-to-end tests that do not apply to the dynamic module.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every line names a test that there is, once, and says why.
#[test]
fn what_does_not_apply_to_the_dynamic_module_has_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let list = fs::read_to_string(folder.join("native.txt")).unwrap();
    let mut seen = BTreeSet::new();
    for line in list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (name, reason) = line.split_once(' ').expect("a name and a reason");
        assert!(seen.insert(name), "{name} stands twice");
        assert!(reason.trim().len() > 20, "{name}: {reason}");
        let (module, test) = name.rsplit_once("::").expect("a module and a test");
        let file = module.replace("::", "/");
        let source = fs::read_to_string(folder.join(&file).with_extension("rs"));
        let source = source.unwrap_or_else(|_| panic!("{name}: no tests/e2e/{file}.rs"));
        assert!(
            source.contains(&format!("#[test]\nfn {test}(")),
            "{name}: no such test"
        );
    }
}
