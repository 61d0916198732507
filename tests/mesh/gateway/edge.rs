//! An Envoy Gateway in standalone mode: it reads resources from a folder, and runs Envoy on this host.
//!
//! Envoy is started by Envoy Gateway itself, through the library func-e, which looks for the version
//! that is asked for in a folder before it downloads one. The Envoy under test stands in that folder.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::front::Front;
use crate::gateway::{GATEWAY, NAMESPACE, OWN, put, resource, surroundings};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::{eventually_within, provided, read, stop};
use crate::program::{UNCOLLECTED, control_plane, folder, output, reserved_ports, status};
use crate::stage::PATIENCE;

/// The ports that Envoy Gateway takes whatever its configuration says: for proxies, for modules, and
/// for probes.
const PORTS: [u16; 3] = [18000, 18002, 8081];

/// Two would ask for the same ports.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A running Envoy Gateway with its Envoy.
pub(crate) struct Edge {
    front: Front,
    directory: PathBuf,
    surroundings: Vec<Value>,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Edge {
    type Target = Front;

    fn deref(&self) -> &Front {
        &self.front
    }
}

/// One that has not started its Envoy yet; it is stopped if it never does.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            stop(process);
        }
    }
}

impl Edge {
    /// Starts one that has read resources and has a Gateway for them, and waits until its Envoy serves.
    #[track_caller]
    pub(crate) fn start(resources: &[Value]) -> Self {
        Self::with_environment(resources, &[])
    }

    /// The same for proxies that have these variables.
    #[track_caller]
    pub(crate) fn with_environment(resources: &[Value], variables: &[(&str, String)]) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        for port in PORTS {
            eventually_within(PATIENCE, &format!("port {port} to be free"), || {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()
            });
        }
        let directory = folder("gateway");
        let [port, admin] = reserved_ports();
        output(
            control_plane("envoy-gateway")
                .args(["certgen", "--local", "--config-home"])
                .arg(directory.join("config")),
        );
        let mut surroundings = surroundings(port, proxy(&directory));
        surroundings.extend(certificates(&directory));
        write(&directory, admin);
        std::fs::create_dir(directory.join("resources")).expect("a writable directory");
        let text = documents(surroundings.iter().chain(resources));
        put(&directory.join("resources/all.yaml"), &text);
        let log = std::fs::File::create(directory.join("log")).expect("a writable directory");
        // Names that a cluster's DNS and the world's have. The shell becomes Envoy Gateway: there is
        // no other process to stop.
        let prepare = "\
            mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf && \
            exec \"$0\" \"$@\"";
        let process = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", prepare])
            .arg(control_plane("envoy-gateway").get_program())
            .args(["server", "--config-path", "envoy-gateway.json"])
            // Modules are kept below it.
            .env("HOME", &directory)
            .envs(UNCOLLECTED)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("unshare, of util-linux");
        let mut starting = Starting(Some(process));
        eventually_within(PATIENCE, "Envoy Gateway to start Envoy", || {
            let process = starting.0.as_mut().expect("a process");
            if let Some(status) = process.try_wait().expect("a child") {
                let log = read(&directory, "log");
                panic!("Envoy Gateway ended with {status}:\n{log}");
            }
            let admin = read(&directory, "admin").parse::<SocketAddr>().ok()?;
            // Envoy answers nothing while it compiles the module.
            (status(admin.port(), "/ready")? == 200).then_some(())
        });
        let process = starting.0.take().expect("a process");
        let envoy = EnvoyUnderTest::adopt(process, directory.clone());
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        eventually_within(PATIENCE, "Envoy to answer", || answer(at));
        Self {
            front: Front::new(envoy, at),
            directory,
            surroundings,
            _alone: alone,
        }
    }

    /// The same, once the authorizer decides about requests: it has its module and its keys.
    #[track_caller]
    pub(crate) fn deciding(resources: &[Value]) -> Self {
        let edge = Self::start(resources);
        eventually_within(PATIENCE, "the authorizer to have keys", || {
            (edge.envoy.metric("jwks_keys") > 0).then_some(())
        });
        edge
    }

    /// Stops it: every one of `requests` was decided once.
    #[track_caller]
    pub(crate) fn finish(self, requests: usize) {
        self.front.finish(requests);
    }

    /// What `kubectl apply` does, to all resources: those that are not among them are deleted.
    pub(crate) fn apply(&self, resources: &[Value]) {
        let text = documents(self.surroundings.iter().chain(resources));
        put(&self.directory.join("resources/all.yaml"), &text);
    }

    /// The conditions of a resource by their types, as its status has them by now.
    pub(crate) fn conditions(&self, kind: &str, name: &str) -> BTreeMap<String, Value> {
        let Some(status) = self.status(kind, name) else {
            return BTreeMap::new();
        };
        let ancestors = status["ancestors"].as_array().into_iter().flatten();
        let conditions = ancestors.flat_map(|one| one["conditions"].as_array().cloned());
        let conditions = conditions.flatten();
        conditions
            .map(|one| (one["type"].as_str().expect("a type").to_owned(), one))
            .collect()
    }

    /// The last status that Envoy Gateway gave to a resource; without an API server it goes to the log.
    pub(crate) fn status(&self, kind: &str, name: &str) -> Option<Value> {
        let said = format!("Got new status for {kind}\n");
        let key = format!("{NAMESPACE}/{name}");
        let log = self.envoy.log();
        let lines = log.lines().rev();
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| {
            let text = line["msg"].as_str()?.strip_prefix(&said)?;
            (line["key"] == *key).then(|| serde_yaml_ng::from_str(text).expect("YAML"))
        })
    }

    /// Resources as `kubectl get --output json` prints them, with the status that they have by now.
    pub(crate) fn printed(&self, resources: &[Value]) -> String {
        let shown = resources.iter().map(|resource| {
            let mut resource = resource.clone();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&resource["kind"]), text(&resource["metadata"]["name"]));
            if let Some(status) = self.status(&kind, &name) {
                resource["status"] = status;
            }
            resource
        });
        json!({"apiVersion": "v1", "kind": "List", "items": shown.collect::<Vec<_>>()}).to_string()
    }

    /// Waits until a resource has a condition with this status, and returns its reason and message.
    #[track_caller]
    pub(crate) fn await_condition(
        &self,
        (kind, name): (&str, &str),
        condition: &str,
        status: &str,
    ) -> (String, String) {
        let what = format!("{kind} {name} to be {condition}: {status}");
        eventually_within(PATIENCE, &what, || {
            let conditions = self.conditions(kind, name);
            let found = conditions.get(condition)?;
            let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
            (found["status"] == status).then(|| (text("reason"), text("message")))
        })
    }
}

