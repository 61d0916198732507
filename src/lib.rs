//! An Amazon Cognito authorizer for Envoy: a proxy-wasm HTTP filter that checks the tokens of
//! Cognito user pools in the data path, tells the upstream who is calling, and answers everyone
//! else itself.
//!
//! # The way of a request
//!
//! ```text
//!  host/http ──▶ gate ──▶ rules    which rule; can the path be read in two ways?
//!                 │ ────▶ bearer   exactly one token, in the configured places
//!                 │ ────▶ cache    known already? then only time and rule are asked again
//!                 │ ────▶ token    compact serialisation, header, claims: an UntrustedToken
//!                 │ ────▶ verify   issuer, times, use, client, audience: Admitted
//!                 │ ────▶ keyring  the issuer's keys; none yet? the request is held
//!                 │ ────▶ verify   signature (rs256): Verified
//!                 │ ────▶ rules    scopes, groups, claims, age of the sign-in
//!                 ▼
//!          Forward + claim_headers  ·  Refuse + reply  ·  Hold
//! ```
//!
//! The whole decision is [`gate::Gate::decide`], cheap refusals first. Keys come the other way:
//! `host/root` ticks, [`keyring`] says what to fetch, the answer goes into data shared by all VMs
//! of the process, and the gate wakes whom it held.
//!
//! # Who knows what
//!
//! | module | knows | does not know |
//! |---|---|---|
//! | [`time`], [`reject`], [`pool`], [`header`], [`json`] | the words of the field | each other |
//! | [`bearer`], [`token`], [`claims`] | what a request and a token look like | what is allowed |
//! | [`jwks`], [`rs256`] | keys and signatures; `rs256` alone names the crypto crate | where keys come from |
//! | [`rules`], [`claim_headers`], [`reply`], [`policy`] | what the configuration decides | how it is spelled |
//! | [`config`] | field names, defaults, limits | what happens to a request |
//! | [`verify`], [`cache`] | when a token is true, and for how long | where it stood |
//! | [`keyring`] | when to fetch and who does | how a fetch is made |
//! | [`gate`] | the order of things | that there is an Envoy |
//! | `host` | Envoy, and nothing else | why |
//!
//! `src/cli` is no module of this crate but a second crate beside it, the desk tool behind the feature
//! `cli`: it reads files, asks these modules, and prints what they answer, so that what it says of a
//! configuration or a token is what Envoy will do. Nothing here knows of it.
//!
//! Dependencies run downwards in the order of the first picture, and never back. The SDK is a
//! dependency of the wasm target only, so that a core module which named it would not compile
//! natively; no core module reads a clock or does I/O: times are parameters, and shared data is
//! [`keyring::shared::SharedSpace`].
//!
//! # Known attacks, and what stops each
//!
//! | attack | stopped by |
//! |---|---|
//! | `alg: none`, HS256 with the public key | one algorithm, compared as text ([`token`]); no other is implemented |
//! | key material inside the token (`jwk`, `jku`, `x5c`, `x5u`) | never read: [`verify::Admitted::verify`] takes the issuer's own set |
//! | another pool's token with a known `kid` | the issuer chooses the set before the `kid` chooses the key |
//! | refresh token, or id token where an access token is wanted | `token_use` must be there and be the wanted one ([`verify`]) |
//! | two tokens, one for each reader | every place and every line counts ([`bearer`]) |
//! | duplicate members, two spellings of a byte | strict readers ([`json`], [`token`]); two parsers must agree |
//! | spoofed claim headers, on open paths too | [`claim_headers`] are the filter's own: set or removed on every way out |
//! | `/%61dmin`, `//admin`, `/x/..;/admin`, `/admin%3Fx` | every reading of a path must choose the same rule ([`rules`]) |
//! | paths that are costly to compare | what finding the rule may cost is counted ([`rules::work`]) |
//! | floods of random `kid`s | one fetch in ten seconds per process, and waiting places of their own ([`keyring`], [`gate`]) |
//! | floods of one-time tokens | only accepted ones are remembered, and newcomers push out newcomers ([`cache`]) |
//! | a hash that collides | the cache compares whole tokens ([`cache`]) |
//! | a host that says yes to everything | it must first refuse two forgeries ([`rs256`]) |
//! | one byte that is not UTF-8 | `host` reads and writes headers as bytes |
//! | everything oversized | named limits, each with its error and its test |

pub mod bearer;
pub mod cache;
pub mod claim_headers;
pub mod claims;
pub mod config;
pub mod gate;
pub mod header;
pub mod json;
pub mod jwks;
pub mod keyring;
pub mod policy;
pub mod pool;
pub mod reject;
pub mod reply;
pub mod rs256;
pub mod rules;
pub mod time;
pub mod token;
pub mod verify;

#[cfg(target_arch = "wasm32")]
mod host;
