//! A pod's proxy: Istio's agent, and the Envoy that it starts with a bootstrap of its own making. The
//! agent stands between Envoy and istiod, and fetches the module's image.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::endpoint::{GENUINE, tls_file};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::{eventually_within, free_ports, provided};
use crate::istio::{Mesh, PATIENCE};
use crate::program::{Program, control_plane, folder, status};

/// Where the agent keeps modules, whoever runs it: a folder that exists in Istio's images alone. The
/// agent is given a file system of its own there.
const STATE: &str = "/var/lib";

/// The address that pods are said to have. Nobody listens there: proxies have ports of their own.
const ADDRESS: &str = "127.0.0.2";

/// A pod to start a proxy for.
pub(crate) struct Pod {
    kind: &'static str,
    name: &'static str,
    namespace: &'static str,
    labels: Vec<(&'static str, &'static str)>,
    annotations: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl Pod {
    /// A gateway's.
    pub(crate) fn gateway() -> Self {
        Self {
            kind: "router",
            name: "ingressgateway",
            namespace: "istio-system",
            labels: vec![("istio", "ingressgateway")],
            annotations: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// A pod of the service `orders`, with its sidecar.
    pub(crate) fn orders() -> Self {
        Self {
            kind: "sidecar",
            name: "orders",
            namespace: "shop",
            labels: vec![("app", "orders")],
            annotations: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Gives the pod an annotation.
    pub(crate) fn annotated(mut self, name: &str, value: &str) -> Self {
        self.annotations.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the proxy's container a variable.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts its proxy, and waits until it serves what istiod has for it.
    #[track_caller]
    pub(crate) fn start(&self, mesh: &Mesh) -> EnvoyUnderTest {
        mesh.api.apply(&self.resource());
        let directory = folder(self.name);
        let [admin, agent_status, health, prometheus] = free_ports();
        self.write(&directory);
        let config = json!({
            "discoveryAddress": format!("127.0.0.1:{}", mesh.istiod.discovery()),
            "controlPlaneAuthPolicy": "NONE",
            "binaryPath": provided("ENVOY"),
            "proxyBootstrapTemplatePath": "envoy_bootstrap.json",
            "proxyAdminPort": admin,
            "statusPort": agent_status,
            "concurrency": 2,
            "terminationDrainDuration": "1s",
            "drainDuration": "10s",
        });
        let agent = control_plane("pilot-agent");
        // The shell that prepares the file system becomes the agent: there is no other process to stop.
        let prepare = format!(
            "mount -t tmpfs none {STATE} && mkdir -p {STATE}/istio/data && exec \"$0\" \"$@\""
        );
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &prepare])
            .arg(agent.get_program())
            .args(["proxy", self.kind])
            .args(["--proxyLogLevel", "info,wasm:debug"])
            .args(["--domain", &format!("{}.svc.cluster.local", self.namespace)])
            .env("PROXY_CONFIG", config.to_string())
            .env("POD_NAME", self.name)
            .env("POD_NAMESPACE", self.namespace)
            .env("INSTANCE_IP", ADDRESS)
            .env("ISTIO_META_CLUSTER_ID", "Kubernetes")
            .env("ISTIO_META_INTERCEPTION_MODE", "NONE")
            .env("ENVOY_STATUS_PORT", health.to_string())
            .env("ENVOY_PROMETHEUS_PORT", prometheus.to_string())
            .env("MINIMUM_DRAIN_DURATION", "0s")
            // Certificates for TLS between proxies are files.
            .env("FILE_MOUNTED_CERTS", "true")
            // Nobody is asked which cloud this is.
            .env("CLOUD_PLATFORM", "none")
            .envs(self.environment.iter().cloned());
        let mut starter = Program::start(command, directory);
        // Envoy answers nothing while it compiles the module.
        eventually_within(PATIENCE, "the agent's Envoy to be ready", || {
            starter.assert_alive();
            (status(admin, "/ready")? == 200).then_some(())
        });
        let address = format!("127.0.0.1:{admin}");
        let admin = starter.directory().join("admin");
        std::fs::write(admin, address).expect("a writable directory");
        let (process, directory) = starter.hand_on();
        EnvoyUnderTest::adopt(process, directory)
    }

    /// What the cluster says of the pod.
    fn resource(&self) -> Value {
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": labels.collect::<serde_json::Map<_, _>>(),
            },
            "spec": {"containers": [], "nodeName": "node"},
            "status": {
                "phase": "Running",
                "podIP": ADDRESS,
                "podIPs": [{"ip": ADDRESS}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        })
    }

    /// What the kubelet and Istio's image put into the file system of the proxy's container.
    fn write(&self, directory: &Path) {
        let template = Path::new(&provided("MESH_CONTROL_PLANE")).join("envoy_bootstrap.json");
        std::fs::copy(template, directory.join("envoy_bootstrap.json")).expect("a template");
        // What proxies would show each other. Istio gives every cluster TLS with it, for those that ask.
        let certificates = directory.join("etc/certs");
        std::fs::create_dir_all(&certificates).expect("a writable directory");
        for (from, to) in [
            (GENUINE, "cert-chain.pem"),
            ("server.key", "key.pem"),
            ("authority.crt", "root-cert.pem"),
        ] {
            std::fs::copy(tls_file(from), certificates.join(to)).expect("a writable directory");
        }
        let pod = directory.join("etc/istio/pod");
        std::fs::create_dir_all(&pod).expect("a writable directory");
        // The downward API writes one a line, quoted as Go does, which is as JSON does for these.
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={}\n", json!(value)));
        std::fs::write(pod.join("labels"), labels.collect::<String>()).expect("a file");
        let annotations = self.annotations.iter();
        let annotations = annotations.map(|(name, value)| format!("{name}={}\n", json!(value)));
        std::fs::write(pod.join("annotations"), annotations.collect::<String>()).expect("a file");
    }
}
