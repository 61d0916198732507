//! The decision about one request, from its first step to its last.
//!
//! It reads from top to bottom, in the order of [`Step`]; the first step that fails is the reason,
//! and a fact that is not there yet stops it at a [`Need`]. Nothing here waits, fetches or reads a
//! clock: the [`gate`](crate::gate) holds what has stopped, and asks again.
//!
//! The order is part of what users are promised: it settles which of several reasons a request is
//! given, in metrics and in replies. It also keeps refusals cheap. What the request itself says
//! comes first, then what the token claims, and the signature, which costs more than all the rest
//! together, is verified only for a token that would be admitted if it were genuine.

mod authorizers;

use crate::authorization::Authorization;
use crate::authorizer::identity::KeySecret;
use crate::cache::{Remembered, TokenCache};
use crate::claim_headers::HeaderValues;
use crate::confirmation::{Question, Subject, standing};
use crate::facts::{Facts, Need, Patience};
use crate::header::HeaderEdit;
use crate::policy::{AtExpiry, Forwarding, Policy, Preflight};
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::Request;
use crate::resource::{self, Asked};
use crate::revocation::Word;
use crate::rules::index::{UnsafePath, Variables};
use crate::rules::requirement::Confirmation;
use crate::rules::work::Work;
use crate::rules::{Access, Enforcement, InvalidToken, Ruling};
use crate::signature::Algorithms;
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use crate::token::{KnownHeaders, UntrustedToken};
use crate::verifiers::Verifiers;
use crate::verify::{Admitted, Bearer, Demand, Unverified, Verified};
use authorizers::Asking;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

/// What is known about a request once its headers have been read.
#[derive(Debug)]
pub enum Decision {
    /// What becomes of it.
    Verdict(Verdict),
    /// A fact is missing; [`Gate::hold`](crate::gate::Gate::hold) takes it.
    Hold(Candidate),
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on to the upstream.
    Forward(Forward),
    /// It is refused, which is answered here.
    Refuse(Refusal),
    /// It is answered here, as anybody's question.
    Answer(Reply),
}

impl Verdict {
    /// A refusal that the reason says all about.
    #[must_use]
    pub const fn refuse(reason: Reason) -> Self {
        Self::Refuse(Refusal::Plain(reason))
    }
}

/// A request on its way to the upstream.
#[derive(Debug)]
pub struct Forward {
    /// In whose name.
    pub caller: Caller,
    /// Changes to the request beside the claim headers.
    ///
    /// Removals, for the most part: what a client wrote under names that only the filter may write.
    pub edits: Vec<HeaderEdit>,
    /// What did not hold of it, if anything.
    pub despite: Option<Despite>,
    /// What becomes of it if it is open still when its token ends.
    pub at_expiry: AtExpiry,
}

/// What did not hold of a request that goes on all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Despite {
    /// Its token is not valid, and under this rule that is as good as none.
    Ignored(Reason),
    /// It would be refused, were refusals carried out.
    Reported(Reason),
}

impl Despite {
    /// What it would have been refused for.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Ignored(reason) | Self::Reported(reason) => reason,
        }
    }
}

/// In whose name a request goes on.
#[derive(Clone, Debug)]
pub enum Caller {
    /// In no name: the rule asked for no token.
    Anonymous,
    /// That of the bearer of a verified token.
    Known(Rc<Remembered>),
    /// In that which an authorizer says.
    Authorized(Rc<Authorization>),
}

impl Caller {
    /// What the upstream is told: headers that the request has no more of its own.
    pub fn headers(&self) -> impl Iterator<Item = (&Rc<str>, &str)> {
        let headers = match self {
            Self::Anonymous => None,
            Self::Known(remembered) => Some(&remembered.headers),
            Self::Authorized(authorization) => Some(&authorization.headers),
        };
        headers.into_iter().flat_map(HeaderValues::iter)
    }
}

/// What the cache had to do with a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// It was not asked.
    #[default]
    None,
    /// The token was remembered.
    Hit,
    /// It was not.
    Miss,
}

