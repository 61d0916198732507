//! `user_pools`: whose tokens are admitted, and where their keys come from.

use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::issuer::{self, ISSUER, Issuers, Taken};
use super::jwks;
use super::problem::Parsed;
use crate::jwks::KeyKinds;
use crate::policy::{Brake, Confirm, Pool};
use crate::pool::{UserPool, UserPoolId};
use crate::remote::call::Endpoint;
use crate::remote::rate;
use crate::rules::requirement::AnyOf;
use crate::time::Timestamp;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most entries of `user_pools`: each has keys to fetch and to hold. From the reference.
pub const MAX_USER_POOLS: usize = 1_000;

/// `confirm.timeout`: as for keys, but a request waits for it each time that its token's last
/// confirmation is too old.
const CONFIRM_TIMEOUT: Bounds = Bounds {
    min: Duration::from_millis(100),
    max: Duration::from_secs(10),
};
const DEFAULT_CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// `confirm.max_per_second`. Cognito answers 120 such questions a second for all pools of an account
/// in a region, unless more were paid for; some of them are wanted elsewhere.
const MAX_PER_SECOND: RangeInclusive<usize> = 1..=rate::MAX_PER_SECOND;
const DEFAULT_MAX_PER_SECOND: usize = 20;

/// `confirm.grace`: beyond a day no token lives.
const GRACE: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(24 * 3600),
};

const POOL_FIELDS: [&str; 8] = [
    "user_pool_id",
    "user_pool_arn",
    "client_ids",
    "issuer",
    "jwks",
    "issued_after",
    "signed_in_after",
    "confirm",
];
const CONFIRM_FIELDS: [&str; 4] = ["cluster", "timeout", "max_per_second", "grace"];
/// What rules may refer to. About a part that was refused nothing is known, and nothing is said.
#[derive(Debug)]
pub(super) struct KnownPools {
    pools: Parsed<Vec<KnownPool>>,
    /// Kept, since every condition of every rule asks.
    ids: Option<HashSet<UserPoolId>>,
}

#[derive(Debug)]
struct KnownPool {
    id: Parsed<UserPoolId>,
    clients: Parsed<AnyOf<String>>,
    confirm: Asking,
}

/// Whether a pool can be asked about its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// It says how, or what it says could not be read.
    Said,
    /// It does not.
    Unsaid,
}

impl KnownPools {
    fn new(pools: Parsed<Vec<KnownPool>>) -> Self {
        let ids = pools.as_ref().ok().and_then(|pools| {
            let ids = pools.iter().map(|pool| pool.id.as_ref().ok().cloned());
            ids.collect()
        });
        Self { pools, ids }
    }

    /// The ids of all pools, each once, if all could be read.
    pub(super) const fn ids(&self) -> Option<&HashSet<UserPoolId>> {
        self.ids.as_ref()
    }

    /// The positions of those among these pools that do not say how they are asked about tokens.
    pub(super) fn without_confirm(&self, wanted: &AnyOf<UserPoolId>) -> Vec<usize> {
        let pools = self.pools.as_ref().map_or(&[][..], Vec::as_slice);
        let unasked = pools.iter().enumerate().filter(|(_, pool)| {
            let from_here = pool.id.as_ref().is_ok_and(|id| wanted.admits(id));
            from_here && pool.confirm == Asking::Unsaid
        });
        unasked.map(|(position, _)| position).collect()
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
        self.pools
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
        return (Ok(Vec::new()), KnownPools::new(Ok(Vec::new())));
    }
    let entries = match entries(fields) {
        Ok(entries) => entries,
        Err(reported) => return (Err(reported), KnownPools::new(Err(reported))),
    };
    let mut known = Vec::new();
    let pools = all(entries.iter().map(|entry| {
        let fields = entry.fields(&POOL_FIELDS);
        let parts = fields.as_ref().map_err(|reported| *reported);
        let pool = parts.and_then(user_pool);
        let id = pool.as_ref().map(|pool| pool.id().clone());
        let id = id.map_err(|reported| *reported);
        let clients = parts.and_then(clients);
        known.push(KnownPool {
            id: id.clone(),
            clients: clients.clone(),
            confirm: match parts {
                Ok(fields) if !fields.has("confirm") => Asking::Unsaid,
                Ok(_) | Err(_) => Asking::Said,
            },
        });
        let fields = parts?;
        let issuer = issuer::read(
            fields.optional("issuer", ISSUER).as_ref(),
            pool.as_ref().map_err(|reported| *reported),
        );
        let unique = match &issuer {
            Ok(Issuers { first, second }) => {
                let first = taken.take(entry, fields, first);
                let mut second = second.iter();
                first.and(second.try_for_each(|second| taken.take(entry, fields, second)))
            }
            Err(reported) => Err(*reported),
        };
        let issuer_known = issuer.as_ref().map(|issuer| &*issuer.first);
        let issuer_known = issuer_known.map_err(|reported| *reported);
        let keys = jwks::read(fields, issuer_known, KeyKinds::Rsa);
        let confirm = confirm(fields, pool.as_ref().map_err(|reported| *reported));
        let brake = brake(fields);
        unique?;
        let Issuers { first, second } = issuer?;
        Ok(Pool {
            id: id?,
            region: pool?.region().to_owned(),
            issuer: first,
            second_issuer: second,
            clients: clients?,
            keys: keys?,
            confirm: confirm?,
            brake: brake?,
        })
    }));
    (pools, KnownPools::new(Ok(known)))
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

fn user_pool(fields: &Fields<'_>) -> Parsed<UserPool> {
    let id = fields.optional("user_pool_id", "a user pool id such as us-east-1_AbCdEf123");
    let arn = fields.optional("user_pool_arn", "a user pool's ARN");
    match (id, arn) {
        (Some(id), None) => id.parsed(UserPool::new),
        (None, Some(arn)) => arn.parsed(UserPool::from_arn),
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

/// Reads `confirm`; without a known pool only for its problems.
fn confirm(fields: &Fields<'_>, pool: Parsed<&UserPool>) -> Parsed<Option<Confirm>> {
    let Some(field) = fields.optional("confirm", "an object with cluster") else {
        return Ok(None);
    };
    let fields = field.fields(&CONFIRM_FIELDS)?;
    let cluster = fields
        .required(
            "cluster",
            "the Envoy cluster that reaches cognito-idp of the user pool's region",
        )
        .and_then(|field| field.text().map(str::to_owned));
    let timeout = fields.duration("timeout", CONFIRM_TIMEOUT, DEFAULT_CONFIRM_TIMEOUT);
    let max_per_second = fields.integer("max_per_second", &MAX_PER_SECOND, DEFAULT_MAX_PER_SECOND);
    let grace = fields.duration("grace", GRACE, Duration::ZERO);
    let authority = pool?.api_host();
    Ok(Some(Confirm {
        endpoint: Endpoint {
            cluster: cluster?,
            uri: format!("https://{authority}/"),
            scheme: "https".to_owned(),
            authority,
            path: "/".to_owned(),
            timeout: timeout?,
        },
        max_per_second: max_per_second?,
        grace: grace?,
    }))
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
