//! The resolved policy: all that the configuration decides, in words of the field.
//!
//! Nothing here knows how a setting is spelled; [`crate::config`] alone does. What has a `Default`
//! is either an outright "nothing asked for" or the documented default of an optional field; no
//! default lets a request pass.

use crate::authorizer::answer::AnswerType;
use crate::authorizer::event::{EventSettings, Format};
use crate::authorizer::identity::IdentitySource;
use crate::bearer::TokenSources;
use crate::claim_headers::ClaimHeaders;
use crate::header::HeaderName;
use crate::jwks::{KeyKinds, KeySet};
use crate::owned::{Override, OwnedHeaders};
use crate::pool::{UserPool, UserPoolId};
use crate::refusal::{ApiKind, Refusal};
use crate::remote::call::Endpoint;
use crate::remote::document::Source;
use crate::reply::{Client, Occasion, Reply, RequestUri, ResourceHint, Responses};
use crate::request::{Request, UnsafeMethod};
use crate::resource::{Asked, Resources};
use crate::rules::expression::Expression;
use crate::rules::index::{UnsafePath, Variables};
use crate::rules::requirement::{AnyOf, Requirement, WantedUse};
use crate::rules::work::{MAX_WORK, Work};
use crate::rules::{Rules, Ruling};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// The most that finding out what to tell a client of a resource may cost: some ten times what an
/// honest path needs. A dearer one gets a challenge without it.
const HINT_WORK: usize = MAX_WORK / 8;

/// Everything that the configuration decides.
#[derive(Debug)]
pub struct Policy {
    /// Whose tokens are admitted.
    pub issuers: Issuers,
    /// Functions of one's own that decide instead of tokens, in the order of the configuration.
    pub authorizers: Vec<Authorizer>,
    /// Where it is said which tokens have been revoked, if anywhere.
    pub deny_list: Option<DenyListPolicy>,
    /// What is asked of every token, and where it is looked for.
    pub token: TokenPolicy,
    /// The rules, and what becomes of a request that none of them matches.
    pub rules: Rules,
    /// The resources whose metadata is answered here.
    pub resources: Resources,
    /// What becomes of a cross-origin preflight.
    pub preflight: Preflight,
    /// What becomes of a query that names another method.
    pub method_override: Override,
    /// The headers that are the filter's own.
    pub owned: OwnedHeaders,
    /// What the upstream is told.
    pub claim_headers: ClaimHeaders,
    /// What the refused are told.
    pub responses: Responses,
    /// Whether access logs are told the caller.
    pub identity: Identity,
    /// Whether claim headers take part in choosing the route.
    pub route: RouteChoice,
    /// Where signatures are verified.
    pub signature: SignaturePolicy,
}

impl Policy {
    /// Whether anything is decided by methods: a rule, or what passes as a preflight.
    #[must_use]
    pub fn decides_by_methods(&self) -> bool {
        decides_by_methods(&self.rules, &self.resources, self.preflight)
    }

    /// Whether anything is decided by paths.
    #[must_use]
    pub fn decides_by_paths(&self) -> bool {
        decides_by_paths(&self.rules, &self.resources)
    }

    /// Whether anything is decided by hosts.
    #[must_use]
    pub fn decides_by_hosts(&self) -> bool {
        decides_by_hosts(&self.rules, &self.resources)
    }

    /// Whether the reply to a refusal says anything of the request: the host has to read it once
    /// more then, which other refusals are spared.
    #[must_use]
    pub fn reply_depends_on_request(&self, refusal: &Refusal) -> bool {
        self.responses.looks_at_request(refusal)
            || !self.resources.is_empty() && self.responses.challenges(refusal)
    }

