//! The part of a Kubernetes API server that istiod reads: resources are listed and watched. Nothing can
//! be written through it, since what is written to a cluster here is written by the test.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::serving::{Received, Serving, receive};

/// The kinds of a test's resources, with what their paths have instead. istiod asks for a custom
/// resource only if its definition is there.
const KINDS: [(&str, &str); 13] = [
    ("Namespace", "namespaces"),
    ("Pod", "pods"),
    ("Service", "services"),
    ("EndpointSlice", "endpointslices"),
    ("WasmPlugin", "wasmplugins.extensions.istio.io"),
    ("TrafficExtension", "trafficextensions.extensions.istio.io"),
    ("Gateway", "gateways.networking.istio.io"),
    ("VirtualService", "virtualservices.networking.istio.io"),
    ("ServiceEntry", "serviceentries.networking.istio.io"),
    ("DestinationRule", "destinationrules.networking.istio.io"),
    ("EnvoyFilter", "envoyfilters.networking.istio.io"),
    ("Sidecar", "sidecars.networking.istio.io"),
    (
        "AuthorizationPolicy",
        "authorizationpolicies.security.istio.io",
    ),
];

const DEFINITIONS: &str = "customresourcedefinitions";

/// A resource that was put into the cluster, or taken out of it.
#[derive(Clone)]
struct Event {
    kind: &'static str,
    resource: String,
    object: Value,
}

#[derive(Default)]
struct State {
    /// By plural, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    /// The version of a resource is the number of events up to its own.
    events: Vec<Event>,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A cluster without nodes.
pub(crate) struct Api {
    serving: Serving,
    shared: Arc<Shared>,
}

impl Api {
    /// Serves on a free port of the loopback.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let api = Self {
            serving: Serving::start(move |stream| serve(stream, &state)),
            shared,
        };
        for (_, plural) in KINDS.iter().filter(|(_, plural)| plural.contains('.')) {
            api.put(DEFINITIONS, json!({"metadata": {"name": plural}}));
        }
        api
    }

    /// What `kubectl apply` does.
    #[track_caller]
    pub(crate) fn apply(&self, resource: &Value) {
        self.put(plural(resource), resource.clone());
    }

    /// What `kubectl delete` does.
    #[track_caller]
    pub(crate) fn delete(&self, resource: &Value) {
        let key = key(plural(resource), resource);
        let mut state = self.shared.lock();
        let mut object = state.objects.remove(&key).expect("a resource");
        state.record("DELETED", &key.0, &mut object);
        self.shared.changed.notify_all();
    }

    fn put(&self, plural: &str, mut object: Value) {
        let key = key(plural, &object);
        let mut state = self.shared.lock();
        let kind = match state.objects.contains_key(&key) {
            true => "MODIFIED",
            false => "ADDED",
        };
        object["metadata"]["uid"] = json!(format!("{}/{}/{}", key.0, key.1, key.2));
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        state.record(kind, &key.0, &mut object);
        state.objects.insert(key, object);
        self.shared.changed.notify_all();
    }

    /// Writes what a client needs to get here, and returns where it is.
    #[track_caller]
    pub(crate) fn kubeconfig(&self, directory: &Path) -> PathBuf {
        let server = format!("http://127.0.0.1:{}", self.serving.port());
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": server}}],
            "users": [{"name": "test", "user": {}}],
        });
        let path = directory.join("kubeconfig.json");
        std::fs::write(&path, config.to_string()).expect("a writable directory");
        path
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }
}

impl State {
    fn record(&mut self, kind: &'static str, resource: &str, object: &mut Value) {
        let version = self.events.len() + 1;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.events.push(Event {
            kind,
            resource: resource.to_owned(),
            object: object.clone(),
        });
    }
}

#[track_caller]
fn plural(resource: &Value) -> &'static str {
    let found = KINDS.iter().find(|(kind, _)| resource["kind"] == *kind);
    let (_, plural) = found.unwrap_or_else(|| panic!("no such kind: {}", resource["kind"]));
    plural.split('.').next().expect("a plural")
}

fn key(plural: &str, object: &Value) -> (String, String, String) {
    let metadata = &object["metadata"];
    let text = |member: &str| metadata[member].as_str().unwrap_or_default().to_owned();
    (plural.to_owned(), text("namespace"), text("name"))
}

/// What is asked for: `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL[/NAME]?…`.
struct Asked {
    version: String,
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
    query: BTreeMap<String, String>,
}

impl Asked {
    fn parse(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut segments = path.trim_matches('/').split('/');
        let version = match segments.next()? {
            "api" => segments.next()?.to_owned(),
            "apis" => format!("{}/{}", segments.next()?, segments.next()?),
            _ => return None,
        };
        let mut rest: Vec<_> = segments.map(str::to_owned).collect();
        let mut namespace = None;
        if rest.len() > 2 && rest[0] == "namespaces" {
            namespace = Some(rest.remove(1));
            rest.remove(0);
        }
        let mut rest = rest.into_iter();
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        Some(Self {
            version,
            plural: rest.next()?,
            namespace,
            name: rest.next(),
            query: query
                .map(|(name, value)| (name.to_owned(), value.replace("%3D", "=")))
                .collect(),
        })
    }

