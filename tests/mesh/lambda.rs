//! A Lambda authorizer behind a control plane's `lambda.yaml`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::front::Front;
use crate::harness::client::Request;
use crate::harness::ministack::{ACCOUNT, Credentials, Furniture, Ministack, REGION};
use crate::stage::beside;

/// An account with a function, which the proxy may invoke, and the same, which it may not.
pub(crate) struct Lambda {
    account: Furniture,
    endpoint: Endpoint,
    _ministack: Ministack,
}

impl Lambda {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let ministack = Ministack::start();
        let account = ministack.furnish(json!({
            "functions": {"policy": "policy.js", "locked": "policy.js"},
            "callers": {"gateway": ["policy"]},
        }));
        let port = ministack.address().port();
        Self {
            account,
            endpoint: Endpoint::with_certificate(port, &beside("tls/aws.crt")),
            _ministack: ministack,
        }
    }

    /// The port on which it speaks TLS, with a certificate of this authority.
    pub(crate) fn endpoint(&self) -> (u16, PathBuf) {
        (self.endpoint.port(), beside("tls/authority.crt"))
    }

    /// The proxy's credentials.
    #[track_caller]
    pub(crate) fn credentials(&self) -> [(&'static str, String); 2] {
        let Credentials { key, secret } = self.account.caller("gateway");
        [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ]
    }

    /// A configuration that has a function decide, which is invoked through this cluster.
    #[track_caller]
    pub(crate) fn configuration(&self, function: &str, cluster: &str) -> Value {
        json!({
            "authorizers": [{
                "name": "partners",
                "type": "token",
                "function": self.account.function(function),
                "cluster": cluster,
                "answer": "policy",
                "identity": [{"header": "Authorization"}],
                "cache": {"ttl": "300s", "entries": 100},
                "api": {
                    "region": REGION, "account_id": ACCOUNT, "api_id": "a1b2c3d4e5", "stage": "prod",
                },
            }],
            "default": {"authorizer": "partners"},
            "rules": [{"match": {"path": "/open"}, "allow": "anyone"}],
        })
    }
}

/// The function decides about a front's requests, once the front has heard of it.
#[track_caller]
pub(crate) fn decides(front: &Front) {
    let admitted = Request::get("/orders/1").header("authorization", "Bearer reader");
    front.await_status(&admitted, 200);
    for (path, token, status) in [
        ("/orders/1", None, 401),
        ("/orders/secret", Some("Bearer reader"), 403),
        ("/orders/1", Some("Bearer nobody"), 403),
        ("/open", None, 200),
    ] {
        let request = Request::get(path);
        let request = match token {
            Some(token) => request.header("authorization", token),
            None => request,
        };
        assert_eq!(front.send(&request).status, status, "{path} {token:?}");
    }
}

/// The function was not to be invoked: the proxy may not.
#[track_caller]
pub(crate) fn is_out_of_reach(front: &Front) {
    let request = Request::get("/orders/1").header("authorization", "Bearer reader");
    assert_eq!(front.send(&request).status, 503);
    assert_eq!(front.send(&Request::get("/open")).status, 200);
}