/// A request that may pass once a fact is there: all that is left of it. It holds the token, or what
/// an authorizer judges, and what was chosen by the rest, never a body.
///
/// The edits are kept from the first decision, and not made again: Envoy shows the headers of a
/// request that it has stopped, but another filter may have changed them since.
#[derive(Debug)]
pub struct Candidate {
    grounds: Grounds,
    edits: Vec<HeaderEdit>,
    lenience: Lenience,
    need: Need,
    patience: Patience,
}

/// By what a request is decided.
#[derive(Debug)]
enum Grounds {
    /// Its token.
    Token {
        compact: Vec<u8>,
        ruling: Ruling,
        variables: Variables,
    },
    /// An authorizer's answer.
    Authorizer(Box<Asking>),
}

impl Candidate {
    /// The fact that the decision stopped for.
    #[must_use]
    pub const fn need(&self) -> Need {
        self.need
    }

    /// The token; empty if there is none.
    pub(crate) fn compact(&self) -> &[u8] {
        match &self.grounds {
            Grounds::Token { compact, .. } => compact,
            Grounds::Authorizer(_) => &[],
        }
    }

    /// Whether it waits: where it would only be reported, a request is not even delayed.
    pub(crate) const fn waits(&self) -> bool {
        self.lenience.reported.is_none()
    }

    /// Its need could not be met in time, and is one that the configuration waives.
    pub(crate) fn waive(&mut self) {
        self.patience = self.patience.without(self.need);
    }
}

/// How a request goes on that something does not hold of, where the configuration lets it: what is
/// taken off it in either case.
#[derive(Debug, Default)]
struct Lenience {
    /// If its token is not valid.
    ignored: Option<Vec<HeaderEdit>>,
    /// In any case.
    reported: Option<Vec<HeaderEdit>>,
}

/// Why a token is not let through, or not yet.
///
/// With it, a step is written with `?`, and the code reads as the list of steps that it is.
enum Stop {
    Refusal(Refusal),
    /// The token is verified, and the rule asks for another bearer.
    Unfit(Refusal, Rc<Remembered>),
    Need(Need),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Refusal(Refusal::Plain(reason))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

/// What one worker decides by: the policy, and what it has seen of tokens before.
#[derive(Debug)]
pub(crate) struct Decider {
    policy: Rc<Policy>,
    verifiers: Verifiers,
    /// One for each worker: shared tokens would have to be believed from memory that another plugin
    /// of the same `vm_id` may write.
    cache: TokenCache,
    /// Headers of tokens that were verified. A pool's tokens have a handful of them, so that most
    /// are not parsed again.
    known_headers: KnownHeaders,
    /// By which callers of authorizers are told apart.
    identities: KeySecret,
}

impl Decider {
    pub(crate) fn new(policy: Rc<Policy>, verifiers: Verifiers, secret: [u64; 2]) -> Self {
        Self {
            cache: TokenCache::new(policy.token.cache_entries),
            known_headers: KnownHeaders::new(match policy.issuers.accounts() {
                // A user pool has no other.
                [] => Algorithms::Rs256,
                _ => verifiers.algorithms(),
            }),
            identities: KeySecret::new(secret),
            policy,
            verifiers,
        }
    }

    pub(crate) const fn policy(&self) -> &Rc<Policy> {
        &self.policy
    }

    pub(crate) const fn algorithms(&self) -> Algorithms {
        self.known_headers.algorithms()
    }

    pub(crate) const fn verifies_by_host(&self) -> bool {
        self.verifiers.is_host()
    }