    fn wants(&self, object: &Value) -> bool {
        let named = |name: &str| {
            let selector = self.query.get("fieldSelector");
            let selected = selector.and_then(|selector| selector.strip_prefix("metadata.name="));
            selected.is_none_or(|selected| selected == name)
                && self.name.as_deref().is_none_or(|wanted| wanted == name)
        };
        let (_, namespace, name) = key(&self.plural, object);
        self.namespace.as_ref().is_none_or(|of| *of == namespace) && named(&name)
    }

    /// The object in the version that was asked for.
    fn shown(&self, object: &Value, metadata_only: bool) -> Value {
        let mut object = object.clone();
        if metadata_only {
            object["apiVersion"] = json!("meta.k8s.io/v1");
            object["kind"] = json!("PartialObjectMetadata");
        } else {
            object["apiVersion"] = json!(self.version);
        }
        object
    }
}

/// Serves one request; `None` once the connection is of no more use.
fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let received = receive(stream)?;
    let (status, body) = match answer(&received, shared) {
        Reply::Whole(status, body) => (status, body),
        Reply::Watch(asked, metadata_only) => return watch(stream, shared, &asked, metadata_only),
    };
    let body = body.to_string();
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok()
}

enum Reply {
    Whole(u16, Value),
    Watch(Asked, bool),
}

fn answer(received: &Received, shared: &Shared) -> Reply {
    let mut words = received.line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let refusal = |code: u16, reason: &str| {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
            "code": code, "message": format!("{method} {target}: {reason}"),
        });
        Reply::Whole(code, status)
    };
    match target {
        "/version" => {
            let version = json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0"});
            return Reply::Whole(200, version);
        }
        "/api" => {
            return Reply::Whole(200, json!({"kind": "APIVersions", "versions": ["v1"]}));
        }
        "/apis" => {
            let groups = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []});
            return Reply::Whole(200, groups);
        }
        _ => {}
    }
    let Some(asked) = Asked::parse(target) else {
        return refusal(404, "NotFound");
    };
    if method != "GET" {
        return refusal(403, "Forbidden");
    }
    let accepts = received.headers.iter().find(|(name, _)| name == "accept");
    let metadata_only = accepts.is_some_and(|(_, value)| value.contains("PartialObjectMetadata"));
    if asked.query.contains_key("sendInitialEvents") {
        // The client lists first and watches then, as it did before Kubernetes 1.35.
        return refusal(422, "Invalid");
    }
    if asked.query.contains_key("watch") {
        return Reply::Watch(asked, metadata_only);
    }
    let state = shared.lock();
    let objects = state.objects.iter();
    let objects =
        objects.filter(|((plural, ..), object)| *plural == asked.plural && asked.wants(object));
    let mut items: Vec<_> = objects
        .map(|(_, object)| asked.shown(object, metadata_only))
        .collect();
    if asked.name.is_some() {
        return match items.pop() {
            Some(item) => Reply::Whole(200, item),
            None => refusal(404, "NotFound"),
        };
    }
    let version = state.events.len().to_string();
    let mut list = json!({"metadata": {"resourceVersion": version}, "items": items});
    let kind = KINDS
        .iter()
        .find(|(_, plural)| plural.split('.').next() == Some(asked.plural.as_str()));
    if metadata_only {
        list["apiVersion"] = json!("meta.k8s.io/v1");
        list["kind"] = json!("PartialObjectMetadataList");
    } else if let Some((kind, _)) = kind {
        list["apiVersion"] = json!(asked.version);
        list["kind"] = json!(format!("{kind}List"));
    }
    Reply::Whole(200, list)
}

/// Tells of changes as long as the client listens.
fn watch(
    mut stream: &TcpStream,
    shared: &Shared,
    asked: &Asked,
    metadata_only: bool,
) -> Option<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    let since = asked.query.get("resourceVersion");
    let mut next: usize = since.and_then(|since| since.parse().ok()).unwrap_or(0);
    loop {
        let news: Vec<Event> = {
            let mut state = shared.lock();
            if state.events.len() <= next && !state.stopped {
                let wait = shared.changed.wait_timeout(state, Duration::from_secs(1));
                state = wait.expect("no thread panics with the lock").0;
            }
            if state.stopped {
                return None;
            }
            state.events.get(next..).unwrap_or_default().to_vec()
        };
        next += news.len();
        for event in news {
            if event.resource == asked.plural && asked.wants(&event.object) {
                let object = asked.shown(&event.object, metadata_only);
                let line = format!("{}\n", json!({"type": event.kind, "object": object}));
                let chunk = format!("{:x}\r\n{line}\r\n", line.len());
                stream.write_all(chunk.as_bytes()).ok()?;
            }
        }
    }
}
