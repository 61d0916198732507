//! A running istiod, which reads a cluster and serves proxies in plain text on the loopback.

use crate::harness::process::{eventually_within, free_ports};
use crate::istio::api::Api;
use crate::istio::{PATIENCE, ROOT};
use crate::program::{Program, control_plane, folder};

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
            // Proxies are not asked who they are, and get no certificates.
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
            (istiod.get("/ready")? == 200).then_some(())
        });
        istiod
    }

    /// Where proxies ask.
    pub(crate) fn discovery(&self) -> u16 {
        self.discovery
    }

    fn get(&self, path: &str) -> Option<u16> {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.debug)).ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        line.split(' ').nth(1)?.parse().ok()
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}
