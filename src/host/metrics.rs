//! Counters and gauges, as Envoy's statistics show them under `wasmcustom.`.

use super::space::Shared;
use crate::decision::CacheUse;
use crate::gate::{Gate, Now};
use crate::policy::{Authorizer as Authorized, Policy};
use crate::refusal::Reason;
use crate::remote::report::Counted;
use crate::revocation::Revocations;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;
use std::cell::Cell;

/// The filter's metrics. A host that will not define one is asked nothing more of it.
#[derive(Debug)]
pub(super) struct Metrics {
    allowed: Metric,
    anonymous: Metric,
    denied: Reasons,
    reported: Reasons,
    ignored: Reasons,
    reporting: Metric,
    /// Whether a door was open when that was last asked.
    open: Cell<bool>,
    fetch_success: Metric,
    fetch_failure: Metric,
    confirmed: Metric,
    confirm_refused: Metric,
    confirm_unknown: Metric,
    cache_hit: Metric,
    cache_miss: Metric,
    held: Metric,
    cancelled: Metric,
    closed: Metric,
    held_now: Metric,
    keys: Metric,
    age: Metric,
    signature_host: Metric,
    deny_list: Option<DenyList>,
    issuers: Vec<Issuer>,
    authorizers: Vec<Authorizer>,
    /// Of all authorizers and workers; and how much of it is this worker's.
    authorizer_in_flight: Metric,
    in_flight: Cell<usize>,
    /// The second, and the numbers of keys and of denied, for which gauges were last set.
    shown: Cell<Option<(u64, usize, usize)>>,
}

/// What is counted and shown of the deny list, where there is one.
#[derive(Debug)]
struct DenyList {
    success: Metric,
    unchanged: Metric,
    failure: Metric,
    entries: Metric,
    age: Metric,
}

/// The gauges of one issuer.
#[derive(Debug)]
struct Issuer {
    keys: Metric,
    age: Metric,
}

/// What is counted of one authorizer.
#[derive(Debug)]
struct Authorizer {
    called: Metric,
    remembered: Metric,
    failed: Metric,
}

/// A counter for each reason; none where there is nothing to count.
#[derive(Debug, Default)]
struct Reasons(Vec<(Reason, Metric)>);

impl Reasons {
    fn define(name: &str) -> Self {
        let counter = |reason: Reason| {
            let name = format!("{name}.{}", reason.code());
            (reason, Metric::new(MetricType::Counter, &name))
        };
        Self(Reason::ALL.into_iter().map(counter).collect())
    }

