//! What becomes of requests while the authorizer changes.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::harness::client::Request;
use crate::harness::process::{eventually_within, module};
use crate::istio::{Mesh, PATIENCE, reader};
use crate::program::folder;

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

/// Sends one request after the other until `change` has returned, and says how many there were and what
/// other statuses than 200 they got.
fn under_load(gateway: &crate::istio::Gateway, change: impl FnOnce()) -> (usize, Vec<u16>) {
    let done = AtomicBool::new(false);
    let request = Request::get("/orders/7").bearer(&reader().mint());
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut statuses = Vec::new();
            while !done.load(Ordering::Relaxed) {
                statuses.push(gateway.send(&request).status);
            }
            let sent = statuses.len();
            statuses.retain(|status| *status != 200);
            (sent, statuses)
        });
        change();
        done.store(true, Ordering::Relaxed);
        load.join().expect("no request without an answer")
    })
}

#[test]
fn updates_refuse_nobody() {
    let (mesh, gateway) = Mesh::with_gateway();
    let mut plugin = mesh.plugin("gateway.yaml");
    let probe = Request::get("/new");
    assert_eq!(gateway.send(&probe).status, 403);
    let (sent, refused) = under_load(&gateway, || {
        // Another configuration, then another module too.
        plugin["spec"]["pluginConfig"]["rules"][0]["match"]["path"] = json!("/new");
        mesh.apply(&plugin);
        gateway.await_status(&probe, 200);
        let image = mesh.registry.push_module(&rebuilt());
        assert_ne!(image, mesh.image);
        plugin["spec"]["url"] = json!(format!("oci://{}", image.0));
        plugin["spec"]["pluginConfig"]["rules"][0]["match"]["path"] = json!("/newer");
        mesh.apply(&plugin);
        gateway.await_status(&Request::get("/newer"), 200);
    });
    assert!(sent > 20, "{sent} requests");
    assert!(refused.is_empty(), "of {sent} requests: {refused:?}");
}

#[test]
fn a_broken_configuration_keeps_the_old_one() {
    let (mesh, gateway) = Mesh::with_gateway();
    let mut plugin = mesh.plugin("gateway.yaml");
    plugin["spec"]["pluginConfig"]["default"] = json!("nobdy");
    plugin["spec"]["pluginConfig"]["rules"][0]["match"]["path"] = json!("/new");
    let (sent, refused) = under_load(&gateway, || {
        mesh.apply(&plugin);
        eventually_within(PATIENCE, "istiod to hear that Envoy refused", || {
            mesh.istiod.log().contains("ACK ERROR").then_some(())
        });
    });
    assert!(refused.is_empty(), "of {sent} requests: {refused:?}");
    let log = gateway.envoy.log();
    assert!(log.contains("default: "), "the log says where");
    assert_eq!(gateway.send(&Request::get("/health")).status, 200);
    assert_eq!(gateway.send(&Request::get("/new")).status, 403);
    // The next good one is taken.
    plugin["spec"]["pluginConfig"]["default"] = json!("nobody");
    mesh.apply(&plugin);
    gateway.await_status(&Request::get("/new"), 200);
}
