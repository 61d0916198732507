//! What has been revoked, as far as this VM knows: the deny list, a [`Document`] like a key set.
//!
//! When it is fetched, by which VM, and how all share it is the business of [`crate::remote`]. Here
//! is what is particular to the list: it may be too old in two ways, since fetching fails
//! (`max_stale`) or since whoever writes it has stopped (`max_age`), and the configuration has the
//! last word on what that means for tokens. Whom an old list names stays refused in either case:
//! later lists only add, until a token has expired.

use crate::claims::Claims;
use crate::deny_list::{DenyList, InvalidDenyList};
use crate::policy::{DenyListPolicy, MaxAge, WhenStale};
use crate::remote::call::{Answer, Call, CallId, CallIds};
use crate::remote::document::{Content, Document, Ended, Fetched, Notice};
use crate::remote::report::{Counted, Report};
use crate::remote::roll::{self, Figures};
use crate::remote::schedule::{Entropy, REMINDER};
use crate::remote::space::{SharedSpace, digest};
use crate::time::{Monotonic, Now, Timestamp};
use std::fmt;
use std::time::Duration;

impl Content for DenyList {
    const KIND: &'static str = "deny_list";
    const MAX_BYTES: usize = Self::MAX_BYTES;
    const IS_LARGE: bool = true;
    type Invalid = InvalidDenyList;
    type Reading = ();

    fn parse(bytes: &[u8], (): ()) -> Result<Self, InvalidDenyList> {
        Self::parse(bytes)
    }

    /// Sorted records: reading and sorting the document takes a VM some milliseconds for each
    /// thousand entries, and only one VM does.
    fn shared<'a>(&'a self, _: &'a [u8]) -> &'a [u8] {
        self.shared()
    }

    fn take_over(shared: &[u8], (): ()) -> Option<Self> {
        Self::from_shared(shared)
    }

    fn revision(&self) -> u64 {
        self.revision()
    }

    fn succeeds(&self, revision: u64, now: Timestamp) -> Result<(), InvalidDenyList> {
        self.succeeds(revision, now)
    }

    fn fits(&self, limit: usize) -> Result<(), InvalidDenyList> {
        match self.len() {
            found if found > limit => Err(InvalidDenyList::TooManyEntries { found, limit }),
            _ => Ok(()),
        }
    }

    fn too_large() -> InvalidDenyList {
        InvalidDenyList::TooLarge
    }

    /// A list that was only written again asks no remembered token again.
    fn same_as(&self, other: &Self) -> bool {
        self.same_entries(other)
    }
}

/// The deny list of one configuration, as one VM sees it.
#[derive(Debug)]
pub struct Revocations {
    document: Document<DenyList>,
    policy: DenyListPolicy,
    /// What it is called by among the lists of the process.
    id: [u8; 16],
    entropy: Entropy,
    /// When it was first asked for anything: a list that is missing is missing since then.
    start: Option<Monotonic>,
    /// When a newer list may come, as of the last tick: a decision has no clock for it.
    expected_in: Duration,
    /// When it was last told that the list is too old, while it is.
    told_stale: Option<Monotonic>,
    /// What is to be told of lists that others have fetched.
    reports: Vec<Report>,
}

/// What the list says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing, under this generation of it.
    Clear(u64),
    /// It has been revoked.
    Revoked,
    /// The list is too old to tell; a newer one may be there after this time.
    Unknown(Duration),
    /// There has never been a list.
    Missing,
}

/// How the list is, for gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many entries it has.
    pub entries: usize,
    /// How long ago it was written, or since when there is none.
    pub age: Duration,
}

impl Revocations {
    /// The list of this configuration, of which nothing is known yet.
    #[must_use]
    pub fn new(policy: &DenyListPolicy, entropy: Entropy) -> Self {
        let endpoint = &policy.source.endpoint;
        let parts = [&*endpoint.uri, &endpoint.cluster];
        Self {
            document: Document::new(policy.source.clone(), &parts, policy.max_entries, ()),
            policy: policy.clone(),
            id: *digest(parts.concat().as_bytes())
                .as_bytes()
                .first_chunk()
                .unwrap_or(&[0; 16]),
            entropy,
            start: None,
            expected_in: Duration::ZERO,
            told_stale: None,
            reports: Vec::new(),
        }
    }