    /// The reply to a refusal of this request.
    #[must_use]
    pub fn reply(&self, request: &Request, refusal: &Refusal) -> Reply {
        // A browser that is sent to sign in is not to take a token along: into the login page's logs,
        // and back, where it would be a second one beside that of the sign-in.
        let sources = &self.token.sources;
        let path = request.first(":path");
        let path = path.and_then(|path| sources.path_without_tokens(path));
        let occasion = Occasion {
            request_id: request.first("x-request-id"),
            resource: self
                .responses
                .challenges(refusal)
                .then(|| self.hint(request))
                .flatten(),
            client: match request.is_navigation() {
                true => Client::Browser,
                false => Client::Program,
            },
            uri: RequestUri {
                scheme: request.first(":scheme"),
                authority: request.first(":authority"),
                path: path.as_deref(),
            },
        };
        self.responses.reply(refusal, &occasion)
    }

    /// What the client is told of the resource that a request is for.
    fn hint(&self, request: &Request) -> Option<ResourceHint<'_>> {
        let target = request.target();
        // What it costs comes on top of what the decision has cost.
        let mut work = Work::default();
        work.spend(MAX_WORK.saturating_sub(HINT_WORK)).ok()?;
        // Paths that could be another's have been refused as such, without a challenge.
        let Asked::Under(metadata_url) = self.resources.asked(&target, &mut work).ok()? else {
            return None;
        };
        let chosen = self.rules.choose_within(&target, &mut work).ok();
        let requirement = chosen.and_then(|(ruling, _)| self.rules.requirement(ruling));
        let scopes = requirement.map(Requirement::wanted_scopes);
        Some(ResourceHint {
            metadata_url,
            scopes: scopes.unwrap_or_default(),
        })
    }

    /// The rule that every reading of a request chooses, and what the request has in place of what the
    /// rule compares claims with.
    ///
    /// # Errors
    /// The path or authority could be read as one under another rule.
    pub fn choose(
        &self,
        request: &Request,
        work: &mut Work,
    ) -> Result<(Ruling, Variables), UnsafePath> {
        // Nothing of the request matters where there is but one answer.
        if self.rules.is_empty() && !self.rules.looks_at_paths() {
            return Ok((Ruling::DEFAULT, Variables::default()));
        }
        let (ruling, mut variables) = self.rules.choose_within(&request.target(), work)?;
        for header in self.rules.headers(ruling) {
            if let Some(value) = request.agreed(header) {
                variables.bind(header, value);
            }
        }
        Ok((ruling, variables))
    }

    /// Whether the upstream will take the method for the one that the rules see. Asked where
    /// something is [decided by methods](Self::decides_by_methods).
    ///
    /// # Errors
    /// It may take another.
    pub fn check_method(&self, request: &Request) -> Result<(), UnsafeMethod> {
        request.check_method()?;
        match self.method_override {
            Override::Strip => request.check_method_parameter(),
            Override::Keep => Ok(()),
        }
    }
}

/// Whether rules, resources, or what passes as a preflight, decide by methods.
#[must_use]
pub fn decides_by_methods(rules: &Rules, resources: &Resources, preflight: Preflight) -> bool {
    rules.looks_at_methods() || resources.looks_at_methods() || preflight == Preflight::Pass
}

/// Whether rules or resources decide by paths.
#[must_use]
pub fn decides_by_paths(rules: &Rules, resources: &Resources) -> bool {
    rules.looks_at_paths() || resources.looks_at_paths()
}

/// Whether rules or resources decide by hosts.
#[must_use]
pub fn decides_by_hosts(rules: &Rules, resources: &Resources) -> bool {
    rules.looks_at_hosts() || resources.looks_at_hosts()
}

/// A user pool, as one of the issuers whose tokens are admitted.
#[derive(Debug)]
pub struct Pool {
    /// The pool's id.
    pub id: UserPoolId,
    /// The region in which it is asked: its own, or a replica's.
    pub region: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// A second one, under the same keys: while a pool is switched from one form to the other, it
    /// makes tokens of both.
    pub second_issuer: Option<String>,
    /// The app clients whose tokens are admitted; all of them only where the document says `any`.
    pub clients: AnyOf<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Which of its tokens are void.
    pub brake: Brake,
    /// How it is asked whether it still stands by a token; `None` if no rule may have it asked.
    pub confirm: Option<Confirm>,
}

