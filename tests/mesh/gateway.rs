//! A real Envoy Gateway, and the Envoy that it starts and configures.

use std::path::Path;

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, GENUINE, authority};
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;
use crate::manifest::{replace, shipped};
use crate::registry::{Image, Registry};

mod edge;

mod generated;
mod refusals;
mod requests;
mod updates;

use edge::Edge;

/// The namespace of the examples.
pub(crate) const NAMESPACE: &str = "default";
/// Their Gateway.
pub(crate) const GATEWAY: &str = "eg";
/// Their user pool.
pub(crate) const POOL: &str = "us-east-1_AbCdEf123";
/// The origin of their browser application.
pub(crate) const ORIGIN: &str = "https://app.example.com";
/// What is served.
pub(crate) const HOST: &str = "api.example.com";

/// The digest of nothing, which the examples have where an image is named.
const PLACEHOLDER: &str = "registry.example.com/cognito-authorizer@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The files under `envoy/gateway` that stand together.
pub(crate) const SHIPPED: [&str; 3] = ["keys.yaml", "authorizer.yaml", "cors.yaml"];

/// What an Envoy Gateway needs around it: the servers, and the image.
pub(crate) struct Site {
    pub(crate) upstream: Upstream,
    pub(crate) keys: KeyServer,
    pub(crate) registry: Registry,
    pub(crate) image: Image,
    endpoint: Endpoint,
}

impl Site {
    /// The key endpoint shows a genuine certificate.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with_certificate(GENUINE)
    }

    #[track_caller]
    pub(crate) fn with_certificate(certificate: &str) -> Self {
        let keys = KeyServer::start();
        keys.publish(POOL, &[TestKey::first()]);
        let registry = Registry::start();
        let image = registry.push();
        Self {
            upstream: Upstream::start(),
            endpoint: Endpoint::start(keys.port(), certificate),
            keys,
            registry,
            image,
        }
    }

    /// What is shipped under `envoy/gateway`, for this site.
    #[track_caller]
    pub(crate) fn shipped(&self) -> Vec<Value> {
        let files = SHIPPED.iter();
        let resources = files.flat_map(|file| shipped(&format!("gateway/{file}")));
        self.adapted(resources.collect())
    }

    /// Resources with the image, the key endpoint's port and the authority of this site, and nothing
    /// else changed.
    #[track_caller]
    pub(crate) fn adapted(&self, mut resources: Vec<Value>) -> Vec<Value> {
        for resource in &mut resources {
            match resource["kind"].as_str() {
                Some("EnvoyExtensionPolicy") => {
                    let url = "/spec/wasm/0/code/image/url";
                    replace(resource, url, &json!(PLACEHOLDER), json!(self.image.0));
                }
                Some("EnvoyPatchPolicy") => self.reach(resource),
                _ => {}
            }
        }
        resources
    }

    /// Has a patched cluster reach this site's key endpoint.
    #[track_caller]
    pub(crate) fn reach(&self, patch: &mut Value) {
        let cluster = "/spec/jsonPatches/0/operation/value";
        let cluster = patch.pointer_mut(cluster).expect("a cluster");
        let socket = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
        replace(cluster, socket, &json!(443), json!(self.endpoint.port()));
        let trusted = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
        let system = json!("/etc/ssl/certs/ca-certificates.crt");
        replace(cluster, trusted, &system, json!(authority()));
    }

    /// What an application team has beside the authorizer: a class of Gateways, a Gateway that listens
    /// on `port`, a route behind it, and the back end. The proxies' own settings are `proxy`.
    pub(crate) fn surroundings(&self, port: u16, proxy: &Value) -> Vec<Value> {
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
        let gateway = json!({
            "gatewayClassName": GATEWAY,
            "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
        });
        let class = json!({
            "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
            "parametersRef": {
                "group": "gateway.envoyproxy.io", "kind": "EnvoyProxy",
                "name": proxy["metadata"]["name"], "namespace": NAMESPACE,
            },
        });
        let upstream = json!({
            "endpoints": [{"ip": {"address": "127.0.0.1", "port": self.upstream.port()}}],
        });
        let gateway_api = "gateway.networking.k8s.io/v1";
        vec![
            proxy.clone(),
            json!({
                "apiVersion": gateway_api, "kind": "GatewayClass",
                "metadata": {"name": GATEWAY}, "spec": class,
            }),
            resource(gateway_api, "Gateway", GATEWAY, gateway),
            resource(gateway_api, "HTTPRoute", "orders", route),
            resource(
                "gateway.envoyproxy.io/v1alpha1",
                "Backend",
                "orders",
                upstream,
            ),
        ]
    }
}

pub(crate) fn resource(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

/// The authorizer's policy among others.
#[track_caller]
pub(crate) fn policy(resources: &mut [Value]) -> &mut Value {
    crate::manifest::of_kind(resources, "EnvoyExtensionPolicy")
}

/// An access token that reads orders.
pub(crate) fn reader() -> Token {
    Token::access(POOL).claim("scope", "openid orders/read")
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
