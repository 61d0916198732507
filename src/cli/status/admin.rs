//! Envoy's admin interface, which is asked, never told, and not believed to be one.

use crate::server::{Server, Way};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::time::Duration;

/// An answer takes milliseconds; a `/config_dump` of thousands of routes, a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than any dump seen.
const MAX_BYTES: usize = 64 * 1024 * 1024;

pub(super) struct Admin {
    server: Server,
    base: String,
}

/// The beginning of an admin interface's URLs.
pub(super) fn base(text: &str) -> Result<String, String> {
    let url = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = url.trim_end_matches('/');
    let parsed = url.parse::<http::Uri>().ok();
    let fits = parsed.is_some_and(|uri| {
        let scheme = uri
            .scheme_str()
            .is_some_and(|scheme| scheme == "http" || scheme == "https");
        scheme && uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none()
    });
    match fits {
        true => Ok(url.to_owned()),
        false => Err(format!(
            "found {text:?}; expected the URL of Envoy's admin interface, such as http://127.0.0.1:9901"
        )),
    }
}

impl Admin {
    pub(super) fn new(base: &str) -> Self {
        Self {
            server: Server::new(PATIENCE, Way::Direct),
            base: base.to_owned(),
        }
    }

    /// What it says at a path.
    ///
    /// # Errors
    /// Nobody answers, another status than 200, too much, or bytes that are no text.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.base);
        let bytes = self.server.get(&url, MAX_BYTES)?;
        let place = url.split('?').next().unwrap_or_default();
        ensure!(
            bytes.len() <= MAX_BYTES,
            "{place}: found more than {MAX_BYTES} bytes"
        );
        String::from_utf8(bytes)
            .ok()
            .with_context(|| format!("{place}: found bytes that are no text"))
    }

    /// What it says at a path, as JSON.
    ///
    /// # Errors
    /// As [`Admin::get`], and what is no JSON.
    pub(super) fn json(&self, path: &str) -> anyhow::Result<Value> {
        let text = self.get(path)?;
        let value = serde_json::from_str(&text).ok();
        value.with_context(|| format!("{}{path}: found no JSON", self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::base;

    #[test]
    fn an_admin_interface_has_a_url() {
        for (text, url) in [
            ("127.0.0.1:9901", "http://127.0.0.1:9901"),
            ("localhost:15000/", "http://localhost:15000"),
            (
                "https://envoy.acme.io/admin/",
                "https://envoy.acme.io/admin",
            ),
        ] {
            assert_eq!(base(text), Ok(url.to_owned()));
        }
        for text in [
            "",
            "http://",
            "ftp://a",
            "http://a b",
            "http://a/?b",
            "/stats",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
