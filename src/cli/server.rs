//! A server on the network that is asked for one document: the answer of 200, and not without an end.

use anyhow::{Context as _, ensure};
use std::io::Read as _;
use std::time::Duration;

/// A way of asking.
pub(crate) struct Server {
    agent: ureq::Agent,
}

/// Whether a proxy stands before the server.
pub(crate) enum Way {
    /// It is on this machine, or at the end of a tunnel.
    Direct,
    /// The one that the environment names, if it does (`https_proxy`).
    Environment,
}

impl Server {
    pub(crate) fn new(patience: Duration, way: Way) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(patience))
            // What another place answers is no answer of this one.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false);
        let config = match way {
            Way::Direct => config.proxy(None),
            Way::Environment => config,
        };
        let agent = ureq::Agent::new_with_config(config.build());
        Self { agent }
    }

    /// The bytes at a URL, and no more than one over the limit: whoever reads them knows that they are
    /// too many. An error names the place, which is the URL without what was asked.
    ///
    /// # Errors
    /// Nobody answers, or with another status than 200.
    pub(crate) fn get(&self, url: &str, limit: usize) -> anyhow::Result<Vec<u8>> {
        let place = || url.split('?').next().unwrap_or_default().to_owned();
        let request = self.agent.get(url).header("accept", "application/json");
        let mut response = request.call().with_context(place)?;
        let status = response.status().as_u16();
        ensure!(
            status == 200,
            "{}: found status {status}; expected 200",
            place()
        );
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        let mut body = response.body_mut().as_reader().take(limit);
        body.read_to_end(&mut bytes).with_context(place)?;
        Ok(bytes)
    }
}
