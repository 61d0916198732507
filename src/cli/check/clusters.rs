//! The clusters that keys come from: whether there are any, and whether they verify who answers.

use super::Notes;
use super::envoy::{Node, field};
use super::finding::{self, Finding};
use crate::document::Document;
use crate::locate::{File, Located, Setting};
use cognito_authorizer::policy::{KeySource, Policy};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The clusters of all files, and those among them that some configuration fetches keys from.
pub(super) struct Clusters {
    defined: BTreeMap<String, Vec<Cluster>>,
    wanted: BTreeSet<String>,
}

/// Where a cluster is defined, and what it lacks.
struct Cluster {
    file: usize,
    document: Rc<Document>,
    path: String,
    lacks: Vec<&'static str>,
}

impl Clusters {
    /// Gathers the clusters of files, known by their positions.
    pub(super) fn of<'a>(files: impl Iterator<Item = (usize, &'a File)>) -> Self {
        let mut clusters = Self {
            defined: BTreeMap::new(),
            wanted: BTreeSet::new(),
        };
        let mut entries = BTreeMap::new();
        for (file, found) in files {
            for document in &found.documents {
                let mut gathering = Gathering {
                    clusters: &mut clusters.defined,
                    entries: &mut entries,
                    file,
                    document,
                };
                gathering.walk(&Node::top(document));
                gathering.mesh();
            }
            for located in &found.located {
                let Ok(policy) = located.parse() else {
                    continue;
                };
                clusters
                    .wanted
                    .extend(key_clusters(&policy).map(|(_, name)| name.to_owned()));
            }
        }
        // Istio: a ServiceEntry makes a cluster, whose TLS a DestinationRule decides.
        for (
            host,
            Entry {
                ports,
                place,
                lacks,
            },
        ) in entries
        {
            let lacks = lacks.unwrap_or_else(|| vec!["a DestinationRule with TLS"]);
            for port in ports {
                let name = format!("outbound|{port}||{host}");
                let Some((file, document, path)) = &place else {
                    continue;
                };
                clusters.defined.entry(name).or_default().push(Cluster {
                    file: *file,
                    document: Rc::clone(document),
                    path: path.clone(),
                    lacks: lacks.clone(),
                });
            }
        }
        clusters
    }

    /// What there is to say of the key clusters in a file.
    pub(super) fn findings(&self, file: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        let wanted = self
            .defined
            .iter()
            .filter(|(name, _)| self.wanted.contains(*name));
        for (name, cluster) in wanted.flat_map(|(name, all)| all.iter().map(move |one| (name, one)))
        {
            if cluster.file != file || cluster.lacks.is_empty() {
                continue;
            }
            let mut notes = Notes {
                document: &cluster.document,
                findings: Vec::new(),
            };
            let text = format!(
                "keys come through {name:?}, which lacks {}",
                cluster.lacks.join(", ")
            );
            notes.add(&finding::UNVERIFIED_KEY_SERVER, &cluster.path, text);
            findings.append(&mut notes.findings);
        }
        findings
    }
}

/// The position of each pool whose keys are fetched, and the cluster.
fn key_clusters(policy: &Policy) -> impl Iterator<Item = (usize, &str)> {
    policy
        .pools
        .iter()
        .filter_map(|(index, pool)| match &pool.keys {
            KeySource::Fetched(source) => {
                Some((index.position(), source.endpoint.cluster.as_str()))
            }
            KeySource::Inline(_) => None,
        })
}