    /// Decides about a request: what it is and where it goes, then its token.
    pub(crate) fn decide(
        &mut self,
        request: &Request,
        facts: &Facts,
        now: Timestamp,
        seen: &mut impl Observer,
    ) -> (Decision, CacheUse) {
        // For what is decided without a look at the token: the cache has not been asked.
        let decided = |verdict| (Decision::Verdict(verdict), CacheUse::None);
        let policy = Rc::clone(&self.policy);
        // Every request has headers. A host that shows none of them has not shown the request, and
        // what it is can only be guessed. No word in the configuration helps: what a client forged
        // could not be taken off.
        if request.is_empty() {
            return decided(Verdict::refuse(Reason::UnsafePath));
        }
        // Before the rule is even known to be open: a path that could be read in two ways could be
        // another rule's.
        let (ruling, variables) = match choose(&policy, request, seen) {
            Ok(Chosen::Rule(ruling, variables)) => (ruling, variables),
            // No rule is asked: clients without a token read here how to get one.
            Ok(Chosen::Answer(reply)) => return decided(Verdict::Answer(reply)),
            Err(reason) => {
                let enforcement = policy.rules.enforcement_without_rule();
                let lenience = self.lenience(enforcement, InvalidToken::Refuse, request);
                return decided(self.give_up(reason, lenience));
            }
        };
        let access = policy.rules.access(ruling);
        let enforcement = policy.rules.enforcement(ruling);
        let refuse = |reason: Reason| {
            let lenience = self.lenience(enforcement, InvalidToken::Refuse, request);
            decided(self.give_up(reason, lenience))
        };
        // Before any token is looked for: a closed door says the same with and without one, and
        // tells nothing about tokens. A preflight does not pass it either.
        let is_open = !matches!(access, Access::Nobody);
        if let Err(reason) = seen.check(Step::Rule, is_open, Reason::DeniedByRule) {
            return refuse(reason);
        }
        // Before the first way out, too: an open path is where a forged claim header would be believed
        // most easily.
        if matches!(access, Access::Anyone) {
            return match self.anonymous(request, policy.token.forwarding) {
                Ok(forward) => decided(Verdict::Forward(forward)),
                Err(reason) => refuse(reason),
            };
        }
        // A preflight has no credentials (Fetch standard, "CORS-preflight request"). What looks
        // like one may carry some all the same, and another method in an override header: what
        // passes without a token must be of no use to the sender, so all of these are taken off.
        if policy.preflight == Preflight::Pass && request.is_preflight() {
            seen.saw(Step::Preflight, Ok(()));
            return match self.anonymous(request, Forwarding::Strip) {
                Ok(mut forward) => {
                    forward.edits.extend(policy.owned.on_preflight(request));
                    decided(Verdict::Forward(forward))
                }
                Err(reason) => refuse(reason),
            };
        }
        // Nor does an authorizer look at tokens: whatever it tells its callers apart by is its own.
        if let Access::Authorizer(index) = access {
            let decision = self.ask(request, (ruling, *index), facts, now, seen);
            return (decision, CacheUse::None);
        }
        // Bytes, not text: a header that is not UTF-8 is a malformed token, and no trap.
        let compact = match seen.step(Step::Token, the_one_token(&policy, access, request)) {
            Ok(Some(compact)) => compact,
            Ok(None) => {
                return match self.anonymous(request, policy.token.forwarding) {
                    Ok(forward) => decided(Verdict::Forward(forward)),
                    Err(reason) => refuse(reason),
                };
            }
            Err(reason) => return refuse(reason),
        };
        // Not sooner: what has no token is refused without them.
        let edits = match self.edits(request, policy.token.forwarding) {
            Ok(edits) => edits,
            Err(reason) => return refuse(reason),
        };
        let patience = match enforcement {
            Enforcement::All => Patience::Waits,
            // It is not delayed. A pool is asked about its token all the same, for the next one.
            Enforcement::Report => Patience::OverForList,
        };
        let chosen = (ruling, &variables);
        let (checked, cache_use) = self.check_token(&compact, chosen, facts, patience, now, seen);
        let invalid_token = match access {
            Access::Optional(invalid_token) => *invalid_token,
            Access::Anyone | Access::Nobody | Access::Require(_) | Access::Authorizer(_) => {
                InvalidToken::Refuse
            }
        };
        let lenience = || self.lenience(enforcement, invalid_token, request);
        // Copied only here: a request that is decided at once borrows its token from the headers.
        let grounds = || Grounds::Token {
            compact: compact.into_owned(),
            ruling,
            variables,
        };
        let decision = self.settle(checked, edits, enforcement, patience, lenience, grounds);
        (decision, cache_use)
    }

