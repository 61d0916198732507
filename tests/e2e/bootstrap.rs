//! What Envoy is started with: `envoy/envoy.yaml`, the file of the demo, with other ports and filters.
//!
//! The tests change only what they must, so that the file that users copy is the one that is tested.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::CASE;
use crate::keyserver::KeyServer;
use crate::upstream::Upstream;

/// The cluster of the example that reaches the key server.
pub(crate) const KEYS_CLUSTER: &str = "cognito_keys";
/// The listener of tests that need only one.
pub(crate) const MAIN: &str = "main";

const ANY: &str = "type.googleapis.com/google.protobuf";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The form in which the filter's configuration arrives.
#[derive(Clone)]
pub(crate) enum Configuration {
    /// Native YAML: a serialized `google.protobuf.Struct`, as Envoy's own users write it.
    Struct(Value),
    /// Text in a `google.protobuf.StringValue`, as Istio and Envoy Gateway send it.
    Text(String),
    /// No configuration at all.
    Absent,
    /// The example's own, with the port of its key server replaced.
    Example,
}

/// A listener with one filter under test.
#[derive(Clone)]
pub(crate) struct Listener {
    name: String,
    configuration: Configuration,
    stop_iteration: Option<bool>,
    normalize_path: bool,
    keeps_request_ids: bool,
    route: Option<[&'static str; 3]>,
}

impl Listener {
    /// A listener whose filter has this configuration, as native YAML.
    pub(crate) fn new(name: &str, configuration: Value) -> Self {
        Self::configured(name, Configuration::Struct(configuration))
    }

    /// The same as JSON text.
    pub(crate) fn text(name: &str, configuration: &Value) -> Self {
        Self::configured(name, Configuration::Text(configuration.to_string()))
    }

    /// A listener whose filter has a configuration in this form.
    pub(crate) fn configured(name: &str, configuration: Configuration) -> Self {
        Self {
            name: name.to_owned(),
            configuration,
            stop_iteration: None,
            normalize_path: true,
            keeps_request_ids: false,
            route: None,
        }
    }

    /// Sets `allow_on_headers_stop_iteration`, which otherwise is as in the example.
    pub(crate) fn stop_iteration(mut self, allowed: bool) -> Self {
        self.stop_iteration = Some(allowed);
        self
    }

    /// Keeps the request ids that clients send, which Envoy otherwise replaces.
    pub(crate) fn trusted_request_ids(mut self) -> Self {
        self.keeps_request_ids = true;
        self
    }

    /// Sends requests whose `header` has this value to another cluster.
    pub(crate) fn routed_by(
        mut self,
        header: &'static str,
        value: &'static str,
        cluster: &'static str,
    ) -> Self {
        self.route = Some([header, value, cluster]);
        self
    }

    /// Lets the filter see the path as the client wrote it, which is Envoy's default.
    pub(crate) fn raw_paths(mut self) -> Self {
        self.normalize_path = false;
        self
    }
}

/// An Envoy to start.
#[derive(Clone)]
pub(crate) struct Setup {
    listeners: Vec<Listener>,
    clusters: Vec<(String, u16)>,
    concurrency: u32,
    dynamic: bool,
    module_log: &'static str,
}

impl Setup {
    /// An Envoy with two workers between these servers, and no listener yet.
    pub(crate) fn new(keys: &KeyServer, upstream: &Upstream) -> Self {
        Self {
            listeners: Vec::new(),
            clusters: vec![
                ("upstream".to_owned(), upstream.port()),
                (KEYS_CLUSTER.to_owned(), keys.port()),
            ],
            concurrency: 2,
            dynamic: false,
            module_log: "wasm:debug",
        }
    }

    /// Adds a listener.
    pub(crate) fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Adds a cluster with one host on the loopback.
    pub(crate) fn cluster(mut self, name: &str, port: u16) -> Self {
        self.clusters.push((name.to_owned(), port));
        self
    }

    /// The number of workers.
    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Lets listeners come from a file that Envoy watches, so that they can be changed.
    pub(crate) fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// Lets the module log everything it ever would.
    pub(crate) fn talkative(mut self) -> Self {
        self.module_log = "wasm:trace";
        self
    }

    /// The level of the module's log, as Envoy's command line has it.
    pub(crate) fn module_log(&self) -> &'static str {
        self.module_log
    }

