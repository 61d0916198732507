//! The key set for the desk: a file, or the endpoint itself when its URL is written down.
//!
//! Nothing but the URL that was given is asked, and nothing of the token is sent along.

use crate::server::{Server, Way};
use anyhow::Context as _;
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
        true => Server::new(PATIENCE, Way::Environment).get(place, KeySet::MAX_BYTES),
        false => load(place),
    }?;
    // A set that the filter would not use is no answer to the question.
    KeySet::parse(&bytes).map_err(|error| anyhow::anyhow!("{place}: {error}"))?;
    Ok(bytes)
}

/// One byte more than a key set may have: what is longer is refused by the reader of key sets.
fn load(path: &str) -> anyhow::Result<Vec<u8>> {
    let limit = u64::try_from(KeySet::MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| path.to_owned())?;
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| path.to_owned())?;
    Ok(bytes)
}