    /// Decides about a held request again, from its token on, since a fact has changed.
    pub(crate) fn redecide(
        &mut self,
        candidate: Candidate,
        facts: &Facts,
        now: Timestamp,
    ) -> Decision {
        let Candidate {
            grounds,
            edits,
            lenience,
            patience,
            ..
        } = candidate;
        let (compact, ruling, variables) = match grounds {
            Grounds::Authorizer(asking) => return authorizers::again(asking, edits, facts, now),
            Grounds::Token {
                compact,
                ruling,
                variables,
            } => (compact, ruling, variables),
        };
        // The rule stays the one that was chosen. It depends on the request alone, and that has not
        // changed.
        let chosen = (ruling, &variables);
        let (checked, _) = self.check_token(&compact, chosen, facts, patience, now, &mut ());
        let enforcement = self.policy.rules.enforcement(ruling);
        let grounds = || Grounds::Token {
            compact,
            ruling,
            variables,
        };
        self.settle(checked, edits, enforcement, patience, || lenience, grounds)
    }

    /// What the steps about its token come to for a request. Its lenience and its grounds are worked
    /// out only where they are needed.
    fn settle(
        &self,
        checked: Result<Rc<Remembered>, Stop>,
        edits: Vec<HeaderEdit>,
        enforcement: Enforcement,
        patience: Patience,
        lenience: impl FnOnce() -> Lenience,
        grounds: impl FnOnce() -> Grounds,
    ) -> Decision {
        let (bearer, despite) = match (checked, enforcement) {
            (Ok(bearer), _) => (bearer, None),
            // The token is true, but not one for the rule. Where that is only reported, the upstream
            // is told the caller: it is this one, whatever the rule asks for.
            (Err(Stop::Unfit(refusal, bearer)), Enforcement::Report) => {
                (bearer, Some(Despite::Reported(refusal.reason())))
            }
            (Err(Stop::Unfit(refusal, _)), Enforcement::All) => {
                return Decision::Verdict(Verdict::Refuse(refusal));
            }
            (Err(Stop::Refusal(refusal)), _) => {
                return Decision::Verdict(self.give_up(refusal, lenience()));
            }
            (Err(Stop::Need(need)), _) => {
                return Decision::Hold(Candidate {
                    grounds: grounds(),
                    edits,
                    lenience: lenience(),
                    need,
                    patience,
                });
            }
        };
        Decision::Verdict(Verdict::Forward(Forward {
            caller: Caller::Known(bearer),
            edits,
            despite,
            at_expiry: match enforcement {
                Enforcement::All => self.policy.token.at_expiry,
                // To be cut is to be refused.
                Enforcement::Report => AtExpiry::Keep,
            },
        }))
    }

    /// The verdict on a request that waits no longer.
    pub(crate) fn conclude(&self, candidate: Candidate, refusal: Refusal) -> Verdict {
        self.give_up(refusal, candidate.lenience)
    }

    /// The steps about a token, wherever it stood.
    fn check_token(
        &mut self,
        compact: &[u8],
        (ruling, variables): (Ruling, &Variables),
        facts: &Facts,
        patience: Patience,
        now: Timestamp,
        seen: &mut impl Observer,
    ) -> (Result<Rc<Remembered>, Stop>, CacheUse) {
        let policy = Rc::clone(&self.policy);
        let Some(requirement) = policy.rules.requirement(ruling) else {
            // Not reached: a rule that looks at no token has been dealt with above. If it were, it
            // would refuse.
            return (Err(Reason::DeniedByRule.into()), CacheUse::None);
        };
        let demand = Demand {
            policy: &policy,
            requirement,
            variables,
            now,
        };
        // Before the cache, and before any decoding: a token longer than the limit has never been
        // remembered, and costs one comparison.
        let fits = compact.len() <= policy.token.max_bytes;
        if let Err(reason) = seen.check(Step::Size, fits, Reason::TokenTooLarge) {
            return (Err(reason.into()), CacheUse::None);
        }
        // A remembered token is compared whole. Equal bytes have the same form, claims and
        // signature, so that those steps need not be taken again; what the clock and the rule
        // decide does.
        let (checked, cache_use) = match self.recall(compact, facts) {
            Some(remembered) => {
                let checked = check_again(remembered, &demand, facts, patience, seen);
                (checked, CacheUse::Hit)
            }
            None => {
                let cache_use = match self.cache.is_on() {
                    true => CacheUse::Miss,
                    false => CacheUse::None,
                };
                let checked = self.verify(compact, &demand, facts, patience, seen);
                (checked, cache_use)
            }
        };
        // Last: a token is shown to its pool only if all else about it holds, so that strangers have
        // nobody asked, and the answer alone is what is missing.
        let checked = checked.and_then(|(remembered, confirmation)| {
            if let Confirmation::Within(within) = confirmation {
                confirm(&remembered, compact, within, (facts, patience), now, seen)?;
            }
            Ok(remembered)
        });
        (checked, cache_use)
    }

