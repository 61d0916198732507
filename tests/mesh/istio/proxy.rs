//! A pod's proxy: Istio's agent, and the Envoy that it starts with a bootstrap of its own making. The
//! agent stands between Envoy and istiod, and fetches the module's image.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::{eventually_within, free_ports, provided, read};
use crate::istio::PATIENCE;
use crate::istio::istiod::Istiod;
use crate::program::{control_plane, folder};

/// Where the agent keeps modules, whoever runs it: a folder that exists in Istio's images alone. The
/// agent is given a file system of its own there.
const STATE: &str = "/var/lib";

/// A pod to start a proxy for.
pub(crate) struct Pod {
    kind: &'static str,
    name: &'static str,
    namespace: &'static str,
    labels: Vec<(&'static str, &'static str)>,
    annotations: Vec<(String, String)>,
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
        }
    }

    /// Gives the pod an annotation.
    pub(crate) fn annotated(mut self, name: &str, value: &str) -> Self {
        self.annotations.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts its proxy, and waits until it serves what istiod has for it.
    #[track_caller]
    pub(crate) fn start(&self, istiod: &Istiod) -> EnvoyUnderTest {
        let directory = folder(self.name);
        let [admin, status, prometheus] = free_ports();
        self.write(&directory);
        let config = json!({
            "discoveryAddress": format!("127.0.0.1:{}", istiod.discovery()),
            "controlPlaneAuthPolicy": "NONE",
            "binaryPath": provided("ENVOY"),
            "proxyBootstrapTemplatePath": "envoy_bootstrap.json",
            "proxyAdminPort": admin,
            "statusPort": 0,
            "concurrency": 2,
            "terminationDrainDuration": "1s",
            "drainDuration": "10s",
        });
        let log = std::fs::File::create(directory.join("log")).expect("a writable directory");
        let agent = control_plane("pilot-agent");
        // The shell that prepares the file system becomes the agent: there is no other process to stop.
        let prepare = format!(
            "mount -t tmpfs none {STATE} && mkdir -p {STATE}/istio/data && exec \"$0\" \"$@\""
        );
        let process = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &prepare])
            .arg(agent.get_program())
            .args(["proxy", self.kind])
            .args(["--proxyLogLevel", "info,wasm:debug"])
            .args(["--domain", &format!("{}.svc.cluster.local", self.namespace)])
            .env("PROXY_CONFIG", config.to_string())
            .env("POD_NAME", self.name)
            .env("POD_NAMESPACE", self.namespace)
            .env("INSTANCE_IP", "127.0.0.1")
            .env("ISTIO_META_CLUSTER_ID", "Kubernetes")
            .env("ISTIO_META_INTERCEPTION_MODE", "NONE")
            .env("ENVOY_STATUS_PORT", status.to_string())
            .env("ENVOY_PROMETHEUS_PORT", prometheus.to_string())
            .env("MINIMUM_DRAIN_DURATION", "0s")
            // Nobody is asked which cloud this is.
            .env("CLOUD_PLATFORM", "none")
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("unshare, of util-linux");
        let address = format!("127.0.0.1:{admin}");
        let mut process = process;
        eventually_within(PATIENCE, "the agent to start Envoy", || {
            if let Some(status) = process.try_wait().expect("a child") {
                panic!(
                    "the agent ended with {status}:\n{}",
                    read(&directory, "log")
                );
            }
            TcpStream::connect(&address).ok()
        });
        std::fs::write(directory.join("admin"), &address).expect("a writable directory");
        EnvoyUnderTest::adopt(process, directory)
    }

    /// What the kubelet and Istio's image put into the file system of the proxy's container.
    fn write(&self, directory: &Path) {
        let template = Path::new(&provided("MESH_CONTROL_PLANE")).join("envoy_bootstrap.json");
        std::fs::copy(template, directory.join("envoy_bootstrap.json")).expect("a template");
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