    /// What the list says of a token of this user pool or AWS account that was clear under this generation.
    #[must_use]
    pub fn ask(
        &self,
        issuer: &str,
        claims: &Claims,
        clear_under: Option<u64>,
        now: Timestamp,
    ) -> Word {
        let Some((list, generation)) = self.document.at_hand() else {
            return Word::Missing;
        };
        // A remembered token has been looked up in this very list.
        if clear_under != Some(generation) && list.names(issuer, claims) {
            return Word::Revoked;
        }
        match self.policy.when_stale {
            WhenStale::Refuse if !self.is_fresh(list, now) => Word::Unknown(self.expected_in),
            WhenStale::Refuse | WhenStale::Serve => Word::Clear(generation),
        }
    }

    /// The generation of the list at hand, however old.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.document.at_hand().map(|(_, generation)| generation)
    }

    /// Whether the list at hand, however old, names a token of this pool.
    #[must_use]
    pub fn names(&self, pool: &str, claims: &Claims) -> bool {
        let list = self.document.at_hand();
        list.is_some_and(|(list, _)| list.names(pool, claims))
    }

    /// Neither too long without a fetch nor too old: one comparison, since whoever writes the list
    /// may stop between two ticks.
    fn is_fresh(&self, list: &DenyList, now: Timestamp) -> bool {
        let young = match self.policy.max_age {
            MaxAge::For(age) => now <= list.written_at().plus(age),
            MaxAge::Forever => true,
        };
        young && self.document.is_usable()
    }

    /// The list at hand, however old.
    #[must_use]
    pub fn list(&self) -> Option<&DenyList> {
        self.document.at_hand().map(|(list, _)| list)
    }

    /// How many entries the list at hand has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.list().map_or(0, DenyList::len)
    }

    /// Whether there is a list, however old.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.document.is_loaded()
    }

    /// What becomes of tokens while it is too old, or is not there.
    #[must_use]
    pub const fn when_stale(&self) -> WhenStale {
        self.policy.when_stale
    }

    /// How long a request may wait for the first list: as long as one fetch may take.
    #[must_use]
    pub const fn wait_limit(&self) -> Duration {
        self.policy.source.endpoint.timeout
    }

    /// How the list is.
    #[must_use]
    pub fn standing(&self, now: Now) -> Standing {
        let start = self.start.unwrap_or(now.monotonic);
        match self.document.at_hand() {
            Some((list, _)) => Standing {
                entries: list.len(),
                age: age(list, now.wall),
            },
            None => Standing {
                entries: 0,
                age: self.document.age(start, now.monotonic),
            },
        }
    }

    /// How all lists of the process are, of which this VM says how its own is.
    #[must_use]
    pub fn roll(&self, now: Now, space: &dyn SharedSpace) -> Figures {
        let Standing { entries, age } = self.standing(now);
        let own = Figures {
            entries: u64::try_from(entries).unwrap_or(u64::MAX),
            age: age.as_secs(),
        };
        roll::call(space, DenyList::KIND, self.id, own, now.monotonic)
    }

    /// Takes note that this VM serves requests: others will read the document for it.
    pub const fn serves(&mut self) {
        self.document.serves();
    }

    /// Reads what the other VMs did.
    pub fn sync(&mut self, now: Now, space: &dyn SharedSpace) {
        self.start.get_or_insert(now.monotonic);
        if let Some(ended) = self.document.sync(now.monotonic, space) {
            let report = self.report(&ended, now);
            self.reports.push(report);
        }
        self.expected_in = self.document.expected_in(now.monotonic);
    }

    /// Takes the lease if a fetch is due, and says how it is made.
    pub fn take_due(
        &mut self,
        now: Monotonic,
        space: &dyn SharedSpace,
        ids: &mut CallIds,
    ) -> Option<(CallId, Call)> {
        self.document.take_due(now, space, &mut self.entropy, ids)
    }

    /// Takes in the answer to a call. `None` if it was not the list's, or came too late.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &Answer,
        now: Now,
        space: &dyn SharedSpace,
    ) -> Option<Report> {
        if !self.document.is_fetched_by(id) {
            return None;
        }
        let ended = self
            .document
            .answered(answer, now, space, &mut self.entropy)?;
        Some(self.report(&ended, now))
    }

    /// What is to be told of lists that others have fetched.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Gives back the lease of a fetch whose answer will find no VM to take it.
    pub fn release(&mut self, space: &dyn SharedSpace) {
        self.document.release(space);
    }

    /// How long until a fetch may bring a list: zero while one is under way.
    #[must_use]
    pub fn expected_in(&self, now: Monotonic) -> Duration {
        self.document.expected_in(now)
    }

    /// Whether a fetch is due that no VM has begun.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        self.document.is_due(now)
    }

    /// What is told of a fetch: the cause first, then what it means for tokens. Nothing in it comes
    /// from the list but how many entries it has and when it was written.
    fn report(&mut self, ended: &Ended<InvalidDenyList>, now: Now) -> Report {
        let (counted, recovered) = match ended {
            Ended::Fetched(fetched) => (Some(Counted::DenyListFetched), Some(fetched)),
            Ended::Unchanged(fetched) => (Some(Counted::DenyListUnchanged), Some(fetched)),
            Ended::Failed(_, Notice::Settling | Notice::Retry) => (None, None),
            Ended::Failed(_, Notice::Repeated | Notice::News) => {
                (Some(Counted::DenyListFailed), None)
            }
        };
        let outlook = self.outlook(now);
        if let Ended::Failed(failure, notice) = ended {
            let cause = failure.at(&self.document.source().endpoint);
            return match notice {
                // Once, and every ten minutes while it lasts.
                Notice::News => Report::warning(counted, format!("deny list: {cause}; {outlook}")),
                Notice::Settling | Notice::Retry | Notice::Repeated => {
                    Report::debug(counted, format!("deny list: {cause}; {outlook}"))
                }
            };
        }
        let entries = self.entries();
        if !matches!(outlook, Outlook::Until(_) | Outlook::Forever) {
            // The endpoint answers, and whoever writes the list does not: no failure tells of it.
            let lasts = |at| now.monotonic.since(at) >= REMINDER;
            if self.told_stale.is_none_or(lasts) {
                self.told_stale = Some(now.monotonic);
                return Report::warning(
                    counted,
                    format!("deny list: {entries} entries fetched; {outlook}"),
                );
            }
        } else if self.told_stale.take().is_some() || recovered == Some(&Fetched::Recovered) {
            return Report::info(
                counted,
                format!("deny list: {entries} entries fetched; {outlook}"),
            );
        }
        // Every half a minute: no news.
        Report::debug(
            counted,
            format!("deny list: {entries} entries fetched; {outlook}"),
        )
    }

    /// What all this means for tokens.
    fn outlook(&self, now: Now) -> Outlook {
        let when_stale = self.policy.when_stale;
        let Some((list, _)) = self.document.at_hand() else {
            return Outlook::Missing(when_stale);
        };
        if !self.is_fresh(list, now.wall) {
            return Outlook::Ended(when_stale);
        }
        // Whichever comes first, by the wall clock, for people.
        let fetched = self.document.usable_until();
        let fetched = fetched.map(|end| now.wall.plus(end.since(now.monotonic)));
        let ends = match self.policy.max_age {
            MaxAge::For(age) => Some(list.written_at().plus(age)),
            MaxAge::Forever => None,
        };
        match ends.into_iter().chain(fetched).min() {
            Some(end) => Outlook::Until(end.utc()),
            None => Outlook::Forever,
        }
    }
}

/// How long ago a list was written.
fn age(list: &DenyList, now: Timestamp) -> Duration {
    let seconds = now.seconds() - list.written_at().seconds();
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// What a list means for tokens.
enum Outlook {
    /// There has never been one.
    Missing(WhenStale),
    /// It is too old.
    Ended(WhenStale),
    /// It serves until then.
    Until(String),
    /// It serves.
    Forever,
}

impl fmt::Display for Outlook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(WhenStale::Refuse) => {
                formatter.write_str("there is no list yet: every token gets 503")
            }
            Self::Missing(WhenStale::Serve) => {
                formatter.write_str("there is no list yet: revoked tokens pass")
            }
            Self::Ended(WhenStale::Refuse) => {
                formatter.write_str("the list at hand is too old: every token gets 503")
            }
            Self::Ended(WhenStale::Serve) => formatter
                .write_str("the list at hand is too old: tokens that were revoked since pass"),
            Self::Until(end) => write!(formatter, "the list at hand serves until {end}"),
            Self::Forever => formatter.write_str("the list at hand serves"),
        }
    }
}
