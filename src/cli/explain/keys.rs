//! The key set for the desk: a file, or the endpoint itself when its URL is written down.
//!
//! Nothing but the URL that was given is asked, and nothing of the token is sent along.

use anyhow::{Context as _, ensure};
use cognito_authorizer::jwks::KeySet;
use std::io::Read as _;
use std::time::Duration;

/// Longer than Envoy may be told to wait for a key endpoint.
const PATIENCE: Duration = Duration::from_secs(30);

/// The key set in a file, or at a URL.
pub(crate) fn read(place: &str) -> anyhow::Result<Vec<u8>> {
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        let start = place.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let bytes = match is_url {
        true => fetch(place),
        false => load(place),
    }?;
    // A set that the filter would not use is no answer to the question.
    KeySet::parse(&bytes).map_err(|error| anyhow::anyhow!("{place}: {error}"))?;
    Ok(bytes)
}

/// One byte more than a key set may have: what is longer is refused by the reader of key sets.
fn limit() -> u64 {
    u64::try_from(KeySet::MAX_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn load(path: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| path.to_owned())?;
    let read = file.take(limit()).read_to_end(&mut bytes);
    read.with_context(|| path.to_owned())?;
    Ok(bytes)
}

/// Asks as Envoy asks: redirects are not followed, and only 200 is an answer.
fn fetch(url: &str) -> anyhow::Result<Vec<u8>> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let mut response = agent
        .get(url)
        .header("accept", "application/json")
        .call()
        .with_context(|| url.to_owned())?;
    let status = response.status().as_u16();
    ensure!(
        status == 200,
        "{url}: the key endpoint answered {status}; expected 200"
    );
    let mut bytes = Vec::new();
    let body = response
        .body_mut()
        .as_reader()
        .take(limit())
        .read_to_end(&mut bytes);
    body.with_context(|| url.to_owned())?;
    Ok(bytes)
}
