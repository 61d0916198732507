//! What is fuzzed: one function for each target, from bytes to a panic if a promise is broken.
//!
//! Each holds the code against a model of its own, written from the documentation and as simple as
//! can be. `targets` hands the functions to libFuzzer; `tests/corpus.rs` has them replay what is
//! under `corpus`, and some random changes of it, on any compiler.

// A promise is broken by panicking, and models are short.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::unwrap_used
)]
#![allow(clippy::as_conversions, clippy::indexing_slicing, clippy::panic)]

mod authorizer;
mod base64url;
mod bearer;
mod claim_headers;
mod configuration;
mod confirmation;
mod decision;
mod deny_list;
#[path = "../../core/config/forms.rs"]
mod forms;
#[path = "../../harness/issuer.rs"]
mod issuer;
mod jwks;
#[path = "../../core/authorizer/naive.rs"]
mod naive;
mod notary;
mod path;
mod plan;
mod principals;
#[path = "../../core/paths/readings.rs"]
mod readings;
mod requirement;
mod signature;
#[path = "../../harness/space.rs"]
mod space;
mod token;
#[path = "../../core/paths/upstream.rs"]
mod upstream;
mod world;

pub use authorizer::{authorizer_answer, authorizer_policy};
pub use bearer::bearer;
pub use claim_headers::claim_headers;
pub use configuration::{config_json, config_struct, config_tree};
pub use confirmation::confirmation;
pub use decision::decision;
pub use deny_list::deny_list;
pub use jwks::jwks;
pub use path::path;
pub use principals::principals;
pub use requirement::requirement;
pub use signature::signature;
pub use token::token;

/// A target: bytes in, a panic if a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of a folder under `corpus`.
pub const TARGETS: [(&str, Target); 16] = [
    ("token", token),
    ("jwks", jwks),
    ("config_json", config_json),
    ("config_struct", config_struct),
    ("config_tree", config_tree),
    ("path", path),
    ("bearer", bearer),
    ("claim_headers", claim_headers),
    ("signature", signature),
    ("decision", decision),
    ("deny_list", deny_list),
    ("principals", principals),
    ("requirement", requirement),
    ("confirmation", confirmation),
    ("authorizer_answer", authorizer_answer),
    ("authorizer_policy", authorizer_policy),
];