/// Notes key clusters that a bootstrap should define and does not.
pub(super) fn unknown(
    policy: &Policy,
    located: &Located,
    clusters: &Clusters,
    notes: &mut Notes<'_>,
) {
    let top = Node::top(&located.document);
    let bootstrap = field(&top, "static_resources");
    let dynamic = field(&top, "dynamic_resources");
    let discovers = dynamic.is_some_and(|dynamic| {
        let sources = ["cds_config", "ads_config", "cds_resources_locator"];
        sources.iter().any(|name| field(&dynamic, name).is_some())
    });
    if !matches!(located.setting, Setting::Envoy(_)) || bootstrap.is_none() || discovers {
        return;
    }
    // One without discovery has no others than its own.
    let own = |all: &Vec<Cluster>| {
        all.iter()
            .any(|one| Rc::ptr_eq(&one.document, &located.document))
    };
    let own = clusters.defined.iter().filter(|(_, all)| own(all));
    let own: Vec<_> = own.map(|(name, _)| name.as_str()).collect();
    for (position, cluster) in key_clusters(policy) {
        if !own.contains(&cluster) {
            let text = match own.as_slice() {
                [] => format!(
                    "found {cluster:?}; expected a cluster of the bootstrap, which has none"
                ),
                own => {
                    let own = own.join(", ");
                    format!("found {cluster:?}; expected a cluster of the bootstrap: {own}")
                }
            };
            let path = format!("user_pools[{position}].jwks.cluster");
            notes.add(&finding::UNKNOWN_CLUSTER, &path, text);
        }
    }
}

type Place = (usize, Rc<Document>, String);

/// What is known of a host outside the mesh.
#[derive(Default)]
struct Entry {
    ports: BTreeSet<String>,
    place: Option<Place>,
    /// What the DestinationRule leaves unverified, if there is one.
    lacks: Option<Vec<&'static str>>,
}

struct Gathering<'a> {
    clusters: &'a mut BTreeMap<String, Vec<Cluster>>,
    entries: &'a mut BTreeMap<String, Entry>,
    file: usize,
    document: &'a Rc<Document>,
}

impl Gathering<'_> {
    /// Clusters are told by what they have, wherever they are: in a bootstrap, a discovery
    /// response, or a patch.
    fn walk(&mut self, node: &Node<'_>) {
        let name = node.value.get("name").and_then(Value::as_str);
        let signs = [
            "load_assignment",
            "connect_timeout",
            "cluster_type",
            "eds_cluster_config",
        ];
        let is_cluster = signs.iter().any(|sign| field(node, sign).is_some());
        if let (Some(name), true) = (name, is_cluster) {
            self.clusters
                .entry(name.to_owned())
                .or_default()
                .push(Cluster {
                    file: self.file,
                    document: Rc::clone(self.document),
                    path: node.path.clone(),
                    lacks: lacks(node),
                });
            return;
        }
        for child in node.children() {
            self.walk(&child);
        }
    }

    /// Istio's words for the same.
    fn mesh(&mut self) {
        let top = Node::top(self.document);
        let Some(spec) = field(&top, "spec") else {
            return;
        };
        match self.document.get("kind").and_then(Value::as_str) {
            Some("ServiceEntry") => {
                let hosts = texts(&spec, "hosts");
                let ports = field(&spec, "ports")
                    .map(|ports| ports.children())
                    .unwrap_or_default();
                let numbers: BTreeSet<_> = ports
                    .iter()
                    .filter_map(|port| field(port, "number"))
                    .map(|number| number.value.to_string())
                    .collect();
                for host in hosts {
                    let entry = self.entries.entry(host.to_owned()).or_default();
                    entry.ports.extend(numbers.iter().cloned());
                    let place = (self.file, Rc::clone(self.document), "spec.hosts".to_owned());
                    entry.place.get_or_insert(place);
                }
            }
            Some("DestinationRule") => {
                let Some(host) = text(&spec, "host") else {
                    return;
                };
                let tls = field(&spec, "trafficPolicy").and_then(|policy| field(&policy, "tls"));
                let mut lacks = Vec::new();
                match &tls {
                    Some(tls) if matches!(text(tls, "mode"), Some("SIMPLE" | "MUTUAL")) => {
                        if text(tls, "caCertificates").is_none()
                            && text(tls, "credentialName").is_none()
                        {
                            lacks.push("caCertificates");
                        }
                        if texts(tls, "subjectAltNames").is_empty() {
                            lacks.push("subjectAltNames");
                        }
                        if text(tls, "sni").is_none() {
                            lacks.push("sni");
                        }
                    }
                    _ => lacks.push("TLS"),
                }
                let entry = self.entries.entry(host.to_owned()).or_default();
                entry.lacks = Some(lacks);
                entry.place = Some((
                    self.file,
                    Rc::clone(self.document),
                    "spec.trafficPolicy".to_owned(),
                ));
            }
            _ => {}
        }
    }
}

