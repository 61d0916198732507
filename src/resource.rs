//! Protected resources (RFC 9728): where a client that is refused reads whom the resource trusts.
//!
//! The metadata of a resource is answered here, to whoever asks: no rule is asked about it. So its
//! path is found as the rules find theirs, in every reading, and one that is the metadata's to some
//! servers only is refused.

use crate::json;
use crate::reply::Reply;
use crate::rules::index::{MatchIndex, Target, Unreachable, UnsafePath};
use crate::rules::pattern::{Match, PathCase};
use crate::rules::work::Work;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Where the metadata of a resource stands, followed by the resource's own path (RFC 9728, section
/// 3.1).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The methods that are answered; what is asked with others is the rules' business.
pub const METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// How long a client may keep the metadata: a change of the configuration is seen within minutes.
const CACHE_CONTROL: &str = "max-age=300";

/// A protected resource.
#[derive(Debug)]
pub struct Resource {
    /// The requests that are for it.
    pub matches: Match,
    /// The requests for its metadata, whatever their host.
    pub metadata: Match,
    /// The URL of its metadata.
    pub metadata_url: String,
    /// Its identifier, to the letter.
    pub identifier: String,
    /// Whose tokens it takes.
    pub authorization_servers: Vec<String>,
    /// Scopes that are of use there.
    pub scopes_supported: Vec<String>,
}

impl Resource {
    /// The metadata (RFC 9728, section 2).
    fn document(&self) -> String {
        let mut document = json!({
            "resource": self.identifier,
            "authorization_servers": self.authorization_servers,
        });
        // Section 2: what has no value is left out.
        if !self.scopes_supported.is_empty()
            && let Value::Object(members) = &mut document
        {
            let scopes = self.scopes_supported.clone();
            members.insert("scopes_supported".to_owned(), scopes.into());
        }
        json::text(&document)
    }
}

/// All protected resources.
#[derive(Debug, Default)]
pub struct Resources {
    found: Option<Found>,
}

#[derive(Debug)]
struct Found {
    /// The metadata of all, then what is under each.
    index: MatchIndex,
    /// What each entry of the index is.
    entries: Vec<Entry>,
    resources: Vec<Known>,
    /// Whether the configuration tells methods apart, beside those by which metadata is asked for.
    methods: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Metadata(usize),
    Resource(usize),
}

#[derive(Debug)]
struct Known {
    document: String,
    metadata_url: String,
}

/// What is wrong with a list of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The metadata of one is asked for as that of an earlier one is, and differs from it.
    Metadata(Unreachable),
    /// All requests for one are for an earlier one already.
    Match(Unreachable),
}

/// What a request is, as far as resources go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Nothing to any of them.
    Nothing,
    /// A question for the metadata of one, which is this document.
    Metadata(&'a str),
    /// For one, whose metadata is at this URL.
    Under(&'a str),
}

impl Resources {
    /// Collects resources, of which the first that fits counts.
    ///
    /// # Errors
    /// Those that could never count.
    pub fn new(resources: &[Resource], case: PathCase) -> Result<Self, Vec<Clash>> {
        if resources.is_empty() {
            return Ok(Self::default());
        }
        let mut clashes = Vec::new();
        let (mut matches, mut entries) = (Vec::new(), Vec::new());
        let metadata = |resource: &Resource| Match {
            hosts: resource.matches.hosts.clone(),
            ..resource.metadata.clone()
        };
        for (position, resource) in resources.iter().enumerate() {
            let own = metadata(resource);
            let mut earlier = resources.iter().take(position).enumerate();
            let same = earlier.find(|(_, earlier)| metadata(earlier).covers(&own, case));
            match same {
                None => {
                    matches.push(own);
                    entries.push(Entry::Metadata(position));
                }
                // One resource in several parts of the tree.
                Some((_, earlier)) if earlier.document() == resource.document() => {}
                Some((hidden_by, _)) => clashes.push(Clash::Metadata(Unreachable {
                    rule: position,
                    hidden_by,
                })),
            }
        }
        for (position, resource) in resources.iter().enumerate() {
            matches.push(resource.matches.clone());
            entries.push(Entry::Resource(position));
        }
        let known = resources.iter().map(|resource| Known {
            document: resource.document(),
            metadata_url: resource.metadata_url.clone(),
        });
        let at = |entry: usize| match entries.get(entry) {
            Some(Entry::Metadata(position) | Entry::Resource(position)) => *position,
            None => entry,
        };
        match MatchIndex::new(matches, case) {
            Ok(index) if clashes.is_empty() => Ok(Self {
                found: Some(Found {
                    index,
                    entries,
                    resources: known.collect(),
                    methods: resources
                        .iter()
                        .any(|resource| !resource.matches.methods.is_empty()),
                }),
            }),
            Ok(_) => Err(clashes),
            Err(unreachable) => {
                clashes.extend(unreachable.iter().map(|one| {
                    Clash::Match(Unreachable {
                        rule: at(one.rule),
                        hidden_by: at(one.hidden_by),
                    })
                }));
                Err(clashes)
            }
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.is_none()
    }

    /// Whether any looks at hosts.
    #[must_use]
    pub fn looks_at_hosts(&self) -> bool {
        self.found
            .as_ref()
            .is_some_and(|found| found.index.looks_at_hosts())
    }

    /// Whether any looks at paths: the metadata of each does.
    #[must_use]
    pub const fn looks_at_paths(&self) -> bool {
        !self.is_empty()
    }

    /// Whether any is told by methods.
    ///
    /// That metadata is answered for some methods alone does not count: it is public, and whoever
    /// gets it by another method's name has gained nothing.
    #[must_use]
    pub fn looks_at_methods(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.methods)
    }

    /// What a request is, with the work that is left for its path.
    ///
    /// # Errors
    /// It could be read as something else.
    pub fn asked(&self, target: &Target<'_>, work: &mut Work) -> Result<Asked<'_>, UnsafePath> {
        let Some(found) = &self.found else {
            return Ok(Asked::Nothing);
        };
        let chosen = found.index.choose_within(target, work)?;
        let entry = chosen.rule.and_then(|entry| found.entries.get(entry));
        let known = |position: usize| found.resources.get(position);
        let asked = entry.and_then(|entry| match *entry {
            Entry::Metadata(position) => Some(Asked::Metadata(&known(position)?.document)),
            Entry::Resource(position) => Some(Asked::Under(&known(position)?.metadata_url)),
        });
        Ok(asked.unwrap_or(Asked::Nothing))
    }
}

/// The answer to a question for metadata.
///
/// Any page may read it: it is public, and browsers send it no credentials with `*` (Fetch
/// standard, "CORS protocol and credentials").
#[must_use]
pub fn answer(document: &str, method: Option<&[u8]>) -> Reply {
    let header = |name: &'static str, value: &'static str| (Cow::Borrowed(name), value.into());
    let mut headers = vec![header("access-control-allow-origin", "*")];
    if method == Some(b"OPTIONS") {
        headers.push(header("access-control-allow-methods", "GET, HEAD, OPTIONS"));
        headers.push(header("access-control-allow-headers", "*"));
        return Reply {
            status: 204,
            headers,
            body: Cow::Borrowed(""),
        };
    }
    headers.push(header("content-type", "application/json"));
    headers.push(header("cache-control", CACHE_CONTROL));
    Reply {
        status: 200,
        headers,
        body: document.to_owned().into(),
    }
}
