//! What runs in an Envoy, and how it is: facts from its admin interface, each with its line.

use super::MOST;
use super::screen::Screen;
use super::statistics::Statistics;
use crate::document::Source;
use crate::explain::span;
use crate::locate::File;
use cognito_authorizer::policy::{KeySource, MaxAge, Policy, WhenStale};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Issuers without a fault that are shown one by one: there may be a thousand.
const MOST_ISSUERS: usize = 8;

/// How a connection to a cluster fails, and what that means.
pub(super) const FAILURES: [(&str, &str); 6] = [
    ("update_failure", "DNS failed"),
    ("upstream_cx_connect_fail", "connections refused"),
    ("upstream_cx_connect_timeout", "connections timed out"),
    ("ssl.fail_verify_error", "certificate not trusted"),
    ("ssl.fail_verify_san", "certificate's name wrong"),
    ("upstream_rq_timeout", "answers timed out"),
];

/// The configurations that Envoy runs.
#[derive(Default)]
pub(super) struct Running {
    policies: Vec<Policy>,
}

impl Running {
    /// The configurations in a `/config_dump`, if there are any.
    pub(super) fn of(dump: &str) -> Option<Self> {
        let file = File::new(Source::new("config_dump", dump)).ok()?;
        let policies = file.located.iter().map(|located| located.parse().ok());
        // One that this tool cannot read is another version's.
        let policies: Vec<_> = policies.flatten().collect();
        (!file.located.is_empty()).then_some(Self { policies })
    }

    /// How long keys may be, by the issuer: none for those that stand in the configuration.
    fn issuers(&self) -> BTreeMap<String, Option<Duration>> {
        let mut issuers = BTreeMap::new();
        for policy in &self.policies {
            let sources = policy.issuers.iter().map(|(_, issuer)| issuer.keys());
            for (label, source) in policy.issuers.labels().into_iter().zip(sources) {
                let interval = match source {
                    KeySource::Inline(_) => None,
                    KeySource::Fetched(source) => Some(source.refresh.interval),
                };
                issuers.insert(label, interval);
            }
        }
        issuers
    }

    /// The clusters that are called.
    pub(super) fn clusters(&self) -> Vec<String> {
        let mut clusters = BTreeSet::new();
        for policy in &self.policies {
            for (_, issuer) in policy.issuers.iter() {
                if let KeySource::Fetched(source) = issuer.keys() {
                    clusters.insert(source.endpoint.cluster.clone());
                }
            }
            let confirm = policy.issuers.pools().iter();
            let confirm = confirm.filter_map(|pool| Some(&pool.confirm.as_ref()?.endpoint));
            let list = policy.deny_list.iter().map(|list| &list.source.endpoint);
            let authorizers = policy.authorizers.iter().map(|one| &one.endpoint);
            let others = confirm.chain(list).chain(authorizers);
            clusters.extend(others.map(|endpoint| endpoint.cluster.clone()));
        }
        clusters.into_iter().collect()
    }

    pub(super) fn keys(&self, statistics: &Statistics, screen: &mut Screen) {
        screen.title("Keys");
        let mut known = self.issuers();
        if known.is_empty() {
            let seen = statistics.below("issuer.jwks_keys");
            known.extend(seen.map(|(id, _)| (id.to_owned(), Some(Duration::MAX))));
        }
        let (mut fine, mut unshown) = (0_usize, 0_usize);
        for (id, interval) in known {
            let keys = statistics
                .ours(&format!("issuer.jwks_keys.{id}"))
                .unwrap_or_default();
            let age = statistics.ours(&format!("issuer.jwks_age_seconds.{id}"));
            let age = Duration::from_secs(age.unwrap_or_default());
            // Two refreshes have failed, or been missed.
            let late = interval.and_then(|interval| interval.checked_mul(2));
            if keys == 0 {
                screen.wrong(&id);
                screen.line(&format!("no keys for {}:", span(age)));
                screen.line("its tokens get 503");
            } else if late.is_some_and(|late| age > late) {
                screen.wrong(&id);
                screen.line(&format!("{keys} keys, fetched {} ago:", span(age)));
                screen.line("refreshing them fails");
            } else if fine < MOST_ISSUERS {
                fine = fine.saturating_add(1);
                screen.line(&id);
                screen.line(&match interval {
                    None => format!("  {keys} keys, in the configuration"),
                    Some(_) => format!("  {keys} keys, {} old", span(age)),
                });
            } else {
                unshown = unshown.saturating_add(1);
            }
        }
        if unshown > 0 {
            screen.line(&format!("and {unshown} more with keys"));
        }
    }

