//! From arguments to the request that is asked about.

use super::account::Question;
use super::{Args, answers, deny_list, keys};
use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::bearer::{
    Encoding, PROTOCOLS, Scheme, TokenSource, TokenSources, WebSocketProtocol,
};
use cognito_authorizer::header::{HeaderName, is_header_value};
use cognito_authorizer::percent::{encoded, is_unreserved};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::time::Timestamp;
use std::io::Read as _;
use std::time::SystemTime;

/// More than any token that Envoy would let through to the filter.
const MAX_TOKEN_BYTES: u64 = 1024 * 1024;

/// A line of a request's header, as it is written on a command line.
#[derive(Clone, Debug)]
pub(crate) struct HeaderLine(String, Vec<u8>);

impl HeaderLine {
    /// Reads `name: value`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| {
                format!("found {text:?}; expected a header such as 'origin: https://example.com'")
            })?;
        let name = HeaderName::new(trimmed(name)).map_err(|error| error.to_string())?;
        let value = trimmed(value);
        if !is_line(value) {
            return Err("found a control character; expected what a header may hold".to_owned());
        }
        Ok(Self(name.as_str().to_owned(), value.as_bytes().to_vec()))
    }
}

/// Without the white space that a server takes off the edges of a value (RFC 9110, section 5.5): any
/// other belongs to it, though it may look the same.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether Envoy would let a text through in a header: it has nothing against tabs.
fn is_line(text: &str) -> bool {
    is_header_value(&text.replace('\t', " "))
}

/// Puts the question together: the request, the clock, the keys, the deny list, the answers.
pub(super) fn question(args: &Args, policy: &Policy) -> anyhow::Result<Question> {
    let target = Target::read(&args.path)?;
    let host = match (&target.authority, &args.host) {
        (Some(found), Some(host)) if found != host => {
            anyhow::bail!(
                "found the host {found:?} in --path and {host:?} in --host; expected one of them"
            )
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => "localhost",
    };
    let mut headers = vec![
        (":method".to_owned(), args.method.clone().into_bytes()),
        (":path".to_owned(), target.path.into_bytes()),
        (":authority".to_owned(), host.as_bytes().to_vec()),
    ];
    if let Some(scheme) = target.scheme {
        headers.push((":scheme".to_owned(), scheme.into_bytes()));
    }
    for HeaderLine(name, value) in &args.headers {
        match name.as_str() {
            // HTTP/1 calls it so; the filter never sees it under this name.
            "host" => set(&mut headers, ":authority", value.clone()),
            _ => headers.push((name.clone(), value.clone())),
        }
    }
    if let Some(token) = &args.token {
        place(&mut headers, &policy.token.sources, &read_token(token)?);
    }
    let now = args.now.map_or_else(clock, Ok)?;
    let keys = args.jwks.as_deref().map(keys::read).transpose()?;
    Ok(Question {
        headers,
        now,
        keys,
        deny_list: deny_list::read(args.deny_list.as_deref(), policy, now)?,
        answers: answers::read(&args.answers, policy)?,
        source_ip: args.source_ip,
    })
}

/// What `--path` says: a path with its query, or a URL (RFC 3986, section 3) as it stands in a
/// browser's address bar.
struct Target {
    scheme: Option<String>,
    authority: Option<String>,
    path: String,
}

impl Target {
    fn read(text: &str) -> anyhow::Result<Self> {
        let Some((scheme, rest)) = text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Ok(Self {
                scheme: None,
                authority: None,
                path: text.to_owned(),
            });
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            // A WebSocket is opened by a request of HTTP (RFC 6455, section 3).
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            _ => anyhow::bail!(
                "found a URL of the scheme {scheme:?} in --path; expected a path, or a URL of http or https"
            ),
        };
        // Clients keep what follows a number sign to themselves.
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        // And what stands before the host, too: it becomes an authorization header.
        ensure!(
            !authority.contains('@'),
            "found a user name in the URL in --path; expected its host alone"
        );
        ensure!(!authority.is_empty(), "found no host in the URL in --path");
        let root = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme: Some(scheme.to_owned()),
            authority: Some(authority.to_owned()),
            path: format!("{root}{path}"),
        })
    }
}

fn is_scheme(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
    starts
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The wall clock of this machine.
pub(crate) fn clock() -> anyhow::Result<Timestamp> {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let elapsed = elapsed.context("this machine's clock stands before 1970")?;
    Ok(Timestamp::since_epoch(elapsed))
}

fn set(headers: &mut Vec<(String, Vec<u8>)>, name: &str, value: Vec<u8>) {
    headers.retain(|(present, _)| present != name);
    headers.push((name.to_owned(), value));
}

/// The token itself, or what comes in for `-`, without the white space that a shell or an editor puts
/// around it. Any other is part of it, as it would be in a header.
fn read_token(token: &str) -> anyhow::Result<String> {
    if token != "-" {
        return Ok(token.trim_ascii().to_owned());
    }
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MAX_TOKEN_BYTES);
    input
        .read_to_string(&mut text)
        .context("the token on standard input")?;
    let text = text.trim_ascii();
    ensure!(!text.is_empty(), "found no token on standard input");
    ensure!(
        is_line(text),
        "found several lines on standard input; expected one token"
    );
    Ok(text.to_owned())
}

/// Puts the token into the first place where the configuration looks for one.
pub(crate) fn place(headers: &mut Vec<(String, Vec<u8>)>, sources: &TokenSources, token: &str) {
    let Some(source) = sources.iter().next() else {
        return;
    };
    match source {
        TokenSource::Header(name, scheme) => {
            let is_bearer = *scheme == Scheme::BEARER;
            let given = token.split_once(' ').map(|(given, _)| given);
            let has_scheme = given.is_some_and(|given| given.eq_ignore_ascii_case(scheme.as_str()));
            let value = match is_bearer && *name != HeaderName::authorization() || has_scheme {
                true => token.to_owned(),
                false if is_bearer => format!("Bearer {token}"),
                false => format!("{} {token}", scheme.as_str()),
            };
            headers.push((name.as_str().to_owned(), value.into_bytes()));
        }
        TokenSource::WebSocket(protocol) => {
            let value = match protocol {
                WebSocketProtocol::After(marker) => format!("{marker}, {token}"),
                WebSocketProtocol::Prefixed(prefix, Encoding::None) => format!("{prefix}{token}"),
                WebSocketProtocol::Prefixed(prefix, Encoding::Base64Url) => {
                    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(token))
                }
            };
            // The place looks at nothing but a WebSocket's handshake.
            for (name, value) in [
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                (PROTOCOLS, &value),
            ] {
                headers.push((name.to_owned(), value.as_bytes().to_vec()));
            }
        }
        TokenSource::Amplify(amplify) => {
            let cookies = amplify.written(token);
            headers.extend(cookies.map(|line| ("cookie".to_owned(), line.into_bytes())));
        }
        TokenSource::Cookie(name) => {
            headers.push(("cookie".to_owned(), format!("{name}={token}").into_bytes()));
        }
        TokenSource::Query(name) => {
            for (header, value) in headers {
                if header == ":path" {
                    value.push(if value.contains(&b'?') { b'&' } else { b'?' });
                    value.extend(encoded(name.as_bytes(), is_unreserved).bytes());
                    value.push(b'=');
                    value.extend(encoded(token.as_bytes(), is_unreserved).bytes());
                }
            }
        }
    }
}
