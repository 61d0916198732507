//! The deny list for the desk: a file, as the endpoint has it.

use anyhow::{Context as _, anyhow, bail};
use cognito_authorizer::deny_list::DenyList;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::remote::document::Content as _;
use cognito_authorizer::time::Timestamp;
use std::io::Read as _;
use std::path::Path;

/// The list in a file, if the filter would take it at that time.
pub(super) fn read(
    path: Option<&Path>,
    policy: &Policy,
    now: Timestamp,
) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(path) = path else { return Ok(None) };
    let name = path.display();
    let Some(configured) = &policy.deny_list else {
        bail!("found --deny-list, but the configuration has no deny_list");
    };
    let mut bytes = Vec::new();
    // One byte more than a list may have: what is longer is refused by its reader.
    let limit = u64::try_from(DenyList::MAX_BYTES).unwrap_or(u64::MAX);
    let file = std::fs::File::open(path).with_context(|| name.to_string())?;
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| name.to_string())?;
    // One that the filter would not use is no answer to the question.
    let list = DenyList::parse(&bytes).and_then(|list| {
        list.succeeds(0, now)?;
        list.fits(configured.max_entries)
    });
    list.map_err(|error| anyhow!("{name}: {error}"))?;
    Ok(Some(bytes))
}
