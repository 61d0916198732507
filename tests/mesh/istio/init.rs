//! What `init --for istio` writes: applied as it is, but for where the servers are.

use serde_json::json;

use crate::desk::{OWN_POOL, serves, written};
use crate::front::Front;
use crate::harness::issuer::TestKey;
use crate::istio::{Mesh, Pod, SHOP};
use crate::manifest::replace;
use crate::program::reserved_ports;

#[test]
fn what_it_writes_serves() {
    let mesh = Mesh::start();
    mesh.keys.publish(OWN_POOL, &[TestKey::first()]);
    let [port] = reserved_ports();
    let upstream = format!("orders.{SHOP}.svc.cluster.local:80");
    for mut resource in written("istio", &mesh.image, &upstream) {
        match resource["kind"].as_str() {
            Some("ServiceEntry") => mesh.adapt(&mut resource),
            Some("Gateway") => {
                let number = "/spec/servers/0/port/number";
                replace(&mut resource, number, &json!(80), json!(port));
                resource["spec"]["servers"][0]["bind"] = json!("127.0.0.1");
            }
            _ => {}
        }
        mesh.apply(&resource);
    }
    let envoy = Pod::gateway().start(&mesh);
    let at = envoy.at(&format!("127.0.0.1_{port}"));
    let gateway = Front::new(envoy, at);
    let decided = serves(&gateway);
    gateway.finish(decided);
}