    pub(super) fn deny_list(&self, statistics: &Statistics, screen: &mut Screen) {
        let mut lists = self
            .policies
            .iter()
            .filter_map(|policy| policy.deny_list.as_ref());
        let Some(list) = lists.next() else { return };
        screen.title("Deny list");
        let fetched = ["success", "unchanged"].map(|how| {
            statistics
                .ours(&format!("deny_list_fetch.{how}"))
                .unwrap_or_default()
        });
        let age = statistics.ours("deny_list_age_seconds").unwrap_or_default();
        let age = Duration::from_secs(age);
        let consequence = match list.when_stale {
            WhenStale::Refuse => "tokens get 503",
            WhenStale::Serve => "revoked tokens pass",
        };
        let too_old = matches!(list.max_age, MaxAge::For(limit) if age > limit);
        if fetched == [0, 0] {
            screen.wrong(&format!("never fetched: {consequence}"));
        } else if too_old {
            screen.wrong(&format!("written {} ago: {consequence}", span(age)));
        } else {
            screen.line(&format!("written {} ago", span(age)));
        }
        let entries = statistics.ours("deny_list_entries").unwrap_or_default();
        screen.number("entries", entries);
        let failed = statistics
            .ours("deny_list_fetch.failure")
            .unwrap_or_default();
        if failed > 0 {
            screen.number("fetches failed", failed);
        }
    }
}

/// Envoy, and the module in it.
pub(super) fn server(server: &Value, statistics: &Statistics, screen: &mut Screen) {
    let text = |name: &str| server.get(name).and_then(Value::as_str).unwrap_or_default();
    // Commit, version, state of the sources, kind of build, TLS library.
    let version = text("version")
        .split('/')
        .nth(1)
        .unwrap_or("of an unknown version");
    let seconds = text("uptime_current_epoch").trim_end_matches('s').parse();
    let up = span(Duration::from_secs(seconds.unwrap_or_default()));
    screen.title(&format!("Envoy {version}, up {up}"));
    if text("state") != "LIVE" {
        screen.wrong(&format!("it is {}", text("state")));
    }
    if statistics.is_ours() {
        let host = statistics.ours("signature_host") == Some(1);
        let by = if host { "the host" } else { "it" };
        screen.line(&format!("module loaded, {by} verifies"));
    } else {
        screen.wrong("the module is not loaded:");
        screen.line("requests are refused");
    }
    let trapped = statistics.sum("wasm.", ".vm_reload_success");
    if trapped > 0 {
        screen.number("VMs replaced after a trap", trapped);
    }
    if statistics.sum("wasm.", ".vm_reload_failure") > 0 {
        screen.wrong("a VM could not be replaced");
    }
}

pub(super) fn requests(statistics: &Statistics, screen: &mut Screen) {
    screen.title("Requests");
    let denied = statistics.below("denied").map(|(_, value)| value);
    let denied = denied.fold(0, u64::saturating_add);
    for name in ["allowed", "anonymous"] {
        screen.number(name, statistics.ours(name).unwrap_or_default());
    }
    screen.number("refused", denied);
    let held = statistics.ours("held_now").unwrap_or_default();
    if held > 0 {
        screen.number("waiting now", held);
    }
}

