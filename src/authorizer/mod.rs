//! Lambda authorizers: what a function is told of a request, and what its answer means.
//!
//! API Gateway's third kind of authorizer, beside user pools and IAM: the verdict is a function's of
//! one's own. Functions that were written for API Gateway run unchanged, so the event has exactly
//! the members that API Gateway sends ([`event`]), and the answer means what it means there
//! ([`answer`]).
//!
//! ```text
//!  request ──▶ method_arn    which method of which API; refused if it has none
//!         ├──▶ route         the resource that stands for the rule
//!         ├──▶ identity      who calls: all values, or no call; the key of what is remembered
//!         └──▶ event ──▶ the function ──▶ answer ──▶ policy_document, context
//!                                             │
//!  each request, the remembered answer ───────┴──▶ passes, or is denied
//! ```
//!
//! What is remembered is the answer and not the verdict: a policy is judged anew for each request.
//! So nothing of one request's path may act as a wildcard on another's ([`method_arn`], [`route`]),
//! every reading of a path must be free of explicit denies, and what is not understood closes
//! ([`policy_document`]).

pub mod answer;
pub mod api;
mod condition;
pub mod context;
pub mod event;
pub mod glob;
mod headers;
pub mod identity;
pub mod method_arn;
pub mod policy_document;
mod query;
pub mod route;
pub mod source;
mod statement;