/// How a pool is asked whether it still stands by a token.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// Where. Whoever answers there sees tokens.
    pub endpoint: Endpoint,
    /// How many questions in a second, of the whole process.
    pub max_per_second: usize,
    /// How long after its last confirmation a token serves on while asking fails.
    pub grace: Duration,
}

/// The emergency brake: times before which all tokens of a pool are void, whoever has them. The
/// default voids none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Brake {
    /// Of the issue: `iat`.
    pub issued_after: Option<Timestamp>,
    /// Of the sign-in: `auth_time`, which refreshed tokens keep.
    pub signed_in_after: Option<Timestamp>,
}

/// Where it is said which tokens have been revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyListPolicy {
    /// Where the list is fetched, how often, and how long it serves while that fails.
    pub source: Source,
    /// How old a list may be by its own word.
    pub max_age: MaxAge,
    /// What becomes of tokens while the list is too old, or is not there.
    pub when_stale: WhenStale,
    /// How many entries are taken.
    pub max_entries: usize,
}

/// How old a list may be by its own word: whoever writes it may have stopped, and the endpoint goes
/// on answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// This old.
    For(Duration),
    /// As old as it is.
    Forever,
}

/// What becomes of tokens while the deny list is too old, or is not there. There is no default: one
/// is an outage, the other lets a stolen token live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStale {
    /// They are refused.
    Refuse,
    /// Those that the last list does not name are served.
    Serve,
}

/// What becomes of a request, or a stream, that is open still when its token ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtExpiry {
    /// It goes on to its own end, as it does in API Gateway.
    #[default]
    Keep,
    /// It is cut.
    Close,
}

/// A function of one's own that decides, as a Lambda authorizer of API Gateway.
#[derive(Debug)]
pub struct Authorizer {
    /// What rules and metrics call it.
    pub name: String,
    /// What it is told of a request, and what it tells its callers apart by.
    pub settings: EventSettings,
    /// What it answers.
    pub answer: AnswerType,
    /// What the one value of its identity must match.
    pub pattern: IdentityPattern,
    /// Where it is asked. The cluster signs the call: nothing here has a key.
    pub endpoint: Endpoint,
    /// How long its answers are remembered.
    pub memory: Memory,
}

impl Authorizer {
    /// For which kind of API the function was written.
    #[must_use]
    pub const fn api_kind(&self) -> ApiKind {
        match self.settings.format {
            Format::Token | Format::Rest => ApiKind::Rest,
            Format::Http1 | Format::Http2 => ApiKind::Http,
        }
    }

    /// The headers that its callers are told apart by.
    pub fn identity_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.settings
            .identity
            .iter()
            .filter_map(|source| match source {
                IdentitySource::Header(header) => Some(&header.name),
                IdentitySource::Query(_) | IdentitySource::Context(_) => None,
            })
    }

    /// The parameters of the query that its callers are told apart by.
    pub fn identity_queries(&self) -> impl Iterator<Item = &str> {
        self.settings
            .identity
            .iter()
            .filter_map(|source| match source {
                IdentitySource::Query(name) => Some(&**name),
                IdentitySource::Header(_) | IdentitySource::Context(_) => None,
            })
    }
}

/// What the value of an identity must match before anybody is asked (API Gateway's identity
/// validation expression).
#[derive(Debug)]
pub enum IdentityPattern {
    /// Nothing.
    Any,
    /// This expression, from the first byte to the last.
    Matching(Expression),
}

/// What a worker remembers of an authorizer's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// For how long; not at all if zero.
    pub ttl: Duration,
    /// How many of them.
    pub entries: usize,
}

