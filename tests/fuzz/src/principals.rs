//! Callers with AWS credentials beside users, judged a second time from the documentation; and no
//! token of the one kind ever tells the upstream what only the other may.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::config;
use cognito_authorizer::decision::{Caller, Decision, Forward, Verdict};
use cognito_authorizer::es384::{self, Es384};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::request::Request;
use cognito_authorizer::signature::{HostAnswer, HostVerifier};
use cognito_authorizer::time::Timestamp;
use cognito_authorizer::verifiers::Verifiers;
use cognito_authorizer::verify::Bearer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::notary::{Notary, Signer};

const NOW: f64 = 1_700_000_000.0;
const POOL: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";
const ACCOUNT: &str = "https://one.tokens.sts.global.api.aws";
const OTHER: &str = "https://two.tokens.sts.global.api.aws";
const STS: &str = "https://sts.amazonaws.com/";

/// ES384 that costs nothing: the signature is a digest under a secret, in numbers that fit.
struct Curve {
    proven: RefCell<Option<Vec<u8>>>,
}

impl Curve {
    fn sign(message: &[u8]) -> Vec<u8> {
        let digest = Sha256::digest([b"the curve signs", message].concat());
        digest
            .iter()
            .map(|byte| byte & 0x7f | 1)
            .cycle()
            .take(96)
            .collect()
    }

    fn jwk() -> Value {
        let number = URL_SAFE_NO_PAD.encode([7; 48]);
        json!({"kty": "EC", "crv": "P-384", "alg": "ES384", "kid": "EC384_0", "x": number, "y": number})
    }
}

impl HostVerifier for Curve {
    fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
        HostAnswer::None
    }

    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        let valid = match spki.ends_with(&[7; 96]) {
            true => es384::der(&Self::sign(message)).as_deref() == Some(signature),
            // The proof asks for the genuine one first; whatever differs from it is forged.
            false => {
                let asked = [message, signature].concat();
                *self
                    .proven
                    .borrow_mut()
                    .get_or_insert_with(|| asked.clone())
                    == asked
            }
        };
        match valid {
            true => HostAnswer::Valid,
            false => HostAnswer::Invalid,
        }
    }
}

fn policy() -> Rc<Policy> {
    let account = |number: &str, issuer: &str, keys: Value| {
        json!({
            "account": number, "issuer": issuer, "audiences": ["ours"],
            "organization": "o-abc1234567", "max_token_age": "15m",
            "jwks": {"inline": {"keys": keys}},
        })
    };
    let document = json!({
        "user_pools": [{
            "user_pool_id": "us-east-1_AbCdEf123", "client_ids": ["ours"],
            "jwks": {"inline": {"keys": [Signer::First.jwk("RSA_0")]}},
        }],
        "aws_accounts": [
            account("111111111111", ACCOUNT, json!([Signer::Second.jwk("RSA_0"), Curve::jwk()])),
            account("222222222222", OTHER, json!([Signer::Third.jwk("RSA_0")])),
        ],
        "token": {"use": "any"},
        "rules": [
            {"match": {"path": "/roles"}, "require": {"principals": [
                "arn:aws:iam::111111111111:role/a", "arn:aws:iam::222222222222:role/b/*",
            ]}},
            {"match": {"path": "/any"}, "require": {"principals": "any"}},
            {"match": {"path": "/tagged"}, "require": {"principals": "any", "claims": {"tag": "t"}}},
        ],
        "default": "authenticated",
        "claim_headers": [{"header": "x-user", "claim": "sub"}],
        "payload_header": "x-payload",
        "principal_headers": [{"header": "x-principal", "claim": "sub"}],
    });
    Rc::new(config::parse(document.to_string().as_bytes()).expect("a configuration"))
}

/// A token as it is meant.
#[derive(Debug)]
struct Plan {
    iss: &'static str,
    sub: &'static str,
    id: Option<&'static str>,
    number: Option<&'static str>,
    organization: Option<&'static str>,
    aud: Value,
    issued: Option<f64>,
    life: f64,
    tag: bool,
    algorithm: &'static str,
    kid: &'static str,
    signer: Option<Signer>,
}