/// The first line of what Envoy answers for a host that it does not know, if it does; the authorizer is
/// not asked.
fn answer(at: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(at).ok()?;
    let request = "GET / HTTP/1.1\r\nhost: unknown.invalid\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut line = String::new();
    let length = BufReader::new(stream).read_line(&mut line).ok()?;
    (length > 0).then_some(line)
}

/// The settings of the proxies, which say where the Envoy under test is.
#[track_caller]
fn proxy(directory: &Path) -> Value {
    let version = version();
    let binary = directory.join(format!("data/envoy-versions/{version}/bin/envoy"));
    std::fs::create_dir_all(binary.parent().expect("a folder")).expect("a writable directory");
    std::os::unix::fs::symlink(provided("ENVOY"), &binary).expect("a writable directory");
    let spec = json!({
        "provider": {"type": "Host", "host": {"envoyVersion": version}},
        "logging": {"level": {"default": "info"}},
        "concurrency": 2,
        "shutdown": {"drainTimeout": "10s"},
        "extraArgs": [
            "--disable-hot-restart",
            "--admin-address-path", directory.join("admin"),
            "--file-flush-interval-msec", "20",
        ],
    });
    resource(OWN, "EnvoyProxy", "proxies", spec)
}

/// By what Envoy and the server of modules know each other: in a cluster, Secrets that are mounted into
/// the pods. In standalone mode the Secret would be of another authority than the files of `certgen`, and
/// the authority's file where no pod is.
#[track_caller]
fn certificates(directory: &Path) -> [Value; 2] {
    let folder = directory.join("config/certs/envoy");
    let encoded = |name: &str| {
        let bytes =
            std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        STANDARD.encode(bytes)
    };
    let files = ["ca.crt", "tls.crt", "tls.key"].map(|name| (name.to_owned(), encoded(name)));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "envoy", "namespace": "envoy-gateway-system"},
        "data": BTreeMap::from(files),
    });
    let trusted =
        "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
    let patch = json!({
        "targetRef": {
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY,
        },
        "type": "JSONPatch",
        "jsonPatches": [{
            "type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": "wasm_cluster",
            "operation": {"op": "replace", "path": trusted, "value": folder.join("ca.crt")},
        }],
    });
    let patch = resource(OWN, "EnvoyPatchPolicy", "of-this-host", patch);
    [secret, patch]
}

/// The version of the Envoy under test.
#[track_caller]
fn version() -> String {
    let said = output(Command::new(provided("ENVOY")).arg("--version"));
    // envoy  version: SHA/1.40.0/Clean/RELEASE/BoringSSL
    let version = said.split("version: ").nth(1);
    let version = version.and_then(|version| version.split('/').nth(1));
    version.expect("a version").to_owned()
}

/// The configuration of Envoy Gateway, and the names that it and its Envoy look up.
fn write(directory: &Path, admin: u16) {
    let config = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {
            "type": "Custom",
            "custom": {
                "resource": {"type": "File", "file": {"paths": [directory.join("resources")]}},
                "infrastructure": {"type": "Host", "host": {
                    "configHome": directory.join("config"),
                    "dataHome": directory.join("data"),
                    "stateHome": directory.join("state"),
                    "runtimeDir": directory.join("run"),
                }},
            },
        },
        "admin": {"address": {"host": "127.0.0.1", "port": admin}},
        "telemetry": {"metrics": {"prometheus": {"disable": true}}},
        "logging": {"level": {"default": "info"}, "encoder": "JSON"},
        "extensionApis": {"enableBackend": true, "enableEnvoyPatchPolicy": true},
    });
    let hosts = "\
127.0.0.1 localhost
127.0.0.1 envoy-gateway.envoy-gateway-system.svc.cluster.local
127.0.0.1 cognito-idp.us-east-1.amazonaws.com lambda.us-east-1.amazonaws.com
127.0.0.1 example-bucket.s3.us-east-1.amazonaws.com
";
    put(&directory.join("envoy-gateway.json"), &config.to_string());
    put(&directory.join("hosts"), hosts);
    // Nobody is asked for any other.
    let nobody = "nameserver 127.255.255.254\noptions timeout:1 attempts:1\n";
    put(&directory.join("resolv.conf"), nobody);
}

/// A YAML text of resources; JSON is YAML.
fn documents<'a>(resources: impl Iterator<Item = &'a Value>) -> String {
    let documents = resources.map(Value::to_string);
    documents.collect::<Vec<_>>().join("\n---\n")
}

/// A policy of another team's for one route, which has nothing to do with the authorizer.
pub(crate) fn policy_of_a_route(route: &str, spec: Value) -> Value {
    let mut policy = resource(OWN, "EnvoyExtensionPolicy", "of-a-route", spec);
    policy["spec"]["targetRefs"] = json!([{
        "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route,
    }]);
    policy
}
