//! What becomes of requests while the authorizer changes.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::harness::client::Request;
use crate::harness::process::{eventually_within, module};
use crate::istio::Mesh;
use crate::program::folder;
use crate::stage::PATIENCE;

/// A module with another digest, which does the same: a custom section is added to it.
fn rebuilt() -> std::path::PathBuf {
    let mut bytes = std::fs::read(module()).expect("a module");
    let name = b"rebuilt";
    let length = u8::try_from(name.len()).expect("a short name");
    bytes.extend([0, length + 1, length]);
    bytes.extend(name);
    let path = folder("rebuilt").join("module.wasm");
    let mut file = std::fs::File::create(&path).expect("a writable directory");
    file.write_all(&bytes).expect("a writable directory");
    path
}

/// Nor does one that the filter refuses.
#[test]
fn an_update_refuses_nobody() {
    let (mesh, gateway) = Mesh::with_gateway();
    let mut plugin = mesh.plugin("gateway.yaml");
    let probe = Request::get("/new");
    assert_eq!(gateway.send(&probe).status, 403);
    let apply = |plugin: &mut Value, open: &str, default: &str| {
        let configuration = &mut plugin["spec"]["pluginConfig"];
        configuration["rules"][0]["match"]["path"] = json!(open);
        configuration["default"] = json!(default);
        mesh.apply(plugin);
    };
    let sent = gateway.under_load(|| {
        apply(&mut plugin, "/new", "nobody");
        gateway.await_status(&probe, 200);

        apply(&mut plugin, "/newer", "nobdy");
        eventually_within(PATIENCE, "istiod to hear that Envoy refused", || {
            mesh.istiod.log().contains("ACK ERROR").then_some(())
        });
        let log = gateway.envoy.log();
        assert!(log.contains("default: "), "the log says where");
        assert_eq!(gateway.send(&probe).status, 200, "the old one serves");

        // The next good one is taken, with another module.
        let image = mesh.registry.push_module(&rebuilt());
        assert_ne!(image, mesh.image);
        plugin["spec"]["url"] = json!(format!("oci://{}", image.0));
        apply(&mut plugin, "/newer", "nobody");
        gateway.await_status(&Request::get("/newer"), 200);
    });
    assert!(sent > 20, "{sent} requests");
}
