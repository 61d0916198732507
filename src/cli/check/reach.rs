//! Where a cluster leads: to which hosts, under which names, on which ports.

use super::envoy::{Node, field, text};
use super::place::Place;
use serde_json::Value;

/// What HTTP has without TLS, and with it.
const PLAIN: &str = "80";
const OVER_TLS: &str = "443";

/// What the endpoints of Cognito have before the region, of the original and the updated issuer, and of
/// Lambda, and both for FIPS 140. The names of private endpoints have it, too, further in.
const SERVICES: [&str; 5] = [
    "cognito-idp",
    "issuer-cognito-idp",
    "cognito-idp-fips",
    "lambda",
    "lambda-fips",
];

/// Where a cluster leads.
#[derive(Clone, Default)]
pub(super) struct Reach {
    /// Addresses, `sni` and names in certificates.
    hosts: Vec<(Place, String)>,
    ports: Vec<Port>,
    tls: bool,
}

#[derive(Clone)]
struct Port {
    place: Place,
    /// The mesh's own number for it, where that is another.
    within: Option<String>,
    /// As it is written.
    number: String,
}

/// Makes a place of a path.
type Placed<'a> = &'a dyn Fn(String) -> Place;

impl Reach {
    /// Of a cluster of Envoy's.
    pub(super) fn of_cluster(cluster: &Node<'_>, place: Placed<'_>) -> Self {
        let socket = field(cluster, "transport_socket");
        let context = socket.as_ref().and_then(|one| field(one, "typed_config"));
        let name = context.as_ref().and_then(|context| text(context, "@type"));
        let mut reach = Self {
            tls: name.is_some_and(|name| name.ends_with(".UpstreamTlsContext")),
            ..Self::default()
        };
        if is_local(cluster) {
            return reach;
        }
        if let Some(endpoints) = field(cluster, "load_assignment") {
            reach.addresses(&endpoints, place);
        }
        if let Some(context) = context {
            reach.names(&context, place);
        }
        reach
    }

    /// Of Istio's ServiceEntry, whose hosts are the addresses unless it has endpoints.
    pub(super) fn of_entry(spec: &Node<'_>, place: Placed<'_>) -> Self {
        let mut reach = Self::default();
        match field(spec, "endpoints") {
            Some(endpoints) => reach.addresses(&endpoints, place),
            None => reach.list(spec, "hosts", place),
        }
        let ports = field(spec, "ports").map(|ports| ports.children());
        for port in ports.unwrap_or_default() {
            let within = field(&port, "number").map(|number| number.value.to_string());
            let number = field(&port, "targetPort").or_else(|| field(&port, "number"));
            if let Some(number) = number {
                reach.ports.push(Port {
                    place: place(number.path),
                    within,
                    number: number.value.to_string(),
                });
            }
        }
        reach
    }

    /// Of the TLS settings of Istio's DestinationRule.
    pub(super) fn of_rule(tls: &Node<'_>, place: Placed<'_>) -> Self {
        let mut reach = Self {
            tls: true,
            ..Self::default()
        };
        reach.text(tls, "sni", place);
        reach.list(tls, "subjectAltNames", place);
        reach
    }

    /// What several documents say of one host.
    pub(super) fn extend(&mut self, other: Self) {
        self.hosts.extend(other.hosts);
        self.ports.extend(other.ports);
        self.tls |= other.tls;
    }

    /// What of it one of the mesh's ports has.
    pub(super) fn for_port(&self, within: &str) -> Self {
        let mut reach = self.clone();
        let ports = |port: &Port| port.within.as_deref().is_none_or(|port| port == within);
        reach.ports.retain(ports);
        reach
    }

    fn text(&mut self, node: &Node<'_>, name: &str, place: Placed<'_>) {
        if let (Some(node), Some(text)) = (field(node, name), text(node, name)) {
            self.hosts.push((place(node.path), text.to_owned()));
        }
    }

    fn list(&mut self, node: &Node<'_>, name: &str, place: Placed<'_>) {
        let children = field(node, name).map(|list| list.children());
        for one in children.unwrap_or_default() {
            if let Some(text) = one.value.as_str() {
                self.hosts.push((place(one.path), text.to_owned()));
            }
        }
    }

