//! What Envoy is started with: `envoy/envoy.yaml`, the file of the demo, with other ports and filters.
//!
//! The tests change only what they must, so that the file that users copy is the one that is tested.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::keyserver::KeyServer;
pub(crate) use crate::harness::listener::Listener;
use crate::harness::process::{Bootstrap, built, eventually, module};
use crate::harness::upstream::Upstream;

/// The cluster of the example that reaches the key server.
pub(crate) const KEYS_CLUSTER: &str = "cognito_keys";
/// The listener of tests that need only one.
pub(crate) const MAIN: &str = "main";

/// What the connection manager does with names that have underscores: the example refuses them before
/// the filter sees them.
pub(crate) const UNDERSCORES: &str = "common_http_protocol_options.headers_with_underscores_action";

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Files that Envoy watches.
const LISTENERS: &str = "listeners.json";
const CLUSTERS: &str = "clusters.json";

/// The module that traps when a request asks for it: the variable that names it, and where `make`
/// puts it.
const PROVOKED: (&str, &str) = (
    "COGNITO_AUTHORIZER_PROVOKED",
    "target/provoke/cognito_authorizer.wasm",
);

/// An Envoy to start.
#[derive(Clone)]
pub(crate) struct Setup {
    listeners: Vec<Listener>,
    clusters: Vec<(String, Option<u16>)>,
    http2: Vec<String>,
    resources: Vec<(&'static str, Value)>,
    concurrency: u32,
    dynamic: bool,
    provoked: bool,
    module_log: &'static str,
    flush: &'static str,
}

impl Setup {
    /// An Envoy with two workers between these servers, and no listener yet.
    pub(crate) fn new(keys: &KeyServer, upstream: &Upstream) -> Self {
        Self {
            listeners: Vec::new(),
            clusters: vec![
                ("upstream".to_owned(), Some(upstream.port())),
                (KEYS_CLUSTER.to_owned(), Some(keys.port())),
            ],
            http2: Vec::new(),
            resources: Vec::new(),
            concurrency: 2,
            dynamic: false,
            provoked: false,
            module_log: "debug",
            flush: "5s",
        }
    }

    /// Adds a listener.
    pub(crate) fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Adds a cluster with one host on the loopback.
    pub(crate) fn cluster(mut self, name: &str, port: u16) -> Self {
        self.clusters.push((name.to_owned(), Some(port)));
        self
    }

    /// Adds a cluster with one host on the loopback that speaks HTTP/2.
    pub(crate) fn http2_cluster(mut self, name: &str, port: u16) -> Self {
        self.http2.push(name.to_owned());
        self.cluster(name, port)
    }

    /// Adds a cluster without any host.
    pub(crate) fn empty_cluster(mut self, name: &str) -> Self {
        self.clusters.push((name.to_owned(), None));
        self
    }

    /// Adds a resource, of `clusters` or `listeners`, as Envoy's own configuration has it.
    pub(crate) fn resource(mut self, kind: &'static str, resource: Value) -> Self {
        self.resources.push((kind, resource));
        self
    }

    /// The number of workers.
    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Lets listeners and clusters come from files that Envoy watches, so that they can be changed.
    pub(crate) fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// How often counters are flushed. A successor reads its predecessor's so often, and gets what
    /// that one has not flushed.
    pub(crate) fn flushes_every(mut self, interval: &'static str) -> Self {
        self.flush = interval;
        self
    }

    /// Runs the module that traps when a request asks for it.
    pub(crate) fn provoked(mut self) -> Self {
        self.provoked = true;
        self
    }

    /// Lets the module log everything it ever would.
    pub(crate) fn talkative(mut self) -> Self {
        self.module_log = "trace";
        self
    }

    #[track_caller]
    fn adapted(&self, directory: &Path, shipped: &str) -> Vec<Value> {
        let module = match self.provoked {
            true => built(PROVOKED),
            false => shipped.to_owned(),
        };
        let example = example();
        let example = &example["static_resources"]["listeners"][0];
        let adapt = |listener: &Listener| listener.adapt(example, directory, &module);
        self.listeners.iter().map(adapt).collect()
    }

    fn cluster_of(&self, one: &(String, Option<u16>)) -> Value {
        let mut cluster = cluster(one);
        if self.http2.contains(&one.0) {
            let options = &mut cluster["typed_extension_protocol_options"];
            let options = options.as_object_mut().expect("an object").values_mut();
            for options in options {
                options["explicit_http_config"] = json!({"http2_protocol_options": {}});
            }
        }
        cluster
    }