const SUBS: [&str; 9] = [
    "arn:aws:iam::111111111111:role/a",
    "arn:aws:iam::111111111111:role/a/b",
    "arn:aws:iam::111111111111:role/b/c",
    "arn:aws:iam::222222222222:role/b/c",
    "arn:aws:iam::222222222222:role/bb/c",
    "arn:aws:iam::222222222222:role/b",
    "arn:aws-cn:iam::111111111111:role/a",
    "arn:aws:sts::111111111111:assumed-role/a/s",
    "6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab",
];

impl Plan {
    fn generate(input: &mut Unstructured<'_>) -> Result<Self> {
        let numbers = [
            Some("111111111111"),
            Some("111111111111"),
            Some("222222222222"),
            None,
        ];
        let sub = *input.choose(&SUBS)?;
        Ok(Self {
            iss: *input.choose(&[ACCOUNT, ACCOUNT, OTHER, POOL, "https://three"])?,
            sub,
            id: *input.choose(&[Some(sub), Some(sub), None, Some(SUBS[0])])?,
            number: *input.choose(&numbers)?,
            organization: *input.choose(&[Some("o-abc1234567"), Some("o-abc1234567"), None])?,
            aud: input
                .choose(&[json!("ours"), json!(["theirs", "ours"]), json!("theirs")])?
                .clone(),
            issued: *input.choose(&[
                Some(-100.0),
                Some(-100.0),
                Some(-1000.0),
                Some(100.0),
                None,
            ])?,
            life: *input.choose(&[300.0, 3600.0, 3601.0, 20.0])?,
            tag: input.arbitrary()?,
            algorithm: *input.choose(&["RS256", "RS256", "ES384", "none"])?,
            kid: *input.choose(&["RSA_0", "RSA_0", "EC384_0"])?,
            signer: *input.choose(&[
                Some(Signer::First),
                Some(Signer::Second),
                Some(Signer::Third),
                None,
            ])?,
        })
    }

