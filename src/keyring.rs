//! The key sets of all issuers: a [`Document`] each, or the keys that stand in the configuration.
//!
//! When sets are fetched, by which VM, and how long they serve is the business of
//! [`crate::remote`]. Here is what is particular to keys: a set is one of many, a token's `kid` may
//! be in none, and what operators are told of a fetch.
//!
//! An issuer without keys is no error. It may be a start, a rotation or an outage, and in each of them
//! the answer to a request is a wait or a 503, never a 401: a client that is told that its token is
//! bad throws it away.

use crate::jwks::{InvalidKeySet, KeyKinds, KeySet};
use crate::policy::{Issuer, IssuerIndex, Issuers, KeySource};
pub use crate::remote::call::Answer;
use crate::remote::call::{Call, CallId, CallIds};
use crate::remote::document::{Content, Document, Ended, Fetched, Notice, Prospect};
use crate::remote::report::{Counted, Report};
pub use crate::remote::schedule::Entropy;
use crate::remote::space::SharedSpace;
use crate::time::{Monotonic, Now};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// The key sets of all issuers, as one VM sees them.
#[derive(Debug)]
pub struct Keyring {
    /// In the order of the configuration, by which a [`IssuerIndex`] counts.
    sets: Vec<Set>,
    /// How many clusters they come through.
    clusters: usize,
    /// Of this VM alone: with common jitter, all VMs would fetch at one moment.
    entropy: Entropy,
    /// When it was first asked for anything: sets that are missing are missing since then.
    start: Option<Monotonic>,
    /// The set whose turn it is to be fetched, where more are due than are fetched at one time.
    first_in_turn: usize,
    /// Whose turn it is to be read.
    first_to_read: usize,
    /// What [`NEWS`] was when it was read last.
    news: Option<Vec<u8>>,
}

/// The entry that every VM changes which has fetched other keys than there were. A key that is gone must
/// verify nothing a second later, and of a thousand sets a tick reads some alone.
const NEWS: &str = "cognito-authorizer.keys-news";

/// One issuer's keys.
#[derive(Debug)]
enum Set {
    /// They stand in the configuration, and never change: their generation is 0 for good.
    Inline(Rc<KeySet>),
    /// They are fetched.
    Fetched {
        name: Name,
        /// Which of the clusters it comes through.
        cluster: usize,
        /// Boxed, since a document is many times as large as a pointer to an inline set.
        document: Box<Document<KeySet>>,
    },
}

/// What log lines call an issuer by.
#[derive(Debug)]
struct Name {
    iss: String,
    /// A pool, or an account.
    noun: &'static str,
}

/// Keys that may verify, and which generation they are.
#[derive(Clone, Debug)]
pub struct CurrentKeys {
    /// The keys.
    pub set: Rc<KeySet>,
    /// Grows whenever a set with other contents takes the place of the last.
    ///
    /// A remembered token names the generation that verified it, and is good under no other.
    pub generation: u64,
}

/// How an issuer's key set is, for gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many keys may verify.
    pub keys: usize,
    /// The age of a set that is fetched, or how long it has been missing.
    ///
    /// Grows in either case while fetching fails: one alert serves for keys that are old and keys
    /// that never came.
    pub age: Option<Duration>,
}

impl Content for KeySet {
    /// In the digest that names shared entries: no other kind of document is ever read as keys.
    const KIND: &'static str = "jwks";
    /// Cognito's set has two keys, and about a kilobyte.
    const MAX_BYTES: usize = Self::MAX_BYTES;
    const IS_LARGE: bool = false;
    type Invalid = InvalidKeySet;
    /// A user pool has no key but RSA, whatever stands in its set.
    type Reading = KeyKinds;

    fn parse(bytes: &[u8], kinds: KeyKinds) -> Result<Self, InvalidKeySet> {
        Self::of_kinds(bytes, kinds)
    }

    fn too_large() -> InvalidKeySet {
        InvalidKeySet::TooLarge
    }

    /// By the keys, not by the bytes: a set that is merely written in another order makes no new
    /// generation, and costs no remembered token.
    fn same_as(&self, other: &Self) -> bool {
        self.same_keys(other)
    }
}

