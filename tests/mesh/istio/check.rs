//! `check`, given what a running proxy says of itself and what istioctl makes of that.

use std::process::Command;

use crate::harness::issuer::CLIENT;
use crate::istio::{Mesh, POOL};
use crate::program::{control_plane, folder, output};

/// The desk tool's answer about a file.
fn checked(file: &std::path::Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .arg("check")
        .arg(file)
        .output()
        .expect("the desk tool");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

#[test]
fn it_reads_what_istioctl_prints() {
    let (mesh, gateway) = Mesh::with_gateway();
    let directory = folder("check");
    let dump = directory.join("config_dump.json");
    std::fs::write(&dump, gateway.envoy.admin("/config_dump?include_eds")).expect("a file");
    let mut files = vec![dump.clone()];
    for kind in ["ecds", "all"] {
        for format in ["json", "yaml"] {
            let printed = output(
                control_plane("istioctl")
                    .args(["proxy-config", kind, "--output", format, "--file"])
                    .arg(&dump),
            );
            let file = directory.join(format!("{kind}.{format}"));
            std::fs::write(&file, printed).expect("a file");
            files.push(file);
        }
    }
    for file in files {
        let (code, text) = checked(&file);
        let name = file.display();
        // The example's own pool and client are placeholders; nothing else is worth a word.
        assert_eq!(code, Some(0), "{name}: {text}");
        assert!(
            text.contains(POOL) && text.contains(CLIENT),
            "{name}: {text}"
        );
    }
    drop(mesh);
}
