//! `deny_list`: where it is said which tokens have been revoked.

use super::duration::Bounds;
use super::fields::Fields;
use super::issuer;
use super::jwks::{DEFAULT_TIMEOUT, TIMEOUT, lasting};
use super::problem::Parsed;
use crate::deny_list::DenyList;
use crate::policy::{DenyListPolicy, MaxAge, WhenStale};
use crate::remote::document::Source;
use crate::remote::schedule::{MaxStale, Refresh};
use std::ops::RangeInclusive;
use std::time::Duration;

const FIELDS: [&str; 8] = [
    "cluster",
    "uri",
    "timeout",
    "refresh_interval",
    "max_stale",
    "max_age",
    "when_stale",
    "max_entries",
];

/// `refresh_interval`: a list is worth what it wins over a token's life, of five minutes at the
/// least; more often than every five seconds costs its endpoint more than that is worth.
const REFRESH_INTERVAL: Bounds = Bounds {
    min: Duration::from_secs(5),
    max: Duration::from_secs(3600),
};
const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// `max_stale` and `max_age`: below a minute a slow endpoint refuses everyone; beyond a month, write
/// `forever`.
const OLDEST: Bounds = Bounds {
    min: Duration::from_secs(60),
    max: Duration::from_secs(720 * 3600),
};
const DEFAULT_MAX_STALE: Duration = Duration::from_secs(600);

const MAX_ENTRIES: RangeInclusive<usize> = 1..=DenyList::MAX_ENTRIES;
const DEFAULT_MAX_ENTRIES: usize = 20_000;

/// Reads `deny_list`, if it is there.
pub(super) fn read(fields: &Fields<'_>) -> Parsed<Option<DenyListPolicy>> {
    let Some(field) = fields.optional("deny_list", "an object with cluster and uri") else {
        return Ok(None);
    };
    let fields = field.fields(&FIELDS)?;
    let cluster = fields
        .required("cluster", "the Envoy cluster that reaches the list")
        .and_then(|field| field.text().map(str::to_owned));
    let uri = fields
        .required("uri", "the list's URL, such as https://host/deny.json")
        .and_then(|field| field.parsed(issuer::absolute));
    let timeout = fields.duration("timeout", TIMEOUT, DEFAULT_TIMEOUT);
    let interval = fields.duration(
        "refresh_interval",
        REFRESH_INTERVAL,
        DEFAULT_REFRESH_INTERVAL,
    );
    let max_stale = lasting(
        &fields,
        "max_stale",
        OLDEST,
        MaxStale::Forever,
        MaxStale::For,
    )
    .map(|found| found.unwrap_or(MaxStale::For(DEFAULT_MAX_STALE)));
    let max_age =
        lasting(&fields, "max_age", OLDEST, MaxAge::Forever, MaxAge::For).and_then(|found| {
            found.ok_or_else(|| {
                let expected = format!("missing; expected a duration {OLDEST}, or forever");
                fields.refuse_at("max_age", expected)
            })
        });
    let when_stale = fields
        .required("when_stale", "refuse or serve")
        .and_then(|field| {
            field.word(&[("refuse", WhenStale::Refuse), ("serve", WhenStale::Serve)])
        });
    let max_entries = fields.integer("max_entries", &MAX_ENTRIES, DEFAULT_MAX_ENTRIES);
    Ok(Some(DenyListPolicy {
        source: Source {
            endpoint: uri?.reached_through(cluster?, timeout?),
            refresh: Refresh {
                interval: interval?,
                max_stale: max_stale?,
            },
        },
        max_age: max_age?,
        when_stale: when_stale?,
        max_entries: max_entries?,
    }))
}
