//! The clusters that keys, deny lists and verdicts come from and tokens go to: whether there are any,
//! whether they verify who answers, and whether what calls Lambda signs its calls.

use super::Notes;
use super::envoy::{Node, field, is_true, is_variant, text, texts};
use super::finding::{self, Finding};
use super::place::Place;
use super::reach::{self, Reach};
use super::signing::{self, Signing};
use crate::document::{Document, below, item};
use crate::locate::{File, Located, Setting};
use cognito_authorizer::policy::{Authorizer, Issuer, KeySource, Policy};
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::rules::expression::Expression;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The clusters of all files, and those among them that some configuration has the filter call.
pub(super) struct Clusters {
    defined: BTreeMap<String, Vec<Cluster>>,
    wanted: BTreeMap<String, Vec<Wanted>>,
}

/// What a cluster is called for, and the regions in which that is; none for what may be anywhere.
struct Wanted {
    purpose: Purpose,
    issuer: String,
    regions: Vec<String>,
}

/// What a cluster is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Keys come from there.
    Keys,
    /// Tokens go there, to be confirmed.
    Confirmation,
    /// The deny list comes from there.
    DenyList,
    /// A Lambda function is invoked there.
    Function,
    /// Another service is asked there for a verdict.
    Verdict,
}

impl Purpose {
    /// The setting that names the cluster.
    const fn field(self) -> &'static str {
        match self {
            Self::Keys => "jwks.cluster",
            Self::Confirmation => "confirm.cluster",
            Self::DenyList => "deny_list.cluster",
            Self::Function | Self::Verdict => "cluster",
        }
    }
}

/// Where a cluster is defined, what it lacks, and where it leads.
struct Cluster {
    place: Place,
    lacks: Vec<&'static str>,
    reach: Reach,
    signing: Signing,
}