    /// The token as it was verified, if that was with keys which are still the issuer's.
    ///
    /// A key that its pool has withdrawn, since it was stolen perhaps, must take every token with
    /// it that it has signed. Generations grow with each change of a set and never come back, so
    /// one comparison says whether any key has changed.
    fn recall(&mut self, compact: &[u8], facts: &Facts) -> Option<Rc<Remembered>> {
        let remembered = self.cache.get(compact)?;
        if facts.hold_keys(remembered.verified.issuer(), remembered.generation) {
            return Some(Rc::clone(remembered));
        }
        // Nothing will ever make it good again but a new verification.
        self.cache.remove(compact);
        None
    }

    /// A token that is not remembered: every step, cheap ones first.
    fn verify(
        &mut self,
        compact: &[u8],
        demand: &Demand<'_>,
        facts: &Facts,
        patience: Patience,
        seen: &mut impl Observer,
    ) -> Result<(Rc<Remembered>, Confirmation), Stop> {
        // Form and header: the text is not a token of Cognito's, or may be.
        let token = UntrustedToken::parse(compact, &self.known_headers, seen)?;
        // What it claims: a token that would be refused if it were genuine is refused without a
        // signature.
        let admitted = Admitted::new(token, demand, seen)?;
        // Taken out before the proof is consumed: `payload_header` gets these bytes, which are the
        // signed ones, and not a second rendering of the claims.
        let (issuer, payload) = (admitted.issuer(), admitted.payload());
        let (header, issued_at) = (admitted.header().clone(), admitted.unverified_issued_at());
        // `iss` has chosen the issuer, and the issuer chooses the set: a `kid` means nothing outside
        // it.
        let keys = facts.keys(issuer)?;
        let verified = admitted
            .verify(&keys.set, &self.verifiers, seen)
            .map_err(|unverified| match unverified {
                Unverified::InvalidSignature => Reason::InvalidSignature.into(),
                // A rotation, or a forgery. Which of the two only a newer set can tell.
                Unverified::UnknownKey => Stop::Need(Need::NewerKeys {
                    issuer,
                    generation: keys.generation,
                    issued_at,
                }),
            })?;
        // Only now: strangers could push the genuine headers out otherwise.
        self.known_headers.remember(&header);
        let remembered = Rc::new(Remembered {
            headers: self.headers_for(&verified, payload),
            generation: keys.generation,
            clear_under: Cell::new(None),
            verified,
            name: OnceCell::new(),
        });
        // Revocation, scopes, groups and claims of a genuine token. A refusal here may name what
        // would have sufficed, since the bearer is known.
        let confirmation = satisfies(&remembered, demand, facts, patience, seen)?;
        // Only what was accepted is remembered, so that no refused token takes a place from a good
        // one. One that its pool has yet to confirm is genuine, and need not be verified twice.
        self.cache.insert(compact, Rc::clone(&remembered));
        Ok((remembered, confirmation))
    }

    /// What the upstream is told of the bearer: of a user and of an AWS principal under different
    /// names.
    fn headers_for(&self, verified: &Verified, payload: &str) -> HeaderValues {
        let headers = &self.policy.claim_headers;
        match verified.bearer() {
            Bearer::User(user) => headers.of_user(user, payload),
            Bearer::Principal(principal) => headers.of_principal(principal),
        }
    }

    /// Refuses, or lets the request go on in nobody's name where the configuration says so.
    ///
    /// What a client forged is taken off in each case, and none is told of a caller whose token
    /// failed a check of its own: nothing of it is to be believed.
    fn give_up(&self, refusal: impl Into<Refusal>, lenience: Lenience) -> Verdict {
        let refusal = refusal.into();
        let reason = refusal.reason();
        let Lenience { ignored, reported } = lenience;
        let ignored = ignored.filter(|_| reason.blames_token());
        let ignored = ignored.map(|edits| (edits, Despite::Ignored(reason)));
        let reported = reported.map(|edits| (edits, Despite::Reported(reason)));
        match ignored.or(reported) {
            Some((edits, despite)) => Verdict::Forward(Forward {
                despite: Some(despite),
                ..in_nobodys_name(edits)
            }),
            None => Verdict::Refuse(refusal),
        }
    }

