//! Counters and gauges, whatever the host: their names, and what they count.

use crate::decision::CacheUse;
use crate::gate::{Gate, Now};
use crate::policy::{Authorizer as Authorized, Policy};
use crate::refusal::Reason;
use crate::remote::report::{Counted, Report};
use crate::remote::space::SharedSpace;
use crate::revocation::Revocations;
use std::cell::Cell;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It grows.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// A counter or a gauge, as a host keeps it. Nothing depends on one, least of all an answer: a host
/// that does not keep it leaves it.
pub trait Metric {
    /// Adds to it.
    fn add(&self, amount: i64);
    /// Sets it, which every worker does alike.
    fn set(&self, value: u64);
}

/// The filter's metrics.
#[derive(Debug)]
pub struct Metrics<M> {
    allowed: M,
    anonymous: M,
    denied: Reasons<M>,
    reported: Reasons<M>,
    ignored: Reasons<M>,
    reporting: M,
    /// Whether a door was open when that was last asked.
    open: Cell<bool>,
    fetch_success: M,
    fetch_failure: M,
    confirmed: M,
    confirm_refused: M,
    confirm_unknown: M,
    cache_hit: M,
    cache_miss: M,
    held: M,
    cancelled: M,
    closed: M,
    held_now: M,
    keys: M,
    age: M,
    signature_host: M,
    deny_list: Option<DenyList<M>>,
    issuers: Vec<Issuer<M>>,
    authorizers: Vec<Authorizer<M>>,
    /// Of all authorizers and workers; and how much of it is this worker's.
    authorizer_in_flight: Option<M>,
    in_flight: Cell<usize>,
    /// The second, and the numbers of keys and of denied, for which gauges were last set.
    shown: Cell<Option<(u64, usize, usize)>>,
    /// The issuer whose turn it is.
    first_to_show: Cell<usize>,
}

/// Issuers whose gauges are set at one time: there may be a thousand, and each is a call of the host's.
const MOST_SHOWN: usize = 64;

/// What is counted and shown of the deny list, where there is one.
#[derive(Debug)]
struct DenyList<M> {
    success: M,
    unchanged: M,
    failure: M,
    entries: M,
    age: M,
}

/// The gauges of one issuer.
#[derive(Debug)]
struct Issuer<M> {
    keys: M,
    age: M,
}

/// What is counted of one authorizer.
#[derive(Debug)]
struct Authorizer<M> {
    called: M,
    remembered: M,
    failed: M,
}

/// A counter for each reason; none where there is nothing to count.
#[derive(Debug)]
struct Reasons<M>(Vec<(Reason, M)>);

impl<M: Metric> Reasons<M> {
    fn define(name: &str, define: &dyn Fn(Kind, &str) -> M) -> Self {
        let counter = |reason: Reason| {
            let name = format!("{PREFIX}.{name}.{}", reason.code());
            (reason, define(Kind::Counter, &name))
        };
        Self(Reason::ALL.into_iter().map(counter).collect())
    }

    const fn none() -> Self {
        Self(Vec::new())
    }

    fn add(&self, reason: Reason) {
        if let Some((_, metric)) = self.0.iter().find(|(known, _)| *known == reason) {
            metric.add(1);
        }
    }
}

/// What all names begin with.
const PREFIX: &str = "cognito_authorizer";

impl<M: Metric> Metrics<M> {
    /// Defines all of them, in the same order for the same policy; issuers have theirs in the order
    /// of the configuration.
    pub fn define(policy: &Policy, define: &dyn Fn(Kind, &str) -> M) -> Self {
        let labels = policy.issuers.labels();
        let counter = |name: &str| define(Kind::Counter, &format!("{PREFIX}.{name}"));
        let gauge = |name: &str| define(Kind::Gauge, &format!("{PREFIX}.{name}"));
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
            denied: Reasons::define("denied", define),
            // Envoy keeps each statistic for good: these only where they can grow.
            reported: match policy.rules.opens_doors() {
                true => Reasons::define("reported", define),
                false => Reasons::none(),
            },
            ignored: match policy.rules.ignores_tokens() {
                true => Reasons::define("ignored", define),
                false => Reasons::none(),
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
            authorizer_in_flight: (!policy.authorizers.is_empty())
                .then(|| gauge("authorizer_in_flight")),
            authorizers: authorizers.collect(),
            in_flight: Cell::default(),
            shown: Cell::default(),
            first_to_show: Cell::default(),
        }
    }

