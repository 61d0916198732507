//! The rules that one path leads to, told apart by method and host.
//!
//! Methods and hosts have numbers, and a rule that names two methods and three hosts is entered
//! under its six pairs. A request asks for its own method and for none, its own host, the wildcards
//! above it and none: a few look-ups, whatever the number of rules. Otherwise a thousand rules for
//! one path that differ in their methods would be a thousand comparisons for each request.

use super::super::path::UnsafePath;
use super::super::pattern::{HostKey, HostPattern, HostShape, Match, Method, requested_host};
use super::{Target, earlier};
use std::collections::HashMap;

/// A method and a host, each by its number in the [`Vocabulary`], or no matter which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Condition {
    /// `None` is a rule that does not look at methods.
    method: Option<usize>,
    host: Option<usize>,
}

/// Every method and host that any rule names. A request is looked up here once; from then on
/// numbers are compared.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    methods: HashMap<Vec<u8>, usize>,
    hosts: HashMap<String, usize>,
    /// By what follows `*.`
    subdomains: HashMap<String, usize>,
    /// By what hosts with variables are brought to.
    labelled: HashMap<String, usize>,
    /// The shapes of these, by the number of their labels. Rules have one or two, however many tenants
    /// there are.
    shapes: HashMap<usize, Vec<HostShape>>,
}

/// What a request's method and authority are in terms of the vocabulary.
#[derive(Debug, Default)]
pub(super) struct Asked {
    method: Option<usize>,
    /// The host itself and the wildcards above it, never more than a host has labels, and what the
    /// shapes of hosts with variables make of it.
    hosts: Vec<usize>,
}

impl Vocabulary {
    /// The conditions of which a match needs one.
    pub(super) fn conditions(&mut self, given: &Match) -> Vec<Condition> {
        // A rule for `GET` is entered under `HEAD` as well. Rules come in their order, so it takes
        // no `HEAD` that an earlier rule has.
        let served = given.methods.iter().flat_map(Method::served);
        let methods = served.map(|method| {
            let next = self.methods.len();
            let method = method.as_bytes().to_vec();
            Some(*self.methods.entry(method).or_insert(next))
        });
        // A rule without methods is entered once, under none.
        let methods = or_any(methods.collect());
        let hosts = given.hosts.iter().map(|host| Some(self.host(host)));
        let hosts = or_any(hosts.collect());
        let pairs = methods.into_iter().flat_map(|method| {
            let with = move |host: &Option<usize>| Condition {
                method,
                host: *host,
            };
            hosts.iter().map(with)
        });
        pairs.collect()
    }

    /// Exact hosts and all others share their numbers: to a condition they are the same thing.
    fn host(&mut self, pattern: &HostPattern) -> usize {
        let next = [&self.hosts, &self.subdomains, &self.labelled];
        let next = next.iter().map(|known| known.len()).sum();
        let (known, name) = match pattern.key() {
            HostKey::Exact(host) => (&mut self.hosts, host.to_owned()),
            HostKey::Below(parent) => (&mut self.subdomains, parent.to_owned()),
            HostKey::Of(key, shape) => {
                let shapes = self.shapes.entry(shape.labels()).or_default();
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
                (&mut self.labelled, key)
            }
        };
        *known.entry(name).or_insert(next)
    }

    pub(super) fn has_methods(&self) -> bool {
        !self.methods.is_empty()
    }

    pub(super) fn has_hosts(&self) -> bool {
        !(self.hosts.is_empty() && self.subdomains.is_empty() && self.labelled.is_empty())
    }

    /// Looks a request up.
    pub(super) fn asked(&self, target: &Target<'_>) -> Result<Asked, UnsafePath> {
        let mut asked = Asked::default();
        if self.has_methods() {
            // A method that no rule names has no number, and only rules without methods are left
            // for it.
            let method = target.method.and_then(|method| self.methods.get(method));
            asked.method = method.copied();
        }
        if !self.has_hosts() {
            return Ok(asked);
        }
        // Refused if it is no host: `a.com,b.com` or `user@a.com` are two hosts to two servers.
        let host = target.authority.map(requested_host).transpose()?.flatten();
        let Some(host) = host else {
            return Ok(asked);
        };
        // As the client named it, port and trailing dot apart.
        asked.hosts.extend(self.hosts.get(&*host));
        if !self.shapes.is_empty() && !host.starts_with('[') {
            let shapes = self.shapes.get(&host.split('.').count());
            let keys = shapes.into_iter().flatten().map(|shape| shape.of(&host));
            let found = keys.filter_map(|key| self.labelled.get(&key).copied());
            asked.hosts.extend(found);
        }
        // An IPv6 address has dots only in its last four bytes; no rule names those.
        let mut rest = &*host;
        // At most 126 steps: a host has at most 253 bytes.
        while let Some((_, parent)) = rest.split_once('.') {
            asked.hosts.extend(self.subdomains.get(parent));
            rest = parent;
        }
        Ok(asked)
    }
}

/// The rules that end at one place, the earliest for each condition, sorted by condition: a
/// thousand rules on one path that differ in methods and hosts cost a few binary searches.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<(Condition, usize)>);

impl Candidates {
    pub(super) fn of(rule: usize, conditions: &[Condition]) -> Self {
        let mut candidates = Self::default();
        candidates.add(rule, conditions);
        candidates
    }

    pub(super) fn add(&mut self, rule: usize, conditions: &[Condition]) {
        for condition in conditions {
            match self.0.binary_search_by_key(condition, |entry| entry.0) {
                // Rules come in their order: the one that is there is earlier.
                Ok(_) => {}
                Err(at) => self.0.insert(at, (*condition, rule)),
            }
        }
    }

    /// The earliest rule of which method and host hold.
    pub(super) fn first(&self, asked: &Asked) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        // Any method and this one, with any host and each of these.
        let methods = std::iter::once(None).chain(asked.method.map(Some));
        let hosts = std::iter::once(None).chain(asked.hosts.iter().copied().map(Some));
        methods
            .flat_map(|method| hosts.clone().map(move |host| Condition { method, host }))
            .map(|condition| self.get(condition))
            .fold(None, earlier)
    }

    fn get(&self, condition: Condition) -> Option<usize> {
        let at = self
            .0
            .binary_search_by_key(&condition, |entry| entry.0)
            .ok()?;
        self.0.get(at).map(|entry| entry.1)
    }
}

fn or_any(given: Vec<Option<usize>>) -> Vec<Option<usize>> {
    if given.is_empty() { vec![None] } else { given }
}