    /// What is left of a request where a refusal is not carried out. Worked out for those that fail
    /// alone.
    fn lenience(
        &self,
        enforcement: Enforcement,
        invalid_token: InvalidToken,
        request: &Request,
    ) -> Lenience {
        Lenience {
            ignored: match invalid_token {
                InvalidToken::Refuse => None,
                // Wherever it stands, and whoever else would take it for one. Where that is too
                // costly to see, the token is refused.
                InvalidToken::Ignore => {
                    let edits = self.anonymous(request, Forwarding::Strip).ok();
                    edits.map(|forward| forward.edits)
                }
            },
            reported: match enforcement {
                Enforcement::All => None,
                Enforcement::Report => Some(self.reported_edits(request)),
            },
        }
    }

    /// What a request loses that goes on whatever is wrong with it. Where tokens are to be taken out
    /// of what is too costly to look through, all of that is taken off.
    fn reported_edits(&self, request: &Request) -> Vec<HeaderEdit> {
        let sources = &self.policy.token.sources;
        let mut edits = self.owned_edits(request);
        if self.policy.token.forwarding == Forwarding::Strip {
            edits.extend(
                sources
                    .strip(request)
                    .unwrap_or_else(|_| sources.clear(request)),
            );
        }
        edits
    }

    /// Lets a request go on without a token.
    fn anonymous(&self, request: &Request, forwarding: Forwarding) -> Result<Forward, Reason> {
        Ok(in_nobodys_name(self.edits(request, forwarding)?))
    }

    /// What every forwarded request loses, whatever rule it is under.
    ///
    /// Fails only where tokens are to be taken out of a query or a cookie that is too costly to look
    /// through: what cannot be cleaned does not go on.
    fn edits(&self, request: &Request, forwarding: Forwarding) -> Result<Vec<HeaderEdit>, Reason> {
        let mut edits = self.owned_edits(request);
        if forwarding == Forwarding::Strip {
            edits.extend(self.policy.token.sources.strip(request)?);
        }
        Ok(edits)
    }

    /// The same, but for tokens.
    fn owned_edits(&self, request: &Request) -> Vec<HeaderEdit> {
        let owned = &self.policy.owned;
        let mut edits: Vec<_> = owned.found_in(request).collect();
        // Envoy keeps it on upgrades, and the next proxy takes off what it names.
        edits.extend(owned.connection(request));
        edits.extend(self.policy.token.sources.hide(request));
        edits
    }
}

fn in_nobodys_name(edits: Vec<HeaderEdit>) -> Forward {
    Forward {
        caller: Caller::Anonymous,
        edits,
        despite: None,
        // Nothing of it ends.
        at_expiry: AtExpiry::Keep,
    }
}

/// What decides about a request.
enum Chosen {
    /// A rule, or the default.
    Rule(Ruling, Variables),
    /// Nothing: it is answered.
    Answer(Reply),
}

/// What every reading of the request chooses.
fn choose(policy: &Policy, request: &Request, seen: &mut impl Observer) -> Result<Chosen, Reason> {
    let chosen = chosen(policy, request).map_err(|_| Reason::UnsafePath);
    // Without such rules there is only one answer, and the step is no step: `explain` does not show what
    // was not asked.
    let chosen = match policy.decides_by_paths() || policy.decides_by_hosts() {
        true => seen.step(Step::Path, chosen),
        false => chosen,
    }?;
    // After the path, since it is the path's cause that an operator wants to read of a request with
    // both faults.
    if policy.decides_by_methods() {
        let safe = policy.check_method(request);
        seen.step(Step::Method, safe.map_err(|_| Reason::UnsafeMethod))?;
    }
    Ok(chosen)
}

/// The same, from the path and the authority. Both lists share the work of one request.
fn chosen(policy: &Policy, request: &Request) -> Result<Chosen, UnsafePath> {
    let mut work = Work::default();
    if !policy.resources.is_empty() {
        let target = request.target();
        if let Asked::Metadata(document) = policy.resources.asked(&target, &mut work)? {
            return Ok(Chosen::Answer(resource::answer(document, target.method)));
        }
    }
    let (ruling, variables) = policy.choose(request, &mut work)?;
    Ok(Chosen::Rule(ruling, variables))
}

/// The token, or none where the rule lets a request without one pass.
fn the_one_token<'a>(
    policy: &Policy,
    access: &Access,
    request: &'a Request,
) -> Result<Option<Cow<'a, [u8]>>, Reason> {
    match (policy.token.sources.extract(request)?, access) {
        (None, Access::Optional(_)) => Ok(None),
        (None, _) => Err(Reason::MissingToken),
        // Under `optional` too: a token that is there must be good, unless the rule says in writing
        // that a bad one is as none. To pass it over would let a client choose, with a broken one, to
        // be anonymous.
        (token, _) => Ok(token),
    }
}

