//! A running istiod, which reads a cluster and serves proxies in plain text on the loopback.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::harness::client::Request;
use crate::harness::process::{eventually_within, free_ports};
use crate::istio::api::Api;
use crate::istio::{PATIENCE, ROOT};
use crate::program::{Program, control_plane, folder, status};

/// The process, and where proxies ask it.
pub(crate) struct Istiod {
    process: Program,
    discovery: u16,
    debug: u16,
}

impl Istiod {
    /// Starts one and waits until it has read the cluster.
    #[track_caller]
    pub(crate) fn start(api: &Api) -> Self {
        let [discovery, debug, monitoring, introspection] = free_ports();
        let directory = folder("istiod");
        let mut command = control_plane("pilot-discovery");
        command.arg("discovery");
        command.arg("--kubeconfig").arg(api.kubeconfig(&directory));
        for (flag, port) in [
            ("--grpcAddr", discovery),
            ("--httpAddr", debug),
            ("--monitoringAddr", monitoring),
        ] {
            command.arg(flag).arg(format!("127.0.0.1:{port}"));
        }
        command
            .args(["--secureGRPCAddr", "", "--httpsAddr", ""])
            .args(["--ctrlz_address", "127.0.0.1", "--ctrlz_port"])
            .arg(introspection.to_string())
            .env("POD_NAMESPACE", ROOT)
            .env("POD_NAME", "istiod")
            // It certifies nobody.
            .env("ENABLE_CA_SERVER", "false")
            .env("PILOT_CERT_PROVIDER", "none")
            .env("VALIDATION_WEBHOOK_CONFIG_NAME", "")
            .env("INJECTION_WEBHOOK_CONFIG_NAME", "")
            .env("PILOT_ENABLE_GATEWAY_API", "false")
            // Filters that only Istio's own build of Envoy has.
            .env("PILOT_ENABLE_ALPN_FILTER", "false")
            .env("PILOT_ENABLE_METADATA_EXCHANGE", "false");
        let mut istiod = Self {
            process: Program::start(command, directory),
            discovery,
            debug,
        };
        eventually_within(PATIENCE, "istiod to be ready", || {
            istiod.process.assert_alive();
            (status(debug, "/ready")? == 200).then_some(())
        });
        istiod
    }

    /// Where proxies ask.
    pub(crate) fn discovery(&self) -> u16 {
        self.discovery
    }

    /// What a cluster asks istiod before it takes a resource: nothing, or why it must not.
    #[track_caller]
    pub(crate) fn objection(&self, resource: &Value) -> Option<String> {
        let version = resource["apiVersion"].as_str().expect("a version");
        let (group, version) = version.split_once('/').expect("a group");
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "1",
                "kind": {"group": group, "version": version, "kind": resource["kind"]},
                "name": resource["metadata"]["name"],
                "namespace": resource["metadata"]["namespace"],
                "operation": "CREATE",
                "object": resource,
            },
        });
        let answer = Request::new("POST", "/validate")
            .header("content-type", "application/json")
            .header("connection", "close")
            .body(review.to_string().as_bytes())
            .send(SocketAddr::from((Ipv4Addr::LOCALHOST, self.debug)));
        let body: Value = serde_json::from_str(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        let response = &body["response"];
        // istiod says so of every EnvoyFilter.
        let unknown = |warning: &&Value| {
            let text = warning.as_str().unwrap_or_default();
            !text.starts_with("EnvoyFilter exposes internal implementation details")
        };
        let warned = response["warnings"].as_array();
        let warned = warned.is_some_and(|warnings| warnings.iter().any(|one| unknown(&one)));
        let admitted = response["allowed"] == true && !warned;
        (!admitted).then(|| response.to_string())
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}