impl Clusters {
    /// Gathers the clusters of files, known by their positions.
    pub(super) fn of<'a>(files: impl Iterator<Item = (usize, &'a File)>) -> Self {
        let mut clusters = Self {
            defined: BTreeMap::new(),
            wanted: BTreeMap::new(),
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
                gathering.mesh(&Node::top(document));
            }
        }
        // Istio: a ServiceEntry makes a cluster, whose TLS a DestinationRule decides.
        for (host, entry) in entries {
            let lacks = entry.lacks;
            let lacks = lacks.unwrap_or_else(|| vec!["a DestinationRule with TLS"]);
            let Some(place) = entry.place else { continue };
            for port in entry.ports {
                let name = format!("outbound|{port}||{host}");
                clusters.defined.entry(name).or_default().push(Cluster {
                    place: place.clone(),
                    lacks: lacks.clone(),
                    reach: entry.reach.for_port(&port),
                    signing: entry.signing.clone(),
                });
            }
        }
        clusters
    }

    /// Takes note of the clusters that a configuration has the filter call.
    pub(super) fn want(&mut self, policy: &Policy) {
        for (_, issuer, purpose, endpoint) in called(policy) {
            let regions = match issuer {
                Issuer::Pool(pool) => {
                    // A replica's is its own.
                    let own = pool.region.clone();
                    let there = reach::region(&endpoint.authority);
                    BTreeSet::from_iter(there.into_iter().chain([own]))
                }
                // An AWS account's keys are in no region.
                Issuer::Account(_) => BTreeSet::new(),
            };
            let wanted = self.wanted.entry(endpoint.cluster.clone());
            wanted.or_default().push(Wanted {
                purpose,
                issuer: issuer.id().to_owned(),
                regions: regions.into_iter().collect(),
            });
        }
        for authorizer in &policy.authorizers {
            let cluster = authorizer.endpoint.cluster.clone();
            let region = reach::region(&authorizer.endpoint.authority);
            self.wanted.entry(cluster).or_default().push(Wanted {
                purpose: purpose_of(authorizer),
                issuer: authorizer.name.clone(),
                regions: region.into_iter().collect(),
            });
        }
        if let Some(list) = &policy.deny_list {
            let cluster = list.source.endpoint.cluster.clone();
            self.wanted.entry(cluster).or_default().push(Wanted {
                purpose: Purpose::DenyList,
                issuer: String::new(),
                regions: Vec::new(),
            });
        }
    }

    /// What there is to say of these clusters in a file.
    pub(super) fn findings(&self, file: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        let defined = |name| self.defined.get(name).into_iter().flatten();
        let wanted = self.wanted.iter();
        let all =
            wanted.flat_map(|(name, wanted)| defined(name).map(move |one| (name, wanted, one)));
        for (name, wanted, cluster) in all {
            let mut note = |code, place: &Place, text: String, advice: Option<&'static str>| {
                if place.file == file {
                    let finding = place.finding(code, text);
                    let advice = advice.unwrap_or(finding.advice);
                    findings.push(Finding { advice, ..finding });
                }
            };
            if !cluster.lacks.is_empty() {
                let lacks = cluster.lacks.join(", ");
                let lacks = |text: &str| format!("{text} {name:?}, which lacks {lacks}");
                let serves = |purpose| wanted.iter().any(|one| one.purpose == purpose);
                let pools = match (serves(Purpose::Keys), serves(Purpose::Confirmation)) {
                    (true, true) => Some("keys come and tokens go through"),
                    (false, true) => Some("tokens go through"),
                    (true, false) => Some("keys come through"),
                    (false, false) => None,
                };
                if let Some(text) = pools {
                    note(
                        &finding::UNVERIFIED_KEY_SERVER,
                        &cluster.place,
                        lacks(text),
                        None,
                    );
                }
                if serves(Purpose::DenyList) {
                    let text = lacks("the deny list comes through");
                    note(&finding::UNVERIFIED_LIST_SERVER, &cluster.place, text, None);
                }
                if serves(Purpose::Function) || serves(Purpose::Verdict) {
                    let text = lacks("verdicts come through");
                    note(&finding::UNVERIFIED_AUTHORIZER, &cluster.place, text, None);
                }
            }
            if wanted.iter().any(|one| one.purpose == Purpose::Function) {
                for (place, text) in cluster.signing.problems(name, &cluster.place) {
                    note(&finding::UNSIGNED_CALL, place, text, None);
                }
            }
            for (place, text) in cluster.reach.plain_ports() {
                note(&finding::PLAIN_PORT, place, text, None);
            }
            for Wanted {
                purpose,
                issuer,
                regions,
            } in wanted
            {
                let is = match purpose {
                    Purpose::Keys => format!("the keys of {issuer} are"),
                    Purpose::Confirmation => format!("{issuer} is"),
                    Purpose::Function => format!("the function of {issuer} is"),
                    Purpose::DenyList | Purpose::Verdict => continue,
                };
                let signed = cluster
                    .signing
                    .region()
                    .filter(|_| *purpose == Purpose::Function);
                for (place, host, found) in cluster.reach.regions().chain(signed) {
                    if !regions.is_empty() && !regions.contains(&found) {
                        let expected = regions.join(" or ");
                        let text = match host == found {
                            true => format!("found {found}; {is} in {expected}"),
                            false => format!("found {host:?}, of {found}; {is} in {expected}"),
                        };
                        let advice = (*purpose == Purpose::Function).then_some(ELSEWHERE);
                        note(&finding::WRONG_REGION, place, text, advice);
                    }
                }
            }
        }
        // Several pools may come through one cluster, and a name may stand in one place for all.
        findings.sort_by(|one, other| (&one.path, &one.text).cmp(&(&other.path, &other.text)));
        findings.dedup_by(|one, other| one.path == other.path && one.text == other.text);
        findings
    }
}

/// What follows if a function is called in another region.
const ELSEWHERE: &str = "that endpoint does not know the function, and every request that the authorizer decides about is answered 503; address, sni, SAN and the region of the signature all name the function's";

/// What follows if a function cannot be asked.
const WITHOUT_FUNCTION: &str = "without an answer every request that the authorizer decides about is answered 503; envoy/lambda/cluster.yaml has a cluster";

