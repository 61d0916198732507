//! A real Envoy Gateway, and the Envoy that it starts and configures.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::endpoint::authority;
use crate::manifest::{of_kind, replace, shipped};
use crate::stage::{HOST, IMAGE, Stage};

mod edge;

mod bucket;
mod generated;
mod lambda;
mod refusals;
mod requests;
mod updates;

use edge::Edge;

/// The namespace of the examples.
pub(crate) const NAMESPACE: &str = "default";
/// Their Gateway.
pub(crate) const GATEWAY: &str = "eg";

/// The group of Envoy Gateway's own kinds.
const OWN: &str = "gateway.envoyproxy.io/v1alpha1";
/// The group of the Gateway API.
const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";

impl Stage {
    /// The files under `envoy/gateway` that stand together, for this stage, and a route.
    #[track_caller]
    pub(crate) fn policies(&self) -> Vec<Value> {
        let files = ["keys.yaml", "authorizer.yaml", "cors.yaml"].into_iter();
        let mut resources: Vec<_> = files
            .flat_map(|file| shipped(&format!("gateway/{file}")))
            .collect();
        self.reach(of_kind(&mut resources, "EnvoyPatchPolicy"));
        let url = "/spec/wasm/0/code/image/url";
        replace(
            policy(&mut resources),
            url,
            &json!(IMAGE),
            json!(self.image.0),
        );
        resources.extend(self.route());
        resources
    }

    /// Has the patched cluster of the keys reach this stage's endpoint.
    #[track_caller]
    pub(crate) fn reach(&self, patch: &mut Value) {
        lead(patch, &(self.endpoint.port(), authority()));
    }

    /// What an application team has beside the authorizer: a route, and the back end.
    pub(crate) fn route(&self) -> [Value; 2] {
        let route = json!({
            "parentRefs": [{"name": GATEWAY}],
            "hostnames": [HOST],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{
                    "group": "gateway.envoyproxy.io", "kind": "Backend", "name": "orders",
                }],
            }],
        });
        let upstream = json!({
            "endpoints": [{"ip": {"address": "127.0.0.1", "port": self.upstream.port()}}],
        });
        [
            resource(GATEWAY_API, "HTTPRoute", "orders", route),
            resource(OWN, "Backend", "orders", upstream),
        ]
    }
}

/// Has a patched cluster reach a port of this host, whose certificate an authority of the tests has
/// signed.
#[track_caller]
fn lead(patch: &mut Value, (port, authority): &(u16, PathBuf)) {
    let cluster = "/spec/jsonPatches/0/operation/value";
    let cluster = patch.pointer_mut(cluster).expect("a cluster");
    let socket =
        "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    replace(cluster, socket, &json!(443), json!(port));
    let trusted =
        "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
    let system = json!("/etc/ssl/certs/ca-certificates.crt");
    replace(cluster, trusted, &system, json!(authority));
}

/// The patched cluster of a file, which reaches this port.
#[track_caller]
pub(crate) fn leading(file: &str, to: (u16, PathBuf)) -> Value {
    let mut patch = shipped(&format!("gateway/{file}")).remove(0);
    lead(&mut patch, &to);
    patch
}

/// What whoever runs Envoy Gateway has made: a class of Gateways, and one that listens on `port`. The
/// proxies' own settings are `proxy`.
fn surroundings(port: u16, proxy: Value) -> Vec<Value> {
    let gateway = json!({
        "gatewayClassName": GATEWAY,
        "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
    });
    let class = json!({
        "apiVersion": GATEWAY_API,
        "kind": "GatewayClass",
        "metadata": {"name": GATEWAY},
        "spec": {
            "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
            "parametersRef": {
                "group": "gateway.envoyproxy.io", "kind": "EnvoyProxy",
                "name": proxy["metadata"]["name"], "namespace": NAMESPACE,
            },
        },
    });
    let gateway = resource(GATEWAY_API, "Gateway", GATEWAY, gateway);
    vec![proxy, class, gateway]
}

pub(crate) fn resource(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

/// The authorizer's policy among others.
#[track_caller]
pub(crate) fn policy(resources: &mut [Value]) -> &mut Value {
    of_kind(resources, "EnvoyExtensionPolicy")
}

/// Writes a file as a whole, so that whoever watches its folder sees it once.
pub(crate) fn put(path: &Path, text: &str) {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    // Envoy Gateway passes over hidden files.
    let part = path.with_file_name(format!(".{name}"));
    std::fs::write(&part, text).expect("a writable directory");
    std::fs::rename(&part, path).expect("a writable directory");
}
