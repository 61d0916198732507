//! What `init --for istio` writes: applied as it is, but for where the servers are.

use std::process::Command;

use serde_json::{Value, json};

use crate::endpoint::authority;
use crate::harness::client::Request;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::process::free_ports;
use crate::istio::{Gateway, Mesh, Pod, SHOP};
use crate::manifest::{parse, replace};
use crate::program::{folder, output};

const OWN: &str = "us-east-1_Own123456";
const ORIGIN: &str = "https://app.own.example";

#[test]
fn what_it_writes_serves() {
    let mesh = Mesh::start();
    mesh.keys.publish(OWN, &[TestKey::first()]);
    let [port] = free_ports();
    for mut resource in written(&mesh) {
        match resource["kind"].as_str() {
            Some("ServiceEntry") => mesh.adapt(&mut resource),
            Some("Gateway") => {
                replace(
                    &mut resource,
                    "/spec/servers/0/port/number",
                    &json!(80),
                    json!(port),
                );
                resource["spec"]["servers"][0]["bind"] = json!("127.0.0.1");
            }
            _ => {}
        }
        mesh.apply(&resource);
    }
    let envoy = Pod::gateway().start(&mesh);
    let at = envoy.at(&format!("127.0.0.1_{port}"));
    let gateway = Gateway { envoy, at };

    let preflight = Request::new("OPTIONS", "/")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT");
    let answer = gateway.send(&preflight);
    let allowed = "access-control-allow-origin";
    assert_eq!((answer.status, answer.header(allowed)), (200, Some(ORIGIN)));
    let own = |client: &str| {
        let token = Token::access(OWN).claim("client_id", client).mint();
        Request::get("/").bearer(&token).header("origin", ORIGIN)
    };
    for (request, status) in [
        (own("1h57kf5cown"), 200),
        (own("another"), 401),
        (Request::get("/").header("origin", ORIGIN), 401),
    ] {
        let answer = gateway.send(&request);
        assert_eq!(
            (answer.status, answer.header(allowed)),
            (status, Some(ORIGIN))
        );
    }
    gateway.envoy.finish(3);
}

#[track_caller]
fn written(mesh: &Mesh) -> Vec<Value> {
    let directory = folder("init");
    output(
        Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
            .args([
                "init",
                "--for",
                "istio",
                "--pool",
                OWN,
                "--client",
                "1h57kf5cown",
            ])
            .args(["--image", &mesh.image.0, "--origin", ORIGIN])
            .args(["--upstream", &format!("orders.{SHOP}.svc.cluster.local:80")])
            .arg("--trusted-ca")
            .arg(authority())
            .arg("--output")
            .arg(&directory),
    );
    let mut resources = Vec::new();
    for entry in std::fs::read_dir(&directory).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a file");
        resources.extend(parse(&text));
    }
    let _ = std::fs::remove_dir_all(directory);
    resources
}
