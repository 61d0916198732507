//! What is said on the command line, or on a terminal, and in which form.

use crate::pool;
use std::net::IpAddr;

/// An app client, and the pool that it was named with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) pool: Option<String>,
    pub(super) id: String,
}

pub(super) fn client(text: &str) -> Result<Client, String> {
    let (pool, id) = match text.rsplit_once('=') {
        Some((pool, id)) => (Some(pool.to_owned()), id),
        None => (None, text),
    };
    Ok(Client {
        pool,
        id: pool::client(id)?,
    })
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Upstream {
    /// As it is given.
    pub(super) fn shown(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

pub(super) fn upstream(text: &str) -> Result<Upstream, String> {
    let expected = |what: &str| format!("found {text:?}; expected {what}");
    if text.starts_with("https://") {
        return Err(expected(
            "HOST:PORT of a server without TLS: Envoy needs to be told whom to trust, in `transport_socket` of the cluster `upstream`",
        ));
    }
    let (rest, default) = match text.strip_prefix("http://") {
        Some(rest) => (rest.trim_end_matches('/'), Some(80)),
        None => (text, None),
    };
    let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, port)) => {
            let is_address = host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_ipv6());
            (host, port.strip_prefix(':').filter(|_| is_address))
        }
        None => match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port).filter(|_| is_host(host))),
            None if default.is_some() && is_host(rest) => {
                return Ok(Upstream {
                    host: rest.to_owned(),
                    port: 80,
                });
            }
            None => (rest, None),
        },
    };
    let port = port.and_then(|port| port.parse().ok());
    match port.filter(|port| *port > 0) {
        Some(port) => Ok(Upstream {
            host: host.to_owned(),
            port,
        }),
        None => Err(expected("HOST:PORT such as 127.0.0.1:3000")),
    }
}

/// A name or an address, as DNS and Kubernetes write them.
fn is_host(text: &str) -> bool {
    let of_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(of_label);
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(is_label)
}

/// Where Envoy listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listen {
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

pub(super) fn listen(text: &str) -> Result<Listen, String> {
    let (address, port) = text.rsplit_once(':').unwrap_or(("0.0.0.0", text));
    let address = address
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse();
    match (address, port.parse()) {
        (Ok(address), Ok(port)) if port > 0 => Ok(Listen { address, port }),
        _ => Err(format!(
            "found {text:?}; expected a port, or ADDRESS:PORT such as 127.0.0.1:8080"
        )),
    }
}

/// The origin of a web application, as browsers write it (RFC 6454).
pub(super) fn origin(text: &str) -> Result<String, String> {
    let expected = |what: &str| format!("found {text:?}; expected {what}");
    let (scheme, authority) = text
        .split_once("://")
        .ok_or_else(|| expected("an origin such as https://app.example.com"))?;
    let authority = authority.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().map(Some)),
        None => (authority, Some(None)),
    };
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(expected("https:// or http://")),
    };
    let (Some(port), true) = (port, is_host(host)) else {
        return Err(expected(
            "an origin such as https://app.example.com: no path, no *",
        ));
    };
    let host = host.to_ascii_lowercase();
    // Browsers leave out the port that goes without saying.
    let spelled = match port.filter(|port| *port != default) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    match spelled == text {
        true => Ok(spelled),
        false => Err(expected(&format!("{spelled}, as browsers send it"))),
    }
}

/// An image by its digest, without the scheme that Istio wants.
pub(super) fn image(text: &str) -> Result<String, String> {
    let named = text.strip_prefix("oci://").unwrap_or(text);
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
    let is_name = |name: &str| name.contains('/') && name.bytes().all(of_name);
    let of_digest = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_digest = |digest: &str| digest.len() == 64 && digest.bytes().all(of_digest);
    match named.split_once("@sha256:") {
        Some((name, digest)) if is_name(name) && is_digest(digest) => Ok(named.to_owned()),
        _ => Err(format!(
            "found {text:?}; expected HOST/NAME@sha256:DIGEST: a tag can be moved to another module. `make image` prints the digest"
        )),
    }
}

/// A path that YAML and Envoy can have.
pub(super) fn file(text: &str) -> Result<String, String> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(format!("found {text:?}; expected the path of a file")),
        false => Ok(text.to_owned()),
    }
}

/// A name of Kubernetes (RFC 1123, section 2.1).
pub(super) fn name(text: &str) -> Result<String, String> {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    let bytes = text.as_bytes();
    let fits = text.len() <= 63 && bytes.iter().all(|byte| of_name(*byte));
    match fits && edge(bytes.first()) && edge(bytes.last()) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "found {text:?}; expected a name of Kubernetes: small letters, digits and hyphens"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn goes(text: &str, host: &str, port: u16) {
        let expected = Upstream {
            host: host.to_owned(),
            port,
        };
        assert_eq!(upstream(text), Ok(expected));
    }

    #[test]
    fn upstreams_have_a_port() {
        goes("127.0.0.1:3000", "127.0.0.1", 3000);
        goes(
            "orders.shop.svc.cluster.local:80",
            "orders.shop.svc.cluster.local",
            80,
        );
        goes("[::1]:3000", "::1", 3000);
        goes(
            "http://host.docker.internal:3000",
            "host.docker.internal",
            3000,
        );
        goes("http://orders/", "orders", 80);
        for text in [
            "",
            ":",
            "orders",
            "orders:",
            "orders:0",
            "orders:65536",
            "::1:3000",
            "[::1]",
            "[127.0.0.1]:80",
            "https://orders:443",
            "http://a/b",
            "a b:80",
            "a\"b:80",
            "a..b:80",
        ] {
            assert!(upstream(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_spelled_as_browsers_do() {
        for text in [
            "https://app.example.com",
            "http://localhost:3000",
            "https://a.b:8443",
        ] {
            assert_eq!(origin(text), Ok(text.to_owned()));
        }
        for (text, meant) in [
            ("https://app.example.com/", "https://app.example.com, "),
            ("https://App.example.com", "https://app.example.com, "),
            ("https://app.example.com:443", "https://app.example.com, "),
            ("http://app.example.com:80/", "http://app.example.com, "),
        ] {
            assert!(
                origin(text).is_err_and(|error| error.contains(meant)),
                "{text}"
            );
        }
        for text in [
            "*",
            "null",
            "app.example.com",
            "https://*.example.com",
            "https://a/b",
            "ftp://a",
            "https://a:b",
            "https://",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn images_are_named_by_digest() {
        let digest = "ab12".repeat(16);
        let named = format!("registry.example.com:5000/team/authorizer@sha256:{digest}");
        assert_eq!(image(&named), Ok(named.clone()));
        assert_eq!(image(&format!("oci://{named}")), Ok(named.clone()));
        for text in [
            "registry.example.com/authorizer",
            "registry.example.com/authorizer:1.0",
            "registry.example.com/authorizer@sha256:ab12",
            &named.to_uppercase(),
            &format!("authorizer@sha256:{digest}"),
            &format!("a b/c@sha256:{digest}"),
        ] {
            assert!(image(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listeners_have_an_address_and_a_port() {
        for (text, address, port) in [
            ("8080", "0.0.0.0", 8080),
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("[::]:8443", "::", 8443),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(listen(text), Ok(Listen { address, port }));
        }
        for text in ["", "0", "localhost:80", "65536", "1.2.3.4"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        for text in ["eg", "istio-system", "7"] {
            assert_eq!(name(text), Ok(text.to_owned()));
        }
        for text in ["", "-a", "a-", "A", "a.b", "a_b", &"a".repeat(64)] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
