//! A proxy-wasm HTTP filter that checks Amazon Cognito tokens.
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