/// And if the deny list cannot be fetched.
const WITHOUT_LIST: &str =
    "without a list nobody who was signed out is out, and `when_stale` says who gets in at all";

fn purpose_of(authorizer: &Authorizer) -> Purpose {
    match signing::is_invocation(&authorizer.endpoint) {
        true => Purpose::Function,
        false => Purpose::Verdict,
    }
}

/// Where each issuer stands for which a cluster is called, the issuer, what for, and where.
fn called(policy: &Policy) -> impl Iterator<Item = (String, Issuer<'_>, Purpose, &Endpoint)> {
    let issuers = &policy.issuers;
    issuers.iter().flat_map(|(index, issuer)| {
        let position = index.position();
        let place = match position.checked_sub(issuers.pools().len()) {
            None => item("user_pools", position),
            Some(account) => item("aws_accounts", account),
        };
        let keys = match issuer.keys() {
            KeySource::Fetched(source) => Some((Purpose::Keys, &source.endpoint)),
            KeySource::Inline(_) => None,
        };
        let confirm = match issuer {
            Issuer::Pool(pool) => pool.confirm.as_ref(),
            Issuer::Account(_) => None,
        };
        let confirm = confirm.map(|confirm| (Purpose::Confirmation, &confirm.endpoint));
        let both = keys.into_iter().chain(confirm);
        both.map(move |(purpose, endpoint)| (place.clone(), issuer, purpose, endpoint))
    })
}

/// Notes such clusters that are nowhere, where all that there are should be among what was given.
pub(super) fn unknown(
    policy: &Policy,
    located: &Located,
    clusters: &Clusters,
    notes: &mut Notes<'_>,
) {
    let Some(scope) = Scope::of(located) else {
        return;
    };
    let within = |one: &Cluster| match scope {
        Scope::Bootstrap | Scope::Dump => Rc::ptr_eq(&one.place.document, &located.document),
        Scope::Manifests => one.place.document.get("kind").is_some(),
    };
    let known = clusters.defined.iter();
    let known = known.filter(|(_, all)| all.iter().any(within));
    let known: Vec<_> = known.map(|(name, _)| name.as_str()).collect();
    if known.is_empty() && scope == Scope::Manifests {
        // They may be in files of their own, which were not given.
        return;
    }
    let place = scope.name();
    let issuers = called(policy).map(|(place, _, purpose, endpoint)| {
        let path = below(&place, purpose.field());
        (path, endpoint, finding::UNKNOWN_CLUSTER.help)
    });
    let list = policy.deny_list.iter().map(|list| {
        let path = Purpose::DenyList.field().to_owned();
        (path, &list.source.endpoint, WITHOUT_LIST)
    });
    let authorizers = policy.authorizers.iter().enumerate();
    let authorizers = authorizers.map(|(position, authorizer)| {
        let path = below(&item("authorizers", position), "cluster");
        (path, &authorizer.endpoint, WITHOUT_FUNCTION)
    });
    for (path, endpoint, advice) in issuers.chain(list).chain(authorizers) {
        let cluster = endpoint.cluster.as_str();
        if known.contains(&cluster) || scope == Scope::Manifests && is_generated(cluster) {
            continue;
        }
        let text = match known.as_slice() {
            [] => format!("found {cluster:?}; expected a cluster of {place}, which has none"),
            known => {
                let known = known.join(", ");
                format!("found {cluster:?}; expected a cluster of {place}: {known}")
            }
        };
        notes.add(&finding::UNKNOWN_CLUSTER, &path, text);
        notes.advise(advice);
    }
}

/// Where all clusters should be that a configuration may name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// A bootstrap without discovery has no others than its own.
    Bootstrap,
    /// A running Envoy says which it has.
    Dump,
    /// What is outside of a mesh, or of a gateway, is in manifests like this one.
    Manifests,
}

