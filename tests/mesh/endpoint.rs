//! Amazon's endpoint: a server of the loopback behind TLS, with a certificate that the tests have made.
//!
//! An Envoy of its own ends the TLS, so that no test needs a TLS library.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::bootstrap::{MAIN, cluster};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::Bootstrap;

/// A certificate for the genuine name, by the authority that the tests trust.
pub(crate) const GENUINE: &str = "keys.crt";
/// One for another name, by that authority.
pub(crate) const OTHER_NAME: &str = "keys-other-name.crt";

/// A running endpoint.
pub(crate) struct Endpoint {
    envoy: EnvoyUnderTest,
}

impl Endpoint {
    /// Stands before the server on port `behind`, and shows `certificate`, a file of the deployment
    /// tests.
    #[track_caller]
    pub(crate) fn start(behind: u16, certificate: &str) -> Self {
        Self::with_certificate(behind, &tls_file(certificate))
    }

    /// The same with a certificate from elsewhere, which is for the same private key.
    #[track_caller]
    pub(crate) fn with_certificate(behind: u16, certificate: &Path) -> Self {
        let setup = Setup {
            behind,
            certificate: certificate.to_owned(),
        };
        Self {
            envoy: EnvoyUnderTest::start(&setup),
        }
    }

    /// The port on which it speaks TLS.
    pub(crate) fn port(&self) -> u16 {
        self.envoy.main().port()
    }
}

/// The authority that has signed the certificates.
pub(crate) fn authority() -> PathBuf {
    tls_file("authority.crt")
}

/// A file of the deployment tests.
pub(crate) fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/product/deploy/tls")
        .join(name)
}

struct Setup {
    behind: u16,
    certificate: PathBuf,
}

impl Bootstrap for Setup {
    fn module_log(&self) -> &'static str {
        "info"
    }

    fn concurrency(&self) -> u32 {
        1
    }

    fn write(&self, directory: &Path, _module: &str) -> PathBuf {
        let types = "type.googleapis.com/envoy.extensions";
        let tls = json!({
            "@type": format!("{types}.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {"tls_certificates": [{
                "certificate_chain": {"filename": self.certificate},
                "private_key": {"filename": tls_file("server.key")},
            }]},
        });
        let forward = json!({
            "@type": format!("{types}.filters.network.tcp_proxy.v3.TcpProxy"),
            "stat_prefix": MAIN,
            "cluster": "behind",
        });
        let listener = json!({
            "name": MAIN,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{
                "transport_socket": {"name": "tls", "typed_config": tls},
                "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": forward}],
            }],
        });
        let behind: Value = cluster(&("behind".to_owned(), Some(self.behind)));
        let bootstrap = json!({
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "static_resources": {"listeners": [listener], "clusters": [behind]},
        });
        let path = directory.join("bootstrap.json");
        std::fs::write(&path, bootstrap.to_string()).expect("a writable directory");
        path
    }
}