/// An AWS account, as one of the issuers whose tokens are admitted.
///
/// Its tokens are made by `sts:GetWebIdentityToken`, and speak of a role or user of the account. A
/// rule admits them only if it names principals.
#[derive(Debug)]
pub struct Account {
    /// The account's number.
    pub number: String,
    /// The AWS partition in which it is.
    pub partition: &'static str,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The wanted audiences, of which a token needs one. Never empty: a token for another service
    /// must be of no use here.
    pub audiences: Vec<String>,
    /// The AWS organization of which the account must be a member.
    pub organization: AnyOf<String>,
    /// How long ago a token may have been made, whatever its `exp`.
    pub max_token_age: Duration,
    /// Where its keys come from.
    pub keys: KeySource,
}

/// One of the issuers whose tokens are admitted. Beside an id, an `iss` and keys, nothing is common
/// to the two.
#[derive(Clone, Copy, Debug)]
pub enum Issuer<'a> {
    /// Its tokens speak of users and app clients.
    Pool(&'a Pool),
    /// Its tokens speak of IAM roles and users.
    Account(&'a Account),
}

impl<'a> Issuer<'a> {
    /// The exact `iss` of its tokens.
    #[must_use]
    pub fn iss(self) -> &'a str {
        match self {
            Self::Pool(pool) => &pool.issuer,
            Self::Account(account) => &account.issuer,
        }
    }

    /// Another `iss` of its tokens, if they have two.
    #[must_use]
    pub fn second_iss(self) -> Option<&'a str> {
        match self {
            Self::Pool(pool) => pool.second_issuer.as_deref(),
            Self::Account(_) => None,
        }
    }

    /// The user pool's id or the account's number, in metrics and deny lists.
    #[must_use]
    pub fn id(self) -> &'a str {
        match self {
            Self::Pool(pool) => pool.id.as_str(),
            Self::Account(account) => &account.number,
        }
    }

    /// Where its keys come from.
    #[must_use]
    pub const fn keys(self) -> &'a KeySource {
        match self {
            Self::Pool(pool) => &pool.keys,
            Self::Account(account) => &account.keys,
        }
    }

    /// Which kinds of key it signs with.
    #[must_use]
    pub const fn key_kinds(self) -> KeyKinds {
        match self {
            Self::Pool(_) => KeyKinds::Rsa,
            Self::Account(_) => KeyKinds::RsaAndP384,
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Pool(_) => "pool",
            Self::Account(_) => "account",
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub enum KeySource {
    /// The configuration itself.
    Inline(Rc<KeySet>),
    /// A key endpoint, asked through an Envoy cluster.
    Fetched(Source),
}

impl KeySource {
    /// How long a request may wait for keys: as long as one fetch may take.
    #[must_use]
    pub const fn wait_limit(&self) -> Duration {
        match self {
            Self::Inline(_) => Duration::ZERO,
            Self::Fetched(source) => source.endpoint.timeout,
        }
    }
}

/// All issuers, found by the `iss` of their tokens: the user pools, then the AWS accounts.
#[derive(Debug)]
pub struct Issuers {
    pools: Vec<Pool>,
    accounts: Vec<Account>,
    by_iss: HashMap<String, IssuerIndex>,
}

/// Which issuer, of an [`Issuers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerIndex(usize);

impl Issuers {
    /// Collects issuers.
    ///
    /// # Errors
    /// The positions of two with the same `iss`: which of them a token is from could not be told.
    pub fn new(pools: Vec<Pool>, accounts: Vec<Account>) -> Result<Self, (usize, usize)> {
        let mut issuers = Self {
            pools,
            accounts,
            by_iss: HashMap::new(),
        };
        let mut by_iss = HashMap::new();
        for (index, issuer) in issuers.iter() {
            for iss in [Some(issuer.iss()), issuer.second_iss()]
                .into_iter()
                .flatten()
            {
                if let Some(IssuerIndex(earlier)) = by_iss.insert(iss.to_owned(), index) {
                    return Err((earlier, index.0));
                }
            }
        }
        issuers.by_iss = by_iss;
        Ok(issuers)
    }

    /// The issuer whose tokens name exactly this `iss`.
    #[must_use]
    pub fn by_iss(&self, iss: &str) -> Option<IssuerIndex> {
        self.by_iss.get(iss).copied()
    }

    /// The issuer at this position.
    #[must_use]
    pub fn get(&self, IssuerIndex(index): IssuerIndex) -> Option<Issuer<'_>> {
        match index.checked_sub(self.pools.len()) {
            None => self.pools.get(index).map(Issuer::Pool),
            Some(account) => self.accounts.get(account).map(Issuer::Account),
        }
    }

    /// All issuers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (IssuerIndex, Issuer<'_>)> {
        let pools = self.pools.iter().map(Issuer::Pool);
        let issuers = pools.chain(self.accounts.iter().map(Issuer::Account));
        issuers
            .enumerate()
            .map(|(position, issuer)| (IssuerIndex(position), issuer))
    }

    /// The user pools, in the order of the configuration.
    #[must_use]
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// The AWS accounts, in the order of the configuration.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// A name for each issuer in metrics, in their order: its id. Of several issuers with one id
    /// the first has the id, and the others say after a dot which they are: `original`, `updated`,
    /// a replica's region, or a number.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let mut seen = HashMap::<&str, usize>::new();
        let label = |issuer: Issuer<'_>, entries: usize| match (entries, issuer) {
            (1, _) => issuer.id().to_owned(),
            (number, Issuer::Pool(pool)) => format!("{}.{}", issuer.id(), form(pool, number)),
            (number, Issuer::Account(_)) => format!("{}.{number}", issuer.id()),
        };
        let labels = self.iter().map(|(_, issuer)| {
            let entries = seen.entry(issuer.id()).or_default();
            *entries = entries.saturating_add(1);
            label(issuer, *entries)
        });
        labels.collect()
    }
}

