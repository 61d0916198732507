//! An Amazon Cognito authorizer for Envoy: a proxy-wasm HTTP filter that checks the tokens of
//! Cognito user pools in the data path, tells the upstream the caller, and answers all
//! other requests itself.
//!
//! # The way of a request
//!
//! ```text
//!  host      ──▶ gate ──▶ decision ──▶ rules    which rule; can the path be read in two ways?
//!                 ▲          │ ──────▶ request  could the upstream act on another method?
//!                 │          │ ──────▶ facts    where the rule has an authorizer: its answer (authorization), and no token
//!                 │          │ ──────▶ bearer   exactly one token, in the configured places
//!                 │          │ ──────▶ cache    known already? then only time and rule are asked again
//!                 │          │ ──────▶ token    compact serialisation, header, claims: an UntrustedToken
//!                 │          │ ──────▶ verify   issuer, times, use, client: Admitted
//!                 │          │ ──────▶ facts    the issuer's keys (keyring)
//!                 │          │ ──────▶ verify   signature (verifiers): Verified
//!                 │          │ ──────▶ verify   audience, emergency brake
//!                 │          │ ──────▶ facts    the deny list (revocation)
//!                 │          │ ──────▶ verify   the rule's principals, scopes, groups, claims, age of the sign-in
//!                 │          │ ──────▶ facts    the user pool's word, where the rule asks for it (confirmation)
//!                 │          ▼
//!                 └─ Hold  ·  Forward + claim_headers, owned  ·  Refuse + reply  ·  Answer (resource)
//! ```
//!
//! The steps and their order are data ([`step::Step`]); [`decision`] takes them from top to bottom,
//! cheap refusals first, and stops at the first that fails. A fact that is not there yet is a
//! [`facts::Need`]: the gate holds the request, and asks again once the fact has changed. Facts
//! come the other way: `host/worker` ticks, the gate says which calls are to be made, [`facts`]
//! takes their answers in.
//!
//! # What each module knows
//!
//! | module | knows | does not know |
//! |---|---|---|
//! | [`time`], [`refusal`], [`step`], [`header`], [`arn`], [`pool`], [`principal`], [`signature`], [`json`], [`percent`], [`work`] | the words of the field, and the order of the checks | how a check is made |
//! | [`remote`] | when a document is fetched and a question put, by which VM, how all share the answer, why a call failed | what is in it, and how a call is made |
//! | [`rs256`], [`es384`], [`jwks`], [`verifiers`] | keys and signatures; `rs256` alone names the crypto crate | where keys come from |
//! | [`claims`], [`token`] | what a token looks like | what is allowed |
//! | [`deny_list`] | whose tokens a list names, and what one looks like | how old it may be |
//! | [`rules`] | which rule a request falls under, and what it asks of a token | whether the token is true |
//! | [`request`], [`bearer`] | what a request looks like, and where its token stands | what is in the token |
//! | [`authorizer`] | what a Lambda authorizer's function is told, what it may answer, and what a policy says | how it is called, and for which rule |
//! | [`claim_headers`], [`owned`], [`reply`], [`resource`], [`policy`] | what the configuration decides | how it is spelled |
//! | [`config`] | field names, defaults, limits | what happens to a request |
//! | [`verify`], [`cache`] | when a token is true, and for how long | where it stood |
//! | [`keyring`], [`revocation`] | which issuer has which keys, what has been revoked, and what an operator is told of both | when they are fetched |
//! | [`confirmation`] | whether a user pool still stands by a token, and how it is asked | which rule wants to know |
//! | [`authorization`] | what authorizers have answered, for how long, and how they are asked | what an answer means |
//! | [`facts`] | what a decision may lack, and whether it will come | what is decided with it |
//! | [`decision`] | all steps, top to bottom | that a request can wait |
//! | [`gate`] | which requests wait for what | that there is an Envoy |
//! | [`host`] | Envoy's callbacks, and how a call is made | what is decided, and what a call is for |
//!
//! No module uses one that stands in a row below its own; `tests/core/layers.rs` has the exact
//! list, and reads this table.
//!
//! `src/cli` is no module of this crate but a second crate beside it, the desk tool behind the
//! feature `cli`: it reads files, asks these modules, and prints what they answer, so that what it
//! says of a configuration or a token is what Envoy will do. Nothing here knows of it.
//!
//! `src/native` holds crates of their own too: a second host, which runs the same core as a dynamic
//! module of Envoy. All `unsafe` code of the project is in `src/native/abi` and in `src/host/abi`, a crate
//! for one call that the SDK makes with less than it takes.
//!
//! The SDK is a dependency of the wasm target only, so that a core module which named it would not
//! compile natively; no core module reads a clock or does I/O: times are parameters, and shared
//! data is [`remote::space::SharedSpace`].
//!
//! # Known attacks, and what stops each
//!
//! | attack | stopped by |
//! |---|---|
//! | `alg: none`, HS256 with the public key | one algorithm, compared as text ([`token`]); for AWS accounts a second one, and a key is for one of them ([`verifiers`]) |
//! | key material inside the token (`jwk`, `jku`, `x5c`, `x5u`) | never read: [`verify::Admitted::verify`] takes the issuer's own set |
//! | another pool's token with a known `kid` | the issuer chooses the set before the `kid` chooses the key |
//! | an AWS account's token where users are meant, or a user's where roles are | the issuer decides whose token it is, and each has a type of its own ([`verify`], [`claims`]) |
//! | `role/batchX` or `x/role/batch` for `role/batch/*`, a session's name, another account's role of the same name | whole ARNs, and `/*` after a whole segment ([`principal`]) |
//! | refresh token, or id token where an access token is wanted | `token_use` must be there and be the wanted one ([`verify`]) |
//! | duplicate members, two spellings of a byte, an object that is a number to some | strict readers ([`json`], [`token`]); two parsers must agree |
//! | two tokens, one for each reader | every place and every line counts, as the loosest parser reads them ([`bearer`], [`request`]) |
//! | a token that a WebSocket's upstream would log or choose as its protocol | taken off on every way out ([`bearer`]) |
//! | cookies of two users of one browser | two tokens ([`bearer`]) |
//! | spoofed claim headers, on open paths too | [`claim_headers`] are the filter's own: set or removed on every way out |
//! | the same as `x.cognito.sub`, in a trailer, or named in `connection` | whatever folds to a name of the filter's own is its own ([`owned`]) |
//! | another organization in a second line, a list or an alias of a header that is compared with a claim | one line with one value, or it equals nothing ([`request`]); aliases are taken off ([`owned`]) |
//! | a claim of a shape that hides a value from `none` | what cannot be read fails every matcher ([`claims`], [`rules`]) |
//! | a claim header that renames the client or the method (`forwarded`) | names with a meaning are reserved ([`header`]) |
//! | a claim of ` admin `, `a,b` or a line feed | what would be read as another value is escaped, or not sent ([`claim_headers`]) |
//! | `/%61dmin`, `//admin`, `/x/..;/admin`, `/admin%3Fx`, `/adm%C4%B0n`, a trailing slash | every reading of a path must choose the same rule ([`rules`]) |
//! | a user called `alice?x` or `alice/x` on the path of `alice` | a variable that is compared with a claim has one value in all readings ([`rules`]) |
//! | `/admin.json`, `/index.php/admin`: what a router adds by itself | nothing but `default: nobody`; the desk tool warns where a weaker default lies below a strict rule |
//! | `post`, `HEAD` for `GET`, `_method`, `x-http-method-override`, `x-forwarded-host`, `x-original-url` | refused, taken off, or under the same rule, where something is decided by what they override ([`request`], [`owned`], [`rules`]) |
//! | a request dressed as a preflight | one has no body; what passes as one loses credentials and overrides ([`decision`], [`owned`]) |
//! | paths that are costly to compare | what finding the rule may cost is counted ([`rules::work`]) |
//! | an `aud`, a header or a query that is costly before the signature | bounded lengths; patterns are asked after the signature ([`verify`], [`token`], [`request`]) |
//! | floods of random `kid`s | one fetch in ten seconds per process, and waiting places of their own ([`remote`], [`gate`]) |
//! | the same, so that genuine tokens of a new key are thrown away | a token made since the newest set gets 503, not 401 ([`facts`]) |
//! | a token of somebody who has been signed out | a list of whom no token is honoured, and times before which none is ([`deny_list`], [`verify`]) |
//! | an old list played back, a list nobody writes any more | `written_at` never falls, and has a greatest age ([`deny_list`], [`revocation`]) |
//! | floods of one-time tokens | only accepted ones are remembered, and newcomers push out newcomers ([`cache`]) |
//! | tokens that take many times their text in memory | the cache weighs what an entry takes ([`cache`], [`claims`]) |
//! | a hash that collides | the cache compares whole tokens ([`cache`]) |
//! | a path that is a resource's metadata to some servers only | its path is found as rules find theirs ([`resource`]) |
//! | a bad token where a bad one is as none, for an upstream that believes it | taken off the request, wherever it stood ([`decision`], [`bearer`]) |
//! | a forged claim header where refusals are only reported | the filter's own headers are taken off whatever the decision is ([`decision`]) |
//! | an authorizer that is down, slow, or answers nonsense | no answer, no request: nothing but a fresh answer is judged ([`authorization`]) |
//! | floods of identities that nothing is remembered of | a pattern before any call, calls and waiting requests bounded apart from all others ([`authorization`], [`gate`]) |
//! | context headers that a client wrote | as claim headers: set from an answer, or removed ([`claim_headers`]) |
//! | a refusal that a shared cache keeps | `no-store` with every status that caches keep unasked ([`reply`]) |
//! | a host that says yes to everything | it must first refuse two forgeries ([`rs256`]) |
//! | one byte that is not UTF-8 | `host` reads and writes headers as bytes |
//! | a stream that outlives its token | a tick cuts it, where the policy says so ([`gate`]) |
//! | a `*` in the path of one request as a wildcard of a remembered policy | it is an escape in all that a function is told ([`authorizer::method_arn`]) |
//! | another reading of a path that a policy denies, a condition that is not understood | every reading is free of denies; what is not understood closes ([`authorizer::policy_document`]) |
//! | a function's error, or Lambda's, for an answer | only a strict reader's yes is one ([`authorizer::answer`]) |
//! | everything oversized | named limits, each with its error and its test |

pub mod arn;
pub mod authorization;
pub mod authorizer;
pub mod bearer;
pub mod cache;
pub mod claim_headers;
pub mod claims;
pub mod config;
pub mod confirmation;
pub mod decision;
pub mod deny_list;
pub mod es384;
pub mod facts;
pub mod gate;
pub mod header;
pub mod host;
pub mod json;
pub mod jwks;
pub mod keyring;
pub mod owned;
pub mod percent;
pub mod policy;
pub mod pool;
pub mod principal;
pub mod refusal;
pub mod remote;
pub mod reply;
pub mod request;
pub mod resource;
pub mod revocation;
pub mod rs256;
pub mod rules;
pub mod signature;
pub mod step;
pub mod time;
pub mod token;
pub mod verifiers;
pub mod verify;
pub mod work;