impl Scope {
    fn of(located: &Located) -> Option<Self> {
        let top = Node::top(&located.document);
        match located.setting {
            Setting::Istio(_) | Setting::Gateway(_) => return Some(Self::Manifests),
            Setting::Bare => return None,
            Setting::Envoy(_) | Setting::Module(_) => {}
        }
        let dynamic = field(&top, "dynamic_resources");
        let discovers = dynamic.is_some_and(|dynamic| {
            let sources = ["cds_config", "ads_config", "cds_resources_locator"];
            sources.iter().any(|name| field(&dynamic, name).is_some())
        });
        if has_clusters(&top, PODS) {
            Some(Self::Dump)
        } else if field(&top, "static_resources").is_some() && !discovers {
            Some(Self::Bootstrap)
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "the bootstrap",
            Self::Dump => "this Envoy",
            Self::Manifests => "these manifests",
        }
    }
}

/// `egctl` prints the dumps of several Envoys: by namespace, then by pod.
const PODS: usize = 2;

/// Whether there is a dump with clusters, at most so far below.
fn has_clusters(node: &Node<'_>, below: usize) -> bool {
    match field(node, "configs") {
        Some(configs) => configs.children().iter().any(|section| {
            text(section, "@type").is_some_and(|name| name.ends_with(".ClustersConfigDump"))
        }),
        None => below.checked_sub(1).is_some_and(|below| {
            let all = node.children();
            all.iter().any(|one| has_clusters(one, below))
        }),
    }
}

/// Whether a control plane makes a cluster of this name by itself: of a service in the mesh, of a
/// route.
fn is_generated(cluster: &str) -> bool {
    match cluster.strip_prefix("outbound|") {
        Some(rest) => {
            let host = rest.rsplit('|').next().unwrap_or_default();
            host.ends_with(".cluster.local") || !host.contains('.')
        }
        None => cluster.contains('/'),
    }
}

/// What is known of a host outside the mesh.
#[derive(Default)]
struct Entry {
    ports: BTreeSet<String>,
    place: Option<Place>,
    /// What the DestinationRule leaves unverified, if there is one.
    lacks: Option<Vec<&'static str>>,
    reach: Reach,
    signing: Signing,
}

struct Gathering<'a> {
    clusters: &'a mut BTreeMap<String, Vec<Cluster>>,
    entries: &'a mut BTreeMap<String, Entry>,
    file: usize,
    document: &'a Rc<Document>,
}

impl Gathering<'_> {
    fn place(&self, path: impl Into<String>) -> Place {
        Place {
            file: self.file,
            document: Rc::clone(self.document),
            path: path.into(),
        }
    }

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
            let cluster = Cluster {
                place: self.place(&node.path),
                lacks: lacks(node),
                reach: Reach::of_cluster(node, &|path| self.place(path)),
                signing: Signing::of(node, &|path| self.place(path)),
            };
            let known = self.clusters.entry(name.to_owned()).or_default();
            // A dump has what is static in two sections.
            let repeated = known.iter().any(|one| {
                Rc::ptr_eq(&one.place.document, self.document)
                    && self
                        .document
                        .get(&one.place.path)
                        .is_some_and(|known| same(known, node.value))
            });
            if !repeated {
                known.push(cluster);
            }
            return;
        }
        for child in node.children() {
            self.walk(&child);
        }
    }

    /// Istio's words for the same, also within a list.
    fn mesh(&mut self, top: &Node<'_>) {
        if let Some(items) = field(top, "items") {
            for one in items.children() {
                self.mesh(&one);
            }
        }
        let Some(spec) = field(top, "spec") else {
            return;
        };
        match text(top, "kind") {
            Some("ServiceEntry") => {
                let ports = field(&spec, "ports").map(|ports| ports.children());
                let numbers: BTreeSet<_> = ports
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|port| field(port, "number"))
                    .map(|number| number.value.to_string())
                    .collect();
                for host in texts(&spec, "hosts") {
                    let place = self.place(format!("{}.hosts", spec.path));
                    let reach = Reach::of_entry(&spec, &|path| self.place(path));
                    let entry = self.entries.entry(host.to_owned()).or_default();
                    entry.ports.extend(numbers.iter().cloned());
                    entry.place.get_or_insert(place);
                    entry.reach.extend(reach);
                }
            }
            Some("DestinationRule") => {
                let Some(host) = text(&spec, "host") else {
                    return;
                };
                let tls = field(&spec, "trafficPolicy").and_then(|policy| field(&policy, "tls"));
                let mut lacks = Vec::new();
                let tls = tls.filter(|tls| matches!(text(tls, "mode"), Some("SIMPLE" | "MUTUAL")));
                match &tls {
                    Some(tls) => {
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
                    None => lacks.push("TLS"),
                }
                let place = self.place(format!("{}.trafficPolicy", spec.path));
                let reach = tls.map(|tls| Reach::of_rule(&tls, &|path| self.place(path)));
                let entry = self.entries.entry(host.to_owned()).or_default();
                entry.lacks = Some(lacks);
                entry.place = Some(place);
                entry.reach.extend(reach.unwrap_or_default());
            }
            Some("EnvoyFilter") => {
                let patches = field(&spec, "config_patches").map(|patches| patches.children());
                for patch in patches.unwrap_or_default() {
                    self.patch(&patch);
                }
            }
            _ => {}
        }
    }

    /// What an EnvoyFilter adds to a cluster that a ServiceEntry makes.
    fn patch(&mut self, patch: &Node<'_>) {
        let cluster = field(patch, "match").and_then(|one| field(&one, "cluster"));
        let service = cluster
            .as_ref()
            .and_then(|cluster| text(cluster, "service"));
        let value = field(patch, "patch").and_then(|patch| field(&patch, "value"));
        if let (Some(host), Some(value)) = (service, value) {
            let signing = Signing::of(&value, &|path| self.place(path));
            let entry = self.entries.entry(host.to_owned()).or_default();
            entry.signing = signing;
        }
    }
}

