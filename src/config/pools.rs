//! `user_pools`: whose tokens are admitted, and where their keys come from.

use super::field::{Field, all};
use super::fields::Fields;
use super::issuer::{self, ISSUER, Taken};
use super::jwks;
use super::problem::Parsed;
use crate::jwks::KeyKinds;
use crate::policy::{Brake, Pool};
use crate::pool::UserPoolId;
use crate::rules::requirement::AnyOf;
use crate::time::Timestamp;

/// The most entries of `user_pools`: each has keys to fetch and to hold. From the reference.
pub const MAX_USER_POOLS: usize = 100;

const POOL_FIELDS: [&str; 7] = [
    "user_pool_id",
    "user_pool_arn",
    "client_ids",
    "issuer",
    "jwks",
    "issued_after",
    "signed_in_after",
];
/// What rules may refer to. About a part that was refused nothing is known, and nothing is said.
#[derive(Debug)]
pub(super) struct KnownPools(Parsed<Vec<KnownPool>>);

#[derive(Debug)]
struct KnownPool {
    id: Parsed<UserPoolId>,
    clients: Parsed<AnyOf<String>>,
}

impl KnownPools {
    /// The ids of all pools, each once, if all could be read.
    pub(super) fn ids(&self) -> Option<Vec<&UserPoolId>> {
        let mut ids = Vec::new();
        for pool in self.0.as_ref().ok()? {
            let id = pool.id.as_ref().ok()?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Some(ids)
    }

    /// Whether tokens of this app client are admitted from one of these pools; what could not be
    /// read might admit it.
    pub(super) fn admit(&self, client: &str, wanted: &AnyOf<UserPoolId>) -> bool {
        let admits = |pool: &KnownPool| {
            let from_here = pool.id.as_ref().map_or(true, |id| wanted.admits(id));
            let admitted = pool
                .clients
                .as_ref()
                .map_or(true, |clients| clients.admits(client));
            from_here && admitted
        };
        self.0
            .as_ref()
            .map_or(true, |pools| pools.iter().any(admits))
    }
}

/// Reads `user_pools`, and what rules need to know of them even if some of it is wrong. They may be
/// absent where there is another issuer.
pub(super) fn read(
    fields: &Fields<'_>,
    others: bool,
    taken: &mut Taken,
) -> (Parsed<Vec<Pool>>, KnownPools) {
    if others && !fields.has("user_pools") {
        return (Ok(Vec::new()), KnownPools(Ok(Vec::new())));
    }
    let entries = match entries(fields) {
        Ok(entries) => entries,
        Err(reported) => return (Err(reported), KnownPools(Err(reported))),
    };
    let mut known = Vec::new();
    let pools = all(entries.iter().map(|entry| {
        let fields = entry.fields(&POOL_FIELDS);
        let parts = fields.as_ref().map_err(|reported| *reported);
        let id = parts.and_then(user_pool_id);
        let clients = parts.and_then(clients);
        known.push(KnownPool {
            id: id.clone(),
            clients: clients.clone(),
        });
        let fields = parts?;
        let issuer = issuer::read(
            fields.optional("issuer", ISSUER).as_ref(),
            id.as_ref().map_err(|reported| *reported),
        );
        let unique = match &issuer {
            Ok(issuer) => taken.take(entry, fields, issuer),
            Err(reported) => Err(*reported),
        };
        let issuer_known = issuer.as_deref().map_err(|reported| *reported);
        let keys = jwks::read(fields, issuer_known, KeyKinds::Rsa);
        let brake = brake(fields);
        unique?;
        Ok(Pool {
            id: id?,
            issuer: issuer?,
            clients: clients?,
            keys: keys?,
            brake: brake?,
        })
    }));
    (pools, KnownPools(Ok(known)))
}

fn entries<'doc>(fields: &Fields<'doc>) -> Parsed<Vec<Field<'doc>>> {
    let expected = format!("a list of 1 to {MAX_USER_POOLS} user pools");
    let field = fields.required("user_pools", expected)?;
    let entries = field.items("an object with user_pool_id, client_ids and jwks")?;
    if entries.len() > MAX_USER_POOLS {
        let found = entries.len();
        return Err(field.refuse(format_args!(
            "found {found} user pools; expected at most {MAX_USER_POOLS}"
        )));
    }
    Ok(entries)
}

fn user_pool_id(fields: &Fields<'_>) -> Parsed<UserPoolId> {
    let id = fields.optional("user_pool_id", "a user pool id such as us-east-1_AbCdEf123");
    let arn = fields.optional("user_pool_arn", "a user pool's ARN");
    match (id, arn) {
        (Some(id), None) => id.parsed(UserPoolId::new),
        (None, Some(arn)) => arn.parsed(UserPoolId::from_arn),
        (Some(_), Some(arn)) => {
            Err(arn.refuse("found beside user_pool_id; expected one of the two"))
        }
        (None, None) => Err(fields.refuse_at(
            "user_pool_id",
            "missing; expected a user pool id such as us-east-1_AbCdEf123, or user_pool_arn",
        )),
    }
}

fn clients(fields: &Fields<'_>) -> Parsed<AnyOf<String>> {
    let field = fields.required("client_ids", "a list of app client ids or \"any\"")?;
    field.any_or_each("an app client id", |item| item.text().map(str::to_owned))
}

/// Reads the emergency brake.
fn brake(fields: &Fields<'_>) -> Parsed<Brake> {
    let time = |name| {
        let field = fields.optional(name, "a time with its zone, such as 2026-11-28T20:00:00Z");
        field
            .map(|field| field.parsed(Timestamp::parse))
            .transpose()
    };
    let (issued_after, signed_in_after) = (time("issued_after"), time("signed_in_after"));
    Ok(Brake {
        issued_after: issued_after?,
        signed_in_after: signed_in_after?,
    })
}
