//! Hosts: as rules name them, and as requests do.
//!
//! A host is what the client says. A rule can rely on it only as far as the upstream goes by the
//! same authority, so that both are brought to one form, and what has none is refused.

use super::super::path::UnsafePath;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::iter;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// The longest host name, in bytes, a trailing dot not counted (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// The hosts that a rule is about, in lower case, without port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Exact(String),
    /// What follows `*.`
    Subdomains(String),
    /// Label by label, some of which are variables.
    Labels(Vec<Label>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Label {
    Literal(String),
    /// Any one label, which is not empty.
    Variable(Arc<str>),
}

impl Label {
    fn takes(&self, label: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == label,
            Self::Variable(_) => true,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Literal(label) => self.takes(label),
            Self::Variable(_) => matches!(self, Self::Variable(_)),
        }
    }
}

impl HostPattern {
    /// Reads `api.example.com`, `[::1]`, `*.example.com`: all subdomains, however deep, but not
    /// `example.com` itself; or `{tenant}.example.com`: those of exactly one label more.
    ///
    /// # Errors
    /// No request could be for such a host, or it is `*`, which says nothing.
    pub fn new(host: &str) -> Result<Self, InvalidHost> {
        let refuse = |cause: fn(String) -> InvalidHost| cause(host.to_owned());
        if host.is_empty() {
            return Err(InvalidHost::Empty);
        }
        // To leave `hosts` out says the same, and is how all other parts say it.
        if host == "*" {
            return Err(InvalidHost::Everything);
        }
        if host.contains(['{', '}']) {
            return Self::with_variables(host);
        }
        let (name, kind): (&str, fn(String) -> Kind) = match host.strip_prefix("*.") {
            Some(parent) => (parent, Kind::Subdomains),
            None => (host, Kind::Exact),
        };
        // `api-*.example.com` would match in Envoy's domains; here it would be a name that no
        // request has.
        if name.contains('*') {
            return Err(refuse(InvalidHost::Wildcard));
        }
        let (name, port) = split_port(name).ok_or_else(|| refuse(InvalidHost::Malformed))?;
        // A port that is written is meant to count, and it does not.
        if port.is_some() {
            return Err(refuse(InvalidHost::Port));
        }
        let name = canonical_host(name).ok_or_else(|| refuse(InvalidHost::Malformed))?;
        // An address has no subdomains.
        if host.starts_with("*.[") {
            return Err(refuse(InvalidHost::Malformed));
        }
        Ok(Self(kind(name.into_owned())))
    }

    /// Reads a host of which some labels are variables.
    fn with_variables(host: &str) -> Result<Self, InvalidHost> {
        let refuse = |cause: fn(String) -> InvalidHost| cause(host.to_owned());
        let mut names: Vec<Option<Arc<str>>> = Vec::new();
        let mut plain = Vec::new();
        for label in host.split('.') {
            let inner = label.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
            let is_name = |name: &&str| {
                let mut bytes = name.bytes();
                !name.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            };
            match inner.filter(is_name) {
                Some(name) if names.iter().flatten().any(|known| **known == *name) => {
                    return Err(InvalidHost::RepeatedVariable(name.to_owned()));
                }
                Some(name) => {
                    names.push(Some(name.into()));
                    plain.push("x");
                }
                None if label.contains(['{', '}', '*']) => {
                    return Err(refuse(InvalidHost::Variable));
                }
                None => {
                    names.push(None);
                    plain.push(label);
                }
            }
        }
        // Every other fault is found as if a host of one tenant had been written.
        let plain = plain.join(".");
        let faulty = |_| match Self::new(&plain) {
            Err(InvalidHost::Port(_)) => refuse(InvalidHost::Port),
            Err(_) | Ok(_) => refuse(InvalidHost::Malformed),
        };
        let Ok(Self(Kind::Exact(plain))) = Self::new(&plain) else {
            return Err(faulty(()));
        };
        let labels = plain.split('.').zip(names);
        let labels = labels.map(|(label, name)| match name {
            Some(name) => Label::Variable(name),
            None => Label::Literal(label.to_owned()),
        });
        Ok(Self(Kind::Labels(labels.collect())))
    }

