//! What stands around a control plane and its proxies in every test: the service behind them, the key
//! endpoint, and the registry that has the module's image.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::endpoint::{Endpoint, GENUINE};
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::upstream::Upstream;
use crate::registry::{Image, Registry};

/// How long a control plane may take on a machine that does something else as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// The user pool of the examples.
pub(crate) const POOL: &str = "us-east-1_AbCdEf123";
/// The origin of their browser application.
pub(crate) const ORIGIN: &str = "https://app.example.com";
/// The host that is served.
pub(crate) const HOST: &str = "api.example.com";
/// The image that they name, with the digest of nothing.
pub(crate) const IMAGE: &str = "registry.example.com/cognito-authorizer@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The servers, and the image.
pub(crate) struct Stage {
    pub(crate) upstream: Upstream,
    pub(crate) keys: KeyServer,
    pub(crate) registry: Registry,
    pub(crate) image: Image,
    /// Amazon's, in front of the keys.
    pub(crate) endpoint: Endpoint,
}

impl Stage {
    /// The key endpoint shows a genuine certificate.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with_certificate(GENUINE)
    }

    /// It shows this one, a file of the deployment tests.
    #[track_caller]
    pub(crate) fn with_certificate(certificate: &str) -> Self {
        let keys = KeyServer::start();
        keys.publish(POOL, &[TestKey::first()]);
        let registry = Registry::start();
        Self {
            upstream: Upstream::start(),
            endpoint: Endpoint::start(keys.port(), certificate),
            keys,
            image: registry.push(),
            registry,
        }
    }
}

/// An access token that reads orders.
pub(crate) fn reader() -> Token {
    Token::access(POOL).claim("scope", "openid orders/read")
}

/// A file beside these tests.
pub(crate) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/mesh")
        .join(path)
}