/// A remembered token: what time and the rule decide is asked again.
fn check_again(
    remembered: Rc<Remembered>,
    demand: &Demand<'_>,
    facts: &Facts,
    patience: Patience,
    seen: &mut impl Observer,
) -> Result<(Rc<Remembered>, Confirmation), Stop> {
    // In the order of a first decision, so that a token is refused for the same reason whether it
    // is remembered or not.
    remembered.verified.readmit(demand, seen)?;
    let confirmation = satisfies(&remembered, demand, facts, patience, seen)?;
    Ok((remembered, confirmation))
}

/// The rule's `confirmed_within`: the word of the token's user pool.
fn confirm(
    remembered: &Remembered,
    compact: &[u8],
    within: Duration,
    (facts, patience): (&Facts, Patience),
    now: Timestamp,
    seen: &mut impl Observer,
) -> Result<(), Stop> {
    let issuer = remembered.verified.issuer();
    let key = *remembered.name.get_or_init(|| facts.name(issuer, compact));
    let subject = Subject { issuer, key };
    let question = Question { subject, within };
    let word = match facts.confirmed(question, now, patience) {
        standing::Word::Good => Ok(()),
        standing::Word::Bad => Err(Refusal::Plain(Reason::TokenRevoked)),
        standing::Word::Unknown(after) => Err(Refusal::RevocationUnknown(after)),
        standing::Word::Open => return Err(Need::Confirmation(question).into()),
    };
    seen.saw(
        Step::Confirmed,
        word.clone().map_err(|refusal| refusal.reason()),
    );
    Ok(word?)
}

/// What is asked of the issuer's word: that it has not been taken back, and the rule's
/// conditions. How lately the user pool must have stood by it is yet to be asked.
fn satisfies<O: Observer>(
    remembered: &Rc<Remembered>,
    demand: &Demand<'_>,
    facts: &Facts,
    patience: Patience,
    seen: &mut O,
) -> Result<Confirmation, Stop> {
    let Remembered {
        verified,
        clear_under,
        ..
    } = &**remembered;
    let satisfied = verified.satisfies(demand, seen, |issuer, seen| {
        let Some(list) = facts.revocations() else {
            return Ok(());
        };
        let (claims, now) = (verified.claims(), demand.now);
        let need = Need::DenyList(verified.issuer());
        match list.ask(issuer, claims, clear_under.get(), now) {
            Word::Clear(generation) => {
                clear_under.set(Some(generation));
                seen.saw(Step::DenyList, Ok(()));
                Ok(())
            }
            Word::Revoked => Ok(seen.step(Step::DenyList, Err(Reason::TokenRevoked))?),
            Word::Unknown(after) => {
                seen.saw(Step::DenyList, Err(Reason::RevocationUnknown));
                Err(Refusal::RevocationUnknown(after).into())
            }
            // The patience may be over for another fact than this one.
            Word::Missing if patience >= Patience::OverForList && facts.waives(need) => Ok(()),
            Word::Missing => Err(need.into()),
        }
    });
    satisfied.map_err(|stop| match stop {
        Stop::Refusal(refusal) if refusal.reason().blames_bearer() => {
            Stop::Unfit(refusal, Rc::clone(remembered))
        }
        other => other,
    })
}