    /// How it is looked up.
    pub(in super::super) fn key(&self) -> HostKey<'_> {
        match &self.0 {
            Kind::Exact(host) => HostKey::Exact(host),
            Kind::Subdomains(parent) => HostKey::Below(parent),
            Kind::Labels(_) => HostKey::Labels,
        }
    }

    /// Whether the same labels of both are variables.
    pub(in super::super) fn has_shape_of(&self, other: &Self) -> bool {
        let (Kind::Labels(labels), Kind::Labels(others)) = (&self.0, &other.0) else {
            return false;
        };
        let is_variable = |label: &Label| matches!(label, Label::Variable(_));
        let shape = labels.iter().map(is_variable);
        shape.eq(others.iter().map(is_variable))
    }

    /// Where its labels stand beside those of a host, which is in the form that [`requested_host`]
    /// gives it: `Equal` if it matches. It is the order of patterns of one shape.
    pub(in super::super) fn beside(&self, host: &str) -> Ordering {
        let mut texts = host.split('.');
        let labels = match &self.0 {
            // An IPv6 address may have dots, and has no labels.
            Kind::Labels(labels) if !host.starts_with('[') => labels,
            Kind::Exact(_) | Kind::Subdomains(_) | Kind::Labels(_) => return Ordering::Less,
        };
        for label in labels {
            let order = match (label, texts.next()) {
                (_, None) => Ordering::Greater,
                (Label::Literal(literal), Some(text)) => (**literal).cmp(text),
                (Label::Variable(_), Some(_)) => Ordering::Equal,
            };
            if order.is_ne() {
                return order;
            }
        }
        match texts.next() {
            None => Ordering::Equal,
            Some(_) => Ordering::Less,
        }
    }

    /// The names of its variables, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let labels = match &self.0 {
            Kind::Exact(_) | Kind::Subdomains(_) => &[][..],
            Kind::Labels(labels) => labels,
        };
        labels.iter().filter_map(|label| match label {
            Label::Variable(name) => Some(&**name),
            Label::Literal(_) => None,
        })
    }

    /// What its variables stand for in a host that it matches, which is in the form that
    /// [`requested_host`] gives it; none for another host.
    pub(in super::super) fn capture<'p, 'h>(
        &'p self,
        host: &'h str,
    ) -> Option<impl Iterator<Item = (&'p Arc<str>, &'h str)>> {
        let Kind::Labels(labels) = &self.0 else {
            return None;
        };
        let pairs = iter::zip(labels, host.split('.')).filter_map(|(label, text)| match label {
            Label::Variable(name) => Some((name, text)),
            Label::Literal(_) => None,
        });
        self.beside(host).is_eq().then_some(pairs)
    }

    /// A host that it matches.
    #[must_use]
    pub fn example(&self) -> String {
        match &self.0 {
            Kind::Exact(host) => host.clone(),
            Kind::Subdomains(parent) => format!("x.{parent}"),
            Kind::Labels(labels) => {
                let labels = labels.iter().map(|label| match label {
                    Label::Literal(label) => label,
                    Label::Variable(_) => "x",
                });
                labels.collect::<Vec<_>>().join(".")
            }
        }
    }

    /// Whether this pattern matches every host that the other one does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        // By whole labels: `evilexample.com` is not below `example.com`.
        let is_below = |host: &str, parent: &str| {
            host.strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        match (&self.0, &other.0) {
            (Kind::Exact(host), Kind::Exact(other)) => host == other,
            (Kind::Exact(_), Kind::Subdomains(_)) => false,
            (Kind::Subdomains(parent), Kind::Exact(other)) => is_below(other, parent),
            (Kind::Subdomains(parent), Kind::Subdomains(other)) => {
                parent == other || is_below(other, parent)
            }
            (Kind::Exact(_), Kind::Labels(_)) | (Kind::Labels(_), Kind::Subdomains(_)) => false,
            (Kind::Labels(labels), Kind::Exact(host)) => {
                host.split('.').count() == labels.len()
                    && iter::zip(labels, host.split('.')).all(|(label, text)| label.takes(text))
            }
            (Kind::Labels(labels), Kind::Labels(others)) => {
                labels.len() == others.len()
                    && iter::zip(labels, others).all(|(label, other)| label.covers(other))
            }
            (Kind::Subdomains(parent), Kind::Labels(labels)) => {
                let parents = parent.rsplit('.');
                let depth = parents.clone().count();
                labels.len() > depth
                    && iter::zip(parents, labels.iter().rev())
                        .all(|(parent, label)| *label == Label::Literal(parent.to_owned()))
            }
        }
    }
}