    /// Publishes the listeners of this setup to an Envoy that was started with a dynamic one.
    #[track_caller]
    pub(crate) fn republish(&self, directory: &Path, module: &str) {
        publish(
            &directory.join(LISTENERS),
            "listener.v3.Listener",
            self.all_listeners(directory, module),
        );
    }

    fn publish_clusters(&self, directory: &Path) {
        publish(
            &directory.join(CLUSTERS),
            "cluster.v3.Cluster",
            self.all_clusters(),
        );
    }

    #[track_caller]
    fn all_listeners(&self, directory: &Path, module: &str) -> Vec<Value> {
        let mut listeners = self.adapted(directory, module);
        listeners.extend(self.resources("listeners"));
        listeners
    }

    fn all_clusters(&self) -> Vec<Value> {
        let clusters = self.clusters.iter().map(|one| self.cluster_of(one));
        clusters.chain(self.resources("clusters")).collect()
    }

    fn resources(&self, kind: &str) -> impl Iterator<Item = Value> {
        let all = self.resources.iter().filter(move |(one, _)| *one == kind);
        all.map(|(_, resource)| resource.clone())
    }

    /// Leaves a running Envoy only the listeners of this setup, which it has already.
    #[track_caller]
    pub(crate) fn remove_listener(&self, envoy: &EnvoyUnderTest) {
        let removals = || envoy.statistic("listener_manager.listener_removed");
        let before = removals();
        self.republish(envoy.directory(), &module());
        eventually("Envoy to remove a listener", || {
            (removals() > before).then_some(())
        });
    }

    /// Gives a running Envoy the clusters of this setup, and waits until it has them.
    #[track_caller]
    pub(crate) fn update_clusters(&self, envoy: &EnvoyUnderTest) {
        let updates = || envoy.statistic("cluster_manager.cds.update_success");
        let before = updates();
        self.publish_clusters(envoy.directory());
        eventually("Envoy to take the new clusters", || {
            (updates() > before).then_some(())
        });
    }
}

impl Bootstrap for Setup {
    fn module_log(&self) -> &'static str {
        self.module_log
    }

    fn concurrency(&self) -> u32 {
        self.concurrency
    }

    #[track_caller]
    fn write(&self, directory: &Path, module: &str) -> PathBuf {
        let mut bootstrap = example();
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(0);
        bootstrap["node"] = json!({"id": "e2e", "cluster": "e2e"});
        bootstrap["stats_flush_interval"] = json!(self.flush);
        let resources = &mut bootstrap["static_resources"];
        if self.dynamic {
            *resources = json!({});
            self.republish(directory, module);
            self.publish_clusters(directory);
            let source = |kind: &str| json!({"path_config_source": {"path": directory.join(kind)}});
            bootstrap["dynamic_resources"] =
                json!({"lds_config": source(LISTENERS), "cds_config": source(CLUSTERS)});
        } else {
            resources["clusters"] = self.all_clusters().into();
            resources["listeners"] = self.all_listeners(directory, module).into();
        }
        let path = directory.join("bootstrap.json");
        std::fs::write(&path, bootstrap.to_string()).expect("a writable directory");
        path
    }
}

/// `envoy/envoy.yaml`.
fn example() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/envoy.yaml");
    let text = std::fs::read_to_string(path).expect("envoy/envoy.yaml");
    serde_yaml_ng::from_str(&text).expect("YAML in envoy/envoy.yaml")
}

pub(crate) fn publish(path: &Path, kind: &str, mut resources: Vec<Value>) {
    for resource in &mut resources {
        resource["@type"] = json!(format!("type.googleapis.com/envoy.config.{kind}"));
    }
    // Envoy watches for a file that is moved into place.
    let draft = path.with_extension("draft");
    let document = json!({"resources": resources});
    std::fs::write(&draft, document.to_string()).expect("a writable directory");
    std::fs::rename(&draft, path).expect("a writable directory");
}

pub(crate) fn cluster((name, port): &(String, Option<u16>)) -> Value {
    let endpoints = port.iter().map(|port| {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        json!({"endpoint": {"address": address}})
    });
    let endpoints: Vec<_> = endpoints.collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": endpoints}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
                "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
            },
        },
    })
}