    /// The number of workers.
    pub(crate) fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Writes the files into `directory` and returns the one to start with.
    pub(crate) fn write(&self, directory: &Path, module: &str) -> PathBuf {
        let mut bootstrap = example();
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(0);
        let resources = &mut bootstrap["static_resources"];
        let listeners: Vec<_> = self
            .listeners
            .iter()
            .map(|listener| self.adapt(&resources["listeners"][0], listener, directory, module))
            .collect();
        resources["clusters"] = self.clusters.iter().map(cluster).collect();
        resources["listeners"] = json!([]);
        if self.dynamic {
            let path = directory.join("listeners.json");
            publish_listeners(&path, &listeners);
            bootstrap["node"] = json!({"id": "e2e", "cluster": "e2e"});
            bootstrap["dynamic_resources"] =
                json!({"lds_config": {"path_config_source": {"path": path}}});
        } else {
            bootstrap["static_resources"]["listeners"] = listeners.into();
        }
        let path = directory.join("bootstrap.json");
        std::fs::write(&path, bootstrap.to_string()).expect("a writable directory");
        path
    }

    /// The example's listener, changed as `wanted` says.
    fn adapt(&self, example: &Value, wanted: &Listener, directory: &Path, module: &str) -> Value {
        let mut listener = example.clone();
        listener["name"] = json!(wanted.name);
        listener["address"]["socket_address"]["port_value"] = json!(0);
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        assert!(
            manager["http_filters"].is_array(),
            "envoy.yaml has a connection manager"
        );
        manager["normalize_path"] = json!(wanted.normalize_path);
        manager["preserve_external_request_id"] = json!(wanted.keeps_request_ids);
        // Trailers and upgrades reach the filter only if Envoy is told to forward them.
        manager["http_protocol_options"] = json!({"enable_trailers": true});
        manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        manager["access_log"] = json!([access_log(&directory.join("access.log"))]);
        if let Some([header, value, cluster]) = wanted.route {
            let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
            let matching = json!({
                "prefix": "/",
                "headers": [{"name": header, "string_match": {"exact": value}}],
            });
            let route = json!({"match": matching, "route": {"cluster": cluster}});
            routes.as_array_mut().expect("an array").insert(0, route);
        }
        let plugin = manager["http_filters"]
            .as_array_mut()
            .expect("an array")
            .iter_mut()
            .map(|filter| &mut filter["typed_config"])
            .find(|filter| {
                filter["@type"]
                    .as_str()
                    .is_some_and(|name| name.contains("wasm"))
            })
            .expect("envoy.yaml has a wasm filter");
        let plugin = &mut plugin["config"];
        if let Some(allowed) = wanted.stop_iteration {
            plugin["allow_on_headers_stop_iteration"] = json!(allowed);
        }
        plugin["vm_config"]["code"] = json!({"local": {"filename": module}});
        match &wanted.configuration {
            Configuration::Struct(value) => {
                plugin["configuration"] = json!({"@type": format!("{ANY}.Struct"), "value": value});
            }
            Configuration::Text(text) => {
                plugin["configuration"] =
                    json!({"@type": format!("{ANY}.StringValue"), "value": text});
            }
            Configuration::Absent => {
                plugin
                    .as_object_mut()
                    .expect("an object")
                    .remove("configuration");
            }
            Configuration::Example => {}
        }
        listener
    }

    /// Publishes the listeners of this setup to an Envoy that was started with a dynamic one.
    pub(crate) fn republish(&self, directory: &Path, module: &str) {
        let example = example();
        let example = &example["static_resources"]["listeners"][0];
        let listeners: Vec<_> = self
            .listeners
            .iter()
            .map(|listener| self.adapt(example, listener, directory, module))
            .collect();
        publish_listeners(&directory.join("listeners.json"), &listeners);
    }
}

/// `envoy/envoy.yaml`.
fn example() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/envoy.yaml");
    let text = std::fs::read_to_string(path).expect("envoy/envoy.yaml");
    serde_yaml_ng::from_str(&text).expect("YAML in envoy/envoy.yaml")
}

fn publish_listeners(path: &Path, listeners: &[Value]) {
    let resources: Vec<_> = listeners
        .iter()
        .map(|listener| {
            let mut resource = listener.clone();
            resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            resource
        })
        .collect();
    // Envoy watches for a file that is moved into place.
    let draft = path.with_extension("draft");
    let document = json!({"resources": resources});
    std::fs::write(&draft, document.to_string()).expect("a writable directory");
    std::fs::rename(&draft, path).expect("a writable directory");
}

fn cluster((name, port): &(String, u16)) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
                "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
            },
        },
    })
}

/// One line of JSON for each request: what operators can see.
fn access_log(path: &Path) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": {
                "case": format!("%REQ({CASE})%"),
                "status": "%RESPONSE_CODE%",
                "request_id": "%REQ(x-request-id)%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "reason": "%FILTER_STATE(wasm.cognito.reason:PLAIN)%",
                "sub": "%FILTER_STATE(wasm.cognito.sub:PLAIN)%",
                "client_id": "%FILTER_STATE(wasm.cognito.client_id:PLAIN)%",
            }},
        },
    })
}