/// How a pattern is found by the host of a request.
#[derive(Debug)]
pub(in super::super) enum HostKey<'p> {
    /// By this host.
    Exact(&'p str),
    /// By each host below this one.
    Below(&'p str),
    /// Label by label.
    Labels,
}

/// Why a rule's host is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidHost {
    /// It is empty.
    Empty,
    /// It is `*`.
    Everything,
    /// A `*` that is not the whole first label.
    Wildcard(String),
    /// A variable that is no whole label, has no name, or stands beside `*`.
    Variable(String),
    /// A name occurs twice.
    RepeatedVariable(String),
    /// It has a port, which rules do not look at.
    Port(String),
    /// It is no host name and no bracketed IPv6 address.
    Malformed(String),
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("found an empty host; expected a host name"),
            Self::Everything => f.write_str(
                "found \"*\"; expected a host name, or no \"hosts\" at all for every host",
            ),
            Self::Wildcard(found) => write!(
                f,
                "found {found:?}; expected \"*\" as the first label only, as in \"*.example.com\""
            ),
            Self::Variable(found) => write!(
                f,
                "found {found:?}; expected variables as whole labels, as in \"{{tenant}}.example.com\", and no \"*\" beside them"
            ),
            Self::RepeatedVariable(found) => write!(
                f,
                "found the variable {found:?} twice; expected each name once"
            ),
            Self::Port(found) => write!(f, "found {found:?}; expected a host without port"),
            Self::Malformed(found) => write!(
                f,
                "found {found:?}; expected a host name of letters, digits, \"-\", \"_\" and \".\""
            ),
        }
    }
}

impl std::error::Error for InvalidHost {}

/// The host that a request's authority names, in the form of a [`HostPattern`]; `None` if it names
/// none.
///
/// Only what a host can be is let through. A comma comes from two `Host` lines, of which proxies
/// and servers pick different ones; `@`, `/`, `\`, `%`, spaces and the like make URL parsers
/// disagree about where the host begins and ends.
pub(in super::super) fn requested_host(
    authority: &[u8],
) -> Result<Option<Cow<'_, str>>, UnsafePath> {
    // HTTP/1.0 needs none. It is the host of no rule, which is not unsafe: rules for all hosts are
    // left.
    if authority.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(authority).map_err(|_| UnsafePath::Authority)?;
    // The port is cut off and not compared: proxies change it.
    let (host, _) = split_port(text).ok_or(UnsafePath::Authority)?;
    canonical_host(host).map(Some).ok_or(UnsafePath::Authority)
}

/// Splits `host:port`. The port may be empty (RFC 3986, section 3.2.3).
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    // The colons of an IPv6 address are no port.
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')?.checked_add(1)?;
        let (host, rest) = authority.split_at_checked(end)?;
        match rest.strip_prefix(':') {
            None if rest.is_empty() => (host, None),
            None => return None,
            port => (host, port),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    // Five digits are the longest port, and letters make parsers disagree about the host.
    let digits = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    port.is_none_or(digits).then_some((host, port))
}