impl Keyring {
    /// Fetches that one tick begins. Each takes a lease and a call of the host's, some 50 us together,
    /// and a worker serves no request meanwhile.
    pub const MOST_BEGUN: usize = 16;
    /// Fetches of one VM through one cluster that are under way at one time: a thousand user pools are in
    /// a few regions, whose endpoints would take a thousand connections at once for a flood. A region that
    /// does not answer takes no other's room.
    pub const MOST_UNDER_WAY: usize = 64;
    /// Records that one tick reads of sets that serve and of which nothing newer is wanted: a read is a
    /// call of the host's, and what another VM did about a refresh can wait for some ticks.
    pub const MOST_READ: usize = 64;

    /// A keyring for these issuers, without any key but inline ones.
    #[must_use]
    pub fn new(issuers: &Issuers, entropy: Entropy) -> Self {
        // Nothing is fetched here: there is no call from a configuration callback.
        let mut clusters = HashMap::new();
        let sets = issuers.iter().map(|(_, issuer)| {
            Set::new(issuer, |cluster| {
                let next = clusters.len();
                *clusters.entry(cluster.to_owned()).or_insert(next)
            })
        });
        Self {
            sets: sets.collect(),
            clusters: clusters.len(),
            entropy,
            start: None,
            first_in_turn: 0,
            first_to_read: 0,
            news: None,
        }
    }

    /// The keys that may verify an issuer's tokens now, if there are any.
    ///
    /// Keys that are too old to serve are no keys: while fetching fails, a withdrawn key may go on
    /// verifying, and `max_stale` is the end of that.
    #[must_use]
    pub fn keys(&self, issuer: IssuerIndex) -> Option<CurrentKeys> {
        self.sets.get(issuer.position())?.keys()
    }

    /// The generation of the keys that may verify now, for remembered tokens.
    ///
    /// Asked for each remembered token, so that it is one number and no set.
    #[must_use]
    pub fn generation(&self, issuer: IssuerIndex) -> Option<u64> {
        match self.sets.get(issuer.position())? {
            Set::Inline(_) => Some(0),
            Set::Fetched { document, .. } => document.generation(),
        }
    }

    /// Reads what the other VMs did. Called at every tick, and before a verdict that depends on
    /// having seen the newest set.
    pub fn sync(&mut self, now: Monotonic, space: &dyn SharedSpace) {
        let is_first = self.start.is_none();
        // Not in `new`, which is given no time.
        self.start.get_or_insert(now);
        let (number, first) = (self.sets.len(), self.first_to_read);
        let reads_all = is_first || number > Self::MOST_READ && self.has_news(space);
        for (turn, position) in (first..number).chain(0..first).enumerate() {
            let set = self.sets.get_mut(position);
            let Some(document) = set.and_then(Set::document_mut) else {
                continue;
            };
            if reads_all || turn < Self::MOST_READ || document.wants_a_look(now) {
                // Of each its record, some tens of bytes; the keys only where the record names a newer
                // fetch. Every configuration takes every set: there is nothing to tell.
                let _ = document.sync(now, space);
            } else {
                document.look_at_age(now);
            }
        }
        let next = first.saturating_add(Self::MOST_READ);
        self.first_to_read = if next < number { next } else { 0 };
    }

    /// Whether some VM has fetched other keys since this was last asked.
    fn has_news(&mut self, space: &dyn SharedSpace) -> bool {
        let (news, _) = space.read(NEWS);
        let is_new = news != self.news;
        self.news = news;
        is_new
    }

    /// Reads what the other VMs did about one issuer.
    ///
    /// For a request about to wait: all other issuers may stay as the last tick saw them.
    pub fn sync_issuer(&mut self, issuer: IssuerIndex, now: Monotonic, space: &dyn SharedSpace) {
        if let Some(document) = self.document_mut(issuer) {
            let _ = document.sync(now, space);
        }
    }

