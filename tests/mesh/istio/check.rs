//! `check`, given what a running proxy says of itself and what istioctl makes of that.

use crate::desk::finds_nothing_wrong;
use crate::istio::Mesh;
use crate::program::{control_plane, folder, output};

#[test]
fn it_reads_what_istioctl_prints() {
    let (_mesh, gateway) = Mesh::with_gateway();
    let directory = folder("dump");
    let dump = directory.join("config_dump.json");
    let text = gateway.envoy.admin("/config_dump?include_eds");
    std::fs::write(&dump, &text).expect("a file");
    finds_nothing_wrong("config_dump.json", &text);
    for kind in ["ecds", "all"] {
        for format in ["json", "yaml"] {
            let printed = output(
                control_plane("istioctl")
                    .args(["proxy-config", kind, "--output", format, "--file"])
                    .arg(&dump),
            );
            finds_nothing_wrong(&format!("{kind}.{format}"), &printed);
        }
    }
    let _ = std::fs::remove_dir_all(directory);
}
