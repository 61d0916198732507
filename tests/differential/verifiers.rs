//! All judges, configured alike: one user pool, two app clients, both kinds of token, a minute of
//! skew. Each is as strict as it can be while it still takes both kinds as Cognito makes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use cognito_authorizer::config;
use cognito_authorizer::decision::{self, Decision};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::class::Verdict;
use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::document::{OTHER_CLIENT, POOL, document, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{CLIENT, TestKey, issuer_of, key_set, now};
use crate::harness::keyserver::KeyServer;
use crate::harness::space::Space;
use crate::harness::upstream::Upstream;
use crate::token_builder::Minted;
use crate::verifier::{Door, Judge, Program};

/// Seconds, for every judge.
const SKEW: u64 = 60;
/// The listener with Envoy's own filter.
const NATIVE: &str = "native";

fn keys() -> Value {
    key_set(&[TestKey::first(), TestKey::second(), TestKey::large()])
}

/// `jwt_authn`. Without `audiences`, since with them it refuses every token that has no `aud`.
fn native() -> Value {
    let provider = json!({
        "issuer": issuer_of(POOL),
        "clock_skew_seconds": SKEW,
        "require_expiration": true,
        "forward": true,
        "local_jwks": {"inline_string": keys().to_string()},
    });
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"cognito": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "cognito"}}],
        },
    })
}

/// The judges of a run.
pub(crate) struct Court {
    doors: [(Judge, Door); 2],
    programs: Vec<(Judge, Program)>,
    core: Gate,
    envoy: EnvoyUnderTest,
    _servers: (KeyServer, Upstream),
}

impl Court {
    /// Convenes the two that sit in Envoy, and those that `tests/differential/run.sh` has prepared
    /// in a directory.
    #[track_caller]
    pub(crate) fn convene(prepared: Option<&Path>) -> Self {
        let (keyserver, upstream) = (KeyServer::start(), Upstream::forgetful());
        let skew = json!(format!("{SKEW}s"));
        let document = with(
            document(&[POOL]),
            &[
                ("user_pools.0.jwks", json!({"inline": keys()})),
                ("token.clock_skew", skew),
            ],
        );
        let policy = config::parse(document.to_string().as_bytes());
        let policy = policy.unwrap_or_else(|problems| panic!("{problems}"));
        let core = Gate::new(Rc::new(policy), Rs256::module(), Entropy::new(1));
        let quiet = Setup::new(&keyserver, &upstream).workers(1);
        let envoy = EnvoyUnderTest::start(
            &quiet
                .listener(Listener::new(MAIN, document.clone()))
                .listener(Listener::new(NATIVE, document).instead(native())),
        );
        let setting = json!({
            "keys": keys(),
            "issuer": issuer_of(POOL),
            "pool": POOL,
            "clients": [CLIENT, OTHER_CLIENT],
            "skew": SKEW,
        });
        let programs = prepared.into_iter().flat_map(|prepared| {
            let mut node = Command::new("node");
            node.arg(prepared.join("aws-jwt-verify/judge.mjs"));
            let mut rust = Command::new(prepared.join("bin/judge-jsonwebtoken"));
            [
                (Judge::AwsJwtVerify, Program::start(&mut node, &setting)),
                (Judge::Jsonwebtoken, Program::start(&mut rust, &setting)),
            ]
        });
        Self {
            doors: [
                (Judge::Filter, Door::new(envoy.at(MAIN))),
                (Judge::JwtAuthn, Door::new(envoy.at(NATIVE))),
            ],
            programs: programs.collect(),
            core,
            envoy,
            _servers: (keyserver, upstream),
        }
    }

    /// Who sits.
    pub(crate) fn members(&self) -> Vec<Judge> {
        let doors = self.doors.iter().map(|(judge, _)| *judge);
        let programs = self.programs.iter().map(|(judge, _)| *judge);
        doors.chain(programs).collect()
    }

    /// What each says about a token. The filter is asked twice, since it remembers what it accepted;
    /// and its core, without Envoy and with a verifier of its own, must say the same.
    #[track_caller]
    pub(crate) fn judge(&mut self, minted: &Minted) -> BTreeMap<Judge, Verdict> {
        let usual = [format!("Bearer {}", minted.token).into_bytes()];
        let lines = minted.lines.as_deref().unwrap_or(&usual);
        let mut verdicts = BTreeMap::new();
        for (judge, door) in &mut self.doors {
            verdicts.insert(*judge, door.judge(lines));
        }
        let [(_, filter), _] = &mut self.doors;
        let again = filter.judge(lines);
        assert_eq!(
            Some(&again),
            verdicts.get(&Judge::Filter),
            "asked twice: {}",
            minted.token
        );
        assert_eq!(
            again,
            core_says(&mut self.core, lines),
            "the core alone: {}",
            minted.token
        );
        if minted.lines.is_none() {
            for (judge, program) in &mut self.programs {
                verdicts.insert(*judge, program.judge(&minted.token));
            }
        }
        verdicts
    }

    /// Asserts that every request of the filter was counted once.
    #[track_caller]
    pub(crate) fn adjourn(self) {
        let [(_, filter), _] = &self.doors;
        let requests = filter.requests;
        drop(self.doors);
        self.envoy.finish(requests);
    }
}

fn core_says(core: &mut Gate, lines: &[Vec<u8>]) -> Verdict {
    // As Envoy shows them.
    let trimmed: Vec<_> = lines.iter().map(|line| line.trim_ascii()).collect();
    let joined = (!trimmed.is_empty()).then(|| trimmed.join(&b","[..]));
    let headers = joined.map(|value| ("authorization".into(), value));
    let seconds = f64::from(u32::try_from(now()).expect("before the year 2106"));
    let now = Now {
        wall: Timestamp::from_seconds(seconds).expect("a time"),
        monotonic: Monotonic::default(),
    };
    let request = Request::new(headers.into_iter().collect());
    let verdict = match core.decide(&request, now.wall).0 {
        Decision::Verdict(verdict) => verdict,
        // Inline keys never change: who names another is refused at once.
        Decision::Hold(candidate) => core
            .hold(1, candidate, now, &Space::default())
            .expect("nothing to wait for"),
    };
    match verdict {
        decision::Verdict::Forward(_) => Verdict::Accepts,
        decision::Verdict::Refuse(_) | decision::Verdict::Answer(_) => Verdict::Refuses,
    }
}