    /// Takes the lease of every set whose fetch is due, and says which calls are to be made.
    pub fn take_due(
        &mut self,
        now: Monotonic,
        space: &dyn SharedSpace,
        ids: &mut CallIds,
    ) -> Vec<(CallId, Call)> {
        // Each issuer on its own schedule: a key endpoint that is down delays no other issuer. What
        // finds no room now comes first next time.
        let mut under_way = self.under_way(now);
        let mut due = Vec::new();
        let first = self.first_in_turn.min(self.sets.len());
        let (early, late) = self.sets.split_at_mut(first);
        for (position, set) in (first..).zip(late).chain((0..).zip(early)) {
            let Set::Fetched {
                document, cluster, ..
            } = set
            else {
                continue;
            };
            match under_way.get_mut(*cluster) {
                Some(others) if due.len() < Self::MOST_BEGUN && *others < Self::MOST_UNDER_WAY => {
                    let call = document.take_due(now, space, &mut self.entropy, ids);
                    *others = others.saturating_add(usize::from(call.is_some()));
                    due.extend(call);
                    self.first_in_turn = position.saturating_add(1);
                }
                Some(_) | None => document.put_off(),
            }
        }
        due
    }

    /// How many fetches are under way through each cluster.
    fn under_way(&self, now: Monotonic) -> Vec<usize> {
        let mut under_way = vec![0_usize; self.clusters];
        for (cluster, document) in self.fetched() {
            if let Some(others) = under_way.get_mut(cluster)
                && document.is_fetching(now)
            {
                *others = others.saturating_add(1);
            }
        }
        under_way
    }

    /// The sets that are fetched, and through which cluster.
    fn fetched(&self) -> impl Iterator<Item = (usize, &Document<KeySet>)> {
        self.sets.iter().filter_map(|set| match set {
            Set::Fetched {
                cluster, document, ..
            } => Some((*cluster, &**document)),
            Set::Inline(_) => None,
        })
    }

    /// A request waits for keys newer than this generation, since its `kid` is not among them.
    /// Holds until the next [`Keyring::take_due`].
    pub fn demand_newer(&mut self, issuer: IssuerIndex, generation: u64) {
        if let Some(document) = self.document_mut(issuer) {
            document.demand_newer(generation);
        }
    }

    /// What can be said of keys newer than this generation.
    ///
    /// A query: what is wished for is told by [`Keyring::demand_newer`] alone, so that asking twice
    /// is as good as asking once.
    #[must_use]
    pub fn prospect(&self, issuer: IssuerIndex, generation: u64, now: Monotonic) -> Prospect {
        match self.document(issuer) {
            Some(document) => document.prospect(generation, now),
            // Inline keys are all there will ever be.
            None => Prospect::Settled,
        }
    }