    fn mint(&self) -> String {
        let header = json!({"alg": self.algorithm, "kid": self.kid});
        let mut claims = json!({
            "iss": self.iss, "sub": self.sub, "aud": self.aud, "token_use": "id",
            "exp": NOW + self.issued.unwrap_or_default() + self.life,
            STS: {},
        });
        if let Some(issued) = self.issued {
            claims["iat"] = json!(NOW + issued);
        }
        if self.tag {
            claims["tag"] = json!("t");
        }
        for (name, value) in [
            ("principal_id", self.id),
            ("aws_account", self.number),
            ("org_id", self.organization),
        ] {
            if let Some(value) = value {
                claims[STS][name] = json!(value);
            }
        }
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = match self.signer {
            Some(signer) => Notary::sign(signer, signed.as_bytes()),
            None => Curve::sign(signed.as_bytes()),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What the documentation says of it.
    fn verdict(&self, path: &str) -> std::result::Result<(), &'static str> {
        let holds = |holds: bool, reason| holds.then_some(()).ok_or(reason);
        holds(
            ["RS256", "ES384"].contains(&self.algorithm),
            "unsupported_algorithm",
        )?;
        let number = match self.iss {
            ACCOUNT => Some("111111111111"),
            OTHER => Some("222222222222"),
            _ => None,
        };
        holds(
            number.is_some() || self.algorithm == "RS256",
            "unsupported_algorithm",
        )?;
        let exp = self.issued.unwrap_or_default() + self.life;
        let names = ["/roles", "/any", "/tagged"].contains(&path);
        let Some(number) = number else {
            holds(self.iss == POOL && !names, "unknown_issuer")?;
            holds(0.0 < exp + 60.0, "token_expired")?;
            holds(
                self.issued.is_none_or(|at| at <= 60.0),
                "token_not_yet_valid",
            )?;
            holds(self.aud != "theirs", "wrong_client")?;
            holds(self.kid == "RSA_0", "unknown_key")?;
            return holds(self.signer == Some(Signer::First), "invalid_signature");
        };
        let Some(issued) = self.issued else {
            return Err("malformed_token");
        };
        holds(self.life <= 3600.0, "malformed_token")?;
        let rest = |partition: &str| self.sub.strip_prefix(&format!("arn:{partition}:iam::"));
        let formed = rest("aws").or(rest("aws-cn"));
        holds(formed.is_some(), "malformed_token")?;
        holds(0.0 < exp + 60.0, "token_expired")?;
        holds(issued <= 60.0, "token_not_yet_valid")?;
        holds(0.0 <= issued + 900.0 + 60.0, "token_expired")?;
        holds(names, "unknown_issuer")?;
        holds(self.aud != "theirs", "wrong_audience")?;
        let (own, has_curve) = match self.iss {
            ACCOUNT => (Signer::Second, true),
            _ => (Signer::Third, false),
        };
        holds(self.kid == "RSA_0" || has_curve, "unknown_key")?;
        let genuine = match (self.algorithm, self.kid) {
            ("RS256", "RSA_0") => self.signer == Some(own),
            ("ES384", "EC384_0") => self.signer.is_none(),
            _ => false,
        };
        holds(genuine, "invalid_signature")?;
        let begins = format!("arn:aws:iam::{number}:");
        holds(self.sub.starts_with(&begins), "wrong_principal")?;
        holds(self.number == Some(number), "wrong_principal")?;
        holds(self.id.is_none_or(|id| id == self.sub), "wrong_principal")?;
        holds(self.organization.is_some(), "wrong_principal")?;
        let named = self.sub == SUBS[0] || self.sub == SUBS[3];
        holds(path != "/roles" || named, "wrong_principal")?;
        holds(path != "/tagged" || self.tag, "claim_mismatch")
    }
}

fn check(input: &mut Unstructured<'_>, policy: &Rc<Policy>, verifiers: &Verifiers) -> Result<()> {
    let mut gate = Gate::new(Rc::clone(policy), verifiers.clone(), Entropy::new(1));
    let plans = (0..input.int_in_range(1..=3)?).map(|_| Plan::generate(input));
    let plans = plans.collect::<Result<Vec<_>>>()?;
    for _ in 0..input.int_in_range(1..=6)? {
        let plan = input.choose(&plans)?;
        let path = *input.choose(&["/roles", "/any", "/tagged", "/users"])?;
        let request = Request::new(vec![
            (":path".into(), path.into()),
            (":method".into(), b"GET".to_vec()),
            (
                "authorization".into(),
                format!("Bearer {}", plan.mint()).into_bytes(),
            ),
        ]);
        let now = Timestamp::from_seconds(NOW).expect("a time");
        let found = match gate.decide(&request, now).0 {
            Decision::Verdict(Verdict::Forward(Forward { caller, .. })) => {
                let Caller::Known(remembered) = &caller else {
                    panic!("nobody at {path}: {plan:?}");
                };
                let told = |wanted: &str| {
                    let mut values = caller.headers();
                    values.find_map(|(name, value)| (**name == *wanted).then(|| value.to_owned()))
                };
                let (user, payload) = (told("x-user"), told("x-payload"));
                let principal = told("x-principal");
                match remembered.verified.bearer() {
                    Bearer::User(_) => assert!(
                        user.is_some() && payload.is_some() && principal.is_none(),
                        "{plan:?}"
                    ),
                    Bearer::Principal(_) => assert!(
                        user.is_none() && payload.is_none() && principal.is_some(),
                        "{plan:?}"
                    ),
                }
                assert_eq!(principal.is_none(), plan.iss == POOL, "{plan:?}");
                Ok(())
            }
            Decision::Verdict(Verdict::Refuse(refusal)) => Err(refusal.reason().code()),
            Decision::Verdict(Verdict::Answer(_)) => Err("answered"),
            Decision::Hold(_) => Err("unknown_key"),
        };
        assert_eq!(found, plan.verdict(path), "{path}: {plan:?}");
    }
    Ok(())
}

/// Roles where roles are named, users where users are meant, and each under its own headers.
pub fn principals(data: &[u8]) {
    thread_local! {
        static WORLD: OnceCell<(Rc<Policy>, Verifiers)> = const { OnceCell::new() };
    }
    WORLD.with(|world| {
        let (policy, verifiers) = world.get_or_init(|| {
            let curve = Curve {
                proven: RefCell::new(None),
            };
            let es384 = Es384::host_if_proven(Rc::new(curve));
            assert!(es384.is_supported());
            (policy(), Verifiers::new(Notary::rs256(), es384))
        });
        let _ = check(&mut Unstructured::new(data), policy, verifiers);
    });
}