/// Which of a pool's issuers an entry has.
fn form(pool: &Pool, number: usize) -> String {
    let user_pool = UserPool::in_region(pool.id.clone(), &pool.region);
    if pool.issuer == user_pool.updated_issuer() {
        "updated".to_owned()
    } else if pool.issuer != user_pool.original_issuer() {
        number.to_string()
    } else if user_pool.is_replica() {
        pool.region.clone()
    } else {
        "original".to_owned()
    }
}

impl IssuerIndex {
    /// The position among all issuers; of a user pool, that in the configuration.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0
    }
}

/// What is asked of every token, and where it is looked for.
#[derive(Debug)]
pub struct TokenPolicy {
    /// The wanted `token_use`; a rule may narrow it.
    pub token_use: WantedUse,
    /// The places where a token may stand.
    pub sources: TokenSources,
    /// By how much clocks may differ.
    pub clock_skew: Duration,
    /// The longest token looked at, in bytes.
    pub max_bytes: usize,
    /// What `aud` must match.
    pub audience: AudiencePolicy,
    /// Whether the upstream sees the token.
    pub forwarding: Forwarding,
    /// How many verified tokens a worker remembers; 0 for none.
    pub cache_entries: usize,
    /// What becomes of a request that is open still when its token ends.
    pub at_expiry: AtExpiry,
}

/// What `aud` must match (API Gateway's identity validation expression).
#[derive(Debug)]
pub enum AudiencePolicy {
    /// Nothing.
    Any,
    /// This expression, anchored at both ends.
    Matching(Expression),
}

/// Whether the upstream sees the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// It stays where the client put it.
    #[default]
    Keep,
    /// It is taken out of every configured place, on every path.
    Strip,
}

/// What becomes of a cross-origin preflight (Fetch standard, "CORS-preflight request").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preflight {
    /// It needs a token like any request.
    #[default]
    RequireToken,
    /// It passes where a token would otherwise be asked for.
    Pass,
}

/// Whether access logs are told the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// No.
    #[default]
    Withhold,
    /// They are published as filter state: `sub` and the app client, or the principal.
    Publish,
}

/// Whether claim headers take part in choosing the route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteChoice {
    /// The filter does not ask for another.
    #[default]
    Keep,
    /// The route is chosen anew once the claim headers are set.
    Anew,
}

/// Where signatures are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// The host, where it proves itself; else the module.
    #[default]
    Auto,
    /// Always the module.
    Module,
}
