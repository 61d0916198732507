//! A kustomization under `envoy/` as `kubectl apply -k` renders it.

use std::path::Path;

use serde_json::Value;

use crate::manifest::parse;
use crate::program::{folder, output, tool};

/// A folder's resources, once a pool, an app client and an image stand in its kustomization.
#[track_caller]
pub(crate) fn rendered(of: &str, pool: &str, client: &str, image: &str) -> Vec<Value> {
    let directory = folder("kustomization");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy").join(of);
    for entry in std::fs::read_dir(source).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copy = directory.join(path.file_name().expect("a name"));
        std::fs::copy(&path, copy).expect("a writable directory");
    }
    let file = directory.join("kustomization.yaml");
    let mut text = std::fs::read_to_string(&file).expect("a kustomization");
    for (name, value) in [("pool", pool), ("client", client), ("image", image)] {
        let before = text.clone();
        let line = |line: &str| match line.trim_start().starts_with(&format!("- {name}=")) {
            true => format!("  - {name}={value}\n"),
            false => format!("{line}\n"),
        };
        text = before.lines().map(line).collect();
        assert_ne!(text, before, "no {name}");
    }
    std::fs::write(&file, text).expect("a writable directory");
    let rendered = output(tool("kustomize").arg("build").arg(&directory));
    let _ = std::fs::remove_dir_all(&directory);
    parse(&rendered)
}
