//! A real istiod, and Envoys that Istio's own agent starts and configures from it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, GENUINE, authority};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;
use crate::manifest::{of_kind, replace, shipped};
use crate::registry::{Image, Registry};

mod api;
mod istiod;
mod proxy;

mod gateway;

use api::Api;
use istiod::Istiod;
use proxy::Pod;

/// How long a control plane may take to start on a machine that does something else as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Istio's root namespace.
pub(crate) const ROOT: &str = "istio-system";
/// The user pool of the examples.
pub(crate) const POOL: &str = "us-east-1_AbCdEf123";

/// The digest of nothing, which the examples have where an image is named.
const PLACEHOLDER: &str = "oci://registry.example.com/cognito-authorizer@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A mesh: the servers, a cluster's resources, and istiod, which has read them.
pub(crate) struct Mesh {
    pub(crate) istiod: Istiod,
    pub(crate) api: Api,
    pub(crate) upstream: Upstream,
    pub(crate) keys: KeyServer,
    pub(crate) registry: Registry,
    pub(crate) image: Image,
    endpoint: Endpoint,
}

impl Mesh {
    /// Starts all of it but the proxies. The key endpoint shows a genuine certificate.
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
        let api = Api::start();
        for namespace in [ROOT, "shop"] {
            api.apply(
                &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}}),
            );
        }
        let mesh = Self {
            istiod: Istiod::start(&api),
            api,
            upstream: Upstream::start(),
            endpoint: Endpoint::start(keys.port(), certificate),
            keys,
            registry,
            image,
        };
        mesh.apply(&service("orders", "shop"));
        mesh.apply(&slice("orders", "shop", mesh.upstream.port()));
        mesh
    }

    /// What `kubectl apply` does.
    #[track_caller]
    pub(crate) fn apply(&self, resource: &Value) {
        self.api.apply(resource);
    }

    /// Applies a file under `envoy/istio`, with the names and ports of this test.
    #[track_caller]
    pub(crate) fn apply_shipped(&self, file: &str) {
        for resource in self.adapted(shipped(&format!("istio/{file}"))) {
            self.apply(&resource);
        }
    }

    /// Resources with the image, the key endpoint and the authority of this test.
    #[track_caller]
    pub(crate) fn adapted(&self, mut resources: Vec<Value>) -> Vec<Value> {
        for resource in &mut resources {
            match resource["kind"].as_str() {
                Some("WasmPlugin") => {
                    let image = format!("oci://{}", self.image.0);
                    replace(resource, "/spec/url", &json!(PLACEHOLDER), json!(image));
                }
                Some("ServiceEntry") => {
                    let found = resource["spec"]["endpoints"][0]["address"].as_str();
                    assert!(found.is_some_and(|found| found.ends_with(".amazonaws.com")));
                    resource["spec"]["endpoints"][0] =
                        json!({"address": "127.0.0.1", "ports": {"https": self.endpoint.port()}});
                }
                Some("DestinationRule") => {
                    let system = json!("/etc/ssl/certs/ca-certificates.crt");
                    let pointer = "/spec/trafficPolicy/tls/caCertificates";
                    replace(resource, pointer, &system, json!(authority()));
                }
                _ => {}
            }
        }
        resources
    }

    /// Applies a Gateway that listens on `port`, and the route of `cors.yaml` behind it.
    #[track_caller]
    pub(crate) fn open(&self, port: u16) {
        self.apply(&json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "api", "namespace": ROOT},
            "spec": {
                "selector": {"istio": "ingressgateway"},
                "servers": [{
                    "port": {"number": port, "name": "http", "protocol": "HTTP"},
                    "bind": "127.0.0.1",
                    "hosts": ["api.example.com"],
                }],
            },
        }));
        let mut resources = shipped("istio/cors.yaml");
        self.apply(of_kind(&mut resources, "VirtualService"));
    }

    /// Starts a pod's proxy.
    #[track_caller]
    pub(crate) fn start_proxy(&self, pod: &Pod) -> EnvoyUnderTest {
        pod.start(&self.istiod)
    }
}

/// An access token that reads orders.
pub(crate) fn reader() -> Token {
    Token::access(POOL).claim("scope", "openid orders/read")
}

fn service(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "clusterIP": "240.0.0.10",
            "clusterIPs": ["240.0.0.10"],
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    })
}

/// The service's only pod, which listens on `port` of the loopback.
fn slice(name: &str, namespace: &str, port: u16) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-1"),
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    })
}
