//! `jwks`: where an issuer's keys come from.

use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::issuer;
use super::problem::Parsed;
use crate::json;
use crate::jwks::{KeyKinds, KeySet};
use crate::policy::KeySource;
use crate::remote::document::Source;
use crate::remote::schedule::{MaxStale, Refresh};
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;

/// `timeout` of a fetch: shorter than a round trip across an ocean always fails; longer holds requests
/// for longer than clients wait.
pub(super) const TIMEOUT: Bounds = Bounds {
    min: Duration::from_millis(100),
    max: Duration::from_secs(30),
};
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// `jwks.refresh_interval`: AWS throttles a key endpoint that is asked too often; a key that was
/// withdrawn must not live on for longer than a day.
const REFRESH_INTERVAL: Bounds = Bounds {
    min: Duration::from_secs(60),
    max: Duration::from_secs(24 * 3600),
};
const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// `jwks.max_stale`: below an hour a short outage refuses everyone; beyond a month, write
/// `forever`.
const MAX_STALE: Bounds = Bounds {
    min: Duration::from_secs(3600),
    max: Duration::from_secs(720 * 3600),
};
const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 3600);

const FIELDS: [&str; 6] = [
    "cluster",
    "uri",
    "timeout",
    "refresh_interval",
    "inline",
    "max_stale",
];
/// Those that say how to fetch.
const FETCH_FIELDS: [&str; 5] = ["cluster", "uri", "timeout", "refresh_interval", "max_stale"];

/// Reads `jwks`; without a known issuer only for its problems.
pub(super) fn read(
    fields: &Fields<'_>,
    issuer: Parsed<&str>,
    kinds: KeyKinds,
) -> Parsed<KeySource> {
    let field = fields.required("jwks", "an object with cluster, or with inline keys")?;
    let fields = field.fields(&FIELDS)?;
    match fields.optional("inline", "a key set as an object or JSON text") {
        Some(inline) => {
            let beside = all(fields.present(&FETCH_FIELDS).into_iter().map(|name| {
                Err::<(), _>(fields.refuse_at(name, "found beside inline; expected inline alone"))
            }));
            let keys = inline_keys(&inline, kinds);
            beside?;
            keys.map(|keys| KeySource::Inline(Rc::new(keys)))
        }
        None => source(&fields, issuer).map(KeySource::Fetched),
    }
}

fn inline_keys(field: &Field<'_>, kinds: KeyKinds) -> Parsed<KeySet> {
    let text = match field.value() {
        Value::String(text) => KeySet::of_kinds(text.as_bytes(), kinds),
        Value::Object(_) => KeySet::of_kinds(json::text(field.value()).as_bytes(), kinds),
        _ => return Err(field.wrong()),
    };
    text.map_err(|error| field.refuse(error))
}

fn source(fields: &Fields<'_>, issuer: Parsed<&str>) -> Parsed<Source> {
    let cluster = fields
        .required(
            "cluster",
            "the Envoy cluster that reaches the key endpoint, or inline keys",
        )
        .and_then(|field| field.text().map(str::to_owned));
    let uri = match fields.optional("uri", "an absolute URL such as https://host/path") {
        Some(field) => field.parsed(issuer::absolute),
        None => issuer.and_then(|issuer| {
            issuer::absolute(&issuer::default_uri(issuer))
                .map_err(|error| fields.refuse_at("uri", error))
        }),
    };
    let timeout = fields.duration("timeout", TIMEOUT, DEFAULT_TIMEOUT);
    let refresh_interval = fields.duration(
        "refresh_interval",
        REFRESH_INTERVAL,
        DEFAULT_REFRESH_INTERVAL,
    );
    let max_stale = lasting(
        fields,
        "max_stale",
        MAX_STALE,
        MaxStale::Forever,
        MaxStale::For,
    );
    Ok(Source {
        endpoint: uri?.reached_through(cluster?, timeout?),
        refresh: Refresh {
            interval: refresh_interval?,
            max_stale: max_stale?.unwrap_or(MaxStale::For(DEFAULT_MAX_STALE)),
        },
    })
}

/// A duration or the word `forever`, if the field is there.
pub(super) fn lasting<T>(
    fields: &Fields<'_>,
    name: &str,
    bounds: Bounds,
    forever: T,
    time: impl Fn(Duration) -> T,
) -> Parsed<Option<T>> {
    let expected = format!("a duration {bounds}, or forever");
    match fields.optional(name, expected) {
        None => Ok(None),
        Some(field) if field.is_word("forever") => Ok(Some(forever)),
        Some(field) => field.duration(bounds).map(|read| Some(time(read))),
    }
}