    /// A request goes on in somebody's name.
    pub fn allowed(&self) {
        self.allowed.add(1);
    }

    /// A request goes on, or is answered, in nobody's name.
    pub fn anonymous(&self) {
        self.anonymous.add(1);
    }

    /// A request is refused.
    pub fn denied(&self, reason: Reason) {
        self.denied.add(reason);
    }

    /// A request goes on that would be refused, were refusals carried out.
    pub fn reported(&self, reason: Reason) {
        self.reported.add(reason);
    }

    /// A request goes on without its token, which is not valid.
    pub fn ignored(&self, reason: Reason) {
        self.ignored.add(reason);
    }

    /// What the cache had to do with a decision.
    pub fn cache(&self, used: CacheUse) {
        match used {
            CacheUse::None => {}
            CacheUse::Hit => self.cache_hit.add(1),
            CacheUse::Miss => self.cache_miss.add(1),
        }
    }

    /// Counts what a report says of a fetch or of a question.
    pub fn told(&self, report: &Report) {
        let list = self.deny_list.as_ref();
        let metric = report.counted.and_then(|counted| match counted {
            Counted::KeysFetched => Some(&self.fetch_success),
            Counted::KeysFailed => Some(&self.fetch_failure),
            Counted::DenyListFetched => list.map(|list| &list.success),
            Counted::DenyListUnchanged => list.map(|list| &list.unchanged),
            Counted::DenyListFailed => list.map(|list| &list.failure),
            Counted::Confirmed => Some(&self.confirmed),
            Counted::NotConfirmed => Some(&self.confirm_refused),
            Counted::Unconfirmed => Some(&self.confirm_unknown),
        });
        if let Some(metric) = metric {
            metric.add(1);
        }
    }

    /// A request waits.
    pub fn held(&self) {
        self.held.add(1);
        self.held_now.add(1);
    }

    /// A request that waited has its verdict.
    pub fn no_longer_held(&self) {
        self.held_now.add(-1);
    }

    /// A request that waited has gone away.
    pub fn cancelled(&self) {
        self.cancelled.add(1);
        self.held_now.add(-1);
    }

    /// A request has been cut when its token ended.
    pub fn closed(&self) {
        self.closed.add(1);
    }

    /// What authorizers were asked since the last time.
    pub fn authorizers(&self, gate: &mut Gate) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (metrics, counts) in self.authorizers.iter().zip(gate.take_authorizer_counts()) {
            for (metric, count) in [
                (&metrics.called, counts.called),
                (&metrics.remembered, counts.remembered),
                (&metrics.failed, counts.failed),
            ] {
                if count > 0 {
                    metric.add(signed(count));
                }
            }
        }
        self.in_flight(gate.authorizers_in_flight());
    }

    /// This worker has so many calls to authorizers under way.
    pub fn in_flight(&self, now: usize) {
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let before = self.in_flight.replace(now);
        if let Some(gauge) = self.authorizer_in_flight.as_ref().filter(|_| now != before) {
            gauge.add(signed(now).saturating_sub(signed(before)));
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
    pub fn retired(&self) {
        self.reporting(false);
    }

    /// Gauges that every VM sets to the same value: whenever the number of keys changes, and once a
    /// second. Those of many issuers take turns.
    pub fn gauges(&self, gate: &Gate, now: Now, space: &dyn SharedSpace) {
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
        self.reporting(gate.reports_any(now, space));
        if let (Some(metrics), Some(list)) = (&self.deny_list, gate.revocations()) {
            let all = list.roll(now, space);
            metrics.entries.set(all.entries);
            metrics.age.set(all.age);
        }
        let first = self.first_to_show.get();
        let next = first.saturating_add(MOST_SHOWN);
        self.first_to_show
            .set(if next < self.issuers.len() { next } else { 0 });
        let issuers = self.issuers.iter().zip(standings());
        for (issuer, standing) in issuers.skip(first).take(MOST_SHOWN) {
            issuer.keys.set(number(standing.keys));
            // Keys that stand in the configuration have no age.
            if let Some(age) = standing.age {
                issuer.age.set(age.as_secs());
            }
        }
    }
}