/// Each cluster that is called: whether it has hosts, and how calling them failed.
pub(super) fn clusters(
    names: &[String],
    hosts: &Value,
    failures: &Statistics,
    screen: &mut Screen,
) {
    for name in names {
        screen.title("Cluster");
        let all = hosts.get("cluster_statuses").and_then(Value::as_array);
        let mut all = all.into_iter().flatten();
        let Some(cluster) = all.find(|one| one.get("name").and_then(Value::as_str) == Some(name))
        else {
            screen.wrong(name);
            screen.line("unknown to this Envoy");
            continue;
        };
        let hosts = cluster.get("host_statuses").and_then(Value::as_array);
        let hosts = hosts.map(Vec::as_slice).unwrap_or_default();
        let healthy = hosts.iter().filter(|host| is_healthy(host)).count();
        if healthy == 0 {
            screen.wrong(name);
            screen.line(match hosts.is_empty() {
                true => "no hosts: DNS?",
                false => "no healthy host",
            });
        } else {
            screen.line(name);
            screen.line(&format!("  {healthy} of {} hosts healthy", hosts.len()));
        }
        for (statistic, meaning) in FAILURES {
            let count = failures.of_cluster(name, statistic);
            if count > 0 {
                screen.number(meaning, count);
            }
        }
    }
}

/// As far as health checks and outlier detection say.
fn is_healthy(host: &Value) -> bool {
    let Some(Value::Object(health)) = host.get("health_status") else {
        return true;
    };
    let failed = |(name, value): (&String, &Value)| {
        name.starts_with("failed_") && *value == Value::Bool(true)
    };
    let eds = health.get("eds_health_status").and_then(Value::as_str);
    !health.iter().any(failed) && matches!(eds, None | Some("HEALTHY" | "UNKNOWN" | "DEGRADED"))
}

pub(super) fn refused(statistics: &Statistics, screen: &mut Screen) {
    let most = statistics.most("denied");
    if most.is_empty() {
        return;
    }
    screen.title("Refused for");
    most.iter()
        .take(MOST)
        .for_each(|(reason, count)| screen.number(reason, *count));
}

pub(super) fn reported(statistics: &Statistics, screen: &mut Screen) {
    let open = statistics.ours("reporting") == Some(1);
    let most = statistics.most("reported");
    if !open && most.is_empty() {
        return;
    }
    screen.title("Reported, not refused");
    if open {
        screen.wrong("doors are open: enforce: report");
    }
    most.iter()
        .take(MOST)
        .for_each(|(reason, count)| screen.number(reason, *count));
}

pub(super) fn authorizers(statistics: &Statistics, screen: &mut Screen) {
    let mut counts = BTreeMap::<&str, Vec<(&str, u64)>>::new();
    for (full, count) in statistics.below("authorizer") {
        if let Some((name, what)) = full.rsplit_once('.') {
            counts.entry(name).or_default().push((what, count));
        }
    }
    for (name, counts) in counts {
        screen.title(&format!("Authorizer {name}"));
        counts
            .iter()
            .for_each(|(what, count)| screen.number(what, *count));
        let count = |wanted| counts.iter().find(|(what, _)| *what == wanted);
        let [called, failed] = ["called", "failed"].map(|what| count(what).map_or(0, |one| one.1));
        if failed > 0 && failed >= called {
            screen.wrong("no call has been answered");
        }
    }
}

/// What user pools have said of tokens that must be confirmed.
pub(super) fn confirmations(statistics: &Statistics, screen: &mut Screen) {
    let said = statistics.most("confirm");
    if said.is_empty() {
        return;
    }
    screen.title("Confirmations");
    said.iter()
        .for_each(|(what, count)| screen.number(what, *count));
    if said.iter().all(|(what, _)| *what == "unknown") {
        screen.wrong("no question has been answered");
    }
}
