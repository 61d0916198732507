//! The rules that one path leads to, told apart by method and host.
//!
//! Methods and hosts have numbers, and a rule that names two methods and three hosts is entered
//! under its six pairs. A request asks for its own method and for none, its own host, the wildcards
//! above it and none: a few look-ups, whatever the number of rules. Otherwise a thousand rules for
//! one path that differ in their methods would be a thousand comparisons for each request.

use super::super::path::UnsafePath;
use super::super::pattern::{HostKey, HostPattern, Match, Method, requested_host};
use super::{Target, earlier};
use std::borrow::Cow;
use std::collections::HashMap;
use std::iter;

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
    /// Hosts with variables, those of one shape together and in their order. Rules have one or two
    /// shapes, however many tenants there are.
    labelled: Vec<Vec<(HostPattern, usize)>>,
}

/// What a request's method and authority are in terms of the vocabulary.
#[derive(Debug, Default)]
pub(super) struct Asked<'t> {
    method: Option<usize>,
    /// Read once for all who look at it: the host, if any rule looks at hosts and there is one.
    pub(super) host: Option<Cow<'t, str>>,
    /// The host itself and the wildcards above it, never more than a host has labels, and one of each
    /// shape of hosts with variables.
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
        let named = [&self.hosts, &self.subdomains]
            .map(HashMap::len)
            .into_iter();
        let next = named.chain(self.labelled.iter().map(Vec::len)).sum();
        let (known, name) = match pattern.key() {
            HostKey::Exact(host) => (&mut self.hosts, host),
            HostKey::Below(parent) => (&mut self.subdomains, parent),
            HostKey::Labels => return self.labelled(pattern, next),
        };
        *known.entry(name.to_owned()).or_insert(next)
    }

    fn labelled(&mut self, pattern: &HostPattern, next: usize) -> usize {
        let mut shapes = self.labelled.iter_mut();
        let has_shape = |(known, _): &(HostPattern, usize)| known.has_shape_of(pattern);
        let Some(shape) = shapes.find(|shape| shape.first().is_some_and(has_shape)) else {
            self.labelled.push(vec![(pattern.clone(), next)]);
            return next;
        };
        // A host for it stands where it would stand itself.
        match find(shape, &pattern.example()) {
            Ok((_, number)) => *number,
            Err(at) => {
                shape.insert(at, (pattern.clone(), next));
                next
            }
        }
    }

    pub(super) fn has_methods(&self) -> bool {
        !self.methods.is_empty()
    }

    pub(super) fn has_hosts(&self) -> bool {
        !(self.hosts.is_empty() && self.subdomains.is_empty() && self.labelled.is_empty())
    }

    /// Looks a request up.
    pub(super) fn asked<'t>(&self, target: &Target<'t>) -> Result<Asked<'t>, UnsafePath> {
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
        asked.host = target.authority.map(requested_host).transpose()?.flatten();
        let Some(host) = &asked.host else {
            return Ok(asked);
        };
        // As the client named it, port and trailing dot apart.
        asked.hosts.extend(self.hosts.get(&**host));
        for shape in &self.labelled {
            if let Ok((_, number)) = find(shape, host) {
                asked.hosts.push(*number);
            }
        }
        // An IPv6 address has dots only in its last four bytes; no rule names those.
        let mut rest = &**host;
        // At most 126 steps: a host has at most 253 bytes.
        while !self.subdomains.is_empty()
            && let Some((_, parent)) = rest.split_once('.')
        {
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
    pub(super) fn first(&self, asked: &Asked<'_>) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let mut first = None;
        // Any method and this one, with any host and each of these.
        for method in iter::once(None).chain(asked.method.map(Some)) {
            first = earlier(first, self.get(Condition { method, host: None }));
            for host in &asked.hosts {
                let host = Some(*host);
                first = earlier(first, self.get(Condition { method, host }));
            }
        }
        first
    }

    fn get(&self, condition: Condition) -> Option<usize> {
        let at = self
            .0
            .binary_search_by_key(&condition, |entry| entry.0)
            .ok()?;
        self.0.get(at).map(|entry| entry.1)
    }
}

/// The host of this shape that matches, or where one would stand.
fn find<'s>(
    shape: &'s [(HostPattern, usize)],
    host: &str,
) -> Result<&'s (HostPattern, usize), usize> {
    let at = shape.binary_search_by(|(pattern, _)| pattern.beside(host))?;
    shape.get(at).ok_or(at)
}

fn or_any(given: Vec<Option<usize>>) -> Vec<Option<usize>> {
    if given.is_empty() { vec![None] } else { given }
}