/// Whether two clusters are one: a resource of discovery also says its type.
fn same(one: &Value, other: &Value) -> bool {
    let members = |value: &Value| {
        let mut members = value.as_object().cloned().unwrap_or_default();
        members.remove("@type");
        members
    };
    members(one) == members(other)
}

/// Whether a SAN matcher takes the certificate of any name: it is tried on names of nobody.
fn takes_every_name(san: &Node<'_>) -> bool {
    const OF_NOBODY: [&str; 2] = ["x.invalid", "q-1.example"];
    let matcher = field(san, "matcher").unwrap_or_else(|| san.clone());
    let has = |name: &str, takes: &dyn Fn(&str) -> bool| text(&matcher, name).is_some_and(takes);
    let expression = field(&matcher, "safe_regex");
    let expression = expression.and_then(|one| Expression::new(text(&one, "regex")?).ok());
    OF_NOBODY.iter().all(|name| {
        has("prefix", &|start| name.starts_with(start))
            || has("suffix", &|end| name.ends_with(end))
            || has("contains", &|part| name.contains(part))
            || expression.as_ref().is_some_and(|one| one.matches(name))
    })
}

/// What a cluster of Envoy's leaves unverified.
fn lacks(cluster: &Node<'_>) -> Vec<&'static str> {
    if reach::is_local(cluster) {
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
    let by_name = context.as_ref().is_some_and(|context| {
        let lists = by_name.iter().filter_map(|name| field(context, name));
        let all: Vec<_> = lists.flat_map(|list| list.children()).collect();
        !all.is_empty() && !all.iter().any(takes_every_name)
    });
    if !by_secret && !pinned && !by_sni && !by_name {
        lacks.push("a SAN match");
    }
    let sni = text(&tls, "sni").is_some_and(|sni| !sni.is_empty());
    if !sni && !is_true(&tls, "auto_host_sni") {
        lacks.push("sni");
    }
    let trusting = context.and_then(|context| field(&context, "trust_chain_verification"));
    if let Some(trusting) = trusting {
        if is_variant(&trusting, "ACCEPT_UNTRUSTED", 1) {
            lacks.push("verification: trust_chain_verification is ACCEPT_UNTRUSTED");
        } else if !is_variant(&trusting, "VERIFY_TRUST_CHAIN", 0) {
            lacks.push("verification: trust_chain_verification is not VERIFY_TRUST_CHAIN");
        }
    }
    lacks
}
