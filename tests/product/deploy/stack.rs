//! An Envoy as in production, between an upstream and a key server.

use serde_json::Value;

use crate::deploy::bootstrap::Setup;
use crate::harness::client::{Pending, Request, Response};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::{Seen, Upstream};

/// The user pool of all configurations under `envoy/` but the demo's.
pub(crate) const POOL: &str = "us-east-1_AbCdEf123";
/// A certificate that the configuration asks for.
pub(crate) const GENUINE: &str = "keys.crt";

/// The servers, and how many requests the filter must have decided.
pub(crate) struct Stack {
    pub(crate) envoy: EnvoyUnderTest,
    upstream: Upstream,
    pub(crate) keys: KeyServer,
    decided: usize,
}

impl Stack {
    /// Starts production.yaml with a key endpoint that shows `certificate`, changed by `adapt`.
    #[track_caller]
    pub(crate) fn start(certificate: &str, adapt: impl FnOnce(&mut Setup)) -> Self {
        let keys = KeyServer::start();
        keys.publish(POOL, &[TestKey::first()]);
        let upstream = Upstream::start();
        let mut setup = Setup::production(keys.port(), upstream.port(), certificate);
        adapt(&mut setup);
        Self {
            envoy: EnvoyUnderTest::start(&setup),
            upstream,
            keys,
            decided: 0,
        }
    }

    /// Sends a request that the filter decides on.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        self.decided += 1;
        self.send_undecided(request)
    }

    /// Sends a request that the filter decides on, and leaves it on its way.
    #[track_caller]
    pub(crate) fn open(&mut self, request: &Request) -> Pending {
        self.decided += 1;
        let request = request.clone().host("api.example.com");
        request.open(self.envoy.main())
    }

    /// Sends a request that something before the filter answers.
    #[track_caller]
    pub(crate) fn send_undecided(&self, request: &Request) -> Response {
        request
            .clone()
            .host("api.example.com")
            .send(self.envoy.main())
    }

    /// What reached the upstream of a request.
    pub(crate) fn seen(&self, request: &Request) -> Vec<Seen> {
        self.upstream.seen(request.case())
    }

    /// The line of the access log about `path`.
    #[track_caller]
    pub(crate) fn access_log(&self, path: &str) -> Value {
        eventually("a line in the access log", || {
            let log = self.envoy.log();
            log.lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["path"] == path)
        })
    }

    /// Stops Envoy, which must have decided every request once.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.envoy.finish(self.decided);
    }
}

/// An access token that reads orders.
pub(crate) fn reader() -> Token {
    Token::access(POOL).claim("scope", "openid orders/read")
}