    /// Takes in the answer to a call. `None` if it was none of this keyring's, or came too late.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &Answer,
        now: Now,
        space: &dyn SharedSpace,
    ) -> Option<Report> {
        // By the call's number, not by the issuer: an answer to a call that was given up must not
        // count for the one that replaced it.
        let (name, document) = self.sets.iter_mut().find_map(|set| match set {
            Set::Fetched { name, document, .. } if document.is_fetched_by(id) => {
                Some((name, document))
            }
            Set::Fetched { .. } | Set::Inline(_) => None,
        })?;
        let before = document.generation();
        let ended = document.answered(answer, now, space, &mut self.entropy);
        if document.generation() != before {
            tell_news(space);
        }
        Some(report(name, document, &ended?, now))
    }

    /// Gives back the leases of fetches whose answer will find no VM to take it.
    pub fn release(&mut self, space: &dyn SharedSpace) {
        for document in self.documents_mut() {
            document.release(space);
        }
    }

    /// When the newest key set was answered, to any VM; never for keys that are not fetched.
    ///
    /// A key that was made later than this cannot be in the set, and its token is no forgery on
    /// that account.
    #[must_use]
    pub fn answered_at(&self, issuer: IssuerIndex) -> Option<Monotonic> {
        self.document(issuer)?.fetched_at()
    }

    /// How long until a fetch may bring keys: zero while one is under way.
    #[must_use]
    pub fn keys_expected_in(&self, issuer: IssuerIndex, now: Monotonic) -> Duration {
        self.document(issuer)
            .map_or(Duration::ZERO, |document| document.expected_in(now))
    }

    /// How long until newer keys may be demanded again.
    ///
    /// Random `kid`s cost nothing to make, so one fetch on demand in ten seconds is all that they
    /// can order; a genuine new key waits so long at most.
    #[must_use]
    pub fn demand_open_in(&self, issuer: IssuerIndex, now: Monotonic) -> Duration {
        self.document(issuer)
            .map_or(Duration::ZERO, |document| document.demand_open_in(now))
    }

    /// Whether a fetch is due that no VM has begun.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        // Counted only where one is due.
        let mut under_way = None;
        self.fetched().any(|(cluster, document)| {
            document.is_due(now) && {
                let under_way = under_way.get_or_insert_with(|| self.under_way(now));
                let others = under_way.get(cluster);
                others.is_some_and(|others| *others < Self::MOST_UNDER_WAY)
            }
        })
    }

    /// Whether an issuer has no keys that may verify, and a fetch may bring them within this time.
    ///
    /// If none is near, there is no need to look for them every few milliseconds.
    #[must_use]
    pub fn lacks_keys(&self, within: Duration, now: Monotonic) -> bool {
        self.documents()
            .any(|document| !document.is_usable() && document.expected_in(now) < within)
    }

    /// How each issuer's key set is, in the order of the configuration.
    pub fn standings(&self, now: Monotonic) -> impl Iterator<Item = Standing> {
        // Before the first tick nothing has been missing for any time.
        let start = self.start.unwrap_or(now);
        self.sets.iter().map(move |set| Standing {
            keys: set.keys().map_or(0, |keys| keys.set.len()),
            age: match set {
                Set::Inline(_) => None,
                Set::Fetched { document, .. } => Some(document.age(start, now)),
            },
        })
    }

    fn document(&self, issuer: IssuerIndex) -> Option<&Document<KeySet>> {
        self.sets.get(issuer.position())?.document()
    }

    fn document_mut(&mut self, issuer: IssuerIndex) -> Option<&mut Document<KeySet>> {
        self.sets.get_mut(issuer.position())?.document_mut()
    }

    fn documents(&self) -> impl Iterator<Item = &Document<KeySet>> {
        self.sets.iter().filter_map(Set::document)
    }

    fn documents_mut(&mut self) -> impl Iterator<Item = &mut Document<KeySet>> {
        self.sets.iter_mut().filter_map(Set::document_mut)
    }
}

fn tell_news(space: &dyn SharedSpace) {
    let (told, version) = space.read(NEWS);
    let told = told.and_then(|bytes| bytes.try_into().ok());
    let next = told.map_or(0, u64::from_le_bytes).wrapping_add(1);
    // Another VM was faster, and whoever reads its word finds this one's keys as well.
    let _ = space.write(NEWS, &next.to_le_bytes(), version);
}

impl Set {
    /// Sets of one issuer that come through two clusters, or from two addresses, are two documents:
    /// a configuration is never served what another one fetched from elsewhere.
    fn new(issuer: Issuer<'_>, cluster: impl FnOnce(&str) -> usize) -> Self {
        match issuer.keys() {
            KeySource::Inline(set) => Self::Inline(Rc::clone(set)),
            KeySource::Fetched(source) => {
                let endpoint = &source.endpoint;
                let parts = [issuer.iss(), &endpoint.uri, &endpoint.cluster];
                let kinds = issuer.key_kinds();
                let document = Document::new(source.clone(), &parts, usize::MAX, kinds);
                Self::Fetched {
                    name: Name {
                        iss: issuer.iss().to_owned(),
                        noun: issuer.noun(),
                    },
                    cluster: cluster(&endpoint.cluster),
                    document: Box::new(document),
                }
            }
        }
    }

    fn keys(&self) -> Option<CurrentKeys> {
        match self {
            Self::Inline(set) => Some(CurrentKeys {
                set: Rc::clone(set),
                // For good: an inline set changes only with the configuration, and that begins with
                // an empty cache.
                generation: 0,
            }),
            Self::Fetched { document, .. } => {
                let current = document.current()?;
                Some(CurrentKeys {
                    set: current.content,
                    generation: current.generation,
                })
            }
        }
    }