/// What a cluster of Envoy's leaves unverified.
fn lacks(cluster: &Node<'_>) -> Vec<&'static str> {
    if is_local(cluster) {
        return Vec::new();
    }
    let socket = field(cluster, "transport_socket").and_then(|one| field(&one, "typed_config"));
    let is_tls = |node: &Node<'_>| {
        text(node, "@type").is_some_and(|name| name.ends_with(".UpstreamTlsContext"))
    };
    let Some(tls) = socket.filter(is_tls) else {
        return vec!["TLS"];
    };
    let common = field(&tls, "common_tls_context");
    let context = common.as_ref().and_then(|common| {
        let combined = field(common, "combined_validation_context");
        field(common, "validation_context")
            .or_else(|| field(&combined?, "default_validation_context"))
    });
    let has = |node: &Option<Node<'_>>, names: &[&str]| {
        let node = node.as_ref();
        node.is_some_and(|node| names.iter().any(|name| field(node, name).is_some()))
    };
    let by_secret = has(&common, &["validation_context_sds_secret_config"]);
    let combined = has(&common, &["combined_validation_context"]);
    let pinned = has(
        &context,
        &["verify_certificate_spki", "verify_certificate_hash"],
    );
    let mut lacks = Vec::new();
    // What a secret says is not in any file; a combined context may have its authorities there.
    if !by_secret && !combined && !pinned && !has(&context, &["trusted_ca", "system_root_certs"]) {
        lacks.push("trusted_ca");
    }
    let by_name = ["match_typed_subject_alt_names", "match_subject_alt_names"];
    let by_sni = is_true(&tls, "auto_sni_san_validation");
    if !by_secret && !pinned && !by_sni && !has(&context, &by_name) {
        lacks.push("a SAN match");
    }
    let sni = text(&tls, "sni").is_some_and(|sni| !sni.is_empty());
    if !sni && !is_true(&tls, "auto_host_sni") {
        lacks.push("sni");
    }
    let trusting = context.and_then(|context| field(&context, "trust_chain_verification"));
    if trusting.is_some_and(|node| node.value.as_str() == Some("ACCEPT_UNTRUSTED")) {
        lacks.push("verification: trust_chain_verification is ACCEPT_UNTRUSTED");
    }
    lacks
}

/// Whether every address is this machine's own: nobody stands between.
fn is_local(cluster: &Node<'_>) -> bool {
    fn addresses<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|one| addresses(one, found)),
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if name == "address" => found.push(text),
                        _ => addresses(value, found),
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Some(endpoints) = field(cluster, "load_assignment") {
        addresses(endpoints.value, &mut found);
    }
    let local = |address: &&str| {
        let ip = address.parse::<std::net::IpAddr>();
        ip.map_or(*address == "localhost", |ip| ip.is_loopback())
    };
    !found.is_empty() && found.iter().all(local)
}

fn text<'v>(node: &Node<'v>, name: &str) -> Option<&'v str> {
    field(node, name)?.value.as_str()
}

fn texts<'v>(node: &Node<'v>, name: &str) -> Vec<&'v str> {
    let list = field(node, name).and_then(|node| node.value.as_array());
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn is_true(node: &Node<'_>, name: &str) -> bool {
    field(node, name).is_some_and(|node| node.value.as_bool() == Some(true))
}
