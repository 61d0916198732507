//! A user of a Cognito emulator, from sign-up to the upstream.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::keyserver::KeyServer;
use crate::harness::process::{
    PATIENCE, eventually, eventually_within, free_ports, provided, stop,
};
use crate::harness::table::{Table, difference};
use crate::harness::upstream::Upstream;

const PASSWORD: &str = "Correct-horse-1";

struct Emulator {
    process: Child,
    address: SocketAddr,
}

impl Emulator {
    fn start() -> Self {
        let [port] = free_ports();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let process = Command::new(provided("MOTO_SERVER"))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            // The ids depend on the call's arguments alone.
            .env("MOTO_COGNITO_IDP_USER_POOL_ID_STRATEGY", "HASH")
            .env("MOTO_COGNITO_IDP_USER_POOL_CLIENT_ID_STRATEGY", "HASH")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MOTO_SERVER names a program");
        let emulator = Self { process, address };
        // A large program, which is read anew where it has left nothing behind.
        eventually_within(2 * PATIENCE, "the emulator to listen", || {
            std::net::TcpStream::connect(address).ok()
        });
        emulator
    }

    /// A call of Cognito's API, as any HTTP client can make it.
    #[track_caller]
    fn call(&self, operation: &str, arguments: &Value) -> Value {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        // The emulator reads the region and the service from here and checks no signature.
        let authorization = "AWS4-HMAC-SHA256 \
            Credential=test/20260101/us-east-1/cognito-idp/aws4_request, SignedHeaders=host, Signature=0";
        let response = Request::new("POST", "/")
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", authorization)
            .header("connection", "close")
            .body(arguments.to_string().as_bytes())
            .send(self.address);
        assert_eq!(response.status, 200, "{operation}: {}", response.body);
        serde_json::from_str(&response.body).unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

#[test]
fn a_user_signs_in_and_reaches_the_upstream() {
    let emulator = Emulator::start();
    let created = emulator.call("CreateUserPool", &json!({"PoolName": "e2e"}));
    let pool = created["UserPool"]["Id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let created = emulator.call(
        "CreateUserPoolClient",
        &json!({"UserPoolId": pool, "ClientName": "e2e", "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]}),
    );
    let client = created["UserPoolClient"]["ClientId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let user = json!({"UserPoolId": pool, "Username": "wilhelmina"});
    emulator.call("AdminCreateUser", &user);
    let password = json!({"UserPoolId": pool, "Username": "wilhelmina", "Password": PASSWORD, "Permanent": true});
    emulator.call("AdminSetUserPassword", &password);
    emulator.call(
        "CreateGroup",
        &json!({"UserPoolId": pool, "GroupName": "admin"}),
    );
    let member = json!({"UserPoolId": pool, "Username": "wilhelmina", "GroupName": "admin"});
    emulator.call("AdminAddUserToGroup", &member);
    let tokens = emulator.call(
        "InitiateAuth",
        &json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH",
                "AuthParameters": {"USERNAME": "wilhelmina", "PASSWORD": PASSWORD}}),
    );
    let token = |name: &str| {
        tokens["AuthenticationResult"][name]
            .as_str()
            .expect("a token")
            .to_owned()
    };

    let keys = KeyServer::start();
    let upstream = Upstream::start();
    let document = json!({
        "user_pools": [{
            "user_pool_id": pool,
            "client_ids": [client],
            "jwks": {
                "cluster": "emulator",
                "uri": format!("http://{}/{pool}/.well-known/jwks.json", emulator.address),
                "timeout": "30s",
            },
            "confirm": {"cluster": "emulator", "timeout": "10s"},
        }],
        "token": {"use": "any"},
        "rules": [{"match": {"path": "/admin"}, "require": {"groups": ["admin"]}},
                  {"match": {"path": "/ops"}, "require": {"groups": ["ops"]}},
                  {"match": {"path": "/pay"},
                   "require": {"token_use": "access", "confirmed_within": "1s"}}],
        "default": "authenticated",
        "claim_headers": [{"header": "x-username", "claim": ["cognito:username", "username"]}],
    });
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .cluster("emulator", emulator.address.port())
            .listener(Listener::new(MAIN, document)),
    );
    let mut table = Table::new(&envoy, &upstream);
    for name in ["IdToken", "AccessToken"] {
        let get = |path: &str| Request::get(path).bearer(&token(name));
        let seen = table.accepted(MAIN, name, &get("/guarded"));
        let values = seen.map(|seen| seen.values("x-username"));
        table.same(name, values, Some(vec!["wilhelmina".to_owned()]));
        table.accepted(MAIN, "its group", &get("/admin"));
        table.refused(MAIN, "not its group", &get("/ops"), "insufficient_group");
    }
    let refresh = Request::get("/guarded").bearer(&token("RefreshToken"));
    table.refused(MAIN, "a refresh token", &refresh, "malformed_token");
    // Signed out everywhere: the token is what it was, and its pool no longer stands by it.
    let pay = Request::get("/pay").bearer(&token("AccessToken"));
    table.accepted(MAIN, "confirmed", &pay);
    let mut requests = table.done();
    emulator.call("AdminUserGlobalSignOut", &user);
    let refused = eventually("the end of the session", || {
        requests += 1;
        let response = pay.send(envoy.main());
        (response.status != 200).then_some(response)
    });
    assert_eq!(difference(&refused, "token_revoked"), None);
    let get = Request::get("/guarded").bearer(&token("AccessToken"));
    assert_eq!(get.send(envoy.main()).status, 200, "no rule asks the pool");
    envoy.finish(requests + 1);
}