/// One form for all spellings of a host: lower case, no trailing dot, IPv6 addresses normalised.
fn canonical_host(host: &str) -> Option<Cow<'_, str>> {
    if let Some(address) = host.strip_prefix('[') {
        // Of the many spellings of an address the shortest (RFC 5952).
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(Cow::Owned(format!("[{address}]")));
    }
    // The root, in DNS: `example.com.` is the same host, and reaches the same server.
    let host = host.strip_suffix('.').unwrap_or(host);
    // Underscores are in no host name of DNS, and in those of many a cluster.
    let named = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if host.len() > MAX_HOST_BYTES || !host.split('.').all(named) {
        return None;
    }
    Some(if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn requested(authority: &str) -> String {
        let host = requested_host(authority.as_bytes()).unwrap();
        host.unwrap().into_owned()
    }

    #[test]
    fn one_form_for_every_spelling() {
        for authority in [
            "api.example.com",
            "API.Example.COM",
            "api.example.com:443",
            "api.example.com:",
            "api.example.com.",
            "api.example.com.:8443",
        ] {
            assert_eq!(requested(authority), "api.example.com", "{authority}");
        }
        for authority in ["[::1]", "[::1]:80", "[0:0:0:0:0:0:0:1]", "[0000::0001]:"] {
            assert_eq!(requested(authority), "[::1]", "{authority}");
        }
        assert_eq!(requested("127.0.0.1:80"), "127.0.0.1");
        assert_eq!(requested("my_service"), "my_service");
        assert_eq!(requested_host(b""), Ok(None));
    }

    #[test]
    fn refuses_what_is_no_host() {
        for authority in [
            "a.com,b.com",
            "a.com, b.com",
            "user@a.com",
            "a.com/x",
            "a.com\\x",
            "a b",
            " a.com",
            "a.com\t",
            "a%2ecom",
            "a.com:80:80",
            "a.com:8a",
            "a.com:123456",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "::1",
            ".",
            ".a.com",
            "a..com",
            "a.com..",
            ":80",
            "a.com#",
            "a.com?",
            "*.com",
            "[a.com]",
            "a;b",
        ] {
            assert_eq!(
                requested_host(authority.as_bytes()),
                Err(UnsafePath::Authority),
                "{authority}"
            );
        }
        assert_eq!(requested_host(b"a\xff.com"), Err(UnsafePath::Authority));
        assert_eq!(
            requested_host("é.com".as_bytes()),
            Err(UnsafePath::Authority)
        );
    }

    #[test]
    fn a_host_has_at_most_253_bytes() {
        let longest = format!("{}a", "a.".repeat(126));
        assert_eq!(longest.len(), MAX_HOST_BYTES);
        assert_eq!(requested(&format!("{longest}.:65535")), longest);
        let longer = format!("a{longest}");
        assert_eq!(
            requested_host(longer.as_bytes()),
            Err(UnsafePath::Authority)
        );
    }

    #[test]
    fn patterns_are_canonical() {
        assert_eq!(
            HostPattern::new("API.example.com.").unwrap(),
            HostPattern(Kind::Exact("api.example.com".to_owned()))
        );
        assert_eq!(
            HostPattern::new("*.Example.com").unwrap(),
            HostPattern(Kind::Subdomains("example.com".to_owned()))
        );
        assert_eq!(HostPattern::new("[0::1]").unwrap().example(), "[::1]");
    }

    #[test]
    fn a_variable_is_one_label() {
        let pattern = HostPattern::new("{Tenant}.{region}.Example.com.").unwrap();
        assert_eq!(
            pattern.variables().collect::<Vec<_>>(),
            ["Tenant", "region"]
        );
        let captured = |host: &str| {
            let captured = pattern.capture(host)?;
            Some(
                captured
                    .map(|(_, text)| text.to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let values = ["a-1", "eu"].map(str::to_owned).to_vec();
        assert_eq!(captured("a-1.eu.example.com"), Some(values));
        for other in [
            "eu.example.com",
            "b.a.eu.example.com",
            "a.eu.example.org",
            "[::1]",
            "[::ffff:1.eu.example.com]",
        ] {
            assert_eq!(captured(other), None, "{other}");
        }
        let address = HostPattern::new("{a}.{b}.{c}.{d}").unwrap();
        assert!(address.capture("192.0.2.1").is_some());
        assert!(address.capture("[::ffff:192.0.2.1]").is_none());
        assert!(
            HostPattern::new("a.com")
                .unwrap()
                .capture("a.com")
                .is_none()
        );
        assert_eq!(pattern.example(), "x.x.example.com");
    }

    #[test]
    fn patterns_of_one_shape_have_an_order() {
        let pattern = |host| HostPattern::new(host).unwrap();
        let ordered = ["{t}.a.com", "{t}.a.org", "{t}.b.com", "{t}.c.com"];
        for (at, one) in ordered.iter().enumerate() {
            for (place, other) in ordered.iter().enumerate() {
                let host = other.replace("{t}", "z");
                assert_eq!(pattern(one).beside(&host), at.cmp(&place), "{one} {host}");
                assert!(pattern(one).has_shape_of(&pattern(other)));
            }
        }
        // A host of another number of labels stands somewhere among them, and at none.
        for (host, order) in [
            ("z", [Ordering::Greater; 4]),
            (
                "z.b",
                [
                    Ordering::Less,
                    Ordering::Less,
                    Ordering::Greater,
                    Ordering::Greater,
                ],
            ),
            (
                "z.b.com.x",
                [
                    Ordering::Less,
                    Ordering::Less,
                    Ordering::Less,
                    Ordering::Greater,
                ],
            ),
        ] {
            assert_eq!(
                ordered.map(|one| pattern(one).beside(host)),
                order,
                "{host}"
            );
        }
        for other in ["{t}.com", "x.{t}.com", "{t}.{u}.com", "x.a.com", "*.a.com"] {
            assert!(
                !pattern("{t}.a.com").has_shape_of(&pattern(other)),
                "{other}"
            );
            assert!(
                !pattern(other).has_shape_of(&pattern("{t}.a.com")),
                "{other}"
            );
        }
    }

    #[test]
    fn refuses_variables_that_are_no_whole_label() {
        for host in [
            "{}.a.com",
            "{a.com",
            "a}.com",
            "x{a}.com",
            "{a}x.com",
            "{a}{b}.com",
            "{a b}.com",
            "{a+}.com",
            "*.{a}.com",
            "{a}.*.com",
            "{é}.com",
            "{a.b}.com",
        ] {
            refuses(
                host,
                &format!(
                    "found {host:?}; expected variables as whole labels, as in \"{{tenant}}.example.com\", and no \"*\" beside them"
                ),
            );
        }
        refuses(
            "{a}.{a}.com",
            "found the variable \"a\" twice; expected each name once",
        );
        refuses(
            "{a}.b.com:80",
            "found \"{a}.b.com:80\"; expected a host without port",
        );
        for host in ["{a}..com", ".{a}.com", "{a}.b c.com", "{a}.b:x"] {
            refuses(
                host,
                &format!(
                    "found {host:?}; expected a host name of letters, digits, \"-\", \"_\" and \".\""
                ),
            );
        }
    }

    #[track_caller]
    fn refuses(host: &str, text: &str) {
        assert_eq!(HostPattern::new(host).unwrap_err().to_string(), text);
    }

    #[test]
    fn refuses_patterns_that_match_nothing_or_everything() {
        refuses("", "found an empty host; expected a host name");
        refuses(
            "*",
            "found \"*\"; expected a host name, or no \"hosts\" at all for every host",
        );
        for host in ["a.*.com", "*a.com", "*.*.com", "a*", "**"] {
            refuses(
                host,
                &format!(
                    "found {host:?}; expected \"*\" as the first label only, as in \"*.example.com\""
                ),
            );
        }
        for host in ["a.com:443", "[::1]:80", "*.a.com:1", "a.com:"] {
            refuses(
                host,
                &format!("found {host:?}; expected a host without port"),
            );
        }
        for host in [
            "a..com", ".a.com", "*.", ".", "a com", "a/b", "é.com", "a,b", "[::1", "a:b", "*.[::1]",
        ] {
            refuses(
                host,
                &format!(
                    "found {host:?}; expected a host name of letters, digits, \"-\", \"_\" and \".\""
                ),
            );
        }
    }

    #[test]
    fn covers_what_it_matches() {
        let covers = |one: &str, other: &str| {
            HostPattern::new(one)
                .unwrap()
                .covers(&HostPattern::new(other).unwrap())
        };
        assert!(covers("a.com", "A.com"));
        assert!(!covers("a.com", "b.a.com"));
        assert!(!covers("a.com", "*.a.com"));
        assert!(covers("*.a.com", "b.a.com"));
        assert!(covers("*.a.com", "c.b.a.com"));
        assert!(covers("*.a.com", "*.a.com"));
        assert!(covers("*.a.com", "*.b.a.com"));
        assert!(!covers("*.a.com", "a.com"));
        assert!(!covers("*.a.com", "ba.com"));
        assert!(!covers("*.b.a.com", "*.a.com"));
        assert!(covers("{t}.a.com", "x.a.com"));
        assert!(!covers("{t}.a.com", "a.com"));
        assert!(!covers("{t}.a.com", "y.x.a.com"));
        assert!(!covers("{t}.a.com", "*.a.com"));
        assert!(!covers("x.a.com", "{t}.a.com"));
        assert!(covers("{t}.a.com", "{u}.a.com"));
        assert!(covers("{t}.{u}.com", "{t}.a.com"));
        assert!(!covers("{t}.a.com", "{t}.{u}.com"));
        assert!(covers("*.a.com", "{t}.a.com"));
        assert!(covers("*.com", "{t}.a.com"));
        assert!(!covers("*.a.com", "{t}.{u}.com"));
        assert!(!covers("*.x.a.com", "{t}.a.com"));
        assert!(!covers("*.b.com", "{t}.a.com"));
    }
}