    /// Every `address` and `port_value` below.
    fn addresses(&mut self, node: &Node<'_>, place: Placed<'_>) {
        self.text(node, "address", place);
        if let Some(port) = field(node, "port_value") {
            let written = match port.value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            self.ports.push(Port {
                place: place(port.path),
                within: None,
                number: written,
            });
        }
        for child in node.children() {
            self.addresses(&child, place);
        }
    }

    /// The names that TLS asks for and believes.
    fn names(&mut self, node: &Node<'_>, place: Placed<'_>) {
        const MATCHERS: [&str; 2] = ["match_typed_subject_alt_names", "match_subject_alt_names"];
        self.text(node, "sni", place);
        for name in MATCHERS {
            let Some(list) = field(node, name) else {
                continue;
            };
            for one in list.children() {
                let matcher = field(&one, "matcher").unwrap_or(one);
                self.text(&matcher, "exact", place);
                self.text(&matcher, "suffix", place);
            }
        }
        for child in node.children() {
            self.names(&child, place);
        }
    }

    /// Ports on which what is spoken does not fit.
    pub(super) fn plain_ports(&self) -> impl Iterator<Item = (&Place, String)> {
        self.ports.iter().filter_map(|port| {
            let text = match (self.tls, port.number.as_str()) {
                (true, PLAIN) => "TLS on port 80, where servers speak without; expected 443",
                (false, OVER_TLS) => "no TLS on port 443, where servers speak nothing else",
                _ => return None,
            };
            Some((&port.place, text.to_owned()))
        })
    }

    /// The hosts that are Cognito's or Lambda's, and their regions.
    pub(super) fn regions(&self) -> impl Iterator<Item = (&Place, &str, String)> {
        self.hosts.iter().filter_map(|(place, host)| {
            let region = region(host)?;
            Some((place, host.as_str(), region))
        })
    }
}

/// The region of a host of Cognito's or Lambda's; none of another host, which may lead anywhere.
pub(super) fn region(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let (host, _) = host.split_once(':').unwrap_or((&host, ""));
    let labels: Vec<_> = host.trim_end_matches('.').split('.').collect();
    let service = labels.iter().position(|label| SERVICES.contains(label));
    let after = |at: usize| labels.get(at.saturating_add(1));
    let region = match service {
        Some(service) => after(service)?,
        // A certificate may be for all services of a region.
        None => match labels.as_slice() {
            ["*" | "", region, "amazonaws", ..] => region,
            _ => return None,
        },
    };
    let is_region = region.contains('-') && region.bytes().any(|byte| byte.is_ascii_digit());
    is_region.then(|| (*region).to_owned())
}

/// Whether every address is this machine's own: nothing stands between.
pub(super) fn is_local(cluster: &Node<'_>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::region;

    #[test]
    fn regions_are_read_from_cognitos_names_alone() {
        for (host, expected) in [
            ("cognito-idp.us-east-1.amazonaws.com", Some("us-east-1")),
            ("cognito-idp.us-east-1.amazonaws.com.", Some("us-east-1")),
            ("Cognito-IDP.EU-west-1.amazonaws.com:443", Some("eu-west-1")),
            (
                "issuer-cognito-idp.eu-west-1.amazonaws.com",
                Some("eu-west-1"),
            ),
            (
                "cognito-idp-fips.us-gov-west-1.amazonaws.com",
                Some("us-gov-west-1"),
            ),
            (
                "cognito-idp.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            (
                "vpce-0a1b.cognito-idp.us-east-2.vpce.amazonaws.com",
                Some("us-east-2"),
            ),
            ("lambda.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("*.us-east-1.amazonaws.com", Some("us-east-1")),
            (".us-east-1.amazonaws.com", Some("us-east-1")),
            ("*.amazonaws.com", None),
            ("s3.us-east-1.amazonaws.com", None),
            ("keys.example.com", None),
            ("cognito-keys.us-east-1.internal", None),
            ("cognito-idp.internal.example.com", None),
            ("", None),
        ] {
            assert_eq!(region(host).as_deref(), expected, "{host}");
        }
    }
}