    fn add(&self, reason: Reason) {
        if let Some((_, metric)) = self.0.iter().find(|(known, _)| *known == reason) {
            metric.add(1);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Metric(Option<u32>);

impl Metric {
    fn new(kind: MetricType, name: &str) -> Self {
        Self(hostcalls::define_metric(kind, &format!("cognito_authorizer.{name}")).ok())
    }

    fn add(self, amount: i64) {
        if let Some(id) = self.0 {
            // Nothing depends on a counter, least of all an answer.
            let _ = hostcalls::increment_metric(id, amount);
        }
    }

    fn set(self, value: u64) {
        if let Some(id) = self.0 {
            let _ = hostcalls::record_metric(id, value);
        }
    }
}

impl Metrics {
    /// Defines all of them; issuers have theirs in the order of the configuration.
    pub(super) fn define(policy: &Policy) -> Self {
        let labels = policy.issuers.labels();
        let counter = |name: &str| Metric::new(MetricType::Counter, name);
        let gauge = |name: &str| Metric::new(MetricType::Gauge, name);
        let issuers = labels.iter().map(|id| Issuer {
            keys: gauge(&format!("issuer.jwks_keys.{id}")),
            age: gauge(&format!("issuer.jwks_age_seconds.{id}")),
        });
        let authorizers = policy
            .authorizers
            .iter()
            .map(|Authorized { name, .. }| Authorizer {
                called: counter(&format!("authorizer.{name}.called")),
                remembered: counter(&format!("authorizer.{name}.remembered")),
                failed: counter(&format!("authorizer.{name}.failed")),
            });
        Self {
            allowed: counter("allowed"),
            anonymous: counter("anonymous"),
            denied: Reasons::define("denied"),
            // Envoy keeps each statistic for good: these only where they can grow.
            reported: match policy.rules.opens_doors() {
                true => Reasons::define("reported"),
                false => Reasons::default(),
            },
            ignored: match policy.rules.ignores_tokens() {
                true => Reasons::define("ignored"),
                false => Reasons::default(),
            },
            reporting: gauge("reporting"),
            open: Cell::default(),
            fetch_success: counter("jwks_fetch.success"),
            fetch_failure: counter("jwks_fetch.failure"),
            confirmed: counter("confirm.confirmed"),
            confirm_refused: counter("confirm.refused"),
            confirm_unknown: counter("confirm.unknown"),
            cache_hit: counter("token_cache.hit"),
            cache_miss: counter("token_cache.miss"),
            held: counter("held"),
            cancelled: counter("cancelled"),
            closed: counter("closed"),
            held_now: gauge("held_now"),
            keys: gauge("jwks_keys"),
            age: gauge("jwks_age_seconds"),
            signature_host: gauge("signature_host"),
            deny_list: policy.deny_list.is_some().then(|| DenyList {
                success: counter("deny_list_fetch.success"),
                unchanged: counter("deny_list_fetch.unchanged"),
                failure: counter("deny_list_fetch.failure"),
                entries: gauge("deny_list_entries"),
                age: gauge("deny_list_age_seconds"),
            }),
            issuers: issuers.collect(),
            authorizer_in_flight: match policy.authorizers.is_empty() {
                true => Metric(None),
                false => gauge("authorizer_in_flight"),
            },
            authorizers: authorizers.collect(),
            in_flight: Cell::default(),
            shown: Cell::default(),
        }
    }

    pub(super) fn allowed(&self) {
        self.allowed.add(1);
    }

    pub(super) fn anonymous(&self) {
        self.anonymous.add(1);
    }

    pub(super) fn denied(&self, reason: Reason) {
        self.denied.add(reason);
    }

    pub(super) fn reported(&self, reason: Reason) {
        self.reported.add(reason);
    }

    pub(super) fn ignored(&self, reason: Reason) {
        self.ignored.add(reason);
    }

    pub(super) fn cache(&self, used: CacheUse) {
        match used {
            CacheUse::None => {}
            CacheUse::Hit => self.cache_hit.add(1),
            CacheUse::Miss => self.cache_miss.add(1),
        }
    }

    /// Counts a fetch of this kind of document, or an answer to this kind of questions.
    pub(super) fn fetched(&self, kind: &str, counted: Counted) {
        match (kind, counted) {
            ("jwks", Counted::Success) => self.fetch_success.add(1),
            ("jwks", Counted::Failure) => self.fetch_failure.add(1),
            ("confirm", Counted::Success) => self.confirmed.add(1),
            ("confirm", Counted::Refused) => self.confirm_refused.add(1),
            ("confirm", Counted::Failure) => self.confirm_unknown.add(1),
            ("deny_list", counted) => {
                if let Some(list) = &self.deny_list {
                    match counted {
                        Counted::Success => list.success.add(1),
                        Counted::Unchanged => list.unchanged.add(1),
                        Counted::Failure => list.failure.add(1),
                        Counted::Refused => {}
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn held(&self) {
        self.held.add(1);
        self.held_now.add(1);
    }

    pub(super) fn no_longer_held(&self) {
        self.held_now.add(-1);
    }

    pub(super) fn cancelled(&self) {
        self.cancelled.add(1);
        self.held_now.add(-1);
    }

    pub(super) fn closed(&self) {
        self.closed.add(1);
    }

    /// What authorizers were asked since the last time.
    pub(super) fn authorizers(&self, gate: &mut Gate) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (metrics, counts) in self.authorizers.iter().zip(gate.take_authorizer_counts()) {
            for (metric, count) in [
                (metrics.called, counts.called),
                (metrics.remembered, counts.remembered),
                (metrics.failed, counts.failed),
            ] {
                if count > 0 {
                    metric.add(signed(count));
                }
            }
        }
        self.in_flight(gate.authorizers_in_flight());
    }

    /// This worker has so many calls to authorizers under way.
    pub(super) fn in_flight(&self, now: usize) {
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let before = self.in_flight.replace(now);
        if now != before {
            self.authorizer_in_flight
                .add(signed(now).saturating_sub(signed(before)));
        }
    }

    /// Whether any door is open, as far as this VM hears: of those of its own `vm_id`. Where it has
    /// heard of none, the gauge is left to others.
    fn reporting(&self, open: bool) {
        if self.open.replace(open) || open {
            self.reporting.set(u64::from(open));
        }
    }

    /// This VM ends, and what it knew of doors with it. Others say in their next second if some are
    /// open still.
    pub(super) fn retired(&self) {
        self.reporting(false);
    }

    /// Gauges that every VM sets to the same value: whenever the number of keys changes, and once a
    /// second, since there may be a thousand issuers.
    pub(super) fn gauges(&self, gate: &Gate, now: Now) {
        let standings = || gate.keyring().standings(now.monotonic);
        let keys = standings().fold(0, |sum: usize, one| sum.saturating_add(one.keys));
        let denied = gate.revocations().map_or(0, Revocations::entries);
        let shown = (now.monotonic.since_origin().as_secs(), keys, denied);
        if self.shown.replace(Some(shown)) == Some(shown) {
            return;
        }
        let number = |keys| u64::try_from(keys).unwrap_or(u64::MAX);
        self.keys.set(number(keys));
        let oldest = standings().filter_map(|one| one.age).max();
        self.age.set(oldest.unwrap_or_default().as_secs());
        self.signature_host.set(u64::from(gate.verifies_by_host()));
        self.reporting(gate.reports_any(now, &Shared));
        if let (Some(metrics), Some(list)) = (&self.deny_list, gate.revocations()) {
            let all = list.roll(now, &Shared);
            metrics.entries.set(all.entries);
            metrics.age.set(all.age);
        }
        for (issuer, standing) in self.issuers.iter().zip(standings()) {
            issuer.keys.set(number(standing.keys));
            // Keys that stand in the configuration have no age.
            if let Some(age) = standing.age {
                issuer.age.set(age.as_secs());
            }
        }
    }
}
