//! A real istiod, and Envoys that Istio's own agent starts and configures from it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, GENUINE, authority};
use crate::harness::client::{Request, Response};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::{eventually_within, free_ports};
use crate::harness::upstream::Upstream;
use crate::manifest::{of_kind, replace, shipped};
use crate::registry::{Image, Registry};

mod api;
mod istiod;
mod proxy;

mod browser;
mod check;
mod gateway;
mod init;
mod kustomize;
mod lambda;
mod sidecar;
mod updates;

use api::Api;
use istiod::Istiod;
use proxy::Pod;

/// How long a control plane may take to start on a machine that does something else as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// Istio's root namespace.
pub(crate) const ROOT: &str = "istio-system";
/// The namespace of the service behind the gateway.
pub(crate) const SHOP: &str = "shop";
/// The user pool of the examples.
pub(crate) const POOL: &str = "us-east-1_AbCdEf123";

/// The digest of nothing, which the examples have where an image is named.
const PLACEHOLDER: &str = "oci://registry.example.com/cognito-authorizer@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A mesh: the servers, a cluster's resources, and istiod, which reads them.
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
    /// Starts all of it but the proxies.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with_certificate(GENUINE)
    }

    /// The same with a key endpoint that shows this certificate.
    #[track_caller]
    pub(crate) fn with_certificate(certificate: &str) -> Self {
        let keys = KeyServer::start();
        keys.publish(POOL, &[TestKey::first()]);
        let registry = Registry::start();
        let api = Api::start();
        for namespace in [ROOT, SHOP] {
            api.apply(&json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace},
            }));
        }
        let upstream = Upstream::start();
        api.apply(&service());
        api.apply(&slice(upstream.port()));
        Self {
            istiod: Istiod::start(&api),
            api,
            upstream,
            endpoint: Endpoint::start(keys.port(), certificate),
            keys,
            image: registry.push(),
            registry,
        }
    }

    /// A mesh with a gateway that has the files of `envoy/istio` for one.
    #[track_caller]
    pub(crate) fn with_gateway() -> (Self, Gateway) {
        let mesh = Self::start();
        for file in ["keys.yaml", "headers.yaml", "gateway.yaml"] {
            mesh.apply_shipped(file);
        }
        let gateway = mesh.start_gateway(&Pod::gateway());
        (mesh, gateway)
    }

    /// What `kubectl apply` does: istiod is asked first.
    #[track_caller]
    pub(crate) fn apply(&self, resource: &Value) {
        if let Some(objection) = self.istiod.objection(resource) {
            panic!("{} is not admitted: {objection}", resource["kind"]);
        }
        self.api.apply(resource);
    }

    /// Applies a file under `envoy/istio`, with the names and ports of this test.
    #[track_caller]
    pub(crate) fn apply_shipped(&self, file: &str) {
        for mut resource in shipped(&format!("istio/{file}")) {
            self.adapt(&mut resource);
            self.apply(&resource);
        }
    }

    /// The WasmPlugin of a file under `envoy/istio`.
    #[track_caller]
    pub(crate) fn plugin(&self, file: &str) -> Value {
        let mut resources = shipped(&format!("istio/{file}"));
        let plugin = of_kind(&mut resources, "WasmPlugin");
        self.adapt(plugin);
        plugin.clone()
    }

    /// Gives a resource the image, the endpoint and the authority of this test.
    #[track_caller]
    pub(crate) fn adapt(&self, resource: &mut Value) {
        match resource["kind"].as_str() {
            Some("WasmPlugin") => {
                let image = format!("oci://{}", self.image.0);
                replace(resource, "/spec/url", &json!(PLACEHOLDER), json!(image));
            }
            Some("ServiceEntry") => {
                let genuine = json!([{"address": "cognito-idp.us-east-1.amazonaws.com"}]);
                let here =
                    [json!({"address": "127.0.0.1", "ports": {"https": self.endpoint.port()}})];
                replace(resource, "/spec/endpoints", &genuine, json!(here));
            }
            Some("DestinationRule") => trust(resource, &authority()),
            _ => {}
        }
    }

    /// Starts a gateway with this listener and the route of `cors.yaml`.
    #[track_caller]
    pub(crate) fn start_gateway(&self, pod: &Pod) -> Gateway {
        let [port] = free_ports();
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
        let envoy = pod.start(self);
        let at = envoy.at(&format!("127.0.0.1_{port}"));
        Gateway { envoy, at }
    }
}

/// A gateway that serves.
pub(crate) struct Gateway {
    pub(crate) envoy: EnvoyUnderTest,
    at: SocketAddr,
}

impl Gateway {
    /// Sends a request for the host of the examples.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Response {
        request.clone().host("api.example.com").send(self.at)
    }

    /// Waits until a request gets this status.
    #[track_caller]
    pub(crate) fn await_status(&self, request: &Request, status: u16) {
        eventually_within(PATIENCE, &format!("status {status}"), || {
            (self.send(request).status == status).then_some(())
        });
    }
}

/// Lets a DestinationRule trust this authority instead of the system's.
#[track_caller]
pub(crate) fn trust(rule: &mut Value, authority: &Path) {
    let system = json!("/etc/ssl/certs/ca-certificates.crt");
    let pointer = "/spec/trafficPolicy/tls/caCertificates";
    replace(rule, pointer, &system, json!(authority));
}

/// A file beside these tests.
pub(crate) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/mesh")
        .join(path)
}

/// An access token that reads orders.
pub(crate) fn reader() -> Token {
    Token::access(POOL).claim("scope", "openid orders/read")
}

/// The service of the examples.
fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "orders", "namespace": SHOP},
        "spec": {
            "clusterIP": "240.0.0.10",
            "clusterIPs": ["240.0.0.10"],
            "selector": {"app": "orders"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    })
}

/// Its only pod, which listens on `port` of the loopback.
fn slice(port: u16) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "orders-1",
            "namespace": SHOP,
            "labels": {"kubernetes.io/service-name": "orders"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    })
}
