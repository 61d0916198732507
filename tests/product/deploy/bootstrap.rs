//! `envoy/production.yaml` with the ports, paths and names of a test, and nothing else changed.
//!
//! What stands around it (a client that speaks TLS, a key endpoint with a certificate) is added as
//! listeners and clusters of the same Envoy, so that no test needs a TLS library.

use crate::harness::bootstrap::MAIN;
use crate::harness::process::Bootstrap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::deploy::files;
use crate::harness::process::{built, free_ports};

/// Where the filter stands in production.yaml.
pub(crate) const PLUGIN: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/1/typed_config/config";
/// Where the connection manager stands.
pub(crate) const MANAGER: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
/// Where the cluster of the key endpoint stands.
pub(crate) const KEY_CLUSTER: &str = "/static_resources/clusters/1";

/// The module that traps when a request asks for it: the variable that names it, and where `make`
/// puts it.
const PROVOKED: (&str, &str) = (
    "COGNITO_AUTHORIZER_PROVOKED",
    "target/provoke/cognito_authorizer.wasm",
);

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// An Envoy to start.
#[derive(Clone)]
pub(crate) struct Setup {
    bootstrap: Value,
    provoked: bool,
}

impl Setup {
    /// production.yaml between a key server and an upstream on these ports of the loopback. The key
    /// endpoint shows `certificate`, one of the files under `tls`.
    #[track_caller]
    pub(crate) fn production(keys: u16, upstream: u16, certificate: &str) -> Self {
        let [admin, ingress, metrics, endpoint] = free_ports();
        let mut setup = Self {
            bootstrap: files::document("production.yaml"),
            provoked: false,
        };
        let listeners = "/static_resources/listeners";
        let clusters = "/static_resources/clusters";
        let socket = "address/socket_address";
        let host = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let tls = "transport_socket/typed_config/common_tls_context";
        let pair = format!("{listeners}/0/filter_chains/0/{tls}/tls_certificates/0");
        for (pointer, from, to) in [
            (
                format!("/admin/{socket}/port_value"),
                json!(9901),
                json!(admin),
            ),
            (
                format!("{listeners}/0/{socket}/address"),
                json!("0.0.0.0"),
                json!("127.0.0.1"),
            ),
            (
                format!("{listeners}/0/{socket}/port_value"),
                json!(443),
                json!(ingress),
            ),
            (
                format!("{listeners}/1/{socket}/address"),
                json!("0.0.0.0"),
                json!("127.0.0.1"),
            ),
            (
                format!("{listeners}/1/{socket}/port_value"),
                json!(9902),
                json!(metrics),
            ),
            (
                format!("{pair}/certificate_chain/filename"),
                json!("/etc/envoy/tls/tls.crt"),
                json!(tls_file("ingress.crt")),
            ),
            (
                format!("{pair}/private_key/filename"),
                json!("/etc/envoy/tls/tls.key"),
                json!(tls_file("server.key")),
            ),
            (
                format!("{clusters}/0/{host}/address"),
                json!("api.internal.example.com"),
                json!("127.0.0.1"),
            ),
            (
                format!("{clusters}/0/{host}/port_value"),
                json!(8080),
                json!(upstream),
            ),
            (
                format!("{KEY_CLUSTER}/{host}/address"),
                json!("cognito-idp.us-east-1.amazonaws.com"),
                json!("127.0.0.1"),
            ),
            (
                format!("{KEY_CLUSTER}/{host}/port_value"),
                json!(443),
                json!(endpoint),
            ),
            (
                format!("{KEY_CLUSTER}/{tls}/validation_context/trusted_ca/filename"),
                json!("/etc/ssl/certs/ca-certificates.crt"),
                json!(tls_file("authority.crt")),
            ),
            (
                format!("{clusters}/2/{host}/port_value"),
                json!(9901),
                json!(admin),
            ),
        ] {
            setup.replace(&pointer, &from, to);
        }
        setup.surround(ingress, endpoint, keys, certificate);
        setup
    }

    /// Puts `to` where `from` stands; a file that changed is noticed.
    #[track_caller]
    pub(crate) fn replace(&mut self, pointer: &str, from: &Value, to: Value) {
        let place = self.at(pointer);
        assert_eq!(place, from, "production.yaml{pointer}");
        *place = to;
    }

    /// The value at `pointer`, to be changed.
    #[track_caller]
    pub(crate) fn at(&mut self, pointer: &str) -> &mut Value {
        let found = self.bootstrap.pointer_mut(pointer);
        found.unwrap_or_else(|| panic!("production.yaml has nothing at {pointer}"))
    }

    /// Adds the client's side of the ingress, and the key endpoint.
    fn surround(&mut self, ingress: u16, endpoint: u16, keys: u16, certificate: &str) {
        let client = json!({
            "@type": format!("{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": "api.example.com",
            "common_tls_context": {
                "alpn_protocols": ["http/1.1"],
                "validation_context": {
                    "trusted_ca": {"filename": tls_file("authority.crt")},
                    "match_typed_subject_alt_names":
                        [{"san_type": "DNS", "matcher": {"exact": "api.example.com"}}],
                },
            },
        });
        let server = json!({
            "@type": format!("{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {"tls_certificates": [{
                "certificate_chain": {"filename": tls_file(certificate)},
                "private_key": {"filename": tls_file("server.key")},
            }]},
        });
        let tls = |context: Value| json!({"name": "tls", "typed_config": context});
        let mut to_ingress = cluster("ingress", ingress);
        to_ingress["transport_socket"] = tls(client);
        let mut key_endpoint = forwarder("keys", endpoint, "key_server");
        key_endpoint["filter_chains"][0]["transport_socket"] = tls(server);
        self.push("clusters", to_ingress);
        self.push("clusters", cluster("key_server", keys));
        self.push("listeners", forwarder(MAIN, 0, "ingress"));
        self.push("listeners", key_endpoint);
    }

    /// Adds a listener or a cluster.
    pub(crate) fn push(&mut self, resources: &str, resource: Value) {
        let list = self.at(&format!("/static_resources/{resources}"));
        list.as_array_mut().expect("a list").push(resource);
    }

    /// Runs the module that traps when a request asks for it.
    pub(crate) fn provoke(&mut self) {
        self.provoked = true;
    }
}

impl Bootstrap for Setup {
    fn module_log(&self) -> &'static str {
        "debug"
    }

    fn concurrency(&self) -> u32 {
        1
    }

    fn write(&self, directory: &Path, module: &str) -> PathBuf {
        let mut setup = self.clone();
        let module = match self.provoked {
            true => built(PROVOKED),
            false => module.to_owned(),
        };
        // A test may have taken the filter out.
        if setup.bootstrap.pointer(PLUGIN).is_some() {
            setup.replace(
                &format!("{PLUGIN}/vm_config/code/local/filename"),
                &json!("/etc/envoy/cognito_authorizer.wasm"),
                json!(module),
            );
        }
        let path = directory.join("bootstrap.json");
        std::fs::write(&path, setup.bootstrap.to_string()).expect("a writable directory");
        path
    }
}

/// A file under `tls`.
fn tls_file(name: &str) -> PathBuf {
    files::root().join("tests/product/deploy/tls").join(name)
}

/// A listener that carries bytes to a cluster.
fn forwarder(name: &str, port: u16, cluster: &str) -> Value {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": format!("{TYPES}.filters.network.tcp_proxy.v3.TcpProxy"),
                "stat_prefix": name,
                "cluster": cluster,
            },
        }]}],
    })
}

/// A cluster with one host on the loopback.
fn cluster(name: &str, port: u16) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}
