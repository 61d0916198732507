//! A real istiod, and Envoys that Istio's own agent starts and configures from it.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::endpoint::{GENUINE, authority};
use crate::front::Front;
use crate::manifest::{of_kind, replace, shipped};
use crate::program::reserved_ports;
use crate::stage::{HOST, IMAGE, Stage};

mod api;
mod istiod;
mod proxy;

mod browser;
mod bucket;
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

/// Istio's root namespace.
pub(crate) const ROOT: &str = "istio-system";
/// The namespace of the service behind the gateway.
pub(crate) const SHOP: &str = "shop";

/// A mesh: what stands around it, a cluster's resources, and istiod, which reads them.
pub(crate) struct Mesh {
    pub(crate) istiod: Istiod,
    pub(crate) api: Api,
    stage: Stage,
}

impl Deref for Mesh {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
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
        let stage = Stage::with_certificate(certificate);
        let api = Api::start();
        for namespace in [ROOT, SHOP] {
            api.apply(&json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace},
            }));
        }
        api.apply(&service());
        api.apply(&slice(stage.upstream.port()));
        Self {
            istiod: Istiod::start(&api),
            api,
            stage,
        }
    }

    /// A mesh with a gateway that has the files of `envoy/istio` for one.
    #[track_caller]
    pub(crate) fn with_gateway() -> (Self, Front) {
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

    /// Applies one with an endpoint of AWS that is on this port, with a certificate of this authority.
    #[track_caller]
    pub(crate) fn apply_leading(&self, file: &str, (port, authority): (u16, PathBuf)) {
        for mut resource in shipped(&format!("istio/{file}")) {
            match resource["kind"].as_str() {
                Some("ServiceEntry") => lead(&mut resource, port),
                Some("DestinationRule") => trust(&mut resource, &authority),
                _ => {}
            }
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
                replace(
                    resource,
                    "/spec/url",
                    &json!(format!("oci://{IMAGE}")),
                    json!(image),
                );
            }
            Some("ServiceEntry") => {
                lead(resource, self.endpoint.port());
            }
            Some("DestinationRule") => trust(resource, &authority()),
            _ => {}
        }
    }

    /// Starts a gateway with the route of `cors.yaml`.
    #[track_caller]
    pub(crate) fn start_gateway(&self, pod: &Pod) -> Front {
        let mut resources = shipped("istio/cors.yaml");
        self.start_gateway_for(of_kind(&mut resources, "VirtualService"), pod)
    }

    /// Starts one whose proxy has these variables.
    #[track_caller]
    pub(crate) fn start_gateway_with(&self, variables: &[(&str, String)]) -> Front {
        let variables = variables.iter();
        let pod = variables.fold(Pod::gateway(), |pod, (name, value)| {
            pod.environment(name, value)
        });
        self.start_gateway(&pod)
    }

    /// Starts one with this route.
    #[track_caller]
    pub(crate) fn start_gateway_for(&self, route: &Value, pod: &Pod) -> Front {
        let [port] = reserved_ports();
        self.apply(&json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "api", "namespace": ROOT},
            "spec": {
                "selector": {"istio": "ingressgateway"},
                "servers": [{
                    "port": {"number": port, "name": "http", "protocol": "HTTP"},
                    "bind": "127.0.0.1",
                    "hosts": [HOST],
                }],
            },
        }));
        self.apply(route);
        let envoy = pod.start(self);
        let at = envoy.at(&format!("127.0.0.1_{port}"));
        Front::new(envoy, at)
    }
}

/// Has a ServiceEntry lead to a port of this host.
#[track_caller]
fn lead(entry: &mut Value, port: u16) {
    let address = entry
        .pointer("/spec/endpoints/0/address")
        .and_then(Value::as_str);
    assert!(
        address.is_some_and(|name| name.ends_with(".us-east-1.amazonaws.com")),
        "{entry}"
    );
    entry["spec"]["endpoints"] = json!([{"address": "127.0.0.1", "ports": {"https": port}}]);
}

/// Lets a DestinationRule trust this authority instead of the system's.
#[track_caller]
pub(crate) fn trust(rule: &mut Value, authority: &Path) {
    let system = json!("/etc/ssl/certs/ca-certificates.crt");
    let pointer = "/spec/trafficPolicy/tls/caCertificates";
    replace(rule, pointer, &system, json!(authority));
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
