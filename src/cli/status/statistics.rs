//! Envoy's statistics, as its admin interface prints them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What the module's own statistics begin with.
const OURS: &str = "wasmcustom.cognito_authorizer.";

/// Counters and gauges by their names.
pub(super) struct Statistics(BTreeMap<String, u64>);

impl Statistics {
    /// Reads lines of `name: value`; what is no number is passed over.
    pub(super) fn of(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(lines.collect())
    }

    /// The filter for everything that [`Statistics`] is asked for but clusters.
    pub(super) const FILTER: &str = r"^(wasmcustom\.cognito_authorizer\.|wasm\.)";

    /// The filter for these of the statistics of clusters.
    pub(super) fn of_clusters(names: &[String], statistics: &[&str]) -> String {
        // Envoy has other characters in the name, and Istio ends it with a semicolon.
        let plain = |character: char| match character.is_ascii_alphanumeric() {
            true => character,
            false => '.',
        };
        let names = names
            .iter()
            .map(|name| name.chars().map(plain).collect::<String>());
        let names = names.collect::<Vec<_>>().join("|");
        format!("^cluster.({names});?.({})$", statistics.join("|"))
    }

    pub(super) fn is_ours(&self) -> bool {
        self.0.keys().any(|name| name.starts_with(OURS))
    }

    /// One of the module's own.
    pub(super) fn ours(&self, name: &str) -> Option<u64> {
        self.0.get(&format!("{OURS}{name}")).copied()
    }

    /// The module's own below a name, by what follows it.
    pub(super) fn below<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, u64)> {
        let name = format!("{OURS}{name}.");
        let all = self.0.iter();
        all.filter_map(move |(full, value)| Some((full.strip_prefix(&name)?, *value)))
    }

    /// The largest of the module's own below a name, the largest first; none that are 0.
    pub(super) fn most(&self, name: &str) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.below(name).filter(|(_, value)| *value > 0).collect();
        all.sort_by_key(|one| Reverse(one.1));
        all
    }

    /// One of a cluster.
    pub(super) fn of_cluster(&self, cluster: &str, name: &str) -> u64 {
        // Statistics have no colons in their names.
        let cluster = cluster.replace(':', "_");
        let full = ["", ";"].map(|end| format!("cluster.{cluster}{end}.{name}"));
        full.iter()
            .find_map(|name| self.0.get(name))
            .copied()
            .unwrap_or_default()
    }

    /// The sum of those that begin and end so.
    pub(super) fn sum(&self, start: &str, end: &str) -> u64 {
        let all = self.0.iter();
        let all = all.filter(|(name, _)| name.starts_with(start) && name.ends_with(end));
        all.map(|(_, value)| *value).fold(0, u64::saturating_add)
    }
}