    /// Inline keys have none: nothing is ever due for them.
    const fn document(&self) -> Option<&Document<KeySet>> {
        match self {
            Self::Inline(_) => None,
            Self::Fetched { document, .. } => Some(document),
        }
    }

    const fn document_mut(&mut self) -> Option<&mut Document<KeySet>> {
        match self {
            Self::Inline(_) => None,
            Self::Fetched { document, .. } => Some(document),
        }
    }
}

/// What is told of a fetch: the cause first, then what it means for tokens.
///
/// An operator reads this line first and, of a long outage, perhaps alone: so it names issuer,
/// cluster and cause, and says whether requests are refused already. Nothing in it comes from the
/// endpoint's answer but its status; Envoy's own words for a connection that failed have lost their
/// control characters.
fn report(
    Name { iss, noun }: &Name,
    document: &Document<KeySet>,
    ended: &Ended<InvalidKeySet>,
    now: Now,
) -> Report {
    // An endpoint that is not resolved yet right after a start, and the tries between two attempts
    // of the back-off, would set off alerts that nothing can be done about.
    let counted = match ended {
        Ended::Fetched(_) | Ended::Unchanged(_) => Some(Counted::KeysFetched),
        Ended::Failed(_, Notice::Settling | Notice::Retry) => None,
        Ended::Failed(_, Notice::Repeated | Notice::News) => Some(Counted::KeysFailed),
    };
    match ended {
        Ended::Fetched(Fetched::Again) | Ended::Unchanged(Fetched::Again) => {
            // Every quarter of an hour, on every issuer: no news.
            Report::debug(counted, format!("keys of {iss}: fetched again"))
        }
        Ended::Fetched(Fetched::Recovered) | Ended::Unchanged(Fetched::Recovered) => {
            let set = document.current().map(|current| current.content);
            let keys = set.as_ref().map_or(0, |set| set.len());
            // A set with entries of other kinds is used; that some were skipped may explain an
            // unknown key.
            let skipped = set.map_or(0, |set| set.skipped());
            Report::info(
                counted,
                format!("keys of {iss}: {keys} fetched, {skipped} entries skipped"),
            )
        }
        Ended::Failed(failure, notice) => {
            // The cause names cluster and address: what an operator has to look at first.
            let cause = failure.at(&document.source().endpoint);
            let outlook = Outlook::of(document, now).told(noun);
            match notice {
                // One line for an outage, and one every ten minutes while it lasts: an operator is
                // to notice it, and not to lose the rest of the log in it.
                Notice::News => {
                    Report::warning(counted, format!("keys of {iss}: {cause}; {outlook}"))
                }
                Notice::Settling | Notice::Retry | Notice::Repeated => {
                    Report::debug(counted, format!("keys of {iss}: {cause}; {outlook}"))
                }
            }
        }
    }
}

/// What a failed fetch means for an issuer's tokens.
enum Outlook {
    /// There have never been keys.
    Missing,
    /// The last good keys are too old to serve.
    Ended,
    /// The last good keys serve on until then.
    Until(String),
    /// The last good keys serve on.
    Forever,
}

impl Outlook {
    /// By the wall clock, for people; what is decided is decided by the monotonic one.
    fn of(document: &Document<KeySet>, now: Now) -> Self {
        if !document.is_loaded() {
            return Self::Missing;
        }
        match document.usable_until() {
            None => Self::Forever,
            Some(end) if end <= now.monotonic => Self::Ended,
            Some(end) => Self::Until(now.wall.plus(end.since(now.monotonic)).utc()),
        }
    }

    fn told(&self, noun: &str) -> String {
        match self {
            Self::Missing => {
                format!("there are no keys yet: every token of this {noun} gets 503")
            }
            Self::Ended => {
                format!("the last good keys are too old: every token of this {noun} gets 503")
            }
            Self::Until(end) => format!("the last good keys serve on until {end}"),
            Self::Forever => "the last good keys serve on".to_owned(),
        }
    }
}
