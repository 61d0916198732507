//! The filter's configuration, wherever a file has it.

use super::wanted::Wanted;
use crate::endpoint::Issuer;
use crate::example::{Example, scalar};
use crate::pool::{self, TokenUse};
use crate::prose::{WIDTH, wrapped};

/// What stands in place of an example's rules.
const OTHERWISE: &str = "\
# Every request needs a valid token. `rules` say where more is asked for
# (scopes, groups, claims), or less (`allow: anyone` for a health check).
default: authenticated
";

/// Puts what is wanted into the configuration at a path.
pub(super) fn fill(example: &mut Example, path: &str, wanted: &Wanted) -> anyhow::Result<()> {
    let pools = format!("{path}.user_pools");
    let pattern = example.part(&format!("{pools}[0]"))?;
    let mut text = "user_pools:\n".to_owned();
    for pool in &wanted.pools {
        let mut entry = Example::new(pattern.as_str())?;
        let named = format!("{}: {}", pool.named.field, pool.named.name);
        entry.replace("[0].user_pool_id", &named)?;
        let clients = format!("client_ids: [{}]", pool::clients(&pool.clients));
        let issuer = match wanted.issuer {
            Issuer::Original => String::new(),
            other => format!("\nissuer: {}", other.word()),
        };
        entry.replace("[0].client_ids", &format!("{clients}{issuer}"))?;
        let cluster = wanted.endpoint(pool).cluster(wanted.proxy);
        entry.set("[0].jwks.cluster", &scalar(&cluster))?;
        text.push_str(&entry.text());
    }
    example.replace(&pools, &text)?;
    example.set(&format!("{path}.token.use"), wanted.token_use.word())?;
    example.remove(&format!("{path}.rules"))?;
    example.replace(&format!("{path}.default"), OTHERWISE)?;
    // The two kinds of tokens have two names for it.
    let username = match wanted.token_use {
        TokenUse::Access => "username",
        TokenUse::Id => "\"cognito:username\"",
        TokenUse::Any => "[\"cognito:username\", username]",
    };
    example.set(&format!("{path}.claim_headers[1].claim"), username)
}

/// A text as comments of a file, before what stands there.
pub(super) fn comment(text: &str) -> String {
    let lines = wrapped(text, WIDTH.saturating_sub(2));
    let lines = lines.lines().map(|line| format!("# {line}\n"));
    lines.collect()
}
